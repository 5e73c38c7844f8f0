# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The applier with a real API server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import applyset, preview, render
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applier import Settings
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import PlanError, RenderError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.plan import Ignore

from .conftest import Actions, Cluster
from .objects import curated

pytestmark = pytest.mark.integration


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": "nginx:1", "ports": [{"containerPort": 80}]}]},
            },
            **spec,
        },
    }


def service(port: int = 80) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": port}]},
    }


def test_first_creates_second_changes_nothing(cluster: Cluster, namespace: str, actions: Actions) -> None:
    objects = [config_map("a", k="1"), deployment(), service()]
    assert set(actions(cluster.apply("s", namespace, objects)).values()) == {"created"}
    again = cluster.apply("s", namespace, objects)
    assert not again.changed
    assert set(actions(again).values()) == {"unchanged"}


def test_a_hundred_unchanged_objects_cost_their_kinds_and_five(cluster: Cluster, namespace: str) -> None:
    objects: list[dict[str, Any]] = [config_map(f"c{i}", k=str(i)) for i in range(97)]
    objects += [deployment(), service(), {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "s"}}]
    cluster.apply("s", namespace, objects)
    again = cluster.apply("s", namespace, objects, wait=False)
    assert not again.changed
    assert again.requests <= 4 + 5


def test_check_mode_reports_the_changes_of_the_run(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, [config_map("a", k="1"), config_map("b"), config_map("c"), deployment()])
    wanted = [config_map("a", k="2"), config_map("b"), deployment(replicas=3), config_map("d")]
    before = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps")
    planned = cluster.apply("s", namespace, wanted, check=True)
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps")["items"] == before["items"]
    done = cluster.apply("s", namespace, wanted)
    assert planned.objects() == done.objects()
    assert {(a.key.name, a.action, tuple(a.fields)) for a in done.actions if a.action != "unchanged"} == {
        ("a", "patched", ("data.k",)),
        ("web", "patched", ("spec.replicas",)),
        ("d", "created", ()),
        ("c", "pruned", ()),
    }


def test_manual_drift_is_reverted_and_reported(cluster: Cluster, namespace: str) -> None:
    objects = [config_map("a", k="1"), deployment(), service()]
    cluster.apply("s", namespace, objects)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    live = cluster.get(path)
    live["spec"]["replicas"] = 9
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"
    live["spec"]["template"]["spec"]["containers"].append({"name": "extra", "image": "extra:1"})
    live["spec"]["template"]["spec"]["nodeSelector"] = {"a": "b"}
    cluster.send("PUT", path, live)
    cluster.send(
        "PATCH", f"/api/v1/namespaces/{namespace}/configmaps/a", {"data": {"k": "2", "added": "x"}}, "kubectl-patch"
    )
    ports = {"spec": {"ports": [{"name": "http", "port": 81, "protocol": "TCP", "targetPort": 80}]}}
    cluster.send("PATCH", f"/api/v1/namespaces/{namespace}/services/web", ports)
    planned = cluster.apply("s", namespace, objects, check=True)
    done = cluster.apply("s", namespace, objects)
    assert planned.objects() == done.objects()
    report = {(o["kind"], o["name"]): o for o in done.objects()}
    assert report["Deployment", "web"]["taken_from"] == [
        {
            "manager": "kubectl-edit",
            "fields": [
                "spec.replicas",
                "spec.template.spec.containers[name=extra]",
                "spec.template.spec.containers[name=web].image",
                "spec.template.spec.nodeSelector",
            ],
        }
    ]
    assert report["ConfigMap", "a"]["taken_from"] == [{"manager": "kubectl-patch", "fields": ["data.added", "data.k"]}]
    assert report["Service", "web"]["action"] == "patched"
    spec = cluster.get(path)["spec"]
    assert spec["replicas"] == 2
    assert [(c["name"], c["image"]) for c in spec["template"]["spec"]["containers"]] == [("web", "nginx:1")]
    assert "nodeSelector" not in spec["template"]["spec"]
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/a")["data"] == {"k": "1"}
    assert [p["port"] for p in cluster.get(f"/api/v1/namespaces/{namespace}/services/web")["spec"]["ports"]] == [80]
    assert not cluster.apply("s", namespace, objects).changed


