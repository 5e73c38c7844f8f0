# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The behaviour of AWX 24 for a project, without its database and containers.

A project's copy, an inventory's synchronization and a job are made as in awx/main/tasks/jobs.py,
management/commands/inventory_import.py and models/inventory.py of AWX 24.6; ansible-runner and its callback
``awx_display`` are AWX's own. A container has the environment of its image, another home directory and nothing of the
machine; here a job has an environment without the machine's variables, and the rest of the machine's files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import ansible_runner
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
PREFIXES = ("awx", "tower")

Event = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A finished job: its status, its events and its private data directory."""

    status: str
    returncode: int
    stats: Mapping[str, Mapping[str, int]]
    events: list[Event]
    directory: Path

    @property
    def artifacts(self) -> Path:
        return self.directory / "artifacts"

    @property
    def output(self) -> str:
        return "\n".join(event["stdout"] for event in self.events if event["stdout"])

    @property
    def changed(self) -> list[tuple[str, str]]:
        """Host and task of everything that changed, or in a check would."""
        return [(data["host"], data["task"]) for data in self._results("runner_on_ok") if data["res"].get("changed")]

    @property
    def failures(self) -> list[str]:
        """What each task that failed said, in one line."""
        found = [*self._results("runner_on_failed"), *self._results("runner_on_unreachable")]
        return [
            " ".join(f"{data['host']} | {data['task']}: {data['res'].get('msg')}".split())
            for data in found
            if not data.get("ignore_errors")
        ]

    def tasks(self, host: str) -> list[str]:
        """The tasks that succeeded on a host, in order."""
        return [data["task"] for data in self._results("runner_on_ok") if data["host"] == host]

    def _results(self, kind: str) -> Iterator[dict[str, Any]]:
        return (event["event_data"] for event in self.events if event["event"] == kind)


@dataclass
class Inventory:
    """An inventory in AWX's database."""

    variables: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, exported: Mapping[str, Any]) -> None:
        """Store the export of a source, with ``overwrite_vars``.

        A group's and a host's variables are replaced. Those of the group ``all`` become the inventory's own: they are
        merged, and none is ever deleted.
        """
        facts = exported.get("_meta", {}).get("hostvars", {})
        named = {host for group in exported.values() for host in group.get("hosts", [])} | facts.keys()
        for host in sorted(named):
            self.hosts[host] = dict(facts.get(host, {}))
        self.variables.update(exported.get("all", {}).get("vars", {}))
        for name, group in exported.items():
            if name in ("_meta", "all", "ungrouped"):
                continue
            for child in group.get("children", []):
                self.groups.setdefault(child, {"hosts": [], "children": [], "vars": {}})
            mine = self.groups.setdefault(name, {"hosts": [], "children": [], "vars": {}})
            mine["hosts"] += [host for host in group.get("hosts", []) if host not in mine["hosts"]]
            mine["children"] += [child for child in group.get("children", []) if child not in mine["children"]]
            mine["vars"] = dict(group.get("vars", {}))

    def script(self, number: int = 1, slices: int = 1) -> str:
        """The program that a job has as its inventory; of ``slices`` jobs that share the hosts, job ``number``'s."""
        hosts = sorted(self.hosts)[number - 1 :: slices]
        data: dict[str, Any] = {"all": {}}
        if self.variables:
            data["all"]["vars"] = self.variables
        grouped = {host for group in self.groups.values() for host in group["hosts"]}
        data["all"]["hosts"] = [host for host in hosts if host not in grouped]
        for name, group in self.groups.items():
            about = {**group, "hosts": [host for host in group["hosts"] if host in hosts]}
            if any(about.values()):
                data[name] = {key: value for key, value in about.items() if value}
        data["all"]["children"] = list(self.groups)
        data["_meta"] = {"hostvars": {host: {**self.hosts[host], **_ids(self.hosts, host)} for host in hosts}}
        return f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({json.dumps(data)!r})\n"


def _ids(hosts: Mapping[str, Any], host: str) -> dict[str, Any]:
    """Return the variables that AWX adds to a host."""
    about = {"enabled": "true", "id": list(hosts).index(host) + 1}
    return {f"remote_{kind}_{key}": value for kind in ("host", "tower") for key, value in about.items()}


