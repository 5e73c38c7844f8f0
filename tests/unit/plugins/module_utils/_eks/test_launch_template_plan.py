# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.launch_template_plan import (
    LONGEST_NAME,
    data_state,
    plan_absent,
    plan_present,
    template_data,
    template_name,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import AMI_TYPES
from ansible_collections.dataplatform.fleet.plugins.modules.eks_launch_template import HOPS
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils._eks.reference import steps

NAME = "one/workers"
TAGS = {"dataplatform.fleet/fleet": "f", "dataplatform.fleet/cluster": "one"}
ID = {"LaunchTemplateId": "lt-1"}
ONE, TWO = (template_data(hops, None, None) for hops in (1, 2))


def template(default: int = 1, latest: int = 1, tags: dict[str, str] = TAGS) -> dict[str, Any]:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {
        **ID,
        "LaunchTemplateName": NAME,
        "DefaultVersionNumber": default,
        "LatestVersionNumber": latest,
        "Tags": listed,
    }


def versions(**data: dict[str, Any]) -> list[dict[str, Any]]:
    """Versions as EC2 shows them, with what it adds."""
    return [
        {
            "VersionNumber": int(name.removeprefix("v")),
            "LaunchTemplateData": {**one, "MetadataOptions": {**one["MetadataOptions"], "State": "applied"}},
        }
        for name, one in data.items()
    ]


def plan(found: dict[str, Any] | None, there: list[dict[str, Any]], data: dict[str, Any] = ONE, **more: Any) -> Any:
    planned, number = plan_present(NAME, found, there, data, more.pop("tags", TAGS), **more)
    return steps(planned, "ec2"), number


