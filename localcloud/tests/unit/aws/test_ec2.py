# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks: transitional states, dependencies and filters."""

from __future__ import annotations

import pytest

from localcloud.testing import eventually

from .conftest import REGION, refused, trust, unique


@pytest.fixture
def network(make_network):
    return make_network()


@pytest.fixture
def gateway(ec2, network):
    igw = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=network.vpc_id)
    return igw


def nat_state(ec2, nat_id):
    return ec2.describe_nat_gateways(NatGatewayIds=[nat_id])["NatGateways"][0]["State"]


def make_nat(ec2, subnet_id):
    address = ec2.allocate_address(Domain="vpc")
    nat = ec2.create_nat_gateway(SubnetId=subnet_id, AllocationId=address["AllocationId"])["NatGateway"]
    return nat, address["AllocationId"]


def test_a_nat_gateway_has_transitional_states_and_keeps_its_address(ec2, network, gateway, request):
    nat, allocation = make_nat(ec2, network.subnet_ids[0])
    assert nat["State"] == "pending"
    assert nat["NatGatewayAddresses"][0]["AllocationId"] == allocation
    eventually(lambda: nat_state(ec2, nat["NatGatewayId"]) == "available")
    assert refused(ec2.release_address, AllocationId=allocation) == "InvalidIPAddress.InUse"
    release = request.getfixturevalue("held")
    ec2.delete_nat_gateway(NatGatewayId=nat["NatGatewayId"])
    assert nat_state(ec2, nat["NatGatewayId"]) == "deleting"
    assert refused(ec2.delete_subnet, SubnetId=network.subnet_ids[0]) == "DependencyViolation"
    release()
    eventually(lambda: nat_state(ec2, nat["NatGatewayId"]) == "deleted")
    ec2.release_address(AllocationId=allocation)


def test_a_public_nat_gateway_needs_an_internet_gateway_and_a_free_address(ec2, network):
    allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
    subnet = network.subnet_ids[0]
    assert refused(ec2.create_nat_gateway, SubnetId=subnet, AllocationId=allocation) == "Gateway.NotAttached"
    assert refused(ec2.create_nat_gateway, SubnetId=subnet) == "MissingParameter"
    assert refused(ec2.create_nat_gateway, SubnetId="subnet-0", AllocationId=allocation) == "InvalidSubnetID.NotFound"


def test_resources_that_a_nat_gateway_uses_cannot_be_deleted(ec2, network, gateway):
    nat, _ = make_nat(ec2, network.subnet_ids[0])
    assert refused(ec2.delete_subnet, SubnetId=network.subnet_ids[0]) == "DependencyViolation"
    assert refused(ec2.delete_vpc, VpcId=network.vpc_id) == "DependencyViolation"
    detach = {"InternetGatewayId": gateway, "VpcId": network.vpc_id}
    assert refused(ec2.detach_internet_gateway, **detach) == "DependencyViolation"
    ec2.delete_nat_gateway(NatGatewayId=nat["NatGatewayId"])
    eventually(lambda: nat_state(ec2, nat["NatGatewayId"]) == "deleted")
    ec2.delete_subnet(SubnetId=network.subnet_ids[0])
    ec2.detach_internet_gateway(**detach)


def test_a_network_can_be_deleted_in_aws_order_only(ec2, network, gateway):
    table = ec2.create_route_table(VpcId=network.vpc_id)["RouteTable"]["RouteTableId"]
    for subnet in network.subnet_ids:
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    assert refused(ec2.delete_route_table, RouteTableId=table) == "DependencyViolation"
    assert refused(ec2.delete_internet_gateway, InternetGatewayId=gateway) == "DependencyViolation"
    for subnet in network.subnet_ids:
        ec2.delete_subnet(SubnetId=subnet)
    assert refused(ec2.delete_vpc, VpcId=network.vpc_id) == "DependencyViolation"
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=network.vpc_id)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_route_table(RouteTableId=table)
    ec2.delete_vpc(VpcId=network.vpc_id)
    assert refused(ec2.describe_vpcs, VpcIds=[network.vpc_id]) == "InvalidVpcID.NotFound"


