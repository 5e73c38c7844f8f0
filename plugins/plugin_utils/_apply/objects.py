# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data types of an apply: resources, keys and members of the set."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

Json = dict[str, Any]
Value = Any  # whatever JSON or YAML can hold


class Key(NamedTuple):
    """The name of an object in a cluster, independent of the API version."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        kind = f"{self.kind}.{self.group}" if self.group else self.kind
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of the API server."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    status_apart: bool = True
    """Whether status is a subresource, which requests to the object itself do not change."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> str:
        """Return the kind in the format of ApplySet parents: ``Deployment.apps``, ``ConfigMap``."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def path(self, namespace: str = "", name: str = "") -> str:
        """URL path of an object, of a namespace's collection or of the whole collection."""
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if namespace and self.namespaced:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        if name:
            parts.append(name)
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Source:
    """The file and line of an object. Lines count from 1; *rendered_line* is the line in the rendered *text*."""

    file: str
    rendered_line: int
    text: str = ""
    template: str = ""

    @property
    def line(self) -> int:
        """Return the template's line. Computed on demand, because comparing long texts is slow."""
        return template_line(self.text, self.template, self.rendered_line)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@lru_cache(maxsize=8)
def _same_lines(text: str, template: str) -> list[tuple[int, int, int]]:
    matcher = difflib.SequenceMatcher(None, template.splitlines(), text.splitlines(), autojunk=False)
    return [(block.a, block.b, block.size) for block in matcher.get_matching_blocks()]


def template_line(text: str, template: str, line: int) -> int:
    """The template's line that made *line* of the rendered text, as far as unchanged lines tell."""
    if not template or not text:
        return line
    nearest = 0
    for in_template, in_text, size in _same_lines(text, template):
        if size and in_text < line:
            nearest = in_template + min(line - in_text, size)
            if in_text + size >= line:
                return nearest
    # Inside a part that templating made: the line after the last one that is the same in both.
    return min(nearest + 1, len(template.splitlines()) or 1)


@dataclass(slots=True)
class Member:
    """A wanted object of the set."""

    key: Key
    resource: Resource
    body: Json
    source: Source
    ahead: bool = False
    """Whether only a CustomResourceDefinition of the same set, and not the server, has its schema, or some field."""

    @property
    def path(self) -> str:
        return self.resource.path(self.key.namespace, self.key.name)


def split_api_version(api_version: str) -> tuple[str, str]:
    """``apps/v1`` → (apps, v1), ``v1`` → ("", v1)."""
    group, _, version = api_version.rpartition("/")
    return group, version


def key_of(obj: Json) -> Key:
    """The key of an object that has apiVersion and kind."""
    meta = obj.get("metadata") or {}
    group = split_api_version(obj["apiVersion"])[0]
    return Key(group, obj["kind"], meta.get("namespace", ""), meta.get("name", ""))
