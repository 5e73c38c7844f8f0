# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of fluent_bit become objects and settings."""

from __future__ import annotations

import copy
import functools
import json
import re
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.action.check_role_options import refused_keys
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    CHECKOUT,
    Objects,
    evaluate,
    only,
    render_role,
    select,
)

NODES, EVENTS = "fluent-bit", "fluent-bit-events"
BOTH = pytest.mark.parametrize("name", [NODES, EVENTS])
CATALOGUE = CHECKOUT / "observability" / "metrics" / "fluent_bit.txt"

# What each plugin takes, from the config_map of its source in fluent/fluent-bit v5.1.1 (plugins/<type>_<name>/*.c), and
# what every input, filter and output takes, from src/flb_input.c, src/flb_filter.c and src/flb_output.c of it. A
# setting that a plugin does not know stops Fluent Bit at the start; one of librdkafka it only logs.
COMMON = {
    "inputs": {"name", "alias", "tag", "mem_buf_limit", "storage.type", "tls.verify"},
    "filters": {"name", "alias", "match", "match_regex"},
    "outputs": {
        "name",
        "alias",
        "match",
        "match_regex",
        "host",
        "port",
        "workers",
        "retry_limit",
        "storage.total_limit_size",
    },
}
PLUGINS = {
    "tail": {
        "path", "exclude_path", "multiline.parser", "path_key", "read_from_head", "refresh_interval", "rotate_wait",
        "buffer_chunk_size", "buffer_max_size", "skip_long_lines", "skip_empty_lines", "db", "db.locking",
    },
    "systemd": {
        "path", "systemd_filter", "systemd_filter_type", "lowercase", "strip_underscores", "max_entries", "db",
    },
    "fluentbit_metrics": {"scrape_interval", "scrape_on_start"},
    "kubernetes_events": {
        "kube_url", "interval_sec", "kube_request_limit", "kube_retention_time", "db", "db.locking", "tls.verify",
    },
    "kubernetes": {
        "kube_tag_prefix", "use_kubelet", "kubelet_host", "kubelet_port", "tls.verify", "buffer_size",
        "kube_meta_cache_ttl", "labels", "annotations", "owner_references", "merge_log", "merge_log_key", "keep_log",
        "k8s-logging.parser", "k8s-logging.exclude",
    },
    "modify": {"rename", "remove", "add", "copy"},
    "nest": {"operation", "wildcard", "nest_under"},
    "record_modifier": {"allowlist_key"},
    "lua": {"script", "call"},
    "log_to_metrics": {
        "tag", "metric_mode", "metric_namespace", "metric_subsystem", "metric_name", "metric_description",
        "value_field", "regex", "exclude", "add_label", "flush_interval_sec",
    },
    "kafka": {
        "brokers", "topics", "format", "timestamp_key", "timestamp_format", "message_key_field", "queue_full_retries",
    },
    "prometheus_exporter": set[str](),
}  # fmt: skip
# src/flb_config.c
SERVICE = {
    "flush", "grace", "daemon", "log_level", "hot_reload", "http_server", "http_listen", "http_port", "health_check",
    "hc_errors_count", "hc_retry_failure_count", "hc_period", "storage.path", "storage.sync", "storage.checksum",
    "storage.metrics", "storage.max_chunks_up", "storage.backlog.mem_limit", "storage.delete_irrecoverable_chunks",
    "scheduler.base", "scheduler.cap", "multiline_buffer_limit",
}  # fmt: skip


@functools.cache
def _rendered(options: str) -> Objects:
    return render_role("fluent_bit", **json.loads(options))


def rendered(**options: Any) -> Objects:
    return copy.deepcopy(_rendered(json.dumps(options, sort_keys=True)))


def settings(name: str = NODES, **options: Any) -> dict[str, Any]:
    text = only(rendered(**options), "ConfigMap", name)["data"]["fluent-bit.yaml"]
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def plugins(part: str, plugin: str, name: str = NODES, **options: Any) -> list[dict[str, Any]]:
    return [item for item in settings(name, **options)["pipeline"][part] if item["name"] == plugin]


