# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find and remove the network access of former members, on the controlplane's side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.calls import call
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Change, Step
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import ForeignError, owned, tags_of
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.zones import own_zone
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering import api, plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import Item, PeeringError


@dataclass
class Left:
    """The remains of one former member: active connections, and routes as pairs of route table and network."""

    connections: list[Item] = field(default_factory=list)
    routes: list[tuple[str, str]] = field(default_factory=list)


def left(
    connections: Sequence[Item],
    tables: Sequence[Item],
    cidrs: Mapping[str, str],
    tags: Mapping[str, Any] | None = None,
    requested: Sequence[Item] = (),
) -> dict[str, Left]:
    """Return the remains of the members with these networks, in the VPC that has accepted their connections.

    A connection is a member's if its network is led to it, or if it says so itself: AWS tells the other side's network
    of active connections only
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcPeeringConnectionVpcInfo.html). Live connections
    within one account that lack the ``tags`` are others', and so are the routes to them. So are the live ones that
    the VPC has ``requested`` itself: members request theirs.
    """
    foreign = {one["VpcPeeringConnectionId"] for one in connections if _foreign(one, tags)} | plan.live_ids(requested)
    members = {cidr: member for member, cidr in cidrs.items()}
    found: dict[str, Left] = {}
    led_to: dict[str, str] = {}
    for table in tables:
        for route in table["Routes"]:
            cidr, connection = route.get("DestinationCidrBlock"), route.get("VpcPeeringConnectionId")
            if cidr in members and connection and connection not in foreign:
                led_to[connection] = members[cidr]
                found.setdefault(members[cidr], Left()).routes.append((table["RouteTableId"], cidr))
    for one in connections:
        member = led_to.get(one["VpcPeeringConnectionId"]) or members.get(one["RequesterVpcInfo"].get("CidrBlock", ""))
        if member and one["Status"]["Code"] in plan.LIVE and one["VpcPeeringConnectionId"] not in foreign:
            found.setdefault(member, Left()).connections.append(one)
    return dict(sorted(found.items()))


def _foreign(connection: Item, tags: Mapping[str, Any] | None) -> bool:
    """Return whether a connection belongs to others. An account cannot read the tags of another account's side."""
    owners = {connection.get(f"{side}VpcInfo", {}).get("OwnerId") for side in ("Requester", "Accepter")}
    return len(owners) == 1 and connection["Status"]["Code"] in plan.LIVE and not owned(tags_of(connection), tags)


class Former:
    """Former members."""

    def __init__(self, this: Run) -> None:
        self.this = this
        self._options = this.options
        self._ec2 = this.client("ec2")
        region = this.module.region
        self._own = api.vpc_by_name(self._ec2, this.options["vpc"], region, this.options["owner_tags"])

    def revoke(self) -> list[str]:
        """Delete the connections and their routes, and disassociate the zone; return the names of former members."""
        cidrs = self._options["networks"]
        if self._own is None:
            if cidrs and not self.this.check_mode:
                raise PeeringError(f"There is no VPC {self._options['vpc']} in {self.this.module.region}.")
            return []
        accepted = api.connections(self._ec2, self._own.vpc_id, "accepter")
        requested = api.connections(self._ec2, self._own.vpc_id)
        tables = api.route_tables(self._ec2, self._own.vpc_id)
        found = left(accepted, tables, cidrs, self._options["owner_tags"], requested)
        for member, what in found.items():
            for one in what.connections:
                self._leave_zone(member, one["RequesterVpcInfo"])
                gone = {f"peering of {member}": Change(one["Status"]["Code"], None)}
                request = {"VpcPeeringConnectionId": one["VpcPeeringConnectionId"]}
                self.this.do(self._ec2, Step("DeleteVpcPeeringConnection", request, gone))
            # Last, because the next run finds the remains of an interrupted run by the connections.
            for table, cidr in what.routes:
                request = {"RouteTableId": table, "DestinationCidrBlock": cidr}
                self.this.do(self._ec2, Step("DeleteRoute", request, {f"route of {table}": Change(cidr, None)}))
        return list(found)

    def _leave_zone(self, member: str, vpc: Mapping[str, Any]) -> None:
        route53, name = self.this.client("route53"), self._options["zone"].rstrip(".")
        try:
            zone_id = own_zone(route53, name, self._options["owner_tags"])
        except ForeignError:
            return
        seen = call(route53, "GetHostedZone", Id=zone_id)["VPCs"] if zone_id else []
        if any(one["VPCId"] == vpc["VpcId"] for one in seen):
            gone = {f"zone {name}.vpc of {member}": Change(vpc["VpcId"], None)}
            place = {"VPCRegion": vpc["Region"], "VPCId": vpc["VpcId"]}
            request = {"HostedZoneId": zone_id, "VPC": place}
            self.this.do(route53, Step("DisassociateVPCFromHostedZone", request, gone))
