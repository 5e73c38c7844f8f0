# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluator of Logstash's pipelines conforms to Logstash's reference, and rejects unknown parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.search.logstash_pipeline import Action, Pipeline, Record
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, rendered_role

TEXT = """# kafka to elasticsearch
input {{
  kafka {{ decorate_events => "basic" codec => json {{}} }}
}}
filter {{
  {filters}
}}
output {{
  elasticsearch {{ data_stream => "false" action => "create" index => "%{{[kind]}}-x" document_id => "%{{[a][b]}}" }}
}}
"""


def result(filters: str, **message: Any) -> Action | None:
    pipeline = Pipeline(TEXT.format(filters=filters))
    return pipeline.action(Record("topic-one", 3, 7, json.dumps({"kind": "some", "a": {"b": 1}} | message)))


def document(filters: str, **message: Any) -> dict[str, Any]:
    action = result(filters, **message)
    assert action
    return {key: value for key, value in action.document.items() if key not in ("@timestamp", "@version", "event")}


def test_an_action_is_named_by_the_events_fields() -> None:
    action = result("")
    assert action
    assert action.lines().splitlines()[0] == '{"create": {"_index": "some-x", "_id": "1"}}'
    assert json.loads(action.document["event"]["original"]) == {"kind": "some", "a": {"b": 1}}
    assert action.document["@version"] == "1"
    assert "@metadata" not in action.document


@pytest.mark.parametrize(
    ("settings", "after"),
    [
        ('rename => { "[a][b]" => "[c]" }', {"kind": "some", "a": {}, "c": 1}),
        ('copy => { "[a]" => "[c][d]" }', {"kind": "some", "a": {"b": 1}, "c": {"d": {"b": 1}}}),
        ('copy => { "[none]" => "[c]" }', {"kind": "some", "a": {"b": 1}}),
        ('replace => { "[c]" => "%{[a]} %{[none]}" }', {"kind": "some", "a": {"b": 1}, "c": '{"b":1} %{[none]}'}),
        ('gsub => ["[kind]", "^so", "li", "[a]", "x", "y"]', {"kind": "lime", "a": {"b": 1}}),
        ('remove_field => ["[a][b]", "[none][x]"]', {"kind": "some", "a": {}}),
        (
            'copy => { "[a][b]" => "[kind][x]" } remove_field => ["[a]"]',
            {"kind": "some", "a": {"b": 1}, "tags": ["_mutate_error"]},
        ),
        # Whatever their order in the file: copy is the last but for the settings that all filters have.
        (
            'remove_field => ["[kind]"] copy => { "[kind]" => "[c]" } replace => { "[kind]" => "new" }',
            {"a": {"b": 1}, "c": "new"},
        ),
    ],
)
def test_mutate(settings: str, after: dict[str, Any]) -> None:
    assert document(f'mutate {{ id => "x" {settings} }}') == after


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("[a][b]", True),
        ("[none]", False),
        ("[a] and [none]", False),
        ('[kind] == "some"', True),
        ('[kind] == "other"', False),
        ("[kind] =~ /^[a-z]{4}$/", True),
        ("[kind] =~ /^x/", False),
        ("[a] =~ /x/", False),
        ('"x" not in [tags]', True),
        ('"y" not in [tags]', False),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    filters = f'if {condition} {{ mutate {{ id => "x" replace => {{ "[c]" => "held" }} }} }}'
    assert ("c" in document(filters, tags=["y"])) is holds


def test_a_dropped_event_is_not_sent() -> None:
    assert result('if [kind] == "some" { drop { id => "x" } }') is None


@pytest.mark.parametrize(
    ("given", "time", "tags"),
    [
        (1795471609041, "2026-11-23T22:06:49.041Z", None),
        ("1795471609041", "2026-11-23T22:06:49.041Z", None),
        ("soon", None, ["_dateparsefailure"]),
        (None, None, None),
    ],
)
def test_a_date(given: Any, time: str | None, tags: list[str] | None) -> None:
    action = result('date { id => "x" match => ["[when]", "UNIX_MS"] }', when=given)
    assert action
    assert (action.document["@timestamp"] == time) is (time is not None)
    assert action.document.get("tags") == tags


