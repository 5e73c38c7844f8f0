# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in a cluster and belongs to an ApplySet, from lists of its objects. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applyset import ID, PART_OF

KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet")
# https://kwok.sigs.k8s.io: its nodes say that their pods are nothing but objects.
_SIMULATED: Final = ("kwok.x-k8s.io/node", "fake")
_PARENT_SUFFIX: Final = "-applyset"
_HEADS: Final = ("COMPONENT", "KIND", "NAMESPACE", "READY", "VERSION", "")

Object = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Component:
    """One workload of a set."""

    applyset: str
    namespace: str
    name: str
    kind: str
    desired: int
    ready: int
    version: str
    images: list[str]
    simulated: bool
    """Whether its pods are on simulated nodes, where nothing runs."""

    def public(self) -> dict[str, Any]:
        return asdict(self)


def components(
    workloads: Iterable[Object], parents: Iterable[Object], pods: Sequence[Object], nodes: Iterable[Object]
) -> list[Component]:
    """The workloads that belong to sets, by set and name."""
    sets = {
        parent["metadata"]["labels"][ID]: parent["metadata"]["name"].removesuffix(_PARENT_SUFFIX) for parent in parents
    }
    simulated = {node["metadata"]["name"] for node in nodes if is_simulated(node)}
    found = []
    for item in workloads:
        metadata, spec = item["metadata"], item["spec"]
        owner = (metadata.get("labels") or {}).get(PART_OF)
        if owner is None:
            continue
        images = [container["image"] for container in spec["template"]["spec"]["containers"]]
        desired, ready = _counts(item)
        places = {pod["spec"].get("nodeName") for pod in pods if _selects(item, pod)} - {None}
        found.append(
            Component(
                applyset=sets.get(owner, owner),
                namespace=metadata["namespace"],
                name=metadata["name"],
                kind=item["kind"],
                desired=desired,
                ready=ready,
                version=version_of(images[0]),
                images=images,
                simulated=bool(places) and places <= simulated,
            )
        )
    return sorted(found)


def is_simulated(node: Object) -> bool:
    """Whether nothing runs on the node: its pods are objects that are marked as running."""
    name, value = _SIMULATED
    return bool((node["metadata"].get("annotations") or {}).get(name) == value)


def _counts(item: Object) -> tuple[int, int]:
    """How many pods there shall be, and how many are ready and of the newest form."""
    status = item.get("status") or {}
    if item["kind"] == "DaemonSet":
        desired, ready, updated = "desiredNumberScheduled", "numberReady", "updatedNumberScheduled"
        wanted = status.get(desired, 0)
    else:
        ready, updated = "readyReplicas", "updatedReplicas"
        wanted = item["spec"].get("replicas", 1)
    return wanted, min(status.get(ready, 0), status.get(updated, 0))


def _selects(item: Object, pod: Object) -> bool:
    wanted = (item["spec"].get("selector") or {}).get("matchLabels") or {}
    labels = pod["metadata"].get("labels") or {}
    return bool(
        wanted
        and pod["metadata"]["namespace"] == item["metadata"]["namespace"]
        and all(labels.get(key) == value for key, value in wanted.items())
    )


def version_of(image: str) -> str:
    """The tag of an image.

    >>> [version_of(i) for i in ("a.example:5000/b:1.2@sha256:00", "a.example:5000/b", "b:v3")]
    ['1.2', 'latest', 'v3']
    """
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2] or "latest"


def table(cluster: str, found: Sequence[Component]) -> str:
    """What people read.

    >>> web = Component("web", "n", "web", "Deployment", 2, 1, "1.2", ["b:1.2"], True)
    >>> print(table("staging", [web]))
    staging: 0 of 1 components ready
    COMPONENT  KIND        NAMESPACE  READY  VERSION
    web        Deployment  n          1/2    1.2      not ready, simulated
    """
    ready = sum(item.ready >= item.desired for item in found)
    head = f"{cluster}: {ready} of {len(found)} components ready"
    if not found:
        return f"{cluster}: no components"
    rows = [
        (
            item.name if item.name == item.applyset else f"{item.applyset}/{item.name}",
            item.kind,
            item.namespace,
            f"{item.ready}/{item.desired}",
            item.version,
            ", ".join(["not ready"] * (item.ready < item.desired) + ["simulated"] * item.simulated),
        )
        for item in found
    ]
    widths = [max(len(row[column]) for row in [_HEADS, *rows]) for column in range(len(_HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [_HEADS, *rows]]
    return "\n".join(line.rstrip() for line in [head, *lines])
