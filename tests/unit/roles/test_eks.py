# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derived values of the role eks."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import CHECKOUT, evaluate

SUBNETS = [
    {"subnet_id": "subnet-c", "availability_zone": "eu-central-1c", "vpc_id": "vpc-1", "tags": {}},
    {"subnet_id": "subnet-b", "availability_zone": "eu-central-1b", "vpc_id": "vpc-1", "tags": {}},
    {"subnet_id": "subnet-a", "availability_zone": "eu-central-1a", "vpc_id": "vpc-1", "tags": {}},
]


def found(subnets: list[dict[str, str]], *clusters: dict[str, Any]) -> dict[str, Any]:
    return {"__eks_found_subnets": {"subnets": subnets}, "__eks_found": {"clusters": list(clusters)}}


def cluster(*subnet_ids: str) -> dict[str, Any]:
    return {"resources_vpc_config": {"subnet_ids": list(subnet_ids)}}


@pytest.mark.parametrize(
    ("state", "subnets"),
    [
        (found(SUBNETS), ["subnet-a", "subnet-b", "subnet-c"]),
        (found(SUBNETS, cluster("subnet-a", "subnet-b")), ["subnet-a", "subnet-b"]),
        (found(SUBNETS, cluster("subnet-elsewhere")), ["subnet-a", "subnet-b", "subnet-c"]),
        (found([]), ["subnet-of-this-run-1", "subnet-of-this-run-2"]),
    ],
    ids=["new", "with a zone more", "moved from elsewhere", "nothing yet"],
)
def test_a_control_plane_stays_in_its_zones(state: dict[str, Any], subnets: list[str]) -> None:
    assert evaluate("eks", "__eks_cluster_subnets", **state) == subnets


def test_a_subnet_more_in_a_zone_of_the_control_plane_is_taken() -> None:
    more = {**SUBNETS[2], "subnet_id": "subnet-a2"}
    state = found([*SUBNETS, more], cluster("subnet-a", "subnet-b"))
    assert evaluate("eks", "__eks_cluster_subnets", **state) == ["subnet-a", "subnet-a2", "subnet-b"]


@pytest.mark.parametrize(
    ("own", "clusters"),
    [
        ({"vpc_id": "vpc-2"}, [{"resources_vpc_config": {"vpc_id": "vpc-2"}}]),
        ({"tags": {"dataplatform.fleet/fleet": "dataplatform", "dataplatform.fleet/cluster": "staging"}}, []),
    ],
    ids=["the cluster's network", "the fleet's network"],
)
def test_subnets_of_other_networks_are_not_taken(own: dict[str, Any], clusters: list[dict[str, Any]]) -> None:
    subnets = [
        *SUBNETS,
        *({**one, "vpc_id": "vpc-2", "subnet_id": f"own-{one['subnet_id']}", **own} for one in SUBNETS),
    ]
    state = found(subnets, *clusters)
    assert evaluate("eks", "__eks_cluster_subnets", **state) == ["own-subnet-a", "own-subnet-b", "own-subnet-c"]
    assert evaluate("eks", "__eks_private_subnets", **state) == ["own-subnet-a", "own-subnet-b", "own-subnet-c"]
    assert evaluate("eks", "__eks_subnets_vpcs", **state) == ["vpc-2"]


def test_several_networks_without_the_fleets_tags_are_seen() -> None:
    state = found([*SUBNETS, {**SUBNETS[0], "vpc_id": "vpc-2"}])
    assert evaluate("eks", "__eks_subnets_vpcs", **state) == ["vpc-1", "vpc-2"]


def test_no_inventory_allows_access_from_the_internet() -> None:
    """Except the overlay of the local cloud, which listens on 127.0.0.1 only."""
    assert evaluate("eks", "eks_public_access_cidrs") == []
    files = (CHECKOUT / "inventories").rglob("*.yml")
    opened = [path.relative_to(CHECKOUT).parts[1] for path in files if "0.0.0.0/0" in path.read_text(encoding="utf-8")]
    assert opened == ["local"]


def policies_of(suffix: str, **state: Any) -> list[str]:
    roles = evaluate("eks", "__eks_roles", __eks_caller={"arn": "arn:aws:iam::111122223333:root"}, **state)
    (policies,) = [role["policies"] for role in roles if role["name"].endswith(suffix)]
    return list(policies)


