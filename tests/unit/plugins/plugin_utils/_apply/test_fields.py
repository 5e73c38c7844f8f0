# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import fieldpath, fields
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApplyError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.schema import Type

TYPE = Type(
    {
        "type": "object",
        "properties": {
            "metadata": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                },
            },
            "spec": {
                "type": "object",
                "properties": {
                    "ports": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["port", "protocol"],
                        "items": {
                            "type": "object",
                            "properties": {
                                "port": {"type": "integer"},
                                "protocol": {"type": "string", "default": "TCP"},
                            },
                        },
                    },
                    "args": {"type": "array", "items": {"type": "string"}},
                    "selector": {
                        "type": "object",
                        "x-kubernetes-map-type": "atomic",
                        "additionalProperties": {"type": "string"},
                    },
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            },
        },
    },
    {},
)


def test_the_set_is_what_the_server_writes() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "X",
        "metadata": {"name": "x", "labels": {"a": "b"}, "finalizers": ["z", "y"]},
        "spec": {"ports": [{"port": 80}], "args": ["a"], "selector": {"a": "b"}, "free": {"a": {"b": [1]}, "c": {}}},
    }
    assert fields.owned_by_apply(body, TYPE) == {
        "f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {'v:"z"': {}, 'v:"y"': {}}},
        "f:spec": {
            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
            "f:args": {},
            "f:selector": {},
            "f:free": {"f:a": {".": {}, "f:b": {}}, "f:c": {}},
        },
    }


def test_an_empty_list_of_items_owns_nothing() -> None:
    assert fields.owned_by_apply({"spec": {"ports": []}}, TYPE) == {"f:spec": {}}


def test_readable_paths() -> None:
    path = ("f:spec", 'k:{"name":"app","zone":1}', "f:image", 'v:"x"', "f:a.b/c")
    assert fields.readable(path) == "spec[name=app,zone=1].image[\"x\"]['a.b/c']"


def test_looking_up() -> None:
    obj = {"spec": {"ports": [{"port": 1, "protocol": "UDP"}, {"port": 2, "x": 3}]}}
    assert fields.lookup(obj, ("f:spec", "f:ports", 'k:{"port":2,"protocol":"TCP"}', "f:x")) == (True, 3)
    assert fields.lookup(obj, ("f:spec", "f:ports", 'k:{"port":1,"protocol":"TCP"}'))[0] is False
    assert fields.lookup(obj, ("f:spec", "f:nothing")) == (False, None)


def test_leaves_are_the_members() -> None:
    tree: dict[str, Any] = {"f:a": {".": {}, "f:b": {}}, "f:c": {}}
    assert list(fields.leaves(tree)) == [("f:a",), ("f:a", "f:b"), ("f:c",)]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("spec.replicas", ("f:spec", "f:replicas")),
        ("metadata.annotations['a.b/c']", ("f:metadata", "f:annotations", "f:a.b/c")),
        ("spec.containers[name=app].image", ("f:spec", "f:containers", 'k:{"name":"app"}', "f:image")),
        ("ports[port=80,protocol=TCP]", ("f:ports", 'k:{"port":80,"protocol":"TCP"}')),
    ],
)
def test_paths_in_all_notations(text: str, path: tuple[str, ...]) -> None:
    assert fieldpath.parse(text) == path


@pytest.mark.parametrize("text", ["", "spec..x", "a[0]", "a[", "spec replicas"])
def test_no_paths(text: str) -> None:
    with pytest.raises(ApplyError, match="field path"):
        fieldpath.parse(text)
