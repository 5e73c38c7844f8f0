# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every field that is read in Elasticsearch is written by the pipelines, and every written field is read.

What is written comes out of the configurations: of Fluent Bit's filters and of Logstash's, applied to a record of each
kind that has every key its source can give. test_metric_contract.py does the same for metrics and their labels.
"""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import kubernetes.client as kubernetes_types
import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.rules import grafana_rule
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify import canary
from ansible_collections.dataplatform.fleet.tests.integration.search.logstash_pipeline import Pipeline, Record
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import evaluate, only, rendered_role

from observability.alarms import ALARMS, Where
from observability.alarms.fixtures import fixtures
from observability.alarms.pages import read

CHECKOUT = Path(__file__).parents[3]
DASHBOARDS = CHECKOUT / "roles" / "grafana" / "files" / "dashboards"
MAPPINGS = json.loads((CHECKOUT / "roles" / "elasticsearch" / "files" / "logs_mappings.json").read_text("utf-8"))
# What Elasticsearch gives every document: https://www.elastic.co/docs/reference/elasticsearch/mapping-reference
METADATA = frozenset({"_id", "_ignored", "_index", "_source"})
# Written, and read by no dashboard, search, alarm or page: why each is kept.
UNREAD = {
    "data_stream.dataset": "what makes the data stream",
    "data_stream.namespace": "what makes the data stream",
    "data_stream.type": "what makes the data stream",
    "journal.pid": "an open search",
    "journal.priority": "an open search",
    "journal.syslog_identifier": "an open search",
    "kubernetes.annotations": "a site that switches Fluent Bit's annotations on",
    "kubernetes.container_hash": "which image it was, whatever its tag says today",
    "kubernetes.container_image": "an open search",
    "kubernetes.docker_id": "which of a container's lives it was",
    "kubernetes.labels": "an open search by team or release",
    "kubernetes.ownerReferences": "an open search by workload",
    "kubernetes.pod_id": "which of several pods of one name it was",
    "kubernetes.pod_ip": "an open search by address",
    "kubernetes_event": "an open search: an event's other fields",
    "log_processed": "an open search: what a program writes as JSON",
    "stream": "an open search: stdout or stderr",
}


class Use(NamedTuple):
    """A field that something names: ``how`` is shown, query or terms."""

    field: str
    how: str
    where: str


# --- Written fields ------------------------------------------------------------------------------------------------

# plugins/in_tail, with the role's own parser: the keys of a line, and what lines.lua adds.
TAIL = {"log": "a line", "stream": "stdout", "_p": "F", "line_cut": "true"}
# plugins/filter_kubernetes/kube_meta.c: the keys of "kubernetes" in fluent/fluent-bit v5.1.1.
KUBERNETES = {
    **dict.fromkeys(("pod_name", "namespace_name", "pod_id", "pod_ip", "host", "container_name"), "a word"),
    **dict.fromkeys(("docker_id", "container_hash", "container_image"), "a word"),
    "labels": {"app.kubernetes.io/name": "a word"},
    "annotations": {"a": "word"},
    "ownerReferences": [{"kind": "ReplicaSet"}],
}


def event_of(kind: str, depth: int = 0) -> dict[str, Any]:
    """Every key that an object of Kubernetes can have, by the official client's types."""
    model = getattr(kubernetes_types, kind)
    found: dict[str, Any] = {}
    for name, key in model.attribute_map.items():
        of = model.openapi_types[name]
        found[key] = event_of(of, depth + 1) if hasattr(kubernetes_types, of) and depth < 3 else "a word"
    return found


