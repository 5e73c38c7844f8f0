# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The removal of a network with resources that AWS releases after a delay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.waiters import Poller
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.remove import Remover
from botocore.exceptions import ClientError

VPC = "vpc-1"


class FakeClient:
    """Every deletion succeeds, except those in ``stubborn``, which fail this number of times."""

    def __init__(self, owner: FakeEc2) -> None:
        self.owner = owner

    def __getattr__(self, operation: str) -> Callable[..., None]:
        def call(**arguments: Any) -> None:
            target = next(value if isinstance(value, str) else value[0] for value in arguments.values())
            if self.owner.stubborn.get(target, 0) > 0 and operation.startswith("delete"):
                self.owner.stubborn[target] -= 1
                error = {"Error": {"Code": "DependencyViolation", "Message": f"{target} has a dependent object"}}
                raise ClientError(error, operation)
            self.owner.log.append(f"{operation} {target}")
            if operation.startswith("delete"):
                for items in self.owner.items.values():
                    items[:] = [item for item in items if target not in item.values()]

        return call


class FakeEc2:
    """A fake of the API only."""

    def __init__(self, items: dict[str, list[dict[str, Any]]], stubborn: dict[str, int] | None = None) -> None:
        self.items = items
        self.stubborn = stubborn or {}
        self.log: list[str] = []
        self.client = FakeClient(self)

    def describe(self, _operation: str, key: str, **_arguments: object) -> list[dict[str, Any]]:
        return [dict(item) for item in self.items.get(key, [])]


def removed(ec2: FakeEc2, timeout: float = 0) -> dict[str, str]:
    poller = Poller(timeout, lambda _line: None, sleep=lambda _seconds: None)
    return Remover(ec2, VPC, "fleet").run(poller)


def items() -> dict[str, list[dict[str, Any]]]:
    return {
        "Subnets": [{"SubnetId": "subnet-1", "VpcId": VPC}],
        "SecurityGroups": [
            {"GroupId": "sg-0", "GroupName": "default", "VpcId": VPC},
            {"GroupId": "sg-1", "GroupName": "one", "VpcId": VPC, "IpPermissions": [{"IpProtocol": "-1"}]},
        ],
        "RouteTables": [
            {"RouteTableId": "rtb-0", "VpcId": VPC, "Associations": [{"Main": True}]},
            {
                "RouteTableId": "rtb-1",
                "VpcId": VPC,
                "Associations": [{"Main": False, "RouteTableAssociationId": "rtbassoc-1", "SubnetId": "subnet-1"}],
            },
        ],
        "NetworkInterfaces": [
            {"NetworkInterfaceId": "eni-free", "Status": "available", "VpcId": VPC},
            {"NetworkInterfaceId": "eni-used", "Status": "in-use", "VpcId": VPC},
        ],
        "InternetGateways": [{"InternetGatewayId": "igw-1"}],
    }


def test_removes_in_the_order_of_dependence() -> None:
    ec2 = FakeEc2(items())
    assert removed(ec2) == {}
    assert ec2.log == [
        "delete_network_interface eni-free",
        "revoke_security_group_ingress sg-1",
        "delete_security_group sg-1",
        "disassociate_route_table rtbassoc-1",
        "delete_route_table rtb-1",
        "delete_subnet subnet-1",
        "detach_internet_gateway igw-1",
        "delete_internet_gateway igw-1",
        "delete_vpc vpc-1",
    ]


def test_tries_again_what_is_still_held() -> None:
    ec2 = FakeEc2(items(), stubborn={"subnet-1": 2})
    assert removed(ec2, 60) == {}
    assert ec2.log[-2:] == ["delete_subnet subnet-1", "delete_vpc vpc-1"]


def test_names_what_is_left_and_why() -> None:
    ec2 = FakeEc2(items(), stubborn={"subnet-1": 1000})
    assert removed(ec2) == {"subnet-1": "subnet-1 has a dependent object"}
    assert "delete_vpc vpc-1" not in ec2.log


def test_releases_only_its_own_addresses_and_only_after_the_gateways() -> None:
    addresses = [
        {"AllocationId": "eip-1", "Tags": [{"Key": "Name", "Value": "fleet-nat-a"}]},
        {"AllocationId": "eip-2", "Tags": [{"Key": "Name", "Value": "other-nat-a"}]},
    ]
    gateways = [{"NatGatewayId": "nat-1", "VpcId": VPC, "State": "deleting"}]
    ec2 = FakeEc2({"Addresses": addresses, "NatGateways": gateways})
    assert removed(ec2) == {"nat-1": "is being deleted"}
    assert ec2.log == []
    gateways[0]["State"] = "deleted"
    assert removed(ec2) == {}
    assert ec2.log == ["release_address eip-1", "delete_vpc vpc-1"]
