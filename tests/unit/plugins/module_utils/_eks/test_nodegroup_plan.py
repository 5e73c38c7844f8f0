# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import (
    AwsError,
    ImmutableError,
    VersionError,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.nodegroup_plan import (
    plan_absent,
    plan_present,
    wanted_state,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils._eks.reference import steps
from botocore.validate import ParamValidator

ROLE = "arn:aws:iam::111122223333:role/node"
GROUP: dict[str, Any] = {
    "nodegroupName": "workers",
    "nodegroupArn": "arn:aws:eks:eu-central-1:111122223333:nodegroup/one/workers/0",
    "clusterName": "one",
    "status": "ACTIVE",
    "version": "1.35",
    "releaseVersion": "1.35.4-20260904",
    "capacityType": "ON_DEMAND",
    "scalingConfig": {"minSize": 1, "maxSize": 5, "desiredSize": 3},
    "instanceTypes": ["m7i.large", "m6i.large"],
    "subnets": ["subnet-b", "subnet-a"],
    "amiType": "AL2023_x86_64_STANDARD",
    "nodeRole": ROLE,
    "diskSize": 20,
    "labels": {"a": "1", "b": "2"},
    "taints": [
        {"key": "x", "value": "1", "effect": "NO_SCHEDULE"},
        {"key": "y", "effect": "NO_EXECUTE"},
    ],
    "updateConfig": {"maxUnavailable": 1},
    "tags": {},
}


def plan(options: dict[str, Any], found: dict[str, Any] | None = GROUP, **more: Any) -> Any:
    more.setdefault("cluster_version", "1.36")
    return plan_present("one", "workers", found, wanted_state(options), **more)


def calls(planned: Any) -> list[tuple[str, dict[str, Any]]]:
    left_out = ("clusterName", "nodegroupName", "resourceArn")
    return [(s.operation, {k: v for k, v in s.request.items() if k not in left_out}) for s in planned]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"instance_types": ["m6i.large", "m7i.large"], "subnet_ids": ["subnet-a", "subnet-b"], "disk_size": 20},
        {
            "taints": [
                {"key": "y", "value": None, "effect": "NoExecute"},
                {"key": "x", "value": "1", "effect": "NoSchedule"},
            ]
        },
        {"labels": {"b": 2, "a": "1"}},
        {"min_size": 1, "max_size": 5, "desired_size": 1},
        {"min_size": 3, "max_size": 5} | {"min_size": 1},
        {"update_config": {"max_unavailable": 1, "max_unavailable_percentage": None}},
        {"node_repair_config": {"enabled": False}},
        {"warm_pool_config": {"enabled": False}},
        {"version": "1.35", "release_version": "1.35.4-20260904", "ami_type": "AL2023_x86_64_STANDARD"},
    ],
)
def test_an_equivalent_configuration_has_an_empty_plan(options: dict[str, Any]) -> None:
    assert not plan(options)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, {"updateConfig": {"maxUnavailablePercentage": 50}}),
        ({"capacity_type": "SPOT"}, {"capacityType": "SPOT"}),
        (
            {"remote_access": {"source_security_groups": ["sg-b", "sg-a"]}},
            {"remoteAccess": {"sourceSecurityGroups": ["sg-a", "sg-b"]}},
        ),
    ],
)
def test_a_group_with_the_desired_state_has_an_empty_plan(options: dict[str, Any], found: dict[str, Any]) -> None:
    assert not plan(options, GROUP | found)


