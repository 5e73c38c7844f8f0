# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the plans of the EKS modules. EKS accepts one update of a resource at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .._aws.aliases import Document, Value
from .._aws.errors import FailedError, issues_text
from .._aws.plan import Plan, Step
from .._aws.run import Run, outcome
from .._aws.waiters import Probe
from .._ownership.tags import KINDS, refuse_foreign
from . import api
from .waiters import gone_probe, resource_probe, running_updates, settled_probe, wait_for_update

try:  # noqa: SIM105
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing

# Statuses of resources that could not be created. EKS accepts only their deletion.
# Source: https://docs.aws.amazon.com/eks/latest/userguide/troubleshooting.html
NOT_CREATED = ("FAILED", "CREATE_FAILED")
BUSY = ("ResourceInUseException", "InvalidRequestException", "InvalidStateException")


@dataclass
class Target:
    """The resource that a module manages: its kind and name, its parents in EKS, and how it is read."""

    kind: str
    name: str
    read: Callable[[], Document | None]
    cluster: str
    nodegroup: str | None = None
    addon: str | None = None

    @property
    def label(self) -> str:
        """Return its name in messages: node group one/general."""
        return f"{KINDS[self.kind].removeprefix('The ')} {self.name}"

    def deletion(self, region: str) -> str:
        """Return the AWS CLI's command that deletes it."""
        kind, scope = "cluster", f"--name {self.cluster}"
        for other, name in (("nodegroup", self.nodegroup), ("addon", self.addon)):
            if name:
                kind, scope = other, f"--cluster-name {self.cluster} --{other}-name {name}"
        return f"aws eks delete-{kind} --region {region} {scope}"


class Runner:
    """Applies a plan step by step.

    EKS allows one update at a time per resource: so each step but the last is always waited for, and the last one
    if *wait* says so. A step that is refused because something else is still going on is repeated after that has ended.
    """

    def __init__(self, this: Run) -> None:
        self.this = this
        self.client = this.client("eks")
        self.poller = this.poller

    def refuse_foreign(self, found: Document | None, target: Target) -> None:
        """Raise ForeignError if a resource with this name lacks the fleet's ownership tags."""
        if found is not None and found.get("status") != "DELETING":
            refuse_foreign(target.kind, target.name, found.get("tags") or {}, self.this.options)

    def settle(self, target: Target) -> bool:
        """Wait for the operations in progress on *target*; return whether there were any."""
        busy = False
        if target.nodegroup or target.addon:
            busy = self._settle_one(Target("eks_cluster", target.cluster, self._read_cluster(target), target.cluster))
        return self._settle_one(target) or busy

    def _read_cluster(self, target: Target) -> Callable[[], Document | None]:
        return lambda: api.describe_cluster(self.client, target.cluster)

    def _settle_one(self, target: Target) -> bool:
        busy = False
        if not settled_probe(target.read()).done:
            busy = True
            self.poller.until(f"{target.label} (settling)", lambda: settled_probe(target.read()))
        for update in running_updates(self.client, target.cluster, target.nodegroup, target.addon):
            busy = True

            def look(update_id: str = update["id"]) -> Probe:
                found = api.describe_update(self.client, target.cluster, update_id, target.nodegroup, target.addon)
                status = (found or {}).get("status", "absent")
                # The result of another run's update does not matter here.
                return Probe(status, done=status != "InProgress")

            self.poller.until(f"{update.get('type', 'update')} {update['id']} of {target.label}", look)
        return busy

    def settled(self, found: Document | None, target: Target) -> Document | None:
        """Wait for the operation of an interrupted or another run, and return the resource after it."""
        status = (found or {}).get("status")
        if status == "DELETING":
            if not self.this.check_mode:
                self.wait_gone(target)
            return None
        if status == "UPDATING" and not self.this.check_mode:
            self.settle(target)
            return target.read()
        return found

    def refuse_failed(self, found: Document | None, target: Target) -> None:
        """Raise FailedError with reasons and instructions if the resource could not be created."""
        if found is None or found.get("status") not in NOT_CREATED:
            return
        reasons = issues_text((found.get("health") or {}).get("issues") or [])
        region = self.client.meta.region_name
        text = f"{target.label} is {found['status']}: {reasons or 'no reason given'}. "
        if target.addon:
            raise FailedError(text + "Running again deletes it and creates it again.")
        text += f"EKS cannot repair it: delete it ({target.deletion(region)}; or state=absent), then run again."
        if found.get("deletionProtection"):
            unprotect = f"aws eks update-cluster-config --region {region} --name {target.cluster}"
            text += f" Its deletion protection goes first: {unprotect} --no-deletion-protection."
        raise FailedError(text)

    def remove(self, plan: Plan, found: Document | None, target: Target) -> None:
        """Carry out *plan*, or wait for a deletion in progress."""
        self.apply(plan, target)
        if found and not plan and self.this.wait and not self.this.check_mode:
            self.wait_gone(target)

    def apply(self, plan: Plan, target: Target) -> None:
        """Carry out *plan*, unless in check mode. Raises AwsError."""

        def settle(refusal: ClientError) -> bool:
            return refusal.response["Error"]["Code"] in BUSY and self.settle(target)

        steps = list(plan)
        for number, step in enumerate(steps, 1):
            answer = self.this.do(self.client, step, settle)
            if not self.this.check_mode and (self.this.wait or number < len(steps)):
                self._finish(step, answer, target)

    def _finish(self, step: Step, answer: Document, target: Target) -> None:
        if step.ends == "update":
            update = answer.get("update") or {}
            wait_for_update(
                self.poller,
                self.client,
                update["id"],
                f"{update.get('type', step.operation)} {update['id']} of {target.label}",
                cluster=target.cluster,
                nodegroup=target.nodegroup,
                addon=target.addon,
            )
            # The record ends a little before the resource leaves UPDATING.
            self.poller.until(target.label, lambda: settled_probe(target.read()))
        elif step.ends == "active":
            self.wait_active(target)
        elif step.ends == "gone":
            self.wait_gone(target)

    def wait_active(self, target: Target) -> None:
        try:
            self.poller.until(target.label, lambda: resource_probe(target.read()))
        except FailedError:
            self.refuse_failed(target.read(), target)
            raise

    def wait_gone(self, target: Target) -> None:
        self.poller.until(target.label, lambda: gone_probe(target.read()))

    def outcome(self, plan: Plan, **returned: Value) -> dict[str, Value]:
        """A module's result."""
        return outcome(plan, waited=self.poller.report(), **returned)


def overlay(below: Mapping[str, Value], above: Mapping[str, Value]) -> dict[str, Value]:
    """Merge *above* into *below* key by key; lists, tags and logging are replaced as a whole."""
    merged = dict(below)
    for key, value in above.items():
        if key in ("logging", "tags") or not isinstance(value, Mapping):
            merged[key] = value
        else:
            merged[key] = overlay(merged.get(key) or {}, value)
    return merged


def predict_tags(predicted: Mapping[str, Value], plan: Plan) -> dict[str, Value]:
    """Return *predicted* with the tag changes of *plan*."""
    tags = plan.tags(predicted.get("tags"))
    return {**predicted, "tags": tags} if tags or "tags" in predicted else dict(predicted)
