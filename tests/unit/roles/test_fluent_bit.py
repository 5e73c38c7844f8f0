# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of fluent_bit become objects and settings."""

from __future__ import annotations

import copy
import functools
import json
import re
from pathlib import Path
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
from lupa.luajit21 import LuaRuntime

NODES, EVENTS = "fluent-bit", "fluent-bit-events"
BOTH = pytest.mark.parametrize("name", [NODES, EVENTS])
CATALOGUE = CHECKOUT / "observability" / "metrics" / "fluent_bit.txt"

# What each plugin takes: `fluent-bit -J`, built of fluent/fluent-bit v5.1.1. A setting that a plugin does not know
# stops Fluent Bit at the start; one of librdkafka it only logs.
FACTS = Path(__file__).parent / "fluent_bit_plugins.json"
PLUGINS: dict[str, list[str]] = json.loads(FACTS.read_text(encoding="utf-8"))
# What is read before a plugin's own: src/flb_input.c, src/flb_filter.c and src/flb_output.c of it.
COMMON = {
    "inputs": {"name", "tls.verify"},
    "filters": {"name", "alias", "match", "match_regex"},
    "outputs": {
        "name",
        "alias",
        "match",
        "match_regex",
        "host",
        "port",
        "retry_limit",
        "workers",
        "storage.total_limit_size",
    },
}  # fmt: skip
# src/flb_config.c, and what src/config_format/flb_cf_yaml.c reads of a parser
SERVICE = {
    "flush", "grace", "daemon", "log_level", "hot_reload", "http_server", "http_listen", "http_port", "health_check",
    "hc_errors_count", "hc_retry_failure_count", "hc_period", "storage.path", "storage.sync", "storage.checksum",
    "storage.metrics", "storage.max_chunks_up", "storage.backlog.mem_limit", "storage.delete_irrecoverable_chunks",
    "scheduler.base", "scheduler.cap",
}  # fmt: skip
PARSER = {"name", "format", "regex", "time_key", "time_format", "time_keep", "skip_empty_values"}


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
    assert set(found) == {"service", "pipeline"} | ({"parsers"} if name == NODES else set())
    assert all(set(item) <= PARSER for item in found.get("parsers", []))
    assert set(found["service"]) <= SERVICE
    for part, items in found["pipeline"].items():
        for item in items:
            given = {key for key in item if not key.startswith("rdkafka.")}
            assert given <= COMMON[part] | {key.lower() for key in PLUGINS[item["name"]]}, item
    given = {key.removeprefix("rdkafka."): value for key, value in kafka(name).items() if key.startswith("rdkafka.")}
    assert given.pop("message.max.bytes")
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


def test_the_buffer_and_the_read_positions_are_on_the_node() -> None:
    (mount,) = [item for item in workload()["spec"]["containers"][0]["volumeMounts"] if not item.get("readOnly")][:1]
    (volume,) = [item for item in workload()["spec"]["volumes"] if item["name"] == mount["name"]]
    assert volume["hostPath"]["path"] == "/var/lib/dataplatform-fleet/fluent-bit"
    for item in (*plugins("inputs", "tail"), *plugins("inputs", "systemd")):
        assert item["storage.type"] == "filesystem"
        assert item["db"].startswith(mount["mountPath"])
    assert settings()["service"]["storage.path"].startswith(mount["mountPath"])
    assert kafka(fluent_bit_buffer_size="9Gi")["storage.total_limit_size"] == 9 * 1024**3


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


def test_every_record_has_a_type_and_a_key() -> None:
    assert kafka()["message_key_field"] == "message_key"
    assert plugins("inputs", "tail")[0]["path_key"] == "message_key"
    added = [item["add"] for item in plugins("filters", "modify") if "add" in item]
    assert added == [["dataset container", "node ${NODE_NAME}"], "dataset journal"]
    (event,) = plugins("filters", "modify", EVENTS)
    assert event["add"] == ["dataset kubernetes-event", "message_key kubernetes-event"]


