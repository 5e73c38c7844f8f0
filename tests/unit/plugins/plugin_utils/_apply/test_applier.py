# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole applies: resulting objects, requests, and refusals without changes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import replacement, wait
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applier import (
    CONFIRMATION,
    Applier,
    Result,
    Settings,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applyset import GROUP_KINDS, ID, PART_OF, Parent
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.discovery import Discovery
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import (
    ApiError,
    ApplyError,
    PlanError,
    RenderError,
    WaitError,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.fields import MANAGER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Resource
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.plan import Ignore
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.render import parse
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply import recorded
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._apply.server import FakeServer

SET = Parent("metrics", "n")
PARENT = "/api/v1/namespaces/n/configmaps/metrics-applyset"
DATABASE = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: web
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "db:1"}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
"""
DATABASE_PATH = "/apis/apps/v1/namespaces/n/statefulsets/db"


def config(name: str, value: str = "1", namespace: str = "n") -> str:
    metadata = f'{{name: {name}, namespace: "{namespace}"}}'
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\ndata: {{a: '{value}'}}\n"


def maps(*names: str) -> str:
    return "---\n".join(config(name) for name in names)


@pytest.fixture
def server() -> FakeServer:
    return FakeServer("n")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits end immediately; objects exist, or will never exist."""
    monkeypatch.setattr(wait.time, "sleep", lambda _: None)
    monkeypatch.setattr(replacement, "_GONE_SECONDS", 0)


@pytest.fixture
def apply(server: FakeServer, tmp_path: Path) -> Any:
    def call(text: str, name: str = "metrics", **settings: Any) -> Result:
        wanted = Settings(name, "n", **{"cluster": "one", "wait_timeout": 0, **settings})
        return Applier(server, wanted, discovery=Discovery(server, tmp_path)).present(parse(text, "set.yaml"))  # type: ignore[arg-type]

    return call


@pytest.fixture
def absent(server: FakeServer, tmp_path: Path) -> Any:
    def call(**settings: Any) -> Result:
        wanted = Settings("metrics", "n", **{"cluster": "one", "wait_timeout": 0, **settings})
        return Applier(server, wanted, discovery=Discovery(server, tmp_path)).absent()  # type: ignore[arg-type]

    return call


def actions(result: Result) -> dict[str, str]:
    """Return the actions by object, without unchanged objects."""
    return {str(action.key): action.action for action in result.actions if action.action != "unchanged"}


def refused(server: FakeServer, call: Any, error: type[ApplyError] = PlanError) -> list[str]:
    """Return the error of a refused apply."""
    before, sent = server.objects, len(server.sent)
    with pytest.raises(error) as said:
        call()
    assert server.objects == before
    assert server.sent[sent:] == [], "nothing was sent"
    return list(said.value.findings)


# -- create, change, prune


def test_a_set_is_made_and_then_left_as_it_is(server: FakeServer, apply: Any) -> None:
    made = apply(maps("a", "b"))
    assert actions(made) == {
        "ConfigMap n/metrics-applyset": "created",
        "ConfigMap n/a": "created",
        "ConfigMap n/b": "created",
    }
    assert server.objects["/api/v1/namespaces/n/configmaps/a"]["metadata"]["labels"] == {PART_OF: SET.id}
    assert server.objects[PARENT]["metadata"]["labels"] == {ID: SET.id}
    assert server.objects[PARENT]["metadata"]["annotations"][GROUP_KINDS] == "ConfigMap"
    sent = len(server.sent)
    again = apply(maps("a", "b"))
    assert (again.changed, actions(again), server.sent[sent:]) == (False, {}, [])


def test_check_mode_reports_the_same_and_sends_nothing(server: FakeServer, apply: Any) -> None:
    apply(maps("a", "b", "c"))
    text = config("a", "2") + "---\n" + config("b") + "---\n" + config("new")
    sent = len(server.sent)
    announced = apply(text, check=True)
    assert server.sent[sent:] == []
    done = apply(text)
    assert (
        actions(announced)
        == actions(done)
        == {
            "ConfigMap n/a": "patched",
            "ConfigMap n/c": "pruned",
            "ConfigMap n/new": "created",
        }
    )
    assert [action.fields for action in done.actions if action.key.name == "a"] == [["data.a"]]
    assert [action.fields for action in announced.actions if action.key.name == "a"] == [["data.a"]]
    assert server.names() == ["ConfigMap n/a", "ConfigMap n/b", "ConfigMap n/new"]


def test_dependencies_are_created_first_and_removed_last(server: FakeServer, apply: Any, absent: Any) -> None:
    kinds = {
        "MutatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
        "Deployment": "apps/v1",
        "Secret": "v1",
        "Namespace": "v1",
        "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    }
    established = {"status": {"conditions": [{"type": "Established", "status": "True"}]}}
    text = "---\n".join(
        f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n" for kind, version in kinds.items()
    )
    server.put(
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x"}}
        | established
    )
    apply(text, allow_namespaces=True, wait=False)
    order = ["customresourcedefinitions", "namespaces", "secrets", "deployments", "mutators"]
    assert [path.split("/")[-2] for _, path in server.sent if path.endswith("/x")] == order
    del server.sent[:]
    absent(confirm="one", wait=False)
    assert [path.split("/")[-2] for method, path in server.sent if method == "DELETE"] == [
        *reversed(order),
        "configmaps",
    ]
    assert server.sent[-1] == ("DELETE", PARENT), "an interrupted removal can be taken up again"


@pytest.mark.parametrize(("confirm", "given"), [("", ""), ("metric", ", not 'metric'")])
def test_a_database_is_not_pruned_without_the_typed_name(
    server: FakeServer, apply: Any, confirm: str, given: str
) -> None:
    apply(DATABASE + "---\n" + maps("a", "b"), wait=False)
    for call in (
        lambda: apply(maps("a", "b"), confirm=confirm),
        lambda: apply(maps("a", "b"), confirm=confirm, check=True),
    ):
        assert refused(server, call) == [
            "StatefulSet.apps n/db would be removed, and data with it.",
            f"If that is meant, type the name: confirm='one' or 'metrics'{given}. Nothing was changed.",
        ]
    assert DATABASE_PATH in server.objects


@pytest.mark.parametrize("confirm", ["one", "metrics"])
def test_with_the_typed_name_a_database_is_signed_and_pruned(server: FakeServer, apply: Any, confirm: str) -> None:
    apply(DATABASE + "---\n" + maps("a", "b"), wait=False)
    del server.sent[:], server.bodies[:]
    uid = server.objects[DATABASE_PATH]["metadata"]["uid"]
    assert actions(apply(maps("a", "b"), confirm=confirm))["StatefulSet.apps n/db"] == "pruned"
    assert server.sent[:2] == [("PATCH", DATABASE_PATH), ("DELETE", DATABASE_PATH)]
    assert server.bodies[:2] == [
        {"metadata": {"annotations": {CONFIRMATION: "db"}}},
        {"propagationPolicy": "Background", "preconditions": {"uid": uid}},
    ]


def test_a_claim_template_that_was_read_is_what_counts(server: FakeServer, apply: Any) -> None:
    """A set whose StatefulSet has no claims is pruned as any workload is."""
    stateless = DATABASE.partition("  volumeClaimTemplates")[0]
    apply(stateless + "---\n" + maps("a", "b"), wait=False)
    assert actions(apply(maps("a", "b")))["StatefulSet.apps n/db"] == "pruned"


def test_a_whole_set_with_data_is_not_removed_without_the_typed_name(
    server: FakeServer, apply: Any, absent: Any
) -> None:
    apply(DATABASE + "---\n" + config("a"), wait=False)
    assert refused(server, absent)[0] == "StatefulSet.apps n/db would be removed, and data with it."
    checked = absent(confirm="one", check=True)
    assert server.names() == ["ConfigMap n/a", "StatefulSet.apps n/db"]
    assert actions(checked) == actions(absent(confirm="one"))
    assert list(actions(checked).values()) == ["pruned"] * 3
    assert server.names() == []
    assert PARENT not in server.objects
    assert absent(confirm="one").actions == []


def test_too_large_a_part_of_a_set_is_not_pruned(server: FakeServer, apply: Any) -> None:
    apply(maps("a", "b", "c", "d"))
    (said,) = refused(server, lambda: apply(maps("a")))
    assert said.startswith(
        "3 of the set's 4 objects are no longer rendered (ConfigMap n/b, ConfigMap n/c, ConfigMap n/d)"
    )
    assert len(actions(apply(maps("a"), prune_limit=1))) == 3


def test_without_pruning_objects_stay_members(server: FakeServer, apply: Any) -> None:
    apply(DATABASE + "---\n" + maps("a", "b"), wait=False)
    assert actions(apply(maps("a"), prune=False)) == {}
    assert server.objects[PARENT]["metadata"]["annotations"][GROUP_KINDS] == "ConfigMap,StatefulSet.apps"
    assert actions(apply(maps("a"), confirm="one", prune_limit=1)) == {
        "ConfigMap n/metrics-applyset": "patched",
        "ConfigMap n/b": "pruned",
        "StatefulSet.apps n/db": "pruned",
    }
    assert server.objects[PARENT]["metadata"]["annotations"][GROUP_KINDS] == "ConfigMap"


def test_objects_with_an_owner_are_removed_by_the_garbage_collector(server: FakeServer, apply: Any) -> None:
    apply(maps("a", "b", "c"))
    server.objects["/api/v1/namespaces/n/configmaps/b"]["metadata"]["ownerReferences"] = [{"uid": "x"}]
    assert actions(apply(maps("a", "c"))) == {}


def test_an_object_that_was_replaced_since_it_was_read_is_not_removed(server: FakeServer, apply: Any) -> None:
    apply(maps("a", "b", "c"))
    path = "/api/v1/namespaces/n/configmaps/b"

    def replaced(method: str, where: str) -> None:
        if (method, where) == ("DELETE", path):
            server.objects[path]["metadata"]["uid"] = "of another one"

    server.refuse = replaced
    apply(maps("a", "c"), wait=False)
    assert path in server.objects


def test_nothing_rendered_is_not_everything_removed(server: FakeServer, apply: Any) -> None:
    apply(maps("a"))
    (said,) = refused(server, lambda: apply(""), RenderError)
    assert said == "Nothing was rendered: an empty set would remove all its objects. Use state=absent if that is meant."


# -- others


def test_objects_of_another_set_or_tool_are_refused(server: FakeServer, apply: Any) -> None:
    apply(maps("a"), name="logs")
    server.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "b", "namespace": "n", "annotations": {"meta.helm.sh/release-name": "r"}},
        }
    )
    said = refused(server, lambda: apply(maps("a", "b")))
    assert said == [
        "set.yaml:1: ConfigMap n/a belongs to the ApplySet n/logs-applyset (dataplatform.fleet.apply/v1);"
        " take it out there first.",
        "set.yaml:6: ConfigMap n/b belongs to Helm release r; take it out there first.",
        "Nothing was changed.",
    ]


