# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ownership of a set of objects by the ApplySet specification, so that kubectl and others see what belongs together.

Source: KEP-3659, https://github.com/kubernetes/enhancements/tree/master/keps/sig-cli/3659-kubectl-apply-prune.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .objects import Json, Key, Resource

PART_OF: Final = "applyset.kubernetes.io/part-of"
ID: Final = "applyset.kubernetes.io/id"
TOOLING: Final = "applyset.kubernetes.io/tooling"
GROUP_KINDS: Final = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES: Final = "applyset.kubernetes.io/additional-namespaces"

TOOL: Final = "dataplatform.fleet.apply"
TOOL_VERSION: Final = "v1"
PARENT_RESOURCE: Final = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True)


@dataclass(frozen=True)
class Parent:
    """The object that stands for the set: a ConfigMap beside its members."""

    name: str
    namespace: str

    @property
    def key(self) -> Key:
        return Key("", "ConfigMap", self.namespace, f"{self.name}-applyset")

    @property
    def path(self) -> str:
        return PARENT_RESOURCE.path(self.namespace, self.key.name)

    @property
    def id(self) -> str:
        """The set's identity, a hash of the parent's own."""
        text = f"{self.key.name}.{self.namespace}.{self.key.kind}.{self.key.group}"
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        return f"applyset-{digest}-v1"

    def body(self, scope: Scope, notes: Mapping[str, str] | None = None) -> Json:
        """The parent with what it says about its members. *notes*: further annotations."""
        annotations = {TOOLING: f"{TOOL}/{TOOL_VERSION}", GROUP_KINDS: ",".join(sorted(scope.group_kinds))}
        others = sorted(scope.namespaces - {self.namespace})
        annotations[NAMESPACES] = ",".join(others)
        annotations.update(notes or {})
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.key.name,
                "namespace": self.namespace,
                "labels": {ID: self.id},
                "annotations": annotations,
            },
        }


@dataclass(frozen=True)
class Scope:
    """Where members may be: kinds (``Deployment.apps``) and namespaces."""

    group_kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()

    def __or__(self, other: Scope) -> Scope:
        return Scope(self.group_kinds | other.group_kinds, self.namespaces | other.namespaces)

    def covers(self, other: Scope) -> bool:
        return self.group_kinds >= other.group_kinds and self.namespaces >= other.namespaces


def scope_of(keys: Iterable[Key], parent: Parent) -> Scope:
    keys = list(keys)
    kinds = frozenset(f"{key.kind}.{key.group}" if key.group else key.kind for key in keys)
    return Scope(kinds, frozenset(key.namespace for key in keys if key.namespace) | {parent.namespace})


def recorded_scope(live: Json, parent: Parent) -> Scope:
    """What a parent read from the server says about its members."""
    annotations = live["metadata"].get("annotations") or {}

    def listed(name: str) -> frozenset[str]:
        return frozenset(part for part in annotations.get(name, "").split(",") if part)

    return Scope(listed(GROUP_KINDS), listed(NAMESPACES) | {parent.namespace})


def foreign_tool(live: Json) -> str:
    """The tool that a parent belongs to when it is not ours."""
    tooling = str((live["metadata"].get("annotations") or {}).get(TOOLING, ""))
    return "" if tooling.partition("/")[0] in {"", TOOL} else tooling


def split_group_kind(text: str) -> tuple[str, str]:
    """``Deployment.apps`` → (apps, Deployment)."""
    kind, _, group = text.partition(".")
    return group, kind
