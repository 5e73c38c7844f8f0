# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.access_plan import (
    plan_association,
    plan_association_absent,
    plan_entry,
    plan_entry_absent,
    wanted_association,
    wanted_entry,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.errors import EksError, ImmutableError

PRINCIPAL = "arn:aws:iam::111122223333:role/team"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
EDIT = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"
ENTRY: dict[str, Any] = {
    "accessEntryArn": "arn:aws:eks:eu-central-1:111122223333:access-entry/one/role/111122223333/team/0",
    "principalArn": PRINCIPAL,
    "kubernetesGroups": ["b", "a"],
    "username": "someone",
    "type": "STANDARD",
    "tags": {"a": "1"},
}
POLICIES = [{"policyArn": VIEW, "accessScope": {"type": "namespace", "namespaces": ["y", "x"]}}]


def plan(options: dict[str, Any], entry: dict[str, Any] | None = ENTRY, **more: Any) -> Any:
    wanted = wanted_entry({"principal_arn": PRINCIPAL, **options})
    return plan_entry("one", PRINCIPAL, entry, POLICIES if entry else [], wanted, **more)


def calls(planned: Any) -> list[tuple[str, dict[str, Any]]]:
    left_out = ("clusterName", "principalArn", "resourceArn")
    return [(s.operation, {k: v for k, v in s.request.items() if k not in left_out}) for s in planned]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kubernetes_groups": ["a", "b", "a"], "username": "someone", "type": "STANDARD", "tags": {"a": "1"}},
        {"policies": [{"policy": "AmazonEKSViewPolicy", "namespaces": ["x", "y"]}]},
        {"policies": [{"policy": VIEW, "scope": "namespace", "namespaces": ["y", "x"]}]},
    ],
)
def test_the_same_in_other_words_is_no_plan(options: dict[str, Any]) -> None:
    assert not plan(options)


def test_policies_are_added_before_others_go() -> None:
    assert calls(plan({"policies": [{"policy": "AmazonEKSEditPolicy"}]})) == [
        ("AssociateAccessPolicy", {"policyArn": EDIT, "accessScope": {"type": "cluster"}}),
        ("DisassociateAccessPolicy", {"policyArn": VIEW}),
    ]
    assert calls(plan({"policies": []})) == [("DisassociateAccessPolicy", {"policyArn": VIEW})]
    assert not plan({"policies": []}, purge_policies=False)


def test_another_scope_is_associated_again() -> None:
    planned = plan({"policies": [{"policy": VIEW, "scope": "cluster"}]})
    assert calls(planned) == [("AssociateAccessPolicy", {"policyArn": VIEW, "accessScope": {"type": "cluster"}})]
    assert planned.diff()["before"] == {f"policies.{VIEW}": {"type": "namespace", "namespaces": ["x", "y"]}}


def test_groups_and_name_are_sent_together() -> None:
    expected = [("UpdateAccessEntry", {"kubernetesGroups": [], "username": "someone"})]
    assert calls(plan({"kubernetes_groups": []})) == expected


def test_the_type_is_immutable() -> None:
    with pytest.raises(ImmutableError, match="type is 'STANDARD' and cannot become 'EC2_LINUX'"):
        plan({"type": "EC2_LINUX"})


def test_policies_are_of_the_principals_partition() -> None:
    wanted = wanted_entry(
        {"principal_arn": "arn:aws-cn:iam::111122223333:role/team", "policies": [{"policy": "AmazonEKSViewPolicy"}]}
    )
    assert "policies.arn:aws-cn:eks::aws:cluster-access-policy/AmazonEKSViewPolicy" in wanted


def test_creation_and_deletion_of_an_entry() -> None:
    options = {"kubernetes_groups": ["b", "a"], "policies": [{"policy": VIEW}], "tags": {"x": "y"}}
    assert calls(plan(options, None)) == [
        ("CreateAccessEntry", {"kubernetesGroups": ["a", "b"], "tags": {"x": "y"}}),
        ("AssociateAccessPolicy", {"policyArn": VIEW, "accessScope": {"type": "cluster"}}),
    ]
    assert calls(plan_entry_absent("one", PRINCIPAL, ENTRY, POLICIES)) == [("DeleteAccessEntry", {})]
    assert not plan_entry_absent("one", PRINCIPAL, None, [])


ASSOCIATION: dict[str, Any] = {
    "associationArn": "arn:aws:eks:eu-central-1:111122223333:podidentityassociation/one/a-1",
    "associationId": "a-1",
    "roleArn": "role-one",
    "policy": '{"Version": "2012-10-17", "Statement": []}',
    "tags": {},
}


def associate(options: dict[str, Any], found: dict[str, Any] | None = ASSOCIATION) -> Any:
    return calls(plan_association("one", "ns", "sa", found, wanted_association(options)))


def test_associations() -> None:
    assert associate({}) == []
    assert associate({"role_arn": "role-one", "disable_session_tags": False, "target_role_arn": ""}) == []
    assert associate({"policy": {"Statement": [], "Version": "2012-10-17"}}) == []
    assert associate({"role_arn": "role-two"}) == [
        ("UpdatePodIdentityAssociation", {"associationId": "a-1", "roleArn": "role-two"})
    ]
    assert associate({"policy": {}}) == [("UpdatePodIdentityAssociation", {"associationId": "a-1", "policy": ""})]
    assert associate({"role_arn": "r", "policy": {"a": 1}, "tags": {"x": "y"}}, None) == [
        (
            "CreatePodIdentityAssociation",
            {"namespace": "ns", "serviceAccount": "sa", "roleArn": "r", "policy": '{"a":1}', "tags": {"x": "y"}},
        )
    ]
    with pytest.raises(EksError, match="role_arn must be given to create it"):
        associate({}, None)


def test_an_add_ons_association_is_left_to_it() -> None:
    owned = {**ASSOCIATION, "ownerArn": "arn:aws:eks:eu-central-1:111122223333:addon/one/x/0"}
    assert associate({"role_arn": "role-one"}, owned) == []
    with pytest.raises(EksError, match=r"belongs to .*addon/one/x"):
        associate({"role_arn": "role-two"}, owned)
    with pytest.raises(EksError, match="belongs to"):
        plan_association_absent("one", "ns", "sa", owned)
    assert not plan_association_absent("one", "ns", "sa", None)
