# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError, ImmutableError
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.access_plan import (
    plan_association,
    plan_association_absent,
    plan_entry,
    plan_entry_absent,
    wanted_association,
    wanted_entry,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils._eks.reference import steps

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
def test_an_equivalent_configuration_has_an_empty_plan(options: dict[str, Any]) -> None:
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
    with pytest.raises(AwsError, match="role_arn must be given to create it"):
        associate({}, None)


def test_an_add_ons_association_is_left_to_it() -> None:
    owned = {**ASSOCIATION, "ownerArn": "arn:aws:eks:eu-central-1:111122223333:addon/one/x/0"}
    assert associate({"role_arn": "role-one"}, owned) == []
    with pytest.raises(AwsError, match=r"belongs to .*addon/one/x"):
        associate({"role_arn": "role-two"}, owned)
    with pytest.raises(AwsError, match="belongs to"):
        plan_association_absent("one", "ns", "sa", owned)
    assert not plan_association_absent("one", "ns", "sa", None)


# -- whole plans, with requests and diffs

SCOPE = {"clusterName": "one", "principalArn": PRINCIPAL}
CURRENT = {
    "type": ("STANDARD", None),
    "username": ("someone", None),
    "kubernetes_groups": (["a", "b"], None),
    "tags": ({"a": "1"}, None),
    f"policies.{VIEW}": ({"type": "namespace", "namespaces": ["x", "y"]}, None),
}


def test_requests_and_diff_of_a_new_entry() -> None:
    options = {
        "type": "STANDARD",
        "username": "u",
        "kubernetes_groups": ["b", "a"],
        "tags": {"x": "y"},
        "policies": [{"policy": VIEW, "namespaces": ["n"]}],
    }
    planned = plan(options, None)
    assert planned.resource == f"access entry one/{PRINCIPAL}"
    scope = {"type": "namespace", "namespaces": ["n"]}
    assert steps(planned) == [
        (
            "CreateAccessEntry",
            {**SCOPE, "type": "STANDARD", "username": "u", "kubernetesGroups": ["a", "b"], "tags": {"x": "y"}},
            {
                "principal_arn": (None, PRINCIPAL),
                "type": (None, "STANDARD"),
                "username": (None, "u"),
                "kubernetes_groups": (None, ["a", "b"]),
                "tags": (None, {"x": "y"}),
            },
        ),
        (
            "AssociateAccessPolicy",
            {**SCOPE, "policyArn": VIEW, "accessScope": scope},
            {f"policies.{VIEW}": (None, scope)},
        ),
    ]
    assert steps(plan({}, None)) == [("CreateAccessEntry", SCOPE, {"principal_arn": (None, PRINCIPAL)})]


def test_requests_and_diff_of_an_entry_deletion() -> None:
    planned = plan_entry_absent("one", PRINCIPAL, ENTRY, POLICIES)
    assert planned.resource == f"access entry one/{PRINCIPAL}"
    assert steps(planned) == [("DeleteAccessEntry", SCOPE, CURRENT)]
    assert plan_entry_absent("one", PRINCIPAL, None, []).resource == planned.resource


def test_requests_and_diff_of_each_change() -> None:
    groups = {"kubernetes_groups": (["a", "b"], ["c"])}
    update = {**SCOPE, "kubernetesGroups": ["c"], "username": "someone"}
    assert steps(plan({"kubernetes_groups": ["c"]})) == [("UpdateAccessEntry", update, groups)]
    update = {**SCOPE, "kubernetesGroups": ["a", "b"], "username": "other"}
    assert steps(plan({"username": "other"})) == [("UpdateAccessEntry", update, {"username": ("someone", "other")})]
    nameless = {name: value for name, value in ENTRY.items() if name != "username"}
    update = {**SCOPE, "kubernetesGroups": ["c"]}
    assert steps(plan({"kubernetes_groups": ["c"]}, nameless)) == [("UpdateAccessEntry", update, groups)]
    shown = {f"policies.{VIEW}": ({"type": "namespace", "namespaces": ["x", "y"]}, None)}
    assert steps(plan({"policies": []})) == [("DisassociateAccessPolicy", {**SCOPE, "policyArn": VIEW}, shown)]


def test_tags_are_added_and_taken_away() -> None:
    arn = {"resourceArn": ENTRY["accessEntryArn"]}
    added = ("TagResource", {**arn, "tags": {"b": "2"}}, {"tags.b": (None, "2")})
    removed = ("UntagResource", {**arn, "tagKeys": ["a"]}, {"tags.a": ("1", None)})
    assert steps(plan({"tags": {"b": "2"}})) == [added, removed]
    assert steps(plan({"tags": {"b": "2"}}, purge_tags=False)) == [added]
    both = steps(plan({"tags": {"b": "2"}, "username": "other"}))
    assert [operation for operation, _, _ in both] == ["TagResource", "UntagResource", "UpdateAccessEntry"]


def test_fields_that_the_api_omits_have_their_default() -> None:
    bare = {name: value for name, value in ENTRY.items() if name not in {"type", "tags", "kubernetesGroups"}}
    for policy in ({"policyArn": VIEW}, {"policyArn": VIEW, "accessScope": {"namespaces": []}}):
        same = wanted_entry({"principal_arn": PRINCIPAL, "type": "STANDARD", "policies": [{"policy": VIEW}]})
        assert steps(plan_entry("one", PRINCIPAL, bare, [policy], same)) == []


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ([{"policy": "P", "scope": "namespace"}], "policies: P has the scope namespace and needs namespaces."),
        (
            [{"policy": "P", "scope": "cluster", "namespaces": ["n"]}],
            "policies: P has the scope cluster, and namespaces as well.",
        ),
        (
            [{"policy": VIEW}, {"policy": VIEW}],
            f"policies: {VIEW} is given twice; give it once, with all its namespaces.",
        ),
    ],
)
def test_a_scope_without_sense_is_refused(policies: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(AwsError) as said:
        plan({"policies": policies})
    assert str(said.value) == message


def test_the_error_for_an_immutable_entry_type_contains_the_fix() -> None:
    with pytest.raises(ImmutableError) as said:
        plan({"type": "EC2_LINUX"})
    assert str(said.value).startswith(
        f"access entry one/{PRINCIPAL}: type is 'STANDARD' and cannot become 'EC2_LINUX': "
    )
    assert str(said.value).endswith(" Nothing was changed.")
    assert "state=absent" in str(said.value)


PLACE = {"clusterName": "one", "namespace": "ns", "serviceAccount": "sa"}
FOUND = {"clusterName": "one", "associationId": "a-1"}
LABEL = "pod identity association one/ns/sa"


def associated(options: dict[str, Any], found: dict[str, Any] | None = ASSOCIATION, **more: Any) -> Any:
    return plan_association("one", "ns", "sa", found, wanted_association(options), **more)


def test_requests_and_diff_of_associations() -> None:
    role = "arn:aws:iam::111122223333:role/r"
    options = {"role_arn": role, "target_role_arn": role + "2", "disable_session_tags": True, "tags": {"x": "y"}}
    sent = {"roleArn": role, "targetRoleArn": role + "2", "disableSessionTags": True}
    created = associated(options, None)
    assert created.resource == LABEL
    assert steps(created) == [
        (
            "CreatePodIdentityAssociation",
            {**PLACE, **sent, "tags": {"x": "y"}},
            {name: (None, value) for name, value in options.items()},
        )
    ]
    assert steps(associated({"role_arn": role}, None))[0][1] == {**PLACE, "roleArn": role}
    changed = associated(options)
    assert changed.resource == LABEL
    tag = {"resourceArn": ASSOCIATION["associationArn"], "tags": {"x": "y"}}
    changes = {
        "role_arn": ("role-one", role),
        "target_role_arn": ("", role + "2"),
        "disable_session_tags": (False, True),
    }
    assert steps(changed) == [
        ("TagResource", tag, {"tags.x": (None, "y")}),
        ("UpdatePodIdentityAssociation", {**FOUND, **sent}, changes),
    ]
    shown = {"role_arn": ("role-one", None), "policy": ({"Statement": [], "Version": "2012-10-17"}, None)}
    removed = plan_association_absent("one", "ns", "sa", ASSOCIATION)
    assert removed.resource == plan_association_absent("one", "ns", "sa", None).resource == LABEL
    assert steps(removed) == [("DeletePodIdentityAssociation", FOUND, shown | {"disable_session_tags": (False, None)})]


def test_tags_of_associations_are_taken_away_unless_they_are_kept() -> None:
    tagged = ASSOCIATION | {"tags": {"a": "1"}}
    removed = {"resourceArn": ASSOCIATION["associationArn"], "tagKeys": ["a"]}
    assert steps(associated({"tags": {}}, tagged)) == [("UntagResource", removed, {"tags.a": ("1", None)})]
    assert steps(associated({"tags": {}}, tagged, purge_tags=False)) == []
    assert steps(associated({}, tagged)) == []


def test_errors_of_association_changes() -> None:
    with pytest.raises(AwsError) as said:
        associated({"tags": {"x": "y"}}, None)
    assert str(said.value) == f"{LABEL} does not exist, and role_arn must be given to create it."
    with pytest.raises(AwsError) as said:
        associated({"role_arn": "other"}, ASSOCIATION | {"ownerArn": "arn:addon"})
    assert str(said.value) == (
        f"{LABEL} belongs to arn:addon: change the pod_identity_associations of that add-on (eks_addon) instead."
        " Nothing was changed."
    )
    with pytest.raises(AwsError, match=f"{LABEL} belongs to arn:addon"):
        plan_association_absent("one", "ns", "sa", ASSOCIATION | {"ownerArn": "arn:addon"})


def test_a_type_that_eks_shows_is_compared() -> None:
    linux = {**ENTRY, "type": "EC2_LINUX"}
    assert not plan({"type": "EC2_LINUX"}, linux)
    with pytest.raises(ImmutableError, match="type is 'EC2_LINUX' and cannot become 'STANDARD'"):
        plan({"type": "STANDARD"}, linux)


def test_tags_and_groups_change_in_one_run() -> None:
    changed = plan({"kubernetes_groups": ["c"], "tags": {"a": "2"}})
    assert [operation for operation, _ in calls(changed)] == ["TagResource", "UpdateAccessEntry"]


CHAINED: dict[str, Any] = {
    "associationId": "a-1",
    "associationArn": "arn:aws:eks:eu-central-1:111122223333:podidentityassociation/one/a-1",
    "roleArn": PRINCIPAL,
    "targetRoleArn": "arn:aws:iam::444455556666:role/target",
    "disableSessionTags": True,
}


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"role_arn": PRINCIPAL}, {}),
        ({"target_role_arn": CHAINED["targetRoleArn"], "disable_session_tags": True}, {}),
        ({"target_role_arn": ""}, {"target_role_arn": (CHAINED["targetRoleArn"], "")}),
        ({"disable_session_tags": False}, {"disable_session_tags": (True, False)}),
    ],
)
def test_each_setting_of_an_association_is_compared(
    options: dict[str, Any], changed: dict[str, tuple[Any, Any]]
) -> None:
    planned = plan_association("one", "n", "web", CHAINED, wanted_association(options))
    assert [shown for _, _, shown in steps(planned)] == ([changed] if changed else [])
