# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that the fleet's clusters share, which no role declares: what inventories/fleet.yml may hold. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.rules import Rule, faults, shown, unreadable

Value = Any  # whatever a YAML file holds
PURPOSES = ("controlplane", "workload")
# Who makes a member's cluster, and what it is. Only an existing one has the options in EXISTING.
EKS, EXISTING_CLUSTER = PROVIDERS = ("eks", "existing")
PLATFORMS = ("openshift", "rosa", "eks", "other")
EXISTING = ("kubeconfig", "context", "platform")
MEMBER: Mapping[str, Rule] = {
    "purpose": [f"={purpose}" for purpose in PURPOSES],
    "region": "region",
    "vpc_cidr": "vpc_cidr",
    "compute": ["=managed_nodegroups", "=auto_mode"],
    "environment": "word",
    "provider": [f"={provider}" for provider in PROVIDERS],
    "platform": [f"={platform}" for platform in PLATFORMS],
    "kubeconfig": "some_text",
    "context": "some_text",
    "account_id": "account_id",
    "aws_profile": "aws_profile?",
    "aws_role_arn": "role_arn?",
}
REQUIRED = ("purpose", "region", "vpc_cidr")
# What an inventory gives. What follows from it, and what a run finds out, may be of any kind.
OPTIONS: Mapping[str, Rule] = {
    "fleet_name": "fleet",
    "fleet_region": "region",
    "fleet_adopt": "some_text",
    "fleet_role_arn": "role_arn?",
    "fleet_account_id": "account_id?",
    "fleet_message_max_bytes": "65536 .. 1073741824",
    "fleet_cluster": "cluster_name",
    "fleet_compute": MEMBER["compute"],
    "fleet_provider": MEMBER["provider"],
    "fleet_platform": MEMBER["platform"],
    "fleet_tags": "tags",
    "fleet_api_server_cidrs": "cidr",
    "fleet_api_server_ports": "1 .. 65535",
    "fleet_ingress_namespaces": "dns_label",
}
# Templates of what only the members' hosts know, and of the members.
OF_HOSTS = ("fleet_api_server_cidrs", "fleet_api_server_ports", "fleet_ingress_namespaces", "fleet_platform")
FOLLOW = ("fleet_cluster", "fleet_compute", "fleet_provider", "fleet_tags")
OTHERS = (
    "fleet_access_key",
    "fleet_alarms_extra",
    "fleet_alarms_overrides",
    "fleet_connection",
    "fleet_member",
    "fleet_members",
    "fleet_secret_key",
    "fleet_session_token",
    "fleet_values",
)
# What inventories/fleet.yml derives from the members, and playbooks read.
DERIVED = (
    "ansible_connection",
    "ansible_python_interpreter",
    "aws_connection",
    "aws_profile",
    "aws_region",
    "aws_role_arn",
    "fleet_alarms_extra",
    "fleet_alarms_overrides",
    "fleet_api_server_cidrs",
    "fleet_api_server_ports",
    "fleet_cluster",
    "fleet_compute",
    "fleet_connection",
    "fleet_ingress_namespaces",
    "fleet_member",
    "fleet_platform",
    "fleet_provider",
    "fleet_role_arn",
    "fleet_tags",
    "kube_connection",
    "kube_context",
    "kube_kubeconfig",
)
# Ansible's own groups and its implicit host, and the group that every play targets.
RESERVED = ("all", "localhost", "managed", "ungrouped")


def fleet_faults(variables: Mapping[str, Value], groups: Iterable[str]) -> list[str]:
    """Return a sentence for each option in ``variables`` that cannot work; ``groups`` are those of the inventory."""
    known = (*OPTIONS, *OTHERS)
    found = [unknown(name, known, "an option of the fleet") for name in sorted(set(variables) - set(known))]
    if "fleet_name" not in variables:
        found.append("fleet_name is not set: name the fleet in inventories/fleet.yml.")
    found += member_faults(variables.get("fleet_members"), {*groups, *RESERVED})
    for name, rule in OPTIONS.items():
        if name in OF_HOSTS and variables.get(name) is None:
            continue  # a template of what only the members' hosts know
        # Those follow from the members.
        if name in variables and not (found and name in FOLLOW):
            found += faults(name, variables[name], rule)
    return found


def incomplete(variables: Iterable[str], host: str) -> str:
    """Return a sentence if an inventory lacks what this version's ``inventories/fleet.yml`` sets, or ''."""
    missing = sorted(set(DERIVED) - set(variables))
    if not missing:
        return ""
    return (
        f"The inventory sets no {', '.join(missing)} for {host}, which inventories/fleet.yml of this version does. "
        "Was it exported by another version? Synchronize the sources of the AWX inventory again, or copy what is "
        "missing into the group_vars of the group managed."
    )


def member_faults(members: Value, reserved: Collection[str]) -> list[str]:
    """Return a sentence for each fault of ``fleet_members``. ``reserved`` are names that no host may have."""
    if not isinstance(members, Mapping) or not members:
        return [f"fleet_members is {shown(members)}: it takes a dictionary with an entry for each member."]
    found: list[str] = []
    for name, member in members.items():
        place = f"fleet_members.{shown(name, plain=True)}"
        found += unreadable("A name in fleet_members", name)
        if name in reserved:
            found.append(f"{place} has the name of a group of the inventory, which stands for other hosts: rename it.")
        if not isinstance(member, Mapping):
            found.append(f"{place} is {shown(member)}: it takes a dictionary with {', '.join(REQUIRED)}.")
            continue
        found += [
            unknown(f"{place}.{key}", MEMBER, "an option of a member", key) for key in member if key not in MEMBER
        ]
        found += [f"{place} has no {key}: add it." for key in REQUIRED if key not in member]
        for key in [each for each in MEMBER if each in member]:
            value = shown(member[key]) if isinstance(member[key], list | Mapping) else member[key]
            found += faults(f"{place}.{key}", value, MEMBER[key])
        found += _provider_faults(place, member)
    found += faults("fleet_members", dict.fromkeys(members, "x"), {"<member>": "text"}) if not found else []
    hubs = [
        name
        for name, member in members.items()
        if isinstance(member, Mapping) and member.get("purpose") == "controlplane"
    ]
    if len(hubs) != 1:
        which = ", ".join(map(str, hubs)) or "none"
        found.append(
            f"fleet_members has {len(hubs)} members of the purpose controlplane ({which}): give it exactly one."
        )
    return found


def _provider_faults(place: str, member: Mapping[Value, Value]) -> list[str]:
    """What an existing cluster cannot have, and what only an existing one has."""
    if member.get("provider") != EXISTING_CLUSTER:
        return [
            f"{place}.{key} is only for a cluster that exists already: add provider: existing, or take it out."
            for key in EXISTING
            if key in member
        ]
    found = []
    if "compute" in member:
        found.append(f"{place}.compute is not for provider: existing, whose nodes are there already: take it out.")
    if member.get("purpose") != "workload":
        found.append(f"{place} has provider: existing, which only a member of the purpose workload can have.")
    if "context" in member and "kubeconfig" not in member:
        found.append(f"{place}.context has no kubeconfig: add the kubeconfig that has the context.")
    return found


def unknown(name: str, known: Iterable[str], what: str, key: Value = None) -> str:
    """Say that a name is none of the known ones, and which is near."""
    near = difflib.get_close_matches(str(name if key is None else key), sorted(known), n=1, cutoff=0.6)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"{name} is not {what}{hint}: take it out, or choose one of {', '.join(sorted(known))}."
