# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of all control planes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from localcloud.artifacts.binaries import Binaries
from localcloud.host.loopback import HOST, fetch, free_port, port_is_free, wait_ready
from localcloud.host.processes import Process, Supervisor
from localcloud.model import LocalCloudError

ATTEMPTS = 3


class Etcd:
    """The store of all control planes. It runs without fsync, because ``down`` deletes its data."""

    def __init__(self, binaries: Binaries, directory: Path, supervisor: Supervisor) -> None:
        self._binaries = binaries
        self._directory = directory
        self._supervisor = supervisor
        self._process: Process | None = None
        self.endpoint = ""

    def start(self, progress: Callable[[str], None] = lambda _: None) -> None:
        """Start it, unless it runs, and wait until it responds."""
        if self._process is not None:
            # If it has ended, the supervisor restarts it on the same port.
            return
        for attempt in range(1, ATTEMPTS + 1):
            ports = free_port(), free_port()
            try:
                self._run(*ports, progress)
            except LocalCloudError:
                if attempt == ATTEMPTS or all(map(port_is_free, ports)):
                    raise
                progress("A port of etcd is in use: other ports are chosen")
            else:
                return

    def _run(self, client: int, peer: int, progress: Callable[[str], None]) -> None:
        self.endpoint = f"http://{HOST}:{client}"
        self._process = self._supervisor.start(
            "etcd",
            [
                self._binaries.resolve("etcd"),
                f"--data-dir={self._directory / 'data'}",
                "--unsafe-no-fsync",
                f"--listen-client-urls={self.endpoint}",
                f"--advertise-client-urls={self.endpoint}",
                f"--listen-peer-urls=http://{HOST}:{peer}",
                f"--initial-advertise-peer-urls=http://{HOST}:{peer}",
                f"--initial-cluster=default=http://{HOST}:{peer}",
                "--snapshot-count=2000",
                "--quota-backend-bytes=2147483648",
                "--log-level=error",
            ],
            self._directory / "etcd.log",
            {"GOMEMLIMIT": "120MiB", "GOGC": "50", "GOMAXPROCS": "2"},
        )
        try:
            wait_ready(self._process, self._healthy, progress)
        except BaseException:
            self.stop()
            raise
        self._process.keep = True

    def _healthy(self) -> bool:
        try:
            return bool(json.loads(fetch(f"{self.endpoint}/health")).get("health") == "true")
        except (OSError, ValueError, HTTPException):
            return False

    def purge(self, prefix: str) -> None:
        """Delete all keys of a deleted control plane."""
        if not self.endpoint:
            return
        # "0" follows "/" in ASCII.
        self.call("deleterange", {"key": self.encode(f"{prefix}/"), "range_end": self.encode(f"{prefix}0")})

    def call(self, method: str, body: dict[str, str]) -> dict[str, Any]:
        """Use the key-value API (https://etcd.io/docs/latest/dev-guide/api_grpc_gateway)."""
        answer = fetch(f"{self.endpoint}/v3/kv/{method}", json.dumps(body).encode(), timeout=60)
        content: dict[str, Any] = json.loads(answer)
        return content

    @staticmethod
    def encode(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    def stop(self) -> None:
        if self._process:
            self._process.stop()
            self._process = None
