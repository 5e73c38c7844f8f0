# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.errors import (
    EksError,
    ImmutableError,
    VersionError,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.nodegroup_plan import (
    plan_absent,
    plan_present,
    wanted_state,
)
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
def test_the_same_in_other_words_is_no_plan(options: dict[str, Any]) -> None:
    assert not plan(options)


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
    with pytest.raises(EksError, match=words):
        plan(options)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, None),
        ({"min_size": 2}, (2, 2, 2)),
        ({"max_size": 4}, (1, 4, 1)),
        ({"desired_size": 3}, (1, 3, 3)),
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
    with pytest.raises(EksError, match="node_role_arn and subnet_ids must be given"):
        plan({}, None)
    with pytest.raises(VersionError, match=r"cannot be created with Kubernetes 1\.35: cluster one runs 1\.36"):
        plan({"node_role_arn": ROLE, "subnet_ids": ["a"], "version": "1.35"}, None)


def test_deletion() -> None:
    (step,) = plan_absent("one", "workers", GROUP)
    assert (step.operation, step.ends) == ("DeleteNodegroup", "gone")
    assert not plan_absent("one", "workers", None)
    assert not plan_absent("one", "workers", {**GROUP, "status": "DELETING"})
