# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selection of a component's pods, and errors of unavailable pods."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applyset import ID, PART_OF
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.cluster import Cluster, Pod, pod_of
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.hops import KAFKA, PROMETHEUS, Workload
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import AskError

Json = dict[str, Any]


class Client:
    """A client that responds to GET from a table, and records requests."""

    def __init__(self, **answers: Json) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Json]] = []

    def map(self, call: Any, items: Any) -> list[Any]:
        return [call(item) for item in items]

    def get(self, path: str, query: Json | None = None) -> Json:
        self.asked.append((path, query or {}))
        found: Json = self.answers.get(path.rpartition("/")[2], {"items": None})
        return found


def pod(name: str, ready: str = "True", created: str = "2026-11-01T00:00:00Z", **more: Any) -> Json:
    status = {"phase": "Running", "conditions": [{"type": "Initialized"}, {"type": "Ready", "status": ready}]}
    metadata = {"name": name, "creationTimestamp": created} | more.pop("metadata", {})
    return {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": status | more}


def cluster(*pods: Json, **answers: Json) -> Cluster:
    return Cluster(Client(pods={"items": list(pods)}, **answers), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("workload", "selector"),
    [
        (PROMETHEUS, "app.kubernetes.io/name=prometheus"),
        # Controllers keep no topics.
        (KAFKA, "app.kubernetes.io/name=kafka,app.kubernetes.io/component=broker"),
    ],
)
def test_a_components_pods_are_selected_by_their_labels(workload: Workload, selector: str) -> None:
    found = cluster(pod("a"))
    assert found.pods_of(workload) == [Pod("a", "node-1", ready=True)]
    path = f"/api/v1/namespaces/{workload.namespace}/pods"
    assert found.client.asked == [(path, {"labelSelector": selector})]  # type: ignore[attr-defined]


def test_the_newest_remaining_pod_is_first() -> None:
    going = pod("going", created="2026-11-09T00:00:00Z", metadata={"deletionTimestamp": "2026-11-09T00:00:01Z"})
    unknown = pod("unknown", metadata={"creationTimestamp": None})
    days = [pod(f"day-{day}", created=f"2026-11-0{day}T00:00:00Z") for day in (2, 3, 1)]
    found = cluster(unknown, *days, going).pods_of(PROMETHEUS)
    assert [one.name for one in found] == ["day-3", "day-2", "day-1", "unknown"]
    assert Cluster(Client(), None).pods_of(PROMETHEUS) == []  # type: ignore[arg-type]


def test_the_same_one_of_many_ready_pods_is_asked_each_time() -> None:
    pods = [pod("b"), pod("c", created="2026-11-09T00:00:00Z"), pod("a", ready="False")]
    assert cluster(*pods).ready_pod(PROMETHEUS).name == "b"


def test_without_a_ready_pod_the_reason_of_the_newest_pod_is_reported() -> None:
    old = pod("old", ready="False", created="2026-10-01T00:00:00Z", phase="Failed")
    new = pod("new", ready="False", containerStatuses=[{"state": {"waiting": {"reason": "ImagePullBackOff"}}}])
    with pytest.raises(AskError) as said:
        cluster(old, new).ready_pod(PROMETHEUS)
    assert str(said.value) == "agents/prometheus has no pod that is ready: new: ImagePullBackOff."
    with pytest.raises(AskError) as said:
        cluster().ready_pod(KAFKA)
    assert str(said.value) == "kafka/kafka in the controlplane has no pod that is ready, and none at all."


CRASHED = {"state": {"terminated": {"reason": "Error", "message": "exit 3"}}}
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [CRASHED]}, ""),
        ({"containerStatuses": [{"state": {"running": {}}}, CRASHED], "conditions": [UNSCHEDULED]}, "Error exit 3"),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CrashLoopBackOff"),
        (
            {"containerStatuses": [{"state": {"waiting": {"message": "no reason"}}}], "phase": "Pending"},
            "phase Pending",
        ),
        ({"conditions": [UNSCHEDULED]}, "0/3 nodes are available"),
        ({"conditions": [{"type": "A", "status": "True", "message": "fine"}, UNSCHEDULED]}, "0/3 nodes are available"),
        ({"conditions": [{"type": "Ready", "status": "False"}], "phase": "Running"}, "phase Running"),
        ({}, "phase unknown"),
        (None, "phase unknown"),
    ],
)
def test_why_a_pod_is_not_ready(status: Json | None, problem: str) -> None:
    found = pod_of({"metadata": {"name": "p"}, "spec": {}, "status": status})
    assert found == Pod("p", "", ready=not problem, problem=problem)


@pytest.mark.parametrize(("node", "simulated"), [("node-1", True), ("node-2", False), ("", False)])
def test_a_pod_on_a_simulated_node_is_simulated(node: str, simulated: bool) -> None:
    fake = {"metadata": {"name": "node-1", "annotations": {"kwok.x-k8s.io/node": "fake"}}}
    found = cluster(**{"node-1": fake, "node-2": {"metadata": {"name": "node-2"}}})
    assert found.simulates(Pod("p", node, ready=True)) is simulated
    asked = [path for path, _ in found.client.asked]  # type: ignore[attr-defined]
    assert asked == ([f"/api/v1/nodes/{node}"] if node else [])


def test_a_component_is_known_by_its_namespace_and_name() -> None:
    def workload(name: str, namespace: str) -> Json:
        template = {"spec": {"containers": [{"name": "c", "image": f"registry.example.com/{name}:v1"}]}}
        metadata = {"name": name, "namespace": namespace, "labels": {PART_OF: "set-1"}}
        spec = {"replicas": 1, "template": template, "selector": {"matchLabels": {"a": "b"}}}
        return {"metadata": metadata, "spec": spec, "status": {"readyReplicas": 1}}

    items = [workload("kafka", "agents"), workload("prometheus", "kafka"), workload("prometheus", "agents")]
    parent = {"metadata": {"name": "agents-applyset", "labels": {ID: "set-1"}}}
    found = cluster(statefulsets={"items": items}, configmaps={"items": [parent]})
    assert found.component(PROMETHEUS) is None
    found.load()
    component = found.component(PROMETHEUS)
    assert component is not None
    assert (component.namespace, component.name, component.applyset) == ("agents", "prometheus", "agents")
    assert found.component(KAFKA) is None
