# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from .._aws.calls import passing, retried
from .._aws.plan import Step
from .._aws.references import exist
from .._ownership.tags import pairs_of
from .api import Ec2, filters
from .plan import Fields, Network, ResourceStep, service_name, step, tags_in
from .read import Live, rules

try:  # noqa: SIM105
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing


class Applier:
    """Carries out changes in order; later changes use the ids of created resources."""

    def __init__(self, ec2: Ec2, network: Network, live: Live) -> None:
        self.ec2 = ec2
        self.network = network
        self.live = live
        self._available: set[str] = set()

    def apply(self, change: Step) -> None:
        assert isinstance(change, ResourceStep)  # noqa: S101 - the plan creates them first
        handler: Callable[[ResourceStep], None] = getattr(self, f"_{change.action}")
        handler(change)

    def _id(self, kind: str, name: str) -> str:
        return self.live.ids[kind, name]

    def _ids(self, kind: str, names: Iterable[str]) -> list[str]:
        """Return the ids of names; a name without an id is an id itself."""
        return [self.live.ids.get((kind, name), name) for name in names]

    def _known(self, kind: str, name: str, resource_id: str) -> None:
        self.live.ids[kind, name] = resource_id
        self.live.names[resource_id] = name

    # Creating

    def _create(self, change: ResourceStep) -> None:
        create: Callable[[ResourceStep], str] = getattr(self, f"_create_{change.kind}")
        self._known(change.kind, change.name, create(change))
        if change.kind in ("vpc", "subnet", "route_table"):
            self._set(change)

    def _create_vpc(self, change: ResourceStep) -> str:
        vpc = self.ec2.create("CreateVpc", "vpc", tags_in(change.after), CidrBlock=change.after["cidr"])["Vpc"]
        self.live.vpc_id = str(vpc["VpcId"])
        self.ec2.wait(f"VPC {change.name}", "DescribeVpcs", "Vpcs", "available", VpcIds=[self.live.vpc_id])
        default = filters(vpc_id=self.live.vpc_id, group_name="default")
        about = f"default security group of {change.name}"
        self.ec2.wait(about, "DescribeSecurityGroups", "SecurityGroups", "there", Filters=default)
        group = self.ec2.describe("DescribeSecurityGroups", "SecurityGroups", Filters=default)[0]
        self._known("security_group", "default", group["GroupId"])
        return self.live.vpc_id

    def _create_internet_gateway(self, change: ResourceStep) -> str:
        igw = self.ec2.create("CreateInternetGateway", "internet-gateway", tags_in(change.after))["InternetGateway"]
        gateway = str(igw["InternetGatewayId"])
        self.ec2.call("AttachInternetGateway", InternetGatewayId=gateway, VpcId=self.live.vpc_id)
        return gateway

    def _create_subnet(self, change: ResourceStep) -> str:
        subnet = self.ec2.create(
            "CreateSubnet",
            "subnet",
            tags_in(change.after),
            VpcId=self.live.vpc_id,
            CidrBlock=change.after["cidr"],
            AvailabilityZone=change.after["az"],
        )
        return str(subnet["Subnet"]["SubnetId"])

    def _create_elastic_ip(self, change: ResourceStep) -> str:
        return str(
            self.ec2.create("AllocateAddress", "elastic-ip", tags_in(change.after), Domain="vpc")["AllocationId"]
        )

    def _create_nat_gateway(self, change: ResourceStep) -> str:
        nat = self.ec2.create(
            "CreateNatGateway",
            "natgateway",
            tags_in(change.after),
            SubnetId=self._id("subnet", change.after["subnet"]),
            AllocationId=self._id("elastic_ip", change.name),
        )
        return str(nat["NatGateway"]["NatGatewayId"])

    def _create_security_group(self, change: ResourceStep) -> str:
        description = f"Interface endpoints of {self.network.name}"
        group = self.ec2.create(
            "CreateSecurityGroup",
            "security-group",
            tags_in(change.after),
            GroupName=change.name,
            Description=description,
            VpcId=self.live.vpc_id,
        )
        self._sync_rules(str(group["GroupId"]), change.after)
        return str(group["GroupId"])

    def _create_route_table(self, change: ResourceStep) -> str:
        table = self.ec2.create("CreateRouteTable", "route-table", tags_in(change.after), VpcId=self.live.vpc_id)
        return str(table["RouteTable"]["RouteTableId"])

    def _create_endpoint(self, change: ResourceStep) -> str:
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
        endpoint = self.ec2.create("CreateVpcEndpoint", "vpc-endpoint", tags_in(change.after), **arguments)
        return str(endpoint["VpcEndpoint"]["VpcEndpointId"])

    def _create_flow_log(self, change: ResourceStep) -> str:
        fields = change.after

        def create() -> str:
            """EC2 refuses a flow log by an error or in its answer."""
            answer = self.ec2.client.create_flow_logs(
                ResourceIds=[self.live.vpc_id],
                ResourceType="VPC",
                TrafficType=fields["traffic_type"],
                LogDestinationType="cloud-watch-logs",
                LogGroupName=fields["log_group"],
                DeliverLogsPermissionArn=fields["role_arn"],
                TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": pairs_of(tags_in(fields))}],
            )
            for refused in answer.get("Unsuccessful") or []:
                raise ClientError(refused, "CreateFlowLogs")
            return str(answer["FlowLogIds"][0])

        there = partial(exist, self.ec2.this.client, {"role": fields["role_arn"]})
        made = retried(create, *passing(self.ec2.client, exist=there))()
        # Again: some emulators of EC2 ignore tags at creation.
        self._tag(made, tags_in(fields))
        return made

    # Updating

    def _update(self, change: ResourceStep) -> None:
        if tags := tags_in(change.after):
            self._tag(self._id(change.kind, change.name), tags)
        if gone := [{"Key": key} for key in sorted(tags_in(change.before).keys() - tags.keys())]:
            self.ec2.call("DeleteTags", Resources=[self._id(change.kind, change.name)], Tags=gone)
        self._set(change)

    def _tag(self, resource_id: str, tags: dict[str, str]) -> None:
        self.ec2.call("CreateTags", Resources=[resource_id], Tags=pairs_of(tags))

    def _set(self, change: ResourceStep) -> None:
        setter = getattr(self, f"_set_{change.kind}", None)
        if setter is not None:
            setter(self._id(change.kind, change.name), change)

    def _set_vpc(self, vpc_id: str, change: ResourceStep) -> None:
        for field, attribute in (("dns_support", "EnableDnsSupport"), ("dns_hostnames", "EnableDnsHostnames")):
            if field in change.after:
                self.ec2.call("ModifyVpcAttribute", VpcId=vpc_id, **{attribute: {"Value": change.after[field]}})

    def _set_subnet(self, subnet_id: str, change: ResourceStep) -> None:
        wanted = change.after.get("map_public_ip")
        if wanted is not None and (wanted or change.action == "update"):
            self.ec2.call("ModifySubnetAttribute", SubnetId=subnet_id, MapPublicIpOnLaunch={"Value": wanted})

    def _set_security_group(self, group_id: str, change: ResourceStep) -> None:
        self._sync_rules(group_id, change.after)

    def _sync_rules(self, group_id: str, fields: Fields) -> None:
        group = self.ec2.describe("DescribeSecurityGroups", "SecurityGroups", GroupIds=[group_id])[0]
        for field, key, revoke, authorize in (
            ("ingress", "IpPermissions", "RevokeSecurityGroupIngress", "AuthorizeSecurityGroupIngress"),
            ("egress", "IpPermissionsEgress", "RevokeSecurityGroupEgress", "AuthorizeSecurityGroupEgress"),
        ):
            if field not in fields:
                continue
            live = rules(group, key)
            surplus = [permission for name, permission in live.items() if name not in fields[field]]
            missing = [_permission(name) for name in fields[field] if name not in live]
            if surplus:
                self.ec2.call(revoke, GroupId=group_id, IpPermissions=surplus)
            if missing:
                self.ec2.call(authorize, GroupId=group_id, IpPermissions=missing)

    def _set_route_table(self, table_id: str, change: ResourceStep) -> None:
        for field, target in change.after.items():
            if field.startswith("routes."):
                operation = "ReplaceRoute" if field in change.before else "CreateRoute"
                destination = field.removeprefix("routes.")
                self.ec2.call(
                    operation, RouteTableId=table_id, DestinationCidrBlock=destination, **self._gateway(target)
                )
        for field in change.before.keys() - change.after.keys():
            if field.startswith("routes."):
                destination = field.removeprefix("routes.")
                self.ec2.call("DeleteRoute", RouteTableId=table_id, DestinationCidrBlock=destination)
        if "subnets" in change.after:
            self._associate(table_id, self._ids("subnet", change.after["subnets"]))

    def _gateway(self, target: str) -> dict[str, str]:
        if target == "internet_gateway":
            return {"GatewayId": self._id("internet_gateway", self.network.name)}
        one = self._id("nat_gateway", target)
        if target not in self._available:
            about = f"NAT gateway {target}"
            self.ec2.wait(about, "DescribeNatGateways", "NatGateways", "available", NatGatewayIds=[one])
            self._available.add(target)
        return {"NatGatewayId": one}

    def _associate(self, table_id: str, subnet_ids: list[str]) -> None:
        """Associate subnets with a table, also if they are associated with another one."""
        found: dict[str, tuple[str, str]] = {}
        for live in self.ec2.describe(
            "DescribeRouteTables", "RouteTables", Filters=filters(vpc_id=str(self.live.vpc_id))
        ):
            for one in live.get("Associations") or []:
                if one.get("SubnetId"):
                    found[one["SubnetId"]] = (live["RouteTableId"], one["RouteTableAssociationId"])
        for subnet_id in subnet_ids:
            table, association = found.get(subnet_id, ("", ""))
            if table == table_id:
                continue
            if association:
                self.ec2.call("ReplaceRouteTableAssociation", AssociationId=association, RouteTableId=table_id)
            else:
                self.ec2.call("AssociateRouteTable", SubnetId=subnet_id, RouteTableId=table_id)

    def _set_endpoint(self, endpoint_id: str, change: ResourceStep) -> None:
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
            self.ec2.call("ModifyVpcEndpoint", VpcEndpointId=endpoint_id, **arguments)

    # Replacing and deleting

    def _replace(self, change: ResourceStep) -> None:
        kept = {
            key: value
            for key, value in self.live.state[change.kind, change.name].items()
            # EC2 refuses tags with the prefix aws:.
            if (key not in change.before or key in change.after) and not key.startswith("tags.aws:")
        }
        fields = {**kept, **change.after}
        self._delete(change)
        self._create(step(change.kind, change.name, "create", after=fields))

    def _delete(self, change: ResourceStep) -> None:
        resource_id = self._id(change.kind, change.name)
        if change.kind == "flow_log":
            self.ec2.call("DeleteFlowLogs", FlowLogIds=[resource_id])
        elif change.kind == "endpoint":
            self.ec2.call("DeleteVpcEndpoints", VpcEndpointIds=[resource_id])
        elif change.kind == "route_table":
            self.ec2.call("DeleteRouteTable", RouteTableId=resource_id)
        elif change.kind == "nat_gateway":
            self.ec2.call("DeleteNatGateway", NatGatewayId=resource_id)
            about = f"NAT gateway {change.name}"
            gone = ("deleted", "absent")
            self.ec2.wait(about, "DescribeNatGateways", "NatGateways", *gone, NatGatewayIds=[resource_id])
        elif change.kind == "elastic_ip":
            self.ec2.call("ReleaseAddress", AllocationId=resource_id)


def _permission(rule: str) -> dict[str, Any]:
    """Return the API's form of a rule of the plan: ``tcp 443 from 10.0.0.0/16``."""
    protocol, port, _direction, peer = rule.split()
    return {
        "IpProtocol": protocol,
        "FromPort": int(port),
        "ToPort": int(port),
        "IpRanges": [{"CidrIp": peer}],
    }