def test_keys_of_programs_logs_do_not_become_fields() -> None:
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

    Of several conditions it evaluates only the first. A field that is not there matches no pattern.
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
def test_events_without_a_metric_are_counted_from_log_lines(line: str, name: str | None) -> None:
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
def test_a_pod_lives_while_the_thread_that_moves_the_data_answers(name: str) -> None:
    container = workload(name)["spec"]["containers"][0]
    # With a kubelet that accepts and never answers, every page of the service's HTTP server (/, /api/v1/health,
    # /api/v1/metrics, /api/v2/health, ...) still answers; the exporter does not. Nor does SIGTERM end the process.
    assert container["livenessProbe"]["httpGet"] == {"path": "/metrics", "port": "metrics"}
    assert container["livenessProbe"]["terminationGracePeriodSeconds"] < 30
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    (exporter,) = plugins("outputs", "prometheus_exporter", name)
    assert ports["metrics"] == exporter["port"] != settings(name)["service"]["http_port"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/api/v1/health"


def test_sizes_are_bytes() -> None:
    # Fluent Bit's K, M and G are of 1000, but for some that are of 1024.
    for name in (NODES, EVENTS):
        found = settings(name, fluent_bit_events_storage_size="10Gi")
        for item in [found["service"], *(item for part in found["pipeline"].values() for item in part)]:
            assert not [key for key, value in item.items() if re.fullmatch(r"[0-9.]+ *[KMGT]i?B?", str(value))], item
    assert kafka(EVENTS, fluent_bit_events_storage_size="10Gi")["storage.total_limit_size"] == 8 * 1024**3


def test_events_are_known_by_their_version_and_not_by_their_uid() -> None:
    (found,) = plugins("inputs", "kubernetes_events", EVENTS)
    assert "db" not in found


def test_its_own_log_is_bounded_before_anything_is_made_of_it() -> None:
    first = settings()["pipeline"]["filters"][0]
    assert (first["name"], first["rate"] * first["window"]) == ("throttle", 120)
    tag = "kube.var.log.containers.{}-x7z2p_{}_fluent-bit-0123.log"
    for pod in ("fluent-bit", "fluent-bit-events-5d8"):
        assert re.search(first["match_regex"], tag.format(pod, "node-agents"))
    assert not re.search(first["match_regex"], tag.format("fluent-bit", "shop"))


class Lines:
    """The script that joins parts, in LuaJIT, which Fluent Bit has too."""

    def __init__(self) -> None:
        self.lua = LuaRuntime(encoding=None)
        self.lua.execute(only(rendered(), "ConfigMap", NODES)["data"]["lines.lua"].encode())

    def parts(self, text: bytes, of: int = 16384, end: bytes = b"F", file: bytes = b"a") -> list[dict[bytes, bytes]]:
        """Write a line as containerd does, and return what becomes of it."""
        cuts = [text[start : start + of] for start in range(0, len(text), of)] or [b""]
        found = [self.one(part, end if part is cuts[-1] else b"P", file) for part in cuts]
        return [record for record in found if record is not None]

    def one(self, text: bytes, kind: bytes, file: bytes = b"a") -> dict[bytes, bytes] | None:
        record = self.lua.table_from({b"log": text, b"stream": b"stdout", b"_p": kind, b"message_key": file})
        code, _, found = self.lua.globals()[b"join"](b"tag", 1, record)
        return dict(found) if code >= 0 else None


def test_the_parts_of_a_line_are_joined_up_to_a_bound() -> None:
    lines = Lines()
    most = evaluate("fluent_bit", "__fluent_bit_line_bytes")
    assert most == 262144
    for size in (0, 5, 16384, 16385, 100_000, most):
        (found,) = lines.parts(b"x" * size)
        assert found[b"log"] == b"x" * size
        assert b"line_cut" not in found
    (found,) = lines.parts(b"y" * (most + 1))
    assert found[b"log"] == b"y" * most
    assert found[b"line_cut"] == b"true"
    (found,) = lines.parts(b"z" * 50_000_000)  # one without end
    assert len(found[b"log"]) == most
    assert lines.parts(b"after")[0][b"log"] == b"after"
    (found,) = lines.parts("x€".encode() * most)
    assert found[b"log"].decode() == ("x€" * (most // 4))


def test_output_without_a_line_break_is_not_delayed() -> None:
    (found,) = Lines().parts(b"x" * 20_000, end=b"P")
    assert len(found[b"log"]) == 20_000


def test_lines_of_several_files_do_not_mix_and_all_of_them_together_are_bounded() -> None:
    lines = Lines()
    assert lines.one(b"a" * 16384, b"P", b"one") is None
    assert lines.one(b"b" * 16384, b"P", b"two") is None
    assert lines.one(b"!", b"F", b"one") == {
        b"log": b"a" * 16384 + b"!",
        b"stream": b"stdout",
        b"_p": b"F",
        b"message_key": b"one",
    }
    found = [lines.one(b"c" * 16384, b"P", b"%d" % file) for file in range(32 * 1024**2 // 16384)]
    assert [record for record in found if record is not None] == [found[-1]]  # file two holds one of the parts
    assert found[-1][b"line_cut"] == b"true"


def test_cut_lines_are_counted() -> None:
    script = settings()["pipeline"]["filters"][1]
    assert (script["name"], script["call"]) == ("lua", "join")
    tag = OWN_TAG.replace("fluent-bit-x7k2p_node-agents_fluent-bit", "shop-0_team_main")
    assert counted(tag, {"message": "x", "line_cut": "true", **NAMED}) == {"fluentbit_lines_cut_total"}


def test_one_number_is_the_largest_message_from_the_agents_to_elasticsearch() -> None:
    for options, most in (({}, 2097152), ({"fleet_message_max_bytes": 4194304}, 4194304)):
        broker = only(render_role("kafka", **options), "ConfigMap", "kafka")["data"]["server.properties"].splitlines()
        assert {f"message.max.bytes={most}", f"replica.fetch.max.bytes={most}"} <= set(broker)
        topics = evaluate("kafka", "__kafka_plan.topics", **options)
        assert {topic["config"]["max.message.bytes"] for topic in topics} == {most}
        logstash = only(render_role("logstash", **options), "ConfigMap", "logstash")["data"]
        for pipeline in ("logs.conf", "metrics.conf"):
            assert f"max_partition_fetch_bytes => {most}\n" in logstash[pipeline]
        # A batch of one message has Kafka's own framing around it.
        (telegraf,) = re.findall(r"max_message_bytes = ([0-9]+)", json.dumps(render_role("prometheus", **options)))
        assert int(telegraf) == int(kafka(**options)["rdkafka.message.max.bytes"]) == most - 4096
        # Each byte of a line may be six in JSON, and a quarter is left for what is said about it.
        assert evaluate("fluent_bit", "__fluent_bit_line_bytes", **options) * 6 <= most * 3 / 4
    small = {"kafka_topic_config": {"max.message.bytes": 1000000}}
    assert evaluate("kafka", "__kafka_plan.undersized", **small)[0] == "logs-controlplane (1000000)"
    assert evaluate("kafka", "__kafka_plan.undersized") == []


@pytest.mark.parametrize(
    ("chosen", "level"), [("error", "warn"), ("warn", "warn"), ("info", "info"), ("debug", "debug")]
)
@BOTH
def test_the_output_always_logs_the_warnings_that_are_counted(name: str, chosen: str, level: str) -> None:
    # plugins/out_kafka/kafka.c of fluent/fluent-bit v5.1.1: "message delivery failed" is a warning.
    assert kafka(name, fluent_bit_log_level=chosen)["log_level"] == level


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


def test_egress_is_limited_to_kafka_the_kubelets_and_the_api_server() -> None:
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
        EVENTS: [
            ("10.40.0.0/16", 9094),
            *((cidr, 443) for cidr in ("10.42.0.0/16", "10.100.0.1/32", "172.20.0.1/32")),
        ],
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


def test_the_image_is_pulled_from_the_mirror_by_digest() -> None:
    digest = "sha256:" + "a" * 64
    options = {
        "fluent_bit_image_mirror": "registry.example.com/hub",
        "fluent_bit_image_digest": digest,
        "fluent_bit_version": "90.1.2",
    }
    for name in (NODES, EVENTS):
        image = workload(name, **options)["spec"]["containers"][0]["image"]
        assert image == f"registry.example.com/hub/fluent/fluent-bit:90.1.2@{digest}"


def test_the_catalogue_of_metrics_is_of_the_pinned_version() -> None:
    lines = [line.split("\t") for line in CATALOGUE.read_text(encoding="utf-8").splitlines()]
    version = evaluate("fluent_bit", "fluent_bit_version")
    assert {" ".join(line[2].split(" ")[:2]) for line in lines} == {f"fluent-bit {version}", "prometheus"}
    names = [line[0] for line in lines]
    assert names == sorted(set(names))
    assert {"fluentbit_output_dropped_records_total", "reconciler_drift_objects"} <= set(names)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"linger.mss": 5}, {"linger.mss": "linger.ms"}),
        ({"compression.codec": "zip"}, None),
        ({"linger.ms": "soon"}, None),
    ],
)
def test_a_setting_that_kafkas_client_does_not_take_is_refused(given: dict[str, Any], told: Any) -> None:
    found = refused_keys(given, evaluate("fluent_bit", "__fluent_bit_keys.fluent_bit_kafka_options"))
    assert found == told if told else found
