# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import render
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import RenderError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import template_line


def names(found: list[tuple[dict[str, Any], Any]]) -> list[str]:
    return [body["metadata"]["name"] for body, _ in found]


def test_several_documents_each_with_its_line() -> None:
    first, second = ("kind: A\napiVersion: v1\nmetadata: {name: a}\n", "kind: B\napiVersion: v1\nmetadata: {name: b}\n")
    text = f"# a comment\n---\n{first}---\n---\n{second}"
    found = render.parse(text, "x.yaml.j2")
    assert names(found) == ["a", "b"]
    assert [str(source) for _, source in found] == ["x.yaml.j2:3", "x.yaml.j2:8"]


def test_lists_are_expanded_and_typed_lists_know_their_kind() -> None:
    text = """
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Secret, metadata: {name: a}}
  - apiVersion: v1
    kind: ConfigMapList
    items: [{metadata: {name: b}}]
"""
    found = render.parse(text, "x")
    assert [(body["kind"], body["metadata"]["name"]) for body, _ in found] == [("Secret", "a"), ("ConfigMap", "b")]


def test_dates_stay_text_and_booleans_are_yaml_1_1() -> None:
    ((body, _),) = render.parse(
        "apiVersion: v1\nkind: X\nmetadata: {name: x}\nspec: {day: 2026-01-01, on_: on, mode: 0644}", "x"
    )
    assert body["spec"] == {"day": "2026-01-01", "on_": True, "mode": 420}


def test_anchors_and_merge_keys() -> None:
    text = "apiVersion: v1\nkind: X\nmetadata: {name: x}\nspec:\n  a: &a {k: 1, l: 2}\n  b: {<<: *a, l: 3}\n"
    ((body, _),) = render.parse(text, "x")
    assert body["spec"]["b"] == {"k": 1, "l": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "f:1: this is not valid YAML: mapping values are not allowed"),
        ("x: 1\ny: [1\nz: 2", "f:3: this is not valid YAML"),
        ("kind: A\nkind: B", "f:2: this is not valid YAML: the key 'kind' is there twice"),
        ("kind: A\nspec: {~: a}", "f:2: .*the key '~' is not text"),
        ("kind: A\nspec: {1: a, '1': b}", "f:2: .*the key '1' is there twice"),
        ("kind: A\nspec: {[1]: a}", "f:2: .*a key is a list or a mapping"),
        ("kind: A\na: &a\n  b: *a", "f:2: .*an anchor's value contains itself"),
        ("kind: A\na: *b", "f:2: .*undefined alias; put text that begins with \\* in quotes"),
        ("kind: A\na:\n\tb: 1", "f:3: .*cannot start any token; indent with spaces"),
        ("kind: A\na: .inf", "f:2: .*JSON has no number .inf: put it in quotes"),
        ("kind: A\na: !!int x", "f:2: .*it is tagged !!int and is none"),
        ("kind: A\na: !!binary x", "f:2: .*the value with !!binary is not base64"),
        ("kind: A\na: !!binary gICA", "f:2: .*the value with !!binary is not text, and would not arrive as it is"),
        ("kind: A\na: {<<: 1}", "f:2: .*<< merges a mapping"),
        ('kind: A\na: "\\ud83d"', "f:2: .*half of a character is no text"),
        ("kind: A\na: \ud83d", "f:2: .*half of a character, which is no text"),
        ('{"kind": "A",\n"a": "\\ude80\\ud83d"}', "f:2: .*half of a character is no text"),
        ("kind: A\na: é\0", "f:2: .*the character U\\+0000 cannot be written in YAML"),
        ("kind: A\na: 1\n\ufeffb: 2", "f:3: .*byte order mark"),
        ('{"kind": "A",\n"kind": "B"}', "f:2: .*the key 'kind' is there twice"),
        ("words", "f:1: a Kubernetes object is expected here, not text"),
        ("5", "f:1: a Kubernetes object is expected here, not a number"),
        ("apiVersion: v1\nkind: List\nitems:\n- ~", "f:4: a Kubernetes object is expected here, not null"),
        (
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A}",
            "f:4: the A has no metadata.name",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata:\n  b: !!binary aGVsbG8=",
            r"f:5: data\['b'\] of the Secret is not base64: .* under stringData",
        ),
        (
            "apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: a}\n  data:\n    b: 5",
            r"f:6: data\['b'\] of the Secret is not base64",
        ),
        ("- a", "f:1: a Kubernetes object is expected here, not a list"),
        ("kind: A", "f:1: the object has no apiVersion"),
        ("{}", "f:1: the object has no apiVersion and no kind"),
        ("apiVersion: v1\nkind: A", "f:1: the A has no metadata.name"),
        ("apiVersion: v1\nkind: A\nmetadata: {name: 5}", "f:1: the A has no metadata.name"),
        *(
            (
                f"apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  namespace: {namespace}",
                "f:5: metadata.namespace of the A must be text: put it in quotes.",
            )
            for namespace in ("no", "n", "off", "0", "5", "yes", "{}")
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  labels:\n    x: 5",
            r"f:6: metadata.labels\['x'\] of the A must be text",
        ),
    ],
)
def test_errors_name_file_and_line(text: str, message: str) -> None:
    with pytest.raises(RenderError, match=message):
        render.parse(text, "f")


