# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a role on the inventory of staging and record what each task says it changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.dataplatform.fleet.tests.integration import commands

CHECKOUT = Path(__file__).resolve().parents[3]
RECORDER = CHECKOUT / "tests" / "integration" / "site" / "callback_plugins"
# Task, item, and a changed field or "." for a change without a diff.
Announcement = tuple[str, str | None, str]


@dataclass(frozen=True)
class RoleRun:
    """A finished run of ansible-playbook."""

    returncode: int
    output: str
    results: list[dict[str, Any]]

    @property
    def announced(self) -> set[Announcement]:
        return {
            (result["task"], result["item"], field)
            for result in self.results
            if result["changed"]
            for field in result["fields"] or ["."]
        }

    @property
    def fields(self) -> set[str]:
        return {field for _task, _item, field in self.announced}


RunRole = Callable[..., RoleRun]


def role_runner(folder: Path) -> RunRole:
    """Return a function that runs roles (or some of their task files) against an AWS API."""

    def run(
        cloud: Any,
        roles: str,
        *arguments: str,
        variables: Mapping[str, Any] | None = None,
        tasks_from: str = "main",
        succeed: bool | None = True,
    ) -> RoleRun:
        playbook, record = folder / "play.yml", folder / "record.jsonl"
        record.unlink(missing_ok=True)
        tasks = [
            {
                "name": f"Run {role}",
                "ansible.builtin.include_role": {"name": f"dataplatform.fleet.{role}", "tasks_from": tasks},
            }
            for role in roles.split()
            for tasks in tasks_from.split()
        ]
        defaults = {"group/dataplatform.fleet.all": "{{ aws_connection }}"}
        play = {"hosts": "managed", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}
        playbook.write_text(yaml.safe_dump([play]))
        connection = {
            "aws_endpoint_url": cloud.endpoint_url,
            "aws_access_key": cloud.env["AWS_ACCESS_KEY_ID"],
            "aws_secret_key": cloud.env["AWS_SECRET_ACCESS_KEY"],
            "eks_public_access_cidrs": ["203.0.113.0/24"],
        }
        extra = json.dumps({**connection, **(variables or {})})
        done = commands.run(
            *("ansible-playbook", "-i", "inventories/staging", playbook, "-e", extra, *arguments),
            env={
                **cloud.env,
                "ANSIBLE_CALLBACK_PLUGINS": str(RECORDER),
                "ANSIBLE_CALLBACKS_ENABLED": "record,dataplatform.fleet.option_types,dataplatform.fleet.run_cache",
                "ANSIBLE_DEPRECATION_WARNINGS": "false",
                "ANSIBLE_NOCOLOR": "1",
                "RECORD_FILE": str(record),
            },
        )
        output = done.stdout + done.stderr
        results = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
        if succeed is not None:
            assert (done.returncode == 0) is succeed, output[-6000:]
        return RoleRun(done.returncode, output, results)

    return run