@pytest.mark.parametrize(
    ("cidr", "zone", "code"),
    [
        ("10.91.0.0/24", "a", "InvalidSubnet.Range"),
        ("10.90.0.128/25", "a", "InvalidSubnet.Conflict"),
        ("10.90.9.0/29", "a", "InvalidSubnet.Range"),
        ("10.90.9.1/24", "a", "InvalidParameterValue"),
        ("10.90.9.0/24", "z", "InvalidParameterValue"),
    ],
)
def test_a_subnet_must_fit(ec2, network, cidr, zone, code):
    arguments = {"VpcId": network.vpc_id, "CidrBlock": cidr, "AvailabilityZone": f"{REGION}{zone}"}
    assert refused(ec2.create_subnet, **arguments) == code


def test_a_subnet_counts_its_addresses(ec2, network):
    made = ec2.create_subnet(VpcId=network.vpc_id, CidrBlock="10.90.32.0/20")["Subnet"]
    assert made["AvailableIpAddressCount"] == 4091
    (found,) = ec2.describe_subnets(SubnetIds=[made["SubnetId"]])["Subnets"]
    assert found["AvailableIpAddressCount"] == 4091


def test_routes_are_unique_and_lead_somewhere(ec2, network, gateway):
    table = ec2.create_route_table(VpcId=network.vpc_id)["RouteTable"]["RouteTableId"]
    route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    assert refused(ec2.create_route, **route, NatGatewayId="nat-0") == "InvalidNatGatewayID.NotFound"
    assert refused(ec2.create_route, **route, GatewayId="igw-0") == "InvalidInternetGatewayID.NotFound"
    ec2.create_route(**route, GatewayId=gateway)
    assert refused(ec2.create_route, **route, GatewayId=gateway) == "RouteAlreadyExists"


def test_a_subnet_has_one_route_table(ec2, network):
    first, second = (ec2.create_route_table(VpcId=network.vpc_id)["RouteTable"]["RouteTableId"] for _ in range(2))
    ec2.associate_route_table(RouteTableId=first, SubnetId=network.subnet_ids[0])
    arguments = {"RouteTableId": second, "SubnetId": network.subnet_ids[0]}
    assert refused(ec2.associate_route_table, **arguments) == "Resource.AlreadyAssociated"


def test_a_security_group_with_references_cannot_be_deleted(ec2, network):
    one, two = (
        ec2.create_security_group(GroupName=unique("sg"), Description="x", VpcId=network.vpc_id)["GroupId"]
        for _ in range(2)
    )
    permission = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": one}]}]
    ec2.authorize_security_group_ingress(GroupId=two, IpPermissions=permission)
    assert refused(ec2.delete_security_group, GroupId=one) == "DependencyViolation"
    ec2.revoke_security_group_ingress(GroupId=two, IpPermissions=permission)
    ec2.delete_security_group(GroupId=one)


def test_a_gateway_endpoint_adds_its_route(ec2, network):
    table = ec2.create_route_table(VpcId=network.vpc_id)["RouteTable"]["RouteTableId"]
    arguments = {"VpcId": network.vpc_id, "ServiceName": f"com.amazonaws.{REGION}.s3", "RouteTableIds": [table]}
    endpoint = ec2.create_vpc_endpoint(**arguments)["VpcEndpoint"]["VpcEndpointId"]

    def through():
        routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        return [route for route in routes if route.get("GatewayId") == endpoint]

    assert through()[0]["DestinationPrefixListId"].startswith("pl-")
    assert refused(ec2.create_vpc_endpoint, **arguments) == "RouteAlreadyExists"
    assert refused(ec2.delete_vpc, VpcId=network.vpc_id) == "DependencyViolation"
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    assert not through()


def test_an_interface_endpoint_has_an_interface_in_each_subnet(ec2, network):
    endpoint = ec2.create_vpc_endpoint(
        VpcId=network.vpc_id,
        VpcEndpointType="Interface",
        ServiceName=f"com.amazonaws.{REGION}.ecr.api",
        SubnetIds=network.subnet_ids,
        PrivateDnsEnabled=True,
    )["VpcEndpoint"]
    assert len(endpoint["NetworkInterfaceIds"]) == 2
    assert refused(ec2.delete_subnet, SubnetId=network.subnet_ids[0]) == "DependencyViolation"
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], RemoveSubnetIds=[network.subnet_ids[0]])
    ec2.delete_subnet(SubnetId=network.subnet_ids[0])
    wanted = [{"Name": "vpc-id", "Values": [network.vpc_id]}]
    assert len(ec2.describe_vpc_endpoints(Filters=wanted)["VpcEndpoints"]) == 1
    elsewhere = [{"Name": "vpc-id", "Values": ["vpc-0"]}]
    assert ec2.describe_vpc_endpoints(Filters=elsewhere)["VpcEndpoints"] == []


