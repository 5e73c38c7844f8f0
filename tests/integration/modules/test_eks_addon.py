# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lifecycle of an add-on."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def fresh(run: Any, new_cluster: Any, node_role: str) -> str:
    """A cluster without add-ons, with nodes for them."""
    options = new_cluster(version="1.36")
    run("eks_cluster", **options)
    run(
        "eks_nodegroup",
        cluster_name=options["name"],
        name="workers",
        node_role_arn=node_role,
        subnet_ids=options["subnet_ids"],
        min_size=2,
        max_size=2,
    )
    return str(options["name"])


def operations(result: dict[str, Any]) -> list[str]:
    return [action["operation"] for action in result["actions"]]


def test_a_life(run: Any, fresh: str, account: Any) -> None:
    options = {"cluster_name": fresh, "name": "vpc-cni"}
    created = run.same("eks_addon", **options, version="default", configuration={"enableNetworkPolicy": "true"})
    assert operations(created) == ["CreateAddon"]
    assert created["addon"]["status"] == "ACTIVE"

    # Omitted values are kept; equal data in another notation is equal.
    assert not run("eks_addon", **options)["changed"]
    eks = account.client("eks")
    eks.update_addon(
        clusterName=fresh,
        addonName="vpc-cni",
        configurationValues=json.dumps({"enableNetworkPolicy": "true"}, indent=4),
    )
    assert not run("eks_addon", **options, configuration={"enableNetworkPolicy": "true"})["changed"]

    changed = run.same("eks_addon", **options, configuration={"env": {"WARM_IP_TARGET": "2"}})
    assert operations(changed) == ["UpdateAddon"]
    assert json.loads(changed["addon"]["configuration_values"]) == {"env": {"WARM_IP_TARGET": "2"}}
    # Other values are kept by the update.
    assert changed["addon"]["addon_version"] == created["addon"]["addon_version"]

    changed = run.same("eks_addon", **options, configuration={})
    assert changed["diff"]["after"] == {"configuration": {}}
    changed = run.same("eks_addon", **options, tags={"a": "b"})
    assert operations(changed) == ["TagResource"]

    deleted = run.same("eks_addon", **options, state="absent", preserve=True)
    assert operations(deleted) == ["DeleteAddon"]


def test_versions(run: Any, fresh: str, account: Any) -> None:
    offered = account.client("eks").describe_addon_versions(addonName="kube-proxy", kubernetesVersion="1.36")
    versions = [v["addonVersion"] for v in offered["addons"][0]["addonVersions"]]
    assert len(versions) > 1
    options = {"cluster_name": fresh, "name": "kube-proxy"}
    oldest = run.same("eks_addon", **options, version=versions[-1])
    assert oldest["addon"]["addon_version"] == versions[-1]
    assert not run("eks_addon", **options)["changed"]
    latest = run.same("eks_addon", **options, version="latest")
    assert operations(latest) == ["UpdateAddon"]
    assert latest["addon"]["addon_version"] == versions[0]
    before = account.eks_calls()
    failed = run.fails("eks_addon", **options, version="v9.9.9-eksbuild.1")
    assert "has no version v9.9.9-eksbuild.1 for Kubernetes 1.36" in failed["msg"]
    assert versions[0] in failed["msg"]
    assert "none of that name" in run.fails("eks_addon", cluster_name=fresh, name="nonsense", version="latest")["msg"]
    assert account.eks_calls() == before


def test_pod_identities(run: Any, fresh: str, make_role: Any) -> None:
    one, two = (make_role("pods.eks.amazonaws.com") for _ in range(2))
    run("eks_addon", cluster_name=fresh, name="eks-pod-identity-agent")
    options = {"cluster_name": fresh, "name": "aws-ebs-csi-driver"}

    def pairs(role: str) -> list[dict[str, str]]:
        return [{"service_account": "ebs-csi-controller-sa", "role_arn": role}]

    created = run.same("eks_addon", **options, pod_identity_associations=pairs(one), wait=False)
    assert [a["role_arn"] for a in created["addon"]["pod_identity_associations"]] == [one]
    changed = run.same("eks_addon", **options, pod_identity_associations=pairs(two), wait=False)
    assert operations(changed) == ["UpdateAddon"]
    assert [a["role_arn"] for a in changed["addon"]["pod_identity_associations"]] == [two]
    owned = run.fails(
        "eks_pod_identity_association",
        cluster_name=fresh,
        namespace="kube-system",
        service_account="ebs-csi-controller-sa",
        role_arn=one,
    )
    assert "belongs to" in owned["msg"]
    changed = run.same("eks_addon", **options, pod_identity_associations=[], wait=False)
    assert changed["addon"]["pod_identity_associations"] == []


def test_a_degraded_add_on_fails_with_its_reasons(run: Any, new_cluster: Any) -> None:
    options = new_cluster(version="1.36")
    run("eks_cluster", **options)
    # Without nodes there is nothing coredns could run on.
    failed = run.fails("eks_addon", cluster_name=options["name"], name="coredns", wait_timeout=3)
    assert "DEGRADED" in failed["msg"]
    assert "InsufficientNumberOfReplicas" in failed["msg"]
    assert failed["waited"][-1]["states"][-1] == "DEGRADED"


def test_an_unknown_configuration_is_refused(run: Any, fresh: str) -> None:
    failed = run.fails("eks_addon", cluster_name=fresh, name="coredns", configuration={"noSuchKey": 1})
    assert "noSuchKey" in failed["msg"] or "ConfigurationValue" in failed["msg"]
    assert failed["error"]["code"] == "InvalidParameterException"


def test_without_a_cluster(run: Any) -> None:
    options = {"cluster_name": "nowhere", "name": "coredns"}
    assert "no EKS cluster 'nowhere'" in run.fails("eks_addon", **options)["msg"]
    assert operations(run("eks_addon", check=True, **options)) == ["CreateAddon"]
    assert not run("eks_addon", **options, state="absent")["changed"]
