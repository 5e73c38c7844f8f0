"""kubectl with the kubeconfig that the playbook wrote, against a real API server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localcloud.artifacts.binaries import Binaries
from localcloud.testing import eventually

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).resolve().parents[3]
CLUSTER = "kubeconfig-staging"


@pytest.fixture(scope="module")
def cluster(local_cloud: Any) -> Any:
    iam, ec2, eks = (local_cloud.client(service) for service in ("iam", "ec2", "eks"))
    trust = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": ["sts:AssumeRole"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=CLUSTER, AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    iam.attach_role_policy(RoleName=CLUSTER, PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
    vpc = ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.78.{i}.0/24", AvailabilityZone=f"eu-central-1{zone}")["Subnet"]
        for i, zone in enumerate("ab")
    ]
    network = {"subnetIds": [subnet["SubnetId"] for subnet in subnets]}
    # A new role takes a moment.
    eventually(
        lambda: eks.create_cluster(name=CLUSTER, version="1.36", roleArn=role, resourcesVpcConfig=network),
        retry_on=eks.exceptions.InvalidParameterException,
    )
    eventually(lambda: eks.describe_cluster(name=CLUSTER)["cluster"]["status"] == "ACTIVE", 180)
    yield CLUSTER
    eks.delete_cluster(name=CLUSTER)
    eventually(lambda: CLUSTER not in eks.list_clusters()["clusters"])


def test_kubectl_works_with_what_the_playbook_writes(local_cloud: Any, cluster: str, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    command = ["ansible-playbook", "playbooks/kubeconfig.yml", "-i", "inventories/staging", "-i", "inventories/local"]
    written = subprocess.run(
        [*command, "-e", json.dumps({"kubeconfig_path": str(path), "fleet_name": "kubeconfig"})],
        cwd=CHECKOUT,
        env={**local_cloud.env, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert written.returncode == 0, written.stdout + written.stderr
    # Everything kubectl needs is in the file: nothing of the local cloud's is in its environment.
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    answer = subprocess.run(
        [
            Binaries().resolve("kubectl"),
            "--kubeconfig",
            path,
            "--context",
            "staging",
            "get",
            "namespaces",
            "-o",
            "name",
        ],
        env=bare,
        check=False,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    assert "namespace/kube-system" in answer.stdout
