# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manual additions, compared with the records and responses of a real API server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import drift
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.fields import MANAGER, Path, readable
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.plan import changed_fields
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.schema import Type
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply import recorded

SHELL = 'k:{"name":"shell"}'
CONTAINERS = ("f:spec", "f:template", "f:spec", "f:containers")
ADDED = {
    "ConfigMap": ["data.b"],
    "Service": ["spec.ports[port=81,protocol=TCP]"],
    "Deployment": [
        "spec.template.spec.containers[name=shell]",
        "spec.template.spec.containers[name=web].env[name=DEBUG]",
        "spec.template.spec.hostNetwork",
        # Not beside rendered fields: the rendered emptyDir is empty.
        "spec.template.spec.volumes[name=tmp].emptyDir.sizeLimit",
    ],
}


def found(kind: str, live: Json) -> dict[str, list[str]]:
    added = drift.additions(recorded.state(kind, "rendered"), live, recorded.type_of(kind))
    return {manager: sorted(readable(path) for path in paths) for manager, paths in added.items()}


def added_paths(kind: str) -> list[Path]:
    live = recorded.state(kind, "edited")
    return drift.additions(recorded.state(kind, "rendered"), live, recorded.type_of(kind))["kubectl-edit"]


def entry_of(live: Json, manager: str) -> Json:
    """The main entry of a manager, to be changed."""
    entries: list[Json] = live["metadata"]["managedFields"]
    return next(entry for entry in entries if entry["manager"] == manager and "subresource" not in entry)


def without_time(entries: list[Json]) -> list[str]:
    return sorted(
        json.dumps({name: value for name, value in entry.items() if name != "time"}, sort_keys=True)
        for entry in entries
    )


@pytest.mark.parametrize("kind", recorded.EDITED)
def test_manual_additions_beside_rendered_fields_are_found(kind: str) -> None:
    """Labels, annotations, fields of the spec that are not rendered and containers of programs are not additions."""
    assert found(kind, recorded.state(kind, "edited")) == {"kubectl-edit": ADDED[kind]}


@pytest.mark.parametrize("kind", recorded.EDITED)
def test_once_restored_nothing_is_found(kind: str) -> None:
    assert found(kind, recorded.state(kind, "applied")) == {}
    assert found(kind, recorded.state(kind, "restored")) == {}


def test_without_a_schema_nothing_is_taken_for_an_addition() -> None:
    live = recorded.state("ConfigMap", "edited")
    assert drift.additions(recorded.state("ConfigMap", "rendered"), live, None) == {}


def test_additions_of_two_tools_are_distinguished() -> None:
    live = recorded.state("ConfigMap", "edited")
    live["metadata"]["managedFields"].append(
        {"manager": "k9s", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:c": {}}}}
    )
    assert found("ConfigMap", live) == {"kubectl-edit": ["data.b"], "k9s": ["data.c"]}


def test_fields_that_a_program_also_owns_are_kept() -> None:
    live = recorded.state("Deployment", "edited")
    entry_of(live, "autoscaler")["fieldsV1"]["f:spec"]["f:template"] = {"f:spec": {"f:hostNetwork": {}}}
    assert found("Deployment", live) == {"kubectl-edit": [*ADDED["Deployment"][:2], *ADDED["Deployment"][3:]]}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        # Labels and annotations of pods are not content, also where some are rendered.
        ("Deployment", {"f:spec": {"f:template": {"f:metadata": {"f:labels": {"f:mine": {}}}}}}),
        # A declared field of a rendered item, which the server may have filled in.
        ("Service", {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:targetPort": {}}}}}),
        # The map itself, as the server records it for an update that created it.
        ("ConfigMap", {"f:data": {".": {}, "f:a": {}}}),
        # A rendered item whose fields the edit wrote, too.
        ("Service", {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}}}),
        ("Deployment", {"f:spec": {"f:selector": {}}}),
    ],
)
def test_parts_of_the_template_are_not_additions(kind: str, fields: Json) -> None:
    live = recorded.state(kind, "edited")
    entry_of(live, "kubectl-edit")["fieldsV1"] = fields
    assert found(kind, live) == {}


def test_an_entry_without_fields_adds_nothing() -> None:
    live = recorded.state("ConfigMap", "edited")
    del entry_of(live, "kubectl-edit")["fieldsV1"]
    live["metadata"]["managedFields"].append({"manager": "controller", "operation": "Update"})
    assert found("ConfigMap", live) == {}