def test_an_unmanaged_object_becomes_a_member(server: FakeServer, apply: Any) -> None:
    entry = {"manager": "kubectl-create", "operation": "Update", "fieldsV1": {"f:data": {"f:a": {}}}}
    metadata = {"name": "a", "namespace": "n", "managedFields": [entry]}
    server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "other"}})
    result = apply(config("a"), check=True)
    (action,) = [action for action in result.actions if action.key.name == "a"]
    assert (action.action, action.fields) == ("patched", ["data.a", "metadata.labels"])
    assert action.taken_from == [{"manager": "kubectl-create", "fields": ["data.a"]}]
    assert actions(apply(config("a")))["ConfigMap n/a"] == "patched"
    assert server.objects["/api/v1/namespaces/n/configmaps/a"]["data"] == {"a": "1"}


def edited(server: FakeServer) -> None:
    """Return a ConfigMap with manual edits."""
    live = server.objects["/api/v1/namespaces/n/configmaps/a"]
    live["data"]["mine"] = "x"
    live["metadata"]["managedFields"].append(
        {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:mine": {}}}}
    )


def test_manual_additions_are_shown_and_removed(server: FakeServer, apply: Any) -> None:
    apply(config("a"))
    edited(server)
    for check in (True, False):
        (action,) = [action for action in apply(config("a"), check=check).actions if action.key.name == "a"]
        assert (action.action, action.fields) == ("patched", ["data.mine"])
        assert action.taken_from == [{"manager": "kubectl-edit", "fields": ["data.mine"]}]
    assert server.objects["/api/v1/namespaces/n/configmaps/a"]["data"] == {"a": "1"}
    assert actions(apply(config("a"))) == {}


def test_additions_stay_where_a_task_leaves_them(server: FakeServer, apply: Any) -> None:
    apply(config("a"))
    edited(server)
    left = [Ignore("ConfigMap", "", "", [("f:data", "f:mine")])]
    assert actions(apply(config("a"), ignore=left)) == {}


def test_without_force_additions_are_refused(server: FakeServer, apply: Any) -> None:
    apply(config("a"))
    edited(server)
    assert refused(server, lambda: apply(config("a"), force=False)) == [
        "set.yaml:1: ConfigMap n/a has additions by kubectl-edit (data.mine); force=true removes them."
        " Nothing was changed."
    ]


def test_without_force_fields_of_others_are_not_taken_over(server: FakeServer, apply: Any) -> None:
    apply(config("a"))
    live = server.objects["/api/v1/namespaces/n/configmaps/a"]
    live["data"]["a"] = "theirs"
    live["metadata"]["managedFields"] = [
        {"manager": "controller", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:a": {}}}}
    ]
    assert refused(server, lambda: apply(config("a"), force=False)) == [
        "set.yaml:1: ConfigMap n/a: conflict: data.a (force=true takes over the fields)"
    ]
    assert actions(apply(config("a")))["ConfigMap n/a"] == "patched"


# -- errors


def test_a_namespace_that_is_missing_is_named(server: FakeServer, apply: Any) -> None:
    with pytest.raises(PlanError) as said:
        apply(config("a") + "---\n" + config("b", namespace="other"))
    assert list(said.value.findings) == [
        "set.yaml:6: ConfigMap other/b: the namespace 'other' does not exist;"
        " declare it for the guardrails role and run that first."
    ]


def test_the_sets_own_namespace_is_named(apply: Any, server: FakeServer) -> None:
    server.objects.clear()
    with pytest.raises(ApplyError) as said:
        apply(config("a"))
    assert str(said.value) == (
        "The namespace 'n' of the set 'metrics' does not exist; declare it for the guardrails role and run that first."
    )


def test_in_check_mode_a_namespace_may_be_one_that_is_yet_to_come(apply: Any, server: FakeServer) -> None:
    server.objects.clear()
    assert actions(apply(config("a"), check=True))["ConfigMap n/a"] == "created"


def test_errors_of_the_server_are_reported_with_file_line_and_object_all_at_once(
    apply: Any, server: FakeServer
) -> None:
    def refuse(method: str, path: str) -> ApiError | None:
        if method == "PATCH" and "Secret" not in path and path.rpartition("/")[2] in {"a", "s"}:
            return ApiError('admission denied: data.a: Invalid value: "hunter22"', 403, "Forbidden")
        return None

    server.refuse = refuse
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter22}\n"
    with pytest.raises(PlanError) as said:
        apply(maps("a", "b") + "---\n" + secret)
    assert list(said.value.findings) == [
        'set.yaml:1: ConfigMap n/a: admission denied: data.a: Invalid value: "<redacted>"',
        'set.yaml:11: Secret n/s: admission denied: data.a: Invalid value: "<redacted>"',
    ]
    assert "ConfigMap n/b" in server.names(), "what can be applied is"


def test_everything_that_is_wrong_with_a_set_is_named_at_once(apply: Any, server: FakeServer) -> None:
    text = (
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n---\n"
        "apiVersion: v1\nkind: ConfigMapp\nmetadata: {name: x}\n---\n"
        "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: x}\n---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: x, namespace: other}\n---\n"
        "apiVersion: example.com/v1\nkind: Strange\nmetadata: {name: x}\n---\n"
        + config("metrics-applyset")
        + "---\n"
        + maps("a", "a")
    )
    assert refused(server, lambda: apply(text), RenderError) == [
        "set.yaml:1: namespaces belong to the guardrails role alone; declare 'x' there"
        " (allow_namespaces is for that role).",
        "set.yaml:5: the server has no kind ConfigMapp (v1); did you mean ConfigMap?",
        "set.yaml:9: the server has no Deployment in apps/v1beta1, but in apps/v1.",
        "set.yaml:13: ClusterRole x has a namespace, but its kind has none.",
        "set.yaml:17: the server has no kind Strange (example.com/v1); is its CustomResourceDefinition installed?",
        "set.yaml:21: ConfigMap n/metrics-applyset is the set's own parent object: choose another name.",
        "set.yaml:31: ConfigMap n/a was already rendered at set.yaml:26.",
    ]


def test_fields_that_no_schema_has_are_refused_with_their_line(apply: Any, server: FakeServer) -> None:
    text = config("a") + "dat: {b: '2'}\n"
    assert refused(server, lambda: apply(text), RenderError) == ["set.yaml:5: ConfigMap n/a: unknown field dat."]


def test_another_tools_set_of_the_same_name_is_refused(apply: Any, server: FakeServer) -> None:
    apply(config("a"))
    server.objects[PARENT]["metadata"]["annotations"]["applyset.kubernetes.io/tooling"] = "kubectl/v1.30"
    assert refused(server, lambda: apply(config("a"))) == [
        "ConfigMap n/metrics-applyset is the parent of an ApplySet of kubectl/v1.30: choose another name."
    ]


# -- volumes, Jobs, waits


def claim(server: FakeServer, size: str, name: str = "data-db-0", phase: str = "Bound") -> str:
    obj = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "n"},
        "spec": {"resources": {"requests": {"storage": size}}},
        "status": {"phase": phase},
    }
    return server.path_of(server.put(obj))


