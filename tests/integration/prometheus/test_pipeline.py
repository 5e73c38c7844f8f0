# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an exporter's page to a message in Kafka: real Prometheus, Telegraf, node exporter, API server and Kafka.

Both programs run with what the role renders, in which only paths, ports and addresses are others. Pods are objects in
the API server whose address is this machine's.
"""

from __future__ import annotations

import contextlib
import math
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.tests.integration.node_exporter.test_page import arguments
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.broker import Broker
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.real import (
    Authority,
    Cluster,
    running,
)
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    Objects,
    certificate,
    only,
    render_role,
)
from cryptography import x509

from localcloud.artifacts.programs import go_program
from localcloud.host.loopback import HOST, fetch, free_port
from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.testing import eventually
from observability import catalogue

pytestmark = pytest.mark.integration
TOPIC = "metrics-staging"
PASSWORD = 'a"$b\\c#0123456789'
Message = tuple[str, dict[str, Any]]

PAGE = """# TYPE sample_requests_total counter
sample_requests_total{{code="200"}} {count}
# TYPE sample_temperature gauge
sample_temperature -12.5
# TYPE sample_undefined gauge
sample_undefined NaN
# TYPE sample_boundless gauge
sample_boundless +Inf
# TYPE sample_forged gauge
sample_forged{{cluster="production",namespace="other",job="x"}} 1
# TYPE sample_latency_seconds histogram
sample_latency_seconds_bucket{{le="0.1"}} 3
sample_latency_seconds_bucket{{le="+Inf"}} 4
sample_latency_seconds_sum 0.7
sample_latency_seconds_count 4
# TYPE sample_size_bytes summary
sample_size_bytes{{quantile="0.5"}} 100
sample_size_bytes_sum 1000
sample_size_bytes_count 9
# TYPE nginx_ingress_controller_upstream_server_response_latency_ms histogram
nginx_ingress_controller_upstream_server_response_latency_ms_bucket{{le="4"}} 1
nginx_ingress_controller_upstream_server_response_latency_ms_bucket{{le="5"}} 2
nginx_ingress_controller_upstream_server_response_latency_ms_bucket{{le="+Inf"}} 3
nginx_ingress_controller_upstream_server_response_latency_ms_sum 20
nginx_ingress_controller_upstream_server_response_latency_ms_count 3
"""


@contextlib.contextmanager
def application() -> Iterator[int]:
    """A page with a counter of its scrapes."""
    counter = iter(range(1, 1_000_000))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(PAGE.format(count=next(counter)).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def pod(namespace: str, name: str, app: str, port: int, scheme: str) -> dict[str, Any]:
    container = {"name": "main", "image": "example.com/x:1", "ports": [{"containerPort": port}, {"containerPort": 1}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": app},
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(port),
                "prometheus.io/scheme": scheme,
            },
        },
        "spec": {"nodeName": "node-1", "serviceAccountName": "default", "containers": [container]},
        "status": {"phase": "Running", "podIP": HOST, "podIPs": [{"ip": HOST}]},
    }


class Pipeline:
    """The role's objects in running programs."""

    kind_of_broker: type[Broker] = Broker

    def __init__(self, folder: Path, plane: ControlPlane) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.broker = self.kind_of_broker(folder / "kafka", self.authority, "staging", PASSWORD)
        self.ports = {name: free_port() for name in ("prometheus", "receive", "metrics", "node_exporter")}
        self.authority.issue(folder, "prometheus")
        self.objects: Objects = render_role(
            "prometheus",
            prometheus_kafka_bootstrap=self.broker.bootstrap,
            prometheus_scrape_interval="1s",
            prometheus_scrape_timeout="1s",
            prometheus_evaluation_interval="5s",
            prometheus_eks_control_plane=False,
        )
        cluster = Cluster(plane)
        self.token, self.kubeconfig = cluster.account(self.objects, folder)
        self.plane = plane
        self._cluster = cluster

    def declare(self, port: int) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        for namespace in ("team", "node-agents"):
            self._cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            self._cluster.apply(account | {"metadata": {"name": "default", "namespace": namespace}})
        # Of the API server itself, which makes none of it here.
        self._cluster.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": "kubernetes-1",
                    "namespace": "default",
                    "labels": {"kubernetes.io/service-name": "kubernetes"},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": ["192.0.2.1"]}],
                "ports": [{"name": "https", "port": 443, "protocol": "TCP"}],
            }
        )
        self._cluster.apply(pod("team", "shop-0", "shop", port, "http"))
        self._cluster.apply(
            pod("node-agents", "node-exporter-1", "node-exporter", self.ports["node_exporter"], "https")
        )

    def _moved(self, text: str) -> str:
        for there, here in {
            "127.0.0.1:9090": f"localhost:{self.ports['prometheus']}",
            "127.0.0.1:9201": f"127.0.0.1:{self.ports['receive']}",
            "127.0.0.1:9273": f"127.0.0.1:{self.ports['metrics']}",
            "kubernetes.default.svc:443": f"localhost:{self.plane.port}",
            "/etc/prometheus/rules": str(self.folder / "rules"),
            "/etc/prometheus/ca/ca.crt": str(self.authority.file),
            "/etc/telegraf-ca/ca.crt": str(self.authority.file),
            "/etc/telegraf-certificates": str(self.folder / "certificates"),
            'interval = "30s"': 'interval = "1s"',
            "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt": str(self.plane.ca_file),
            "/var/run/secrets/kubernetes.io/serviceaccount/token": str(self.token),
            "/tls/": f"{self.folder}/",
        }.items():
            text = text.replace(there, here)
        return text

    def prometheus(self) -> contextlib.AbstractContextManager[Any]:
        data = only(self.objects, "ConfigMap", "prometheus")["data"]
        config = yaml.safe_load(self._moved(data["prometheus.yml"]))
        for job in config["scrape_configs"]:
            if job["job_name"] == "apiserver":
                # By far the largest page.
                job["scrape_interval"] = "5s"
            for discovery in job.get("kubernetes_sd_configs", []):
                # A pod finds the API server by its environment.
                discovery["kubeconfig_file"] = str(self.kubeconfig)
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (self.folder / "web.yml").write_text(self._moved(data["web.yml"]))
        rules = self.folder / "rules"
        rules.mkdir(exist_ok=True)
        for name, text in only(self.objects, "ConfigMap", "prometheus-rules")["data"].items():
            (rules / name).write_text(text)
        given = only(self.objects, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]["args"]
        moved = [
            arg.replace("/etc/prometheus/config", str(self.folder)).replace("=/prometheus", f"={self.folder / 'data'}")
            for arg in given
        ]
        listen = f"--web.listen-address={HOST}:{self.ports['prometheus']}"
        return running([go_program("prometheus"), *moved, listen], self.folder, "prometheus")

    def telegraf(self) -> contextlib.AbstractContextManager[Any]:
        text = only(self.objects, "ConfigMap", "prometheus-telegraf")["data"]["telegraf.conf"]
        path = self.folder / "telegraf.conf"
        path.write_text(self._moved(text))
        certificates = self.folder / "certificates"
        certificates.mkdir()
        for name, pem in only(self.objects, "ConfigMap", "prometheus-certificates")["data"].items():
            (certificates / name).write_text(pem)
        environment = {"KAFKA_USERNAME": "staging", "KAFKA_PASSWORD": PASSWORD}
        return running([go_program("telegraf"), "--config", path], self.folder, "telegraf", environment)

    def node_exporter(self) -> contextlib.AbstractContextManager[Any]:
        folder = self.folder / "node_exporter"
        self.authority.issue(folder, "node-exporter")
        given = arguments(render_role("node_exporter"), folder, self.ports["node_exporter"])
        return running([go_program("node_exporter"), *given], folder, "node_exporter")

    def written(self) -> float:
        """Return how many samples Kafka has confirmed, by Telegraf's own count."""
        page = fetch(f"http://{HOST}:{self.ports['metrics']}/metrics").decode()
        found = re.search(r'^internal_write_metrics_written{[^}]*output="kafka"[^}]*} (\S+)', page, re.MULTILINE)
        return float(found.group(1)) if found else 0


