# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sent form of objects: nulls, status, kinds with several versions."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import RenderError

from localcloud.testing import eventually

from .conftest import Actions, Cluster

pytestmark = pytest.mark.integration
Json = dict[str, Any]
LOOSE: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(group: str, *versions: str, status: bool = False, **more: Json) -> Json:
    fields = {"a": {"type": "string"}, "b": {"type": "string", "default": "q"}, "free": LOOSE, **more}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}, "status": LOOSE}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"parts.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Part", "plural": "parts", "singular": "part", "listKind": "PartList"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == "v1",
                    "schema": {"openAPIV3Schema": schema},
                    **({"subresources": {"status": {}}} if status else {}),
                }
                for version in versions
            ],
        },
    }


def part(group: str, version: str = "v1", name: str = "p", **content: Any) -> Json:
    return {"apiVersion": f"{group}/{version}", "kind": "Part", "metadata": {"name": name}, **content}


@pytest.mark.parametrize("apart", [False, True])
def test_status_is_sent_if_it_is_not_a_subresource_and_reported_otherwise(
    cluster: Cluster, namespace: str, actions: Actions, apart: bool
) -> None:
    group = f"{namespace}.example.com"
    path = f"/apis/{group}/v1/namespaces/{namespace}/parts/p"
    objects = [definition(group, "v1", status=apart), part(group, status={"phase": "one", "nothing": None})]
    first = cluster.apply("s", namespace, objects)
    said = [f"definition[2]:1: Part.{group} {namespace}/p: status is written by the kind's controller alone: it is not"]
    assert [text.partition(" sent")[0] for text in first.warnings] == (said if apart else [])
    live = cluster.get(path)
    assert live
    assert live.get("status") == (None if apart else {"phase": "one", "nothing": None})
    assert not cluster.apply("s", namespace, objects).changed
    objects[1]["status"] = {"phase": "two"}
    for check in (True, False):
        result = cluster.apply("s", namespace, objects, check=check)
        (action,) = [action for action in result.actions if action.key.kind == "Part"]
        assert (action.action, action.fields) == (("unchanged", []) if apart else ("patched", ["status.phase"]))
        assert [entry["after"]["status"] for entry in result.diff()] == ([] if apart else [{"phase": "two"}])
    if not apart:
        # What was added by hand is known once the server publishes the kind's schema.
        eventually(lambda: cluster.get(f"/openapi/v3/apis/{group}/v1"), what="the schema is published")
        cluster.send("PATCH", path, {"status": {"phase": "by hand", "more": "x"}})
        assert actions(cluster.apply("s", namespace, objects))["Part/p"] == "patched"
        assert not cluster.apply("s", namespace, objects).changed


def test_nulls_are_kept_if_the_server_keeps_them_and_reported_otherwise(cluster: Cluster, namespace: str) -> None:
    group = f"{namespace}.example.com"
    free = {"nothing": None, "list": [None, {"a": None}]}
    objects = [definition(group, "v1"), part(group, spec={"a": None, "b": None, "free": free})]
    first = cluster.apply("s", namespace, objects)
    live = cluster.get(f"/apis/{group}/v1/namespaces/{namespace}/parts/p")
    assert live
    assert live["spec"] == {"b": "q", "free": free}
    (said,) = first.warnings
    assert said.endswith("/p: spec.a is null, which its kind does not allow there: it is not sent. Take it out.")
    again = cluster.apply("s", namespace, objects)
    assert (again.changed, again.warnings) == (False, first.warnings)


def test_a_name_without_a_value_in_a_built_in_kind_has_an_empty_one(cluster: Cluster, namespace: str) -> None:
    objects: list[Json] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": None, "b": "1"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a": None}, "data": None},
    ]
    for body in objects:
        path = f"/api/v1/namespaces/{namespace}/{body['kind'].lower()}s"
        # The reference: the server's result.
        as_sent = copy.deepcopy(body)
        as_sent["metadata"]["name"] = "reference"
        reference = cluster.send("POST", path, as_sent)
        first = cluster.apply("s", namespace, [body])
        assert first.warnings == []
        live = cluster.get(f"{path}/x")
        assert live
        assert live["data"] == reference["data"]
        assert not cluster.apply("s", namespace, [body]).changed
        cluster.absent("s", namespace)


def test_a_kind_in_two_versions_changes_once(cluster: Cluster, namespace: str, actions: Actions) -> None:
    group = f"{namespace}.example.com"
    parts = [part(group, "v1", "one", spec={"a": "1"}), part(group, "v2", "two", spec={"a": "2"})]
    objects = [definition(group, "v1", "v2"), *parts]
    cluster.apply("s", namespace, objects)
    assert not cluster.apply("s", namespace, objects).changed
    again = cluster.apply("s", namespace, copy.deepcopy(objects)[:2], check=True)
    assert actions(again)["Part/two"] == "pruned"
    objects[2]["spec"]["a"] = "3"
    changed = cluster.apply("s", namespace, objects)
    assert {name for name, action in actions(changed).items() if action != "unchanged"} == {"Part/two"}


def test_an_object_moves_to_a_version_that_its_own_set_adds(cluster: Cluster, namespace: str, actions: Actions) -> None:
    group = f"{namespace}.example.com"
    kept = part(group, "v1", "kept")
    cluster.apply("s", namespace, [definition(group, "v1"), kept, part(group, "v1", spec={"a": "1"})])
    objects = [definition(group, "v1", "v2"), kept, part(group, "v2", spec={"a": "2"})]
    planned = cluster.apply("s", namespace, objects, check=True)
    done = cluster.apply("s", namespace, objects)
    assert planned.objects() == done.objects()
    assert actions(done)["Part/p"] == "patched"
    assert not cluster.apply("s", namespace, objects).changed


def test_an_object_has_a_field_that_its_own_set_adds(cluster: Cluster, namespace: str) -> None:
    group = f"{namespace}.example.com"
    cluster.apply("s", namespace, [definition(group, "v1"), part(group, spec={"a": "1"})])
    objects = [
        definition(group, "v1", added={"type": "string"}),
        part(group, spec={"a": "2", "added": "x"}),
        part(group, name="new", spec={"added": "y"}),
    ]
    wrong = [*objects[:2], part(group, name="new", spec={"misspelt": "y"})]
    with pytest.raises(RenderError, match=r"new: unknown field spec\.misspelt"):
        cluster.apply("s", namespace, wrong)
    planned = cluster.apply("s", namespace, objects, check=True)
    done = cluster.apply("s", namespace, objects)
    assert planned.objects() == done.objects()
    assert {(action.key.name, action.action, tuple(action.fields)) for action in done.actions if action.fields} >= {
        ("p", "patched", ("spec.a", "spec.added"))
    }
    assert not cluster.apply("s", namespace, objects).changed
