# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of logstash become objects, settings and pipelines."""

from __future__ import annotations

import copy
import functools
import json
import re
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    CHECKOUT,
    ROLES,
    Objects,
    evaluate,
    only,
    render_role,
    render_template,
    select,
)

PIPELINES = ("metrics", "logs")
CATALOGUE = CHECKOUT / "observability" / "metrics" / "logstash.txt"


@functools.cache
def _rendered(options: str) -> Objects:
    return render_role("logstash", **json.loads(options))


def rendered(**options: Any) -> Objects:
    return copy.deepcopy(_rendered(json.dumps(options, sort_keys=True)))


def stateful_set(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = only(rendered(**options), "StatefulSet")["spec"]
    return found


def containers(**options: Any) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in stateful_set(**options)["template"]["spec"]["containers"]}


def files(**options: Any) -> dict[str, str]:
    found: dict[str, str] = only(rendered(**options), "ConfigMap", "logstash")["data"]
    return found


def pipeline(name: str, **options: Any) -> dict[str, Any]:
    (found,) = [item for item in parse(files(**options)["pipelines.yml"]) if item["pipeline.id"] == name]
    return dict(found)


def section(text: str, name: str) -> str:
    return re.search(rf"^{name} \{{$.*?^\}}$", text, re.MULTILINE | re.DOTALL)[0]  # type: ignore[index]


def test_there_is_a_pipeline_for_each_kind_of_topic_with_a_queue_and_dead_letters_on_the_volume() -> None:
    settings = parse(files()["logstash.yml"])
    mounts = {mount["mountPath"]: mount["name"] for mount in containers()["logstash"]["volumeMounts"]}
    assert mounts[settings["path.data"]] == "data"
    for name in PIPELINES:
        found = pipeline(name)
        assert found["path.config"] == f"/etc/logstash/{name}.conf"
        assert f"{name}.conf" in files()
        assert found["queue.type"] == "persisted"
        assert found["dead_letter_queue.enable"] is True
        assert found["dead_letter_queue.max_bytes"] == "2gb"
        assert found["dead_letter_queue.retain.age"] == "7d"


@pytest.mark.parametrize("name", PIPELINES)
def test_kafka_is_read_by_pattern_as_a_user_over_tls(name: str) -> None:
    text = section(files()[f"{name}.conf"], "input")
    for line in (
        f'topics_pattern => "{name}-.*"',
        f'group_id => "logstash-{name}"',
        f'client_id => "{name}-${{HOSTNAME}}"',
        'security_protocol => "SASL_SSL"',
        'sasl_mechanism => "SCRAM-SHA-512"',
        'ssl_truststore_type => "PEM"',
        'ssl_endpoint_identification_algorithm => "https"',
        'decorate_events => "basic"',
        'auto_offset_reset => "earliest"',
        "auto_create_topics => false",
        "enable_auto_commit => false",
        "consumer_threads => 2",
    ):
        assert f"    {line}\n" in text


@pytest.mark.parametrize("name", PIPELINES)
def test_the_cluster_is_that_of_the_topic_and_overwrites_that_of_the_message(name: str) -> None:
    text = section(files()[f"{name}.conf"], "filter")
    assert 'copy => { "[@metadata][kafka][topic]" => "[@metadata][cluster]" }' in text
    assert f'gsub => ["[@metadata][cluster]", "^{name}-", ""]' in text
    assert '"[labels][cluster]" => "%{[@metadata][cluster]}"' in text
    assert '"[data_stream][namespace]" => "%{[@metadata][cluster]}"' in text


def test_of_a_metric_nothing_but_labels_value_and_time_is_kept() -> None:
    text = files()["metrics.conf"]
    # All of the message is below one field, and that one is removed.
    assert 'codec => json { target => "[document]" }' in text
    assert 'match => ["[document][@timestamp]", "UNIX_MS"]' in text
    assert re.findall(r'"\[document\]\[(\w+)\]" => ', text) == ["labels", "metrics"]
    assert 'remove_field => ["[document]"]' in text
    # The codec's copy of the whole message is in [event][original].
    assert 'remove_field => ["[@version]", "[event]"]' in text
    assert 'if [@metadata][metrics] == "{}" {\n      drop {' in text