def kafka(name: str = NODES, **options: Any) -> dict[str, Any]:
    (found,) = plugins("outputs", "kafka", name, **options)
    return found


def workload(name: str = NODES, **options: Any) -> dict[str, Any]:
    kind = "DaemonSet" if name == NODES else "Deployment"
    found: dict[str, Any] = only(rendered(**options), kind, name)["spec"]["template"]
    return found


@BOTH
def test_every_setting_is_one_that_its_plugin_knows(name: str) -> None:
    found = settings(name)
    assert set(found) == {"service", "pipeline"}
    assert set(found["service"]) <= SERVICE
    for part, items in found["pipeline"].items():
        for item in items:
            given = {key for key in item if not key.startswith("rdkafka.")}
            assert given <= COMMON[part] | PLUGINS[item["name"]], item
    given = {key.removeprefix("rdkafka."): value for key, value in kafka(name).items() if key.startswith("rdkafka.")}
    assert given
    assert refused_keys(given, evaluate("fluent_bit", "__fluent_bit_keys.fluent_bit_kafka_options")) == {}


@BOTH
def test_aliases_are_unique_because_metrics_are_named_by_them(name: str) -> None:
    items = [item for part in settings(name)["pipeline"].values() for item in part]
    aliases = [item["alias"] for item in items if item["name"] != "fluentbit_metrics"]
    assert len(aliases) == len(set(aliases))


@BOTH
def test_kafka_gets_it_as_the_member_over_tls(name: str) -> None:
    found = kafka(name)
    assert found["topics"] == "logs-staging"
    assert found["brokers"] == "kafka-bootstrap.dataplatform.internal:9094"
    assert found["rdkafka.security.protocol"] == "sasl_ssl"
    assert found["rdkafka.sasl.mechanism"] == "SCRAM-SHA-512"
    assert found["rdkafka.ssl.endpoint.identification.algorithm"] == "https"
    assert only(rendered(), "Secret")["stringData"] == {
        "KAFKA_USERNAME": "staging",
        "KAFKA_PASSWORD": "test-staging-kafka",
    }


@BOTH
def test_nothing_is_given_up(name: str) -> None:
    found = kafka(name)
    assert found["retry_limit"] == "no_limits"
    assert found["rdkafka.enable.idempotence"] == "true"
    assert found["rdkafka.request.required.acks"] == "-1"
    assert found["rdkafka.message.timeout.ms"] == "0"
    assert found["timestamp_format"] == "iso8601_ns"
    # Larger than any record, or the rest of its chunk would go with it.
    assert int(found["rdkafka.message.max.bytes"]) > 4 * 256 * 1024


def test_what_waits_and_where_it_was_read_to_is_on_the_node() -> None:
    (mount,) = [item for item in workload()["spec"]["containers"][0]["volumeMounts"] if not item.get("readOnly")][:1]
    (volume,) = [item for item in workload()["spec"]["volumes"] if item["name"] == mount["name"]]
    assert volume["hostPath"]["path"] == "/var/lib/dataplatform-fleet/fluent-bit"
    for item in (*plugins("inputs", "tail"), *plugins("inputs", "systemd")):
        assert item["storage.type"] == "filesystem"
        assert item["db"].startswith(mount["mountPath"])
    assert settings()["service"]["storage.path"].startswith(mount["mountPath"])
    assert kafka(fluent_bit_buffer_gib=9)["storage.total_limit_size"] == "9G"


