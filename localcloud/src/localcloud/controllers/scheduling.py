# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selection of nodes that Auto Mode starts for unschedulable pods: pure functions of pods and instance types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localcloud.controllers.instances import INSTANCE_TYPES, InstanceType, allocatable
from localcloud.controllers.kube import Object
from localcloud.controllers.nodespec import INSTANCE_TYPE, ZONE
from localcloud.controllers.quantities import bytes_of, millis_of

CRITICAL = "CriticalAddonsOnly"
_ZONES = (ZONE, "failure-domain.beta.kubernetes.io/zone", "topology.ebs.csi.aws.com/zone")
_FAMILIES = ("c6i", "m6i", "r6i", "c7g", "m7g", "r7g")


@dataclass(frozen=True)
class Pool:
    """A built-in node pool of EKS."""

    name: str
    architectures: tuple[str, ...]
    taints: tuple[tuple[str, str], ...] = ()


POOLS = {
    "general-purpose": Pool("general-purpose", ("amd64",)),
    "system": Pool("system", ("amd64", "arm64"), ((CRITICAL, "NoSchedule"),)),
}


@dataclass(frozen=True)
class Requests:
    """Resource requests of pods, in thousandths of a core and bytes."""

    cpu: int = 0
    memory: int = 0
    pods: int = 0

    def __add__(self, other: Requests) -> Requests:
        return Requests(self.cpu + other.cpu, self.memory + other.memory, self.pods + other.pods)


@dataclass
class Launch:
    """A node to start: its pool, its possible types and zones, and its pods."""

    pool: Pool
    types: list[InstanceType]
    zones: list[str]
    requests: Requests
    pods: list[Object] = field(default_factory=list)
    alone: bool = False


def requests_of(pod: Object) -> Requests:
    """Return a pod's requests as computed by the scheduler: init containers overlap, sidecars do not."""
    running = Requests(pods=1)
    for container in pod["spec"]["containers"]:
        running += _container(container)
    peak = running
    for container in pod["spec"].get("initContainers") or []:
        asked = _container(container)
        if container.get("restartPolicy") == "Always":
            running += asked
            peak += asked
        else:
            peak = Requests(max(peak.cpu, asked.cpu), max(peak.memory, asked.memory), 1)
    return peak


def _container(container: Object) -> Requests:
    asked = (container.get("resources") or {}).get("requests") or {}
    return Requests(millis_of(asked.get("cpu", "0")), bytes_of(asked.get("memory", "0")))


def room_of(instance: InstanceType) -> Requests:
    free = allocatable(instance, 80)
    return Requests(millis_of(free["cpu"]), bytes_of(free["memory"]), int(free["pods"]))


def fits(requests: Requests, room: Requests) -> bool:
    return requests.cpu <= room.cpu and requests.memory <= room.memory and requests.pods <= room.pods


def candidates(pool: Pool) -> list[InstanceType]:
    """Return the instance types of a pool, the cheapest first: fewer vCPU, then less memory, then x86."""
    found = [
        instance
        for name, instance in INSTANCE_TYPES.items()
        if name.partition(".")[0] in _FAMILIES and instance.vcpus >= 2 and instance.architecture in pool.architectures
    ]
    return sorted(found, key=lambda i: (i.vcpus, i.memory_gib, i.architecture))


def labels_of(pool: Pool, instance: InstanceType, zone: str) -> dict[str, str]:
    """Return the labels of an Auto Mode node that pods can select."""
    family, _, size = instance.name.partition(".")
    return {
        "app.kubernetes.io/managed-by": "eks",
        "eks.amazonaws.com/compute-type": "auto",
        "eks.amazonaws.com/instance-category": family[0],
        "eks.amazonaws.com/instance-cpu": str(instance.vcpus),
        "eks.amazonaws.com/instance-family": family,
        "eks.amazonaws.com/instance-generation": family[1],
        "eks.amazonaws.com/instance-memory": str(instance.memory_gib * 1024),
        "eks.amazonaws.com/instance-size": size,
        "eks.amazonaws.com/nodeclass": "default",
        "karpenter.sh/capacity-type": "on-demand",
        "karpenter.sh/nodepool": pool.name,
        "kubernetes.io/arch": instance.architecture,
        "kubernetes.io/os": "linux",
        INSTANCE_TYPE: instance.name,
        **dict.fromkeys(_ZONES, zone),
    }


