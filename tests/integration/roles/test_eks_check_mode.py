# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`--check --diff` announces for a cluster the changes of the run, from creation to removal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import RoleRun, RunRole

pytestmark = pytest.mark.integration

NAME = "truthful"
OPTIONS: dict[str, Any] = {
    "vpc_name": NAME,
    "vpc_az_count": 2,
    "vpc_nat": "none",
    "vpc_endpoints": ["s3"],
    "eks_name": NAME,
    "eks_vpc_name": NAME,
    "eks_nodegroups": {
        "general": {"instance_types": ["m7i.large"], "min_size": 1, "max_size": 2, "labels": {"team": "data"}}
    },
}


@pytest.fixture
def principal(local_cloud: Any) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
    iam = local_cloud.client("iam")
    return str(iam.create_role(RoleName="viewers", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"])


def drift(cloud: Any, principal: str) -> None:
    """Make manual changes."""
    eks, iam, logs, kms = (cloud.client(service) for service in ("eks", "iam", "logs", "kms"))
    eks.delete_access_entry(clusterName=NAME, principalArn=principal)
    eks.update_nodegroup_config(
        clusterName=NAME, nodegroupName="general", labels={"addOrUpdateLabels": {"team": "web", "mine": "yes"}}
    )
    cluster = eks.describe_cluster(name=NAME)["cluster"]
    eks.untag_resource(resourceArn=cluster["arn"], tagKeys=["dataplatform.fleet/purpose"])
    eks.delete_addon(clusterName=NAME, addonName="kube-proxy")
    template = cloud.client("ec2").describe_launch_templates(LaunchTemplateNames=[f"{NAME}/general"])
    tag = {"Key": "dataplatform.fleet/purpose", "Value": "theirs"}
    cloud.client("ec2").create_tags(Resources=[template["LaunchTemplates"][0]["LaunchTemplateId"]], Tags=[tag])
    iam.detach_role_policy(RoleName=f"{NAME}-node", PolicyArn="arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy")
    logs.put_retention_policy(logGroupName=f"/aws/eks/{NAME}/cluster", retentionInDays=1)
    kms.disable_key_rotation(KeyId=cluster["encryptionConfig"][0]["provider"]["keyArn"])
    kms.delete_alias(AliasName=f"alias/{NAME}-eks")


@pytest.mark.exhaustive
def test_announces_what_it_does(local_cloud: Any, run_role: RunRole, principal: str) -> None:
    """The lifecycle of one cluster; each step compares check mode with the run."""
    viewers = {"principal_arn": principal, "policies": [{"policy": "AmazonEKSViewPolicy"}]}
    options = {**OPTIONS, "eks_access_entries": {"viewers": viewers}}
    eks = local_cloud.client("eks")

    def run(*arguments: str, roles: str = "vpc eks", **more: Any) -> RoleRun:
        return run_role(
            local_cloud, roles, "--diff", *arguments, variables={**options, **more.pop("options", {})}, **more
        )

    empty = run("--check")
    assert NAME not in eks.list_clusters()["clusters"]
    assert run().announced == empty.announced
    assert run().announced == set()

    group = eks.describe_nodegroup(clusterName=NAME, nodegroupName="general")["nodegroup"]
    drift(local_cloud, principal)
    checked = run("--check")
    assert {(task.split(" : ")[-1], item) for task, item, _field in checked.announced} == {
        ("roles | Create the IAM roles", f"{NAME}-node"),
        ("encryption | Create the key of the cluster's secrets", None),
        ("cluster | Create the log group of the Kubernetes control plane", None),
        ("cluster | Create the cluster", None),
        ("access | Create the access entries", "viewers"),
        ("nodegroups | Create the launch templates", "general"),
        ("nodegroups | Create the node groups", "general"),
        ("addons | Install the add-ons", "kube-proxy"),
    }
    assert {name for name in ("labels.team", "labels.mine") if any(name in field for field in checked.fields)} == {
        "labels.team",
        "labels.mine",
    }
    assert run().announced == checked.announced
    assert run("--check").announced == set()
    assert eks.describe_nodegroup(clusterName=NAME, nodegroupName="general")["nodegroup"]["labels"] == group["labels"]
    assert principal in eks.list_access_entries(clusterName=NAME)["accessEntries"]

    refused = run(roles="eks", tasks_from="absent", succeed=False)
    assert f"this removes the cluster {NAME} for good" in " ".join(refused.output.split())
    confirmed = {"roles": "eks", "tasks_from": "absent", "options": {"eks_confirm": NAME}}
    removal = run("--check", **confirmed)
    assert NAME in eks.list_clusters()["clusters"]
    assert run(**confirmed).announced == removal.announced
    assert NAME not in eks.list_clusters()["clusters"]
    assert run(**confirmed).announced == set()