@pytest.mark.parametrize(
    "filters",
    [
        'mutate { id => "x" uppercase => ["[kind]"] }',
        'ruby { code => "1" }',
        'if [a] or [b] { drop { id => "x" } }',
        'if [a] { drop { id => "x" } } else { drop { id => "y" } }',
        'date { id => "x" match => ["[when]", "ISO8601"] }',
    ],
)
def test_unknown_parts_are_an_error(filters: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        result(filters, when="1")


@pytest.mark.parametrize("name", ["metrics", "logs"])
def test_the_roles_pipelines_take_the_members_name_from_the_topic(name: str) -> None:
    pipeline = Pipeline(only(rendered_role("logstash"), "ConfigMap", "logstash")["data"][f"{name}.conf"])
    message = {"@timestamp": 1, "labels": {"__name__": "up", "cluster": "forged"}, "metrics": {"up": 1}}
    action = pipeline.action(Record(f"{name}-staging", 0, 0, json.dumps(message)))
    assert action
    assert action.index.endswith("-staging")
    assert action.document["labels"]["cluster"] == "staging"


@pytest.mark.parametrize(
    ("labels", "metrics", "kept"),
    [({"__name__": "up"}, {"up": 0}, True), ({"__name__": "up"}, {}, False), ({"job": "of Telegraf"}, {}, False)],
)
def test_an_infinite_value_is_dropped(labels: dict[str, str], metrics: dict[str, float], kept: bool) -> None:
    pipeline = Pipeline(only(rendered_role("logstash"), "ConfigMap", "logstash")["data"]["metrics.conf"])
    message = {"@timestamp": 1, "labels": labels, "metrics": metrics}
    assert (pipeline.action(Record("metrics-staging", 0, 0, json.dumps(message))) is not None) is kept


POD = "shop-0.a_team_main-side"
IDENTITY = "0a" * 32


@pytest.mark.parametrize(
    ("file", "kubernetes", "named"),
    [
        # The kubelet did not respond.
        (f"/var/log/containers/{POD}-{IDENTITY}.log", None, {}),
        # The kubelet responded: its data is added to the data of the file's name.
        (
            f"/var/log/containers/{POD}-{IDENTITY}.log",
            {"pod_name": "x", "namespace_name": "y", "container_name": "z", "pod_id": "1", "labels": {"app": "shop"}},
            {"pod_id": "1", "labels": {"app": "shop"}},
        ),
        # A name of 255 characters and more is cut by the kubelet.
        (f"/var/log/containers/{POD}-0a0.log", None, {}),
        (f"/var/log/containers/{POD}-.log", None, {}),
    ],
    ids=["silent kubelet", "metadata", "cut", "cut to the id"],
)
def test_names_are_those_of_the_file(file: str, kubernetes: dict[str, Any] | None, named: dict[str, Any]) -> None:
    record = {"message_key": file, "node": "ip-10-42-0-7"} | ({"kubernetes": kubernetes} if kubernetes else {})
    found = log(dataset="container", **record)
    names = {"pod_name": "shop-0.a", "namespace_name": "team", "container_name": "main-side", "host": "ip-10-42-0-7"}
    assert found["kubernetes"] == named | names
    assert not {"message_key", "node"} & found.keys()


@pytest.mark.parametrize(
    "record",
    [
        {"dataset": "container", "message_key": "/var/log/other/a_b_c-0a.log"},
        {"dataset": "container", "message_key": "/var/log/containers/a_b.log"},
        {"dataset": "container"},
        {"dataset": "container", "message_key": 7},
        {"dataset": "journal", "message_key": f"/var/log/containers/{POD}-{IDENTITY}.log"},
    ],
)
def test_other_names_are_left_as_the_kubelet_gave_them(record: dict[str, Any]) -> None:
    assert "kubernetes" not in log(**record)
    assert log(**record, kubernetes={"pod_name": "x"})["kubernetes"] == {"pod_name": "x"}


def log(**message: Any) -> dict[str, Any]:
    pipeline = Pipeline(only(rendered_role("logstash"), "ConfigMap", "logstash")["data"]["logs.conf"])
    action = pipeline.action(Record("logs-staging", 0, 0, json.dumps({"message": "hello"} | message)))
    assert action
    return action.document


def test_a_log_is_known_by_the_time_of_its_message_too() -> None:
    pipeline = Pipeline(only(rendered_role("logstash"), "ConfigMap", "logstash")["data"]["logs.conf"])
    message = json.dumps({"message": "hello", "dataset": "container"})

    def identity(timestamp: int) -> str | None:
        action = pipeline.action(Record("logs-staging", 2, 0, message, timestamp))
        assert action
        return action.identity

    assert identity(1) == identity(1) == "logs-staging-2-0-1"
    assert identity(2) == "logs-staging-2-0-2"


def test_each_count_of_an_event_is_a_document_and_the_same_one_when_it_is_sent_again() -> None:
    pipeline = Pipeline(only(rendered_role("logstash"), "ConfigMap", "logstash")["data"]["logs.conf"])

    def identity(version: str, offset: int) -> str:
        event = {"metadata": {"uid": "0e-1", "resourceVersion": version}, "count": int(version)}
        message = {"@timestamp": "2026-11-30T00:00:00Z", "dataset": "kubernetes-event", "kubernetes_event": event}
        action = pipeline.action(Record("logs-staging", 2, offset, json.dumps(message)))
        assert action
        return str(action.identity)

    assert identity("7", 1) == identity("7", 2) == "logs-staging-event-0e-1-7"
    assert identity("8", 3) == "logs-staging-event-0e-1-8"
