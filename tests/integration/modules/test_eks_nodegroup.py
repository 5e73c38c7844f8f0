# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lifecycle of a node group."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.integration

_numbers = itertools.count(1)
NewGroup = Callable[..., dict[str, Any]]


@pytest.fixture
def new_group(cluster: str, network: Any, node_role: str) -> NewGroup:
    """Options of eks_nodegroup for a node group that no other test uses."""

    def options(**more: Any) -> dict[str, Any]:
        return {
            "cluster_name": cluster,
            "name": f"group-{next(_numbers)}",
            "node_role_arn": node_role,
            "subnet_ids": network.subnet_ids,
            "min_size": 1,
            "max_size": 3,
            **more,
        }

    return options


def operations(result: dict[str, Any]) -> list[str]:
    return [action["operation"] for action in result["actions"]]


@pytest.mark.parametrize(
    "more",
    [
        {"ami_type": "AL2023_x86_64_STANDARD", "instance_types": ["m7i.large", "m6i.large"], "capacity_type": "SPOT"},
        {"ami_type": "BOTTLEROCKET_x86_64", "disk_size": 40},
        {
            "labels": {"role": "ingress", "public": True},
            "taints": [{"key": "role", "value": "ingress", "effect": "NoSchedule"}],
            "update_config": {"max_unavailable_percentage": 33},
            "node_repair_config": {"enabled": True},
            "tags": {"a": "b"},
        },
        {"desired_size": 2, "version": "1.36"},
    ],
    ids=["al2023-spot", "bottlerocket", "labels-taints", "version"],
)
def test_created_once(run: Any, new_group: NewGroup, more: dict[str, Any]) -> None:
    created = run.same("eks_nodegroup", **new_group(**more))
    assert operations(created) == ["CreateNodegroup"]
    shown = created["nodegroup"]
    assert shown["status"] == "ACTIVE"
    assert shown["scaling_config"]["desired_size"] == more.get("desired_size", 1)
    if "instance_types" in more:
        assert shown["instance_types"] == more["instance_types"]
    if "labels" in more:
        assert shown["labels"] == {"role": "ingress", "public": "true"}
        assert shown["taints"] == [{"key": "role", "value": "ingress", "effect": "NO_SCHEDULE"}]


