# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a network and whatever still hangs in it, pass after pass, until nothing is left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from .._aws.errors import WaitTimeoutError
from .._aws.waiters import Poller, Probe
from .._ownership.tags import tags_of
from .api import Ec2, filters

try:  # noqa: SIM105
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing

Item = dict[str, Any]


class Remover:
    """Deletes in the order of dependence. What AWS still holds is tried again in the next pass."""

    def __init__(
        self, ec2: Ec2, vpc_id: str, name: str, owns: Callable[[Mapping[str, str]], bool] = lambda _tags: True
    ) -> None:
        """``owns`` tells by its tags whether an address, which is in no VPC, is the network's."""
        self.ec2 = ec2
        self.vpc_id = vpc_id
        self.name = name
        self.owns = owns
        self.held: dict[str, str] = {}

    def run(self, poller: Poller, *, wait: bool = True) -> dict[str, str]:
        """Return what is left and why, when the time is over or after one pass; empty when the network is gone."""
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
            self.ec2.calls.append(operation)
            return getattr(self.ec2.client, operation)(**arguments)

        return delete

    def _endpoints(self) -> None:
        for endpoint in self._in_vpc("describe_vpc_endpoints", "VpcEndpoints"):
            one = endpoint["VpcEndpointId"]
            if str(endpoint["State"]).lower() not in ("deleting", "deleted"):
                self._try(one, self._delete("delete_vpc_endpoints", VpcEndpointIds=[one]))
            if str(endpoint["State"]).lower() != "deleted" and endpoint["VpcEndpointType"] != "Gateway":
                self.held.setdefault(one, "is being deleted")

    def _flow_logs(self) -> None:
        for log in self.ec2.describe("describe_flow_logs", "FlowLogs", Filters=filters(resource_id=self.vpc_id)):
            if log["ResourceId"] == self.vpc_id:
                one = log["FlowLogId"]
                self._try(one, self._delete("delete_flow_logs", FlowLogIds=[one]))

    def _nat_gateways(self) -> None:
        for nat in self._in_vpc("describe_nat_gateways", "NatGateways"):
            one = nat["NatGatewayId"]
            if nat["State"] in ("available", "pending", "failed"):
                self._try(one, self._delete("delete_nat_gateway", NatGatewayId=one))
            if nat["State"] != "deleted":
                self.held.setdefault(one, "is being deleted")

    def _addresses(self) -> None:
        if any(one.startswith("nat-") for one in self.held):
            return
        for address in self.ec2.describe("describe_addresses", "Addresses"):
            one = address.get("AllocationId", "")
            tags = tags_of(address)
            if one and tags.get("Name", "").startswith(f"{self.name}-nat-") and self.owns(tags):
                self._try(one, self._delete("release_address", AllocationId=one))

    def _interfaces(self) -> None:
        """Delete interfaces that their users, such as the VPC CNI, left behind detached."""
        for interface in self._in_vpc("describe_network_interfaces", "NetworkInterfaces"):
            one = interface["NetworkInterfaceId"]
            if interface.get("Status") == "available":
                self._try(one, self._delete("delete_network_interface", NetworkInterfaceId=one))

    def _security_groups(self) -> None:
        groups = [
            group
            for group in self._in_vpc("describe_security_groups", "SecurityGroups")
            if group["GroupName"] != "default"
        ]
        # Groups may refer to each other: their rules go first.
        for group in groups:
            for key, operation in (
                ("IpPermissions", "revoke_security_group_ingress"),
                ("IpPermissionsEgress", "revoke_security_group_egress"),
            ):
                if group.get(key):
                    one = group["GroupId"]
                    self._try(one, self._delete(operation, GroupId=one, IpPermissions=group[key]))
        for group in groups:
            one = group["GroupId"]
            self._try(one, self._delete("delete_security_group", GroupId=one))

    def _route_tables(self) -> None:
        for table in self._in_vpc("describe_route_tables", "RouteTables"):
            associations = table.get("Associations") or []
            if any(association.get("Main") for association in associations):
                continue
            one = table["RouteTableId"]
            steps = [
                self._delete("disassociate_route_table", AssociationId=association["RouteTableAssociationId"])
                for association in associations
            ]
            self._try(one, *steps, self._delete("delete_route_table", RouteTableId=one))

    def _subnets(self) -> None:
        for subnet in self._in_vpc("describe_subnets", "Subnets"):
            one = subnet["SubnetId"]
            self._try(one, self._delete("delete_subnet", SubnetId=one))

    def _internet_gateways(self) -> None:
        attached = filters(**{"attachment.vpc_id": self.vpc_id})
        for igw in self.ec2.describe("describe_internet_gateways", "InternetGateways", Filters=attached):
            one = igw["InternetGatewayId"]
            self._try(
                one,
                self._delete("detach_internet_gateway", InternetGatewayId=one, VpcId=self.vpc_id),
                self._delete("delete_internet_gateway", InternetGatewayId=one),
            )

    def _vpc(self) -> None:
        if not self.held:
            self._try(self.vpc_id, self._delete("delete_vpc", VpcId=self.vpc_id))
