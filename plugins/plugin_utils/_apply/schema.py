# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of the objects' fields, read from the API server's OpenAPI v3 documents.

They are what the server itself builds its server-side apply schema from, so lists and maps merge here as they do there.
Source: k8s.io/kube-openapi/pkg/schemaconv.
"""

from __future__ import annotations

from typing import Final

from .objects import Json, Value

QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_RAW: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"
# The prefixes of the server's own Go types. Custom kinds of a group x.k8s.io also have io.k8s.x.
_GO_TYPES: Final = (
    "io.k8s.api.",
    "io.k8s.apiextensions-apiserver.pkg.",
    "io.k8s.apimachinery.pkg.",
    "io.k8s.kube-aggregator.pkg.",
)
# Keys of a document without meaning for types; descriptions are most of a document.
_PROSE: Final = frozenset({"description", "example", "examples", "externalDocs", "title", "pattern"})


class Type:
    """One field's type. ``kind`` is scalar, list, map or any (deduced from the value)."""

    __slots__ = ("_components", "_element", "_fields", "_node", "_overrides", "component", "format", "kind", "preserve")

    def __init__(self, node: Json, components: Json, *, preserve: bool = False) -> None:
        self._components = components
        self._overrides = node
        self.component = ""
        while ref := _reference(node):
            self.component = ref
            node = components.get(ref, {})
        self._node = node
        self.preserve = preserve or node.get("x-kubernetes-preserve-unknown-fields") is True or self.component == _RAW
        declared = node.get("type", "")
        self.kind = {"object": "map", "array": "list", "": "any"}.get(declared, "scalar")
        self.format: str = node.get("format", "")
        self._fields: dict[str, Type] = {}
        self._element: Type | None = None

    def _extension(self, name: str) -> Value:
        return self._overrides.get(name, self._node.get(name))

    @property
    def quantity(self) -> bool:
        return self.component == QUANTITY

    @property
    def builtin(self) -> bool:
        """Whether the server decodes it into a Go struct (custom resources are kept as they are sent)."""
        return self.component.startswith(_GO_TYPES)

    @property
    def atomic(self) -> bool:
        """Whether a map or list is one value with one owner."""
        if self.kind == "list":
            return self.list_type == "atomic"
        return self.kind == "map" and self._extension("x-kubernetes-map-type") == "atomic"

    @property
    def list_type(self) -> str:
        """atomic, set or map."""
        declared = self._extension("x-kubernetes-list-type")
        if declared:
            return str(declared)
        if "merge" in str(self._extension("x-kubernetes-patch-strategy") or ""):
            return "map" if self._extension("x-kubernetes-patch-merge-key") else "set"
        return "atomic"

    @property
    def map_keys(self) -> list[str]:
        """The fields that tell the items of a map list apart."""
        keys = self._extension("x-kubernetes-list-map-keys")
        if keys:
            return list(keys)
        merge_key = self._extension("x-kubernetes-patch-merge-key")
        return [merge_key] if merge_key else []

    @property
    def default(self) -> Value:
        return self._overrides.get("default", self._node.get("default"))

    @property
    def nullable(self) -> bool:
        return bool(self._overrides.get("nullable") or self._node.get("nullable"))

    @property
    def text(self) -> bool:
        return bool(self._node.get("type") == "string")

    @property
    def free_names(self) -> bool:
        """Whether a map's keys are free, as those of labels."""
        return isinstance(self._node.get("additionalProperties"), dict)

    def keeps_null(self, name: str) -> bool:
        """Whether the server stores null in a map's field, which elsewhere says the same as no field."""
        field = self.field(name)
        return field is not None and (
            field.nullable or (self.preserve and not self.declares(name) and not self.free_names)
        )

    @property
    def names(self) -> list[str]:
        """The declared fields of a map."""
        return list(self._node.get("properties", ()))

    def declares(self, name: str) -> bool:
        return name in self._node.get("properties", ())

    def field(self, name: str) -> Type | None:
        """The type of a map's field, or None when the server would refuse the name."""
        found = self._fields.get(name)
        if found is not None:
            return found
        properties: Json = self._node.get("properties", {})
        node = properties.get(name)
        if node is None:
            extra = self._node.get("additionalProperties")
            if isinstance(extra, dict):
                node = extra
            elif (
                extra is True
                or self.preserve
                or (extra is None and not properties)
                or (self._node.get("x-kubernetes-embedded-resource") and name in {"apiVersion", "kind", "metadata"})
            ):
                node = {}
            else:
                return None
        found = Type(node, self._components, preserve=self.preserve)
        self._fields[name] = found
        return found

    @property
    def reports_conditions(self) -> bool:
        """Whether this is a custom object's type and its controller writes status.conditions."""
        status = None if self.builtin else self.field("status")
        return status is not None and status.declares("conditions")

    @property
    def element(self) -> Type:
        """The type of a list's items."""
        if self._element is None:
            self._element = Type(self._node.get("items") or {}, self._components, preserve=self.preserve)
        return self._element


