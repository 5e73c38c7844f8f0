# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a whole run. With a tag that nothing has, site.yml does no more than prepare and end a run."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.integration.site.conftest import Playbook, Run

pytestmark = pytest.mark.integration

# Without it, a run would use its own account.
ROLE = ["-e", json.dumps({"aws_role_arn": "arn:aws:iam::999900001111:role/elsewhere"})]
GIVE_BACK = "Release the cluster's lock"


def lock_calls(local_cloud: Any, before: int) -> list[str]:
    return [call["action"] for call in local_cloud.aws_calls()[before:] if call["service"] == "dynamodb"]


def tasks(run: Run) -> list[tuple[str, str]]:
    return [(result["host"], result["task"]) for result in run.results]


def test_the_last_play_releases_it(playbook: Playbook, local_cloud: Any) -> None:
    before = len(local_cloud.aws_calls())
    run = playbook("site.yml", "controlplane staging", "--tags", "none", "--limit", "staging")
    assert ("staging", GIVE_BACK) in tasks(run)
    assert lock_calls(local_cloud, before)[-1] == "DeleteItem"
    table = local_cloud.client("dynamodb").scan(TableName="dataplatform-locks")
    assert table["Items"] == []


def test_check_mode_acquires_and_releases_no_lock(playbook: Playbook, local_cloud: Any) -> None:
    before = len(local_cloud.aws_calls())
    playbook("site.yml", "staging", "--tags", "none", "--check")
    assert not {"PutItem", "DeleteItem"} & set(lock_calls(local_cloud, before))


def test_unlocking_does_not_start_a_run(playbook: Playbook) -> None:
    run = playbook("site.yml", "staging", "--tags", "unlock")
    assert run.failures == []
    assert GIVE_BACK not in [result["task"] for result in run.results]


@pytest.mark.parametrize(
    ("name", "inventory", "arguments"),
    [
        ("playbooks/clusters.yml", "testing", [*ROLE, "--start-at-task", "network | Create the VPC and what is in it"]),
        ("playbooks/clusters.yml", "testing", ["--start-at-task", "Assume the roles and take the lock"]),
        ("playbooks/clusters.yml", "testing", ["--skip-tags", "always"]),
        ("playbooks/controlplane.yml", "controlplane", ["--tags", "unlock,pki"]),
        ("destroy.yml", "testing", ["-e", "destroy=testing", "--start-at-task", "Remove each layer of the workload*"]),
    ],
    ids=["into a role", "past the checks", "skipped", "unlocked", "into destroy"],
)
def test_a_run_without_what_preflight_prepares_changes_nothing(
    playbook: Playbook, local_cloud: Any, name: str, inventory: str, arguments: list[str]
) -> None:
    before = len(local_cloud.aws_calls())
    run = playbook(name, inventory, *arguments, succeed=False)
    assert len(run.failures) == 1
    assert "This run has not taken the lock on cluster" in run.output or "the plan was not checked" in run.output
    # The lock of an earlier run may be released in the meantime.
    made = [(call["service"], call["action"]) for call in local_cloud.aws_calls()[before:]]
    assert [call for call in made if call != ("dynamodb", "DeleteItem")] == []


def test_a_playbook_on_its_own_fails_at_its_end_if_its_lock_was_stolen(playbook: Playbook, local_cloud: Any) -> None:
    dynamodb, cluster = local_cloud.client("dynamodb"), {"cluster": {"S": "dataplatform-testing"}}
    over = threading.Event()

    def steal() -> None:
        while not over.wait(0.02):
            try:
                item = dynamodb.get_item(TableName="dataplatform-locks", Key=cluster).get("Item")
            except dynamodb.exceptions.ResourceNotFoundException:
                continue
            if item:
                other = {**item, "run_id": {"S": "other"}, "holder": {"S": "ann@laptop"}}
                dynamodb.put_item(TableName="dataplatform-locks", Item=other)
                return

    thief = threading.Thread(target=steal)
    thief.start()
    try:
        run = playbook("playbooks/agents.yml", "testing", "--tags", "none", succeed=False)
    finally:
        over.set()
        thief.join()
        dynamodb.delete_item(TableName="dataplatform-locks", Key=cluster)
    (failure,) = run.failures
    assert failure.startswith("testing | Confirm the cluster's lock: ")
    assert "This run has lost its lock on cluster dataplatform-testing: it is held by ann@laptop" in failure