def size_of(claim_: Json) -> str:
    found: str = claim_["spec"]["resources"]["requests"]["storage"]
    return found


def test_volumes_grow_and_their_statefulset_is_replaced_around_its_pods(server: FakeServer, apply: Any) -> None:
    apply(DATABASE, wait=False)
    first, second = claim(server, "10Gi"), claim(server, "10Gi", "data-db-1")
    pending, other = claim(server, "10Gi", "data-db-2", "Pending"), claim(server, "10Gi", "data-dbx-0")
    text = DATABASE.replace("10Gi", "20Gi")
    expected = {
        "StatefulSet.apps n/db": "replaced",
        "PersistentVolumeClaim n/data-db-0": "patched",
        "PersistentVolumeClaim n/data-db-1": "patched",
    }
    assert actions(apply(text, wait=False, check=True)) == expected
    assert size_of(server.objects[first]) == "10Gi"
    del server.sent[:], server.bodies[:]
    assert actions(apply(text, wait=False)) == expected
    assert [size_of(server.objects[path]) for path in (first, second, pending, other)] == [
        "20Gi",
        "20Gi",
        "10Gi",
        "10Gi",
    ]
    deleted = server.bodies[server.sent.index(("DELETE", DATABASE_PATH))]
    assert deleted["propagationPolicy"] == "Orphan"
    assert size_of(server.objects[DATABASE_PATH]["spec"]["volumeClaimTemplates"][0]) == "20Gi"


