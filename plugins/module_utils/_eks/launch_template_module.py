# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module eks_launch_template, from options to result."""

from __future__ import annotations

from dataclasses import replace

from .._aws.aliases import Client, Document, Value
from .._aws.plan import Plan
from .._aws.run import Run
from .._ownership.tags import tags_of
from . import api
from .launch_template_plan import plan_absent, plan_present, template_data, template_name
from .runner import Runner, Target

_MOVE = (
    "To set it, create a node group of another name, move the workloads there "
    "(kubectl drain --selector eks.amazonaws.com/nodegroup={name}), then delete this one."
)


def reconcile(this: Run) -> dict[str, Value]:
    """Create, update or delete the launch template of a node group as the options say. Raises AwsError."""
    options, runner = this.options, Runner(this)
    cluster, nodegroup = options["cluster_name"], options["name"]
    name = template_name(cluster, nodegroup)
    ec2 = this.client("ec2")
    group = api.describe_nodegroup(runner.client, cluster, nodegroup)
    if group and group.get("status") == "DELETING":
        group = None
    if options["state"] == "present" and group is not None and _template_of(group) != name:
        this.module.warn(_not_its_own(cluster, nodegroup, _template_of(group)))
        return runner.outcome(Plan(f"launch template {name}"), launch_template={})
    found = api.launch_template(ec2, {"name": name})
    if options["state"] == "present" and group is not None and not _is_of(found, group):
        this.module.warn(_gone(name, f"{cluster}/{nodegroup}", nodegroup))
        return runner.outcome(Plan(f"launch template {name}"), launch_template={})
    target = Target("launch_template", name, lambda: found, cluster, nodegroup=nodegroup)
    runner.refuse_foreign({**found, "tags": tags_of(found)} if found else None, target)
    versions = api.launch_template_versions(ec2, found["LaunchTemplateId"]) if found else []
    if options["state"] == "absent":
        plan = plan_absent(name, found, versions)
        this.apply(ec2, plan)
        return runner.outcome(plan, launch_template={})
    ami_type = options.get("ami_type") or (group or {}).get("amiType")
    plan, version = plan_present(
        name,
        found,
        versions,
        template_data(options["metadata_hop_limit"], options.get("disk_size"), ami_type),
        options.get("tags"),
        in_use=[int(group["launchTemplate"]["version"])] if group else [],
        purge_tags=options["purge_tags"],
        purge_versions=(group or {}).get("status") != "UPDATING",
    )
    version = _apply(plan, ec2, this) or version
    return runner.outcome(plan, launch_template={"name": name, "version": str(version)})


def _template_of(group: Document) -> str:
    """Return the name of the launch template with which a node group was created, or None."""
    name: str = (group.get("launchTemplate") or {}).get("name") or ""
    return name


def _is_of(found: Document | None, group: Document) -> bool:
    """Whether the node group was created with this template, compared by id: names can be used again."""
    wanted = group["launchTemplate"].get("id")
    return bool((found or {}).get("LaunchTemplateId") == wanted)


def _gone(name: str, group: str, nodegroup: str) -> str:
    return (
        f"the launch template {name} with which node group {group} was made is gone, and EKS takes no other one. The "
        "node group is left as it is. " + _MOVE.format(name=nodegroup)
    )


def _not_its_own(cluster: str, nodegroup: str, other: str) -> str:
    group = f"node group {cluster}/{nodegroup}"
    if other:
        return (
            f"{group} was made with the launch template {other}, and EKS takes no other one: its MetadataOptions say "
            "how far answers of the instance metadata service travel."
        )
    return (
        f"{group} was made without a launch template, and EKS cannot add one: pods on its nodes can reach the instance "
        "metadata service, and with it the IAM role of the nodes. The node group is left as it is. "
        + _MOVE.format(name=nodegroup)
    )


def _apply(plan: Plan, ec2: Client, this: Run) -> int | None:
    """Do what *plan* says; tells the number of the version that was made, which EC2 chooses."""
    made: int | None = None
    for planned in plan:
        step = planned
        if step.operation == "ModifyLaunchTemplate" and made is not None:
            step = replace(step, request={**step.request, "DefaultVersion": str(made)})
        answer = this.do(ec2, step)
        if answer and step.operation == "CreateLaunchTemplateVersion":
            made = answer["LaunchTemplateVersion"]["VersionNumber"]
        for failed in answer.get("UnsuccessfullyDeletedLaunchTemplateVersions") or []:
            if failed["ResponseError"]["Code"] != "launchTemplateVersionDoesNotExist":
                text = f"{plan.resource}: version {failed['VersionNumber']} could not be deleted"
                this.module.warn(f"{text}: {failed['ResponseError'].get('Message', '')}")
    return made
