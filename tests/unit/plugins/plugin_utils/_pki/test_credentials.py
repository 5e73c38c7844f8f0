# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotation of a member's Kafka credential: the old credential is valid until the member's run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki import plan
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.credentials import credential, notices
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._pki.authority import NOW

FIRST = {"username": "staging", "password": "p", "previous_username": "", "previous_password": "", "previous_until": ""}


def after(live: dict[str, Any], *rotate: str, days: float = 0, overlap: int = 7) -> dict[str, str]:
    """The credential after a run, ``days`` from now."""
    times = plan.Times(now=NOW + timedelta(days=days), credential_overlap=overlap)
    found = credential(live, "staging", times, rotate)
    assert not any("password" in key for key in found["public"])
    document: dict[str, str] = found["public"] | found["secret"]
    return document


def users(document: dict[str, str]) -> dict[str, str]:
    """Return the users that Kafka accepts, with their passwords."""
    found = {document["username"]: document["password"]}
    if document["previous_username"]:
        found[document["previous_username"]] = document["previous_password"]
    return found


def test_is_made_once() -> None:
    made = after({})
    assert (made["username"], len(made["password"])) == ("staging", 32)
    assert after(made) == made
    assert after({"username": "staging", "password": "p"}) == FIRST, "one of an earlier version is completed"


@pytest.mark.parametrize("word", ["kafka", "all", "kafka/staging"])
def test_a_rotation_leaves_the_one_before_valid(word: str) -> None:
    new = after(FIRST, word)
    assert users(new) == {"staging.2": new["password"], "staging": "p"}
    assert new["password"] != "p"
    assert new["previous_until"] == "2026-12-02"


def test_other_values_are_kept() -> None:
    assert after(FIRST, "kafka/production", "kafka-admin", "issuers") == FIRST


def test_the_same_command_again_changes_nothing() -> None:
    new = after(FIRST, "kafka")
    assert after(new, "kafka", days=7) == new


def test_the_one_before_ends_and_the_names_take_turns() -> None:
    new = after(FIRST, "kafka")
    alone = after(new, days=8)
    assert users(alone) == {"staging.2": new["password"]}
    assert alone["previous_until"] == ""
    again = after(alone, "kafka", days=8)
    assert set(users(again)) == {"staging", "staging.2"}
    assert again["username"] == "staging"
    assert users(after(new, "kafka", days=8)) != users(new), "a former one that has ended does not hold a rotation up"


def test_after_a_leak_nothing_of_before_is_valid() -> None:
    new = after(FIRST, "kafka")
    assert users(after(new, overlap=0)) == {"staging.2": new["password"]}
    at_once = after(FIRST, "kafka", overlap=0)
    assert "p" not in users(at_once).values()
    assert len(users(at_once)) == 1


def test_reports_the_expiry() -> None:
    def document(member: str, live: dict[str, Any], *rotate: str) -> dict[str, Any]:
        found = credential(live, member, plan.Times(now=NOW), rotate)
        return {"name": f"{member}/kafka", "tags": {"dataplatform.fleet/member": member}, **found}

    old = {"username": "x", "password": "p"}
    found = [document("b", old, "kafka"), document("a", old, "kafka"), document("c", old), {"name": "ca", "secret": {}}]
    (said,) = notices(found)
    assert "former Kafka credentials of a, b are valid until 2026-12-02: run site.yml on these members by then" in said
    assert notices([document("c", old)]) == []
