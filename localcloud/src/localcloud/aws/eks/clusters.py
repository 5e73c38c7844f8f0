# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters: creation, deletion, and what is shown of them."""

from __future__ import annotations

import base64
from typing import Any

from ministack.services import eks as backend

from localcloud.aws import clock, iam, network, store, versions
from localcloud.aws.eks import access, clusterchanges, config, lookup, updates
from localcloud.aws.eks.call import Call, Handlers, page
from localcloud.aws.errors import in_use, invalid_parameter, invalid_request

_NO_CONTROL_PLANE = base64.b64encode(b"MOCK-CA-CERTIFICATE").decode()
"""What ministack gives as the CA of a cluster whose control plane did not start."""


def present(record: store.Record) -> dict[str, Any]:
    """The record as DescribeCluster shows it."""
    shown = store.public(record)
    shown["status"] = record.get("_status", record["status"])
    shown.pop("modifiedAt", None)
    if shown["status"] == "CREATING":
        for later in ("endpoint", "identity"):
            shown.pop(later, None)
        shown["certificateAuthority"] = {}
    return shown


def _create(call: Call) -> dict[str, Any]:
    name = call["name"]
    if name in store.clusters:
        raise in_use(f"Cluster already exists with name: {name}", clusterName=name)
    version = call.get("version", versions.DEFAULT)
    if version not in versions.VERSIONS:
        raise invalid_parameter("unsupported Kubernetes version", clusterName=name)
    wanted = call["resourcesVpcConfig"]
    subnet_ids, group_ids = wanted.get("subnetIds", []), wanted.get("securityGroupIds", [])
    vpc_id = network.require_subnets(subnet_ids, zones=2)
    network.require_security_groups(group_ids, vpc_id)
    auto = config.auto_mode(call.params)
    if auto["compute"]["enabled"] and call.get("bootstrapSelfManagedAddons", True):
        raise invalid_parameter("When EKS Auto Mode is enabled, bootstrapSelfManagedAddons must be set to false.")
    _require_role(call, call["roleArn"], auto=auto["compute"]["enabled"])
    kubernetes_network = call.get("kubernetesNetworkConfig", {})
    members = {
        "version": version,
        "platformVersion": versions.VERSIONS[version].platform,
        "kubernetesNetworkConfig": {
            "serviceIpv4Cidr": config.service_cidr(kubernetes_network, store.vpcs[vpc_id]["CidrBlock"]),
            "ipFamily": kubernetes_network.get("ipFamily", "ipv4"),
            "elasticLoadBalancing": {"enabled": auto["balancing"]},
        },
        "computeConfig": auto["compute"],
        "storageConfig": {"blockStorage": {"enabled": auto["storage"]}},
        "logging": config.logging(call.get("logging")),
        "encryptionConfig": config.encryption(call.get("encryptionConfig", [])),
        "accessConfig": {"authenticationMode": call.get("accessConfig", {}).get("authenticationMode", "CONFIG_MAP")},
        "upgradePolicy": {"supportType": call.get("upgradePolicy", {}).get("supportType", "EXTENDED")},
        "deletionProtection": call.get("deletionProtection", False),
    }
    for optional in _AS_GIVEN:
        if call.get(optional) is not None:
            members[optional] = call[optional]
    endpoint = config.endpoint_access(
        wanted, {"endpointPublicAccess": True, "endpointPrivateAccess": False, "publicAccessCidrs": []}
    )
    # The control plane starts at once, by what ministack's own record says of it.
    backend._create_cluster({**call.params, **members, "accessConfig": call.get("accessConfig", {})}, call.principal)
    record = store.clusters[name]
    security_group = network.create_cluster_security_group(name, vpc_id)
    record.update(members)
    # A control plane that could not start has said why by now.
    record.setdefault("health", {"issues": []})
    record["resourcesVpcConfig"] = {
        "subnetIds": subnet_ids,
        "securityGroupIds": group_ids,
        "clusterSecurityGroupId": security_group,
        "vpcId": vpc_id,
        **endpoint,
        "controlPlaneEgressMode": wanted.get("controlPlaneEgressMode", "AWS_MANAGED"),
    }
    record["createdAt"] = clock.now()
    record["_interfaces"] = network.create_cluster_interfaces(name, subnet_ids, [security_group, *group_ids])
    record["_bootstrap"] = call.get("bootstrapSelfManagedAddons", True)
    record["_status"] = "CREATING"
    access.complete_creator_entry(record)
    if auto["compute"]["enabled"]:
        access.add_auto_mode_entry(record)
    clusterchanges.make_log_group(record)
    clock.scheduler.later(call.settings.cluster_seconds, lambda: _await_control_plane(record))
    return {"cluster": present(record)}


