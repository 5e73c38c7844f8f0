# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands and sockets in the namespaces of a real node, from outside."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localcloud.model import LocalCloudError

COMMAND_SECONDS = 60


def execute(command: Sequence[str | Path], text: str | None = None, *, timeout: float = COMMAND_SECONDS) -> str:
    """Run a command and return its output.

    :raises LocalCloudError: it failed; with the end of its output
    """
    try:
        run = subprocess.run(
            [str(word) for word in command], input=text, capture_output=True, text=True, check=False, timeout=timeout
        )
    except OSError as error:
        raise LocalCloudError(f"{command[0]} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise LocalCloudError(f"{command[0]} did not end within {timeout:.0f} s") from None
    if run.returncode:
        last = (run.stderr.strip() or run.stdout.strip() or f"exit status {run.returncode}").splitlines()[-1]
        raise LocalCloudError(f"{' '.join(map(str, command))}: {last}")
    return run.stdout


def within(pid: int, command: Sequence[str | Path], text: str | None = None, *, mounts: bool = False) -> str:
    """Run a command in a process' network namespace and, with ``mounts``, in its mount namespace.

    With ``mounts``, the command is also in the PID namespace of the process' children, which ``/proc`` there shows.
    """
    inside = ["--mount", f"--pid=/proc/{pid}/ns/pid_for_children"] if mounts else []
    return execute(["nsenter", f"--target={pid}", "--net", *inside, "--", *command], text)


class Sockets:
    """Creates sockets in a process' network namespace; a socket remains in the namespace of its creation."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        # A separate thread, because threads enter namespaces.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"sockets-{pid}", initializer=self._enter)

    def _enter(self) -> None:
        with Path(f"/proc/{self._pid}/ns/net").open("rb") as namespace:
            os.setns(namespace.fileno(), os.CLONE_NEWNET)

    def make(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Return a new socket.

        :raises OSError: the process has ended
        """
        try:
            made = self._pool.submit(socket.socket, socket.AF_INET, kind).result()
        except RuntimeError as error:
            raise OSError(f"the namespace of process {self._pid} is gone") from error
        made.setblocking(False)
        return made

    def close(self) -> None:
        self._pool.shutdown(wait=False)
