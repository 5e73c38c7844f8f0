# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete a network and the resources in it, in passes until nothing is left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from .._aws.errors import WaitTimeoutError
from .._aws.waiters import Poller, Probe
from .._ownership.tags import tags_of
from .api import Ec2, filters

try:
    from botocore import xform_name
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing

Item = dict[str, Any]


class Remover:
    """Deletes in the order of dependencies. A resource in use is tried again in the next pass."""

    def __init__(
        self, ec2: Ec2, vpc_id: str, name: str, owns: Callable[[Mapping[str, str]], bool] = lambda _tags: True
    ) -> None:
        """``owns`` returns by its tags whether the network owns an address, which is in no VPC."""
        self.ec2 = ec2
        self.vpc_id = vpc_id
        self.name = name
        self.owns = owns
        self.held: dict[str, str] = {}

    def run(self, poller: Poller, *, wait: bool = True) -> dict[str, str]:
        """Return the remaining resources with reasons after the timeout or one pass; empty if there are none."""
        if not wait:
            self._pass()
        else:
            with contextlib.suppress(WaitTimeoutError):
                poller.until(f"the network {self.name}", self._pass)
        return self.held

    def _pass(self) -> Probe:
        self.held = {}
        for step in (
            self._endpoints,
            self._flow_logs,
            self._nat_gateways,
            self._addresses,
            self._interfaces,
            self._security_groups,
            self._route_tables,
            self._subnets,
            self._internet_gateways,
            self._vpc,
        ):
            step()
        return Probe("being removed" if self.held else "removed", done=not self.held)

    def _try(self, resource_id: str, *steps: Callable[[], object]) -> None:
        try:
            for step in steps:
                step()
        except ClientError as error:
            if not error.response["Error"]["Code"].lower().endswith(("notfound", "notfoundexception")):
                self.held[resource_id] = error.response["Error"]["Message"]

    def _in_vpc(self, operation: str, key: str) -> list[Item]:
        found = self.ec2.describe(operation, key, Filters=filters(vpc_id=self.vpc_id))
        return [one for one in found if one.get("VpcId", self.vpc_id) == self.vpc_id]

    def _delete(self, operation: str, **arguments: object) -> Callable[[], object]:
        def delete() -> object:
            return getattr(self.ec2.client, xform_name(operation))(**arguments)

        return delete

    def _endpoints(self) -> None:
        for endpoint in self._in_vpc("DescribeVpcEndpoints", "VpcEndpoints"):
            one = endpoint["VpcEndpointId"]
            if str(endpoint["State"]).lower() not in ("deleting", "deleted"):
                self._try(one, self._delete("DeleteVpcEndpoints", VpcEndpointIds=[one]))
            if str(endpoint["State"]).lower() != "deleted" and endpoint["VpcEndpointType"] != "Gateway":
                self.held.setdefault(one, "is being deleted")

    def _flow_logs(self) -> None:
        for log in self.ec2.describe("DescribeFlowLogs", "FlowLogs", Filters=filters(resource_id=self.vpc_id)):
            if log["ResourceId"] == self.vpc_id:
                one = log["FlowLogId"]
                self._try(one, self._delete("DeleteFlowLogs", FlowLogIds=[one]))

    def _nat_gateways(self) -> None:
        for nat in self._in_vpc("DescribeNatGateways", "NatGateways"):
            one = nat["NatGatewayId"]
            if nat["State"] in ("available", "pending", "failed"):
                self._try(one, self._delete("DeleteNatGateway", NatGatewayId=one))
            if nat["State"] != "deleted":
                self.held.setdefault(one, "is being deleted")

    def _addresses(self) -> None:
        if any(one.startswith("nat-") for one in self.held):
            return
        for address in self.ec2.describe("DescribeAddresses", "Addresses"):
            one = address.get("AllocationId", "")
            tags = tags_of(address)
            if one and tags.get("Name", "").startswith(f"{self.name}-nat-") and self.owns(tags):
                self._try(one, self._delete("ReleaseAddress", AllocationId=one))

    def _interfaces(self) -> None:
        """Delete detached interfaces that their users, such as the VPC CNI, have not deleted."""
        for interface in self._in_vpc("DescribeNetworkInterfaces", "NetworkInterfaces"):
            one = interface["NetworkInterfaceId"]
            if interface.get("Status") == "available":
                self._try(one, self._delete("DeleteNetworkInterface", NetworkInterfaceId=one))

    def _security_groups(self) -> None:
        groups = [
            group
            for group in self._in_vpc("DescribeSecurityGroups", "SecurityGroups")
            if group["GroupName"] != "default"
        ]
        # Groups can refer to each other, so their rules are deleted first.
        for group in groups:
            for key, operation in (
                ("IpPermissions", "RevokeSecurityGroupIngress"),
                ("IpPermissionsEgress", "RevokeSecurityGroupEgress"),
            ):
                if group.get(key):
                    one = group["GroupId"]
                    self._try(one, self._delete(operation, GroupId=one, IpPermissions=group[key]))
        for group in groups:
            one = group["GroupId"]
            self._try(one, self._delete("DeleteSecurityGroup", GroupId=one))

    def _route_tables(self) -> None:
        for table in self._in_vpc("DescribeRouteTables", "RouteTables"):
            associations = table.get("Associations") or []
            if any(association.get("Main") for association in associations):
                continue
            one = table["RouteTableId"]
            steps = [
                self._delete("DisassociateRouteTable", AssociationId=association["RouteTableAssociationId"])
                for association in associations
            ]
            self._try(one, *steps, self._delete("DeleteRouteTable", RouteTableId=one))

    def _subnets(self) -> None:
        for subnet in self._in_vpc("DescribeSubnets", "Subnets"):
            one = subnet["SubnetId"]
            self._try(one, self._delete("DeleteSubnet", SubnetId=one))

    def _internet_gateways(self) -> None:
        attached = filters(**{"attachment.vpc_id": self.vpc_id})
        for igw in self.ec2.describe("DescribeInternetGateways", "InternetGateways", Filters=attached):
            one = igw["InternetGatewayId"]
            self._try(
                one,
                self._delete("DetachInternetGateway", InternetGatewayId=one, VpcId=self.vpc_id),
                self._delete("DeleteInternetGateway", InternetGatewayId=one),
            )

    def _vpc(self) -> None:
        if not self.held:
            self._try(self.vpc_id, self._delete("DeleteVpc", VpcId=self.vpc_id))