TEMPLATE = """{% set name = "a" %}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ name }}
data:
{% for key in keys %}
  {{ key }}: "x"
{% endfor %}
  last: [
"""
RENDERED = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k1: "x"\n  k2: "x"\n  k3: "x"\n  last: [\n'


@pytest.mark.parametrize(("rendered", "template"), [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (9, 10)])
def test_lines_of_rendered_text_are_reported_in_the_template(rendered: int, template: int) -> None:
    assert template_line(RENDERED, TEMPLATE, rendered) == template


def test_a_yaml_error_contains_the_template_line_and_no_values() -> None:
    template = "{# why #}\na: 1\npassword: {{ secret }}\nb: {{ other }}\n"
    with pytest.raises(RenderError) as caught:
        render.parse("a: 1\npassword: 'hunter22: [\nb: 2\n", "t", template)
    assert str(caught.value).startswith("t:")
    assert "hunter22" not in str(caught.value)


def test_field_lines() -> None:
    text = "apiVersion: v1\nkind: A\nmetadata:\n  name: a\nspec:\n  items:\n    - x: 1\n      y: 2\n"
    ((body, source),) = render.parse(text, "f")
    assert render.field_line(source, body, ["spec", "items", 0, "y"]) == 8
    assert render.field_line(source, body, ["spec", "nothing"]) == 5


def test_definitions_of_every_form() -> None:
    obj = {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}
    text = "apiVersion: v1\nkind: A\nmetadata: {name: b}\n"
    assert names(render.from_definition(obj)) == ["a"]
    assert names(render.from_definition(text)) == ["b"]
    assert names(render.from_definition([obj, text])) == ["a", "b"]
    assert [str(source) for _, source in render.from_definition([obj, text])] == ["definition[1]:1", "definition[2]:1"]


def test_selecting_templates(tmp_path: Path) -> None:
    for name in ("b.yaml.j2", "a.yaml.j2", "sub/c.yaml.j2", "notes.txt.j2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")

    def selected(*patterns: str) -> list[str]:
        return [str(path.relative_to(tmp_path)) for path in render.select(tmp_path, patterns)]

    assert selected(".") == ["a.yaml.j2", "b.yaml.j2", "sub/c.yaml.j2"]
    assert selected("b.yaml.j2", "*.yaml.j2") == ["b.yaml.j2", "a.yaml.j2"]
    with pytest.raises(RenderError, match=r"nothing that matches 'x\.yaml\.j2'"):
        selected("x.yaml.j2")
