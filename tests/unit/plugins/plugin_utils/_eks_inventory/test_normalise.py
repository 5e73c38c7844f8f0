from __future__ import annotations

import json
from datetime import UTC, datetime

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._eks_inventory.normalise import (
    account_of,
    normalise_addon,
    normalise_cluster,
    normalise_insight,
    normalise_nodegroup,
)

CLUSTER = {
    "name": "data",
    "arn": "arn:aws:eks:eu-central-1:111122223333:cluster/data",
    "createdAt": datetime(2026, 1, 2, tzinfo=UTC),
    "status": "ACTIVE",
    "version": "1.36",
    "platformVersion": "eks.1",
    "endpoint": "https://x",
    "certificateAuthority": {"data": "Y2E="},
    "resourcesVpcConfig": {"vpcId": "vpc-1", "publicAccessCidrs": ["0.0.0.0/0"]},
    "upgradePolicy": {"supportType": "STANDARD"},
    "tags": {"CamelCase": "KeptAsItIs"},
}


def test_a_cluster() -> None:
    plain = normalise_cluster(CLUSTER, "eu-central-1")
    assert plain == {
        "name": "data",
        "arn": "arn:aws:eks:eu-central-1:111122223333:cluster/data",
        "created_at": "2026-01-02T00:00:00+00:00",
        "status": "ACTIVE",
        "version": "1.36",
        "platform_version": "eks.1",
        "endpoint": "https://x",
        "certificate_authority_data": "Y2E=",
        "vpc_config": {"vpc_id": "vpc-1", "public_access_cidrs": ["0.0.0.0/0"]},
        "vpc_id": "vpc-1",
        "upgrade_policy": {"support_type": "STANDARD"},
        "support_type": "STANDARD",
        "region": "eu-central-1",
        "account_id": "111122223333",
        "tags": {"CamelCase": "KeptAsItIs"},
    }
    json.dumps(plain)


def test_a_cluster_that_is_being_created_has_the_same_keys() -> None:
    bare = {"name": "data", "arn": CLUSTER["arn"], "status": "CREATING"}
    plain = normalise_cluster(bare, "eu-central-1")
    for key in ("endpoint", "version", "platform_version", "certificate_authority_data", "vpc_id", "support_type"):
        assert plain[key] == ""
    assert plain["tags"] == {}


def test_described_fields_of_a_cluster() -> None:
    nodegroup = normalise_nodegroup(
        {"nodegroupName": "a", "labels": {"someLabel": "x"}, "scalingConfig": {"minSize": 1}}
    )
    assert nodegroup == {"name": "a", "labels": {"someLabel": "x"}, "scaling_config": {"min_size": 1}}
    assert normalise_addon({"addonName": "coredns", "addonVersion": "v1"}) == {"name": "coredns", "version": "v1"}
    insight = normalise_insight({"id": "i", "insightStatus": {"status": "ERROR", "reason": "r"}})
    assert insight == {"id": "i", "status": "ERROR", "reason": "r"}


def test_the_account_of_an_arn() -> None:
    assert account_of("arn:aws-cn:eks:cn-north-1:111122223333:cluster/a") == "111122223333"
    assert account_of("none") == ""
