# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All metrics of a workload arrive in the controlplane's Kafka, in the format of docs/data-path.md."""

from __future__ import annotations

import contextlib
import json
import re
import time
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.e2e.conftest import GENERATORS, RATE
from ansible_collections.dataplatform.fleet.tests.e2e.fleet import NAMESPACE, PROMETHEUS, WORKLOAD, Fleet, eventually
from ansible_collections.dataplatform.fleet.tests.e2e.ledger import between
from ansible_collections.dataplatform.fleet.tests.e2e.reader import Reader, scrapes

from localcloud.controllers import nodespec
from observability.alarms import ALARMS, TOPICS, Where

pytestmark = pytest.mark.exhaustive

# Metrics that only EKS' metrics API has: https://docs.aws.amazon.com/eks/latest/userguide/view-raw-metrics.html
NOT_IN_THE_LOCAL_CLOUD = {"kube-scheduler", "kube-controller-manager"}

# About what is simulated.
OF_WHAT_DOES_NOT_RUN = {"KubeletDown", "NginxDown", "TargetDown"}
# Whose processors may be busy, and whose clock NTP need not tell.
OF_THE_MACHINE = {alarm.name for alarm in ALARMS if alarm.component == "node"}


@pytest.fixture(scope="module")
def documents(fleet: Fleet, reader: Reader) -> list[dict[str, Any]]:
    """Those of the load's pages whose type is named in them, as they are in the topic."""
    script = (
        "timeout 60 /opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server kafka.kafka.svc:9091"
        f" --topic metrics-{WORKLOAD} --command-config /run/kafka/client --command-property"
        " auto.offset.reset=by_duration:PT60S 2> /dev/null"
        ' | grep -E -m 200 \'"__name__":"e2e_(requests|temperature|latency|size)\'; true'
    )
    ran = fleet.controlplane.run("kafka", "e2e-reader", "main", ["bash", "-c", script], 120)
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert found, ran.err
    return found


def test_every_scrape_job_is_up(fleet: Fleet, reader: Reader) -> None:
    """All targets respond, except those on simulated nodes."""
    nodes = fleet.workload.client.get("/api/v1/nodes")["items"]
    simulated = {node["metadata"]["name"] for node in nodes if not nodespec.is_real(node)}
    pods = fleet.workload.client.get("/api/v1/pods")["items"]
    nowhere = {
        (pod["metadata"]["namespace"], pod["metadata"]["name"])
        for pod in pods
        if pod["spec"].get("nodeName") in simulated
    }

    def targets() -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for one in fleet.workload.ask("up"):
            labels = one["metric"]
            on_simulated = labels.get("node") in simulated or labels["instance"] in simulated
            if on_simulated or (labels.get("namespace"), labels.get("pod")) in nowhere:
                continue
            if labels["job"] not in NOT_IN_THE_LOCAL_CLOUD:
                found.setdefault(labels["job"], []).append(float(one["value"][1]))
        return found

    wanted = {"apiserver", "cadvisor", "coredns", "kube-state-metrics", "kubelet", "kubelet-probes", "load"}
    wanted |= {"node-exporter", "prometheus", "telegraf"}
    # Right after its start Prometheus has not scraped all of them yet.
    eventually(lambda: wanted <= (found := targets()).keys() and all(map(all, found.values())), 150)


@pytest.mark.parametrize(
    ("name", "own", "value"),
    [
        ("e2e_requests_total", {"code": "200"}, 1234567),
        ("e2e_temperature_celsius", {}, -12.5),
        ("e2e_latency_seconds_bucket", {"le": "0.1"}, 3),
        ("e2e_latency_seconds_bucket", {"le": "+Inf"}, 4),
        ("e2e_latency_seconds_sum", {}, 0.7),
        ("e2e_latency_seconds_count", {}, 4),
        ("e2e_size_bytes", {"quantile": "0.5"}, 100),
        ("e2e_size_bytes_sum", {}, 1000),
        ("e2e_size_bytes_count", {}, 9),
    ],
)
def test_each_type_of_sample_is_a_document_of_the_contract(
    documents: list[dict[str, Any]], name: str, own: dict[str, str], value: float
) -> None:
    found = [one for one in documents if one["labels"]["__name__"] == name and own.items() <= one["labels"].items()]
    assert found
    for document in found:
        assert set(document) == {"@timestamp", "labels", "metrics"}
        assert document["metrics"] == {name: value}
        labels = dict(document["labels"])
        assert re.fullmatch(r"10\.42\.\d+\.\d+:8080", labels.pop("instance"))
        assert re.fullmatch(r"load-\d", labels.pop("pod"))
        assert labels == own | {
            "__name__": name,
            "cluster": "staging",
            "environment": "staging",
            "namespace": NAMESPACE,
            "job": "load",
        }


