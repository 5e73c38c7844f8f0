# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters: creation, deletion and description."""

from __future__ import annotations

import base64
import secrets
import threading
from functools import partial
from typing import Any

from localcloud.aws import clock, iam, network, store
from localcloud.aws.eks import access, cluster_config, cluster_updates, identity, lookup, updates
from localcloud.aws.eks.call import Call, Handlers, page
from localcloud.aws.errors import in_use, invalid_parameter, invalid_request
from localcloud.model import ClusterBackend, ClusterSpec
from localcloud.releases import versions


def present(record: store.Record) -> dict[str, Any]:
    """Return the record in the format of DescribeCluster."""
    shown = store.public(record)
    shown["status"] = record["_status"]
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
    auto = cluster_config.auto_mode(call.params)
    if auto["compute"]["enabled"] and call.get("bootstrapSelfManagedAddons", True):
        raise invalid_parameter("When EKS Auto Mode is enabled, bootstrapSelfManagedAddons must be set to false.")
    _require_role(call, call["roleArn"], auto=auto["compute"]["enabled"])
    kubernetes_network = call.get("kubernetesNetworkConfig", {})
    members = {
        "version": version,
        "platformVersion": versions.VERSIONS[version].platform,
        "kubernetesNetworkConfig": {
            "serviceIpv4Cidr": cluster_config.service_cidr(kubernetes_network, store.vpcs[vpc_id]["CidrBlock"]),
            "ipFamily": kubernetes_network.get("ipFamily", "ipv4"),
            "elasticLoadBalancing": {"enabled": auto["balancing"]},
        },
        "computeConfig": auto["compute"],
        "storageConfig": {"blockStorage": {"enabled": auto["storage"]}},
        "logging": cluster_config.logging(call.get("logging")),
        "encryptionConfig": cluster_config.encryption(call.get("encryptionConfig", [])),
        "accessConfig": {"authenticationMode": call.get("accessConfig", {}).get("authenticationMode", "CONFIG_MAP")},
        "upgradePolicy": {"supportType": call.get("upgradePolicy", {}).get("supportType", "EXTENDED")},
        "deletionProtection": call.get("deletionProtection", False),
    }
    for optional in _AS_GIVEN:
        if call.get(optional) is not None:
            members[optional] = call[optional]
    endpoint = cluster_config.endpoint_access(
        wanted, {"endpointPublicAccess": True, "endpointPrivateAccess": False, "publicAccessCidrs": []}
    )
    security_group = network.create_cluster_security_group(name, vpc_id)
    record: store.Record = {
        "name": name,
        "arn": store.arn("cluster", name),
        "createdAt": clock.now(),
        "roleArn": call["roleArn"],
        "resourcesVpcConfig": {
            "subnetIds": subnet_ids,
            "securityGroupIds": group_ids,
            "clusterSecurityGroupId": security_group,
            "vpcId": vpc_id,
            **endpoint,
            "controlPlaneEgressMode": wanted.get("controlPlaneEgressMode", "AWS_MANAGED"),
        },
        "identity": {"oidc": {"issuer": identity.new_issuer()}},
        "certificateAuthority": {"data": ""},
        "health": {"issues": []},
        **members,
        "_interfaces": network.create_cluster_interfaces(name, subnet_ids, [security_group, *group_ids]),
        "_bootstrap": call.get("bootstrapSelfManagedAddons", True),
        "_status": "CREATING",
        "_auth_token": secrets.token_urlsafe(32),
    }
    store.clusters[name] = record
    store.set_tags(record["arn"], record, call.get("tags", {}))
    if call.principal and call.get("accessConfig", {}).get("bootstrapClusterCreatorAdminPermissions", True):
        access.add_creator_entry(record, call.principal)
    if auto["compute"]["enabled"]:
        access.add_auto_mode_entry(record)
    cluster_updates.make_log_group(record)
    started = threading.Event()
    clock.in_background(lambda: _start_control_plane(record, call.settings.clusters, started), f"create-{name}")
    clock.scheduler.later(call.settings.cluster_seconds, lambda: _await_control_plane(record, started))
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


def _start_control_plane(record: store.Record, clusters: ClusterBackend | None, started: threading.Event) -> None:
    """Start a cluster's control plane; a failure is recorded as a health issue of the cluster."""
    key = store.cluster_key(record["name"])
    try:
        if clusters is None:
            record["endpoint"] = f"https://{record['name']}.invalid"
        else:
            spec = ClusterSpec(
                key,
                record["version"],
                record["kubernetesNetworkConfig"]["serviceIpv4Cidr"],
                identity.webhook_path(key, record["_auth_token"]),
                identity.api_server_arguments(key.name),
            )
            reference = clusters.create(spec)
            record["endpoint"] = reference.endpoint
            record["certificateAuthority"]["data"] = base64.b64encode(reference.ca_file.read_bytes()).decode()
            record["_runs"] = True
    except Exception as error:
        issue = {"code": "InternalFailure", "message": str(error), "resourceIds": [key.name]}
        record["health"] = {"issues": [issue]}
    finally:
        started.set()


def _await_control_plane(record: store.Record, started: threading.Event) -> None:
    """End the state CREATING when the control plane responds, or has not started."""
    if record["_status"] != "CREATING":
        return
    if not started.is_set():
        clock.scheduler.later(0.1, lambda: _await_control_plane(record, started))
    else:
        record["_status"] = "FAILED" if record["health"]["issues"] else "ACTIVE"


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
        _finish_deletion(record, call.settings.clusters, call.settings.cluster_seconds)
    return {"cluster": present(record)}


def _finish_deletion(record: store.Record, clusters: ClusterBackend | None, seconds: float) -> None:
    remove = partial(clock.in_background, lambda: _remove(record, clusters), f"delete-{record['name']}")
    clock.scheduler.later(seconds, remove)


def _remove(record: store.Record, clusters: ClusterBackend | None) -> None:
    name = record["name"]
    if clusters is not None:
        clusters.delete(store.cluster_key(name))
    with clock.lock:
        for owner, separator, arn in (
            (store.addons_all, "/", "addonArn"),
            (store.access_entries_all, "\x00", "accessEntryArn"),
            (store.access_policies_all, "\x00", ""),
            (store.pod_identities_all, "\x00", "associationArn"),
            (store.identity_providers, "\x00", "arn"),
        ):
            for key, child in store.children(owner, name, separator):
                store.tags.pop(child.get(arn, ""), None)
                owner.pop(key, None)
        network.remove_cluster_network(record)
        store.tags.pop(record["arn"], None)
        store.clusters.pop(name, None)


def remove_failed(clusters: ClusterBackend | None) -> list[store.Record]:
    """Delete the FAILED clusters of the caller's account and region, even with deletion protection.

    As on EKS, a FAILED cluster remains FAILED until it is deleted.
    """
    failed = [record for record in store.clusters.values() if record.get("_status") == "FAILED"]
    for record in failed:
        with clock.lock:
            record["_status"] = "DELETING"
        try:
            _remove(record, clusters)
        except BaseException:
            # The next repair searches for FAILED.
            record["_status"] = "FAILED"
            raise
    return failed


HANDLERS: Handlers = {
    "CreateCluster": _create,
    "DeleteCluster": _delete,
    "DescribeCluster": _describe,
    "ListClusters": _list,
}