def test_volumes_do_not_shrink(server: FakeServer, apply: Any) -> None:
    apply(DATABASE, wait=False)
    claim(server, "30Gi")
    assert refused(server, lambda: apply(DATABASE.replace("10Gi", "20Gi"), wait=False)) == [
        "set.yaml:1: StatefulSet.apps n/db: the volume 'data' has 30Gi and cannot become 20Gi: volumes do not shrink."
        " Set its size to at least 30Gi.",
        "Nothing was changed.",
    ]


def test_a_volume_that_cannot_be_expanded_is_reported_before_any_change(server: FakeServer, apply: Any) -> None:
    apply(DATABASE, wait=False)
    path = claim(server, "10Gi")
    server.refuse = lambda method, where: (
        ApiError("its class does not allow it", 403, "Forbidden") if (method, where) == ("PATCH", path) else None
    )
    assert refused(server, lambda: apply(DATABASE.replace("10Gi", "20Gi"), wait=False)) == [
        "PersistentVolumeClaim n/data-db-0: it cannot grow to 20Gi: its class does not allow it"
    ]


JOB = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {ttlSecondsAfterFinished: 60, template: {x: '1'}}\n"
JOB_PATH = "/apis/batch/v1/namespaces/n/jobs/j"


def finish(server: FakeServer, kind: str) -> None:
    condition = {"type": kind, "status": "True", "message": "for a reason"}
    server.objects[JOB_PATH]["status"] = {"conditions": [condition]}


def test_a_job_that_has_succeeded_does_not_run_again_until_it_changes(server: FakeServer, apply: Any) -> None:
    apply(JOB, wait=False)
    finish(server, "Complete")
    apply(JOB)
    del server.objects[JOB_PATH]
    assert actions(apply(JOB, check=True)) == actions(apply(JOB)) == {}
    assert actions(apply(JOB.replace("'1'", "'2'"), wait=False))["Job.batch n/j"] == "created"


def test_a_job_that_failed_runs_again(server: FakeServer, apply: Any) -> None:
    apply(JOB, wait=False)
    finish(server, "Failed")
    (action,) = [action for action in apply(JOB, check=True).actions if action.key.kind == "Job"]
    assert (action.action, action.shown) == ("replaced", ({"failed": "for a reason"}, {"failed": ""}))
    uid = server.objects[JOB_PATH]["metadata"]["uid"]
    assert actions(apply(JOB, wait=False))["Job.batch n/j"] == "replaced"
    assert server.objects[JOB_PATH]["metadata"]["uid"] != uid
    assert "status" not in server.objects[JOB_PATH]


def test_a_replaced_object_that_stays_is_named_with_what_holds_it(server: FakeServer, apply: Any) -> None:
    apply(JOB, wait=False)
    finish(server, "Failed")
    server.objects[JOB_PATH]["metadata"]["finalizers"] = ["example.com/hold"]
    with pytest.raises(PlanError, match=r"still there, held by example\.com/hold"):
        apply(JOB, wait=False)


def test_an_object_that_is_not_ready_is_an_error_with_its_reason(server: FakeServer, apply: Any) -> None:
    with pytest.raises(WaitError) as said:
        apply(JOB)
    assert list(said.value.findings) == [
        "1 of 1 objects were not ready after 0 s:",
        "Job.batch n/j: 0 of 1 completions, 0 pods failed",
    ]


def test_remaining_objects_are_reported_with_their_finalizers(server: FakeServer, apply: Any) -> None:
    apply(maps("a", "b", "c"))
    server.objects["/api/v1/namespaces/n/configmaps/b"]["metadata"]["finalizers"] = ["example.com/hold"]
    with pytest.raises(WaitError) as said:
        apply(maps("a", "c"))
    assert list(said.value.findings) == [
        "1 of 1 objects were not gone after 0 s:",
        "ConfigMap n/b: held by finalizer example.com/hold",
    ]


