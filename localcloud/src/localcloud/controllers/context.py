# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared context of a cluster's controllers: client, informers, account and log."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from localcloud.controllers.cloud import Cloud, Record
from localcloud.controllers.kube import Informer, Kube, Object, Unreachable, api_version
from localcloud.model import ClusterRef

WATCHED = (
    "CSINode",
    "DaemonSet",
    "Deployment",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "Service",
    "StorageClass",
)


# Watched only for real nodes.
WATCHED_FOR_MACHINES = ("EndpointSlice", "Namespace", "NetworkPolicy")


class RealNodes(Protocol):
    """The volumes of clusters' real nodes."""

    def create_volume(self, cluster: ClusterRef, volume_id: str, size_gib: int, file_system: str) -> str:
        """Create a persistent volume; return its path on real nodes."""

    def resize_volume(self, cluster: ClusterRef, volume_id: str, size_gib: int) -> None:
        """Expand a persistent volume while it is in use."""

    def delete_volume(self, cluster: ClusterRef, volume_id: str) -> None:
        """Remove a persistent volume and its data."""


@dataclass(frozen=True)
class Settings:
    """Durations in seconds."""

    tick: float = 1.0
    """Interval of reads of the account when there are no events in the cluster."""
    settle: float = 0.2
    """Time in which events are collected before the controllers reconcile."""
    eviction: float = 60.0
    """Time in which a PodDisruptionBudget can block the replacement of a node; EKS waits 15 minutes."""
    removal: float = 8.0
    """Time in which it can block the removal of a node; EKS waits 15 minutes, too."""
    join: float = 240.0
    """Time for the nodes of a new node group to become ready, also on a busy machine; EKS waits longer."""
    auto_mode_idle: float = 30.0
    """Time until an Auto Mode node without pods is removed."""
    unavailable_grace: float = 45.0
    """Time in which an add-on's pods can be missing, if there are nodes, before the add-on is unhealthy."""


class Context:
    """The cluster as its controllers see it."""

    def __init__(  # noqa: PLR0917
        self,
        ref: ClusterRef,
        cloud: Cloud,
        kube: Kube,
        log: logging.Logger,
        settings: Settings,
        machines: RealNodes | None = None,
    ) -> None:
        """With ``machines``, the cluster has a real node."""
        self.ref = ref
        self.cloud = cloud
        self.kube = kube
        self.log = log
        self.settings = settings
        self.machines = machines
        self.wake = threading.Event()
        watched = (*WATCHED, *(WATCHED_FOR_MACHINES if machines else ()))
        self.informers = {kind: Informer(kube, kind, self.wake.set, log) for kind in watched}

    def all(self, kind: str) -> list[Object]:
        return self.informers[kind].all()

    def cached(self, kind: str, name: str, namespace: str = "") -> Object | None:
        return self.informers[kind].get(name, namespace)

    def subnets(self, ids: Collection[str] | None) -> list[Record]:
        """Return the subnets of the cluster's VPC with these identifiers, by default all."""
        return [subnet for subnet in self.cloud.subnets() if not ids or subnet["SubnetId"] in ids]

    def auto_mode(self, cluster: Record) -> bool:
        return bool((cluster.get("computeConfig") or {}).get("enabled"))

    def event(self, obj: Object, kind: str, reason: str, message: str, source: str) -> None:
        """Write an Event about an object; an equal Event gets a higher count, as with client-go's event recorder."""
        meta = obj["metadata"]
        namespace = meta.get("namespace") or "default"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for known in self.kube.list("Event", namespace, fieldSelector=f"involvedObject.uid={meta['uid']}"):
            if known.get("reason") == reason and known.get("message") == message:
                body = {"count": int(known.get("count") or 1) + 1, "lastTimestamp": now}
                self.kube.patch("Event", known["metadata"]["name"], body, namespace)
                return
        involved = {"kind": obj["kind"], "name": meta["name"], "uid": meta["uid"]}
        self.kube.create(
            "Event",
            {
                "metadata": {"name": f"{meta['name']}.{secrets.token_hex(8)}", "namespace": namespace},
                "involvedObject": {
                    "apiVersion": api_version(obj["kind"]),
                    "namespace": meta.get("namespace", ""),
                    "resourceVersion": meta.get("resourceVersion", ""),
                    **involved,
                },
                "reason": reason,
                "message": message,
                "type": kind,
                "source": {"component": source},
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
            namespace,
        )


class Controller(Protocol):
    """A controller. ``reconcile`` reads the current state and does the next step; it does not wait."""

    def reconcile(self, cluster: Record) -> None: ...


class RealNodeController(Controller, Protocol):
    """The controller of a cluster's real node."""

    def close(self) -> None:
        """Release resources; the node is kept."""


class Backoff:
    """Exponential backoff of retries: 1, 2, 4 … seconds, at most ``limit``."""

    def __init__(self, limit: float = 8.0) -> None:
        self._limit = limit
        self._next: dict[str, tuple[float, float]] = {}

    def due(self, key: str) -> bool:
        return self._next.get(key, (0.0, 0.0))[0] <= time.monotonic()

    def failed(self, key: str) -> None:
        delay = min(self._limit, self._next.get(key, (0.0, 0.5))[1] * 2)
        self._next[key] = (time.monotonic() + delay, delay)

    def worked(self, key: str) -> None:
        self._next.pop(key, None)


def guarded(log: logging.Logger, what: str, work: Callable[[], None]) -> None:
    """Run one step; errors are logged, and the next step retries."""
    try:
        work()
    except Unreachable:
        log.info("%s: the API server does not respond", what)
    except Exception:
        log.exception("%s", what)
