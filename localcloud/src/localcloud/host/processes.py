# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that end with the local cloud.

On Linux, the kernel kills them with their parent (``PR_SET_PDEATHSIG``). Elsewhere, a watchdog kills them: a process
that waits for the end of a pipe. In addition, ``localcloud down`` ends the processes in the record file, after a check
that each is still the process that was started.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from localcloud.host.files import Book, write_whole
from localcloud.model import LocalCloudError

LOG = logging.getLogger("localcloud.host.processes")
KEEPER_INTERVAL = 2.0
# PR_SET_PDEATHSIG is 1; the check of the parent covers its end before the call.
_LAUNCHER = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9);"
    "os.getppid() == int(sys.argv[1]) or os._exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class ProcessRecord:
    """A started process; ``identity`` distinguishes it from a later process with the same id."""

    name: str
    pid: int
    identity: str


def identity(pid: int) -> str | None:
    """Return a value that distinguishes a process from earlier and later processes with its id."""
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
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    state, _, started = listing.partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def resident_bytes(pid: int) -> int:
    """Return a process' resident memory, 0 if it has ended."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if sys.platform == "linux":
        return 0
    listing = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return int(listing.strip() or 0) * 1024


def end(record: ProcessRecord, grace: float = 3.0) -> bool:
    """End a recorded process; return whether it was still running."""
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
    """A child process with its log. With ``keep``, the supervisor restarts it if it ends unexpectedly."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self.keep = False
        self.lock = threading.Lock()
        self._command = list(command)
        self._environment = dict(environment)
        self._stopped: Callable[[Process], None] = lambda _: None
        self.spawn()

    def spawn(self) -> None:
        """Start the program."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
                cwd=self.log.parent,
            )
        self.record = ProcessRecord(self.name, self._popen.pid, identity(self._popen.pid) or "")

    def when_stopped(self, callback: Callable[[Process], None]) -> None:
        self._stopped = callback

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def check(self) -> None:
        """Raise if the process has ended unexpectedly."""
        status = self._popen.poll()
        if status is not None:
            raise LocalCloudError(f"{self.name} ended with status {status}; the end of {self.log}:\n{tail(self.log)}")

    def stop(self, grace: float = 3.0) -> None:
        """Terminate the process, and kill it after a timeout."""
        with self.lock:
            self.keep = False
        if self.running:
            self._popen.terminate()
            try:
                self._popen.wait(grace)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self._popen.wait()
        self._stopped(self)


class Supervisor:
    """Starts processes and records them in a file, so that ``down`` can end those of a crashed daemon."""

    def __init__(self, record_file: Path, *, watchdog: bool = sys.platform != "linux") -> None:
        self._book = Book(record_file, lambda: _listing(self.records()))
        self._lock = threading.Lock()
        self._processes: list[Process] = []
        # For the kernel, the parent is the *thread* that forked: it must live as long as the children.
        self._forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")
        self._stopping = threading.Event()
        self._keeper: threading.Thread | None = None
        record_file.parent.mkdir(parents=True, exist_ok=True)
        self._watchdog = _start_watchdog(record_file) if watchdog else None

    def start(
        self, name: str, argv: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program with its output appended to a log."""
        command = [str(word) for word in argv]
        if self._watchdog is None:
            command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]
        try:
            process = self._forker.submit(Process, name, command, log, environment or {}).result()
        except RuntimeError:
            raise LocalCloudError(f"{name} is not started: the local cloud is stopping") from None
        process.when_stopped(self._forget)
        with self._lock:
            self._processes.append(process)
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
                self._keeper.start()
        self._book.write()
        if self._stopping.is_set():
            # A concurrent stop may have read the list of processes before.
            process.stop(grace=0)
            raise LocalCloudError(f"{name} is not started: the local cloud is stopping")
        return process

    def _keep(self) -> None:
        """Restart processes with ``keep`` that have ended."""
        while not self._stopping.wait(KEEPER_INTERVAL):
            with self._lock:
                processes = list(self._processes)
            for process in processes:
                with process.lock:
                    if not process.keep or process.running:
                        continue
                    LOG.warning("%s ended unexpectedly and is restarted; its log is %s", process.name, process.log)
                    try:
                        self._forker.submit(process.spawn).result()
                    except (OSError, RuntimeError) as error:
                        # Memory, files or processes may be available at the next attempt.
                        LOG.warning("%s could not be started: %s", process.name, error)
                self._book.write()
            self._book.catch_up()

    def _forget(self, process: Process) -> None:
        with self._lock:
            self._processes = [other for other in self._processes if other is not process]
        self._book.write()

    def stop(self, grace: float = 3.0) -> None:
        """Stop everything."""
        self._stopping.set()
        with self._lock:
            processes = list(self._processes)
        with ThreadPoolExecutor(max_workers=max(1, len(processes))) as pool:
            list(pool.map(lambda process: process.stop(grace), processes))
        self._forker.shutdown()
        if self._watchdog is not None:
            self._watchdog.communicate()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def records(self) -> list[ProcessRecord]:
        with self._lock:
            return [process.record for process in self._processes]


def _start_watchdog(record_file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "localcloud.host.processes", str(record_file)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def write_records(path: Path, records: Sequence[ProcessRecord]) -> None:
    write_whole(path, _listing(records))


def _listing(records: Sequence[ProcessRecord]) -> str:
    return json.dumps([asdict(record) for record in records], indent=1)


def read_records(path: Path) -> list[ProcessRecord]:
    try:
        return [ProcessRecord(**item) for item in json.loads(path.read_text())]
    except (FileNotFoundError, ValueError, TypeError):
        return []


if __name__ == "__main__":
    # The watchdog: the pipe is closed when the process with its other end has ended.
    sys.stdin.read()
    for left in read_records(Path(sys.argv[1])):
        end(left, grace=0.5)
