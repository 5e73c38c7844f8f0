# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS access policies as RBAC objects in a local control plane.

EKS has a separate authorizer for them. Here, every association is a binding of a group that the authentication webhook
adds to the token's user. The EKS API defines the objects, and this module applies them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

GROUP = "/apis/rbac.authorization.k8s.io/v1"
RESOURCES = {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "RoleBinding": "rolebindings"}
Manifest = Mapping[str, Any]


class Requester(Protocol):
    """A client that sends requests to an API server."""

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]: ...


@dataclass(frozen=True)
class Step:
    """One request of a plan."""

    method: str
    path: str
    body: Manifest | None = None


def plan(desired: Iterable[Manifest], live: Iterable[Manifest]) -> list[Step]:
    """Return the requests that change the live objects to the desired ones, and delete all others."""
    wanted = {_key(item): item for item in desired}
    found = {_key(item): item for item in live}
    steps = [Step("DELETE", _path(item)) for key, item in found.items() if key not in wanted]
    for key, item in wanted.items():
        current = found.get(key)
        if current is None:
            steps.append(Step("POST", _path(item, collection=True), item))
        elif current.get("roleRef") != item.get("roleRef"):
            # roleRef is immutable.
            steps += [Step("DELETE", _path(item)), Step("POST", _path(item, collection=True), item)]
        elif _content(current) != _content(item):
            steps.append(Step("PUT", _path(item), item))
    return steps


def namespaces(server: Requester) -> list[str]:
    """List the names of a cluster's namespaces."""
    return [item["metadata"]["name"] for item in _get(server, "/api/v1/namespaces")]


def managed(server: Requester, role_label: str, binding_label: str) -> list[Manifest]:
    """List the roles and bindings with their label."""
    items: list[Manifest] = []
    for kind, resource in RESOURCES.items():
        label = role_label if kind == "ClusterRole" else binding_label
        items += [{**item, "kind": kind} for item in _get(server, f"{GROUP}/{resource}?labelSelector={label}%3Dtrue")]
    return items


def execute(server: Requester, steps: Iterable[Step]) -> None:
    """Send a plan's requests; objects that already have the desired state are not an error."""
    for step in steps:
        body = json.dumps(step.body).encode() if step.body is not None else None
        status, answer = server.request(step.method, step.path, body)
        if status >= 300 and status not in {404, 409}:
            raise OSError(f"{step.method} {step.path} answered {status}: {answer.decode(errors='replace')[:200]}")


def _get(server: Requester, path: str) -> list[dict[str, Any]]:
    status, answer = server.request("GET", path)
    if status != 200:
        raise OSError(f"GET {path} answered {status}")
    items: list[dict[str, Any]] = json.loads(answer)["items"]
    return items


def _key(item: Manifest) -> tuple[str, str, str]:
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _path(item: Manifest, *, collection: bool = False) -> str:
    namespace = item["metadata"].get("namespace")
    prefix = f"{GROUP}/namespaces/{namespace}" if namespace else GROUP
    path = f"{prefix}/{RESOURCES[item['kind']]}"
    return path if collection else f"{path}/{item['metadata']['name']}"


def _content(item: Manifest) -> tuple[Any, Any, Any]:
    return item.get("rules"), item.get("subjects"), item["metadata"].get("labels")