@pytest.fixture(scope="module")
def messages(own_api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    """All messages: Kafka started late and had an outage."""
    pipeline = Pipeline(tmp_path_factory.mktemp("pipeline"), own_api_server)
    with contextlib.ExitStack() as broker:
        with application() as port, pipeline.node_exporter(), pipeline.telegraf(), pipeline.prometheus():
            pipeline.declare(port)
            time.sleep(8)
            with pipeline.broker.running():
                pipeline.broker.create(TOPIC)
                eventually(pipeline.written, log=pipeline.folder / "telegraf.log")
                time.sleep(5)
            time.sleep(8)
            broker.enter_context(pipeline.broker.running())
            time.sleep(20)
        return pipeline.broker.messages(TOPIC)


def named(messages: list[Message], name: str) -> list[Message]:
    return [(key, message) for key, message in messages if message["labels"].get("__name__") == name]


def test_every_message_is_a_document_of_the_contract(messages: list[Message]) -> None:
    now = time.time() * 1000
    for key, message in messages:
        assert set(message) == {"@timestamp", "labels", "metrics"}
        assert isinstance(message["@timestamp"], int)
        assert now - 600_000 < message["@timestamp"] <= now
        labels = message["labels"]
        assert (labels["cluster"], labels["environment"]) == ("staging", "staging")
        assert key == labels.get("instance", "rules")
        if "__name__" in labels:
            assert list(message["metrics"]) == [labels["__name__"]]
            assert math.isfinite(message["metrics"][labels["__name__"]])
        else:
            # An infinite value; Logstash drops it.
            assert message["metrics"] == {}


SAMPLES = [
    ("sample_temperature", {}, -12.5),
    ("sample_latency_seconds_bucket", {"le": "0.1"}, 3),
    ("sample_latency_seconds_bucket", {"le": "+Inf"}, 4),
    ("sample_latency_seconds_sum", {}, 0.7),
    ("sample_latency_seconds_count", {}, 4),
    ("sample_size_bytes", {"quantile": "0.5"}, 100),
    ("sample_size_bytes_sum", {}, 1000),
    ("sample_size_bytes_count", {}, 9),
]
"""The constant part of the page: name, labels, value."""


@pytest.mark.parametrize(("name", "own", "value"), SAMPLES)
def test_each_classic_type_arrives_with_its_pods_labels(
    messages: list[Message], name: str, own: dict[str, str], value: float
) -> None:
    found = [m for _, m in named(messages, name) if own.items() <= m["labels"].items()]
    assert found
    assert {m["metrics"][name] for m in found} == {value}
    labels = dict(found[0]["labels"])
    assert re.fullmatch(rf"{HOST}:\d+", labels.pop("instance"))
    assert labels == own | {
        "__name__": name,
        "cluster": "staging",
        "environment": "staging",
        "namespace": "team",
        "pod": "shop-0",
        "node": "node-1",
        "container": "main",
        "job": "shop",
    }


def test_nothing_is_lost_while_kafka_is_away(messages: list[Message]) -> None:
    values = {int(m["metrics"]["sample_requests_total"]) for _, m in named(messages, "sample_requests_total")}
    assert len(values) > 30
    assert values == set(range(min(values), max(values) + 1))


def test_an_undefined_value_is_left_out_and_an_infinite_one_is_empty(messages: list[Message]) -> None:
    assert named(messages, "sample_undefined") == []
    assert named(messages, "sample_boundless") == []
    # The name is that of the value, and lost with it. The rest of the labels would make it a document.
    empty = [m for _, m in messages if not m["metrics"]]
    assert empty
    assert {m["labels"].get("__name__") for m in empty} == {None}


def test_some_bounds_of_a_large_histogram_are_left_out(messages: list[Message]) -> None:
    name = "nginx_ingress_controller_upstream_server_response_latency_ms"
    bounds = {m["labels"]["le"]: m["metrics"][f"{name}_bucket"] for _, m in named(messages, f"{name}_bucket")}
    assert {float(bound): value for bound, value in bounds.items()} == {5: 2, math.inf: 3}
    assert named(messages, f"{name}_count")


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("certificate", {"fluent-bit.crt", "kube-state-metrics.crt", "node-exporter.crt", "prometheus.crt"}),
        ("root", {"roots.pem"}),
    ],
)
def test_the_end_of_each_certificate_arrives(messages: list[Message], kind: str, files: set[str]) -> None:
    found = [m for _, m in named(messages, "x509_cert_enddate") if m["labels"]["kind"] == kind]
    assert {Path(m["labels"]["source"]).name for m in found} == files
    end = x509.load_pem_x509_certificate(certificate()[0].encode()).not_valid_after_utc.timestamp()
    assert {m["metrics"]["x509_cert_enddate"] for m in found} == {end}
    (labels,) = {(m["labels"]["job"], m["labels"]["pod"], m["labels"]["common_name"]) for m in found}
    assert labels == ("telegraf", "prometheus-0", "test")