class Controller:
    """One AWX with one project, in a directory of its own."""

    def __init__(self, directory: Path, credential: Mapping[str, str]) -> None:
        """``credential`` is what the credentials of the templates inject as variables of the environment."""
        self.directory = directory
        self.credential = dict(credential)
        self.project = directory / "projects" / "_6__fleet"
        self._jobs = 0
        copy_sources(self.project)

    def sync(self, inventory: Inventory, *sources: str, credential: Mapping[str, str] | None = None) -> None:
        """Update an inventory from files or folders of the project. Raises RuntimeError with what Ansible said."""
        with self._private("inventory_update") as place:
            output = place / "artifacts" / "output.json"
            output.parent.mkdir()
            environment = {
                **self._environment(place, self.credential if credential is None else credential),
                "INVENTORY_SOURCE_ID": "1",
                "INVENTORY_UPDATE_ID": "2",
                "ANSIBLE_INVENTORY_EXPORT": "True",
                "ANSIBLE_VERBOSE_TO_STDERR": "True",
                "ANSIBLE_HOST_PATTERN_MISMATCH": "error",
            }
            for source in sources:
                path = place / "project" / source
                folder = path if path.is_dir() else path.parent
                command = [BIN / "ansible-inventory", "--list", "--export", "-i", path, "--output", output]
                done = subprocess.run(
                    [*command, "--playbook-dir", folder],
                    cwd=place / "project",
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode:
                    raise RuntimeError(done.stdout + done.stderr)
                inventory.take(json.loads(output.read_text()))

    def launch(
        self,
        playbook: str,
        inventory: Inventory,
        *,
        check: bool = False,
        diff: bool = False,
        limit: str = "",
        tags: str = "",
        verbosity: int = 0,
        answers: Mapping[str, Any] | None = None,
        extra_vars: Mapping[str, Any] | None = None,
        slices: tuple[int, int] = (1, 1),
        fact_cache: Mapping[str, Mapping[str, Any]] | None = None,
        credential: Mapping[str, str] | None = None,
        passwords: Mapping[str, str] | None = None,
        cancel_at: Callable[[Event], bool] | None = None,
    ) -> Job:
        """Run a job to its end.

        ``answers`` are those of a survey, ``extra_vars`` the template's own. ``fact_cache`` is what AWX knows of hosts
        from jobs before. ``passwords`` are answers to prompts, by regular expression. ``cancel_at`` is asked with each
        event whether the job is canceled now.
        """
        self._jobs += 1
        ident = str(self._jobs)
        with self._private(f"job_{ident}") as place:
            script = place / "inventory" / "hosts"
            script.write_text(inventory.script(*slices))
            script.chmod(0o700)
            self._write_settings(place, answers or {}, extra_vars or {})
            arguments = ["--check"] * check + ["-u", "root"] + ["--diff"] * diff
            arguments += ["--ask-vault-pass"] * bool(passwords)
            arguments += ["-l", limit] * bool(limit) + [f"-{'v' * verbosity}"] * bool(verbosity)
            arguments += ["-t", tags] * bool(tags)
            (place / "env" / "cmdline").write_text(ansible_runner.utils.args2cmdline(*arguments))
            facts = place / "artifacts" / ident / "fact_cache"
            for host, known in (fact_cache or {}).items():
                facts.mkdir(parents=True, exist_ok=True)
                (facts / host).write_text(json.dumps(known))
            events: list[Event] = []
            canceled = False

            def handle(event: Event) -> bool:
                nonlocal canceled
                events.append(event)
                canceled = canceled or bool(cancel_at and cancel_at(event))
                return True  # and write it as a file

            with _only(self._environment(place, self.credential if credential is None else credential)):
                run = ansible_runner.interface.run(
                    ident=ident,
                    private_data_dir=str(place),
                    playbook=playbook,
                    inventory=str(script),
                    suppress_env_files=True,
                    envvars=_of_a_job(place),
                    passwords=dict(passwords or {}) or None,
                    fact_cache_type="" if fact_cache is None else "jsonfile",
                    event_handler=handle,
                    cancel_callback=lambda: canceled,
                    quiet=True,
                )
            return Job(run.status, run.rc, run.stats or {}, events, place)

    @contextlib.contextmanager
    def _private(self, name: str) -> Iterator[Path]:
        """A private data directory with a copy of the project that nothing may write to."""
        place = self.directory / f"awx_{name}_{time.monotonic_ns()}"
        place.mkdir(mode=0o700, parents=True)
        for folder in ("inventory", "env", "cp", "home"):
            (place / folder).mkdir(mode=0o700)
        project = place / "project"
        shutil.copytree(self.project, project, symlinks=True)
        before = _files(project)
        folders = [path for path in project.rglob("*") if path.is_dir() and not path.is_symlink()]
        for folder in folders:
            folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            yield place
        finally:
            for folder in folders:
                folder.chmod(stat.S_IRWXU)
        # The superuser can write despite the permissions.
        assert _files(project) == before, "the job wrote into its project"

    def _environment(self, place: Path, credential: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "HOME": str(place / "home"),
            "AWX_PRIVATE_DATA_DIR": str(place),
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
            **credential,
        }

    def _write_settings(self, place: Path, answers: Mapping[str, Any], extra_vars: Mapping[str, Any]) -> None:
        meta = {"job_id": 1, "job_launch_type": "manual", "job_template_name": "site", "user_name": "ann"}
        meta |= {"project_revision": "0" * 40, "inventory_id": 1, "inventory_name": "fleet"}
        variables = {**extra_vars, **answers, **{f"{p}_{key}": value for p in PREFIXES for key, value in meta.items()}}
        (place / "env" / "extravars").write_text(written(variables, extra_vars))
        settings = {"job_timeout": 0, "suppress_ansible_output": True, "suppress_output_file": False}
        (place / "env" / "settings").write_text(json.dumps(settings))


def _of_a_job(place: Path) -> dict[str, str]:
    """Return the variables that AWX sets for jobs only; the paths follow the project's ansible.cfg."""
    config = (CHECKOUT / "ansible.cfg").read_text().splitlines()
    paths = dict(line.replace(" ", "").split("=", 1) for line in config if line.startswith(("collections_", "roles_")))
    collections = [place / "requirements_collections", paths["collections_path"], "~/.ansible/collections"]
    roles = [place / "requirements_roles", paths["roles_path"], "~/.ansible/roles", "/usr/share/ansible/roles"]
    return {
        "JOB_ID": "1",
        "INVENTORY_ID": "1",
        "PROJECT_REVISION": "0" * 40,
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "MAX_EVENT_RES": "700000",
        "AWX_HOST": "https://awx.example",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(place / "cp"),
        "ANSIBLE_COLLECTIONS_PATHS": f"{place}/requirements_collections:~/.ansible/collections",
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(map(str, [*collections, "/usr/share/ansible/collections"])),
        "ANSIBLE_ROLES_PATH": os.pathsep.join(map(str, [*roles, "/etc/ansible/roles"])),
    }


def written(variables: Mapping[str, Any], trusted: Mapping[str, Any]) -> str:
    """Extra variables as AWX writes them: each text is ``!unsafe`` unless the template itself has the variable."""
    parts = []
    for name, value in variables.items():
        dumper = yaml.SafeDumper if name in trusted and trusted[name] == value else _Untrusting
        parts.append(yaml.dump({name: value}, Dumper=dumper, default_flow_style=False))
    return "".join(parts)


class _Untrusting(yaml.SafeDumper):
    """Marks each text, keys too."""

    def represent_data(self, data: Any) -> yaml.Node:
        return self.represent_scalar("!unsafe", data) if isinstance(data, str) else super().represent_data(data)


def copy_sources(project: Path) -> None:
    """Copy the files of a clone, including uncommitted changes."""
    listing = ["git", "-C", CHECKOUT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0"):
        source, target = CHECKOUT / name, project / name
        if name and (source.is_symlink() or source.is_file()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def _files(project: Path) -> set[Path]:
    """All files; the byte code of a module is written where that is allowed."""
    return {path for path in project.rglob("*") if "__pycache__" not in path.parts}


def _only(environment: Mapping[str, str]) -> Any:
    """This environment, and nothing of the machine's."""
    return mock.patch.dict(os.environ, environment, clear=True)
