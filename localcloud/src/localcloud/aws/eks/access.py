# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access entries and their access policies."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from localcloud.aws import clock, iam, ministack, store
from localcloud.aws.eks import lookup
from localcloud.aws.eks.call import Call, Handlers, page
from localcloud.aws.errors import in_use, invalid_parameter, invalid_request, not_found
from localcloud.aws.jsontypes import Json
from localcloud.model import ClusterKey

TYPES = ("STANDARD", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "EC2", "HYBRID_LINUX", "HYPERPOD_LINUX")
POLICIES = (
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSBlockStorageClusterPolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSClusterInsightsPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSComputeClusterPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSEventPolicy",
    "AmazonEKSHybridPolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSLoadBalancingClusterPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSNetworkingClusterPolicy",
    "AmazonEKSSecretAdminPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
)
_NODE_USER = "system:node:{{EC2PrivateDNSName}}"
_NODE_GROUPS = ["system:nodes"]


def policy_arn(name: str) -> str:
    return f"arn:aws:eks::aws:cluster-access-policy/{name}"


def install() -> None:
    """Extend the authentication webhook: delay of new entries, usernames, access policies."""
    ministack.access_entry.wrap(_effective)
    ministack.access_policy_rules.setdefault(
        "AmazonEKSSecretReaderPolicy",
        [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}],
    )


def _effective(find: Callable[[str, str, str, str], store.Record | None]) -> Callable[..., store.Record | None]:
    def entry(cluster: str, account: str, region: str, principal: str) -> store.Record | None:
        found = find(cluster, account, region, principal)
        if not found or clock.now() < found.get("_effective_at", 0):
            return None
        return {**found, "username": username(found.get("username") or "", principal)}

    return entry


def username(template: str, principal: str) -> str:
    """Return the username of an access entry for a caller, such as ``arn:aws:sts::1:assumed-role/dev/jane``.

    https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
    """
    account, session = principal.split(":")[4] if principal.count(":") >= 5 else "", principal.rpartition("/")[2]
    values = {"{{SessionName}}": session.replace("@", "-"), "{{SessionNameRaw}}": session, "{{AccountID}}": account}
    for name, value in values.items():
        template = template.replace(name, value)
    return template


class Policies:
    """The access policies of clusters, as RBAC objects (``localcloud.model.AccessPolicies``)."""

    role_label = ministack.ROLE_LABEL
    binding_label = ministack.BINDING_LABEL

    def objects(self, key: ClusterKey, namespaces: Sequence[str]) -> list[store.Record]:
        return ministack.access_policy_objects(key.name, key.account, key.region, namespaces)

    def follow_namespaces(self, key: ClusterKey) -> bool:
        return ministack.has_namespace_policy(key.name, key.account, key.region)


def _key(cluster: str, principal: str) -> str:
    return f"{cluster}\x00{principal}"


def _put(cluster: str, principal: str, kind: str, **members: Json) -> store.Record:
    account, name = principal.split(":")[4], principal.rsplit(":", 1)[1]
    kind_of_principal, _, name = name.partition("/")
    entry: store.Record = {
        "clusterName": cluster,
        "principalArn": principal,
        "kubernetesGroups": [],
        "accessEntryArn": store.arn(
            "access-entry", cluster, kind_of_principal, account, name.rsplit("/", 1)[-1] or "root", store.new_uuid()
        ),
        "createdAt": clock.now(),
        "modifiedAt": clock.now(),
        "tags": {},
        "username": default_username(principal),
        "type": kind,
        **members,
    }
    if kind != "STANDARD":
        entry["username"], entry["kubernetesGroups"] = _NODE_USER, list(_NODE_GROUPS)
    store.access_entries_all[_key(cluster, principal)] = entry
    return entry


def default_username(principal: str) -> str:
    """Return EKS's default Kubernetes username: with the session name for a role, the ARN for a user."""
    match = re.fullmatch(r"arn:(aws[\w-]*):iam::(\d{12}):role(?:/.*)?/([^/]+)", principal)
    if match:
        return f"arn:{match[1]}:sts::{match[2]}:assumed-role/{match[3]}/{{{{SessionName}}}}"
    return principal


def add_creator_entry(cluster: store.Record, principal: str) -> None:
    """Add the access entry of a cluster's creator as administrator, unless CreateCluster disables it."""
    _put(cluster["name"], principal, "STANDARD")
    _associate_record(cluster["name"], principal, policy_arn("AmazonEKSClusterAdminPolicy"), {"type": "cluster"})


