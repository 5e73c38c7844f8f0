# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert rendered objects to members of the set: kinds, namespaces, known fields, the format of requests."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Protocol

from . import applyset, render
from .applyset import Parent
from .errors import RenderError
from .fields import Path
from .normalise import Unsent, canonical, unknown_fields
from .objects import Json, Key, Member, Resource, Source, split_api_version
from .schema import UNTYPED, Type


class Kinds(Protocol):
    """The methods of Discovery that this module uses."""

    def define(self, crd: Json) -> None: ...

    def find(self, group: str, version: str, kind: str) -> Resource | None: ...

    def versions(self, kind: str) -> list[Resource]: ...

    def kinds(self) -> list[str]: ...

    def type_of(self, resource: Resource) -> Type | None: ...

    def rendered_type_of(self, resource: Resource) -> Type | None: ...

    def prefetch(self, resources: set[Resource]) -> None: ...


def resolve(
    found: Sequence[tuple[Json, Source]], discovery: Kinds, parent: Parent, *, allow_namespaces: bool
) -> list[Member]:
    """Return rendered objects with the server's kinds. Reports all errors at once."""
    if not found:
        raise RenderError(
            "Nothing was rendered: an empty set would remove all its objects. Use state=absent if that is meant."
        )
    findings: list[str] = []
    for body, _ in found:
        if body["kind"] == "CustomResourceDefinition":
            discovery.define(body)
    members: dict[Key, Member] = {}
    for body, source in found:
        group, version = split_api_version(body["apiVersion"])
        resource = discovery.find(group, version, body["kind"])
        if resource is None:
            findings.append(f"{source}: {_unknown_kind(body, discovery)}")
            continue
        metadata = dict(body["metadata"])
        if resource.namespaced:
            metadata["namespace"] = metadata.get("namespace") or parent.namespace
        elif metadata.pop("namespace", None):
            findings.append(f"{source}: {body['kind']} {metadata['name']} has a namespace, but its kind has none.")
        if (group, body["kind"]) == ("", "Namespace") and not allow_namespaces:
            findings.append(
                f"{source}: namespaces belong to the guardrails role alone; declare {metadata['name']!r} there"
                " (allow_namespaces is for that role)."
            )
        key = Key(group, body["kind"], metadata.get("namespace", ""), metadata["name"])
        if key == parent.key:
            findings.append(f"{source}: {key} is the set's own parent object: choose another name.")
        if key in members:
            findings.append(f"{source}: {key} was already rendered at {members[key].source}.")
            continue
        members[key] = Member(key, resource, {**body, "metadata": metadata}, source)
    if findings:
        raise RenderError(*findings)
    return list(members.values())


def _unknown_kind(body: Json, discovery: Kinds) -> str:
    kind, version = body["kind"], body["apiVersion"]
    others = sorted({resource.api_version for resource in discovery.versions(kind)})
    if others:
        return f"the server has no {kind} in {version}, but in {', '.join(others)}."
    close = difflib.get_close_matches(kind, discovery.kinds(), n=1)
    hint = f"; did you mean {close[0]}?" if close else "; is its CustomResourceDefinition installed?"
    return f"the server has no kind {kind} ({version}){hint}"


def complete(members: Sequence[Member], discovery: Kinds, parent: Parent) -> list[str]:
    """Convert the objects to the format of requests, and refuse fields that no schema has.

    Returns what of the objects is not sent, a sentence each.
    """
    discovery.prefetch({member.resource for member in members})
    findings: list[str] = []
    warnings: list[str] = []

    def place(member: Member, path: Path) -> tuple[str, str]:
        """Return an object with its file, line and field, for messages."""
        steps = [int(step[2:]) if step.startswith("i:") else step[2:] for step in path]
        line = render.field_line(member.source, member.body, steps)
        return f"{member.source.file}:{line}: {member.key}", ".".join(str(step) for step in steps)

    for member in members:
        type_ = discovery.type_of(member.resource)
        unknown = [] if type_ is None else list(unknown_fields(member.body, type_))
        rendered_type = discovery.rendered_type_of(member.resource)
        if unknown and rendered_type is not None:
            still = set(unknown_fields(member.body, rendered_type))
            unknown = [path for path in unknown if path in still or path[0] == "f:metadata"]
            type_ = rendered_type
        member.ahead = rendered_type is not None and type_ is rendered_type
        for path in unknown:
            where, field = place(member, path)
            findings.append(f"{where}: unknown field {field}.")
        unsent: list[Unsent] = []
        sent = canonical(member.body, type_ or UNTYPED, status_apart=member.resource.status_apart, unsent=unsent)
        for path, why in unsent:
            where, field = place(member, path)
            warnings.append(f"{where}: {field} {why}: it is not sent. Take it out.")
        member.body = sent
        labels = {**(member.body["metadata"].get("labels") or {}), applyset.PART_OF: parent.id}
        member.body["metadata"] = {**member.body["metadata"], "labels": labels}
    if findings:
        raise RenderError(*findings)
    return warnings