@pytest.mark.parametrize(
    ("options", "more", "expected"),
    [
        ({"labels": {"a": "1"}}, {}, {"labels": {"removeLabels": ["b"]}}),
        ({"labels": {"a": "9"}}, {"purge_labels": False}, {"labels": {"addOrUpdateLabels": {"a": "9"}}}),
        ({"labels": {"on": True}}, {}, {"labels": {"addOrUpdateLabels": {"on": "true"}, "removeLabels": ["a", "b"]}}),
        (
            {"taints": [{"key": "x", "value": "2", "effect": "NoSchedule"}]},
            {},
            {
                "taints": {
                    "addOrUpdateTaints": [{"key": "x", "value": "2", "effect": "NO_SCHEDULE"}],
                    "removeTaints": [{"key": "y", "effect": "NO_EXECUTE"}],
                }
            },
        ),
        ({"max_size": 6}, {}, {"scalingConfig": {"minSize": 1, "maxSize": 6, "desiredSize": 3}}),
        ({"max_size": 2}, {}, {"scalingConfig": {"minSize": 1, "maxSize": 2, "desiredSize": 2}}),
        ({"min_size": 4}, {}, {"scalingConfig": {"minSize": 4, "maxSize": 5, "desiredSize": 4}}),
        (
            {"desired_size": 2},
            {"desired_size_policy": "always"},
            {"scalingConfig": {"minSize": 1, "maxSize": 5, "desiredSize": 2}},
        ),
        (
            {"update_config": {"max_unavailable_percentage": 50}},
            {},
            {"updateConfig": {"maxUnavailablePercentage": 50}},
        ),
        (
            {"node_repair_config": {"enabled": True, "node_repair_config_overrides": [{"repair_action": "Reboot"}]}},
            {},
            {"nodeRepairConfig": {"enabled": True, "nodeRepairConfigOverrides": [{"repairAction": "Reboot"}]}},
        ),
    ],
)
def test_a_change_of_configuration(options: dict[str, Any], more: dict[str, Any], expected: dict[str, Any]) -> None:
    assert calls(plan(options, **more)) == [("UpdateNodegroupConfig", expected)]


def test_all_configuration_is_one_call_and_the_version_another() -> None:
    planned = plan({"labels": {}, "taints": [], "max_size": 9, "tags": {"a": "b"}, "version": "1.36"}, force=True)
    assert [operation for operation, _ in calls(planned)] == [
        "TagResource",
        "UpdateNodegroupConfig",
        "UpdateNodegroupVersion",
    ]
    assert calls(planned)[-1][1] == {"version": "1.36", "force": True}


def test_a_release_and_a_template_are_one_call() -> None:
    templated = {**GROUP, "launchTemplate": {"id": "lt-1", "name": "one", "version": "1"}}
    wanted = {"release_version": "1.35.6-20261106", "launch_template": {"name": "one", "version": "2"}}
    assert calls(plan(wanted, templated)) == [
        (
            "UpdateNodegroupVersion",
            {"releaseVersion": "1.35.6-20261106", "launchTemplate": {"id": "lt-1", "version": "2"}},
        )
    ]
    assert not plan({"launch_template": {"id": "lt-1"}}, templated)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"instance_types": ["c7i.large"]}, "instance_types"),
        ({"subnet_ids": ["subnet-c"]}, "subnet_ids"),
        ({"disk_size": 30}, "disk_size"),
        ({"ami_type": "CUSTOM"}, "ami_type"),
        ({"capacity_type": "SPOT"}, "capacity_type"),
        ({"node_role_arn": "other"}, "node_role_arn"),
        ({"remote_access": {"ec2_ssh_key": "k"}}, "remote_access.ec2_ssh_key"),
        ({"launch_template": {"id": "lt-1"}}, "launch_template.id"),
    ],
)
def test_immutable_fields_are_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ImmutableError, match="Nothing was changed") as raised:
        plan({**options, "labels": {}})
    assert [entry["field"] for entry in raised.value.details["immutable"]] == [field]
    assert str(raised.value).startswith(f"{LABEL}: {field} is ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"version": "1.34"}, r"runs Kubernetes 1\.35 and cannot be taken back to 1\.34"),
        ({"version": "1.37"}, r"cannot go to 1\.37: its cluster runs 1\.36"),
        ({"release_version": "1.35.1-20260101"}, "cannot be taken back to 1.35.1-20260101"),
    ],
)
def test_versions_that_cannot_be_reached(options: dict[str, Any], words: str) -> None:
    with pytest.raises(VersionError, match=words):
        plan(options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_size": 3, "max_size": 2}, "min_size 3 is greater than max_size 2"),
        ({"min_size": 2, "desired_size": 1}, "desired_size 1 is smaller than min_size 2"),
        ({"max_size": 2, "desired_size": 3}, "desired_size 3 is greater than max_size 2"),
        ({"min_size": 9}, "min_size 9 is greater than max_size 5"),
        ({"desired_size": 9}, "desired_size 9 is greater than max_size 5"),
        ({"taints": [{"key": "x", "effect": "Never"}]}, "the effect of 'x' is 'Never'"),
    ],
)
def test_sizes_and_taints_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(AwsError, match=words):
        plan(options)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, None),
        ({"min_size": 2}, (2, 2, 2)),
        ({"max_size": 4}, (1, 4, 1)),
        ({"desired_size": 3}, (1, 3, 3)),
        ({"desired_size": 0}, (0, 1, 0)),
        ({"min_size": 0, "max_size": 3}, (0, 3, 1)),
        ({"min_size": 0, "max_size": 3, "desired_size": 0}, (0, 3, 0)),
    ],
)
def test_sizes_at_creation_fit_each_other(sizes: dict[str, int], expected: tuple[int, int, int] | None) -> None:
    (step,) = plan({"node_role_arn": ROLE, "subnet_ids": ["a"], **sizes}, None)
    scaling = step.request.get("scalingConfig")
    assert (scaling and (scaling["minSize"], scaling["maxSize"], scaling["desiredSize"])) == expected