def node_policies(**state: Any) -> list[str]:
    return policies_of("-node", **state)


@pytest.mark.parametrize("enabled", [True, False])
def test_auto_mode_can_be_disabled_and_removes_its_nodes(enabled: bool) -> None:
    state = {"__eks_found": {"clusters": [{"compute_config": {"enabled": enabled}}]}}
    policies = policies_of("-cluster", eks_compute="managed_nodegroups", **state)
    assert ("AmazonEKSComputePolicy" in policies) is enabled


def test_auto_mode_leaves_the_nodes_of_node_groups_able_to_work() -> None:
    before = {"__eks_found": {"clusters": [{"nodegroups": [{"nodegroup_name": "general"}]}]}}
    kept = node_policies(eks_compute="auto_mode", **before)
    assert set(kept) > set(node_policies(eks_compute="managed_nodegroups", **before))
    assert "AmazonEKSWorkerNodeMinimalPolicy" in kept


def test_auto_mode_alone_gives_its_nodes_no_more_than_they_need() -> None:
    policies = node_policies(eks_compute="auto_mode", __eks_found={"clusters": []})
    assert policies == ["AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodeMinimalPolicy"]


def test_the_control_planes_log_group_is_eks_own_without_a_cluster_too() -> None:
    expected = ["log_group//aws/eks/dataplatform-staging/cluster"]
    assert evaluate("eks", "__eks_adopted_from_eks", __eks_found={"clusters": []}) == expected


PLATFORM = "arn:aws:iam::111122223333:role/platform"


@pytest.mark.parametrize(
    ("caller", "entry", "own"),
    [
        ("arn:aws:sts::111122223333:assumed-role/platform/run", {"principal_arn": PLATFORM, "tags": {}}, True),
        (
            "arn:aws:sts::111122223333:assumed-role/platform/run",
            {"principal_arn": PLATFORM.replace("role/", "role/some/path/")},
            True,
        ),
        ("arn:aws:iam::111122223333:user/platform", {"principal_arn": "arn:aws:iam::111122223333:user/platform"}, True),
        ("arn:aws:sts::111122223333:assumed-role/platform/run", {"principal_arn": f"{PLATFORM}-2"}, False),
        ("arn:aws:sts::111122223333:assumed-role/form/run", {"principal_arn": PLATFORM}, False),
        ("arn:aws:sts::444455556666:assumed-role/platform/run", {"principal_arn": PLATFORM}, False),
        (
            "arn:aws:sts::111122223333:assumed-role/platform/run",
            {"principal_arn": PLATFORM, "tags": {"team": "theirs"}},
            False,
        ),
        (
            "arn:aws:sts::111122223333:assumed-role/platform/run",
            {"principal_arn": PLATFORM, "type": "EC2_LINUX"},
            False,
        ),
    ],
)
def test_the_creators_entry_is_its_own_to_declare(caller: str, entry: dict[str, Any], own: bool) -> None:
    entries = {"access_entries": [{"type": "STANDARD", **entry}]}
    found = evaluate("eks", "__eks_creators_principals", __eks_caller={"arn": caller}, __eks_entries=entries)
    assert found == ([entry["principal_arn"]] if own else [])


def test_unmanaged_launch_templates_with_the_name_are_kept() -> None:
    tags = {"dataplatform.fleet/fleet": "one"}

    def template(group: str, **more: Any) -> dict[str, Any]:
        return {"launch_template_name": f"c/{group}", "launch_template_id": f"lt-{group}", "tags": tags, **more}

    found = [template(name) for name in ("kept", "gone", "named", "known")]
    found += [template("theirs", tags={}), template("others", tags={"dataplatform.fleet/fleet": "two"})]
    groups = {
        "kept": {},
        "a": {"launch_template": {"name": "c/named"}},
        "b": {"launch_template": {"id": "lt-known", "version": "1"}},
        "c": {"launch_template": {}},
    }
    left = evaluate(
        "eks",
        "__eks_templates_left",
        eks_name="c",
        eks_tags=tags,
        eks_nodegroups=groups,
        __eks_found={"clusters": []},
        __eks_found_templates={"launch_templates": found},
    )
    assert left == ["gone"]
