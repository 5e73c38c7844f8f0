# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node objects, and the functions that compute their fields."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.controllers import nodespec

SUBNET = {
    "SubnetId": "subnet-1",
    "AvailabilityZone": "eu-central-1a",
    "AvailabilityZoneId": "euc1-az2",
    "CidrBlock": "10.40.1.0/24",
}


def _group(**more: Any) -> dict[str, Any]:
    return {
        "nodegroupName": "main",
        "clusterName": "testing",
        "version": "1.36",
        "releaseVersion": "1.36.2-20261109",
        "amiType": "AL2023_x86_64_STANDARD",
        "capacityType": "SPOT",
        "instanceTypes": ["m5.large"],
        **more,
    }


def _node(group: dict[str, Any], region: str = "eu-central-1") -> dict[str, Any]:
    return nodespec.nodegroup_node(group, SUBNET, region, instance_id="i-0abc", taken=[])


def test_node_carries_what_eks_sets() -> None:
    taint = {"key": "dedicated", "value": "kafka", "effect": "NO_EXECUTE"}
    node = _node(_group(labels={"tier": "data"}, taints=[taint]))
    labels = node["metadata"]["labels"]
    address = node["status"]["addresses"][0]["address"]
    assert node["metadata"]["name"] == f"ip-{address.replace('.', '-')}.eu-central-1.compute.internal"
    assert address.startswith("10.40.1.")
    assert node["spec"]["providerID"] == "aws:///eu-central-1a/i-0abc"
    assert node["spec"]["taints"] == [{"key": "dedicated", "value": "kafka", "effect": "NoExecute"}]
    expected = {
        "eks.amazonaws.com/nodegroup": "main",
        "eks.amazonaws.com/capacityType": "SPOT",
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": "m5.large",
        "topology.kubernetes.io/region": "eu-central-1",
        "topology.kubernetes.io/zone": "eu-central-1a",
        "topology.k8s.aws/zone-id": "euc1-az2",
        "tier": "data",
    }
    assert expected.items() <= labels.items()
    assert labels["eks.amazonaws.com/nodegroup-image"].startswith("ami-0")
    assert node["metadata"]["annotations"]["kwok.x-k8s.io/node"] == "fake"
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.36.2-eks-")


def test_graviton_nodes_are_arm64() -> None:
    node = _node(_group(instanceTypes=["m7g.large"], amiType="BOTTLEROCKET_ARM_64"))
    assert node["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
    assert node["status"]["nodeInfo"]["architecture"] == "arm64"
    assert node["status"]["nodeInfo"]["osImage"].startswith("Bottlerocket")


def test_first_region_has_names_of_its_own() -> None:
    assert nodespec.node_name("10.0.0.9", "us-east-1") == "ip-10-0-0-9.ec2.internal"


@pytest.mark.parametrize(
    ("version", "release", "expected"),
    [("1.36", "1.36.2-20261109", "v1.36.2-eks-"), ("1.36", "", "v1.36.0-eks-"), ("1.36", "1.50.0-ab", "v1.36.0-eks-")],
)
def test_kubelet_version(version: str, release: str, expected: str) -> None:
    assert nodespec.kubelet_version(version, release).startswith(expected)


def test_addresses_are_the_subnets_and_not_given_twice() -> None:
    taken: list[str] = []
    for number in range(11):
        taken.append(nodespec.free_address("10.0.0.0/28", taken, f"i-{number}"))
    assert sorted(int(address.rpartition(".")[2]) for address in taken) == list(range(4, 15))
    with pytest.raises(ValueError, match="no free address"):
        nodespec.free_address("10.0.0.0/28", taken, "i-one-more")


def test_next_subnet_balances_zones() -> None:
    subnets = [SUBNET, {**SUBNET, "SubnetId": "subnet-2", "AvailabilityZone": "eu-central-1b"}]
    assert nodespec.next_subnet(subnets, [])["SubnetId"] == "subnet-1"
    assert nodespec.next_subnet(subnets, ["eu-central-1a"])["SubnetId"] == "subnet-2"
    assert nodespec.next_subnet(subnets, ["eu-central-1a", "eu-central-1b", "eu-central-1b"])["SubnetId"] == "subnet-1"


def _placed(name: str, zone: str, created: str, *, cordoned: bool = False) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {nodespec.ZONE: zone}, "creationTimestamp": created},
        "spec": {"unschedulable": cordoned},
    }


