# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launch template of a node group: created before it, updated with it, deleted after it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.integration

_numbers = itertools.count(1)
FLEET = {"dataplatform.fleet/fleet": "ours", "dataplatform.fleet/cluster": "staging"}
CREATED = "CreateLaunchTemplate"
MOVED = ["CreateLaunchTemplateVersion", "ModifyLaunchTemplate"]


class Group:
    """A node group that no other test uses, with its launch template, as created by the role eks."""

    def __init__(self, run: Any, account: Any, place: dict[str, Any]) -> None:
        self.run, self.ec2, self.eks = run, account.client("ec2"), account.client("eks")
        self.name = f"templated-{next(_numbers)}"
        self.place = {"cluster_name": place.pop("cluster_name"), "name": self.name}
        self.options = {**place, "min_size": 1, "max_size": 2}
        self.path = f"{self.place['cluster_name']}/{self.name}"

    def make(self, **template: Any) -> list[str]:
        """Make both; return the operations."""
        made = self.run("eks_launch_template", **self.place, tags=FLEET, **template)
        given = {"launch_template": made["launch_template"]} if made["launch_template"] else {}
        group = self.run("eks_nodegroup", **self.place, **self.options, tags=FLEET, **given)
        return [action["operation"] for action in [*made["actions"], *group["actions"]]]

    @property
    def shown(self) -> dict[str, Any]:
        place = {"clusterName": self.place["cluster_name"], "nodegroupName": self.name}
        found: dict[str, Any] = self.eks.describe_nodegroup(**place)["nodegroup"]
        return found

    @property
    def versions(self) -> dict[int, int]:
        """The hop limits by the number of the version."""
        found = self.ec2.describe_launch_template_versions(LaunchTemplateName=self.path)["LaunchTemplateVersions"]
        options = {one["VersionNumber"]: one["LaunchTemplateData"]["MetadataOptions"] for one in found}
        assert {one["HttpTokens"] for one in options.values()} == {"required"}
        return {number: one["HttpPutResponseHopLimit"] for number, one in options.items()}

    @property
    def hops(self) -> int:
        """The hop limit that the node group has."""
        return self.versions[int(self.shown["launchTemplate"]["version"])]

    @property
    def exists(self) -> bool:
        wanted = [{"Name": "launch-template-name", "Values": [self.path]}]
        return bool(self.ec2.describe_launch_templates(Filters=wanted)["LaunchTemplates"])


@pytest.fixture
def group(run: Any, account: Any, cluster: str, network: Any, node_role: str) -> Callable[..., Group]:
    place = {"cluster_name": cluster, "node_role_arn": node_role, "subnet_ids": network.subnet_ids}
    return lambda **more: Group(run, account, {**place, **more})


def test_a_life(group: Callable[..., Group]) -> None:
    one = group()
    same = one.run.same("eks_launch_template", **one.place, tags=FLEET)
    assert [action["operation"] for action in same["actions"]] == [CREATED]
    assert same["launch_template"] == {"name": one.path, "version": "1"}
    assert one.make() == ["CreateNodegroup"]
    assert (one.hops, one.shown["launchTemplate"]["name"]) == (1, one.path)
    assert "diskSize" not in one.shown
    assert one.make() == []

    assert one.make(metadata_hop_limit=2) == [*MOVED, "UpdateNodegroupVersion"]
    assert (one.hops, one.versions) == (2, {1: 1, 2: 2})
    assert one.make(metadata_hop_limit=2) == []
    # Only what the node group had before is kept.
    assert one.make(metadata_hop_limit=3) == [*MOVED, "DeleteLaunchTemplateVersions", "UpdateNodegroupVersion"]
    assert (one.hops, one.versions) == (3, {2: 2, 3: 3})
    assert one.make(metadata_hop_limit=2) == ["ModifyLaunchTemplate", "UpdateNodegroupVersion"]
    assert (one.hops, one.versions) == (2, {2: 2, 3: 3})

    one.run("eks_nodegroup", **one.place, state="absent", tags=FLEET)
    gone = one.run.same("eks_launch_template", **one.place, state="absent", tags=FLEET)
    assert [action["operation"] for action in gone["actions"]] == ["DeleteLaunchTemplate"]
    assert not one.exists


@pytest.mark.parametrize(("ami_type", "device"), [("BOTTLEROCKET_x86_64", "/dev/xvdb"), (None, "/dev/xvda")])
def test_the_disk_grows_with_a_version(group: Callable[..., Group], ami_type: str | None, device: str) -> None:
    kind = {"ami_type": ami_type} if ami_type else {}
    one = group(**kind)
    assert one.make(disk_size=40, **kind) == [CREATED, "CreateNodegroup"]
    # Which kind of image the node group has is known then.
    assert one.make(disk_size=60) == [*MOVED, "UpdateNodegroupVersion"]
    found = one.ec2.describe_launch_template_versions(LaunchTemplateName=one.path, Versions=["$Default"])
    (volume,) = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]["BlockDeviceMappings"]
    assert (volume["DeviceName"], volume["Ebs"]["VolumeSize"]) == (device, 60)