def add_node_entry(cluster: store.Record, role_arn: str, *, windows: bool) -> None:
    """Add the access entry of a managed node group's role, unless the authentication mode is CONFIG_MAP."""
    mode = cluster["accessConfig"]["authenticationMode"]
    if mode != "CONFIG_MAP" and _key(cluster["name"], role_arn) not in store.access_entries_all:
        _put(cluster["name"], role_arn, "EC2_WINDOWS" if windows else "EC2_LINUX", _node_group=True)


def remove_node_entry(cluster: str, role_arn: str) -> None:
    """Delete the access entry of a node role with the last node group that uses the role."""
    entry = store.access_entries_all.get(_key(cluster, role_arn))
    still_used = any(group["nodeRole"] == role_arn for group in store.nodegroups(cluster))
    if entry is not None and entry.get("_node_group") and not still_used:
        store.access_entries_all.pop(_key(cluster, role_arn), None)
        store.tags.pop(entry["accessEntryArn"], None)


def add_auto_mode_entry(cluster: store.Record) -> None:
    role_arn = cluster["computeConfig"].get("nodeRoleArn")
    if role_arn and _key(cluster["name"], role_arn) not in store.access_entries_all:
        _put(cluster["name"], role_arn, "EC2")
        _associate_record(cluster["name"], role_arn, policy_arn("AmazonEKSAutoNodePolicy"), {"type": "cluster"})


def _changed(call: Call) -> None:
    if call.settings.clusters is not None:
        call.settings.clusters.access_changed(store.cluster_key(call["clusterName"]))


