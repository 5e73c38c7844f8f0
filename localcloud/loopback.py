# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports on the loopback interface, and waiting for those who listen there."""

from __future__ import annotations

import os
import random
import socket
import time
import urllib.request
from collections.abc import Callable

from localcloud.model import LocalCloudError
from localcloud.processes import Process

HOST = "127.0.0.1"
# Outside the range from which systems take the ports of outgoing connections.
PORTS = range(20000, 32000)
_REPORT_AFTER = 15.0


def fetch(url: str, data: bytes | None = None, timeout: float = 10) -> bytes:
    """Get, or post to, a loopback address; a proxy of the environment is none for it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, data, timeout) as answer:
        content: bytes = answer.read()
    return content


def free_port() -> int:
    """Return a loopback port nobody listens on."""
    for _ in range(200):
        port = random.choice(PORTS)  # noqa: S311 - not a secret
        if port_is_free(port):
            return port
    raise LocalCloudError(f"No free port between {PORTS.start} and {PORTS.stop}")


def port_is_free(port: int) -> bool:
    """Tell whether a loopback port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def ready_timeout() -> float:
    """Return how long a program may take to become ready; slow machines may set LOCALCLOUD_READY_TIMEOUT."""
    return float(os.environ.get("LOCALCLOUD_READY_TIMEOUT", "240"))


def wait_ready(process: Process, ready: Callable[[], bool], progress: Callable[[str], None]) -> None:
    """Wait until a program is ready; raise with the end of its log when it ends or takes too long."""
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
