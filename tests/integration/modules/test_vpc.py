# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources that the module vpc manages, and those that it leaves unchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.integration

FLEET = {"dataplatform.fleet/fleet": "ours", "dataplatform.fleet/cluster": "staging"}


def _options(account: Any, name: str, number: int, **more: Any) -> dict[str, Any]:
    zones = ("eu-central-1a", "eu-central-1b")
    subnets = [
        {"name": f"{name}-{tier}-{az}", "cidr": f"10.{number}.{first + i}.0/24", "az": az, "tier": tier}
        for tier, first in (("public", 0), ("private", 8))
        for i, az in enumerate(zones)
    ]
    return {"name": name, "cidr": f"10.{number}.0.0/16", "subnets": subnets, **more}


def _inside(account: Any, vpc: str) -> dict[str, Any]:
    ec2 = account.client("ec2")
    only = {"Filters": [{"Name": "vpc-id", "Values": [vpc]}]}
    nats = ec2.describe_nat_gateways(**only)["NatGateways"]
    return {
        "nats": {nat["NatGatewayId"] for nat in nats if nat["State"] in ("pending", "available")},
        "tables": {
            table["RouteTableId"]: table["Routes"] for table in ec2.describe_route_tables(**only)["RouteTables"]
        },
        "endpoints": {
            one["VpcEndpointId"]
            for one in ec2.describe_vpc_endpoints(**only)["VpcEndpoints"]
            if one["State"].lower() in ("pending", "available")
        },
        "logs": ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"],
    }


def _table(account: Any, name: str) -> str:
    found = account.client("ec2").describe_route_tables(Filters=[{"Name": "tag:Name", "Values": [name]}])
    return str(found["RouteTables"][0]["RouteTableId"])


def _routes(account: Any, table: str) -> dict[str, str]:
    (found,) = account.client("ec2").describe_route_tables(RouteTableIds=[table])["RouteTables"]
    keys = ("NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId", "GatewayId")
    return {
        route["DestinationCidrBlock"]: next(route[key] for key in keys if route.get(key))
        for route in found["Routes"]
        if route.get("GatewayId") != "local"
    }


