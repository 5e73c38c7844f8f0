# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared behaviour of AWS modules around their plans."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Value
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Change, Plan, Step
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run, outcome, run
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import Fake, RefusedError

PLAN = Plan(
    "log group one",
    (
        Step("CreateLogGroup", {"logGroupName": "one"}, {"tags.a": Change(None, "1")}),
        Step("PutRetentionPolicy", {"logGroupName": "one", "retentionInDays": 7}, {"retention_days": Change(None, 7)}),
    ),
)


class Left(Exception):  # noqa: N818 - not an error
    """How the module ended."""


class Module:
    """AnsibleAWSModule, with the account of a test."""

    def __init__(self, *, check_mode: bool = False, **params: Any) -> None:
        self.logs = Logs()
        self.check_mode, self.params = check_mode, params
        self.left: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        assert service == "logs"
        return self.logs.client

    def log(self, line: str) -> None:
        pass

    def exit_json(self, **result: Any) -> None:
        self.left = result
        raise Left

    def fail_json(self, **result: Any) -> None:
        self.exit_json(failed=True, **result)

    def fail_json_aws(self, error: Exception, **result: Any) -> None:
        self.exit_json(failed=True, error=error, **result)


class Logs(Fake):
    """A fake of CloudWatch log groups."""

    def __init__(self) -> None:
        super().__init__("logs")

    def CreateLogGroup(self, logGroupName: str) -> dict[str, Any]:
        assert logGroupName == "one"
        return {}

    def PutRetentionPolicy(self, logGroupName: str, retentionInDays: int) -> dict[str, Any]:
        assert (logGroupName, retentionInDays) == ("one", 7)
        return {}


def work(this: Run) -> Mapping[str, Value]:
    this.apply(this.client("logs"), PLAN)
    return outcome(PLAN, log_group={"tags": this.options["tags"]})


def ended(module: Module, done: Any = work) -> dict[str, Any]:
    with pytest.raises(Left):
        run(module, "the log group one", done)
    return module.left


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def test_check_mode_returns_the_same_and_calls_nothing() -> None:
    checked, ran = Module(check_mode=True), Module()
    assert ended(checked) == ended(ran)
    assert (checked.logs.made, ran.logs.made) == ([], ["CreateLogGroup", "PutRetentionPolicy"])
    assert ran.left["actions"] == PLAN.as_list()
    assert ran.left["changed"] is True


@pytest.mark.parametrize(("tags", "sent"), [(None, None), ({"a": 1, "b": True}, {"a": "1", "b": "true"})])
def test_tags_are_text(tags: Any, sent: Any) -> None:
    assert ended(Module(tags=tags, check_mode=True))["log_group"]["tags"] == sent


def test_a_refusal_lists_earlier_changes() -> None:
    module = Module()
    module.logs.refuse["PutRetentionPolicy"] = RefusedError("InvalidParameterException", "no")
    left = ended(module)
    assert (left["failed"], left["changed"], left["actions"]) == (True, True, PLAN.as_list()[:1])
    assert left["msg"] == "Could not manage the log group one"


def test_an_error_is_shown_with_its_details() -> None:
    def refuse(_this: Run) -> Mapping[str, Value]:
        raise AwsError("Not now.", left=["one"])

    left = ended(Module(), refuse)
    assert (left["msg"], left["left"], left["changed"], left["actions"]) == ("Not now.", ["one"], False, [])


@pytest.mark.parametrize(("where", "message"), [("", "no."), ("Peering one", "Peering one: no.")])
def test_an_error_names_its_object(where: str, message: str) -> None:
    module = Module()

    def work(_: Run) -> Mapping[str, Value]:
        raise AwsError("no.", left="x")

    with pytest.raises(Left):
        run(module, "it", work, where=where)
    assert module.left == {"failed": True, "msg": message, "changed": False, "actions": [], "waited": [], "left": "x"}
