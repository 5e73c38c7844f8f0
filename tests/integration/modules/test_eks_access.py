# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access entries with their policies, and pod identity associations."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.integration

VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
EDIT = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"


def operations(result: dict[str, Any]) -> list[str]:
    return [action["operation"] for action in result["actions"]]


def scopes(result: dict[str, Any]) -> dict[str, list[str]]:
    found = result["access_entry"]["policies"]
    return {p["policy_arn"]: p["access_scope"].get("namespaces", []) for p in found}


@pytest.fixture
def principal(make_role: Any) -> str:
    return str(make_role("ec2.amazonaws.com"))


def test_an_entrys_life(run: Any, cluster: str, principal: str) -> None:
    entry = {"cluster_name": cluster, "principal_arn": principal}
    view = {"policy": "AmazonEKSViewPolicy"}
    created = run.same("eks_access_entry", **entry, kubernetes_groups=["b", "a"], policies=[view], tags={"a": "b"})
    assert operations(created) == ["CreateAccessEntry", "AssociateAccessPolicy"]
    assert created["access_entry"]["kubernetes_groups"] == ["a", "b"]
    assert scopes(created) == {VIEW: []}

    assert not run("eks_access_entry", **entry)["changed"]
    assert not run("eks_access_entry", **entry, kubernetes_groups=["a", "b"], policies=[{"policy": VIEW}])["changed"]

    narrowed = {"policy": "AmazonEKSViewPolicy", "namespaces": ["two", "one"]}
    changed = run.same("eks_access_entry", **entry, policies=[narrowed])
    assert operations(changed) == ["AssociateAccessPolicy"]
    assert scopes(changed) == {VIEW: ["one", "two"]}

    edit = {"policy": "AmazonEKSEditPolicy", "scope": "cluster"}
    changed = run.same("eks_access_entry", **entry, policies=[edit], purge_policies=False)
    assert set(scopes(changed)) == {VIEW, EDIT}
    changed = run.same("eks_access_entry", **entry, policies=[edit])
    assert operations(changed) == ["DisassociateAccessPolicy"]
    assert set(scopes(changed)) == {EDIT}
    changed = run.same("eks_access_entry", **entry, policies=[view])
    assert operations(changed) == ["AssociateAccessPolicy", "DisassociateAccessPolicy"]
    changed = run.same("eks_access_entry", **entry, policies=[])
    assert scopes(changed) == {}

    changed = run.same("eks_access_entry", **entry, kubernetes_groups=[], username="someone")
    assert operations(changed) == ["UpdateAccessEntry"]
    assert (changed["access_entry"]["kubernetes_groups"], changed["access_entry"]["username"]) == ([], "someone")
    changed = run.same("eks_access_entry", **entry, tags={"c": "d"})
    assert operations(changed) == ["TagResource", "UntagResource"]

    failed = run.fails("eks_access_entry", **entry, type="EC2_LINUX", kubernetes_groups=["x"])
    assert failed["immutable"] == [{"field": "type", "current": "STANDARD", "wanted": "EC2_LINUX"}]

    deleted = run.same("eks_access_entry", **entry, state="absent")
    assert operations(deleted) == ["DeleteAccessEntry"]


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        ([{"policy": "X", "scope": "namespace"}], "needs namespaces"),
        ([{"policy": "X", "scope": "cluster", "namespaces": ["a"]}], "namespaces as well"),
        ([{"policy": "X"}, {"policy": "X", "namespaces": ["a"]}], "given twice"),
    ],
)
def test_scopes_without_sense(run: Any, cluster: str, principal: str, policies: list[Any], words: str) -> None:
    entry = {"cluster_name": cluster, "principal_arn": principal}
    assert words in run.fails("eks_access_entry", **entry, policies=policies)["msg"]


def test_an_entry_without_a_cluster(run: Any, principal: str) -> None:
    entry = {"cluster_name": "nowhere", "principal_arn": principal}
    assert "no EKS cluster 'nowhere'" in run.fails("eks_access_entry", **entry)["msg"]
    assert operations(run("eks_access_entry", check=True, **entry)) == ["CreateAccessEntry"]
    assert not run("eks_access_entry", **entry, state="absent")["changed"]


def test_an_associations_life(run: Any, cluster: str, make_role: Any) -> None:
    one, two = (make_role("pods.eks.amazonaws.com") for _ in range(2))
    place = {"cluster_name": cluster, "namespace": "data", "service_account": "reader"}
    assert "role_arn must be given" in run.fails("eks_pod_identity_association", **place)["msg"]
    created = run.same("eks_pod_identity_association", **place, role_arn=one, tags={"a": "b"})
    assert operations(created) == ["CreatePodIdentityAssociation"]
    assert created["association"]["role_arn"] == one
    assert not run("eks_pod_identity_association", **place)["changed"]
    changed = run.same("eks_pod_identity_association", **place, role_arn=two, disable_session_tags=True)
    assert operations(changed) == ["UpdatePodIdentityAssociation"]
    assert changed["association"]["association_id"] == created["association"]["association_id"]
    changed = run.same("eks_pod_identity_association", **place, tags={})
    assert operations(changed) == ["UntagResource"]
    deleted = run.same("eks_pod_identity_association", **place, state="absent")
    assert operations(deleted) == ["DeletePodIdentityAssociation"]


def test_an_association_without_a_cluster(run: Any, principal: str) -> None:
    place = {"cluster_name": "nowhere", "namespace": "data", "service_account": "reader", "role_arn": principal}
    assert "no EKS cluster 'nowhere'" in run.fails("eks_pod_identity_association", **place)["msg"]
    assert run("eks_pod_identity_association", check=True, **place)["changed"]
    assert not run("eks_pod_identity_association", **place, state="absent")["changed"]
