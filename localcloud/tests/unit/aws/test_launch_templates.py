# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch templates: names, version numbers, tags, and errors of EC2."""

from __future__ import annotations

import botocore.session
import pytest

from .conftest import reason, refused, unique

DATA = {"MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}}


@pytest.fixture
def template(ec2):
    return ec2.create_launch_template(LaunchTemplateName=unique("one/workers"), LaunchTemplateData=DATA)[
        "LaunchTemplate"
    ]


@pytest.fixture
def identity(template):
    return {"LaunchTemplateId": template["LaunchTemplateId"]}


def versions(ec2, identity):
    found = ec2.describe_launch_template_versions(**identity)["LaunchTemplateVersions"]
    return {version["VersionNumber"]: version for version in found}


def test_keeps_what_it_was_given(ec2, template, identity):
    assert template["DefaultVersionNumber"] == template["LatestVersionNumber"] == 1
    (version,) = versions(ec2, identity).values()
    assert version["DefaultVersion"]
    assert version["LaunchTemplateData"]["MetadataOptions"] == {"State": "applied", **DATA["MetadataOptions"]}


@pytest.mark.parametrize("name", ["ab", "x" * 129, "with space", "star*"])
def test_refuses_names(ec2, name):
    code = refused(ec2.create_launch_template, LaunchTemplateName=name, LaunchTemplateData=DATA)
    assert code == "InvalidLaunchTemplateName.MalformedException"


def test_a_name_is_unique(ec2, template):
    code = refused(
        ec2.create_launch_template, LaunchTemplateName=template["LaunchTemplateName"], LaunchTemplateData=DATA
    )
    assert code == "InvalidLaunchTemplateName.AlreadyExistsException"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "MissingParameter"),
        ({"MetadataOptions": {"HttpPutResponseHopLimit": 0}}, "InvalidParameterValue"),
        ({"MetadataOptions": {"HttpPutResponseHopLimit": 65}}, "InvalidParameterValue"),
        ({"MetadataOptions": {"HttpTokens": "always"}}, "InvalidParameterValue"),
    ],
)
def test_refuses_data(ec2, identity, options, code):
    assert refused(ec2.create_launch_template, LaunchTemplateName=unique("lt"), LaunchTemplateData=options) == code
    assert refused(ec2.create_launch_template_version, **identity, LaunchTemplateData=options) == code


def test_what_is_not_there(ec2, template, identity):
    by_id, by_name = {"LaunchTemplateId": "lt-0"}, {"LaunchTemplateName": "absent"}
    unknown, unnamed = "InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateName.NotFoundException"
    for call, more in (
        (ec2.create_launch_template_version, {"LaunchTemplateData": DATA}),
        (ec2.describe_launch_template_versions, {}),
        (ec2.modify_launch_template, {"DefaultVersion": "1"}),
        (ec2.delete_launch_template_versions, {"Versions": ["1"]}),
        (ec2.delete_launch_template, {}),
    ):
        assert refused(call, **by_id, **more) == unknown
        assert refused(call, **by_name, **more) == unnamed
        both = {**identity, "LaunchTemplateName": template["LaunchTemplateName"]}
        assert refused(call, **both, **more) == "InvalidParameterCombination"
    assert refused(ec2.describe_launch_templates, LaunchTemplateIds=["lt-0"]) == unknown
    assert refused(ec2.describe_launch_templates, LaunchTemplateNames=["absent"]) == unnamed
    assert refused(ec2.describe_launch_templates, LaunchTemplateIds=["x"]) == "InvalidLaunchTemplateId.Malformed"
    gone = "InvalidLaunchTemplateId.VersionNotFound"
    assert refused(ec2.describe_launch_template_versions, **identity, Versions=["9"]) == gone
    assert refused(ec2.modify_launch_template, **identity, DefaultVersion="9") == gone
    assert refused(ec2.create_launch_template_version, **identity, SourceVersion="9", LaunchTemplateData=DATA) == gone


def test_numbers_of_versions_are_used_once(ec2, identity):
    def create() -> int:
        made = ec2.create_launch_template_version(**identity, LaunchTemplateData=DATA)
        return made["LaunchTemplateVersion"]["VersionNumber"]

    assert (create(), create()) == (2, 3)
    answer = ec2.delete_launch_template_versions(**identity, Versions=["3", "9", "1"])
    assert [one["VersionNumber"] for one in answer["SuccessfullyDeletedLaunchTemplateVersions"]] == [3]
    failed = answer["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert [(one["VersionNumber"], one["ResponseError"]["Code"]) for one in failed] == [
        (9, "launchTemplateVersionDoesNotExist"),
        (1, "unexpectedError"),
    ]
    codes = botocore.session.get_session().get_service_model("ec2").shape_for("LaunchTemplateErrorCode").enum
    assert {one["ResponseError"]["Code"] for one in failed} <= set(codes)
    assert ec2.describe_launch_templates(LaunchTemplateIds=[identity["LaunchTemplateId"]])["LaunchTemplates"][0][
        "LatestVersionNumber"
    ] == 2  # fmt: skip
    assert create() == 4
    assert sorted(versions(ec2, identity)) == [1, 2, 4]


def test_the_default_moves(ec2, identity):
    ec2.create_launch_template_version(**identity, LaunchTemplateData=DATA)
    assert ec2.modify_launch_template(**identity, DefaultVersion="2")["LaunchTemplate"]["DefaultVersionNumber"] == 2
    assert {number: one["DefaultVersion"] for number, one in versions(ec2, identity).items()} == {1: False, 2: True}
    ec2.delete_launch_template_versions(**identity, Versions=["1"])
    assert list(versions(ec2, identity)) == [2]
    assert [
        one["VersionNumber"]
        for one in ec2.describe_launch_template_versions(**identity, Versions=["$Default"])["LaunchTemplateVersions"]
    ] == [2]


def test_tags_change_and_filters_select(ec2):
    prefix = unique("cluster")
    made = [
        ec2.create_launch_template(
            LaunchTemplateName=f"{prefix}/{group}",
            LaunchTemplateData=DATA,
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "group", "Value": group}]}],
        )["LaunchTemplate"]
        for group in "abc"
    ]
    assert made[0]["Tags"] == [{"Key": "group", "Value": "a"}]
    ec2.create_tags(Resources=[made[0]["LaunchTemplateId"]], Tags=[{"Key": "group", "Value": "b"}])
    ec2.delete_tags(Resources=[made[1]["LaunchTemplateId"]], Tags=[{"Key": "group"}])

    def found(**filters):
        wanted = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
        pages = ec2.get_paginator("describe_launch_templates").paginate(
            Filters=wanted, PaginationConfig={"PageSize": 1}
        )
        return [one["LaunchTemplateName"] for page in pages for one in page["LaunchTemplates"]]

    assert found(launch_template_name=[f"{prefix}/*"]) == [f"{prefix}/{group}" for group in "abc"]
    assert found(launch_template_name=[f"{prefix}/*"], **{"tag:group": ["b"]}) == [f"{prefix}/a"]
    assert found(launch_template_name=[f"{prefix}/*"], **{"tag:group": ["a"]}) == []
    assert "filter 'name' is invalid" in reason(
        ec2.describe_launch_templates, Filters=[{"Name": "name", "Values": ["a"]}]
    )
    ec2.delete_launch_template(LaunchTemplateName=f"{prefix}/a")
    assert found(launch_template_name=[f"{prefix}/*"]) == [f"{prefix}/{group}" for group in "bc"]
