# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute of EKS Auto Mode: adds nodes for unschedulable pods, and removes empty nodes."""

from __future__ import annotations

import secrets
import time
from collections import Counter

from localcloud.controllers import nodespec, scheduling
from localcloud.controllers.cloud import Record
from localcloud.controllers.context import Context
from localcloud.controllers.kube import Object
from localcloud.controllers.nodegroups import Drains, leaves_by_eviction

_COMPUTE = "eks.amazonaws.com/compute-type"
_DISK_GIB = 80
# Seconds to wait until pods are scheduled on a new node before other nodes are started for them.
_PATIENCE = 15.0
_MOST_NODES = 50
# Pods that are created within this time can share a new node.
_BATCH = 1.0


class AutoModeController:
    """Starts and stops the nodes of EKS' built-in node pools."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._drains = Drains(context)
        self._nominated: dict[str, tuple[str, float]] = {}
        self._empty_since: dict[str, float] = {}
        self._batch: tuple[frozenset[str], float] = (frozenset(), 0.0)

    def reconcile(self, cluster: Record) -> None:
        nodes = [n for n in self._context.all("Node") if n["metadata"].get("labels", {}).get(_COMPUTE) == "auto"]
        names = (cluster.get("computeConfig") or {}).get("nodePools") or []
        pools = [scheduling.POOLS[name] for name in names if name in scheduling.POOLS]
        if not self._context.auto_mode(cluster):
            for node in nodes:
                self._drains.step(node, force_after=self._context.settings.removal)
            return
        for node in nodes:
            if node["metadata"]["labels"].get("karpenter.sh/nodepool") not in names:
                self._drains.step(node, force_after=self._context.settings.removal)
        self._remove_empty(nodes)
        pending = self._pending({node["metadata"]["name"] for node in nodes})
        if pending and pools and len(nodes) < _MOST_NODES and self._is_complete(pending):
            self._launch(cluster, pools, pending, nodes)

    def _pending(self, nodes: set[str]) -> list[Object]:
        """Return unschedulable pods for which no node is starting."""
        now = time.monotonic()
        self._nominated = {
            uid: (node, since)
            for uid, (node, since) in self._nominated.items()
            if node in nodes and now - since < _PATIENCE
        }
        return [
            pod
            for pod in self._context.all("Pod")
            if _unschedulable(pod) and pod["metadata"]["uid"] not in self._nominated
        ]

    def _is_complete(self, pending: list[Object]) -> bool:
        """Whether no pod has been created recently."""
        pods = frozenset(pod["metadata"]["uid"] for pod in pending)
        if pods != self._batch[0]:
            self._batch = (pods, time.monotonic())
        return time.monotonic() - self._batch[1] >= _BATCH

    def _launch(
        self, cluster: Record, pools: list[scheduling.Pool], pending: list[Object], nodes: list[Object]
    ) -> None:
        subnets = self._context.subnets((cluster.get("resourcesVpcConfig") or {}).get("subnetIds"))
        if not subnets:
            return
        claims = {
            f"{c['metadata']['namespace']}/{c['metadata']['name']}": c
            for c in self._context.all("PersistentVolumeClaim")
        }
        volumes = {volume["metadata"]["name"]: volume for volume in self._context.all("PersistentVolume")}
        overhead = scheduling.Requests()
        for daemon_set in self._context.all("DaemonSet"):
            overhead += scheduling.requests_of({"spec": daemon_set["spec"]["template"]["spec"]})
        wanted = scheduling.launches(
            [(pod, scheduling.volume_zones(pod, claims, volumes)) for pod in pending],
            pools,
            sorted({subnet["AvailabilityZone"] for subnet in subnets}),
            overhead,
        )
        zones = [nodespec.zone_of(node) for node in nodes]
        for launch in wanted:
            count = Counter(zones)
            zone = min(launch.zones, key=lambda name: (count[name], name))
            subnet = next(subnet for subnet in subnets if subnet["AvailabilityZone"] == zone)
            name = self._start(cluster, launch, subnet)
            zones.append(zone)
            for pod in launch.pods:
                self._nominated[pod["metadata"]["uid"]] = (name, time.monotonic())
                text = f"Pod should schedule on: node/{name}"
                self._context.event(pod, "Normal", "Nominated", text, "eks-auto-mode/compute")

    def _start(self, cluster: Record, launch: scheduling.Launch, subnet: Record) -> str:
        """Register the node of a launch; Auto Mode names nodes after their instance."""
        instance = launch.types[0]
        name = f"i-0{secrets.token_hex(8)}"
        taken = [nodespec.address_of(node) for node in self._context.all("Node")]
        region = self._context.ref.region
        labels = nodespec.base_labels(instance, subnet, region, name)
        labels |= scheduling.labels_of(launch.pool, instance, subnet["AvailabilityZone"])
        node = nodespec.node_object(
            name=name,
            address=nodespec.free_address(subnet["CidrBlock"], taken, name),
            instance=instance,
            instance_id=name,
            subnet=subnet,
            labels=labels,
            annotations={nodespec.NETWORK: "ready"},
            node_taints=[{"key": key, "effect": effect} for key, effect in launch.pool.taints],
            disk_gib=_DISK_GIB,
            kubelet=nodespec.kubelet_version(str(cluster.get("version", "")), ""),
            image="Bottlerocket (EKS Auto, Standard)",
        )
        self._context.informers["Node"].remember(self._context.kube.create("Node", node))
        return name

    def _remove_empty(self, nodes: list[Object]) -> None:
        now = time.monotonic()
        busy = {
            pod["spec"].get("nodeName")
            for pod in self._context.all("Pod")
            if leaves_by_eviction(pod) and pod["spec"].get("nodeName")
        }
        expected = {node for node, _ in self._nominated.values()}
        for node in nodes:
            name = node["metadata"]["name"]
            if name in busy or name in expected or not nodespec.is_ready(node):
                self._empty_since.pop(name, None)
            elif now - self._empty_since.setdefault(name, now) > self._context.settings.auto_mode_idle:
                self._empty_since.pop(name, None)
                self._drains.remove(name)


def _unschedulable(pod: Object) -> bool:
    if pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
        return False
    owners = pod["metadata"].get("ownerReferences") or []
    conditions = pod.get("status", {}).get("conditions") or []
    return not any(owner["kind"] == "DaemonSet" for owner in owners) and any(
        c["type"] == "PodScheduled" and c["status"] == "False" and c.get("reason") == "Unschedulable"
        for c in conditions
    )
