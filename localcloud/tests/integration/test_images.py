# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""containerd imports the images that are built here, and the roles' commands start in them, with a read-only root."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.artifacts.images import SANDBOX, archive, available, repository
from localcloud.artifacts.programs import kafka, release

pytestmark = [
    pytest.mark.integration,
    pytest.mark.exhaustive,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("containerd", "ctr", "runc"))),
        reason="needs root, containerd and runc",
    ),
]

CONFIG = """version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{0}/socket"
"""
# Programs that the scripts of the role kafka use, besides Kafka's tools.
TOOLS = "cat comm cp date grep head mktemp paste rm sed sha256sum sleep sort tail tr"
# By repository: the arguments of the image's entry point, and the expected output.
STARTS = {
    "docker.io/apache/kafka": (
        ["bash", "-c", f"id -un && type -P {TOOLS} > /dev/null && cd /opt/kafka && bin/kafka-storage.sh random-uuid"],
        r"^appuser\n[A-Za-z0-9_-]{22}\n",
    ),
    "docker.io/curlimages/curl": (["sh", "-c", "id -un && curl --version"], r"^curl_user\ncurl \d"),
    "docker.io/library/telegraf": (
        ["bash", "-c", "telegraf --version && ! exec 3<> /dev/tcp/127.0.0.1/9"],
        rf"(?s)Telegraf {release('telegraf')}.*Connection refused",
    ),
    "quay.io/prometheus/node-exporter": (["--version"], rf"version {release('node_exporter')}"),
    "quay.io/prometheus/prometheus": (["--version"], rf"version {release('prometheus')}"),
    "quay.io/prometheuscommunity/elasticsearch-exporter": (
        ["--version"],
        rf"version {release('elasticsearch_exporter')}",
    ),
    "quay.io/strimzi/kafka": (
        ["bash", "-c", "id -un && cp -v /opt/prometheus-jmx-exporter/jmx_prometheus_javaagent-*.jar /dev/shm"],
        rf"^kafka\n.*jmx_prometheus_javaagent-{kafka.AGENT_VERSION}\.jar' -> '/dev/shm/",
    ),
    "registry.k8s.io/kube-state-metrics/kube-state-metrics": (["--help"], r"(?m)^Usage:\n  kube-state-metrics"),
    "602401143452.dkr.ecr.eu-central-1.amazonaws.com/eks/coredns": (["-version"], f"CoreDNS-{release('coredns')}"),
}


class Containerd:
    """A containerd process of the test."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "socket"
        (folder / "config.toml").write_text(CONFIG.format(folder))
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(["containerd", f"--config={folder}/config.toml"], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.run("version").returncode:
            assert self.process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ctr", f"--address={self.socket}", "--namespace=k8s.io", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def ctr(self, *words: str | Path) -> str:
        run = self.run(*words)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def start(self, reference: str, arguments: list[str]) -> str:
        self.ctr("images", "import", archive(reference))
        # Unlike a kubelet, ctr lets the arguments replace the entry point, too.
        entrypoint = available()[reference].config.entrypoint
        run = self.run("run", "--rm", "--read-only", reference, "test", *entrypoint, *arguments)
        assert run.returncode == 0, run.stderr
        return run.stdout + run.stderr


@pytest.fixture(scope="module")
def containerd() -> Iterator[Containerd]:
    # Not in pytest's directory, because a socket's path is limited to 108 characters.
    with tempfile.TemporaryDirectory(prefix="containerd-") as folder:
        running = Containerd(Path(folder))
        try:
            yield running
        finally:
            running.process.terminate()
            running.process.wait(30)


def test_it_is_found_by_name_and_digest(containerd: Containerd) -> None:
    path = archive(SANDBOX)
    containerd.ctr("images", "import", path)
    with tarfile.open(path) as opened:
        index = opened.extractfile("index.json")
        assert index
        digest = json.load(index)["manifests"][0]["digest"]
    lines = [line.split() for line in containerd.ctr("images", "list").splitlines()]
    (found,) = [line for line in lines if line[0] == SANDBOX]
    assert found[1:3] == ["application/vnd.oci.image.manifest.v1+json", digest]
    assert "complete" in containerd.ctr("images", "check", f"name=={SANDBOX}")


def test_a_sandbox_stays_until_it_is_ended(containerd: Containerd) -> None:
    containerd.ctr("images", "import", archive(SANDBOX))
    containerd.ctr("run", "--detach", SANDBOX, "sandbox")
    try:
        assert "RUNNING" in containerd.ctr("tasks", "list")
        containerd.ctr("tasks", "kill", "--signal=SIGTERM", "sandbox")
        deadline = time.monotonic() + 30
        while "RUNNING" in containerd.ctr("tasks", "list"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        containerd.run("tasks", "delete", "--force", "sandbox")
        containerd.ctr("containers", "delete", "sandbox")


@pytest.mark.parametrize("reference", sorted(set(available()) - {SANDBOX}), ids=repository)
def test_it_starts(containerd: Containerd, reference: str) -> None:
    arguments, expected = STARTS[repository(reference)]
    assert re.search(expected, containerd.start(reference, arguments))
