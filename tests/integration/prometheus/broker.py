# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One real Kafka broker with the listener for Telegraf: TLS and SCRAM-SHA-512.

The role kafka has tests of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.tests.integration.prometheus.real import Authority, running

from localcloud.artifacts.programs.kafka import distribution
from localcloud.host.loopback import HOST, free_port
from localcloud.testing import eventually

CLUSTER_ID = "VGVzdENsdXN0ZXJPZkthZg"


class Broker:
    """It keeps its data from one start to the next."""

    def __init__(self, folder: Path, authority: Authority, user: str, password: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.port, self._inner, self._controller = free_port(), free_port(), free_port()
        self.bootstrap = f"localhost:{self.port}"
        certificate, key = authority.issue(folder, "kafka")
        (folder / "keystore.pem").write_text(key.read_text() + certificate.read_text())
        self._properties = folder / "server.properties"
        self._properties.write_text(self._settings())
        scram = f"SCRAM-SHA-512=[name={user},password={password}]"
        self._tool("kafka-storage", "format", "-t", CLUSTER_ID, "-c", self._properties, "--add-scram", scram)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        command = [distribution() / "bin" / "kafka-server-start.sh", self._properties]
        log = self.folder / "kafka.log"
        # Without the log, a tool would have to ask again and again, and each start of a JVM takes more than a second.
        options = {"KAFKA_HEAP_OPTS": "-Xmx512m", "KAFKA_LOG4J_OPTS": "-Dlog4j2.level=INFO"}
        begin = log.stat().st_size if log.exists() else 0
        with running(command, self.folder, "kafka", options):
            eventually(lambda: b"Kafka Server started" in log.read_bytes()[begin:], log=log)
            yield

    def create(self, topic: str) -> None:
        self._admin("kafka-topics", "--create", "--topic", topic, "--partitions", "3", "--replication-factor", "1")

    def messages(self, topic: str) -> list[tuple[str, dict[str, Any]]]:
        """Return all messages with their keys."""
        options = ["--topic", topic, "--from-beginning", "--timeout-ms", "5000"]
        options += ["--formatter-property", "print.key=true", "--formatter-property", "key.separator=\t"]
        lines = self._admin("kafka-console-consumer", *options).splitlines()
        split = [line.split("\t", 1) for line in lines if "\t" in line]
        return [(key, json.loads(value)) for key, value in split]

    def _admin(self, tool: str, *arguments: str) -> str:
        return self._tool(tool, "--bootstrap-server", f"{HOST}:{self._inner}", *arguments)

    @staticmethod
    def _tool(tool: str, *arguments: str | Path) -> str:
        command = [distribution() / "bin" / f"{tool}.sh", *arguments]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=dict(os.environ))
        assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
        return run.stdout

    def _settings(self) -> str:
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        return "\n".join(
            [
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.voters=1@{HOST}:{self._controller}",
                f"listeners=EXTERNAL://{HOST}:{self.port},INNER://{HOST}:{self._inner},CONTROLLER://{HOST}:{self._controller}",
                f"advertised.listeners=EXTERNAL://localhost:{self.port},INNER://{HOST}:{self._inner}",
                "listener.security.protocol.map=EXTERNAL:SASL_SSL,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "inter.broker.listener.name=INNER",
                "controller.listener.names=CONTROLLER",
                "sasl.enabled.mechanisms=SCRAM-SHA-512",
                f"listener.name.external.scram-sha-512.sasl.jaas.config={module} required;",
                "listener.name.external.ssl.keystore.type=PEM",
                f"listener.name.external.ssl.keystore.location={self.folder / 'keystore.pem'}",
                f"log.dirs={self.folder / 'data'}",
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=1",
                "auto.create.topics.enable=false",
                "group.initial.rebalance.delay.ms=0",
                "",
            ]
        )