def tolerates(pod: Object, taints: Iterable[tuple[str, str]]) -> bool:
    """Whether a pod tolerates taints given as (key, effect)."""
    tolerations = pod["spec"].get("tolerations") or []
    return all(
        any(
            t.get("effect") in (None, "", effect)
            and (t.get("key") == key or (not t.get("key") and t.get("operator") == "Exists"))
            for t in tolerations
        )
        for key, effect in taints
    )


def selects(pod: Object, labels: Mapping[str, str]) -> bool:
    """Whether a pod's node selector and required node affinity accept a node's labels."""
    spec = pod["spec"]
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    terms = (affinity or {}).get("nodeSelectorTerms") or []
    return not terms or any(_term(term, labels) for term in terms)


def _term(term: Object, labels: Mapping[str, str]) -> bool:
    expressions = term.get("matchExpressions") or []
    return bool(expressions) and all(_matches(expression, labels) for expression in expressions)


def _matches(expression: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    operator = expression["operator"]
    results: dict[str, bool] = {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }
    if operator in results:
        return results[operator]
    if value is None or not value.isdigit() or not values:
        return False
    return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])


def volume_zones(pod: Object, claims: Mapping[str, Object], volumes: Mapping[str, Object]) -> set[str] | None:
    """Return the zones of a pod's bound volumes; None without a restriction."""
    zones: set[str] | None = None
    for entry in pod["spec"].get("volumes") or []:
        name = (entry.get("persistentVolumeClaim") or {}).get("claimName")
        claim = claims.get(f"{pod['metadata']['namespace']}/{name}") if name else None
        volume = volumes.get((claim or {}).get("spec", {}).get("volumeName") or "")
        required = ((volume or {}).get("spec", {}).get("nodeAffinity") or {}).get("required") or {}
        for term in required.get("nodeSelectorTerms") or []:
            for expression in term.get("matchExpressions") or []:
                if expression["key"] in _ZONES:
                    found = set(expression["values"])
                    zones = found if zones is None else zones & found
    return zones


def launches(
    pods: Sequence[tuple[Object, set[str] | None]],
    pools: Sequence[Pool],
    zones: Sequence[str],
    overhead: Requests,
) -> list[Launch]:
    """Return the nodes to start for pending pods, in zones that volumes allow. First fit, largest pods first.

    ``overhead`` are the requests of DaemonSets on every node. Pods that fit no pool are left out.
    """
    result: list[Launch] = []
    order = sorted(pods, key=lambda pair: (-requests_of(pair[0]).cpu, -requests_of(pair[0]).memory))
    for pod, bound in order:
        asked = requests_of(pod)
        alone = _keeps_apart(pod)
        if not any(not alone and not launch.alone and _join(launch, pod, asked, bound) for launch in result):
            fresh = _open(pod, asked, bound, pools, zones, overhead)
            if fresh is not None:
                fresh.alone = alone
                result.append(fresh)
    return result


def _open(  # noqa: PLR0917
    pod: Object,
    asked: Requests,
    bound: set[str] | None,
    pools: Sequence[Pool],
    zones: Sequence[str],
    overhead: Requests,
) -> Launch | None:
    for pool in pools:
        launch = Launch(pool, candidates(pool), list(zones), overhead)
        if _join(launch, pod, asked, bound):
            return launch
    return None


def _join(launch: Launch, pod: Object, asked: Requests, bound: set[str] | None) -> bool:
    """Add a pod to a launch if a type and a zone remain for all its pods."""
    if not tolerates(pod, launch.pool.taints):
        return False
    total = launch.requests + asked
    pairs = [
        (instance, zone)
        for instance in launch.types
        if fits(total, room_of(instance))
        for zone in launch.zones
        if (bound is None or zone in bound) and selects(pod, labels_of(launch.pool, instance, zone))
    ]
    if not pairs:
        return False
    launch.types = list(dict.fromkeys(instance for instance, _ in pairs))
    launch.zones = list(dict.fromkeys(zone for _, zone in pairs))
    launch.requests = total
    launch.pods.append(pod)
    return True


def _keeps_apart(pod: Object) -> bool:
    """Whether a pod's anti-affinity forbids other pods of its workload on the node."""
    anti: Any = ((pod["spec"].get("affinity") or {}).get("podAntiAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return any(term.get("topologyKey") == "kubernetes.io/hostname" for term in anti or [])
