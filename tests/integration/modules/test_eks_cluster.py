# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lifecycle of a cluster: creation, all changes that EKS allows, refusal of others, deletion."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.integration


def operations(result: dict[str, Any]) -> list[str]:
    return [action["operation"] for action in result["actions"]]


def test_created_once(run: Any, new_cluster: Any, network: Any) -> None:
    options = new_cluster(
        endpoint_private_access=True,
        public_access_cidrs=["203.0.113.7"],
        log_types=["audit", "api"],
        upgrade_policy="STANDARD",
        zonal_shift=True,
        deletion_protection=True,
        tags={"dataplatform.fleet/cluster": "one"},
    )
    created = run.same("eks_cluster", **options)
    assert operations(created) == ["CreateCluster"]
    shown = created["cluster"]
    assert (shown["name"], shown["status"], shown["version"]) == (options["name"], "ACTIVE", "1.35")
    assert shown["resources_vpc_config"]["vpc_id"] == network.vpc_id
    assert shown["resources_vpc_config"]["public_access_cidrs"] == ["203.0.113.7/32"]
    assert shown["tags"] == {"dataplatform.fleet/cluster": "one"}
    assert created["waited"][0]["states"][-1] == "ACTIVE"
    assert created["diff"]["before"] == {}


def test_options_not_given_are_left_alone(run: Any, new_cluster: Any) -> None:
    options = new_cluster(log_types=["api"], tags={"a": "b"})
    run("eks_cluster", **options)
    assert not run("eks_cluster", name=options["name"])["changed"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"log_types": ["api"]}, {"log_types": ["audit", "scheduler"]}, ["UpdateClusterConfig"]),
        ({"log_types": ["api"]}, {"log_types": []}, ["UpdateClusterConfig"]),
        (
            {},
            {"endpoint_private_access": True, "public_access_cidrs": ["203.0.113.0/24"]},
            ["UpdateClusterConfig"],
        ),
        ({}, {"endpoint_private_access": True, "endpoint_public_access": False}, ["UpdateClusterConfig"]),
        ({"deletion_protection": True}, {"deletion_protection": False}, ["UpdateClusterConfig"]),
        ({"upgrade_policy": "EXTENDED"}, {"upgrade_policy": "STANDARD"}, ["UpdateClusterConfig"]),
        ({}, {"zonal_shift": True}, ["UpdateClusterConfig"]),
        ({}, {"control_plane_scaling_tier": "tier-xl"}, ["UpdateClusterConfig"]),
        ({}, {"control_plane_egress_mode": "CUSTOMER_ROUTED"}, ["UpdateClusterConfig"]),
        ({}, {"remote_node_networks": ["10.200.0.0/16"]}, ["UpdateClusterConfig"]),
        ({"remote_node_networks": ["10.200.0.0/16"]}, {"remote_node_networks": []}, ["UpdateClusterConfig"]),
        ({}, {"kube_api_server_config": {"event_ttl": "2h"}}, ["UpdateClusterConfig"]),
        (
            {"authentication_mode": "CONFIG_MAP"},
            {"authentication_mode": "API"},
            ["UpdateClusterConfig", "UpdateClusterConfig"],
        ),
        ({"tags": {"a": "1", "b": "2"}}, {"tags": {"a": "3", "c": "4"}}, ["TagResource", "UntagResource"]),
        ({"tags": {"a": "1"}}, {"tags": {"b": "2"}, "purge_tags": False}, ["TagResource"]),
        ({"tags": {"a": "1"}}, {"tags": {}}, ["UntagResource"]),
        ({}, {"version": "1.36"}, ["UpdateClusterVersion"]),
        (
            {},
            {"version": "1.36", "log_types": ["api"], "zonal_shift": True, "tags": {"a": "b"}},
            ["TagResource", "UpdateClusterConfig", "UpdateClusterConfig", "UpdateClusterVersion"],
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, (dict, list)) else str(value),
)
def test_changed(
    run: Any, new_cluster: Any, before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    options = new_cluster(**before)
    run("eks_cluster", **options)
    changed = run.same("eks_cluster", **{**options, **after})
    assert operations(changed) == expected


def test_subnets_and_security_groups(run: Any, new_cluster: Any, network: Any, account: Any) -> None:
    group = account.client("ec2").create_security_group(GroupName="more", Description="more", VpcId=network.vpc_id)[
        "GroupId"
    ]
    options = new_cluster()
    run("eks_cluster", **options)
    changed = run.same("eks_cluster", **{**options, "subnet_ids": network.subnet_ids, "security_group_ids": [group]})
    assert operations(changed) == ["UpdateClusterConfig"]
    shown = changed["cluster"]["resources_vpc_config"]
    assert sorted(shown["subnet_ids"]) == sorted(network.subnet_ids)
    assert shown["security_group_ids"] == [group]


def test_encryption_is_added_once_and_never_exchanged(run: Any, new_cluster: Any, account: Any) -> None:
    kms = account.client("kms")
    one, two = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    options = new_cluster()
    run("eks_cluster", **options)
    changed = run.same("eks_cluster", **options, encryption_key_arn=one)
    assert operations(changed) == ["AssociateEncryptionConfig"]
    failed = run.fails("eks_cluster", **options, encryption_key_arn=two)
    assert failed["immutable"] == [{"field": "encryption_key_arn", "current": one, "wanted": two}]


def test_auto_mode_on_and_off(run: Any, new_cluster: Any, node_role: str) -> None:
    options = new_cluster()
    run("eks_cluster", **options)
    on = {"enabled": True, "node_pools": ["system", "general-purpose"], "node_role_arn": node_role}
    changed = run.same("eks_cluster", **options, auto_mode=on)
    assert operations(changed) == ["UpdateClusterConfig"]
    assert changed["cluster"]["compute_config"]["enabled"]
    assert changed["cluster"]["storage_config"]["block_storage"]["enabled"]
    assert changed["cluster"]["kubernetes_network_config"]["elastic_load_balancing"]["enabled"]
    changed = run.same("eks_cluster", **options, auto_mode={"enabled": False})
    assert not changed["cluster"]["compute_config"]["enabled"]


def test_created_with_auto_mode(run: Any, new_cluster: Any, node_role: str) -> None:
    on = {"enabled": True, "node_pools": ["general-purpose"], "node_role_arn": node_role}
    created = run.same("eks_cluster", **new_cluster(auto_mode=on))
    assert created["cluster"]["compute_config"]["node_pools"] == ["general-purpose"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "1.37"}, ["runs Kubernetes 1.35", "cannot go to 1.37", "next is 1.36"]),
        ({"version": "1.34"}, ["runs Kubernetes 1.35", "cannot be taken back to 1.34"]),
        ({"version": "1.3"}, ["cannot be taken back to 1.3;"]),
        ({"version": "latest"}, ["'latest' is not a Kubernetes minor version"]),
        ({"service_ipv4_cidr": "10.96.0.0/16"}, ["service_ipv4_cidr", "'172.20.0.0/16'", "'10.96.0.0/16'"]),
        ({"ip_family": "ipv6"}, ["ip_family", "'ipv4'", "'ipv6'"]),
        ({"role_arn": "arn:aws:iam::111122223333:role/other"}, ["role_arn", "role/other"]),
        ({"authentication_mode": "CONFIG_MAP"}, ["authentication_mode", "not back"]),
        ({"public_access_cidrs": ["here"]}, ["public_access_cidrs", "'here' is not a CIDR block"]),
        ({"public_access_cidrs": []}, ["endpoint_public_access=false"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, (dict, list)) else str(value),
)
def test_refused_before_anything_is_changed(
    run: Any, new_cluster: Any, account: Any, change: dict[str, Any], words: list[str]
) -> None:
    options = new_cluster()
    run("eks_cluster", **options)
    before = account.eks_calls()
    wanted = {**options, "log_types": ["api"], "tags": {"a": "b"}, **change}
    failed = run.fails("eks_cluster", **wanted)
    assert run.fails("eks_cluster", check=True, **wanted)["msg"] == failed["msg"]
    for word in words:
        assert word in failed["msg"]
    assert account.eks_calls() == before


