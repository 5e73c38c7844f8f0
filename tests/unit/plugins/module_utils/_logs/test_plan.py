# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Change
from ansible_collections.dataplatform.fleet.plugins.module_utils._logs.plan import plan_absent, plan_present

GROUP = {"arn": "arn:aws:logs:::log-group:logs:*", "retentionInDays": 90}
TAGS = {"team": "data"}


def test_creates_with_tags_and_retention() -> None:
    plan = plan_present("logs", None, {}, 90, TAGS)
    assert [(step.operation, step.request) for step in plan] == [
        ("CreateLogGroup", {"logGroupName": "logs", "tags": {"team": "data"}}),
        ("PutRetentionPolicy", {"logGroupName": "logs", "retentionInDays": 90}),
    ]
    assert plan.diff()["after"] == {"name": "logs", "retention_days": 90, "tags.team": "data"}
    assert plan.tags() == TAGS


@pytest.mark.parametrize("tags", [None, {}])
def test_creates_without_retention(tags: dict[str, str] | None) -> None:
    (step,) = planned = plan_present("logs", None, {}, None, tags)
    assert planned.diff()["after"] == {"name": "logs"}
    assert (step.operation, step.request) == ("CreateLogGroup", {"logGroupName": "logs"})


@pytest.mark.parametrize(("tags", "purge"), [(None, True), (TAGS, False), ({**TAGS, "theirs": "stays"}, True)])
def test_needs_nothing(tags: dict[str, str] | None, purge: bool) -> None:
    assert not plan_present("logs", GROUP, {**TAGS, "theirs": "stays"}, 90, tags, purge_tags=purge)


def test_changes_only_what_differs() -> None:
    (step,) = plan_present("logs", {**GROUP, "retentionInDays": 1}, TAGS, 90, TAGS)
    assert (step.operation, step.request["retentionInDays"]) == ("PutRetentionPolicy", 90)
    assert step.changes == {"retention_days": Change(1, 90)}
    tag, untag = plan_present("logs", GROUP, {"old": "1"}, 90, TAGS)
    assert (tag.operation, tag.request["tags"]) == ("TagResource", TAGS)
    assert (untag.operation, untag.request["tagKeys"]) == ("UntagResource", ["old"])
    assert tag.request["resourceArn"] == untag.request["resourceArn"] == "arn:aws:logs:::log-group:logs"


def test_keeps_logs_forever() -> None:
    (step,) = plan_present("logs", GROUP, {}, None, None)
    assert (step.operation, step.request) == ("DeleteRetentionPolicy", {"logGroupName": "logs"})
    assert step.changes == {"retention_days": Change(90, None)}


def test_deletes() -> None:
    (step,) = plan_absent("logs", GROUP, TAGS)
    assert (step.operation, step.request) == ("DeleteLogGroup", {"logGroupName": "logs"})
    gone = {"name": "logs", "retention_days": 90, "tags.team": "data"}
    assert step.changes == {name: Change(value, None) for name, value in gone.items()}
    assert not plan_absent("logs", None, {})
