# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a peering connection."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering import api, plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import PeeringError, Side
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import meta

OWN = Side("vpc-own", "10.42.0.0/16", "eu-central-1", "111122223333")
PEER = Side("vpc-hub", "10.40.0.0/16", "eu-west-1", "444455556666")


def connection(identifier: str, status: str, requester: str = "vpc-own", accepter: str = "vpc-hub") -> dict[str, Any]:
    return {
        "VpcPeeringConnectionId": identifier,
        "RequesterVpcInfo": {"VpcId": requester},
        "AccepterVpcInfo": {"VpcId": accepter},
        "Status": {"Code": status},
        "Tags": [{"Key": "Name", "Value": identifier}],
    }


def table(name: str, *routes: dict[str, str], main: bool = False) -> dict[str, Any]:
    return {
        "RouteTableId": f"rtb-{name}",
        "Tags": [{"Key": "Name", "Value": name}],
        "Associations": [{"Main": main}],
        "Routes": [{"DestinationCidrBlock": "10.42.0.0/16", "GatewayId": "local"}, *routes],
    }


def to_hub(**target: str) -> dict[str, str]:
    return {"DestinationCidrBlock": PEER.cidr, "State": "active", **target}


PUBLIC = table("public", {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"})


def test_an_active_connection_is_preferred_to_a_pending_one() -> None:
    found = [connection("pcx-1", "pending-acceptance"), connection("pcx-2", "active"), connection("pcx-3", "deleted")]
    chosen = plan.find(found, OWN, PEER)
    assert chosen and chosen["VpcPeeringConnectionId"] == "pcx-2"


def test_only_the_modules_own_request_is_used() -> None:
    others = [
        connection("pcx-1", "active", requester="vpc-hub", accepter="vpc-own"),
        connection("pcx-2", "pending-acceptance", requester="vpc-other"),
        connection("pcx-3", "expired"),
        connection("pcx-4", "failed"),
    ]
    assert plan.find(others, OWN, PEER) is None
    assert not plan.rejected(others, OWN, PEER)
    assert plan.rejected([connection("pcx-5", "rejected")], OWN, PEER)
    assert plan.named([*others, connection("pcx-6", "active")], "pcx-6")
    assert plan.named(others, "pcx-3") is None


def test_of_several_connections_of_one_name_its_own_is_used() -> None:
    marks = {"dataplatform.fleet/fleet": "ours"}
    foreign = connection("one", "active", accepter="vpc-elsewhere")
    own = {**connection("one", "active"), "Tags": [{"Key": "Name", "Value": "one"}, *_pairs(marks)]}
    for found in ([foreign, own], [own, foreign]):
        assert plan.named(found, "one", marks) is own
    assert plan.named([foreign], "one", marks) is foreign


class Ec2:
    """VPCs of one name, vpc-1 and so on, with these tags."""

    meta = meta("ec2")

    def __init__(self, *tags: dict[str, str]) -> None:
        self._tags = tags

    def can_paginate(self, _operation: str) -> bool:
        return False

    def describe_vpcs(self, **_arguments: object) -> dict[str, Any]:
        vpc = {"CidrBlock": "10.1.0.0/16", "OwnerId": "111122223333"}
        return {"Vpcs": [{**vpc, "VpcId": f"vpc-{at}", "Tags": _pairs(one)} for at, one in enumerate(self._tags, 1)]}


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def test_of_several_vpcs_of_one_name_the_fleets_own_is_used() -> None:
    marks = {"dataplatform.fleet/fleet": "ours"}
    for order in (({}, marks), (marks, {"team": "theirs"}), ({}, {"dataplatform.fleet/fleet": "theirs"}, marks)):
        found = api.vpc_by_name(Ec2(*order), "one", "eu-central-1", marks)
        assert found and found.vpc_id == f"vpc-{order.index(marks) + 1}"
    alone = api.vpc_by_name(Ec2({}), "one", "eu-central-1", marks)
    assert alone and alone.vpc_id == "vpc-1"
    for none in (({}, {}), (marks, marks)):
        with pytest.raises(PeeringError, match=r"Several VPCs are named one in eu-central-1 \(vpc-1, vpc-2\)"):
            api.vpc_by_name(Ec2(*none), "one", "eu-central-1", marks)


class Route53:
    """Private zones of one name, Z1 and so on, with these tags."""

    meta = meta("route53")

    def __init__(self, *tags: dict[str, str]) -> None:
        self._tags = tags

    def can_paginate(self, _operation: str) -> bool:
        return False

    def list_hosted_zones_by_name(self, **_arguments: object) -> dict[str, Any]:
        zone = {"Name": "one.internal.", "Config": {"PrivateZone": True}}
        return {"HostedZones": [{**zone, "Id": f"/hostedzone/Z{at}"} for at, _ in enumerate(self._tags, 1)]}

    def list_tags_for_resource(self, ResourceId: str, **_arguments: object) -> dict[str, Any]:
        assert len(self._tags) > 1, "asked for what it may not be allowed to see"
        return {"ResourceTagSet": {"Tags": _pairs(self._tags[int(ResourceId[1:]) - 1])}}


def test_of_several_zones_of_another_account_the_fleets_own_is_used() -> None:
    fleet, member = {"dataplatform.fleet/fleet": "ours"}, {"dataplatform.fleet/cluster": "staging"}
    hub = {**fleet, "dataplatform.fleet/cluster": "controlplane"}
    assert api.zone_id(Route53(), "one.internal", fleet | member) == ""
    assert api.zone_id(Route53({}), "one.internal", fleet | member) == "Z1"
    assert api.zone_id(Route53({}, hub), "one.internal", fleet | member) == "Z2"
    with pytest.raises(PeeringError, match=r"Several private zones of the account are named one.internal \(Z1, Z2\)"):
        api.zone_id(Route53({}, {}), "one.internal", fleet | member)


def test_private_tables() -> None:
    main = table("main", main=True)
    assert plan.private_tables([PUBLIC, main, table("private")]) == [table("private")]
    assert plan.private_tables([PUBLIC, main]) == [main]


def test_routes_that_are_missing_or_old() -> None:
    tables = [
        PUBLIC,
        table("a"),
        table("b", to_hub(VpcPeeringConnectionId="pcx-1")),
        table("c", to_hub(VpcPeeringConnectionId="pcx-old")),
        table("d", to_hub(TransitGatewayId="tgw-1") | {"State": "blackhole"}),
    ]
    found = plan.routes(tables, PEER.cidr, "pcx-1")
    assert (found.create, found.replace, found.right) == (["rtb-a"], ["rtb-c", "rtb-d"], ["rtb-b"])
    assert (found.before, found.after) == (["b"], ["a", "b", "c", "d"])


def test_an_unmanaged_route_is_not_replaced() -> None:
    with pytest.raises(PeeringError, match=r"The route table a leads .* to tgw-1"):
        plan.routes([table("a", to_hub(TransitGatewayId="tgw-1"))], PEER.cidr, "pcx-1")


def test_a_route_to_an_active_connection_of_another_vpc_is_not_replaced() -> None:
    tables = [table("a", to_hub(VpcPeeringConnectionId="pcx-2"))]
    others = [connection("pcx-2", "active", requester="vpc-other"), connection("pcx-3", "deleted")]
    assert plan.live_ids(others) == {"pcx-2"}
    with pytest.raises(PeeringError, match=r"The route table a leads .* to pcx-2"):
        plan.routes(tables, PEER.cidr, "pcx-1", plan.live_ids(others))
    assert plan.routes(tables, PEER.cidr, "pcx-1", {"pcx-3"}).replace == ["rtb-a"]


def test_routes_to_a_connection() -> None:
    tables = [table("a", to_hub(VpcPeeringConnectionId="pcx-1")), table("b", to_hub(VpcPeeringConnectionId="pcx-2"))]
    assert plan.leading(tables, "pcx-1") == [("rtb-a", PEER.cidr)]


def test_commands_for_the_owner() -> None:
    accept, routes = plan.commands("pcx-1", OWN, PEER)
    assert "--region eu-west-1 accept-vpc-peering-connection --vpc-peering-connection-id pcx-1" in accept
    assert "--destination-cidr-block 10.42.0.0/16" in routes
    assert "Values=vpc-hub" in routes
