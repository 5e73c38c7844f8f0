# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects, scrape configuration and Telegraf's configuration for the options of prometheus."""

from __future__ import annotations

import copy
import functools
import json
import re
import tomllib
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.dataplatform.fleet.plugins.filter.prometheus_alarms import prometheus_alarms
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    Objects,
    evaluate,
    only,
    render_role,
    rendered_role,
    role_names,
    shared_values,
    variables,
)
from ansible_collections.dataplatform.fleet.tests.unit.roles.test_structure import pod_templates

from localcloud.artifacts.programs import version
from observability import catalogue


@functools.cache
def _rendered(options: str) -> Objects:
    return render_role("prometheus", **json.loads(options))


def rendered(**options: Any) -> Objects:
    return copy.deepcopy(_rendered(json.dumps(options, sort_keys=True)))


def config(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        only(rendered(**options), "ConfigMap", "prometheus")["data"]["prometheus.yml"]
    )
    return found


def jobs(**options: Any) -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in config(**options)["scrape_configs"]}


def telegraf(**options: Any) -> dict[str, Any]:
    return tomllib.loads(only(rendered(**options), "ConfigMap", "prometheus-telegraf")["data"]["telegraf.conf"])


@pytest.mark.parametrize(
    ("option", "value", "nothing"),
    [("alarms_overrides", {"NodeCpuHigh": {"threshold": 42}}, {}), ("alarms_extra", ["../alarms.yml"], [])],
)
def test_a_fleet_file_of_an_earlier_version_passes_alarms_on(option: str, value: Any, nothing: Any) -> None:
    """One that has no fleet_alarms_overrides and no fleet_alarms_extra yet."""
    for given, wanted in (({option: value}, value), ({}, nothing)):
        values = variables("prometheus", **given)
        del values[f"fleet_{option}"]
        templar = Templar(DataLoader(), variables=values)
        assert templar.template(trust_as_template(f"{{{{ prometheus_{option} }}}}")) == wanted


def kafka(**options: Any) -> dict[str, Any]:
    (found,) = telegraf(**options)["outputs"]["kafka"]
    return dict(found)


def template(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = only(rendered(**options), "StatefulSet")["spec"]["template"]
    return found


def containers(**options: Any) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in template(**options)["spec"]["containers"]}


def test_the_versions_are_those_that_tests_run_and_catalogues_list() -> None:
    module = version("prometheus").split(".")
    release = f"{module[1][:-2]}.{int(module[1][-2:])}.{module[2]}"
    assert containers()["prometheus"]["image"] == f"quay.io/prometheus/prometheus:v{release}"
    assert containers()["telegraf"]["image"] == f"docker.io/library/telegraf:{version('telegraf')}"
    for job in ("prometheus", "telegraf"):
        sources = {one.source for one in catalogue.read(job)} - {"prometheus"}
        assert sources == {f"{job} {version(job)}"}


def test_series_are_marked_with_cluster_and_environment() -> None:
    options = {"prometheus_member": "staging", "prometheus_environment": "pre-production"}
    assert config(**options)["global"]["external_labels"] == {"cluster": "staging", "environment": "pre-production"}


def test_no_page_can_pretend_to_be_another_clusters() -> None:
    for name in ("kubernetes-pods", "kubernetes-services"):
        given = {
            rule["target_label"]: rule["replacement"]
            for rule in jobs()[name]["relabel_configs"]
            if "target_label" in rule and "replacement" in rule
        }
        assert given["cluster"] == given["environment"] == "staging"
        assert "honor_labels" not in jobs()[name]


def test_every_fixed_job_is_there_once() -> None:
    names = [job["job_name"] for job in config()["scrape_configs"]]
    assert names == evaluate("prometheus", "__prometheus_own_jobs")
    without = set(names) - set(jobs(prometheus_eks_control_plane=False))
    assert without == {"kube-scheduler", "kube-controller-manager"}
    rules = only(rendered(prometheus_eks_control_plane=False), "ClusterRole")["rules"]
    assert not [rule for rule in rules if "metrics.eks.amazonaws.com" in rule.get("apiGroups", [])]


def test_targets_with_tls_are_verified() -> None:
    for name, job in jobs().items():
        assert "insecure_skip_verify" not in job.get("tls_config", {}), name
    for name in ("prometheus", "kube-state-metrics", "kubernetes-pods", "kubernetes-services"):
        assert jobs()[name]["tls_config"]["server_name"] == "platform-metrics"
    assert jobs(prometheus_kubelet_verify=False)["cadvisor"]["tls_config"]["insecure_skip_verify"] is True


