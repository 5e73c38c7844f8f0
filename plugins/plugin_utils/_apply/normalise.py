# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the server would store a rendered value as the live value.

Every rule here says "surely equal"; what no rule covers counts as different, and the server is asked.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeGuard

from .fields import Path, element
from .objects import Json, Value
from .schema import UNTYPED, Type

_SUFFIXES: Final = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(2) ** (10 * power) for power, suffix in enumerate("KMGTPE", 1)},
}
_QUANTITY: Final = re.compile(r"([+-]?[0-9]*\.?[0-9]*)([numkMGTPE]|[KMGTPE]i|)|([+-]?[0-9]*\.?[0-9]+[eE][+-]?[0-9]+)")
# The zero time of Go programs.
_GO_NULLS: Final = frozenset({"creationTimestamp"})
Unsent = tuple[Path, str]
"""The value of a missing field, with the reason."""
_RBAC: Final = "rbac.authorization.k8s.io"
# Defaults that the server fills in inside atomic values without saying so in its schema. Leaving one of these fields
# out must always mean this value, or a template's change would be missed.
_SILENT_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "api.admissionregistration.v1.MatchResources": {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
    },
    "api.admissionregistration.v1.NamedRuleWithOperations": {"scope": "*"},
    "api.admissionregistration.v1.RuleWithOperations": {"scope": "*"},
    "api.core.v1.ObjectFieldSelector": {"apiVersion": "v1"},
    "api.core.v1.PersistentVolumeClaim": {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "status": {"phase": "Pending"},
    },
    "api.core.v1.PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
    "api.core.v1.ResourceFieldSelector": {"divisor": "0"},
    "api.core.v1.ServiceAccountTokenProjection": {"expirationSeconds": 3600},
    "api.discovery.v1.EndpointPort": {"name": "", "protocol": "TCP"},
    "api.networking.v1.NetworkPolicyPort": {"protocol": "TCP"},
    "apimachinery.pkg.apis.meta.v1.ObjectMeta": {"creationTimestamp": None},
}


def canonical(body: Json, type_: Type, *, status_apart: bool = True, unsent: list[Unsent] | None = None) -> Json:
    """A rendered object as it is sent: without nulls that mean nothing, a Secret's stringData folded into data.

    *status_apart*: the kind's status is a subresource. *unsent* receives what says something and is left
    out all the same.
    """
    unsent = [] if unsent is None else unsent
    status = body.get("status")
    if status_apart:
        body = {name: value for name, value in body.items() if name != "status"}
        if _says_something(status):
            unsent.append((("f:status",), "is written by the kind's controller alone"))
    body = _without_nulls(body, type_, (), unsent, builtin=type_.builtin)
    text = body.get("stringData")
    if (body.get("apiVersion"), body.get("kind")) == ("v1", "Secret") and _all_text(text):
        del body["stringData"]
        encoded = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
        if encoded or "data" in body:
            body["data"] = {**(body.get("data") or {}), **encoded}
    return body


def _says_something(value: Value) -> bool:
    """Tools write a kind's whole status with empty values, ``status: {conditions: []}``, which says nothing."""
    if isinstance(value, dict):
        return any(_says_something(item) for item in value.values())
    return bool(value)


def _all_text(value: Value) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _without_nulls(value: Value, type_: Type, path: Path, unsent: list[Unsent], *, builtin: bool) -> Value:
    """Return a value without the nulls that are equal to a missing field."""
    builtin = builtin or type_.builtin or path == ("f:metadata",)
    if isinstance(value, dict):
        kept = {}
        for name, item in value.items():
            field, here = type_.field(name) or UNTYPED, (*path, f"f:{name}")
            if item is None and (path == ("f:metadata",) or not type_.keeps_null(name)):
                if builtin and type_.free_names:
                    # A name without a value has an empty one: nodeSelector: {gpu: }.
                    kept[name] = "" if field.text else None
                elif not builtin and field.default is None and name not in _GO_NULLS:
                    unsent.append((here, "is null, which its kind does not allow there"))
                continue
            if item == [] and type_.builtin and field.kind == "list" and not field.atomic:
                continue  # owns nothing and is not stored
            kept[name] = _without_nulls(item, field, here, unsent, builtin=builtin)
        return kept
    if isinstance(value, list):
        return [
            _without_nulls(item, type_.element, (*path, f"i:{index}"), unsent, builtin=builtin)
            for index, item in enumerate(value)
        ]
    return value


def as_stored(body: Json) -> Json:
    """Return an object with the defaults that depend on its other fields: those of a LimitRange."""
    if (body.get("apiVersion"), body.get("kind")) != ("v1", "LimitRange"):
        return body
    limits = [_limits(item) if item.get("type") == "Container" else item for item in body["spec"].get("limits") or ()]
    return {**body, "spec": {**body["spec"], "limits": limits}}


