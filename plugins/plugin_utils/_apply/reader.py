# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the set's parent, its members, and unmanaged objects with the names of members."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterable
from typing import Final

from . import applyset, owners
from .applyset import Parent, Scope
from .client import Client
from .discovery import Discovery
from .errors import ApiError, PlanError
from .objects import Json, Key, Member, Resource, key_of

METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
AUTOSCALER: Final = "HorizontalPodAutoscaler"
# Above this number of unknown objects of a kind, listing metadata is cheaper than reading each.
_SINGLE_GETS: Final = 3


class Reader:
    """Reads one set: one list per kind."""

    def __init__(self, client: Client, discovery: Discovery, parent: Parent) -> None:
        self._client = client
        self._discovery = discovery
        self._parent = parent
        self.live_parent: Json | None = None
        self.gone: list[str] = []
        """Recorded kinds that the server no longer has."""

    def read_server(self) -> None:
        """Discovery and the parent, all at once."""
        self._client.map(lambda call: call(), [*self._discovery.requests(), self._read_parent])

    def _read_parent(self) -> None:
        try:
            self.live_parent = self._client.get(self._parent.path)
        except ApiError as error:
            if error.status != 404:
                raise
            return
        tool = applyset.foreign_tool(self.live_parent)
        labels = self.live_parent["metadata"].get("labels") or {}
        if tool or labels.get(applyset.ID, self._parent.id) != self._parent.id:
            raise PlanError(
                f"{self._parent.key} is the parent of an ApplySet of {tool or 'another tool'}: choose another name."
            )

    def recorded_scope(self) -> Scope:
        """Return the kinds and namespaces of members in the parent's record."""
        if self.live_parent is None:
            return Scope(frozenset(), frozenset({self._parent.namespace}))
        return applyset.recorded_scope(self.live_parent, self._parent)

    def members(self, scope: Scope, members: Iterable[Member]) -> dict[Key, Json]:
        """The live members in *scope*, those that *members* name in the API version that is rendered.

        A kind that is rendered in two versions is listed in both: one version's fields cannot be compared with the
        other's.
        """
        rendered = {member.key: member.resource for member in members}
        resources: dict[str, list[Resource]] = {}
        for resource in dict.fromkeys(rendered.values()):
            # A version that the set's own CustomResourceDefinition is yet to add is read in one that is served.
            served = self._discovery.served(resource)
            known = resource if served else self._discovery.preferred(resource.group, resource.kind)
            if known is not None and known not in resources.setdefault(resource.group_kind, []):
                resources[resource.group_kind].append(known)
        for group_kind in sorted(scope.group_kinds - resources.keys()):
            group, kind = applyset.split_group_kind(group_kind)
            preferred = self._discovery.preferred(group, kind)
            if preferred is not None:
                resources[group_kind] = [preferred]
            elif version := self._discovery.stale(group):
                raise PlanError(
                    f"The set {self._parent.name} has objects of the kind {group_kind}, whose API does not answer:"
                    f" see kubectl get apiservice {version}.{group}. Nothing was changed."
                )
            else:
                self.gone.append(group_kind)
        listed = [
            resource for versions in resources.values() for resource in versions if self._discovery.served(resource)
        ]
        live: dict[Key, Json] = {}
        for resource, items in zip(
            listed, self._client.map(lambda resource: self._list(resource, scope.namespaces), listed), strict=True
        ):
            for item in items:
                key = key_of(item)
                if key not in live or rendered.get(key) == resource:
                    live[key] = item
        return live

    def _list(self, resource: Resource, namespaces: frozenset[str]) -> list[Json]:
        query = {"labelSelector": f"{applyset.PART_OF}={self._parent.id}"}
        if resource.namespaced and len(namespaces) == 1:
            return self._items(resource, resource.path(next(iter(namespaces))), query)
        try:
            items = self._items(resource, resource.path(), query)
            return [item for item in items if not resource.namespaced or item["metadata"]["namespace"] in namespaces]
        except ApiError as error:
            if error.status != 403 or not resource.namespaced:
                raise
        found: list[Json] = []
        for namespace in sorted(namespaces):
            found += self._items(resource, resource.path(namespace), query)
        return found

    def _items(
        self, resource: Resource, path: str, query: dict[str, str], accept: str = "application/json"
    ) -> list[Json]:
        try:
            answer = self._client.get(path, query, accept)
        except ApiError as error:
            if error.status == 404:  # the kind went away after discovery
                return []
            raise
        items = answer.get("items") or []
        for item in items:
            item["apiVersion"], item["kind"] = resource.api_version, resource.kind
        return items

    def unmanaged(self, members: Iterable[Member], live: Container[Key]) -> dict[Key, Json]:
        """Return wanted members that exist without the set's label."""
        groups: dict[tuple[Resource, str], list[Member]] = {}
        for member in members:
            if member.key not in live and self._discovery.served(member.resource):
                groups.setdefault((member.resource, member.key.namespace), []).append(member)
        singles = [member for group in groups.values() if len(group) <= _SINGLE_GETS for member in group]
        collections = [place for place, group in groups.items() if len(group) > _SINGLE_GETS]
        wanted = {member.key: member for group in groups.values() for member in group}
        for items in self._client.map(
            lambda place: self._items(place[0], place[0].path(place[1]), {}, METADATA), collections
        ):
            singles += [wanted[key] for item in items if (key := key_of(item)) in wanted]
        answers = self._client.map(lambda member: self._get(member.path), singles)
        return {member.key: answer for member, answer in zip(singles, answers, strict=True) if answer is not None}

    def autoscaled(self, namespace: str, members: Iterable[Member]) -> set[Key]:
        """What the HorizontalPodAutoscalers scale that a namespace has, or will have after this run."""
        wanted = {member.key: member.body for member in members if member.key.kind == AUTOSCALER}
        found = [body for key, body in wanted.items() if key.namespace == namespace]
        resource = self._discovery.preferred("autoscaling", AUTOSCALER)
        items: list[Json] = []
        if resource is not None:
            with contextlib.suppress(ApiError):  # without permission to read them, none are assumed
                items = self._items(resource, resource.path(namespace), {})
        for item in items:
            is_ours = (item["metadata"].get("labels") or {}).get(applyset.PART_OF) == self._parent.id
            if not is_ours and key_of(item) not in wanted:
                found.append(item)
        return owners.autoscaler_targets(found)

    def _get(self, path: str) -> Json | None:
        try:
            return self._client.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def name_of(self, owner: str) -> str:
        """An ApplySet's parent is easier to find than its hash."""
        if not owner.startswith("ApplySet "):
            return owner
        query = {"labelSelector": f"{applyset.ID}={owner.removeprefix('ApplySet ')}"}
        for plural in ("configmaps", "secrets"):
            try:
                items = self._client.get(f"/api/v1/{plural}", query, METADATA).get("items") or []
            except ApiError:
                continue
            for item in items:
                metadata = item["metadata"]
                tool = (metadata.get("annotations") or {}).get(applyset.TOOLING, "")
                return f"the ApplySet {metadata['namespace']}/{metadata['name']} ({tool})"
        return owner
