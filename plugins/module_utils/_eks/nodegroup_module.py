# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module eks_nodegroup, from options to result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .._aws.aliases import Client, Document, State, Value
from .._aws.errors import AwsError, ClusterNotFoundError
from .._aws.plan import Plan
from .._aws.run import Run
from . import api
from .nodegroup_plan import plan_absent, plan_present, wanted_state
from .runner import Runner, Target, overlay, predict_tags
from .transformations import result

try:  # noqa: SIM105
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing

Clients = Callable[[str], Client]
"""Makes a client of another service (``ssm``, ``ec2``) with the module's options."""

# Public SSM parameters with the newest release of an AMI type.
# Sources: https://docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id.html (Amazon Linux),
# retrieve-ami-id-bottlerocket.html and retrieve-windows-ami-id.html beside it.
_RELEASES = {
    "AL2023_x86_64_STANDARD": "eks/optimized-ami/{v}/amazon-linux-2023/x86_64/standard/recommended/release_version",
    "AL2023_ARM_64_STANDARD": "eks/optimized-ami/{v}/amazon-linux-2023/arm64/standard/recommended/release_version",
    "AL2023_x86_64_NEURON": "eks/optimized-ami/{v}/amazon-linux-2023/x86_64/neuron/recommended/release_version",
    "AL2023_x86_64_NVIDIA": "eks/optimized-ami/{v}/amazon-linux-2023/x86_64/nvidia/recommended/release_version",
    "AL2023_ARM_64_NVIDIA": "eks/optimized-ami/{v}/amazon-linux-2023/arm64/nvidia/recommended/release_version",
    "AL2_x86_64": "eks/optimized-ami/{v}/amazon-linux-2/recommended/release_version",
    "AL2_x86_64_GPU": "eks/optimized-ami/{v}/amazon-linux-2-gpu/recommended/release_version",
    "AL2_ARM_64": "eks/optimized-ami/{v}/amazon-linux-2-arm64/recommended/release_version",
    "BOTTLEROCKET_x86_64": "bottlerocket/aws-k8s-{v}/x86_64/latest/image_version",
    "BOTTLEROCKET_ARM_64": "bottlerocket/aws-k8s-{v}/arm64/latest/image_version",
    "BOTTLEROCKET_x86_64_FIPS": "bottlerocket/aws-k8s-{v}-fips/x86_64/latest/image_version",
    "BOTTLEROCKET_ARM_64_FIPS": "bottlerocket/aws-k8s-{v}-fips/arm64/latest/image_version",
    "BOTTLEROCKET_x86_64_NVIDIA": "bottlerocket/aws-k8s-{v}-nvidia/x86_64/latest/image_version",
    "BOTTLEROCKET_ARM_64_NVIDIA": "bottlerocket/aws-k8s-{v}-nvidia/arm64/latest/image_version",
}


def reconcile(this: Run) -> dict[str, Value]:
    """Create, update or delete the node group as the options say. Raises AwsError."""
    options, runner = this.options, Runner(this)
    cluster, name = options["cluster_name"], options["name"]
    target = Target(
        "eks_nodegroup",
        f"{cluster}/{name}",
        partial(api.describe_nodegroup, runner.client, cluster, name),
        cluster,
        nodegroup=name,
    )
    found = target.read()
    runner.refuse_foreign(found, target)
    if options["state"] == "absent":
        plan = plan_absent(cluster, name, found)
        runner.remove(plan, found, target)
        return runner.outcome(plan, nodegroup={})
    wanted = wanted_state(options)
    runner.refuse_failed(found, target)
    found = runner.settled(found, target)
    version = None
    if found is None or wanted.get("version", found.get("version")) != found.get("version"):
        version = cluster_version(runner, cluster)
    _resolve(wanted, found, version, this.client)
    plan = plan_present(
        cluster,
        name,
        found,
        wanted,
        cluster_version=version,
        desired_size_policy=options["desired_size_policy"],
        purge_labels=options["purge_labels"],
        purge_tags=options["purge_tags"],
        force=options["force"],
        ordered_types=options.get("instance_types"),
    )
    runner.apply(plan, target)
    if this.check_mode:
        return runner.outcome(plan, nodegroup=_predicted(cluster, name, found, plan))
    if this.wait and not plan and found and found.get("status") != "ACTIVE":
        runner.wait_active(target)
    if plan or this.poller.waited:
        found = target.read()
    return runner.outcome(plan, nodegroup=result(found))


def cluster_version(runner: Runner, cluster: str) -> str | None:
    """Return the Kubernetes control plane's version; None for a cluster that check mode has only announced."""
    found = api.describe_cluster(runner.client, cluster)
    if found is None:
        if runner.this.check_mode:
            return None
        region = runner.client.meta.region_name
        raise ClusterNotFoundError(f"There is no EKS cluster {cluster!r} in {region}. Nothing was changed.")
    version: str = found["version"]
    return version


def _resolve(wanted: State, found: Document | None, cluster: str | None, clients: Clients) -> None:
    """Replace a symbolic version (latest, $Latest, $Default) by its current version."""
    if wanted.get("release_version") == "latest":
        if found is None:
            # A new node group gets the newest release anyway.
            del wanted["release_version"]
        else:
            version = wanted.get("version") or found.get("version") or cluster or ""
            wanted["release_version"] = _latest_release(found.get("amiType") or "", version, clients)
    if wanted.get("launch_template.version") in ("$Latest", "$Default"):
        key = "LatestVersionNumber" if wanted["launch_template.version"] == "$Latest" else "DefaultVersionNumber"
        asked = {"id": wanted.get("launch_template.id"), "name": wanted.get("launch_template.name")}
        template = api.launch_template(clients("ec2"), asked)
        if template is None:
            raise AwsError(f"There is no launch template {asked['id'] or asked['name']}. Nothing was changed.")
        wanted["launch_template.version"] = str(template[key])


def _latest_release(ami_type: str, version: str, clients: Clients) -> str:
    path = _RELEASES.get(ami_type)
    if path is None:
        raise AwsError(
            f"release_version=latest: AWS publishes no latest release for ami_type {ami_type}; name the release. "
            "Nothing was changed."
        )
    parameter = f"/aws/service/{path.format(v=version)}"
    try:
        # Bottlerocket's parameter has the version and the short commit, as EKS' release version does.
        return api.ssm_parameter(clients("ssm"), parameter)
    except (BotoCoreError, ClientError) as error:
        raise AwsError(
            f"release_version=latest is looked up in the SSM parameter {parameter}, which failed: "
            f"{str(error).rstrip('.')}. Name the release instead, or allow ssm:GetParameter. Nothing was changed."
        ) from error


def _predicted(cluster: str, name: str, found: Document | None, plan: Plan) -> dict[str, Value]:
    """Return the node group after the plan, as far as it can be predicted."""
    predicted = result(found)
    for step in plan:
        request = {k: v for k, v in step.request.items() if k not in ("labels", "taints", "force")}
        if step.operation in ("CreateNodegroup", "UpdateNodegroupConfig", "UpdateNodegroupVersion"):
            predicted = overlay(predicted, result(request))
            for field in ("labels", "taints"):
                if field in step.changes:
                    predicted[field] = step.changes[field].after
    if plan and found is None:
        predicted = {"cluster_name": cluster, "nodegroup_name": name, "status": "CREATING", **predicted}
    return predict_tags(predicted, plan)
