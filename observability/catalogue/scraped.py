# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Series of programs that can run here, scraped from their metrics endpoints."""

from __future__ import annotations

import contextlib
import datetime
import html
import json
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from localcloud.artifacts.binaries import Binaries
from localcloud.artifacts.programs import go_program, version
from localcloud.host.loopback import HOST, free_port
from localcloud.kubernetes.control_plane import ControlPlane
from observability.catalogue import CHECKOUT, SCRAPE, Series
from observability.catalogue.cited import module
from observability.catalogue.exposition import SUFFIXES, labels_by_name, types

OBJECTS = Path(__file__).with_name("objects.yml")
NODE_EXPORTER_MODULE = "github.com/prometheus/node_exporter"
KUBE_STATE_METRICS_MODULE = "k8s.io/kube-state-metrics/v2"
# Counters of the network adapter of EC2 instances, which other machines do not have.
ENA = (
    "bw_in_allowance_exceeded",
    "bw_out_allowance_exceeded",
    "conntrack_allowance_available",
    "conntrack_allowance_exceeded",
    "linklocal_allowance_exceeded",
    "pps_allowance_exceeded",
)
PATIENCE = 150.0
SETTLED = 20.0


def internals(role: str) -> dict[str, Any]:
    """Return a role's internal variables, untemplated."""
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "roles" / role / "vars" / "main.yml").read_text("utf-8"))
    return found


