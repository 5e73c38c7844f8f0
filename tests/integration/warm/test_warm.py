# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection `warm` returns the same results as `local`, and leaves no processes or files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.testing import eventually

ROOT = Path(__file__).parents[3]

STAINED = """
import atexit
import sys
import threading
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common import warnings
import json as shared

def main():
    module = AnsibleModule(argument_spec={"crash": {"type": "str"}, "status": {"type": "raw"}})
    seen = getattr(shared, "stain", None)
    shared.stain = "left by an earlier module"
    module.warn("once")
    if module.params["crash"]:
        raise RuntimeError(module.params["crash"])
    if module.params["status"] is not None:
        print("not JSON")
        print("on standard error", file=sys.stderr)
        atexit.register(print, "at the exit", file=sys.stderr)
        threading.Timer(0.2, lambda: print("in a thread", file=sys.stderr)).start()
        sys.exit(module.params["status"])
    library = sys.modules[AnsibleModule.__module__].__file__
    started_as = [__name__, len(sys.argv), sys.stdin.read()]
    module.exit_json(loaded="/lib/ansible/" in library, seen=seen, started_as=started_as)

if __name__ == "__main__":
    main()
"""

SHELL = """#!/bin/sh
# WANT_JSON
echo '{"changed": false, "from": "a shell script"}'
"""


class Runs:
    """Plays in a directory of their own, with Ansible's own temporary directory in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started: list[subprocess.Popen[str]] = []
        (directory / "library").mkdir()
        (directory / "library" / "stained.py").write_text(STAINED)
        (directory / "library" / "scripted").write_text(SHELL)

    def start(
        self, connection: str, tasks: list[dict[str, Any]], hosts: int = 1, **environment: str
    ) -> subprocess.Popen[str]:
        variables = {"ansible_connection": connection, "ansible_python_interpreter": sys.executable}
        names = [f"h{number}" for number in range(hosts)]
        inventory = {"all": {"hosts": dict.fromkeys(names), "vars": variables}}
        (self.directory / "hosts.yml").write_text(yaml.safe_dump(inventory))
        play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
        (self.directory / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        run = subprocess.Popen(
            ["ansible-playbook", "-i", str(self.directory / "hosts.yml"), str(self.directory / "play.yml")],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_LOCAL_TEMP": str(self.directory / "tmp"),
                "ANSIBLE_VERBOSITY": "3",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(run)
        return run

    def output(self, connection: str, tasks: list[dict[str, Any]], hosts: int = 1, **environment: str) -> str:
        return self.start(connection, tasks, hosts, **environment).communicate(timeout=180)[0]

    def results(self, connection: str, tasks: list[dict[str, Any]], hosts: int = 1) -> list[dict[str, Any]]:
        """Return the results by task and host, without times and the names of temporary files."""
        quiet = {"ANSIBLE_VERBOSITY": "0", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
        output = self.output(connection, tasks, hosts, **quiet)
        report, _ = json.JSONDecoder().raw_decode(output[output.index("{\n") :])
        return [
            {
                "task": task["task"]["name"],
                "host": host,
                **{key: value for key, value in result.items() if key not in VOLATILE},
            }
            for task in report["plays"][0]["tasks"]
            for host, result in sorted(task["hosts"].items())
        ]

    def servers(self) -> list[int]:
        """Warm interpreters of these runs."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (process / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if any(one.endswith("_warm/server.py") for one in arguments) and str(self.directory) in " ".join(arguments):
                found.append(int(process.name))
        return found


VOLATILE = {"start", "end", "delta", "exception", "invocation", "stdout", "ansible_job_id", "results_file"}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    runs = Runs(tmp_path)
    yield runs
    for run in runs.started:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()


