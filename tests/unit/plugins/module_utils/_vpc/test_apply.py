# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eventual consistency of EC2 and IAM after a creation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import FailedError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.api import Ec2
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.apply import Applier
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.plan import Network, ResourceStep, step
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.read import Live
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import (
    Fake,
    FakeModule,
    RefusedError,
    meta,
)
from botocore.exceptions import ClientError

ASSUME = ("InvalidParameter", "Unable to assume given IAM role: 'arn:aws:iam::111122223333:role/one-flow-logs'")


def _camel(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


class FakeClient:
    """Each operation fails with its prepared errors, then succeeds."""

    meta = meta("ec2")

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
                raise ClientError({"Error": {"Code": code, "Message": message}}, _camel(operation))
            return self.answers.get(operation, {})

        return call


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def ec2(client: FakeClient) -> Ec2:
    iam = Fake("iam")
    iam.refuse["GetRole"] = RefusedError("AccessDenied")
    services = {"ec2": client, "iam": iam.client}
    return Ec2(Run(FakeModule(services.__getitem__, {"wait_timeout": 600})))


def applier(client: FakeClient) -> Applier:
    return Applier(ec2(client), Network("one", "10.0.0.0/16", "eu-central-1", []), Live(vpc_id="vpc-1"))


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
    applier(client).apply(step("security_group", "one-endpoints", "create", after=rules))
    assert client.called == [
        "create_security_group",
        *["describe_security_groups"] * 3,
        "authorize_security_group_ingress",
    ]


def test_an_address_that_is_not_free_yet() -> None:
    client = FakeClient({"release_address": [("InvalidIPAddress.InUse", "is in use")]}, {})
    changing = applier(client)
    changing.live.ids["elastic_ip", "one-nat-a"] = "eipalloc-1"
    changing.apply(step("elastic_ip", "one-nat-a", "delete"))
    assert client.called == ["release_address"] * 2


FLOW_LOG = step(
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
    with pytest.raises(ClientError, match="LogGroupName is not valid"):
        applier(client).apply(FLOW_LOG)
    assert client.called == ["create_flow_logs"]


def test_a_refusal_of_a_flow_log_in_the_answer() -> None:
    refused = {"Unsuccessful": [{"Error": {"Code": "400", "Message": ASSUME[1]}, "ResourceId": "vpc-1"}]}
    client = FakeClient({}, {"create_flow_logs": refused})
    with pytest.raises(ClientError, match="Unable to assume given IAM role"):
        applier(client).apply(FLOW_LOG)
    assert len(client.called) == 10, "it is repeated as a refusal by an error is"


def test_removed_tags_are_deleted() -> None:
    client = FakeClient({}, {})
    made = applier(client)
    made.live.ids["subnet", "a"] = "subnet-1"
    made.apply(step("subnet", "a", "update", {"tags.old": "1", "tags.kept": "1"}, {"tags.kept": "2"}))
    assert client.called == ["create_tags", "delete_tags"]


NATS = {("nat_gateway", name): name for name in ("one-nat-a", "one-nat-b")}
LEADING = {f"routes.10.{number}.0.0/16": name for number, (_kind, name) in enumerate(NATS)}
ROUTES = step("route_table", "one-private", "update", {}, LEADING)


def test_a_nat_gateway_is_awaited_before_a_route_leads_to_it() -> None:
    client = FakeClient({}, {})
    states = iter(["pending", "available", "pending", "pending", "available"])
    client.describe_nat_gateways = lambda **_: {"NatGateways": [{"State": next(states)}]}
    made = applier(client)
    made.live.ids |= {("route_table", "one-private"): "rtb-1", **NATS}
    made.apply(ROUTES)
    made.apply(ROUTES)
    assert client.called == ["create_route"] * 4
    assert [one["states"] for one in made.ec2.this.poller.report()] == [["pending", "available"]] * 2


def test_a_failed_nat_gateway_is_reported_with_its_reason() -> None:
    failed = {"NatGateways": [{"State": "failed", "FailureMessage": "no free addresses"}]}
    made = applier(FakeClient({}, {"describe_nat_gateways": failed}))
    made.live.ids |= {("route_table", "one-private"): "rtb-1", **NATS}
    with pytest.raises(FailedError, match="NAT gateway one-nat-a is failed: no free addresses"):
        made.apply(ROUTES)


@pytest.mark.parametrize("end", [{"NatGateways": [{"State": "deleted"}]}, {"NatGateways": []}])
def test_a_nat_gateway_is_deleted_before_its_address(end: dict[str, Any]) -> None:
    client = FakeClient({}, {})
    answers = iter([{"NatGateways": [{"State": "deleting"}]}, end])
    client.describe_nat_gateways = lambda **_: next(answers)
    made = applier(client)
    made.live.ids |= NATS
    made.apply(step("nat_gateway", "one-nat-a", "delete", {"subnet": "a"}))
    assert made.ec2.this.poller.report()[0]["states"][0] == "deleting"


def test_a_replaced_resource_has_no_tags_that_were_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"traffic": "ALL", "tags.old": "1", "tags.kept": "2", "tags.aws:made": "by-aws"}
    live = Live(vpc_id="vpc-1", state={("flow_log", "one"): state}, ids={("flow_log", "one"): "fl-1"})
    this = Applier(ec2(FakeClient({}, {})), Network("one", "10.0.0.0/16", "eu-central-1", []), live)
    made: list[ResourceStep] = []
    monkeypatch.setattr(this, "_create", made.append)
    before, after = {"traffic": "ALL", "tags.old": "1"}, {"traffic": "REJECT"}
    this._replace(step("flow_log", "one", "replace", before=before, after=after))
    assert [change.after for change in made] == [{"traffic": "REJECT", "tags.kept": "2"}]
