# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A search engine accepts real documents of the contract, with the bulk API, into data streams of the templates.

Elasticsearch is not available here; OpenSearch replaces it. docs/opensearch.md describes what that proves.
"""

from __future__ import annotations

import copy
import datetime
import itertools
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.test_pipeline import (
    SAMPLES,
    TOPIC,
    Message,
    application,
)
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.test_pipeline import Pipeline as Edge
from ansible_collections.dataplatform.fleet.tests.integration.search.logstash_pipeline import Action, Pipeline, Record
from ansible_collections.dataplatform.fleet.tests.integration.search.node import Node, node
from ansible_collections.dataplatform.fleet.tests.integration.search.templates import (
    BUILT_IN,
    CHANGES,
    LOGS,
    METRICS,
    adapted,
)
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, rendered_role

from localcloud.artifacts.programs.opensearch import jdk
from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.model import LocalCloudError
from localcloud.testing import eventually

Json = dict[str, Any]


def missing() -> str:
    """Return why OpenSearch cannot run; in CI, its absence is a failure."""
    try:
        jdk()
    except LocalCloudError as error:
        return "" if os.environ.get("CI") else str(error)
    return ""


pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]

PIPELINES = {
    name: Pipeline(only(rendered_role("logstash"), "ConfigMap", "logstash")["data"][f"{name}.conf"])
    for name in ("metrics", "logs")
}
DECLARED: Json = json.loads(
    only(rendered_role("elasticsearch"), "ConfigMap", "elasticsearch-reconciler")["data"]["declared.json"]
)
COMPONENT: Json = DECLARED["component_templates"]["metrics-prometheus@custom"]
TEMPLATE: Json = DECLARED["index_templates"]["logs-k8s.container"]

# Records as the README of the role fluent_bit describes them.
CONTAINER: Json = {
    "@timestamp": "2026-11-28T20:00:00.123456789Z",
    "dataset": "container",
    "message": '{"level": "error", "msg": "payment failed", "attempt": 2}',
    "log_processed": {"level": "error", "msg": "payment failed", "attempt": 2},
    "stream": "stdout",
    "message_key": f"/var/log/containers/shop-0_team_main-{'01' * 32}.log",
    "labels": {"cluster": "production"},
    "kubernetes": {
        "namespace_name": "team",
        "pod_name": "shop-0",
        "pod_id": "2b6ee5b4-5d2c-4f6e-9d5c-0f2b1c7d8e90",
        "pod_ip": "10.42.1.7",
        "host": "ip-10-42-1-1",
        "container_name": "main",
        "container_image": "example.com/shop:1.2",
        "docker_id": "0123456789abcdef",
        "labels": {"app.kubernetes.io/name": "shop", "app": "shop"},
        "annotations": {"example.com/x": "y"},
        "ownerReferences": [{"kind": "StatefulSet", "name": "shop"}],
    },
}
JOURNAL: Json = {
    "@timestamp": "2026-11-28T20:00:01.000000001Z",
    "dataset": "journal",
    "message": "Started container",
    "message_key": "ip-10-42-1-1",
    "journal": {
        "systemd_unit": "kubelet.service",
        "syslog_identifier": "kubelet",
        "priority": "6",
        "hostname": "ip-10-42-1-1",
        "pid": "812",
    },
}
EVENT: Json = {
    "@timestamp": "2026-11-28T20:00:02.000000000Z",
    "dataset": "kubernetes-event",
    "message_key": "kubernetes-event",
    "kubernetes_event": {
        "metadata": {"name": "shop-0.1", "namespace": "team", "managedFields": [{"manager": "kubelet"}]},
        "involvedObject": {"kind": "Pod", "namespace": "team", "name": "shop-0"},
        "reason": "BackOff",
        "message": "Back-off restarting failed container",
        "count": 3,
        "type": "Warning",
    },
}
RECORDS = (CONTAINER, JOURNAL, EVENT)


def metric(value: Json, offset: int = 0) -> Action:
    action = PIPELINES["metrics"].action(Record(TOPIC, 0, offset, json.dumps(value)))
    assert action
    return action


def log(value: Json, offset: int, timestamp: int = 1_795_996_800_000) -> Action:
    action = PIPELINES["logs"].action(Record("logs-staging", 1, offset, json.dumps(value), timestamp))
    assert action
    return action


def reason(item: Json) -> str:
    """Return an error with its causes."""
    found: list[str] = []
    error = item.get("error")
    while error:
        found.append(f"{error['type']}: {error['reason']}")
        error = error.get("caused_by")
    return "; ".join(found)


@pytest.fixture(scope="module")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with the templates of the role."""
    with node(tmp_path_factory.mktemp("search") / "node") as found:
        found.do("PUT", "/_component_template/metrics-prometheus@custom", adapted(COMPONENT)[0])
        found.do("PUT", "/_index_template/metrics-prometheus@template", BUILT_IN)
        found.do("PUT", "/_index_template/logs-k8s.container", adapted(TEMPLATE)[0])
        yield found


