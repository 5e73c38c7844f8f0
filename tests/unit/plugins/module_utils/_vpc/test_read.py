# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.api import filters
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.plan import GONE_NAT, Network, PlanError
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.read import (
    Live,
    _target,
    find_vpc,
    own_vpc,
    rule_names,
    rules,
)


def test_reports_rules_of_a_group_one_by_one() -> None:
    group = {
        "GroupId": "sg-1",
        "IpPermissions": [
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-1", "UserId": "1"}]},
            {
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "192.168.0.0/16", "Description": "office"}],
            },
            {"IpProtocol": "udp", "FromPort": 1000, "ToPort": 2000, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
        ],
        "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    }
    assert rule_names(group, "IpPermissions") == [
        "all from itself",
        "tcp 443 from 10.0.0.0/8",
        "tcp 443 from 192.168.0.0/16",
        "udp 1000-2000 from ::/0",
    ]
    assert rule_names(group, "IpPermissionsEgress") == ["all to 0.0.0.0/0"]
    assert rules(group, "IpPermissions")["tcp 443 from 192.168.0.0/16"] == {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "IpRanges": [{"CidrIp": "192.168.0.0/16"}],
    }


FLEET = {"dataplatform.fleet/fleet": "ours"}


class Vpcs:
    """VPCs of one name, vpc-1 and so on, with these tags."""

    def __init__(self, *tags: dict[str, str]) -> None:
        self._tags = tags

    def describe(self, *_: object, **__: object) -> list[dict[str, Any]]:
        return [
            {"VpcId": f"vpc-{number}", "Tags": [{"Key": key, "Value": value} for key, value in one.items()]}
            for number, one in enumerate(self._tags, 1)
        ]


def network(**options: Any) -> Network:
    return Network("fleet", "10.1.0.0/16", "eu-central-1", [], **options)


@pytest.mark.parametrize("tags", [({}, {}), (FLEET, FLEET), ({"dataplatform.fleet/fleet": "theirs"}, {})])
def test_refuses_to_choose_between_two_networks_of_one_name(tags: tuple[dict[str, str], ...]) -> None:
    with pytest.raises(PlanError, match=r"Several VPCs are named fleet \(vpc-1, vpc-2\)"):
        find_vpc(Vpcs(*tags), network(tags=FLEET))


@pytest.mark.parametrize("adopt", [True, False])
@pytest.mark.parametrize("foreign", [{}, {"dataplatform.fleet/fleet": "theirs"}])
def test_of_several_networks_of_one_name_its_own_is_used(foreign: dict[str, str], adopt: bool) -> None:
    for order in ((foreign, FLEET, foreign), (FLEET, foreign), (foreign, FLEET)):
        found = own_vpc(Vpcs(*order), network(tags=FLEET, adopt=adopt))
        assert found and found["VpcId"] == f"vpc-{order.index(FLEET) + 1}"


def test_names_filters_as_ec2_does() -> None:
    assert filters(vpc_id="vpc-1", tag_Name=["a", "b"]) == [
        {"Name": "vpc-id", "Values": ["vpc-1"]},
        {"Name": "tag:Name", "Values": ["a", "b"]},
    ]


def test_only_a_default_route_to_a_lost_nat_gateway_is_the_networks_own() -> None:
    lost = {"NatGatewayId": "nat-1", "State": "blackhole"}
    assert _target(Live(), {**lost, "DestinationCidrBlock": "0.0.0.0/0"}) == GONE_NAT
    assert _target(Live(), {**lost, "DestinationCidrBlock": "10.9.0.0/16"}) == "nat-1"
