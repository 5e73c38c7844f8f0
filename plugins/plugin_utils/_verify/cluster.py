# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster as the canary's follower sees it: its components, and which of their pods can be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from .._apply.client import Client
from .._status.components import Component, is_simulated
from .._status.read import read
from .hops import KAFKA, Workload
from .pods import AskError, Pods

_NAME: Final = "app.kubernetes.io/name"
_COMPONENT: Final = "app.kubernetes.io/component"


@dataclass(frozen=True)
class Pod:
    """A pod, and why it is not ready, if it is not."""

    name: str
    node: str
    ready: bool
    problem: str = ""


@dataclass
class Cluster:
    """A cluster whose pods can be asked."""

    client: Client
    pods: Pods
    components: list[Component] = field(default_factory=list)

    def load(self) -> None:
        self.components = read(self.client)

    def component(self, workload: Workload) -> Component | None:
        wanted = (workload.namespace, workload.name)
        return next((item for item in self.components if (item.namespace, item.name) == wanted), None)

    def pods_of(self, workload: Workload) -> list[Pod]:
        """Its pods that shall stay, the newest first."""
        selector = f"{_NAME}={workload.name}"
        if workload == KAFKA:
            # Controllers have the same name.
            selector += f",{_COMPONENT}=broker"
        path = f"/api/v1/namespaces/{workload.namespace}/pods"
        items = self.client.get(path, {"labelSelector": selector}).get("items") or []
        staying = [item for item in items if not item["metadata"].get("deletionTimestamp")]
        staying.sort(key=lambda item: str(item["metadata"].get("creationTimestamp") or ""), reverse=True)
        return [pod_of(item) for item in staying]

    def ready_pod(self, workload: Workload) -> Pod:
        """One that is ready. Raises AskError, with what the newest waits for."""
        found = self.pods_of(workload)
        ready = sorted((pod for pod in found if pod.ready), key=lambda pod: pod.name)
        if ready:
            return ready[0]
        waits = f": {found[0].name}: {found[0].problem}" if found else ", and none at all"
        raise AskError(f"{workload} has no pod that is ready{waits}.")

    def simulates(self, pod: Pod) -> bool:
        """Whether nothing runs on the pod's node."""
        return bool(pod.node) and is_simulated(self.client.get(f"/api/v1/nodes/{pod.node}"))


def pod_of(item: dict[str, Any]) -> Pod:
    """What matters of a Pod object."""
    status = item.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    ready = (conditions.get("Ready") or {}).get("status") == "True"
    problem = "" if ready else (next(iter(_waits(status)), "") or f"phase {status.get('phase') or 'unknown'}")
    return Pod(item["metadata"]["name"], item["spec"].get("nodeName") or "", ready, problem)


def _waits(status: dict[str, Any]) -> Iterable[str]:
    """Why a pod is not ready, the likeliest reason first."""
    for container in status.get("containerStatuses") or ():
        for state in ("waiting", "terminated"):
            found = (container.get("state") or {}).get(state) or {}
            if found.get("reason"):
                yield f"{found['reason']} {found.get('message') or ''}".strip()
    for condition in status.get("conditions") or ():
        if condition.get("status") != "True" and condition.get("message"):
            yield str(condition["message"])