@pytest.fixture(scope="module")
def messages(own_api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    """A message of each metric with each set of labels, from exporters by Prometheus and Telegraf through Kafka."""
    edge = Edge(tmp_path_factory.mktemp("edge"), own_api_server)
    with edge.broker.running():
        edge.broker.create(TOPIC)
        with application() as port, edge.node_exporter(), edge.telegraf(), edge.prometheus():
            edge.declare(port)
            log = edge.folder / "prometheus.log"
            eventually(lambda: _scraped(edge), log=log)
            wanted = _own(edge, "prometheus_tsdb_head_samples_appended_total")
            eventually(lambda: _own(edge, "prometheus_remote_storage_samples_total") >= wanted, log=log)
        # Both send their buffered data before they end.
        arrived = edge.broker.messages(TOPIC)
    first: dict[tuple[str, ...], Message] = {}
    for key, message in arrived:
        # The name of an infinite value is lost with it.
        name = message["labels"].get("__name__", "")
        # All of the page that has each type of sample.
        own = json.dumps(message["labels"], sort_keys=True) if name.startswith("sample_") else ""
        first.setdefault((name, own, *sorted(message["labels"])), (key, message))
    return list(first.values())


def _scraped(edge: Edge) -> bool:
    """Return whether Prometheus has read the page with all types of samples, of which this is the last."""
    answer = edge.authority.read(edge.ports["prometheus"], "/api/v1/query?query=sample_size_bytes_count")
    return bool(json.loads(answer)["data"]["result"])


def _own(edge: Edge, name: str) -> float:
    """Return the sum of a metric of Prometheus itself."""
    page = edge.authority.read(edge.ports["prometheus"], "/metrics")
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE))


@pytest.fixture(scope="module")
def metrics(messages: list[Message]) -> list[Action]:
    records = (Record(TOPIC, 0, at, json.dumps(message)) for at, (_, message) in enumerate(messages))
    return [action for record in records if (action := PIPELINES["metrics"].action(record))]


@pytest.fixture(scope="module")
def taken(opensearch: Node, metrics: list[Action]) -> list[Json]:
    # A name that is new is a change of the mapping, and takes its time.
    return [item for part in itertools.batched(metrics, 50) for item in opensearch.bulk(part)]


@pytest.fixture(scope="module")
def logs(opensearch: Node) -> list[Action]:
    """The accepted documents."""
    sent = [log(record, offset) for offset, record in enumerate(RECORDS)]
    assert [(item["status"], reason(item)) for item in opensearch.bulk(sent)] == [(201, "")] * len(RECORDS)
    return sent


# -- templates