def test_a_page_cannot_pretend_to_be_another_clusters(messages: list[Message]) -> None:
    (labels, *_) = [m["labels"] for _, m in named(messages, "sample_forged")]
    assert (labels["cluster"], labels["namespace"], labels["job"]) == ("staging", "team", "shop")
    assert (labels["exported_cluster"], labels["exported_namespace"]) == ("production", "other")


@pytest.mark.parametrize(
    ("job", "file"),
    [
        ("node-exporter", "node_exporter"),
        ("prometheus", "prometheus"),
        ("telegraf", "telegraf"),
        ("apiserver", "apiserver"),
    ],
)
def test_arriving_series_of_the_platform_are_in_its_catalogue(messages: list[Message], job: str, file: str) -> None:
    known = {one.name: one.labels for one in catalogue.read(file)}
    relabelling = catalogue.Relabelling.of(file)
    arrived: dict[str, set[str]] = {}
    for _, message in messages:
        labels = message["labels"]
        if labels.get("job") == job and "__name__" in labels:
            arrived.setdefault(labels["__name__"], set()).update(labels)
    # Alarms about a job carry its name, too.
    exported = {name: labels for name, labels in arrived.items() if not name.startswith("ALERTS") and ":" not in name}
    assert exported
    for name, labels in exported.items():
        assert not relabelling.drops(name)
        # The API server has a series from its first use on; the catalogue's saw others.
        if name in known or job != "apiserver":
            assert labels - {"__name__"} <= known[name], name


def test_rules_arrive(messages: list[Message]) -> None:
    assert named(messages, "instance:node_memory_utilisation:ratio")
    assert [m for _, m in named(messages, "ALERTS") if m["labels"]["alertname"] == "Watchdog"]
