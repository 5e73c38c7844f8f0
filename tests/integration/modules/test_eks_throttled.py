# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules in an account in which many calls are throttled or fail with server errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory, serve_account: Callable[..., Any]) -> Iterator[Any]:
    """An account in which every fourth call fails."""
    with serve_account(tmp_path_factory.mktemp("troubled"), LOCALCLOUD_FAULTS="rate=0.25,seed=7") as account:
        yield account


def stubborn(call: Callable[..., Any], **request: Any) -> Any:
    """Repeat a client's call until it succeeds."""
    for _ in range(20):
        try:
            return call(**request)
        except ClientError as refused:
            last = refused
            time.sleep(0.05)
    raise last


def test_a_whole_life(troubled: Any, runner_of: Callable[[Any], Any]) -> None:
    ec2, iam = troubled.client("ec2"), troubled.client("iam")
    vpc = stubborn(ec2.create_vpc, CidrBlock="10.91.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        stubborn(ec2.create_subnet, VpcId=vpc, CidrBlock=f"10.91.{i}.0/24", AvailabilityZone=f"eu-central-1{zone}")
        for i, zone in enumerate("ab")
    ]
    subnet_ids = [subnet["Subnet"]["SubnetId"] for subnet in subnets]
    document = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"],'
        ' "Principal": {"Service": ["eks.amazonaws.com", "ec2.amazonaws.com", "pods.eks.amazonaws.com"]}}]}'
    )
    role = stubborn(iam.create_role, RoleName="one", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    # A node role has an access entry of its own kind already.
    people = stubborn(iam.create_role, RoleName="two", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    run = runner_of(troubled)
    cluster = {"name": "one", "role_arn": role, "subnet_ids": subnet_ids, "authentication_mode": "API"}
    place = {"cluster_name": "one"}
    group = {**place, "name": "workers", "node_role_arn": role, "subnet_ids": subnet_ids}
    run.same("eks_cluster", **cluster, version="1.35")
    run.same("eks_cluster", **cluster, version="1.36", log_types=["api"], zonal_shift=True)
    run.same("eks_nodegroup", **group)
    run.same("eks_nodegroup", **group, labels={"a": "b"})
    run.same("eks_addon", **place, name="vpc-cni", version="latest")
    run.same("eks_access_entry", **place, principal_arn=people, policies=[{"policy": "AmazonEKSViewPolicy"}])
    run.same("eks_pod_identity_association", **place, namespace="a", service_account="b", role_arn=role)
    run.same("eks_nodegroup", **place, name="workers", state="absent")
    run.same("eks_cluster", name="one", state="absent")
