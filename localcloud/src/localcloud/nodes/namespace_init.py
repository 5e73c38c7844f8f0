# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inside of a machine: ``python machine.py SPECIFICATION`` in network, mount, process and host name namespaces.

The kernel ends everything in a process namespace with its first process, and a network or mount namespace ends with
the last process in it. So nothing of a machine outlives this program, however it ends: no process, mount, network
link or packet filter. Only the standard library is used, because the file runs by itself.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUN = Path("/run/node")
"""Where a machine sees its own directories; short, because the path of a socket has 107 bytes at most."""
RESTART_SECONDS = 1.0
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE, _MS_SHARED = 2, 4, 8, 4096, 16384, 1 << 18, 1 << 20
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def _mount(source: str | Path, target: str | Path, kind: str = "", flags: int = 0) -> None:
    words = [os.fsencode(word) if word else None for word in (source, target, kind)]
    if _LIBC.mount(*words, ctypes.c_ulong(flags), None):
        number = ctypes.get_errno()
        raise OSError(number, f"mount: {os.strerror(number)}", str(target))


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main(path: str) -> int:
    """Enter new namespaces, start the first process of the new process namespace and wait for it."""
    specification = json.loads(Path(path).read_text())
    parent = os.getpid()
    os.unshare(os.CLONE_NEWNET | os.CLONE_NEWNS | os.CLONE_NEWPID | os.CLONE_NEWUTS | os.CLONE_NEWIPC)
    child = os.fork()
    if child == 0:
        _die_with_parent()
        try:
            os._exit(_first(specification))
        except OSError as error:
            print(f"{error.filename or 'machine'}: {error.strerror}", flush=True)
            os._exit(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGKILL))
    print(f"{parent} is machine {specification['name']}", flush=True)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _first(specification: dict[str, Any]) -> int:
    socket.sethostname(specification["name"])
    _arrange(specification)
    ready = Path(specification["ready"])
    # Its parent's, which is in the same network and mount namespaces and known outside.
    ready.touch()
    connected = Path(specification["connected"])
    while not connected.exists():
        time.sleep(0.02)
    Programs(specification["programs"]).run()
    return 0


def _arrange(specification: dict[str, Any]) -> None:
    """Give the machine its own view of the file system; what it mounts later stays inside."""
    _mount("none", "/", flags=_MS_REC | _MS_PRIVATE)
    # Volumes that follow the host's mounts need a shared tree below them.
    _mount("none", "/", flags=_MS_REC | _MS_SHARED)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount("tmpfs", "/run", "tmpfs", _MS_NOSUID | _MS_NODEV)
    for target, source in specification["directories"].items():
        Path(source).mkdir(parents=True, exist_ok=True)
        Path(target).mkdir(parents=True, exist_ok=True)
        _mount(source, target, flags=_MS_BIND)
    for target, source in specification["replaced"].items():
        if Path(target).exists():
            _mount(source, target, flags=_MS_BIND)
    for name, value in specification["sysctls"].items():
        Path("/proc/sys", name).write_text(value)


class Programs:
    """The machine's programs; one that ends by itself is started again."""

    def __init__(self, specifications: list[dict[str, Any]]) -> None:
        self._specifications = specifications
        self._running: dict[int, dict[str, Any]] = {}

    def run(self) -> None:
        """Start all, and take over the children of others that have ended."""
        for specification in self._specifications:
            self._start(specification)
        while True:
            try:
                pid, _ = os.waitpid(-1, 0)
            except ChildProcessError:
                time.sleep(RESTART_SECONDS)
                continue
            ended = self._running.pop(pid, None)
            if ended is not None:
                print(f"{ended['name']} ended and is started again; its log is {ended['log']}", flush=True)
                time.sleep(RESTART_SECONDS)
                self._start(ended)

    def _start(self, specification: dict[str, Any]) -> None:
        with Path(specification["log"]).open("ab") as log:
            process = subprocess.Popen(
                specification["command"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **specification["environment"]},
                cwd="/",
                start_new_session=True,
            )
        self._running[process.pid] = specification
        # Its end is this loop's to see, not the object's.
        process.returncode = 0


if __name__ == "__main__":
    run: Callable[[str], int] = main
    sys.exit(run(sys.argv[1]))
