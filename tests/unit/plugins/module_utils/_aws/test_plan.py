# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared behaviour of all plans of AWS resources."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import ImmutableError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import (
    Change,
    Plan,
    Step,
    creation,
    deletion,
    differences,
    ec2_tag_steps,
    only,
    prefixed,
    refuse_immutable,
    tag_changes,
    tag_steps,
    without_none,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils._eks.reference import steps

ARN = "arn:aws:eks:eu-central-1:111122223333:cluster/one"


def test_a_field_that_changes_twice_is_shown_with_its_first_and_its_last_value() -> None:
    planned = Plan(
        "cluster one",
        (
            Step("A", {}, {"mode": Change("x", "y"), "b": Change(None, 1)}),
            Step("B", {}, {"mode": Change("y", "z"), "a": Change(2, None)}),
        ),
    )
    assert planned.diff() == {
        "before": {"a": 2, "mode": "x"},
        "after": {"b": 1, "mode": "z"},
        "before_header": "cluster one",
        "after_header": "cluster one",
    }
    assert planned.as_list() == [
        {
            "operation": "A",
            "changes": {"b": {"before": None, "after": 1}, "mode": {"before": "x", "after": "y"}},
        },
        {
            "operation": "B",
            "changes": {"a": {"before": 2, "after": None}, "mode": {"before": "y", "after": "z"}},
        },
    ]
    assert planned
    assert not Plan("cluster one")


def test_differences_are_of_what_is_wanted_alone() -> None:
    current = {"a": 1, "b": 2, "tags": {"x": "y"}}
    assert differences(current, {"a": 1, "b": 3, "c": None, "d": 0, "tags": {}}) == {
        "b": Change(2, 3),
        "d": Change(None, 0),
    }


def test_creation_and_deletion_show_what_there_is_to_see() -> None:
    assert creation({"a": 0, "b": None, "c": []}) == {"a": Change(None, 0), "c": Change(None, [])}
    empty = {"none": None, "text": "", "list": [], "map": {}}
    assert deletion({"a": False, "b": 0, **empty}) == {"a": Change(False, None), "b": Change(0, None)}


def test_immutable_fields_are_named_all_at_once_with_what_to_do() -> None:
    changes = {"role": Change("a", "b"), "ssh.key": Change(None, "k"), "size": Change(1, 2), "sshd": Change(1, 2)}
    with pytest.raises(ImmutableError) as said:
        refuse_immutable("group one/x", changes, {"role": "keep it.", "ssh.": "make another."})
    assert str(said.value) == (
        "group one/x: role is 'a' and cannot become 'b': keep it.; ssh.key is None and cannot become 'k': make another."
        " Nothing was changed."
    )
    assert said.value.details["immutable"] == [
        {"field": "role", "current": "a", "wanted": "b"},
        {"field": "ssh.key", "current": None, "wanted": "k"},
    ]
    refuse_immutable("group one/x", {"size": Change(1, 2)}, {"role": "keep it.", "si": "not a prefix."})


def test_tags_of_aws_itself_are_left_alone() -> None:
    current = {"aws:made": "by-aws", "old": "1", "same": "2", "other": "3"}
    planned = tag_steps(ARN, current, {"same": "2", "other": "4", "new": "5"}, purge=True)
    assert steps(Plan("x", planned)) == [
        (
            "TagResource",
            {"resourceArn": ARN, "tags": {"other": "4", "new": "5"}},
            {"tags.new": (None, "5"), "tags.other": ("3", "4")},
        ),
        ("UntagResource", {"resourceArn": ARN, "tagKeys": ["old"]}, {"tags.old": ("1", None)}),
    ]


@pytest.mark.parametrize(
    ("wanted", "purge", "operations"),
    [
        (None, True, []),
        ({}, True, ["UntagResource"]),
        ({}, False, []),
        ({"old": "1"}, True, []),
        ({"new": "2"}, False, ["TagResource"]),
    ],
)
def test_tags_that_are_not_given_stay(wanted: dict[str, str] | None, purge: bool, operations: list[str]) -> None:
    assert [step.operation for step in tag_steps(ARN, {"old": "1"}, wanted, purge=purge)] == operations


