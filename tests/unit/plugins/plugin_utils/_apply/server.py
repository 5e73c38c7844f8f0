# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client whose API server is a dict: reads, server-side apply, patches, dry runs and deletions.

Ownership follows https://kubernetes.io/docs/reference/using-api/server-side-apply/: an apply removes what its manager
alone owned and no longer sends, and takes fields over with force. Schemas are recorded ones.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import drift, fields
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Response, Server
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import (
    Json,
    Resource,
    key_of,
    split_api_version,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.schema import UNTYPED, Type, crd_types
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply import recorded

KINDS: Final = [
    Resource("", "v1", "ConfigMap", "configmaps", namespaced=True),
    Resource("", "v1", "Namespace", "namespaces", namespaced=False),
    Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True),
    Resource("", "v1", "Event", "events", namespaced=True),
    Resource("", "v1", "Pod", "pods", namespaced=True),
    Resource("", "v1", "Secret", "secrets", namespaced=True),
    Resource("", "v1", "Service", "services", namespaced=True),
    Resource("apps", "v1", "Deployment", "deployments", namespaced=True),
    Resource("apps", "v1", "StatefulSet", "statefulsets", namespaced=True),
    Resource("batch", "v1", "Job", "jobs", namespaced=True),
    Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
    Resource("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutators", namespaced=False),
]


# https://kubernetes.io/docs/reference/kubernetes-api/common-parameters/common-parameters/
_PARAMETERS: Final = {
    "dryRun": {"All"},
    "fieldValidation": {"Ignore", "Warn", "Strict"},
    "force": {"true", "false"},
}
_PATCHES: Final = {
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
}


