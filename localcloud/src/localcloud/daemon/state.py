# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state directory: the record of the running daemon, its processes and its logs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from localcloud.host.files import locked, write_whole
from localcloud.host.processes import ProcessRecord, end, identity, read_records
from localcloud.model import ACCOUNT, ADMIN_ACCESS_KEY, REGION, SECRET_KEY, SIMULATED_NODES, LocalCloudError
from localcloud.nodes import cleanup

MINIMUM_FREE = 1 << 30


@dataclass(frozen=True)
class Daemon:
    """The record of a daemon; ``identity`` distinguishes it from a later process with the same id."""

    pid: int
    identity: str
    port: int
    endpoint_url: str
    account: str = ACCOUNT
    region: str = REGION
    nodes: str = SIMULATED_NODES

    @property
    def alive(self) -> bool:
        return identity(self.pid) == self.identity


class StateDir:
    """Paths and records in the state directory."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.file = self.root / "localcloud.json"
        self.processes = self.root / "processes.json"
        self.clusters = self.root / "clusters"
        self.etcd = self.root / "etcd"
        self.aws_calls = self.root / "aws-calls.jsonl"
        self.server_log = self.root / "server.log"
        self.scratch = self.root / "tmp"

    @classmethod
    def default(cls) -> StateDir:
        """Return ``$LOCALCLOUD_STATE``, else ``.localcloud`` of the checkout, else of the working directory."""
        named = os.environ.get("LOCALCLOUD_STATE")
        project = Path(__file__).parents[3]
        checkout = project.parent if (project / "pyproject.toml").exists() else Path.cwd()
        return cls(Path(named) if named else checkout / ".localcloud")

    def prepare(self) -> None:
        """Create the directory; raise if its file system is nearly full."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError as error:
            raise LocalCloudError(f"Cannot write to {self.root}: {error.strerror}") from None
        free = shutil.disk_usage(self.root).free
        if free < MINIMUM_FREE:
            raise LocalCloudError(
                f"{self.root} has {free >> 20} MB of free space, and {MINIMUM_FREE >> 20} MB are needed: "
                "free some space, or set another directory with --state-dir"
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the directory against another ``up`` or ``down``."""

        def refuse() -> None:
            raise LocalCloudError(f"Another localcloud command uses {self.root}: wait for it")

        with locked(self.root / "lock", refuse):
            yield

    def read(self) -> Daemon | None:
        """Return the recorded daemon, which may have ended."""
        try:
            content = json.loads(self.file.read_text())
            defaults = {"nodes": SIMULATED_NODES}
            return Daemon(**{name: ({**defaults, **content})[name] for name in Daemon.__dataclass_fields__})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, daemon: Daemon, clusters: Mapping[str, object] | None = None) -> None:
        """Record the daemon and its clusters, atomically."""
        write_whole(self.file, record(daemon, clusters))

    def clean(self) -> int:
        """End the processes of a stopped or crashed daemon and delete its data; return the number of ended processes.

        The logs of AWS calls and of the daemon are kept until the next start.
        """
        daemon = self.read()
        records: list[ProcessRecord] = read_records(self.processes)
        if daemon:
            records.append(ProcessRecord("daemon", daemon.pid, daemon.identity))
        ended = sum(end(record, grace=1.0) for record in records)
        cleanup.clear(self.root)
        for path in (self.file, self.processes):
            path.unlink(missing_ok=True)
        for directory in (self.etcd, self.scratch):
            shutil.rmtree(directory, ignore_errors=True)
        return ended

    def forget_logs(self) -> None:
        """Delete the logs of the last run."""
        self.aws_calls.unlink(missing_ok=True)
        self.server_log.unlink(missing_ok=True)
        shutil.rmtree(self.clusters, ignore_errors=True)


def record(daemon: Daemon, clusters: Mapping[str, object] | None = None) -> str:
    """Return the content of the state file for a daemon and its clusters."""
    return json.dumps({**asdict(daemon), "clusters": clusters or {}}, indent=2) + "\n"


def environment(daemon: Daemon) -> dict[str, str]:
    """Return the environment variables for AWS clients of the local cloud."""
    direct = [word for word in os.environ.get("NO_PROXY", os.environ.get("no_proxy", "")).split(",") if word]
    no_proxy = ",".join(dict.fromkeys([*direct, "127.0.0.1", "localhost"]))
    return {
        "LOCALCLOUD_ENDPOINT_URL": daemon.endpoint_url,
        "AWS_ENDPOINT_URL": daemon.endpoint_url,
        "AWS_ACCESS_KEY_ID": ADMIN_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": daemon.region,
        "AWS_DEFAULT_REGION": daemon.region,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        # Most machines have no instance metadata; a request for it takes seconds.
        "AWS_EC2_METADATA_DISABLED": "true",
    }