def test_creation_is_one_call_with_everything() -> None:
    options = {
        "node_role_arn": ROLE,
        "subnet_ids": ["b", "a"],
        "instance_types": ["z.large", "a.large"],
        "capacity_type": "SPOT",
        "ami_type": "BOTTLEROCKET_x86_64",
        "disk_size": 30,
        "labels": {"a": "b"},
        "taints": [{"key": "x", "effect": "PreferNoSchedule"}],
        "min_size": 1,
        "max_size": 2,
        "desired_size": 2,
        "remote_access": {"ec2_ssh_key": "k", "source_security_groups": ["sg"]},
        "update_config": {"max_unavailable": 1, "update_strategy": "MINIMAL"},
        "node_repair_config": {"enabled": True, "max_unhealthy_node_threshold_percentage": 20},
        "warm_pool_config": {"enabled": True, "pool_state": "STOPPED"},
        "version": "1.36",
        "release_version": "1.54.0-0b9e4d27",
        "tags": {"c": "d"},
    }
    (step,) = plan(options, None, ordered_types=options["instance_types"])
    assert step.request["instanceTypes"] == ["z.large", "a.large"]
    assert step.request["taints"] == [{"key": "x", "effect": "PREFER_NO_SCHEDULE"}]
    assert step.request["nodeRepairConfig"] == {"enabled": True, "maxUnhealthyNodeThresholdPercentage": 20}
    model = botocore.session.get_session().get_service_model("eks").operation_model("CreateNodegroup")
    report = ParamValidator().validate(dict(step.request), model.input_shape)
    assert not report.has_errors(), report.generate_report()
    assert set(step.changes) >= {"labels", "taints", "min_size", "tags", "warm_pool_config.pool_state"}