class FakeServer:
    """A fake of Client."""

    def __init__(self, *namespaces: str) -> None:
        self.server = Server("https://server.example.com")
        self.kinds = list(KINDS)
        self.objects: dict[str, Json] = {}
        self.sent: list[tuple[str, str]] = []
        """Requests that change objects, including dry runs: (method, path)."""
        self.bodies: list[Any] = []
        self.requests = 0
        self.refuse: Callable[[str, str], ApiError | None] = lambda *_: None
        self._numbers = itertools.count(1)
        for name in namespaces:
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    # -- the interface for tests

    def path_of(self, obj: Json) -> str:
        key = key_of(obj)
        return self._resource(obj).path(key.namespace, key.name)

    def put(self, obj: Json) -> Json:
        """Add an existing object."""
        path = self.path_of(obj)
        numbers = {"uid": f"uid-{next(self._numbers)}", "resourceVersion": str(next(self._numbers)), "generation": 1}
        self.objects[path] = {**obj, "metadata": {**numbers, **obj["metadata"]}}
        return self.objects[path]

    def names(self) -> list[str]:
        """Return all objects except namespaces and the parents of sets."""
        keys = [key_of(obj) for obj in self.objects.values()]
        return sorted(str(key) for key in keys if key.kind != "Namespace" and not key.name.endswith("-applyset"))

    # -- the client

    def map(self, call: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [call(item) for item in items]

    def get(self, path: str, query: Mapping[str, str] | None = None, accept: str = "") -> Json:  # noqa: ARG002 - the client's
        return self.request("GET", path, query).json()

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        content_type: str = "",
        accept: str = "",  # noqa: ARG002 - the client's
        headers: Any = None,  # noqa: ARG002 - the client's
        allowed: frozenset[int] = frozenset(),
    ) -> Response:
        self.requests += 1
        query = dict(query or {})
        dry_run = "dryRun" in query
        if method != "GET" and not dry_run:
            self.sent.append((method, path))
            self.bodies.append(copy.deepcopy(body))
        try:
            refused = self.refuse(method, path)
            if refused is not None:
                raise refused
            answer = (
                self._read(path, query) if method == "GET" else self._change(method, path, query, body, content_type)
            )
        except ApiError as error:
            if error.status in allowed:
                return Response(error.status, {}, b"{}")
            raise
        if method in {"PATCH", "PUT"} and not dry_run:
            self.objects[path] = answer
        return Response(200, {}, json.dumps(answer).encode())

    # -- the server

    def _resource(self, obj: Json) -> Resource:
        return next(kind for kind in self.kinds if (kind.api_version, kind.kind) == (obj["apiVersion"], obj["kind"]))

    def _read(self, path: str, query: Mapping[str, str]) -> Json:
        if path in {"/api", "/apis"}:
            return {"kind": "APIGroupDiscoveryList", "items": list(self._groups(core=path == "/api"))}
        if path.startswith("/openapi/v3"):
            return self._openapi(path)
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        kind = next((kind for kind in self.kinds if path in {kind.path(), kind.path(_namespace(path))}), None)
        if kind is None:
            raise ApiError(f"{path} not found", 404, "NotFound")
        name, _, value = query.get("labelSelector", "").partition("=")
        items = [
            copy.deepcopy(obj)
            for place, obj in self.objects.items()
            if (obj["apiVersion"], obj["kind"]) == (kind.api_version, kind.kind)
            and (place.rpartition("/")[0] == path or path == kind.path())
            and (not name or (obj["metadata"].get("labels") or {}).get(name) == value)
        ]
        for item in items:  # as in a real list
            del item["apiVersion"], item["kind"]
        return {"items": items}

    def _groups(self, *, core: bool) -> Iterator[Json]:
        for group in dict.fromkeys(kind.group for kind in self.kinds if (not kind.group) is core):
            resources = [
                {
                    "resource": kind.plural,
                    "responseKind": {"group": group, "version": kind.version, "kind": kind.kind},
                    "scope": "Namespaced" if kind.namespaced else "Cluster",
                    "verbs": ["list", "patch"],
                    "subresources": [{"subresource": "status"}] if kind.status_apart else [],
                }
                for kind in self.kinds
                if kind.group == group
            ]
            yield {"metadata": {"name": group}, "versions": [{"version": "v1", "resources": resources}]}

    def _openapi(self, path: str) -> Json:
        versions = {("apis/" if "/" in version else "api/") + version: version for version in recorded.SCHEMAS}
        if path == "/openapi/v3":
            return {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}?hash=1"} for name in versions}}
        version = versions[path.removeprefix("/openapi/v3/").partition("?")[0]]
        schemas = copy.deepcopy(recorded.SCHEMAS[version])
        for kind in self.kinds:
            name = recorded.component(kind.api_version, kind.kind)
            if kind.api_version == version and name in schemas:
                which = {"group": kind.group, "version": kind.version, "kind": kind.kind}
                schemas[name]["x-kubernetes-group-version-kind"] = [which]
        return {"components": {"schemas": schemas}}

    def _change(self, method: str, path: str, query: Mapping[str, str], body: Any, content_type: str) -> Json:
        for name, value in query.items():
            assert name == "fieldManager" or value in _PARAMETERS.get(name, ()), f"no such parameter: {name}={value}"
        if method == "PATCH" and content_type not in _PATCHES:
            raise ApiError(f"the body of the request was in an unknown format: {content_type}", 415, "")
        live = self.objects.get(path)
        if method == "PATCH" and "apply-patch" in content_type:
            namespace = body["metadata"].get("namespace", "")
            if namespace and f"/api/v1/namespaces/{namespace}" not in self.objects:
                raise ApiError(f'namespaces "{namespace}" not found', 404, "NotFound", {"kind": "namespaces"})
            return self._applied(live, body, query)
        if live is None:
            raise ApiError(f"{path} not found", 404, "NotFound")
        if method == "DELETE":
            return self._deleted(path, live, body)
        if method == "PUT":
            new = copy.deepcopy(body)
        elif "json-patch" in content_type:
            held, replaced = body
            if held["value"] != live["metadata"]["resourceVersion"]:
                raise ApiError("the test failed", 422, "Invalid")
            new = {**live, "metadata": {**live["metadata"], "managedFields": copy.deepcopy(replaced["value"])}}
        else:
            new = _merged(live, body)
        return self._numbered(live, new)

    def _type_of(self, body: Json) -> Type:
        if body["kind"] in recorded.KINDS:
            return recorded.type_of(body["kind"])
        group, version = split_api_version(body["apiVersion"])
        for crd in self.objects.values():
            spec = crd.get("spec") if crd["kind"] == "CustomResourceDefinition" else None
            if spec and (spec["group"], spec["names"]["kind"]) == (group, body["kind"]):
                return crd_types(crd).get(version, UNTYPED)
        return UNTYPED

    def _applied(self, live: Json | None, body: Json, query: Mapping[str, str]) -> Json:
        manager = query["fieldManager"]
        type_ = self._type_of(body)
        owned = fields.owned_by_apply(body, type_)
        if live is None:
            new = {**copy.deepcopy(body), "metadata": {"uid": f"uid-{next(self._numbers)}", **body["metadata"]}}
            rest = []
        else:
            rest = [
                copy.deepcopy(entry)
                for entry in live["metadata"].get("managedFields") or ()
                if (entry["manager"], entry["operation"]) != (manager, "Apply")
            ]
            new = drift.predicted(body, live, type_, [])
            taken = [
                path for path in fields.leaves(owned) if fields.lookup(body, path)[1] != fields.lookup(live, path)[1]
            ]
            held = [path for path in taken if any(fields.contains(entry["fieldsV1"], path) for entry in rest)]
            if held and query.get("force") != "true":
                raise ApiError(f"conflict: {fields.readable(held[0])}", 409, "Conflict")
            for entry in rest:
                for path in taken:
                    drift._take(entry["fieldsV1"], path)
        ours = {"manager": manager, "operation": "Apply", "apiVersion": body["apiVersion"], "fieldsV1": owned}
        new["metadata"]["managedFields"] = [ours, *(entry for entry in rest if entry["fieldsV1"])]
        return self._numbered(live, new)

    def _numbered(self, live: Json | None, new: Json) -> Json:
        if live is not None and new == live:
            return copy.deepcopy(live)
        return {**new, "metadata": {**new["metadata"], "resourceVersion": str(next(self._numbers))}}

    def _deleted(self, path: str, live: Json, body: Any) -> Json:
        wanted = ((body or {}).get("preconditions") or {}).get("uid", live["metadata"]["uid"])
        if wanted != live["metadata"]["uid"]:
            raise ApiError("the UID in the precondition does not match", 409, "Conflict")
        if live["metadata"].get("finalizers"):
            live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        else:
            del self.objects[path]
        return {}


def _namespace(path: str) -> str:
    return path.rpartition("/namespaces/")[2].partition("/")[0]


def _merged(live: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7396."""
    if not isinstance(live, dict) or not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = {name: value for name, value in live.items() if not (name in patch and patch[name] is None)}
    return merged | {name: _merged(live.get(name), value) for name, value in patch.items() if value is not None}
