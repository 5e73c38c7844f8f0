# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removed and kept objects of a role's removal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    ROLES,
    evaluate,
    imported,
    rendered_role,
    role_names,
)

APPLY = "dataplatform.fleet.apply"
CLUSTER = "dataplatform.fleet.eks_cluster"


def tasks(role: str, file: str = "*") -> Iterator[dict[str, Any]]:
    """The tasks of a role, those in blocks too."""

    def inside(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for entry in entries:
            if "block" in entry:
                yield from inside(entry["block"])
            else:
                yield entry

    for path in sorted((ROLES / role / "tasks").glob(f"{file}.yml")):
        yield from inside(parse(path.read_text()) or [])


def modules(role: str, file: str = "*") -> set[str]:
    """The modules of other names than Ansible's own that a role's tasks run."""
    return {
        key
        for task in tasks(role, file)
        for key in task
        if key.count(".") == 2 and not key.startswith("ansible.builtin.")
    }


WITH_VOLUMES = ["elasticsearch", "fluent_bit", "grafana", "kafka", "logstash", "prometheus"]


def test_every_role_with_volumes_is_looked_at() -> None:
    found = [
        role
        for role in role_names()
        for item in rendered_role(role)
        if item["kind"] == "PersistentVolumeClaim"
        or (item["kind"] == "StatefulSet" and item["spec"].get("volumeClaimTemplates"))
    ]
    assert sorted(set(found)) == WITH_VOLUMES


@pytest.mark.parametrize("role", WITH_VOLUMES)
def test_volumes_are_deleted_only_with_the_typed_name(role: str) -> None:
    """The module refuses without ``confirm``; a role passes the typed name, which is empty by default."""
    assert evaluate(role, f"{role}_confirm") == ""
    applied = [task for task in tasks(role) if APPLY in task]
    assert {"present", "absent"} == {task[APPLY].get("state", "present") for task in applied}
    main = evaluate(role, f"__{role}_name")
    for task in applied:
        if evaluate(role, task[APPLY]["name"].strip("{} ")) == main:
            assert task[APPLY]["confirm"] == f"{{{{ {role}_confirm }}}}", task["name"]


@pytest.mark.parametrize("role", WITH_VOLUMES)
def test_claims_outlive_their_pods(role: str) -> None:
    for item in rendered_role(role):
        if item["kind"] == "StatefulSet":
            kept = item["spec"].get("persistentVolumeClaimRetentionPolicy", {})
            assert set(kept.values()) <= {"Retain"}, item["metadata"]["name"]


@pytest.mark.parametrize(
    ("role", "changed"),
    [
        # Objects of users and data on nodes are not changed by these.
        ("kibana", {APPLY}),
        ("fluent_bit", {APPLY}),
        ("verify", {APPLY}),
        ("grafana", {APPLY}),
        ("alarms", {APPLY}),
        ("ingress_nginx", {APPLY}),
        # Node groups keep their size.
        (
            "cluster_autoscaler",
            {
                APPLY,
                "amazon.aws.iam_managed_policy",
                "amazon.aws.iam_role",
                "dataplatform.fleet.check_ownership",
                "dataplatform.fleet.eks_pod_identity_association",
            },
        ),
    ],
)
def test_a_removal_removes_a_roles_own_and_nothing_else(role: str, changed: set[str]) -> None:
    assert modules(role, "absent") == changed
    for task in tasks(role, "absent"):
        for name in changed - {"dataplatform.fleet.check_ownership"}:
            assert task.get(name, {"state": "absent"})["state"] == "absent"


@pytest.mark.parametrize(("delete", "typed"), [(False, True), (True, False), (True, True)])
def test_snapshots_are_deleted_only_on_request(delete: bool, typed: bool) -> None:
    (task,) = (
        task for task in tasks("elasticsearch", "no_snapshots") if "dataplatform.fleet.s3_versioned_bucket" in task
    )
    options = {
        "elasticsearch_delete_snapshots": delete,
        "elasticsearch_cluster": "staging",
        "elasticsearch_confirm": "staging" if typed else "",
        "__elasticsearch_there": {"found": {"s3_bucket": ["snapshots"]}},
    }
    condition = " and ".join(f"({one})" for one in task["when"])
    assert evaluate("elasticsearch", condition, **options) is (delete and typed)
    assert evaluate("elasticsearch", "elasticsearch_delete_snapshots") is False


def test_a_node_group_that_is_not_named_stays() -> None:
    groups = {"general": {}, "old": {"state": "absent"}}
    found = [task for task in tasks("eks", "[!a]*") if "dataplatform.fleet.eks_nodegroup" in task]
    first, waiting = found
    named = evaluate("eks", first["loop"].strip("{} "), eks_nodegroups=groups)
    assert [one["key"] for one in named] == ["general", "old"]
    assert first["dataplatform.fleet.eks_nodegroup"]["name"] == "{{ __eks_nodegroup.key }}"
    assert "__eks_started.results" in waiting["loop"]


@pytest.mark.parametrize("typed", ["", "testing", "staging"])
def test_a_cluster_is_deleted_only_with_its_typed_name(typed: str) -> None:
    (block,) = (entry for entry in parse((ROLES / "eks" / "tasks" / "absent.yml").read_text()) if "block" in entry)
    assert evaluate("eks", block["when"], eks_confirm=typed, eks_name="staging") is (typed == "staging")
    lifted = [task["name"] for task in tasks("eks") if (task.get(CLUSTER) or {}).get("deletion_protection") is False]
    assert lifted == ["absent | Delete the cluster"]
    assert modules("eks", "absent") == {name for task in block["block"] for name in task if name.count(".") == 2} - {
        "ansible.builtin.import_tasks"
    }
    (key,) = (task["amazon.aws.kms_key"] for task in block["block"] if "amazon.aws.kms_key" in task)
    assert key["pending_window"] == "{{ eks_kms_deletion_window_days }}"


def test_the_role_eks_changes_nothing_in_kubernetes() -> None:
    assert APPLY not in modules("eks")
    assert not any(module.startswith("kubernetes.") for module in modules("eks"))


@pytest.mark.parametrize("role", role_names())
def test_misspelt_options_are_refused(role: str) -> None:
    """The first thing that a role does."""
    first = next(tasks(role, "main"))
    assert first["name"] == "Refuse misspelt options"
    assert "when" not in first
    assert "dataplatform.fleet.check_role_options" in first


def test_a_cluster_with_auto_mode_has_no_autoscaler() -> None:
    found = {
        file: task["when"] for task in tasks("cluster_autoscaler", "main") for file in imported(task) if "when" in task
    }
    assert found == {"install.yml": "cluster_autoscaler_enabled", "absent.yml": "not cluster_autoscaler_enabled"}
