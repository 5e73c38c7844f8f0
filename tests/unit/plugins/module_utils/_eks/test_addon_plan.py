# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import (
    AwsError,
    ImmutableError,
    VersionError,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.addon_plan import (
    is_symbol,
    plan_absent,
    plan_present,
    resolve_version,
    wanted_state,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils._eks.reference import steps

ROLE = "arn:aws:iam::111122223333:role/addon"
ADDON: dict[str, Any] = {
    "addonName": "vpc-cni",
    "addonArn": "arn:aws:eks:eu-central-1:111122223333:addon/one/vpc-cni/0",
    "clusterName": "one",
    "status": "ACTIVE",
    "addonVersion": "v1.20.0-eksbuild.9",
    "serviceAccountRoleArn": ROLE,
    "configurationValues": '{"b": {"d": 1}, "a": "x"}',
    "podIdentityAssociations": ["arn:aws:eks:eu-central-1:111122223333:podidentityassociation/one/a-1"],
    "tags": {},
}
OWNED = [{"serviceAccount": "sa", "roleArn": ROLE, "associationArn": "a-1"}]


def version(name: str, *, default: bool = False) -> dict[str, Any]:
    return {"addonVersion": name, "compatibilities": [{"clusterVersion": "1.36", "defaultVersion": default}]}


OFFERED = [
    version("v1.20.0-eksbuild.9", default=True),
    version("v1.20.0-eksbuild.10"),
    version("v1.9.9-eksbuild.1"),
]


def plan(options: dict[str, Any], found: dict[str, Any] | None = ADDON, **more: Any) -> Any:
    return plan_present("one", "vpc-cni", found, wanted_state(options), associations=OWNED, **more)


def calls(planned: Any) -> list[tuple[str, dict[str, Any]]]:
    return [
        (s.operation, {k: v for k, v in s.request.items() if k not in ("clusterName", "addonName")}) for s in planned
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("default", "v1.20.0-eksbuild.9"),
        ("latest", "v1.20.0-eksbuild.10"),
        ("v1.9.9-eksbuild.1", "v1.9.9-eksbuild.1"),
    ],
)
def test_versions_are_resolved(wanted: str, expected: str) -> None:
    assert resolve_version("vpc-cni", wanted, "1.36", OFFERED) == expected
    assert is_symbol(wanted) == (wanted != expected)


def test_missing_versions() -> None:
    with pytest.raises(VersionError, match=r"has no version v2 for Kubernetes 1\.36; it has v1\.20\.0-eksbuild\.10, "):
        resolve_version("vpc-cni", "v2", "1.36", OFFERED)
    with pytest.raises(VersionError, match=r"none of that name for Kubernetes 1\.36"):
        resolve_version("nonsense", "latest", "1.36", [])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"version": "v1.20.0-eksbuild.9", "service_account_role_arn": ROLE},
        {"configuration": {"a": "x", "b": {"d": 1}}},
        {"pod_identity_associations": [{"service_account": "sa", "role_arn": ROLE}]},
    ],
)
def test_an_equivalent_configuration_has_an_empty_plan(options: dict[str, Any]) -> None:
    assert not plan(options)


def test_yaml_is_the_same_as_json() -> None:
    assert not plan(
        {"configuration": {"a": "x", "b": {"d": 1}}}, {**ADDON, "configurationValues": "a: x\nb:\n  d: 1\n"}
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"configuration": {"a": "y"}}, {"configurationValues": '{"a":"y"}'}),
        ({"configuration": {}}, {"configurationValues": "{}"}),
        ({"version": "v1.21.0"}, {"addonVersion": "v1.21.0"}),
        ({"service_account_role_arn": "other"}, {"serviceAccountRoleArn": "other"}),
        ({"pod_identity_associations": []}, {"podIdentityAssociations": []}),
    ],
)
def test_an_update_keeps_what_it_is_not_about(options: dict[str, Any], expected: dict[str, Any]) -> None:
    ((operation, request),) = calls(plan(options, resolve_conflicts="PRESERVE"))
    assert operation == "UpdateAddon"
    kept = {
        "addonVersion": "v1.20.0-eksbuild.9",
        "serviceAccountRoleArn": ROLE,
        "configurationValues": '{"a":"x","b":{"d":1}}',
        "resolveConflicts": "PRESERVE",
    }
    assert request == {**kept, **expected}


def test_a_failed_creation_starts_again() -> None:
    failed = {**ADDON, "status": "CREATE_FAILED"}
    planned = calls(plan({"configuration": {"a": "y"}}, failed))
    assert [operation for operation, _ in planned] == ["DeleteAddon", "CreateAddon"]
    assert planned[1][1]["addonVersion"] == "v1.20.0-eksbuild.9"
    assert planned[1][1]["configurationValues"] == '{"a":"y"}'


