# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.addon_plan import (
    is_symbol,
    plan_absent,
    plan_present,
    resolve_version,
    wanted_state,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.errors import (
    EksError,
    ImmutableError,
    VersionError,
)

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


def test_versions_that_are_not_there() -> None:
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
def test_the_same_in_other_words_is_no_plan(options: dict[str, Any]) -> None:
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


def test_a_failed_creation_is_begun_anew() -> None:
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
    with pytest.raises(EksError, match="'sa' is given two roles: one, two"):
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
