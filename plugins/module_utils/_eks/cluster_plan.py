# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the changes of an EKS cluster. Pure functions.

Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateClusterConfig.html (one kind of change per call)
and https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html (one minor version at a time).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from .._aws.aliases import Document, State
from .._aws.errors import AwsError, VersionError
from .._aws.plan import (
    Change,
    Plan,
    Step,
    creation,
    deletion,
    differences,
    only,
    refuse_immutable,
    tag_steps,
    without_none,
)
from .transformations import flatten, minor, names, networks, unflatten

_PLAIN = (
    "version",
    "role_arn",
    "endpoint_public_access",
    "endpoint_private_access",
    "control_plane_egress_mode",
    "encryption_key_arn",
    "ip_family",
    "authentication_mode",
    "bootstrap_cluster_creator_admin_permissions",
    "bootstrap_self_managed_addons",
    "upgrade_policy",
    "zonal_shift",
    "deletion_protection",
    "control_plane_scaling_tier",
    "tags",
)
_SETS = ("subnet_ids", "security_group_ids", "log_types")
_NETWORKS = ("public_access_cidrs", "remote_node_networks", "remote_pod_networks")
_NESTED = (
    "auto_mode",
    "kube_api_server_config",
    "kube_scheduler_config",
    "kube_controller_manager_config",
    "outpost_config",
)
_VPC = {
    "subnet_ids": "subnetIds",
    "security_group_ids": "securityGroupIds",
    "endpoint_public_access": "endpointPublicAccess",
    "endpoint_private_access": "endpointPrivateAccess",
    "public_access_cidrs": "publicAccessCidrs",
    "control_plane_egress_mode": "controlPlaneEgressMode",
}

_NEW_CLUSTER = "it can only be set when a cluster is created."
_REMEDIES = {
    "role_arn": "keep the role, and change the policies attached to it; " + _NEW_CLUSTER,
    "service_ipv4_cidr": _NEW_CLUSTER,
    "ip_family": _NEW_CLUSTER,
    "encryption_key_arn": "EKS cannot remove the key of a cluster; rotate it in KMS, or create a new cluster.",
    "bootstrap_cluster_creator_admin_permissions": (
        "it has an effect at creation only; add or remove the creator's access entry instead (eks_access_entry)."
    ),
    "outpost_config.": _NEW_CLUSTER,
}
_MODES = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")


def wanted_state(options: Mapping[str, Any]) -> State:
    """Return the module's options as a state. Raises AwsError for values that EKS would misunderstand."""
    state: State = {name: options[name] for name in _PLAIN if options.get(name) is not None}
    for name in _SETS:
        if options.get(name) is not None:
            state[name] = names(options[name])
    for name in _NETWORKS:
        if options.get(name) is not None:
            state[name] = networks(options[name], name)
    if options.get("service_ipv4_cidr"):
        state["service_ipv4_cidr"] = networks([options["service_ipv4_cidr"]], "service_ipv4_cidr")[0]
    for name in _NESTED:
        state.update(flatten(name, options.get(name)))
    if "version" in state:
        minor(state["version"])
    if state.get("public_access_cidrs") == []:
        raise AwsError(
            "public_access_cidrs: EKS takes an empty list for 0.0.0.0/0; to allow no one, set "
            "endpoint_public_access=false; to allow everyone, give 0.0.0.0/0."
        )
    if ":alias/" in str(state.get("encryption_key_arn")):
        raise AwsError("encryption_key_arn: give the ARN of the key, not of an alias. EKS does not store aliases.")
    if state.get("auto_mode.node_pools") is not None:
        state["auto_mode.node_pools"] = names(state["auto_mode.node_pools"])
    return state