def test_creation_needs_a_role_subnets_and_the_clusters_version() -> None:
    with pytest.raises(AwsError, match="node_role_arn and subnet_ids must be given"):
        plan({}, None)
    with pytest.raises(VersionError, match=r"cannot be created with Kubernetes 1\.35: cluster one runs 1\.36"):
        plan({"node_role_arn": ROLE, "subnet_ids": ["a"], "version": "1.35"}, None)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"disk_size": 30}, "disk_size together"),
        ({"remote_access": {"ec2_ssh_key": "k", "source_security_groups": ["sh", "sg"]}}, "remote_access together"),
        ({"remote_access": {"ec2_ssh_key": "k"}, "disk_size": 30}, "disk_size and remote_access together"),
    ],
)
def test_what_a_launch_template_excludes(more: dict[str, Any], words: str) -> None:
    new = {"node_role_arn": ROLE, "subnet_ids": ["a"], **more}
    (step,) = plan(new, None)
    remote = step.request.get("remoteAccess", {})
    assert remote.get("sourceSecurityGroups") in (None, ["sg", "sh"])
    with pytest.raises(AwsError) as refused:
        plan({**new, "launch_template": {"name": "t"}}, None)
    assert str(refused.value) == (
        f"{LABEL}: EKS does not take {words} with launch_template. Set BlockDeviceMappings, KeyName and "
        "SecurityGroupIds in the launch template. Nothing was changed."
    )


def test_deletion() -> None:
    (step,) = plan_absent("one", "workers", GROUP)
    assert (step.operation, step.ends) == ("DeleteNodegroup", "gone")
    assert not plan_absent("one", "workers", None)
    assert not plan_absent("one", "workers", {**GROUP, "status": "DELETING"})


# -- whole plans, with requests and diffs

SCOPE = {"clusterName": "one", "nodegroupName": "workers"}
LABEL = "node group one/workers"
NEW = {"node_role_arn": ROLE, "subnet_ids": ["a"]}
SHOWN = {
    "node_role_arn": ROLE,
    "ami_type": "AL2023_x86_64_STANDARD",
    "capacity_type": "ON_DEMAND",
    "disk_size": 20,
    "version": "1.35",
    "release_version": "1.35.4-20260904",
    "min_size": 1,
    "max_size": 5,
    "desired_size": 3,
    "subnet_ids": ["subnet-a", "subnet-b"],
    "instance_types": ["m6i.large", "m7i.large"],
    "labels": {"a": "1", "b": "2"},
    "taints": [
        {"key": "x", "value": "1", "effect": "NO_SCHEDULE"},
        {"key": "y", "value": "", "effect": "NO_EXECUTE"},
    ],
    "update_config.max_unavailable": 1,
    "node_repair_config.enabled": False,
    "warm_pool_config.enabled": False,
}


def test_requests_and_diff_of_a_new_group() -> None:
    options = {
        "node_role_arn": ROLE,
        "subnet_ids": ["b", "a"],
        "instance_types": ["z.large", "a.large"],
        "capacity_type": "SPOT",
        "ami_type": "BOTTLEROCKET_x86_64",
        "labels": {"a": "b"},
        "taints": [{"key": "x", "value": "v", "effect": "PreferNoSchedule"}],
        "min_size": 1,
        "max_size": 3,
        "desired_size": 2,
        "launch_template": {"name": "t", "version": "3"},
        "update_config": {"max_unavailable": 1},
        "node_repair_config": {"enabled": True},
        "warm_pool_config": {"enabled": True, "pool_state": "STOPPED"},
        "version": "1.36",
        "release_version": "1.54.0-0b9e4d27",
        "tags": {"c": "d"},
    }
    planned = plan(options, None, ordered_types=["z.large", "a.large", "z.large"])
    assert (planned.resource, [step.ends for step in planned]) == (LABEL, ["active"])
    ((operation, request, shown),) = steps(planned)
    assert (operation, request) == (
        "CreateNodegroup",
        {
            **SCOPE,
            "nodeRole": ROLE,
            "subnets": ["a", "b"],
            "instanceTypes": ["z.large", "a.large"],
            "capacityType": "SPOT",
            "amiType": "BOTTLEROCKET_x86_64",
            "labels": {"a": "b"},
            "taints": [{"key": "x", "value": "v", "effect": "PREFER_NO_SCHEDULE"}],
            "scalingConfig": {"minSize": 1, "maxSize": 3, "desiredSize": 2},
            "launchTemplate": {"name": "t", "version": "3"},
            "updateConfig": {"maxUnavailable": 1},
            "nodeRepairConfig": {"enabled": True},
            "warmPoolConfig": {"enabled": True, "poolState": "STOPPED"},
            "version": "1.36",
            "releaseVersion": "1.54.0-0b9e4d27",
            "tags": {"c": "d"},
        },
    )
    assert shown["subnet_ids"] == (None, ["a", "b"])
    assert shown["launch_template.name"] == (None, "t")
    assert steps(plan(NEW | {"tags": {}, "labels": {}, "taints": []}, None))[0][1] == {
        **SCOPE,
        "nodeRole": ROLE,
        "subnets": ["a"],
    }


