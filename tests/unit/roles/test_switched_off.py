# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS resources for an option are deleted when the option is disabled."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.options import ROLES
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import imported

# The task file of an enabled option, and the file that removes its resources.
OPTIONS = {
    "cluster_autoscaler_enabled": ("cluster_autoscaler", "install", "absent"),
    "elasticsearch_snapshots": ("elasticsearch", "bucket", "no_snapshots"),
    "vpc_flow_logs": ("vpc", "flow_logs", "no_flow_logs"),
}
READING = ("_info", "check_ownership")


def tasks(role: str, file: str = "*") -> Iterator[dict[str, Any]]:
    for path in sorted((ROLES / role / "tasks").glob(f"{file}.yml")):
        yield from parse(path.read_text()) or []


@functools.cache
def switches(role: str) -> set[str]:
    options = parse((ROLES / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    return {name for name, option in options.get("options", {}).items() if option["type"] == "bool"}


def made(role: str, file: str, state: str) -> set[tuple[str, str]]:
    """The modules that make (or remove) things, each with what names the thing."""
    found = set()
    for task in tasks(role, file):
        for module, options in task.items():
            foreign = module.count(".") != 2 or module.startswith("ansible.") or module.endswith(READING)
            if not foreign and options.get("state", "present") == state:
                found.add((module, options.get("name", options.get("service_account"))))
    return found


def test_every_switch_that_makes_something_is_looked_at() -> None:
    found = {
        (str(task["when"]), role.name, file.removesuffix(".yml"))
        for role in ROLES.glob("*/")
        for task in tasks(role.name)
        for file in imported(task)
        if str(task.get("when")) in switches(role.name)
    }
    assert found == {(option, role, on) for option, (role, on, _off) in OPTIONS.items()}
    direct = [
        (role.name, task["name"])
        for role in ROLES.glob("*/")
        for task in tasks(role.name)
        if str(task.get("when")) in switches(role.name)
        and any(key.startswith(("amazon.", "dataplatform.")) for key in task)
    ]
    assert direct == []


@pytest.mark.parametrize("option", OPTIONS)
def test_resources_of_an_option_are_deleted_with_it(option: str) -> None:
    role, on, off = OPTIONS[option]
    assert made(role, on, "present")
    assert made(role, on, "present") == made(role, off, "absent")
    (switched_off,) = [
        task for task in tasks(role) if f"{off}.yml" in imported(task) and f"not {option}" in str(task.get("when"))
    ]
    assert switched_off
