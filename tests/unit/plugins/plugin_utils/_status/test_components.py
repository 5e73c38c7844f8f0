# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import doctest
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._status import components as module
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._status.components import components, table

PARENT = {"metadata": {"name": "web-applyset", "labels": {"applyset.kubernetes.io/id": "applyset-1"}}}


def workload(kind: str = "Deployment", name: str = "web", owner: str | None = "applyset-1", **parts: Any) -> Any:
    labels = {"applyset.kubernetes.io/part-of": owner} if owner else {}
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "n", "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"spec": {"containers": [{"image": "a.example/b:1.2"}]}},
        },
        "status": {},
        **parts,
    }


def pod(name: str, node: str | None, namespace: str = "n") -> Any:
    spec = {"nodeName": node} if node else {}
    return {"metadata": {"name": "p", "namespace": namespace, "labels": {"app": name}}, "spec": spec}


def node(name: str, *, simulated: bool) -> Any:
    return {"metadata": {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"} if simulated else {}}}


def test_the_documented_examples() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("kind", "status", "counts"),
    [
        ("Deployment", {}, (2, 0)),
        ("Deployment", {"readyReplicas": 2, "updatedReplicas": 2}, (2, 2)),
        # The old pods are ready, the new ones do not exist yet.
        ("Deployment", {"readyReplicas": 2, "updatedReplicas": 1}, (2, 1)),
        ("StatefulSet", {"readyReplicas": 1, "updatedReplicas": 2}, (2, 1)),
        ("DaemonSet", {"desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 3}, (3, 3)),
        ("DaemonSet", {}, (0, 0)),
    ],
)
def test_how_many_are_ready(kind: str, status: dict[str, int], counts: tuple[int, int]) -> None:
    (found,) = components([workload(kind, status=status)], [PARENT], [], [])
    assert (found.desired, found.ready) == counts


def test_objects_outside_of_sets_are_ignored() -> None:
    (found,) = components([workload(), workload(name="theirs", owner=None)], [PARENT], [], [])
    assert (found.applyset, found.name) == ("web", "web")


@pytest.mark.parametrize(
    ("pods", "simulated"),
    [
        ([], False),
        ([pod("web", None)], False),
        ([pod("web", "fake")], True),
        ([pod("web", "fake"), pod("web", "real")], False),
        ([pod("other", "fake"), pod("web", "fake", namespace="elsewhere")], False),
    ],
)
def test_simulated_ones_are_called_so(pods: list[Any], simulated: bool) -> None:
    nodes = [node("fake", simulated=True), node("real", simulated=False)]
    (found,) = components([workload()], [PARENT], pods, nodes)
    assert found.simulated is simulated
    assert ("simulated" in table("staging", [found])) is simulated


def test_a_cluster_without_components() -> None:
    assert table("staging", []) == "staging: no components"
