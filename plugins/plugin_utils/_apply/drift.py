# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields that users added to an object of the set with command-line tools, and their removal.

Server-side apply leaves what other managers added: a container from `kubectl edit` would stay for ever. Controllers'
additions must stay; those of command-line tools, in the parts that a template describes, are drift. They are handed
over to this set's manager, so that the apply that follows removes them together with everything else it changes.
The hand-over is what kubectl does when it moves objects to server-side apply (k8s.io/client-go/util/csaupgrade).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from .fields import MANAGER, Fields, Path, contains, element, leaves, managed_by, others, owned_by_apply
from .objects import Json, Value
from .schema import UNTYPED, Type

# Managers of command-line tools. `kubectl rollout restart` is left out: it triggers an action and declares no state.
_HANDS: Final = re.compile(
    r"kubectl(?!-rollout)|OpenAPI-Generator|python|curl|k9s|lens|headlamp|mozilla|node-fetch", re.I
)
_NOT_CONTENT: Final = frozenset({"f:metadata"})


def additions(body: Json, live: Json, type_: Type | None) -> dict[str, list[Path]]:
    """Return added fields by manager: items and keys beside rendered ones, and any field in a pod template."""
    entries = [entry for entry in others(live) if by_hand(entry)]
    if not entries or type_ is None:
        return {}
    rendered = owned_by_apply(body, type_)
    programs = [entry.get("fieldsV1") or {} for entry in others(live) if not by_hand(entry)]
    found: dict[str, list[Path]] = {}
    for entry in entries:
        for path in _beside(entry.get("fieldsV1") or {}, rendered, type_, (), in_pod=False):
            if not any(contains(fields, path) for fields in programs):
                found.setdefault(str(entry.get("manager")), []).append(path)
    return found


def by_hand(entry: Json) -> bool:
    """Whether an entry of managedFields belongs to a command-line tool."""
    if entry.get("operation") != "Update" or entry.get("subresource"):
        return False
    return _HANDS.match(str(entry.get("manager"))) is not None


def _beside(fields: Fields, rendered: Fields, type_: Type, path: Path, *, in_pod: bool) -> Iterator[Path]:
    """Return the members of *fields* that are not rendered, below a rendered parent."""
    for name, children in fields.items():
        if name == "." or (name in _NOT_CONTENT and (not path or path[-1] == "f:template")):
            continue
        here = (*path, name)
        kind, _, rest = name.partition(":")
        inner = (type_.field(rest) or UNTYPED) if kind == "f" else type_.element
        if name in rendered:
            if children:
                pod = in_pod or here[-2:] == ("f:template", "f:spec")
                yield from _beside(children, rendered[name], inner, here, in_pod=pod)
        elif kind != "f" or in_pod or not type_.declares(rest):
            yield here


def hand_over(live: Json, added: Iterable[Path]) -> list[Json]:
    """Return the JSON patch that makes this set's manager the only owner of the added fields."""
    paths = list(added)
    entries = copy.deepcopy(live["metadata"].get("managedFields") or [])
    ours = next(iter(managed_by({"metadata": {"managedFields": entries}}, MANAGER)), None)
    if ours is None:
        ours = {
            "manager": MANAGER,
            "operation": "Apply",
            "apiVersion": live["apiVersion"],
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "fieldsType": "FieldsV1",
            "fieldsV1": {},
        }
        entries.append(ours)
    for entry in entries:
        if entry is not ours and by_hand(entry):
            for path in paths:
                subtree = _take(entry["fieldsV1"], path)
                if subtree is not None:
                    _put(ours["fieldsV1"], path, subtree)
    entries = [entry for entry in entries if entry.get("fieldsV1")]
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
    ]


def _take(fields: Fields, path: Path) -> Fields | None:
    """Remove a subtree of a set and return it; nodes left empty go, too."""
    name, rest = path[0], path[1:]
    if name not in fields:
        return None
    if not rest:
        taken: Fields = fields.pop(name)
        return taken
    taken_below = _take(fields[name], rest)
    if not fields[name]:
        del fields[name]
    return taken_below


def _put(fields: Fields, path: Path, subtree: Fields) -> None:
    for name in path[:-1]:
        fields = fields.setdefault(name, {})
    fields[path[-1]] = subtree


def predicted(body: Json, live: Json, type_: Type, added: Iterable[Path]) -> Json:
    """Return the object after hand-over and apply, for a dry-run update."""
    owned: Fields = next((entry.get("fieldsV1") or {} for entry in managed_by(live, MANAGER)), {})
    rendered = owned_by_apply(body, type_)
    dropped = [path for path in leaves(owned) if not contains(rendered, path)]
    result = copy.deepcopy(live)
    for path in [*added, *dropped]:
        _remove(result, path, type_)
    merged: Json = _merged(body, result, type_)
    return merged


def _remove(value: Value, path: Path, type_: Type) -> None:
    for position, step in enumerate(path):
        last = position == len(path) - 1
        kind, _, rest = step.partition(":")
        if kind == "f":
            if not isinstance(value, dict) or rest not in value:
                return
            if last:
                del value[rest]
                return
            value, type_ = value[rest], type_.field(rest) or UNTYPED
            continue
        if not isinstance(value, list):
            return
        names = [element(item, type_) for item in value]
        if step not in names:
            return
        if last:
            del value[names.index(step)]
            return
        value, type_ = value[names.index(step)], type_.element


def _merged(rendered: Value, live: Value, type_: Type) -> Value:
    if isinstance(rendered, dict) and isinstance(live, dict) and not type_.atomic:
        return {
            **live,
            **{name: _merged(item, live.get(name), type_.field(name) or UNTYPED) for name, item in rendered.items()},
        }
    if isinstance(rendered, list) and isinstance(live, list) and type_.kind == "list" and not type_.atomic:
        there = {element(item, type_): item for item in live}
        for item in rendered:
            name = element(item, type_)
            there[name] = _merged(item, there.get(name), type_.element)
        return list(there.values())
    return rendered