def test_a_failed_update_is_tried_again() -> None:
    (step,) = plan({}, {**ADDON, "status": "UPDATE_FAILED"})
    assert step.operation == "UpdateAddon"
    assert list(step.changes) == ["status"]


def test_the_namespace_is_immutable() -> None:
    with pytest.raises(ImmutableError, match="namespace is 'a' and cannot become 'b'"):
        plan({"namespace": "b"}, {**ADDON, "namespaceConfig": {"namespace": "a"}})


def test_one_service_account_has_one_role() -> None:
    pairs = [{"service_account": "sa", "role_arn": role} for role in ("one", "two")]
    with pytest.raises(AwsError, match="'sa' is given two roles: one, two"):
        wanted_state({"pod_identity_associations": pairs})


def test_creation_and_deletion() -> None:
    ((operation, request),) = calls(plan({"configuration": {"a": 1}, "tags": {"a": "b"}, "namespace": "n"}, None))
    assert operation == "CreateAddon"
    assert request == {
        "configurationValues": '{"a":1}',
        "namespaceConfig": {"namespace": "n"},
        "resolveConflicts": "OVERWRITE",
        "tags": {"a": "b"},
    }
    assert calls(plan_absent("one", "vpc-cni", ADDON, preserve=True)) == [("DeleteAddon", {"preserve": True})]
    assert not plan_absent("one", "vpc-cni", None)


# -- whole plans, with requests and diffs

SCOPE = {"clusterName": "one", "addonName": "vpc-cni"}
LABEL = "add-on one/vpc-cni"
CURRENT = {
    "version": "v1.20.0-eksbuild.9",
    "service_account_role_arn": ROLE,
    "configuration": {"b": {"d": 1}, "a": "x"},
    "pod_identity_associations": {"sa": ROLE},
}
SENT = {
    "addonVersion": "v1.20.0-eksbuild.9",
    "serviceAccountRoleArn": ROLE,
    "configurationValues": '{"a":"x","b":{"d":1}}',
    "resolveConflicts": "OVERWRITE",
}


def test_requests_and_diff_of_a_new_add_on() -> None:
    pairs = [{"service_account": name, "role_arn": ROLE} for name in ("sb", "sa", "sa")]
    options = {
        "version": "v1",
        "service_account_role_arn": ROLE,
        "namespace": "n",
        "configuration": "a: 1",
        "tags": {"x": "y"},
        "pod_identity_associations": pairs,
    }
    planned = plan(options, None, resolve_conflicts="NONE")
    assert (planned.resource, [step.ends for step in planned]) == (LABEL, ["active"])
    request = {
        **SCOPE,
        "addonVersion": "v1",
        "serviceAccountRoleArn": ROLE,
        "configurationValues": "a: 1",
        "podIdentityAssociations": [{"serviceAccount": name, "roleArn": ROLE} for name in ("sa", "sb")],
        "namespaceConfig": {"namespace": "n"},
        "resolveConflicts": "NONE",
        "tags": {"x": "y"},
    }
    shown = {name: (None, value) for name, value in {"name": "vpc-cni", **options}.items()}
    shown["pod_identity_associations"] = (None, {"sa": ROLE, "sb": ROLE})
    assert steps(planned) == [("CreateAddon", request, shown)]
    sent = {**SCOPE, "resolveConflicts": "OVERWRITE"}
    assert steps(plan({}, None)) == [("CreateAddon", sent, {"name": (None, "vpc-cni")})]


def test_requests_and_diff_of_an_add_on_deletion() -> None:
    planned = plan_absent("one", "vpc-cni", ADDON, OWNED)
    assert (planned.resource, [step.ends for step in planned]) == (LABEL, ["gone"])
    assert steps(planned) == [("DeleteAddon", SCOPE, {name: (value, None) for name, value in CURRENT.items()})]
    for found in (None, ADDON | {"status": "DELETING"}):
        nothing = plan_absent("one", "vpc-cni", found)
        assert (nothing.resource, steps(nothing)) == (LABEL, [])
    more = {"namespaceConfig": {"namespace": "n"}, "tags": {"a": "1"}}
    ((_, _, shown),) = steps(plan_absent("one", "vpc-cni", ADDON | more))
    assert (shown["namespace"], shown["tags"]) == (("n", None), ({"a": "1"}, None))


