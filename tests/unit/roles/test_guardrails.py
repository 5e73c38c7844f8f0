# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of guardrails become objects."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applier import CONFIRMATION
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    ROLES,
    evaluate,
    only,
    render_role,
    role_names,
    select,
)

TEAM = {"guardrails_tenants": [{"name": "analytics"}]}


def namespace(**entry: Any) -> dict[str, Any]:
    return only(render_role("guardrails", guardrails_namespaces=[{"name": "x", **entry}]), "Namespace", "x")


def test_a_namespace_is_restricted_and_protected_by_default() -> None:
    labels = namespace()["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "latest"
    assert labels["dataplatform.fleet/protected"] == "true"
    other = namespace(pod_security="baseline", protected=False, labels={"team": "a"})["metadata"]["labels"]
    assert other["pod-security.kubernetes.io/enforce"] == "baseline"
    assert other["dataplatform.fleet/protected"] == "false"
    assert other["team"] == "a"


def test_labels_of_the_role_outrank_those_of_a_site() -> None:
    """A site must not undo the level by a label."""
    labels = namespace(labels={"pod-security.kubernetes.io/enforce": "privileged"})["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_reason_is_kept() -> None:
    annotations = namespace(pod_security="privileged", pod_security_reason="Mounts /var/log.")["metadata"][
        "annotations"
    ]
    assert annotations == {"dataplatform.fleet/pod-security-reason": "Mounts /var/log."}


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({}, []),
        ({"pod_security": "baseline"}, []),
        ({"pod_security": "privileged"}, ["x"]),
        ({"pod_security": "privileged", "pod_security_reason": "Mounts /var/log."}, []),
    ],
)
def test_privileged_needs_a_reason(entry: dict[str, Any], named: list[str]) -> None:
    options = {"guardrails_namespaces": [{"name": "x", **entry}]}
    assert evaluate("guardrails", "__guardrails_unreasoned", **options) == named


def test_every_namespace_denies_by_default() -> None:
    objects = render_role("guardrails", **TEAM)
    for found in select(objects, "Namespace"):
        name = found["metadata"]["name"]
        deny = only(objects, "NetworkPolicy", "default-deny", name)["spec"]
        assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        only(objects, "NetworkPolicy", "allow-dns", name)
        only(objects, "ResourceQuota", "quota", name)
        only(objects, "LimitRange", "defaults", name)


def test_name_servers_outside_of_pods_can_be_reached() -> None:
    objects = render_role("guardrails", guardrails_dns_cidrs=["172.20.0.10/32"])
    (rule,) = only(objects, "NetworkPolicy", "allow-dns", "ingress-nginx")["spec"]["egress"]
    assert {"ipBlock": {"cidr": "172.20.0.10/32"}} in rule["to"]
    assert {port["port"] for port in rule["ports"]} == {53}


def test_a_namespace_brings_its_own_policies() -> None:
    spec = {"podSelector": {}, "egress": [{"ports": [{"port": 443}]}]}
    objects = render_role(
        "guardrails", guardrails_tenants=[{"name": "a", "network_policies": [{"name": "https", "spec": spec}]}]
    )
    assert only(objects, "NetworkPolicy", "https", "a")["spec"] == spec


@pytest.mark.parametrize(
    ("tenants", "principals"),
    [
        ([], []),
        ([{"name": "a"}], []),
        ([{"name": "a", "principals": ["p"]}, {"name": "b", "principals": ["q", "p"]}], ["p", "q"]),
    ],
)
def test_each_principal_has_one_entry(tenants: list[dict[str, Any]], principals: list[str]) -> None:
    assert evaluate("guardrails", "__guardrails_principals", guardrails_tenants=tenants) == principals


@pytest.mark.parametrize(
    ("tags", "ours"), [({}, False), ({"other": "x"}, False), ({"dataplatform.fleet/owner": "guardrails"}, True)]
)
def test_only_entries_of_the_role_are_taken_away(tags: dict[str, str], ours: bool) -> None:
    entries = {"access_entries": [{"principal_arn": "p", "tags": tags}]}
    assert evaluate("guardrails", "__guardrails_granted", __guardrails_entries=entries) == (["p"] if ours else [])


def test_only_one_default_storage_class() -> None:
    objects = render_role("guardrails", guardrails_storage_demote_gp2=True)
    marks = {
        item["metadata"]["name"]: item["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"]
        for item in select(objects, "StorageClass")
    }
    assert marks == {"gp3": "true", "gp2": "false"}