def current_state(cluster: Document) -> State:
    """Return DescribeCluster's response as a state; fields that an old cluster does not have get EKS' default."""
    vpc = cluster.get("resourcesVpcConfig") or {}
    network = cluster.get("kubernetesNetworkConfig") or {}
    access = cluster.get("accessConfig") or {}
    remote = cluster.get("remoteNetworkConfig") or {}
    compute = cluster.get("computeConfig") or {}
    keys = [e["provider"]["keyArn"] for e in cluster.get("encryptionConfig") or [] if e.get("provider")]
    state: State = {
        "version": cluster.get("version"),
        "role_arn": cluster.get("roleArn"),
        "subnet_ids": names(vpc.get("subnetIds")),
        "security_group_ids": names(vpc.get("securityGroupIds")),
        "endpoint_public_access": vpc.get("endpointPublicAccess", True),
        "endpoint_private_access": vpc.get("endpointPrivateAccess", False),
        "public_access_cidrs": networks(vpc.get("publicAccessCidrs") or ["0.0.0.0/0"], "publicAccessCidrs"),
        "control_plane_egress_mode": vpc.get("controlPlaneEgressMode", "AWS_MANAGED"),
        "log_types": _log_types(cluster),
        "encryption_key_arn": keys[0] if keys else None,
        "service_ipv4_cidr": network.get("serviceIpv4Cidr"),
        "ip_family": network.get("ipFamily", "ipv4"),
        "authentication_mode": access.get("authenticationMode", "CONFIG_MAP"),
        "bootstrap_cluster_creator_admin_permissions": access.get("bootstrapClusterCreatorAdminPermissions"),
        "upgrade_policy": (cluster.get("upgradePolicy") or {}).get("supportType", "EXTENDED"),
        "zonal_shift": (cluster.get("zonalShiftConfig") or {}).get("enabled", False),
        "deletion_protection": cluster.get("deletionProtection", False),
        "control_plane_scaling_tier": (cluster.get("controlPlaneScalingConfig") or {}).get("tier", "standard"),
        "remote_node_networks": _cidrs(remote.get("remoteNodeNetworks")),
        "remote_pod_networks": _cidrs(remote.get("remotePodNetworks")),
        "auto_mode.enabled": compute.get("enabled", False),
        "auto_mode.node_pools": names(compute.get("nodePools")),
        "auto_mode.node_role_arn": compute.get("nodeRoleArn"),
        "tags": dict(cluster.get("tags") or {}),
    }
    for name in _NESTED[1:]:
        key = "".join(part.capitalize() if i else part for i, part in enumerate(name.split("_")))
        state.update(flatten(name, cluster.get(key)))
    return state


def plan_present(
    name: str,
    cluster: Document | None,
    wanted: State,
    *,
    offered: Callable[[], Sequence[Document] | None],
    purge_tags: bool = True,
    force: bool = False,
) -> Plan:
    """The calls that make *cluster* (None: absent) what is *wanted*.

    *offered* yields DescribeClusterVersions' answer, or None where asking is not permitted; it is called only when a
    version is about to be chosen. Raises ImmutableError, VersionError or AwsError.
    """
    resource = f"cluster {name}"
    if cluster is None:
        return _plan_create(name, resource, wanted, offered)
    current = current_state(cluster)
    _refuse_closed(resource, {**current, **wanted})
    changes = _effective(differences(current, wanted), {**current, **wanted})
    _refuse_disguised(resource, current, changes)
    # The version is checked first, so that a refusal changes nothing.
    version = _version_step(name, current["version"], changes.pop("version", None), offered, force=force)
    steps = tag_steps(cluster["arn"], current["tags"], wanted.get("tags"), purge=purge_tags)
    merged = {**current, **wanted}
    for fields, build in _GROUPS:
        part = only(changes, fields)
        if part:
            steps.extend(
                Step(operation, {_key(operation): name, **request}, shown, "update")
                for operation, request, shown in build(part, merged)
            )
    return Plan(resource, (*steps, *version))


