# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that the reconciler manages in Elasticsearch, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Options = Mapping[str, Any]
Json = dict[str, Any]

METRICS: Final = "metrics-k8s.prometheus-*"
LOGS: Final = "logs-k8s.container-*"
META: Final = {"managed_by": "dataplatform.fleet"}
# Above the built-in templates, which have 100 to 200.
PRIORITY: Final = 500
# Refused documents must go to Logstash's dead letter queue, which has an alarm.
STREAM_OPTIONS: Final = {"failure_store": {"enabled": False}}
# Of every backing index: where a policy of index lifecycle management is named too, as the built-in
# metrics@tsdb-settings does, it rules unless it is told not to.
EVERY_INDEX: Final = {"lifecycle": {"prefer_ilm": False}}

# The roles of the platform's own users; each user has the role of the same name.
ROLES: Final[Mapping[str, Json]] = {
    "logstash_writer": {
        "cluster": ["monitor"],
        "indices": [{"names": [METRICS, LOGS], "privileges": ["auto_configure", "create_doc"]}],
    },
    "grafana_reader": {
        "cluster": ["monitor"],
        "indices": [{"names": [METRICS, LOGS], "privileges": ["read", "view_index_metadata", "monitor"]}],
    },
    # read_slm holds neither the status nor the statistics, which are what the exporter asks for.
    "exporter": {
        "cluster": ["monitor", "monitor_snapshot", "read_slm", "cluster:admin/slm/status", "cluster:admin/slm/stats"],
        "indices": [
            {"names": ["*"], "privileges": ["monitor", "view_index_metadata"], "allow_restricted_indices": True}
        ],
    },
    "kibana_reconciler": {
        "applications": [{"application": "kibana-.kibana", "privileges": ["space_all"], "resources": ["space:default"]}]
    },
}


def declared(wanted: Options) -> Json:
    """Return all objects by kind, in the order in which the reconciler creates them."""
    repository = {"type": "s3", "settings": {"bucket": wanted["bucket"], "base_path": wanted["name"]}}
    repositories = {"snapshots": repository}
    snapshots = bool(wanted["snapshots"])
    metrics, logs = metrics_lifecycle(wanted), logs_lifecycle(wanted)
    return {
        "settings": {
            "action.destructive_requires_name": "true",
            "time_series.poll_interval": "1m",
            **wanted["cluster_settings"],
        },
        "component_templates": {"metrics-prometheus@custom": metrics_component(wanted)},
        "index_templates": {"logs-k8s.container": logs_template(wanted)},
        # Of those that exist: templates count for what is made later.
        "data_streams": {
            METRICS: _stream(metrics, metrics_newest(wanted)),
            LOGS: _stream(logs, logs_newest(wanted)),
        },
        "roles": {**ROLES, **wanted["roles"]},
        "users": users(wanted),
        "reserved_users": ["kibana_system"],
        "repositories": repositories if snapshots else {},
        "snapshot_policies": {"snapshots": snapshot_policy(wanted)} if snapshots else {},
        "former_repositories": {} if snapshots else repositories,
    }


def metrics_lifecycle(wanted: Options) -> Json:
    found: Json = {"enabled": True, "data_retention": wanted["metrics_retention"]}
    if wanted["metrics_downsampling"]:
        found |= {"downsampling": wanted["metrics_downsampling"], "downsampling_method": "last_value"}
    return found


def logs_lifecycle(wanted: Options) -> Json:
    return {"enabled": True, "data_retention": wanted["logs_retention"]}


def metrics_newest(wanted: Options) -> Json:
    """Return settings of the index that is written to, and so of the template.

    What a time series index takes reaches from look_back_time before the stream's birth to look_ahead_time from now on,
    both at their most: docs/data-path.md. Beyond the limit of fields a document is refused, which is seen and can be
    replayed; the built-in template has it taken without its value.
    """
    return {"look_ahead_time": "2h", "mapping": _fields(wanted["metrics_fields"], ignore=False)}


def logs_newest(wanted: Options) -> Json:
    return {"mapping": _fields(wanted["logs_fields"], ignore=True)}


def _fields(limit: str | int, *, ignore: bool) -> Json:
    return {"total_fields": {"limit": int(limit), "ignore_dynamic_beyond_limit": ignore}}


def _index(wanted: Options, newest: Json) -> Json:
    return {
        "number_of_shards": int(wanted["shards"]),
        "number_of_replicas": int(wanted["replicas"]),
        "refresh_interval": "5s",
        **EVERY_INDEX,
        **newest,
    }


def metrics_component(wanted: Options) -> Json:
    """Return what the template that Elasticsearch has for Prometheus' metrics takes in.

    The template keeps its own shape when Elasticsearch is upgraded.
    """
    return {
        "template": {
            "settings": {"index": {**_index(wanted, metrics_newest(wanted)), "look_back_time": "7d"}},
            "lifecycle": metrics_lifecycle(wanted),
            "data_stream_options": STREAM_OPTIONS,
        },
        "_meta": META,
    }


def logs_template(wanted: Options) -> Json:
    newest = logs_newest(wanted)
    index = _index(wanted, {"codec": "best_compression", "mapping": {**newest["mapping"], "ignore_malformed": True}})
    return {
        "index_patterns": [LOGS],
        "priority": PRIORITY,
        "data_stream": {},
        "template": {
            "settings": {"index": index},
            "lifecycle": logs_lifecycle(wanted),
            "data_stream_options": STREAM_OPTIONS,
            "mappings": wanted["logs_mappings"],
        },
        "_meta": META,
    }


def _stream(lifecycle: Json, newest: Json) -> Json:
    return {
        "lifecycle": lifecycle,
        "options": STREAM_OPTIONS,
        "every_index": {"index": EVERY_INDEX},
        "newest_index": {"index": {**EVERY_INDEX, **newest}},
    }


def users(wanted: Options) -> Json:
    """Return the platform's own users and human users; a user without roles has read access."""
    found: Json = {name: {"full_name": "", "roles": [name]} for name in ROLES}
    for user in wanted["users"]:
        found[user["name"]] = {"full_name": user.get("full_name", ""), "roles": user.get("roles", ["viewer"])}
    return found


def snapshot_policy(wanted: Options) -> Json:
    return {
        "schedule": wanted["snapshot_schedule"],
        "name": "<platform-{now/d}>",
        "repository": "snapshots",
        # Feature states contain the users and data views.
        "config": {
            "indices": ["*"],
            "include_global_state": True,
            "ignore_unavailable": True,
            "partial": False,
            "metadata": META,
        },
        "retention": {
            "expire_after": wanted["snapshot_retention"],
            "min_count": int(wanted["snapshot_least"]),
            "max_count": int(wanted["snapshot_most"]),
        },
    }
