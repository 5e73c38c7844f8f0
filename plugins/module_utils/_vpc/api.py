# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of EC2 for networks: resources are tagged at creation, and all pages are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._aws.run import Run
from .._aws.waiters import Probe
from .._ownership.tags import pairs_of


class Ec2:
    """The calls of one run; operations, arguments and results as in the API reference."""

    def __init__(self, this: Run) -> None:
        self.this = this
        self.client = this.client("ec2")

    def call(self, operation: str, **arguments: object) -> dict[str, Any]:
        return self.this.call(self.client, operation, **arguments)

    def describe(self, operation: str, key: str, **arguments: object) -> list[dict[str, Any]]:
        """Return all pages of a describing call."""
        return self.this.pages(self.client, operation, key, **arguments)

    def create(
        self, operation: str, resource_type: str, tags: Mapping[str, str], **arguments: object
    ) -> dict[str, Any]:
        """Create a resource with its tags, so that the run after an interruption finds it."""
        specification = {"ResourceType": resource_type, "Tags": pairs_of(tags)}
        return self.call(operation, TagSpecifications=[specification], **arguments)

    def wait(self, on: str, operation: str, key: str, *states: str, **request: object) -> None:
        """Wait until the resource of ``request`` is in one of the states, exists ("there"), or is "absent"."""

        def look() -> Probe:
            found = self.describe(operation, key, **request)
            state = found[0].get("State", "there") if found else "absent"
            ended = state in ("failed", "deleting", "deleted") and "deleted" not in states
            reason = found[0].get("FailureMessage", "") if found else ""
            return Probe(state, done=state in states, failed=ended, reason=reason)

        self.this.poller.until(on, look)


def filters(**values: str | list[str]) -> list[dict[str, Any]]:
    """Return EC2 filters: ``vpc_id="vpc-1"`` becomes ``vpc-id``; ``tag_Name`` becomes ``tag:Name``."""
    return [
        {
            "Name": key.replace("tag_", "tag:") if key.startswith("tag_") else key.replace("_", "-"),
            "Values": value if isinstance(value, list) else [value],
        }
        for key, value in values.items()
    ]
