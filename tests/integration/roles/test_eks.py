# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of the role eks before any change, and a cluster in Auto Mode."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import RunRole

pytestmark = pytest.mark.integration

NETWORK = {"vpc_name": "auto", "vpc_az_count": 2, "vpc_nat": "none", "vpc_endpoints": []}


@pytest.fixture
def network(local_cloud: Any, run_role: RunRole) -> str:
    """Return the name of an existing network."""
    run_role(local_cloud, "vpc", variables=NETWORK)
    return NETWORK["vpc_name"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eks_versoin": "1.36"}, "eks_versoin (did you mean eks_version?)"),
        ({"eks_nodegroups": {"one": {"min_szie": 1}}}, "eks_nodegroups.one.min_szie (did you mean min_size?)"),
        ({"eks_compute": "fargate"}, "value of eks_compute must be one of"),
        ({"eks_public_access_cidrs": []}, "eks_public_access_cidrs is empty"),
        (
            {"eks_nodegroups": {"one": {"launch_template": {"name": "theirs"}, "metadata_hop_limit": 2}}},
            "eks_nodegroups.one has a launch_template, and with it metadata_hop_limit, disk_size or remote_access",
        ),
        ({"eks_nodegroups": {"one": {"metadata_hop_limit": 65}}}, "eks_nodegroups.one.metadata_hop_limit is 65"),
        ({"eks_vpc_name": "nowhere"}, "private subnets in at least two zones, named nowhere-private-*. There are 0"),
        ({"eks_log_retention_days": 100}, "value of eks_log_retention_days must be one of"),
    ],
)
def test_refuses_before_there_is_a_cluster(
    local_cloud: Any, run_role: RunRole, options: dict[str, Any], message: str
) -> None:
    done = run_role(local_cloud, "eks", variables={"eks_name": "refused", **options}, succeed=False)
    assert message in " ".join(done.output.split())
    assert "refused" not in local_cloud.client("eks").list_clusters()["clusters"]


def test_an_unknown_version_names_those_that_there_are(local_cloud: Any, run_role: RunRole, network: str) -> None:
    options = {"eks_name": "refused", "eks_vpc_name": network, "eks_version": "1.99"}
    done = run_role(local_cloud, "eks", variables=options, succeed=False)
    assert "EKS does not offer Kubernetes 1.99; it offers" in " ".join(done.output.split())
    assert done.announced == set(), "nothing is created for a cluster that cannot be"
    assert "refused" not in local_cloud.client("eks").list_clusters()["clusters"]


@pytest.mark.exhaustive
def test_auto_mode_needs_no_node_groups(local_cloud: Any, run_role: RunRole, network: str) -> None:
    eks = local_cloud.client("eks")
    options = {"eks_name": "auto", "eks_vpc_name": network, "eks_compute": "auto_mode"}
    options["eks_addons"] = {"metrics-server": False}
    run_role(local_cloud, "eks", variables=options)
    cluster = eks.describe_cluster(name="auto")["cluster"]
    assert cluster["computeConfig"]["enabled"]
    assert cluster["computeConfig"]["nodeRoleArn"].endswith(":role/auto-node")
    assert eks.list_nodegroups(clusterName="auto")["nodegroups"] == []
    assert eks.list_addons(clusterName="auto")["addons"] == []
    attached = local_cloud.client("iam").list_attached_role_policies(RoleName="auto-cluster")["AttachedPolicies"]
    assert {"AmazonEKSComputePolicy", "AmazonEKSNetworkingPolicy"} <= {one["PolicyName"] for one in attached}
    assert run_role(local_cloud, "eks", "--diff", variables=options).announced == set()
    run_role(local_cloud, "eks", variables={**options, "eks_confirm": "auto"}, tasks_from="absent")
    assert "auto" not in eks.list_clusters()["clusters"]
