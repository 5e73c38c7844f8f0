# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a whole run. With a tag that nothing has, site.yml does no more than prepare and end a run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.site.conftest import Playbook, Run

pytestmark = pytest.mark.integration

GIVE_BACK = "Give the cluster's lock back"


def lock_calls(local_cloud: Any, before: int) -> list[str]:
    return [call["action"] for call in local_cloud.aws_calls()[before:] if call["service"] == "dynamodb"]


def tasks(run: Run) -> list[tuple[str, str]]:
    return [(result["host"], result["task"]) for result in run.results]


def test_the_last_play_gives_it_back(playbook: Playbook, local_cloud: Any) -> None:
    before = len(local_cloud.aws_calls())
    run = playbook("site.yml", "controlplane staging", "--tags", "none", "--limit", "staging")
    assert tasks(run)[-1] == ("staging", GIVE_BACK)
    assert lock_calls(local_cloud, before)[-1] == "DeleteItem"
    table = local_cloud.client("dynamodb").scan(TableName="dataplatform-locks")
    assert table["Items"] == []


def test_check_mode_holds_none_and_gives_none_back(playbook: Playbook, local_cloud: Any) -> None:
    before = len(local_cloud.aws_calls())
    playbook("site.yml", "staging", "--tags", "none", "--check")
    assert not {"PutItem", "DeleteItem"} & set(lock_calls(local_cloud, before))


def test_unlocking_is_no_run(playbook: Playbook) -> None:
    run = playbook("site.yml", "staging", "--tags", "unlock")
    assert run.failures == []
    assert GIVE_BACK not in [result["task"] for result in run.results]
