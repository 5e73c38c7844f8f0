# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs like those of AWX on the fleet: exported inventory, survey, isolation, cancel, and cleanup."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from localcloud.testing import eventually
from tests.integration.awx.controller import Controller, Event, Inventory
from tests.integration.site.conftest import Run
from tests.integration.site.test_secrets import leaked, secrets, written

pytestmark = pytest.mark.integration

# The answers of a survey are text.
ANSWERS = {
    "eks_public_access_cidrs": "0.0.0.0/0",
    "eks_access_entries": json.dumps(
        {
            "dataplatform-viewers": {
                "principal_arn": "arn:aws:iam::111122223333:role/dataplatform-viewers",
                "policies": [{"policy": "AmazonEKSViewPolicy", "scope": "cluster"}],
            }
        }
    ),
}


@pytest.fixture(scope="module")
def controller(local_cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    credential = {name: value for name, value in local_cloud.env.items() if name.startswith("AWS_")}
    return Controller(tmp_path_factory.mktemp("awx"), credential)


@pytest.fixture(scope="module")
def inventory(controller: Controller) -> Inventory:
    inventory = Inventory()
    controller.sync(inventory, "inventories/controlplane/hosts.yml", "inventories/staging/hosts.yml")
    return inventory


def lock(local_cloud: Any) -> dict[str, Any] | None:
    key = {"cluster": {"S": "dataplatform-staging"}}
    return local_cloud.client("dynamodb").get_item(TableName="dataplatform-locks", Key=key).get("Item")


def keepers(directory: Path) -> list[int]:
    """Return the processes that renew the locks of this controller's jobs."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command, environment = ((entry / name).read_text() for name in ("cmdline", "environ"))
            if "_lock/heartbeat.py" in command and str(directory) in environment:
                found.append(int(entry.name))
    return found


def test_a_job_finds_the_fleet_converged_and_leaves_no_secret(
    fleet: Run, controller: Controller, inventory: Inventory, local_cloud: Any
) -> None:
    """A check of both clusters with diff, with the highest practical verbosity."""
    known = {"staging": {"fleet_name": "of a job before"}}
    job = controller.launch(
        "site.yml", inventory, check=True, diff=True, verbosity=3, answers=ANSWERS, fact_cache=known
    )
    assert job.status == "successful", [*job.failures, job.output[-3000:]]
    assert job.changed == []
    assert {"controlplane", "staging"} == set(job.stats["ok"])
    found = secrets(local_cloud)
    assert len(found) > 20
    kept = written([job.directory])
    assert '"stdout"' in kept
    assert "EXEC" in kept, "the job was to be verbose"
    assert leaked(found, kept) == []
    assert json.loads(next(job.artifacts.glob("*/fact_cache/staging")).read_text()) == known["staging"]


def test_limit_and_tags_narrow_a_job(fleet: Run, controller: Controller, inventory: Inventory) -> None:
    job = controller.launch("site.yml", inventory, limit="staging", tags="vpc", answers=ANSWERS)
    assert job.status == "successful", job.failures
    assert job.changed == []
    assert set(job.stats["ok"]) == {"staging"}
    actions = {event["event_data"]["task_action"] for event in job.events if event["event"] == "runner_on_ok"}
    assert "dataplatform.fleet.ec2_network" in actions
    assert not {"dataplatform.fleet.eks_cluster", "dataplatform.fleet.apply"} & actions


def test_destroy_needs_the_name_typed_into_its_survey(
    fleet: Run, controller: Controller, inventory: Inventory, local_cloud: Any
) -> None:
    job = controller.launch("destroy.yml", inventory, limit="staging", answers={"destroy": "stagin"})
    assert job.status == "failed"
    (failure,) = job.failures
    assert "-e destroy=staging" in failure
    assert "dataplatform-staging" in local_cloud.client("eks").list_clusters()["clusters"]


def in_a_role(event: Event) -> bool:
    return event["event"] == "runner_on_start" and event["event_data"].get("role") == "vpc"


def test_a_canceled_job_releases_its_lock(
    fleet: Run, controller: Controller, inventory: Inventory, local_cloud: Any
) -> None:
    """Without a container, the process that renews the lock outlives the job."""
    job = controller.launch("site.yml", inventory, limit="staging", tags="vpc", answers=ANSWERS, cancel_at=in_a_role)
    assert job.status == "canceled"
    eventually(lambda: lock(local_cloud) is None)


def test_after_the_end_of_a_container_the_lock_is_removed_by_hand(
    fleet: Run, controller: Controller, inventory: Inventory, local_cloud: Any
) -> None:
    """All processes in the container end at once, including the process that renews the lock."""

    def cancel(event: Event) -> bool:
        if not in_a_role(event):
            return False
        for process in keepers(controller.directory):
            os.kill(process, signal.SIGKILL)
        return True

    arguments: dict[str, Any] = {"limit": "staging", "answers": ANSWERS}
    job = controller.launch("site.yml", inventory, tags="vpc", cancel_at=cancel, **arguments)
    assert job.status == "canceled"
    assert lock(local_cloud), "the lock was to be left"
    (refused,) = controller.launch("site.yml", inventory, tags="none", **arguments).failures
    assert "is held by ann@" in refused
    assert "AWX job 1: site.yml" in refused
    assert "playbooks/unlock.yml" in refused
    assert controller.launch("playbooks/unlock.yml", inventory, **arguments).status == "successful"
    assert lock(local_cloud) is None
    again = controller.launch("site.yml", inventory, tags="none", **arguments)
    assert again.status == "successful", again.failures
