# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffs of objects without the server's bookkeeping, with redacted secret values."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable, Iterable
from typing import Final

from ansible_collections.dataplatform.fleet.plugins.module_utils._redaction import mark

from .objects import Json, Key, Value

_NOISE: Final = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def redacted(value: Value) -> str:
    """Return a replacement for a secret value; within a run, different values have different replacements."""
    raw = str(value).encode()
    with contextlib.suppress(binascii.Error, ValueError):
        raw = base64.b64decode(raw, validate=True)
    return f"<redacted {mark(raw)}>"


def clean(obj: Json | None, *, status_apart: bool = True, hide: Callable[[Value], str] = redacted) -> Json:
    """An object as a diff shows it, without secret values; its status only where that is a field like others."""
    if not obj:
        return {}
    shown = {name: value for name, value in obj.items() if name != "status" or not status_apart}
    metadata = {name: value for name, value in (obj.get("metadata") or {}).items() if name not in _NOISE}
    annotations = {name: value for name, value in (metadata.get("annotations") or {}).items() if name != _LAST_APPLIED}
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    shown["metadata"] = metadata
    if is_secret(obj):
        for name in ("data", "stringData"):
            if isinstance(shown.get(name), dict):
                shown[name] = {key: hide(value) for key, value in shown[name].items()}
    return shown


def is_secret(obj: Json) -> bool:
    return obj.get("kind") == "Secret" and obj.get("apiVersion") == "v1"


def entry(key: Key, before: Json | None, after: Json | None, *, status_apart: bool = True) -> Json:
    """One element of a task's diff."""
    header = str(key)
    return {
        "before": clean(before, status_apart=status_apart),
        "after": clean(after, status_apart=status_apart),
        "before_header": header,
        "after_header": header,
    }


def secret_values(bodies: Iterable[Json]) -> list[str]:
    """Return every form in which a secret of these objects can occur in a text, longest first."""
    found: set[str] = set()
    for body in bodies:
        if not is_secret(body):
            continue
        for name in ("data", "stringData"):
            for value in (body.get(name) or {}).values() if isinstance(body.get(name), dict) else ():
                text = str(value)
                found.add(text)
                try:
                    found.add(base64.b64decode(text, validate=True).decode())
                except (binascii.Error, ValueError):
                    continue
    return sorted((value for value in found if len(value) >= 4), key=len, reverse=True)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return a message of the server without secret values."""
    for secret in secrets:
        text = text.replace(secret, "<redacted>")
    return text