def test_it_returns_the_results_of_local(runs: Runs) -> None:
    tasks = [
        {"name": "where", "ansible.builtin.command": "pwd"},
        {"name": "a relative path", "ansible.builtin.stat": {"path": "play.yml", "get_checksum": False}},
        {"name": "much", "ansible.builtin.command": "seq 1 50000"},
        {"name": "environment", "ansible.builtin.command": "printenv COLOUR", "environment": {"COLOUR": "a 'b' $c"}},
        {"name": "a library's path", "stained": {}, "environment": {"PYTHONPATH": "/nowhere"}},
        {"name": "a remote user", "ansible.builtin.command": "id -un", "remote_user": "nobody"},
        {"name": "no environment is left", "ansible.builtin.command": "printenv COLOUR", "ignore_errors": True},
        {"name": "facts", "ansible.builtin.setup": {"gather_subset": ["!all", "!min", "python"]}},
        {"name": "a wrong option", "ansible.builtin.stat": {"pat": "/"}, "ignore_errors": True},
        {
            "name": "a file",
            "ansible.builtin.copy": {"content": "x", "dest": str(runs.directory / "file")},
            "check_mode": True,
        },
        {"name": "first", "stained": {}},
        {"name": "second", "stained": {}},
        {"name": "crashed", "stained": {"crash": "on purpose"}, "ignore_errors": True},
        {"name": "ended", "stained": {"status": 3}, "ignore_errors": True},
        {"name": "ended with words", "stained": {"status": "some words"}, "ignore_errors": True},
        {"name": "no Python", "scripted": {}},
        {"name": "in the background", "ansible.builtin.command": "true", "async": 20, "poll": 1},
        {"name": "AWS", "amazon.aws.aws_caller_info": {"endpoint_url": "http://127.0.0.1:9"}, "ignore_errors": True},
    ]
    warm, local = runs.results("dataplatform.fleet.warm", tasks), runs.results("local", tasks)
    loaded = {result["task"]: result.pop("loaded") for result in warm if "loaded" in result}
    assert loaded == {"a library's path": False, "first": True, "second": True}
    assert not any(result.pop("loaded", False) for result in local)
    for result in (*warm, *local):
        if "stat" in result:
            # The play is written again for each run.
            result["stat"] = result["stat"]["exists"]
    assert warm == local
    by_name = {result["task"]: result for result in warm}
    assert len(by_name) == len(tasks)
    assert by_name["second"]["seen"] is None
    assert by_name["crashed"]["failed"]
    assert by_name["ended with words"]["rc"] == 1
    assert by_name["ended with words"]["module_stderr"].split("\n")[:4] == [
        "on standard error",
        "some words",
        "in a thread",
        "at the exit",
    ]
    assert by_name["where"]["stdout_lines"] == [str(runs.directory)]
    assert by_name["a relative path"]["stat"]
    assert by_name["environment"]["stdout_lines"] == ["a 'b' $c"]


def test_modules_run_in_it_and_it_ends_with_the_run(runs: Runs) -> None:
    output = runs.output(
        "dataplatform.fleet.warm", [{"ansible.builtin.stat": {"path": "/"}, "loop": [1, 2, 3]}], hosts=4
    )
    assert output.count(" (warm)\n") == 12
    assert "No warm interpreter" not in output
    eventually(lambda: not runs.servers(), 30)
    assert list((runs.directory / "tmp").iterdir()) == []


def test_each_interpreter_has_its_own(runs: Runs) -> None:
    """Both are warm, and each module runs in the interpreter of its task."""
    other = runs.directory / "other-python"
    other.symlink_to(sys.executable)
    report = "import sys\nfrom ansible.module_utils.basic import AnsibleModule\n\n\n" + (
        "def main():\n    AnsibleModule(argument_spec={}).exit_json(interpreter=sys.executable)\n\n\n"
        'if __name__ == "__main__":\n    main()\n'
    )
    (runs.directory / "library" / "report.py").write_text(report)
    named = {"name": "other", "report": {}, "vars": {"ansible_python_interpreter": str(other)}}
    tasks = [{"name": "own", "report": {}}, named, {"name": "own again", "report": {}}]
    found = runs.results("dataplatform.fleet.warm", tasks)
    assert [one["interpreter"] for one in found] == [sys.executable, str(other), sys.executable]
    assert runs.output("dataplatform.fleet.warm", tasks).count(" (warm)\n") == 3


def test_a_run_that_is_killed_takes_it_along(runs: Runs) -> None:
    run = runs.start("dataplatform.fleet.warm", [{"ansible.builtin.wait_for": {"path": "/nowhere/at/all"}}])
    eventually(lambda: len(runs.servers()) == 2, 30)  # the interpreter, and the module in a fork of it
    os.kill(run.pid, signal.SIGKILL)
    os.killpg(run.pid, signal.SIGKILL)
    eventually(lambda: not runs.servers(), 30)


