# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.fields import MANAGER, readable
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, key_of
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.owners import (
    autoscaler_targets,
    left_to_controllers,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.plan import Ignore, without_ignored


def body(api_version: str, kind: str, annotations: dict[str, str] | None = None, **content: Any) -> Json:
    metadata: Json = {"name": "x", "namespace": "n"} | ({"annotations": annotations} if annotations else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def hook(ca: str) -> Json:
    return {"webhooks": [{"name": "a.b", "clientConfig": {"caBundle": ca}}]}


HOOK = ("f:webhooks", 'k:{"name":"a.b"}', "f:clientConfig", "f:caBundle")
SIZE = ("f:spec", "f:resources", "f:requests", "f:storage")
RBAC, ADMISSION = "rbac.authorization.k8s.io/v1", "admissionregistration.k8s.io/v1"
CRD, HOOKS, INJECT = "CustomResourceDefinition", "ValidatingWebhookConfiguration", "cert-manager.io/inject-ca-from"


def claim(size: str) -> Json:
    return {"spec": {"resources": {"requests": {"storage": size}}}}


def conversion(ca: str) -> Json:
    return {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": ca}}}}}


def owned(path: tuple[str, ...]) -> Json:
    fields: Json = {}
    for step in reversed(path):
        fields = {step: fields}
    return fields


def left(rendered: Json, live: Json, path: tuple[str, ...], *managers: str, scaled: bool = True) -> list[str]:
    """Return the remaining fields of an object with a field that *managers* own."""
    entries = [{"manager": MANAGER, "operation": "Apply", "fieldsV1": {"f:other": {}}}]
    for manager in managers:
        operation = "Apply" if manager == MANAGER else "Update"
        entries.append({"manager": manager, "operation": operation, "fieldsV1": owned(path)})
    live = live | {"metadata": live["metadata"] | {"managedFields": entries}}
    return [readable(field) for field in left_to_controllers(key_of(rendered), rendered, live, lambda _: scaled)]


@pytest.mark.parametrize(
    ("rendered", "live", "path"),
    [
        (
            body(RBAC, "ClusterRole", aggregationRule={"clusterRoleSelectors": [{}]}, rules=[]),
            body(RBAC, "ClusterRole", rules=[{"verbs": ["get"]}]),
            ("f:rules",),
        ),
        (
            body(RBAC, "ClusterRole", aggregationRule={"clusterRoleSelectors": [{}]}, rules=[{"verbs": ["list"]}]),
            body(RBAC, "ClusterRole", rules=[{"verbs": ["get"]}]),
            ("f:rules",),
        ),
        (body(ADMISSION, HOOKS, **hook("")), body(ADMISSION, HOOKS, **hook("eA==")), HOOK),
        (body(ADMISSION, HOOKS, **hook("Cg==")), body(ADMISSION, HOOKS, **hook("eA==")), HOOK),
        (body(ADMISSION, HOOKS, **hook("XG4=")), body(ADMISSION, HOOKS, **hook("eA==")), HOOK),
        (body(ADMISSION, HOOKS, {INJECT: "a/b"}, **hook("b2xk")), body(ADMISSION, HOOKS, **hook("eA==")), HOOK),
        (
            body("apiextensions.k8s.io/v1", CRD, **conversion("")),
            body("apiextensions.k8s.io/v1", CRD, **conversion("eA==")),
            ("f:spec", "f:conversion", "f:webhook", "f:clientConfig", "f:caBundle"),
        ),
        (
            body("apiregistration.k8s.io/v1", "APIService", spec={"caBundle": ""}),
            body("apiregistration.k8s.io/v1", "APIService", spec={"caBundle": "eA=="}),
            ("f:spec", "f:caBundle"),
        ),
        (
            body("v1", "PersistentVolumeClaim", spec={"volumeName": ""}),
            body("v1", "PersistentVolumeClaim", spec={"volumeName": "pv-1"}),
            ("f:spec", "f:volumeName"),
        ),
        (
            body("v1", "PersistentVolumeClaim", **claim("1Gi")),
            body("v1", "PersistentVolumeClaim", **claim("2Gi")),
            SIZE,
        ),
        (
            body("v1", "PersistentVolume", spec={"capacity": {"storage": "1Gi"}}),
            body("v1", "PersistentVolume", spec={"capacity": {"storage": "2Gi"}}),
            ("f:spec", "f:capacity", "f:storage"),
        ),
        (body("v1", "Pod", spec={"nodeName": ""}), body("v1", "Pod", spec={"nodeName": "a"}), ("f:spec", "f:nodeName")),
        (body("v1", "Endpoints", subsets=[]), body("v1", "Endpoints", subsets=[{}]), ("f:subsets",)),
        (body("v1", "Secret", data={"a": ""}), body("v1", "Secret", data={"a": "eA=="}), ("f:data", "f:a")),
        (
            body("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "us"}),
            body("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "them"}),
            ("f:spec", "f:holderIdentity"),
        ),
        (
            body("apps/v1", "Deployment", {"deployment.kubernetes.io/revision": "7"}),
            body("apps/v1", "Deployment", {"deployment.kubernetes.io/revision": "1"}),
            ("f:metadata", "f:annotations", "f:deployment.kubernetes.io/revision"),
        ),
        (
            body("apps/v1", "Deployment", spec={"replicas": 2}),
            body("apps/v1", "Deployment", spec={"replicas": 0}),
            ("f:spec", "f:replicas"),
        ),
    ],
)
def test_fields_of_controllers_are_kept(rendered: Json, live: Json, path: tuple[str, ...]) -> None:
    assert left(rendered, live, path, "controller") == [readable(path)]
    assert left(rendered, live, path, MANAGER) == [], "it is this set's own"
    assert left(rendered, live, path, "controller", MANAGER) == []


@pytest.mark.parametrize(
    ("rendered", "live", "path"),
    [
        (body(RBAC, "ClusterRole", rules=[]), body(RBAC, "ClusterRole", rules=[{"verbs": ["*"]}]), ("f:rules",)),
        (body(RBAC, "Role", rules=[]), body(RBAC, "Role", rules=[{"verbs": ["*"]}]), ("f:rules",)),
        (body(ADMISSION, HOOKS, **hook("b2xk")), body(ADMISSION, HOOKS, **hook("eA==")), HOOK),
        (body("v1", "Secret", data={"a": "b2xk"}), body("v1", "Secret", data={"a": "eA=="}), ("f:data", "f:a")),
        (body("v1", "ConfigMap", data={"a": ""}), body("v1", "ConfigMap", data={"a": "x"}), ("f:data", "f:a")),
        (
            body("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}}),
            body("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {"matchLabels": {"a": "b"}}}),
            ("f:spec", "f:podSelector"),
        ),
        (
            body("v1", "PersistentVolumeClaim", **claim("2Gi")),
            body("v1", "PersistentVolumeClaim", **claim("1Gi")),
            SIZE,
        ),
        (
            body("v1", "PersistentVolumeClaim", spec={"volumeName": "pv-0"}),
            body("v1", "PersistentVolumeClaim", spec={"volumeName": "pv-1"}),
            ("f:spec", "f:volumeName"),
        ),
        (
            body("apps/v1", "Deployment", {"example.com/note": "7"}),
            body("apps/v1", "Deployment", {"example.com/note": "1"}),
            ("f:metadata", "f:annotations", "f:example.com/note"),
        ),
    ],
)
def test_any_other_field_is_taken_back(rendered: Json, live: Json, path: tuple[str, ...]) -> None:
    assert left(rendered, live, path, "controller") == []


@pytest.mark.parametrize("manager", ["kubectl-edit", "kubectl-patch", "cert-manager"])
def test_manual_additions_to_an_empty_secret_are_reverted(manager: str) -> None:
    empty, filled = (body("v1", "Secret", data={"a": value}) for value in ("", "eA=="))
    expected = ["data.a"] if manager == "cert-manager" else []
    assert left(empty, filled, ("f:data", "f:a"), manager) == expected


def test_replicas_are_taken_back_where_nothing_scales() -> None:
    two, five = (body("apps/v1", "Deployment", spec={"replicas": count}) for count in (2, 5))
    replicas = ("f:spec", "f:replicas")
    assert left(two, five, replicas, "robot", scaled=False) == []
    assert left(two, two, replicas, "autoscaler") == ["spec.replicas"], "taken back, they would change their owner"


@pytest.mark.parametrize("manager", ["kubectl-edit", MANAGER + "-other"])
def test_a_manually_expanded_volume_is_reported(manager: str) -> None:
    small, large = (body("v1", "PersistentVolumeClaim", **claim(size)) for size in ("1Gi", "2Gi"))
    assert (left(small, large, SIZE, manager) == []) is (manager == "kubectl-edit")


def test_maps_that_are_left_empty_are_not_sent() -> None:
    rendered = body("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "us"})
    live = body("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "them"})
    ignore = Ignore("Lease", "x", "n", [("f:spec", "f:holderIdentity")])
    assert "spec" not in without_ignored(rendered, live, [ignore], key_of(rendered))


def test_targets_of_autoscalers() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
    autoscaler = body("autoscaling/v2", "HorizontalPodAutoscaler", spec={"scaleTargetRef": target})
    assert autoscaler_targets([autoscaler]) == {key_of(body("apps/v1", "Deployment"))}


@pytest.mark.parametrize("spec", ["text", None, {"scaleTargetRef": "web"}, {}])
def test_an_autoscaler_that_the_server_will_refuse_is_left_to_it(spec: Any) -> None:
    assert autoscaler_targets([body("autoscaling/v2", "HorizontalPodAutoscaler", spec=spec)]) == set()


def test_webhooks_that_the_server_will_refuse_are_left_to_it() -> None:
    refused = body(ADMISSION, HOOKS, webhooks=["text", None])
    assert left_to_controllers(key_of(refused), refused, refused, lambda _: False) == []
