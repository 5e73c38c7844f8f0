# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the info modules return if some resources are deleted while they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import info
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils._eks.server import (
    ARN,
    GONE,
    FakeEks,
    options,
)

ROLE = "arn:aws:iam::111122223333:role/"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


@pytest.fixture
def eks() -> FakeEks:
    """One cluster with two of everything, in no order, and a second one."""
    found = FakeEks()
    found.cluster("two")
    found.cluster("one", tags={"dataplatform.fleet/cluster": "one"})
    for name in ("b", "a"):
        found.nodegroup(name, labels={"camelCase": "kept"})
        made = found.association(f"a-{name}", f"account-{name}", f"n-{name}")
        found.addon(name, podIdentityAssociations=[made["associationArn"], f"{ARN}:podidentityassociation/one/gone"])
        found.entry(f"{ROLE}{name}", {"policyArn": VIEW, "accessScope": {"type": "cluster"}})
    found.insights = [{"id": "i1", "name": "Upgrade"}, {"id": "vanished"}]
    for number, day in (("u0", 1), ("u1", 3), ("u2", 2)):
        found.updates[number] = {"id": number, "type": "VersionUpdate", "createdAt": f"2026-11-0{day}T00:00:00Z"}
    return found


def of_cluster(call: Any, module: str, eks: FakeEks, **given: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(options(module, cluster_name="one", **given), eks.client)
    return found


def clusters(eks: FakeEks, **given: Any) -> list[dict[str, Any]]:
    return info.clusters(options("eks_cluster_info", **given), eks.client)


def test_all_clusters_in_the_order_of_their_names(eks: FakeEks) -> None:
    found = clusters(eks)
    assert [one["name"] for one in found] == ["one", "two"]
    assert found[0]["resources_vpc_config"]["subnet_ids"] == ["subnet-a"]
    assert found[0]["tags"] == {"dataplatform.fleet/cluster": "one"}
    assert "nodegroups" not in found[0]
    assert {operation for operation, _ in eks.reads} == {"ListClusters", "DescribeCluster"}, "no more than is asked for"


def test_chosen_clusters_in_the_order_of_the_task(eks: FakeEks) -> None:
    assert [one["name"] for one in clusters(eks, names=["two", "none", "one", "two"])] == ["two", "one"]
    assert "ListClusters" not in [operation for operation, _ in eks.reads]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("nodegroups", ["a", "b"]),
        ("addons", ["a", "b"]),
        ("access_entries", [f"{ROLE}a", f"{ROLE}b"]),
        ("pod_identity_associations", ["a-b", "a-a"]),
        ("insights", ["i1"]),
        ("updates", ["u1", "u2", "u0"]),
    ],
)
def test_resources_of_a_cluster_are_included_on_request(eks: FakeEks, kind: str, names: list[str]) -> None:
    (found,) = clusters(eks, names=["one"], include=[kind])
    keys = ("nodegroup_name", "addon_name", "principal_arn", "association_id", "id")
    assert [next(one[key] for key in keys if key in one) for one in found[kind]] == names
    assert not {"nodegroups", "addons", "access_entries", "insights", "updates"} & found.keys() - {kind}


Call = Callable[..., list[dict[str, Any]]]


@pytest.mark.parametrize(
    ("call", "module", "option", "key", "prefix"),
    [
        (info.nodegroups, "eks_nodegroup_info", "names", "nodegroup_name", ""),
        (info.addons, "eks_addon_info", "names", "addon_name", ""),
        (info.access_entries, "eks_access_entry_info", "principal_arns", "principal_arn", ROLE),
    ],
)
def test_of_a_clusters_resources_all_or_those_that_are_named(
    eks: FakeEks, call: Call, module: str, *, option: str, key: str, prefix: str
) -> None:
    every = of_cluster(call, module, eks)
    assert [one[key] for one in every] == [f"{prefix}a", f"{prefix}b"]
    del eks.reads[:]
    named = of_cluster(call, module, eks, **{option: [f"{prefix}b", f"{prefix}none", f"{prefix}b"]})
    assert named == [every[1]]
    assert not [operation for operation, _ in eks.reads if operation in ("ListNodegroups", "ListAddons")]


def test_resources_that_are_deleted_after_the_list_are_left_out(eks: FakeEks) -> None:
    kinds = {"nodegroup": "b", "addon": "b", "entry": f"{ROLE}b", "association": "a-b", "cluster": "two"}
    for kind, name in kinds.items():
        eks.passing[kind, name] = [GONE]
    assert [one["name"] for one in clusters(eks)] == ["one"]
    assert [one["nodegroup_name"] for one in of_cluster(info.nodegroups, "eks_nodegroup_info", eks)] == ["a"]
    assert [one["addon_name"] for one in of_cluster(info.addons, "eks_addon_info", eks)] == ["a"]
    assert len(of_cluster(info.access_entries, "eks_access_entry_info", eks)) == 1
    assert len(of_cluster(info.associations, "eks_pod_identity_association_info", eks)) == 1


def test_results_equal_those_of_the_other_modules(eks: FakeEks) -> None:
    (group, *_) = of_cluster(info.nodegroups, "eks_nodegroup_info", eks)
    assert group["labels"] == {"camelCase": "kept"}
    assert group["scaling_config"] == {"min_size": 1, "max_size": 3, "desired_size": 2}
    (addon, *_) = of_cluster(info.addons, "eks_addon_info", eks)
    role = "arn:aws:iam::111122223333:role/pod"
    arn = f"{ARN}:podidentityassociation/one/a-a"
    assert addon["pod_identity_associations"] == [
        {"service_account": "account-a", "role_arn": role, "association_arn": arn}
    ]
    (entry, *_) = of_cluster(info.access_entries, "eks_access_entry_info", eks)
    assert entry["policies"] == [{"policy_arn": VIEW, "access_scope": {"type": "cluster"}}]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ["a-b", "a-a"]),
        ({"namespace": "n-a"}, ["a-a"]),
        ({"namespace": "n-b", "service_account": "account-b"}, ["a-b"]),
        ({"namespace": "n-a", "service_account": "account-b"}, []),
    ],
)
def test_associations_of_a_namespace_or_of_an_account(eks: FakeEks, given: dict[str, str], names: list[str]) -> None:
    found = of_cluster(info.associations, "eks_pod_identity_association_info", eks, **given)
    assert [one["association_id"] for one in found] == names


def test_updates_are_in_the_order_of_their_time_and_one_without_is_last(eks: FakeEks) -> None:
    eks.updates["u9"] = {"id": "u9", "type": "ConfigUpdate"}
    assert [one["id"] for one in info.updates(eks.client, "one")] == ["u1", "u2", "u0", "u9"]
