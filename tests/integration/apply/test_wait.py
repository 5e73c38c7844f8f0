# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The combined wait on a Kubernetes control plane with controllers, a scheduler and simulated nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import WaitError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._status.read import read

from localcloud.kubernetes.control_plane import EXTRAS, ControlPlane
from localcloud.testing import eventually

from .conftest import Cluster

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ControlPlane.temporary(tmp_path_factory.mktemp("full"), extras=EXTRAS) as plane:
        server = connection.server_for({"kubeconfig": str(plane.kubeconfig)})
        with Client(server) as client:
            found = Cluster(client)
            found.send("POST", "/api/v1/nodes", NODE)
            yield found


NODE: dict[str, Any] = {
    "metadata": {
        "name": "node-1",
        "annotations": {"kwok.x-k8s.io/node": "fake", "localcloud.dataplatform.fleet/network": "ready"},
        "labels": {"kubernetes.io/hostname": "node-1"},
    },
    "status": {
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "50"},
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "50"},
    },
}


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:50]
    cluster.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


def pod_spec(**container: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "c:1", **container}]}


def workload(kind: str, name: str = "web", **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": spec.pop("pod", pod_spec())}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


def test_one_wait_for_everything(cluster: Cluster, namespace: str) -> None:
    objects = [
        workload("Deployment", "a", replicas=2),
        workload("StatefulSet", "b", replicas=2, serviceName="b"),
        workload("DaemonSet", "c"),
        job(),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}},
    ]
    cluster.apply("s", namespace, objects, wait=True, wait_timeout=60)
    path = f"/apis/apps/v1/namespaces/{namespace}"
    assert cluster.get(f"{path}/deployments/a")["status"]["availableReplicas"] == 2
    assert cluster.get(f"{path}/statefulsets/b")["status"]["readyReplicas"] == 2
    again = cluster.apply("s", namespace, objects, wait=True)
    assert not again.changed
    assert again.requests <= 5 + 5


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            workload("Deployment", pod=pod_spec(resources={"requests": {"cpu": "100"}})),
            r"web: 0 of 1 replicas .*cannot be scheduled: .*Insufficient cpu",
        ),
        (
            workload("StatefulSet", pod={**pod_spec(), "nodeSelector": {"no": "node"}}),
            r"web: 0 of 1 replicas .*cannot be scheduled: .*node",
        ),
        (
            workload("Deployment", pod={**pod_spec(), "serviceAccountName": "missing"}),
            r"serviceaccount \"missing\" not found",
        ),
        (
            workload("StatefulSet", pod={**pod_spec(), "serviceAccountName": "missing"}),
            r"FailedCreate.*serviceaccount \"missing\" not found",
        ),
        (
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "lb"},
                "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
            },
            "lb: it has no load balancer yet",
        ),
        (
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "none",
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            },
            r"data: no volume is bound to it .*storageclass.storage.k8s.io \"none\" not found",
        ),
    ],
    ids=["cpu", "node-selector", "admission", "admission-sts", "load-balancer", "claim"],
)
def test_blocked_objects_and_their_reasons(
    cluster: Cluster, namespace: str, body: dict[str, Any], message: str
) -> None:
    with pytest.raises(WaitError, match=f"(?s)1 of 1 objects were not ready after 6 s:\n.*{message}"):
        cluster.apply("s", namespace, [body], wait=True, wait_timeout=6)


def test_a_quota_is_named(cluster: Cluster, namespace: str) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}}
    cluster.apply("quota", namespace, [quota])
    with pytest.raises(WaitError, match="exceeded quota: q"):
        cluster.apply("s", namespace, [workload("Deployment")], wait=True, wait_timeout=6)


def test_a_claim_that_waits_for_its_consumer_is_fine(cluster: Cluster, namespace: str) -> None:
    late = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "late"}}
    late |= {"provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer"}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "late",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    cluster.apply("s", namespace, [late, claim], wait=True, wait_timeout=10)


