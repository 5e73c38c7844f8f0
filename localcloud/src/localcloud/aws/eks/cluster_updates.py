# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates of a cluster: its configuration, version and encryption."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localcloud.aws import clock, ministack, network, store
from localcloud.aws.eks import access, cluster_config, lookup, updates
from localcloud.aws.eks.call import Call, Handlers
from localcloud.aws.errors import AwsError, invalid_parameter, invalid_request
from localcloud.releases import versions


def make_log_group(record: store.Record) -> None:
    """Create the log group of a control plane with logging, if it does not exist; it remains after the cluster."""
    group = f"/aws/eks/{record['name']}/cluster"
    if cluster_config.enabled_logs(record["logging"]) and group not in ministack.log_groups:
        ministack.create_log_group({"logGroupName": group})


def _update_config(call: Call) -> dict[str, Any]:
    name = call["name"]
    record = lookup.cluster(name)
    kinds = _kinds(call)
    if not kinds:
        raise invalid_parameter("No update was specified.", clusterName=name)
    if len(kinds) > 1:
        raise invalid_parameter("Only one type of update can be allowed.", clusterName=name)
    kind = kinds.pop()
    changes, params = _CHANGES[kind](call, record)
    if record.get("_status") not in ("ACTIVE", "UPDATING"):
        raise invalid_request(f"Cluster '{name}' is not in ACTIVE status", clusterName=name)
    updates.require_idle(record, kind, name)

    def apply() -> None:
        for path, value in changes.items():
            target = record
            *parents, last = path.split(".")
            for parent in parents:
                target = target.setdefault(parent, {})
            target[last] = value
        if kind == "AutoModeUpdate" and record["computeConfig"]["enabled"]:
            access.add_auto_mode_entry(record)
        make_log_group(record)
        if kind == "AccessConfigUpdate":
            # Access entries now also grant the access of nodes, which only the aws-auth ConfigMap granted before.
            for group in store.nodegroups(name):
                access.add_node_entry(record, group["nodeRole"], windows=group["amiType"].startswith("WINDOWS"))

    return updates.start(record, kind, params, apply, seconds=call.settings.update_seconds)


def _kinds(call: Call) -> set[str]:
    kinds = set()
    vpc = call.get("resourcesVpcConfig", {})
    if {"endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"} & vpc.keys():
        kinds.add("EndpointAccessUpdate")
    if {"subnetIds", "securityGroupIds"} & vpc.keys():
        kinds.add("VpcConfigUpdate")
    if "controlPlaneEgressMode" in vpc:
        kinds.add("ControlPlaneEgressUpdate")
    kinds.update(kind for member, kind in _KIND_OF.items() if call.get(member) is not None)
    return kinds


_KIND_OF = {
    "logging": "LoggingUpdate",
    "accessConfig": "AccessConfigUpdate",
    "upgradePolicy": "UpgradePolicyUpdate",
    "zonalShiftConfig": "ZonalShiftConfigUpdate",
    "computeConfig": "AutoModeUpdate",
    "kubernetesNetworkConfig": "AutoModeUpdate",
    "storageConfig": "AutoModeUpdate",
    "remoteNetworkConfig": "RemoteNetworkConfigUpdate",
    "deletionProtection": "DeletionProtectionUpdate",
    "controlPlaneScalingConfig": "ControlPlaneScalingConfigUpdate",
    "kubeApiServerConfig": "ControlPlaneComponentConfigUpdate",
    "kubeSchedulerConfig": "ControlPlaneComponentConfigUpdate",
    "kubeControllerManagerConfig": "ControlPlaneComponentConfigUpdate",
}

Change = tuple[dict[str, Any], dict[str, Any]]
"""New values by their path in the record, and the update's params."""