def test_times_are_milliseconds_of_the_scrape(fleet: Fleet, documents: list[dict[str, Any]]) -> None:
    kept = scrapes(fleet.workload, 600)
    times = {time for values in kept.values() for time in values.values()}
    assert {one["@timestamp"] for one in documents} <= times


def test_samples_that_prometheus_counts_as_sent_have_arrived(fleet: Fleet, reader: Reader) -> None:
    """No sample is lost: compared by sample for the load, and by number for all samples."""
    begin, seconds = time.time(), 60
    time.sleep(seconds)
    kept = between(scrapes(fleet.workload, 600), begin, begin + seconds)
    assert all(kept[generator] for generator in range(GENERATORS))

    eventually(lambda: reader.account(kept).lost == 0, 60)
    account = reader.account(kept)
    assert account.duplicated == 0
    assert account.sent >= 0.8 * RATE * seconds
    for name in ("samples_failed_total", "samples_dropped_total"):
        assert fleet.workload.number(f"sum(prometheus_remote_storage_{name})") == 0
    assert fleet.workload.telegraf()["internal_write_metrics_dropped"] == 0


def test_numbers_of_all_samples_agree(fleet: Fleet, reader: Reader) -> None:
    """What Prometheus' own counter of remote write has grown by is in the topic, or in Telegraf's buffer.

    NaN has no JSON, so its share is taken off. Telegraf counts its buffer each ten seconds, and what is on its way
    to it and from it is in neither: so many seconds of what is sent may be the difference.
    """

    def numbers() -> tuple[float, float, int]:
        page = fleet.workload.pods.https(PROMETHEUS, "GET", "/metrics").data.decode()
        (sent,) = re.findall(r"^prometheus_remote_storage_samples_total\{.*\} (\S+)$", page, re.MULTILINE)
        buffered = fleet.workload.telegraf()["internal_write_buffer_size"]
        reader.poll()
        return float(sent), buffered, reader.ledger.messages

    seconds = 120
    begin = numbers()
    time.sleep(seconds)
    end = numbers()
    every = fleet.workload.number('count({__name__=~".+"})')
    without_nan = fleet.workload.number('count({__name__=~".+"} >= -Inf)')
    sent, buffered, arrived = (after - before for after, before in zip(end, begin, strict=True))
    sent *= without_nan / every
    assert sent > 0.8 * RATE * seconds
    assert abs(sent - arrived - buffered) <= 15 * sent / seconds, f"{sent:.0f} sent, {arrived} arrived, {buffered} wait"


def test_a_healthy_fleet_has_no_alarms(fleet: Fleet, reader: Reader) -> None:
    """No alarm is firing or pending: a condition that holds on every cluster would be a false alarm."""
    (topic,) = (topic for topic in TOPICS if topic.name == "kafka")
    kafka = {alarm.name: alarm.expression for alarm in topic.alarms if alarm.where is Where.PROMETHEUS}

    def raised() -> set[str]:
        found = {name for member in (fleet.controlplane, fleet.workload) for name in member.alerts()}
        found |= {name for name, expression in kafka.items() if fleet.controlplane.ask(expression)}
        return found - OF_WHAT_DOES_NOT_RUN - OF_THE_MACHINE - {"Watchdog"}

    with contextlib.suppress(AssertionError):
        eventually(lambda: not raised(), 300)
    assert raised() == set()