def plan_absent(name: str, cluster: Document | None, wanted: State, dependents: Sequence[str]) -> Plan:
    """Return the calls that delete *cluster*. *dependents* names the resources that block the deletion."""
    resource = f"cluster {name}"
    if cluster is None or cluster.get("status") == "DELETING":
        return Plan(resource)
    if dependents:
        raise AwsError(f"{resource} still has {', '.join(dependents)}: delete these first. Nothing was changed.")
    steps = []
    current = current_state(cluster)
    if current["deletion_protection"]:
        if wanted.get("deletion_protection") is not False:
            raise AwsError(
                f"{resource} is protected from deletion. To delete it anyway, set deletion_protection=false "
                "together with state=absent. Nothing was changed."
            )
        change = {"deletion_protection": Change(True, False)}
        steps.append(Step("UpdateClusterConfig", {"name": name, "deletionProtection": False}, change, "update"))
    steps.append(Step("DeleteCluster", {"name": name}, deletion(current), "gone"))
    return Plan(resource, tuple(steps))


def check_offered(version: str, offered: Sequence[Document] | None) -> None:
    """Raise VersionError if EKS does not offer *version*; *offered* is None without permission to read it."""
    if offered is None:
        return
    usable = {
        v["clusterVersion"]
        for v in offered
        if not {v.get("versionStatus"), v.get("status")} & {"UNSUPPORTED", "unsupported"}
    }
    if version not in usable:
        known = ", ".join(sorted(usable, key=minor)) or "none"
        hint = " (quote versions in YAML: 1.30 is the number 1.3)" if f"{version}0" in usable else ""
        raise VersionError(f"EKS does not offer Kubernetes {version}{hint}; it offers {known}. Nothing was changed.")


def _plan_create(name: str, resource: str, wanted: State, offered: Callable[[], Sequence[Document] | None]) -> Plan:
    missing = [option for option in ("role_arn", "subnet_ids") if not wanted.get(option)]
    if missing:
        raise AwsError(f"{resource} does not exist, and {' and '.join(missing)} must be given to create it.")
    _refuse_closed(resource, {"endpoint_public_access": True, "endpoint_private_access": False, **wanted})
    if "version" in wanted:
        check_offered(wanted["version"], offered())
    if wanted.get("auto_mode.enabled"):
        # EKS requires it, because Auto Mode replaces these add-ons.
        wanted = {"bootstrap_self_managed_addons": False, **wanted}
    return Plan(resource, (Step("CreateCluster", create_request(name, wanted), creation(wanted), "active"),))


def create_request(name: str, wanted: State) -> Document:
    """CreateCluster's request for a *wanted* state."""
    get = wanted.get
    auto = _auto_mode(wanted) if "auto_mode.enabled" in wanted else {}
    network = without_none(
        {
            "serviceIpv4Cidr": get("service_ipv4_cidr"),
            "ipFamily": get("ip_family"),
            **auto.pop("kubernetesNetworkConfig", {}),
        }
    )
    request = {
        "name": name,
        "version": get("version"),
        "roleArn": get("role_arn"),
        "resourcesVpcConfig": without_none(
            {key: get(field) for field, key in _VPC.items()} | {"securityGroupIds": get("security_group_ids") or None}
        ),
        "kubernetesNetworkConfig": network or None,
        "logging": {"clusterLogging": [{"types": get("log_types"), "enabled": True}]} if get("log_types") else None,
        "encryptionConfig": _encryption(wanted) if get("encryption_key_arn") else None,
        "accessConfig": without_none(
            {
                "authenticationMode": get("authentication_mode"),
                "bootstrapClusterCreatorAdminPermissions": get("bootstrap_cluster_creator_admin_permissions"),
            }
        )
        or None,
        "bootstrapSelfManagedAddons": get("bootstrap_self_managed_addons"),
        "upgradePolicy": {"supportType": get("upgrade_policy")} if get("upgrade_policy") else None,
        "zonalShiftConfig": {"enabled": get("zonal_shift")} if get("zonal_shift") is not None else None,
        "deletionProtection": get("deletion_protection"),
        "controlPlaneScalingConfig": {"tier": get("control_plane_scaling_tier")}
        if get("control_plane_scaling_tier")
        else None,
        "remoteNetworkConfig": _remote(wanted) if get("remote_node_networks") else None,
        "tags": get("tags") or None,
        **auto,
        **_component_configs(wanted),
        "outpostConfig": unflatten(wanted, "outpost_config") or None,
    }
    return without_none(request)