def test_an_unknown_version_is_refused(run: Any, new_cluster: Any, account: Any) -> None:
    before = account.eks_calls()
    failed = run.fails("eks_cluster", **new_cluster(version="1.99"))
    assert "does not offer Kubernetes 1.99; it offers 1.34, 1.35, 1.36, 1.37" in failed["msg"]
    assert account.eks_calls() == before


def test_an_update_in_progress_is_waited_for(run: Any, new_cluster: Any, account: Any) -> None:
    options = new_cluster()
    run("eks_cluster", **options)
    eks = account.client("eks")
    eks.update_cluster_config(name=options["name"], zonalShiftConfig={"enabled": True})
    changed = run("eks_cluster", **options, log_types=["api"])
    assert operations(changed) == ["UpdateClusterConfig"]
    shown = eks.describe_cluster(name=options["name"])["cluster"]
    assert shown["zonalShiftConfig"]["enabled"]
    assert shown["logging"]["clusterLogging"][0]["types"] == ["api"]


def test_without_waiting_the_next_run_continues(run: Any, new_cluster: Any) -> None:
    options = new_cluster()
    created = run("eks_cluster", **options, wait=False)
    assert created["waited"] == []
    again = run("eks_cluster", **options)
    assert not again["changed"]
    assert again["cluster"]["status"] == "ACTIVE"