def job(name: str = "once", **spec: Any) -> dict[str, Any]:
    pod = {"spec": {**pod_spec(), "restartPolicy": "Never"}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": pod, **spec}}


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_job_removed_after_its_end_is_not_missed(cluster: Cluster, namespace: str, seconds: int) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/once"
    objects = [job(ttlSecondsAfterFinished=seconds), workload("Deployment")]
    assert cluster.apply("s", namespace, objects, wait=True, wait_timeout=60).changed
    eventually(lambda: cluster.get(path) is None)
    for check in (True, False):
        again = cluster.apply("s", namespace, objects, wait=True, wait_timeout=20, check=check)
        assert [action.report() for action in again.actions if action.action != "unchanged"] == []
    objects[0]["spec"]["backoffLimit"] = 2
    changed = cluster.apply("s", namespace, objects, wait=True, wait_timeout=60)
    assert [action.key.name for action in changed.actions if action.action == "created"] == ["once"]


def test_a_removed_job_that_was_left_out_in_between_runs_again(cluster: Cluster, namespace: str) -> None:
    objects = [job(ttlSecondsAfterFinished=0), workload("Deployment")]
    cluster.apply("s", namespace, objects, wait=True, wait_timeout=60)
    eventually(lambda: cluster.get(f"/apis/batch/v1/namespaces/{namespace}/jobs/once") is None)
    assert cluster.apply("s", namespace, objects[1:], wait=True).changed, "the record forgets the Job"
    assert not cluster.apply("s", namespace, objects[1:], wait=True).changed
    again = cluster.apply("s", namespace, objects, wait=True, wait_timeout=60)
    assert [action.key.name for action in again.actions if action.action == "created"] == ["once"]


def test_the_rules_of_an_aggregated_role_are_the_controllers(cluster: Cluster, namespace: str) -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    part = role | {"metadata": {"name": f"{namespace}-part", "labels": {"part-of": namespace}}, "rules": rules}
    rule = {"clusterRoleSelectors": [{"matchLabels": {"part-of": namespace}}]}
    whole = role | {"metadata": {"name": namespace}, "aggregationRule": rule, "rules": []}
    cluster.apply("s", namespace, [part, whole], wait=True)
    eventually(lambda: bool((cluster.get(f"{roles}/{namespace}") or {})["rules"]))
    again = cluster.apply("s", namespace, [part, whole])
    assert not again.changed
    assert cluster.client.get(f"{roles}/{namespace}")["rules"] == rules
    (left,) = [action.left_to for action in again.actions if action.left_to]
    assert left == [{"manager": "clusterrole-aggregation-controller", "fields": ["rules"]}]


def test_replicas_are_an_autoscalers_for_as_long_as_there_is_one(cluster: Cluster, namespace: str) -> None:
    """The autoscaler raises them to its minimum without any metrics."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3},
    }
    objects = [workload("Deployment", replicas=1), autoscaler]
    cluster.apply("s", namespace, objects)
    eventually(lambda: cluster.client.get(path)["spec"]["replicas"] == 2)
    assert not cluster.apply("s", namespace, objects).changed
    objects[0]["spec"]["replicas"] = 2
    assert not cluster.apply("s", namespace, objects).changed, "as many as are rendered are the autoscaler's, too"
    objects[0]["spec"]["replicas"] = 1
    cluster.apply("s", namespace, objects[:1])
    assert cluster.client.get(path)["spec"]["replicas"] == 1
    assert not cluster.apply("s", namespace, objects[:1]).changed


def test_a_kind_without_conditions_is_ready(cluster: Cluster, namespace: str) -> None:
    group = f"{namespace}.example.com"
    conditions = {
        "conditions": {"type": "array", "items": {"type": "object", "properties": {"type": {"type": "string"}}}}
    }
    schema = {"type": "object", "properties": {"status": {"type": "object", "properties": conditions}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"mutes.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Mute", "plural": "mutes", "singular": "mute", "listKind": "MuteList"},
            "versions": [version | {"subresources": {"status": {}}}],
        },
    }
    mute = {"apiVersion": f"{group}/v1", "kind": "Mute", "metadata": {"name": "m"}}
    cluster.apply("s", namespace, [definition, mute], wait=True, wait_timeout=30)
    assert not cluster.apply("s", namespace, [definition, mute], wait=True, wait_timeout=1).changed


def test_removal_waits_and_names_what_holds_an_object(cluster: Cluster, namespace: str) -> None:
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    cluster.apply("s", namespace, [held])
    with pytest.raises(WaitError, match=r"ConfigMap .*/held: held by finalizer example\.com/hold"):
        cluster.absent("s", namespace, wait=True, wait_timeout=2)
    cluster.send("PATCH", f"/api/v1/namespaces/{namespace}/configmaps/held", {"metadata": {"finalizers": None}})
    cluster.absent("s", namespace, wait=True, wait_timeout=10)


def test_pruning_waits_too(cluster: Cluster, namespace: str) -> None:
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}
    cluster.apply("s", namespace, [held, kept])
    with pytest.raises(WaitError, match=r"ConfigMap .*/held: held by finalizer example\.com/hold"):
        cluster.apply("s", namespace, [kept], wait=True, wait_timeout=2)
    assert cluster.apply("s", namespace, [kept], check=True).changed
    cluster.send("PATCH", f"/api/v1/namespaces/{namespace}/configmaps/held", {"metadata": {"finalizers": None}})
    assert not cluster.apply("s", namespace, [kept], wait=True, wait_timeout=10).changed


def test_a_removed_namespace_is_deleted_with_its_objects(cluster: Cluster, namespace: str) -> None:
    name = f"{namespace}-inner"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    cluster.apply("s", namespace, [body], allow_namespaces=True, wait=True)
    cluster.apply("inner", name, [workload("Deployment")], wait=True, wait_timeout=30)
    cluster.absent("s", namespace, confirm="s", wait=True, wait_timeout=60)
    assert cluster.get(f"/api/v1/namespaces/{name}") is None


def test_the_status_of_components(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, [workload("Deployment", "a", replicas=2), workload("DaemonSet", "c")], wait=True)
    found = {item.name: item for item in read(cluster.client) if item.namespace == namespace}
    assert {(item.name, item.kind, item.applyset) for item in found.values()} == {
        ("a", "Deployment", "s"),
        ("c", "DaemonSet", "s"),
    }
    assert (found["a"].desired, found["a"].ready) == (2, 2)
    assert found["c"].desired == found["c"].ready > 0
    assert all(item.simulated for item in found.values())
