# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VPC endpoints: gateway endpoints with their routes, interface endpoints with their network interfaces."""

from __future__ import annotations

import json
import secrets

from localcloud.aws import ministack, store
from localcloud.aws.ec2.request import (
    Ec2Error,
    Params,
    element,
    filters,
    forget,
    matches_tags,
    members,
    remember_tags,
    replace,
    require,
    tag_set,
    text,
    xml,
)
from localcloud.aws.errors import Response

endpoints = ministack.vpc_endpoints
route_tables = ministack.route_tables

_GATEWAY_SERVICES = ("s3", "dynamodb")
_OPEN_POLICY = json.dumps(
    {"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
)


def install() -> None:
    replace("CreateVpcEndpoint", _create)
    replace("DeleteVpcEndpoints", _delete)
    replace("DescribeVpcEndpoints", _describe)
    replace("ModifyVpcEndpoint", _modify)


def _create(params: Params) -> Response:
    vpc = require(store.vpcs, text(params, "VpcId"), "InvalidVpcId.NotFound", "Vpc Id")
    service, kind = text(params, "ServiceName"), text(params, "VpcEndpointType") or "Gateway"
    short = service.rsplit(".", 1)[-1]
    if not service.startswith(f"com.amazonaws.{store.region()}."):
        raise Ec2Error("InvalidServiceName", f"The Vpc Endpoint Service '{service}' does not exist")
    if kind == "Gateway" and short not in _GATEWAY_SERVICES:
        raise Ec2Error(
            "InvalidParameter", f"Endpoint type (Gateway) does not match available service types for {service}"
        )
    tables, subnets = members(params, "RouteTableId"), members(params, "SubnetId")
    private_dns = text(params, "PrivateDnsEnabled", "true" if kind == "Interface" else "false").lower() == "true"
    for known in endpoints.values():
        if known["VpcId"] != vpc["VpcId"] or known["ServiceName"] != service or known["VpcEndpointType"] != kind:
            continue
        if kind == "Gateway" and set(known["RouteTableIds"]) & set(tables):
            raise Ec2Error(
                "RouteAlreadyExists", f"route table already has a route with destination-prefix-list-id {short}"
            )
        if kind == "Interface" and private_dns and known["PrivateDnsEnabled"]:
            raise Ec2Error(
                "InvalidParameter",
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
                f"{short}.{store.region()}.amazonaws.com in the VPC {vpc['VpcId']}",
            )
    endpoint_id = store.new_id("vpce")
    record: store.Record = {
        "VpcEndpointId": endpoint_id,
        "VpcEndpointType": kind,
        "VpcId": vpc["VpcId"],
        "ServiceName": service,
        "State": "available",
        "PolicyDocument": text(params, "PolicyDocument") or _OPEN_POLICY,
        "PrivateDnsEnabled": private_dns,
        "RouteTableIds": [],
        "SubnetIds": [],
        "SecurityGroupIds": members(params, "SecurityGroupId") if kind == "Interface" else [],
        "NetworkInterfaceIds": [],
        "OwnerId": store.account(),
        "CreationTimestamp": ministack.ec2_now(),
    }
    if kind == "Interface" and not record["SecurityGroupIds"]:
        record["SecurityGroupIds"] = [vpc["DefaultSecurityGroupId"]]
    for group_id in record["SecurityGroupIds"]:
        require(store.security_groups, group_id, "InvalidGroup.NotFound", "security group")
    _change(record, tables, [], subnets, [])
    endpoints[endpoint_id] = record
    remember_tags(params, "vpc-endpoint", endpoint_id)
    return xml("CreateVpcEndpoint", _fields(record, "vpcEndpoint"))


def _change(
    record: store.Record, add_tables: list[str], drop_tables: list[str], add_subnets: list[str], drop_subnets: list[str]
) -> None:
    """Associate an endpoint with route tables and subnets, and disassociate it from others."""
    for table_id in add_tables:
        require(route_tables, table_id, "InvalidRouteTableId.NotFound", "routeTable ID")
    for subnet_id in add_subnets:
        require(store.subnets, subnet_id, "InvalidSubnetID.NotFound", "subnet ID")
    prefix_list = ministack.prefix_list_id(record["ServiceName"])
    for table_id in [*drop_tables, *add_tables]:
        table = route_tables.get(table_id)
        if table is not None:
            table["Routes"] = [r for r in table["Routes"] if r.get("GatewayId") != record["VpcEndpointId"]]
            if table_id in add_tables:
                table["Routes"].append(
                    {
                        "DestinationPrefixListId": prefix_list,
                        "GatewayId": record["VpcEndpointId"],
                        "State": "active",
                        "Origin": "CreateRoute",
                    }
                )
    kept = [table_id for table_id in record["RouteTableIds"] if table_id not in {*drop_tables, *add_tables}]
    record["RouteTableIds"] = kept + add_tables
    for subnet_id in drop_subnets:
        for eni_id in list(record["NetworkInterfaceIds"]):
            if store.network_interfaces.get(eni_id, {}).get("SubnetId") == subnet_id:
                store.network_interfaces.pop(eni_id)
                record["NetworkInterfaceIds"].remove(eni_id)
    record["SubnetIds"] = [s for s in record["SubnetIds"] if s not in drop_subnets]
    for subnet_id in add_subnets:
        if subnet_id not in record["SubnetIds"]:
            record["SubnetIds"].append(subnet_id)
            record["NetworkInterfaceIds"].append(_interface(record, store.subnets[subnet_id]))


def _interface(record: store.Record, subnet: store.Record) -> str:
    eni_id = store.new_id("eni")
    store.network_interfaces[eni_id] = {
        "NetworkInterfaceId": eni_id,
        "SubnetId": subnet["SubnetId"],
        "VpcId": subnet["VpcId"],
        "AvailabilityZone": subnet["AvailabilityZone"],
        "Description": f"VPC Endpoint Interface {record['VpcEndpointId']}",
        "OwnerId": store.account(),
        "Status": "in-use",
        "PrivateIpAddress": f"{str(subnet['CidrBlock']).rsplit('.', 1)[0]}.{secrets.randbelow(200) + 10}",
        "InterfaceType": "vpc_endpoint",
        "SourceDestCheck": True,
        "MacAddress": ":".join(f"{byte:02x}" for byte in b"\x02" + secrets.token_bytes(5)),
        "Groups": [
            {"GroupId": group, "GroupName": store.security_groups[group]["GroupName"]}
            for group in record["SecurityGroupIds"]
        ],
        "Attachment": None,
    }
    return eni_id


def _delete(params: Params) -> Response:
    failed = ""
    for endpoint_id in members(params, "VpcEndpointId"):
        record = endpoints.get(endpoint_id)
        if record is None:
            error = element("code", "InvalidVpcEndpoint.NotFound") + element(
                "message", f"The Vpc Endpoint Id '{endpoint_id}' does not exist"
            )
            failed += f"<item><error>{error}</error>{element('resourceId', endpoint_id)}</item>"
            continue
        _change(record, [], list(record["RouteTableIds"]), [], list(record["SubnetIds"]))
        forget(endpoints, endpoint_id)
    return xml("DeleteVpcEndpoints", f"<unsuccessful>{failed}</unsuccessful>")


def _modify(params: Params) -> Response:
    endpoint_id = text(params, "VpcEndpointId")
    record = require(endpoints, endpoint_id, "InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id")
    _change(
        record,
        members(params, "AddRouteTableId"),
        members(params, "RemoveRouteTableId"),
        members(params, "AddSubnetId"),
        members(params, "RemoveSubnetId"),
    )
    dropped = members(params, "RemoveSecurityGroupId")
    record["SecurityGroupIds"] = [
        *(group for group in record["SecurityGroupIds"] if group not in dropped),
        *(g for g in members(params, "AddSecurityGroupId") if g not in record["SecurityGroupIds"]),
    ]
    if text(params, "PolicyDocument"):
        record["PolicyDocument"] = text(params, "PolicyDocument")
    elif text(params, "ResetPolicy").lower() == "true":
        record["PolicyDocument"] = _OPEN_POLICY
    if text(params, "PrivateDnsEnabled"):
        record["PrivateDnsEnabled"] = text(params, "PrivateDnsEnabled").lower() == "true"
    return xml("ModifyVpcEndpoint", "<return>true</return>")


_FILTERS = (
    ("vpc-id", "VpcId"),
    ("service-name", "ServiceName"),
    ("vpc-endpoint-id", "VpcEndpointId"),
    ("vpc-endpoint-type", "VpcEndpointType"),
    ("vpc-endpoint-state", "State"),
)


def _describe(params: Params) -> Response:
    wanted, ids = filters(params), members(params, "VpcEndpointId")
    for endpoint_id in ids:
        require(endpoints, endpoint_id, "InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id")
    shown = [
        _fields(record, "item")
        for record in endpoints.values()
        if (not ids or record["VpcEndpointId"] in ids)
        and matches_tags(record["VpcEndpointId"], wanted)
        and all(record[member] in wanted.get(name, [record[member]]) for name, member in _FILTERS)
    ]
    return xml("DescribeVpcEndpoints", f"<vpcEndpointSet>{''.join(shown)}</vpcEndpointSet>")


def _fields(record: store.Record, tag: str) -> str:
    def items(values: list[str]) -> str:
        return "".join(element("item", value) for value in values)

    groups = "".join(
        f"<item>{element('groupId', group)}"
        f"{element('groupName', store.security_groups.get(group, {}).get('GroupName', group))}</item>"
        for group in record["SecurityGroupIds"]
    )
    parts = [
        element("vpcEndpointId", record["VpcEndpointId"]),
        element("vpcEndpointType", record["VpcEndpointType"]),
        element("vpcId", record["VpcId"]),
        element("serviceName", record["ServiceName"]),
        element("state", record["State"]),
        element("policyDocument", record["PolicyDocument"]),
        element("privateDnsEnabled", record["PrivateDnsEnabled"]),
        element("requesterManaged", False),
        element("ownerId", record["OwnerId"]),
        element("creationTimestamp", record["CreationTimestamp"]),
        f"<routeTableIdSet>{items(record['RouteTableIds'])}</routeTableIdSet>",
        f"<subnetIdSet>{items(record['SubnetIds'])}</subnetIdSet>",
        f"<networkInterfaceIdSet>{items(record['NetworkInterfaceIds'])}</networkInterfaceIdSet>",
        f"<groupSet>{groups}</groupSet>",
        tag_set(record["VpcEndpointId"]),
    ]
    return f"<{tag}>{''.join(parts)}</{tag}>"
