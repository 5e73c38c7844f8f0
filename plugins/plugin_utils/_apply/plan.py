# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the changes (create, patch, prune), and refuse unsafe ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from . import applyset
from .errors import PlanError
from .fields import (
    MANAGER,
    Fields,
    Path,
    contains,
    element,
    leaves,
    lookup,
    managed_by,
    others,
    owned_by_apply,
    readable,
)
from .normalise import as_stored, differences
from .objects import Json, Key, Member, Resource, Value
from .schema import UNTYPED, Type

CREATED, PATCHED, REPLACED, PRUNED, UNCHANGED = "created", "patched", "replaced", "pruned", "unchanged"
RELEASED = "released"
# https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces. The API
# server refuses to delete them, or makes them again.
_INITIAL: Final = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})

# Labels and annotations by which other tools mark their objects, with the name of the tool.
_FOREIGN_MARKS: Final = (
    ("meta.helm.sh/release-name", "Helm release"),
    ("argocd.argoproj.io/tracking-id", "Argo CD application"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux kustomization"),
    ("helm.toolkit.fluxcd.io/name", "Flux Helm release"),
)
_PRECIOUS: Final = frozenset(
    {
        ("", "Namespace"),
        ("", "PersistentVolume"),
        ("", "PersistentVolumeClaim"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
    }
)


@dataclass(slots=True)
class Action:
    """The change of one object."""

    key: Key
    resource: Resource
    action: str
    member: Member | None = None
    before: Json | None = None
    after: Json | None = None
    fields: list[str] = field(default_factory=list)
    taken_from: list[Json] = field(default_factory=list)
    left_to: list[Json] = field(default_factory=list)
    added: dict[str, list[Path]] = field(default_factory=dict)
    shown: tuple[Json, Json] | None = None
    """What a difference shows, where that is not the object before and after."""

    def report(self) -> Json:
        return {
            "apiVersion": self.resource.api_version,
            "kind": self.key.kind,
            "namespace": self.key.namespace,
            "name": self.key.name,
            "action": self.action,
            "fields": self.fields,
            "taken_from": self.taken_from,
            "left_to": self.left_to,
        }


@dataclass(frozen=True, slots=True)
class Ignore:
    """Fields of objects that are left to other managers. Empty parts match everything."""

    kind: str
    name: str
    namespace: str
    paths: Sequence[tuple[str, ...]]

    def matches(self, key: Key) -> bool:
        return self.kind in {"", key.kind} and self.name in {"", key.name} and self.namespace in {"", key.namespace}


def surely_unchanged(body: Json, live: Json, type_: Type | None) -> bool:
    """Whether applying *body* would certainly change nothing. Otherwise the server decides."""
    if type_ is None:
        return False
    entries = managed_by(live, MANAGER)
    if len(entries) != 1 or entries[0].get("apiVersion") != body["apiVersion"]:
        return False
    if entries[0].get("fieldsV1") != owned_by_apply(body, type_):
        return False
    return next(differences(as_stored(body), live, type_), None) is None


def is_ignored(path: Path, ignores: Iterable[Ignore], key: Key) -> bool:
    """Whether a field is left to other managers."""
    return any(path[: len(left)] == tuple(left) for ignore in ignores if ignore.matches(key) for left in ignore.paths)


def without_ignored(body: Json, live: Json | None, ignores: Iterable[Ignore], key: Key) -> Json:
    """Return the object to apply if fields are left to other managers.

    A new object gets the rendered values as its start. Later the live value is sent for as long as this manager still
    owns the field (leaving it out would remove it), and nothing once somebody else has changed it.
    """
    if live is None:
        return body
    paths = [path for ignore in ignores if ignore.matches(key) for path in ignore.paths]
    if not paths:
        return body
    body = copy.deepcopy(body)
    owned: Fields = next((entry["fieldsV1"] for entry in managed_by(live, MANAGER)), {})
    for path in paths:
        found, value = lookup(live, path)
        parent_found, parent = lookup(body, path[:-1])
        name = path[-1].partition(":")[2]
        if not parent_found or not isinstance(parent, dict) or name not in parent:
            continue
        if found and contains(owned, path):
            parent[name] = value
        else:
            _take_out(body, path)
    return body


def _take_out(body: Json, path: Path) -> None:
    """Remove a field, and the maps that have nothing else: sent empty, they would be owned."""
    parent = lookup(body, path[:-1])[1]
    del parent[path[-1].partition(":")[2]]
    if not parent and path[:-1] and path[-2].startswith("f:"):
        _take_out(body, path[:-1])


def with_ignored(body: Json, live: Json, ignores: Iterable[Ignore], key: Key) -> Json:
    """The object to create in place of *live*: fields that are left to others have the values that they had."""
    body = copy.deepcopy(body)
    for path in (path for ignore in ignores if ignore.matches(key) for path in ignore.paths):
        found, value = lookup(live, path)
        parent_found, parent = lookup(body, path[:-1])
        if found and parent_found and isinstance(parent, dict):
            parent[path[-1].partition(":")[2]] = copy.deepcopy(value)
    return body


def taken_from(body: Json, live: Json, type_: Type | None, added: Mapping[str, Sequence[Path]]) -> list[Json]:
    """Whose values a forced apply of *body* replaces, and whose additions it removes: manager and fields."""
    rendered = set(leaves(owned_by_apply(body, type_ or UNTYPED)))
    changed = [path for path in rendered if not _equal(body, live, path, type_)]
    return by_manager(live, changed, added)


def by_manager(live: Json, paths: Iterable[Path], added: Mapping[str, Sequence[Path]] | None = None) -> list[Json]:
    """Which other managers own fields of an object: manager and fields. *added* is known by manager already."""
    found = {manager: [readable(path) for path in more] for manager, more in (added or {}).items()}
    for entry in others(live):
        owned = entry.get("fieldsV1") or {}
        for path in paths:
            if contains(owned, path):
                found.setdefault(str(entry.get("manager")), []).append(readable(path))
    return [{"manager": manager, "fields": sorted(set(fields))} for manager, fields in sorted(found.items())]


def _equal(body: Json, live: Json, path: tuple[str, ...], type_: Type | None) -> bool:
    theirs, live_value = lookup(live, path)
    _, value = lookup(body, path)
    if theirs and path[-1].startswith("k:"):
        return True  # its fields are compared one by one
    return theirs and next(differences(value, live_value, _type_at(type_, path)), None) is None


def _type_at(type_: Type | None, path: tuple[str, ...]) -> Type:
    current = type_ or UNTYPED
    for step in path:
        kind, _, rest = step.partition(":")
        current = (current.field(rest) or UNTYPED) if kind == "f" else current.element
    return current


def changed_fields(before: Json, after: Json, type_: Type | None, *, status_apart: bool = True) -> list[str]:
    """The fields in which two states of an object differ, without the server's own."""
    found: list[str] = []
    left_out = {"apiVersion", "kind"} | ({"status"} if status_apart else set())
    _compare(_content(before, left_out), _content(after, left_out), type_ or UNTYPED, (), found)
    return sorted(set(found))


def _content(obj: Json, left_out: set[str]) -> Json:
    content = {name: value for name, value in obj.items() if name not in left_out}
    metadata = obj.get("metadata") or {}
    content["metadata"] = {
        name: metadata[name] for name in ("labels", "annotations", "finalizers", "ownerReferences") if name in metadata
    }
    return content


def _compare(before: Value, after: Value, type_: Type, path: tuple[str, ...], found: list[str]) -> None:
    if isinstance(before, dict) and isinstance(after, dict) and not type_.atomic:
        for name in [*before, *(name for name in after if name not in before)]:
            here = (*path, f"f:{name}")
            if name in before and name in after:
                _compare(before[name], after[name], type_.field(name) or UNTYPED, here, found)
            elif (before.get(name) or after.get(name)) not in (None, {}, []):
                found.append(readable(here))
        return
    if isinstance(before, list) and isinstance(after, list) and type_.kind == "list" and not type_.atomic:
        old = {element(item, type_): item for item in before}
        new = {element(item, type_): item for item in after}
        for name in [*old, *(name for name in new if name not in old)]:
            if name in old and name in new:
                _compare(old[name], new[name], type_.element, (*path, name), found)
            else:
                found.append(readable((*path, name)))
        return
    if before != after:
        found.append(readable(path))


def same_state(before: Json, after: Json) -> bool:
    """Whether the server's answer to a (dry-run) apply is the object as it was, ownership included."""
    return _state(before) == _state(after)


def _state(obj: Json) -> Json:
    metadata = dict(obj["metadata"])
    for name in ("resourceVersion", "generation"):
        metadata.pop(name, None)
    # Every write, even one that changes nothing, may sort the entries again.
    metadata["managedFields"] = sorted(
        (
            {name: value for name, value in entry.items() if name != "time"}
            for entry in metadata.get("managedFields") or ()
        ),
        key=lambda entry: json.dumps(entry, sort_keys=True),
    )
    return {**obj, "metadata": metadata}


def owner_of(live: Json, own_id: str) -> str:
    """Who else an existing object belongs to; empty when to nobody or to this set."""
    metadata = live.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    part_of = labels.get(applyset.PART_OF, "")
    if part_of:
        return "" if part_of == own_id else f"ApplySet {part_of}"
    for mark, what in _FOREIGN_MARKS:
        value = annotations.get(mark) or labels.get(mark)
        if value:
            return f"{what} {value}"
    return ""


def check_removal(
    removed: Mapping[Key, Json], total: int, *, limit: float, confirm: str, accepted: Sequence[str]
) -> None:
    """Refuse to delete protected objects without the confirmed name, or too large a part of the set."""
    protected = [key for key, live in removed.items() if is_protected(key, live) and not is_initial(key)]
    if protected and confirm not in accepted:
        names = " or ".join(repr(name) for name in accepted)
        given = f", not {confirm!r}" if confirm else ""
        raise PlanError(
            *(f"{key} would be removed, and data with it." for key in protected),
            f"If that is meant, type the name: confirm={names}{given}. Nothing was changed.",
        )
    if total and len(removed) > limit * total and len(removed) > 1:
        names = ", ".join(str(key) for key in list(removed)[:5]) + (", ..." if len(removed) > 5 else "")
        raise PlanError(
            f"{len(removed)} of the set's {total} objects are no longer rendered ({names}):"
            f" more than prune_limit={limit:g} allows."
            " If that is meant, raise prune_limit. Nothing was changed."
        )


def is_initial(key: Key) -> bool:
    """Whether it is a namespace that every cluster has: it leaves the set without being deleted."""
    return (key.group, key.kind) == ("", "Namespace") and key.name in _INITIAL


def is_protected(key: Key, live: Json) -> bool:
    """Whether the deletion of an object can lose data."""
    if (key.group, key.kind) in _PRECIOUS:
        return True
    return (key.group, key.kind) == ("apps", "StatefulSet") and bool(
        (live.get("spec") or {}).get("volumeClaimTemplates")
    )


__all__ = [
    "CREATED",
    "PATCHED",
    "PRUNED",
    "RELEASED",
    "REPLACED",
    "UNCHANGED",
    "Action",
    "Ignore",
    "by_manager",
    "changed_fields",
    "check_removal",
    "is_ignored",
    "is_initial",
    "is_protected",
    "owner_of",
    "same_state",
    "surely_unchanged",
    "taken_from",
    "with_ignored",
    "without_ignored",
]
