# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's declarations and the fake API, checked with Elasticsearch's classes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.elasticsearch import fake_elasticsearch
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import evaluate, only, rendered_role

from localcloud.artifacts.programs.elasticsearch import VERSION, rules
from localcloud.artifacts.programs.opensearch import jdk
from localcloud.model import LocalCloudError

Json = dict[str, Any]

DECLARED: Json = json.loads(
    only(rendered_role("elasticsearch"), "ConfigMap", "elasticsearch-reconciler")["data"]["declared.json"]
)
METRICS = "metrics-k8s.prometheus-*"
LOGS = "logs-k8s.container-*"
# Of the built-in component metrics@tsdb-settings, which the template of Prometheus' metrics is composed of before ours:
# x-pack/plugin/core/template-resources/src/main/resources/metrics@tsdb-settings.json
BUILT_IN = {
    "index.lifecycle.name": "metrics",
    "index.mapping.total_fields.ignore_dynamic_beyond_limit": "true",
}
# Settings of the module data-streams, which Maven does not have: DataStreamsPlugin.java, dynamic both.
OF_A_MODULE = {"index.look_ahead_time", "index.look_back_time"}


def missing() -> str:
    try:
        jdk()
    except LocalCloudError as error:
        return "" if os.environ.get("CI") else str(error)
    return ""


pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]


def settings_of(template: Mapping[str, Any]) -> Json:
    return fake_elasticsearch.as_text(fake_elasticsearch.flat(template["template"]["settings"]))


def stream(settings: Json, pattern: str) -> Json:
    declared = DECLARED["data_streams"][pattern]
    return {"settings": settings, "lifecycle": declared["lifecycle"], "options": declared["options"]}


@pytest.fixture(scope="module")
def told() -> Json:
    component = DECLARED["component_templates"]["metrics-prometheus@custom"]
    logs = DECLARED["index_templates"]["logs-k8s.container"]
    ours = settings_of(component)
    unruled = {name: value for name, value in ours.items() if name != "index.lifecycle.prefer_ilm"}
    changed = [
        place for one in DECLARED["data_streams"].values() for place in (one["every_index"], one["newest_index"])
    ]
    return rules(
        {
            "component_templates": {"metrics": component},
            "index_templates": {"logs": logs},
            "data_streams": {
                "metrics": stream(BUILT_IN | ours, METRICS),
                "logs": stream(settings_of(logs), LOGS),
                "before": stream(BUILT_IN | unruled, METRICS),
                "disabled": stream(BUILT_IN | ours, METRICS) | {"lifecycle": {"enabled": False}},
                "nobody": stream({}, LOGS) | {"lifecycle": {"enabled": False}},
            },
            "settings": sorted(
                {*ours, *settings_of(logs), *(name for place in changed for name in fake_elasticsearch.flat(place))}
            ),
        }
    )


def test_the_library_is_of_the_version_that_runs() -> None:
    assert evaluate("elasticsearch", "elasticsearch_version").rsplit(".", 1)[0] == VERSION.rsplit(".", 1)[0]


def test_the_data_streams_lifecycle_rules_what_the_templates_make(told: Json) -> None:
    for name in ("metrics", "logs"):
        (index,) = told["data_streams"][name]["indices"]
        assert (
            index["managed_by"] == told["data_streams"][name]["next_generation_managed_by"] == "Data stream lifecycle"
        )
    # What the built-in component alone leads to, and what makes the test above worth something.
    (index,) = told["data_streams"]["before"]["indices"]
    assert (index["managed_by"], index["ilm_policy"]) == ("Index Lifecycle Management", "metrics")


def test_templates_are_taken_and_say_the_same(told: Json) -> None:
    metrics, logs = told["component_templates"]["metrics"]["template"], told["index_templates"]["logs"]["template"]
    for template, pattern in ((metrics, METRICS), (logs, LOGS)):
        assert template["lifecycle"] == DECLARED["data_streams"][pattern]["lifecycle"]
        assert template["data_stream_options"] == {"failure_store": {"enabled": False}}
    assert metrics["settings"]["index"]["lifecycle"] == {"prefer_ilm": "false"}


def test_settings_that_the_reconciler_changes_are_dynamic(told: Json) -> None:
    for one in DECLARED["data_streams"].values():
        for name in (*fake_elasticsearch.flat(one["every_index"]), *fake_elasticsearch.flat(one["newest_index"])):
            assert told["settings"][name] or name in OF_A_MODULE
    assert {name for name, dynamic in told["settings"].items() if dynamic is None} == OF_A_MODULE


def test_of_what_blocks_writing_only_an_index_that_was_downsampled_is_a_dead_letter(told: Json) -> None:
    assert told["blocks"] == {"no master": 503, "downsampled": 403, "disk full": 429}
    pipelines = only(rendered_role("logstash"), "ConfigMap", "logstash")["data"]
    # Beside these 400 and 404, of which no block is; what is neither is tried again.
    assert re.findall(r"dlq_custom_codes => (.+)", pipelines["metrics.conf"]) == ["[403]"]
    assert "dlq_custom_codes" not in pipelines["logs.conf"]


@pytest.mark.parametrize("name", ["metrics", "logs", "before", "disabled", "nobody"])
def test_the_double_shows_a_data_stream_as_elasticsearch_does(told: Json, name: str) -> None:
    component = DECLARED["component_templates"]["metrics-prometheus@custom"]
    cases = {
        "metrics": BUILT_IN | settings_of(component),
        "logs": {},
        "before": BUILT_IN,
        "disabled": BUILT_IN | settings_of(component),
        "nobody": {},
    }
    shown = told["data_streams"][name]
    (index,) = shown["indices"]
    assert fake_elasticsearch.managed_by(cases[name], shown["lifecycle"]) == index["managed_by"]
    state = fake_elasticsearch.FakeElasticsearch()
    state.add_data_stream(
        name, "-", cases[name], lifecycle=shown["lifecycle"], options={"failure_store": {"enabled": False}}
    )
    (found,) = state.answer("GET", f"/_data_stream/{name}", {}, "elastic")[1]["data_streams"]
    assert set(found) <= set(shown)
    assert set(found["indices"][0]) <= set(index)
    assert (found["lifecycle"], found["failure_store"]) == (shown["lifecycle"], shown["failure_store"])
    assert found["indices"][0]["managed_by"] == index["managed_by"]


def test_rounds_that_do_not_fit_are_refused() -> None:
    broken = stream({}, METRICS)
    broken["lifecycle"] = broken["lifecycle"] | {"downsampling": [{"after": "5d", "fixed_interval": "7m"}] * 2}
    with pytest.raises(LocalCloudError, match=r"Downsampling interval \[7m\]"):
        rules({"data_streams": {"metrics": broken}})
