# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of EC2 for dependencies and conflicts: deletion of resources in use, creation of conflicting resources."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from localcloud.aws import ministack, store
from localcloud.aws.ec2 import endpoints, gateways
from localcloud.aws.ec2.request import Ec2Error, Handler, Params, guard, replace, require, text
from localcloud.aws.errors import Response

load_balancers = ministack.load_balancers
internet_gateways = ministack.internet_gateways
instances = ministack.instances
_GONE = ("terminated", "shutting-down")


def install() -> None:
    guard("CreateSubnet", _check_subnet)
    create_subnet = ministack.ec2_actions["CreateSubnet"]
    replace("CreateSubnet", lambda params: _create_subnet(params, create_subnet))
    guard("CreateRoute", _check_route)
    guard("ReplaceRoute", _check_target)
    guard("AssociateRouteTable", _check_association)
    guard("DeleteInternetGateway", _check_internet_gateway)
    guard("DeleteNetworkInterface", _check_interface)
    guard("DeleteRouteTable", _check_route_table)
    guard("DeleteSecurityGroup", _check_security_group)
    guard("DeleteVpc", _check_vpc)
    guard("DetachInternetGateway", _check_detach)
    delete_subnet = ministack.ec2_actions["DeleteSubnet"]
    replace("DeleteSubnet", lambda params: _delete_subnet(params, delete_subnet))


def _violation(message: str) -> Ec2Error:
    return Ec2Error("DependencyViolation", message)


def _users_of_subnet(subnet_id: str) -> Iterator[str]:
    yield from (nat["NatGatewayId"] for nat in gateways.live(subnet_id=subnet_id))
    yield from (e["NetworkInterfaceId"] for e in store.network_interfaces.values() if e["SubnetId"] == subnet_id)
    for instance in instances.values():
        if instance.get("SubnetId") == subnet_id and instance["State"]["Name"] not in _GONE:
            yield instance["InstanceId"]
    yield from (lb["LoadBalancerArn"] for lb in load_balancers.values() if subnet_id in (lb.get("Subnets") or []))
    for cluster in store.clusters.values():
        if subnet_id in cluster["resourcesVpcConfig"]["subnetIds"]:
            yield cluster["arn"]
    for group in store.nodegroups_all.values():
        if subnet_id in group["subnets"]:
            yield group["nodegroupArn"]


def _create_subnet(params: Params, original: Handler) -> Response:
    known = set(store.subnets)
    status, headers, body = original(params)
    for subnet_id in set(store.subnets) - known:
        # AWS reserves the first four addresses of a subnet and the last one.
        free = ipaddress.IPv4Network(store.subnets[subnet_id]["CidrBlock"]).num_addresses - 5
        told = store.subnets[subnet_id]["AvailableIpAddressCount"]
        store.subnets[subnet_id]["AvailableIpAddressCount"] = free
        member = "<availableIpAddressCount>{}</availableIpAddressCount>"
        body = body.replace(member.format(told).encode(), member.format(free).encode())
    return status, headers, body