def test_replicas_that_an_autoscaler_wrote_stay(server: FakeServer, apply: Any) -> None:
    """The recorded Deployment: manual changes are reverted, changes of programs are reported."""
    rendered, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "edited")
    for obj in (rendered, live):
        obj["metadata"]["namespace"] = "n"
        obj["metadata"]["labels"][PART_OF] = SET.id
    server.put(live)
    left = [Ignore("Deployment", "", "", [("f:spec", "f:replicas")])]
    result = apply(json.dumps(rendered), ignore=left, wait=False)
    (action,) = [action for action in result.actions if action.key.kind == "Deployment"]
    after = server.objects[server.path_of(live)]
    assert after["spec"]["replicas"] == 5
    names = [container["name"] for container in after["spec"]["template"]["spec"]["containers"]]
    assert names == ["proxy", "web"]
    assert {taken["manager"] for taken in action.taken_from} == {"kubectl-edit"}
    assert MANAGER in {entry["manager"] for entry in after["metadata"]["managedFields"]}


def test_replicas_are_an_autoscalers_where_one_has_the_deployment_as_its_target(server: FakeServer, apply: Any) -> None:
    rendered, live = recorded.state("Deployment", "rendered"), recorded.state("Deployment", "edited")
    for obj in (rendered, live):
        obj["metadata"]["namespace"] = "n"
        obj["metadata"]["labels"][PART_OF] = SET.id
    server.kinds.append(Resource("autoscaling", "v2", "HorizontalPodAutoscaler", "scalers", namespaced=True))
    server.put(live)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    server.put(scaler | {"metadata": {"name": "s", "namespace": "n"}, "spec": {"scaleTargetRef": target}})
    result = apply(json.dumps(rendered), wait=False)
    (action,) = [action for action in result.actions if action.key.kind == "Deployment"]
    assert server.objects[server.path_of(live)]["spec"]["replicas"] == 5
    assert action.left_to == [{"manager": "autoscaler", "fields": ["spec.replicas"]}]


# -- objects that leave a set and are kept in the cluster


@pytest.mark.parametrize("how", ["pruned", "absent"])
def test_a_namespace_that_every_cluster_has_stays_without_the_sets_fields(
    server: FakeServer, apply: Any, absent: Any, how: str
) -> None:
    path = "/api/v1/namespaces/default"
    metadata = {"name": "default", "annotations": {"theirs": "x"}}
    server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {ours: x}}\n---\n"
    apply(namespace + config("a"), allow_namespaces=True)
    assert server.objects[path]["metadata"]["labels"] == {"ours": "x", PART_OF: SET.id}

    def leave(*, check: bool) -> Result:
        found: Result = apply(config("a"), check=check) if how == "pruned" else absent(check=check)
        return found

    sent = len(server.sent)
    announced = leave(check=True)
    assert server.sent[sent:] == []
    done = leave(check=False)
    for result in (announced, done):
        (action,) = [action for action in result.actions if action.key.kind == "Namespace"]
        assert action.action == "released"
        assert action.before is not None and action.after is not None
        assert action.before["metadata"]["labels"] == {"ours": "x", PART_OF: SET.id}
        assert not action.after["metadata"].get("labels")
    assert not server.objects[path]["metadata"].get("labels")
    assert server.objects[path]["metadata"]["annotations"] == {"theirs": "x"}
    assert ("DELETE", path) not in server.sent


def test_an_already_deleted_resource_is_not_an_error(server: FakeServer, apply: Any, absent: Any) -> None:
    apply(DATABASE + "---\n" + config("a"), wait=False)

    def gone(method: str, path: str) -> None:
        changes = method == "DELETE" or (method == "PATCH" and path == DATABASE_PATH)
        if changes and server.sent[-1] == (method, path):
            server.objects.pop(path, None)

    server.refuse = gone
    assert list(actions(absent(confirm="one", wait=False)).values()) == ["pruned"] * 3
    assert server.names() == []
    assert PARENT not in server.objects


def test_a_removal_reports_removed_resources_and_the_calls(server: FakeServer, apply: Any, absent: Any) -> None:
    apply(maps("a"))
    parent = server.objects[PARENT]
    before = server.requests
    result = absent()
    assert [(str(action.key), action.action) for action in result.actions] == [
        ("ConfigMap n/a", "pruned"),
        ("ConfigMap n/metrics-applyset", "pruned"),
    ]
    assert result.actions[-1].before == parent
    assert result.actions[-1].resource.plural == "configmaps"
    assert result.requests == server.requests > before
    before = server.requests
    nothing = absent()
    assert (nothing.actions, nothing.changed, nothing.requests) == ([], False, server.requests)
    assert server.requests > before


def test_a_kind_that_the_server_no_longer_has_is_reported(server: FakeServer, tmp_path: Path) -> None:
    told: list[str] = []

    def apply_with_report(text: str) -> Result:
        settings = Settings("metrics", "n", wait=False, prune_limit=1)
        applier = Applier(server, settings, discovery=Discovery(server, tmp_path), report=told.append)  # type: ignore[arg-type]
        return applier.present(parse(text, "set.yaml"))

    server.kinds.append(Resource("e.com", "v1", "Widget", "widgets", namespaced=True))
    apply_with_report(config("a") + "---\napiVersion: e.com/v1\nkind: Widget\nmetadata: {name: w}\n")
    assert told == []
    server.kinds.pop()
    apply_with_report(config("a"))
    assert told == [
        "the server has no kind Widget.e.com any more, so no objects of it: it leaves the set's record",
    ]
    assert server.objects[PARENT]["metadata"]["annotations"][GROUP_KINDS] == "ConfigMap"


