# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lost and duplicated samples when a part of the path from Prometheus to Kafka fails under load.

Every sample that Prometheus has stored is accounted for. Each test prints its row; all are in build/e2e.json. The first
ones are those that a short run has to have (E2E_BUDGET_SECONDS).
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import pytest
from ansible_collections.dataplatform.fleet.tests.e2e.conftest import GENERATORS, INTERVAL, RATE
from ansible_collections.dataplatform.fleet.tests.e2e.fleet import ROOT, WORKLOAD, Fleet, eventually, fill
from ansible_collections.dataplatform.fleet.tests.e2e.ledger import Account, Scrapes, between
from ansible_collections.dataplatform.fleet.tests.e2e.reader import Reader, scrapes

from localcloud.nodes import requirements
from observability.alarms import alarm_of

pytestmark = pytest.mark.exhaustive

OUTAGE = float(os.environ.get("E2E_OUTAGE_SECONDS", "180"))
"""Duration of the outage of all brokers."""
CUT = float(os.environ.get("E2E_CUT_SECONDS", "300"))
"""Duration of the network interruption between the clusters."""
FULL = float(os.environ.get("E2E_FULL_SECONDS", "180"))
"""Duration of a full disk of a broker."""
RECOVERY = float(os.environ.get("E2E_RECOVERY_SECONDS", "900"))
"""Time limit for the arrival of buffered samples."""
AROUND = float(os.environ.get("E2E_AROUND_SECONDS", "30"))
"""Seconds of load before a fault and after its end that count as part of it."""
ON_TIME = 4 * INTERVAL
"""A sample that arrives within so many seconds is not late."""
BATCH_SECONDS = 5
"""How long a sample may wait in Prometheus for others: batch_send_deadline of the role prometheus."""
QUIET = 20
"""Seconds without an arrival after which a sample counts as lost: ten times flush_interval of the role prometheus."""
MOST_DUPLICATED = 4 * 5000
"""Samples that one fault may duplicate: four batches of Telegraf (metric_batch_size of the role prometheus).

Telegraf sends a whole batch again when a broker refuses a part of it, so the number depends on the attempts during an
election of leaders and not on the rate or the length of the trial.
"""
SCRAPED = 30
"""Seconds between two scrapes of the kubelets and brokers: scrape_interval of the role prometheus."""
LOOKS_BACK = 300
"""Seconds that MetricsMissing looks back: not before their end is its condition true."""
STEP = 15
"""Seconds between two looks at the condition of an alarm."""
RESULTS = ROOT / "build" / "e2e.json"


@dataclass
class Row:
    """The effect of a fault. Samples are those of the load, seconds are counted from the fault's end."""

    fault: str
    rate: float = 0
    broken_seconds: float = 0
    sent: int = 0
    arrived: int = 0
    lost: int = 0
    duplicated: int = 0
    recovered_seconds: float = 0
    buffered: int = 0
    """Telegraf's buffer at its fullest, or right before it was killed."""
    alarms: dict[str, str] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    """By alarm: for how many seconds without a break its condition was true."""


@pytest.fixture(scope="module")
def rows() -> Iterator[list[Row]]:
    """All results, written at the end as a table and as JSON."""
    found: list[Row] = []
    yield found
    print("\n" + table(found))


def table(rows: list[Row]) -> str:
    names = ("fault", "rate", "sent", "arrived", "lost", "duplicated", "broken_seconds", "recovered_seconds")
    lines = [[name.replace("_", " ") for name in names]]
    for row in rows:
        values = asdict(row)
        lines.append([f"{values[name]:.0f}" if name != "fault" else row.fault for name in names])
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)


def write(row: Row) -> None:
    """Replace the row of the same fault."""
    RESULTS.parent.mkdir(exist_ok=True)
    earlier = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    kept = [one for one in earlier if one["fault"] != row.fault]
    RESULTS.write_text(json.dumps([*kept, asdict(row)], indent=1) + "\n")