def _delete_subnet(params: Params, original: Handler) -> Response:
    subnet_id = text(params, "SubnetId")
    if any(_users_of_subnet(subnet_id)):
        raise _violation(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
    response = original(params)
    for table in endpoints.route_tables.values():
        table["Associations"] = [a for a in table["Associations"] if a.get("SubnetId") != subnet_id]
    store.ec2_tags.pop(subnet_id, None)
    return response


def _check_vpc(params: Params) -> None:
    vpc_id = text(params, "VpcId")
    used = (
        bool(gateways.live(vpc_id=vpc_id))
        or any(endpoint["VpcId"] == vpc_id for endpoint in endpoints.endpoints.values())
        or any(eni["VpcId"] == vpc_id for eni in store.network_interfaces.values())
        or any(c["resourcesVpcConfig"]["vpcId"] == vpc_id for c in store.clusters.values())
        or any(lb.get("VpcId") == vpc_id for lb in load_balancers.values())
        or any(
            table["VpcId"] == vpc_id and not any(a.get("Main") for a in table["Associations"])
            for table in endpoints.route_tables.values()
        )
        or any(acl["VpcId"] == vpc_id and not acl["IsDefault"] for acl in ministack.network_acls.values())
    )
    if used and vpc_id in store.vpcs:
        raise _violation(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")


def _check_security_group(params: Params) -> None:
    group_id = text(params, "GroupId")
    if not group_id:
        name = text(params, "GroupName")
        group_id = next((gid for gid, g in store.security_groups.items() if g["GroupName"] == name), "")
    interfaces = (group["GroupId"] for eni in store.network_interfaces.values() for group in eni["Groups"])
    clusters = (
        used
        for cluster in store.clusters.values()
        for used in (
            *cluster["resourcesVpcConfig"]["securityGroupIds"],
            cluster["resourcesVpcConfig"]["clusterSecurityGroupId"],
        )
    )
    balancers = (used for lb in load_balancers.values() for used in lb.get("SecurityGroups") or [])
    machines = (
        group["GroupId"]
        for instance in instances.values()
        if instance["State"]["Name"] not in _GONE
        for group in instance.get("SecurityGroups") or []
    )
    referring = (
        pair.get("GroupId")
        for other_id, other in store.security_groups.items()
        if other_id != group_id
        for rule in (*other["IpPermissions"], *other["IpPermissionsEgress"])
        for pair in rule.get("UserIdGroupPairs") or []
    )
    if any(group_id in users for users in (interfaces, clusters, balancers, machines, referring)):
        raise _violation(f"resource {group_id} has a dependent object")


def _check_internet_gateway(params: Params) -> None:
    gateway_id = text(params, "InternetGatewayId")
    if internet_gateways.get(gateway_id, {}).get("Attachments"):
        raise _violation(f"The internetGateway '{gateway_id}' has dependencies and cannot be deleted.")


def _check_detach(params: Params) -> None:
    gateway = require(
        internet_gateways,
        text(params, "InternetGatewayId"),
        "InvalidInternetGatewayID.NotFound",
        "internetGateway ID",
    )
    vpc_id = text(params, "VpcId")
    if not any(attachment["VpcId"] == vpc_id for attachment in gateway["Attachments"]):
        raise Ec2Error(
            "Gateway.NotAttached", f"resource {gateway['InternetGatewayId']} is not attached to network {vpc_id}"
        )
    public_nat = any(nat["ConnectivityType"] == "public" for nat in gateways.live(vpc_id=vpc_id))
    public_balancer = any(
        lb.get("VpcId") == vpc_id and lb.get("Scheme") == "internet-facing" for lb in load_balancers.values()
    )
    if public_nat or public_balancer:
        raise _violation(
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before "
            "detaching the gateway."
        )


def _check_route_table(params: Params) -> None:
    table_id = text(params, "RouteTableId")
    table = endpoints.route_tables.get(table_id)
    if table is not None and table["Associations"]:
        raise _violation(f"The routeTable '{table_id}' has dependencies and cannot be deleted.")


def _check_interface(params: Params) -> None:
    eni_id = text(params, "NetworkInterfaceId")
    if store.network_interfaces.get(eni_id, {}).get("Status") == "in-use":
        raise Ec2Error("InvalidParameterValue", f"Network interface '{eni_id}' is currently in use.")


def _check_subnet(params: Params) -> None:
    vpc_id, cidr = text(params, "VpcId"), text(params, "CidrBlock")
    vpc = require(store.vpcs, vpc_id, "InvalidVpcID.NotFound", "vpc ID")
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise Ec2Error("InvalidParameterValue", f"Value ({cidr}) for parameter cidrBlock is invalid.") from error
    inside = network.subnet_of(ipaddress.IPv4Network(vpc["CidrBlock"], strict=False))
    if not inside or not 16 <= network.prefixlen <= 28:
        raise Ec2Error("InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")
    for other in store.subnets.values():
        if other["VpcId"] == vpc_id and network.overlaps(ipaddress.IPv4Network(other["CidrBlock"])):
            raise Ec2Error("InvalidSubnet.Conflict", f"The CIDR '{cidr}' conflicts with another subnet")
    zone = text(params, "AvailabilityZone")
    zones = [f"{store.region()}{letter}" for letter in "abc"]
    if zone and zone not in zones:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({zone}) for parameter availabilityZone is invalid. Subnets can currently only be created in the "
            f"following availability zones: {', '.join(zones)}.",
        )


def _check_route(params: Params) -> None:
    table = endpoints.route_tables.get(text(params, "RouteTableId"))
    destination = text(params, "DestinationCidrBlock")
    for route in (table or {}).get("Routes", []):
        if destination and route.get("DestinationCidrBlock") == destination:
            raise Ec2Error("RouteAlreadyExists", f"The route identified by {destination} already exists.")
    _check_target(params)


def _check_target(params: Params) -> None:
    nat_id, gateway_id = text(params, "NatGatewayId"), text(params, "GatewayId")
    if nat_id:
        nat = gateways.nat_gateways.get(nat_id)
        if nat is None or nat["State"] not in ("pending", "available"):
            raise Ec2Error("InvalidNatGatewayID.NotFound", f"The natGateway ID '{nat_id}' does not exist")
    if gateway_id.startswith("igw-"):
        require(internet_gateways, gateway_id, "InvalidInternetGatewayID.NotFound", "internetGateway ID")


def _check_association(params: Params) -> None:
    subnet_id = text(params, "SubnetId")
    if not subnet_id:
        return
    require(store.subnets, subnet_id, "InvalidSubnetID.NotFound", "subnet ID")
    for table in endpoints.route_tables.values():
        if any(a.get("SubnetId") == subnet_id for a in table["Associations"]):
            raise Ec2Error(
                "Resource.AlreadyAssociated",
                f"the specified association for route table {text(params, 'RouteTableId')} conflicts with an existing "
                "association",
            )
