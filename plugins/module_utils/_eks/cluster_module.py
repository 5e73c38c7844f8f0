# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""M(dataplatform.fleet.eks_cluster): from the options to the result."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from .._aws.aliases import Document, Value
from .._aws.plan import Plan
from . import api
from .cluster_plan import plan_absent, plan_present, wanted_state
from .runner import Runner, Target, outcome, overlay, predict_tags
from .transformations import result


def reconcile(options: Mapping[str, Any], runner: Runner, *, check_mode: bool) -> dict[str, Value]:
    """Make the cluster what *options* say. Raises AwsError."""
    name = options["name"]
    target = Target("eks_cluster", name, partial(api.describe_cluster, runner.client, name), name)
    found = target.read()
    runner.refuse_foreign(found, target, options)
    if options["state"] == "absent":
        return _absent(options, found, runner, target, check_mode=check_mode)
    wanted = wanted_state(options)
    found = _ready_to_plan(found, runner, target, check_mode=check_mode)
    plan = plan_present(
        name,
        found,
        wanted,
        offered=partial(api.describe_cluster_versions, runner.client),
        purge_tags=options["purge_tags"],
        force=options["force"],
    )
    if check_mode:
        return outcome(plan, runner, cluster=_predicted(name, found, plan))
    if plan:
        runner.apply(plan, target)
        found = target.read()
    elif runner.wait and found and found.get("status") != "ACTIVE":
        runner.wait_active(target)
        found = target.read()
    return outcome(plan, runner, cluster=result(found))


def _absent(
    options: Mapping[str, Any], found: Document | None, runner: Runner, target: Target, *, check_mode: bool
) -> dict[str, Value]:
    name = options["name"]
    dependents: list[str] = []
    if found and found.get("status") != "DELETING":
        dependents = _dependents(name, runner, check_mode=check_mode)
        if check_mode and dependents:
            # The same run may delete them before it comes here, which a check cannot see.
            runner.warnings.append(f"{target.label} still has {', '.join(dependents)}: delete these first.")
            dependents = []
    plan = plan_absent(name, found, {"deletion_protection": options.get("deletion_protection")}, dependents)
    runner.remove(plan, found, target, check_mode=check_mode)
    return outcome(plan, runner, cluster={})


def _dependents(name: str, runner: Runner, *, check_mode: bool) -> list[str]:
    """What EKS would refuse the deletion for; node groups already going are waited for."""
    staying = []
    for nodegroup in api.list_nodegroups(runner.client, name):
        read = partial(api.describe_nodegroup, runner.client, name, nodegroup)
        if (read() or {"status": "DELETING"})["status"] != "DELETING":
            staying.append(f"node group {nodegroup}")
        elif not check_mode:
            runner.wait_gone(Target("eks_nodegroup", f"{name}/{nodegroup}", read, name, nodegroup))
    return staying + [f"Fargate profile {p}" for p in api.list_fargate_profiles(runner.client, name) or []]


def _ready_to_plan(found: Document | None, runner: Runner, target: Target, *, check_mode: bool) -> Document | None:
    """Wait out what an interrupted or another run has left going, so that the plan is made from what will be."""
    runner.refuse_failed(found, target)
    return runner.settled(found, target, check_mode=check_mode)


def _predicted(name: str, found: Document | None, plan: Plan) -> dict[str, Value]:
    """The cluster as it will be, as far as that can be said without doing it."""
    before = result(found)
    for step in plan:
        request = {key: value for key, value in step.request.items() if key not in ("clusterName", "force")}
        if step.operation in ("CreateCluster", "UpdateClusterConfig", "UpdateClusterVersion"):
            before = overlay(before, result(request))
    if plan and found is None:
        before = {"name": name, "status": "CREATING", **before}
    return predict_tags(before, plan)
