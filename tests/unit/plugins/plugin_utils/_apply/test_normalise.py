# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.normalise import (
    Unsent,
    as_stored,
    canonical,
    differences,
    quantity,
    unknown_fields,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.schema import QUANTITY, UNTYPED, Type
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply import recorded

COMPONENTS: dict[str, Any] = {QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]}}
PORTS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["port", "protocol"],
    "items": {
        "type": "object",
        "properties": {
            "port": {"type": "integer"},
            "protocol": {"type": "string", "default": "TCP"},
            "name": {"type": "string"},
        },
    },
}
TYPE = Type(
    {
        "type": "object",
        "properties": {
            "cpu": {"$ref": f"#/components/schemas/{QUANTITY}"},
            "data": {"type": "string", "format": "byte"},
            "text": {"type": "string"},
            "count": {"type": "integer"},
            "flag": {"type": "boolean"},
            "ports": PORTS,
            "names": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "whole": {"type": "array", "items": PORTS["items"]},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "maybe": {"type": "string", "nullable": True},
        },
    },
    COMPONENTS,
)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", "1"),
        ("1000m", "1"),
        (0.5, "0.5"),
        ("500m", "0.5"),
        ("1Gi", "1073741824"),
        ("1024Mi", "1073741824"),
        ("1e3", "1000"),
        ("1E", "1e18"),
        ("-1.5k", "-1500"),
        (2, "2"),
        ("100n", "1e-7"),
    ],
)
def test_quantities(text: Any, amount: str) -> None:
    assert quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1gi", True, None, [], "."])
def test_no_quantities(text: Any) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize(
    ("rendered", "live"),
    [
        ({"cpu": "1000m"}, {"cpu": "1"}),
        ({"cpu": 2}, {"cpu": "2"}),
        ({"data": "aGk=\n"}, {"data": "aGk="}),
        ({"count": 1}, {"count": 1, "text": "somebody else's"}),
        ({"count": 1.0}, {"count": 1}),
        ({"ports": [{"port": 1}]}, {"ports": [{"port": 1, "protocol": "TCP"}]}),
        ({"ports": [{"port": 1}]}, {"ports": [{"port": 9, "protocol": "TCP"}, {"port": 1, "protocol": "TCP"}]}),
        ({"names": ["b"]}, {"names": ["a", "b"]}),
        ({"whole": [{"port": 1}]}, {"whole": [{"port": 1, "protocol": "TCP"}]}),
        ({"text": ""}, {}),
        ({"free": {"a": [1]}}, {"free": {"a": [1], "b": 2}}),
    ],
)
def test_values_that_are_equal_without_a_dry_run(rendered: Any, live: Any) -> None:
    assert list(differences(rendered, live, TYPE)) == []


@pytest.mark.parametrize(
    ("rendered", "live", "path"),
    [
        ({"cpu": "1"}, {"cpu": "2"}, "f:cpu"),
        ({"text": "1"}, {"text": 1}, "f:text"),
        ({"text": "1000m"}, {"text": "1"}, "f:text"),
        ({"count": 1}, {"count": True}, "f:count"),
        ({"flag": False}, {"flag": 0}, "f:flag"),
        ({"text": "x"}, {}, "f:text"),
        ({"ports": [{"port": 1, "protocol": "UDP"}]}, {"ports": [{"port": 1, "protocol": "TCP"}]}, "f:ports"),
        ({"ports": [{"port": 1}, {"port": 2}]}, {"ports": [{"port": 2}, {"port": 1}]}, "f:ports"),
        ({"ports": [{"port": 1, "name": "a"}]}, {"ports": [{"port": 1, "name": "b"}]}, "f:ports"),
        ({"names": ["a", "b"]}, {"names": ["b", "a"]}, "f:names"),
        ({"names": []}, {}, "f:names"),
        ({"whole": [{"port": 1}]}, {"whole": [{"port": 1, "protocol": "UDP"}]}, "f:whole"),
        ({"whole": [{"port": 1}]}, {"whole": [{"port": 1}, {"port": 2}]}, "f:whole"),
        ({"whole": [{"port": 1, "name": ""}]}, {"whole": [{"port": 1}]}, "f:whole"),
        ({"free": {"a": [1]}}, {"free": {"a": [1, 2]}}, "f:free"),
    ],
)
def test_values_that_need_a_dry_run(rendered: Any, live: Any, path: str) -> None:
    assert [found[0] for found in differences(rendered, live, TYPE)][:1] == [path]