def test_a_changed_record_of_the_set_is_restored(server: FakeServer, apply: Any) -> None:
    apply(maps("a"))
    parent = server.objects[PARENT]
    parent["metadata"]["annotations"][GROUP_KINDS] = "ConfigMap,Secret"
    owned = {"f:metadata": {"f:annotations": {f"f:{GROUP_KINDS}": {}}}}
    parent["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "operation": "Update", "fieldsV1": owned}]
    action, *_ = apply(maps("a")).actions
    assert (action.action, action.fields) == ("patched", [f"metadata.annotations['{GROUP_KINDS}']"])
    assert server.objects[PARENT]["metadata"]["annotations"][GROUP_KINDS] == "ConfigMap"


def test_kinds_are_recorded_before_their_first_object_is_sent(server: FakeServer, apply: Any) -> None:
    """An interrupted run can be repeated: its objects are in the record."""
    apply(maps("a"))
    del server.sent[:]
    apply(maps("a") + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n")
    assert server.sent[:2] == [("PATCH", PARENT), ("PATCH", "/api/v1/namespaces/n/secrets/s")]
    del server.sent[:]
    apply(maps("a"))
    assert server.sent == [("DELETE", "/api/v1/namespaces/n/secrets/s"), ("PATCH", PARENT)]


# -- kinds that the set defines

WIDGETS = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.e.com}
spec:
  group: e.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
    - name: v1
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {size: {type: integer}, color: {type: string}}}
            status: {type: object, properties: {conditions: {type: array, items: {type: object}}}}
---
apiVersion: e.com/v1
kind: Widget
metadata: {name: w}
spec: {size: 1}
"""
WIDGET_PATH = "/apis/e.com/v1/namespaces/n/widgets/w"
NO_SCHEMA = ApiError("failed to create typed patch object: .spec.size: field not declared in schema", 500, "")


@pytest.fixture
def definition(server: FakeServer) -> None:
    """A definition that the server accepts at once, and whose kind it serves when a test says so."""
    conditions = [{"type": "Established", "status": "True"}]
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    server.put(crd | {"metadata": {"name": "widgets.e.com"}, "status": {"conditions": conditions}})


def serve_widgets(server: FakeServer, version: str = "v1") -> None:
    server.kinds.append(Resource("e.com", version, "Widget", "widgets", namespaced=True))


def widget_of(result: Result) -> Any:
    (action,) = [action for action in result.actions if action.key.kind == "Widget"]
    return action


@pytest.mark.usefixtures("definition")
def test_an_object_waits_until_its_new_kind_is_served(server: FakeServer, apply: Any) -> None:
    assert widget_of(apply(WIDGETS, check=True)).action == "created"
    assert WIDGET_PATH not in server.objects
    early = [ApiError("not found", 404, "NotFound"), ApiError("not found", 404, "NotFound")]
    server.refuse = lambda _, path: early.pop() if path == WIDGET_PATH and early else None
    assert widget_of(apply(WIDGETS, wait=False)).action == "created"
    assert early == []
    assert server.objects[WIDGET_PATH]["spec"] == {"size": 1}


@pytest.mark.usefixtures("definition")
def test_an_object_is_compared_by_the_definition_in_its_set(server: FakeServer, apply: Any) -> None:
    apply(WIDGETS, wait=False)
    serve_widgets(server)
    sent = len(server.sent)
    assert actions(apply(WIDGETS, wait=False)) == {}
    assert server.sent[sent:] == []
    text = WIDGETS.replace("{size: 1}", "{size: 2, color: red}")
    for check in (True, False):
        early = [NO_SCHEMA]
        server.refuse = lambda _, path, early=early: early.pop() if path == WIDGET_PATH and early else None  # type: ignore[misc]
        action = widget_of(apply(text, wait=False, check=check))
        assert (action.action, action.fields) == ("patched", ["spec.color", "spec.size"])
        assert early == ([NO_SCHEMA] if check else []), "the field's schema may be a moment late"
    assert server.objects[WIDGET_PATH]["spec"] == {"size": 2, "color": "red"}


@pytest.mark.usefixtures("definition")
def test_an_object_in_a_version_that_is_yet_to_come_is_announced_as_changed(server: FakeServer, apply: Any) -> None:
    apply(WIDGETS, wait=False)
    serve_widgets(server)
    text = WIDGETS.replace("e.com/v1\n", "e.com/v2\n").replace("name: v1", "name: v2")
    action = widget_of(apply(text, wait=False, check=True))
    assert (action.action, action.fields, action.resource.version) == ("patched", ["apiVersion"], "v2")
    assert action.before["apiVersion"] == "e.com/v1"
    assert action.after["apiVersion"] == "e.com/v2"


@pytest.mark.usefixtures("definition")
@pytest.mark.parametrize("new", [True, False])
def test_only_a_new_object_waits_for_the_first_word_of_its_controller(
    server: FakeServer, apply: Any, new: bool
) -> None:
    serve_widgets(server)
    if not new:
        apply(WIDGETS, wait=False)
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    looks: list[str] = []

    def controller(method: str, path: str) -> None:
        if method == "GET" and WIDGET_PATH in server.objects and WIDGET_PATH.startswith(path) and "widgets" in path:
            looks.append(path)
            if len(looks) == 20:
                server.objects[WIDGET_PATH]["status"] = ready

    server.refuse = controller
    result = apply(WIDGETS, wait=True, wait_timeout=60)
    assert result.ready[widget_of(result).key].get("status") == (ready if new else None)


@pytest.mark.parametrize(
    "error",
    [
        ApiError("not found", 404, "NotFound"),
        ApiError("field not declared in schema", 500, ""),
        ApiError("denied", 403, "Forbidden"),
    ],
    ids=lambda error: str(error.status),
)
def test_an_object_of_a_known_kind_is_sent_once(server: FakeServer, apply: Any, error: ApiError) -> None:
    path = "/api/v1/namespaces/n/configmaps/a"
    server.refuse = lambda method, where: error if (method, where) == ("PATCH", path) else None
    with pytest.raises(PlanError):
        apply(config("a"))
    assert server.sent.count(("PATCH", path)) == 1


# -- what is told


PODS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: first
          image: x
        - name: second
          image: y
          args: []
"""


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ('strict decoding error: unknown field "spec.template.spec.containers[1].image"', 17),
        ('strict decoding error: unknown field "spec.template.spec.containers[0].image"', 15),
        ('failed: .spec.template.spec.containers[name="second"].image: field not declared in schema', 13),
        ("failed: .spec.selector: field not declared in schema", 9),
        ("admission denied the request", 5),
        ("spec.selector: Invalid value: immutable", 5),
    ],
)
def test_an_error_about_a_field_contains_the_fields_line(
    server: FakeServer, apply: Any, message: str, line: int
) -> None:
    error = ApiError(message, 422, "Invalid")
    server.refuse = lambda method, path: error if method == "PATCH" and path.endswith("/web") else None
    with pytest.raises(PlanError) as said:
        apply(PODS, wait=False)
    assert list(said.value.findings) == [f"set.yaml:{line}: Deployment.apps n/web: {message}"]


