# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the existing network, with the names of the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .._ownership.tags import tags_of
from .api import Ec2, filters
from .plan import DEFAULT_GROUP, GONE_NAT, Fields, Key, Network, PlanError, State, foreign_text

Item = dict[str, Any]
GONE = {"deleted", "deleting", "failed"}


@dataclass
class Live:
    """The existing network, and the id of each resource."""

    vpc_id: str | None = None
    state: State = field(default_factory=dict)
    ids: dict[Key, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, name: str, resource_id: str, fields: Fields, tags: Mapping[str, str]) -> None:
        self.state[kind, name] = {**fields, **{f"tags.{key}": value for key, value in tags.items()}}
        self.ids[kind, name] = resource_id
        self.names[resource_id] = name

    def named(self, resource_ids: Iterable[str] | None) -> list[str] | None:
        """Return the names of ids, or None if the API does not return the ids."""
        return None if resource_ids is None else sorted(self.names.get(one, one) for one in resource_ids)


def find_vpc(ec2: Ec2, network: Network) -> Item | None:
    """Return the VPC with the network's name, or None. Of several, return the one with the network's tags.

    :raises PlanError: when several VPCs have the name, and not exactly one of them the tags.
    """
    found = ec2.describe("DescribeVpcs", "Vpcs", Filters=filters(tag_Name=network.name))
    found = [vpc for vpc in found if network.owns(tags_of(vpc))] or found
    if len(found) > 1:
        ids = ", ".join(sorted(vpc["VpcId"] for vpc in found))
        raise PlanError(f"Several VPCs are named {network.name} ({ids}). Rename or delete all but one.")
    return found[0] if found else None


def own_vpc(ec2: Ec2, network: Network) -> Item | None:
    """Return the network's VPC, or None.

    :raises PlanError: when several VPCs have the name, or if it has another owner.
    """
    vpc = find_vpc(ec2, network)
    if vpc is not None and not network.adopt and not network.owns(tags_of(vpc)):
        raise PlanError(foreign_text("vpc", network.name, vpc["VpcId"], tags_of(vpc), network))
    return vpc


def read(ec2: Ec2, network: Network) -> Live:
    """Read the resources of the plan, with concurrent independent calls."""
    live = Live()
    vpc = own_vpc(ec2, network)
    if vpc is None:
        live.state["security_group", "default"] = dict(DEFAULT_GROUP)
        return live
    vpc_id = str(vpc["VpcId"])
    live.vpc_id = vpc_id
    in_vpc = filters(vpc_id=vpc_id)

    def attribute(key: str) -> bool:
        answer = ec2.client.describe_vpc_attribute(VpcId=vpc_id, Attribute=key)
        return bool(answer[f"{key[0].upper()}{key[1:]}"]["Value"])

    calls: dict[str, Callable[[], Any]] = {
        "support": lambda: attribute("enableDnsSupport"),
        "hostnames": lambda: attribute("enableDnsHostnames"),
        "igws": lambda: ec2.describe(
            "DescribeInternetGateways", "InternetGateways", Filters=filters(**{"attachment.vpc_id": vpc_id})
        ),
        "subnets": lambda: ec2.describe("DescribeSubnets", "Subnets", Filters=in_vpc),
        "addresses": lambda: ec2.describe("DescribeAddresses", "Addresses"),
        "nats": lambda: ec2.describe("DescribeNatGateways", "NatGateways", Filters=in_vpc),
        "groups": lambda: ec2.describe("DescribeSecurityGroups", "SecurityGroups", Filters=in_vpc),
        "tables": lambda: ec2.describe("DescribeRouteTables", "RouteTables", Filters=in_vpc),
        "endpoints": lambda: ec2.describe("DescribeVpcEndpoints", "VpcEndpoints", Filters=in_vpc),
        "flow_logs": lambda: ec2.describe("DescribeFlowLogs", "FlowLogs", Filters=filters(resource_id=vpc_id)),
    }
    with ThreadPoolExecutor(max_workers=len(calls)) as pool:
        answers = {key: future.result() for key, future in {k: pool.submit(c) for k, c in calls.items()}.items()}

    live.add(
        "vpc",
        network.name,
        vpc_id,
        {"cidr": vpc["CidrBlock"], "dns_support": answers["support"], "dns_hostnames": answers["hostnames"]},
        tags_of(vpc),
    )
    for igw in answers["igws"][:1]:
        live.add("internet_gateway", network.name, igw["InternetGatewayId"], {}, tags_of(igw))
    _subnets(live, network, answers["subnets"])
    _nats(live, network, answers["nats"], answers["addresses"])
    for group in answers["groups"]:
        rules = {"ingress": rule_names(group, "IpPermissions"), "egress": rule_names(group, "IpPermissionsEgress")}
        live.add("security_group", group["GroupName"], group["GroupId"], rules, tags_of(group))

    def own_last(found: list[Item]) -> list[Item]:
        """Sort the own resources last: of several with the same name, the last one counts."""
        return sorted(found, key=lambda one: network.owns(tags_of(one)))

    _tables(live, network, own_last(answers["tables"]))
    _endpoints(live, vpc_id, own_last(answers["endpoints"]))
    for log in answers["flow_logs"]:
        if log["ResourceId"] == vpc_id:
            tags, fields = tags_of(log), _flow_log(log)
            wanted = network.flow_log and fields["log_group"] == network.flow_log["log_group"]
            name = f"{network.name}-flow-logs" if wanted else tags.get("Name") or str(log["FlowLogId"])
            live.add("flow_log", name, log["FlowLogId"], fields, tags)
    return live


