# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a CloudWatch log group should be, and the calls that make it so. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import texts

Fields = dict[str, Any]
# An operation of the API and its arguments.
Call = tuple[str, dict[str, Any]]

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


def state(retention: int | None, tags: Mapping[str, Any]) -> Fields:
    """Return a log group's fields. Without retention, logs are kept forever."""
    return {"retention_days": retention, **{f"tags.{key}": value for key, value in sorted(texts(tags).items())}}


def plan(name: str, arn: str, live: Fields | None, want: Fields) -> tuple[list[Call], Fields, Fields]:
    """Return the calls, and the fields that they change, before and after. Tags that are not wanted stay."""
    tags = {key.removeprefix("tags."): value for key, value in want.items() if key.startswith("tags.")}
    retention: list[Call] = [
        ("put_retention_policy", {"logGroupName": name, "retentionInDays": want["retention_days"]})
    ]
    if want["retention_days"] is None:
        retention = [("delete_retention_policy", {"logGroupName": name})]
    if live is None:
        create: Call = ("create_log_group", {"logGroupName": name, **({"tags": tags} if tags else {})})
        return [create, *(retention if want["retention_days"] else [])], {}, want
    after = {key: value for key, value in want.items() if live.get(key, ...) != value}
    before = {key: live[key] for key in after if key in live}
    calls: list[Call] = retention if "retention_days" in after else []
    changed = {key.removeprefix("tags."): value for key, value in after.items() if key.startswith("tags.")}
    if changed:
        calls = [*calls, ("tag_resource", {"resourceArn": arn, "tags": changed})]
    return calls, before, after
