# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert overrides to the alerting rules of a cluster's Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import AlarmError, Where
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.rules import rule, runbook_url
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.site import Site, site

Value = Any  # whatever a YAML file holds
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def rule_files(alarms: Site, cluster: str) -> dict[str, dict[str, Any]]:
    """Return the rule files of a cluster's Prometheus by name."""
    found = {}
    for topic in alarms.of(cluster):
        rules = [
            rule(each, alarms.usual[each.name], url=runbook_url(each, own=each.name in alarms.own))
            for each in topic.alarms
            if each.where is Where.EDGE
        ]
        if rules:
            found[f"alerts_{topic.name}.yml"] = {"groups": [{"name": topic.name, "rules": rules}]}
    return found


def prometheus_alarms(
    overrides: Value, *, cluster: str, extra: Value = None, folder: str | None = None, members: Collection[str] = ()
) -> dict[str, str]:
    """Return the rule files of ``cluster`` by name, as YAML. Raises AnsibleFilterError."""
    try:
        alarms = site(overrides, extra, folder=folder, clusters=members)
    except AlarmError as error:
        raise AnsibleFilterError(f"prometheus_alarms: {error}") from error
    return {
        # Each expression is on one line, so that a diff and a search show the whole expression.
        name: yaml.dump(document, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=1_000_000)
        for name, document in rule_files(alarms, str(cluster)).items()
    }


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"prometheus_alarms": prometheus_alarms}
