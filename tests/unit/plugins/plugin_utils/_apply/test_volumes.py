# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expansion of claims, refusals, and replacement of StatefulSets."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError, PlanError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.fields import MANAGER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import (
    Json,
    Key,
    Member,
    Resource,
    Source,
    key_of,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.plan import Action
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.volumes import CLAIM, Volumes
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply.server import FakeServer

SETS = Resource("apps", "v1", "StatefulSet", "statefulsets", namespaced=True)


def template(name: str, size: str | None) -> Json:
    return {"metadata": {"name": name}, "spec": {"resources": {"requests": {"storage": size}} if size else {}}}


def database(name: str = "db", **sizes: str | None) -> Json:
    templates = [template(claim, size) for claim, size in (sizes or {"data": "10Gi"}).items()]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "n"},
        "spec": {"volumeClaimTemplates": templates},
    }


def claim(name: str, size: str, namespace: str = "n", phase: str = "Bound") -> Json:
    place = {"name": name, "namespace": namespace}
    spec = {"resources": {"requests": {"storage": size}}}
    return {**CLAIM_KIND, "metadata": place, "spec": spec, "status": {"phase": phase}}


CLAIM_KIND = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}


def member(body: Json, line: int = 1) -> Member:
    resource = SETS if body["kind"] == "StatefulSet" else CLAIM
    return Member(key_of(body), resource, copy.deepcopy(body), Source("set.yaml", line))


class Set:
    """Members, with their live objects and claims."""

    def __init__(self, *members: Json, live: list[Json] | None = None, claims: list[Json] | None = None) -> None:
        self.server = FakeServer("n", "m")
        for one in claims or []:
            self.server.put(one)
        self.volumes = Volumes(self.server)  # type: ignore[arg-type]
        self.members = [member(body, 10 * number) for number, body in enumerate(members, 1)]
        self.live = {key_of(body): body for body in live or []}

    def plan(self) -> list[Action]:
        return self.volumes.plan(self.members, self.live)

    def grown(self) -> dict[str, str]:
        return {str(action.key): size(action.after or {}) for action in self.plan()}

    def refusal(self) -> list[str]:
        with pytest.raises(PlanError) as said:
            self.plan()
        return list(said.value.findings)


def size(claim_: Json) -> str:
    found: str = claim_["spec"]["resources"]["requests"]["storage"]
    return found


def sizes(stateful_set: Json) -> dict[str, Any]:
    return {
        one["metadata"]["name"]: one["spec"]["resources"].get("requests", {}).get("storage")
        for one in stateful_set["spec"]["volumeClaimTemplates"]
    }


def test_claims_of_the_sets_own_pods_grow() -> None:
    claims = [
        claim("data-db-0", "10Gi"),
        claim("data-db-12", "20480Mi"),
        claim("data-db-2", "10Gi", phase="Pending"),
        claim("data-db-0", "10Gi", namespace="m"),
        *(claim(name, "10Gi") for name in ("data-db", "data-db-x", "data-dbx-0", "xdata-db-0", "data-other-0")),
    ]
    assert Set(database(data="20Gi"), live=[database()], claims=claims).grown() == {
        "PersistentVolumeClaim n/data-db-0": "20Gi"
    }


def test_expanded_volumes_are_shown_before_and_after() -> None:
    found = claim("data-db-0", "10Gi")
    (action,) = Set(database(data="20Gi"), live=[database()], claims=[found]).plan()
    assert (action.action, action.fields) == ("patched", ["spec.resources.requests.storage"])
    before, after = action.before or {}, action.after or {}
    assert (size(before), size(after)) == ("10Gi", "20Gi")
    assert {key: before[key] for key in CLAIM_KIND} == CLAIM_KIND
    assert action.resource == CLAIM
    assert action.report()["kind"] == "PersistentVolumeClaim"


def test_a_names_dots_are_dots() -> None:
    found = Set(database(**{"a.b": "20Gi"}), live=[database(**{"a.b": "10Gi"})], claims=[claim("axb-db-0", "10Gi")])
    assert found.grown() == {}


def test_all_sets_and_templates_are_looked_at() -> None:
    wanted = [database("one", data="20Gi", log="2Gi"), database("two", data="30Gi")]
    live = [database("one", data="10Gi", log="1Gi"), database("two")]
    names = ["data-one-0", "log-one-0", "data-two-0"]
    found = Set({**claim("x", "1Gi")}, *wanted, live=live, claims=[claim(name, "1Gi") for name in names])
    assert list(found.grown().values()) == ["20Gi", "2Gi", "30Gi"]


def test_a_set_that_is_new_meets_the_claims_of_a_former_one() -> None:
    smaller = Set(database(data="20Gi"), claims=[claim("data-db-0", "10Gi")])
    assert smaller.grown() == {"PersistentVolumeClaim n/data-db-0": "20Gi"}
    larger = Set(database(data="20Gi"), claims=[claim("data-db-0", "30Gi")])
    assert "the volume 'data' has 30Gi and cannot become 20Gi" in larger.refusal()[0]


def test_templates_without_a_size_ask_for_nothing() -> None:
    found = Set(database(data=None), live=[database(data=None)], claims=[claim("data-db-0", "10Gi")])
    assert found.grown() == {}
    assert found.server.requests == 0, "where nothing can grow, no claims are read"
    assert Set(database(data="1Gi"), live=[database(data=None)]).grown() == {}
    stateless = database()
    del stateless["spec"]["volumeClaimTemplates"]
    assert Set(stateless, live=[stateless]).grown() == {}


