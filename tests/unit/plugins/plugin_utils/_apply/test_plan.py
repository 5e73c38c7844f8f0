# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import plan
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applyset import PART_OF
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.fields import MANAGER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Key, Resource
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.schema import QUANTITY, Type
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply import recorded

MARKS = {
    "meta.helm.sh/release-name": "Helm release x",
    "argocd.argoproj.io/tracking-id": "Argo CD application x",
    "kustomize.toolkit.fluxcd.io/name": "Flux kustomization x",
    "helm.toolkit.fluxcd.io/name": "Flux Helm release x",
}


@pytest.mark.parametrize("place", ["labels", "annotations"])
@pytest.mark.parametrize(("mark", "owner"), MARKS.items())
def test_the_mark_of_another_tool_counts_where_no_set_says_more(mark: str, owner: str, place: str) -> None:
    def marked(**labels: str) -> Json:
        return {"metadata": {"labels": labels, "annotations": {}} | {place: {mark: "x"} | labels}}

    assert plan.owner_of(marked(), "us") == owner
    ours = marked()
    ours["metadata"]["labels"] = ours["metadata"]["labels"] | {PART_OF: "us"}
    assert plan.owner_of(ours, "us") == ""
    assert plan.owner_of(ours, "others") == "ApplySet us"


# -- compared with a real API server

BY_HAND = [
    "metadata.annotations.seen",
    "spec.minReadySeconds",
    "spec.replicas",
    "spec.template.metadata.annotations",
    "spec.template.spec.containers[name=proxy]",
    "spec.template.spec.containers[name=shell]",
    "spec.template.spec.containers[name=web].env[name=DEBUG]",
    "spec.template.spec.containers[name=web].image",
    "spec.template.spec.hostNetwork",
    "spec.template.spec.volumes[name=tmp].emptyDir.sizeLimit",
]


@pytest.mark.parametrize("kind", recorded.KINDS)
def test_applied_objects_are_unchanged_without_a_dry_run(kind: str) -> None:
    body, live = recorded.state(kind, "rendered"), recorded.state(kind, "applied")
    assert plan.surely_unchanged(body, live, recorded.type_of(kind))
    assert not plan.surely_unchanged(body, live, None), "without a schema the server is asked"


def changed_value(body: Json, _: Json) -> None:
    body["spec"]["replicas"] = 3


def one_more_field(body: Json, _: Json) -> None:
    body["spec"]["progressDeadlineSeconds"] = 600


def one_field_less(body: Json, _: Json) -> None:
    del body["metadata"]["annotations"]["note"]


def another_version(_: Json, live: Json) -> None:
    live["metadata"]["managedFields"][0]["apiVersion"] = "apps/v1beta2"


def never_applied(_: Json, live: Json) -> None:
    live["metadata"]["managedFields"] = []


def applied_in_two_versions(_: Json, live: Json) -> None:
    entry = live["metadata"]["managedFields"][0]
    live["metadata"]["managedFields"].append(entry | {"apiVersion": "apps/v1beta2"})


@pytest.mark.parametrize(
    "change",
    [changed_value, one_more_field, one_field_less, another_version, never_applied, applied_in_two_versions],
)
def test_any_difference_makes_the_server_be_asked(change: Callable[[Json, Json], None]) -> None:
    body, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "applied")
    change(body, live)
    assert not plan.surely_unchanged(body, live, recorded.type_of("Deployment"))


def test_defaults_that_depend_on_other_fields_are_not_a_difference() -> None:
    """SetDefaults_LimitRangeItem in k8s.io/kubernetes/pkg/apis/core/v1/defaults.go."""
    body: Json = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "x"},
        "spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]},
    }
    stored = {"type": "Container", "max": {"cpu": "2"}, "default": {"cpu": "2"}, "defaultRequest": {"cpu": "2"}}
    live = body | {"spec": {"limits": [stored]}}
    node: Json = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"limits": {"type": "array"}}}},
    }
    type_ = Type(node, {})
    entry = {"manager": MANAGER, "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:limits": {}}}}
    live["metadata"] = live["metadata"] | {"managedFields": [entry]}
    assert plan.surely_unchanged(body, live, type_)
    stored["default"] = {"cpu": "1"}
    assert not plan.surely_unchanged(body, live, type_)


def test_whose_values_and_additions_an_apply_replaces() -> None:
    body, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "edited")
    type_ = recorded.type_of("Deployment")
    edit = "spec.template.spec.containers[name=web].image"
    scaled = {"manager": "autoscaler", "fields": ["spec.replicas"]}
    assert plan.taken_from(body, live, type_, {}) == [scaled, {"manager": "kubectl-edit", "fields": [edit]}]
    added = {"kubectl-edit": [("f:spec", "f:hostNetwork")], "k9s": [("f:data",), ("f:a",)]}
    assert plan.taken_from(body, live, type_, added) == [
        scaled,
        {"manager": "k9s", "fields": ["a", "data"]},
        {"manager": "kubectl-edit", "fields": ["spec.hostNetwork", edit]},
    ]


