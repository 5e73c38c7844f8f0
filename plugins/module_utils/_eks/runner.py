# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every EKS module does around its plan: connect, apply, wait, report, and fail in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._aws.aliases import Client, Document, Value
from .._aws.errors import ApiError, AwsError, FailedError, issues_text
from .._aws.plan import Plan, Step
from .._aws.waiters import Poller, Probe
from .._lock.held import watched
from .._ownership.tags import KINDS, owned, refusal
from .._texts import texts
from . import api
from .waiters import gone_probe, resource_probe, running_updates, settled_probe, wait_for_update

# For modules whose calls are done at once, but may meet an update of the cluster.
SETTLE_SECONDS = 900
# What could not be created; EKS takes nothing but its deletion then.
# Source: https://docs.aws.amazon.com/eks/latest/userguide/troubleshooting.html
NOT_CREATED = ("FAILED", "CREATE_FAILED")
BUSY = ("ResourceInUseException", "InvalidRequestException", "InvalidStateException")


@dataclass
class Target:
    """The resource a module is about: its kind and name, its place in EKS, and how to read it."""

    kind: str
    name: str
    read: Callable[[], Document | None]
    cluster: str
    nodegroup: str | None = None
    addon: str | None = None

    @property
    def label(self) -> str:
        """What messages call it: node group one/general."""
        return f"{KINDS[self.kind].removeprefix('The ')} {self.name}"

    def deletion(self, region: str) -> str:
        """The command of AWS' own tool that deletes it."""
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

    def __init__(self, client: Client, poller: Poller, *, wait: bool) -> None:
        self.client = client
        self.poller = poller
        self.wait = wait
        self.warnings: list[str] = []
        self.done: list[dict[str, Value]] = []

    def refuse_foreign(self, found: Document | None, target: Target, options: Mapping[str, Any]) -> None:
        """Raise AwsError for what has the name and lacks the tags that say whose it is."""
        had, tags = (found or {}).get("tags") or {}, options.get("tags") or {}
        if found is not None and found.get("status") != "DELETING" and not options["adopt"] and not owned(had, tags):
            raise AwsError(refusal(target.kind, target.name, had, tags))

    def settle(self, target: Target) -> bool:
        """Wait for whatever is going on at *target*; tells whether there was anything."""
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
                # How someone else's update ends is not this run's affair.
                return Probe(status, done=status != "InProgress")

            self.poller.until(f"{update.get('type', 'update')} {update['id']} of {target.label}", look)
        return busy

    def settled(self, found: Document | None, target: Target, *, check_mode: bool) -> Document | None:
        """Wait out what an interrupted or another run has left going; what *found* is then."""
        status = (found or {}).get("status")
        if status == "DELETING":
            if not check_mode:
                self.wait_gone(target)
            return None
        if status == "UPDATING" and not check_mode:
            self.settle(target)
            return target.read()
        return found

    def refuse_failed(self, found: Document | None, target: Target) -> None:
        """Raise FailedError for what could not be created, with the reasons and with what to do."""
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

    def remove(self, plan: Plan, found: Document | None, target: Target, *, check_mode: bool) -> None:
        """Do what *plan* says, or wait for a removal that is going on already."""
        if check_mode:
            return
        if plan:
            self.apply(plan, target)
        elif found and self.wait:
            self.wait_gone(target)

    def apply(self, plan: Plan, target: Target) -> None:
        """Do what *plan* says. Raises AwsError."""
        steps = list(plan)
        for number, step in enumerate(steps):
            answer = self._send(step, target)
            self.done.append(step.as_dict())
            if self.wait or number < len(steps) - 1:
                self._finish(step, answer, target)

    def _send(self, step: Step, target: Target) -> Document:
        while True:
            try:
                return api.send(self.client, step.operation, step.request, target.label)
            except ApiError as error:
                if error.code == "ResourceNotFoundException" and step.operation.startswith(("Delete", "Disassociate")):
                    # A repeated call finds what its first attempt has left; or someone else was faster.
                    return {}
                if error.code not in BUSY or not self.settle(target):
                    raise

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


def run(module: Any, work: Callable[[Runner], Mapping[str, Value]]) -> None:  # noqa: ANN401 - AnsibleAWSModule
    """Run *work* and leave the module with its result, or with its error."""
    from botocore.config import Config  # noqa: PLC0415 - AnsibleAWSModule has checked that botocore is there

    # Over any Config of the user's own, AnsibleAWSModule lets the user win.
    client = watched(module.client("eks", config=Config(retries={"mode": "standard", "max_attempts": 5})))
    poller = Poller(float(module.params.get("wait_timeout", SETTLE_SECONDS)), module.log)
    runner = Runner(client, poller, wait=bool(module.params.get("wait", True)))
    if module.params.get("tags") is not None:
        module.params["tags"] = texts(module.params["tags"])
    try:
        result = work(runner)
    except AwsError as error:
        # What was done before it went wrong is done: the next run goes on from there.
        told = {"changed": bool(runner.done), "actions": runner.done, "waited": poller.report(), **error.details}
        module.fail_json(msg=error.message, **told)
    for warning in runner.warnings:
        module.warn(warning)
    module.exit_json(**result)


def outcome(plan: Plan, runner: Runner, **returned: Value) -> dict[str, Value]:
    """A module's result: what changed comes from the plan, in check mode and in earnest."""
    return {
        "changed": bool(plan),
        "diff": plan.diff(),
        "actions": plan.as_list(),
        "waited": runner.poller.report(),
        **returned,
    }


def overlay(below: Mapping[str, Value], above: Mapping[str, Value]) -> dict[str, Value]:
    """*above* over *below*, key by key; lists, tags and logging are replaced as a whole."""
    merged = dict(below)
    for key, value in above.items():
        if key in ("logging", "tags") or not isinstance(value, Mapping):
            merged[key] = value
        else:
            merged[key] = overlay(merged.get(key) or {}, value)
    return merged


def predict_tags(predicted: Mapping[str, Value], plan: Plan) -> dict[str, Value]:
    """*predicted* with the tags that *plan* puts and takes away."""
    tags = plan.tags(predicted.get("tags"))
    return {**predicted, "tags": tags} if tags or "tags" in predicted else dict(predicted)
