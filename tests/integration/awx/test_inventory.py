# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory after export by AWX, storage and use by a job as an inventory script. Needs no cloud."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.integration.awx.controller import Controller, Inventory, Job
from tests.integration.inventory.test_eks import ONE, aws, url

__all__ = ["aws", "url"]

pytestmark = pytest.mark.integration

MEMBERS = ("controlplane", "production", "staging", "testing")
LOOKUP = "{{ lookup('ansible.builtin.env', 'AWS_REGION') }}"


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(tmp_path_factory.mktemp("awx"), {"AWS_REGION": "eu-west-3"})


@pytest.fixture(scope="module")
def exported(controller: Controller) -> Inventory:
    """All members, with each inventory as a source; one host has values that an export can lose."""
    secret = VaultLib([("default", VaultSecret(b"open sesame"))]).encrypt("s3cret word").decode()
    lines = "\n".join(f"  {line}" for line in secret.splitlines())
    folder = controller.project / "inventories" / "staging" / "host_vars" / "staging"
    (folder / "more.yml").write_text(f'from_the_job: "{LOOKUP}"\nvaulted: !vault |\n{lines}\nempty: {{}}\n')
    inventory = Inventory()
    controller.sync(inventory, *(f"inventories/{member}" for member in MEMBERS))
    return inventory


def shown(job: Job) -> dict[str, dict[str, Any]]:
    """Return the output of a job's task, by host."""
    assert job.status == "successful", job.output[-3000:]
    results = [event["event_data"] for event in job.events if event["event"] == "runner_on_ok"]
    return {data["host"]: data["res"]["msg"] for data in results if data["task"] == "Show"}


def play(controller: Controller, expression: str) -> str:
    task = {"name": "Show", "ansible.builtin.debug": {"msg": f"{{{{ {expression} }}}}"}}
    (controller.project / "show.yml").write_text(
        yaml.safe_dump([{"hosts": "managed", "gather_facts": False, "tasks": [task]}])
    )
    return "show.yml"


def test_awx_stores_no_variable_that_it_would_never_delete(exported: Inventory) -> None:
    """AWX merges the variables of the group ``all``, and never deletes variables."""
    assert exported.variables == {}
    assert "fleet_members" in exported.groups["managed"]["vars"]
    assert set(exported.hosts) == set(MEMBERS)


def test_a_job_has_the_variables_that_a_run_from_the_checkout_has(controller: Controller, exported: Inventory) -> None:
    """Each variable of the inventory files, evaluated; nothing depends on where the inventory is."""
    folders = [controller.project / "inventories" / member for member in MEMBERS]
    files = {path.resolve() for folder in folders for path in folder.glob("*_vars/**/*.yml")}
    names = sorted({name for path in files for name in Lenient(path.read_text()).get_single_data()})
    assert {"fleet_connection", "eks_nodegroups", "from_the_job", "vaulted"} <= set(names)
    asked = ", ".join(f"'{name}': {name} | default('undefined')" for name in names)
    playbook = play(controller, f"{{{asked}}}")
    password = {"Vault password:\\s*?$": "open sesame"}
    in_job = shown(controller.launch(playbook, exported, passwords=password))
    assert in_job["staging"]["from_the_job"] == "eu-west-3"
    assert in_job["staging"]["vaulted"] == "s3cret word"
    for host, values in from_files(controller, playbook, folders).items():
        assert in_job[host] == values


class Lenient(yaml.SafeLoader):
    """Takes a vaulted text for a text."""


Lenient.add_constructor("!vault", lambda loader, node: loader.construct_scalar(node))