def test_events_wait_on_a_volume_and_are_read_by_one() -> None:
    deployment = only(rendered(), "Deployment", EVENTS)["spec"]
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}
    volumes = {item["name"]: item for item in deployment["template"]["spec"]["volumes"]}
    assert (
        volumes["data"]["persistentVolumeClaim"]["claimName"]
        == only(rendered(), "PersistentVolumeClaim")["metadata"]["name"]
    )
    assert deployment["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    assert not any("hostPath" in item for item in volumes.values())


def test_without_events_there_is_nothing_of_them() -> None:
    assert not [item for item in rendered(fluent_bit_events=False) if "events" in item["metadata"]["name"]]


def test_every_record_says_what_it_is_and_has_a_key() -> None:
    assert kafka()["message_key_field"] == "message_key"
    assert plugins("inputs", "tail")[0]["path_key"] == "message_key"
    added = [item["add"] for item in plugins("filters", "modify") if "add" in item]
    assert added == ["dataset container", "dataset journal"]
    (event,) = plugins("filters", "modify", EVENTS)
    assert event["add"] == ["dataset kubernetes-event", "message_key kubernetes-event"]


def test_what_programs_write_becomes_no_field_of_its_own() -> None:
    (found,) = plugins("filters", "kubernetes")
    assert (found["merge_log"], found["merge_log_key"], found["keep_log"]) == ("on", "log_processed", "on")
    assert found["k8s-logging.parser"] == "off"


def test_the_kubelet_of_the_node_is_asked_with_the_least_right() -> None:
    (found,) = plugins("filters", "kubernetes")
    assert (found["use_kubelet"], found["kubelet_host"], found["tls.verify"]) == ("on", "${NODE_IP}", "on")
    assert only(rendered(), "ClusterRole", NODES)["rules"] == [
        {"apiGroups": [""], "resources": ["nodes/pods"], "verbs": ["get"]}
    ]
    assert only(rendered(), "ClusterRole", EVENTS)["rules"] == [
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "watch"]}
    ]


def metric(item: dict[str, Any]) -> str:
    return "_".join(item[f"metric_{part}"] for part in ("namespace", "subsystem", "name"))


def counted(tag: str, record: dict[str, Any]) -> set[str]:
    """Return the metrics that count a record, as the filter log_to_metrics decides.

    Of several conditions it heeds only the first. A field that is not there matches no pattern.
    """
    found = set()
    for item in plugins("filters", "log_to_metrics"):
        if item["metric_mode"] != "counter" or not re.search(item["match_regex"], tag):
            continue
        ((kind, condition),) = [(kind, item[kind]) for kind in ("regex", "exclude") if kind in item]
        field, pattern = condition.split(" ", 1)
        value = record
        for part in re.findall(r"\w+", field):
            value = value.get(part, {})
        matches = isinstance(value, str) and re.search(pattern, value) is not None
        if matches == (kind == "regex"):
            found.add(metric(item))
    return found


# As Fluent Bit 5.1.1 wrote them after the time, each with the cause produced for it.
_CLIENT = "[error] [output:kafka:kafka] fluent-bit-x1#producer-1: "
_BROKER = "sasl_ssl://kafka-bootstrap.dataplatform.internal:9094/bootstrap"
OWN_LINES = [
    (
        f"{_CLIENT}[thrd:{_BROKER}]: {_BROKER}: SASL authentication error: Authentication failed during authentication"
        " due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 357ms in state AUTH_REQ)",
        "disconnected",
    ),
    (
        f"{_CLIENT}[thrd:{_BROKER}]: {_BROKER}: Connect to ipv4#127.99.205.10:9094 failed: Connection refused"
        " (after 0ms in state CONNECT)",
        "disconnected",
    ),
    (f"{_CLIENT}[thrd:{_BROKER}]: 1/1 brokers are down", "disconnected"),
    (
        "[ warn] [output:kafka:kafka] message delivery failed: Broker: Message size too large",
        "refused",
    ),
    (
        "[error] [input:tail:containers] cannot open /var/log/containers/locked-0_shop_main-0a.log",
        "unread",
    ),
    # What metrics say: errors and dropped records, retries, dropped records.
    (
        "[error] % Failed to produce to topic logs-controlplane: Broker: Topic authorization failed",
        None,
    ),
    ("[error] % Failed to produce to topic logs-staging: Local: Queue full", None),
    ("[ warn] [output:kafka:kafka] internal queue is full, retrying in one second", None),
    (
        "[ warn] [input chunk] chunk '1-1796027124.5.flb' evicted from output queue to make room"
        " under storage.total_limit_size: input=containers > output=kafka (out_id=0), bytes=987136, limit=20000000",
        None,
    ),
    ("[ info] [input:tail:containers] multiline core started", None),
]


