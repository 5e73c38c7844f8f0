# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of fields, from schemas of a real server and of CustomResourceDefinitions."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.schema import (
    QUANTITY,
    UNTYPED,
    Document,
    Type,
    crd_types,
    reduce,
    status_apart,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply import recorded


def at(type_: Type, path: str) -> Type:
    """The type of a field; ``[]`` is a list's item."""
    for step in path.split("."):
        found = type_.element if step == "[]" else type_.field(step)
        assert found is not None, step
        type_ = found
    return type_


CONTAINERS = "spec.template.spec.containers"


@pytest.mark.parametrize(
    ("path", "kind", "list_type", "keys"),
    [
        (CONTAINERS, "list", "map", ["name"]),
        (f"{CONTAINERS}.[].ports", "list", "map", ["containerPort", "protocol"]),
        (f"{CONTAINERS}.[].args", "list", "atomic", []),
    ],
)
def test_lists_are_merged_by_their_schema(path: str, kind: str, list_type: str, keys: list[str]) -> None:
    found = at(recorded.type_of("Deployment"), path)
    assert (found.kind, found.list_type, found.map_keys) == (kind, list_type, keys)
    assert found.atomic is (list_type == "atomic")


def test_selectors_are_one_value() -> None:
    type_ = recorded.type_of("Deployment")
    assert at(type_, "spec.selector").atomic
    assert not at(type_, "spec").atomic
    assert not at(type_, "spec.replicas").atomic


def test_quantities_dates_and_texts_are_distinguished() -> None:
    type_ = recorded.type_of("StatefulSet")
    size = at(type_, "spec.volumeClaimTemplates.[].spec.resources.requests.storage")
    assert (size.quantity, size.component) == (True, QUANTITY)
    replicas = at(type_, "spec.replicas")
    assert (replicas.quantity, replicas.kind, replicas.format, replicas.text) == (False, "scalar", "int32", False)
    assert at(type_, "spec.serviceName").text
    assert at(type_, "metadata.creationTimestamp").format == "date-time"


def test_defaults_are_the_fields_own() -> None:
    port = at(recorded.type_of("Deployment"), f"{CONTAINERS}.[].ports.[]")
    assert at(port, "protocol").default == "TCP"
    assert at(port, "containerPort").default is None or at(port, "containerPort").default == 0


def test_built_in_kinds_are_known_by_their_components() -> None:
    type_ = recorded.type_of("Deployment")
    assert type_.builtin
    assert type_.component == "io.k8s.api.apps.v1.Deployment"
    assert not type_.reports_conditions, "how these are ready is known"
    assert at(type_, "metadata.labels").free_names
    assert not at(type_, "metadata").free_names


# -- parts of OpenAPI schemas


def typed(node: Json, **components: Json) -> Type:
    return Type(node, components)


TEXT: Json = {"type": "string"}


@pytest.mark.parametrize(
    ("node", "names", "takes"),
    [
        ({"type": "object", "properties": {"a": TEXT}}, ["a"], False),
        ({"type": "object"}, [], True),
        ({"type": "object", "additionalProperties": TEXT}, [], True),
        ({"type": "object", "additionalProperties": True}, [], True),
        ({"type": "object", "additionalProperties": False}, [], False),
        ({"type": "object", "properties": {"a": TEXT}, "additionalProperties": True}, ["a"], True),
        ({"type": "object", "properties": {"a": TEXT}, "x-kubernetes-preserve-unknown-fields": True}, ["a"], True),
        ({"type": "object", "properties": {"a": TEXT}, "x-kubernetes-preserve-unknown-fields": False}, ["a"], False),
    ],
)
def test_which_names_a_map_takes(node: Json, names: list[str], takes: bool) -> None:
    found = typed(node)
    assert found.names == names
    assert [name for name in ("a", "b") if found.declares(name)] == names
    assert (found.field("b") is not None) is takes


def test_fields_below_a_free_field_are_free_and_declared_fields_keep_their_type() -> None:
    inner = {"type": "object", "properties": {"c": TEXT}}
    free = typed(
        {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"a": inner, "l": {"type": "array", "items": inner}},
        }
    )
    for path in ("a.any.thing", "b.any", "l.[].any"):
        assert at(free, path).kind == "any"
    assert at(free, "a.c").text
    closed = typed({"type": "object", "properties": {"a": inner}})
    assert at(closed, "a").field("any") is None


def test_an_embedded_object_has_the_three_fields_of_each_object() -> None:
    found = typed({"type": "object", "properties": {"spec": {}}, "x-kubernetes-embedded-resource": True})
    assert [name for name in ("apiVersion", "kind", "metadata", "spec", "other") if found.field(name)] == [
        "apiVersion",
        "kind",
        "metadata",
        "spec",
    ]
    assert typed({"type": "object", "properties": {"spec": {}}}).field("kind") is None


