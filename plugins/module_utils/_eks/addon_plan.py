# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the changes of an EKS add-on. Pure functions.

Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateAddon.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._aws.aliases import Document, State
from .._aws.errors import AwsError, VersionError
from .._aws.plan import Change, Plan, Step, creation, deletion, differences, refuse_immutable, tag_steps
from .transformations import canonical_json, configuration, version_key

_REMEDIES = {"namespace": "delete the add-on and create it again in the other namespace."}
_SYMBOLS = ("default", "latest")


def wanted_state(options: Mapping[str, Any]) -> State:
    """The module's options as a state; O(version) is resolved later. Raises AwsError."""
    state: State = {
        name: options[name]
        for name in ("version", "service_account_role_arn", "namespace", "configuration", "tags")
        if options.get(name) is not None
    }
    if options.get("pod_identity_associations") is not None:
        roles: dict[str, str] = {}
        for entry in options["pod_identity_associations"]:
            account, role = entry["service_account"], entry["role_arn"]
            if roles.setdefault(account, role) != role:
                raise AwsError(f"pod_identity_associations: {account!r} is given two roles: {roles[account]}, {role}.")
        state["pod_identity_associations"] = roles
    return state


def current_state(addon: Document, associations: Sequence[Document]) -> State:
    """DescribeAddon's answer, with its pod identity *associations*, as a state."""
    return {
        "version": addon.get("addonVersion"),
        "service_account_role_arn": addon.get("serviceAccountRoleArn"),
        "namespace": (addon.get("namespaceConfig") or {}).get("namespace"),
        "configuration": configuration(addon.get("configurationValues")),
        "pod_identity_associations": {a["serviceAccount"]: a["roleArn"] for a in associations},
        "tags": dict(addon.get("tags") or {}),
    }


def resolve_version(addon: str, wanted: str, cluster_version: str, offered: Sequence[Document]) -> str:
    """The version that *wanted* (default, latest or exact) stands for. Raises VersionError if there is none.

    *offered* are DescribeAddonVersions' addonVersions for *cluster_version*.
    """
    versions: list[str] = sorted((v["addonVersion"] for v in offered), key=version_key, reverse=True)
    if not versions:
        raise VersionError(f"add-on {addon}: EKS has none of that name for Kubernetes {cluster_version}.")
    if wanted == "latest":
        return versions[0]
    if wanted == "default":
        for version in offered:
            for compatible in version.get("compatibilities") or []:
                if compatible.get("defaultVersion") and compatible.get("clusterVersion") == cluster_version:
                    return str(version["addonVersion"])
        return versions[0]
    if wanted not in versions:
        known = ", ".join(versions[:8]) + (", ..." if len(versions) > 8 else "")
        raise VersionError(
            f"add-on {addon} has no version {wanted} for Kubernetes {cluster_version}; it has {known}. "
            "Nothing was changed."
        )
    return wanted


def is_symbol(version: str | None) -> bool:
    """Whether a version has to be looked up to be compared."""
    return version in _SYMBOLS


def plan_present(
    cluster: str,
    name: str,
    addon: Document | None,
    wanted: State,
    *,
    associations: Sequence[Document] = (),
    resolve_conflicts: str = "OVERWRITE",
    purge_tags: bool = True,
) -> Plan:
    """The calls that make *addon* (None: absent) what is *wanted*, its version resolved already.

    An add-on that could not be created is deleted and created again; one whose update failed is updated again.
    Raises ImmutableError.
    """
    resource = f"add-on {cluster}/{name}"
    scope = {"clusterName": cluster, "addonName": name}
    if addon is None:
        return Plan(resource, (_create_step(scope, wanted, resolve_conflicts),))
    current = current_state(addon, associations)
    changes = differences(current, wanted)
    refuse_immutable(resource, changes, _REMEDIES)
    status = addon.get("status")
    if status == "CREATE_FAILED":
        kept = {key: value for key, value in current.items() if value not in (None, {})}
        step = _create_step(scope, {**kept, **wanted}, resolve_conflicts)
        status_change = {"status": Change(status, None)}
        return Plan(resource, (Step("DeleteAddon", scope, status_change, "gone"), step))
    steps = tag_steps(addon["addonArn"], current["tags"], wanted.get("tags"), purge=purge_tags)
    if status == "UPDATE_FAILED":
        changes["status"] = Change(status, "ACTIVE")
    if changes:
        request = {**scope, **_request({**current, **wanted}), "resolveConflicts": resolve_conflicts}
        if "configuration" in changes:
            # Without the field, EKS keeps the current value.
            request["configurationValues"] = canonical_json(wanted["configuration"])
        if "pod_identity_associations" in changes:
            request["podIdentityAssociations"] = _associations(wanted)
        else:
            request.pop("podIdentityAssociations", None)
        request.pop("namespaceConfig", None)
        steps.append(Step("UpdateAddon", request, changes, "update"))
    return Plan(resource, tuple(steps))


def plan_absent(
    cluster: str, name: str, addon: Document | None, associations: Sequence[Document] = (), *, preserve: bool = False
) -> Plan:
    """The call that removes *addon*; *preserve* leaves its software running, unmanaged."""
    resource = f"add-on {cluster}/{name}"
    if addon is None or addon.get("status") == "DELETING":
        return Plan(resource)
    request = {"clusterName": cluster, "addonName": name, **({"preserve": True} if preserve else {})}
    return Plan(resource, (Step("DeleteAddon", request, deletion(current_state(addon, associations)), "gone"),))


def _create_step(scope: Mapping[str, str], wanted: State, resolve_conflicts: str) -> Step:
    request = {**scope, **_request(wanted), "resolveConflicts": resolve_conflicts}
    if wanted.get("tags"):
        request["tags"] = wanted["tags"]
    return Step("CreateAddon", request, creation({"name": scope["addonName"], **wanted}), "active")


def _request(state: State) -> Document:
    """The part of a request that creation and update share."""
    request: Document = {}
    if state.get("version"):
        request["addonVersion"] = state["version"]
    if state.get("service_account_role_arn"):
        request["serviceAccountRoleArn"] = state["service_account_role_arn"]
    if state.get("configuration"):
        value = state["configuration"]
        request["configurationValues"] = value if isinstance(value, str) else canonical_json(value)
    if state.get("pod_identity_associations"):
        request["podIdentityAssociations"] = _associations(state)
    if state.get("namespace"):
        request["namespaceConfig"] = {"namespace": state["namespace"]}
    return request


def _associations(state: State) -> list[dict[str, str]]:
    roles = state["pod_identity_associations"]
    return [{"serviceAccount": account, "roleArn": roles[account]} for account in sorted(roles)]
