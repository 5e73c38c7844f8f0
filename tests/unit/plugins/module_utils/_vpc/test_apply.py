# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2 and IAM do not know at once, everywhere, what was made a moment ago."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.api import Ec2
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.apply import Applier, ApplyError
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.plan import Change, Network
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.read import Live
from botocore.exceptions import ClientError

ASSUME = ("InvalidParameter", "Unable to assume given IAM role: 'arn:aws:iam::111122223333:role/one-flow-logs'")


class FakeClient:
    """Each operation is refused with its prepared errors, then answered."""

    meta = SimpleNamespace(service_model=SimpleNamespace(service_name="ec2"))

    def __init__(self, errors: dict[str, list[tuple[str, str]]], answers: dict[str, Any]) -> None:
        self.errors = errors
        self.answers = answers
        self.called: list[str] = []

    def can_paginate(self, _operation: str) -> bool:
        return False

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**_arguments: object) -> Any:
            self.called.append(operation)
            if self.errors.get(operation):
                code, message = self.errors[operation].pop(0)
                raise ClientError({"Error": {"Code": code, "Message": message}}, operation)
            return self.answers.get(operation, {})

        return call


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def applier(client: FakeClient) -> Applier:
    return Applier(Ec2(client), Network("one", "10.0.0.0/16", "eu-central-1", []), Live(vpc_id="vpc-1"))


@pytest.mark.parametrize("code", ["InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound"])
def test_a_group_that_cannot_be_described_yet(code: str) -> None:
    client = FakeClient(
        {"describe_security_groups": [(code, "does not exist")] * 2},
        {
            "create_security_group": {"GroupId": "sg-1"},
            "describe_security_groups": {"SecurityGroups": [{"GroupId": "sg-1"}]},
        },
    )
    rules = {"ingress": ["tcp 443 from 10.0.0.0/16"], "egress": []}
    applier(client).apply(Change("security_group", "one-endpoints", "create", after=rules))
    assert client.called == [
        "create_security_group",
        *["describe_security_groups"] * 3,
        "authorize_security_group_ingress",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "InvalidGatewayID.NotFound",
        "InvalidRouteTableId.NotFound",
        "InvalidSecurityGroupID.NotFound",
        "InvalidSubnetId.NotFound",
        "NatGatewayNotFound",
    ],
)
def test_a_resource_that_a_call_does_not_know_yet(code: str) -> None:
    client = FakeClient({"create_route": [(code, "does not exist")]}, {"create_route": {"Return": True}})
    assert Ec2(client).call("create_route") == {"Return": True}


def test_an_address_that_is_not_free_yet() -> None:
    client = FakeClient({"release_address": [("InvalidIPAddress.InUse", "is in use")]}, {})
    changing = applier(client)
    changing.live.ids["elastic_ip", "one-nat-a"] = "eipalloc-1"
    changing.apply(Change("elastic_ip", "one-nat-a", "delete"))
    assert client.called == ["release_address"] * 2


FLOW_LOG = Change(
    "flow_log",
    "one-flow-logs",
    "create",
    after={"log_group": "/one", "role_arn": "arn:aws:iam::111122223333:role/one-flow-logs", "traffic_type": "ALL"},
)


def test_a_role_that_cannot_be_assumed_yet() -> None:
    client = FakeClient({"create_flow_logs": [ASSUME, ASSUME]}, {"create_flow_logs": {"FlowLogIds": ["fl-1"]}})
    applier(client).apply(FLOW_LOG)
    assert client.called == [*["create_flow_logs"] * 3, "create_tags"]


def test_another_refusal_of_a_flow_log() -> None:
    client = FakeClient({"create_flow_logs": [("InvalidParameter", "LogGroupName is not valid")]}, {})
    with pytest.raises(ApplyError, match="one-flow-logs: LogGroupName is not valid"):
        applier(client).apply(FLOW_LOG)


def test_tags_that_go_are_deleted() -> None:
    client = FakeClient({}, {})
    made = applier(client)
    made.live.ids["subnet", "a"] = "subnet-1"
    made.apply(Change("subnet", "a", "update", {"tags.old": "1", "tags.kept": "1"}, {"tags.kept": "2"}))
    assert client.called == ["create_tags", "delete_tags"]


def test_all_waits_have_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waited = [1000.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def wait(*, WaiterConfig: dict[str, int], **_arguments: object) -> None:
        waited.append(WaiterConfig["MaxAttempts"])
        now[0] += 250

    waiter = SimpleNamespace(config=SimpleNamespace(delay=15), wait=wait)
    ec2 = Ec2(SimpleNamespace(get_waiter=lambda _name: waiter), 600)
    for _ in range(4):
        ec2.wait("nat_gateway_available", NatGatewayIds=["nat-1"])
    assert waited == [40, 24, 7, 1]


def test_a_replaced_resource_has_no_tags_that_were_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"traffic": "ALL", "tags.old": "1", "tags.kept": "2", "tags.aws:made": "by-aws"}
    live = Live(vpc_id="vpc-1", state={("flow_log", "one"): state}, ids={("flow_log", "one"): "fl-1"})
    this = Applier(Ec2(FakeClient({}, {})), Network("one", "10.0.0.0/16", "eu-central-1", []), live)
    made: list[Change] = []
    monkeypatch.setattr(this, "_create", made.append)
    before, after = {"traffic": "ALL", "tags.old": "1"}, {"traffic": "REJECT"}
    this._replace(Change("flow_log", "one", "replace", before=before, after=after))
    assert [change.after for change in made] == [{"traffic": "REJECT", "tags.kept": "2"}]
