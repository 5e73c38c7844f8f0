# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.hops import (
    PATH,
    Finding,
    Readiness,
    Status,
    table,
    verdict,
)

ROOT = Path(__file__).parents[5]
READY = Readiness(3, 3, 0)
SEEN = Finding("metric", "exporter", Status.SEEN, 1.0)


def test_every_runbook_that_is_named_exists() -> None:
    named = {name for hop in PATH for name in re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", hop.look)}
    named -= {"NetworkPolicies", "NetworkPolicy"}
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / "docs" / "runbooks" / f"{name}.md").is_file()] == []


def test_a_signal_and_a_hop_are_a_name() -> None:
    names = [(hop.signal, hop.name) for hop in PATH]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("readiness", "status", "expected"),
    [
        (READY, Status.SEEN, "verified"),
        (READY, Status.OFF, "verified"),
        (READY, Status.NOT_RUN, "not_verified"),
        (READY, Status.MISSING, "failed"),
        (READY, Status.FAILED, "failed"),
        (Readiness(3, 3, 1), Status.SEEN, "not_verified"),
        (Readiness(3, 2, 0, ["kafka/kafka"]), Status.SEEN, "failed"),
        (Readiness(0, 0, 0), Status.SEEN, "failed"),
    ],
)
def test_only_what_was_seen_is_verified(readiness: Readiness, status: Status, expected: str) -> None:
    found, reasons = verdict(readiness, [SEEN, Finding("metric", "kafka", status, text="why.", look="here.")])
    assert found == expected
    assert bool(reasons) == (expected != "verified")


def test_nothing_followed_is_not_verified() -> None:
    assert verdict(READY, []) == ("not_verified", ["no hop was checked"])


def test_the_first_hop_without_the_canary_is_named_with_what_to_look_at() -> None:
    lost = Finding("metric", "kafka", Status.MISSING, text="Not seen within 5 s.", look="Telegraf.")
    behind = Finding("metric", "elasticsearch", Status.NOT_REACHED)
    _, reasons = verdict(READY, [SEEN, lost, behind])
    assert reasons == ["the canary's metric does not arrive at kafka: Not seen within 5 s. Look at: Telegraf."]


def test_each_receiver_without_the_message_is_named() -> None:
    missed = [Finding("alarm", hop, Status.MISSING, text="Not seen.", look="x") for hop in ("email", "slack")]
    _, reasons = verdict(READY, missed)
    assert [reason.split(":")[0] for reason in reasons] == [
        "the canary's alarm does not arrive at email",
        "the canary's alarm does not arrive at slack",
    ]


def test_readiness_counts_what_is_simulated() -> None:
    item = {"namespace": "kafka", "name": "kafka", "desired": 3, "ready": 2, "simulated": True}
    assert Readiness.of([item, {**item, "name": "web", "ready": 3}]) == Readiness(2, 1, 2, ["kafka/kafka"])


def test_checks_that_were_not_run_are_shown_in_capitals() -> None:
    assert "NOT RUN" in table("staging", [Finding("log", "kafka", Status.NOT_RUN, text="Simulated.")])
