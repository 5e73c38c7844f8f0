# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert overrides and members to Grafana's provisioned alert rules."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms import rules
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import (
    LONGEST_UID,
    RUNBOOKS,
    Alarm,
    AlarmError,
    Topic,
    Where,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.site import Site, site

Value = Any  # whatever a YAML file holds
Members = Mapping[str, Mapping[str, Any] | None]


def grafana_alarms(
    overrides: Value,
    *,
    member: str,
    members: Members,
    former: Collection[str] = (),
    withdrawn: Collection[str] = (),
    extra: Value = None,
    folder: str | None = None,
    declared: Collection[str] = (),
    runbooks: str = RUNBOOKS,
) -> dict[str, Any]:
    """Return Grafana's provisioning ``files`` of rules, by their names, and ``retired``, what it shall delete.

    ``member`` is the controlplane, ``members`` those that are watched, with their environments. ``withdrawn`` are
    identifiers of rules that belong to no alarm any more. Raises AnsibleFilterError.
    """
    try:
        alarms = site(overrides, extra, folder=folder, clusters=declared)
    except AlarmError as error:
        raise AnsibleFilterError(f"grafana_alarms: {error}") from error
    name = str(member)
    documents = {"rules.yaml": _document(_shown(alarms, name), _maker(alarms, name, members, runbooks))}
    for each in sorted(map(str, members)):
        make = _maker(alarms, each, members, runbooks)
        documents[f"rules_of_{each}.yaml"] = _document(alarms.of(each), make, member=each)
    kept = {rule["uid"] for document in documents.values() for group in document["groups"] for rule in group["rules"]}
    known = _known(alarms, {*map(str, members), *map(str, former)})
    return {
        # JSON is YAML. Lines, so that a diff shows what changes.
        "files": {name: json.dumps(document, indent=1, ensure_ascii=False) for name, document in documents.items()},
        "retired": sorted((known | set(map(str, withdrawn))) - kept),
    }


def _document(topics: tuple[Topic, ...], make: Callable[..., rules.Rule], *, member: str = "") -> dict[str, Any]:
    return {"apiVersion": 1, "groups": rules.grafana_groups(topics, make, member=member)}


def _shown(alarms: Site, cluster: str) -> tuple[Topic, ...]:
    """Return what Grafana evaluates as the controlplane has it, and what clusters evaluate as it is without overrides.

    Which clusters have an edge alarm and as what, their own runs know: Grafana's rule takes it from the series.
    """
    tuned = {topic.name: {each.name: each for each in topic.alarms} for topic in alarms.of(cluster)}
    found = []
    for topic in alarms.topics:
        kept = [each if each.where is Where.EDGE else tuned[topic.name].get(each.name) for each in topic.alarms]
        found.append(Topic(name=topic.name, title=topic.title, alarms=tuple(each for each in kept if each is not None)))
    return tuple(found)


def _maker(alarms: Site, cluster: str, members: Members, runbooks: str) -> Callable[..., rules.Rule]:
    environment = str((members.get(cluster) or {}).get("environment") or cluster)

    def make(each: Alarm, *, direct: bool = False) -> rules.Rule:
        own = each.name in alarms.own
        return rules.grafana_rule(each, cluster, environment, direct=direct, runbooks=runbooks, own=own)

    return make


def _known(alarms: Site, members: Collection[str]) -> set[str]:
    """Return the identifiers of all rules that there may be."""
    found = set()
    for each in alarms.usual.values():
        found |= {rules.uid(each, member=name) for name in members} if each.per_member else {rules.uid(each)}
        if each.direct:
            found.add(rules.uid(each, direct=True))
        if each.name in alarms.own:
            # It may have been about members, or direct, in an earlier run; longer ones Grafana does not take.
            before = dataclasses.replace(each, per_member=True)
            former = {each.uid, rules.uid(each, direct=True), *(rules.uid(before, member=name) for name in members)}
            found |= {identifier for identifier in former if len(identifier) <= LONGEST_UID}
    return found


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"grafana_alarms": grafana_alarms}
