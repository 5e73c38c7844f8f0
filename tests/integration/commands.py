# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's commands, in forks of a process that has imported their modules.

That saves a second of processor time for each command. The tests of the lock, the warm interpreter, the kubeconfig and
the environment start the installed commands.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path = CHECKOUT, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run ``ansible-playbook`` or ``ansible-inventory``, with an empty standard input."""
    # Ansible reads its settings when it is imported.
    settings = {name: value for name, value in env.items() if name.startswith("ANSIBLE_") or name in ("HOME", "LANG")}
    server = _server(json.dumps(settings, sort_keys=True), CHECKOUT if "ANSIBLE_CONFIG" in settings else cwd)
    arguments = [str(part) for part in command]
    assert server.stdin
    assert server.stdout
    with tempfile.NamedTemporaryFile("r") as output, tempfile.NamedTemporaryFile("r") as errors:
        files = {"output": output.name, "errors": errors.name}
        request = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), **files}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = server.stdout.readline()
        assert status, "the process that runs Ansible's commands has ended"
        return subprocess.CompletedProcess(arguments, int(status), output.read(), errors.read())


@functools.cache
def _server(settings: str, cwd: Path) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    server = subprocess.Popen(
        [sys.executable, __file__],
        cwd=cwd,
        env={**kept, **json.loads(settings)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)
    return server


def _serve() -> None:
    import ansible.cli.inventory  # noqa: PLC0415 - with the settings of this process
    import ansible.cli.playbook  # noqa: PLC0415
    import boto3.session  # noqa: F401, PLC0415 - by the inventory plugin

    answers = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    gc.freeze()
    for line in requests:
        child = os.fork()
        if not child:
            request = json.loads(line)
            main = {"ansible-playbook": ansible.cli.playbook, "ansible-inventory": ansible.cli.inventory}
            requests.close()
            answers.close()
            _become(request)
            sys.exit(main[Path(request["arguments"][0]).name].main())
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _become(request: Mapping[str, Any]) -> None:
    """Set up the command's process: outputs, environment, arguments and temporary directory."""
    for descriptor, path in enumerate([os.devnull, request["output"], request["errors"]]):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND if descriptor else os.O_RDONLY)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv[:] = request["arguments"]
    from ansible import constants  # noqa: PLC0415

    atexit._clear()
    folder = Path(constants.DEFAULT_LOCAL_TMP).parent
    constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(prefix=f"ansible-local-{os.getpid()}", dir=folder)
    atexit.register(shutil.rmtree, constants.DEFAULT_LOCAL_TMP, ignore_errors=True)


if __name__ == "__main__":
    # This file's folder has names of libraries in it.
    sys.path[:] = [path for path in sys.path if path != str(Path(__file__).parent)]
    _serve()
