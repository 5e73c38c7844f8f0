# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set's record contains kinds that the server lacks, or lacks temporarily."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import render
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applier import Applier, Settings
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.discovery import Discovery
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import PlanError

from localcloud.testing import eventually
from tests.integration.apply.conftest import Cluster

pytestmark = pytest.mark.integration

KINDS = "applyset.kubernetes.io/contains-group-kinds"
OBJECTS: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}]
GROUP = "down.example.com"


def record(cluster: Cluster, namespace: str, kinds: str) -> None:
    """Write the record of an earlier run with these kinds."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/s-applyset"
    cluster.send("PATCH", path, {"metadata": {"annotations": {KINDS: kinds}}}, manager="dataplatform.fleet-applyset")


def recorded(cluster: Cluster, namespace: str) -> str:
    parent = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/s-applyset")
    assert parent
    return str(parent["metadata"]["annotations"][KINDS])


@pytest.mark.parametrize("prune", [True, False])
def test_a_kind_that_the_server_no_longer_has_is_removed_from_the_record(
    cluster: Cluster, namespace: str, prune: bool
) -> None:
    cluster.apply("s", namespace, OBJECTS)
    record(cluster, namespace, "ConfigMap,Widget.gone.example.com")
    said: list[str] = []
    applier = Applier(cluster.client, Settings("s", namespace, wait=False, prune=prune), report=said.append)
    applier.present(render.from_definition(OBJECTS))
    assert said == [
        "the server has no kind Widget.gone.example.com any more, so no objects of it: it leaves the set's record"
    ]
    assert recorded(cluster, namespace) == "ConfigMap"
    assert not cluster.apply("s", namespace, OBJECTS).changed


@pytest.fixture
def unavailable(cluster: Cluster) -> Iterator[None]:
    """An API group whose aggregated API server does not respond."""
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    spec = {
        "group": GROUP,
        "version": "v1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "default", "name": "nobody"},
    }
    cluster.send("POST", path, {"metadata": {"name": f"v1.{GROUP}"}, "spec": spec})

    def listed() -> bool:
        discovery = Discovery(cluster.client)
        discovery.load()
        return discovery.stale(GROUP)

    eventually(listed, what="the server lists the group")
    yield
    cluster.send("DELETE", f"{path}/v1.{GROUP}")


@pytest.mark.usefixtures("unavailable")
def test_a_kind_that_cannot_be_read_is_an_error_and_stays_on_the_record(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, OBJECTS)
    kinds = f"ConfigMap,Widget.{GROUP}"
    record(cluster, namespace, kinds)
    with pytest.raises(PlanError, match=rf"kind Widget.{GROUP}.*kubectl get apiservice v1.{GROUP}"):
        cluster.apply("s", namespace, [*OBJECTS, OBJECTS[0] | {"metadata": {"name": "b"}}])
    with pytest.raises(PlanError, match="does not answer"):
        cluster.absent("s", namespace)
    assert recorded(cluster, namespace) == kinds
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/b") is None
    assert cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/a")
