# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Free ports of the loopback interface, and waits for programs that listen on them.

A chosen port is reserved until a program listens on it. For other processes of the user, the reservation is a lock on
a file in the cache, which the end of the process releases.
"""

from __future__ import annotations

import fcntl
import functools
import os
import random
import socket
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable
from pathlib import Path

from localcloud.host.files import home
from localcloud.host.processes import Process
from localcloud.model import LocalCloudError

HOST = "127.0.0.1"
# Outside the range of ephemeral ports.
PORTS = range(20000, 32000)
_REPORT_AFTER = 15.0
# More ports than a process chooses before it listens on the first of them.
_RESERVED = 256


def fetch(url: str, data: bytes | None = None, timeout: float = 10) -> bytes:
    """Send GET or POST to a loopback address, without the proxy of the environment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, data, timeout) as answer:
        content: bytes = answer.read()
    return content


class Reservations:
    """The ports that this process has chosen most recently."""

    def __init__(self, file: Path) -> None:
        """``file`` is shared: each port is a lock on one byte of the file, which stays empty."""
        self._file = file
        self._lock = threading.Lock()
        self._ports: deque[int] = deque()
        self._descriptor: int | None = None

    def take(self, port: int) -> bool:
        """Reserve a port; return False if it is already reserved."""
        with self._lock:
            if port in self._ports or not self._locked(port, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return False
            self._ports.append(port)
            if len(self._ports) > _RESERVED:
                self._locked(self._ports.popleft(), fcntl.LOCK_UN)
            return True

    def _locked(self, port: int, operation: int) -> bool:
        try:
            if self._descriptor is None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                # Never closed, because that would release all locks of the process.
                self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.lockf(self._descriptor, operation, 1, port)
        except (BlockingIOError, PermissionError):
            return self._descriptor is None
        except OSError:
            # Without a lock file, only the protection against other processes is missing.
            return True
        return True


@functools.cache
def _reservations() -> Reservations:
    return Reservations(home() / "ports")


def reserve(port: int) -> bool:
    """Reserve a port if no program listens on it; return whether it is reserved."""
    return port_is_free(port) and _reservations().take(port)


def free_port() -> int:
    """Return a free loopback port, reserved."""
    for _ in range(200):
        port = random.choice(PORTS)  # noqa: S311 - not a secret
        if reserve(port):
            return port
    raise LocalCloudError(f"No free port between {PORTS.start} and {PORTS.stop}")


def port_is_free(port: int) -> bool:
    """Whether a program can listen on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def ready_timeout() -> float:
    """Return the timeout for a program to become ready; LOCALCLOUD_READY_TIMEOUT sets it for slow machines."""
    return float(os.environ.get("LOCALCLOUD_READY_TIMEOUT", "240"))


def wait_ready(process: Process, ready: Callable[[], bool], progress: Callable[[str], None]) -> None:
    """Wait until a program is ready; raise with the end of its log if it ends or the timeout expires."""
    started = time.monotonic()
    limit = ready_timeout()
    reported = started
    while not ready():
        process.check()
        now = time.monotonic()
        if now - started > limit:
            raise LocalCloudError(f"{process.name} was not ready after {limit:.0f} s; see {process.log}")
        if now - reported > _REPORT_AFTER:
            progress(f"{process.name} is not ready yet, {now - started:.0f} s")
            reported = now
        time.sleep(0.1)
