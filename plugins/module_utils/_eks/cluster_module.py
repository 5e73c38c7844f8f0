# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module eks_cluster, from options to result."""

from __future__ import annotations

from functools import partial

from .._aws.aliases import Document, Value
from .._aws.plan import Plan
from .._aws.run import Run
from . import api
from .cluster_plan import plan_absent, plan_present, wanted_state
from .runner import Runner, Target, overlay, predict_tags
from .transformations import result


def reconcile(this: Run) -> dict[str, Value]:
    """Create, update or delete the cluster as the options say. Raises AwsError."""
    options, name, runner = this.options, this.options["name"], Runner(this)
    target = Target("eks_cluster", name, partial(api.describe_cluster, runner.client, name), name)
    found = target.read()
    runner.refuse_foreign(found, target)
    if options["state"] == "absent":
        return _absent(found, runner, target)
    wanted = wanted_state(options)
    runner.refuse_failed(found, target)
    found = runner.settled(found, target)
    plan = plan_present(
        name,
        found,
        wanted,
        offered=partial(api.describe_cluster_versions, runner.client),
        purge_tags=options["purge_tags"],
        force=options["force"],
    )
    runner.apply(plan, target)
    if this.check_mode:
        return runner.outcome(plan, cluster=_predicted(name, found, plan))
    if this.wait and not plan and found and found.get("status") != "ACTIVE":
        runner.wait_active(target)
    if plan or this.poller.waited:
        found = target.read()
    return runner.outcome(plan, cluster=result(found))


def _absent(found: Document | None, runner: Runner, target: Target) -> dict[str, Value]:
    dependents: list[str] = []
    if found and found.get("status") != "DELETING":
        dependents = _dependents(target.name, runner)
        if runner.this.check_mode and dependents:
            # In check mode, the run may announce their deletion before this task.
            runner.this.module.warn(f"{target.label} still has {', '.join(dependents)}: delete these first.")
            dependents = []
    wanted = {"deletion_protection": runner.this.options.get("deletion_protection")}
    plan = plan_absent(target.name, found, wanted, dependents)
    runner.remove(plan, found, target)
    return runner.outcome(plan, cluster={})


def _dependents(name: str, runner: Runner) -> list[str]:
    """Return the resources that block the deletion. The deletion of node groups in progress is waited for."""
    staying = []
    for nodegroup in api.list_nodegroups(runner.client, name):
        read = partial(api.describe_nodegroup, runner.client, name, nodegroup)
        if (read() or {"status": "DELETING"})["status"] != "DELETING":
            staying.append(f"node group {nodegroup}")
        elif not runner.this.check_mode:
            runner.wait_gone(Target("eks_nodegroup", f"{name}/{nodegroup}", read, name, nodegroup))
    return staying + [f"Fargate profile {p}" for p in api.list_fargate_profiles(runner.client, name) or []]


def _predicted(name: str, found: Document | None, plan: Plan) -> dict[str, Value]:
    """Return the cluster after the plan, as far as it can be predicted."""
    before = result(found)
    for step in plan:
        request = {key: value for key, value in step.request.items() if key not in ("clusterName", "force")}
        if step.operation in ("CreateCluster", "UpdateClusterConfig", "UpdateClusterVersion"):
            before = overlay(before, result(request))
    if plan and found is None:
        before = {"name": name, "status": "CREATING", **before}
    return predict_tags(before, plan)
