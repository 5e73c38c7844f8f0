# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The remote-write bridge with a real Kafka: speed, memory, and lost samples when it is killed in an outage.

Ours is what the role prometheus deploys, Telegraf with its buffer in memory. Peers are Telegraf with its buffer on the
disk, a remote-write bridge that acknowledges (a fake, see acknowledging/main.go) and Kafka's own producer with the same
documents and its default batches. Each run has a broker of its own, so that its memory is that run's.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.tests.integration.prometheus.real import Authority

from localcloud.model import LocalCloudError
from localcloud.testing import eventually
from tests.benchmarks.measured_bridges import (
    BRIDGES,
    PASSWORD,
    USER,
    Bridge,
    Load,
    MeasuredBroker,
    document,
    prepare,
    resident_mb,
)
from tests.benchmarks.rows import row

RUNS = int(os.environ.get("BENCH_RUNS", "3"))
SAMPLES = 100_000
# The outage: samples before it and each second of it, when the remote-write bridge is killed, and samples in all.
BEFORE, RATE, KILLED_AFTER, OUTAGE_SAMPLES = 20_000, 3_000, 20, 90_000
PRODUCER = "producer"
PEERS = {
    "disk": "Telegraf with its buffer on disk",
    "acknowledging": "an acknowledging remote-write bridge (fake)",
    PRODUCER: "Kafka's own producer",
}


@dataclass(frozen=True)
class Passed:
    """A run without faults: seconds until Kafka had all, and what memory was at its most, in MB."""

    seconds: float
    bridge_mb: float | None
    broker_mb: float | None


@dataclass(frozen=True)
class Outage:
    """An outage in which the remote-write bridge was killed: memory and disk in MB before that, and samples afterwards.

    ``recovered_s`` is from the start of the broker, which takes some seconds itself, to the last sample.
    """

    kept: int
    bridge_mb: float | None
    disk_mb: float
    sent: int
    lost: int
    doubled: int
    recovered_s: float


class Place:
    """A folder with an authority and a broker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.broker = MeasuredBroker(folder / "kafka", self.authority, USER, PASSWORD)

    def bridge(self, kind: str) -> Bridge:
        return BRIDGES[kind](self.folder / "bridge", self.broker, self.authority)


def pass_through(kind: str, samples: int = SAMPLES) -> Passed:
    """Send samples as fast as possible; all must arrive in the topic."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(Path(scratch))
        with place.broker.running():
            place.broker.create()
            if kind == PRODUCER:
                documents = place.folder / "documents.json"
                documents.write_text("\n".join(json.dumps(document(number)) for number in range(10_000)))
                seconds = place.broker.produce(documents, samples, place.authority.file)
                return Passed(seconds, None, resident_mb(place.broker.process, most=True))
            bridge = place.bridge(kind)
            with bridge.running() as process:
                begin = time.time()
                Load(bridge.port).send(0, samples)
                eventually(lambda: bridge.number("metrics_written") >= samples, 300, log=bridge.folder / "bridge.log")
                memory = resident_mb(process, most=True), resident_mb(place.broker.process, most=True)
            arrived = place.broker.arrived()
    # A request is retried after a timeout, so samples can be duplicated.
    assert not arrived.lost(samples), (kind, arrived.lost(samples))
    return Passed(arrived.last - begin, *memory)


def outage(kind: str) -> Outage:
    """Stop the brokers, continue to send, kill and restart the remote-write bridge, then start the brokers."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(Path(scratch))
        bridge = place.bridge(kind)
        load = Load(bridge.port)
        sender = threading.Thread(target=load.send, args=(BEFORE, OUTAGE_SAMPLES, RATE), daemon=True)
        with bridge.running() as process:
            with place.broker.running():
                place.broker.create()
                load.send(0, BEFORE)
                eventually(lambda: bridge.number("metrics_written") >= BEFORE, 120, log=bridge.folder / "bridge.log")
            sender.start()
            time.sleep(KILLED_AFTER)
            memory, disk, kept = resident_mb(process), bridge.disk_mb(), load.accepted - BEFORE
            process.kill()
            process.wait()
        with bridge.running():
            time.sleep(5)
            back = time.time()
            with place.broker.running():
                sender.join()
                eventually(lambda: bridge.number("buffer_size") == 0, 300, log=bridge.folder / "bridge.log")
                # Samples that are being written are still in the buffer, and the number is updated each second.
                time.sleep(4)
                eventually(lambda: bridge.number("buffer_size") == 0, 300, log=bridge.folder / "bridge.log")
                arrived = place.broker.arrived()
    sent = BEFORE + OUTAGE_SAMPLES
    return Outage(kept, memory, disk, sent, arrived.lost(sent), arrived.doubled, arrived.last - back)


def memory_row(work: str, peer: str, ours: float | None, theirs: float | None) -> list[dict[str, Any]]:
    """A row of memory, or none where a system does not tell."""
    if not ours or not theirs:
        return []
    return [row(work, peer, ours_mb=ours, peer_mb=theirs, ratio=theirs / ours)]


def median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def throughput_rows() -> list[dict[str, Any]]:
    runs: dict[str, list[Passed]] = {kind: [] for kind in ("memory", *PEERS)}
    for _ in range(RUNS):
        for kind, passed in runs.items():
            passed.append(pass_through(kind))
            print(f"  {kind}: {passed[-1]}", file=sys.stderr, flush=True)
    seconds = {kind: statistics.median(one.seconds for one in passed) for kind, passed in runs.items()}
    bridges = {kind: median([one.bridge_mb for one in passed]) for kind, passed in runs.items()}
    brokers = {kind: median([one.broker_mb for one in passed]) for kind, passed in runs.items()}
    ours = seconds["memory"]
    found = [
        row(
            f"{SAMPLES:,} samples through the remote-write bridge into Kafka",
            peer,
            ours_s=ours,
            peer_s=seconds[kind],
            ratio=seconds[kind] / ours,
            ours_per_s=SAMPLES / ours,
            peer_per_s=SAMPLES / seconds[kind],
        )
        for kind, peer in PEERS.items()
    ]
    for kind, peer in PEERS.items():
        found += memory_row(
            "the remote-write bridge's memory meanwhile, at its most", peer, bridges["memory"], bridges[kind]
        )
        found += memory_row("the broker's memory meanwhile, at its most", peer, brokers["memory"], brokers[kind])
    return found


def outage_rows() -> list[dict[str, Any]]:
    results = {}
    for kind in ("memory", "disk", "acknowledging"):
        results[kind] = outage(kind)
        print(f"  {kind}: {results[kind]}", file=sys.stderr, flush=True)
    ours = results.pop("memory")
    found = []
    for kind, theirs in results.items():
        work = f"memory of a remote-write bridge {KILLED_AFTER} s into an outage of the brokers"
        found += memory_row(work, PEERS[kind], ours.bridge_mb, theirs.bridge_mb)
        found.append(
            row(
                f"the remote-write bridge is killed in an outage: lost of {ours.sent:,} samples",
                PEERS[kind],
                ours_lost=ours.lost,
                peer_lost=theirs.lost,
                ours_doubled=ours.doubled,
                peer_doubled=theirs.doubled,
            )
        )
    return found


def rows() -> list[dict[str, Any]]:
    """Throughput and memory without faults, then an outage; none where what they need is not here."""
    try:
        prepare()
    except LocalCloudError as missing:
        print(f"the remote-write bridge is not measured: {missing}", file=sys.stderr)
        return []
    return throughput_rows() + outage_rows()