def _filtered(item: Mapping[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a record after a filter of Fluent Bit, as documented on the plugin's page."""
    name = item["name"]
    if name == "kubernetes":
        merged = {item["merge_log_key"]: {"level": "info"}} if item["merge_log"] == "on" else {}
        return record | merged | {"kubernetes": dict(KUBERNETES)}
    if name == "modify":
        for key in [item.get("remove", [])] if isinstance(item.get("remove"), str) else item.get("remove", []):
            record.pop(key, None)
        for rule in ("rename", "copy", "add"):
            for text in [item[rule]] if isinstance(item.get(rule), str) else item.get(rule, []):
                key, target = text.split()
                if rule == "add":
                    record.setdefault(key, target)
                elif key in record and target not in record:
                    record[target] = record.pop(key) if rule == "rename" else record[key]
        return record
    if name == "record_modifier":
        return {key: value for key, value in record.items() if key in item["allowlist_key"]}
    if name == "nest":
        assert item["operation"] == "nest"
        under = {k: v for k, v in record.items() if any(fnmatch.fnmatch(k, each) for each in item["wildcard"])}
        return {key: value for key, value in record.items() if key not in under} | {item["nest_under"]: under}
    if name in ("lua", "log_to_metrics", "throttle"):
        return record  # metrics and fewer records; what the reconcilers' script adds is removed at once
    raise AssertionError(f"this test does not know Fluent Bit's filter {name}")


def _matches(item: Mapping[str, Any], tag: str) -> bool:
    if "match_regex" in item:
        return re.search(item["match_regex"], tag) is not None
    return fnmatch.fnmatch(tag, item["match"])


def sent(name: str, tag: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message that an agent sends to Kafka for a record."""
    text = only(rendered_role("fluent_bit"), "ConfigMap", name)["data"]["fluent-bit.yaml"]
    pipeline = parse(text)["pipeline"]
    found = dict(record)
    for item in pipeline["inputs"]:
        if item.get("path_key") and fnmatch.fnmatch(tag, item["tag"]):
            found[item["path_key"]] = "/var/log/containers/pod_namespace_container-0.log"
    for item in pipeline["filters"]:
        if _matches(item, tag):
            found = _filtered(item, found)
    return found | {"@timestamp": "2026-11-30T00:00:00.000000000Z"}


def leaves(value: object, path: str = "") -> Iterator[str]:
    """Yield the mapped fields of a document."""
    if isinstance(value, dict) and mapped(path).get("type") != "flattened":
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path


def mapped(field: str) -> dict[str, Any]:
    """How a field of logs is declared; what is not is a keyword, as the dynamic template says."""
    found: dict[str, Any] = MAPPINGS
    for part in field.split(".") if field else ():
        if found.get("type") == "flattened":
            return found
        found = found.get("properties", {}).get(part, {})
    return found


@functools.cache
def documents() -> dict[str, dict[str, Any]]:
    """Return Logstash's documents for each kind of record of Fluent Bit."""
    logs = Pipeline(only(rendered_role("logstash"), "ConfigMap", "logstash")["data"]["logs.conf"])
    journal = dict.fromkeys(("message", "priority", "syslog_identifier", "systemd_unit", "hostname", "pid"), "a word")
    event = event_of("CoreV1Event")
    event["involvedObject"]["kind"] = "Pod"
    found = {
        "container": sent("fluent-bit", "kube.var.log.containers.pod_namespace_container-0.log", TAIL),
        "journal": sent("fluent-bit", "host.kubelet", journal | {"boot_id": "not sent"}),
        "event": sent("fluent-bit-events", "event.kubernetes", event),
    }
    actions = {kind: logs.action(Record("logs-staging", 0, 0, json.dumps(value))) for kind, value in found.items()}
    return {kind: action.document for kind, action in actions.items() if action}


@functools.cache
def written() -> frozenset[str]:
    return frozenset(field for document in documents().values() for field in leaves(document))


@functools.cache
def written_of_metrics() -> frozenset[str]:
    """The fields of a sample: its own labels are test_metric_contract.py's, and verify's canary has one more."""
    metrics = Pipeline(only(rendered_role("logstash"), "ConfigMap", "logstash")["data"]["metrics.conf"])
    text = evaluate("verify", "__verify_page", __verify_run="canary")
    labels = dict.fromkeys({"__name__", *re.findall(r'(\w+)="', text)}, "a word")
    sample = {"@timestamp": 1_795_852_801_000, "labels": labels, "metrics": {canary.METRIC: 1}}
    action = metrics.action(Record("metrics-staging", 0, 0, json.dumps(sample)))
    assert action
    return frozenset(leaves(action.document))


# --- Read fields ---------------------------------------------------------------------------------------------------


def in_query(query: str) -> set[str]:
    """The fields of a query in Lucene's language or in Kibana's; a word without a field asks all of them."""
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', query)
    found = set(re.findall(r"(?<![\w.:$])([@A-Za-z_][\w.@]*)\s*:", plain))
    return {name for name in found if name != "_exists_"} | set(re.findall(r"_exists_:([\w.@]+)", plain))


def _grafana_target(target: Mapping[str, Any], where: str) -> Iterator[Use]:
    yield Use(target.get("timeField", "@timestamp"), "terms", where)
    for field in in_query(target.get("query", "")):
        yield Use(field, "query", where)
    for item in [*target.get("bucketAggs", ()), *target.get("metrics", ())]:
        if item.get("field"):
            yield Use(item["field"], "terms", where)


def of_dashboards() -> Iterator[Use]:
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        panels = [inner for each in dashboard["panels"] for inner in (each, *(each.get("panels") or ()))]
        for panel in panels:
            for target in panel.get("targets") or ():
                if target["datasource"]["uid"] == "logs":
                    yield from _grafana_target(target, f"dashboard {path.stem}, {panel['title']}")
        for variable in dashboard["templating"].get("list", []):
            if (variable.get("datasource") or {}).get("uid") == "logs":
                query, where = json.loads(variable["query"]), f"dashboard {path.stem}, variable {variable['name']}"
                yield Use(query["field"], "terms", where)
                for field in in_query(query["query"]):
                    yield Use(field, "query", where)


def of_alarms() -> Iterator[Use]:
    for alarm in ALARMS:
        if alarm.where is Where.LOGS:
            yield from _grafana_target(
                grafana_rule(alarm, "controlplane", "controlplane")["data"][0]["model"], f"alarm {alarm.name}"
            )
            both = fixtures()[alarm.name]
            for fixture in (both.firing, both.silent):
                for document in fixture.documents if fixture else ():
                    for field in document:
                        if field != "@age":
                            yield Use(field, "shown", f"alarm {alarm.name}, a fixture")
        # A page tells what to type in Kibana in code; a request for its console is not a query.
        for line in read(CHECKOUT, alarm).lines:
            if "Kibana" in line:
                for text in re.findall(r"`([^`]+)`", line):
                    for field in in_query(text) if not re.match(r"(GET|POST|PUT) ", text) else ():
                        yield Use(field, "query", f"runbook {alarm.name}")


def of_data_sources() -> Iterator[Use]:
    for source in evaluate("grafana", "__grafana_datasources")["datasources"]:
        if source["type"] == "elasticsearch":
            for name, field in source["jsonData"].items():
                if name.endswith("Field"):
                    yield Use(field, "terms" if name == "timeField" else "shown", f"Grafana's {source['name']}: {name}")


def of_saved_searches() -> Iterator[Use]:
    declared = evaluate("kibana", "__kibana_declared")
    for name, view in declared["data_views"].items():
        if view["title"].startswith("logs-"):
            yield Use(view["timeFieldName"], "terms", f"Kibana's data view {name}")
    for item in declared["saved_objects"]:
        where = f"Kibana's {item['type']} {item['attributes']['title']!r}"
        for column in item["attributes"].get("columns", ()):
            yield Use(column, "shown", where)
        for field, _ in item["attributes"].get("sort", ()):
            yield Use(field, "terms", where)
        source = json.loads(item["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        for field in in_query(source["query"]["query"]):
            yield Use(field, "query", where)


class AskedError(Exception):
    """A request that verify would send."""


def _asked(hop: Any, *, log: bool) -> dict[str, Any]:
    def https(*_: Any, body: dict[str, Any], **__: Any) -> None:
        raise AskedError(body)

    run = canary.Canary("canary0abc", "staging", 0.0)
    with pytest.raises(AskedError) as found:
        hop(SimpleNamespace(https=https), None, run, None, log=log)
    body: dict[str, Any] = found.value.args[0]
    return body


def of_verify() -> Iterator[Use]:
    (query,) = _asked(canary.in_grafana, log=True)["queries"]
    yield from _grafana_target(query, "verify, in Grafana")
    for field in _asked(canary.in_elasticsearch, log=True)["query"]["match_phrase"]:
        yield Use(field, "query", "verify, in Elasticsearch")


@functools.cache
def uses() -> tuple[Use, ...]:
    readers = (of_dashboards, of_alarms, of_data_sources, of_saved_searches, of_verify)
    found = [set(reader()) for reader in readers]
    assert all(found), "something that reads fields is not looked at any more"
    return tuple(sorted(set().union(*found)))


# --- Comparison --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", uses(), ids=lambda use: f"{use.where}: {use.field}")
def test_queried_fields_are_written_with_a_suitable_mapping(use: Use) -> None:
    if use.field in METADATA:
        return
    flattened = next((path for path in written() if use.field.startswith(f"{path}.")), None)
    assert use.field in written() or (flattened and mapped(flattened).get("type") == "flattened"), (
        f"{use.where} names the field {use.field}, which no pipeline writes: {', '.join(sorted(written()))}"
    )
    how = mapped(use.field)
    assert use.how == "shown" or how.get("index", True), f"{use.where}: {use.field} is not indexed"
    assert use.how != "terms" or how.get("type") != "match_only_text", f"{use.where}: {use.field} is no keyword"


def test_fields_that_verify_queries_are_written() -> None:
    terms = _asked(canary.in_elasticsearch, log=False)["query"]["bool"]["filter"]
    assert {field for item in terms for field in item["term"]} <= written_of_metrics()
    for view in evaluate("kibana", "__kibana_declared")["data_views"].values():
        assert view["timeFieldName"] in written_of_metrics()


def test_written_fields_are_read_or_kept_for_a_reason() -> None:
    read = {use.field for use in uses()}
    unread = {
        field
        for field in written() - read
        if field not in UNREAD and not any(field.startswith(f"{known}.") for known in UNREAD)
    }
    assert unread == set(), "something has to read it, or UNREAD says why it is kept"
    stale = {known for known in UNREAD if not any(f"{field}.".startswith(f"{known}.") for field in written() - read)}
    assert stale == set(), "UNREAD lists what is read, or not written"


def test_mapped_fields_are_written() -> None:
    def declared(node: Mapping[str, Any], path: str = "") -> Iterator[str]:
        for name, inner in node.get("properties", {}).items():
            yield from declared(inner, f"{path}.{name}" if path else name)
        if "type" in node:
            yield path

    assert set(declared(MAPPINGS)) <= written()


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", set()),
        ("*", set()),
        ("_exists_:_ignored", {"_ignored"}),
        ("_ignored : *", {"_ignored"}),
        ('message:"a: b" AND NOT -level:info', {"message", "level"}),
        ("labels.cluster:$cluster AND ($search)", {"labels.cluster"}),
        ("kubernetes.pod_name: (a* or b*) and (x.y : 1)", {"kubernetes.pod_name", "x.y"}),
    ],
)
def test_reads_the_fields_of_a_query(query: str, fields: set[str]) -> None:
    assert in_query(query) == fields
