# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The remote-write bridge with the configuration of the role prometheus, a real Kafka, and a load generator.

Every sample of the load has a number as its value, so that each is known in the topic: there once, twice or not.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.client
import itertools
import os
import re
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.tests.integration.prometheus.broker import Broker
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.real import Authority, running
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role

from localcloud.artifacts.cache import Cache, find_go, go_build, say
from localcloud.artifacts.programs import go_program
from localcloud.artifacts.programs.kafka import distribution
from localcloud.host.files import home
from localcloud.host.loopback import HOST, fetch, free_port
from localcloud.model import LocalCloudError
from localcloud.testing import eventually

USER, PASSWORD = "staging", "0123456789abcdef"
TOPIC = "metrics-staging"
SOURCE = Path(__file__).with_name("acknowledging")
SAMPLES_PER_REQUEST = 2000  # prometheus.yml.j2: max_samples_per_send
NAME = "container_memory_working_set_bytes"
_LINE = re.compile(rb'LogAppendTime:(\d+)\t.*"' + NAME.encode() + rb'":(\d+)\}')


def resident_mb(process: subprocess.Popen[bytes], most: bool = False) -> float | None:
    """Resident memory of a process in MB, or the most that it ever was; none where there is no /proc."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(rf"^{'VmHWM' if most else 'VmRSS'}:\s+(\d+) kB", text, re.MULTILINE)
        return int(found.group(1)) / 1000 if found else None
    return None


class MeasuredBroker(Broker):
    """Its topics say when a message was appended, in milliseconds."""

    process: subprocess.Popen[bytes]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        command = [distribution() / "bin" / "kafka-server-start.sh", self._properties]
        with running(command, self.folder, "kafka", {"KAFKA_HEAP_OPTS": "-Xmx512m"}) as self.process:
            eventually(self._answers, log=self.folder / "kafka.log")
            yield

    def create(self, topic: str = TOPIC) -> None:
        options = ["--partitions", "3", "--replication-factor", "1", "--config", "message.timestamp.type=LogAppendTime"]
        self._admin("kafka-topics", "--create", "--topic", topic, *options)

    def arrived(self) -> Arrived:
        """Read the whole topic, up to its current number of messages."""
        offsets = self._java("GetOffsetShell", "--bootstrap-server", f"{HOST}:{self._inner}", "--topic", TOPIC)
        count = sum(int(line.rpartition(":")[2]) for line in offsets.split())
        options = ["--topic", TOPIC, "--from-beginning", "--timeout-ms", "60000", "--max-messages", str(count)]
        options += ["--formatter-property", "print.timestamp=true"]
        text = self._admin("kafka-console-consumer", *options) if count else ""
        found = [match.groups() for line in text.encode().splitlines() if (match := _LINE.match(line))]
        assert len(found) == count, (len(found), count)
        last = max((int(when) / 1000 for when, _ in found), default=0)
        return Arrived(Counter(int(value) for _, value in found), last)

    def produce(self, documents: Path, count: int, authority: Path) -> float:
        """Send documents, one in a line, with Kafka's own producer; return the seconds that it took."""
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        settings = self.folder / "producer.properties"
        settings.write_text(
            f"bootstrap.servers={self.bootstrap}\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"
            f'sasl.jaas.config={module} required username="{USER}" password="{PASSWORD}";\n'
            f"ssl.truststore.type=PEM\nssl.truststore.location={authority}\n"
            "acks=all\nenable.idempotence=true\ncompression.type=zstd\n"
        )
        options = ["--topic", TOPIC, "--num-records", str(count), "--throughput", "-1"]
        options += ["--payload-file", str(documents), "--command-config", str(settings)]
        said = self._java("ProducerPerformance", *options)
        found = re.findall(r"^\d+ records sent, ([\d.]+) records/sec", said, re.MULTILINE)
        assert found, said[-2000:]
        return count / float(found[-1])

    @staticmethod
    def _java(tool: str, *arguments: str) -> str:
        """Run one of Kafka's tools that the distribution has no script for; return what it says."""
        command = ["java", "-Xmx512m", "-Dlog4j2.level=ERROR", "-cp", f"{distribution()}/libs/*"]
        command += [f"org.apache.kafka.tools.{tool}", *arguments]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
        return run.stdout


