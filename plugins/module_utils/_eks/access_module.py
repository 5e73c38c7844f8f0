# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules eks_access_entry and eks_pod_identity_association, from options to result."""

from __future__ import annotations

from functools import partial

from .._aws.aliases import Client, Document, Value
from .._aws.plan import Plan
from .._aws.run import Run
from . import api
from .access_plan import (
    plan_association,
    plan_association_absent,
    plan_entry,
    plan_entry_absent,
    wanted_association,
    wanted_entry,
)
from .nodegroup_module import cluster_version
from .runner import Runner, Target, predict_tags
from .transformations import result


def reconcile_entry(this: Run) -> dict[str, Value]:
    """Create, update or delete the access entry as the options say. Raises AwsError."""
    options, runner = this.options, Runner(this)
    cluster, principal = options["cluster_name"], options["principal_arn"]
    read = partial(api.describe_access_entry, runner.client, cluster, principal)
    target = Target("eks_access_entry", f"{cluster}/{principal}", read, cluster)
    found = read()
    runner.refuse_foreign(found, target)
    policies = api.list_associated_access_policies(runner.client, cluster, principal) if found else []
    if options["state"] == "absent":
        plan = plan_entry_absent(cluster, principal, found, policies)
        runner.apply(plan, target)
        return runner.outcome(plan, access_entry={})
    wanted = wanted_entry(options)
    if found is None:
        cluster_version(runner, cluster)
    plan = plan_entry(
        cluster,
        principal,
        found,
        policies,
        wanted,
        purge_policies=options["purge_policies"],
        purge_tags=options["purge_tags"],
    )
    runner.apply(plan, target)
    if this.check_mode:
        predicted = _predicted({"cluster_name": cluster, "principal_arn": principal}, found, plan)
        return runner.outcome(plan, access_entry={**predicted, "policies": _predicted_policies(policies, plan)})
    if plan:
        found = read()
        policies = api.list_associated_access_policies(runner.client, cluster, principal)
    return runner.outcome(plan, access_entry=described_entry(found, policies))


def described_entry(entry: Document | None, policies: list[Document]) -> dict[str, Value]:
    """An access entry as the modules return it: with its associated policies."""
    if entry is None:
        return {}
    return {**result(entry), "policies": [result(policy) for policy in policies]}


def reconcile_association(this: Run) -> dict[str, Value]:
    """Create, update or delete the pod identity association as the options say. Raises AwsError."""
    options, runner = this.options, Runner(this)
    cluster, namespace, account = options["cluster_name"], options["namespace"], options["service_account"]
    read = partial(find_association, runner.client, cluster, namespace, account)
    target = Target("eks_pod_identity_association", f"{cluster}/{namespace}/{account}", read, cluster)
    found = read()
    runner.refuse_foreign(found, target)
    if options["state"] == "absent":
        plan = plan_association_absent(cluster, namespace, account, found)
        runner.apply(plan, target)
        return runner.outcome(plan, association={})
    if found is None:
        cluster_version(runner, cluster)
    wanted = wanted_association(options)
    plan = plan_association(cluster, namespace, account, found, wanted, purge_tags=options["purge_tags"])
    runner.apply(plan, target)
    if this.check_mode:
        place = {"cluster_name": cluster, "namespace": namespace, "service_account": account}
        return runner.outcome(plan, association=_predicted(place, found, plan))
    return runner.outcome(plan, association=result(read() if plan else found))


def find_association(client: Client, cluster: str, namespace: str, service_account: str) -> Document | None:
    """Return the association of a service account, or None; EKS allows one."""
    for summary in api.list_pod_identity_associations(client, cluster, namespace, service_account):
        if (summary["namespace"], summary["serviceAccount"]) == (namespace, service_account):
            return api.describe_pod_identity_association(client, cluster, summary["associationId"])
    return None


def _predicted(place: dict[str, Value], found: Document | None, plan: Plan) -> dict[str, Value]:
    predicted: dict[str, Value] = result(found) if found else dict(place) if plan else {}
    for step in plan:
        for name, change in step.changes.items():
            if not name.startswith(("tags.", "policies.")):
                predicted[name] = change.after
    return predict_tags(predicted, plan)


def _predicted_policies(policies: list[Document], plan: Plan) -> list[dict[str, Value]]:
    by_arn = {policy["policyArn"]: result(policy) for policy in policies}
    for step in plan:
        for name, change in step.changes.items():
            if not name.startswith("policies."):
                continue
            arn = name.removeprefix("policies.")
            if change.after is None:
                by_arn.pop(arn, None)
            else:
                by_arn[arn] = {"policy_arn": arn, "access_scope": change.after}
    return list(by_arn.values())
