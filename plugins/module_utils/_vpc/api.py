# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EC2 API as the network needs it: retried, paginated, tagged at creation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

Client = Any  # of boto3

# A resource made a moment ago may not be known everywhere yet. EC2 spells the same refusal in several ways.
NOT_YET_KNOWN = [
    "NatGatewayNotFound",
    *(
        f"Invalid{name}.NotFound"
        for name in (
            "VpcID",
            "SubnetID",
            "SubnetId",
            "InternetGatewayID",
            "GatewayID",
            "AllocationID",
            "NatGatewayID",
            "GroupId",
            "Group",
            "SecurityGroupID",
            "RouteTableID",
            "RouteTableId",
            "VpcEndpointId",
        )
    ),
]


# An address outlives its NAT gateway's end by some seconds.
NOT_YET_FREE = ["InvalidIPAddress.InUse"]
_RETRIED = AWSRetry.jittered_backoff(
    retries=8, delay=1, max_delay=20, catch_extra_error_codes=[*NOT_YET_KNOWN, *NOT_YET_FREE]
)


class Ec2:
    """One method per call; arguments and results as in the API reference."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.calls: list[str] = []

    def call(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Make a changing call, with retries on throttling and on resources that are not known yet."""
        self.calls.append(operation)
        result: dict[str, Any] = _RETRIED(getattr(self.client, operation))(**arguments)
        return result

    def describe(self, operation: str, key: str, **arguments: object) -> list[dict[str, Any]]:
        """Return all pages of a describing call."""

        def pages() -> list[dict[str, Any]]:
            if not self.client.can_paginate(operation):
                return list(getattr(self.client, operation)(**arguments)[key])
            return [item for page in self.client.get_paginator(operation).paginate(**arguments) for item in page[key]]

        # Only a description by id is refused for what is not known: that of something just made.
        items: list[dict[str, Any]] = _RETRIED(pages)()
        return items

    def create(
        self, operation: str, resource_type: str, tags: Mapping[str, str], **arguments: object
    ) -> dict[str, Any]:
        """Create a resource with its tags, so that an interrupted run finds it again."""
        specification = {"ResourceType": resource_type, "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        return self.call(operation, TagSpecifications=[specification], **arguments)

    def wait(self, waiter: str, **arguments: object) -> None:
        self.client.get_waiter(waiter).wait(**arguments)


def filters(**values: str | list[str]) -> list[dict[str, Any]]:
    """Return EC2 filters: ``vpc_id="vpc-1"`` becomes ``vpc-id``; ``tag_Name`` becomes ``tag:Name``."""
    return [
        {
            "Name": key.replace("tag_", "tag:") if key.startswith("tag_") else key.replace("_", "-"),
            "Values": value if isinstance(value, list) else [value],
        }
        for key, value in values.items()
    ]
