# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role in a user's play without inventories/fleet.yml."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.fleet import OPTIONS, OTHERS
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.lookup import SharedLookup
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    CHECKOUT,
    ROLES,
    role_names,
    shared_values,
    usual_host,
)

every_role = pytest.mark.parametrize("role", role_names())
REFUSAL = re.compile(r"fleet_(name|region|members|tags) is not set\. .* roles/fleet/README\.md")
INPUTS = ("fleet_name", "fleet_region", "fleet_members")


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = DataLoader().load_from_file(str(path), trusted_as_template=True)
    return found


def fleet_yml() -> dict[str, Any]:
    return load(CHECKOUT / "inventories" / "fleet.yml")


def seen(role: str, **given: Any) -> dict[str, Any]:
    """Return a role's variables with those of a play only, including the defaults of its dependencies."""
    found: dict[str, Any] = {"inventory_hostname": usual_host(role)}
    for needed in (*load(ROLES / role / "meta" / "main.yml")["dependencies"], f"dataplatform.fleet.{role}"):
        found |= load(ROLES / needed.removeprefix("dataplatform.fleet.") / "defaults" / "main.yml")
    constants = ROLES / role / "vars" / "main.yml"
    return found | {"role_path": str(ROLES / role)} | (load(constants) if constants.exists() else {}) | given


def value(name: str, variables: dict[str, Any]) -> Any:
    return Templar(DataLoader(), variables=variables).template(variables[name])


@every_role
def test_missing_options_are_reported_with_their_documentation(role: str) -> None:
    variables = seen(role)
    refusals = {}
    for name in load(ROLES / role / "defaults" / "main.yml"):
        try:
            value(name, variables)
        except AnsibleError as error:
            refusals[name] = str(error)
    assert refusals
    assert {name: text for name, text in refusals.items() if not REFUSAL.search(text)} == {}


@every_role
def test_three_variables_are_enough(role: str) -> None:
    inputs = {name: fleet_yml()[name] for name in INPUTS}
    variables = seen(role, **inputs, fleet_values=shared_values())
    for name in load(ROLES / role / "defaults" / "main.yml"):
        value(name, variables)


# Internals that read what the fleet has written, whatever options are given. Kafka's are the default of an option.
SHARED = {
    "kafka": {"__kafka_password_paths", "__kafka_member_passwords"},
    "peering": {"__peering_written", "__peering_peer", "__peering_known", "__peering_known_peer", "__peering_former"},
    "pki": {"__pki_known_members", "__pki_alone"},
    # Its default alone needs the names.
    "prometheus": {"__prometheus_certificate_names"},
}
# Options whose default is empty and stands for a value of the fleet.
EMPTY = {"verify": {"verify_ca": "certificate"}}


def outcomes(role: str, variables: dict[str, Any]) -> dict[str, Any]:
    """The value of each option and internal of a role, or the error that it ends with."""
    found: dict[str, Any] = {}
    constants = ROLES / role / "vars" / "main.yml"
    for path in (ROLES / role / "defaults" / "main.yml", *([constants] if constants.exists() else [])):
        for name in load(path):
            try:
                found[name] = value(name, variables)
            except AnsibleError as error:
                found[name] = error
    return found


@functools.cache
def of_the_fleet(role: str) -> dict[str, Any]:
    """The options that a role cannot have without the fleet's variables, with the values that they have with them."""
    needed = (name for name, found in outcomes(role, seen(role)).items() if isinstance(found, AnsibleError))
    inputs = {name: fleet_yml()[name] for name in INPUTS}
    full = outcomes(role, seen(role, **inputs, fleet_values=shared_values(), ansible_search_path=[str(ROLES / role)]))
    options = load(ROLES / role / "defaults" / "main.yml")
    return {name: full[name] for name in needed if name in options} | EMPTY.get(role, {})


@every_role
def test_options_replace_the_fleet_and_its_secrets(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that sets them needs no variable of the fleet, and no secret is read."""
    given = of_the_fleet(role)
    assert given

    def refuse(self: SharedLookup, path: Any, variables: Any) -> str:
        raise AnsibleError(f"looked up: fleet_name is not set. {path.text} roles/fleet/README.md")

    monkeypatch.setattr(SharedLookup, "_value", refuse)
    found = outcomes(role, seen(role, **given, ansible_search_path=[str(ROLES / role)]))
    refused = {name for name, text in found.items() if REFUSAL.search(str(text))}
    assert refused - SHARED.get(role, set()) == set()
    assert not refused & set(given)


@pytest.mark.parametrize("prefix", ["", "dataplatform.fleet."])
def test_a_play_with_the_options_alone_passes_validation(prefix: str, tmp_path: Path) -> None:
    roles = [{"role": f"{prefix}{role}", "vars": of_the_fleet(role)} for role in role_names()]
    play = {"hosts": "staging", "gather_facts": False, "roles": roles}
    (tmp_path / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    # Validation has the tag always, and no task has this one.
    run = ansible_playbook("-i", "staging,", tmp_path / "play.yml", "--tags", "none-has-it")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count(": Validating arguments against arg spec") == len(roles)


def test_derived_values_equal_those_of_fleet_yml() -> None:
    host = {"inventory_hostname": "staging", "aws_connection": {"region": "eu-central-1"}}
    role, inventory = load(ROLES / "fleet" / "defaults" / "main.yml"), fleet_yml()
    follows = [name for name in role if name in inventory and name not in INPUTS]
    assert {"fleet_cluster", "fleet_member", "fleet_connection"} <= set(follows)
    given = {name: inventory[name] for name in INPUTS}
    for name in follows:
        assert value(name, role | given | host) == value(name, inventory | host), name


def test_a_host_that_is_not_a_member_is_reported() -> None:
    inputs = {name: fleet_yml()[name] for name in INPUTS}
    with pytest.raises(AnsibleError, match=r"other is not in fleet_members\. Add it"):
        value("vpc_cidr", seen("vpc", **inputs, inventory_hostname="other"))


def test_the_readme_describes_every_variable() -> None:
    table = (ROLES / "fleet" / "README.md").read_text(encoding="utf-8")
    described = {name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert described == {*OPTIONS, *OTHERS}


@every_role
def test_no_specification_has_a_template(role: str) -> None:
    """Ansible evaluates templates in specifications in every run, even defaults of options that are set."""
    assert not re.search(r"{{|{%", (ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))


def test_optional_fields_remain_optional() -> None:
    assert value("vpc_tags", seen("vpc")) == {}


def test_a_play_ends_with_that_error(tmp_path: Path) -> None:
    include = {"name": "dataplatform.fleet.vpc", "tasks_from": "absent"}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": include}]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    run = ansible_playbook("-i", "localhost,", tmp_path / "play.yml")
    assert run.returncode == 2
    assert REFUSAL.search(run.stdout + run.stderr)


@pytest.mark.parametrize(
    "role", [role for role in role_names() if role not in ("eks", "peering", "pki", "verify", "vpc")]
)
def test_a_scenario_gives_the_secrets_that_other_roles_make(role: str) -> None:
    """In a scenario that runs alone, no role pki has made them."""
    options = CHECKOUT / "extensions" / "molecule" / role / "vars" / "main.yml"
    known = yaml.safe_load(options.read_text(encoding="utf-8"))
    defaults = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    read = {
        f"testing{path}"
        for name, value in defaults.items()
        if name not in known
        for path in re.findall(r"fleet_secret', \w+ ~ '(/[\w/-]+)'", str(value))
    }
    assert read - set(known.get("fleet_values", {})) == set()