def test_a_new_role_is_waited_for(run: Any, new_cluster: Any, make_role: Any) -> None:
    run.same("eks_cluster", **{**new_cluster(), "role_arn": make_role("eks.amazonaws.com")})


def test_deleted_once(run: Any, new_cluster: Any) -> None:
    options = new_cluster()
    run("eks_cluster", **options)
    deleted = run.same("eks_cluster", name=options["name"], state="absent")
    assert operations(deleted) == ["DeleteCluster"]
    assert deleted["diff"]["after"] == {}
    assert deleted["waited"][-1]["states"][-1] == "absent"


def test_a_protected_cluster_is_kept_by_default(run: Any, new_cluster: Any) -> None:
    options = new_cluster(deletion_protection=True)
    run("eks_cluster", **options)
    assert "protected from deletion" in run.fails("eks_cluster", name=options["name"], state="absent")["msg"]
    deleted = run.same("eks_cluster", name=options["name"], state="absent", deletion_protection=False)
    assert operations(deleted) == ["UpdateClusterConfig", "DeleteCluster"]


def test_a_cluster_with_node_groups_is_not_deleted(run: Any, new_cluster: Any, node_role: str) -> None:
    options = new_cluster()
    run("eks_cluster", **options)
    run(
        "eks_nodegroup",
        cluster_name=options["name"],
        name="workers",
        node_role_arn=node_role,
        subnet_ids=options["subnet_ids"],
    )
    failed = run.fails("eks_cluster", name=options["name"], state="absent")
    assert "still has node group workers" in failed["msg"]
    # A check cannot know what the tasks before have deleted.
    announced = run("eks_cluster", check=True, name=options["name"], state="absent")
    assert operations(announced) == ["DeleteCluster"]
    assert "still has node group workers" in str(announced["warnings"])


def test_node_groups_that_are_being_deleted_are_waited_for(run: Any, new_cluster: Any, node_role: str) -> None:
    options = new_cluster()
    run("eks_cluster", **options)
    group = {"cluster_name": options["name"], "name": "workers"}
    run("eks_nodegroup", **group, node_role_arn=node_role, subnet_ids=options["subnet_ids"])
    run("eks_nodegroup", **group, state="absent", wait=False)
    assert run("eks_cluster", name=options["name"], state="absent")["changed"]


def test_creating_needs_a_role_and_subnets(run: Any) -> None:
    failed = run.fails("eks_cluster", name="incomplete")
    assert "role_arn and subnet_ids must be given" in failed["msg"]


def test_a_failure_in_the_middle_reports_the_changes_made(run: Any, new_cluster: Any) -> None:
    options = new_cluster()
    run("eks_cluster", **options)
    wrong = {**options, "log_types": ["api"], "security_group_ids": ["sg-00000000000000000"]}
    failed = run.fails("eks_cluster", **wrong)
    assert failed["changed"]
    assert operations(failed) == ["UpdateClusterConfig"]
    assert "sg-00000000000000000" in failed["msg"]
    # The next run goes on from there.
    assert not run("eks_cluster", **{**options, "log_types": ["api"]})["changed"]
