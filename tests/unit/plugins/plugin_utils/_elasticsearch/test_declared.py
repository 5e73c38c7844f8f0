# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared objects. tests/integration/elasticsearch tests them with Elasticsearch's classes."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.fleet.plugins.filter.elasticsearch_declared import elasticsearch_declared
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._elasticsearch.declared import LOGS, METRICS, ROLES

OPTIONS: dict[str, Any] = {
    "metrics_retention": "90d",
    "metrics_downsampling": [{"after": "7d", "fixed_interval": "5m"}],
    "metrics_fields": "4000",
    "logs_retention": "14d",
    "logs_fields": 1000,
    "logs_mappings": {"dynamic": True},
    "shards": "2",
    "replicas": 1,
    "cluster_settings": {},
    "roles": {},
    "users": [],
    "snapshots": True,
    "bucket": "backups",
    "name": "search",
    "snapshot_schedule": "0 30 1 * * ?",
    "snapshot_retention": "30d",
    "snapshot_least": "5",
    "snapshot_most": 50,
}
REPOSITORY = {"snapshots": {"type": "s3", "settings": {"bucket": "backups", "base_path": "search"}}}


def declared(**options: Any) -> dict[str, Any]:
    return elasticsearch_declared(OPTIONS | options)


def test_a_sites_settings_win() -> None:
    assert declared()["settings"] == {"action.destructive_requires_name": "true", "time_series.poll_interval": "1m"}
    found = declared(cluster_settings={"time_series.poll_interval": "5m", "a": 1})["settings"]
    assert found == {"action.destructive_requires_name": "true", "time_series.poll_interval": "5m", "a": 1}


def test_metrics() -> None:
    found = declared()
    template = found["component_templates"]["metrics-prometheus@custom"]["template"]
    limits = {"total_fields": {"limit": 4000, "ignore_dynamic_beyond_limit": False}}
    assert template["settings"]["index"] == {
        "number_of_shards": 2,
        "number_of_replicas": 1,
        "refresh_interval": "5s",
        "lifecycle": {"prefer_ilm": False},
        "look_ahead_time": "2h",
        "look_back_time": "7d",
        "mapping": limits,
    }
    lifecycle = {
        "enabled": True,
        "data_retention": "90d",
        "downsampling": [{"after": "7d", "fixed_interval": "5m"}],
        "downsampling_method": "last_value",
    }
    stream = found["data_streams"][METRICS]
    assert template["lifecycle"] == stream["lifecycle"] == lifecycle
    assert template["data_stream_options"] == stream["options"] == {"failure_store": {"enabled": False}}
    assert stream["every_index"] == {"index": {"lifecycle": {"prefer_ilm": False}}}
    assert stream["newest_index"] == {
        "index": {"lifecycle": {"prefer_ilm": False}, "look_ahead_time": "2h", "mapping": limits}
    }


def test_without_rounds_nothing_is_downsampled() -> None:
    found = declared(metrics_downsampling=[])
    assert found["data_streams"][METRICS]["lifecycle"] == {"enabled": True, "data_retention": "90d"}


def test_logs() -> None:
    found = declared()
    template = found["index_templates"]["logs-k8s.container"]
    assert (template["index_patterns"], template["data_stream"]) == ([LOGS], {})
    assert template["priority"] > 200, "the built-in templates would win"
    limits = {"total_fields": {"limit": 1000, "ignore_dynamic_beyond_limit": True}}
    assert template["template"]["settings"]["index"] == {
        "number_of_shards": 2,
        "number_of_replicas": 1,
        "refresh_interval": "5s",
        "lifecycle": {"prefer_ilm": False},
        "codec": "best_compression",
        "mapping": limits | {"ignore_malformed": True},
    }
    assert template["template"]["mappings"] == {"dynamic": True}
    stream = found["data_streams"][LOGS]
    assert template["template"]["lifecycle"] == stream["lifecycle"] == {"enabled": True, "data_retention": "14d"}
    assert template["template"]["data_stream_options"] == {"failure_store": {"enabled": False}}
    assert stream["newest_index"] == {"index": {"lifecycle": {"prefer_ilm": False}, "mapping": limits}}


def test_the_platforms_users_have_their_roles_and_other_users_can_view() -> None:
    found = declared(users=[{"name": "alice"}, {"name": "bob", "full_name": "Bob", "roles": ["editor"]}])["users"]
    assert found == {name: {"full_name": "", "roles": [name]} for name in ROLES} | {
        "alice": {"full_name": "", "roles": ["viewer"]},
        "bob": {"full_name": "Bob", "roles": ["editor"]},
    }


def test_roles_of_a_site_are_added() -> None:
    assert declared(roles={"auditor": {"cluster": ["all"]}})["roles"] == {**ROLES, "auditor": {"cluster": ["all"]}}


def test_snapshots() -> None:
    found = declared()
    assert (found["repositories"], found["former_repositories"]) == (REPOSITORY, {})
    policy = found["snapshot_policies"]["snapshots"]
    assert policy["schedule"] == "0 30 1 * * ?"
    assert policy["retention"] == {"expire_after": "30d", "min_count": 5, "max_count": 50}
    assert policy["repository"] in found["repositories"]
    assert policy["config"]["include_global_state"]


def test_without_snapshots_the_repository_is_a_former_one() -> None:
    found = declared(snapshots=False)
    assert (found["repositories"], found["snapshot_policies"]) == ({}, {})
    assert found["former_repositories"] == REPOSITORY