def _cluster(call: Call) -> store.Record:
    record = lookup.cluster(call["clusterName"])
    if record["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
        raise invalid_request(
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this "
            "operation.",
            clusterName=call["clusterName"],
        )
    return record


def _entry(call: Call) -> store.Record:
    _cluster(call)
    entry = store.access_entries_all.get(_key(call["clusterName"], call["principalArn"]))
    if entry is None:
        raise not_found(
            "The specified principalArn could not be found. You can view your available access entries with "
            "'list-access-entries'.",
            clusterName=call["clusterName"],
        )
    return entry


def _check_username(username: str, kind: str) -> None:
    if kind != "STANDARD":
        raise invalid_parameter(f"username cannot be specified for an access entry of type {kind}.")
    if username.startswith(("system:", "eks:", "aws:", "amazon:", "iam:")):
        raise invalid_parameter("The username must not begin with system:, eks:, aws:, amazon: or iam:")
    if username.startswith("arn:") and ":assumed-role/" in username and "{{SessionName" not in username:
        raise invalid_parameter("The username of an assumed role must contain {{SessionName}} or {{SessionNameRaw}}.")


def _check_groups(groups: list[str], kind: str) -> None:
    if groups and kind != "STANDARD":
        raise invalid_parameter(f"kubernetesGroups cannot be specified for an access entry of type {kind}.")
    for group in groups:
        if group.startswith(("system:", "eks:", "aws:", "amazon:", "iam:")):
            raise invalid_parameter(f"The kubernetes group name {group} is invalid, it cannot start with system:")


def _create(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
    if cluster.get("_status") not in ("ACTIVE", "UPDATING"):
        raise invalid_request(f"Cluster '{call['clusterName']}' is not in ACTIVE status")
    principal, kind = call["principalArn"], call.get("type", "STANDARD")
    if kind not in TYPES:
        raise invalid_parameter(f"Invalid access entry type {kind}. Valid types are {', '.join(TYPES)}.")
    if not iam.principal_exists(principal):
        raise invalid_parameter("The specified principalArn is invalid: invalid principal.")
    if kind != "STANDARD" and ":role/" not in principal:
        raise invalid_parameter(f"The specified principalArn is invalid: access entry type {kind} needs an IAM role.")
    if _key(call["clusterName"], principal) in store.access_entries_all:
        raise in_use(
            "The specified access entry resource is already in use on this cluster.", clusterName=call["clusterName"]
        )
    _check_groups(call.get("kubernetesGroups", []), kind)
    if call.get("username"):
        _check_username(call["username"], kind)
    entry = _put(call["clusterName"], principal, kind, _effective_at=clock.now() + call.settings.consistency_delay)
    if kind == "STANDARD":
        entry["kubernetesGroups"] = call.get("kubernetesGroups", [])
        entry["username"] = call.get("username") or entry["username"]
    store.set_tags(entry["accessEntryArn"], entry, call.get("tags", {}))
    return {"accessEntry": store.public(entry)}


def _describe(call: Call) -> dict[str, Any]:
    return {"accessEntry": store.public(_entry(call))}


def _list(call: Call) -> dict[str, Any]:
    _cluster(call)
    entries = [entry["principalArn"] for entry in store.access_entries(call["clusterName"])]
    wanted = call.get("associatedPolicyArn")
    if wanted:
        entries = [
            arn for arn in entries if f"{_key(call['clusterName'], arn)}\x00{wanted}" in store.access_policies_all
        ]
    return page(call, "accessEntries", sorted(entries))


def _update(call: Call) -> dict[str, Any]:
    entry = _entry(call)
    if call.get("kubernetesGroups") is not None:
        _check_groups(call["kubernetesGroups"], entry["type"])
        entry["kubernetesGroups"] = call["kubernetesGroups"]
    if call.get("username"):
        _check_username(call["username"], entry["type"])
        entry["username"] = call["username"]
    entry["modifiedAt"] = clock.now()
    return {"accessEntry": store.public(entry)}


def _delete(call: Call) -> dict[str, Any]:
    entry = _entry(call)
    key = _key(call["clusterName"], call["principalArn"])
    for policy_key, _ in store.children(store.access_policies_all, key, "\x00"):
        store.access_policies_all.pop(policy_key, None)
    store.access_entries_all.pop(key, None)
    store.tags.pop(entry["accessEntryArn"], None)
    _changed(call)
    return {}


def _list_policies(call: Call) -> dict[str, Any]:
    return page(call, "accessPolicies", [{"name": name, "arn": policy_arn(name)} for name in POLICIES])


def _associate_record(cluster: str, principal: str, arn: str, scope: dict[str, Any]) -> store.Record:
    key = f"{_key(cluster, principal)}\x00{arn}"
    before = store.access_policies_all.get(key, {})
    associated = {
        "policyArn": arn,
        "accessScope": {"type": scope["type"], "namespaces": scope.get("namespaces") or []},
        "associatedAt": before.get("associatedAt", clock.now()),
        "modifiedAt": clock.now(),
    }
    store.access_policies_all[key] = associated
    return associated


def _associate(call: Call) -> dict[str, Any]:
    entry = _entry(call)
    arn, scope = call["policyArn"], call["accessScope"]
    if arn not in {policy_arn(name) for name in POLICIES}:
        raise invalid_parameter("The policyArn parameter format is not valid")
    kind = entry["type"]
    if kind not in ("STANDARD", "EC2", "HYPERPOD_LINUX"):
        raise invalid_request(f"Access policies cannot be associated with an access entry of type {kind}.")
    if not scope.get("type"):
        raise invalid_parameter("accessScope.type must be cluster or namespace.")
    if bool(scope.get("namespaces")) != (scope["type"] == "namespace"):
        raise invalid_parameter("accessScope.namespaces must be given with type namespace, and only with it.")
    associated = _associate_record(call["clusterName"], call["principalArn"], arn, scope)
    clock.scheduler.later(call.settings.consistency_delay, lambda: _changed(call))
    return {
        "clusterName": call["clusterName"],
        "principalArn": call["principalArn"],
        "associatedAccessPolicy": associated,
    }


def _disassociate(call: Call) -> dict[str, Any]:
    _entry(call)
    key = f"{_key(call['clusterName'], call['principalArn'])}\x00{call['policyArn']}"
    if store.access_policies_all.pop(key, None) is None:
        raise not_found("The specified policyArn is not associated with the access entry.")
    _changed(call)
    return {}


def _list_associated(call: Call) -> dict[str, Any]:
    _entry(call)
    key = _key(call["clusterName"], call["principalArn"])
    found = [record for _, record in store.children(store.access_policies_all, key, "\x00")]
    return {
        "clusterName": call["clusterName"],
        "principalArn": call["principalArn"],
        **page(call, "associatedAccessPolicies", found),
    }


HANDLERS: Handlers = {
    "AssociateAccessPolicy": _associate,
    "CreateAccessEntry": _create,
    "DeleteAccessEntry": _delete,
    "DescribeAccessEntry": _describe,
    "DisassociateAccessPolicy": _disassociate,
    "ListAccessEntries": _list,
    "ListAccessPolicies": _list_policies,
    "ListAssociatedAccessPolicies": _list_associated,
    "UpdateAccessEntry": _update,
}