@pytest.mark.parametrize(
    ("extensions", "list_type", "keys"),
    [
        ({}, "atomic", []),
        ({"x-kubernetes-list-type": "set"}, "set", []),
        ({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"]}, "map", ["a", "b"]),
        ({"x-kubernetes-patch-strategy": "merge"}, "set", []),
        ({"x-kubernetes-patch-strategy": "merge,retainKeys", "x-kubernetes-patch-merge-key": "n"}, "map", ["n"]),
        ({"x-kubernetes-patch-strategy": "replace"}, "atomic", []),
        # kube-openapi's schemaconv: extensions for lists take precedence over those for patches.
        (
            {
                "x-kubernetes-list-type": "atomic",
                "x-kubernetes-patch-strategy": "merge",
                "x-kubernetes-patch-merge-key": "n",
            },
            "atomic",
            ["n"],
        ),
    ],
)
def test_how_a_list_merges(extensions: Json, list_type: str, keys: list[str]) -> None:
    found = typed({"type": "array", "items": TEXT, **extensions})
    assert (found.list_type, found.map_keys, found.atomic) == (list_type, keys, list_type == "atomic")
    assert found.element.text


def test_fields_beside_a_reference_take_precedence() -> None:
    components = {
        "io.k8s.api.x.v1.Outer": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.x.v1.Inner"}], "default": "far"},
        "io.k8s.api.x.v1.Inner": {"type": "string", "default": "inner", "nullable": True},
    }
    outer = {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.x.v1.Outer"}]}
    found = typed(outer, **components)
    assert (found.component, found.kind, found.default, found.nullable) == (
        "io.k8s.api.x.v1.Inner",
        "scalar",
        "inner",
        True,
    )
    assert typed({**outer, "default": "near"}, **components).default == "near"
    assert typed({"$ref": "#/components/schemas/io.k8s.api.x.v1.Inner"}, **components).text
    several = typed({"allOf": [{"$ref": "#/components/schemas/io.k8s.api.x.v1.Inner"}, TEXT]}, **components)
    assert (several.component, several.kind) == ("", "any")
    assert typed({"$ref": "#/components/schemas/missing"}).kind == "any"


def test_raw_objects_are_kept_as_they_are() -> None:
    raw = "io.k8s.apimachinery.pkg.runtime.RawExtension"
    components: Json = {raw: {"type": "object", "properties": {"a": TEXT}}}
    found = typed({"$ref": f"#/components/schemas/{raw}"}, **components)
    assert found.preserve
    assert found.field("anything")


@pytest.mark.parametrize(
    ("node", "kept"),
    [
        ({"type": "object", "properties": {"a": TEXT}}, False),
        ({"type": "object", "properties": {"a": {**TEXT, "nullable": True}}}, True),
        ({"type": "object", "properties": {"b": TEXT}}, False),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, True),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": TEXT}}, False),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True, "additionalProperties": TEXT}, False),
        ({"type": "object", "additionalProperties": {**TEXT, "nullable": True}}, True),
        ({"type": "object"}, False),
    ],
)
def test_where_null_is_a_value(node: Json, kept: bool) -> None:
    assert typed(node).keeps_null("a") is kept


def test_without_a_schema_everything_is_taken() -> None:
    assert (UNTYPED.kind, UNTYPED.preserve, UNTYPED.atomic) == ("any", True, False)
    assert at(UNTYPED, "a.b.[].c").kind == "any"


CUSTOM: Json = {
    "type": "object",
    "properties": {"status": {"type": "object", "properties": {"conditions": {"type": "array"}}}},
}


@pytest.mark.parametrize(
    ("node", "reports"),
    [
        (CUSTOM, True),
        ({"type": "object", "properties": {"status": {"type": "object", "properties": {"phase": TEXT}}}}, False),
        ({"type": "object", "properties": {"spec": TEXT}}, False),
        ({"$ref": "#/components/schemas/com.example.Thing"}, True),
        ({"$ref": "#/components/schemas/io.k8s.api.apps.v1.Thing"}, False),
    ],
)
def test_which_custom_objects_report_conditions(node: Json, reports: bool) -> None:
    found = typed(node, **{"com.example.Thing": CUSTOM, "io.k8s.api.apps.v1.Thing": CUSTOM})
    assert found.reports_conditions is reports


# -- documents


def test_a_document_loses_its_prose_and_nothing_else() -> None:
    gvk = [{"group": "x.io", "version": "v1", "kind": "Part"}]
    part: Json = {
        "type": "object",
        "description": "long",
        "x-kubernetes-group-version-kind": gvk,
        "properties": {
            # Names of fields, not prose.
            "description": {"type": "string", "description": "long", "pattern": "^a$", "format": "x"},
            "title": {"type": "array", "items": {"type": "string", "example": "a", "default": {"title": "kept"}}},
        },
        "allOf": [{"title": "gone"}],
    }
    other: Json = {"type": "string", "externalDocs": {}, "examples": ["a"]}
    older = {"x-kubernetes-group-version-kind": [{"group": "x.io", "version": "v1beta1", "kind": "Old"}]}
    many = {
        "x-kubernetes-group-version-kind": [
            {"group": "", "version": "v1", "kind": "DeleteOptions"},
            {"group": "x.io", "version": "v1", "kind": "DeleteOptions"},
        ]
    }
    again = {"x-kubernetes-group-version-kind": gvk}
    schemas = {"io.x.Part": part, "io.x.Other": other, "io.x.Old": older, "io.x.Many": many, "io.x.Again": again}
    components, kinds = reduce({"components": {"schemas": schemas}}, "x.io", "v1")
    assert kinds == {"Part": "io.x.Part", "DeleteOptions": "io.x.Many"}
    assert components["io.x.Part"] == {
        "type": "object",
        "x-kubernetes-group-version-kind": gvk,
        "properties": {
            "description": {"type": "string", "format": "x"},
            "title": {"type": "array", "items": {"type": "string", "default": {"title": "kept"}}},
        },
        "allOf": [{}],
    }
    assert components["io.x.Other"] == {"type": "string"}
    assert reduce({"components": {"schemas": schemas}}, "", "v1")[1] == {"DeleteOptions": "io.x.Many"}
    assert reduce({}, "x.io", "v1") == ({}, {})
    found = Document(components, kinds)
    type_ = found.type_of("Part")
    assert type_ is found.type_of("Part")
    assert type_ is not None
    assert type_.names == ["description", "title"]
    assert found.type_of("Old") is None


@pytest.mark.parametrize(
    ("component", "builtin"),
    [
        ("io.k8s.api.core.v1.ConfigMap", True),
        ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition", True),
        ("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService", True),
        ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", True),
        # Custom kinds of the groups gateway.networking.k8s.io and example.com.
        ("io.k8s.networking.gateway.v1.Gateway", False),
        ("com.example.v1.Part", False),
    ],
)
def test_which_kinds_the_server_decodes_into_types_of_its_own(component: str, builtin: bool) -> None:
    found = Document({component: {"type": "object"}}, {"X": component}).type_of("X")
    assert found is not None
    assert (found.component, found.builtin) == (component, builtin)


@pytest.mark.parametrize("version", sorted(recorded.SCHEMAS))
def test_of_a_real_servers_document_every_type_stays_what_it_is(version: str) -> None:
    schemas = recorded.SCHEMAS[version]
    components, _ = reduce({"components": {"schemas": schemas}}, "", "v1")
    assert components.keys() == schemas.keys()
    for name in schemas:
        whole, reduced = Type(schemas[name], schemas), Type(components[name], components)
        assert (whole.kind, whole.names, whole.preserve) == (reduced.kind, reduced.names, reduced.preserve)


# -- definitions of custom kinds


def defined(schema: Any, **more: Any) -> Type:
    version = {"name": "v1", "schema": {"openAPIV3Schema": schema} if schema is not None else None, **more}
    return crd_types({"spec": {"versions": [{"name": "v0"}, version]}})["v1"]


def test_a_custom_object_has_the_fields_of_each_object() -> None:
    found = defined({"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": TEXT}}}})
    assert sorted(found.names) == ["apiVersion", "kind", "metadata", "spec"]
    assert at(found, "apiVersion").text
    assert at(found, "metadata.labels.a").text
    assert at(found, "metadata.annotations").free_names
    assert at(found, "metadata.namespace"), "the server knows what else metadata has"
    assert found.field("specs") is None
    assert not found.builtin


def test_metadata_schemas_of_definitions_are_ignored() -> None:
    limited = {"type": "object", "properties": {"name": {**TEXT, "maxLength": 3}}}
    found = defined({"type": "object", "properties": {"metadata": limited, "kind": {**TEXT, "enum": ["A"]}}})
    assert sorted(at(found, "metadata").names) == ["annotations", "labels"]


@pytest.mark.parametrize("schema", [None, {}])
def test_a_definition_without_a_schema_takes_everything(schema: Any) -> None:
    found = defined(schema)
    assert found.kind == "map"
    assert at(found, "spec.any.thing").kind == "any"


def test_each_version_has_its_own_schema_and_status() -> None:
    crd = {
        "spec": {
            "versions": [
                {"name": "v1", "subresources": {"status": {}}},
                {"name": "v2", "subresources": {"scale": {}}},
                {"name": "v3"},
            ]
        }
    }
    assert list(crd_types(crd)) == ["v1", "v2", "v3"]
    assert [status_apart(crd, version) for version in ("v1", "v2", "v3", "v4")] == [True, False, False, False]