@pytest.mark.parametrize(
    ("force", "status", "reason", "hint"),
    [
        (False, 409, "Conflict", " (force=true takes over the fields)"),
        (True, 409, "Conflict", ""),
        (False, 409, "AlreadyExists", ""),
        (False, 422, "Conflict", ""),
    ],
)
def test_force_is_suggested_where_it_helps(
    server: FakeServer, apply: Any, *, force: bool, status: int, reason: str, hint: str
) -> None:
    error = ApiError("refused", status, reason)
    server.refuse = lambda method, path: error if method == "PATCH" and path.endswith("/a") else None
    with pytest.raises(PlanError) as said:
        apply(config("a"), force=force)
    assert list(said.value.findings) == [f"set.yaml:1: ConfigMap n/a: refused{hint}"]


@pytest.mark.parametrize(
    ("check", "status", "kind", "refuses"),
    [
        (True, 404, "namespaces", False),
        (False, 404, "namespaces", True),
        (True, 404, "configmaps", True),
        (True, 403, "namespaces", True),
    ],
)
def test_only_check_mode_continues_without_a_namespace(
    server: FakeServer, apply: Any, *, check: bool, status: int, kind: str, refuses: bool
) -> None:
    apply(config("a"))
    error = ApiError("refused", status, "", {"kind": kind})
    server.refuse = lambda method, path: error if method == "PATCH" and path.endswith("/a") else None
    if refuses:
        refused(server, lambda: apply(config("a", "2"), check=check))
    else:
        assert apply(config("a", "2"), check=check).actions


def test_additions_of_several_are_all_named(server: FakeServer, apply: Any) -> None:
    apply(config("a"))
    live = server.objects["/api/v1/namespaces/n/configmaps/a"]
    for manager, names in (("kubectl-edit", ["mine", "more"]), ("kubectl-patch", ["third"])):
        live["data"] |= dict.fromkeys(names, "x")
        owned = {"f:data": {f"f:{name}": {} for name in names}}
        live["metadata"]["managedFields"].append(
            {"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsV1": owned}
        )
    assert refused(server, lambda: apply(config("a"), force=False)) == [
        "set.yaml:1: ConfigMap n/a has additions by kubectl-edit (data.mine, data.more), kubectl-patch (data.third);"
        " force=true removes them. Nothing was changed."
    ]


BALANCED = """\
apiVersion: v1
kind: Service
metadata: {name: edge}
spec: {type: LoadBalancer, ports: [{port: 443}]}
---
apiVersion: v1
kind: Service
metadata: {name: inside}
spec: {type: ClusterIP, ports: [{port: 443}]}
---
apiVersion: serving.e.com/v1
kind: Service
metadata: {name: other}
spec: {type: LoadBalancer}
"""


def test_load_balancers_are_reported_with_their_host_name(server: FakeServer, apply: Any) -> None:
    server.kinds.append(Resource("serving.e.com", "v1", "Service", "others", namespaced=True))

    def told(text: str = BALANCED, **settings: Any) -> list[Json]:
        found: list[Json] = apply(text, **{"wait": False, **settings}).load_balancers()
        return found

    def named(hostname: str) -> list[Json]:
        return [{"namespace": "n", "name": "edge", "hostname": hostname}]

    assert told(check=True) == named("")
    assert told() == named("")
    status = server.objects["/api/v1/namespaces/n/services/edge"]
    for ingress, expected in (([], ""), ([{"ip": "192.0.2.1"}], "192.0.2.1"), ([{"hostname": "x", "ip": "y"}], "x")):
        status["status"] = {"loadBalancer": {"ingress": ingress}}
        assert told() == named(expected)
    assert told(wait=True, wait_timeout=0) == named("x")
    assert told(maps("a", "b", "c"), prune_limit=1) == [], "those that go are none any more"


def test_a_load_balancer_that_is_created_during_the_wait_is_reported(server: FakeServer, apply: Any) -> None:
    text = BALANCED.partition("---\n")[0]
    path = "/api/v1/namespaces/n/services/edge"

    def controller(method: str, where: str) -> None:
        if method == "GET" and path in server.objects and where.endswith("/services"):
            server.objects[path]["status"] = {"loadBalancer": {"ingress": [{"hostname": "made.example.com"}]}}

    server.refuse = controller
    assert apply(text, wait_timeout=5).load_balancers() == [
        {"namespace": "n", "name": "edge", "hostname": "made.example.com"}
    ]


