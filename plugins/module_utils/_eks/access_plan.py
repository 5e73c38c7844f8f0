# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the changes of an access entry with its policies, and of a pod identity association. Pure functions.

Sources: https://docs.aws.amazon.com/eks/latest/APIReference/API_AssociateAccessPolicy.html (associating again replaces
the scope) and https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdatePodIdentityAssociation.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._aws.aliases import Document, State, Value
from .._aws.errors import AwsError
from .._aws.plan import Change, Plan, Step, creation, deletion, differences, only, refuse_immutable, tag_steps
from .transformations import canonical_json, configuration, names, policy_arn

_ENTRY_REMEDIES = {"type": "delete the access entry (state=absent) and create it again."}


def wanted_entry(options: Mapping[str, Any]) -> State:
    """Return the options of eks_access_entry as a state. Raises AwsError for an invalid scope."""
    state: State = {name: options[name] for name in ("type", "username", "tags") if options.get(name) is not None}
    if options.get("kubernetes_groups") is not None:
        state["kubernetes_groups"] = names(options["kubernetes_groups"])
    if options.get("policies") is not None:
        for entry in options["policies"]:
            arn = policy_arn(entry["policy"], options["principal_arn"])
            if f"policies.{arn}" in state:
                raise AwsError(f"policies: {entry['policy']} is given twice; give it once, with all its namespaces.")
            state[f"policies.{arn}"] = _wanted_scope(entry)
        state.setdefault("policies", [])
    return state


def _wanted_scope(entry: Mapping[str, Any]) -> dict[str, Value]:
    namespaces = names(entry.get("namespaces"))
    scope = entry.get("scope") or ("namespace" if namespaces else "cluster")
    if scope == "namespace" and not namespaces:
        raise AwsError(f"policies: {entry['policy']} has the scope namespace and needs namespaces.")
    if scope == "cluster" and namespaces:
        raise AwsError(f"policies: {entry['policy']} has the scope cluster, and namespaces as well.")
    return {"type": scope, **({"namespaces": namespaces} if namespaces else {})}


def current_entry(entry: Document, policies: Sequence[Document]) -> State:
    """DescribeAccessEntry's and ListAssociatedAccessPolicies' answers as a state."""
    state: State = {
        "type": entry.get("type", "STANDARD"),
        "username": entry.get("username"),
        "kubernetes_groups": names(entry.get("kubernetesGroups")),
        "tags": dict(entry.get("tags") or {}),
    }
    for policy in policies:
        scope = policy.get("accessScope") or {}
        namespaces = names(scope.get("namespaces"))
        state[f"policies.{policy['policyArn']}"] = {
            "type": scope.get("type", "cluster"),
            **({"namespaces": namespaces} if namespaces else {}),
        }
    return state


def plan_entry(
    cluster: str,
    principal_arn: str,
    entry: Document | None,
    policies: Sequence[Document],
    wanted: State,
    *,
    purge_policies: bool = True,
    purge_tags: bool = True,
) -> Plan:
    """The calls that make an access *entry* (None: absent) what is *wanted*. Raises ImmutableError.

    Policies are associated before others are disassociated, so that no one loses access in between.
    """
    resource = f"access entry {cluster}/{principal_arn}"
    scope = {"clusterName": cluster, "principalArn": principal_arn}
    manages_policies = "policies" in wanted
    wanted = {name: value for name, value in wanted.items() if name != "policies"}
    steps: list[Step] = []
    if entry is None:
        current: State = {}
        base: State = {name: value for name, value in wanted.items() if not name.startswith("policies.")}
        made = creation({"principal_arn": principal_arn, **base})
        steps.append(Step("CreateAccessEntry", {**scope, **_entry_request(base)}, made))
        changes = creation({name: value for name, value in wanted.items() if name.startswith("policies.")})
    else:
        current = current_entry(entry, policies)
        changes = differences(current, wanted)
        refuse_immutable(resource, changes, _ENTRY_REMEDIES)
        steps += tag_steps(entry["accessEntryArn"], current["tags"], wanted.get("tags"), purge=purge_tags)
        own = only(changes, ("username", "kubernetes_groups"))
        if own:
            request = {
                **scope,
                "kubernetesGroups": wanted.get("kubernetes_groups", current["kubernetes_groups"]),
                "username": wanted.get("username", current["username"]),
            }
            steps.append(Step("UpdateAccessEntry", {k: v for k, v in request.items() if v is not None}, own))
    for name, change in sorted(only(changes, ("policies.",)).items()):
        arn = name.removeprefix("policies.")
        request = {**scope, "policyArn": arn, "accessScope": change.after}
        steps.append(Step("AssociateAccessPolicy", request, {name: change}))
    if manages_policies and purge_policies:
        for name in sorted(current):
            if name.startswith("policies.") and name not in wanted:
                request = {**scope, "policyArn": name.removeprefix("policies.")}
                steps.append(Step("DisassociateAccessPolicy", request, {name: Change(current[name], None)}))
    return Plan(resource, tuple(steps))