def _reference(node: Json) -> str:
    ref = node.get("$ref", "")
    if not ref:
        all_of = node.get("allOf") or []
        if len(all_of) == 1:
            ref = all_of[0].get("$ref", "")
    return str(ref).rpartition("/")[2]


UNTYPED: Final = Type({}, {}, preserve=True)


class Document:
    """One group-version's schemas."""

    def __init__(self, components: Json, kinds: dict[str, str]) -> None:
        self._components = components
        self._kinds = kinds
        self._types: dict[str, Type] = {}

    def type_of(self, kind: str) -> Type | None:
        if kind not in self._types:
            name = self._kinds.get(kind)
            if name is None:
                return None
            self._types[kind] = Type({"$ref": name}, self._components)
        return self._types[kind]


def reduce(openapi: Json, group: str, version: str) -> tuple[Json, dict[str, str]]:
    """The components of an OpenAPI document without prose, and which of them is which kind of this group-version."""
    components: Json = {}
    kinds: dict[str, str] = {}
    for name, node in openapi.get("components", {}).get("schemas", {}).items():
        components[name] = _strip(node)
        gvks = node.get("x-kubernetes-group-version-kind", ())
        for gvk in gvks:
            if (gvk.get("group", ""), gvk.get("version")) == (group, version):
                kinds.setdefault(gvk["kind"], name)
    return components, kinds


def _strip(node: Value, *, is_schema: bool = True) -> Value:
    if isinstance(node, dict):
        if not is_schema:
            return {name: _strip(value) for name, value in node.items()}
        return {
            name: value if name == "default" else _strip(value, is_schema=name != "properties")
            for name, value in node.items()
            if name not in _PROSE
        }
    if isinstance(node, list):
        return [_strip(item) for item in node]
    return node


_TEXTS: Final[Json] = {"type": "object", "additionalProperties": {"type": "string"}}
_METADATA: Final[Json] = {
    "type": "object",
    "properties": {"labels": _TEXTS, "annotations": _TEXTS},
    "x-kubernetes-preserve-unknown-fields": True,
}


def crd_types(crd: Json) -> dict[str, Type]:
    """version → type of the objects that a CustomResourceDefinition, itself not applied yet, defines."""
    types = {}
    for version in _versions(crd):
        node = dict(
            (version.get("schema") or {}).get("openAPIV3Schema") or {"x-kubernetes-preserve-unknown-fields": True}
        )
        properties = dict(node.get("properties") or {})
        for name in ("apiVersion", "kind"):
            properties.setdefault(name, {"type": "string"})
        properties["metadata"] = _METADATA
        node["properties"] = properties
        node.setdefault("type", "object")
        types[version["name"]] = Type(node, {})
    return types


def status_apart(crd: Json, version: str) -> bool:
    """Whether status is a subresource in a version that a CustomResourceDefinition defines."""
    return any(item["name"] == version and "status" in (item.get("subresources") or {}) for item in _versions(crd))


def _versions(crd: Json) -> list[Json]:
    """The versions of a definition that have a name; the server refuses others, and says where they are."""
    spec = crd.get("spec")
    found = spec.get("versions") if isinstance(spec, dict) else None
    return [item for item in found if isinstance(item, dict) and "name" in item] if isinstance(found, list) else []