def test_only_this_is_not_as_the_role_declares_it() -> None:
    settings = "template.settings.index"
    assert adapted(COMPONENT)[1] == {
        "no data_stream_options": ["template"],
        "no lifecycle": ["template", settings],
        "no ignore_dynamic_beyond_limit": [f"{settings}.mapping.total_fields"],
        "no look_ahead_time": [settings],
        "no look_back_time": [settings],
    }
    flattened = [
        "template.mappings.properties.kubernetes.properties.annotations",
        "template.mappings.properties.kubernetes.properties.labels",
        "template.mappings.properties.kubernetes.properties.ownerReferences",
        "template.mappings.properties.log_processed",
    ]
    assert adapted(TEMPLATE)[1] == {
        "no data_stream_options": ["template"],
        "no lifecycle": ["template", settings],
        "no ignore_dynamic_beyond_limit": [f"{settings}.mapping.total_fields"],
        "flat_object for flattened": flattened,
        "no ignore_above of a flat_object": flattened,
        "a value for a constant_keyword": [
            f"template.mappings.properties.data_stream.properties.{part}" for part in ("dataset", "namespace", "type")
        ],
    }


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_needed(opensearch: Node, change: str) -> None:
    # Not with the pattern of the one that is there, which is an error of its own.
    template = TEMPLATE | {"index_patterns": ["incomplete-*"]}
    for path, declared in (("/_component_template/incomplete", COMPONENT), ("/_index_template/incomplete", template)):
        if change in adapted(declared)[1]:
            assert opensearch.ask("PUT", path, adapted(declared)[0])[0] == 200
            status, answer = opensearch.ask("PUT", path, adapted(declared, leave_out=change)[0])
            assert status == 400, answer


@pytest.mark.exhaustive
def test_the_templates_are_those_of_the_data_streams(opensearch: Node, taken: list[Json], logs: list[Action]) -> None:
    streams = opensearch.do("GET", "/_data_stream")["data_streams"]
    assert {(one["name"], one["template"], one["timestamp_field"]["name"]) for one in streams} == {
        (METRICS, "metrics-prometheus@template", "@timestamp"),
        (LOGS, "logs-k8s.container", "@timestamp"),
    }
    limits = {
        name.split("-", 1)[1].rsplit("-", 1)[0]: found["settings"]["index.mapping.total_fields.limit"]
        for name, found in opensearch.do("GET", "/_all/_settings?flat_settings=true").items()
    }
    assert limits == {
        METRICS: str(COMPONENT["template"]["settings"]["index"]["mapping"]["total_fields"]["limit"]),
        LOGS: str(TEMPLATE["template"]["settings"]["index"]["mapping"]["total_fields"]["limit"]),
    }


# -- metrics


@pytest.mark.exhaustive
def test_every_metric_of_the_real_pipeline_is_taken(
    opensearch: Node, messages: list[Message], metrics: list[Action], taken: list[Json]
) -> None:
    assert len(messages) - len(metrics) == sum(not message["metrics"] for _, message in messages)
    assert {action.index for action in metrics} == {METRICS}
    assert [(item["status"], reason(item)) for item in taken if item["status"] != 201] == []
    assert opensearch.count(METRICS) >= len(metrics) > 500


def test_a_metric_is_a_document_of_the_contract() -> None:
    message = {"@timestamp": 1795471609041, "labels": {"__name__": "up"}, "metrics": {"up": 1}}
    assert metric(message).document == {
        "@timestamp": "2026-11-23T22:06:49.041Z",
        "labels": {"__name__": "up", "cluster": "staging"},
        "metrics": {"up": 1},
        "data_stream": {"type": "metrics", "dataset": "k8s.prometheus", "namespace": "staging"},
    }


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "own", "value"), [("sample_requests_total", {"code": "200"}, None), *SAMPLES])
def test_each_type_of_sample_is_found_by_its_labels(
    opensearch: Node, taken: list[Json], name: str, own: dict[str, str], value: float | None
) -> None:
    wanted = {"__name__": name, "cluster": "staging", "namespace": "team", "job": "shop"} | own
    found = opensearch.search(METRICS, *({"term": {f"labels.{label}": text}} for label, text in wanted.items()))
    (values,) = [document["metrics"] for document in found]
    assert list(values) == [name]
    if value is not None:
        assert values[name] == value
    in_range = {"range": {f"metrics.{name}": {"gte": values[name], "lte": values[name]}}}
    assert opensearch.search(METRICS, {"term": {"labels.__name__": name}}, in_range)