def _refuse_closed(resource: str, merged: State) -> None:
    if not merged["endpoint_public_access"] and not merged["endpoint_private_access"]:
        raise AwsError(
            f"{resource}: endpoint_public_access and endpoint_private_access cannot both be false; nobody could reach "
            "the cluster. Nothing was changed."
        )


def _effective(changes: dict[str, Change], merged: State) -> dict[str, Change]:
    """Return *wanted* without fields that have no effect, such as CIDRs while public access is off."""
    if not merged["endpoint_public_access"]:
        changes.pop("public_access_cidrs", None)
    bootstrap = changes.get("bootstrap_cluster_creator_admin_permissions")
    if bootstrap and bootstrap.before is None:
        changes.pop("bootstrap_cluster_creator_admin_permissions")
    if not merged["auto_mode.enabled"]:
        changes.pop("auto_mode.node_pools", None)
        changes.pop("auto_mode.node_role_arn", None)
    return changes


def _refuse_disguised(resource: str, current: State, changes: Mapping[str, Change]) -> None:
    """Refuse changes of immutable fields, and of fields that can change in one direction only."""
    remedies = dict(_REMEDIES)
    if current["encryption_key_arn"] is None:
        del remedies["encryption_key_arn"]
    if current["auto_mode.enabled"] and current["auto_mode.node_role_arn"]:
        remedies["auto_mode.node_role_arn"] = "disable Auto Mode first, then enable it with the other role."
    mode = changes.get("authentication_mode")
    if mode and _MODES.index(mode.after) < _MODES.index(mode.before):
        remedies["authentication_mode"] = "EKS changes CONFIG_MAP to API_AND_CONFIG_MAP to API, and not back."
    refuse_immutable(resource, changes, remedies)


def _version_step(
    name: str,
    current: str,
    change: Change | None,
    offered: Callable[[], Sequence[Document] | None],
    *,
    force: bool,
) -> list[Step]:
    if change is None:
        return []
    before, after = minor(current), minor(change.after)
    following = f"{before[0]}.{before[1] + 1}"
    if after < before:
        raise VersionError(
            f"cluster {name} runs Kubernetes {current} and cannot be taken back to {change.after}; keep {current} or "
            f"go on to {following}. Nothing was changed."
        )
    if change.after != following:
        raise VersionError(
            f"cluster {name} runs Kubernetes {current} and cannot go to {change.after} at once: EKS takes one minor "
            f"version at a time, and the next is {following}. Nothing was changed."
        )
    check_offered(change.after, offered())
    request = {"name": name, "version": change.after, **({"force": True} if force else {})}
    return [Step("UpdateClusterVersion", request, {"version": change}, "update")]


def _key(operation: str) -> str:
    return "clusterName" if operation == "AssociateEncryptionConfig" else "name"


Built = list[tuple[str, Document, Mapping[str, Change]]]
_Builder = Callable[[dict[str, Change], State], Built]


def _config(
    request: Callable[[dict[str, Change], State], Document], changes: dict[str, Change], merged: State
) -> Built:
    """One UpdateClusterConfig call for a group of fields."""
    return [("UpdateClusterConfig", request(changes, merged), changes)]


def _authentication(changes: dict[str, Change], _: State) -> Built:
    """Return the calls for the authentication mode. Between CONFIG_MAP and API, EKS requires API_AND_CONFIG_MAP."""
    change = changes["authentication_mode"]
    path = _MODES[_MODES.index(change.before) : _MODES.index(change.after) + 1]
    return [
        (
            "UpdateClusterConfig",
            {"accessConfig": {"authenticationMode": after}},
            {"authentication_mode": Change(before, after)},
        )
        for before, after in itertools.pairwise(path)
    ]