def test_scale_in_takes_the_fullest_zone_then_cordoned_then_oldest() -> None:
    nodes = [
        _placed("a-new", "a", "2026-01-03"),
        _placed("a-old", "a", "2026-01-01"),
        _placed("a-cordoned", "a", "2026-01-02", cordoned=True),
        _placed("b-oldest", "b", "2025-01-01"),
    ]
    assert [n["metadata"]["name"] for n in nodespec.scale_in_order(nodes)] == [
        "a-cordoned",
        "a-old",
        "b-oldest",
        "a-new",
    ]


def test_change_of_the_node_group_is_all_that_is_patched() -> None:
    before = _group(labels={"keep": "1", "gone": "1"}, taints=[{"key": "old", "effect": "NO_SCHEDULE"}])
    node = _node(before)
    assert nodespec.config_patch(node, before) is None
    node["metadata"]["labels"]["by-hand"] = "yes"
    node["spec"]["taints"].append({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"})
    patch = nodespec.config_patch(node, _group(labels={"keep": "1", "new": "1"}))
    assert patch is not None
    assert patch["metadata"]["labels"] == {"gone": None, "new": "1"}
    assert patch["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


def test_a_manual_label_is_kept_until_the_group_changes() -> None:
    group = _group(labels={"tier": "data"})
    node = _node(group)
    node["metadata"]["labels"]["tier"] = "other"
    assert nodespec.config_patch(node, group) is None


@pytest.mark.parametrize(
    ("current", "previous", "wanted", "patch"),
    [
        ({}, [], {}, {}),
        ({"a": "1"}, ["a"], {"a": "1"}, {}),
        ({"a": "1"}, ["a"], {"a": "2"}, {"a": "2"}),
        ({"a": "1"}, ["a"], {}, {"a": None}),
        ({}, ["a"], {}, {}),
        ({"a": "1"}, [], {"b": "1"}, {"b": "1"}),
    ],
)
def test_merge_labels(current: Any, previous: Any, wanted: Any, patch: Any) -> None:
    assert nodespec.merge_labels(current, previous, wanted) == patch


def test_merge_taints_tells_effects_apart() -> None:
    soft, hard = {"key": "k", "effect": "PreferNoSchedule"}, {"key": "k", "effect": "NoSchedule"}
    assert nodespec.merge_taints([soft, hard], ["k:NoSchedule"], []) == [soft]


@pytest.mark.parametrize(
    ("change", "outdated"),
    [
        ({}, False),
        ({"labels": {"a": "b"}}, False),
        ({"releaseVersion": "1.36.3-20261201"}, True),
        ({"update": {"id": "1", "version": "1.37", "releaseVersion": "1.37.1-20261201"}}, True),
        ({"instanceTypes": ["m6i.large"]}, True),
        ({"instanceTypes": ["m6i.large", "m5.large"]}, False),
        ({"launchTemplate": {"id": "lt-1", "version": "2"}}, True),
    ],
)
def test_outdated_nodes(change: dict[str, Any], outdated: bool) -> None:
    assert nodespec.is_outdated(_node(_group()), _group(**change)) is outdated


@pytest.mark.parametrize(
    ("config", "count", "expected"),
    [
        ({}, 3, 1),
        ({"maxUnavailable": 2}, 3, 2),
        ({"maxUnavailablePercentage": 50}, 6, 3),
        ({"maxUnavailablePercentage": 10}, 3, 1),
    ],
)
def test_nodes_replaced_at_once(config: dict[str, int], count: int, expected: int) -> None:
    assert nodespec.surge({"updateConfig": config}, count) == expected


def test_unknown_instance_types_are_named() -> None:
    assert nodespec.unknown_types({"instanceTypes": ["m5.large", "z9.huge"]}) == ["z9.huge"]