def _flow_log(log: Item) -> Fields:
    """Return a flow log's fields. AWS returns a CloudWatch destination as a name, some emulators as an ARN."""
    group = log.get("LogGroupName") or str(log.get("LogDestination") or "").split(":log-group:")[-1].removesuffix(":*")
    return {
        "log_group": group or None,
        "role_arn": log.get("DeliverLogsPermissionArn"),
        "traffic_type": log["TrafficType"],
    }


def _subnets(live: Live, network: Network, subnets: list[Item]) -> None:
    planned = {subnet["cidr"]: subnet["name"] for subnet in network.subnets}
    for subnet in subnets:
        tags = tags_of(subnet)
        name = planned.get(subnet["CidrBlock"]) or tags.get("Name") or str(subnet["SubnetId"])
        fields = {
            "cidr": subnet["CidrBlock"],
            "az": subnet["AvailabilityZone"],
            "map_public_ip": subnet["MapPublicIpOnLaunch"],
        }
        live.add("subnet", name, subnet["SubnetId"], fields, tags)


def _nats(live: Live, network: Network, nats: list[Item], addresses: list[Item]) -> None:
    """Return NAT gateways by name. Gateways of others in the same subnets have their id as name."""
    zones = {subnet["name"]: subnet["az"] for subnet in network.of_tier(public=True)}
    allocations: dict[str, str] = {}
    for nat in nats:
        if nat["State"] in GONE:
            continue
        subnet = live.names.get(nat["SubnetId"], nat["SubnetId"])
        tags, one = tags_of(nat), str(nat["NatGatewayId"])
        own = network.adopt or network.owns(tags)
        name = (f"{network.name}-nat-{zones[subnet]}" if subnet in zones else tags.get("Name") or one) if own else one
        live.add("nat_gateway", name, one, {"subnet": subnet}, tags)
        allocations.update(
            {at["AllocationId"]: name for at in nat.get("NatGatewayAddresses") or [] if at.get("AllocationId")}
        )
    for address in addresses:
        tags = tags_of(address)
        allocation = address.get("AllocationId", "")
        name = allocations.get(allocation, tags.get("Name", ""))
        if name.startswith(f"{network.name}-nat-") and (allocation in allocations or network.owns(tags)):
            live.add("elastic_ip", name, allocation, {}, tags)