def test_nothing_is_taken_where_others_agree() -> None:
    """Another owner of equal values keeps its fields, with any notation of the values."""
    body, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "applied")
    entry = live["metadata"]["managedFields"][0]
    live["metadata"]["managedFields"].append(entry | {"manager": "other"})
    assert plan.taken_from(body, live, recorded.type_of("Deployment"), {}) == []


def test_a_removed_item_is_removed_from_its_owner() -> None:
    body, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "applied")
    entry = live["metadata"]["managedFields"][0]
    live["metadata"]["managedFields"].append(entry | {"manager": "other"})
    live["spec"]["template"]["spec"]["volumes"] = []
    item = "spec.template.spec.volumes[name=tmp]"
    assert plan.taken_from(body, live, recorded.type_of("Deployment"), {}) == [
        {"manager": "other", "fields": [item, f"{item}.emptyDir", f"{item}.name"]}
    ]


def test_managers_of_fields_are_named_once_each() -> None:
    live = recorded.state("Deployment", "edited")
    replicas, image = ("f:spec", "f:replicas"), ("f:spec", "f:template", "f:spec", "f:hostNetwork")
    live["metadata"]["managedFields"].append({"manager": "empty", "operation": "Update"})
    assert plan.by_manager(live, [image, replicas, replicas]) == [
        {"manager": "autoscaler", "fields": ["spec.replicas"]},
        {"manager": "kubectl-edit", "fields": ["spec.template.spec.hostNetwork"]},
    ]
    assert plan.by_manager(live, []) == []


def test_fields_that_differ_between_two_states() -> None:
    type_ = recorded.type_of("Deployment")
    applied, edited = recorded.state("Deployment", "applied"), recorded.state("Deployment", "edited")
    assert plan.changed_fields(applied, edited, type_) == BY_HAND
    assert plan.changed_fields(edited, applied, type_) == BY_HAND
    status = ["status.observedGeneration", "status.replicas"]
    assert plan.changed_fields(applied, edited, type_, status_apart=False) == BY_HAND + status
    assert plan.changed_fields(applied, applied, type_) == []


def test_lists_without_a_schema_are_compared_whole() -> None:
    before, after = recorded.state("Service", "applied"), recorded.state("Service", "edited")
    assert plan.changed_fields(before, after, None) == ["spec.ports"]
    assert plan.changed_fields(before, after, recorded.type_of("Service")) == ["spec.ports[port=81,protocol=TCP]"]


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        ({}, {"labels": {"a": "b"}}, ["metadata.labels"]),
        ({"labels": {"a": "b"}}, {"labels": {"a": "c"}}, ["metadata.labels.a"]),
        ({"annotations": {"a/b": "c"}}, {"annotations": {}}, ["metadata.annotations['a/b']"]),
        ({"finalizers": ["x"]}, {"finalizers": ["y"]}, ["metadata.finalizers"]),
        ({"ownerReferences": [{"uid": "1"}]}, {}, ["metadata.ownerReferences"]),
        # An empty value is equal to a missing value.
        ({}, {"labels": {}}, []),
        ({"annotations": {}}, {}, []),
        ({}, {"finalizers": []}, []),
        ({}, {"labels": None}, []),
        # The server's own.
        ({"resourceVersion": "1", "uid": "a", "generation": 1}, {"resourceVersion": "2", "generation": 2}, []),
        ({"managedFields": [{}], "creationTimestamp": "x"}, {"managedFields": []}, []),
    ],
)
def test_only_user_fields_of_metadata_are_compared(before: Json, after: Json, fields: list[str]) -> None:
    one, two = ({"apiVersion": "v1", "kind": "X", "metadata": metadata} for metadata in (before, after))
    assert plan.changed_fields(one, two, None) == fields
    assert plan.changed_fields(one, {**two, "apiVersion": "v2", "kind": "Y"}, None) == fields


def test_values_that_are_false_or_zero_are_values() -> None:
    assert plan.changed_fields({"spec": {}}, {"spec": {"replicas": 0, "paused": False}}, None) == [
        "spec.paused",
        "spec.replicas",
    ]


ATOMIC = Type(
    {
        "type": "object",
        "properties": {
            "map": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
            "list": {"type": "array", "items": {"type": "string"}},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        },
    },
    {},
)