def test_a_name_with_a_dot_stands_for_what_is_below() -> None:
    changes = {name: Change(1, 2) for name in ("a", "ab", "c.d", "c.e", "cd")}
    assert list(only(changes, ("a", "c."))) == ["a", "c.d", "c.e"]
    assert only(changes, ("c",)) == {}
    assert without_none({"a": None, "b": 0, "c": ""}) == {"b": 0, "c": ""}


def test_tags_that_are_needed_are_never_purged() -> None:
    marks = {"dataplatform.fleet/fleet": "f", "dataplatform.fleet/cluster": "c", "dataplatform.fleet/owner": "o"}
    current = {**marks, "aws:made": "by-aws", "Name": "one", "theirs": "x"}
    assert tag_changes(current, {}, purge=True, needed=["Name"]) == ({}, ["theirs"])
    assert tag_changes(current, {}, purge=False) == ({}, [])
    assert tag_changes(current, None, purge=True) == ({}, [])
    assert tag_changes(current, {"theirs": "y", "new": "1"}, purge=True) == ({"new": "1", "theirs": "y"}, ["Name"])


def test_tags_of_ec2_resources() -> None:
    current = {"Name": "one", "old": "1", "same": "2"}
    wanted = {"same": "2", "new": "3"}
    planned = ec2_tag_steps("vpc-1", current, wanted, purge=True, needed=["Name"], prefix="one.")
    assert steps(Plan("x", planned), "ec2") == [
        (
            "CreateTags",
            {"Resources": ["vpc-1"], "Tags": [{"Key": "new", "Value": "3"}]},
            {"one.tags.new": (None, "3")},
        ),
        ("DeleteTags", {"Resources": ["vpc-1"], "Tags": [{"Key": "old"}]}, {"one.tags.old": ("1", None)}),
    ]
    assert [step.operation for step in ec2_tag_steps("vpc-1", current, wanted, purge=False)] == ["CreateTags"]
    (removal,) = ec2_tag_steps("vpc-1", current, {}, purge=True, needed=["Name", "same"])
    assert removal.changes == {"tags.old": Change("1", None)}
    assert not ec2_tag_steps("vpc-1", current, None, purge=True)


def test_the_tags_after_a_plan() -> None:
    planned = Plan("x", tag_steps(ARN, {"old": "1", "same": "2"}, {"same": "2", "new": "3"}, purge=True))
    assert planned.tags({"old": "1", "same": "2"}) == {"same": "2", "new": "3"}
    assert planned.tags() == {"new": "3"}
    other = Plan("x", (Step("A", {}, {"size": Change(1, 2), "tags.one": Change("a", "b")}),))
    assert other.tags({"one": "a"}) == {"one": "b"}


def test_a_plan_without_a_resource_has_no_headers() -> None:
    assert Plan(steps=(Step("A", {}, {"one.size": Change(1, 2)}),)).diff() == {
        "before": {"one.size": 1},
        "after": {"one.size": 2},
    }


def test_a_request_is_not_shown() -> None:
    """It can contain a secret."""
    assert "hunter2" not in repr(Plan("x", (Step("PutSecretValue", {"SecretString": "hunter2"}, {}),)))


def test_tags_as_fields() -> None:
    assert prefixed({"b": "2", "a": "1"}) == {"tags.a": "1", "tags.b": "2"}
    assert prefixed(None) == {}


def test_the_fields_of_several_resources_are_below_their_names() -> None:
    several = Plan(
        steps=(
            Step("create a", {}, {"size": Change(None, 1), "none": Change(None, None)}, resource="subnet a"),
            Step("delete b", {}, {"size": Change(2, None)}, resource="subnet b"),
            Step("update a", {}, {"size": Change(1, 3)}, resource="subnet a"),
            Step("A", {}, {"plain": Change(1, 2)}),
        )
    )
    assert several.diff() == {
        "before": {"plain": 1, "subnet b": {"size": 2}},
        "after": {"plain": 2, "subnet a": {"size": 3}},
    }