def _target(live: Live, route: Item) -> str:
    """Return the name of a route's target."""
    gateway = route.get("GatewayId") or ""
    if gateway.startswith("igw-"):
        return "internet_gateway" if gateway in live.names else gateway
    default = route.get("DestinationCidrBlock") == "0.0.0.0/0"
    if default and route.get("NatGatewayId") and route.get("State") == "blackhole":
        return GONE_NAT
    targets = ("TransitGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId", "InstanceId")
    target = route.get("NatGatewayId") or gateway or next((route[key] for key in targets if route.get(key)), None)
    return live.names.get(str(target), str(target))


def _tables(live: Live, network: Network, tables: list[Item]) -> None:
    for table in tables:
        associations = table.get("Associations") or []
        if any(association.get("Main") for association in associations):
            continue
        routes = {}
        for route in table.get("Routes") or []:
            destination = route.get("DestinationCidrBlock")
            # Routes to peers and transit gateways are not managed here, except for a declared default route.
            ours = destination == "0.0.0.0/0" or str(
                route.get("NatGatewayId") or route.get("GatewayId") or ""
            ).startswith(("igw-", "nat-"))
            if destination and ours:
                routes[f"routes.{destination}"] = _target(live, route)
        planned = {subnet["name"] for subnet in network.subnets}
        subnets = live.named(one["SubnetId"] for one in associations if one.get("SubnetId")) or []
        tags = tags_of(table)
        fields = {**routes, "subnets": [name for name in subnets if name in planned]}
        live.add("route_table", tags.get("Name") or str(table["RouteTableId"]), table["RouteTableId"], fields, tags)


def _endpoints(live: Live, vpc_id: str, endpoints: list[Item]) -> None:
    for endpoint in endpoints:
        if endpoint["VpcId"] != vpc_id or str(endpoint.get("State", "")).lower() in GONE:
            continue
        service = endpoint["ServiceName"].split(".amazonaws.", 1)[-1].split(".", 1)[-1]
        groups = endpoint.get("Groups")
        fields: Fields = {"type": endpoint["VpcEndpointType"]}
        if endpoint["VpcEndpointType"] == "Gateway":
            fields["route_tables"] = live.named(endpoint.get("RouteTableIds") or [])
        else:
            fields["subnets"] = live.named(endpoint.get("SubnetIds") or [])
            fields["security_groups"] = live.named(None if groups is None else [group["GroupId"] for group in groups])
            fields["private_dns"] = endpoint.get("PrivateDnsEnabled")
        live.add("endpoint", service, endpoint["VpcEndpointId"], fields, tags_of(endpoint))


def rules(group: Item, key: str) -> dict[str, Item]:
    """Return each rule of a security group as text, with its permission."""
    direction = "from" if key == "IpPermissions" else "to"
    found: dict[str, Item] = {}
    for permission in group.get(key) or []:
        protocol = "all" if permission["IpProtocol"] == "-1" else permission["IpProtocol"]
        first, last = permission.get("FromPort"), permission.get("ToPort")
        ports = "" if first is None or protocol == "all" else f" {first}" if first == last else f" {first}-{last}"
        bare = {name: permission[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in permission}
        for list_key, value_key in (
            ("IpRanges", "CidrIp"),
            ("Ipv6Ranges", "CidrIpv6"),
            ("PrefixListIds", "PrefixListId"),
            ("UserIdGroupPairs", "GroupId"),
        ):
            for one in permission.get(list_key) or []:
                peer = "itself" if one[value_key] == group["GroupId"] else one[value_key]
                found[f"{protocol}{ports} {direction} {peer}"] = {**bare, list_key: [{value_key: one[value_key]}]}
    return found


def rule_names(group: Item, key: str) -> list[str]:
    return sorted(rules(group, key))