def test_values_that_controllers_add_are_kept(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, [config_map("a", k="1")])
    path = f"/api/v1/namespaces/{namespace}/configmaps/a"
    cluster.send("PATCH", path, {"data": {"ca.crt": "x"}}, "cert-injector")
    assert not cluster.apply("s", namespace, [config_map("a", k="1")]).changed
    assert cluster.get(path)["data"] == {"k": "1", "ca.crt": "x"}


def test_without_force_a_conflict_is_an_error_and_nothing_changes(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, [config_map("a", k="1"), config_map("b", k="1")])
    path = f"/api/v1/namespaces/{namespace}/configmaps/a"
    cluster.send("PATCH", path, {"data": {"k": "2"}})
    with pytest.raises(PlanError, match=r"ConfigMap .*/a: .*conflict with \"kubectl-edit\".*\.data\.k"):
        cluster.apply("s", namespace, [config_map("a", k="3"), config_map("b", k="2")], force=False)
    assert cluster.get(path)["data"] == {"k": "2"}
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/b")["data"] == {"k": "1"}


def test_ignored_fields_are_left_to_others(cluster: Cluster, namespace: str) -> None:
    ignore = [Ignore("Deployment", "web", "", [("f:spec", "f:replicas")])]
    cluster.apply("s", namespace, [deployment()], ignore=ignore)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    assert cluster.get(path)["spec"]["replicas"] == 2
    assert not cluster.apply("s", namespace, [deployment(replicas=4)], ignore=ignore).changed
    cluster.send("PATCH", path, {"spec": {"replicas": 7}}, "autoscaler")
    assert not cluster.apply("s", namespace, [deployment()], ignore=ignore).changed
    cluster.apply("s", namespace, [deployment(minReadySeconds=3)], ignore=ignore)
    assert cluster.get(path)["spec"]["replicas"] == 7


def test_the_parent_lists_namespaces_and_kinds_in_kubectls_format(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, [config_map("a"), deployment()])
    parent = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/s-applyset")
    assert parent["metadata"]["annotations"][applyset.GROUP_KINDS] == "ConfigMap,Deployment.apps"
    cluster.apply("s", namespace, [config_map("a")], prune_limit=1)
    narrowed = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/s-applyset")
    assert narrowed["metadata"]["annotations"][applyset.GROUP_KINDS] == "ConfigMap"
    assert narrowed["metadata"]["labels"][applyset.ID] == applyset.Parent("s", namespace).id


def test_an_object_of_another_set_is_an_error_naming_it(cluster: Cluster, namespace: str) -> None:
    cluster.apply("first", namespace, [config_map("a", k="1")])
    with pytest.raises(PlanError, match=rf"belongs to the ApplySet {namespace}/first-applyset"):
        cluster.apply("second", namespace, [config_map("a", k="2"), config_map("b")])
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/b") is None


def test_an_object_of_helm_is_an_error(cluster: Cluster, namespace: str) -> None:
    body = config_map("a")
    body["metadata"]["annotations"] = {"meta.helm.sh/release-name": "chart"}
    cluster.send("POST", f"/api/v1/namespaces/{namespace}/configmaps", body)
    with pytest.raises(PlanError, match="belongs to Helm release chart"):
        cluster.apply("s", namespace, [config_map("a")])


@pytest.mark.parametrize("place", ["annotations", "labels"])
def test_an_object_of_the_set_is_its_own_whatever_it_is_marked_with(
    cluster: Cluster, namespace: str, place: str
) -> None:
    marks = dict.fromkeys(["meta.helm.sh/release-name", "kustomize.toolkit.fluxcd.io/name"], "x")
    objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", place: marks}}]
    cluster.apply("s", namespace, objects)
    assert not cluster.apply("s", namespace, objects).changed