@pytest.fixture(scope="module")
def flow_log(account: Any, make_role: Any) -> dict[str, str]:
    account.client("logs").create_log_group(logGroupName="/of-flow-logs")
    iam = account.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    role = iam.create_role(RoleName="of-flow-logs", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    return {"log_group": "/of-flow-logs", "role_arn": role, "traffic_type": "ALL"}


@pytest.mark.parametrize("marks", [FLEET, {"team": "data"}], ids=["fleet", "other-tags"])
def test_undeclared_resources_are_deleted_in_a_run_with_a_new_tag(
    run: Any, account: Any, flow_log: dict[str, str], marks: dict[str, str]
) -> None:
    name, number = ("grows", 101) if marks is FLEET else ("grows-too", 102)
    whole = {"nat": "per_az", "endpoints": ["s3", "sts"], "flow_log": flow_log}
    vpc = run("ec2_network", **_options(account, name, number, **whole), tags=marks)["vpc"]["id"]
    theirs = account.client("ec2").allocate_address(
        Domain="vpc",
        TagSpecifications=[
            {"ResourceType": "elastic-ip", "Tags": [{"Key": "Name", "Value": f"{name}-nat-eu-central-1z"}]}
        ],
    )["AllocationId"]
    before = _inside(account, vpc)
    assert (len(before["nats"]), len(before["endpoints"]), len(before["logs"])) == (2, 2, 1)

    less = _options(account, name, number, nat="none", endpoints=[])
    announced = run("ec2_network", **less, tags={**marks, "cost": 4711}, check=True)
    done = run("ec2_network", **less, tags={**marks, "cost": 4711})
    assert announced["actions"] == done["actions"]
    after = _inside(account, vpc)
    assert (after["nats"], after["endpoints"], after["logs"]) == (set(), set(), [])
    addresses = account.client("ec2").describe_addresses()["Addresses"]
    named = [one["AllocationId"] for one in addresses if any(t["Value"].startswith(f"{name}-nat") for t in one["Tags"])]
    assert named == [theirs], "an unmanaged address with the same name is released, or an address of the network is not"
    assert not run("ec2_network", **less, tags={**marks, "cost": 4711})["changed"]
    assert run("ec2_network", name=name, state="absent", tags=marks)["changed"]
    account.client("ec2").release_address(AllocationId=theirs)


@pytest.mark.parametrize("nat", ["none", "single"])
def test_routes_that_it_did_not_make_stay(run: Any, account: Any, nat: str) -> None:
    name, number = f"routed-{nat}", 103 if nat == "none" else 104
    ec2, options = account.client("ec2"), _options(account, name, number, nat=nat)
    vpc = run("ec2_network", **options, tags=FLEET)["vpc"]
    private = next(subnet["id"] for subnet in vpc["subnets"] if subnet["tier"] == "private")
    public = next(subnet["id"] for subnet in vpc["subnets"] if subnet["tier"] == "public")
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    # In a subnet where the network would have its own.
    theirs = ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[theirs])
    interface = ec2.create_network_interface(SubnetId=private)["NetworkInterface"]["NetworkInterfaceId"]
    table = _table(account, f"{name}-private")
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="198.51.100.0/24", NatGatewayId=theirs)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="203.0.113.0/24", NetworkInterfaceId=interface)
    if nat == "none":
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=theirs)
    before = _routes(account, table)

    again = run("ec2_network", **options, tags={**FLEET, "new": "tag"})
    assert all("routes" not in field for change in again["actions"] for field in change["changes"])
    assert _routes(account, table) == before
    assert theirs in _inside(account, vpc["id"])["nats"]
    assert not run("ec2_network", **options, tags={**FLEET, "new": "tag"})["changed"]

    # Other routes to the internet gateway belong to the network.
    gateway = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc["id"]]}])
    bypass = gateway["InternetGateways"][0]["InternetGatewayId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="8.8.8.8/32", GatewayId=bypass)
    assert run("ec2_network", **options, tags={**FLEET, "new": "tag"})["changed"]
    assert _routes(account, table) == before


def test_a_default_route_is_replaced_where_a_nat_gateway_is_declared(run: Any, account: Any) -> None:
    options = _options(account, "rerouted", 105, nat="none")
    vpc = run("ec2_network", **options, tags=FLEET)["vpc"]
    ec2, table = account.client("ec2"), _table(account, "rerouted-private")
    private = next(subnet["id"] for subnet in vpc["subnets"] if subnet["tier"] == "private")
    interface = ec2.create_network_interface(SubnetId=private)["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NetworkInterfaceId=interface)
    assert not run("ec2_network", **options, tags=FLEET)["changed"]
    assert run("ec2_network", **{**options, "nat": "single"}, tags=FLEET)["changed"]
    assert _routes(account, table)["0.0.0.0/0"].startswith("nat-")
    # The route of the network is deleted with its gateway.
    run("ec2_network", **options, tags=FLEET)
    assert _routes(account, table) == {}


def test_a_part_that_others_have_made_is_refused_before_anything_is_changed(run: Any, account: Any) -> None:
    options = _options(account, "partly", 106, nat="none")
    first = {**options, "subnets": options["subnets"][:2]}
    vpc = run("ec2_network", **first, tags=FLEET)["vpc"]["id"]
    ec2 = account.client("ec2")
    theirs = ec2.create_subnet(VpcId=vpc, CidrBlock="10.106.8.0/24", AvailabilityZone="eu-central-1a")["Subnet"][
        "SubnetId"
    ]
    refused = run.fails("ec2_network", **options, tags={**FLEET, "new": "tag"})
    assert f"The subnet partly-private-eu-central-1a ({theirs}) has a name of this fleet's" in refused["msg"]
    assert "-e fleet_adopt=vpc/partly " in refused["msg"]
    assert not ec2.describe_subnets(SubnetIds=[theirs])["Subnets"][0].get("Tags")
    assert all("new" not in {tag["Key"] for tag in one["Tags"]} for one in ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"])
    assert run("ec2_network", **options, tags=FLEET, adopt=True)["changed"]
    assert not run("ec2_network", **options, tags=FLEET)["changed"]


def test_subnets_and_tags_that_it_does_not_declare_stay(run: Any, account: Any) -> None:
    options, ec2 = _options(account, "fewer", 107, nat="none"), account.client("ec2")
    made = run("ec2_network", **options, tags=FLEET)["vpc"]
    ec2.create_tags(Resources=[made["id"]], Tags=[{"Key": "karpenter.sh/discovery", "Value": "theirs"}])
    run("ec2_network", **{**options, "subnets": options["subnets"][:3]}, tags={**FLEET, "new": "tag"}, purge_tags=False)
    left = ec2.describe_subnets(SubnetIds=[subnet["id"] for subnet in made["subnets"]])["Subnets"]
    assert len(left) == 4
    (vpc,) = ec2.describe_vpcs(VpcIds=[made["id"]])["Vpcs"]
    assert {"Key": "karpenter.sh/discovery", "Value": "theirs"} in vpc["Tags"]
