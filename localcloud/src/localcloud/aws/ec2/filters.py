# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of Describe calls that ministack ignores, so that its response has too many items."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable

from localcloud.aws import ministack, store
from localcloud.aws.ec2.request import Ec2Error, Params, filters, matches_tags, members, replace, xml
from localcloud.aws.errors import Response

Values = Callable[[store.Record], list[str]]


def _of(member: str) -> Values:
    def values(record: store.Record) -> list[str]:
        value = record.get(member)
        return [str(value).lower() if isinstance(value, bool) else str(value)] if value is not None else []

    return values


def _groups(record: store.Record) -> list[str]:
    return [str(group["GroupId"]) for group in record.get("Groups") or []]


def _associations(member: str) -> Values:
    def values(record: store.Record) -> list[str]:
        found = [a.get(member) for a in record["Associations"]]
        return [str(value).lower() if isinstance(value, bool) else str(value) for value in found if value is not None]

    return values


def _routes(member: str) -> Values:
    return lambda record: [str(route[member]) for route in record["Routes"] if route.get(member)]


_DESCRIBE: dict[str, tuple[store.Store, str, str, dict[str, Values]]] = {
    "DescribeSecurityGroups": (
        store.security_groups,
        "GroupId",
        "securityGroupInfo",
        {
            "description": _of("Description"),
            "group-id": _of("GroupId"),
            "group-name": _of("GroupName"),
            "owner-id": _of("OwnerId"),
            "vpc-id": _of("VpcId"),
        },
    ),
    "DescribeSubnets": (
        store.subnets,
        "SubnetId",
        "subnetSet",
        {
            "availability-zone": _of("AvailabilityZone"),
            "availability-zone-id": _of("AvailabilityZoneId"),
            "availabilityZone": _of("AvailabilityZone"),
            "cidr": _of("CidrBlock"),
            "cidr-block": _of("CidrBlock"),
            "cidrBlock": _of("CidrBlock"),
            "default-for-az": _of("DefaultForAz"),
            "map-public-ip-on-launch": _of("MapPublicIpOnLaunch"),
            "owner-id": _of("OwnerId"),
            "state": _of("State"),
            "subnet-id": _of("SubnetId"),
            "vpc-id": _of("VpcId"),
        },
    ),
    "DescribeNetworkInterfaces": (
        store.network_interfaces,
        "NetworkInterfaceId",
        "networkInterfaceSet",
        {
            "availability-zone": _of("AvailabilityZone"),
            "description": _of("Description"),
            "group-id": _groups,
            "interface-type": _of("InterfaceType"),
            "network-interface-id": _of("NetworkInterfaceId"),
            "owner-id": _of("OwnerId"),
            "status": _of("Status"),
            "subnet-id": _of("SubnetId"),
            "vpc-id": _of("VpcId"),
        },
    ),
    "DescribeRouteTables": (
        ministack.route_tables,
        "RouteTableId",
        "routeTableSet",
        {
            "association.main": _associations("Main"),
            "association.route-table-association-id": _associations("RouteTableAssociationId"),
            "association.route-table-id": _associations("RouteTableId"),
            "association.subnet-id": _associations("SubnetId"),
            "owner-id": _of("OwnerId"),
            "route-table-id": _of("RouteTableId"),
            "route.destination-cidr-block": _routes("DestinationCidrBlock"),
            "route.gateway-id": _routes("GatewayId"),
            "route.nat-gateway-id": _routes("NatGatewayId"),
            "route.vpc-peering-connection-id": _routes("VpcPeeringConnectionId"),
            "vpc-id": _of("VpcId"),
        },
    ),
    "DescribeAddresses": (
        ministack.addresses,
        "AllocationId",
        "addressesSet",
        {
            "allocation-id": _of("AllocationId"),
            "association-id": _of("AssociationId"),
            "domain": _of("Domain"),
            "instance-id": _of("InstanceId"),
            "network-interface-id": _of("NetworkInterfaceId"),
            "public-ip": _of("PublicIp"),
        },
    ),
}


def install() -> None:
    for action in _DESCRIBE:
        _wrap(action, ministack.ec2_actions[action])


def _wrap(action: str, original: Callable[[Params], Response]) -> None:
    records, id_param, result, known = _DESCRIBE[action]

    def describe(params: Params) -> Response:
        wanted = filters(params)
        if not wanted:
            return original(params)
        for name in wanted:
            if name not in known and not name.startswith("tag:") and name not in ("tag-key", "tag-value"):
                raise Ec2Error("InvalidParameterValue", f"The filter '{name}' is invalid")
        asked = set(members(params, id_param))
        found = [
            identifier
            for identifier, record in records.items()
            if (not asked or identifier in asked)
            and matches_tags(identifier, wanted)
            and all(_matches(known[name](record), values) for name, values in wanted.items() if name in known)
        ]
        missing = asked - set(records.keys())
        if not found and not missing:
            return xml(action, f"<{result}/>")
        narrowed = {key: value for key, value in params.items() if not key.startswith((f"{id_param}.", "Filter."))}
        identifiers = [*found, *sorted(missing)]
        narrowed |= {f"{id_param}.{number}": [identifier] for number, identifier in enumerate(identifiers, 1)}
        return original(narrowed)

    replace(action, describe)


def _matches(values: list[str], patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for value in values for pattern in patterns)
