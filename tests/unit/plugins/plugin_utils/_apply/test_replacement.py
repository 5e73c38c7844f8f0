# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replacement of objects: kept dependents, and errors of deletion and creation."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import replacement
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Resource, key_of
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.plan import Action
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply.server import KINDS, FakeServer


def thing(kind: str = "Job", group: str = "batch", **status: Any) -> Json:
    version = f"{group}/v1" if group else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "n"}, "status": status}


def action(body: Json) -> Action:
    resource = next((kind for kind in KINDS if kind.kind == body["kind"]), Resource("x", "v1", "Job", "jobs", True))
    return Action(key_of(body), resource, "unchanged", before=body)


def failed(status: str = "True", type_: str = "Failed", **more: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Suspended", "status": "False"}, {"type": type_, "status": status, **more}]}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"message": "it broke", "reason": "BackoffLimitExceeded"}, "it broke"),
        ({"message": "", "reason": "BackoffLimitExceeded"}, "BackoffLimitExceeded"),
        ({}, "no reason given"),
    ],
)
def test_a_job_that_failed_runs_again_and_the_diff_shows_the_reason(more: dict[str, str], why: str) -> None:
    found = action(thing(**failed(**more)))
    replacement.announce_failed_jobs([action(thing("Service", "")), found])
    assert (found.action, found.fields) == ("replaced", ["status"])
    assert found.shown == ({"failed": why}, {"failed": ""})


@pytest.mark.parametrize(
    "body",
    [
        thing(),
        thing(**failed("False")),
        thing(**failed("Unknown")),
        thing(**failed(type_="Complete")),
        thing("Job", "example.com", **failed()),
        thing("Pod", "", **failed()),
    ],
)
def test_other_resources_are_not_changed(body: Json) -> None:
    found = action(body)
    new = Action(found.key, found.resource, "created", before=None)
    replacement.announce_failed_jobs([found, new])
    assert (found.action, found.fields, found.shown, new.action) == ("unchanged", [], None, "created")


class Slow(FakeServer):
    """A server that removes deleted objects only after several reads."""

    def __init__(self, looks: int) -> None:
        super().__init__("n")
        self.looks, self.asked = looks, 0

    def _deleted(self, path: str, live: Json, body: Any) -> Json:
        answer: Json = {}
        if not self.looks:
            answer = super()._deleted(path, live, body)
        return answer

    def _read(self, path: str, query: Any) -> Json:
        if path in self.objects:
            self.asked += 1
            if self.asked > self.looks:
                del self.objects[path]
        return super()._read(path, query)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A fake clock that advances only in sleeps."""
    now = [1000.0]
    monkeypatch.setattr(replacement.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(replacement.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


@pytest.mark.parametrize(
    ("kind", "group", "policy"), [("StatefulSet", "apps", "Orphan"), ("Job", "batch", "Background")]
)
def test_it_is_created_when_its_predecessor_is_deleted(clock: list[float], kind: str, group: str, policy: str) -> None:
    server = Slow(looks=3)
    body = server.put(thing(kind, group))
    path = server.path_of(body)
    made: list[bool] = []

    def create() -> Json:
        made.append(path in server.objects)
        return {"made": True}

    assert replacement.replace(server, action(body), create) == {"made": True}  # type: ignore[arg-type]
    assert made == [False], "it waited, and made it once"
    uid = body["metadata"]["uid"]
    assert server.bodies == [{"propagationPolicy": policy, "preconditions": {"uid": uid}}]
    assert 0 < clock[0] - 1000 < 5


@pytest.mark.usefixtures("clock")
def test_resources_that_are_already_deleted_or_created_are_not_errors() -> None:
    server = FakeServer("n")
    body = server.put(thing())
    wanted = action({**body, "metadata": {**body["metadata"], "uid": "of-before"}})
    server.objects.clear()
    assert replacement.replace(server, wanted, lambda: {"made": 1}) == {"made": 1}  # type: ignore[arg-type]
    server.put(thing())
    server.refuse = lambda method, _: ApiError("gone", 404) if method == "DELETE" else None
    assert replacement.replace(server, wanted, lambda: {"made": 2}) == {"made": 2}  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "group", "kept"), [("StatefulSet", "apps", True), ("Job", "batch", False)])
@pytest.mark.parametrize("holders", [["example.com/a", "example.com/b"], []])
def test_the_blocking_finalizer_is_reported(
    clock: list[float], kind: str, group: str, kept: bool, holders: list[str]
) -> None:
    server = Slow(looks=10_000)
    body = server.put({**thing(kind, group), "metadata": {"name": "x", "namespace": "n", "finalizers": holders}})
    with pytest.raises(ApiError) as said:
        replacement.replace(server, action(body), dict)  # type: ignore[arg-type]
    pods = "its pods and volumes were kept, but " if kept else ""
    held = "example.com/a, example.com/b" if holders else "nobody says by what"
    assert said.value.message == (
        f"it was deleted to be created again; {pods}after 120 s it is still there, held by {held}."
        " Run the play again when it is gone."
    )
    assert said.value.status == 409
    assert 119 < clock[0] - 1000 < 122


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("kind", "group", "kept"), [("StatefulSet", "apps", True), ("Job", "batch", False)])
def test_a_refused_replacement_reports_the_missing_object(kind: str, group: str, kept: bool) -> None:
    server = FakeServer("n")
    body = server.put(thing(kind, group))

    def create() -> Json:
        raise ApiError("the quota is used up.", 403, "Forbidden", {"kind": "x"})

    with pytest.raises(ApiError) as said:
        replacement.replace(server, action(body), create)  # type: ignore[arg-type]
    pods = "its pods and volumes were kept, but " if kept else ""
    assert said.value.message == (
        f"it was deleted to be created again; {pods}it could not be created: the quota is used up."
        " Correct that, and run the play again."
    )
    assert (said.value.status, said.value.reason, said.value.details) == (403, "Forbidden", {"kind": "x"})


@pytest.mark.usefixtures("clock")
def test_one_that_may_not_be_deleted_is_not_replaced() -> None:
    server = FakeServer("n")
    body = server.put(thing())
    server.refuse = lambda method, _: ApiError("denied", 403) if method == "DELETE" else None
    made: list[int] = []
    with pytest.raises(ApiError, match=r"^denied"):
        replacement.replace(server, action(body), lambda: {"n": made.append(1)})  # type: ignore[arg-type]
    assert made == []