def test_requests_and_diff_of_a_group_deletion() -> None:
    planned = plan_absent("one", "workers", GROUP)
    assert planned.resource == plan_absent("one", "workers", None).resource == LABEL
    assert steps(planned) == [("DeleteNodegroup", SCOPE, {name: (value, None) for name, value in SHOWN.items()})]
    more = {
        "tags": {"a": "1"},
        "launchTemplate": {"id": "lt-1", "version": 7},
        "remoteAccess": {"sourceSecurityGroups": ["b", "a"]},
        "nodeRepairConfig": {"enabled": True},
        "warmPoolConfig": {"enabled": True},
    }
    ((_, _, shown),) = steps(plan_absent("one", "workers", GROUP | more))
    assert {name: before for name, (before, _) in shown.items() if SHOWN.get(name) != before} == {
        "tags": {"a": "1"},
        "launch_template.id": "lt-1",
        "launch_template.version": "7",
        "remote_access.source_security_groups": ["a", "b"],
        "node_repair_config.enabled": True,
        "warm_pool_config.enabled": True,
    }


def test_fields_that_the_api_omits_have_their_default() -> None:
    bare = {name: GROUP[name] for name in ("nodegroupName", "nodegroupArn", "clusterName")}
    same = {
        "capacity_type": "ON_DEMAND",
        "labels": {},
        "taints": [],
        "tags": {},
        "subnet_ids": [],
        "instance_types": [],
    }
    assert steps(plan(same, bare)) == []
    assert steps(plan({"labels": {"a": "1"}, "version": "1.35"}, bare)) == [
        (
            "UpdateNodegroupConfig",
            {**SCOPE, "labels": {"addOrUpdateLabels": {"a": "1"}}},
            {"labels": ({}, {"a": "1"})},
        ),
        ("UpdateNodegroupVersion", {**SCOPE, "version": "1.35"}, {"version": (None, "1.35")}),
    ]


def test_requests_and_diff_of_updates() -> None:
    wanted = {"max_size": 6, "tags": {"b": "2"}, "version": "1.36", "update_config": {"max_unavailable_percentage": 50}}
    planned = plan(wanted, GROUP | {"tags": {"a": "1"}})
    assert (planned.resource, [step.ends for step in planned]) == (LABEL, ["at once", "at once", "update", "update"])
    arn = {"resourceArn": GROUP["nodegroupArn"]}
    sizes = {"minSize": 1, "maxSize": 6, "desiredSize": 3}
    changes = {
        "max_size": (5, 6),
        "update_config.max_unavailable_percentage": (None, 50),
        "update_config.max_unavailable": (1, None),
    }
    assert steps(planned) == [
        ("TagResource", {**arn, "tags": {"b": "2"}}, {"tags.b": (None, "2")}),
        ("UntagResource", {**arn, "tagKeys": ["a"]}, {"tags.a": ("1", None)}),
        (
            "UpdateNodegroupConfig",
            {**SCOPE, "scalingConfig": sizes, "updateConfig": {"maxUnavailablePercentage": 50}},
            changes,
        ),
        ("UpdateNodegroupVersion", {**SCOPE, "version": "1.36"}, {"version": ("1.35", "1.36")}),
    ]
    kept = plan({"tags": {"b": "2"}}, GROUP | {"tags": {"a": "1"}}, purge_tags=False)
    assert [step.operation for step in kept] == ["TagResource"]