def test_atomic_values_differ_as_a_whole_and_sets_by_their_items() -> None:
    before = {"map": {"a": "1", "b": "2"}, "list": ["a", "b"], "set": ["a", "b"]}
    after = {"map": {"a": "1"}, "list": ["a"], "set": ["b", "c"]}
    assert plan.changed_fields(before, after, ATOMIC) == ["list", "map", 'set["a"]', 'set["c"]']
    assert plan.changed_fields({"set": ["b", "a"]}, {"set": ["a", "b"]}, ATOMIC) == []
    assert plan.changed_fields({"set": ["a"]}, {"set": "a"}, ATOMIC) == ["set"]


def test_a_write_that_changes_nothing_is_the_same_state() -> None:
    before = recorded.state("Deployment", "edited")
    after = recorded.state("Deployment", "edited")
    after["metadata"] |= {"resourceVersion": "9999", "generation": 99}
    for entry in after["metadata"]["managedFields"]:
        entry["time"] = "2030-01-01T00:00:00Z"
    after["metadata"]["managedFields"].reverse()
    assert plan.same_state(before, after)


@pytest.mark.parametrize("name", ["applied", "handed_over", "restored"])
def test_other_values_and_other_owners_are_another_state(name: str) -> None:
    assert not plan.same_state(recorded.state("Deployment", "edited"), recorded.state("Deployment", name))


def test_objects_without_records_of_fields_are_compared_too() -> None:
    one: Json = {"metadata": {"name": "x"}, "data": {"a": "1"}}
    assert plan.same_state(one, {"metadata": {"name": "x", "managedFields": None}, "data": {"a": "1"}})
    assert not plan.same_state(one, {**one, "data": {"a": "2"}})


def test_the_order_of_names_in_records_is_irrelevant() -> None:
    records = [{"manager": "a", "operation": "Update"}, {"manager": "b", "operation": "Apply"}]
    turned = [dict(reversed(record.items())) for record in records]
    assert plan.same_state({"metadata": {"managedFields": records}}, {"metadata": {"managedFields": turned}})


# -- fields of other managers

REPLICAS = ("f:spec", "f:replicas")
DEPLOYMENT = recorded.key("Deployment")


def left(path: tuple[str, ...], *, kind: str = "", name: str = "", namespace: str = "") -> plan.Ignore:
    return plan.Ignore(kind, name, namespace, [path])


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, True),
        ({"kind": "Deployment"}, True),
        ({"name": "web"}, True),
        ({"namespace": "default"}, True),
        ({"kind": "Deployment", "name": "web", "namespace": "default"}, True),
        ({"kind": "StatefulSet"}, False),
        ({"name": "other"}, False),
        ({"namespace": "other"}, False),
        ({"kind": "Deployment", "name": "web", "namespace": "other"}, False),
    ],
)
def test_fields_of_other_managers_are_left(selection: dict[str, str], expected: bool) -> None:
    ignores = [left(REPLICAS, **selection)]
    assert ignores[0].matches(DEPLOYMENT) is expected
    assert plan.is_ignored(REPLICAS, ignores, DEPLOYMENT) is expected
    assert plan.is_ignored((*REPLICAS, "f:below"), ignores, DEPLOYMENT) is expected
    assert not plan.is_ignored(("f:spec",), ignores, DEPLOYMENT)
    assert not plan.is_ignored(("f:spec", "f:paused"), ignores, DEPLOYMENT)
    body, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "edited")
    sent = plan.without_ignored(body, live, ignores, DEPLOYMENT)
    assert ("replicas" not in sent["spec"]) is expected
    assert plan.with_ignored(body, live, ignores, DEPLOYMENT)["spec"]["replicas"] == (5 if expected else 2)
    assert body == recorded.state("Deployment", "rendered"), "what was rendered is not changed"


def test_a_new_object_starts_with_the_rendered_values() -> None:
    body = recorded.state("Deployment", "rendered")
    assert plan.without_ignored(body, None, [left(REPLICAS)], DEPLOYMENT) == recorded.state("Deployment", "rendered")


def test_a_field_that_is_still_this_sets_own_keeps_its_live_value() -> None:
    """Without it in the request, the field would be removed from the object."""
    body, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "applied")
    live["spec"]["replicas"] = 4
    ignores = [left(("f:spec", "f:paused")), left(("f:status", "f:replicas")), left(REPLICAS)]
    body["spec"]["replicas"] = 9
    sent = plan.without_ignored(body, live, ignores, DEPLOYMENT)
    assert sent == recorded.state("Deployment", "rendered") | {"spec": body["spec"] | {"replicas": 4}}


def test_a_removed_field_is_not_sent() -> None:
    body, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "applied")
    del live["spec"]["replicas"]
    assert "replicas" not in plan.without_ignored(body, live, [left(REPLICAS)], DEPLOYMENT)["spec"]


