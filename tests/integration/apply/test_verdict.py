# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict "unchanged", compared with a dry-run PATCH on a real API server."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import plan, render
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applyset import PART_OF
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError, PlanError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.fields import MANAGER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Member
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.testing import eventually

from .conftest import Cluster
from .mutations import mutate
from .objects import NAMESPACE, curated

pytestmark = pytest.mark.integration
SET = "verdict"
# Kinds whose values the server rewrites so that only it can tell; each costs one dry run.
ASKED: set[str] = set()


class Applied:
    """The curated objects as members, applied once."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        cluster.send("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        cluster.apply(SET, NAMESPACE, curated(), allow_namespaces=True)
        eventually(self._read, what="the server publishes the new kinds' schemas")

    def _read(self) -> bool:
        applier = self.cluster.applier(SET, NAMESPACE, allow_namespaces=True)
        self.members = applier.read(render.from_definition(curated()))
        self.discovery = applier.discovery
        return all(self.discovery.type_of(member.resource) for member in self.members)

    def live(self, member: Member) -> Json:
        return self.cluster.client.get(member.path)

    def sure(self, member: Member, body: Json, live: Json) -> bool:
        return plan.surely_unchanged(body, live, self.discovery.type_of(member.resource))

    def judge(self, member: Member, body: Json, live: Json) -> bool:
        """Whether the server would change nothing."""
        query = {"fieldManager": MANAGER, "force": "true", "dryRun": "All", "fieldValidation": "Strict"}
        answer = self.cluster.client.request(
            "PATCH", member.path, query, body=body, content_type="application/apply-patch+yaml"
        )
        return plan.same_state(live, answer.json())

    def replace(self, member: Member) -> None:
        """Replace an object that has become immutable."""
        self.cluster.send("PATCH", member.path, {"metadata": {"finalizers": None}})
        self.cluster.client.request("DELETE", member.path)
        self.cluster.apply(SET, NAMESPACE, curated(), allow_namespaces=True)


@pytest.fixture(scope="module")
def applied(cluster: Cluster) -> Iterator[Applied]:
    yield Applied(cluster)
    for _ in range(2):
        cluster.absent(SET, NAMESPACE, confirm=SET)


def test_a_second_apply_is_unchanged_without_a_dry_run(applied: Applied) -> None:
    asked = {
        str(member.key) for member in applied.members if not applied.sure(member, member.body, applied.live(member))
    }
    wrong = {str(m.key) for m in applied.members if not applied.judge(m, m.body, applied.live(m))}
    assert not wrong, "the server changes these on every apply"
    assert asked == ASKED


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32))
def test_a_changed_template_is_never_reported_unchanged(applied: Applied, seed: int) -> None:
    """Rendered values that differ from what was applied: "surely unchanged" must mean that for the server, too."""
    chooser = random.Random(seed)
    member = chooser.choice(applied.members)
    live = applied.live(member)
    body = mutate(member.body, chooser)
    if not applied.sure(member, body, live):
        return
    try:
        assert applied.judge(member, body, live), f"missed: {body}"
    except ApiError as error:
        pytest.fail(f"the server refuses what was taken for unchanged: {error}\n{body}")


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32))
def test_a_changed_live_object_is_never_reported_unchanged(applied: Applied, seed: int) -> None:
    """A client edits, adds or removes a value, and the next apply restores it."""
    chooser = random.Random(seed)
    member = chooser.choice(applied.members)
    live = applied.live(member)
    edited = mutate({key: value for key, value in live.items() if key != "status"}, chooser)
    edited["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    try:
        applied.cluster.send("PUT", member.path, edited, manager=chooser.choice(["kubectl-edit", "robot"]))
    except ApiError:
        return  # not an edit the server allows
    after = applied.live(member)
    if applied.sure(member, member.body, after):
        assert applied.judge(member, member.body, after), f"missed: {edited}"
    query = {"fieldManager": MANAGER, "force": "true"}
    try:
        applied.cluster.client.request(
            "PATCH", member.path, query, body=member.body, content_type="application/apply-patch+yaml"
        )
    except ApiError:
        # Immutable now, so the object is replaced.
        applied.replace(member)
        return
    assert applied.judge(member, member.body, applied.live(member))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32))
def test_manual_changes_are_repaired_as_announced(applied: Applied, seed: int) -> None:
    """Check mode announces the changes of the run, and a second run changes nothing."""
    chooser = random.Random(seed)
    member = chooser.choice(applied.members)
    live = applied.live(member)
    edited = mutate({key: value for key, value in live.items() if key != "status"}, chooser)
    edited["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    if (edited["metadata"].get("labels") or {}).get(PART_OF) not in {None, live["metadata"]["labels"][PART_OF]}:
        return  # now another set's
    try:
        applied.cluster.send("PUT", member.path, edited)
    except ApiError:
        return
    options: dict[str, Any] = {"allow_namespaces": True, "wait": False}
    try:
        planned = applied.cluster.apply(SET, NAMESPACE, curated(), check=True, **options)
    except PlanError as error:
        # What the edit made immutable: the run must say the same, and the object is begun again.
        with pytest.raises(PlanError, match=re.escape(str(error).partition(": ")[0])):
            applied.cluster.apply(SET, NAMESPACE, curated(), **options)
        applied.replace(member)
        return
    done = applied.cluster.apply(SET, NAMESPACE, curated(), **options)
    assert planned.objects() == done.objects()
    assert not applied.cluster.apply(SET, NAMESPACE, curated(), **options).changed
