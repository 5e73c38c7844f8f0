# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles check the owner of a resource with a name of the fleet before they change it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.options import ROLES
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import CHECKOUT, evaluate

# Modules of other collections that adopt or delete any resource with the name: the name's option, and the kind.
BY_NAME = {
    "amazon.aws.iam_managed_policy": ("name", "iam_policy"),
    "amazon.aws.iam_role": ("name", "iam_role"),
    "amazon.aws.kms_key": ("alias", "kms_key"),
    "community.aws.ssm_parameter": ("name", "ssm_parameter"),
}
# These do not change existing resources.
READING = ("_info", "sts_assume_role")
# What it waits for, or plans for a cluster that does not exist, the task next to it has looked at.
NEXT_TO_IT = ("Wait for", "Check the cluster against")
OWN = (
    "eks_cluster",
    "eks_launch_template",
    "eks_nodegroup",
    "eks_addon",
    "eks_access_entry",
    "eks_pod_identity_association",
    "secretsmanager_documents",
)
OWN += ("cloudwatchlogs_group", "route53_private_zone", "s3_versioned_bucket", "ec2_network", "ec2_network_peering")
# Those of the fleet whose kinds check_ownership looks at.
LOOKED_AT = {
    "dataplatform.fleet.eks_pod_identity_association": ("", "eks_pod_identity_association"),
    "dataplatform.fleet.cloudwatchlogs_group": ("name", "log_group"),
    "dataplatform.fleet.s3_versioned_bucket": ("name", "s3_bucket"),
}


def _tasks(role: str) -> Iterator[dict[str, Any]]:
    for path in sorted((ROLES / role / "tasks").glob("*.yml")):
        waiting = list(parse(path.read_text()) or [])
        while waiting:
            task = waiting.pop(0)
            waiting[:0] = task.get("block", [])
            yield task


ALL = sorted(path.parent.name for path in ROLES.glob("*/tasks"))


def _named(kind: str, name: str, checked: list[dict[str, Any]]) -> bool:
    inner = name.removeprefix("{{ ").removesuffix(" }}")
    return any(name in str(one.get(kind)) or inner in str(one.get(kind)) for one in checked)


@pytest.mark.parametrize("role", ALL)
def test_the_owner_is_checked_before_modules_that_use_names(role: str) -> None:
    tasks = list(_tasks(role))
    checked = [
        task["dataplatform.fleet.check_ownership"]["resources"] for task in tasks if _uses(task, "check_ownership")
    ]
    for task in tasks:
        for module, options in task.items():
            if not module.startswith(("amazon.aws.", "community.aws.")) or module.endswith(READING):
                continue
            option, kind = BY_NAME[module]
            name = options[option]
            if "loop" in task:
                # The three roles of a cluster, one by one.
                assert (role, name) == ("eks", "{{ __eks_role.name }}")
                wanted = ("__eks_cluster_role", "__eks_node_role", "__eks_ebs_csi_role")
                assert all(one in str(checked) for one in wanted)
                continue
            assert _named(kind, name, checked), f"{role}: {task['name']}: nothing looks whose {name} is"


def _uses(task: dict[str, Any], module: str) -> bool:
    return f"dataplatform.fleet.{module}" in task


@pytest.mark.parametrize("role", ALL)
def test_modules_get_the_tags_that_mark_the_fleets_resources(role: str) -> None:
    for task in _tasks(role):
        for module in OWN:
            options = task.get(f"dataplatform.fleet.{module}")
            if options is None or any(part in task["name"] for part in NEXT_TO_IT):
                continue
            assert "tags" in options, f"{role}: {task['name']}"
            assert "adopt" in options or role == "guardrails", f"{role}: {task['name']}"


@pytest.mark.parametrize("role", ALL)
def test_only_existing_resources_are_deleted(role: str) -> None:
    tasks = list(_tasks(role))
    checked = [task for task in tasks if _uses(task, "check_ownership")]
    if all("refuse" not in task["dataplatform.fleet.check_ownership"] for task in checked):
        return
    for task in tasks:
        for module, (_option, kind) in (BY_NAME | LOOKED_AT).items():
            if task.get(module, {}).get("state") == "absent":
                assert f".found.{kind} is defined" in str(task.get("when")), f"{role}: {task['name']}"


@pytest.mark.parametrize(
    ("role", "wanted"),
    [
        ("cluster_autoscaler", "cluster_autoscaler_enabled"),
        ("elasticsearch", "elasticsearch_snapshots"),
        ("vpc", "vpc_flow_logs"),
    ],
)
def test_warnings_of_a_creation_do_not_stop_a_removal(role: str, wanted: str) -> None:
    refused = {
        task["dataplatform.fleet.check_ownership"].get("refuse", True)
        for task in _tasks(role)
        if "check_ownership" in str(task) and wanted not in str(task.get("when"))
    }
    assert "{{ " + wanted + " }}" in refused


def test_every_module_that_can_adopt_is_tried() -> None:
    found = set()
    for path in (ROLES.parent / "plugins" / "modules").glob("*.py"):
        text = path.read_text()
        if '"adopt": {"type"' in text or "aws.ownership" in text:
            importlib.import_module(f"ansible_collections.dataplatform.fleet.plugins.modules.{path.stem}")
            found.add(path.stem)
    # Records have no tags, and a test of their own: tests/integration/modules/test_route53_records.py
    assert found == {*OWN, "route53_records"}


ADOPTING = sorted(
    path.parents[1].name
    for path in ROLES.glob("*/defaults/main.yml")
    if f"{path.parents[1].name}_adopt" in parse(path.read_text())
)


@pytest.mark.parametrize("role", ADOPTING)
def test_names_to_adopt_are_whole_names_as_text_too(role: str) -> None:
    for given in ("one-two,three", "one-two, three", ["one-two", "three"]):
        assert evaluate(role, f"{role}_adopt", fleet_adopt=given) == ["one-two", "three"]
    for nothing in ({}, {"fleet_adopt": ""}, {"fleet_adopt": []}):
        assert evaluate(role, f"{role}_adopt", **nothing) == []


@pytest.mark.parametrize(
    ("given", "adopted"),
    [
        ("one-locks", True),
        ("a, dynamodb_table/one-locks", True),
        (["dynamodb_table/one-locks"], True),
        ("x-one-locks", False),
        ("s3_bucket/one-locks", False),
        ([], False),
    ],
)
def test_the_table_of_locks_is_adopted_by_its_whole_name(given: str | list[str], adopted: bool) -> None:
    tasks = parse((CHECKOUT / "playbooks" / "tasks" / "lock.yml").read_text())
    (asked,) = [task["dataplatform.fleet.run_lock"]["adopt"] for task in tasks if _uses(task, "run_lock")]
    assert evaluate("vpc", asked.strip("{} "), fleet_name="one", fleet_adopt=given) is adopted


def test_adoption_is_requested_by_kind() -> None:
    """A name alone is compared nowhere: `vpc/dataplatform-staging` would not be found, and what has the name would."""
    files = [path for root in (ROLES, CHECKOUT / "playbooks") for path in root.rglob("*.yml")]
    lines = [line for path in files for line in path.read_text().splitlines()]
    assert [line for line in lines if re.search(r" in [a-z_]*_adopt\b|_adopt\b.*split", line)] == []
