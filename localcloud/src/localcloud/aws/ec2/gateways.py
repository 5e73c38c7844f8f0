# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAT gateways with their transitional states, and their Elastic IP addresses."""

from __future__ import annotations

import secrets

from localcloud.aws import clock, ministack, store
from localcloud.aws.ec2.request import (
    Ec2Error,
    Params,
    element,
    filters,
    forget,
    guard,
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
from localcloud.aws.settings import EmulatorSettings

nat_gateways = ministack.nat_gateways
addresses = ministack.addresses

LIVE = ("pending", "available", "deleting")
_KEPT = 3600.0
"""Seconds in which a deleted NAT gateway remains visible, as on AWS."""


def install(settings: EmulatorSettings) -> None:
    replace("CreateNatGateway", lambda params: _create(params, settings))
    replace("DeleteNatGateway", lambda params: _delete(params, settings))
    replace("DescribeNatGateways", _describe)
    guard("ReleaseAddress", _check_release)
    guard("DisassociateAddress", _check_disassociate)


def live(vpc_id: str | None = None, subnet_id: str | None = None) -> list[store.Record]:
    """Return NAT gateways that still block the deletion of their VPC or subnet."""
    return [
        nat
        for nat in nat_gateways.values()
        if nat["State"] in LIVE and vpc_id in (None, nat["VpcId"]) and subnet_id in (None, nat["SubnetId"])
    ]


def _create(params: Params, settings: EmulatorSettings) -> Response:
    subnet = require(store.subnets, text(params, "SubnetId"), "InvalidSubnetID.NotFound", "subnet ID")
    connectivity = text(params, "ConnectivityType") or "public"
    allocation_id = text(params, "AllocationId")
    token = text(params, "ClientToken")
    for known in nat_gateways.values():
        if token and known.get("_token") == token:
            return xml("CreateNatGateway", _fields(known, "natGateway"))
    address: store.Record = {}
    if connectivity == "public":
        if not allocation_id:
            raise Ec2Error("MissingParameter", "The request must contain the parameter AllocationId")
        address = require(addresses, allocation_id, "InvalidAllocationID.NotFound", "allocation ID")
        if address["AssociationId"]:
            raise Ec2Error("Resource.AlreadyAssociated", f"Elastic IP address [{allocation_id}] is already associated")
        if not _has_internet_gateway(subnet["VpcId"]):
            raise Ec2Error("Gateway.NotAttached", f"Network {subnet['VpcId']} has no Internet gateway attached")
    nat_id, eni_id = store.new_id("nat"), store.new_id("eni")
    private_ip = f"{str(subnet['CidrBlock']).rsplit('.', 1)[0]}.{secrets.randbelow(200) + 10}"
    record = {
        "NatGatewayId": nat_id,
        "SubnetId": subnet["SubnetId"],
        "VpcId": subnet["VpcId"],
        "AllocationId": allocation_id,
        "ConnectivityType": connectivity,
        "State": "pending",
        "CreateTime": ministack.ec2_now(),
        "PublicIp": address.get("PublicIp"),
        "PrivateIp": private_ip,
        "NetworkInterfaceId": eni_id,
        "_token": token,
    }
    nat_gateways[nat_id] = record
    remember_tags(params, "natgateway", nat_id)
    address.update(AssociationId=store.new_id("eipassoc"), NetworkInterfaceId=eni_id, PrivateIpAddress=private_ip)
    clock.scheduler.later(settings.nat_seconds, lambda: _advance(record, "pending", "available"))
    return xml("CreateNatGateway", _fields(record, "natGateway"))


def _has_internet_gateway(vpc_id: str) -> bool:
    return any(
        attachment["VpcId"] == vpc_id
        for gateway in ministack.internet_gateways.values()
        for attachment in gateway["Attachments"]
    )


def _advance(record: store.Record, before: str, after: str) -> None:
    if record["State"] == before:
        record["State"] = after


def _delete(params: Params, settings: EmulatorSettings) -> Response:
    nat_id = text(params, "NatGatewayId")
    record = nat_gateways.get(nat_id)
    if record is None:
        raise Ec2Error("NatGatewayNotFound", f"The Nat Gateway {nat_id} was not found")

    def finish() -> None:
        _advance(record, "deleting", "deleted")
        address = addresses.get(record["AllocationId"])
        if address is not None:
            address.update(AssociationId=None, NetworkInterfaceId=None, PrivateIpAddress=None)
        clock.scheduler.later(_KEPT, lambda: forget(nat_gateways, nat_id))

    if record["State"] not in ("deleting", "deleted"):
        record["State"] = "deleting"
        clock.scheduler.later(settings.nat_seconds, finish)
    return xml("DeleteNatGateway", element("natGatewayId", nat_id))


def _describe(params: Params) -> Response:
    wanted, ids = filters(params), members(params, "NatGatewayId")
    for nat_id in ids:
        if nat_id not in nat_gateways:
            raise Ec2Error("NatGatewayNotFound", f"The Nat Gateway {nat_id} was not found")
    shown = [
        _fields(nat, "item")
        for nat in nat_gateways.values()
        if (not ids or nat["NatGatewayId"] in ids)
        and matches_tags(nat["NatGatewayId"], wanted)
        and all(nat[member] in wanted.get(name, [nat[member]]) for name, member in _FILTERS)
    ]
    return xml("DescribeNatGateways", f"<natGatewaySet>{''.join(shown)}</natGatewaySet>")


_FILTERS = (
    ("state", "State"),
    ("vpc-id", "VpcId"),
    ("subnet-id", "SubnetId"),
    ("nat-gateway-id", "NatGatewayId"),
)


def _fields(nat: store.Record, tag: str) -> str:
    address = "".join(
        element(name, nat.get(member) or None)
        for name, member in (
            ("allocationId", "AllocationId"),
            ("networkInterfaceId", "NetworkInterfaceId"),
            ("privateIp", "PrivateIp"),
            ("publicIp", "PublicIp"),
        )
    )
    parts = [
        element("natGatewayId", nat["NatGatewayId"]),
        element("subnetId", nat["SubnetId"]),
        element("vpcId", nat["VpcId"]),
        element("state", nat["State"]),
        element("connectivityType", nat["ConnectivityType"]),
        element("createTime", nat["CreateTime"]),
        f"<natGatewayAddressSet><item>{address}<isPrimary>true</isPrimary></item></natGatewayAddressSet>",
        tag_set(nat["NatGatewayId"]),
    ]
    return f"<{tag}>{''.join(parts)}</{tag}>"


def _holder(address: store.Record) -> store.Record | None:
    return next((nat for nat in live() if nat["AllocationId"] == address["AllocationId"]), None)


def _check_release(params: Params) -> None:
    address = addresses.get(text(params, "AllocationId"))
    if address is not None and (_holder(address) or address["AssociationId"]):
        raise Ec2Error("InvalidIPAddress.InUse", f"Address {address['PublicIp']} is in use.")


def _check_disassociate(params: Params) -> None:
    for address in addresses.values():
        if address["AssociationId"] == text(params, "AssociationId") and _holder(address):
            raise Ec2Error("AuthFailure", "You do not have permission to access the specified resource.")