def _logging(changes: dict[str, Change], _: State) -> Document:
    before, after = set(changes["log_types"].before), set(changes["log_types"].after)
    setups = [(sorted(after - before), True), (sorted(before - after), False)]
    return {"logging": {"clusterLogging": [{"types": t, "enabled": on} for t, on in setups if t]}}


def _vpc(changes: dict[str, Change], merged: State) -> Document:
    return {"resourcesVpcConfig": {_VPC[name]: merged[name] for name in changes}}


def _remote(merged: State) -> Document:
    def entries(name: str) -> list[Document]:
        return [{"cidrs": merged[name]}] if merged.get(name) else []

    return {
        "remoteNodeNetworks": entries("remote_node_networks"),
        "remotePodNetworks": entries("remote_pod_networks"),
    }


def _encryption(merged: State) -> list[Document]:
    return [{"resources": ["secrets"], "provider": {"keyArn": merged["encryption_key_arn"]}}]


def _auto_mode(merged: State) -> Document:
    """Return the call for Auto Mode. EKS requires compute, block storage and load balancing in one call."""
    enabled = bool(merged["auto_mode.enabled"])
    compute: Document = {"enabled": enabled}
    if enabled:
        compute["nodePools"] = merged.get("auto_mode.node_pools")
        compute["nodeRoleArn"] = merged.get("auto_mode.node_role_arn")
    return {
        "computeConfig": without_none(compute),
        "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": enabled}},
        "storageConfig": {"blockStorage": {"enabled": enabled}},
    }


def _component_configs(merged: State) -> Document:
    found = {
        "kubeApiServerConfig": unflatten(merged, "kube_api_server_config"),
        "kubeSchedulerConfig": unflatten(merged, "kube_scheduler_config"),
        "kubeControllerManagerConfig": unflatten(merged, "kube_controller_manager_config"),
    }
    return {key: value for key, value in found.items() if value}


def _log_types(cluster: Document) -> list[str]:
    setups = (cluster.get("logging") or {}).get("clusterLogging") or []
    return names(t for setup in setups if setup.get("enabled") for t in setup.get("types") or [])


def _cidrs(entries: Sequence[Document] | None) -> list[str]:
    return networks((cidr for entry in entries or [] for cidr in entry.get("cidrs") or []), "cidrs")


# The fields that one call may change together, in the order of the calls.
_GROUPS: Sequence[tuple[Sequence[str], _Builder]] = (
    (("deletion_protection",), partial(_config, lambda _, m: {"deletionProtection": m["deletion_protection"]})),
    (("authentication_mode",), _authentication),
    (
        ("encryption_key_arn",),
        lambda c, m: [("AssociateEncryptionConfig", {"encryptionConfig": _encryption(m)}, c)],
    ),
    (("log_types",), partial(_config, _logging)),
    (("subnet_ids", "security_group_ids"), partial(_config, _vpc)),
    (
        ("endpoint_public_access", "endpoint_private_access", "public_access_cidrs"),
        partial(_config, _vpc),
    ),
    (("control_plane_egress_mode",), partial(_config, _vpc)),
    (
        ("remote_node_networks", "remote_pod_networks"),
        partial(_config, lambda _, m: {"remoteNetworkConfig": _remote(m)}),
    ),
    (("upgrade_policy",), partial(_config, lambda _, m: {"upgradePolicy": {"supportType": m["upgrade_policy"]}})),
    (("zonal_shift",), partial(_config, lambda _, m: {"zonalShiftConfig": {"enabled": m["zonal_shift"]}})),
    (("auto_mode.",), partial(_config, lambda _, m: _auto_mode(m))),
    (
        ("control_plane_scaling_tier",),
        partial(_config, lambda _, m: {"controlPlaneScalingConfig": {"tier": m["control_plane_scaling_tier"]}}),
    ),
    (
        ("kube_api_server_config.", "kube_scheduler_config.", "kube_controller_manager_config."),
        partial(_config, lambda _, m: _component_configs(m)),
    ),
)
