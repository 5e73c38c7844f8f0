# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared properties of all plays with roles."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("*.yml"), *ROOT.glob("playbooks/*.yml")]
CONNECTIONS = {
    "group/dataplatform.fleet.all": "{{ aws_connection }}",
    "dataplatform.fleet.apply": "{{ kube_connection }}",
}


def runs_roles(play: dict[str, Any]) -> bool:
    return bool(play.get("roles")) or any("ansible.builtin.include_role" in task for task in play.get("tasks", []))


PLAYS = [
    pytest.param(play, id=f"{path.stem}: {play['name']}")
    for path in FILES
    for play in parse(path.read_text())
    if isinstance(play, dict) and "hosts" in play and runs_roles(play)
]


@pytest.mark.parametrize("play", PLAYS)
def test_connects_with_the_settings_of_the_inventory(play: dict[str, Any]) -> None:
    assert play["module_defaults"] == CONNECTIONS


def used_modules(value: Any) -> Iterator[str]:
    """The modules of AWS collections in a file's tasks, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            if re.fullmatch(r"(amazon|community)\.aws\.\w+", key):
                yield key
            yield from used_modules(item)
    elif isinstance(value, list):
        for item in value:
            yield from used_modules(item)


def test_the_modules_of_other_collections_get_the_connection_too() -> None:
    group = set(parse((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["all"])
    folders = ("playbooks/tasks", "roles/*/tasks", "extensions/molecule/*")
    tasks = [*FILES, *(path for folder in folders for path in ROOT.glob(f"{folder}/*.yml"))]
    used = {module for path in tasks for module in used_modules(parse(path.read_text()))}
    assert used
    assert used == {module for module in group if "." in module}


# A fleet, beside what an inventory may find: another account's cluster, and the machine that runs Ansible.
INVENTORY = """\
managed:
  children:
    purpose_controlplane: {hosts: {controlplane: }}
    purpose_workload: {hosts: {staging: , testing: }}
aws_eks: {hosts: {staging: , foreign: }}
ungrouped: {hosts: {laptop: , localhost: }}
"""
DECLARED = {"controlplane", "staging", "testing"}


def touched(tmp_path: Path, play: dict[str, Any]) -> set[str]:
    """The hosts that Ansible selects for a play."""
    file = tmp_path / "hosts.yml"
    file.write_text(INVENTORY)
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(file)])
    templar = Templar(loader, variables={"groups": inventory.get_groups_dict()})
    return {host.name for host in inventory.get_hosts(templar.template(trust_as_template(play["hosts"])))}


@pytest.mark.parametrize("play", PLAYS)
def test_touches_only_declared_clusters(play: dict[str, Any], tmp_path: Path) -> None:
    found = touched(tmp_path, play)
    assert found
    assert found <= DECLARED
    if "purpose_" in play["hosts"]:
        assert found in ({"controlplane"}, {"staging", "testing"}), "of one purpose"


def plays_of(path: Path) -> Iterator[dict[str, Any]]:
    """The plays of a playbook and of those that it imports, in their order."""
    for play in parse(path.read_text()):
        imported = play.get("import_playbook")
        yield from plays_of(path.parent / imported) if imported else [play]


def roles_of(path: Path) -> list[str]:
    plays = [play for play in plays_of(path) if play["name"] != "Check the plan"]
    included = [task.get("ansible.builtin.include_role") for play in plays for task in play.get("tasks", [])]
    static = [role["role"] for play in plays for role in play.get("roles", [])]
    return sorted({*static, *(role["name"] for role in included if role)})


LAYERS = ("clusters", "ingress", "controlplane", "agents")


@pytest.mark.parametrize("name", ["site.yml", "destroy.yml", *(f"playbooks/{layer}.yml" for layer in LAYERS)])
def test_each_clusters_plan_is_checked_once_in_a_run(name: str) -> None:
    assert [play["name"] for play in plays_of(ROOT / name)].count("Check the plan") == 1


def test_the_layers_together_are_the_site() -> None:
    site = roles_of(ROOT / "site.yml")
    assert site == sorted({role for layer in LAYERS for role in roles_of(ROOT / "playbooks" / f"{layer}.yml")})
    components = {path.parents[1].name for path in ROOT.glob("roles/*/tasks/main.yml")} - {"verify"}
    assert site == sorted(f"dataplatform.fleet.{name}" for name in components)


@pytest.mark.parametrize("name", ["site", "destroy"])
def test_they_run_from_the_collection(name: str) -> None:
    command = ["ansible-playbook", "--list-tasks", "-i", "inventories/staging", f"dataplatform.fleet.{name}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = re.findall(r"play #\d+ \(.*?\): (.*?)\t", run.stdout)
    assert found == [play["name"] for play in plays_of(ROOT / f"{name}.yml")]


@pytest.mark.parametrize("name", ["preflight", "status", "unlock", "render", "kubeconfig"])
def test_an_inventory_without_clusters_is_an_error(name: str, tmp_path: Path) -> None:
    """Ansible would skip all plays and succeed, for example with an inventory that AWX has not synchronized."""
    (tmp_path / "hosts.yml").write_text("others: {hosts: {web: , db: }}\n")
    for inventory in ([], ["-i", str(tmp_path / "hosts.yml")]):
        run = ansible_playbook(ROOT / "playbooks" / f"{name}.yml", *inventory)
        assert run.returncode == 2, run.stdout + run.stderr
        assert "No host of the inventory is in the group managed" in run.stdout


def test_found_the_plays() -> None:
    assert len(PLAYS) >= 3


@pytest.mark.parametrize("name", ["site.yml", "destroy.yml"])
def test_locks_are_released_at_the_end(name: str) -> None:
    """Where ansible-playbook is the first process of a container, nothing outlives it that could do so."""
    release = list(plays_of(ROOT / "playbooks" / "release_locks.yml"))
    assert list(plays_of(ROOT / name))[-len(release) :] == release
    assert all("always" in play["tags"] for play in release)


HELD = "{{ lookup('dataplatform.fleet.held_lock', fleet_cluster) }}"
# They change no cluster, or take no role that does.
WITHOUT_LOCK = {"Check the plan", "Report"}


@pytest.mark.parametrize("play", PLAYS)
def test_plays_that_change_a_cluster_hold_its_lock(play: dict[str, Any]) -> None:
    if play["name"] not in WITHOUT_LOCK:
        assert play["environment"] == HELD


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_playbook_that_takes_locks_ends_with_their_confirmation(path: Path) -> None:
    content = parse(path.read_text())
    imported = [play.get("import_playbook", "") for play in content if isinstance(play, dict)]
    if any(name.endswith("preflight.yml") for name in imported):
        # After its verdict, verify.yml does nothing more.
        last = imported[-2 if path.stem == "verify" else -1]
        assert last in ("confirm_locks.yml", "release_locks.yml")