def test_resources_of_a_killed_run_are_used(group: Callable[..., Group]) -> None:
    """Between the launch template and the node group, at creation and at a change."""
    one = group()
    one.run("eks_launch_template", **one.place, tags=FLEET)
    assert one.make() == ["CreateNodegroup"]
    one.run("eks_launch_template", **one.place, tags=FLEET, metadata_hop_limit=2)
    assert one.hops == 1
    assert one.make(metadata_hop_limit=2) == ["UpdateNodegroupVersion"]
    assert one.hops == 2
    # Nor did the run before it go as far as the default version.
    data = {"MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 4}}
    one.ec2.create_launch_template_version(LaunchTemplateName=one.path, LaunchTemplateData=data)
    assert one.make(metadata_hop_limit=4) == [
        "ModifyLaunchTemplate",
        "DeleteLaunchTemplateVersions",
        "UpdateNodegroupVersion",
    ]


def test_values_of_other_writers_are_replaced(group: Callable[..., Group]) -> None:
    one = group()
    one.make()
    data = {"MetadataOptions": {"HttpTokens": "optional", "HttpPutResponseHopLimit": 9}}
    one.ec2.create_launch_template_version(LaunchTemplateName=one.path, LaunchTemplateData=data)
    assert one.make() == []
    one.ec2.modify_launch_template(LaunchTemplateName=one.path, DefaultVersion="2")
    assert one.make() == ["ModifyLaunchTemplate", "DeleteLaunchTemplateVersions"]
    assert one.versions == {1: 1}
    # EC2 does not reuse version numbers, and neither check mode nor the run depends on a number.
    assert one.make(metadata_hop_limit=2)[:1] == MOVED[:1]
    assert one.hops == 2


def test_a_node_group_without_a_launch_template_stays(group: Callable[..., Group]) -> None:
    one = group()
    one.run("eks_nodegroup", **one.place, **one.options, tags=FLEET)
    before = one.shown
    for check in (True, False):
        left = one.run("eks_launch_template", **one.place, tags=FLEET, check=check)
        assert (left["changed"], left["launch_template"]) == (False, {})
        (warning,) = left["warnings"]
        assert f"node group {one.path} was made without a launch template, and EKS cannot add one" in warning
        assert f"kubectl drain --selector eks.amazonaws.com/nodegroup={one.name}" in warning
    assert one.make(metadata_hop_limit=2) == []
    assert (one.shown, one.exists) == (before, False)


def test_a_node_group_with_another_launch_template_stays(group: Callable[..., Group]) -> None:
    one = group()
    theirs = f"theirs-{one.name}"
    data = {"MetadataOptions": {"HttpPutResponseHopLimit": 2}}
    one.ec2.create_launch_template(LaunchTemplateName=theirs, LaunchTemplateData=data)
    one.run("eks_nodegroup", **one.place, **one.options, tags=FLEET, launch_template={"name": theirs, "version": "1"})
    left = one.run("eks_launch_template", **one.place, tags=FLEET)
    assert left["launch_template"] == {}
    assert f"was made with the launch template {theirs}" in left["warnings"][0]
    assert not one.exists


def test_a_node_group_with_a_deleted_launch_template_is_kept(group: Callable[..., Group]) -> None:
    """EKS accepts no other template, and a new template with the same name is another one."""
    one = group()
    one.make()
    for again in (False, True):
        if again:
            data = {"MetadataOptions": {"HttpPutResponseHopLimit": 3}}
            one.ec2.create_launch_template(LaunchTemplateName=one.path, LaunchTemplateData=data)
        else:
            one.ec2.delete_launch_template(LaunchTemplateName=one.path)
        left = one.run("eks_launch_template", **one.place, tags=FLEET)
        assert (left["changed"], left["launch_template"]) == (False, {})
        assert (
            f"the launch template {one.path} with which node group {one.path} was made is gone" in left["warnings"][0]
        )
        assert one.exists is again


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metadata_hop_limit": 0}, "metadata_hop_limit is 0; EC2 takes 1 to 64. Nothing was changed."),
        ({"metadata_hop_limit": 65}, "metadata_hop_limit is 65; EC2 takes 1 to 64. Nothing was changed."),
        ({"ami_type": "CUSTOM"}, "ami_type CUSTOM needs a launch template with an image"),
        ({"name": "g" * 130}, "and EC2 allows 128"),
    ],
)
def test_refused(group: Callable[..., Group], options: dict[str, Any], message: str) -> None:
    one = group()
    assert message in one.run.fails("eks_launch_template", **{**one.place, **options})["msg"]
    assert not one.exists