def test_volumes_of_auto_mode_need_its_nodes() -> None:
    objects = render_role(
        "guardrails",
        guardrails_storage_provisioner="ebs.csi.eks.amazonaws.com",
        guardrails_storage_kms_key_id="arn:aws:kms:eu-central-1:111122223333:key/1",
    )
    found = only(objects, "StorageClass", "gp3")
    assert found["allowedTopologies"][0]["matchLabelExpressions"][0]["key"] == "eks.amazonaws.com/compute-type"
    assert found["parameters"]["kmsKeyId"].endswith(":key/1")


def test_teams_may_use_their_own_priorities_only() -> None:
    quota = only(render_role("guardrails", **TEAM), "ResourceQuota", "no-foreign-priority", "analytics")
    (expression,) = quota["spec"]["scopeSelector"]["matchExpressions"]
    assert expression["values"] == ["platform", "platform-critical", "system-cluster-critical", "system-node-critical"]
    assert quota["spec"]["hard"] == {"pods": "0"}


def test_a_policy_denies_and_fails_closed() -> None:
    objects = render_role("guardrails")
    policies = select(objects, "ValidatingAdmissionPolicy")
    bindings = {
        item["spec"]["policyName"]: item["spec"] for item in select(objects, "ValidatingAdmissionPolicyBinding")
    }
    assert {policy["metadata"]["name"] for policy in policies} == set(bindings)
    for policy in policies:
        assert policy["spec"]["failurePolicy"] == "Fail"
        assert bindings[policy["metadata"]["name"]]["validationActions"] == ["Deny"]


def test_apply_signs_confirmed_deletions_as_the_policies_ask() -> None:
    assert evaluate("guardrails", "__guardrails_confirmation") == CONFIRMATION


@pytest.mark.parametrize(("typed", "limit"), [("", 0.5), ("no", 0.5), ("dataplatform-staging", 1.0)])
def test_only_the_typed_name_lifts_the_limit_of_removals(typed: str, limit: float) -> None:
    tasks = parse((ROLES / "guardrails" / "tasks" / "objects.yml").read_text(encoding="utf-8"))
    (given,) = [task["dataplatform.fleet.apply"]["prune_limit"] for task in tasks if "dataplatform.fleet.apply" in task]
    assert evaluate("guardrails", given.strip("{} "), guardrails_confirm=typed) == limit


@pytest.mark.parametrize("purpose", ["controlplane", "workload"])
@pytest.mark.parametrize(
    "name",
    ["kube-system", "kube-public", "kube-anything", "default", "agents", "ingress-nginx", "amazon-guardduty"],
)
def test_a_team_has_no_namespace_of_others(name: str, purpose: str) -> None:
    options = {"guardrails_tenants": [{"name": "analytics"}, {"name": name}], "guardrails_purpose": purpose}
    assert evaluate("guardrails", "__guardrails_reserved_tenants", **options) == [name]


@pytest.mark.parametrize("name", ["kafka", "grafana", "kibana", "logstash", "elasticsearch"])
def test_a_team_can_have_the_name_of_another_clusters_component(name: str) -> None:
    options: dict[str, Any] = {"guardrails_tenants": [{"name": name}]}
    for purpose, expected in (("controlplane", [name]), ("workload", [])):
        assert (
            evaluate("guardrails", "__guardrails_reserved_tenants", **options, guardrails_purpose=purpose) == expected
        )


def test_every_namespace_of_every_role_is_the_platforms() -> None:
    reserved = evaluate("guardrails", "__guardrails_reserved_names", guardrails_purpose="controlplane")
    for role in role_names():
        defaults = parse((ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
        assert defaults.get(f"{role}_namespace", "agents") in reserved


def test_the_clusters_own_namespaces_are_not_guarded() -> None:
    options = {"guardrails_namespaces": [{"name": name} for name in ("kafka", "kube-system", "default", "mine")]}
    assert evaluate("guardrails", "__guardrails_reserved_namespaces", **options) == ["default", "kube-system"]
    assert evaluate("guardrails", "__guardrails_reserved_namespaces + __guardrails_reserved_tenants") == []


def test_a_cluster_that_exists_already_gets_no_namespace_of_a_role_that_does_not_run_there() -> None:
    names = {one["name"] for one in evaluate("guardrails", "guardrails_namespaces", fleet_provider="existing")}
    assert names == {"agents", "node-agents"}
    created = {one["name"] for one in evaluate("guardrails", "guardrails_namespaces")} - names
    assert created == {"ingress-nginx", "cluster-autoscaler"}
