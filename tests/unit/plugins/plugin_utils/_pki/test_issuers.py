# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewal of issuers: nodes of Kafka and Elasticsearch trust each other during a rollout."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._documents.plan import PLACEHOLDER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki import plan
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.certificates import load, split
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.issuers import Issuer, issuers
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._pki.authority import (
    MEMBERS,
    NOW,
    RESERVED,
    certificate,
    issuer,
    private,
    root,
)

TIMES = plan.Times(now=NOW)
ROOT = plan.root(root(), TIMES)
NODES = "controlplane"


def planned(documents: dict[str, Any], *, of: plan.Root = ROOT, days: int = 0, **options: Any) -> dict[str, Issuer]:
    """The members' issuers, ``days`` from now."""
    rotate = options.pop("rotate", ())
    times = plan.Times(now=NOW + timedelta(days=days), **options)
    found = {f"{member}/issuer": document for member, document in documents.items()}
    return {one.member: one for one in issuers(found, MEMBERS, of, times, reserved=RESERVED, rotate=rotate)}


@pytest.mark.parametrize(
    ("changed", "due"),
    [
        (issuer("staging"), ""),
        ({}, "now"),
        (issuer("staging", days=396), ""),
        (issuer("staging", days=394), "now"),
        (issuer("staging", days=-1), "now"),
        (issuer("staging", signer="unknown"), "now"),
        (issuer("staging", excluded=("other.internal",)), "now"),
        (issuer("staging") | {"private_key": private("other")}, "now"),
        (issuer("staging") | {"certificate": "nonsense"}, "now"),
    ],
)
def test_when_a_workloads_issuer_is_due(changed: dict[str, str], due: str) -> None:
    found = planned({NODES: issuer(NODES), "staging": changed})
    assert {one.member: one.due for one in found.values()} == {NODES: "", "staging": due}


@pytest.mark.parametrize(
    ("changed", "due"),
    [
        (issuer(NODES, days=426), ""),
        (issuer(NODES, days=424), "next"),
        (issuer(NODES, days=-1), "now"),
        ({}, "now"),
    ],
)
def test_the_controlplanes_is_followed_by_one_that_is_known_before(changed: dict[str, str], due: str) -> None:
    assert planned({NODES: changed, "staging": issuer("staging")})[NODES].due == due


def test_issuers_end_with_their_root_and_are_constrained_for_workloads() -> None:
    found = planned({}, of=plan.root(root(days=1300), TIMES)).values()
    assert [one.excluded for one in found] == [(), tuple(sorted(RESERVED))]
    assert {one.not_after for one in found} == {"20291124120000Z"}
    found = planned({}, of=plan.root(root(days=500), TIMES)).values()
    assert {one.not_after for one in found} == {"20280408120000Z"}


def test_an_issuer_that_could_get_no_longer_life_is_left_alone() -> None:
    found = planned(
        {"staging": issuer("staging", days=100), NODES: issuer(NODES, days=100)}, of=plan.root(root(days=100), TIMES)
    )
    assert {one.due for one in found.values()} == {""}


class Run:
    """The issuers of nodes after a run: of their certificates, and trusted ones."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.shown = self._key(document["certificate"])
        self.trusted = {self._key(pem) for pem in split(document["issuers"])}

    @staticmethod
    def _key(pem: str) -> bytes:
        found = load(pem)
        assert found
        return found.key_id


def run(before: dict[str, Any], day: int, **options: Any) -> Run:
    """The controlplane's run on some day; what is due is made."""
    one = planned({NODES: before}, days=day, **options)[NODES]
    name = f"{NODES}-{day}"
    new = {"certificate": certificate(name, "root", day + 1095, age=-day), "private_key": private(name)}
    return Run(one.written(new if one.due else {}, "roots"))


@pytest.mark.parametrize(
    ("days", "options"),
    [
        ([0, 671, 672, 690, 701, 702, 720, 735, 1400], {}),  # a life without a rotation by hand
        ([0, 10, 20, 39, 40, 41, 70, 100], {"rotate": ["issuers"]}),  # requested repeatedly
        ([0, 1, 2, 3, 4], {"rotate": [f"issuers/{NODES}"], "issuer_overlap": 0}),  # in a hurry
    ],
)
def test_nodes_before_and_after_each_run_know_each_other(days: list[int], options: dict[str, Any]) -> None:
    first = issuer(NODES)
    runs = [run(first, days[0], **options)]
    for day in days[1:]:
        runs.append(run(runs[-1].document, day, **options))
    for before, after in itertools.pairwise(runs):
        assert before.shown in after.trusted, "a node that is not restarted yet is refused"
        assert after.shown in before.trusted, "the first one that is restarted is refused"
    assert len({one.shown for one in runs}) > 1, "nothing was followed by anything"


def test_the_one_before_is_forgotten() -> None:
    first = run(issuer(NODES), 0, rotate=["issuers"])
    assert (len(first.trusted), "next_certificate" in first.document) == (2, True)
    assert run(first.document, 29).document == first.document
    second = run(first.document, 30)
    assert second.shown != first.shown
    assert second.trusted == first.trusted
    assert "next_certificate" not in second.document
    assert run(second.document, 59).document == second.document
    third = run(second.document, 60)
    assert third.trusted == {third.shown} == {second.shown}


def test_reports_when_the_next_root_signs() -> None:
    (said,) = planned({NODES: issuer(NODES)}, rotate=["issuers"])[NODES].notices
    assert said.startswith("The next issuer of controlplane signs from 2026-12-25 on: run site.yml on controlplane")
    document = run(issuer(NODES), 0, rotate=["issuers"]).document
    assert "2026-12-25" in planned({NODES: document}, days=10)[NODES].notices[0]
    assert planned({NODES: issuer(NODES)})[NODES].notices == []


def test_a_next_one_that_cannot_sign_is_made_again() -> None:
    broken = issuer(NODES) | {"next_certificate": "nonsense", "next_private_key": "x"}
    assert planned({NODES: broken}, rotate=["issuers"])[NODES].due == "next"
    assert "next_certificate" not in planned({NODES: broken})[NODES].document


def test_a_present_one_that_cannot_sign_any_more_is_followed_at_once() -> None:
    document = run(issuer(NODES), 0, rotate=["issuers"]).document
    found = run(document | {"private_key": private("other")}, 1)
    assert found.document["certificate"] == document["next_certificate"]


def test_placeholders_of_check_mode() -> None:
    made = {"certificate": PLACEHOLDER, "private_key": PLACEHOLDER}
    first = planned({})[NODES].written(made, "roots")
    assert first == {**made, "ca": "roots", "issuers": PLACEHOLDER}
    following = planned({NODES: issuer(NODES)}, rotate=["issuers"])[NODES].written(made, "roots")
    assert following["issuers"] == PLACEHOLDER + issuer(NODES)["certificate"]
