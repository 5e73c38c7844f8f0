# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags that are numbers, booleans or null: each module with tags sends them as text, once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.options import ROLES

pytestmark = pytest.mark.integration

TAGS = {"cost-centre": 4711, "keep": True, "spot": False, "note": None}
MODULES = ("eks_access_entry", "eks_addon", "eks_cluster", "eks_nodegroup", "eks_pod_identity_association")
OTHERS = (
    "eks_launch_template",
    "cloudwatchlogs_group",
    "ec2_network",
    "route53_private_zone",
    "secretsmanager_documents",
    "s3_versioned_bucket",
)
# Needs two networks: its tags use the same code as those of route53_private_zone.
ELSEWHERE = {"ec2_network_peering"}


@pytest.fixture
def options(network: Any, new_cluster: Any, make_role: Any, cluster: str, account: Any) -> dict[str, Any]:
    place = {"cluster_name": cluster}
    account.client("ec2").create_tags(Resources=[network.vpc_id], Tags=[{"Key": "Name", "Value": "of-the-zone"}])
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    principal = make_role("ec2.amazonaws.com")
    return {
        "eks_cluster": new_cluster(),
        "eks_access_entry": place | {"principal_arn": principal},
        "eks_addon": place | {"name": "kube-proxy", "wait": False},
        "eks_nodegroup": place | {"name": "tagged", "node_role_arn": principal, "subnet_ids": network.subnet_ids[:1]},
        "eks_pod_identity_association": place
        | {"namespace": "tagged", "service_account": "tagged", "role_arn": make_role("pods.eks.amazonaws.com")},
        "eks_launch_template": place | {"name": "of-the-template"},
        "cloudwatchlogs_group": {"name": "/tagged"},
        "ec2_network": {"name": "tagged", "cidr": "10.91.0.0/16", "subnets": []},
        "route53_private_zone": {"name": "tagged.internal", "vpc": "of-the-zone"},
        "secretsmanager_documents": {
            "fleet": "tagged",
            "documents": [{"name": "a/b", "secret": {"c": "d"}}],
            "kms_key": key,
        },
        "s3_versioned_bucket": {"name": "tagged-bucket"},
    }


@pytest.mark.parametrize("module", [*MODULES, *OTHERS])
def test_tags_of_any_scalar(run: Any, options: dict[str, Any], module: str) -> None:
    assert run(module, **options[module], tags=TAGS)["changed"]
    again = run(module, **options[module], tags=TAGS)
    assert not again["changed"], again["diff"]


def test_every_module_with_tags_is_tried() -> None:
    modules = (ROLES.parent / "plugins" / "modules").glob("*.py")
    found = {path.stem for path in modules if "- amazon.aws.tags" in path.read_text()}
    assert found == {*MODULES, *OTHERS, *ELSEWHERE}
