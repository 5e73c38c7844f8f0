# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of ansible-playbook with a lock, and their processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from localcloud.testing import eventually

TABLE = "fleet-locks"
ONE_HOST = {"here": {"ansible_connection": "local"}}


class Runs:
    """Runs of one playbook on one cluster."""

    def __init__(
        self, emulator: Any, directory: Path, cluster: str, playbook: str, hosts: dict[str, Any] | None = None
    ) -> None:
        self.emulator = emulator
        self.cluster = cluster
        self.directory = directory
        self.environment: dict[str, str] = {}
        self.within: list[str] = []
        """What starts the command."""
        self.started: list[subprocess.Popen[str]] = []
        (directory / "site.yml").write_text(playbook)
        (directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts or ONE_HOST}}))

    @classmethod
    @contextlib.contextmanager
    def of(cls, *arguments: Any, **named: Any) -> Iterator[Runs]:
        """Runs that have ended when the context does."""
        runs = cls(*arguments, **named)
        try:
            yield runs
        finally:
            for run in runs.started:
                if run.poll() is None:
                    os.killpg(run.pid, signal.SIGKILL)
                    run.wait()

    def start(self, *arguments: str, **variables: Any) -> subprocess.Popen[str]:
        extra = {"endpoint_url": self.emulator.endpoint_url, "cluster": self.cluster, **variables}
        command = ["ansible-playbook", "-i", str(self.directory / "hosts.yml"), "-e", json.dumps(extra), *arguments]
        run = subprocess.Popen(
            [*self.within, *command, str(self.directory / "site.yml")],
            env={**self.emulator.env, **self.environment, "ANSIBLE_LOCAL_TEMP": str(self.directory / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(run)
        return run

    def run(self, *arguments: str, **variables: Any) -> tuple[int, str]:
        process = self.start(*arguments, **variables)
        output, _ = process.communicate(timeout=180)
        return process.returncode, " ".join(output.split())

    def start_long(self, name: str, **variables: Any) -> tuple[subprocess.Popen[str], Path]:
        """A run that holds the lock until the returned file exists."""
        here, until = self.directory / f"{name}.here", self.directory / f"{name}.until"
        run = self.start(here=str(here), until=str(until), **variables)
        eventually(lambda: here.exists() or run.poll() is not None)
        assert run.poll() is None, run.communicate()[0]
        return run, until

    def lock(self) -> dict[str, str] | None:
        try:
            item = self.emulator.client("dynamodb").get_item(TableName=TABLE, Key={"cluster": {"S": self.cluster}})
        except Exception:
            return None
        return {key: next(iter(value.values())) for key, value in item["Item"].items()} if "Item" in item else None

    def states(self) -> list[dict[str, Any]]:
        """Return the last states of the processes that renew the locks of these runs."""
        return [json.loads(file.read_text()) for file in self.directory.glob("tmp/*/run_lock-*.state")]

    def steal(self) -> None:
        """Make another run the holder of the lock."""
        now = str(int(time.time()))
        item = {"cluster": {"S": self.cluster}, "run_id": {"S": "other"}, "holder": {"S": "ann@laptop"}}
        item |= {name: {"N": now} for name in ("acquired_at", "heartbeat_at")} | {"ttl": {"N": "300"}}
        self.emulator.client("dynamodb").put_item(TableName=TABLE, Item=item)

    def keepers(self) -> list[int]:
        """The processes that keep locks in this emulator."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command, environment = ((entry / name).read_text() for name in ("cmdline", "environ"))
            except OSError:
                continue
            if "_lock/heartbeat.py" in command and self.emulator.endpoint_url in environment:
                found.append(int(entry.name))
        return found
