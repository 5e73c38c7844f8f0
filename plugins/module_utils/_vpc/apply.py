# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from .._aws.errors import AwsError
from .._ownership.tags import pairs_of
from .api import Ec2, filters
from .plan import Change, Fields, Network, service_name
from .read import Live, rules

try:  # noqa: SIM105
    from botocore.exceptions import ClientError, WaiterError
except ImportError:
    pass  # AnsibleAWSModule says what is missing


# How long a new IAM role may stay unknown to EC2, in seconds.
ROLE_KNOWN_WITHIN = 120


def _tags(fields: Fields) -> dict[str, str]:
    return {key.removeprefix("tags."): value for key, value in fields.items() if key.startswith("tags.")}


class ApplyError(AwsError):
    """AWS took a call and refused what it asked for."""


class Applier:
    """Carries out one change after the other; ids of what was created are known to those that follow."""

    def __init__(self, ec2: Ec2, network: Network, live: Live) -> None:
        self.ec2 = ec2
        self.network = network
        self.live = live
        self._nats_awaited = False

    def apply(self, change: Change) -> None:
        handler: Callable[[Change], None] = getattr(self, f"_{change.action}")
        handler(change)

    def _id(self, kind: str, name: str) -> str:
        return self.live.ids[kind, name]

    def _ids(self, kind: str, names: Iterable[str]) -> list[str]:
        """Return the ids of names; what has no name of its own is an id already."""
        return [self.live.ids.get((kind, name), name) for name in names]

    def _known(self, kind: str, name: str, resource_id: str) -> None:
        self.live.ids[kind, name] = resource_id
        self.live.names[resource_id] = name

    # Creating

    def _create(self, change: Change) -> None:
        create: Callable[[Change], str] = getattr(self, f"_create_{change.kind}")
        self._known(change.kind, change.name, create(change))
        if change.kind in ("vpc", "subnet", "route_table"):
            self._set(change)

    def _create_vpc(self, change: Change) -> str:
        vpc = self.ec2.create("create_vpc", "vpc", _tags(change.after), CidrBlock=change.after["cidr"])["Vpc"]
        self.live.vpc_id = str(vpc["VpcId"])
        self.ec2.wait("vpc_available", VpcIds=[vpc["VpcId"]])
        default = filters(vpc_id=self.live.vpc_id, group_name="default")
        self.ec2.wait("security_group_exists", Filters=default)
        group = self.ec2.describe("describe_security_groups", "SecurityGroups", Filters=default)[0]
        self._known("security_group", "default", group["GroupId"])
        return self.live.vpc_id

    def _create_internet_gateway(self, change: Change) -> str:
        igw = self.ec2.create("create_internet_gateway", "internet-gateway", _tags(change.after))["InternetGateway"]
        gateway = str(igw["InternetGatewayId"])
        self.ec2.call("attach_internet_gateway", InternetGatewayId=gateway, VpcId=self.live.vpc_id)
        return gateway

    def _create_subnet(self, change: Change) -> str:
        subnet = self.ec2.create(
            "create_subnet",
            "subnet",
            _tags(change.after),
            VpcId=self.live.vpc_id,
            CidrBlock=change.after["cidr"],
            AvailabilityZone=change.after["az"],
        )
        return str(subnet["Subnet"]["SubnetId"])

    def _create_elastic_ip(self, change: Change) -> str:
        return str(self.ec2.create("allocate_address", "elastic-ip", _tags(change.after), Domain="vpc")["AllocationId"])

    def _create_nat_gateway(self, change: Change) -> str:
        nat = self.ec2.create(
            "create_nat_gateway",
            "natgateway",
            _tags(change.after),
            SubnetId=self._id("subnet", change.after["subnet"]),
            AllocationId=self._id("elastic_ip", change.name),
        )
        return str(nat["NatGateway"]["NatGatewayId"])

    def _create_security_group(self, change: Change) -> str:
        description = f"Interface endpoints of {self.network.name}"
        group = self.ec2.create(
            "create_security_group",
            "security-group",
            _tags(change.after),
            GroupName=change.name,
            Description=description,
            VpcId=self.live.vpc_id,
        )
        self._sync_rules(str(group["GroupId"]), change.after)
        return str(group["GroupId"])

    def _create_route_table(self, change: Change) -> str:
        table = self.ec2.create("create_route_table", "route-table", _tags(change.after), VpcId=self.live.vpc_id)
        return str(table["RouteTable"]["RouteTableId"])

    def _create_endpoint(self, change: Change) -> str:
        arguments: dict[str, Any] = {
            "VpcId": self.live.vpc_id,
            "VpcEndpointType": change.after["type"],
            "ServiceName": service_name(self.network.region, change.name),
        }
        if change.after["type"] == "Gateway":
            arguments["RouteTableIds"] = self._ids("route_table", change.after["route_tables"])
        else:
            arguments["SubnetIds"] = self._ids("subnet", change.after["subnets"])
            arguments["SecurityGroupIds"] = self._ids("security_group", change.after["security_groups"])
            arguments["PrivateDnsEnabled"] = change.after["private_dns"]
        endpoint = self.ec2.create("create_vpc_endpoint", "vpc-endpoint", _tags(change.after), **arguments)
        return str(endpoint["VpcEndpoint"]["VpcEndpointId"])

    def _create_flow_log(self, change: Change) -> str:
        fields = change.after
        deadline = time.monotonic() + ROLE_KNOWN_WITHIN
        while True:
            # EC2 refuses a flow log in its answer or by an error.
            try:
                answer = self.ec2.create(
                    "create_flow_logs",
                    "vpc-flow-log",
                    _tags(fields),
                    ResourceIds=[self.live.vpc_id],
                    ResourceType="VPC",
                    TrafficType=fields["traffic_type"],
                    LogDestinationType="cloud-watch-logs",
                    LogGroupName=fields["log_group"],
                    DeliverLogsPermissionArn=fields["role_arn"],
                )
                refused = next((str(one["Error"]["Message"]) for one in answer.get("Unsuccessful") or []), None)
            except ClientError as error:
                if error.response["Error"]["Code"] != "InvalidParameter":
                    raise
                refused = str(error.response["Error"]["Message"])
            if refused is None:
                break
            # A role made a moment ago cannot be assumed everywhere yet.
            if "assume" not in refused or time.monotonic() > deadline:
                raise ApplyError(f"AWS refused the flow log {change.name}: {refused}")
            time.sleep(5)
        # Once more: EC2 takes the tags at creation, some of its emulations do not.
        self._tag(str(answer["FlowLogIds"][0]), _tags(fields))
        return str(answer["FlowLogIds"][0])

    # Updating

    def _update(self, change: Change) -> None:
        if tags := _tags(change.after):
            self._tag(self._id(change.kind, change.name), tags)
        if gone := [{"Key": key} for key in sorted(_tags(change.before).keys() - tags.keys())]:
            self.ec2.call("delete_tags", Resources=[self._id(change.kind, change.name)], Tags=gone)
        self._set(change)

    def _tag(self, resource_id: str, tags: dict[str, str]) -> None:
        self.ec2.call("create_tags", Resources=[resource_id], Tags=pairs_of(tags))

    def _set(self, change: Change) -> None:
        setter = getattr(self, f"_set_{change.kind}", None)
        if setter is not None:
            setter(self._id(change.kind, change.name), change)

    def _set_vpc(self, vpc_id: str, change: Change) -> None:
        for field, attribute in (("dns_support", "EnableDnsSupport"), ("dns_hostnames", "EnableDnsHostnames")):
            if field in change.after:
                self.ec2.call("modify_vpc_attribute", VpcId=vpc_id, **{attribute: {"Value": change.after[field]}})

    def _set_subnet(self, subnet_id: str, change: Change) -> None:
        wanted = change.after.get("map_public_ip")
        if wanted is not None and (wanted or change.action == "update"):
            self.ec2.call("modify_subnet_attribute", SubnetId=subnet_id, MapPublicIpOnLaunch={"Value": wanted})

    def _set_security_group(self, group_id: str, change: Change) -> None:
        self._sync_rules(group_id, change.after)

    def _sync_rules(self, group_id: str, fields: Fields) -> None:
        group = self.ec2.describe("describe_security_groups", "SecurityGroups", GroupIds=[group_id])[0]
        for field, key in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
            if field not in fields:
                continue
            live = rules(group, key)
            surplus = [permission for name, permission in live.items() if name not in fields[field]]
            missing = [_permission(name) for name in fields[field] if name not in live]
            if surplus:
                self.ec2.call(f"revoke_security_group_{field}", GroupId=group_id, IpPermissions=surplus)
            if missing:
                self.ec2.call(f"authorize_security_group_{field}", GroupId=group_id, IpPermissions=missing)

    def _set_route_table(self, table_id: str, change: Change) -> None:
        for field, target in change.after.items():
            if field.startswith("routes."):
                operation = "replace_route" if field in change.before else "create_route"
                destination = field.removeprefix("routes.")
                self.ec2.call(
                    operation, RouteTableId=table_id, DestinationCidrBlock=destination, **self._gateway(target)
                )
        for field in change.before.keys() - change.after.keys():
            if field.startswith("routes."):
                destination = field.removeprefix("routes.")
                self.ec2.call("delete_route", RouteTableId=table_id, DestinationCidrBlock=destination)
        if "subnets" in change.after:
            self._associate(table_id, self._ids("subnet", change.after["subnets"]))

    def _gateway(self, target: str) -> dict[str, str]:
        if target == "internet_gateway":
            return {"GatewayId": self._id("internet_gateway", self.network.name)}
        if not self._nats_awaited:
            self._await_nats([one for (kind, _name), one in self.live.ids.items() if kind == "nat_gateway"])
            self._nats_awaited = True
        return {"NatGatewayId": self._id("nat_gateway", target)}

    def _await_nats(self, nats: list[str]) -> None:
        try:
            self.ec2.wait("nat_gateway_available", NatGatewayIds=nats)
        except WaiterError as error:
            found = self.ec2.describe("describe_nat_gateways", "NatGateways", NatGatewayIds=nats)
            reasons = [
                f"{self.live.names[nat['NatGatewayId']]} is {nat['State']}: {nat.get('FailureMessage', 'no reason')}"
                for nat in found
                if nat["State"] != "available"
            ]
            raise ApplyError(f"NAT gateways did not become available. {'; '.join(reasons)}") from error

    def _associate(self, table_id: str, subnet_ids: list[str]) -> None:
        """Associate subnets with a table, wherever they were before."""
        found: dict[str, tuple[str, str]] = {}
        for live in self.ec2.describe(
            "describe_route_tables", "RouteTables", Filters=filters(vpc_id=str(self.live.vpc_id))
        ):
            for one in live.get("Associations") or []:
                if one.get("SubnetId"):
                    found[one["SubnetId"]] = (live["RouteTableId"], one["RouteTableAssociationId"])
        for subnet_id in subnet_ids:
            table, association = found.get(subnet_id, ("", ""))
            if table == table_id:
                continue
            if association:
                self.ec2.call("replace_route_table_association", AssociationId=association, RouteTableId=table_id)
            else:
                self.ec2.call("associate_route_table", SubnetId=subnet_id, RouteTableId=table_id)

    def _set_endpoint(self, endpoint_id: str, change: Change) -> None:
        arguments: dict[str, Any] = {}
        for field, kind, member in (
            ("route_tables", "route_table", "RouteTableIds"),
            ("subnets", "subnet", "SubnetIds"),
            ("security_groups", "security_group", "SecurityGroupIds"),
        ):
            if field not in change.after:
                continue
            before, after = set(change.before.get(field) or []), set(change.after[field])
            if added := sorted(after - before):
                arguments[f"Add{member}"] = self._ids(kind, added)
            if removed := sorted(before - after):
                arguments[f"Remove{member}"] = self._ids(kind, removed)
        if "private_dns" in change.after:
            arguments["PrivateDnsEnabled"] = change.after["private_dns"]
        if arguments:
            self.ec2.call("modify_vpc_endpoint", VpcEndpointId=endpoint_id, **arguments)

    # Replacing and deleting

    def _replace(self, change: Change) -> None:
        kept = {
            key: value
            for key, value in self.live.state[change.kind, change.name].items()
            # EC2 takes no tags of AWS itself.
            if (key not in change.before or key in change.after) and not key.startswith("tags.aws:")
        }
        fields = {**kept, **change.after}
        self._delete(change)
        self._create(Change(change.kind, change.name, "create", after=fields))

    def _delete(self, change: Change) -> None:
        resource_id = self._id(change.kind, change.name)
        if change.kind == "flow_log":
            self.ec2.call("delete_flow_logs", FlowLogIds=[resource_id])
        elif change.kind == "endpoint":
            self.ec2.call("delete_vpc_endpoints", VpcEndpointIds=[resource_id])
        elif change.kind == "route_table":
            self.ec2.call("delete_route_table", RouteTableId=resource_id)
        elif change.kind == "nat_gateway":
            self.ec2.call("delete_nat_gateway", NatGatewayId=resource_id)
            self.ec2.wait("nat_gateway_deleted", NatGatewayIds=[resource_id])
        elif change.kind == "elastic_ip":
            self.ec2.call("release_address", AllocationId=resource_id)


def _permission(rule: str) -> dict[str, Any]:
    """Return the API's form of a rule of the plan: ``tcp 443 from 10.0.0.0/16``."""
    protocol, port, _direction, peer = rule.split()
    return {
        "IpProtocol": protocol,
        "FromPort": int(port),
        "ToPort": int(port),
        "IpRanges": [{"CidrIp": peer}],
    }
