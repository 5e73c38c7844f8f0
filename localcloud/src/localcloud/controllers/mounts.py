# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that refer to missing ConfigMaps or Secrets, whose containers a kubelet does not start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from localcloud.controllers.cloud import Record
from localcloud.controllers.context import Backoff, Context, guarded
from localcloud.controllers.kube import Object
from localcloud.controllers.nodespec import SIMULATED

# kwok starts a pod with references to ConfigMaps or Secrets once this annotation is "ready".
MOUNTS = "localcloud.dataplatform.fleet/mounts"
# In every pod's volume with the service account token; the controller manager creates it in time.
_ROOT_CA = "kube-root-ca.crt"


@dataclass(frozen=True)
class Reference:
    """An object that a pod needs to start; ``volume`` is the name of its volume, if it is mounted."""

    kind: str
    name: str
    volume: str = ""
    optional: bool = False

    def complaint(self) -> tuple[str, str]:
        """Return reason and message of the kubelet's Event."""
        absent = f'{self.kind.lower()} "{self.name}" not found'
        if self.volume:
            return "FailedMount", f'MountVolume.SetUp failed for volume "{self.volume}" : {absent}'
        return "Failed", f"Error: {absent}"


def references(pod: Object) -> list[Reference]:
    """Return the ConfigMaps and Secrets of a pod's volumes and environment."""
    spec = pod["spec"]
    found = [reference for volume in spec.get("volumes") or [] for reference in _of_volume(volume)]
    for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
        found += [
            ref for entry in container.get("envFrom") or [] for ref in _of_source(entry, "configMapRef", "secretRef")
        ]
        for entry in container.get("env") or []:
            found += _of_source(entry.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")
    return list(dict.fromkeys(found))


def _of_volume(volume: Object) -> Iterator[Reference]:
    for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
        for reference in _of_source(source, "configMap", "secret"):
            yield Reference(reference.kind, reference.name, volume["name"], reference.optional)


def _of_source(source: Object, config_map: str, secret: str) -> Iterator[Reference]:
    for kind, key in (("ConfigMap", config_map), ("Secret", secret)):
        named = source.get(key)
        name = (named or {}).get("name") or (named or {}).get("secretName")
        if named and name and name != _ROOT_CA:
            yield Reference(kind, name, optional=bool(named.get("optional")))


class MountController:
    """Delays pods on simulated nodes until the objects that they refer to exist."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._backoff = Backoff(limit=4.0)

    def reconcile(self, cluster: Record) -> None:  # noqa: ARG002
        for pod in self._context.all("Pod"):
            if self._starts(pod) and self._backoff.due(pod["metadata"]["uid"]):
                named = references(pod)
                if named:
                    guarded(self._context.log, f"pod {pod['metadata']['name']}", partial(self._look, pod, named))

    def _starts(self, pod: Object) -> bool:
        """Whether a pod is scheduled on a simulated node and not started."""
        meta = pod["metadata"]
        if pod.get("status", {}).get("phase") != "Pending" or "deletionTimestamp" in meta:
            return False
        if MOUNTS in (meta.get("annotations") or {}):
            return False
        node = self._context.cached("Node", pod["spec"].get("nodeName") or "")
        return node is not None and SIMULATED in node["metadata"].get("annotations", {})

    def _look(self, pod: Object, named: list[Reference]) -> None:
        """Allow a pod to start, or report the missing object."""
        meta = pod["metadata"]
        missing = [
            reference
            for reference in named
            if not reference.optional
            and self._context.kube.get(reference.kind, reference.name, meta["namespace"]) is None
        ]
        if not missing:
            body = {"metadata": {"annotations": {MOUNTS: "ready"}}}
            stored = self._context.kube.patch("Pod", meta["name"], body, meta["namespace"])
            self._context.informers["Pod"].remember(stored)
            self._backoff.worked(meta["uid"])
            return
        self._backoff.failed(meta["uid"])
        for reference in missing:
            self._context.event(pod, "Warning", *reference.complaint(), "kubelet")
        if not missing[0].volume:
            self._explain(pod, missing[0])

    def _explain(self, pod: Object, reference: Reference) -> None:
        """Set the waiting reason of containers whose environment variables cannot be set."""
        meta = pod["metadata"]
        statuses = pod.get("status", {}).get("containerStatuses") or []
        text = reference.complaint()[1].removeprefix("Error: ")
        waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": text}}
        wanted = [{**status, "state": waiting} for status in statuses]
        if wanted != statuses:
            body = {"status": {"containerStatuses": wanted}}
            stored = self._context.kube.patch("Pod", meta["name"], body, meta["namespace"], "status")
            self._context.informers["Pod"].remember(stored)