def _endpoint(call: Call, record: store.Record) -> Change:
    current = record["resourcesVpcConfig"]
    after = cluster_config.endpoint_access(call["resourcesVpcConfig"], current)
    if all(current[key] == value for key, value in after.items()):
        raise invalid_parameter(
            "Cluster is already at the desired configuration with "
            f"endpointPrivateAccess: {_flag(after['endpointPrivateAccess'])} , "
            f"endpointPublicAccess: {_flag(after['endpointPublicAccess'])}, and Public Endpoint Restrictions: "
            f"[{', '.join(after['publicAccessCidrs'])}]",
            clusterName=record["name"],
        )
    return (
        {f"resourcesVpcConfig.{key}": value for key, value in after.items()},
        {
            "EndpointPublicAccess": _flag(after["endpointPublicAccess"]),
            "EndpointPrivateAccess": _flag(after["endpointPrivateAccess"]),
            "PublicAccessCidrs": after["publicAccessCidrs"],
        },
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _vpc(call: Call, record: store.Record) -> Change:
    current = record["resourcesVpcConfig"]
    wanted = call["resourcesVpcConfig"]
    subnet_ids = wanted.get("subnetIds", current["subnetIds"])
    group_ids = wanted.get("securityGroupIds", current["securityGroupIds"])
    vpc_id = network.require_subnets(subnet_ids, zones=2)
    if vpc_id != current["vpcId"]:
        raise invalid_parameter("The subnets must be in the same VPC as the cluster.", clusterName=record["name"])
    network.require_security_groups(group_ids, vpc_id)
    if set(subnet_ids) == set(current["subnetIds"]) and set(group_ids) == set(current["securityGroupIds"]):
        raise _unchanged("VPC", record)
    return (
        {"resourcesVpcConfig.subnetIds": subnet_ids, "resourcesVpcConfig.securityGroupIds": group_ids},
        {"Subnets": subnet_ids, "SecurityGroups": group_ids},
    )


def _egress(call: Call, record: store.Record) -> Change:
    mode = call["resourcesVpcConfig"]["controlPlaneEgressMode"]
    if mode == record["resourcesVpcConfig"].get("controlPlaneEgressMode"):
        raise _unchanged("control plane egress", record)
    return {"resourcesVpcConfig.controlPlaneEgressMode": mode}, {"ControlPlaneEgressMode": mode}


def _logging(call: Call, record: store.Record) -> Change:
    after = cluster_config.logging(call["logging"], record["logging"])
    if after == record["logging"]:
        raise invalid_parameter("No changes needed for the logging config provided", clusterName=record["name"])
    return {"logging": after}, {"ClusterLogging": after}


_MODES = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")


def _access(call: Call, record: store.Record) -> Change:
    mode = call["accessConfig"].get("authenticationMode")
    current = record["accessConfig"]["authenticationMode"]
    if mode == current or mode is None:
        raise invalid_parameter(f"Cluster is already at the desired authentication mode {current}")
    if _MODES.index(mode) != _MODES.index(current) + 1:
        raise invalid_parameter(
            f"Unsupported authentication mode update from {current} to {mode}", clusterName=record["name"]
        )
    return {"accessConfig.authenticationMode": mode}, {"AuthenticationMode": mode}


def _support(call: Call, record: store.Record) -> Change:
    wanted = call["upgradePolicy"].get("supportType")
    if wanted in (None, record["upgradePolicy"]["supportType"]):
        raise _unchanged("upgrade policy", record)
    status = versions.support_status(versions.VERSIONS[record["version"]], clock.now())
    if wanted == "STANDARD" and status != "STANDARD_SUPPORT":
        raise invalid_parameter("The upgrade policy cannot be STANDARD while the version is in extended support.")
    return {"upgradePolicy.supportType": wanted}, {"UpgradePolicy": {"supportType": wanted}}


def _auto_mode(call: Call, record: store.Record) -> Change:
    current = {
        "compute": record["computeConfig"],
        "storage": record["storageConfig"]["blockStorage"]["enabled"],
        "balancing": record["kubernetesNetworkConfig"]["elasticLoadBalancing"]["enabled"],
    }
    asked = call.get("kubernetesNetworkConfig", {})
    if {"serviceIpv4Cidr", "ipFamily"} & asked.keys():
        raise invalid_parameter("serviceIpv4Cidr and ipFamily cannot be changed after the cluster was created.")
    after = cluster_config.auto_mode(call.params, current)
    if after == current:
        raise _unchanged("Auto Mode", record)
    if after["compute"]["enabled"] and record["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
        raise invalid_parameter("EKS Auto Mode requires the authentication mode API or API_AND_CONFIG_MAP.")
    return (
        {
            "computeConfig": after["compute"],
            "storageConfig.blockStorage.enabled": after["storage"],
            "kubernetesNetworkConfig.elasticLoadBalancing.enabled": after["balancing"],
        },
        {"ComputeConfig": after["compute"]},
    )


def _member(member: str, param: str, what: str) -> Callable[[Call, store.Record], Change]:
    def change(call: Call, record: store.Record) -> Change:
        wanted = call[member]
        if record.get(member) == wanted:
            raise _unchanged(what, record)
        value = wanted if not isinstance(wanted, bool) else _flag(wanted)
        return {member: wanted}, {param: value}

    return change


def _scaling(call: Call, record: store.Record) -> Change:
    before = (record.get("controlPlaneScalingConfig") or {}).get("tier", "standard")
    after = call["controlPlaneScalingConfig"].get("tier", "standard")
    if before == after:
        raise _unchanged("control plane scaling", record)
    return {"controlPlaneScalingConfig": {"tier": after}}, {"PreviousTier": before, "UpdatedTier": after}


def _components(call: Call, record: store.Record) -> Change:
    names = ("kubeApiServerConfig", "kubeSchedulerConfig", "kubeControllerManagerConfig")
    asked = {name: call[name] for name in names if call.get(name) is not None}
    if all(record.get(name) == value for name, value in asked.items()):
        raise _unchanged("control plane component", record)
    return dict(asked), {name[0].upper() + name[1:]: value for name, value in asked.items()}


def _unchanged(what: str, record: store.Record) -> AwsError:
    return invalid_parameter(f"No changes needed for the {what} config provided", clusterName=record["name"])


_CHANGES = {
    "EndpointAccessUpdate": _endpoint,
    "VpcConfigUpdate": _vpc,
    "ControlPlaneEgressUpdate": _egress,
    "LoggingUpdate": _logging,
    "AccessConfigUpdate": _access,
    "UpgradePolicyUpdate": _support,
    "AutoModeUpdate": _auto_mode,
    "ZonalShiftConfigUpdate": _member("zonalShiftConfig", "ZonalShiftConfig", "zonal shift"),
    "RemoteNetworkConfigUpdate": _member("remoteNetworkConfig", "RemoteNetworkConfig", "remote network"),
    "DeletionProtectionUpdate": _member("deletionProtection", "DeletionProtection", "deletion protection"),
    "ControlPlaneScalingConfigUpdate": _scaling,
    "ControlPlaneComponentConfigUpdate": _components,
}


# --- UpdateClusterVersion and AssociateEncryptionConfig -----------------------------------------------------------


def _update_version(call: Call) -> dict[str, Any]:
    name, wanted = call["name"], call["version"]
    record = lookup.cluster(name, active=True)
    current = record["version"]
    if wanted not in versions.VERSIONS:
        raise invalid_parameter("unsupported Kubernetes version", clusterName=name)
    if wanted == current:
        raise invalid_parameter(f"Cluster is already at the desired version {current}", clusterName=name)
    if versions.number(wanted) != versions.number(current) + 1:
        raise invalid_parameter(
            f"Unsupported Kubernetes minor version update from {current} to {wanted}", clusterName=name
        )
    updates.require_idle(record, "VersionUpdate", name)
    behind = [group["nodegroupName"] for group in store.nodegroups(name) if group["version"] != current]
    if behind:
        raise invalid_request(
            f"Nodegroups {', '.join(behind)} must be updated to match cluster version {current} before updating "
            "cluster version",
            clusterName=name,
        )
    key, clusters = store.cluster_key(name), call.settings.clusters

    def apply() -> None:
        if clusters is not None:
            clusters.upgrade(key, wanted)
        with clock.lock:
            record["version"] = wanted
            record["platformVersion"] = versions.VERSIONS[wanted].platform

    params = {"Version": wanted, "PlatformVersion": versions.VERSIONS[wanted].platform}
    return updates.start(record, "VersionUpdate", params, apply, seconds=call.settings.update_seconds, own_thread=True)


def _associate_encryption(call: Call) -> dict[str, Any]:
    name = call["clusterName"]
    record = lookup.cluster(name, active=True)
    wanted = cluster_config.encryption(call["encryptionConfig"])
    if not wanted:
        raise invalid_parameter("encryptionConfig must have one entry.", clusterName=name)
    if record.get("encryptionConfig"):
        raise invalid_request(f"Cluster {name} already has encryption config associated", clusterName=name)
    updates.require_idle(record, "AssociateEncryptionConfig", name)

    def apply() -> None:
        record["encryptionConfig"] = wanted

    params = {"EncryptionConfig": wanted}
    return updates.start(record, "AssociateEncryptionConfig", params, apply, seconds=call.settings.update_seconds)


HANDLERS: Handlers = {
    "AssociateEncryptionConfig": _associate_encryption,
    "UpdateClusterConfig": _update_config,
    "UpdateClusterVersion": _update_version,
}
