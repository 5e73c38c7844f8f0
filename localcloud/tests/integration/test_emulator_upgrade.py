# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's lifecycle with calls of the AWS API only: creation, upgrade with nodes, deletion in AWS's order."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import testing
from localcloud.testing import LocalCloud

pytestmark = pytest.mark.integration

NAME = "upgraded"
eventually = partial(testing.eventually, seconds=180)


def code(operation: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        operation(**arguments)
    return str(caught.value.response["Error"]["Code"])


class Account:
    """The resources of the test, and queries of their state."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.eks, self.ec2, self.iam = (cloud.client(service) for service in ("eks", "ec2", "iam"))

    def role(self, name: str, service: str) -> str:
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        arn: str = self.iam.create_role(RoleName=f"{NAME}-{name}", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        return arn

    def network(self) -> tuple[str, list[str]]:
        vpc = self.ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            self.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.78.{number}.0/24", AvailabilityZone=f"eu-central-1{zone}")[
                "Subnet"
            ]["SubnetId"]
            for number, zone in enumerate("ab")
        ]
        return vpc, subnets

    def once_the_role_works(self, create: Callable[[], Any]) -> None:
        """Create a resource with a new role, with retries until the role is effective."""

        def attempt() -> bool:
            try:
                create()
            except self.eks.exceptions.InvalidParameterException as error:
                assert "assumed" in str(error) or "trust relationships" in str(error)
                return False
            return True

        eventually(attempt)

    def cluster(self) -> dict[str, Any]:
        found: dict[str, Any] = self.eks.describe_cluster(name=NAME)["cluster"]
        return found

    def nodegroup(self) -> dict[str, Any]:
        found: dict[str, Any] = self.eks.describe_nodegroup(clusterName=NAME, nodegroupName="main")["nodegroup"]
        return found

    def done(self, update: dict[str, Any], **resource: str) -> str:
        def status() -> str | None:
            found = self.eks.describe_update(name=NAME, updateId=update["update"]["id"], **resource)["update"]
            return None if found["status"] == "InProgress" else str(found["status"])

        return str(eventually(status))


def test_a_cluster_from_creation_to_deletion(local_cloud: LocalCloud) -> None:
    account = Account(local_cloud)
    eks, ec2 = account.eks, account.ec2
    vpc, subnets = account.network()

    role = account.role("cluster", "eks.amazonaws.com")
    network = {"subnetIds": subnets}
    access = {"authenticationMode": "API"}
    account.once_the_role_works(
        lambda: eks.create_cluster(
            name=NAME, version="1.36", roleArn=role, resourcesVpcConfig=network, accessConfig=access
        )
    )
    eventually(lambda: account.cluster()["status"] == "ACTIVE")
    group = account.cluster()["resourcesVpcConfig"]["clusterSecurityGroupId"]

    eks.create_addon(clusterName=NAME, addonName="coredns")
    coredns = {"clusterName": NAME, "addonName": "coredns"}
    eventually(lambda: eks.describe_addon(**coredns)["addon"]["status"] == "DEGRADED")

    node_role = account.role("node", "ec2.amazonaws.com")
    sizes = {"minSize": 1, "maxSize": 3, "desiredSize": 2}
    account.once_the_role_works(
        lambda: eks.create_nodegroup(
            clusterName=NAME, nodegroupName="main", subnets=subnets, nodeRole=node_role, scalingConfig=sizes
        )
    )
    eventually(lambda: account.nodegroup()["status"] == "ACTIVE")
    eventually(lambda: eks.describe_addon(**coredns)["addon"]["status"] == "ACTIVE")

    assert account.done(eks.update_cluster_version(name=NAME, version="1.37")) == "Successful"
    assert account.cluster()["version"] == "1.37"
    assert account.nodegroup()["version"] == "1.36"
    insights = eks.list_insights(clusterName=NAME, filter={"statuses": ["WARNING"]})["insights"]
    assert "Kubelet version skew" in {insight["name"] for insight in insights}
    newer = eks.update_nodegroup_version(clusterName=NAME, nodegroupName="main")
    assert account.done(newer, nodegroupName="main") == "Successful"
    assert account.nodegroup()["version"] == "1.37"

    assert code(eks.delete_cluster, name=NAME) == "ResourceInUseException"
    assert code(ec2.delete_subnet, SubnetId=subnets[0]) == "DependencyViolation"
    assert code(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    eks.delete_nodegroup(clusterName=NAME, nodegroupName="main")
    eventually(lambda: not eks.list_nodegroups(clusterName=NAME)["nodegroups"])
    eks.delete_cluster(name=NAME)
    eventually(lambda: NAME not in eks.list_clusters()["clusters"])

    def network_is_free() -> bool:
        wanted = [{"Name": "vpc-id", "Values": [vpc]}]
        return not ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]

    eventually(network_is_free)
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
