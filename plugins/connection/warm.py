# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run modules on the controller, in forks of an interpreter that has loaded their libraries."""

from __future__ import annotations

DOCUMENTATION = """
name: warm
short_description: Run modules on the controller without starting Python for each
version_added: 0.1.0
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - A replacement for P(ansible.builtin.local#connection). Modules run in forks of one interpreter per run of Ansible,
    which has loaded the libraries of the modules. A task with C(boto3) takes a fraction of a second instead of more
    than one.
  - All else is done as P(ansible.builtin.local#connection) does it, privilege escalation, commands, asynchronous tasks,
    tasks with an C(environment) and modules that are not written in Python included, and all if pipelining is off, on
    other systems than Linux, and after a library has been installed in the run.
  - What a module does to its process ends with the module. The interpreter has nothing of Ansible's own process in it,
    it ends with the run, and a module ends with its task.
extends_documentation_fragment:
  - connection_pipelining
options:
  become_success_timeout:
    description:
      - How many seconds privilege escalation may take. The default is used in place of less than 1.
    type: int
    default: 10
    vars:
      - name: ansible_local_become_success_timeout
  become_strip_preamble:
    description:
      - Whether what privilege escalation prints before the command runs is left out of its output.
    type: bool
    default: true
    vars:
      - name: ansible_local_become_strip_preamble
notes:
  - A module whose task times out, or whose run is killed, is ended. With P(ansible.builtin.local#connection) it goes
    on.
  - C(ansible_python_interpreter) is honoured; each has an interpreter of its own that is kept warm.
  - The remote user is ignored, as it is by P(ansible.builtin.local#connection).
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import selectors
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local
from ansible.utils.display import Display
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.heartbeat import VARIABLE
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import run
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._warm import server

display = Display()

EXECUTABLE = b"\x7fELF"
BECOME_SECONDS = 10
LONGEST_DIRECTORY = 90
"""A socket's path may have 107 characters."""


class Connection(Local):  # type: ignore[misc]
    """The connection `local`, except for Python modules that Ansible sends by pipelining.

    The name of its transport is `local` too: by it, Ansible recognises the controller and sets the working directory.
    """

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a module, or a command.

        Returns:
            Exit status, standard output and standard error.

        Raises:
            AnsibleConnectionFailure: The interpreter ended while it ran the module.
        """
        self._connect()
        run.end_with_it()
        module = in_data and server.MODULE in in_data and not self.become and sys.platform == "linux"
        python = python_of(cmd) if module else None
        if in_data and python and (caller := ask(*python, in_data, self.cwd)):
            with caller:
                display.vvv(f"EXEC {cmd} (warm)", host=self._play_context.remote_addr)
                return caller.result()
        result: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return result

    @functools.cached_property
    def _become_success_timeout(self) -> int:
        """In seconds. The default of Ansible's method exists only after the plugin `local` has been loaded."""
        seconds: int = self.get_option("become_success_timeout")
        return seconds if seconds >= 1 else BECOME_SECONDS


def python_of(command: str) -> tuple[str, dict[str, str]] | None:
    """Return the interpreter and the variables of a command that only runs a module from standard input, or None.

    A command with other variables than the lock's is refused: an interpreter reads some of them when it starts.
    """
    try:
        shell, option, line = shlex.split(command)
        words = shlex.split(line)
    except ValueError:
        return None
    variables = {}
    if words and words[0].startswith(f"{VARIABLE}="):
        variables[VARIABLE] = words.pop(0).partition("=")[2]
    # Ansible adds a sleep for terminals that could lose the end of the output.
    if words[1:] == ["&&", "sleep", "0"]:
        words = words[:1]
    if option != "-c" or Path(shell).name != "sh" or len(words) != 1:
        return None
    (interpreter,) = words
    # A wrapper script around an interpreter can set variables.
    with contextlib.suppress(OSError), open(interpreter, "rb") as program:  # noqa: PTH123  # a relative one is the shell's
        if interpreter.startswith("/") and program.read(len(EXECUTABLE)) == EXECUTABLE:
            return interpreter, variables
    return None