def test_nulls_are_removed_unless_the_server_keeps_them() -> None:
    assert canonical({"text": None, "maybe": None, "free": {"a": None}}, TYPE) == {"maybe": None, "free": {"a": None}}
    deep = {"free": {"a": {"b": [None, {"c": None}]}}}
    assert canonical(deep, TYPE) == deep
    unknown = {"spec": {"a": None}, "metadata": {"name": "x", "annotations": None, "creationTimestamp": None}}
    assert canonical(unknown, UNTYPED) == {"spec": {"a": None}, "metadata": {"name": "x"}}


def test_fields_that_are_not_sent_are_reported() -> None:
    body = {
        "metadata": {"name": "x", "creationTimestamp": None},
        "text": None,
        "ports": [{"port": 1, "name": None, "creationTimestamp": None}],
        "status": {"phase": "x"},
    }
    unsent: list[Unsent] = []
    sent = canonical(body, TYPE, unsent=unsent)
    assert sent == {"metadata": {"name": "x"}, "ports": [{"port": 1}]}
    assert [".".join(path) for path, _ in unsent] == ["f:status", "f:text", "f:ports.i:0.f:name"]
    # Tools print a kind's status with empty values.
    assert canonical({"status": {"conditions": [], "names": {"kind": ""}}}, TYPE, unsent=(silent := [])) == {}
    assert silent == []


def test_status_is_an_ordinary_field_if_it_is_not_a_subresource() -> None:
    body = {"status": {"phase": "x", "free": None}}
    assert canonical(body, UNTYPED, status_apart=False) == body


def test_a_name_without_a_value_has_an_empty_one_in_the_kinds_of_kubernetes() -> None:
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    node = {"type": "object", "properties": {"nodeSelector": texts, "replicas": {"type": "integer"}}}
    body = {"nodeSelector": {"gpu": None}, "replicas": None}
    builtin = Type({"$ref": "#/components/schemas/io.k8s.api.core.v1.Pod"}, {"io.k8s.api.core.v1.Pod": node})
    assert canonical(body, builtin) == {"nodeSelector": {"gpu": ""}}
    # The server refuses it in a custom object.
    unsent: list[Unsent] = []
    assert canonical(body, Type(node, {}), unsent=unsent) == {"nodeSelector": {}}
    assert [path[-1] for path, _ in unsent] == ["f:gpu", "f:replicas"]


@pytest.mark.parametrize(("data", "sent"), [({"a": None, "b": "1"}, {"data": {"a": "", "b": "1"}}), (None, {})])
def test_the_server_s_own_kinds_are_known_by_its_document(data: Any, sent: dict[str, Any]) -> None:
    metadata = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    unsent: list[Unsent] = []
    assert canonical({**metadata, "data": data}, recorded.type_of("ConfigMap"), unsent=unsent) == {**metadata, **sent}
    assert unsent == []


def test_string_data_is_folded_into_data() -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA==", "b": "eA=="}, "stringData": {"b": "y"}}
    assert canonical(body, Type({}, {}))["data"] == {"a": "eA==", "b": "eQ=="}


def test_a_limit_range_gets_the_defaults_of_its_other_fields() -> None:
    item = {"type": "Container", "max": {"cpu": "2"}, "default": {"memory": "1Gi"}, "min": {"cpu": "1", "disk": "1"}}
    body = {"apiVersion": "v1", "kind": "LimitRange", "spec": {"limits": [item, {"type": "Pod", "max": {"cpu": "1"}}]}}
    container, pod = as_stored(body)["spec"]["limits"]
    assert container["default"] == {"cpu": "2", "memory": "1Gi"}
    assert container["defaultRequest"] == {"cpu": "2", "memory": "1Gi", "disk": "1"}
    assert pod == {"type": "Pod", "max": {"cpu": "1"}}


def test_unknown_fields() -> None:
    body = {"txt": 1, "ports": [{"port": 1}, {"prot": 2}], "free": {"anything": 1}}
    assert list(unknown_fields(body, TYPE)) == [("f:txt",), ("f:ports", "i:1", "f:prot")]