def test_labels_and_taints_of_an_update_are_those_that_differ() -> None:
    wanted = {
        "labels": {"b": "3", "c": "4"},
        "taints": [{"key": "y", "effect": "NoExecute"}, {"key": "z", "effect": "NoSchedule"}],
    }
    ((_, request, shown),) = steps(plan(wanted))
    assert request["labels"] == {"addOrUpdateLabels": {"b": "3", "c": "4"}, "removeLabels": ["a"]}
    assert request["taints"] == {
        "addOrUpdateTaints": [{"key": "z", "effect": "NO_SCHEDULE"}],
        "removeTaints": [{"key": "x", "value": "1", "effect": "NO_SCHEDULE"}],
    }
    assert shown["labels"] == ({"a": "1", "b": "2"}, {"b": "3", "c": "4"})
    kept = steps(plan({"labels": {"b": "3"}}, purge_labels=False))[0][2]
    assert kept == {"labels": ({"a": "1", "b": "2"}, {"a": "1", "b": "3"})}


EITHER = [
    ("update_config", "max_unavailable", "max_unavailable_percentage"),
    ("node_repair_config", "max_unhealthy_node_threshold_count", "max_unhealthy_node_threshold_percentage"),
    ("node_repair_config", "max_parallel_nodes_repaired_count", "max_parallel_nodes_repaired_percentage"),
]


@pytest.mark.parametrize(("option", "count", "share"), EITHER)
def test_the_other_of_two_exclusive_fields_is_removed(option: str, count: str, share: str) -> None:
    key = option.split("_", maxsplit=1)[0] + "".join(part.capitalize() for part in option.split("_")[1:])
    for one, other in ((count, share), (share, count)):
        there = current_with(key, other)
        ((_, request, shown),) = steps(plan({option: {one: 7}}, there))
        assert shown == {f"{option}.{one}": (None, 7), f"{option}.{other}": (5, None)}
        assert [value for value in request[key].values() if value is not False] == [7]
        assert steps(plan({option: {one: 5}}, current_with(key, one))) == []


def current_with(key: str, field: str) -> dict[str, Any]:
    head, *rest = field.split("_")
    return GROUP | {"updateConfig": {}} | {key: {head + "".join(part.capitalize() for part in rest): 5}}


@pytest.mark.parametrize(
    ("wanted", "sizes"),
    [
        ({"desired_size": 5}, None),
        ({"min_size": 3}, (3, 5, 3)),
        ({"max_size": 3}, (1, 3, 3)),
        ({"min_size": 2, "max_size": 2}, (2, 2, 2)),
    ],
)
def test_an_autoscalers_size_stays_between_the_limits(
    wanted: dict[str, int], sizes: tuple[int, int, int] | None
) -> None:
    found = steps(plan(wanted))
    scaling = [
        tuple(request["scalingConfig"][name] for name in ("minSize", "maxSize", "desiredSize"))
        for _, request, _ in found
    ]
    assert scaling == ([sizes] if sizes else [])


def test_the_size_is_kept_if_the_policy_requires_it() -> None:
    ((_, request, _),) = steps(plan({"desired_size": 5}, desired_size_policy="always"))
    assert request["scalingConfig"] == {"minSize": 1, "maxSize": 5, "desiredSize": 5}
    assert steps(plan({}, desired_size_policy="always")) == []


TEMPLATED = GROUP | {"launchTemplate": {"name": "one", "version": "1"}}


def test_a_template_is_named_by_its_id_or_else_by_its_name() -> None:
    ((_, request, shown),) = steps(plan({"launch_template": {"name": "one", "version": "2"}}, TEMPLATED))
    assert request == {**SCOPE, "launchTemplate": {"name": "one", "version": "2"}}
    assert shown == {"launch_template.version": ("1", "2")}


ORDER = "The order is min_size <= desired_size <= max_size. Nothing was changed."