@pytest.mark.exhaustive
def test_a_label_is_a_keyword_and_a_value_a_double(opensearch: Node, taken: list[Json]) -> None:
    fields = opensearch.fields(METRICS)
    for kind, type_ in (("labels.", "keyword"), ("metrics.", "double")):
        found = {name: field for name, field in fields.items() if name.startswith(kind)}
        assert len(found) > 10
        assert {(one["type"], one["searchable"], one["aggregatable"]) for one in found.values()} == {
            (type_, True, True)
        }
    assert fields["@timestamp"]["type"] == "date"


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"labels": {"__name__": "wrong"}, "metrics": {"wrong": "a word"}}, "failed to parse field [metrics.wrong]"),
        ({"labels": {"__name__": "wrong"}, "metrics": 1}, "object mapping for [metrics]"),
        ({"labels": {"__name__": "wrong", "pod": {"name": "x"}}, "metrics": {"wrong": 1}}, "field [labels.pod]"),
    ],
    ids=["a word for a number", "a number for an object", "an object for a label"],
)
def test_a_metric_of_a_wrong_type_is_refused_and_others_are_accepted(
    opensearch: Node, taken: list[Json], message: Json, says: str
) -> None:
    right = {"@timestamp": 1795471609041, "labels": {"__name__": "right"}, "metrics": {"right": 1}}
    before = opensearch.count(METRICS)
    found = opensearch.bulk([metric(right), metric({"@timestamp": 1795471609041} | message), metric(right)])
    # 400 is what Logstash keeps as a dead letter.
    assert [item["status"] for item in found] == [201, 400, 201]
    assert says in reason(found[1])
    assert opensearch.count(METRICS) == before + 2


@pytest.mark.exhaustive
def test_opensearch_keeps_a_metric_twice_where_elasticsearch_refuses_it(
    opensearch: Node, metrics: list[Action], taken: list[Json]
) -> None:
    before = opensearch.count(METRICS)
    assert [item["status"] for item in opensearch.bulk(metrics[:3])] == [201] * 3
    assert opensearch.count(METRICS) == before + 3


# -- logs


def test_a_log_record_that_is_read_twice_is_there_once(opensearch: Node, logs: list[Action]) -> None:
    before = opensearch.count(LOGS)
    new = log(JOURNAL, 100)
    found = opensearch.bulk([*logs, new])
    assert [item["status"] for item in found] == [409, 409, 409, 201]
    assert [item["error"]["type"] for item in found[:3]] == ["version_conflict_engine_exception"] * 3
    assert [action.identity for action in logs] == [f"logs-staging-1-{offset}-1795996800000" for offset in range(3)]
    assert opensearch.count(LOGS) == before + 1


def test_nothing_but_create_writes_to_a_data_stream(opensearch: Node, logs: list[Action]) -> None:
    body = logs[0].lines().replace('{"create":', '{"index":', 1)
    (item,) = opensearch.do("POST", "/_bulk", body)["items"]
    assert item["index"]["status"] == 400
    assert "only write ops with an op_type of create are allowed in data streams" in reason(item["index"])


@pytest.mark.parametrize(
    ("term", "record"),
    [
        ({"labels.cluster": "staging", "kubernetes.namespace_name": "team", "stream": "stdout"}, CONTAINER),
        ({"level": "error"}, CONTAINER),
        ({"kubernetes.labels.app.kubernetes.io/name": "shop"}, CONTAINER),
        ({"log_processed.msg": "payment failed"}, CONTAINER),
        ({"labels.cluster": "staging", "journal.systemd_unit": "kubelet.service"}, JOURNAL),
        ({"kubernetes.host": "ip-10-42-1-1", "dataset": "journal"}, JOURNAL),
        ({"labels.cluster": "staging", "kubernetes.pod_name": "shop-0", "dataset": "kubernetes-event"}, EVENT),
    ],
)
def test_a_log_record_is_found_by_its_labels(
    opensearch: Node, logs: list[Action], term: dict[str, str], record: Json
) -> None:
    found = opensearch.search(LOGS, *({"term": {name: text}} for name, text in term.items()))
    assert {document["@timestamp"] for document in found} == {record["@timestamp"]}


