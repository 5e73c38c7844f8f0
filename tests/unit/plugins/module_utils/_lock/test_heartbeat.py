from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.heartbeat import (
    Process,
    beat,
    clock,
    refused,
    release,
    skew,
    started,
)
from botocore.exceptions import ClientError, EndpointConnectionError

REFUSED = ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")
DOWN = EndpointConnectionError(endpoint_url="http://x")
SETTINGS: dict[str, Any] = {
    "table": "t",
    "cluster": "c",
    "run_id": "r",
    "skew": 0.0,
    "renewed": 1.0,
    "place": "/nowhere/lock",  # a run that has ended has taken its directory along
}


class Client:
    """Answers calls one by one."""

    def __init__(self, *answers: Exception | dict[str, Any]) -> None:
        self.answers = list(answers)

    def update_item(self, **_parameters: Any) -> dict[str, Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    delete_item = update_item


class Run:
    """A run whose end is known."""

    def __init__(self, *ended: bool) -> None:
        self.ended = list(ended)

    def wait(self, _seconds: float) -> bool:
        return self.ended.pop(0)


def test_a_process_is_distinguished_from_one_that_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.stdin
    process = Process(child.pid, started(child.pid))
    assert not process.wait(0)
    child.stdin.close()
    assert process.wait(60)  # although its parent has not waited for it: it is a zombie
    child.wait()
    assert started(child.pid) is None
    assert process.wait(0)


def test_a_number_used_again_is_another_process() -> None:
    assert Process(os.getpid(), "another start").wait(60)
    assert not Process(os.getpid(), started(os.getpid())).wait(0)


def test_a_heartbeat_that_fails_is_tried_again() -> None:
    settings = dict(SETTINGS)
    header = {"ResponseMetadata": {"HTTPHeaders": {"date": "Fri, 01 Jan 2100 00:00:00 GMT"}}}
    assert beat(Client(DOWN, DOWN, header), settings, Run(False, False))
    assert settings["skew"] > 0


def test_a_run_that_has_ended_needs_no_heartbeat() -> None:
    assert beat(Client(DOWN), dict(SETTINGS), Run(True))


def test_a_run_reads_the_state_of_its_lock(tmp_path: Path) -> None:
    settings = {**SETTINGS, "place": str(tmp_path / "lock")}

    def state() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((tmp_path / "lock.state").read_text())
        return found

    assert beat(Client(DOWN), settings, Run(True))
    assert state() == {"renewed": 1.0, "lost": False, "problem": str(DOWN)}
    before = clock()
    assert beat(Client({}), settings, Run())
    assert before <= state().pop("renewed") <= clock()
    assert not state()["problem"]
    assert not beat(Client(REFUSED), settings, Run())
    assert state()["lost"]
    assert [file.name for file in tmp_path.iterdir()] == ["lock.state"]


def test_a_process_that_cannot_be_named_has_ended() -> None:
    """A run that was killed before its start could be read."""
    assert Process(2**22 + 1, None).wait(60)


@pytest.mark.parametrize(("answer", "done"), [({}, True), (REFUSED, True), (DOWN, False)])
def test_a_release_is_retried_unless_another_run_holds_the_lock(answer: Any, done: bool) -> None:
    assert release(Client(answer), SETTINGS) is done


def test_classification_of_refusals() -> None:
    assert refused(ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "x"))
    assert not refused(ClientError({"Error": {"Code": "ThrottlingException"}}, "x"))
    assert not refused(DOWN)


def test_an_answer_without_a_date_gives_no_skew() -> None:
    assert skew({}) == 0.0
