# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan both sides of a peering connection. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import preferred, tags_of

Item = Mapping[str, Any]
# https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-lifecycle
LIVE = ("initiating-request", "pending-acceptance", "provisioning", "active")
TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "InstanceId",
    "NetworkInterfaceId",
    "VpcPeeringConnectionId",
)
ALL = "every private route table"


class PeeringError(AwsError):
    """A change that is not possible, with its reason."""


@dataclass(frozen=True)
class Side:
    """A VPC. Without an id it does not exist yet, which is possible in check mode only."""

    vpc_id: str
    cidr: str
    region: str
    account_id: str = ""


@dataclass
class Routes:
    """The route tables whose route to a network is missing, has another target, or is correct."""

    cidr: str
    create: list[str] = field(default_factory=list)
    replace: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    right: list[str] = field(default_factory=list)

    @property
    def before(self) -> list[str]:
        return sorted(self.names[table] for table in self.right)

    @property
    def after(self) -> list[str]:
        return sorted(self.names.values())


def find(connections: Iterable[Item], own: Side, peer: Side) -> Item | None:
    """Return the connection that ``own`` has requested with ``peer``, preferably an active one."""
    found = [
        one
        for one in connections
        if one["RequesterVpcInfo"]["VpcId"] == own.vpc_id
        and one["AccepterVpcInfo"]["VpcId"] == peer.vpc_id
        and one["Status"]["Code"] in LIVE
    ]
    return max(found, key=lambda one: LIVE.index(one["Status"]["Code"]), default=None)


def named(connections: Iterable[Item], name: str, tags: Mapping[Any, Any] | None = None) -> Item | None:
    """Return the connection with that name; of several, one with the ownership tags in ``tags``."""
    live = [one for one in connections if tags_of(one).get("Name") == name and one["Status"]["Code"] in LIVE]
    return next(iter(preferred(live, tags, tags_of)), None)


def rejected(connections: Iterable[Item], own: Side, peer: Side) -> bool:
    return any(
        one["Status"]["Code"] == "rejected"
        for one in connections
        if one["RequesterVpcInfo"]["VpcId"] == own.vpc_id and one["AccepterVpcInfo"]["VpcId"] == peer.vpc_id
    )


def private_tables(tables: Sequence[Item]) -> list[Item]:
    """Return the route tables without a route to an internet gateway; the main one only if there is no other."""
    private = [
        table
        for table in tables
        if not any(str(route.get("GatewayId", "")).startswith("igw-") for route in table["Routes"])
    ]
    chosen = [table for table in private if not any(one.get("Main") for one in table.get("Associations") or [])]
    return chosen or private


def live_ids(connections: Iterable[Item]) -> set[str]:
    return {one["VpcPeeringConnectionId"] for one in connections if one["Status"]["Code"] in LIVE}


def routes(tables: Sequence[Item], cidr: str, connection_id: str, others: Collection[str] = ()) -> Routes:
    """Plan the routes to ``cidr``. A route of others with another target is refused, not replaced.

    :param others: the active connections of other VPCs. A route to a deleted connection is replaced.
    """
    found = Routes(cidr)
    for table in private_tables(tables):
        one = table["RouteTableId"]
        found.names[one] = tags_of(table).get("Name") or one
        route = next((route for route in table["Routes"] if route.get("DestinationCidrBlock") == cidr), None)
        target = next((str(route[key]) for key in TARGETS if route.get(key)), "") if route else ""
        if route is None:
            found.create.append(one)
        elif target == connection_id:  # the state of a route is blackhole while its connection is pending
            found.right.append(one)
        elif (target.startswith("pcx-") and target not in others) or route.get("State") == "blackhole":
            found.replace.append(one)
        else:
            raise PeeringError(
                f"The route table {found.names[one]} leads {cidr} to {target}. Remove that route if the peering is to "
                "have it."
            )
    return found


def leading(tables: Sequence[Item], connection_id: str) -> list[tuple[str, str]]:
    """Return the route tables and networks with a route to the connection."""
    return [
        (table["RouteTableId"], route["DestinationCidrBlock"])
        for table in tables
        for route in table["Routes"]
        if route.get("VpcPeeringConnectionId") == connection_id
    ]


def commands(connection_id: str, own: Side, peer: Side) -> list[str]:
    """Return the commands that the owner of the peer's account has to run if this run has no permission."""
    ec2 = f"aws ec2 --region {peer.region}"
    tables = (
        f"{ec2} describe-route-tables --filters Name=vpc-id,Values={peer.vpc_id} "
        "--query 'RouteTables[].RouteTableId' --output text"
    )
    return [
        f"{ec2} accept-vpc-peering-connection --vpc-peering-connection-id {connection_id}",
        f"for table in $({tables}); do {ec2} create-route --route-table-id $table --destination-cidr-block {own.cidr} "
        f"--vpc-peering-connection-id {connection_id}; done",
    ]