@pytest.mark.parametrize(
    ("options", "where", "message"),
    [
        ({"min_size": 3, "max_size": 2}, "", f"min_size 3 is greater than max_size 2. {ORDER}"),
        ({"min_size": 2, "desired_size": 1}, "", f"desired_size 1 is smaller than min_size 2. {ORDER}"),
        ({"max_size": 2, "desired_size": 3}, "", f"desired_size 3 is greater than max_size 2. {ORDER}"),
        ({"min_size": 9}, f"{LABEL}: ", f"min_size 9 is greater than max_size 5. {ORDER}"),
        ({"desired_size": 9}, f"{LABEL}: ", f"desired_size 9 is greater than max_size 5. {ORDER}"),
        ({"desired_size": 0}, f"{LABEL}: ", f"desired_size 0 is smaller than min_size 1. {ORDER}"),
    ],
)
def test_errors_of_invalid_sizes(options: dict[str, Any], where: str, message: str) -> None:
    with pytest.raises(AwsError) as said:
        plan(options)
    assert str(said.value) == where + message
    if not where:
        with pytest.raises(AwsError) as said:
            wanted_state({**options, "cluster_name": "one", "name": "workers"})
        assert str(said.value) == f"{LABEL}: {message}"


@pytest.mark.parametrize(
    ("options", "cluster_version", "message"),
    [
        (
            {"version": "1.34"},
            "1.36",
            "runs Kubernetes 1.35 and cannot be taken back to 1.34; keep 1.35 or go on to the cluster's 1.36."
            " Nothing was changed.",
        ),
        (
            {"version": "1.34"},
            None,
            "runs Kubernetes 1.35 and cannot be taken back to 1.34; keep 1.35 or go on to the cluster's version."
            " Nothing was changed.",
        ),
        (
            {"version": "1.37"},
            "1.36",
            "runs Kubernetes 1.35 and cannot go to 1.37: its cluster runs 1.36, which is the next allowed one."
            " Update the cluster first. Nothing was changed.",
        ),
        (
            {"release_version": "1.35.4-20260101"},
            "1.36",
            "has the release 1.35.4-20260904 and cannot be taken back to 1.35.4-20260101: EKS does not roll AMIs back."
            " Nothing was changed.",
        ),
    ],
)
def test_errors_of_versions(options: dict[str, Any], cluster_version: str | None, message: str) -> None:
    with pytest.raises(VersionError) as said:
        plan(options, cluster_version=cluster_version)
    assert str(said.value) == f"{LABEL} {message}"


@pytest.mark.parametrize(
    ("options", "cluster_version"),
    [
        ({"version": "1.36"}, "1.36"),
        ({"version": "1.37"}, None),
        # With another version, an AMI of another line may have any number.
        ({"version": "1.36", "release_version": "1.0.0-1"}, "1.36"),
        ({"release_version": "1.35.4-20260905"}, "1.36"),
    ],
)
def test_versions_that_can_be_reached(options: dict[str, Any], cluster_version: str | None) -> None:
    assert [step.operation for step in plan(options, cluster_version=cluster_version)] == ["UpdateNodegroupVersion"]


def test_errors_of_group_creations() -> None:
    for options, missing in (({}, "node_role_arn and subnet_ids"), ({"node_role_arn": ROLE}, "subnet_ids")):
        with pytest.raises(AwsError) as said:
            plan(options, None)
        assert str(said.value) == f"{LABEL} does not exist, and {missing} must be given to create it."
    with pytest.raises(VersionError) as said:
        plan(NEW | {"version": "1.35"}, None)
    assert str(said.value) == (
        f"{LABEL} cannot be created with Kubernetes 1.35: cluster one runs 1.36, and a new node group has the version"
        " of its cluster. Nothing was changed."
    )
    for version in ("1.35", "1.36"):
        assert plan(NEW | {"version": version}, None, cluster_version=None if version == "1.35" else "1.36")


def test_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(AwsError):
        wanted_state({"version": "latest"})