TAINTS = [{"key": "a", "effect": "NoSchedule"}, {"key": "b", "value": "1", "effect": "NO_EXECUTE"}]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"min_size": 2, "max_size": 5}, ["UpdateNodegroupConfig"]),
        ({}, {"min_size": 0}, ["UpdateNodegroupConfig"]),
        ({"labels": {"a": "1", "b": "2"}}, {"labels": {"a": "3", "c": "4"}}, ["UpdateNodegroupConfig"]),
        ({"labels": {"a": "1"}}, {"labels": {}}, ["UpdateNodegroupConfig"]),
        ({"labels": {"a": "1"}}, {"labels": {"b": "2"}, "purge_labels": False}, ["UpdateNodegroupConfig"]),
        ({"taints": TAINTS}, {"taints": TAINTS[::-1]}, []),
        ({"taints": TAINTS}, {"taints": TAINTS[:1]}, ["UpdateNodegroupConfig"]),
        ({"taints": TAINTS}, {"taints": []}, ["UpdateNodegroupConfig"]),
        (
            {"taints": TAINTS},
            {"taints": [{"key": "b", "value": "2", "effect": "NoExecute"}]},
            ["UpdateNodegroupConfig"],
        ),
        ({}, {"update_config": {"max_unavailable": 2}}, ["UpdateNodegroupConfig"]),
        (
            {"update_config": {"max_unavailable": 2}},
            {"update_config": {"max_unavailable_percentage": 50}},
            ["UpdateNodegroupConfig"],
        ),
        ({}, {"node_repair_config": {"enabled": True}}, ["UpdateNodegroupConfig"]),
        ({"tags": {"a": "1"}}, {"tags": {"b": "2"}}, ["TagResource", "UntagResource"]),
        (
            {},
            {"labels": {"a": "1"}, "max_size": 4, "tags": {"a": "b"}},
            ["TagResource", "UpdateNodegroupConfig"],
        ),
    ],
    ids=lambda value: ",".join(map(str, value)) if isinstance(value, (dict, list)) else str(value),
)
def test_changed(
    run: Any, new_group: NewGroup, before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    options = new_group(**before)
    run("eks_nodegroup", **options)
    changed = run.same("eks_nodegroup", **{**options, **after})
    assert operations(changed) == expected


def test_a_removed_label_is_deleted(run: Any, new_group: NewGroup) -> None:
    options = new_group(labels={"a": "1", "b": "2"})
    run("eks_nodegroup", **options)
    changed = run("eks_nodegroup", **{**options, "labels": {"b": "3"}})
    assert changed["nodegroup"]["labels"] == {"b": "3"}


def test_an_autoscalers_size_is_not_a_difference(run: Any, new_group: NewGroup, account: Any) -> None:
    options = new_group(desired_size=1)
    run("eks_nodegroup", **options)
    eks = account.client("eks")
    place = {"clusterName": options["cluster_name"], "nodegroupName": options["name"]}
    eks.update_nodegroup_config(**place, scalingConfig={"desiredSize": 3})
    assert not run("eks_nodegroup", **options)["changed"]
    assert eks.describe_nodegroup(**place)["nodegroup"]["scalingConfig"]["desiredSize"] == 3
    # Only the limits move it ...
    changed = run.same("eks_nodegroup", **{**options, "max_size": 2})
    assert changed["diff"]["after"] == {"desired_size": 2, "max_size": 2}
    # ... or an explicit request.
    changed = run.same("eks_nodegroup", **{**options, "max_size": 2}, desired_size_policy="always")
    assert changed["nodegroup"]["scaling_config"]["desired_size"] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"instance_types": ["c7i.large"]}, ["instance_types", "c7i.large", "another name"]),
        ({"ami_type": "BOTTLEROCKET_x86_64"}, ["ami_type", "AL2023_x86_64_STANDARD", "BOTTLEROCKET_x86_64"]),
        ({"capacity_type": "SPOT"}, ["capacity_type", "ON_DEMAND", "SPOT"]),
        ({"disk_size": 99}, ["disk_size", "20", "99"]),
        ({"node_role_arn": "arn:aws:iam::111122223333:role/other"}, ["node_role_arn"]),
        ({"subnet_ids": ["subnet-0"]}, ["subnet_ids", "subnet-0"]),
        ({"launch_template": {"name": "x"}}, ["launch_template.name"]),
        ({"remote_access": {"ec2_ssh_key": "x"}}, ["remote_access.ec2_ssh_key"]),
        ({"version": "1.35"}, ["runs Kubernetes 1.36", "cannot be taken back to 1.35"]),
        ({"version": "1.37"}, ["cannot go to 1.37", "cluster runs 1.36"]),
        ({"release_version": "1.36.0-20250101"}, ["cannot be taken back"]),
        ({"desired_size": 9}, ["desired_size 9 is greater than max_size 3"]),
        ({"min_size": 3, "max_size": 2}, ["min_size 3 is greater than max_size 2"]),
        ({"min_size": 2, "desired_size": 1}, ["/refused: desired_size 1 is smaller than min_size 2"]),
    ],
    ids=lambda value: ",".join(map(str, value)) if isinstance(value, (dict, list)) else str(value),
)
def test_refused_before_anything_is_changed(
    run: Any, refused_group: dict[str, Any], account: Any, change: dict[str, Any], words: list[str]
) -> None:
    before = account.eks_calls()
    wanted = {**refused_group, "labels": {"new": "one"}, "tags": {"a": "b"}, **change}
    failed = run.fails("eks_nodegroup", **wanted)
    assert run.fails("eks_nodegroup", check=True, **wanted)["msg"] == failed["msg"]
    for word in words:
        assert word in failed["msg"]
    assert account.eks_calls() == before