# Manager names of clients: kubectl's subcommands, generated clients, user agents of user interfaces.
HANDS = [
    "kubectl",
    "kubectl-edit",
    "kubectl-client-side-apply",
    "kubectl-patch",
    "OpenAPI-Generator",
    "python-requests",
    "curl",
    "k9s",
    "Lens",
    "headlamp",
    "Mozilla",
    "node-fetch",
]
PROGRAMS = [
    "kubectl-rollout",
    "kube-controller-manager",
    "cluster-autoscaler",
    "helm",
    "argocd-controller",
    "my-kubectl",
]


@pytest.mark.parametrize("manager", HANDS)
def test_managers_of_command_line_tools(manager: str) -> None:
    entry = {"manager": manager, "operation": "Update"}
    assert drift.by_hand(entry)
    assert not drift.by_hand(entry | {"operation": "Apply"}), "another apply says itself what it owns"
    assert not drift.by_hand(entry | {"subresource": "status"})
    assert not drift.by_hand({"manager": manager})


@pytest.mark.parametrize("manager", [*PROGRAMS, None])
def test_fields_of_programs_are_not_manual_changes(manager: str | None) -> None:
    assert not drift.by_hand({"manager": manager, "operation": "Update"})


@pytest.mark.parametrize("kind", recorded.EDITED)
def test_the_server_made_of_the_hand_over_what_was_sent(kind: str) -> None:
    edited, handed_over = recorded.state(kind, "edited"), recorded.state(kind, "handed_over")
    held, replaced = drift.hand_over(edited, added_paths(kind))
    version = edited["metadata"]["resourceVersion"]
    assert held == {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    assert (replaced["op"], replaced["path"]) == ("replace", "/metadata/managedFields")
    assert without_time(replaced["value"]) == without_time(handed_over["metadata"]["managedFields"])
    assert edited == recorded.state(kind, "edited"), "what was read is not changed"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock shows another time than UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
def test_an_object_that_this_set_never_applied_gets_an_entry() -> None:
    live = recorded.state("ConfigMap", "edited")
    live["metadata"]["managedFields"] = [entry_of(live, "kubectl-edit")]
    before = datetime.now(UTC).replace(microsecond=0)
    left, ours = drift.hand_over(live, added_paths("ConfigMap"))[1]["value"]
    assert left["fieldsV1"] == {"f:metadata": {"f:labels": {"f:mine": {}}}}
    assert ours["fieldsV1"] == {"f:data": {"f:b": {}}}
    assert [ours[name] for name in ("manager", "operation", "apiVersion", "fieldsType")] == [
        MANAGER,
        "Apply",
        "v1",
        "FieldsV1",
    ]
    # RFC 3339 in UTC, as metav1.Time is.
    assert before <= datetime.strptime(ours["time"], "%Y-%m-%dT%H:%M:%S%z") <= datetime.now(UTC)


def test_an_empty_entry_is_deleted() -> None:
    live = recorded.state("Service", "edited")
    managers = [entry["manager"] for entry in drift.hand_over(live, added_paths("Service"))[1]["value"]]
    assert managers == [MANAGER]


def test_only_entries_of_command_line_tools_are_handed_over() -> None:
    live = recorded.state("Deployment", "edited")
    proxy = (*CONTAINERS, 'k:{"name":"proxy"}')
    entries = drift.hand_over(live, [proxy, ("f:spec", "f:nothing")])[1]["value"]
    assert without_time(entries) == without_time(live["metadata"]["managedFields"])


@pytest.mark.parametrize("kind", recorded.EDITED)
def test_the_prediction_equals_the_servers_result(kind: str) -> None:
    type_ = recorded.type_of(kind)
    rendered, edited = recorded.state(kind, "rendered"), recorded.state(kind, "edited")
    predicted = drift.predicted(rendered, edited, type_, added_paths(kind))
    differing = changed_fields(predicted, recorded.state(kind, "restored"), type_)
    # The server normalises quantities: 0.5 is 500m.
    written = ["spec.template.spec.containers[name=web].resources.requests.cpu"] if kind == "Deployment" else []
    assert differing == written
    assert edited == recorded.state(kind, "edited"), "what was read is not changed"
    assert {name: predicted["metadata"][name] for name in ("uid", "resourceVersion")} == {
        name: edited["metadata"][name] for name in ("uid", "resourceVersion")
    }


def predicted(kind: str, change: Any, added: list[Path] | None = None) -> Json:
    """Return the prediction for an object whose template has changed since the last apply."""
    rendered = recorded.state(kind, "rendered")
    change(rendered)
    return drift.predicted(rendered, recorded.state(kind, "applied"), recorded.type_of(kind), added or [])


def test_fields_that_are_no_longer_rendered_are_predicted_to_be_removed() -> None:
    def change(rendered: Json) -> None:
        pod = rendered["spec"]["template"]["spec"]
        del pod["volumes"][0]
        del pod["containers"][0]["ports"][0]
        del rendered["metadata"]["annotations"]["note"]

    after = predicted("Deployment", change)
    pod = after["spec"]["template"]["spec"]
    assert (pod["volumes"], pod["containers"][0]["ports"], after["metadata"]["annotations"]) == ([], [], {})
    assert pod["dnsPolicy"] == "ClusterFirst", "the server's own stays"


def test_items_are_merged_by_their_keys_and_new_ones_added() -> None:
    def change(rendered: Json) -> None:
        pod = rendered["spec"]["template"]["spec"]
        pod["containers"][0]["image"] = "web:9"
        pod["containers"].append({"name": "second", "image": "second:1"})
        pod["containers"][0]["args"] = ["c"]

    first, second = predicted("Deployment", change)["spec"]["template"]["spec"]["containers"]
    assert (first["image"], first["args"], first["imagePullPolicy"]) == ("web:9", ["c"], "IfNotPresent")
    assert second == {"name": "second", "image": "second:1"}


TREE = Type(
    {
        "type": "object",
        "properties": {
            "names": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
            "list": {"type": "array", "items": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "items": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "string"}}},
            },
        },
    },
    {},
)


