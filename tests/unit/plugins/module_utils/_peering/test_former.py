# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections and routes of a former member."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.former import left

FORMER = {"testing": "10.43.0.0/16"}


def connection(identifier: str, status: str = "active", cidr: str = "") -> dict[str, Any]:
    vpc = {"VpcId": f"vpc-{identifier}"} | ({"CidrBlock": cidr} if cidr else {})
    return {"VpcPeeringConnectionId": identifier, "RequesterVpcInfo": vpc, "Status": {"Code": status}}


def table(name: str, **routes: str) -> dict[str, Any]:
    """A route table; the routes are connections by the second number of their network."""
    made = [
        {"DestinationCidrBlock": f"10.{number.removeprefix('n')}.0.0/16", "VpcPeeringConnectionId": to}
        for number, to in routes.items()
    ]
    return {"RouteTableId": name, "Routes": [{"DestinationCidrBlock": "10.40.0.0/16", "GatewayId": "local"}, *made]}


def test_a_connection_is_known_by_its_route_or_by_its_network() -> None:
    by_route, by_network = connection("a"), connection("b", cidr="10.43.0.0/16")
    found = left([by_route, by_network], [table("t", n43="a"), table("u")], FORMER)
    assert list(found) == ["testing"]
    assert found["testing"].connections == [by_route, by_network]
    assert found["testing"].routes == [("t", "10.43.0.0/16")]


def test_other_connections_are_left_alone() -> None:
    others = [connection("a", cidr="10.42.0.0/16"), connection("b"), connection("c", "deleted", "10.43.0.0/16")]
    assert left(others, [table("t", n42="a", n99="b")], FORMER) == {}
    assert left(others, [table("t", n43="b")], {}) == {}


def test_a_connection_that_the_vpc_has_requested_itself_keeps_its_routes() -> None:
    assert left([], [table("t", n43="a")], FORMER, requested=[connection("a")]) == {}
    assert left([], [table("t", n43="a")], FORMER, requested=[connection("a", "deleted")])["testing"].routes


def test_routes_of_an_interrupted_run_are_found_without_their_connection() -> None:
    found = left([connection("a", "deleted")], [table("t", n43="a")], FORMER)
    assert (found["testing"].connections, found["testing"].routes) == ([], [("t", "10.43.0.0/16")])


OURS = {"dataplatform.fleet/fleet": "dataplatform"}


def owned_by(requester: str, identifier: str, **tags: str) -> dict[str, Any]:
    """A connection with the VPC of the account 1, which has these tags to tell."""
    made = connection(identifier, cidr="10.43.0.0/16")
    made["RequesterVpcInfo"]["OwnerId"], made["AccepterVpcInfo"] = requester, {"OwnerId": "1"}
    return made | {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def test_an_unmanaged_connection_in_the_same_account_is_kept_with_its_routes() -> None:
    foreign, theirs = owned_by("1", "a"), owned_by("1", "b", **{"dataplatform.fleet/fleet": "another"})
    assert left([foreign, theirs], [table("t", n43="a"), table("u", n43="b")], FORMER, OURS) == {}
    for ours in (owned_by("1", "c", **OURS), owned_by("2", "c")):
        found = left([foreign, ours], [table("t", n43="a"), table("u", n43="c")], FORMER, OURS)
        assert found["testing"].connections == [ours]
        assert found["testing"].routes == [("u", "10.43.0.0/16")]


def test_a_deleted_connection_may_have_no_tags() -> None:
    gone = owned_by("1", "a") | {"Status": {"Code": "deleted"}}
    assert left([gone], [table("t", n43="a")], FORMER, OURS)["testing"].routes == [("t", "10.43.0.0/16")]


def test_without_a_tag_to_know_them_by_networks_decide() -> None:
    foreign = owned_by("1", "a")
    assert left([foreign], [table("t", n43="a")], FORMER, {})["testing"].connections == [foreign]
