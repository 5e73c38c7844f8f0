# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of calls and waits, with a cluster that is played at the API's border."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import ApiError, FailedError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Change, Plan, Step
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.waiters import Poller
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import api
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.runner import (
    SETTLE_SECONDS,
    Runner,
    Target,
    overlay,
    predict_tags,
    run,
)
from botocore import xform_name


class Played:
    """A cluster whose updates take three looks, one at a time, as EKS makes them."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.updates: dict[str, int] = {}
        self.failing = ""

    def start(self, name: str, looks: int = 3) -> None:
        self.updates[name] = looks

    @property
    def busy(self) -> bool:
        return any(self.updates.values())

    def send(self, _client: Any, operation: str, *_: Any) -> dict[str, Any]:
        if self.busy:
            self.events.append(f"refused {operation}")
            raise ApiError(operation, "ResourceInUseException", "another update is in progress")
        self.events.append(operation)
        update_id = f"update-{len(self.updates)}"
        self.start(update_id)
        return {"update": {"id": update_id, "type": operation}}

    def describe(self) -> dict[str, Any]:
        return {"status": "UPDATING" if self.busy else "ACTIVE"}

    def describe_update(self, _client: Any, _cluster: str, update_id: str, *_: Any) -> dict[str, Any]:
        if update_id == self.failing:
            return {
                "id": update_id,
                "status": "Failed",
                "errors": [{"errorCode": "SubnetNotFound", "errorMessage": "x"}],
            }
        if self.updates[update_id]:
            self.updates[update_id] -= 1
            if not self.updates[update_id]:
                self.events.append(f"{update_id} ended")
        return {"id": update_id, "status": "InProgress" if self.updates[update_id] else "Successful"}

    def list_updates(self, *_: Any) -> list[str]:
        return list(self.updates)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    stage = Played()
    for name in ("send", "describe_update", "list_updates"):
        monkeypatch.setattr(api, name, getattr(stage, name))
    return stage


def runner(*, wait: bool = True) -> Runner:
    return Runner(None, Poller(100, lambda _: None, sleep=lambda _: None), wait=wait)


def steps(*operations: str) -> Plan:
    return Plan("cluster one", tuple(Step(o, {"name": "one"}, {o: Change(1, 2)}, "update") for o in operations))


def test_one_update_after_the_other(played: Played) -> None:
    running = runner()
    running.apply(steps("A", "B"), Target("eks_cluster", "one", played.describe, "one"))
    assert played.events == ["A", "update-0 ended", "B", "update-1 ended"]
    assert running.poller.report()[0]["on"] == "A update-0 of cluster one"


def test_only_the_last_is_not_waited_for(played: Played) -> None:
    runner(wait=False).apply(steps("A", "B"), Target("eks_cluster", "one", played.describe, "one"))
    assert played.events == ["A", "update-0 ended", "B"]


def test_somebody_elses_update_is_waited_for(played: Played) -> None:
    played.start("theirs")

    def settling() -> dict[str, Any]:
        # The status follows the update with a delay.
        return {"status": "ACTIVE"}

    runner().apply(steps("A"), Target("eks_cluster", "one", settling, "one"))
    assert played.events == ["refused A", "theirs ended", "A", "update-1 ended"]


def test_a_refusal_without_anything_going_on_is_final(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(client: Any, operation: str, *_: Any) -> dict[str, Any]:
        played.events.append(operation)
        raise ApiError(operation, "ResourceInUseException", "Cluster has nodegroups attached")

    monkeypatch.setattr(api, "send", refuse)
    with pytest.raises(ApiError, match="Cluster has nodegroups attached"):
        runner().apply(steps("A", "B"), Target("eks_cluster", "one", played.describe, "one"))
    assert played.events == ["A"]


@pytest.mark.parametrize(("operation", "final"), [("DeleteX", False), ("DisassociateX", False), ("UpdateX", True)])
def test_what_is_gone_already_need_not_be_deleted(
    monkeypatch: pytest.MonkeyPatch, operation: str, *, final: bool
) -> None:
    def refuse(_client: Any, operation: str, *_: Any) -> dict[str, Any]:
        raise ApiError(operation, "ResourceNotFoundException", "gone")

    monkeypatch.setattr(api, "send", refuse)
    planned = Plan("x", (Step(operation, {}, {}),))
    if final:
        with pytest.raises(ApiError, match="gone"):
            runner().apply(planned, Target("eks_cluster", "x", dict, "one"))
    else:
        runner().apply(planned, Target("eks_cluster", "x", dict, "one"))


def test_a_failed_update_stops_everything(played: Played) -> None:
    played.failing = "update-0"
    with pytest.raises(FailedError, match="SubnetNotFound: x"):
        runner().apply(steps("A", "B"), Target("eks_cluster", "one", played.describe, "one"))
    assert played.events == ["A"]


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
def test_what_cannot_be_created_says_why_and_what_to_do(target: Target, status: str, remedy: str) -> None:
    failed = {"status": status, "health": {"issues": [{"code": "InternalFailure", "message": "no room"}]}}
    waiting = runner()
    waiting.client = SimpleNamespace(meta=SimpleNamespace(region_name="eu-west-1"))
    with pytest.raises(FailedError, match=f"{target.label} is {status}: InternalFailure: no room. {remedy}"):
        waiting.wait_active(replace(target, read=lambda: failed))


def test_protection_is_said_to_go_first() -> None:
    waiting = runner()
    waiting.client = SimpleNamespace(meta=SimpleNamespace(region_name="eu-west-1"))
    with pytest.raises(FailedError, match=r"aws eks update-cluster-config .* --no-deletion-protection"):
        waiting.refuse_failed({"status": "FAILED", "deletionProtection": True}, TARGETS[0])


@pytest.mark.parametrize("status", ["ACTIVE", "CREATING", "UPDATE_FAILED", "DEGRADED", "DELETE_FAILED"])
def test_what_exists_is_not_told_to_be_deleted(status: str) -> None:
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


class Module:
    """An AnsibleAWSModule, as far as run needs one."""

    def __init__(self, **params: Any) -> None:
        self.params = params
        self.left: dict[str, Any] = {}
        self.warned: list[str] = []

    def client(self, service: str, **_: Any) -> SimpleNamespace:
        events = SimpleNamespace(register=lambda *_: None)
        return SimpleNamespace(service=service, meta=SimpleNamespace(events=events))

    def log(self, line: str) -> None:
        pass

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def exit_json(self, **result: Any) -> None:
        self.left = result

    def fail_json(self, **result: Any) -> None:
        self.left = {"failed": True, **result}
        raise SystemExit(1)


@pytest.mark.parametrize(("params", "timeout"), [({}, SETTLE_SECONDS), ({"wait_timeout": 7}, 7)])
def test_the_timeout_is_the_tasks(params: dict[str, Any], timeout: float) -> None:
    module = Module(**params)
    run(module, lambda runner: {"timeout": runner.poller.timeout, "client": runner.client.service})
    assert module.left == {"timeout": timeout, "client": "eks"}


def test_an_error_reports_the_changes_made_and_its_cause(played: Played) -> None:
    module = Module()
    played.failing = "update-0"

    def work(running: Runner) -> dict[str, Any]:
        running.poller.sleep = lambda _: None
        running.apply(steps("A", "B"), Target("eks_cluster", "one", played.describe, "one"))
        return {}

    with pytest.raises(SystemExit):
        run(module, work)
    assert module.left["changed"] is True
    assert [action["operation"] for action in module.left["actions"]] == ["A"]
    assert "SubnetNotFound: x" in module.left["msg"]
    assert module.left["waited"][0]["states"] == ["Failed"]


def test_warnings_are_given() -> None:
    module = Module()

    def work(running: Runner) -> dict[str, Any]:
        running.warnings.append("mind the gap")
        return {}

    run(module, work)
    assert module.warned == ["mind the gap"]
