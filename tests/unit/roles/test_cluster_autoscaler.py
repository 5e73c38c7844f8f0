# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of cluster_autoscaler become objects, and what its pods may do in AWS."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    CHECKOUT,
    ROLES,
    evaluate,
    only,
    render_role,
    select,
)

CALLER = {"arn": "arn:aws:iam::111122223333:user/admin", "account": "111122223333"}
CONNECTED = {"__cluster_autoscaler_caller": CALLER, "aws_region": "eu-central-1"}


def container(**options: Any) -> dict[str, Any]:
    deployment = only(render_role("cluster_autoscaler", **options), "Deployment")
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def policy(**options: Any) -> dict[str, dict[str, Any]]:
    text = evaluate("cluster_autoscaler", "lookup('ansible.builtin.template', 'policy.json.j2')", **CONNECTED | options)
    statements = (json.loads(text) if isinstance(text, str) else text)["Statement"]
    return {statement["Sid"]: statement for statement in statements}


@pytest.mark.parametrize(("compute", "enabled"), [("managed_nodegroups", True), ("auto_mode", False)])
def test_is_for_managed_node_groups(compute: str, enabled: bool) -> None:
    assert evaluate("cluster_autoscaler", "cluster_autoscaler_enabled", fleet_compute=compute) is enabled


def test_finds_the_node_groups_of_its_own_cluster_only() -> None:
    tag = "k8s.io/cluster-autoscaler/dataplatform-staging"
    assert f"--node-group-auto-discovery=asg:tag=k8s.io/cluster-autoscaler/enabled,{tag}" in container()["args"]


def test_changes_the_node_groups_of_its_own_cluster_only() -> None:
    statements = policy()
    changing = {
        sid
        for sid, statement in statements.items()
        if not all(":Describe" in action or ":Get" in action for action in _actions(statement))
    }
    assert changing == {"SizeOwnNodeGroups"}
    assert statements["SizeOwnNodeGroups"]["Condition"]["StringEquals"] == {
        "aws:ResourceTag/k8s.io/cluster-autoscaler/enabled": "true",
        "aws:ResourceTag/k8s.io/cluster-autoscaler/dataplatform-staging": "owned",
    }
    resource = statements["LookAtOwnNodeGroups"]["Resource"]
    assert resource == "arn:aws:eks:eu-central-1:111122223333:nodegroup/dataplatform-staging/*/*"
    other = policy(__cluster_autoscaler_caller=CALLER | {"arn": "arn:aws-cn:iam::111122223333:user/admin"})
    assert other["SizeOwnNodeGroups"]["Resource"].startswith("arn:aws-cn:autoscaling:")


def _actions(statement: dict[str, Any]) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else actions


def test_one_leads_and_the_locks_are_its_own() -> None:
    objects = render_role("cluster_autoscaler")
    assert {"--leader-elect=true", "--namespace=cluster-autoscaler"} <= set(container()["args"])
    (lease,) = (
        rule
        for rule in only(objects, "Role")["rules"]
        if rule["resources"] == ["leases"] and rule["verbs"] != ["create"]
    )
    assert lease["resourceNames"] == ["cluster-autoscaler"]


def test_reads_no_secrets_and_deletes_nothing_in_the_cluster() -> None:
    for rule in only(render_role("cluster_autoscaler"), "ClusterRole")["rules"]:
        assert not {"secrets", "configmaps", "*"} & set(rule["resources"])
        assert not {"delete", "deletecollection", "*"} & set(rule["verbs"])


def test_a_site_s_flags_win() -> None:
    args = container(cluster_autoscaler_flags={"expander": "priority", "v": 4})["args"]
    assert {"--expander=priority", "--v=4"} <= set(args)
    assert len({arg.partition("=")[0] for arg in args}) == len(args)
    assert args == sorted(args)


def test_the_image_is_pulled_from_the_mirror_by_digest() -> None:
    digest = "sha256:" + "a" * 64
    found = container(
        cluster_autoscaler_image_mirror="registry.example.com/k8s", cluster_autoscaler_image_digest=digest
    )["image"]
    assert re.fullmatch(rf"registry\.example\.com/k8s/autoscaling/cluster-autoscaler:v\d+\.\d+\.\d+@{digest}", found)


def test_sizes_and_what_differs_from_them() -> None:
    small, large = container()["resources"], container(cluster_autoscaler_size="large")["resources"]
    assert small != large
    other = container(cluster_autoscaler_resources={"limits": {"memory": "1Gi"}})["resources"]
    assert other == {"requests": small["requests"], "limits": small["limits"] | {"memory": "1Gi"}}


def test_only_prometheus_reaches_it() -> None:
    (peer,) = only(render_role("cluster_autoscaler"), "NetworkPolicy")["spec"]["ingress"][0]["from"]
    assert peer["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}
    alone = only(render_role("cluster_autoscaler", cluster_autoscaler_metrics_namespaces=[]), "NetworkPolicy")
    assert alone["spec"]["ingress"] == []
    assert select(render_role("cluster_autoscaler"), "Service") == []


def test_the_version_is_of_the_kubernetes_minor_that_clusters_begin_with() -> None:
    def default(role: str, name: str) -> str:
        text = (ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8")
        return str(yaml.safe_load(text)[name])

    version = default("cluster_autoscaler", "cluster_autoscaler_version")
    assert version.startswith(f"v{default('eks', 'eks_version')}.")
    catalogue = (CHECKOUT / "observability" / "metrics" / "cluster_autoscaler.txt").read_text(encoding="utf-8")
    for line in catalogue.splitlines():
        assert line.split("\t")[2].startswith(f"cluster-autoscaler {version.removeprefix('v')} "), line