def test_a_log_record_is_found_by_its_words_and_its_nanosecond(opensearch: Node, logs: list[Action]) -> None:
    (found,) = opensearch.search(
        LOGS,
        {"match_phrase": {"message": "payment failed"}},
        {"range": {"@timestamp": {"gt": "2026-11-28T20:00:00.123456788Z", "lt": "2026-11-28T20:00:00.123456790Z"}}},
    )
    # The topic says whose it is, not the record.
    assert found["labels"] == {"cluster": "staging"}
    assert found["data_stream"] == {"type": "logs", "dataset": "k8s.container", "namespace": "staging"}
    assert found["log_processed"] == CONTAINER["log_processed"]
    assert "message_key" not in found


def test_the_fields_of_logs_are_what_the_role_maps_them_to(opensearch: Node, logs: list[Action]) -> None:
    fields = opensearch.fields(LOGS)
    types = {name: field["type"] for name, field in fields.items()}
    wanted = {
        "@timestamp": "date_nanos",
        "dataset": "keyword",
        "data_stream.namespace": "constant_keyword",
        "journal.systemd_unit": "keyword",
        "kubernetes.host": "keyword",
        "kubernetes.labels": "flat_object",
        "kubernetes_event.count": "long",
        "kubernetes_event.reason": "keyword",
        "labels.cluster": "keyword",
        "level": "keyword",
        "log_processed": "flat_object",
    }
    assert {name: types[name] for name in wanted} == wanted
    # match_only_text is text for searches.
    assert types["message"] in ("match_only_text", "text")
    assert not fields["kubernetes.docker_id"]["searchable"]
    # Any number of labels and of a program's own words is one field.
    assert not [name for name in fields if name.startswith(("kubernetes.labels.app", "log_processed.msg"))]


def test_a_metric_beyond_the_limit_of_fields_is_refused_and_taken_once_the_limit_is_raised(opensearch: Node) -> None:
    """With the role's template: the built-in template would accept it without its value."""
    now = round(datetime.datetime.now(datetime.UTC).timestamp() * 1000)
    first, late = (
        metric({"@timestamp": now, "labels": {"__name__": name}, "metrics": {name: 1}}) for name in ("one", "one_more")
    )
    assert [item["status"] for item in opensearch.bulk([first])] == [201]
    (index, settings), *_ = opensearch.do("GET", f"/{METRICS}/_settings?flat_settings=true").items()
    limit = {"index.mapping.total_fields.limit": settings["settings"]["index.mapping.total_fields.limit"]}
    opensearch.do("PUT", f"/{index}/_settings", {"index.mapping.total_fields.limit": 1})
    (found,) = opensearch.bulk([late])
    assert (found["status"], "Limit of total fields [1] has been exceeded" in reason(found)) == (400, True)
    # On the index that is written to, as the reconciler does.
    opensearch.do("PUT", f"/{index}/_settings", limit)
    assert [item["status"] for item in opensearch.bulk([late])] == [201]


def test_a_log_record_of_a_wrong_type_is_refused(opensearch: Node, logs: list[Action]) -> None:
    found = opensearch.bulk([log(CONTAINER | {"kubernetes": "a word"}, 200), log(JOURNAL, 201)])
    assert [item["status"] for item in found] == [400, 201]
    assert "object mapping for [kubernetes]" in reason(found[0])


def test_a_word_where_a_number_was_is_kept_and_not_searchable(opensearch: Node, logs: list[Action]) -> None:
    event = copy.deepcopy(EVENT)
    event["kubernetes_event"]["count"] = "many"
    (found,) = opensearch.bulk([log(event, 400)])
    assert (found["status"], reason(found)) == (201, "")
    assert [one["kubernetes_event"]["count"] for one in opensearch.search(LOGS, {"exists": {"field": "_ignored"}})] == [
        "many"
    ]


def test_a_topic_that_is_made_again_overwrites_and_loses_no_log(opensearch: Node, logs: list[Action]) -> None:
    """Its offsets start at 0 again, while the documents of the former topic still exist."""
    before = opensearch.count(LOGS)
    again = [log(record, offset, 1_795_996_860_000) for offset, record in enumerate(RECORDS)]
    assert [item["status"] for item in opensearch.bulk(again)] == [201] * len(again)
    assert [item["status"] for item in opensearch.bulk(again)] == [409] * len(again)
    assert opensearch.count(LOGS) == before + len(logs)