def test_metrics_go_to_a_data_stream_by_its_fields() -> None:
    text = section(files()["metrics.conf"], "output")
    assert 'data_stream => "true"' in text
    # The plugin refuses them together with data_stream => "true".
    assert not re.search(r"^\s+(index|document_id|action|ilm_enabled) =>", text, re.MULTILINE)


def test_a_metric_that_came_too_late_stops_no_other_one_and_a_log_waits_for_a_privilege() -> None:
    assert "dlq_custom_codes => [403]" in section(files()["metrics.conf"], "output")
    assert "dlq_custom_codes" not in files()["logs.conf"]


def test_logs_are_created_once_under_the_name_of_their_place_in_kafka() -> None:
    text = section(files()["logs.conf"], "output")
    for line in (
        'data_stream => "false"',
        'index => "logs-k8s.container-%{[@metadata][cluster]}"',
        'action => "create"',
        'document_id => "%{[@metadata][id]}"',
        "manage_template => false",
    ):
        assert f"    {line}\n" in text
    # The plugin refuses them together with data_stream => "false".
    assert not re.search(r"^\s+data_stream_", text, re.MULTILINE)


def test_events_and_the_journal_are_found_where_the_logs_of_containers_are() -> None:
    text = section(files()["logs.conf"], "filter")
    assert set(re.findall(r'"(\S+)" => "(\[(?:kubernetes|message|level)\S*)"', text)) == {
        ("[journal][hostname]", "[kubernetes][host]"),
        ("[kubernetes_event][involvedObject][name]", "[kubernetes][pod_name]"),
        ("[kubernetes_event][involvedObject][namespace]", "[kubernetes][namespace_name]"),
        ("[kubernetes_event][message]", "[message]"),
        ("[log_processed][level]", "[level]"),
        # The names of a container's file.
        ("[message_key]", "[kubernetes][container_name]"),
        ("[message_key]", "[kubernetes][namespace_name]"),
        ("[message_key]", "[kubernetes][pod_name]"),
        ("[node]", "[kubernetes][host]"),
    }


@pytest.mark.parametrize("name", PIPELINES)
def test_elasticsearch_is_verified_and_asked_as_a_user(name: str) -> None:
    text = section(files()[f"{name}.conf"], "output")
    assert "ssl_enabled => true" in text
    assert 'ssl_verification_mode => "full"' in text
    assert 'user => "logstash_writer"' in text
    assert 'hosts => ["https://a:9200", "https://b:9200"]' in section(
        files(logstash_elasticsearch_hosts=["https://a:9200", "https://b:9200"])[f"{name}.conf"], "output"
    )


def replayed(name: str) -> str:
    return files()[f"{name}-replay.conf"]


def test_a_log_message_without_an_id_is_replayed_under_the_id_of_its_place_in_kafka() -> None:
    """Letters of versions before this one have no id, and would all be one document."""
    (made,) = re.findall(r'add_field => (\{ "\[@metadata\]\[id\]".*\})', section(files()["logs.conf"], "filter"))
    found = section(replayed("logs"), "filter")
    assert re.search(r"if !\[@metadata\]\[id\] \{\s+mutate \{[^}]+" + re.escape(f"add_field => {made}"), found)
    assert "[@metadata][id]" not in replayed("metrics")


@pytest.mark.parametrize("name", PIPELINES)
def test_replayed_events_are_unchanged_and_kept_if_they_are_rejected_again(name: str) -> None:
    found = pipeline(f"{name}-replay")
    assert found["path.config"] == f"/etc/logstash/{name}-replay.conf"
    # What was read is removed, so it is in a queue that outlives the pod.
    assert (found["queue.type"], found["dead_letter_queue.enable"]) == ("persisted", True)
    letters = section(replayed(name), "input")
    assert f'pipeline_id => "{name}"' in letters
    assert "clean_consumed => true" in letters
    (path,) = re.findall(r'path => "(.+)"', letters)
    (start,) = containers()["logstash"]["command"][2:]
    assert f"mkdir -p {path}/{{metrics,logs}}\n" in start
    # With it an event is never written among the dead letters.
    assert 'remove_field => ["[@metadata][dead_letter_queue]"]' in section(replayed(name), "filter")
    first, again = (
        section(text, "output").replace(f"{name}_replay_", f"{name}_")
        for text in (files()[f"{name}.conf"], replayed(name))
    )
    assert first == again


