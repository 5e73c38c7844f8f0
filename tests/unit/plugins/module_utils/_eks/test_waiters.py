# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import FailedError, WaitTimeoutError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.waiters import Poller, Probe
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import waiters


class Clock:
    """A fake clock that advances only in sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def poller(timeout: float = 100, log: Callable[[str], None] = lambda _: None) -> tuple[Poller, Clock]:
    clock = Clock()
    return Poller(timeout, log, sleep=clock.sleep, clock=clock), clock


def looks(*probes: Probe) -> Callable[[], Probe]:
    """Return a probe that returns the next value at each call, and repeats the last one."""
    left = list(probes)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_states_are_remembered_and_logged_once_each() -> None:
    lines: list[str] = []
    waiting, clock = poller(log=lines.append)
    waiting.until("it", looks(Probe("CREATING"), Probe("CREATING"), Probe("CREATING"), Probe("ACTIVE", done=True)))
    (record,) = waiting.report()
    assert (record["on"], record["states"]) == ("it", ["CREATING", "ACTIVE"])
    assert record["seconds"] == round(clock.now, 1) > 0
    assert len(lines) == 2


def test_a_failure_carries_the_reason() -> None:
    waiting, _ = poller()
    with pytest.raises(FailedError, match="it is CREATE_FAILED: AccessDenied: no") as raised:
        waiting.until("it", looks(Probe("CREATING"), Probe("CREATE_FAILED", failed=True, reason="AccessDenied: no")))
    assert raised.value.details["waited"][0]["states"] == ["CREATING", "CREATE_FAILED"]


def test_a_timeout_carries_the_last_reason_and_what_was_seen() -> None:
    waiting, clock = poller(timeout=60)
    with pytest.raises(
        WaitTimeoutError, match=r"still DEGRADED after wait_timeout=60 s \(seen: CREATING -> DEGRADED\): x"
    ):
        waiting.until("it", looks(Probe("CREATING"), Probe("DEGRADED", reason="x")))
    assert clock.now >= 60


def test_one_deadline_for_everything() -> None:
    waiting, clock = poller(timeout=60)
    clock.now = 1000
    waiting.until("one", looks(*[Probe("A")] * 8, Probe("B", done=True)))
    spent = clock.now - 1000
    with pytest.raises(WaitTimeoutError):
        waiting.until("two", looks(Probe("C")))
    assert clock.now - 1000 == pytest.approx(60, abs=1)
    assert spent > 5


ISSUES = {"health": {"issues": [{"code": "NodeCreationFailure", "message": "no", "resourceIds": ["i-1"]}]}}


@pytest.mark.parametrize(
    ("look", "document", "expected"),
    [
        (waiters.resource_probe, {"status": "ACTIVE"}, (True, False)),
        (waiters.resource_probe, {"status": "CREATING"}, (False, False)),
        (waiters.resource_probe, {"status": "DEGRADED"}, (False, False)),
        (waiters.resource_probe, {"status": "CREATE_FAILED"}, (False, True)),
        (waiters.resource_probe, None, (False, True)),
        (waiters.settled_probe, {"status": "UPDATING"}, (False, False)),
        (waiters.settled_probe, {"status": "DEGRADED"}, (True, False)),
        (waiters.settled_probe, None, (True, False)),
        (waiters.gone_probe, None, (True, False)),
        (waiters.gone_probe, {"status": "DELETING"}, (False, False)),
        (waiters.gone_probe, {"status": "DELETE_FAILED"}, (False, True)),
        (waiters.update_probe, {"status": "Successful"}, (True, False)),
        (waiters.update_probe, {"status": "InProgress"}, (False, False)),
        (waiters.update_probe, {"status": "Failed"}, (False, True)),
        (waiters.update_probe, {"status": "Cancelled"}, (False, True)),
        (waiters.update_probe, None, (False, False)),
    ],
)
def test_results_of_a_probe(look: Any, document: dict[str, Any] | None, expected: tuple[bool, bool]) -> None:
    probe = look(document)
    assert (probe.done, probe.failed) == expected


def test_reasons_are_the_apis_own() -> None:
    assert waiters.resource_probe({"status": "DEGRADED", **ISSUES}).reason == "NodeCreationFailure: no (i-1)"
    failed = {"status": "Failed", "errors": [{"errorCode": "PodEvictionFailure", "errorMessage": "stuck"}]}
    assert waiters.update_probe(failed).reason == "PodEvictionFailure: stuck"