OWN_TAG = f"kube.var.log.containers.fluent-bit-x7k2p_node-agents_fluent-bit-{'0a' * 32}.log"
NAMED = {"kubernetes": {"pod_name": "fluent-bit-x7k2p"}}


@pytest.mark.parametrize(("line", "name"), OWN_LINES)
def test_what_no_metric_says_is_counted_in_its_own_lines(line: str, name: str | None) -> None:
    record = {"message": f"[2026/11/30 08:28:58.322] {line}", **NAMED}
    assert counted(OWN_TAG, record) == ({f"fluentbit_trouble_{name}_total"} if name else set())
    assert counted(OWN_TAG.replace("fluent-bit-x7k2p", "fluent-bit-events-7d9f-abcde"), record) == counted(
        OWN_TAG, record
    )
    # A team's pod may write such a line, and have such a name.
    assert counted(OWN_TAG.replace("_node-agents_", "_shop_"), record) == set()


def test_a_record_without_metadata_is_counted() -> None:
    tag = OWN_TAG.replace("fluent-bit-x7k2p_node-agents_fluent-bit", "shop-0_team_main")
    assert counted(tag, {"message": "hello"}) == {"fluentbit_trouble_unlabelled_total"}
    assert counted(tag, {"message": "hello", "kubernetes": {"pod_name": "shop-0"}}) == set()
    # The kubelet has cut the name, and the filter asks for no metadata.
    assert counted(tag.replace("0a.log", ".log"), {"message": "hello"}) == set()
    assert counted("host.kubelet.service", {"message": "hello"}) == set()


def test_counters_are_listed_and_written_less_often_than_flushed() -> None:
    counters = [item for item in plugins("filters", "log_to_metrics") if item["metric_mode"] == "counter"]
    listed = {line.split("\t")[0] for line in CATALOGUE.read_text(encoding="utf-8").splitlines()}
    assert {metric(item) for item in counters} <= listed
    assert all(item["flush_interval_sec"] > settings()["service"]["flush"] for item in counters)
    # They see what the filters before them have made.
    order = [item.get("alias") for item in settings()["pipeline"]["filters"]]
    assert order.index("container_record") < min(order.index(item["alias"]) for item in counters)


def test_drift_is_a_gauge_by_reconciler_of_the_platforms_namespaces_only() -> None:
    found = [item for item in plugins("filters", "log_to_metrics") if item["metric_mode"] == "gauge"]
    assert [metric(item) for item in found] == ["reconciler_drift_objects", "reconciler_last_run_timestamp_seconds"]
    for item in found:
        assert item["metric_mode"] == "gauge"
        assert item["add_label"] == "reconciler $log_processed['reconciler']"
        assert item["regex"] == '$message "drift_objects"'
        assert item["flush_interval_sec"] > settings()["service"]["flush"]
    assert found[0]["value_field"] == "$log_processed['drift_objects']"
    (pattern,) = {item["match_regex"] for item in found}
    tag = "kube.var.log.containers.kafka-reconciler-1a2b-xyz_{}_reconciler-0123.log"
    assert re.search(pattern, tag.format("kafka"))
    assert not re.search(pattern, tag.format("shop"))
    assert not re.search(pattern, "kube.var.log.containers.web_shop_reconciler_kafka_-0123.log")