def plan_entry_absent(cluster: str, principal_arn: str, entry: Document | None, policies: Sequence[Document]) -> Plan:
    """The call that removes an access *entry* and with it its policies."""
    resource = f"access entry {cluster}/{principal_arn}"
    if entry is None:
        return Plan(resource)
    request = {"clusterName": cluster, "principalArn": principal_arn}
    return Plan(resource, (Step("DeleteAccessEntry", request, deletion(current_entry(entry, policies))),))


def _entry_request(state: State) -> Document:
    keys = {"type": "type", "username": "username", "kubernetes_groups": "kubernetesGroups", "tags": "tags"}
    return {key: state[name] for name, key in keys.items() if state.get(name)}


_ASSOCIATION = {
    "role_arn": "roleArn",
    "target_role_arn": "targetRoleArn",
    "disable_session_tags": "disableSessionTags",
    "policy": "policy",
}


def wanted_association(options: Mapping[str, Any]) -> State:
    """The options of eks_pod_identity_association as a state."""
    return {name: options[name] for name in (*_ASSOCIATION, "tags") if options.get(name) is not None}


def current_association(association: Document) -> State:
    """DescribePodIdentityAssociation's answer as a state."""
    return {
        "role_arn": association.get("roleArn"),
        "target_role_arn": association.get("targetRoleArn") or "",
        "disable_session_tags": association.get("disableSessionTags", False),
        "policy": configuration(association.get("policy")),
        "tags": dict(association.get("tags") or {}),
    }


def plan_association(
    cluster: str,
    namespace: str,
    service_account: str,
    association: Document | None,
    wanted: State,
    *,
    purge_tags: bool = True,
) -> Plan:
    """The calls that make an *association* (None: absent) what is *wanted*. Raises AwsError."""
    resource = _association_label(cluster, namespace, service_account)
    if association is None:
        if not wanted.get("role_arn"):
            raise AwsError(f"{resource} does not exist, and role_arn must be given to create it.")
        request = {
            "clusterName": cluster,
            "namespace": namespace,
            "serviceAccount": service_account,
            **_association_request(wanted, wanted),
            **({"tags": wanted["tags"]} if wanted.get("tags") else {}),
        }
        return Plan(resource, (Step("CreatePodIdentityAssociation", request, creation(wanted)),))
    current = current_association(association)
    changes = differences(current, wanted)
    if changes:
        _refuse_owned(resource, association)
    steps = tag_steps(association["associationArn"], current["tags"], wanted.get("tags"), purge=purge_tags)
    if changes:
        scope = {"clusterName": cluster, "associationId": association["associationId"]}
        request = {**scope, **_association_request(changes, {**current, **wanted})}
        steps.append(Step("UpdatePodIdentityAssociation", request, changes))
    return Plan(resource, tuple(steps))


def plan_association_absent(cluster: str, namespace: str, service_account: str, association: Document | None) -> Plan:
    """The call that removes an *association*. Raises AwsError if an add-on owns it."""
    resource = _association_label(cluster, namespace, service_account)
    if association is None:
        return Plan(resource)
    _refuse_owned(resource, association)
    request = {"clusterName": cluster, "associationId": association["associationId"]}
    changes = deletion(current_association(association))
    return Plan(resource, (Step("DeletePodIdentityAssociation", request, changes),))


def _association_label(cluster: str, namespace: str, service_account: str) -> str:
    return f"pod identity association {cluster}/{namespace}/{service_account}"


def _association_request(fields: Mapping[str, Any], state: State) -> Document:
    request: Document = {}
    for name, key in _ASSOCIATION.items():
        if name in fields:
            request[key] = canonical_json(state[name]) if name == "policy" and state[name] else state[name]
    if request.get("policy") == {}:
        request["policy"] = ""
    return request


def _refuse_owned(resource: str, association: Document) -> None:
    owner = association.get("ownerArn")
    if owner:
        raise AwsError(
            f"{resource} belongs to {owner}: change the pod_identity_associations of that add-on (eks_addon) instead. "
            "Nothing was changed."
        )
