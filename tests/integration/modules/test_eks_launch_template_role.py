# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes protect their instance metadata from pods, and launch templates are deleted with their node groups."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import RoleRun, RunRole

pytestmark = pytest.mark.integration

NAME = "hops"
NETWORK = {"vpc_name": NAME, "vpc_az_count": 2, "vpc_nat": "none", "vpc_endpoints": []}
ONE = {"min_size": 0, "max_size": 1, "desired_size": 0}
OPTIONS: dict[str, Any] = {
    **NETWORK,
    "eks_name": NAME,
    "eks_vpc_name": NAME,
    # What runs on nodes would wait for some.
    "eks_addons": {"coredns": False, "metrics-server": False, "aws-ebs-csi-driver": False},
    "eks_nodegroups": {"general": ONE},
}


def templates(cloud: Any) -> dict[str, int]:
    """The hop limits of the launch templates' default versions, by node group."""
    ec2 = cloud.client("ec2")
    wanted = [{"Name": "launch-template-name", "Values": [f"{NAME}/*"]}]
    found = {}
    for one in ec2.describe_launch_templates(Filters=wanted)["LaunchTemplates"]:
        tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        assert tags["dataplatform.fleet/cluster"] == "staging"
        default = ec2.describe_launch_template_versions(LaunchTemplateId=one["LaunchTemplateId"], Versions=["$Default"])
        options = default["LaunchTemplateVersions"][0]["LaunchTemplateData"]["MetadataOptions"]
        assert options["HttpTokens"] == "required"
        found[one["LaunchTemplateName"].removeprefix(f"{NAME}/")] = options["HttpPutResponseHopLimit"]
    return found


@pytest.mark.exhaustive
def test_launch_templates_are_created_and_deleted_with_node_groups(account: Any, run_role: RunRole) -> None:
    eks = account.client("eks")

    def run(*arguments: str, roles: str = "eks", groups: Any = None, **more: Any) -> RoleRun:
        options = {**OPTIONS, "eks_nodegroups": groups or OPTIONS["eks_nodegroups"]}
        return run_role(account, roles, "--diff", *arguments, variables=options, **more)

    def same(**more: Any) -> set[Any]:
        """Run in check mode, run, and run in check mode without changes."""
        announced = run("--check", **more).announced
        assert run(**more).announced == announced
        assert run("--check", **more).announced == set()
        return {(task.split(" : ")[-1], item) for task, item, _field in announced}

    ssh = {"remote_access": {"ec2_ssh_key": "key", "source_security_groups": ["sg-1"]}}
    run_role(account, "vpc", variables=NETWORK)
    refused = run(groups={"general": {**ONE, **ssh}}, succeed=False)
    assert "eks_nodegroups.general has remote_access, which EKS does not take together" in " ".join(
        refused.output.split()
    )
    assert NAME not in eks.list_clusters()["clusters"]

    run()
    shown = eks.describe_nodegroup(clusterName=NAME, nodegroupName="general")["nodegroup"]
    assert (shown["launchTemplate"]["name"], templates(account)) == (f"{NAME}/general", {"general": 1})
    # A node group of an older version; its options still work.
    like = {"clusterName": NAME, "subnets": shown["subnets"], "nodeRole": shown["nodeRole"], "tags": shown["tags"]}
    sizes = {"scalingConfig": {"minSize": 0, "maxSize": 1, "desiredSize": 0}}
    remote = {"remoteAccess": {"ec2SshKey": "key", "sourceSecurityGroups": ["sg-1"]}}
    eks.create_nodegroup(nodegroupName="before", diskSize=30, **sizes, **remote, **like)
    eks.get_waiter("nodegroup_active").wait(clusterName=NAME, nodegroupName="before", WaiterConfig={"Delay": 1})
    groups = {"general": {**ONE, "metadata_hop_limit": 2}, "before": {**ONE, **ssh, "disk_size": 30}, "more": ONE}
    assert same(groups=groups) == {
        ("nodegroups | Create the launch templates", "general"),
        ("nodegroups | Create the launch templates", "more"),
        ("nodegroups | Create the node groups", "general"),
        ("nodegroups | Create the node groups", "more"),
    }
    warned = " ".join(run("--check", groups=groups).output.split())
    assert f"node group {NAME}/before was made without a launch template, and EKS cannot add one" in warned
    assert "launchTemplate" not in eks.describe_nodegroup(clusterName=NAME, nodegroupName="before")["nodegroup"]
    assert templates(account) == {"general": 2, "more": 1}
    # One is removed, and another was removed in a run that ended before the launch template.
    eks.delete_nodegroup(clusterName=NAME, nodegroupName="more")
    eks.get_waiter("nodegroup_deleted").wait(clusterName=NAME, nodegroupName="more", WaiterConfig={"Delay": 1})
    groups = {"general": {"state": "absent"}, "before": groups["before"]}
    assert same(groups=groups) == {
        ("nodegroups | Create the node groups", "general"),
        ("nodegroups | Delete the launch templates of node groups that are gone", "general"),
        ("nodegroups | Delete the launch templates of node groups that are gone", "more"),
    }
    assert templates(account) == {}


def test_a_removal_finds_what_an_interrupted_one_has_left(account: Any, run_role: RunRole) -> None:
    """The first run has deleted node group and cluster, not the launch template; unmanaged templates are kept."""
    ec2, name = account.client("ec2"), "hops-left"
    data = {"LaunchTemplateData": {"MetadataOptions": {"HttpTokens": "required"}}}
    marks = {"dataplatform.fleet/fleet": "dataplatform", "dataplatform.fleet/cluster": "staging"}
    tags = [{"Key": key, "Value": value} for key, value in marks.items()]
    ec2.create_launch_template(LaunchTemplateName=f"{name}/theirs", **data)
    ec2.create_launch_template(
        LaunchTemplateName=f"{name}/general",
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}],
        **data,
    )

    def remove(*arguments: str) -> RoleRun:
        options = {**OPTIONS, "eks_name": name, "eks_confirm": name}
        return run_role(account, "eks", "--diff", *arguments, variables=options, tasks_from="absent")

    announced = remove("--check").announced
    assert {(task.split(" : ")[-1], item) for task, item, _field in announced} == {
        ("absent | Delete the launch templates of the node groups", "general")
    }
    assert remove().announced == announced
    wanted = [{"Name": "launch-template-name", "Values": [f"{name}/*"]}]
    left = ec2.describe_launch_templates(Filters=wanted)["LaunchTemplates"]
    assert [template["LaunchTemplateName"] for template in left] == [f"{name}/theirs"]