@pytest.mark.parametrize(
    ("made", "shown"), [([], "10Gi"), (["9Gi", "12Gi"], "12Gi"), (["9Gi", "800Mi", "10240Mi"], "10240Mi")]
)
def test_the_largest_volume_decides_what_is_too_small(made: list[str], shown: str) -> None:
    claims = [claim(f"data-db-{number}", text) for number, text in enumerate(made)]
    assert Set(database(data="5Gi"), live=[database()], claims=claims).refusal() == [
        f"set.yaml:10: StatefulSet.apps n/db: the volume 'data' has {shown} and cannot become 5Gi: volumes do not"
        f" shrink. Set its size to at least {shown}.",
        "Nothing was changed.",
    ]


def test_a_claim_of_the_set_itself_does_not_shrink_either() -> None:
    wanted, live = claim("x", "5Gi"), claim("x", "10Gi")
    assert Set(database(), wanted, live=[database(), live]).refusal() == [
        "set.yaml:20: PersistentVolumeClaim n/x: the volume has 10Gi and cannot become 5Gi: volumes do not shrink."
        " Set its size to at least 10Gi.",
        "Nothing was changed.",
    ]
    for same in ("10Gi", "10240Mi", "11Gi"):
        assert Set(claim("x", same), live=[live]).grown() == {}, "the claim is applied as any object is"
    assert Set(claim("x", "5Gi")).grown() == {}
    sizeless = {**live, "spec": {}}
    assert Set(sizeless, live=[sizeless]).grown() == {}


def test_a_size_in_other_words_is_the_same() -> None:
    found = Set(database(data="10240Mi"), live=[database()], claims=[claim("data-db-0", "10Gi")])
    assert found.grown() == {}
    assert sizes(found.members[0].body) == {"data": "10240Mi"}


def test_until_it_is_replaced_a_set_keeps_the_templates_that_it_has() -> None:
    found = Set(database(data="20Gi", log="1Gi"), live=[database(data="10Gi", log="1Gi")])
    found.plan()
    (one,) = found.members
    assert sizes(one.body) == {"data": "10Gi", "log": "1Gi"}, "or the server would refuse the templates"
    live = found.live[one.key]
    action = Action(one.key, SETS, "unchanged", one, before=live)
    other = Action(Key("apps", "StatefulSet", "n", "other"), SETS, "unchanged", before=database("other"))
    assert found.volumes.announce([other, action]) == [action]
    assert (action.action, other.action) == ("replaced", "unchanged")
    assert sizes(action.after or {}) == {"data": "20Gi", "log": "1Gi"}
    assert sizes(live) == {"data": "10Gi", "log": "1Gi"}, "what is shown as before stays what it was"
    action.after = {**live, "metadata": {"name": "db", "namespace": "n", "labels": {"a": "b"}}}
    found.volumes.announce([action])
    assert (action.after["metadata"]["labels"], sizes(action.after)["data"]) == ({"a": "b"}, "20Gi")
    found.volumes.enlarge(one)
    assert sizes(one.body) == {"data": "20Gi", "log": "1Gi"}
    untouched = member(database("other"))
    found.volumes.enlarge(untouched)
    assert untouched.body == database("other")


def test_a_set_that_is_new_is_not_replaced() -> None:
    found = Set(database(data="20Gi"))
    found.plan()
    assert sizes(found.members[0].body) == {"data": "20Gi"}
    assert found.volumes.announce([Action(found.members[0].key, SETS, "created", found.members[0])]) == []


@pytest.mark.parametrize("dry_run", [True, False])
def test_growing_is_one_patch(dry_run: bool) -> None:
    found = Set(database(data="20Gi"), live=[database()], claims=[claim("data-db-0", "10Gi")])
    (action,) = found.plan()
    asked: list[dict[str, Any]] = []
    request = found.server.request

    def noted(method: str, path: str, query: dict[str, str], **more: Any) -> Any:
        asked.append({"method": method, "path": path, "query": query, **more})
        return request(method, path, query, **more)

    found.server.request = noted  # type: ignore[method-assign, assignment]
    found.volumes.grow(action, dry_run=dry_run)
    path = "/api/v1/namespaces/n/persistentvolumeclaims/data-db-0"
    assert asked == [
        {
            "method": "PATCH",
            "path": path,
            "query": {"fieldManager": MANAGER} | ({"dryRun": "All"} if dry_run else {}),
            "body": {"spec": {"resources": {"requests": {"storage": "20Gi"}}}},
            "content_type": "application/merge-patch+json",
        }
    ]
    assert size(found.server.objects[path]) == ("10Gi" if dry_run else "20Gi")


def test_a_refusal_contains_the_size_and_the_servers_reason() -> None:
    found = Set(database(data="20Gi"), live=[database()], claims=[claim("data-db-0", "10Gi")])
    (action,) = found.plan()
    found.server.refuse = lambda *_: ApiError("its class does not allow it", 422, "Invalid", {"kind": "x"})
    with pytest.raises(ApiError) as said:
        found.volumes.grow(action)
    error = said.value
    assert error.message == "it cannot grow to 20Gi: its class does not allow it"
    assert (error.status, error.reason, error.details) == (422, "Invalid", {"kind": "x"})