def test_dead_letters_are_replayed_by_a_job_beside_each_pod() -> None:
    template = ROLES / "logstash" / "templates" / "replay_jobs.j2"
    objects = render_template(template, logstash_replicas=3, __logstash_replay_run="1")
    jobs = select(objects, "Job")
    assert [job["metadata"]["name"] for job in jobs] == [f"logstash-replay-1-{ordinal}" for ordinal in range(3)]
    for ordinal, job in enumerate(jobs):
        spec = job["spec"]["template"]["spec"]
        (term,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["labelSelector"]["matchLabels"] == {"statefulset.kubernetes.io/pod-name": f"logstash-{ordinal}"}
        claims = [volume["persistentVolumeClaim"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume]
        assert claims == [{"claimName": f"data-logstash-{ordinal}"}]
        (container,) = spec["containers"]
        assert container["command"][2:] == ["/var/lib/logstash", "metrics", "logs"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        # No Service and no NetworkPolicy of Logstash's is for it.
        assert job["spec"]["template"]["metadata"]["labels"] == {"app.kubernetes.io/name": "logstash-replay"}
    (script,) = select(objects, "ConfigMap")
    assert script["data"]["replay.sh"] == (ROLES / "logstash" / "files" / "replay.sh").read_text(encoding="utf-8")


def test_every_plugin_has_an_id_of_its_own() -> None:
    pipelines = [name for name in files() if name.endswith(".conf")]
    found = [name for pipeline in pipelines for name in re.findall(r'\bid => "(\w+)"', files()[pipeline])]
    plugins = [
        name
        for pipeline in pipelines
        for name in re.findall(
            r"^\s+(kafka|dead_letter_queue|mutate|date|drop|elasticsearch) \{", files()[pipeline], re.M
        )
    ]
    assert len(found) == len(set(found)) == len(plugins)


def test_no_secret_is_in_a_config_map() -> None:
    secrets = ("test-kafka-logstash", "test-logstash-writer", "PRIVATE KEY")
    objects = rendered()
    for item in objects:
        if item["kind"] != "Secret":
            assert not any(secret in str(item) for secret in secrets), item["kind"]
    held = only(objects, "Secret", "logstash")["stringData"]
    used = set(re.findall(r"\$\{(\w+)\}", "".join(files()[f"{name}.conf"] for name in PIPELINES)))
    given = {entry["name"] for entry in containers()["logstash"]["env"]}
    assert used == given == set(held) | {"HOSTNAME"}


@pytest.mark.parametrize(
    "change",
    [
        {"logstash_log_level": "debug"},
        {"logstash_pipelines": {"logs": {"workers": 3}}},
        {"logstash_kafka_password": "another"},
        {"logstash_elasticsearch_ca": "another"},
        {"logstash_tls_private_key": "another"},
    ],
)
def test_pods_restart_for_what_they_read_at_the_start(change: dict[str, Any]) -> None:
    before, after = (stateful_set(**options)["template"]["metadata"]["annotations"] for options in ({}, change))
    assert before != after
    assert before == stateful_set()["template"]["metadata"]["annotations"]


def test_the_api_is_on_the_loopback_where_the_exporter_and_the_probes_ask_it() -> None:
    assert parse(files()["logstash.yml"])["api.http.host"] == "127.0.0.1"
    exporter = {entry["name"]: entry["value"] for entry in containers()["logstash-exporter"]["env"]}
    assert exporter["LOGSTASH_URL"] == "http://127.0.0.1:9600"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert containers()["logstash"][probe]["exec"]["command"][-1].startswith("http://127.0.0.1:9600/")
    ports = [port["port"] for rule in only(rendered(), "NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]]
    assert ports == [9198]


def test_metrics_are_scraped_over_tls_under_the_exporters_name() -> None:
    annotations = stateful_set()["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == "9198"
    assert annotations["prometheus.io/scheme"] == "https"
    assert annotations["prometheus.io/job"] == "logstash-exporter"
    assert only(rendered(), "Secret", "logstash-exporter-tls")["type"] == "kubernetes.io/tls"


def test_kafka_and_elasticsearch_are_all_that_is_reached() -> None:
    egress = only(rendered(), "NetworkPolicy")["spec"]["egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in egress] == [[9092], [9200]]
    assert [
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in egress
        for peer in rule["to"]
    ] == ["kafka", "elasticsearch"]


def test_a_kafka_elsewhere_is_reached_by_its_networks() -> None:
    options = {
        "logstash_kafka_bootstrap": "b-1.example.com:9096,b-2.example.com:9096",
        "logstash_kafka_cidrs": ["10.9.0.0/16"],
    }
    rule = only(rendered(**options), "NetworkPolicy")["spec"]["egress"][0]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.9.0.0/16"}}]
    assert [port["port"] for port in rule["ports"]] == [9096]


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ({}, True),
        ({"logstash_replicas": 3, "logstash_kafka_threads": 2}, True),
        ({"logstash_replicas": 4, "logstash_kafka_threads": 2}, False),
        ({"logstash_replicas": 4, "logstash_kafka_threads": 2, "logstash_kafka_partitions": 12}, True),
    ],
)
def test_consumers_and_partitions(options: dict[str, Any], fits: bool) -> None:
    condition = "__logstash_consumers | int <= logstash_kafka_partitions | int"
    assert condition in (CHECKOUT / "roles/logstash/tasks/check.yml").read_text(encoding="utf-8")
    assert evaluate("logstash", condition, **options) is fits


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ({}, True),
        ({"logstash_queue_size": "8Gi"}, False),
        ({"logstash_queue_size": "8Gi", "logstash_storage_size": "40Gi"}, True),
    ],
)
def test_queues_and_the_volume(options: dict[str, Any], fits: bool) -> None:
    condition = "__logstash_used_gib | float <= 0.9 * logstash_storage_size | dataplatform.fleet.amount / 1024**3"
    assert condition in (CHECKOUT / "roles/logstash/tasks/check.yml").read_text(encoding="utf-8")
    assert evaluate("logstash", condition, **options) is fits


def test_the_claim_and_what_a_site_may_choose_of_it() -> None:
    (claim,) = stateful_set(logstash_storage_size="50Gi")["volumeClaimTemplates"]
    assert claim["spec"]["resources"] == {"requests": {"storage": "50Gi"}}
    assert "storageClassName" not in claim["spec"]
    (claim,) = stateful_set(logstash_storage_class="gp3-fast")["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "gp3-fast"


def test_sizes_and_what_differs_from_them() -> None:
    small, large = (containers(logstash_size=size)["logstash"]["resources"] for size in ("small", "large"))
    assert small != large
    assert "-Xmx1g\n" in files()["jvm.options"]
    assert "-Xmx4g\n" in files(logstash_size="large")["jvm.options"]
    assert "-Xms3g\n" in files(logstash_heap="3g")["jvm.options"]
    changed = {"logstash_pipelines": {"logs": {"batch_size": 7}}}
    assert pipeline("logs", **changed)["pipeline.batch.size"] == 7
    assert pipeline("logs", **changed)["pipeline.workers"] == pipeline("logs")["pipeline.workers"]
    assert pipeline("metrics", **changed) == pipeline("metrics")


def test_one_pod_has_no_budget() -> None:
    assert not select(rendered(logstash_replicas=1), "PodDisruptionBudget")


def test_images_are_pulled_from_their_mirrors() -> None:
    digest = "sha256:" + "a" * 64
    found = containers(
        logstash_version="90.1.2",
        logstash_exporter_version="v91.0.0",
        logstash_image_mirror="registry.example.com/elastic",
        logstash_exporter_image_mirror="registry.example.com/github",
        logstash_image_digest=digest,
    )
    assert found["logstash"]["image"] == f"registry.example.com/elastic/logstash/logstash:90.1.2@{digest}"
    assert found["logstash-exporter"]["image"] == "registry.example.com/github/kuskoman/logstash-exporter:v91.0.0"


def test_the_catalogue_of_metrics_is_of_the_pinned_exporter() -> None:
    lines = [line.split("\t") for line in CATALOGUE.read_text(encoding="utf-8").splitlines()]
    version = evaluate("logstash", "logstash_exporter_version")
    assert {" ".join(line[2].split(" ")[:2]) for line in lines} == {f"logstash-exporter {version}", "prometheus"}
    names = [line[0] for line in lines]
    assert names == sorted(set(names))
    assert "logstash_stats_pipeline_dead_letter_queue_size_in_bytes" in names