def test_a_platforms_annotated_port_is_one_that_its_container_declares() -> None:
    for role in role_names():
        for item, pod in pod_templates(render_role(role)):
            port = pod["metadata"].get("annotations", {}).get("prometheus.io/port")
            if port:
                declared = [
                    str(declared["containerPort"])
                    for container in pod["spec"]["containers"]
                    for declared in container.get("ports", [])
                ]
                assert declared.count(port) == 1, f"{role}: {item['metadata']['name']} is scraped at {port}"


def test_only_classic_series_are_sent_in_the_old_message() -> None:
    (write,) = config()["remote_write"]
    assert write["url"] == "http://127.0.0.1:9201/receive"
    assert write["protobuf_message"] == "prometheus.WriteRequest"
    assert write["send_native_histograms"] is False
    assert write["metadata_config"] == {"send": False}
    assert write["queue_config"]["retry_on_http_429"] is True


def test_telegraf_listens_on_loopback_only() -> None:
    settings = telegraf()
    (receiver,) = settings["inputs"]["http_listener_v2"]
    assert receiver["service_address"] == "tcp://127.0.0.1:9201"
    assert settings["outputs"]["prometheus_client"][0]["listen"] == "127.0.0.1:9273"
    assert "ports" not in containers()["telegraf"]


def test_telegraf_confirms_and_encrypts() -> None:
    found = kafka()
    assert found["brokers"] == ["kafka-bootstrap.dataplatform.internal:9094"]
    assert found["topic"] == "metrics-staging"
    assert (found["required_acks"], found["idempotent_writes"], found["compression_codec"]) == (-1, True, 4)
    assert (found["enable_tls"], found["sasl_mechanism"]) == (True, "SCRAM-SHA-512")
    assert "insecure_skip_verify" not in found
    assert found["routing_tag"] == "instance"
    assert found["startup_error_behavior"] == "retry"


def test_no_password_is_in_a_config_map() -> None:
    secret = "p4ss-of-staging"
    objects = rendered(prometheus_kafka_password=secret)
    assert secret not in json.dumps([item for item in objects if item["kind"] != "Secret"])
    assert only(objects, "Secret", "prometheus-telegraf")["stringData"]["KAFKA_PASSWORD"] == secret
    assert kafka(prometheus_kafka_password=secret)["sasl_password"] == "${KAFKA_PASSWORD}"


@pytest.mark.parametrize(
    ("options", "buffer", "memory"),
    [
        ({}, 1500 * 600, "1886Mi"),
        ({"prometheus_outage_seconds": 60}, 1500 * 60, "304Mi"),
        ({"prometheus_samples_per_second": 500, "prometheus_outage_seconds": 1800}, 900000, "1886Mi"),
        ({"prometheus_size": "large", "prometheus_outage_seconds": 100}, 1500000, "3058Mi"),
        ({"prometheus_telegraf_resources": {"limits": {"memory": "1Gi"}}}, 900000, "1Gi"),
    ],
)
def test_the_buffer_and_its_memory_follow_from_the_outage(options: dict[str, Any], buffer: int, memory: str) -> None:
    assert telegraf(**options)["agent"]["metric_buffer_limit"] == buffer
    assert containers(**options)["telegraf"]["resources"]["limits"]["memory"] == memory


def test_a_buffer_in_memory_has_no_volume() -> None:
    assert not {key for key in telegraf()["agent"] if key.startswith("buffer_")}
    assert "buffer" not in {volume["name"] for volume in template()["spec"]["volumes"]}


@pytest.mark.parametrize(
    ("options", "memory", "volume"),
    [
        ({}, "512Mi", "1383Mi"),
        ({"prometheus_outage_seconds": 3600}, "512Mi", "7975Mi"),
        ({"prometheus_telegraf_resources": {"limits": {"memory": "1Gi"}}}, "1Gi", "1383Mi"),
    ],
)
def test_a_buffer_on_disk_is_a_bounded_volume_that_telegraf_writes_to(
    options: dict[str, Any], memory: str, volume: str
) -> None:
    options = {"prometheus_telegraf_buffer": "disk", **options}
    agent = telegraf(**options)["agent"]
    assert (agent["buffer_strategy"], agent["buffer_disk_sync"]) == ("disk", False)
    container = containers(**options)["telegraf"]
    (mount,) = [one for one in container["volumeMounts"] if one["mountPath"] == agent["buffer_directory"]]
    assert not mount.get("readOnly")
    assert container["resources"]["limits"]["memory"] == memory
    (found,) = [one for one in template(**options)["spec"]["volumes"] if one["name"] == mount["name"]]
    assert found["emptyDir"] == {"sizeLimit": volume}


