# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's canary in a real node exporter, followed with the module's queries to a real Prometheus and Kafka.

Only how pods are reached is another: the programs run on this machine, where a container's port and files have other
names. What the stream of an API server is like, the unit tests of _verify say.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify import alarm, canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.canary import Canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import Answer, AskError, Place, Ran, User
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.broker import Broker
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.real import running
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.test_pipeline import (
    TOPIC,
    Pipeline,
    pod,
)
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role

from localcloud.artifacts.programs import go_program
from localcloud.artifacts.programs.kafka import distribution
from localcloud.host.loopback import HOST, free_port
from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.testing import eventually

pytestmark = pytest.mark.integration
RUN = "canary0123456789abcdef"


class MutualBroker(Broker):
    """With the listener that brokers of the role kafka have for each other: by certificate, both ways."""

    mutual: int

    def _settings(self) -> str:
        self.mutual = free_port()
        own = f"MUTUAL://localhost:{self.mutual}"
        (self.folder / "client").mkdir()
        lines = []
        for line in super()._settings().splitlines():
            name = line.partition("=")[0]
            more = {"listeners": own, "advertised.listeners": own, "listener.security.protocol.map": "MUTUAL:SSL"}
            lines.append(f"{line},{more[name]}" if name in more else line)
        for name in ("keystore", "truststore"):
            lines += [f"listener.name.mutual.ssl.{name}.type=PEM"]
            lines += [f"listener.name.mutual.ssl.{name}.location={self.folder / 'client' / f'{name}.pem'}"]
        return "\n".join([*lines, "listener.name.mutual.ssl.client.auth=required", ""])


class CanaryPipeline(Pipeline):
    """With that broker, and a canary's pod."""

    broker: MutualBroker
    kind_of_broker = MutualBroker

    def declare(self, port: int) -> None:
        super().declare(port)
        self._cluster.apply(pod("node-agents", "dataplatform-canary-1", "dataplatform-canary", port, "https"))


@dataclass
class Programs:
    """Pods that are programs of this machine, identified by their ports."""

    folder: Path
    broker: MutualBroker
    exporter_log: Path

    def https(self, place: Place, method: str, path: str, /, *, user: User | None = None, body: Any = None) -> Answer:
        del user
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        # The tests' issuer leaves out the key identifiers.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        connection = http.client.HTTPSConnection("localhost", place.port, context=context, timeout=10)
        with contextlib.closing(connection):
            try:
                connection.request(method, path, json.dumps(body) if body else None)
                answer = connection.getresponse()
                return Answer(answer.status, answer.read())
            except OSError as error:
                raise AskError(str(error)) from None

    def run(self, _: Place, command: list[str], seconds: float, /) -> Ran:
        environment = {
            **os.environ,
            "KAFKA_HOME": str(distribution()),
            "KAFKA_TLS": str(self.broker.folder / "client"),
            "KAFKA_RUN": str(self.folder),
            "KAFKA_BOOTSTRAP": f"localhost:{self.broker.mutual}",
            # What the broker's container has, and would break a second program.
            "KAFKA_OPTS": "-javaagent:/agent/jmx-exporter.jar=9404:/etc/kafka/config/jmx.yml",
        }
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds, env=environment)
        return Ran(done.returncode, done.stdout, done.stderr)

    def log(self, _: Place, /) -> str:
        lines = self.exporter_log.read_text().splitlines()
        return "\n".join(f"{json.loads(line)['time']} {line}" for line in lines)


@dataclass
class Followed:
    pods: Programs
    exporter: Place
    prometheus: Place
    canary: Canary


@pytest.fixture(scope="module")
def followed(own_api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("canary")
    pipeline = CanaryPipeline(folder, own_api_server)
    broker = pipeline.broker
    client = broker.folder / "client"
    # As its container has them: its own certificate, and by what it verifies others'.
    (client / "keystore.pem").write_text((broker.folder / "keystore.pem").read_text())
    for name in ("truststore.pem", "ca.pem"):
        (client / name).write_text(pipeline.authority.root.pem)
    port = free_port()
    since = time.time()
    objects = render_role("verify", __verify_run=RUN, __verify_since=since)
    files = folder / "files"
    pipeline.authority.issue(folder / "tls", "node-exporter")
    files.mkdir()
    for name, text in only(objects, "ConfigMap")["data"].items():
        (files / name).write_text(text.replace("/tls/", f"{folder / 'tls'}/"))
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    arguments = [
        argument.replace("/etc/dataplatform-canary", str(files)).replace(":9100", f"{HOST}:{port}")
        for argument in container["args"]
    ]
    exporter = running([go_program("node_exporter"), *arguments], folder, "exporter")
    with broker.running(), exporter, pipeline.telegraf(), pipeline.prometheus():
        broker.create(TOPIC)
        pipeline.declare(port)
        yield Followed(
            Programs(folder, broker, folder / "exporter.log"),
            Place("node-agents", "canary", port=port),
            Place("agents", "prometheus-0", port=pipeline.ports["prometheus"]),
            Canary(RUN, "staging", since),
        )


def test_the_metric_is_on_the_page_and_the_line_in_the_log(followed: Followed) -> None:
    eventually(lambda: canary.on_page(followed.pods, followed.exporter, followed.canary) is not None or None)
    written = canary.in_log(followed.pods, followed.exporter, followed.canary)
    assert written is not None
    assert followed.canary.since - 1 < written < time.time() + 1


def test_prometheus_returns_it_with_its_timestamp(followed: Followed) -> None:
    at = eventually(lambda: canary.in_prometheus(followed.pods, followed.prometheus, followed.canary))
    assert followed.canary.since < at <= time.time()
    assert canary.in_prometheus(followed.pods, followed.prometheus, Canary("canary0other", "staging", 0)) is None


def test_the_first_alarms_rule_fires_only_for_the_canary(followed: Followed) -> None:
    eventually(lambda: alarm.at_edge(followed.pods, followed.prometheus, followed.canary) is not None or None)
    assert canary.promql(followed.pods, followed.prometheus, f'ALERTS{{alertname="{alarm.NAME}"}}') == []
    idle = Canary("canary0other", "staging", 0)
    assert alarm.at_edge(followed.pods, followed.prometheus, idle) is None


def test_kafka_returns_it_with_its_timestamp(followed: Followed) -> None:
    at = canary.in_kafka(followed.pods, Place("kafka", "kafka-0"), followed.canary, TOPIC, now=time.time(), seconds=60)
    assert at is not None
    assert followed.canary.since < at <= time.time()
    assert list(followed.pods.folder.glob("verify.*")) == []


def test_the_wait_for_kafka_ends_at_its_timeout(followed: Followed) -> None:
    other = Canary("canary0other", "staging", time.time())
    assert canary.in_kafka(followed.pods, Place("kafka", "kafka-0"), other, TOPIC, now=time.time(), seconds=5) is None
    assert list(followed.pods.folder.glob("verify.*")) == []


def test_a_consumer_that_cannot_read_reports_the_reason(followed: Followed) -> None:
    (followed.pods.broker.folder / "client" / "keystore.pem").rename(followed.pods.folder / "away")
    try:
        with pytest.raises(AskError, match=r"consumer failed: .*keystore"):
            canary.in_kafka(followed.pods, Place("kafka", "k"), followed.canary, TOPIC, now=time.time(), seconds=30)
    finally:
        (followed.pods.folder / "away").rename(followed.pods.broker.folder / "client" / "keystore.pem")