def test_a_module_ends_with_its_task(runs: Runs) -> None:
    started = runs.directory / "started"
    module = {"ansible.builtin.shell": f"touch {started}; exec sleep 300.125"}
    output = runs.output("dataplatform.fleet.warm", [{**module, "timeout": 3, "ignore_errors": True}])
    assert started.exists()
    assert "timed out" in output.lower() or "timeout" in output.lower()
    sleeping = subprocess.run(
        ["pgrep", "-f", "sleep 300.125"], capture_output=True, text=True, check=False
    ).stdout.split()
    eventually(lambda: not any(Path(f"/proc/{process}").exists() for process in sleeping), 30)


def test_without_pipelining_it_is_local(runs: Runs) -> None:
    output = runs.output(
        "dataplatform.fleet.warm", [{"ansible.builtin.stat": {"path": "/"}}], ANSIBLE_PIPELINING="false"
    )
    assert "exists: true" in output
    assert " (warm)\n" not in output


def test_an_interpreter_that_cannot_start_is_reported_by_the_module(runs: Runs) -> None:
    """The result is that of local."""
    task = {"ansible.builtin.stat": {"path": "/"}, "vars": {"ansible_python_interpreter": "/nowhere/python"}}
    output = runs.output("dataplatform.fleet.warm", [task])
    assert "/nowhere/python" in output
    assert " (warm)\n" not in output


def test_another_version_of_a_library_is_the_modules_own(runs: Runs) -> None:
    """Each role's module has its own library of the same name in its payload."""
    for role in ("first", "second"):
        for folder in ("library", "module_utils", "tasks"):
            (runs.directory / "roles" / role / folder).mkdir(parents=True)
        (runs.directory / "roles" / role / "module_utils" / f"{role}_only.py").write_text("")
        (runs.directory / "roles" / role / "module_utils" / "shade.py").write_text(f"SHADE = '{role}'\n")
        (runs.directory / "roles" / role / "library" / f"{role}.py").write_text(
            STAINED.replace("import json as", "from ansible.module_utils.shade import SHADE\nimport json as").replace(
                "seen=seen", "seen=SHADE"
            )
        )
        (runs.directory / "roles" / role / "tasks" / "main.yml").write_text(f"- {{name: {role}, {role}: {{}}}}\n")
    tasks = [{"ansible.builtin.include_role": {"name": role}} for role in ("first", "second")]
    tasks.append({"name": "after", "stained": {}})
    results = {result["task"].rpartition(" ")[2]: result for result in runs.results("dataplatform.fleet.warm", tasks)}
    found = {name: (results[name]["seen"], results[name]["loaded"]) for name in ("first", "second", "after")}
    assert found["first"] == ("first", True)
    assert found["after"] == (None, True)
    # Ansible may look for a library in all roles that it knows by then.
    assert found["second"] in (("second", False), ("first", True))


def test_a_warning_of_a_library_is_its_own_modules(runs: Runs) -> None:
    (runs.directory / "module_utils").mkdir()
    (runs.directory / "module_utils" / "warning.py").write_text(
        "from ansible.module_utils.common.warnings import warn\nwarn('when it is imported')\n"
    )
    (runs.directory / "library" / "warned.py").write_text(
        STAINED.replace("import json as", "import ansible.module_utils.warning\nimport json as")
    )
    tasks = [
        {"name": name, module: {}} for name, module in (("one", "warned"), ("other", "stained"), ("two", "warned"))
    ]
    results = {result["task"]: result["warnings"] for result in runs.results("dataplatform.fleet.warm", tasks)}
    assert results == {
        "one": ["when it is imported", "once"],
        "other": ["once"],
        "two": ["when it is imported", "once"],
    }


def test_a_module_that_is_killed(runs: Runs) -> None:
    code = STAINED.replace(
        "    module.warn", "    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n    module.warn"
    )
    (runs.directory / "library" / "killed.py").write_text(code)
    task = [{"name": "killed", "killed": {}, "ignore_errors": True}]
    (warm,), (local,) = runs.results("dataplatform.fleet.warm", task), runs.results("local", task)
    # Some shells say so on standard error.
    warm.pop("module_stderr"), local.pop("module_stderr")
    assert warm == local
    assert warm["rc"] == 128 + signal.SIGKILL
