# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No task makes a change that check mode does not announce: modules without check mode are skipped in it."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import CHECKOUT, ROLES

# Modules without check mode that the roles use: the reason, and the test that runs them in check mode.
HANDLED = {
    "amazon.aws.sts_assume_role": (
        "It changes nothing: it runs in check mode too, and counts as unchanged.",
        "tests/integration/playbooks/test_account.py::test_the_account_is_not_the_declared_one",
    ),
    "ansible.builtin.command": (
        "It lists an installed collection, in check mode too.",
        "tests/integration/awx/test_controller.py::test_it_creates_the_declared_objects",
    ),
}
BLOCKS = ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers")
# Ansible reads them itself; what they name is a file of tasks or a role, and is looked at by itself.
# awx.awx is no dependency: tests/integration/awx/test_controller.py runs its modules in check mode where they are.
STATEMENTS = re.compile(r"ansible\.builtin\.((import|include)_(tasks|role|playbook)|meta)$|awx\.awx\.")

Task = dict[str, Any]


def tasks_in(value: Any) -> Iterator[Task]:
    for item in value or []:
        parts = [part for part in BLOCKS if part in item]
        if parts:
            for part in parts:
                yield from tasks_in(item[part])
        else:
            yield item


@functools.cache
def used() -> dict[str, list[tuple[str, Task]]]:
    """Every task of the roles and playbooks, by its module."""
    found: dict[str, list[tuple[str, Task]]] = {}
    for path in [*ROLES.glob("*/tasks/**/*.yml"), *(CHECKOUT / "playbooks").rglob("*.yml")]:
        for task in tasks_in(parse(path.read_text(encoding="utf-8"))):
            for key in task:
                if re.fullmatch(r"\w+\.\w+\.\w+", key) and not STATEMENTS.match(key):
                    found.setdefault(key, []).append((f"{path.relative_to(CHECKOUT)}: {task['name']}", task))
    return found


@functools.cache
def documented(*modules: str) -> dict[str, str]:
    """What each module's documentation says of check mode: full, partial, none, N/A, or nothing."""
    shown = subprocess.run(
        ["ansible-doc", "--json", *modules], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    pages = json.loads(shown.stdout)
    assert set(pages) == set(modules)
    return {
        name: (page["doc"].get("attributes") or {}).get("check_mode", {}).get("support", "")
        for name, page in pages.items()
    }


def declared(module: str) -> bool:
    """Whether a module tells Ansible that it supports check mode; otherwise Ansible skips it there."""
    namespace, collection, name = module.split(".")
    spec = find_spec(f"ansible_collections.{namespace}.{collection}")
    assert spec
    assert spec.submodule_search_locations
    (path,) = {
        file
        for folder in spec.submodule_search_locations
        if (file := Path(folder) / "plugins" / "modules" / f"{name}.py").is_file()
    }
    keywords = [
        keyword.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "supports_check_mode"
    ]
    return any(isinstance(value, ast.Constant) and value.value is True for value in keywords)


def lacks_check_mode(module: str, support: str) -> bool:
    """Documentation counts, and where it says nothing, as with most modules of AWS, what the module tells Ansible."""
    return not declared(module) if support == "" else support in ("none", "partial")


def without_check_mode(*modules: str) -> set[str]:
    return {module for module, support in documented(*modules).items() if lacks_check_mode(module, support)}


def test_it_knows_modules_that_lack_check_mode() -> None:
    known = {
        "amazon.aws.s3_bucket",
        "community.aws.s3_lifecycle",
        "ansible.builtin.raw",
        "ansible.builtin.command",
    }
    assert without_check_mode(*sorted(known), "amazon.aws.iam_role", "ansible.builtin.copy") == known


def test_modules_without_check_mode_are_known_and_used_with_care() -> None:
    assert len(used()) > 30
    assert without_check_mode(*sorted(used())) == set(HANDLED)


@pytest.mark.parametrize("module", HANDLED)
def test_a_task_without_check_mode_declares_its_behaviour_in_check_mode(module: str) -> None:
    """It only reads and reports no change; or a condition skips it."""
    for where, task in used()[module]:
        reads = task.get("check_mode") is False and task.get("changed_when") is False
        assert reads or "not ansible_check_mode" in str(task.get("when")), where


@pytest.mark.parametrize("module", HANDLED)
def test_the_named_test_exists(module: str) -> None:
    path, _, name = HANDLED[module][1].partition("::")
    assert f"def {name}(" in (CHECKOUT / path).read_text(encoding="utf-8")
