# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`--check --diff` announces the changes of the run: for an empty account, drift and a converged network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import RunRole

pytestmark = pytest.mark.integration


OPTIONS = {"vpc_flow_logs": True, "vpc_az_count": 2, "vpc_nat": "single"}


def network(ec2: Any, name: str) -> dict[str, Any]:
    """Return the resources of a network, by name."""
    vpc = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [name]}])["Vpcs"][0]["VpcId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}]

    def by_name(items: list[dict[str, Any]], key: str) -> dict[str, str]:
        tags = [{tag["Key"]: tag["Value"] for tag in item.get("Tags", [])} for item in items]
        return {tag.get("Name", ""): item[key] for tag, item in zip(tags, items, strict=True)}

    return {
        "vpc": vpc,
        "subnets": by_name(ec2.describe_subnets(Filters=filters)["Subnets"], "SubnetId"),
        "tables": by_name(ec2.describe_route_tables(Filters=filters)["RouteTables"], "RouteTableId"),
        "nats": by_name(ec2.describe_nat_gateways(Filters=filters)["NatGateways"], "NatGatewayId"),
        "endpoints": by_name(
            [one for one in ec2.describe_vpc_endpoints()["VpcEndpoints"] if one["VpcId"] == vpc], "VpcEndpointId"
        ),
    }


def delete_route(ec2: Any, found: dict[str, Any], name: str) -> None:
    ec2.delete_route(RouteTableId=found["tables"][f"{name}-private"], DestinationCidrBlock="0.0.0.0/0")


def delete_tag(ec2: Any, found: dict[str, Any], name: str) -> None:
    subnet = found["subnets"][f"{name}-public-eu-central-1a"]
    ec2.delete_tags(Resources=[subnet], Tags=[{"Key": "kubernetes.io/role/elb"}])


def move_subnet(ec2: Any, found: dict[str, Any], name: str) -> None:
    """Associate a private subnet with the public route table: its nodes would lose outbound access."""
    subnet = found["subnets"][f"{name}-private-eu-central-1b"]
    table = found["tables"][f"{name}-private"]
    for one in ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Associations"]:
        if one.get("SubnetId") == subnet:
            ec2.disassociate_route_table(AssociationId=one["RouteTableAssociationId"])
    ec2.associate_route_table(SubnetId=subnet, RouteTableId=found["tables"][f"{name}-public"])


def delete_endpoint(ec2: Any, found: dict[str, Any], name: str) -> None:
    ec2.delete_vpc_endpoints(VpcEndpointIds=[found["endpoints"][f"{name}-ecr.api"]])


def delete_nat(ec2: Any, found: dict[str, Any], name: str) -> None:
    ec2.delete_nat_gateway(NatGatewayId=found["nats"][f"{name}-nat-eu-central-1a"])


def open_default_group(ec2: Any, found: dict[str, Any], name: str) -> None:
    filters = [{"Name": "vpc-id", "Values": [found["vpc"]]}, {"Name": "group-name", "Values": ["default"]}]
    group = ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])


Drift = Callable[[Any, dict[str, Any], str], None]
DRIFTS: dict[Drift, set[str]] = {
    delete_route: {"route_table {name}-private"},
    delete_tag: {"subnet {name}-public-eu-central-1a"},
    move_subnet: {"route_table {name}-private.subnets", "route_table {name}-public.subnets"},
    delete_endpoint: {"endpoint ecr.api"},
    delete_nat: {
        "nat_gateway {name}-nat-eu-central-1a",
        "route_table {name}-private.routes.0.0.0.0/0",
    },
    open_default_group: {"security_group default.ingress"},
}


def test_announces_what_it_does(emulator: Any, run_role: RunRole) -> None:
    """The lifecycle of one network; each step compares check mode with the run."""
    name, ec2 = "check-mode", emulator.client("ec2")
    options = {**OPTIONS, "vpc_name": name}

    announced = run_role(emulator, "vpc", "--check", "--diff", variables=options).announced
    assert not ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [name]}])["Vpcs"]
    assert len(announced) > 10
    assert run_role(emulator, "vpc", "--diff", variables=options).announced == announced

    assert run_role(emulator, "vpc", "--check", "--diff", variables=options).announced == set()
    assert run_role(emulator, "vpc", "--diff", variables=options).announced == set()

    for drift in DRIFTS:
        drift(ec2, network(ec2, name), name)
    before = network(ec2, name)
    checked = run_role(emulator, "vpc", "--check", "--diff", variables=options)
    assert network(ec2, name) == before
    wanted = {field.format(name=name) for fields in DRIFTS.values() for field in fields}
    # Two changes of one route table are announced field by field.
    assert {field for field in checked.fields if not any(field.startswith(one) for one in wanted)} == set()
    assert {one for one in wanted if not any(field.startswith(one) for field in checked.fields)} == set()
    assert run_role(emulator, "vpc", "--diff", variables=options).announced == checked.announced
    assert run_role(emulator, "vpc", "--check", "--diff", variables=options).announced == set()

    removed = run_role(emulator, "vpc", "--check", "--diff", variables=options, tasks_from="absent").announced
    assert network(ec2, name)["subnets"]
    assert run_role(emulator, "vpc", "--diff", variables=options, tasks_from="absent").announced == removed
    assert run_role(emulator, "vpc", "--diff", variables=options, tasks_from="absent").announced == set()
