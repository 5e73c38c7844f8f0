# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that never outlive the local cloud.

On Linux the kernel kills them with their parent (``PR_SET_PDEATHSIG``). Elsewhere a watchdog does, and in every
case ``localcloud down`` ends what the record file names, after checking that the process is still the one that
was started.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from localcloud.model import LocalCloudError

# PR_SET_PDEATHSIG is 1; the check of the parent closes the race with its death before the call.
_LAUNCHER = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9);"
    "os.getppid() == int(sys.argv[1]) or os._exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class ProcessRecord:
    """A started process; ``identity`` tells it from a later one with the same id."""

    name: str
    pid: int
    identity: str


def identity(pid: int) -> str | None:
    """Return what distinguishes a live process from others that had or will have its id."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if sys.platform == "linux":
            return None
    except ProcessLookupError:
        return None
    else:
        # The command in parentheses may contain spaces; the state is the first field after it.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    listing = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    state, _, started = listing.partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def resident_bytes(pid: int) -> int:
    """Return a process' resident memory, 0 if it is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if sys.platform == "linux":
        return 0
    listing = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return int(listing.strip() or 0) * 1024


def end(record: ProcessRecord, grace: float = 3.0) -> bool:
    """End a recorded process if it still is that process; tell whether it was."""
    if identity(record.pid) != record.identity:
        return False
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if identity(record.pid) != record.identity:
                return True
            time.sleep(0.05)
    return True


def tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


class Process:
    """A child with its log."""

    def __init__(self, popen: subprocess.Popen[bytes], record: ProcessRecord, log: Path, owner: Supervisor) -> None:
        self._popen = popen
        self._owner = owner
        self.record = record
        self.log = log

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def check(self) -> None:
        """Raise if the process has ended by itself."""
        status = self._popen.poll()
        if status is not None:
            raise LocalCloudError(
                f"{self.record.name} ended with status {status}; the end of {self.log}:\n{tail(self.log)}"
            )

    def stop(self, grace: float = 3.0) -> None:
        """Ask the process to end, then make it."""
        if self.running:
            self._popen.terminate()
            try:
                self._popen.wait(grace)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self._popen.wait()
        self._owner.forget(self)


class Supervisor:
    """Starts processes and records them in a file, for a later ``down`` of a crashed daemon."""

    def __init__(self, record_file: Path) -> None:
        self._file = record_file
        self._lock = threading.Lock()
        self._processes: list[Process] = []
        # The kernel takes the *thread* that forked for the parent: it has to live as long as the children may.
        self._forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")

    def start(
        self, name: str, argv: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program with its output appended to a log."""
        return self._forker.submit(self._start, name, argv, log, environment or {}).result()

    def _start(self, name: str, argv: Sequence[str | Path], log: Path, environment: Mapping[str, str]) -> Process:
        command = [str(word) for word in argv]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=log.parent,
            )
        process = Process(popen, ProcessRecord(name, popen.pid, identity(popen.pid) or ""), log, self)
        with self._lock:
            self._processes.append(process)
            self._save()
        return process

    def forget(self, process: Process) -> None:
        with self._lock:
            self._processes = [other for other in self._processes if other is not process]
            self._save()

    def stop(self, grace: float = 3.0) -> None:
        """Stop everything, the latest first."""
        with self._lock:
            processes = self._processes[::-1]
        with ThreadPoolExecutor(max_workers=max(1, len(processes))) as pool:
            list(pool.map(lambda process: process.stop(grace), processes))
        self._forker.shutdown()

    def records(self) -> list[ProcessRecord]:
        with self._lock:
            return [process.record for process in self._processes]

    def _save(self) -> None:
        write_records(self._file, [process.record for process in self._processes])


def write_records(path: Path, records: Sequence[ProcessRecord]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps([asdict(record) for record in records], indent=1))
    scratch.replace(path)


def read_records(path: Path) -> list[ProcessRecord]:
    try:
        return [ProcessRecord(**item) for item in json.loads(path.read_text())]
    except (FileNotFoundError, ValueError, TypeError):
        return []