def test_flow_logs(ec2, iam, server, network):
    logs = server.client("logs")
    group = unique("/flow")
    logs.create_log_group(logGroupName=group)
    role = iam.create_role(RoleName=unique("flow"), AssumeRolePolicyDocument=trust("vpc-flow-logs.amazonaws.com"))
    arguments = {
        "ResourceIds": [network.vpc_id],
        "ResourceType": "VPC",
        "TrafficType": "ALL",
        "LogGroupName": group,
        "DeliverLogsPermissionArn": role["Role"]["Arn"],
        "TagSpecifications": [{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "a", "Value": "b"}]}],
    }
    created = ec2.create_flow_logs(**arguments)
    (flow_log_id,) = created["FlowLogIds"]
    again = ec2.create_flow_logs(**arguments)
    assert again["Unsuccessful"][0]["Error"]["Code"] == "FlowLogAlreadyExists"
    (shown,) = ec2.describe_flow_logs(Filter=[{"Name": "resource-id", "Values": [network.vpc_id]}])["FlowLogs"]
    assert shown["LogGroupName"] == group
    assert shown["DeliverLogsPermissionArn"] == role["Role"]["Arn"]
    assert shown["MaxAggregationInterval"] == 600
    assert shown["DeliverLogsStatus"] == "SUCCESS"
    assert shown["Tags"] == [{"Key": "a", "Value": "b"}]
    assert ec2.delete_flow_logs(FlowLogIds=[flow_log_id])["Unsuccessful"] == []
    assert ec2.describe_flow_logs(FlowLogIds=[flow_log_id])["FlowLogs"] == []


def test_filters_select(ec2, network, make_network):
    other = make_network()
    mine = [{"Name": "vpc-id", "Values": [network.vpc_id]}]
    subnets = ec2.describe_subnets(Filters=[*mine, {"Name": "state", "Values": ["available"]}])["Subnets"]
    assert {subnet["SubnetId"] for subnet in subnets} == set(network.subnet_ids)
    zone = [{"Name": "availability-zone", "Values": [f"{REGION}a"]}]
    assert len(ec2.describe_subnets(Filters=[*mine, *zone])["Subnets"]) == 1
    groups = ec2.describe_security_groups(Filters=[{"Name": "group-id", "Values": ["sg-none"]}])["SecurityGroups"]
    assert groups == []
    assert {g["VpcId"] for g in ec2.describe_security_groups(Filters=mine)["SecurityGroups"]} == {network.vpc_id}
    tables = ec2.describe_route_tables(Filters=[*mine, {"Name": "association.main", "Values": ["true"]}])
    assert [table["VpcId"] for table in tables["RouteTables"]] == [network.vpc_id]
    assert (
        ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [other.vpc_id]}])["NetworkInterfaces"]
        == []
    )
    unknown = [{"Name": "no-such-filter", "Values": ["x"]}]
    assert refused(ec2.describe_subnets, Filters=unknown) == "InvalidParameterValue"
    assert refused(ec2.describe_subnets, SubnetIds=["subnet-0"], Filters=mine) == "InvalidSubnetID.NotFound"


def test_a_route_moves_from_one_peering_connection_to_another(ec2, network, gateway):
    table = ec2.create_route_table(VpcId=network.vpc_id)["RouteTable"]["RouteTableId"]
    peers = [ec2.create_vpc(CidrBlock="10.199.0.0/16")["Vpc"]["VpcId"] for _ in range(2)]
    first, second = (
        ec2.create_vpc_peering_connection(VpcId=network.vpc_id, PeerVpcId=peer)["VpcPeeringConnection"][
            "VpcPeeringConnectionId"
        ]
        for peer in peers
    )

    def target():
        (found,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        (route,) = [one for one in found["Routes"] if one.get("DestinationCidrBlock") == "10.199.0.0/16"]
        return route.get("VpcPeeringConnectionId"), route.get("GatewayId")

    place = {"RouteTableId": table, "DestinationCidrBlock": "10.199.0.0/16"}
    ec2.create_route(**place, VpcPeeringConnectionId=first)
    ec2.replace_route(**place, VpcPeeringConnectionId=second)
    assert target() == (second, None)
    ec2.replace_route(**place, GatewayId=gateway)
    assert target() == (None, gateway)
