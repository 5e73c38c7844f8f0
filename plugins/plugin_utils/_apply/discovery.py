# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kinds a server has and what their fields are: aggregated discovery and OpenAPI v3, kept on disk between runs.

Discovery is requested with the ETag of the copy on disk (the server responds with 304), schemas by the hash in their
index, so that no stale copy is used and a second run transfers almost nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .._ansible import cache as files
from . import schema
from .client import Client
from .errors import ApiError
from .objects import Json, Resource, Value

_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_ACCEPT: Final = (
    f"{_AGGREGATED},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
_FORMAT: Final = 1


class Discovery:
    """The kinds and schemas of one API server."""

    def __init__(self, client: Client, cache: Path | None = None) -> None:
        self._client = client
        self._cache = files.folder("apply") if cache is None else cache
        identity = f"{_FORMAT}\n{client.server.url}\n{client.server.ca}"
        self._server = hashlib.sha256(identity.encode()).hexdigest()[:24]
        self._resources: dict[tuple[str, str, str], Resource] = {}
        self._preferred: dict[tuple[str, str], Resource] = {}
        self._documents: dict[str, schema.Document | None] = {}
        self._index: Json = {}
        self._defined: dict[tuple[str, str, str], schema.Type] = {}
        self._rendered: dict[tuple[str, str, str], schema.Type] = {}
        self._stale: dict[str, str] = {}

    def requests(self) -> list[Callable[[], None]]:
        """The calls that fill this object; independent of each other."""
        return [self._load_core, self._load_groups, self._load_index]

    def load(self) -> None:
        self._client.map(lambda call: call(), self.requests())

    def find(self, group: str, version: str, kind: str) -> Resource | None:
        return self._resources.get((group, version, kind))

    def preferred(self, group: str, kind: str) -> Resource | None:
        """Return a kind in the version that the server prefers."""
        return self._preferred.get((group, kind))

    def stale(self, group: str) -> str:
        """The version of a group whose server, another than this one, does not answer: its kinds may be incomplete."""
        return self._stale.get(group, "")

    def versions(self, kind: str) -> list[Resource]:
        """Return every group-version with a kind of this name, for error messages."""
        return [resource for resource in self._resources.values() if resource.kind == kind]

    def kinds(self) -> list[str]:
        return sorted({kind for _, _, kind in self._resources})

    def define(self, crd: Json) -> None:
        """Learn the kinds of a CustomResourceDefinition that the server does not serve yet, or has no schema of yet."""
        spec = crd.get("spec")
        names = spec.get("names") if isinstance(spec, dict) else None
        if not isinstance(spec, dict) or not isinstance(names, dict):
            return  # the server refuses it with a precise error
        for version, type_ in schema.crd_types(crd).items():
            group, kind = spec.get("group", ""), names.get("kind", "")
            key = (group, version, kind)
            self._rendered[key] = type_
            if key not in self._resources:
                resource = Resource(
                    group,
                    version,
                    kind,
                    names.get("plural", ""),
                    spec.get("scope") == "Namespaced",
                    schema.status_apart(crd, version),
                )
                self._resources[key] = resource
                self._preferred.setdefault((group, kind), resource)
                self._defined[key] = type_

    def served(self, resource: Resource) -> bool:
        """Whether the server has this kind already (a kind of the set's own new CRD it has not)."""
        return (resource.group, resource.version, resource.kind) not in self._defined

    def type_of(self, resource: Resource) -> schema.Type | None:
        """The schema of a kind, or None when the server publishes none."""
        defined = self._defined.get((resource.group, resource.version, resource.kind))
        if defined is not None:
            return defined
        name = f"apis/{resource.api_version}" if resource.group else f"api/{resource.api_version}"
        if name not in self._documents:
            self._documents[name] = self._load_document(name, resource)
        document = self._documents[name]
        published = document.type_of(resource.kind) if document else None
        return published or self.rendered_type_of(resource)

    def rendered_type_of(self, resource: Resource) -> schema.Type | None:
        """The schema of a kind that the set's own CustomResourceDefinition gives it."""
        return self._rendered.get((resource.group, resource.version, resource.kind))

    def prefetch(self, resources: set[Resource]) -> None:
        """Get the schemas of these kinds concurrently."""
        by_version = {resource.api_version: resource for resource in resources}
        self._client.map(self.type_of, by_version.values())

    def _load_core(self) -> None:
        self._learn(self._revalidated("/api", _ACCEPT))

    def _load_groups(self) -> None:
        self._learn(self._revalidated("/apis", _ACCEPT))

    def _load_index(self) -> None:
        try:
            self._index = self._revalidated("/openapi/v3", "application/json").get("paths", {})
        except ApiError as error:
            if error.status not in {403, 404}:
                raise

    def _learn(self, discovered: Json) -> None:
        for group in discovered.get("items", ()):
            group_name = group.get("metadata", {}).get("name", "")
            for version in group.get("versions", ()):
                if version.get("freshness") == "Stale":
                    self._stale[group_name] = version["version"]
                for item in version.get("resources", ()):
                    answer = item.get("responseKind") or {}
                    verbs = item.get("verbs") or ()
                    if not answer.get("kind") or ("patch" not in verbs and "list" not in verbs):
                        continue
                    resource = Resource(
                        answer.get("group") or group_name,
                        answer.get("version") or version["version"],
                        answer["kind"],
                        item["resource"],
                        item.get("scope") == "Namespaced",
                        any(part.get("subresource") == "status" for part in item.get("subresources") or ()),
                    )
                    self._resources.setdefault((resource.group, resource.version, resource.kind), resource)
                    self._preferred.setdefault((resource.group, resource.kind), resource)

    def _revalidated(self, path: str, accept: str) -> Json:
        """GET, with the copy on disk when the server says it has not changed."""
        file = f"{self._server}{path.replace('/', '_')}.json"
        kept = self._read(file)
        headers = {"If-None-Match": kept["etag"]} if kept and kept.get("etag") else None
        response = self._client.request("GET", path, accept=accept, headers=headers)
        if response.status == 304 and kept:
            body: Json = kept["body"]
            return body
        body = response.json()
        if path != "/openapi/v3" and body.get("kind") != "APIGroupDiscoveryList":
            raise ApiError(f"{self._client.server} is too old: it has no aggregated discovery (Kubernetes 1.30).", 406)
        etag = response.headers.get("ETag", "")
        if etag:
            self._write(file, {"etag": etag, "body": body})
        return body

    def _load_document(self, name: str, resource: Resource) -> schema.Document | None:
        url = (self._index.get(name) or {}).get("serverRelativeURL", "")
        if not url:
            return None
        path, _, query = url.partition("?")
        digest = hashlib.sha256(f"{_FORMAT}{url}".encode()).hexdigest()[:32]
        file = f"schema-{digest}.json"
        # The name holds a hash of the content only where the server sends one.
        kept = self._read(file) if "hash=" in query else None
        if kept is None:
            openapi = self._client.request("GET", f"{path}?{query}" if query else path).json()
            components, kinds = schema.reduce(openapi, resource.group, resource.version)
            kept = {"components": components, "kinds": kinds}
            self._write(file, kept)
        return schema.Document(kept["components"], kept["kinds"])

    def _read(self, file: str) -> Json | None:
        try:
            kept: Json = json.loads((self._cache / file).read_bytes())
        except (OSError, ValueError):
            return None
        return kept

    def _write(self, file: str, content: Value) -> None:
        files.write(self._cache / file, json.dumps(content, separators=(",", ":")).encode())