def test_requests_and_diff_of_an_update() -> None:
    placed = ADDON | {"namespaceConfig": {"namespace": "n"}}
    planned = plan({"version": "v2", "namespace": "n"}, placed)
    assert (planned.resource, [step.ends for step in planned]) == (LABEL, ["update"])
    changes = {"version": ("v1.20.0-eksbuild.9", "v2")}
    assert steps(planned) == [("UpdateAddon", {**SCOPE, **SENT, "addonVersion": "v2"}, changes)]
    role = ROLE + "2"
    sent = steps(plan({"pod_identity_associations": [{"service_account": "sa", "role_arn": role}]}))[0]
    assert sent[1]["podIdentityAssociations"] == [{"serviceAccount": "sa", "roleArn": role}]
    assert sent[2] == {"pod_identity_associations": ({"sa": ROLE}, {"sa": role})}


def test_tags_are_added_and_taken_away() -> None:
    tagged = ADDON | {"tags": {"a": "1"}}
    arn = {"resourceArn": ADDON["addonArn"]}
    added = ("TagResource", {**arn, "tags": {"b": "2"}}, {"tags.b": (None, "2")})
    removed = ("UntagResource", {**arn, "tagKeys": ["a"]}, {"tags.a": ("1", None)})
    assert steps(plan({"tags": {"b": "2"}}, tagged)) == [added, removed]
    assert steps(plan({"tags": {"b": "2"}}, tagged, purge_tags=False)) == [added]
    assert [step.operation for step in plan({"tags": {"a": "1", "b": "2"}, "version": "v2"}, tagged)] == [
        "TagResource",
        "UpdateAddon",
    ]


def test_requests_and_diff_after_failures() -> None:
    failed = ADDON | {"status": "CREATE_FAILED", "tags": {"a": "1"}}
    planned = plan({"version": "v2"}, failed, resolve_conflicts="NONE")
    assert (planned.resource, [step.ends for step in planned]) == (LABEL, ["gone", "active"])
    created = {
        **SCOPE,
        **SENT,
        "addonVersion": "v2",
        "podIdentityAssociations": [{"serviceAccount": "sa", "roleArn": ROLE}],
        "resolveConflicts": "NONE",
        "tags": {"a": "1"},
    }
    shown = {name: (None, value) for name, value in {**CURRENT, "version": "v2", "tags": {"a": "1"}}.items()}
    shown["name"] = (None, "vpc-cni")
    deleted = ("DeleteAddon", SCOPE, {"status": ("CREATE_FAILED", None)})
    assert steps(planned) == [deleted, ("CreateAddon", created, shown)]
    again = plan({}, ADDON | {"status": "UPDATE_FAILED"})
    assert steps(again) == [("UpdateAddon", {**SCOPE, **SENT}, {"status": ("UPDATE_FAILED", "ACTIVE")})]


def test_fields_that_the_api_omits_are_empty() -> None:
    bare = {name: ADDON[name] for name in ("addonName", "addonArn", "addonVersion")}
    found = plan_present("one", "vpc-cni", bare, wanted_state({"version": "v2"}))
    sent = {**SCOPE, "addonVersion": "v2", "resolveConflicts": "OVERWRITE"}
    assert steps(found) == [("UpdateAddon", sent, {"version": ("v1.20.0-eksbuild.9", "v2")})]
    assert steps(plan_present("one", "vpc-cni", bare, wanted_state({"configuration": {}, "tags": {}}))) == []


def test_the_default_is_the_clusters_versions_own() -> None:
    other = {"addonVersion": "v9", "compatibilities": [{"clusterVersion": "1.35", "defaultVersion": True}]}
    assert resolve_version("a", "default", "1.36", [other, *OFFERED]) == "v1.20.0-eksbuild.9"
    assert resolve_version("a", "default", "1.36", [{"addonVersion": "v1"}, {"addonVersion": "v2"}]) == "v2"
    assert resolve_version("a", "default", "1.36", [version("v1"), version("v2")]) == "v2"


def test_errors_of_missing_versions() -> None:
    with pytest.raises(VersionError) as said:
        resolve_version("a", "latest", "1.36", [])
    assert str(said.value) == "add-on a: EKS has none of that name for Kubernetes 1.36."
    for count, more in ((8, ""), (9, ", ...")):
        with pytest.raises(VersionError) as said:
            resolve_version("a", "v99", "1.36", [version(f"v{number}") for number in range(count)])
        known = ", ".join(f"v{number}" for number in range(count - 1, count - 9, -1))
        assert str(said.value) == (
            f"add-on a has no version v99 for Kubernetes 1.36; it has {known}{more}. Nothing was changed."
        )


def test_the_error_for_an_immutable_namespace_contains_the_fix() -> None:
    with pytest.raises(ImmutableError) as said:
        plan({"namespace": "b"}, ADDON | {"namespaceConfig": {"namespace": "a"}})
    assert str(said.value).startswith(f"{LABEL}: namespace is 'a' and cannot become 'b': ")