def _limits(item: Json) -> Json:
    # Source: SetDefaults_LimitRangeItem in k8s.io/kubernetes/pkg/apis/core/v1/defaults.go.
    default = {**(item.get("max") or {}), **(item.get("default") or {})}
    request = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
    filled = {"default": default, "defaultRequest": request}
    return {**item, **{name: value for name, value in filled.items() if value}}


def differences(rendered: Value, live: Value, type_: Type, path: Path = ()) -> Iterator[Path]:
    """Return the paths whose rendered value may differ from the live value."""
    if isinstance(rendered, dict) and isinstance(live, dict) and type_.kind != "scalar" and not type_.quantity:
        if type_.kind == "map" and type_.atomic:
            if not _same_whole(rendered, live, type_):
                yield path
            return
        for name, item in rendered.items():
            here = (*path, f"f:{name}")
            if name in live:
                yield from differences(item, live[name], type_.field(name) or UNTYPED, here)
            elif not _stored_as_absent(item, type_.field(name) or UNTYPED):
                yield here
        return
    if isinstance(rendered, list) and isinstance(live, list) and type_.kind == "list" and not type_.atomic:
        present = {element(item, type_): (place, item) for place, item in enumerate(live)}
        last = -1
        for item in rendered:
            name = element(item, type_)
            place, there = present.get(name, (-1, None))
            if place <= last:  # missing, or in another order, which apply restores
                yield (*path, name)
                continue
            last = place
            yield from differences(item, there, type_.element, (*path, name))
        return
    if not _same_whole(rendered, live, type_):
        yield path


def _stored_as_absent(value: Value, type_: Type) -> bool:
    """Whether an owned field that is not there live was dropped for being empty.

    If another manager had removed it, it would no longer be owned.
    """
    if isinstance(value, list) and type_.kind == "list" and not type_.atomic:
        return False  # empty lists of separate items are not owned
    return not value and value is not None


def _same_whole(rendered: Value, live: Value, type_: Type) -> bool:
    """Whether atomic values are equal; the live value can have more fields if those are defaults."""
    if isinstance(rendered, dict) and isinstance(live, dict) and not type_.quantity:
        for name, item in rendered.items():
            field = type_.field(name) or UNTYPED
            if name not in live or not _same_whole(item, live[name], field):
                return False
        return all(name in rendered or _is_default(name, value, rendered, type_) for name, value in live.items())
    if isinstance(rendered, list) and isinstance(live, list):
        inner = type_.element if type_.kind == "list" else UNTYPED
        return len(rendered) == len(live) and all(_same_whole(a, b, inner) for a, b in zip(rendered, live, strict=True))
    return same_scalar(rendered, live, type_)


def _is_default(name: str, value: Value, rendered: Json, type_: Type) -> bool:
    """Whether the server adds *name* with *value* to *rendered* by itself."""
    field = type_.field(name) if type_.declares(name) else None
    if field is None:
        return False
    if field.default is not None and field.default == value and type(field.default) is type(value):
        return True
    if type_.component == "io.k8s.api.rbac.v1.Subject" and name == "apiGroup":
        return value == _RBAC and rendered.get("kind") in {"User", "Group"}
    defaults = _SILENT_DEFAULTS.get(type_.component.removeprefix("io.k8s."), {})
    return name in defaults and defaults[name] == value


def same_scalar(rendered: Value, live: Value, type_: Type) -> bool:
    """Whether two values of a field without children are equal."""
    if type(rendered) is type(live) and rendered == live:
        return True
    if type_.quantity:
        left, right = quantity(rendered), quantity(live)
        return left is not None and left == right
    if type_.format == "byte" and isinstance(rendered, str) and isinstance(live, str):
        return _decoded(rendered) == _decoded(live) is not None
    if isinstance(rendered, bool) or isinstance(live, bool):
        return False
    # JSON has one kind of number.
    return isinstance(rendered, int | float) and isinstance(live, int | float) and rendered == live


def quantity(value: Value) -> Decimal | None:
    """Return the number of a Kubernetes quantity: ``500m`` → 0.5. None if it is not a quantity."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    try:
        if match[3]:
            return Decimal(match[3])
        return Decimal(match[1]) * _SUFFIXES[match[2]]
    except InvalidOperation:
        return None


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def unknown_fields(body: Value, type_: Type, path: Path = ()) -> Iterator[Path]:
    """Return the fields that no schema declares; the server would refuse them."""
    if isinstance(body, dict) and type_.kind == "map":
        for name, item in body.items():
            field = type_.field(name)
            here = (*path, f"f:{name}")
            if field is None:
                yield here
            else:
                yield from unknown_fields(item, field, here)
    elif isinstance(body, list) and type_.kind == "list":
        for index, item in enumerate(body):
            yield from unknown_fields(item, type_.element, (*path, f"i:{index}"))
