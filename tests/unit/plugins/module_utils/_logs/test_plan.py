# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.dataplatform.fleet.plugins.module_utils._logs.plan import plan, state

WANT = state(90, {"team": "data"})


def test_creates_with_tags_and_retention() -> None:
    calls, before, after = plan("logs", "", None, WANT)
    assert calls == [
        ("create_log_group", {"logGroupName": "logs", "tags": {"team": "data"}}),
        ("put_retention_policy", {"logGroupName": "logs", "retentionInDays": 90}),
    ]
    assert (before, after) == ({}, {"retention_days": 90, "tags.team": "data"})


def test_creates_without_retention() -> None:
    assert plan("logs", "", None, state(None, {}))[0] == [("create_log_group", {"logGroupName": "logs"})]


def test_needs_nothing() -> None:
    assert plan("logs", "arn", {**WANT, "tags.theirs": "stays"}, WANT) == ([], {}, {})


def test_changes_only_what_differs() -> None:
    calls, before, after = plan("logs", "arn", state(1, {"team": "data"}), WANT)
    assert calls == [("put_retention_policy", {"logGroupName": "logs", "retentionInDays": 90})]
    assert (before, after) == ({"retention_days": 1}, {"retention_days": 90})
    calls, before, after = plan("logs", "arn", state(90, {}), WANT)
    assert calls == [("tag_resource", {"resourceArn": "arn", "tags": {"team": "data"}})]
    assert (before, after) == ({}, {"tags.team": "data"})


def test_keeps_logs_forever() -> None:
    calls, before, after = plan("logs", "arn", state(90, {}), state(None, {}))
    assert calls == [("delete_retention_policy", {"logGroupName": "logs"})]
    assert (before, after) == ({"retention_days": 90}, {"retention_days": None})
