# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Field sets in the format of managedFields (fieldsV1), computed and compared.

A set is the JSON tree itself: ``{"f:spec": {"f:replicas": {}}}``; ``"."`` marks a node that is a member and has
children. Source: sigs.k8s.io/structured-merge-diff, typed/tofieldset.go and fieldpath/serialize.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from .objects import Json, Value
from .schema import UNTYPED, Type

Fields = dict[str, Any]
Path = tuple[str, ...]

MANAGER: Final = "dataplatform.fleet.apply"
# Fields of metadata that no manager owns.
_UNOWNED_METADATA: Final = frozenset(
    {
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    }
)


def owned_by_apply(body: Json, type_: Type) -> Fields:
    """Return the fields that the manager of a server-side apply of *body* owns."""
    fields = _of_map({name: value for name, value in body.items() if name not in {"apiVersion", "kind"}}, type_)
    metadata = fields.get("f:metadata")
    if metadata is not None:
        for name in _UNOWNED_METADATA:
            metadata.pop(f"f:{name}", None)
        metadata.pop(".", None)
        if not metadata:
            del fields["f:metadata"]
    return fields


def _of(value: Value, type_: Type) -> Fields:
    if isinstance(value, dict) and type_.kind != "scalar":
        return {} if type_.atomic and type_.kind == "map" else _of_map(value, type_)
    if isinstance(value, list) and type_.kind == "list" and not type_.atomic:
        return _of_list(value, type_)
    return {}


def _of_map(value: Json, type_: Type) -> Fields:
    fields: Fields = {}
    for name, item in value.items():
        item_type = type_.field(name) or UNTYPED
        children = _of(item, item_type)
        if isinstance(item, list) and not children and item_type.kind == "list" and not item_type.atomic:
            continue  # an empty list of separate items owns nothing
        if children and not type_.declares(name):
            children["."] = {}
        fields[f"f:{name}"] = children
    return fields


def _of_list(value: list[Any], type_: Type) -> Fields:
    fields: Fields = {}
    for item in value:
        children = _of(item, type_.element)
        if children:
            children["."] = {}
        fields[element(item, type_)] = children
    return fields


def element(item: Value, type_: Type) -> str:
    """Return the key of an item of a set or map list in a field set."""
    if type_.list_type == "set" or not isinstance(item, dict):
        return "v:" + compact(item)
    key = {}
    for name in sorted(type_.map_keys):
        if name in item:
            key[name] = item[name]
        else:
            field = type_.element.field(name)
            if field is not None and field.default is not None:
                key[name] = field.default
    return "k:" + compact(key)


# What Go's JSON escapes besides what JSON demands, and what it has no short escape for: encoding/json, HTMLEscape.
_GO: Final = re.compile(r"[<>&\u2028\u2029]|\\(.)")


def compact(value: Value) -> str:
    """Return JSON in the format of managedFields."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return _GO.sub(_as_go, text)


def _as_go(found: re.Match[str]) -> str:
    short = {"b": "\\u0008", "f": "\\u000c"}
    return short.get(found[1], found[0]) if found[1] else f"\\u{ord(found[0]):04x}"


def managed_by(live: Json, manager: str, operation: str = "Apply") -> list[Json]:
    """The managedFields entries of one manager (not those of subresources)."""
    return [
        entry
        for entry in (live.get("metadata") or {}).get("managedFields") or ()
        if entry.get("manager") == manager and entry.get("operation") == operation and not entry.get("subresource")
    ]


def others(live: Json, manager: str = MANAGER) -> list[Json]:
    """The entries of all other managers."""
    return [
        entry
        for entry in (live.get("metadata") or {}).get("managedFields") or ()
        if not (entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"))
    ]


def leaves(fields: Fields, path: Path = ()) -> Iterator[Path]:
    """The members of a set."""
    if not fields:
        if path:
            yield path
        return
    for name, children in fields.items():
        if name == ".":
            yield path
        else:
            yield from leaves(children, (*path, name))


def contains(fields: Fields, path: Path) -> bool:
    """Whether *path* or anything below it is in the set."""
    for name in path:
        if name not in fields:
            return False
        fields = fields[name]
    return True


def lookup(value: Value, path: Path) -> tuple[bool, Any]:
    """The value at a field path: (found, value)."""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            if not isinstance(value, dict) or rest not in value:
                return False, None
            value = value[rest]
            continue
        if not isinstance(value, list):
            return False, None
        wanted = json.loads(rest)
        if kind == "k":
            found = [item for item in value if isinstance(item, dict) and _has_key(item, wanted)]
        else:
            found = [item for item in value if item == wanted]
        if not found:
            return False, None
        value = found[0]
    return True, value


def _has_key(item: Json, key: Json) -> bool:
    # The server adds the default of a missing key field to the key.
    return all(item.get(name, value) == value for name, value in key.items())


def readable(path: Path) -> str:
    """Return a path for messages: ``spec.containers[name=app].image``."""
    text = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            text += ("." if text else "") + (rest if "." not in rest and "/" not in rest else f"[{rest!r}]")
        elif kind == "k":
            text += "[" + ",".join(f"{name}={value}" for name, value in json.loads(rest).items()) + "]"
        else:
            text += f"[{rest}]"
    return text.replace(".[", "[")
