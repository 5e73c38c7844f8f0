# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module eks_addon: from the options to the result."""

from __future__ import annotations

from functools import partial

from .._aws.aliases import Client, Document, State, Value
from .._aws.plan import Plan
from .._aws.run import Run
from . import api
from .addon_plan import is_symbol, plan_absent, plan_present, resolve_version, wanted_state
from .nodegroup_module import cluster_version
from .runner import Runner, Target, overlay, predict_tags
from .transformations import result


def reconcile(this: Run) -> dict[str, Value]:
    """Make the add-on what the options say. Raises AwsError."""
    options, runner = this.options, Runner(this)
    cluster, name = options["cluster_name"], options["name"]
    target = Target(
        "eks_addon", f"{cluster}/{name}", partial(api.describe_addon, runner.client, cluster, name), cluster, addon=name
    )
    found = target.read()
    runner.refuse_foreign(found, target)
    if options["state"] == "absent":
        associations = associations_of(runner.client, cluster, found)
        plan = plan_absent(cluster, name, found, associations, preserve=options["preserve"])
        runner.remove(plan, found, target)
        return runner.outcome(plan, addon={})
    wanted = wanted_state(options)
    found = runner.settled(found, target)
    _resolve(wanted, name, found, runner, cluster)
    associations = associations_of(runner.client, cluster, found)
    plan = plan_present(
        cluster,
        name,
        found,
        wanted,
        associations=associations,
        resolve_conflicts=options["resolve_conflicts"],
        purge_tags=options["purge_tags"],
    )
    runner.apply(plan, target)
    if this.check_mode:
        return runner.outcome(plan, addon=_predicted(cluster, name, found, plan))
    # An update may be done and the add-on still be DEGRADED.
    if this.wait and (plan or (found or {}).get("status") != "ACTIVE"):
        runner.wait_active(target)
    if plan or runner.poller.waited:
        found = target.read()
        associations = associations_of(runner.client, cluster, found)
    return runner.outcome(plan, addon=described(found, associations))


def associations_of(client: Client, cluster: str, addon: Document | None) -> list[Document]:
    """The pod identity associations that belong to *addon*, which shows their ARNs only."""
    found = []
    for arn in (addon or {}).get("podIdentityAssociations") or []:
        association = api.describe_pod_identity_association(client, cluster, arn.rsplit("/", 1)[-1])
        if association is not None:
            found.append(association)
    return found


def described(addon: Document | None, associations: list[Document]) -> dict[str, Value]:
    """An add-on as the modules return it: with what its associations are instead of their ARNs alone."""
    if addon is None:
        return {}
    pairs = [
        {"service_account": a["serviceAccount"], "role_arn": a["roleArn"], "association_arn": a["associationArn"]}
        for a in associations
    ]
    return {**result(addon), "pod_identity_associations": pairs}


def _resolve(wanted: State, name: str, found: Document | None, runner: Runner, cluster: str) -> None:
    """Resolve the wanted version, asking EKS only where the answer matters."""
    version = wanted.get("version")
    if found is None or is_symbol(version) or (version and version != found.get("addonVersion")):
        kubernetes = cluster_version(runner, cluster)
        if version and kubernetes:
            offered = api.describe_addon_versions(runner.client, name, kubernetes)
            wanted["version"] = resolve_version(name, version, kubernetes, offered)


def _predicted(cluster: str, name: str, found: Document | None, plan: Plan) -> dict[str, Value]:
    """Return the add-on after the plan, as far as it can be predicted."""
    predicted = result(found)
    for step in plan:
        if step.operation in ("CreateAddon", "UpdateAddon"):
            request = {k: v for k, v in step.request.items() if k != "resolveConflicts"}
            predicted = overlay(predicted, result(request))
    if plan and found is None:
        predicted = {"cluster_name": cluster, "addon_name": name, "status": "CREATING", **predicted}
    return predict_tags(predicted, plan)