def test_of_an_object_that_this_set_never_applied_nothing_is_sent() -> None:
    body, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "applied")
    live["metadata"]["managedFields"] = []
    assert "replicas" not in plan.without_ignored(body, live, [left(REPLICAS)], DEPLOYMENT)["spec"]


IMAGE = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"web"}', "f:image")


def test_a_field_of_a_lists_item_is_left_and_the_item_stays() -> None:
    body, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "edited")
    (container,) = body["spec"]["template"]["spec"]["containers"]
    (sent,) = plan.without_ignored(body, live, [left(IMAGE)], DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    assert sent == {name: value for name, value in container.items() if name != "image"}
    (new,) = plan.with_ignored(body, live, [left(IMAGE)], DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    assert new == container | {"image": "web:2"}


def test_maps_that_have_nothing_else_are_not_sent_but_items_are() -> None:
    key = Key("", "X", "n", "x")
    body: Json = {"spec": {"a": {"b": {"c": 1}}, "items": [{"name": "i"}]}, "other": {"x": {"y": 1}, "z": 1}}
    live: Json = {"metadata": {}, "spec": {"a": {"b": {"c": 2}}}}
    ignores = [
        left(("f:spec", "f:a", "f:b", "f:c")),
        left(("f:spec", "f:items", 'k:{"name":"i"}', "f:name")),
        left(("f:other", "f:x", "f:y")),
    ]
    assert plan.without_ignored(body, live, ignores, key) == {"spec": {"items": [{}]}, "other": {"z": 1}}


def test_names_may_have_colons() -> None:
    """Those of a custom object's free maps."""
    key, path = Key("example.com", "X", "n", "x"), ("f:spec", "f:a:b")
    body, live = {"spec": {"a:b": "1", "c": "1"}}, {"metadata": {}, "spec": {"a:b": "2", "c": "1"}}
    assert plan.without_ignored(body, live, [left(path)], key) == {"spec": {"c": "1"}}
    assert plan.with_ignored(body, live, [left(path)], key) == {"spec": {"a:b": "2", "c": "1"}}
    spec = {"type": "object", "properties": {"a:b": {"$ref": f"#/{QUANTITY}"}}}
    type_ = Type({"type": "object", "properties": {"spec": spec}}, {QUANTITY: {"type": "string"}})
    entry = {"manager": "other", "operation": "Update", "fieldsV1": {"f:spec": {"f:a:b": {}}}}
    live = {"metadata": {"managedFields": [entry]}, "spec": {"a:b": "1000m"}}
    assert plan.taken_from({"spec": {"a:b": "1"}}, live, type_, {}) == []


def test_an_object_of_one_field_can_be_left_to_others() -> None:
    live = recorded.state("Deployment", "edited")
    assert plan.without_ignored({"data": {}}, live, [left(("f:data",))], Key("", "", "", "")) == {}


@pytest.mark.parametrize("spec", ["text", ["a"], None, {}])
def test_fields_that_are_not_rendered_cannot_be_ignored(spec: Any) -> None:
    """A value that the server will refuse is left to it."""
    live = recorded.state("Deployment", "applied")
    assert plan.without_ignored({"spec": spec}, live, [left(REPLICAS)], DEPLOYMENT) == {"spec": spec}
    expected = {"replicas": 2} if isinstance(spec, dict) else spec
    assert plan.with_ignored({"spec": spec}, live, [left(REPLICAS)], DEPLOYMENT) == {"spec": expected}
    assert plan.with_ignored({"data": {}}, live, [left(REPLICAS)], DEPLOYMENT) == {"data": {}}


def test_a_replaced_object_does_not_share_values_with_the_former_one() -> None:
    body, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "applied")
    path = ("f:spec", "f:template", "f:metadata")
    new = plan.with_ignored(body, live, [left(path), left(("f:spec", "f:nothing"))], DEPLOYMENT)
    new["spec"]["template"]["metadata"]["labels"]["app"] = "changed"
    assert live == recorded.state("Deployment", "applied")


def test_the_result_of_a_task_for_an_object() -> None:
    taken = [{"manager": "kubectl-edit", "fields": ["data.b"]}]
    action = plan.Action(
        Key("apps", "Deployment", "n", "web"),
        Resource("apps", "v1", "Deployment", "deployments", namespaced=True),
        plan.PATCHED,
        fields=["spec.replicas"],
        taken_from=taken,
    )
    assert action.report() == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "n",
        "name": "web",
        "action": "patched",
        "fields": ["spec.replicas"],
        "taken_from": taken,
        "left_to": [],
    }


def test_an_object_without_labels_is_unmanaged() -> None:
    assert plan.owner_of({}, "us") == ""
    assert plan.owner_of({"metadata": {"labels": None, "annotations": {"meta.helm.sh/release-name": ""}}}, "us") == ""
