# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the AWS API, retried in one way. Operations have the names of the API reference, such as CreateVpc."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

from .aliases import Client, Document

try:  # noqa: SIM105
    from botocore import xform_name
except ImportError:
    pass  # AnsibleAWSModule says what is missing

# Refusals of one service that end by themselves, beside those that AWSRetry knows.
PASSING: Final[Mapping[str, list[str]]] = {
    # A resource made a moment ago may not be known everywhere yet. EC2 spells the same refusal in several ways. An
    # address outlives its NAT gateway's end by some seconds.
    "ec2": [
        "InvalidIPAddress.InUse",
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
                "VpcPeeringConnectionID",
                "VpcPeeringConnectionId",
            )
        ),
    ],
    # S3 may not know a bucket for some moments after it was made, and takes one change of its settings at a time.
    "s3": ["NoSuchBucket", "OperationAborted"],
    # Route 53 carries out one change of a zone after the other.
    "route53": ["PriorRequestNotComplete"],
}


def retried[**Given, Answer](call: Callable[Given, Answer], *passing: str) -> Callable[Given, Answer]:
    """Return *call*, repeated for about a minute while AWS throttles, fails or refuses with a code of *passing*."""
    policy = AWSRetry.jittered_backoff(retries=8, delay=1, max_delay=20, catch_extra_error_codes=list(passing))
    found: Callable[Given, Answer] = policy(call)
    return found


def passing(client: Client) -> list[str]:
    """Return the codes with which the service of *client* refuses what it will soon do."""
    return PASSING.get(client.meta.service_model.service_name, [])


def call(client: Client, operation: str, **request: object) -> Document:
    """Make one call, repeated while its refusal will end by itself."""
    method: Callable[..., Document] = getattr(client, xform_name(operation))
    return retried(method, *passing(client))(**request)


def pages(client: Client, operation: str, key: str, **request: object) -> list[Any]:
    """Return the items under *key* of all pages of a call that lists or describes."""
    name = xform_name(operation)
    if not client.can_paginate(name):
        return list(call(client, operation, **request)[key])

    def read() -> list[Any]:
        return [item for page in client.get_paginator(name).paginate(**request) for item in page.get(key, [])]

    return retried(read, *passing(client))()
