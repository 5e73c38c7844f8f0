# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Kubernetes client for the controllers: requests, apply, and watches that tolerate API server restarts."""

from __future__ import annotations

import base64
import json
import logging
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import urllib3
import yaml

Object = dict[str, Any]
FIELD_MANAGER = "eks"


class Resource(NamedTuple):
    """The API path of a kind."""

    prefix: str
    plural: str
    namespaced: bool


RESOURCES: dict[str, Resource] = {
    "ClusterRole": Resource("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": Resource("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "ConfigMap": Resource("api/v1", "configmaps", True),
    "CSIDriver": Resource("apis/storage.k8s.io/v1", "csidrivers", False),
    "CSINode": Resource("apis/storage.k8s.io/v1", "csinodes", False),
    "CustomResourceDefinition": Resource("apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "DaemonSet": Resource("apis/apps/v1", "daemonsets", True),
    "Deployment": Resource("apis/apps/v1", "deployments", True),
    "EndpointSlice": Resource("apis/discovery.k8s.io/v1", "endpointslices", True),
    "Event": Resource("api/v1", "events", True),
    "IngressClass": Resource("apis/networking.k8s.io/v1", "ingressclasses", False),
    "MutatingAdmissionPolicy": Resource("apis/admissionregistration.k8s.io/v1", "mutatingadmissionpolicies", False),
    "MutatingAdmissionPolicyBinding": Resource(
        "apis/admissionregistration.k8s.io/v1", "mutatingadmissionpolicybindings", False
    ),
    "Namespace": Resource("api/v1", "namespaces", False),
    "NetworkPolicy": Resource("apis/networking.k8s.io/v1", "networkpolicies", True),
    "Node": Resource("api/v1", "nodes", False),
    "PersistentVolume": Resource("api/v1", "persistentvolumes", False),
    "PersistentVolumeClaim": Resource("api/v1", "persistentvolumeclaims", True),
    "Pod": Resource("api/v1", "pods", True),
    "PodDisruptionBudget": Resource("apis/policy/v1", "poddisruptionbudgets", True),
    "PriorityClass": Resource("apis/scheduling.k8s.io/v1", "priorityclasses", False),
    "Role": Resource("apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": Resource("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "Secret": Resource("api/v1", "secrets", True),
    "Service": Resource("api/v1", "services", True),
    "ServiceAccount": Resource("api/v1", "serviceaccounts", True),
    "StorageClass": Resource("apis/storage.k8s.io/v1", "storageclasses", False),
}


class ApiError(Exception):
    """An error response of the API server: ``status`` is the HTTP code, ``reason`` the Status object's reason."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Unreachable(Exception):  # noqa: N818 - a state, not an error of ours
    """The API server does not respond, for example during a restart by a version upgrade."""


class Kube:
    """Requests to one API server with the client certificate of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
        user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
        self._server = str(cluster["server"]).rstrip("/")
        with tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch)
            tls = ssl.create_default_context(cafile=_material(cluster, "certificate-authority", kubeconfig, directory))
            if "client-certificate" in user or "client-certificate-data" in user:
                tls.load_cert_chain(
                    _material(user, "client-certificate", kubeconfig, directory),
                    _material(user, "client-key", kubeconfig, directory),
                )
        self._headers = {"Accept": "application/json", "User-Agent": "localcloud-controllers"}
        if "token" in user:
            self._headers["Authorization"] = f"Bearer {user['token']}"
        self._pool = urllib3.PoolManager(maxsize=24, ssl_context=tls, retries=False)

    def close(self) -> None:
        self._pool.clear()

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        timeout: float = 20,
    ) -> Object:
        """Send one request.

        :raises ApiError: the server responded with an error
        :raises Unreachable: the server did not respond
        """
        headers = {**self._headers, "Content-Type": content_type}
        payload = None if body is None else json.dumps(body).encode()
        try:
            response = self._pool.request(
                method, self._url(path, query), body=payload, headers=headers, timeout=timeout
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(str(error)) from error
        if response.status >= 400:
            raise _api_error(response.status, response.data)
        parsed: Object = json.loads(response.data) if response.data else {}
        return parsed

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        try:
            return self.request("GET", path_of(kind, name, namespace))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, namespace: str = "", **query: str) -> list[Object]:
        items: list[Object] = self.request("GET", path_of(kind, "", namespace), query=query).get("items") or []
        return items

    def create(self, kind: str, body: Object, namespace: str = "") -> Object:
        return self.request(
            "POST", path_of(kind, "", namespace), _typed(kind, body), query={"fieldManager": FIELD_MANAGER}
        )

    def apply(self, obj: Object, *, manager: str = FIELD_MANAGER) -> Object:
        meta = obj["metadata"]
        return self.request(
            "PATCH",
            path_of(obj["kind"], meta["name"], meta.get("namespace", "")),
            obj,
            query={"fieldManager": manager, "force": "true"},
            content_type="application/apply-patch+yaml",
        )

    def patch(self, kind: str, name: str, body: Object, namespace: str = "", subresource: str = "") -> Object:
        path = path_of(kind, name, namespace) + (f"/{subresource}" if subresource else "")
        return self.request("PATCH", path, body, content_type="application/merge-patch+json")

    def delete(self, kind: str, name: str, namespace: str = "", *, grace: int | None = None) -> bool:
        """Delete an object; return whether it existed."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self.request("DELETE", path_of(kind, name, namespace), options)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def evict(self, name: str, namespace: str) -> bool:
        """Request an eviction; return false if a PodDisruptionBudget blocks it."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
        try:
            self.request("POST", path_of("Pod", name, namespace) + "/eviction", body)
        except ApiError as error:
            if error.status == 429:
                return False
            if error.status != 404:
                raise
        return True

    def watch(self, kind: str, resource_version: str, seconds: int) -> Iterator[Object]:
        """Stream the events of one kind for at most ``seconds``."""
        query = {
            "watch": "1",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
            "allowWatchBookmarks": "true",
        }
        try:
            response = self._pool.request(
                "GET",
                self._url(path_of(kind), query),
                headers=self._headers,
                preload_content=False,
                timeout=urllib3.Timeout(connect=10, read=seconds + 30),
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(str(error)) from error
        try:
            if response.status >= 400:
                raise _api_error(response.status, response.read())
            buffer = b""
            for chunk in response.stream(1 << 16, decode_content=True):
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield json.loads(line)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(str(error)) from error
        finally:
            response.close()

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        return f"{self._server}/{path}" + (f"?{urlencode(query)}" if query else "")


class Informer(threading.Thread):
    """A local copy of all objects of one kind, updated by list and watch; calls ``changed`` after every event."""

    def __init__(self, kube: Kube, kind: str, changed: Callable[[], None], log: logging.Logger) -> None:
        super().__init__(name=f"watch-{kind}", daemon=True)
        self.kind = kind
        self.synced = threading.Event()
        self._kube = kube
        self._changed = changed
        self._log = log
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._store: dict[tuple[str, str], Object] = {}
        # The newest version from the watch; versions of one kind increase.
        self._seen = 0

    def all(self) -> list[Object]:
        with self._lock:
            return list(self._store.values())

    def get(self, name: str, namespace: str = "") -> Object | None:
        with self._lock:
            return self._store.get((namespace, name))

    def remember(self, obj: Object) -> None:
        """Store an object after a write, so that the next step does not wait for the watch.

        An object from the watch may be newer and is then kept, because no other event for it would follow.
        """
        with self._lock:
            if _version(obj) > self._seen:
                self._store[_key(obj)] = obj

    def forget(self, name: str, namespace: str = "") -> None:
        with self._lock:
            self._store.pop((namespace, name), None)

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow(self._relist())
            except Unreachable:
                self._stopped.wait(1)
            except ApiError as error:
                if error.status != 410:
                    self._log.warning("watch of %s: %s", self.kind, error)
                self._stopped.wait(1)
            except Exception:
                self._log.exception("watch of %s", self.kind)
                self._stopped.wait(1)

    def _relist(self) -> str:
        answer = self._kube.request("GET", path_of(self.kind), query={"resourceVersion": "0"})
        with self._lock:
            self._store = {_key(item): _typed(self.kind, _slim(item)) for item in answer.get("items") or []}
            self._seen = _version(answer)
        self.synced.set()
        self._changed()
        return str(answer["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        while not self._stopped.is_set():
            for event in self._kube.watch(self.kind, version, 240):
                if self._stopped.is_set():
                    return
                obj = event["object"]
                if event["type"] == "ERROR":
                    raise ApiError(int(obj.get("code", 500)), str(obj.get("reason")), str(obj.get("message")))
                version = obj["metadata"]["resourceVersion"]
                if event["type"] == "BOOKMARK":
                    continue
                with self._lock:
                    self._seen = int(version)
                    if event["type"] == "DELETED":
                        self._store.pop(_key(obj), None)
                    else:
                        self._store[_key(obj)] = _slim(obj)
                self._changed()


def path_of(kind: str, name: str = "", namespace: str = "") -> str:
    resource = RESOURCES[kind]
    scope = f"namespaces/{namespace}/" if resource.namespaced and namespace else ""
    return f"{resource.prefix}/{scope}{resource.plural}" + (f"/{name}" if name else "")


def api_version(kind: str) -> str:
    return RESOURCES[kind].prefix.removeprefix("apis/").removeprefix("api/")


def _typed(kind: str, body: Object) -> Object:
    return {"apiVersion": api_version(kind), "kind": kind, **body}


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


def _slim(obj: Object) -> Object:
    obj.get("metadata", {}).pop("managedFields", None)
    return obj


def _key(obj: Object) -> tuple[str, str]:
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _api_error(status: int, data: bytes) -> ApiError:
    try:
        answer = json.loads(data)
        return ApiError(status, str(answer.get("reason", "")), str(answer.get("message", "")))
    except (ValueError, AttributeError):
        return ApiError(status, "", data.decode(errors="replace")[:500])


def _material(section: Object, key: str, kubeconfig: Path, scratch: Path) -> str:
    """Return the path of a certificate or key that a kubeconfig names or contains."""
    if f"{key}-data" in section:
        target = scratch / key
        target.write_bytes(base64.b64decode(section[f"{key}-data"]))
        target.chmod(0o600)
        return str(target)
    return str(kubeconfig.parent / section[key])
