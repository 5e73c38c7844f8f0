# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action `check_conditions` in plays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook

HOLDS = {"that": "size | int == 3", "fail_msg": "{{ not_defined }}"}
FAILS = {"that": "size | int < 3", "fail_msg": "size is {{ size }}"}
FAILS_TOO = {
    "that": ["true", "zones | length > size | int"],
    "fail_msg": "{{ inventory_hostname }}: {{ zones | join(', ') }}",
}
BROKEN = {"that": "not_defined | length == 0", "fail_msg": "never"}


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
@pytest.mark.parametrize(
    ("conditions", "faults"),
    [
        ([], []),
        ([HOLDS], []),
        ([HOLDS, FAILS], ["size is 3"]),
        ([FAILS, HOLDS, FAILS_TOO], ["size is 3", "h: a, b"]),
        ([FAILS, BROKEN, FAILS_TOO], ["size is 3"]),
    ],
)
def test_every_fault_is_returned(
    tmp_path: Path, conditions: list[dict[str, Any]], faults: list[str], options: tuple[str, ...]
) -> None:
    result = run(tmp_path, conditions, *options)
    assert result["faults"] == faults
    assert result.get("failed", False) is bool(faults)
    assert not result["changed"]
    if faults:
        assert result["msg"] == "\n".join(faults)


def test_a_condition_that_cannot_be_evaluated_is_an_error(tmp_path: Path) -> None:
    result = run(tmp_path, [HOLDS, BROKEN])
    assert result["failed"]
    assert "'not_defined' is undefined" in result["msg"]


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([{"that": "true"}], "missing required arguments: fail_msg found in conditions"),
        ([{**HOLDS, "fail_message": "x"}], "Unsupported parameters"),
        ("true", "dictionary requested"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, conditions: Any, words: str) -> None:
    result = run(tmp_path, conditions)
    assert result["failed"]
    assert words in result["msg"]


def run(folder: Path, conditions: Any, *options: str) -> dict[str, Any]:
    """Return the result of a task with these conditions on one host, with the variables `size` and `zones`."""
    (folder / "hosts.yml").write_text("all: {hosts: {h: {size: '3', zones: [a, b]}}}\n", encoding="utf-8")
    task = {"dataplatform.fleet.check_conditions": {"conditions": conditions}}
    play = [{"hosts": "h", "gather_facts": False, "tasks": [task]}]
    (folder / "play.yml").write_text(json.dumps(play), encoding="utf-8")
    done = ansible_playbook(
        "-i", folder / "hosts.yml", folder / "play.yml", *options, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json"
    )
    report, _ = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{\n") :])
    result: dict[str, Any] = report["plays"][0]["tasks"][0]["hosts"]["h"]
    return result