class Caller(contextlib.ExitStack):
    """The client's end of a module's connection and of its output. The module ends when it is closed."""

    def __init__(self, interpreter: str, directory: str) -> None:
        """Connect to the directory's interpreter, or start one; raises OSError where neither works."""
        super().__init__()
        with contextlib.ExitStack() as stack:
            self._socket = stack.enter_context(socket.socket(socket.AF_UNIX))
            self._socket.connect(address_of(interpreter, directory))
            self._outputs: dict[int, bytearray] = {}
            self._theirs: list[int] = []
            for _ in ("standard output", "standard error"):
                ours, theirs = os.pipe()
                stack.callback(os.close, ours)
                self._outputs[ours] = bytearray()
                self._theirs.append(theirs)
            self.push(stack.pop_all())

    def start(self, source: bytes, settings: dict[str, Any]) -> bool:
        """Send a module to the interpreter; False if the interpreter has refused it without running it."""
        about = json.dumps(settings).encode()
        try:
            socket.send_fds(self._socket, [server.LENGTHS.pack(len(about), len(source))], self._theirs)
            self._socket.sendall(about + source)
        finally:
            for descriptor in self._theirs:
                os.close(descriptor)
        return self._socket.recv(1) == server.STARTED

    def result(self) -> tuple[int, bytes, bytes]:
        """Wait for the end of the module and of its output.

        Raises:
            AnsibleConnectionFailure: The interpreter ended before the module.
        """
        with selectors.DefaultSelector() as selector:
            for descriptor in self._outputs:
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    if part := os.read(key.fd, 1 << 16):
                        self._outputs[key.fd] += part
                    else:
                        selector.unregister(key.fd)
        status = self._socket.recv(server.STATUS.size, socket.MSG_WAITALL)
        if len(status) < server.STATUS.size:
            raise AnsibleConnectionFailure(
                "The interpreter ended before the module that it ran. Run again, or with ansible_connection=local."
            )
        output, error = self._outputs.values()
        return server.STATUS.unpack(status)[0], bytes(output), bytes(error)


def ask(interpreter: str, variables: Mapping[str, str], source: bytes, directory: str | bytes | None) -> Caller | None:
    """Send a module to the interpreter; None if no interpreter accepts it, and nothing has run."""
    umask = os.umask(0)
    os.umask(umask)
    with contextlib.ExitStack() as stack:
        try:
            where = os.fsdecode(directory) if directory else str(Path.cwd())
            caller = stack.enter_context(Caller(interpreter, where))
            if caller.start(source, {"environment": {**os.environ, **variables}, "directory": where, "umask": umask}):
                stack.pop_all()
                return caller
        except OSError as reason:
            display.vvv(f"No warm interpreter: {reason}")
    return None


def address_of(interpreter: str, directory: str) -> str:
    """Return the socket of this run's interpreter, and start the interpreter for the first module."""
    name = hashlib.sha256(interpreter.encode()).hexdigest()[:16]
    address = Path(constants.DEFAULT_LOCAL_TMP) / f"warm-{name}"
    with address.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not address.exists():
            start(interpreter, address, directory)
    return f"{address.read_text()}/socket"


def start(interpreter: str, address: Path, directory: str) -> None:
    """Start an interpreter that ends with this run, and write the directory of its socket to a file."""
    scratch = address.with_suffix(".d")
    if len(os.fsencode(scratch)) < LONGEST_DIRECTORY:
        scratch.mkdir(0o700)
    else:
        scratch = Path(tempfile.mkdtemp(prefix="warm-"))
    address.write_text(str(scratch))
    with contextlib.ExitStack() as stack:
        failed = stack.enter_context(contextlib.ExitStack())
        failed.callback(shutil.rmtree, scratch, ignore_errors=True)
        served = os.pidfd_open(run.process())
        stack.callback(os.close, served)
        run.process()  # the process id can belong to another process if the run ended before pidfd_open
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(f"{scratch}/socket")
        listener.listen(128)
        subprocess.Popen(
            [interpreter, "-P", server.__file__, str(served), str(address), str(listener.fileno())],
            pass_fds=[served, listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=directory,
        )
        failed.pop_all()
