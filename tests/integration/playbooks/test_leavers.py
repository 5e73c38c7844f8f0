# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A member that has been built and is missing from fleet.yml keeps its resources until its name is typed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.playbooks.conftest import build, said, unchanged
from tests.integration.site.conftest import Playbook

pytestmark = pytest.mark.integration
FLEET = ("-e", "fleet_name=leavers")


@pytest.fixture(scope="module")
def names(local_cloud: Any) -> Any:
    """`gone` and `sold` are in no fleet.yml; `never` was not built."""
    build(local_cloud, "leavers", "controlplane", "gone", "sold", "staging")
    client = local_cloud.client("secretsmanager")
    tags = [
        {"Key": f"dataplatform.fleet/{key}", "Value": value}
        for key, value in (("fleet", "leavers"), ("member", "never"))
    ]
    client.create_secret(Name="leavers/never/issuer", SecretString="{}", Tags=tags)

    def found() -> set[str]:
        pages = client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": ["leavers/"]}])
        return {secret["Name"].removeprefix("leavers/") for page in pages for secret in page["SecretList"]}

    return found


@pytest.mark.parametrize(
    ("run", "missing"),
    [
        (("site.yml",), "gone, sold"),
        (("playbooks/controlplane.yml", "--check"), "gone, sold"),
        (("playbooks/controlplane.yml", "--tags", "pki", "-e", "remove=sold"), "gone"),
    ],
)
@pytest.mark.usefixtures("names")
def test_is_refused_before_the_first_change(
    playbook: Playbook, local_cloud: Any, run: tuple[str, ...], missing: str
) -> None:
    name, *arguments = run
    with unchanged(local_cloud):
        refused = playbook(name, "controlplane", *FLEET, *arguments, succeed=False)
    text = said(refused)
    assert f"inventories/fleet.yml: fleet_members lacks {missing}, built before and not destroyed since." in text
    assert f"type its name: -e remove={missing.replace(', ', ',')}." in text
    assert refused.announced == set()


def test_skipped_tasks_delete_nothing(playbook: Playbook, names: Any) -> None:
    before = names()
    start = ("--start-at-task", "dataplatform.fleet.pki : Create the fleet's root, issuers and credentials")
    playbook("playbooks/controlplane.yml", "controlplane", "--tags", "pki", *FLEET, *start, succeed=False)
    assert names() >= before


def test_a_run_of_another_member_is_not_concerned(playbook: Playbook, names: Any) -> None:
    playbook("playbooks/controlplane.yml", "staging", *FLEET, "--tags", "none")


def test_members_with_typed_names_are_removed(playbook: Playbook, names: Any) -> None:
    """In check mode and in the run, and no other member."""
    before = names()
    only = {"controlplane": {"purpose": "controlplane", "region": "eu-central-1", "vpc_cidr": "10.40.0.0/16"}}
    typed = ("-e", json.dumps({"fleet_name": "leavers", "fleet_members": only, "remove": "gone, sold,staging"}))
    command = ("playbooks/controlplane.yml", "controlplane", "--tags", "pki", *typed)
    announced = playbook(*command, "--check", "--diff").announced
    fields = {field.split(".")[0] for *_, field in announced}
    members = ("gone", "sold", "staging")
    gone = {f"{member}/{document}" for member in members for document in ("issuer", "kafka", "tls")}
    assert {f"leavers/{name}" for name in gone} <= fields
    assert names() == before
    playbook(*command)
    assert before - names() == gone | {"never/issuer"}
