# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of StatefulSets grow, and do not shrink."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply import render
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.errors import PlanError

from .conftest import Actions, Cluster

pytestmark = pytest.mark.integration


def claim_spec(size: str, storage_class: str) -> dict[str, Any]:
    return {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": size}},
    }


def stateful_set(size: str, storage_class: str = "grows", replicas: int = 2) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db"},
            "spec": {
                "replicas": replicas,
                "serviceName": "db",
                "selector": {"matchLabels": {"app": "db"}},
                "template": {
                    "metadata": {"labels": {"app": "db"}},
                    "spec": {"containers": [{"name": "db", "image": "db:1"}]},
                },
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim_spec(size, storage_class)}],
            },
        }
    ]


@pytest.fixture(scope="module", autouse=True)
def storage_classes(cluster: Cluster) -> None:
    for name, grows in (("grows", True), ("stays", False)):
        cluster.send(
            "POST",
            "/apis/storage.k8s.io/v1/storageclasses",
            {"metadata": {"name": name}, "provisioner": "example.com/disks", "allowVolumeExpansion": grows},
        )


def claims_path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"


def bind(cluster: Cluster, namespace: str, name: str, size: str, storage_class: str = "grows") -> None:
    """What the StatefulSet's and the volumes' controllers do."""
    spec = {**claim_spec(size, storage_class), "volumeName": f"{namespace}-{name}"}
    cluster.send("POST", claims_path(namespace), {"metadata": {"name": name}, "spec": spec})
    bound = {"status": {"phase": "Bound", "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"]}}
    cluster.send("PATCH", f"{claims_path(namespace)}/{name}/status", bound)


def size_of(cluster: Cluster, namespace: str, name: str) -> str:
    claim = cluster.get(f"{claims_path(namespace)}/{name}")
    assert claim is not None
    size: str = claim["spec"]["resources"]["requests"]["storage"]
    return size


def test_a_larger_size_grows_the_claims_and_keeps_the_pods(cluster: Cluster, namespace: str, actions: Actions) -> None:
    cluster.apply("s", namespace, stateful_set("10Gi"))
    for name in ("data-db-0", "data-db-1", "other-db-0", "data-db-old-0"):
        bind(cluster, namespace, name, "10Gi")

    checked = cluster.apply("s", namespace, stateful_set("20Gi"), check=True)
    expected = {
        "StatefulSet/db": "unchanged",
        "PersistentVolumeClaim/data-db-0": "patched",
        "PersistentVolumeClaim/data-db-1": "patched",
    }
    assert actions(checked) == expected
    assert size_of(cluster, namespace, "data-db-0") == "10Gi"

    done = cluster.apply("s", namespace, stateful_set("20Gi"))
    assert actions(done) == expected
    assert [diff["after"]["spec"]["resources"] for diff in done.diff()] == [{"requests": {"storage": "20Gi"}}] * 2
    assert [size_of(cluster, namespace, f"data-db-{n}") for n in (0, 1)] == ["20Gi", "20Gi"]
    assert [size_of(cluster, namespace, name) for name in ("other-db-0", "data-db-old-0")] == ["10Gi", "10Gi"]
    assert not cluster.apply("s", namespace, stateful_set("20Gi")).changed
    assert not cluster.apply("s", namespace, stateful_set("20480Mi")).changed


def test_a_smaller_size_is_refused_before_anything_is_changed(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, stateful_set("10Gi"))
    bind(cluster, namespace, "data-db-0", "10Gi")
    cluster.apply("s", namespace, stateful_set("20Gi"))
    for check in (True, False):
        with pytest.raises(PlanError, match="'data' has 20Gi and cannot become 15Gi: volumes do not shrink") as caught:
            cluster.apply("s", namespace, stateful_set("15Gi", replicas=5), check=check)
        assert caught.value.findings[-1] == "Nothing was changed."
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/db"
    assert (cluster.get(path) or {})["spec"]["replicas"] == 2


def test_a_smaller_template_is_refused_where_no_claim_was_made_yet(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, stateful_set("10Gi"))
    with pytest.raises(PlanError, match="has 10Gi and cannot become 5Gi"):
        cluster.apply("s", namespace, stateful_set("5Gi"))


def test_a_class_that_does_not_let_volumes_grow_is_named(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, stateful_set("10Gi", "stays"))
    bind(cluster, namespace, "data-db-0", "10Gi", "stays")
    with pytest.raises(PlanError, match=r"data-db-0: it cannot grow to 20Gi: .*storageclass"):
        cluster.apply("s", namespace, stateful_set("20Gi", "stays", replicas=5), check=True)


def test_claims_made_by_the_run_itself_get_their_size_too(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, stateful_set("10Gi"))
    bind(cluster, namespace, "data-db-0", "10Gi")
    engine = cluster.engine("s", namespace)
    change = engine._change

    def with_a_controller(*args: Any) -> None:
        change(*args)
        bind(cluster, namespace, "data-db-2", "10Gi")

    engine._change = with_a_controller  # type: ignore[method-assign]
    engine.present(render.from_definition(stateful_set("20Gi", replicas=3)))
    assert size_of(cluster, namespace, "data-db-2") == "20Gi"
    assert not cluster.apply("s", namespace, stateful_set("20Gi", replicas=3)).changed
