# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What former members could still reach, seen and taken away from the controlplane's side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.held import watched
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import ForeignError, owned, tags_of
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.zones import own_zone
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering import api, plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.changes import Changes
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import Item, PeeringError


@dataclass
class Left:
    """What is left of one former member: live connections, and routes as pairs of route table and network."""

    connections: list[Item] = field(default_factory=list)
    routes: list[tuple[str, str]] = field(default_factory=list)


def left(
    connections: Sequence[Item],
    tables: Sequence[Item],
    cidrs: Mapping[str, str],
    tags: Mapping[str, Any] | None = None,
    requested: Sequence[Item] = (),
) -> dict[str, Left]:
    """Return what is left of the members with these networks, as seen by the VPC that has accepted them.

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
    """Tell whether a live connection is others'. An account does not see the tags that another one gives to it."""
    owners = {connection.get(f"{side}VpcInfo", {}).get("OwnerId") for side in ("Requester", "Accepter")}
    return len(owners) == 1 and connection["Status"]["Code"] in plan.LIVE and not owned(tags_of(connection), tags)


class Former(Changes):
    """Former members; what is in ``before`` goes."""

    def __init__(self, module: Any) -> None:  # noqa: ANN401 - AnsibleAWSModule
        super().__init__(module)
        self._ec2 = watched(module.client("ec2"))
        self._own = api.vpc_by_name(self._ec2, module.params["vpc"], module.region, module.params["tags"])

    def revoke(self) -> list[str]:
        """Take the connections, the routes to them and the zone away; return whose they were."""
        cidrs = self.module.params["networks"]
        if self._own is None:
            if cidrs and not self.module.check_mode:
                raise PeeringError(f"There is no VPC {self.module.params['vpc']} in {self.module.region}.")
            return []
        accepted = api.connections(self._ec2, self._own.vpc_id, "accepter")
        requested = api.connections(self._ec2, self._own.vpc_id)
        tables = api.route_tables(self._ec2, self._own.vpc_id)
        found = left(accepted, tables, cidrs, self.module.params["tags"], requested)
        for member, what in found.items():
            for one in what.connections:
                self._leave_zone(member, one["RequesterVpcInfo"])
                self.before[f"peering of {member}"] = one["Status"]["Code"]
                connection_id = one["VpcPeeringConnectionId"]
                self._do(self._ec2, "delete_vpc_peering_connection", VpcPeeringConnectionId=connection_id)
            # Last: by them an interrupted run is taken up again.
            for table, cidr in what.routes:
                self.before[f"route of {table}"] = cidr
                self._do(self._ec2, "delete_route", RouteTableId=table, DestinationCidrBlock=cidr)
        return list(found)

    def _leave_zone(self, member: str, vpc: Mapping[str, Any]) -> None:
        route53, name = watched(self.module.client("route53")), self.module.params["zone"].rstrip(".")
        try:
            zone_id = own_zone(route53, name, self.module.params["tags"])
        except ForeignError:
            return
        seen = api.call(route53, "get_hosted_zone", Id=zone_id)["VPCs"] if zone_id else []
        if any(one["VPCId"] == vpc["VpcId"] for one in seen):
            self.before[f"zone {name}.vpc of {member}"] = vpc["VpcId"]
            place = {"VPCRegion": vpc["Region"], "VPCId": vpc["VpcId"]}
            self._do(route53, "disassociate_vpc_from_hosted_zone", HostedZoneId=zone_id, VPC=place)