def test_a_diff_has_what_changes_and_nothing_else(server: FakeServer, apply: Any) -> None:
    apply(maps("a", "b", "c") + "---\n" + JOB, wait=False)
    finish(server, "Failed")
    text = config("a", "2") + "---\n" + config("b") + "---\n" + JOB
    shown = apply(text, wait=False, check=True).diff()
    assert [entry["before_header"] for entry in shown] == ["ConfigMap n/a", "Job.batch n/j", "ConfigMap n/c"]
    assert [entry["after_header"] for entry in shown] == ["ConfigMap n/a", "Job.batch n/j", "ConfigMap n/c"]
    changed, rerun, removed = shown
    assert (changed["before"]["data"], changed["after"]["data"]) == ({"a": "1"}, {"a": "2"})
    assert (rerun["before"]["failed"], rerun["after"]["failed"]) == ("for a reason", "")
    assert "spec" not in rerun["before"]
    assert removed["before"]["metadata"]["name"] == "c"
    assert not removed["after"]


def test_objects_after_one_that_needs_no_dry_run_are_compared_too(server: FakeServer, apply: Any) -> None:
    apply(JOB + "---\n" + config("a"), wait=False)
    finish(server, "Complete")
    apply(JOB + "---\n" + config("a"))
    del server.objects[JOB_PATH]
    for before in (JOB, config("new")):
        assert (
            actions(apply(before + "---\n" + config("a", "2"), check=True, prune=False))["ConfigMap n/a"] == "patched"
        )


@pytest.mark.usefixtures("definition")
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_objects_after_one_of_a_defined_kind_are_compared_too(server: FakeServer, apply: Any, version: str) -> None:
    apply(WIDGETS + "---\n" + config("a"), wait=False)
    serve_widgets(server)
    text = WIDGETS.replace("e.com/v1\n", f"e.com/{version}\n").replace("name: v1", f"name: {version}")
    result = apply(text + "---\n" + config("a", "2"), check=True)
    assert actions(result)["ConfigMap n/a"] == "patched"


STATELESS = DATABASE.partition("  volumeClaimTemplates")[0]


def test_a_status_that_its_controller_writes_is_not_shown(server: FakeServer, apply: Any) -> None:
    apply(STATELESS, wait=False)
    server.objects[DATABASE_PATH]["status"] = {"replicas": 1}
    for check in (True, False):
        result = apply(STATELESS.replace("db:1", "db:2"), wait=False, check=check)
        (action,) = [action for action in result.actions if action.action == "patched"]
        assert action.fields == ["spec.template.spec.containers[name=db].image"]
        (entry,) = result.diff()
        assert "status" not in {*entry["before"], *entry["after"]}


def test_a_status_without_a_place_of_its_own_is_the_sets(server: FakeServer, apply: Any) -> None:
    server.kinds.append(Resource("e.com", "v1", "Widget", "widgets", namespaced=True, status_apart=False))
    text = "apiVersion: e.com/v1\nkind: Widget\nmetadata: {name: w}\nstatus: {size: 1}\n"
    apply(text, wait=False)
    for check in (True, False):
        result = apply(text.replace("1}", "2}"), wait=False, check=check)
        assert widget_of(result).fields == ["status.size"]
        assert [(one["before"]["status"], one["after"]["status"]) for one in result.diff()] == [
            ({"size": 1}, {"size": 2})
        ]


@pytest.mark.parametrize(("status", "kind"), [(404, "configmaps"), (403, "namespaces")])
def test_only_a_missing_namespace_is_one(server: FakeServer, apply: Any, status: int, kind: str) -> None:
    error = ApiError("refused", status, "", {"kind": kind})
    server.refuse = lambda method, path: error if method == "PATCH" and path.endswith("/a") else None
    with pytest.raises(PlanError) as said:
        apply(config("a"), wait=False)
    assert list(said.value.findings) == ["set.yaml:1: ConfigMap n/a: refused"]


def test_released_objects_are_sent_with_their_name_only(server: FakeServer, apply: Any) -> None:
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {ours: x}}\n---\n"
    apply(namespace + config("a"), allow_namespaces=True)
    del server.sent[:], server.bodies[:]
    apply(config("a"))
    sent = server.bodies[server.sent.index(("PATCH", "/api/v1/namespaces/default"))]
    assert sent == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}


def test_ignored_fields_are_kept_in_a_replaced_object(server: FakeServer, apply: Any) -> None:
    apply(DATABASE, wait=False)
    claim(server, "10Gi")
    server.objects[DATABASE_PATH]["spec"]["replicas"] = 3
    left = [Ignore("StatefulSet", "db", "n", [("f:spec", "f:replicas")])]
    result = apply(DATABASE.replace("10Gi", "20Gi"), ignore=left, wait=False)
    assert actions(result)["StatefulSet.apps n/db"] == "replaced"
    assert server.objects[DATABASE_PATH]["spec"]["replicas"] == 3


def test_the_wait_reports_its_objects(server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = itertools.count()
    monkeypatch.setattr(wait.time, "monotonic", lambda: next(passed) / 10)
    monkeypatch.setattr(wait, "_REPORT_SECONDS", 1)
    told: list[str] = []

    def applied(text: str) -> None:
        settings = Settings("metrics", "n", wait_timeout=5)
        applier = Applier(server, settings, discovery=Discovery(server, tmp_path), report=told.append)  # type: ignore[arg-type]
        with pytest.raises(WaitError):
            applier.present(parse(text, "set.yaml"))

    applied(JOB)
    assert any("0 of 1 ready" in line for line in told)
    finish(server, "Complete")
    server.objects[JOB_PATH]["metadata"]["finalizers"] = ["example.com/hold"]
    del told[:]
    applied(config("a"))
    assert any("0 of 1 gone" in line for line in told)


@pytest.mark.usefixtures("definition")
def test_an_object_of_a_new_kind_in_a_missing_namespace_is_sent_once(server: FakeServer, apply: Any) -> None:
    error = ApiError("not found", 404, "NotFound", {"kind": "namespaces"})
    server.refuse = lambda method, path: error if (method, path) == ("PATCH", WIDGET_PATH) else None
    with pytest.raises(PlanError, match="the namespace 'n' does not exist"):
        apply(WIDGETS, wait=False)
    assert server.sent.count(("PATCH", WIDGET_PATH)) == 1