_AS_GIVEN = (
    "zonalShiftConfig",
    "remoteNetworkConfig",
    "controlPlaneScalingConfig",
    "outpostConfig",
    "clientRequestToken",
    "kubeApiServerConfig",
    "kubeSchedulerConfig",
    "kubeControllerManagerConfig",
)


def _require_role(call: Call, role_arn: str, *, auto: bool) -> None:
    actions = ("sts:AssumeRole", "sts:TagSession") if auto else ("sts:AssumeRole",)
    if not iam.assumable(role_arn, "eks.amazonaws.com", call.settings.consistency_delay, actions):
        raise invalid_parameter(
            f"Role with arn: {role_arn}, could not be assumed because it does not exist or the trusted entity is not "
            "correct",
            clusterName=call["name"],
        )


def _await_control_plane(record: store.Record) -> None:
    """CREATING ends when the control plane answers, or did not start."""
    if record.get("_status") != "CREATING":
        return
    status = record["status"]
    # After the status: it is ACTIVE only when the authority is known.
    authority = record["certificateAuthority"].get("data")
    if status == "FAILED":
        record["_status"] = "FAILED"
    elif status != "ACTIVE":
        clock.scheduler.later(0.1, lambda: _await_control_plane(record))
    elif authority == _NO_CONTROL_PLANE or (backend._get_docker() is not None and not authority):
        record["_status"] = "FAILED"
        issue = {"code": "InternalFailure", "message": "The control plane did not start.", "resourceIds": []}
        record["health"] = {"issues": [issue]}
    else:
        record["_status"] = "ACTIVE"


def _describe(call: Call) -> dict[str, Any]:
    return {"cluster": present(lookup.cluster(call["name"]))}


def _list(call: Call) -> dict[str, Any]:
    return page(call, "clusters", sorted(store.clusters.keys()))


def _delete(call: Call) -> dict[str, Any]:
    name = call["name"]
    record = lookup.cluster(name)
    if record.get("deletionProtection"):
        raise invalid_request(
            f"Cluster {name} cannot be deleted because deletion protection is enabled. Disable deletion protection "
            "and try again.",
            clusterName=name,
        )
    if store.nodegroups(name):
        raise in_use("Cluster has nodegroups attached", clusterName=name)
    if record.get("_status") == "CREATING":
        raise in_use(f"Cluster {name} cannot be deleted while it is CREATING", clusterName=name)
    updates.require_idle(record, "DeleteCluster", name)
    if record.get("_status") != "DELETING":
        record["_status"] = "DELETING"
        _finish_deletion(record, call.settings.cluster_seconds)
    return {"cluster": present(record)}


def _finish_deletion(record: store.Record, seconds: float) -> None:
    clock.scheduler.later(seconds, lambda: clock.in_background(lambda: _remove(record), f"delete-{record['name']}"))


def _remove(record: store.Record) -> None:
    backend._delete_cluster(record["name"])
    with clock.lock:
        for key, addon in store.children(store.addons_all, record["name"], "/"):
            store.tags.pop(addon["addonArn"], None)
            store.addons_all.pop(key, None)
        network.remove_cluster_network(record)


def remove_failed() -> list[store.Record]:
    """Remove the clusters of the caller's account and region that could not be created, whatever protects them.

    On EKS, too, one that is FAILED stays so until it is deleted.
    """
    failed = [record for record in store.clusters.values() if record.get("_status") == "FAILED"]
    for record in failed:
        with clock.lock:
            record["_status"] = "DELETING"
        try:
            _remove(record)
        except BaseException:
            # The next repair looks for FAILED.
            record["_status"] = "FAILED"
            raise
    return failed


HANDLERS: Handlers = {
    "CreateCluster": _create,
    "DeleteCluster": _delete,
    "DescribeCluster": _describe,
    "ListClusters": _list,
}