def test_an_unmanaged_object_is_adopted(cluster: Cluster, namespace: str, actions: Actions) -> None:
    cluster.send("POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map("a", k="old"))
    done = cluster.apply("s", namespace, [config_map("a", k="new")])
    assert actions(done) == {"ConfigMap/a": "patched"}
    assert not cluster.apply("s", namespace, [config_map("a", k="new")]).changed


def test_the_preview_of_a_new_cluster_is_what_a_run_then_reports(cluster: Cluster, namespace: str) -> None:
    objects = [
        config_map("a"),
        deployment(),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-y"}},
    ]
    settings = Settings("s", namespace, allow_namespaces=True)
    planned = preview.of_new_cluster(settings, render.from_definition(objects))
    assert planned.objects() == cluster.apply("s", namespace, objects, allow_namespaces=True).objects()


def test_the_preview_knows_which_kinds_have_namespaces(cluster: Cluster) -> None:
    found = render.from_definition([body for body in curated() if body["kind"] != "Thing"])
    applier = cluster.applier("s", "default", allow_namespaces=True)
    real = {member.key for member in applier.read(found)}
    planned = preview.of_new_cluster(Settings("s", "default", allow_namespaces=True), found)
    assert {action.key for action in planned.actions[1:]} == real


def test_an_empty_set_is_an_error(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(RenderError, match="Nothing was rendered"):
        cluster.apply("s", namespace, [])


def test_removing_most_of_a_set_needs_a_higher_limit(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, [config_map(f"c{i}") for i in range(4)])
    with pytest.raises(PlanError, match=r"3 of the set's 4 objects .*prune_limit=0.5"):
        cluster.apply("s", namespace, [config_map("c0")])
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/c1")
    cluster.apply("s", namespace, [config_map("c0")], prune_limit=0.75)
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/c1") is None


CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "finalizers": []},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def test_data_is_removed_only_with_the_typed_name(cluster: Cluster, namespace: str, actions: Actions) -> None:
    keep = [config_map(f"c{i}") for i in range(3)]
    cluster.apply("s", namespace, [*keep, CLAIM])
    for confirm in ("", "yes"):
        with pytest.raises(PlanError, match=r"PersistentVolumeClaim .*/data would be removed"):
            cluster.apply("s", namespace, keep, confirm=confirm)
    done = cluster.apply("s", namespace, keep, confirm="s")
    assert actions(done)["PersistentVolumeClaim/data"] == "pruned"
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data"
    gone = cluster.get(path)
    assert gone is None or gone["metadata"]["annotations"]["dataplatform.fleet/confirm-delete"] == "data"


def test_prune_false_keeps_what_is_no_longer_rendered(cluster: Cluster, namespace: str, actions: Actions) -> None:
    cluster.apply("s", namespace, [config_map("a"), service()])
    kept = cluster.apply("s", namespace, [config_map("a")], prune=False)
    assert not kept.changed
    later = cluster.apply("s", namespace, [config_map("a")])
    assert actions(later)["Service/web"] == "pruned"


def test_absent_removes_the_set_and_twice_changes_nothing(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, [config_map("a"), service()])
    planned = cluster.absent("s", namespace, check=True, wait=True)
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/a")
    done = cluster.absent("s", namespace, wait=True)
    assert planned.objects() == done.objects()
    assert {a.action for a in done.actions} == {"pruned"}
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/a") is None
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/s-applyset") is None
    assert not cluster.absent("s", namespace).changed


def test_an_interrupted_removal_is_taken_up_again(cluster: Cluster, namespace: str, actions: Actions) -> None:
    cluster.apply("s", namespace, [config_map("a"), config_map("b")])
    cluster.client.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/a")
    assert actions(cluster.absent("s", namespace)) == {"ConfigMap/b": "pruned"}


TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
---
{body}
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "apiVersion: v1\nkind: ConfigMpa\nmetadata: {name: x}",
            r"definition:6: .*no kind ConfigMpa .*did you mean ConfigMap\?",
        ),
        ("apiVersion: apps/v2\nkind: Deployment\nmetadata: {name: x}", "no Deployment in apps/v2, but in apps/v1"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec:\n  prots: []",
            r"definition:10: .*unknown field spec\.prots",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}",
            r"definition:6: ConfigMap .*/a was already rendered at definition:1",
        ),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: b", "definition:9: this is not valid YAML"),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}",
            "definition:6: namespaces belong to the guardrails role alone",
        ),
        (
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: x, namespace: other}",
            "has a namespace, but its kind has none",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    cluster: Cluster, namespace: str, body: str, message: str
) -> None:
    with pytest.raises(RenderError, match=message):
        cluster.apply("s", namespace, TEMPLATE.format(body=body))
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/a") is None


