# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of a real node: ``python namespace_init.py SPECIFICATION`` in namespaces of its own.

The namespaces are network, mount, PID and UTS. The kernel ends all processes in a PID namespace with its first process,
and removes a network or mount namespace with its last process. When this program ends for any reason, all processes,
mounts, network links and packet filters of the node are removed. Only the standard library is used, because the file
runs without the package.
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
"""Mount point of the node's directories; short, because the path of a socket is limited to 107 bytes."""
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
    """Enter new namespaces, start the first process of the new PID namespace and wait for it."""
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
    # The id of the parent, which is in the same network and mount namespaces and is visible outside.
    ready.touch()
    connected = Path(specification["connected"])
    while not connected.exists():
        time.sleep(0.02)
    Programs(specification["programs"]).run()
    return 0


def _arrange(specification: dict[str, Any]) -> None:
    """Set up the node's file system; later mounts are visible only inside the namespace."""
    _mount("none", "/", flags=_MS_REC | _MS_PRIVATE)
    # Volumes with mount propagation from the host need a shared mount.
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
    """The node's programs; a program that ends is restarted."""

    def __init__(self, specifications: list[dict[str, Any]]) -> None:
        self._specifications = specifications
        self._running: dict[int, dict[str, Any]] = {}

    def run(self) -> None:
        """Start all programs, and reap orphaned children."""
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
                print(f"{ended['name']} ended and is restarted; its log is {ended['log']}", flush=True)
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
        # This loop waits for the process, not the Popen object.
        process.returncode = 0


if __name__ == "__main__":
    run: Callable[[str], int] = main
    sys.exit(run(sys.argv[1]))
