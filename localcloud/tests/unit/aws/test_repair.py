# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only resources whose creation failed are deleted."""

from __future__ import annotations

import pytest

from localcloud.aws import ministack, repair, store

from .conftest import ACCOUNT, REGION, nodegroup, status

ISSUES = {"issues": [{"code": "InternalFailure", "message": "no room:\nand so on\nfull", "resourceIds": []}]}


@pytest.fixture(autouse=True)
def nothing_failed(server):
    """Remove the failed resources of other tests."""
    repair.remove_failed([(ACCOUNT, REGION)], None)


@pytest.fixture
def change(server):
    def change(kind, key, **members):
        with ministack.request_scope(ACCOUNT, REGION):
            getattr(store, kind)[key].update(members)

    return change


def test_a_failed_cluster_is_deleted_and_can_be_created(eks, ec2, make_cluster, make_network, change):
    network = make_network()
    failed = make_cluster(network=network, deletionProtection=True)
    good = make_cluster()
    group = eks.describe_cluster(name=failed)["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"]
    change("clusters", failed, _status="FAILED", health=ISSUES)
    assert repair.remove_failed([(ACCOUNT, REGION)] * 2, None) == [
        f"Cluster {failed} was FAILED (no room: full): it is deleted, and the next run creates it"
    ]
    assert failed not in eks.list_clusters()["clusters"]
    assert status(eks, good) == "ACTIVE"
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [network.vpc_id]}])["SecurityGroups"]
    assert group not in [found["GroupId"] for found in groups]
    make_cluster(name=failed, network=network)
    assert status(eks, failed) == "ACTIVE"


def test_a_failed_node_group_is_deleted_and_can_be_created(eks, make_cluster, make_nodegroup, change):
    cluster = make_cluster()
    failed, good = make_nodegroup(cluster), make_nodegroup(cluster)
    change("nodegroups_all", f"{cluster}/{failed}", _status="CREATE_FAILED", health={"issues": []})
    assert repair.remove_failed([(ACCOUNT, REGION)], None) == [
        f"Node group {cluster}/{failed} was CREATE_FAILED (no reason given): it is deleted, and the next run creates it"
    ]
    assert eks.list_nodegroups(clusterName=cluster)["nodegroups"] == [good]
    make_nodegroup(cluster, nodegroupName=failed)
    assert nodegroup(eks, cluster, failed)["status"] == "ACTIVE"


def test_without_failures_nothing_is_deleted(eks, make_cluster):
    name = make_cluster()
    assert repair.remove_failed([(ACCOUNT, REGION)], None) == []
    assert status(eks, name) == "ACTIVE"
