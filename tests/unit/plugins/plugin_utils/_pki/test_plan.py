# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewal of certificates, and the resulting documents."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._documents.plan import PLACEHOLDER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki import plan
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.certificates import load, split
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._pki.authority import (
    MEMBERS,
    NOW,
    certificate,
    issuer,
    leaf,
    private,
    root,
)

TIMES = plan.Times(now=NOW)


def test_the_first_root() -> None:
    planned = plan.root({}, TIMES)
    assert (planned.due, planned.document, planned.bundle) == ("first", {}, "")
    made = planned.made("-----C", "K")
    assert made.document == {"certificate": "-----C", "private_key": "K"}


def test_a_root_that_lives_long_is_left_alone() -> None:
    planned = plan.root(root(), TIMES)
    assert (planned.due, planned.document, planned.notices) == ("", root(), [])
    assert planned.bundle == root()["certificate"]


def test_the_next_root_joins_the_bundle_before_it_signs() -> None:
    old = root(days=1184)
    planned = plan.root(old, TIMES)
    assert planned.due == "next"
    assert "ends on 2030-02-21" in planned.notices[0]
    assert "signs from 2027-02-23 on" in planned.notices[0]
    new = root("second")
    made = planned.made(new["certificate"], new["private_key"])
    assert made.document["certificate"] == old["certificate"], "it does not sign yet"
    assert set(split(made.bundle)) == {old["certificate"], new["certificate"]}
    # The next run still waits, and reports it again.
    again = plan.root(made.document, TIMES)
    assert (again.due, again.document, again.bundle) == ("", made.document, made.bundle)
    assert again.notices == planned.notices


def test_the_next_root_signs_after_the_overlap_and_the_old_one_stays_until_its_end() -> None:
    old, new = root(days=1000), root("second", age=91)
    document = {**old, "next_certificate": new["certificate"], "next_private_key": new["private_key"]}
    planned = plan.root(document, TIMES)
    assert planned.due == ""
    assert planned.document == {**new, "previous": [old["certificate"]]}
    assert set(split(planned.bundle)) == {old["certificate"], new["certificate"]}
    ended = plan.root({**new, "previous": [certificate("old", "old", -1)]}, TIMES)
    assert ended.document == new


def test_a_root_that_cannot_sign_any_more_is_replaced_and_stays_known_while_it_lives() -> None:
    lost = plan.root({"certificate": root()["certificate"], "private_key": private("other")}, TIMES)
    assert (lost.due, lost.document) == ("first", {"previous": [root()["certificate"]]})
    ended = plan.root(root(days=-1), TIMES)
    assert (ended.due, ended.document) == ("first", {})
    (said,) = ended.notices
    assert "The fleet's root certificate ended on 2026-11-24, and with it all that it signed." in said
    assert "run site.yml on every member now" in said
    assert plan.root({"certificate": "nonsense", "private_key": "x"}, TIMES).due == "first"


def test_a_root_is_rotated_once() -> None:
    planned = plan.root(root(), TIMES, rotate=True)
    assert planned.due == "next"
    new = root("second")
    assert plan.root(planned.made(new["certificate"], new["private_key"]).document, TIMES, rotate=True).due == ""


def test_placeholders_of_check_mode() -> None:
    made = plan.root(root(days=100), TIMES).made(PLACEHOLDER, PLACEHOLDER)
    assert made.bundle == PLACEHOLDER + root(days=100)["certificate"]


@pytest.mark.parametrize(
    ("live", "due"),
    [
        (leaf("x"), False),
        (None, True),
        (leaf("x", days=31), False),
        (leaf("x", days=29), True),
        (leaf("x", names=("a",)), True),
        (leaf("x") | {"private_key": private("other")}, True),
        (leaf("x", member="controlplane"), True),
        ({"certificate": certificate("x", "staging", 365, names=("a", "b")), "private_key": private("x")}, True),
    ],
)
def test_when_a_certificate_is_due(live: dict[str, str] | None, due: bool) -> None:
    found = plan.certificates({"x": live} if live else {}, issuer("staging"), {"x": ["b", "a"]}, TIMES)
    expected = [{"name": "x", "dns_names": ["a", "b"], "not_after": "20271125120000Z"}]
    assert found == (expected if due else [])


def test_a_certificate_ends_with_its_issuer() -> None:
    signer = issuer("staging", days=20)
    (due,) = plan.certificates({}, signer, {"x": ["a"]}, TIMES)
    assert due["not_after"] == "20261215120000Z"
    chain = certificate("x", "staging", 20, names=("a",)) + signer["certificate"]
    live = {"x": {"certificate": chain, "private_key": private("x")}}
    assert plan.certificates(live, signer, {"x": ["a"]}, TIMES) == [], "the issuer's matter"
    assert "Only the controlplane's run renews it" in plan.issuer_notices("staging", signer, TIMES)[0]
    assert plan.issuer_notices("staging", issuer("staging"), TIMES) == []


def test_an_issuer_that_has_ended_is_not_only_noticed() -> None:
    ended = issuer("staging", days=-1)
    assert plan.ended_issuer(ended, TIMES) == "2026-11-24"
    assert plan.issuer_notices("staging", ended, TIMES) == []
    assert plan.ended_issuer(issuer("staging", days=1), TIMES) == plan.ended_issuer({}, TIMES) == ""


@pytest.mark.parametrize(
    ("rotate", "due"), [(["certificates"], 1), (["certificates/x"], 1), (["certificates/y"], 0), (["all"], 0)]
)
def test_certificates_are_rotated(rotate: list[str], due: int) -> None:
    assert len(plan.certificates({"x": leaf("x")}, issuer("staging"), {"x": ["a", "b"]}, TIMES, rotate)) == due


def test_documents_of_former_members() -> None:
    def of(member: str) -> dict[str, str]:
        return {"dataplatform.fleet/member": member}

    names = {
        "ca": {},
        "staging/kafka": of("staging"),
        "former/kafka": of("former"),
        "former/tls": of("former"),
        "former/other": of("former"),
        "foreign/kafka": {},
    }
    assert plan.undeclared(names, MEMBERS) == ["former/kafka", "former/tls"]


def test_invalid_certificates() -> None:
    assert load("") is None
    assert load("nonsense") is None
