# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of the role vpc, read with the AWS API, and the role's refusals."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import RunRole

pytestmark = pytest.mark.integration


def describe(ec2: Any, name: str) -> dict[str, list[dict[str, Any]]]:
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [name]}])["Vpcs"]
    if not vpcs:
        return {"vpcs": []}
    inside = [{"Name": "vpc-id", "Values": [vpcs[0]["VpcId"]]}]
    nats = ec2.describe_nat_gateways(Filters=[*inside, {"Name": "state", "Values": ["available"]}])["NatGateways"]
    return {
        "vpcs": vpcs,
        "subnets": ec2.describe_subnets(Filters=inside)["Subnets"],
        "nats": nats,
        "tables": ec2.describe_route_tables(Filters=inside)["RouteTables"],
        "groups": ec2.describe_security_groups(Filters=inside)["SecurityGroups"],
    }


def own_addresses(ec2: Any, name: str) -> list[str]:
    return [
        address["AllocationId"]
        for address in ec2.describe_addresses()["Addresses"]
        for tag in address.get("Tags", [])
        if tag["Key"] == "Name" and tag["Value"].startswith(f"{name}-")
    ]


def test_changes_from_one_gateway_to_one_per_zone_and_removes_them(emulator: Any, run_role: RunRole) -> None:
    name, ec2 = "grows", emulator.client("ec2")
    options = {"vpc_name": name, "vpc_az_count": 2, "vpc_endpoints": ["s3"]}
    run_role(emulator, "vpc", variables=options)
    first = describe(ec2, name)
    assert len(first["subnets"]) == 4
    assert len(first["nats"]) == 1

    run_role(emulator, "vpc", variables={**options, "vpc_az_count": 3, "vpc_nat": "per_az"})
    grown = describe(ec2, name)
    assert len(grown["nats"]) == len(own_addresses(ec2, name)) == 3
    before = {subnet["SubnetId"]: subnet["CidrBlock"] for subnet in first["subnets"]}
    after = {subnet["SubnetId"]: subnet["CidrBlock"] for subnet in grown["subnets"]}
    assert len(after) == 6
    assert before.items() <= after.items()
    # Every private subnet uses the gateway of its zone.
    zones = {nat["NatGatewayId"]: nat["SubnetId"] for nat in grown["nats"]}
    az = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in grown["subnets"]}
    routed = set()
    for table in grown["tables"]:
        for route in table["Routes"]:
            if route.get("NatGatewayId"):
                for association in table["Associations"]:
                    assert az[association["SubnetId"]] == az[zones[route["NatGatewayId"]]]
                    routed.add(association["SubnetId"])
    assert len(routed) == 3

    run_role(emulator, "vpc", variables={**options, "vpc_nat": "none"})
    assert describe(ec2, name)["nats"] == []
    assert own_addresses(ec2, name) == []

    run_role(emulator, "vpc", variables=options, tasks_from="absent")
    assert describe(ec2, name) == {"vpcs": []}


def test_the_default_group_is_closed_and_load_balancers_find_their_subnets(emulator: Any, run_role: RunRole) -> None:
    name, ec2 = "closed", emulator.client("ec2")
    run_role(emulator, "vpc", variables={"vpc_name": name, "vpc_cluster_name": "one", "vpc_nat": "none"})
    found = describe(ec2, name)
    default = next(group for group in found["groups"] if group["GroupName"] == "default")
    assert default["IpPermissions"] == default["IpPermissionsEgress"] == []
    for subnet in found["subnets"]:
        tags = {tag["Key"]: tag["Value"] for tag in subnet["Tags"]}
        public = tags["dataplatform.fleet/tier"] == "public"
        assert subnet["MapPublicIpOnLaunch"] is False
        assert tags["kubernetes.io/cluster/one"] == "shared"
        assert tags.get("kubernetes.io/role/elb") == ("1" if public else None)
        assert tags.get("kubernetes.io/role/internal-elb") == (None if public else "1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vpc_az_cuont": 2}, "vpc_az_cuont (did you mean vpc_az_count?)"),
        ({"vpc_az_count": 9}, "vpc_az_count is 9, but the region has only"),
        ({"vpc_cidr": "10.42.0.0/20"}, "does not fit into 10.42.0.0/20"),
        ({"vpc_cidr": "10.42.0.0/20", "vpc_az_count": "2"}, "0 of them fit where 2 are wanted"),
        ({"vpc_nat": "several"}, "value of vpc_nat must be one of"),
    ],
)
def test_refuses_before_it_changes_anything(
    emulator: Any, run_role: RunRole, options: dict[str, Any], message: str
) -> None:
    refused = {"vpc_name": "refused", "vpc_flow_logs": True}
    done = run_role(emulator, "vpc", variables={**refused, **options}, succeed=False)
    assert done.announced == set()
    assert message in " ".join(done.output.split())
    assert describe(emulator.client("ec2"), "refused") == {"vpcs": []}


def test_refuses_another_block_for_a_network_that_exists(emulator: Any, run_role: RunRole) -> None:
    options = {"vpc_name": "moved", "vpc_nat": "none", "vpc_endpoints": []}
    run_role(emulator, "vpc", variables=options)
    done = run_role(emulator, "vpc", variables={**options, "vpc_cidr": "10.99.0.0/16"}, succeed=False)
    assert "vpc moved: cidr is '10.42.0.0/16' and should be '10.99.0.0/16'" in " ".join(done.output.split())
