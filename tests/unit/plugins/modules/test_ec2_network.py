# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error for an incomplete removal of a network lists deleted and remaining resources."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.api import Ec2
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.read import Live
from ansible_collections.dataplatform.fleet.plugins.modules import ec2_network
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import Fake, FakeModule

IDS = {("vpc", "one"): "vpc-1", ("subnet", "one-a"): "subnet-1", ("nat_gateway", "one-nat"): "nat-1"}
LEFT = {"nat-1": "is being deleted"}


def removal(monkeypatch: pytest.MonkeyPatch, *, wait: bool) -> tuple[Run, Ec2]:
    live = Live(vpc_id="vpc-1", state={key: {"id": one} for key, one in IDS.items()}, ids=dict(IDS))
    monkeypatch.setattr(ec2_network, "own_vpc", lambda *_: {"VpcId": "vpc-1"})
    monkeypatch.setattr(ec2_network, "read", lambda *_: live)
    monkeypatch.setattr(ec2_network, "Remover", lambda *_: SimpleNamespace(run=lambda *_, **__: LEFT))
    params = {"name": "one", "tags": None, "purge_tags": True, "adopt": False, "wait": wait, "wait_timeout": 1}
    this = Run(FakeModule(lambda service: Fake(service).client, params))
    return this, Ec2(this)


def test_a_failed_removal_reports_what_was_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    run, ec2 = removal(monkeypatch, wait=True)
    with pytest.raises(AwsError, match="Still there: nat-1: is being deleted") as failed:
        ec2_network.ensure_absent(run, ec2)
    assert [one["operation"] for one in run.done] == ["delete subnet one-a"]
    assert failed.value.details["left"] == LEFT


def test_a_removal_that_does_not_wait_reports_what_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    run, ec2 = removal(monkeypatch, wait=False)
    result = ec2_network.ensure_absent(run, ec2)
    assert [one["operation"] for one in result["actions"]] == ["delete subnet one-a"]
    assert (result["changed"], result["vpc"]["left"]) == (True, LEFT)