def test_creation() -> None:
    made, number = plan(None, [])
    ((operation, request, shown),) = made
    assert (operation, number) == ("CreateLaunchTemplate", 1)
    listed = [{"Key": key, "Value": TAGS[key]} for key in sorted(TAGS)]
    assert request == {
        "LaunchTemplateName": NAME,
        "LaunchTemplateData": {"MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}},
        "TagSpecifications": [{"ResourceType": "launch-template", "Tags": listed}],
    }
    assert shown == {
        "metadata_options.http_tokens": (None, "required"),
        "metadata_options.http_put_response_hop_limit": (None, 1),
        "tags": (None, TAGS),
    }
    assert "TagSpecifications" not in plan(None, [], tags=None)[0][0][1]


@pytest.mark.parametrize("in_use", [(), (1,)])
def test_an_equal_configuration_has_an_empty_plan(in_use: tuple[int, ...]) -> None:
    assert plan(template(), versions(v1=ONE), in_use=in_use) == ([], 1)
    assert plan(template(), versions(v1=ONE), tags=None) == ([], 1)
    # The previous version is kept until the next change, so that the run after a change has nothing to do.
    assert plan(template(2, 2), versions(v1=TWO, v2=ONE), in_use=[2]) == ([], 2)


def test_a_change_makes_a_version_and_deletes_what_is_not_in_use() -> None:
    made, number = plan(
        template(2, 4), versions(v1=ONE, v2=TWO, v3=ONE | {"KeyName": "k"}), template_data(3, 50, None), in_use=[1]
    )
    assert number == 5
    hops = "metadata_options.http_put_response_hop_limit"
    assert [(operation, request) for operation, request, _ in made] == [
        ("CreateLaunchTemplateVersion", {**ID, "LaunchTemplateData": template_data(3, 50, None)}),
        ("ModifyLaunchTemplate", {**ID, "DefaultVersion": "5"}),
        ("DeleteLaunchTemplateVersions", {**ID, "Versions": ["2", "3"]}),
    ]
    disk = template_data(3, 50, None)["BlockDeviceMappings"]
    assert made[0][2] == {hops: (2, 3), "block_device_mappings": (None, disk)}
    assert made[1][2] == {**made[0][2], "default_version": (2, 5)}
    assert made[2][2] == {"versions.2": ("present", None), "versions.3": ("present", None)}


def test_a_version_with_the_same_data_is_used_again() -> None:
    """After a run that was killed before the node group was moved, and after a change that is taken back."""
    assert plan(template(2, 2), versions(v1=TWO, v2=ONE), in_use=[1]) == ([], 2)
    made, number = plan(template(2, 2), versions(v1=TWO, v2=ONE), TWO, in_use=[1])
    assert number == 1
    assert [(operation, request) for operation, request, _ in made] == [
        ("ModifyLaunchTemplate", {**ID, "DefaultVersion": "1"}),
        ("DeleteLaunchTemplateVersions", {**ID, "Versions": ["2"]}),
    ]
    # What the node group has is preferred to a newer version with the same data.
    assert plan(template(3, 3), versions(v1=TWO, v2=ONE, v3=ONE), in_use=[2])[1] == 2
    # Where neither the node group nor the default has the data, the newest version with it is used.
    assert plan(template(1, 3), versions(v1=TWO, v2=ONE, v3=ONE))[1] == 3


def test_a_default_version_that_was_not_listed_is_replaced() -> None:
    """Another client changed the default version between the two read calls."""
    made, number = plan(template(3, 3), versions(v1=TWO))
    assert (made[0][0], number) == ("CreateLaunchTemplateVersion", 4)
    assert made[0][2] == {
        "metadata_options.http_tokens": (None, "required"),
        "metadata_options.http_put_response_hop_limit": (None, 1),
    }


def test_nothing_is_deleted_while_the_node_group_is_updated() -> None:
    made, _number = plan(template(2, 2), versions(v1=TWO, v2=ONE), TWO, in_use=[1], purge_versions=False)
    assert [operation for operation, *_ in made] == ["ModifyLaunchTemplate"]


@pytest.mark.parametrize(
    "theirs",
    [
        {**ONE, "ImageId": "ami-1"},
        {**ONE, "UserData": "x"},
        {"MetadataOptions": {"HttpTokens": "optional", "HttpPutResponseHopLimit": 1}},
        {"MetadataOptions": {**ONE["MetadataOptions"], "HttpEndpoint": "disabled"}},
    ],
)
def test_values_of_other_writers_are_a_difference(theirs: dict[str, Any]) -> None:
    made, _number = plan(template(), versions(v1=theirs))
    assert [operation for operation, *_ in made] == [
        "CreateLaunchTemplateVersion",
        "ModifyLaunchTemplate",
        "DeleteLaunchTemplateVersions",
    ]
    there, ours = data_state(theirs), data_state(ONE)
    names = {name for name in {*there, *ours} if there.get(name) != ours.get(name)}
    assert made[0][2] == {name: (there.get(name), ours.get(name)) for name in names}


def test_tags() -> None:
    found = template(tags={**TAGS, "old": "1", "aws:x": "y"})
    made, _number = plan(found, versions(v1=ONE), tags={**TAGS, "new": "2"})
    assert [(operation, request) for operation, request, _ in made] == [
        ("CreateTags", {"Resources": ["lt-1"], "Tags": [{"Key": "new", "Value": "2"}]}),
        ("DeleteTags", {"Resources": ["lt-1"], "Tags": [{"Key": "old"}]}),
    ]
    assert made[0][2] == {"tags.new": (None, "2")}
    assert made[1][2] == {"tags.old": ("1", None)}
    assert plan(found, versions(v1=ONE), purge_tags=False) == ([], 1)


def test_deletion() -> None:
    ((operation, request, shown),) = steps(plan_absent(NAME, template(2, 2), versions(v1=TWO, v2=ONE)), "ec2")
    assert (operation, request) == ("DeleteLaunchTemplate", ID)
    assert shown["metadata_options.http_put_response_hop_limit"] == (1, None)
    assert shown["tags"] == (TAGS, None)
    assert not plan_absent(NAME, None, [])
    # The default version may be one that was made after the versions were listed.
    (shown,) = [shown for *_, shown in steps(plan_absent(NAME, template(3, 3), versions(v1=TWO)), "ec2")]
    assert shown == {"tags": (TAGS, None)}


def test_the_diff_names_the_launch_template() -> None:
    for planned in (
        plan_present(NAME, None, [], ONE, TAGS)[0],
        plan_present(NAME, template(), versions(v1=ONE), TWO, TAGS)[0],
        plan_absent(NAME, None, []),
        plan_absent(NAME, template(), versions(v1=ONE)),
    ):
        diff = planned.diff()
        assert (diff["before_header"], diff["after_header"]) == (f"launch template {NAME}",) * 2


def test_tokens_are_required() -> None:
    """IMDSv2: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html"""
    values = botocore.session.get_session().get_service_model("ec2").shape_for("LaunchTemplateHttpTokensState").enum
    options = template_data(2, None, None)["MetadataOptions"]
    assert options == {"HttpTokens": "required", "HttpPutResponseHopLimit": 2}
    assert options["HttpTokens"] in values


@pytest.mark.parametrize("ami_type", [None, *AMI_TYPES])
def test_the_disk_is_the_images_volume(ami_type: str | None) -> None:
    if ami_type == "CUSTOM":
        with pytest.raises(AwsError) as refused:
            template_data(1, 40, ami_type)
        assert str(refused.value) == (
            "ami_type CUSTOM needs a launch template with an image, which this one has not. Make one of your own, with "
            "MetadataOptions in it, and name it in launch_template of the node group. Nothing was changed."
        )
        return
    device = {"BOTTLEROCKET": "/dev/xvdb", "WINDOWS": "/dev/sda1"}.get((ami_type or "").split("_")[0], "/dev/xvda")
    (volume,) = template_data(1, 40, ami_type)["BlockDeviceMappings"]
    assert volume == {
        "DeviceName": device,
        "Ebs": {"VolumeSize": 40, "VolumeType": "gp3", "DeleteOnTermination": True},
    }
    assert "BlockDeviceMappings" not in template_data(1, None, ami_type)


def test_names_and_hops_are_ec2s() -> None:
    """EC2's model says both, the hops in words."""
    model = botocore.session.get_session().get_service_model("ec2")
    name = model.shape_for("LaunchTemplateName")
    assert name.metadata["max"] == LONGEST_NAME
    assert re.fullmatch(name.metadata["pattern"], template_name("one-1", "workers_A"))
    assert len(template_name("a", "b")) >= name.metadata["min"]
    longest = "c" * 100
    assert len(template_name(longest, "g" * 27)) == LONGEST_NAME
    with pytest.raises(AwsError) as refused:
        template_name(longest, "g" * 28)
    assert str(refused.value) == (
        f"The launch template {longest}/{'g' * 28} would have a name of 129 characters, and EC2 allows 128. "
        "Shorten the node group's name. Nothing was changed."
    )
    options = model.shape_for("LaunchTemplateInstanceMetadataOptionsRequest").members["HttpPutResponseHopLimit"]
    limits = re.search(r"Integers from (\d+) to (\d+)", options.documentation)
    assert limits is not None
    assert (HOPS[0], HOPS[-1]) == tuple(int(number) for number in limits.groups())


def test_fields_that_ec2_adds_are_not_a_difference() -> None:
    (shown,) = versions(v1=ONE)
    assert data_state(shown["LaunchTemplateData"]) == data_state(ONE)
    assert data_state({**ONE, "SecurityGroupIds": []}) == data_state(ONE)