@dataclass(frozen=True)
class Arrived:
    """What is in a topic: how often each sample, and when the last one was appended, in seconds since 1970."""

    times: Counter[int]
    last: float

    @property
    def doubled(self) -> int:
        return self.times.total() - len(self.times)

    def lost(self, sent: int) -> int:
        """How many of the samples 0 to ``sent`` are not there."""
        return sum(number not in self.times for number in range(sent))


class Bridge:
    """A remote-write bridge between remote write and Kafka, in a folder that outlives its process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.buffer = folder, folder / "buffer"
        self.port, self.metrics = free_port(), free_port()

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        environment = {"KAFKA_USERNAME": USER, "KAFKA_PASSWORD": PASSWORD}
        with running(self.command(), self.folder, "bridge", environment) as process:
            eventually(lambda: self._listens(process), log=self.folder / "bridge.log")
            yield process

    def number(self, field: str) -> float:
        """One of its own numbers about Kafka, ``metrics_written`` or ``buffer_size``; -1 while there is none."""
        with contextlib.suppress(OSError):
            page = fetch(f"http://{HOST}:{self.metrics}/metrics").decode()
            found = re.search(rf'^internal_write_{field}{{[^}}]*output="kafka"[^}}]*}} (\S+)', page, re.MULTILINE)
            return float(found.group(1)) if found else -1
        return -1

    def disk_mb(self) -> float:
        """What its buffer takes on the disk, in MB."""
        return sum(path.stat().st_blocks * 512 for path in self.buffer.rglob("*") if path.is_file()) / 1e6

    def _listens(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            raise AssertionError((self.folder / "bridge.log").read_text(errors="replace")[-3000:])
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        connection.connect()
        connection.close()
        return True


class Telegraf(Bridge):
    """What the role renders, in which only paths, ports and addresses are others.

    :param buffer: ``memory``, ``disk`` (written, and left to the kernel) or ``synced`` (each sample is on the disk)
    """

    def __init__(self, buffer: str, folder: Path, broker: Broker, authority: Authority) -> None:
        super().__init__(folder)
        objects = render_role(
            "prometheus",
            prometheus_kafka_bootstrap=broker.bootstrap,
            prometheus_kafka_topic=TOPIC,
            prometheus_telegraf_buffer="memory" if buffer == "memory" else "disk",
        )
        text: str = only(objects, "ConfigMap", "prometheus-telegraf")["data"]["telegraf.conf"]
        moved = {
            "127.0.0.1:9201": f"{HOST}:{self.port}",
            "127.0.0.1:9273": f"{HOST}:{self.metrics}",
            "/etc/telegraf-ca/ca.crt": str(authority.file),
            "/etc/telegraf-certificates": str(folder / "certificates"),
            # How often its own numbers are renewed.
            'interval = "10s"': 'interval = "1s"',
        }
        if buffer != "memory":
            moved["/var/lib/telegraf"] = str(self.buffer)
        if buffer == "synced":
            moved["buffer_disk_sync = false"] = "buffer_disk_sync = true"
        for there, here in moved.items():
            assert there in text, there
            text = text.replace(there, here)
        (folder / "telegraf.conf").write_text(text)
        (folder / "certificates").mkdir()

    def command(self) -> list[str | Path]:
        return [go_program("telegraf"), "--config", self.folder / "telegraf.conf"]


class Acknowledging(Bridge):
    """The fake of ``acknowledging/main.go``, which keeps nothing."""

    def __init__(self, folder: Path, broker: Broker, authority: Authority) -> None:
        super().__init__(folder)
        self._options = [f"-listen={HOST}:{self.port}", f"-metrics={HOST}:{self.metrics}", f"-topic={TOPIC}"]
        self._options += [f"-broker={broker.bootstrap}", f"-ca={authority.file}"]

    def command(self) -> list[str | Path]:
        return [acknowledging_program(), *self._options]


BRIDGES: Mapping[str, Callable[[Path, Broker, Authority], Bridge]] = {
    **{buffer: functools.partial(Telegraf, buffer) for buffer in ("memory", "disk", "synced")},
    "acknowledging": Acknowledging,
}


def prepare() -> None:
    """Build or fetch what is run, so that no run pays for it.

    :raises LocalCloudError: Go, Maven or Java is not here
    """
    go_program("telegraf")
    acknowledging_program()
    distribution()


def acknowledging_program() -> Path:
    """Return the fake's path, building it on first use.

    :raises LocalCloudError: there is no Go, or it cannot be built
    """
    stem = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in ("main.go", "go.mod"))).hexdigest()[:12]

    def build(target: Path) -> None:
        go = find_go(os.environ)
        if not go:
            raise LocalCloudError("the acknowledging fake cannot be built: install Go from https://go.dev/dl")
        go_build("acknowledging", ".", target, go=go, module=SOURCE, environment=os.environ)

    return Cache(home(os.environ) / "software", say).get("acknowledging", f"acknowledging-{stem}", build)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _labels(index: int) -> dict[str, str]:
    """One series' labels: a page of the kubelet's has as many and as long ones."""
    return {
        "__name__": NAME,
        "cluster": "staging",
        "container": f"server-{index % 7}",
        "environment": "staging",
        "id": f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{index:08x}.slice/cri-{index:016x}",
        "image": "registry.example.com/platform/server:1.24.3",
        "instance": f"ip-10-1-{index % 40}-17.eu-central-1.compute.internal",
        "job": "cadvisor",
        "namespace": f"team-{index % 13}",
        "node": f"ip-10-1-{index % 40}-17.eu-central-1.compute.internal",
        "pod": f"server-{index:05}-6c9f7d5b8c-x2x5z",
    }


def document(number: int) -> dict[str, Any]:
    """Return the document of a remote-write bridge for a sample."""
    labels = _labels(number % SAMPLES_PER_REQUEST)
    return {"@timestamp": int(time.time() * 1000), "labels": labels, "metrics": {NAME: number}}


def _series(index: int) -> bytes:
    labels = _labels(index).items()
    return b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in labels)


_SERIES = [_series(index) for index in range(SAMPLES_PER_REQUEST)]


def request(first: int, milliseconds: int) -> bytes:
    """A remote write request, one sample of each series, with the values from ``first`` on.

    Remote write 1.0: a WriteRequest in snappy's block format, here of literals only.
    """
    when = b"\x10" + _varint(milliseconds)
    parts = []
    for number, labels in enumerate(_SERIES, first):
        parts.append(_field(1, labels + _field(2, b"\x09" + struct.pack("<d", number) + when)))
    plain = b"".join(parts)
    pieces = (plain[at : at + 65536] for at in range(0, len(plain), 65536))
    return _varint(len(plain)) + b"".join(b"\xf4" + struct.pack("<H", len(one) - 1) + one for one in pieces)


class Load:
    """Sends as Prometheus does: some shards at a time, and a request again until it is taken."""

    def __init__(self, port: int, shards: int = 4) -> None:
        self._port, self._shards = port, shards
        self.accepted = self.refused = 0
        self._lock = threading.Lock()

    def send(self, first: int, count: int, rate: float | None = None) -> None:
        """Send the samples ``first`` to ``first + count``, at most ``rate`` each second."""
        assert count % SAMPLES_PER_REQUEST == 0
        begin, numbers = time.monotonic(), itertools.count()
        requests = count // SAMPLES_PER_REQUEST

        def shard() -> None:
            while (index := next(numbers)) < requests:
                if rate:
                    time.sleep(max(0, begin + index * SAMPLES_PER_REQUEST / rate - time.monotonic()))
                self._one(request(first + index * SAMPLES_PER_REQUEST, int(time.time() * 1000)))

        threads = [threading.Thread(target=shard, daemon=True) for _ in range(self._shards)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _one(self, body: bytes) -> None:
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(HOST, self._port, timeout=30)
                try:
                    connection.request("POST", "/receive", body, headers)
                    status = connection.getresponse().status
                finally:
                    connection.close()
                if status < 300:
                    with self._lock:
                        self.accepted += SAMPLES_PER_REQUEST
                    return
                assert status >= 500 or status == 429, status
            self.refused += 1
            time.sleep(0.2)