@BOTH
def test_all_metrics_are_at_the_one_port_that_prometheus_asks(name: str) -> None:
    (exporter,) = plugins("outputs", "prometheus_exporter", name)
    annotations = workload(name)["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(exporter["port"])
    tags = [item["tag"] for part in ("inputs", "filters") for item in settings(name)["pipeline"][part] if "tag" in item]
    assert [tag for tag in tags if tag.startswith("metrics.")]
    assert exporter["match"] == "metrics.*"
    assert not re.search(kafka(name)["match_regex"], "metrics.internal")


@BOTH
def test_a_restart_is_no_cure_for_an_absent_kafka(name: str) -> None:
    container = workload(name)["spec"]["containers"][0]
    assert container["livenessProbe"]["httpGet"]["path"] == "/"
    assert container["readinessProbe"]["httpGet"]["path"] == "/api/v1/health"


def test_it_runs_on_every_node_before_others() -> None:
    pod = workload()["spec"]
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["priorityClassName"] == "platform-critical"
    assert "nodeSelector" not in pod


@pytest.mark.parametrize(
    "change",
    [
        {"fluent_bit_log_level": "debug"},
        {"fluent_bit_kafka_password": "another"},
        {"fluent_bit_kafka_ca": "another"},
    ],
)
@BOTH
def test_pods_are_replaced_for_what_they_read_at_the_start(name: str, change: dict[str, Any]) -> None:
    assert workload(name)["metadata"]["annotations"] != workload(name, **change)["metadata"]["annotations"]


def test_no_secret_is_in_a_config_map() -> None:
    for item in rendered():
        if item["kind"] != "Secret":
            assert "test-staging-kafka" not in str(item), item["kind"]
    used = set(re.findall(r"\$\{(\w+)\}", yaml.safe_dump(settings())))
    given = {entry["name"] for entry in workload()["spec"]["containers"][0]["env"]}
    assert used == given


def test_kafka_the_kubelets_and_the_api_server_are_all_that_is_reached() -> None:
    reached = {
        item["metadata"]["name"]: [
            (peer["ipBlock"]["cidr"], port["port"])
            for rule in item["spec"]["egress"]
            for peer in rule["to"]
            for port in rule["ports"]
        ]
        for item in select(rendered(), "NetworkPolicy")
    }
    assert reached == {
        NODES: [("10.40.0.0/16", 9094), ("10.42.0.0/16", 10250)],
        EVENTS: [("10.40.0.0/16", 9094), ("0.0.0.0/0", 443)],
    }


def test_a_sites_settings_win() -> None:
    found = kafka(fluent_bit_kafka_options={"linger.ms": 5, "statistics.interval.ms": 1000})
    assert found["rdkafka.linger.ms"] == "5"
    assert found["rdkafka.statistics.interval.ms"] == "1000"
    paths = ["/var/log/containers/a*.log", "/var/log/containers/b*.log"]
    assert plugins("inputs", "tail", fluent_bit_exclude_paths=paths)[0]["exclude_path"] == ",".join(paths)
    assert plugins("inputs", "systemd", fluent_bit_journal_units=[]) == []
    (filtered,) = plugins("filters", "kubernetes", fluent_bit_allow_exclude=True)
    assert filtered["k8s-logging.exclude"] == "on"


def test_sizes_and_what_differs_from_them() -> None:
    small, large = (workload(fluent_bit_size=size)["spec"]["containers"][0]["resources"] for size in ("small", "large"))
    assert small != large
    assert (
        settings()["service"]["storage.max_chunks_up"]
        < settings(fluent_bit_size="large")["service"]["storage.max_chunks_up"]
    )
    changed = workload(fluent_bit_resources={"limits": {"memory": "1Gi"}})["spec"]["containers"][0]["resources"]
    assert changed["limits"] == small["limits"] | {"memory": "1Gi"}


def test_the_image_comes_from_the_mirror_by_digest() -> None:
    digest = "sha256:" + "a" * 64
    options = {"fluent_bit_image_mirror": "registry.example.com/hub", "fluent_bit_image_digest": digest}
    for name in (NODES, EVENTS):
        image = workload(name, **options)["spec"]["containers"][0]["image"]
        assert image == f"registry.example.com/hub/fluent/fluent-bit:5.2.0@{digest}"


def test_the_catalogue_of_metrics_is_of_the_pinned_version() -> None:
    lines = [line.split("\t") for line in CATALOGUE.read_text(encoding="utf-8").splitlines()]
    version = evaluate("fluent_bit", "fluent_bit_version")
    assert {" ".join(line[2].split(" ")[:2]) for line in lines} == {f"fluent-bit {version}", "prometheus"}
    names = [line[0] for line in lines]
    assert names == sorted(set(names))
    assert {"fluentbit_output_dropped_records_total", "reconciler_drift_objects"} <= set(names)
