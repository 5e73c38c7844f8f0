# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of EC2 and Route 53 for both sides of a peering connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Client
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.calls import call, pages
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.waiters import Probe
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import MARKS, preferred, tags_of
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import LIVE, PeeringError, Side

# The option of modules whose other side can be in another account. Documented in doc_fragments/accepter.py.
ACCEPTER: Mapping[str, Any] = {
    "type": "dict",
    "default": {},
    "options": {
        "access_key": {"type": "str", "no_log": False},
        "secret_key": {"type": "str", "no_log": True},
        "session_token": {"type": "str", "no_log": True},
    },
}


def other_side(this: Run, service: str, region: str) -> Client:
    """Return a client of the peer's region, with the credentials of ``accepter`` if given."""
    given = {key: value for key, value in (this.options.get("accepter") or {}).items() if value}
    names = {
        "access_key": "aws_access_key_id",
        "secret_key": "aws_secret_access_key",
        "session_token": "aws_session_token",
    }
    extra: dict[str, Any] = {names[key]: value for key, value in given.items()}
    if extra:
        extra = {"profile_name": None, "aws_session_token": None, **extra}
    return this.client(service, region=region, **extra)


def vpc_by_name(ec2: Client, name: str, region: str, tags: Mapping[Any, Any] | None = None) -> Side | None:
    """Return the VPC with that name, or None. Of several, return the one with the ownership tags in ``tags``.

    :raises PeeringError: if several VPCs have the name, and not exactly one of them the tags.
    """
    found = pages(ec2, "DescribeVpcs", "Vpcs", Filters=[{"Name": "tag:Name", "Values": [name]}])
    found = preferred(found, tags, tags_of)
    if len(found) > 1:
        ids = ", ".join(sorted(one["VpcId"] for one in found))
        raise PeeringError(f"Several VPCs are named {name} in {region} ({ids}). Rename or delete all but one.")
    return next((Side(one["VpcId"], one["CidrBlock"], region, one["OwnerId"]) for one in found), None)


def connections(ec2: Client, vpc_id: str, side: str = "requester") -> list[dict[str, Any]]:
    """Return the peering connections in which a VPC is the requester or the accepter."""
    chosen = [{"Name": f"{side}-vpc-info.vpc-id", "Values": [vpc_id]}]
    found = pages(ec2, "DescribeVpcPeeringConnections", "VpcPeeringConnections", Filters=chosen)
    return [one for one in found if one[f"{side.capitalize()}VpcInfo"]["VpcId"] == vpc_id]


def route_tables(ec2: Client, vpc_id: str) -> list[dict[str, Any]]:
    found = pages(ec2, "DescribeRouteTables", "RouteTables", Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])
    return [one for one in found if one["VpcId"] == vpc_id]


def wait(this: Run, ec2: Client, connection_id: str, wanted: tuple[str, ...]) -> None:
    """Wait until the connection is in one of the ``wanted`` states on this side."""

    def look() -> Probe:
        ids = {"VpcPeeringConnectionIds": [connection_id]}
        found = this.pages(ec2, "DescribeVpcPeeringConnections", "VpcPeeringConnections", **ids)
        status: Mapping[str, str] = next((one["Status"] for one in found if one), {"Code": "unknown"})
        code = status["Code"]
        failed = code not in (*LIVE, *wanted, "deleting", "unknown")
        return Probe(code, done=code in wanted, failed=failed, reason=status.get("Message", ""))

    this.poller.until(f"The peering connection {connection_id}", look)


def zone_id(route53: Client, name: str, tags: Mapping[str, Any] | None = None) -> str:
    """Return the id of the private zone with that name in another member's account, or an empty text.

    Of several, return the one with the fleet's tag in ``tags``; tags are read only then.

    :raises PeeringError: if several zones have the name, and not exactly one of them the tag.
    """
    dotted = name.rstrip(".") + "."
    found = pages(route53, "ListHostedZonesByName", "HostedZones", DNSName=dotted)
    ids = [one["Id"] for one in found if one["Name"] == dotted and one["Config"].get("PrivateZone")]
    ids = [one.removeprefix("/hostedzone/") for one in ids]
    if len(ids) < 2:
        return str(ids[0]) if ids else ""

    def tags_of_zone(one: str) -> dict[str, str]:
        answer = call(route53, "ListTagsForResource", ResourceType="hostedzone", ResourceId=one)
        return tags_of(answer["ResourceTagSet"])

    own = preferred(ids, {key: value for key, value in (tags or {}).items() if key == MARKS[0]}, tags_of_zone)
    if len(own) > 1:
        raise PeeringError(f"Several private zones of the account are named {name} ({', '.join(sorted(own))}).")
    return str(own[0])


def zones_of_vpc(route53: Client, own: Side) -> dict[str, str]:
    """Return the ids of a VPC's private zones, including other accounts' zones, by name without the final dot."""
    found: dict[str, str] = {}
    token: dict[str, str] = {}
    while True:
        answer = call(route53, "ListHostedZonesByVPC", VPCId=own.vpc_id, VPCRegion=own.region, **token)
        found |= {one["Name"].rstrip("."): one["HostedZoneId"] for one in answer["HostedZoneSummaries"]}
        if not answer.get("NextToken"):
            return found
        token = {"NextToken": answer["NextToken"]}
