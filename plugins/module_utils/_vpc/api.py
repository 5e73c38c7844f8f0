# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EC2 API as the network needs it: retried, paginated, tagged at creation."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from .._aws import calls
from .._aws.aliases import Client
from .._ownership.tags import pairs_of


class Ec2:
    """One method per call; arguments and results as in the API reference."""

    def __init__(self, client: Client, wait_timeout: float = 3600) -> None:
        """``wait_timeout`` is in seconds, for all waits together, and counts from the first."""
        self.client = client
        self.wait_timeout = wait_timeout
        self.deadline: float | None = None
        self.calls: list[str] = []

    def call(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Make a changing call, with retries on throttling and on resources that are not known yet."""
        self.calls.append(operation)
        return calls.call(self.client, operation, **arguments)

    def describe(self, operation: str, key: str, **arguments: object) -> list[dict[str, Any]]:
        """Return all pages of a describing call."""
        return calls.pages(self.client, operation, key, **arguments)

    def create(
        self, operation: str, resource_type: str, tags: Mapping[str, str], **arguments: object
    ) -> dict[str, Any]:
        """Create a resource with its tags, so that an interrupted run finds it again."""
        specification = {"ResourceType": resource_type, "Tags": pairs_of(tags)}
        return self.call(operation, TagSpecifications=[specification], **arguments)

    def wait(self, waiter: str, **arguments: object) -> None:
        """Wait with one of botocore's waiters, for what is left of the time that the task may wait."""
        if self.deadline is None:
            self.deadline = time.monotonic() + self.wait_timeout
        found = self.client.get_waiter(waiter)
        attempts = max(1, math.ceil((self.deadline - time.monotonic()) / found.config.delay))
        found.wait(WaiterConfig={"MaxAttempts": attempts}, **arguments)


def filters(**values: str | list[str]) -> list[dict[str, Any]]:
    """Return EC2 filters: ``vpc_id="vpc-1"`` becomes ``vpc-id``; ``tag_Name`` becomes ``tag:Name``."""
    return [
        {
            "Name": key.replace("tag_", "tag:") if key.startswith("tag_") else key.replace("_", "-"),
            "Values": value if isinstance(value, list) else [value],
        }
        for key, value in values.items()
    ]
