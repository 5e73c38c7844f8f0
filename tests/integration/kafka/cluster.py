# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kafka of three nodes, started like the role's pods: same script, same settings, same names.

Only paths are others. The names resolve to loopback addresses by a file of Java's, so the ports are the real ones.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.tests.integration.certificates import Issuer
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role

from localcloud.artifacts.programs.kafka import class_archive, distribution, java_agent

NODES = (0, 1, 2)
MEMBERS = {
    "controlplane": {"purpose": "controlplane", "vpc_cidr": "10.40.0.0/16"},
    "staging": {"purpose": "workload", "vpc_cidr": "10.42.0.0/16"},
}
BOOTSTRAP_OUTSIDE = "kafka-bootstrap.dataplatform.internal:9094"
_STARTED_SECONDS = 120


class Kafka:
    """Three nodes, and the role's objects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = distribution()
        self.ca = Issuer("fleet")
        self.issuer = Issuer("controlplane", by=self.ca)
        hosts = ["kafka.kafka.svc", "*.kafka.kafka.svc", "kafka-bootstrap.dataplatform.internal"]
        certificate, key = self.issuer.issue("kafka", hosts + [f"kafka-{n}.dataplatform.internal" for n in NODES])
        self.options: dict[str, Any] = {
            "inventory_hostname": "controlplane",
            "kafka_members": MEMBERS,
            "kafka_member_passwords": {member: f"password-of-{member}-0123456789" for member in MEMBERS},
            "kafka_admin_password": r"back\slash-and-more-0123456789",
            "kafka_tls_ca": self.ca.pem,
            "kafka_tls_issuer": self.issuer.pem,
            "kafka_tls_certificate": certificate,
            "kafka_tls_private_key": key,
            # Small, for the sake of the disk and the start.
            "kafka_config": {"offsets.topic.num.partitions": 3, "group.initial.rebalance.delay.ms": 0},
        }
        self.network = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}"
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._classes = ""
        self.objects = self.render()
        self._write_common()

    def render(self, **options: Any) -> list[dict[str, Any]]:
        return render_role("kafka", **(self.options | options))

    # -- as a pod of the StatefulSet

    def address(self, node: int) -> str:
        return f"{self.network}.{10 + node}"

    def start(self, nodes: Iterable[int] = NODES) -> None:
        for node in nodes:
            log = (self.folder / f"node-{node}.log").open("ab")
            with log:
                self.processes[node] = subprocess.Popen(
                    ["bash", self.folder / f"config-{node}" / "start.sh"],
                    env=self.node_environment(node),
                    stdout=log,
                    stderr=log,
                )

    def stop(self, nodes: Iterable[int] = NODES) -> None:
        stopping = [self.processes.pop(node) for node in nodes if node in self.processes]
        for process in stopping:
            process.send_signal(signal.SIGTERM)
        for process in stopping:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait(self, nodes: Iterable[int] = NODES) -> None:
        """Wait until the startup probe of each node succeeds."""
        deadline = time.monotonic() + _STARTED_SECONDS
        for node in nodes:
            probe = ["bash", self.folder / f"config-{node}" / "caught-up.sh"]
            while subprocess.run(probe, env=self.node_environment(node), capture_output=True, check=False).returncode:
                log = (self.folder / f"node-{node}.log").read_text(errors="replace")
                assert self.processes[node].poll() is None, log[-4000:]
                assert time.monotonic() < deadline, log[-4000:]
                time.sleep(0.5)

    def node_environment(self, node: int) -> dict[str, str]:
        (stateful_set,) = (item for item in self.objects if item["kind"] == "StatefulSet")
        container = stateful_set["spec"]["template"]["spec"]["containers"][0]
        found = {item["name"]: item["value"] for item in container["env"] if "value" in item}
        config = self.folder / f"config-{node}"
        return {
            **os.environ,
            **found,
            "POD_NAME": f"kafka-{node}",
            "ZONE": f"zone-{node}",
            "KAFKA_BIND": self.address(node),
            "METRICS_HOST": self.address(node),
            "KAFKA_HOME": str(self.home),
            "KAFKA_CONFIG": str(config),
            "KAFKA_SECRETS": str(self.folder / "bootstrap"),
            "KAFKA_RUN": str(self._folder(f"run-{node}")),
            "KAFKA_HEAP_OPTS": "-Xmx512m",
            "KAFKA_LOG4J_OPTS": f"-Dlog4j2.configurationFile={config / 'log4j2.yaml'}",
            "KAFKA_OPTS": f"{self._java()} -javaagent:{java_agent()}={self.address(node)}:9404:{config / 'jmx.yml'}",
        }

    def share_classes(self) -> None:
        """Start the tools from an archive of their classes: a start needs 40 % less CPU time. Nodes have to run."""

        def make(path: Path) -> None:
            self._classes = f"-XX:ArchiveClassesAtExit={path}"
            self.admin("kafka-configs", "--describe", "--entity-type", "topics")

        self._classes = f"-XX:SharedArchiveFile={class_archive(make)}"

    # -- as the reconciler, and as clients

    def reconcile(self, *arguments: str, check: bool = True, **options: Any) -> tuple[list[str], int]:
        """Run the reconciler like its Job; return its lines without the last, and the number in the last line."""
        run = self.start_reconciler(*arguments, **options)
        output, _ = run.communicate(timeout=300)
        lines = output.decode().splitlines()
        assert not check or run.returncode == 0, "\n".join(lines)
        self.status = run.returncode
        last = json.loads(lines[-1])
        assert last["reconciler"] == "kafka"
        return lines[:-1], last["drift_objects"]

    def start_reconciler(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        objects = self.render(**options)
        (job,) = (item for item in objects if item["kind"] == "Job")
        container = job["spec"]["template"]["spec"]["containers"][0]
        self.mount("reconciler", only(objects, "ConfigMap", "kafka-reconciler")["data"])
        self.mount("topics", only(objects, "ConfigMap", "kafka-topics")["data"])
        self.mount("client", only(objects, "Secret", "kafka-reconciler")["stringData"])
        self.mount("passwords", only(objects, "Secret", "kafka-users")["stringData"])
        found = {item["name"]: item["value"] for item in container["env"]}
        moved = {
            "/etc/reconciler/config": "reconciler",
            "/etc/reconciler/topics": "topics",
            "/etc/reconciler/client": "client",
            "/etc/reconciler/passwords": "passwords",
        }
        for there, here in moved.items():
            found = {name: text.replace(there, str(self.folder / here)) for name, text in found.items()}
        environment = {
            **os.environ,
            **found,
            "KAFKA_HOME": str(self.home),
            "KAFKA_OPTS": self._java(),
            "RUN": str(self._folder("run-reconciler")),
        }
        return subprocess.Popen(
            ["bash", self.folder / "reconciler" / "reconcile.sh", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def client(self, user: str, password: str) -> Path:
        """Write the properties of a client outside of the cluster."""
        path = self.folder / f"client-{user}.properties"
        password = password.replace("\\", "\\\\\\\\")
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        path.write_text(
            "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"
            f'sasl.jaas.config={module} required username="{user}" password="{password}";\n'
            f"ssl.truststore.type=PEM\nssl.truststore.location={self.folder / 'tls' / 'ca.pem'}\n"
            "default.api.timeout.ms=10000\nrequest.timeout.ms=5000\ndelivery.timeout.ms=10000\nmax.block.ms=10000\n"
        )
        return path

    def tool(
        self, name: str, *arguments: str | Path, bootstrap: str = BOOTSTRAP_OUTSIDE, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.home / "bin" / f"{name}.sh", "--bootstrap-server", bootstrap, *arguments],
            env={**os.environ, "KAFKA_OPTS": self._java()},
            input=text,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def admin(self, name: str, *arguments: str) -> str:
        """Run a tool as the nodes' own principal."""
        client = self.folder / "admin" / "client.properties"
        run = self.tool(name, "--command-config", client, *arguments, bootstrap="kafka.kafka.svc:9091")
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def metrics(self, node: int) -> str:
        with urllib.request.urlopen(f"http://{self.address(node)}:9404/metrics", timeout=30) as answer:
            text: str = answer.read().decode()
        return text

    # -- files

    def mount(self, name: str, files: Mapping[str, str]) -> Path:
        """Write what a pod would have mounted."""
        folder = self._folder(name)
        for path in folder.iterdir():
            path.unlink()
        for file, text in files.items():
            (folder / file).write_text(text.replace("/etc/kafka/tls", str(self.folder / "tls")), encoding="utf-8")
        return folder

    def _write_common(self) -> None:
        config = only(self.objects, "ConfigMap", "kafka")["data"]
        self.mount("tls", only(self.objects, "Secret", "kafka-tls")["stringData"])
        self.mount("admin", only(self.objects, "Secret", "kafka-reconciler")["stringData"])
        self.mount("bootstrap", only(self.objects, "Secret", "kafka-bootstrap")["stringData"])
        for node in NODES:
            data = self._folder(f"data-{node}")
            moved = config["server.properties"].replace("/var/lib/kafka/data", str(data))
            self.mount(f"config-{node}", {**config, "server.properties": moved})
        names = [f"{self.address(n)} kafka-{n}.kafka.kafka.svc kafka-{n}.dataplatform.internal" for n in NODES]
        own = f"127.0.0.1 localhost {socket.gethostname()}"
        first = f"{self.address(0)} kafka.kafka.svc kafka-bootstrap.dataplatform.internal"
        (self.folder / "hosts").write_text("\n".join([own, *names, first]) + "\n")

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _java(self) -> str:
        return f"-Djdk.net.hosts.file={self.folder / 'hosts'} {self._classes}"