def test_several_brokers_and_their_ports() -> None:
    options = {
        "prometheus_kafka_bootstrap": "b-1.example.com:9096, b-2.example.com:9097",
        "prometheus_kafka_cidrs": ["10.1.0.0/16"],
    }
    assert kafka(**options)["brokers"] == ["b-1.example.com:9096", "b-2.example.com:9097"]
    egress = only(rendered(**options), "NetworkPolicy")["spec"]["egress"][-1]
    assert egress["to"] == [{"ipBlock": {"cidr": "10.1.0.0/16"}}]
    assert [port["port"] for port in egress["ports"]] == [9096, 9097]


def test_only_telegrafs_settings_restart_the_pod() -> None:
    usual = template()
    assert template(prometheus_scrape_interval="1m") == usual
    assert template(prometheus_rules={"ours": {"groups": []}}) == usual
    assert template(prometheus_tls_certificate="other") == usual
    assert template(prometheus_certificates={"kafka": "other"}, prometheus_ca="other") == usual
    for changed in (
        {"prometheus_kafka_password": "other"},
        {"prometheus_kafka_ca": "other"},
        {"prometheus_outage_seconds": 60},
    ):
        assert template(**changed)["metadata"]["annotations"] != usual["metadata"]["annotations"], changed


@pytest.mark.parametrize("member", ["controlplane", "staging"])
def test_every_certificate_that_pki_makes_for_the_member_is_watched(member: str) -> None:
    objects = rendered_role("prometheus", member)
    made = {
        path.split("/")[2]: value
        for path, value in shared_values().items()
        if path.startswith(f"{member}/tls/") and path.endswith("/certificate")
    }
    assert "kafka" in made or member != "controlplane"
    data = dict(only(objects, "ConfigMap", "prometheus-certificates")["data"])
    assert data.pop("roots.pem") == shared_values()[f"{member}/issuer/ca"]
    assert data == {f"{name}.crt": value for name, value in made.items()}
    text = only(objects, "ConfigMap", "prometheus-telegraf")["data"]["telegraf.conf"]
    inputs = {one["tags"]["kind"]: one for one in tomllib.loads(text)["inputs"]["x509_cert"]}
    assert set(inputs) == {"certificate", "root"} | ({"listener"} if member == "controlplane" else set())
    for one in inputs.values():
        # A local tag is there only if it is among those that are included.
        assert set(one["taginclude"]) >= set(one["tags"])
    pod = only(objects, "StatefulSet")["spec"]["template"]["spec"]
    maps = {one["configMap"]["name"]: one["name"] for one in pod["volumes"] if "configMap" in one}
    (telegraf,) = (one for one in pod["containers"] if one["name"] == "telegraf")
    (folder,) = (one["mountPath"] for one in telegraf["volumeMounts"] if one["name"] == maps["prometheus-certificates"])
    assert inputs["certificate"]["sources"] == [f"{folder}/*.crt"]
    assert inputs["root"]["sources"] == [f"{folder}/roots.pem"]


def test_a_listener_is_asked_at_its_address() -> None:
    settings = telegraf(prometheus_tls_endpoints=["grafana.example.com:443"])
    assert settings["inputs"]["x509_cert"][-1]["sources"] == ["tcp://grafana.example.com:443"]
    assert "x509_cert" in settings["outputs"]["prometheus_client"][0]["namepass"]
    # What Kafka gets comes by Prometheus, which marks it with the cluster.
    assert settings["outputs"]["kafka"][0]["namepass"] == ["prometheus_remote_write"]