def from_files(controller: Controller, playbook: str, folders: list[Path]) -> Mapping[str, Any]:
    password = controller.directory / "password"
    password.write_text("open sesame")
    environment = controller._environment(controller.directory, controller.credential)
    command = ["ansible-playbook", playbook, *(part for folder in folders for part in ("-i", folder))]
    done = subprocess.run(
        [*command, "--vault-password-file", password],
        cwd=controller.project,
        env={**environment, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    hosts = json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"][0]["hosts"]
    return {host: result["msg"] for host, result in hosts.items()}


def test_a_slice_knows_the_whole_fleet(controller: Controller, exported: Inventory) -> None:
    playbook = play(controller, "fleet_members | list")
    slices = [shown(controller.launch(playbook, exported, slices=(number, 2))) for number in (1, 2)]
    assert [sorted(hosts) for hosts in slices] == [["controlplane", "staging"], ["production", "testing"]]
    assert all(sorted(members) == sorted(MEMBERS) for hosts in slices for members in hosts.values())


def test_values_of_aws_are_stored_as_text(controller: Controller, url: str) -> None:
    """Values that look like templates are not evaluated."""
    (controller.project / "eks.yml").write_text("plugin: dataplatform.fleet.eks\n")
    keys = {"AWS_ACCESS_KEY_ID": ONE, "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": url}
    inventory = Inventory()
    controller.sync(inventory, "eks.yml", credential=keys)
    assert set(inventory.hosts) == {"staging", "legacy", "spare"}
    note = inventory.hosts["legacy"]["eks_discovered"]["tags"].pop("note")
    assert note == {"__ansible_unsafe": "{{ 1 + 1 }}"}
    assert "__ansible_unsafe" not in json.dumps(inventory.hosts)
    assert inventory.hosts["staging"]["eks_discovered"]["name"] == "dataplatform-staging"


def test_an_inventory_of_another_version(controller: Controller, exported: Inventory) -> None:
    """One sentence contains the missing variables and the fix."""
    old = copy.deepcopy(exported)
    del old.groups["managed"]["vars"]["fleet_connection"]
    del old.groups["managed"]["vars"]["kube_connection"]
    (failure,) = controller.launch("site.yml", old, check=True, limit="staging").failures
    assert "The inventory sets no fleet_connection, kube_connection for staging" in failure
    assert "Synchronize the sources of the AWX inventory again" in failure


def test_an_inventory_without_the_fleets_group(controller: Controller, exported: Inventory) -> None:
    """A job that finds no cluster has failed; for Ansible alone it would be successful."""
    old = copy.deepcopy(exported)
    del old.groups["managed"]
    job = controller.launch("site.yml", old, check=True, limit="staging")
    assert job.status == "failed"
    (failure,) = job.failures
    assert "No host of the inventory is in the group managed" in failure
    assert "In AWX, synchronize the sources of the inventory" in failure


def test_variables_of_an_older_version_in_the_group_all_have_no_effect(
    controller: Controller, exported: Inventory
) -> None:
    old = copy.deepcopy(exported)
    old.variables = {"fleet_name": "former", "fleet_members": {}, "fleet_region": "us-east-1"}
    assert shown(controller.launch(play(controller, "fleet_cluster"), old, limit="staging")) == {
        "staging": "dataplatform-staging"
    }


def test_a_missing_credential(controller: Controller, exported: Inventory) -> None:
    answers = {"eks_public_access_cidrs": "203.0.113.0/24"}
    job = controller.launch("site.yml", exported, check=True, limit="staging", answers=answers)
    (failure,) = job.failures
    assert "staging: the AWS credentials of the run do not work: " in failure
    assert "in AWX a credential of the job template" in failure


def test_answers_out_of_range(controller: Controller, exported: Inventory) -> None:
    """One sentence contains all errors, before any AWS call."""
    answers = {
        "elasticsearch_replicas": "-1",
        "vpc_az_count": "three",
        "vpc_flow_logs": "maybe",
        "kafka_topics": "[]",
        "eks_version": "latest",
        "eks_public_access_cidrs": "everywhere",
    }
    job = controller.launch("site.yml", exported, check=True, limit="controlplane", answers=answers)
    (failure,) = job.failures
    for name, answer in answers.items():
        assert name in failure
        assert answer in failure


def test_a_project_without_the_collection_it_needs(controller: Controller, exported: Inventory) -> None:
    """As where AWX has copied the files and not followed the link, and the image has no collection either."""
    link = controller.project / "collections" / "ansible_collections" / "dataplatform" / "fleet"
    target = link.readlink()
    link.unlink()
    try:
        with pytest.raises(RuntimeError, match="dataplatform"):
            controller.sync(Inventory(), "eks.yml")
        job = controller.launch("site.yml", exported, check=True, limit="staging")
    finally:
        link.symlink_to(target)
    assert job.status == "failed"
    assert "dataplatform.fleet" in job.output
