# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates of the role elasticsearch, adapted to OpenSearch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]

LOGS = "logs-k8s.container-staging"

Change = Callable[[str, Json], Mapping[str, Any] | None]


def _without(name: str) -> Change:
    def change(_path: str, found: Json) -> Mapping[str, Any] | None:
        return {key: value for key, value in found.items() if key != name} if name in found else None

    return change


def _flat_object(_path: str, found: Json) -> Mapping[str, Any] | None:
    return found | {"type": "flat_object"} if found.get("type") == "flattened" else None


def _whole_values(_path: str, found: Json) -> Mapping[str, Any] | None:
    if found.get("type") == "flat_object" and "ignore_above" in found:
        return {key: value for key, value in found.items() if key != "ignore_above"}
    return None


def _named_constant(path: str, found: Json) -> Mapping[str, Any] | None:
    if found.get("type") != "constant_keyword" or "value" in found:
        return None
    part = ("type", "dataset", "namespace").index(path.rpartition(".")[2])
    return found | {"value": LOGS.split("-")[part]}


# Each is needed: without it, the template is rejected.
CHANGES: Mapping[str, Change] = {
    "no data_stream_options": _without("data_stream_options"),
    "no lifecycle": _without("lifecycle"),
    "no ignore_dynamic_beyond_limit": _without("ignore_dynamic_beyond_limit"),
    "no look_ahead_time": _without("look_ahead_time"),
    "no look_back_time": _without("look_back_time"),
    "flat_object for flattened": _flat_object,
    "no ignore_above of a flat_object": _whole_values,
    "a value for a constant_keyword": _named_constant,
}


def adapted(declared: Json, leave_out: str = "") -> tuple[Json, dict[str, list[str]]]:
    """Return a template for OpenSearch, and the place of each change.

    :param leave_out: the name of a change to omit
    """
    made: dict[str, list[str]] = {}

    def walk(path: str, found: Any) -> Any:
        if not isinstance(found, dict):
            return found
        for name, change in CHANGES.items():
            if name != leave_out and (changed := change(path, found)) is not None:
                made.setdefault(name, []).append(path)
                found = dict(changed)
        return {key: walk(f"{path}.{key}" if path else key, value) for key, value in found.items()}

    return walk("", declared), made


METRICS = "metrics-k8s.prometheus-staging"
# Replaces metrics-prometheus@template, which is built into Elasticsearch and not declared by the role. The
# same is what it makes of a document's fields: labels are keywords, values are doubles. Elasticsearch's own also makes
# the data stream a time series one, with the labels as dimensions.
BUILT_IN: Json = {
    "index_patterns": ["metrics-*.prometheus-*"],
    "priority": 140,
    "data_stream": {},
    "composed_of": ["metrics-prometheus@custom"],
    "template": {
        "mappings": {
            "date_detection": False,
            "properties": {"@timestamp": {"type": "date"}},
            "dynamic_templates": [
                {"labels": {"path_match": "labels.*", "mapping": {"type": "keyword"}}},
                {"values": {"path_match": "metrics.*", "mapping": {"type": "double"}}},
            ],
        }
    },
}