class Trial:
    """A fault, from a period of undisturbed load until all sent samples have arrived."""

    def __init__(self, fleet: Fleet, reader: Reader, rows: list[Row], fault: str) -> None:
        self.fleet, self.reader, self.rows = fleet, reader, rows
        self.row = Row(fault)

    @contextlib.contextmanager
    def running(self) -> Iterator[Trial]:
        """Run the block, which causes a fault and ends it."""
        eventually(lambda: self.reader.behind() < ON_TIME, RECOVERY)
        begin = time.time()
        self.wait(AROUND)
        broken = time.time()
        yield self
        fixed = time.time()
        self.row.broken_seconds = round(fixed - broken, 1)
        eventually(lambda: self.reader.behind() < ON_TIME, RECOVERY, every=1)
        self.row.recovered_seconds = round(time.time() - fixed, 1)
        self.wait(AROUND)
        self._count(begin, time.time())

    def _count(self, begin: float, end: float) -> None:
        eventually(lambda: self.reader.behind() < ON_TIME, RECOVERY)
        kept = between(scrapes(self.fleet.workload, time.time() - begin + 60), begin, end)
        assert len(kept) == GENERATORS and all(kept.values())
        row, account = self.row, self._settled(kept)
        row.sent, row.arrived, row.lost, row.duplicated = account
        row.rate = round(row.sent / (end - begin), 1)
        self.rows.append(row)
        write(row)
        print("\n" + table([row]))

    def _settled(self, kept: Scrapes) -> Account:
        """Return the account when no sample is missing, or when none has arrived for a while."""
        account, since = self.reader.account(kept), time.monotonic()
        while account.lost and time.monotonic() - since < QUIET:
            self.wait(2)
            before, account = account, self.reader.account(kept)
            if account.lost != before.lost:
                since = time.monotonic()
        return account

    def wait(self, seconds: float) -> None:
        """Wait, and record events in this time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 5))
            self.reader.poll()

    def watch(self, seconds: float, *names: str) -> None:
        """Wait, and record Telegraf's buffer, the workload's alarms and the given alarms of the controlplane."""
        until = time.monotonic() + seconds
        alarms = self.row.alarms
        while time.monotonic() < until:
            telegraf = self.fleet.workload.telegraf()
            self.row.buffered = max(self.row.buffered, int(telegraf["internal_write_buffer_size"]))
            for name, state in self.fleet.workload.alerts().items():
                if name != "Watchdog" and alarms.get(name) != "firing":
                    alarms[name] = state
            for name in names:
                if true_of(self.fleet, name):
                    alarms[name] = "its condition is true"
            self.wait(max(min(until - time.monotonic(), 10), 0))


def true_of(fleet: Fleet, name: str) -> bool:
    """Whether the condition of an alarm holds in the controlplane's Prometheus, as evaluated by Grafana.

    An alarm whose series must exist fires without them, too: brokers that are no pods any more are no targets.
    """
    alarm = alarm_of(name)
    query = alarm.query.replace("@member@", WORKLOAD)
    if alarm.must_exist and not fleet.controlplane.ask(query):
        return True
    return bool(fleet.controlplane.ask(f"({query}) {alarm.op} {alarm.threshold}"))


def true_for(fleet: Fleet, name: str, seconds: float) -> float:
    """For how many of the last seconds the condition of an alarm has been true without a break, at the longest."""
    alarm = alarm_of(name)
    found = fleet.controlplane.ask(f"(({alarm.query}) {alarm.op} {alarm.threshold})[{seconds:.0f}s:{STEP}s]")
    times = sorted({float(when) for one in found for when, _ in one["values"]})
    begin = longest = 0.0
    for before, time_ in zip([0.0, *times], times, strict=False):
        begin = begin if time_ - before <= STEP else time_
        longest = max(longest, time_ - begin)
    return longest


def restarted(fleet: Fleet, name: str, container: str, before: int) -> bool:
    return fleet.workload.restarts("agents", name, container) > before and fleet.workload.ready(
        "agents", "app.kubernetes.io/name=prometheus"
    )


def brokers(fleet: Fleet) -> bool:
    labels = "app.kubernetes.io/name=kafka,app.kubernetes.io/component=broker"
    return fleet.controlplane.ready("kafka", labels, 3)


def assert_nothing_is_missing(row: Row) -> None:
    assert row.lost == 0
    assert row.duplicated < MOST_DUPLICATED


def test_a_broker_is_killed(fleet: Fleet, reader: Reader, rows: list[Row]) -> None:
    trial = Trial(fleet, reader, rows, "a broker is killed")
    before = fleet.controlplane.restarts("kafka", "kafka-1", "kafka")
    with trial.running():
        fleet.controlplane.kill("kafka", "kafka-1", "java")
        eventually(lambda: fleet.controlplane.restarts("kafka", "kafka-1", "kafka") > before)
        eventually(lambda: brokers(fleet), 300)
    assert_nothing_is_missing(trial.row)


def test_all_brokers_are_away(fleet: Fleet, reader: Reader, rows: list[Row]) -> None:
    trial = Trial(fleet, reader, rows, "all brokers are away")
    with trial.running():
        fleet.controlplane.scale("kafka", "kafka", 0)
        try:
            trial.watch(OUTAGE, "KafkaBrokersMissing")
        finally:
            fleet.controlplane.scale("kafka", "kafka", 3)
        eventually(lambda: brokers(fleet), 300)
    assert trial.row.buffered > OUTAGE * RATE / 2
    assert_nothing_is_missing(trial.row)
    assert OUTAGE < 90 or "KafkaBrokersMissing" in trial.row.alarms


def test_the_network_path_to_the_controlplane_is_cut(fleet: Fleet, reader: Reader, rows: list[Row]) -> None:
    trial = Trial(fleet, reader, rows, "the way is cut")
    ec2, routes = fleet.ec2(), fleet.routes_between()
    assert routes
    with trial.running():
        try:
            for route in routes:
                ec2.delete_route(RouteTableId=route["RouteTableId"], DestinationCidrBlock=route["DestinationCidrBlock"])
            trial.watch(CUT)
            if CUT >= LOOKS_BACK:
                eventually(lambda: true_of(fleet, "MetricsMissing"), 120)
                trial.row.alarms["MetricsMissing"] = "its condition is true"
        finally:
            for route in routes:
                ec2.create_route(**route)
    assert trial.row.buffered > CUT * RATE / 2, "Telegraf's buffer is empty: the network was not interrupted"
    assert_nothing_is_missing(trial.row)


def test_telegraf_is_killed_during_an_outage(fleet: Fleet, reader: Reader, rows: list[Row]) -> None:
    """At most the content of its buffer is lost."""
    trial = Trial(fleet, reader, rows, "Telegraf is killed in an outage")
    before = fleet.workload.restarts("agents", "prometheus-0", "telegraf")
    with trial.running():
        fleet.controlplane.scale("kafka", "kafka", 0)
        try:
            trial.wait(60)
            held = int(fleet.workload.telegraf()["internal_write_buffer_size"])
            fleet.workload.kill("agents", "prometheus-0", "telegraf")
            trial.row.buffered = held
            eventually(lambda: restarted(fleet, "prometheus-0", "telegraf", before), 300)
        finally:
            fleet.controlplane.scale("kafka", "kafka", 3)
        eventually(lambda: brokers(fleet), 300)
    # Telegraf looks at its buffer each ten seconds; samples that came since then are in it too.
    assert 0 < trial.row.lost <= trial.row.buffered + 12 * RATE * 1.1
    # The run reports it.
    eventually(lambda: fleet.workload.alerts().get("TelegrafLostBuffer") == "firing")
    trial.row.alarms["TelegrafLostBuffer"] = "firing"
    write(trial.row)


def test_prometheus_is_killed(fleet: Fleet, reader: Reader, rows: list[Row]) -> None:
    """What it had stored and not yet handed to Telegraf is not sent after the restart, and no more than that.

    Remote write goes on with what is newer than its start, whatever the write-ahead log has from before:
    https://github.com/prometheus/prometheus/issues/8809. A batch waits five seconds at most (batch_send_deadline).
    """
    trial = Trial(fleet, reader, rows, "Prometheus is killed")
    before = fleet.workload.restarts("agents", "prometheus-0", "prometheus")
    with trial.running():
        fleet.workload.kill("agents", "prometheus-0", "prometheus")
        eventually(lambda: restarted(fleet, "prometheus-0", "prometheus", before), 300)
    assert trial.row.lost <= (BATCH_SECONDS + INTERVAL) * RATE
    assert trial.row.duplicated < MOST_DUPLICATED


def test_prometheus_is_stopped(fleet: Fleet, reader: Reader, rows: list[Row]) -> None:
    """As in an update: its pod is deleted and replaced."""
    trial = Trial(fleet, reader, rows, "Prometheus is stopped")
    before = fleet.workload.get("agents", "pods", "prometheus-0")["metadata"]["uid"]
    with trial.running():
        fleet.workload.client.request("DELETE", "/api/v1/namespaces/agents/pods/prometheus-0")
        eventually(lambda: fleet.workload.get("agents", "pods", "prometheus-0")["metadata"]["uid"] != before, 180)
        eventually(lambda: fleet.workload.ready("agents", "app.kubernetes.io/name=prometheus"), 300)
    assert_nothing_is_missing(trial.row)


def test_a_brokers_disk_is_full(fleet: Fleet, reader: Reader, rows: list[Row]) -> None:
    """The broker ends itself and cannot start; once there is space it comes back and catches up by itself.

    The others have a copy of everything, so nothing waits for it.
    """
    if obstacle := requirements.volumes(fleet.state.root):
        pytest.skip(f"volumes have no size of their own: {obstacle}")
    trial = Trial(fleet, reader, rows, "a broker's disk is full")
    cluster = fleet.controlplane
    disk = fleet.disk(cluster, "kafka", "data-kafka-1")
    before = cluster.restarts("kafka", "kafka-1", "kafka")
    watched = {"KafkaVolumeAlmostFull", "KafkaBrokersMissing", "KafkaUnderReplicated"}
    with trial.running():
        filler = fill(disk)
        try:
            eventually(lambda: cluster.restarts("kafka", "kafka-1", "kafka") > before, 300)
            # The space that it has released when it ended.
            fill(disk)
            trial.watch(FULL, *watched)
            trial.row.held = {name: round(true_for(fleet, name, FULL)) for name in watched}
            assert not brokers(fleet)
        finally:
            filler.unlink()
        eventually(lambda: brokers(fleet), 600)
    assert_nothing_is_missing(trial.row)
    assert watched <= trial.row.alarms.keys()
    # From the second scrape on, whatever the broker's attempts to start show in between.
    assert min(trial.row.held.values()) >= FULL - 2 * SCRAPED, trial.row.held
    eventually(lambda: not true_of(fleet, "KafkaUnderReplicated"))
