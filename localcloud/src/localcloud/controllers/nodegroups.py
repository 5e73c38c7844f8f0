# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed node groups: the requested number of simulated nodes, with EKS' rolling updates."""

from __future__ import annotations

import secrets
import time
from functools import partial

from localcloud.controllers import nodespec
from localcloud.controllers.cloud import Issue, NodegroupReport, Record
from localcloud.controllers.context import Context, guarded
from localcloud.controllers.kube import ApiError, Object


class Drains:
    """Drains of nodes in progress: cordon, evict, and delete the node when it has no pods."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._since: dict[str, float] = {}
        self._asked: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._since

    def overdue(self, name: str, limit: float) -> bool:
        """Whether a drain takes longer than ``limit`` seconds."""
        return name in self._since and time.monotonic() - self._since[name] > limit

    def step(self, node: Object, *, force_after: float | None) -> bool:
        """Do the next step of a drain; return true when the node is deleted.

        Pods that a PodDisruptionBudget protects are deleted after ``force_after`` seconds, if it is set.
        """
        name = node["metadata"]["name"]
        now = time.monotonic()
        self._since.setdefault(name, now)
        if not node["spec"].get("unschedulable"):
            self._remember(self._context.kube.patch("Node", name, {"spec": {"unschedulable": True}}))
        remaining = [pod for pod in self._pods(name) if leaves_by_eviction(pod)]
        if remaining:
            if now - self._asked.get(name, 0) >= 1:
                self._asked[name] = now
                self._ask(remaining, force=force_after is not None and self.overdue(name, force_after))
            return False
        self.remove(name)
        return True

    def remove(self, name: str) -> None:
        """Delete a node and its remaining pods, as when its instance is terminated."""
        self._context.kube.delete("Node", name)
        self._context.informers["Node"].forget(name)
        for pod in self._pods(name):
            self._context.kube.delete("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"], grace=0)
        self._since.pop(name, None)
        self._asked.pop(name, None)

    def give_up(self, node: Object) -> None:
        """Cancel a drain and uncordon the node."""
        name = node["metadata"]["name"]
        self._since.pop(name, None)
        self._asked.pop(name, None)
        if node["spec"].get("unschedulable"):
            self._remember(self._context.kube.patch("Node", name, {"spec": {"unschedulable": None}}))

    def _ask(self, pods: list[Object], *, force: bool) -> None:
        for pod in pods:
            meta = pod["metadata"]
            if force:
                self._context.kube.delete("Pod", meta["name"], meta["namespace"], grace=0)
            elif "deletionTimestamp" not in meta:
                try:
                    self._context.kube.evict(meta["name"], meta["namespace"])
                except ApiError as error:
                    self._context.log.warning("eviction of %s/%s: %s", meta["namespace"], meta["name"], error)

    def _pods(self, node: str) -> list[Object]:
        return [pod for pod in self._context.all("Pod") if pod["spec"].get("nodeName") == node]

    def _remember(self, node: Object) -> None:
        self._context.informers["Node"].remember(node)


class NodegroupController:
    """Reconciles the nodes of every managed node group with its record."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._drains = Drains(context)
        self._failed: dict[str, str] = {}
        self._waiting: dict[str, float] = {}

    def reconcile(self, cluster: Record) -> None:  # noqa: ARG002
        if any(self._context.cached("DaemonSet", name, "kube-system") for name in nodespec.NETWORK_PLUGINS):
            self._connect()
        groups = {str(group["nodegroupName"]): group for group in self._context.cloud.nodegroups()}
        nodes: dict[str, list[Object]] = {}
        for node in self._context.all("Node"):
            name = node["metadata"].get("labels", {}).get(nodespec.NODEGROUP)
            # A real node is additional to the desired size of the node group.
            if name and not nodespec.is_real(node):
                nodes.setdefault(name, []).append(node)
        for name, group in groups.items():
            guarded(self._context.log, f"node group {name}", partial(self._one, group, nodes.get(name, [])))
        for name in nodes.keys() - groups.keys():
            self._shrink(name, nodes[name])

    def _one(self, group: Record, nodes: list[Object]) -> None:
        name = str(group["nodegroupName"])
        if group["status"] == "CREATE_FAILED":
            return  # its nodes and the reason are kept for inspection until it is deleted
        report = self._shrink(name, nodes) if group["status"] == "DELETING" else self._bring(group, nodes)
        self._context.cloud.report_nodegroup(name, report)

    def _connect(self) -> None:
        """Mark nodes as having a network plugin."""
        for node in self._context.all("Node"):
            meta = node["metadata"]
            if nodespec.NODEGROUP in meta.get("labels", {}) and nodespec.NETWORK not in meta.get("annotations", {}):
                body = {"metadata": {"annotations": {nodespec.NETWORK: "ready"}}}
                self._context.informers["Node"].remember(self._context.kube.patch("Node", meta["name"], body))

    def _shrink(self, name: str, nodes: list[Object]) -> NodegroupReport:
        """Remove all nodes of a node group."""
        self._failed.pop(name, None)
        self._waiting.pop(name, None)
        rest = [node for node in nodes if not self._drains.step(node, force_after=self._context.settings.removal)]
        return NodegroupReport(desired=0, nodes=len(rest), ready=0)

    def _bring(self, group: Record, nodes: list[Object]) -> NodegroupReport:
        name = str(group["nodegroupName"])
        desired = int((group.get("scalingConfig") or {}).get("desiredSize", 0))
        unknown = nodespec.unknown_types(group)
        if unknown:
            text = f"The following EC2 instance types do not exist: {', '.join(unknown)}"
            issue = Issue("Ec2InstanceTypeDoesNotExist", text, (name,))
            return NodegroupReport(desired, len(nodes), 0, issues=(issue,), fatal=True)
        for node in nodes:
            self._configure(node, group)
        outdated = [node for node in nodes if nodespec.is_outdated(node, group)]
        failure = self._failure(group, outdated)
        wanted = self._replace(group, nodes, outdated, desired) if outdated and not failure else desired
        current = [node for node in nodes if node not in outdated]
        if failure:
            self._abandon(nodes, current, desired)
        elif len(nodes) < wanted:
            nodes = nodes + self._create(group, nodes, wanted - len(nodes))
        elif not outdated:
            self._scale_in(nodes, desired)
        unhealthy = self._never_ready(group, nodes)
        return NodegroupReport(
            desired=desired,
            nodes=len(nodes),
            ready=sum(nodespec.is_ready(node) for node in nodes),
            outdated=len(outdated),
            image=nodespec.image_id(group),
            eviction_failed=failure,
            issues=(unhealthy,) if unhealthy else (),
            fatal=unhealthy is not None,
        )

    def _never_ready(self, group: Record, nodes: list[Object]) -> Issue | None:
        """Return why a new node group fails: its nodes are not ready within the time limit."""
        name = str(group["nodegroupName"])
        late = [node for node in nodes if not nodespec.is_ready(node)]
        if group["status"] != "CREATING" or not late:
            self._waiting.pop(name, None)
            return None
        if time.monotonic() - self._waiting.setdefault(name, time.monotonic()) < self._context.settings.join:
            return None
        ids = tuple(node["spec"]["providerID"].rpartition("/")[2] for node in late)
        return Issue("NodeCreationFailure", "Unhealthy nodes in the kubernetes cluster", ids)

    def _configure(self, node: Object, group: Record) -> None:
        patch = nodespec.config_patch(node, group)
        if patch:
            patched = self._context.kube.patch("Node", node["metadata"]["name"], patch)
            self._context.informers["Node"].remember(patched)

    def _scale_in(self, nodes: list[Object], desired: int) -> None:
        order = nodespec.scale_in_order(nodes)
        for node in order[: max(0, len(nodes) - desired)]:
            self._drains.step(node, force_after=self._context.settings.removal)
        for node in order[max(0, len(nodes) - desired) :]:
            # The desired size increased again during the drain.
            if node["metadata"]["name"] in self._drains:
                self._drains.give_up(node)

    def _replace(self, group: Record, nodes: list[Object], outdated: list[Object], desired: int) -> int:
        """Do one step of a rolling update; return the desired number of nodes during it.

        New nodes are added first. Once they are Ready, old nodes are drained, as many as the update config allows.
        """
        current = [node for node in nodes if node not in outdated]
        surplus = max(0, len(nodes) - desired)
        batch = nodespec.surge(group, desired)
        if desired and len(current) < desired and surplus < batch:
            return desired + min(batch, len(outdated), desired - len(current) + surplus)
        if all(nodespec.is_ready(node) for node in current):
            force = bool((group.get("update") or {}).get("force"))
            limit = self._context.settings.removal if force else None
            order = sorted(outdated, key=lambda node: (node["metadata"]["name"] not in self._drains, _age(node)))
            for node in order[: max(batch, surplus)]:
                self._drains.step(node, force_after=limit)
        return 0

    def _failure(self, group: Record, outdated: list[Object]) -> Issue | None:
        """Return why the group's current update failed."""
        name = str(group["nodegroupName"])
        update = group.get("update") or {}
        asked = f"{update.get('id', '')} {nodespec.image_id(group)}"
        if not outdated:
            self._failed.pop(name, None)
            return None
        limit = self._context.settings.eviction
        stuck = [n["metadata"]["name"] for n in outdated if self._drains.overdue(n["metadata"]["name"], limit)]
        if stuck and not update.get("force"):
            self._failed[name] = asked
        if self._failed.get(name) != asked:
            return None
        text = f"Reached max retries while trying to evict pods from nodes in node group {name}"
        return Issue("PodEvictionFailure", text, tuple(stuck or [n["metadata"]["name"] for n in outdated]))

    def _abandon(self, nodes: list[Object], current: list[Object], desired: int) -> None:
        """Roll back a failed update: uncordon old nodes and delete the surplus new nodes."""
        surplus = nodespec.scale_in_order(current)[: max(0, len(nodes) - desired)]
        for node in nodes:
            if node in surplus:
                self._drains.step(node, force_after=self._context.settings.removal)
            elif node["metadata"]["name"] in self._drains:
                self._drains.give_up(node)

    def _create(self, group: Record, nodes: list[Object], count: int) -> list[Object]:
        subnets = self._context.subnets(group.get("subnets"))
        if not subnets:
            self._context.log.warning("node group %s has no subnets in the cluster's VPC", group["nodegroupName"])
            return []
        zones = [nodespec.zone_of(node) for node in nodes]
        taken = [nodespec.address_of(node) for node in self._context.all("Node")]
        created = []
        for _ in range(count):
            subnet = nodespec.next_subnet(subnets, zones)
            reserved = nodespec.block_of(subnet["CidrBlock"]) if self._context.machines else ()
            node = nodespec.nodegroup_node(
                group,
                subnet,
                self._context.ref.region,
                instance_id=f"i-0{secrets.token_hex(8)}",
                taken=[*taken, *map(str, reserved)],
            )
            stored = self._context.kube.create("Node", node)
            self._context.informers["Node"].remember(stored)
            zones.append(subnet["AvailabilityZone"])
            taken.append(nodespec.address_of(node))
            created.append(stored)
        return created


def leaves_by_eviction(pod: Object) -> bool:
    """Whether a drain waits for a pod: it ignores pods of DaemonSets and finished pods."""
    owners = pod["metadata"].get("ownerReferences") or []
    finished = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not finished and not any(owner["kind"] == "DaemonSet" for owner in owners)


def _age(node: Object) -> str:
    return str(node["metadata"].get("creationTimestamp", "")) + str(node["metadata"]["name"])