@pytest.mark.parametrize(
    ("path", "left"),
    [
        (("f:names", 'v:"a"'), {"names": ["b"]}),
        (("f:items", 'k:{"name":"y"}'), {"items": [{"name": "x", "value": "1"}]}),
        (("f:items", 'k:{"name":"x"}', "f:value"), {"items": [{"name": "x"}, {"name": "y"}]}),
        (("f:list",), {"list": None}),
        (("f:free", "f:a:b"), {"free": {"b": 2}}),
        # Missing values, or values of another type, are kept.
        (("f:names", 'v:"c"'), {}),
        (("f:items", 'k:{"name":"z"}', "f:value"), {}),
        (("f:nothing", "f:below"), {}),
        (("f:names", "f:below"), {}),
        (("f:whole", 'v:"a"'), {}),
    ],
)
def test_a_path_is_predicted_to_be_removed_alone(path: Path, left: Json) -> None:
    live = {
        "names": ["a", "b"],
        "list": ["a"],
        "whole": {"a": "1"},
        "free": {"a:b": 1, "b": 2},
        "items": [{"name": "x", "value": "1"}, {"name": "y"}],
    }
    expected = {name: value for name, value in (live | left).items() if value is not None}
    assert drift.predicted({}, live, TREE, [path]) == expected


def test_atomic_values_are_predicted_to_be_replaced_whole() -> None:
    live = {"whole": {"a": "1"}, "list": ["a"], "names": ["a"]}
    rendered = {"whole": {"b": "2"}, "list": ["b"], "names": ["b"]}
    assert drift.predicted(rendered, live, TREE, []) == {"whole": {"b": "2"}, "list": ["b"], "names": ["a", "b"]}


def custom(rendered: Json, fields: Json, spec: Json) -> dict[str, list[str]]:
    """What is found in an object of a custom kind, whose spec has a schema of *spec*."""
    type_ = Type({"type": "object", "properties": {"spec": spec | {"type": "object"}}}, {})
    live = {
        "metadata": {"managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": fields}}]}
    }
    added = drift.additions({"spec": rendered}, live, type_)
    return {manager: [readable(path) for path in paths] for manager, paths in added.items()}


FREE: Json = {"x-kubernetes-preserve-unknown-fields": True}


def test_metadata_of_templates_is_not_content_at_any_depth() -> None:
    """The pod template of a CronJob is nested deeper than that of a Deployment."""
    rendered = {"jobTemplate": {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}}
    labels = {"f:metadata": {"f:labels": {"f:mine": {}}}}
    assert custom(rendered, {"f:jobTemplate": {"f:spec": {"f:template": labels}}}, FREE) == {}


def test_a_declared_field_whose_name_has_a_colon_is_not_an_addition() -> None:
    declared = {"properties": {"a:b": {"type": "string"}}} | FREE
    assert custom({"c": "1"}, {"f:a:b": {}, "f:b": {}}, declared) == {"kubectl": ["spec.b"]}