@contextlib.contextmanager
def running(command: list[str | Path], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (directory / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def page(url: str, enough: Callable[[str], bool] = bool) -> str:
    """Return a page of metrics as soon as it contains the expected text."""
    until = time.monotonic() + PATIENCE
    found = ""
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
                found = bytes(answer.read()).decode()
            if enough(found):
                return found
        time.sleep(0.5)
    raise TimeoutError(f"{url} does not contain the expected text: {found[:200]!r}")


def listed(text: str, source: str, *, start: bool = True) -> Iterator[Series]:
    for name, labels in labels_by_name(text).items():
        yield Series(name, labels, source)
    if start:
        for name in SCRAPE:
            yield Series(name, frozenset(), "prometheus")


def node_exporter() -> Iterator[Series]:
    own = internals("node_exporter")
    collectors = own["__node_exporter_base_collectors"]
    port = free_port()
    command: list[str | Path] = [
        go_program("node_exporter"),
        f"--web.listen-address={HOST}:{port}",
        "--collector.disable-defaults",
        *(f"--collector.{name}" for name in [*collectors, "ethtool"]),
        f"--collector.ethtool.metrics-include={own['__node_exporter_ena']}",
        f"--collector.filesystem.fs-types-exclude={own['__node_exporter_ignored_file_systems']}",
    ]
    with tempfile.TemporaryDirectory() as scratch, running(command, Path(scratch)):
        text = page(f"http://{HOST}:{port}/metrics", lambda found: "node_cpu_seconds_total" in found)
    source = f"node_exporter {version('node_exporter')}"
    yield from listed(text, source)
    # Nodes of Amazon Linux have XFS file systems, other machines may not. The later of two lines is kept, so that
    # the catalogue is the same on every machine.
    place = "collector/xfs_linux.go"
    code = (module(NODE_EXPORTER_MODULE, version("node_exporter")) / place).read_text(encoding="utf-8")
    for name in re.findall(r'^\s+name:\s+"(\w+)"', code, re.MULTILINE):
        yield Series(f"node_xfs_{name}", frozenset({"device"}), f"{source} {place}")
    for name in ENA:
        place = "collector/ethtool_linux.go, Linux drivers/net/ethernet/amazon/ena/ena_ethtool.c"
        yield Series(f"node_ethtool_{name}", frozenset({"device"}), f"{source} {place}")


def kube_state_metrics() -> Iterator[Series]:
    own = internals("kube_state_metrics")
    source = f"kube-state-metrics {version('kube-state-metrics')}"
    text, telemetry = _state(own)
    shown = labels_by_name(text)
    declared = types(text)
    documents = {one.name: one for one in _documented()}
    yield from listed(text, source)
    yield from listed(telemetry, source, start=False)
    # A family without objects has a heading only; its labels are in the documentation of the release.
    for family in declared:
        if not any(family + suffix in shown for suffix in ("", *SUFFIXES["histogram"])) and family in documents:
            yield documents[family]


def _state(own: dict[str, Any]) -> tuple[str, str]:
    port, telemetry_port = free_port(), free_port()
    extras = ("kube-controller-manager", "kube-scheduler", "kwok")
    with tempfile.TemporaryDirectory() as scratch, ControlPlane.temporary(Path(scratch), extras=extras) as plane:
        _create(plane)
        command: list[str | Path] = [
            go_program("kube-state-metrics"),
            f"--kubeconfig={plane.kubeconfig}",
            f"--host={HOST}",
            f"--port={port}",
            f"--telemetry-host={HOST}",
            f"--telemetry-port={telemetry_port}",
            f"--resources={','.join(own['__kube_state_metrics_groups'])}",
            f"--metric-labels-allowlist={','.join(own['__kube_state_metrics_label_allowlist'])}",
            f"--metric-denylist={','.join(own['__kube_state_metrics_denied'])}",
        ]
        with running(command, Path(scratch)):
            text = page(
                f"http://{HOST}:{port}/metrics",
                lambda found: all(
                    word in found
                    for word in (
                        'kube_pod_status_phase{namespace="team"',
                        "kube_job_complete{",
                        "kube_pod_container_status_running{",
                        "kube_statefulset_status_replicas_ready{",
                        "kube_cronjob_status_last_schedule_time{",
                    )
                ),
            )
            return text, page(
                f"http://{HOST}:{telemetry_port}/metrics", lambda found: "kube_state_metrics_watch_total" in found
            )


def _create(plane: ControlPlane) -> None:
    """Apply the objects; the status of a node is written in a request of its own."""
    for item in yaml.safe_load(OBJECTS.read_text(encoding="utf-8")):
        path = f"{_collection(item)}/{item['metadata']['name']}"
        _apply(plane, path, item)
        if item["kind"] == "Node":
            _apply(plane, f"{path}/status", item)


def _apply(plane: ControlPlane, path: str, item: dict[str, Any]) -> None:
    status, answer = plane.request(
        "PATCH",
        f"{path}?fieldManager=catalogue&force=true",
        json.dumps(item).encode(),
        "application/apply-patch+yaml",
    )
    if status >= 300:
        raise ValueError(f"{path}: {answer.decode()}")


def _collection(item: dict[str, Any]) -> str:
    group = item["apiVersion"]
    kind = item["kind"].lower()
    plural = {"storageclass": "storageclasses", "priorityclass": "priorityclasses", "ingress": "ingresses"}.get(kind)
    plural = plural or (f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s")
    root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
    namespace = item["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def _documented() -> Iterator[Series]:
    """Read the tables of kube-state-metrics' documentation."""
    release = version("kube-state-metrics")
    root = module(KUBE_STATE_METRICS_MODULE, release)
    for path in sorted((root / "docs" / "metrics").rglob("*-metrics.md")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
            if len(cells) > 5 and re.fullmatch(r"kube_\w+", cells[1]):
                labels = re.findall(r"`([a-z_]+)`=", html.unescape(" ".join(cells[4:])))
                yield Series(
                    cells[1],
                    frozenset(labels),
                    f"kube-state-metrics {release} {path.relative_to(root)}#L{number}",
                )


def apiserver() -> Iterator[Series]:
    extras = ("kube-controller-manager", "kube-scheduler", "kwok")
    with tempfile.TemporaryDirectory() as scratch, ControlPlane.temporary(Path(scratch), extras=extras) as plane:
        # Many series exist only after the first request of their kind.
        _create(plane)
        for path in ("pods", "pods/none", "events"):
            plane.request("GET", f"/api/v1/namespaces/default/{path}")
        time.sleep(SETTLED)
        text = plane.request("GET", "/metrics")[1].decode()
    yield from listed(text, f"kube-apiserver {Binaries().version('kube-apiserver')}")


TELEGRAF = """
[agent]
interval = "1s"
flush_interval = "1s"
omit_hostname = true
[[inputs.internal]]
[[inputs.http_listener_v2]]
service_address = "tcp://{host}:{receive}"
paths = ["/receive"]
data_format = "prometheusremotewrite"
[[inputs.x509_cert]]
sources = ["{certificate}"]
fieldinclude = ["enddate"]
taginclude = ["common_name", "kind", "serial_number", "source"]
[inputs.x509_cert.tags]
kind = "certificate"
[[outputs.kafka]]
startup_error_behavior = "retry"
brokers = ["{host}:{nobody}"]
topic = "metrics"
namepass = ["prometheus_remote_write"]
[[outputs.prometheus_client]]
listen = "{host}:{metrics}"
collectors_exclude = []
namepass = ["internal_*", "x509_cert"]
"""
PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: prometheus
    static_configs: [{{targets: ["{host}:{port}"]}}]
  - job_name: kubernetes
    kubernetes_sd_configs: [{{role: pod, api_server: "http://{host}:{nobody}"}}]
remote_write:
  - {{name: telegraf, url: "http://{host}:{receive}/receive"}}
"""
RULES = """
groups:
  - name: example
    rules:
      - {record: "job:up:sum", expr: "sum by (job) (up)"}
      - {alert: Watchdog, expr: vector(1)}
"""


def telegraf() -> Iterator[Series]:
    ports = {name: free_port() for name in ("receive", "nobody", "metrics")}
    with tempfile.TemporaryDirectory() as scratch:
        certificate = Path(scratch) / "example.crt"
        certificate.write_bytes(_certificate())
        config = Path(scratch) / "telegraf.conf"
        config.write_text(TELEGRAF.format(host=HOST, certificate=certificate, **ports), encoding="utf-8")
        with running([go_program("telegraf"), "--config", config], Path(scratch)):
            text = page(
                f"http://{HOST}:{ports['metrics']}/metrics",
                lambda found: all(
                    word in found for word in ("internal_write_buffer_size", "internal_agent_", "x509_cert_enddate")
                ),
            )
    yield from listed(text, f"telegraf {version('telegraf')}")


def _certificate() -> bytes:
    """Return a certificate that is valid for a day, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1)
    ).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def prometheus() -> Iterator[Series]:
    ports = {name: free_port() for name in ("port", "receive", "nobody")}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "prometheus.yml").write_text(PROMETHEUS.format(host=HOST, **ports), encoding="utf-8")
        (folder / "rules.yml").write_text(RULES, encoding="utf-8")
        command: list[str | Path] = [
            go_program("prometheus"),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address={HOST}:{ports['port']}",
        ]
        with running(command, folder):
            text = page(
                f"http://{HOST}:{ports['port']}/metrics",
                lambda found: all(
                    word in found
                    for word in (
                        "prometheus_target_interval_length_seconds_count",
                        "prometheus_rule_group_last_duration_seconds{",
                        "prometheus_remote_storage_samples_pending",
                        "prometheus_sd_kubernetes_failures_total",
                        "prometheus_http_request_duration_seconds_bucket",
                    )
                ),
            )
    source = f"prometheus {version('prometheus')}"
    yield from listed(text, source)
    # https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/: with the labels of their rule
    for name in ("ALERTS", "ALERTS_FOR_STATE"):
        yield Series(name, frozenset({"alertname", "alertstate", "severity", "component"}), source)