def test_bounds_that_are_left_out_leave_enough_for_a_quantile() -> None:
    own, rule = jobs()["kubernetes-pods"]["metric_relabel_configs"]
    assert re.fullmatch(own["regex"], "fluentbit_input_records_total;emitter_for_trouble_metadata")
    family = "nginx_ingress_controller_upstream_server_response_latency_ms"
    assert f"{family}_bucket" in {one.name for one in catalogue.read("ingress_nginx")}
    bounds = [1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1000, 2000, 3000, 4000, 5000]
    bounds += [10000, 20000, 30000, 40000, 50000]
    for form in ("{}", "{}.0"):
        kept = [bound for bound in bounds if not re.fullmatch(rule["regex"], f"{family}_bucket;{form.format(bound)}")]
        assert kept == [5, 10, 50, 100, 500, 1000, 5000, 10000, 50000]
    assert not re.fullmatch(rule["regex"], f"{family}_bucket;+Inf")
    for other in (f"{family}_count;", "nginx_ingress_controller_workqueue_work_duration_seconds_bucket;1"):
        assert not re.fullmatch(rule["regex"], other)


def test_all_rules_are_mounted_and_a_sites_are_added() -> None:
    folder = catalogue.CHECKOUT / "roles" / "prometheus" / "files" / "rules"
    own = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yml")} | prometheus_alarms(
        {}, cluster="staging"
    )
    ours = {"groups": [{"name": "x", "rules": [{"record": "a:b", "expr": "up{job=~'{{ not a template }}'}"}]}]}
    data = only(rendered(prometheus_rules={"ours": ours}), "ConfigMap", "prometheus-rules")["data"]
    assert {name: text for name, text in data.items() if name != "ours.yml"} == own
    assert yaml.safe_load(data["ours.yml"]) == ours
    assert len(json.dumps(data)) < 1_000_000  # a ConfigMap has at most 1 MiB


def test_names_that_the_role_has_itself_are_found() -> None:
    rules: dict[str, Any] = {"recording": {"groups": []}, "ours": {"groups": []}}
    assert evaluate("prometheus", "__prometheus_taken", prometheus_rules=rules) == ["recording.yml"]
    scraped = [{"job_name": "kubelet"}, {"job_name": "ours"}]
    assert evaluate("prometheus", "__prometheus_taken_jobs", prometheus_scrape_configs=scraped) == ["kubelet"]


def test_a_sites_jobs_are_taken_as_they_are() -> None:
    job = {"job_name": "ours", "static_configs": [{"targets": ["a:1"]}]}
    assert jobs(prometheus_scrape_configs=[job])["ours"] == job


def test_the_volume_bounds_what_is_kept() -> None:
    args = containers(prometheus_storage_size="100Gi", prometheus_retention="6h")["prometheus"]["args"]
    assert "--storage.tsdb.retention.time=6h" in args
    assert "--storage.tsdb.retention.size=81920MB" in args
    (claim,) = only(rendered(prometheus_storage_size="100Gi"), "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "100Gi"


def test_it_can_read_only_metrics_of_nodes() -> None:
    rules = only(rendered(), "ClusterRole")["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} <= {"get", "list", "watch"}
    resources = {resource for rule in rules for resource in rule.get("resources", [])}
    assert resources == {"nodes", "pods", "services", "endpointslices", "nodes/metrics", "kcm/metrics", "ksh/metrics"}


def test_only_grafana_may_ask() -> None:
    (rule,) = only(rendered(), "NetworkPolicy")["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 9090}]
    assert [peer["podSelector"]["matchLabels"] for peer in rule["from"]] == [{"app.kubernetes.io/name": "grafana"}]
    assert only(rendered(prometheus_query_namespaces=[]), "NetworkPolicy")["spec"]["ingress"] == []


def test_exclusions_are_existing_names_or_valid_patterns() -> None:
    """A misspelt name would exclude nothing without an error."""
    for job in ("kubelet", "cadvisor", "apiserver"):
        dropped = catalogue.Relabelling.of(job)
        for pattern in dropped.patterns:
            re.compile(pattern)
        assert not [one.name for one in catalogue.read(job) if dropped.drops(one.name)]


def test_recorded_gauges_are_none_of_elasticsearchs_counters() -> None:
    folder = catalogue.CHECKOUT / "roles" / "prometheus" / "files" / "rules"
    for path in folder.glob("recording*.yml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                assert not re.search(r"_(total|sum|count|bucket)$", rule["record"]), rule["record"]


def test_a_page_that_others_serve_is_bounded() -> None:
    found = {name: job.get("sample_limit") for name, job in jobs(prometheus_sample_limit=777).items()}
    assert {name for name, limit in found.items() if limit == 777} >= {"kubernetes-pods", "kubernetes-services"}