@pytest.fixture
def refused_group(run: Any, new_group: NewGroup) -> dict[str, Any]:
    options = {**new_group(), "name": "refused", "ami_type": "AL2023_x86_64_STANDARD"}
    run("eks_nodegroup", **options)
    return options


def test_version_follows_the_cluster(run: Any, new_cluster: Any, node_role: str) -> None:
    wanted = new_cluster()
    run("eks_cluster", **wanted)
    options = {
        "cluster_name": wanted["name"],
        "name": "workers",
        "node_role_arn": node_role,
        "subnet_ids": wanted["subnet_ids"],
        "ami_type": "AL2023_x86_64_STANDARD",
    }
    failed = run.fails("eks_nodegroup", **options, version="1.36")
    assert "cannot be created with Kubernetes 1.36: cluster" in failed["msg"]
    run("eks_nodegroup", **options)
    run("eks_cluster", **{**wanted, "version": "1.36"})
    changed = run.same("eks_nodegroup", **options, version="1.36", force=True)
    assert operations(changed) == ["UpdateNodegroupVersion"]
    assert changed["nodegroup"]["version"] == "1.36"


def test_release_is_updated_to_the_latest(run: Any, new_group: NewGroup) -> None:
    options = new_group(ami_type="AL2023_x86_64_STANDARD", release_version="1.36.1-20260904")
    run.same("eks_nodegroup", **options)
    changed = run.same("eks_nodegroup", **{**options, "release_version": "latest"})
    assert operations(changed) == ["UpdateNodegroupVersion"]
    assert changed["nodegroup"]["release_version"] == "1.36.3-20261106"
    run.same("eks_nodegroup", **new_group(ami_type="AL2023_x86_64_STANDARD", release_version="latest"))


def test_launch_template_versions(run: Any, new_group: NewGroup, account: Any) -> None:
    ec2 = account.client("ec2")
    name = f"template-{next(_numbers)}"
    data = {"InstanceType": "m7i.large"}
    template = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]
    options = new_group(launch_template={"id": template["LaunchTemplateId"], "version": "1"})
    run.same("eks_nodegroup", **options)
    ec2.create_launch_template_version(LaunchTemplateId=template["LaunchTemplateId"], LaunchTemplateData=data)
    assert not run("eks_nodegroup", **options)["changed"]
    latest = {"id": template["LaunchTemplateId"], "version": "$Latest"}
    changed = run.same("eks_nodegroup", **{**options, "launch_template": latest})
    assert operations(changed) == ["UpdateNodegroupVersion"]
    assert str(changed["nodegroup"]["launch_template"]["version"]) == "2"
    assert not run("eks_nodegroup", **{**options, "launch_template": {"id": template["LaunchTemplateId"]}})["changed"]
    other = run.fails("eks_nodegroup", **{**options, "launch_template": {"id": "lt-0", "version": "1"}})
    assert "launch_template.id" in other["msg"]


def test_without_a_cluster(run: Any, new_group: NewGroup) -> None:
    options = {**new_group(), "cluster_name": "nowhere"}
    assert "no EKS cluster 'nowhere'" in run.fails("eks_nodegroup", **options)["msg"]
    # Check mode of a whole run must work in an empty account.
    assert operations(run("eks_nodegroup", check=True, **options)) == ["CreateNodegroup"]
    assert not run("eks_nodegroup", **options, state="absent")["changed"]


def test_deleted_once(run: Any, new_group: NewGroup) -> None:
    options = new_group()
    run("eks_nodegroup", **options)
    deleted = run.same("eks_nodegroup", cluster_name=options["cluster_name"], name=options["name"], state="absent")
    assert operations(deleted) == ["DeleteNodegroup"]
