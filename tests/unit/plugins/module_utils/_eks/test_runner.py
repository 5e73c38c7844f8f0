# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of calls and waits, with a fake API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import FailedError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Change, Plan, Step
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run, run
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.runner import (
    Runner,
    Target,
    overlay,
    predict_tags,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import Fake, FakeModule, RefusedError
from botocore import xform_name
from botocore.exceptions import ClientError


class Played(Fake):
    """A fake cluster that runs one update at a time, which is complete after three descriptions."""

    def __init__(self) -> None:
        super().__init__("eks")
        self.events: list[str] = []
        self.updates: dict[str, int] = {}
        self.failing = ""

    def start(self, name: str, looks: int = 3) -> None:
        self.updates[name] = looks

    @property
    def busy(self) -> bool:
        return any(self.updates.values())

    def _update(self, operation: str) -> dict[str, Any]:
        if self.busy:
            self.events.append(f"refused {operation}")
            raise RefusedError("ResourceInUseException", "another update is in progress")
        self.events.append(operation)
        update_id = f"update-{len(self.updates)}"
        self.start(update_id)
        return {"update": {"id": update_id, "type": operation}}

    def UpdateClusterConfig(self, **_: Any) -> dict[str, Any]:
        return self._update(CONFIG)

    def UpdateClusterVersion(self, **_: Any) -> dict[str, Any]:
        return self._update(VERSION)

    def DescribeUpdate(self, updateId: str, **_: Any) -> dict[str, Any]:
        if updateId == self.failing:
            errors = [{"errorCode": "SubnetNotFound", "errorMessage": "x"}]
            return {"update": {"id": updateId, "status": "Failed", "errors": errors}}
        if self.updates[updateId]:
            self.updates[updateId] -= 1
            if not self.updates[updateId]:
                self.events.append(f"{updateId} ended")
        return {"update": {"id": updateId, "status": "InProgress" if self.updates[updateId] else "Successful"}}

    def ListUpdates(self, **_: Any) -> dict[str, Any]:
        return {"updateIds": list(self.updates)}

    def describe(self) -> dict[str, Any]:
        return {"status": "UPDATING" if self.busy else "ACTIVE"}


CONFIG, VERSION = "UpdateClusterConfig", "UpdateClusterVersion"


@pytest.fixture
def played() -> Played:
    return Played()


def runner(fake: Fake | None = None, *, wait: bool = True) -> Runner:
    client = (fake or Fake("eks", region="eu-west-1")).client
    this = Run(FakeModule(lambda _: client, {"wait": wait, "wait_timeout": 100, "tags": None}))
    this.poller.sleep = lambda _: None
    return Runner(this)


def steps(*operations: str) -> Plan:
    requests: Mapping[str, dict[str, Any]] = {CONFIG: {"name": "one"}, VERSION: {"name": "one", "version": "1.36"}}
    return Plan("cluster one", tuple(Step(o, requests[o], {o: Change(1, 2)}, "update") for o in operations))


def test_one_update_after_the_other(played: Played) -> None:
    running = runner(played)
    running.apply(steps(CONFIG, VERSION), Target("eks_cluster", "one", played.describe, "one"))
    assert played.events == [CONFIG, "update-0 ended", VERSION, "update-1 ended"]
    assert running.poller.report()[0]["on"] == "UpdateClusterConfig update-0 of cluster one"


def test_only_the_last_is_not_waited_for(played: Played) -> None:
    planned = steps(CONFIG, VERSION)
    runner(played, wait=False).apply(planned, Target("eks_cluster", "one", played.describe, "one"))
    assert played.events == [CONFIG, "update-0 ended", VERSION]


def test_an_update_of_another_client_is_waited_for(played: Played) -> None:
    played.start("theirs")

    def settling() -> dict[str, Any]:
        # The status follows the update with a delay.
        return {"status": "ACTIVE"}

    runner(played).apply(steps(CONFIG), Target("eks_cluster", "one", settling, "one"))
    assert played.events == [f"refused {CONFIG}", "theirs ended", CONFIG, "update-1 ended"]


def test_a_refusal_without_anything_going_on_is_final(played: Played) -> None:
    played.refuse[CONFIG] = RefusedError("ResourceInUseException", "Cluster has nodegroups attached")
    with pytest.raises(ClientError, match="Cluster has nodegroups attached"):
        runner(played).apply(steps(CONFIG, VERSION), Target("eks_cluster", "one", played.describe, "one"))
    assert played.made == [CONFIG]


def test_a_failed_update_stops_everything(played: Played) -> None:
    played.failing = "update-0"
    with pytest.raises(FailedError, match="SubnetNotFound: x"):
        runner(played).apply(steps(CONFIG, VERSION), Target("eks_cluster", "one", played.describe, "one"))
    assert played.events == [CONFIG]


TARGETS = [
    Target("eks_cluster", "c", dict, "c"),
    Target("eks_nodegroup", "c/n", dict, "c", nodegroup="n"),
    Target("eks_addon", "c/a", dict, "c", addon="a"),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.label)
def test_the_command_of_a_deletion_is_one_of_the_api(target: Target) -> None:
    """AWS' own tool makes its commands and their options of botocore's model, by this function."""
    aws, service, command, *options = target.deletion("eu-west-1").split()
    assert (aws, service) == ("aws", "eks")
    model = botocore.session.get_session().get_service_model("eks")
    operation = {xform_name(name, "-"): name for name in model.operation_names}[command]
    shape = model.operation_model(operation).input_shape
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert given.pop("--region") == "eu-west-1"
    assert given.keys() == {f"--{xform_name(member, '-')}" for member in shape.required_members}
    assert list(given.values()) == [target.cluster, *filter(None, [target.nodegroup, target.addon])]


@pytest.mark.parametrize(
    ("target", "status", "remedy"),
    [
        (TARGETS[0], "FAILED", r"EKS cannot repair it: delete it \(aws eks delete-cluster .*\), then run again\.$"),
        (
            TARGETS[1],
            "CREATE_FAILED",
            r"EKS cannot repair it: delete it \(aws eks delete-nodegroup .*\), then run again",
        ),
        (TARGETS[2], "CREATE_FAILED", r"Running again deletes it and creates it again\.$"),
    ],
)
def test_a_failed_creation_reports_the_reason_and_the_fix(target: Target, status: str, remedy: str) -> None:
    failed = {"status": status, "health": {"issues": [{"code": "InternalFailure", "message": "no room"}]}}
    waiting = runner()
    with pytest.raises(FailedError, match=f"{target.label} is {status}: InternalFailure: no room. {remedy}"):
        waiting.wait_active(replace(target, read=lambda: failed))


def test_protection_is_reported_to_be_disabled_first() -> None:
    waiting = runner()
    with pytest.raises(FailedError, match=r"aws eks update-cluster-config .* --no-deletion-protection"):
        waiting.refuse_failed({"status": "FAILED", "deletionProtection": True}, TARGETS[0])


@pytest.mark.parametrize("status", ["ACTIVE", "CREATING", "UPDATE_FAILED", "DEGRADED", "DELETE_FAILED"])
def test_the_error_does_not_suggest_deleting_existing_resources(status: str) -> None:
    runner().refuse_failed({"status": status}, TARGETS[1])
    runner().refuse_failed(None, TARGETS[1])


def test_overlays() -> None:
    below = {"a": {"b": 1, "c": 2}, "tags": {"x": "1"}, "list": [1, 2]}
    assert overlay(below, {"a": {"c": 3}, "tags": {"y": "2"}, "list": [3]}) == {
        "a": {"b": 1, "c": 3},
        "tags": {"y": "2"},
        "list": [3],
    }


def test_tags_are_predicted() -> None:
    planned = Plan("x", (Step("TagResource", {}, {"tags.a": Change("1", "2"), "tags.b": Change("1", None)}),))
    assert predict_tags({"tags": {"a": "1", "b": "1", "c": "1"}}, planned) == {"tags": {"a": "2", "c": "1"}}
    assert predict_tags({"n": 1}, Plan("x")) == {"n": 1}


class Module(FakeModule):
    """An AnsibleAWSModule that ends."""

    def __init__(self, fake: Fake, **params: Any) -> None:
        super().__init__(lambda _: fake.client, params)
        self.left: dict[str, Any] = {}

    def exit_json(self, **result: Any) -> None:
        self.left = result

    def fail_json(self, **result: Any) -> None:
        self.left = {"failed": True, **result}
        raise SystemExit(1)


@pytest.mark.parametrize(("params", "timeout"), [({}, 900), ({"wait_timeout": 7}, 7)])
def test_the_timeout_is_the_tasks(played: Played, params: dict[str, Any], timeout: float) -> None:
    module = Module(played, **params)
    run(module, "it", lambda this: {"timeout": Runner(this).poller.timeout})
    assert module.left == {"timeout": timeout}


def test_an_error_reports_the_changes_made_and_its_cause(played: Played) -> None:
    module = Module(played)
    played.failing = "update-0"

    def work(this: Run) -> dict[str, Any]:
        this.poller.sleep = lambda _: None
        Runner(this).apply(steps(CONFIG, VERSION), Target("eks_cluster", "one", played.describe, "one"))
        return {}

    with pytest.raises(SystemExit):
        run(module, "it", work)
    assert module.left["changed"] is True
    assert [action["operation"] for action in module.left["actions"]] == [CONFIG]
    assert "SubnetNotFound: x" in module.left["msg"]
    assert module.left["waited"][0]["states"] == ["Failed"]
