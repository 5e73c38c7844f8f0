# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run modules here, in a fork of an interpreter that has their libraries loaded."""

from __future__ import annotations

DOCUMENTATION = """
name: warm
short_description: Run modules on the controller without starting Python for each
version_added: 0.1.0
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - A drop-in for P(ansible.builtin.local#connection). Modules run in a fork of one interpreter per run of Ansible, in
    which what they import is loaded already. So a task with C(boto3) takes a fraction of a second instead of more
    than one.
  - All else is done as P(ansible.builtin.local#connection) does it, privilege escalation, commands, asynchronous tasks
    and modules that are not written in Python included, and all if pipelining is off, and on other systems than Linux.
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
  - C(ansible_python_interpreter) is honoured; each has an interpreter of its own that is kept warm.
  - The remote user is ignored, as it is by P(ansible.builtin.local#connection).
"""

import fcntl
import hashlib
import json
import os
import re
import selectors
import shlex
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local
from ansible.utils.display import Display
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._warm import server

display = Display()

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
LONGEST_DIRECTORY = 90
"""A socket's path may have 107 characters."""


class Connection(Local):  # type: ignore[misc]
    """`local`, but for Python modules that are handed over by pipelining."""

    transport = "dataplatform.fleet.warm"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a module, or a command.

        Returns:
            Exit status, standard output and standard error.

        Raises:
            AnsibleConnectionFailure: The interpreter went away while it ran the module.
        """
        invocation = python_invocation(cmd) if in_data and not self.become and sys.platform == "linux" else None
        if in_data and invocation:
            interpreter, variables = invocation
            caller = ask(interpreter, in_data, variables, self.cwd)
            if caller:
                with caller.socket:
                    display.vvv(f"EXEC {cmd} (warm)", host=self._play_context.remote_addr)
                    return caller.result()
        result: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return result


def python_invocation(command: str) -> tuple[str, dict[str, str]] | None:
    """Interpreter and environment variables of a command that does nothing but run a module from its standard input."""
    try:
        shell, option, line = shlex.split(command)
        words = shlex.split(line)
    except ValueError:
        return None
    if option != "-c" or Path(shell).name != "sh":
        return None
    # Ansible adds a sleep where a terminal could lose the end of the output; there is no terminal here.
    if words[-3:] == ["&&", "sleep", "0"]:
        words = words[:-3]
    *assignments, interpreter = words or [""]
    # A variable in a value would be the shell's to expand.
    if not interpreter.startswith("/") or "$" in line or "`" in line:
        return None
    if not all(ASSIGNMENT.match(word) for word in assignments):
        return None
    return interpreter, dict(word.split("=", 1) for word in assignments)


class Caller:
    """The end of a module's connection to the interpreter, and of its output."""

    def __init__(self, connection: socket.socket, output: int, error: int) -> None:
        self.socket = connection
        self._outputs = {output: bytearray(), error: bytearray()}

    def result(self) -> tuple[int, bytes, bytes]:
        """Wait for the end of the module and of what it has written."""
        with selectors.DefaultSelector() as selector:
            for descriptor in self._outputs:
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    if part := os.read(key.fd, 1 << 16):
                        self._outputs[key.fd] += part
                    else:
                        selector.unregister(key.fd)
                        os.close(key.fd)
        status = self.socket.recv(server.STATUS.size, socket.MSG_WAITALL)
        if len(status) < server.STATUS.size:
            raise AnsibleConnectionFailure(
                "The interpreter that ran the module has ended before it. Run again, or with ansible_connection=local."
            )
        output, error = self._outputs.values()
        return server.STATUS.unpack(status)[0], bytes(output), bytes(error)


def ask(interpreter: str, source: bytes, variables: dict[str, str], directory: str | None) -> Caller | None:
    """Hand a module over; None where no interpreter takes it, and nothing has been run."""
    umask = os.umask(0)
    os.umask(umask)
    settings = {"environment": {**os.environ, **variables}, "directory": str(directory or Path.cwd()), "umask": umask}
    about = json.dumps(settings).encode()
    connection = socket.socket(socket.AF_UNIX)
    output, output_end = os.pipe()
    error, error_end = os.pipe()
    try:
        connection.connect(address_of(interpreter))
        socket.send_fds(connection, [server.LENGTHS.pack(len(about), len(source))], [output_end, error_end])
        connection.sendall(about + source)
        started = connection.recv(1) == server.STARTED
    except OSError as error_of_it:
        display.vvv(f"No warm interpreter: {error_of_it}")
        started = False
    finally:
        os.close(output_end)
        os.close(error_end)
    if started:
        return Caller(connection, output, error)
    connection.close()
    os.close(output)
    os.close(error)
    return None


def address_of(interpreter: str) -> str:
    """The socket of this run's warm interpreter, which is started if this is its first module."""
    name = hashlib.sha256(interpreter.encode()).hexdigest()[:16]
    address = Path(constants.DEFAULT_LOCAL_TMP) / f"warm-{name}"
    with address.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not address.exists():
            start(interpreter, address)
    return f"{address.read_text()}/socket"


def start(interpreter: str, address: Path) -> None:
    """Start an interpreter that ends with this run, and leave the directory of its socket in a file."""
    scratch = address.with_suffix(".d")
    if len(str(scratch)) < LONGEST_DIRECTORY:
        scratch.mkdir(0o700)
    else:
        scratch = Path(tempfile.mkdtemp(prefix="warm-"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{scratch}/socket")
        listener.listen(128)
        address.write_text(str(scratch))
        subprocess.Popen(
            [interpreter, "-P", server.__file__, str(os.getppid()), str(address), str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