def test_errors_of_the_server_contain_the_object_and_no_secret(cluster: Cluster, namespace: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": "kubernetes.io/tls"}
    secret["stringData"] = {"tls.crt": "topsecretvalue", "wrong key!": "another-secret"}
    with pytest.raises(PlanError, match=r"definition\[1\]:1: Secret .*/s: ") as caught:
        cluster.apply("s", namespace, [secret])
    assert "topsecretvalue" not in str(caught.value)
    assert "another-secret" not in str(caught.value)


def test_secrets_are_recognisable_but_unreadable_in_results(cluster: Cluster, namespace: str) -> None:
    def secret(value: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": value}}

    cluster.apply("s", namespace, [secret("first-value")])
    for check in (True, False):
        done = cluster.apply("s", namespace, [secret("other-value")], check=check)
        text = json.dumps([done.objects(), done.diff()])
        for hidden in ("first-value", "other-value", "Zmlyc3QtdmFsdWU=", "b3RoZXItdmFsdWU="):
            assert hidden not in text
        (entry,) = done.diff()
        before, after = entry["before"]["data"]["password"], entry["after"]["data"]["password"]
        assert before.startswith("<redacted ")
        assert before != after
        assert "managedFields" not in text


def test_a_namespace_that_is_missing(cluster: Cluster) -> None:
    planned = cluster.apply("s", "not-there-yet", [config_map("a"), deployment()], check=True)
    assert {a.action for a in planned.actions} == {"created"}
    with pytest.raises(Exception, match=r"namespace 'not-there-yet' .*does not exist.*guardrails"):
        cluster.apply("s", "not-there-yet", [config_map("a")])


def test_a_definition_and_its_objects_in_one_set(cluster: Cluster, namespace: str, actions: Actions) -> None:
    group = f"{namespace}.example.com"
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer"}}}},
                        }
                    },
                }
            ],
        },
    }
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"n": 1}}
    planned = cluster.apply("s", namespace, [widget, crd], check=True)
    done = cluster.apply("s", namespace, [widget, crd])
    assert planned.objects() == done.objects()
    assert set(actions(done).values()) == {"created"}
    assert not cluster.apply("s", namespace, [widget, crd]).changed
    with pytest.raises(PlanError, match="CustomResourceDefinition"):
        cluster.absent("s", namespace)
    cluster.absent("s", namespace, confirm="s", wait=True)
    assert cluster.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}") is None


def test_a_guarded_namespace_is_deleted_when_its_removal_is_confirmed(cluster: Cluster, namespace: str) -> None:
    name = f"{namespace}-x"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    cluster.apply("s", namespace, [body, config_map("a")], allow_namespaces=True)
    with pytest.raises(PlanError, match=rf"Namespace {name} would be removed.*\n.*confirm='s'"):
        cluster.apply("s", namespace, [config_map("a")])
    cluster.apply("s", namespace, [config_map("a")], confirm="s")
    assert cluster.get(f"/api/v1/namespaces/{name}")["metadata"].get("deletionTimestamp")


def test_the_load_balancers_and_their_names(cluster: Cluster, namespace: str) -> None:
    balanced = {**service(), "metadata": {"name": "way-in"}}
    balanced["spec"] = {**balanced["spec"], "type": "LoadBalancer"}
    unnamed = [{"namespace": namespace, "name": "way-in", "hostname": ""}]
    assert cluster.apply("s", namespace, [service(), balanced], check=True).load_balancers() == unnamed
    assert cluster.apply("s", namespace, [service(), balanced]).load_balancers() == unnamed
    named = {"status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}}
    cluster.send("PATCH", f"/api/v1/namespaces/{namespace}/services/way-in/status", named)
    expected = [{"namespace": namespace, "name": "way-in", "hostname": "lb.example.com"}]
    for settings in ({"check": True}, {}, {"wait": True}):
        assert cluster.apply("s", namespace, [service(), balanced], **settings).load_balancers() == expected
    assert cluster.apply("s", namespace, [service(), service() | {"metadata": {"name": "b"}}]).load_balancers() == []
