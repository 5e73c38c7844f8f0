# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the changes of a CloudWatch log group. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping

from .._aws.aliases import Document
from .._aws.plan import Change, Plan, Step, creation, deletion, prefixed, tag_steps

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


def plan_present(
    name: str,
    group: Document | None,
    had: Mapping[str, str],
    retention: int | None,
    tags: Mapping[str, str] | None,
    *,
    purge_tags: bool = True,
) -> Plan:
    """The calls that make *group* (None: absent), which *had* these tags, one that keeps logs *retention* days.

    Without retention, logs are kept forever.
    """
    place = {"logGroupName": name}
    kept = (group or {}).get("retentionInDays")
    if group is None:
        changes = creation({"name": name, **prefixed(tags)})
        steps = [Step("CreateLogGroup", {**place, **({"tags": tags} if tags else {})}, changes)]
    else:
        steps = tag_steps(arn(group), had, tags, purge=purge_tags)
    if kept != retention:
        changes = {"retention_days": Change(kept, retention)}
        keep = Step("PutRetentionPolicy", {**place, "retentionInDays": retention}, changes)
        steps.append(keep if retention else Step("DeleteRetentionPolicy", place, changes))
    return Plan(f"log group {name}", tuple(steps))


def plan_absent(name: str, group: Document | None, had: Mapping[str, str]) -> Plan:
    """The call that deletes *group* with its logs."""
    if group is None:
        return Plan(f"log group {name}")
    fields = deletion({"name": name, "retention_days": group.get("retentionInDays"), **prefixed(had)})
    return Plan(f"log group {name}", (Step("DeleteLogGroup", {"logGroupName": name}, fields),))


def arn(group: Document) -> str:
    """Return the ARN for the calls about tags."""
    return str(group["arn"]).removesuffix(":*")
