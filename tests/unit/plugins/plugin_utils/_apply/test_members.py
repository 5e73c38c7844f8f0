# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applyset import PART_OF, Parent
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import RenderError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.members import complete, resolve
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Member, Resource
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.preview import Assumed
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.render import parse
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.schema import Type

PARENT = Parent("s", "n")
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: parts.example.com}}
spec:
  group: example.com
  scope: Namespaced
  names: {{kind: Part, plural: parts}}
  versions: [{{name: v1{}}}]
---
"""
PART = """\
apiVersion: example.com/v1
kind: Part
metadata:
  name: p
status:
  phase: x
"""


def completed(text: str) -> tuple[list[Member], list[str]]:
    found = parse(text, "set.yaml.j2")
    kinds = Assumed(found)
    members = resolve(found, kinds, PARENT, allow_namespaces=False)
    return members, complete(members, kinds, PARENT)


@pytest.mark.parametrize(
    ("subresources", "status"), [("", {"phase": "x"}), (", subresources: {scale: {}}", {"phase": "x"})]
)
def test_a_status_that_is_not_a_subresource_is_sent(subresources: str, status: Json) -> None:
    members, warnings = completed(DEFINITION.format(subresources) + PART)
    assert members[1].body["status"] == status
    assert warnings == []


def test_fields_that_are_not_sent_are_reported_with_file_line_object_and_field() -> None:
    members, warnings = completed(DEFINITION.format(", subresources: {status: {}}") + PART)
    assert "status" not in members[1].body
    (said,) = warnings
    why = "status is written by the kind's controller alone: it is not sent. Take it out."
    assert said == f"set.yaml.j2:14: Part.example.com n/p: {why}"


@pytest.mark.parametrize("status", [{}, {"conditions": []}, {"loadBalancer": {}}, None])
def test_an_empty_status_is_not_worth_a_word(status: Any) -> None:
    text = f"{{apiVersion: v1, kind: Service, metadata: {{name: s}}, status: {'null' if status is None else status}}}"
    assert completed(text)[1] == []


# -- with a server's schemas


class Published:
    """A server that has these kinds, with one schema of each."""

    def __init__(self, schemas: dict[str, Json]) -> None:
        self._schemas = schemas
        self.defined: list[str] = []

    def define(self, crd: Json) -> None:
        self.defined.append(crd["metadata"]["name"])

    def find(self, group: str, version: str, kind: str) -> Resource | None:
        namespaced = kind not in {"CustomResourceDefinition", "Namespace"}
        return Resource(group, version, kind, f"{kind.lower()}s", namespaced=namespaced) if kind != "Strange" else None

    def versions(self, kind: str) -> list[Resource]:
        return [Resource(group, "v1", kind, "", namespaced=True) for group in ("b.io", "a.io") if kind == "Strange"]

    def kinds(self) -> list[str]:
        return ["Part", "Parts", "Pod"]

    def type_of(self, resource: Resource) -> Type | None:
        found = self._schemas.get(resource.kind)
        return Type(found, {}) if found else None

    def rendered_type_of(self, resource: Resource) -> Type | None:
        found = self._schemas.get(f"rendered {resource.kind}")
        return Type(found, {}) if found else None

    def prefetch(self, resources: set[Resource]) -> None:
        """All kinds are available."""


def schema(**fields: Json) -> Json:
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    name = {"type": "string"}
    metadata = {"type": "object", "properties": {"name": name, "namespace": name, "labels": texts}}
    spec = {"type": "object", "properties": fields}
    return {
        "type": "object",
        "properties": {"apiVersion": name, "kind": name, "metadata": metadata, "spec": spec},
    }


LIST: Json = {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}
BODY = """\
apiVersion: example.com/v1
kind: Part
metadata:
  name: p
  labels: {a: b}
spec:
  items:
    - name: x
    - name: y
      size: 3
"""


def found_in(text: str, kinds: Any, *, allow_namespaces: bool = False) -> list[Member]:
    members = resolve(parse(text, "set.yaml"), kinds, PARENT, allow_namespaces=allow_namespaces)
    complete(members, kinds, PARENT)
    return members


def refusal(text: str, kinds: Any) -> list[str]:
    with pytest.raises(RenderError) as said:
        found_in(text, kinds)
    return list(said.value.findings)


def test_a_field_of_a_lists_item_is_named_with_its_own_line() -> None:
    assert refusal(BODY, Published({"Part": schema(items=LIST)})) == [
        "set.yaml:10: Part.example.com n/p: unknown field spec.items.1.size."
    ]


def test_labels_stay_beside_the_sets_own() -> None:
    (member,) = found_in(BODY, Published({}))
    assert member.body["metadata"]["labels"] == {"a": "b", PART_OF: PARENT.id}
    assert member.ahead is False


def test_a_field_that_only_the_sets_own_definition_has_is_sent_once_that_is_applied() -> None:
    """An upgrade contains a definition with a new field, and objects with this field."""
    size = {"type": "array", "items": {"type": "object", "properties": {"name": {}, "size": {"type": "integer"}}}}
    old, new = schema(items=LIST), schema(items=size)
    (member,) = found_in(BODY, Published({"Part": old, "rendered Part": new}))
    assert member.ahead is True
    assert member.body["spec"]["items"][1]["size"] == 3
    (known,) = found_in(BODY, Published({"Part": new, "rendered Part": new}))
    assert known.ahead is False
    assert refusal(BODY, Published({"Part": old, "rendered Part": old})) == [
        "set.yaml:10: Part.example.com n/p: unknown field spec.items.1.size."
    ]


def test_metadata_fields_of_definitions_are_validated_by_the_server() -> None:
    """A definition cannot add fields to metadata; the server would refuse the object."""
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    text = BODY.replace("  labels: {a: b}", "  lables: {a: b}")
    assert refusal(text, Published({"Part": schema(items=LIST), "rendered Part": free})) == [
        "set.yaml:5: Part.example.com n/p: unknown field metadata.lables."
    ]


def test_definitions_are_known_before_their_objects_are_looked_for() -> None:
    kinds = Published({})
    found_in(BODY + "---\n" + DEFINITION.format("").removesuffix("---\n"), kinds)
    assert kinds.defined == ["parts.example.com"]


def test_an_unknown_kind_is_named_with_where_it_is_or_what_is_nearest() -> None:
    text = "---\n".join(
        f"apiVersion: example.com/v1\nkind: {kind}\nmetadata: {{name: x}}\n" for kind in ("Strange", "Part", "Strange")
    )
    assert refusal(text, Published({})) == [
        f"set.yaml:{line}: the server has no Strange in example.com/v1, but in a.io/v1, b.io/v1." for line in (1, 9)
    ]


def test_objects_without_a_namespace_are_in_the_sets_own() -> None:
    text = "---\n".join(
        f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: x{namespace}}}\n"
        for kind, namespace in (("Pod", ""), ("Pod", ", namespace: m"), ("Namespace", ""))
    )
    members = found_in(text, Published({}), allow_namespaces=True)
    assert [str(member.key) for member in members] == ["Pod n/x", "Pod m/x", "Namespace x"]
    assert [member.path for member in members][::2] == ["/api/v1/namespaces/n/pods/x", "/api/v1/namespaces/x"]
