# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes can grow and not shrink: those of a StatefulSet with real controllers, and those of every role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection, render
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError, PlanError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.plan import Action, Ignore
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    Objects,
    render_template,
    role_names,
    select,
    template_files,
)

from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.testing import eventually

from .conftest import Actions, Cluster

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server with the controllers of StatefulSets, volumes and garbage, and a class whose volumes grow."""
    with (
        ControlPlane.temporary(tmp_path_factory.mktemp("volumes"), extras=["kube-controller-manager"]) as plane,
        Client(connection.server_for({"kubeconfig": str(plane.kubeconfig)})) as client,
    ):
        found = Cluster(client)
        for name, grows in (("grows", True), ("gp3", True), ("stays", False)):
            default = {"storageclass.kubernetes.io/is-default-class": "true"} if name == "gp3" else {}
            body = {"metadata": {"name": name, "annotations": default}, "provisioner": "example.com/disks"}
            found.send("POST", "/apis/storage.k8s.io/v1/storageclasses", body | {"allowVolumeExpansion": grows})
        yield found


def claim_spec(size: str, storage_class: str = "grows") -> dict[str, Any]:
    return {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": size}},
    }


def stateful_set(size: str, storage_class: str = "grows", replicas: int = 2, image: str = "db:1") -> Objects:
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db"},
            "spec": {
                "replicas": replicas,
                "serviceName": "db",
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": {"app": "db"}},
                "template": {
                    "metadata": {"labels": {"app": "db"}},
                    "spec": {"containers": [{"name": "db", "image": image}]},
                },
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim_spec(size, storage_class)}],
            },
        }
    ]


class Namespace:
    """A namespace with a StatefulSet in it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def path(self, kind: str = "", name: str = "") -> str:
        group = "/apis/apps/v1" if kind == "statefulsets" else "/api/v1"
        return "/".join(part for part in (f"{group}/namespaces/{self.name}", kind, name) if part)

    def items(self, kind: str) -> dict[str, dict[str, Any]]:
        found = self.cluster.client.get(self.path(kind))["items"]
        return {item["metadata"]["name"]: item for item in found}

    def uids(self, kind: str) -> dict[str, str]:
        return {name: item["metadata"]["uid"] for name, item in self.items(kind).items()}

    def set(self, name: str = "db") -> dict[str, Any]:
        return self.cluster.get(self.path("statefulsets", name)) or {}

    def template_size(self, name: str = "db") -> str:
        size: str = self.set(name)["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
        return size

    def size(self, claim: str) -> str:
        size: str = self.items("persistentvolumeclaims")[claim]["spec"]["resources"]["requests"]["storage"]
        return size

    def bind(self, *claims: str) -> None:
        """Bind each claim to a volume, as a provisioner does, as soon as it exists."""
        for name in claims:
            claim = self._await_claim(name, "")
            body = {
                "metadata": {"name": f"{self.name}-{name}"},
                "spec": {
                    "capacity": claim["spec"]["resources"]["requests"],
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": claim["spec"]["storageClassName"],
                    "hostPath": {"path": "/nowhere"},
                    "claimRef": {"namespace": self.name, "name": name, "uid": claim["metadata"]["uid"]},
                },
            }
            self.cluster.send("POST", "/api/v1/persistentvolumes", body)
        for name in claims:
            self._await_claim(name, "Bound")

    def _await_claim(self, name: str, phase: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            claim = self.items("persistentvolumeclaims").get(name, {})
            return claim if not phase or claim.get("status", {}).get("phase") == phase else {}

        return eventually(look, what=f"the claim {name} is not there, or not {phase or 'there'}")

    def adopted(self, pods: dict[str, str]) -> None:
        """Wait until the current StatefulSet is the only owner of these pods."""

        def owners() -> set[str]:
            found = self.items("pods")
            return {owner["uid"] for name in pods for owner in found[name]["metadata"].get("ownerReferences", [])}

        eventually(lambda: owners() == {self.set()["metadata"]["uid"]}, what="the pods are not adopted")
        found = self.uids("pods")
        assert {name: found[name] for name in pods} == pods


@pytest.fixture
def db(cluster: Cluster, namespace: str) -> Namespace:
    """Two pods with a bound claim of 10Gi each."""
    found = Namespace(cluster, namespace)
    eventually(lambda: found.items("serviceaccounts"), what="no service account")
    cluster.apply("s", namespace, stateful_set("10Gi"))
    found.bind("data-db-0", "data-db-1")
    eventually(lambda: len(found.items("pods")) == 2, what="no pods")
    return found


GROWN = {
    "StatefulSet/db": "replaced",
    "PersistentVolumeClaim/data-db-0": "patched",
    "PersistentVolumeClaim/data-db-1": "patched",
}


def test_a_larger_size_grows_claims_and_templates_and_keeps_the_pods(db: Namespace, actions: Actions) -> None:
    for name in ("other-db-0", "data-db-old-0"):
        body = {"metadata": {"name": name}, "spec": claim_spec("10Gi")}
        db.cluster.send("POST", db.path("persistentvolumeclaims"), body)
    db.bind("other-db-0", "data-db-old-0")
    pods, claims, uid = db.uids("pods"), db.uids("persistentvolumeclaims"), db.set()["metadata"]["uid"]
    revisions = {pod["metadata"]["labels"]["controller-revision-hash"] for pod in db.items("pods").values()}

    checked = db.cluster.apply("s", db.name, stateful_set("20Gi"), check=True)
    assert actions(checked) == GROWN
    assert (db.size("data-db-0"), db.template_size(), db.set()["metadata"]["uid"]) == ("10Gi", "10Gi", uid)

    done = db.cluster.apply("s", db.name, stateful_set("20Gi"))
    assert actions(done) == GROWN
    fields = {action.key.name: action.fields for action in done.actions}
    assert fields == {action.key.name: action.fields for action in checked.actions}
    assert fields["db"] == ["spec.volumeClaimTemplates"]
    assert [db.size(f"data-db-{n}") for n in (0, 1)] == ["20Gi", "20Gi"]
    assert [db.size(name) for name in ("other-db-0", "data-db-old-0")] == ["10Gi", "10Gi"]
    assert db.template_size() == "20Gi"
    assert db.set()["metadata"]["uid"] != uid
    db.adopted(pods)
    assert db.uids("persistentvolumeclaims") == claims
    assert {pod["metadata"]["labels"]["controller-revision-hash"] for pod in db.items("pods").values()} == revisions
    assert not db.cluster.apply("s", db.name, stateful_set("20Gi")).changed
    assert not db.cluster.apply("s", db.name, stateful_set("20480Mi")).changed


def test_a_claim_that_is_made_later_has_the_new_size(db: Namespace) -> None:
    db.cluster.apply("s", db.name, stateful_set("20Gi", replicas=3))
    eventually(lambda: "data-db-2" in db.items("persistentvolumeclaims"), what="no claim")
    assert db.size("data-db-2") == "20Gi"


def test_an_interrupted_replacement_is_taken_up_by_the_next_run(db: Namespace, actions: Actions) -> None:
    pods = db.uids("pods")
    applier = db.cluster.applier("s", db.name)
    send = applier._send

    def breaking(action: Action, *, dry_run: bool = False) -> dict[str, Any]:
        if not dry_run:
            raise ApiError("the server is away.", 503)
        return send(action, dry_run=True)

    applier._send = breaking  # type: ignore[method-assign]
    with pytest.raises(PlanError, match=r"pods and volumes were kept, but .* server is away. .* run the play again"):
        applier.present(render.from_definition(stateful_set("20Gi")))
    assert db.set() == {}
    assert db.uids("pods") == pods

    with pytest.raises(PlanError, match="'data' has 20Gi and cannot become 10Gi"):
        db.cluster.apply("s", db.name, stateful_set("10Gi"))
    assert actions(db.cluster.apply("s", db.name, stateful_set("20Gi"))) == {"StatefulSet/db": "created"}
    db.adopted(pods)
    assert db.template_size() == "20Gi"


def test_ignored_fields_are_kept(db: Namespace) -> None:
    ignore = [Ignore("StatefulSet", "", "", [("f:spec", "f:replicas")])]
    db.cluster.send("PATCH", f"{db.path('statefulsets', 'db')}/scale", {"spec": {"replicas": 4}}, manager="autoscaler")
    eventually(lambda: len(db.items("pods")) == 4, what="not scaled")
    pods = db.uids("pods")
    db.cluster.apply("s", db.name, stateful_set("20Gi"), ignore=ignore)
    assert db.set()["spec"]["replicas"] == 4
    db.adopted(pods)
    assert not db.cluster.apply("s", db.name, stateful_set("20Gi"), ignore=ignore).changed


def test_another_change_of_the_same_run_is_made_too(db: Namespace) -> None:
    done = db.cluster.apply("s", db.name, stateful_set("20Gi", image="db:2"))
    (action,) = [action for action in done.actions if action.key.kind == "StatefulSet"]
    assert action.fields == ["spec.template.spec.containers[name=db].image", "spec.volumeClaimTemplates"]
    assert db.set()["spec"]["template"]["spec"]["containers"][0]["image"] == "db:2"


def test_a_smaller_size_is_refused_before_anything_is_changed(db: Namespace) -> None:
    db.cluster.apply("s", db.name, stateful_set("20Gi"))
    for check in (True, False):
        with pytest.raises(PlanError, match="'data' has 20Gi and cannot become 15Gi: volumes do not shrink") as caught:
            db.cluster.apply("s", db.name, stateful_set("15Gi", replicas=5), check=check)
        assert caught.value.findings[-1] == "Nothing was changed."
    assert db.set()["spec"]["replicas"] == 2


def test_a_smaller_template_is_refused_where_no_claim_was_made_yet(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, stateful_set("10Gi", replicas=0))
    with pytest.raises(PlanError, match="has 10Gi and cannot become 5Gi"):
        cluster.apply("s", namespace, stateful_set("5Gi", replicas=0))


def test_a_storage_class_without_volume_expansion_is_reported(cluster: Cluster, namespace: str) -> None:
    cluster.apply("s", namespace, stateful_set("10Gi", "stays"))
    Namespace(cluster, namespace).bind("data-db-0")
    with pytest.raises(PlanError, match=r"data-db-0: it cannot grow to 20Gi: .*storageclass"):
        cluster.apply("s", namespace, stateful_set("20Gi", "stays", replicas=5))
    assert Namespace(cluster, namespace).template_size() == "10Gi"


def test_a_claim_of_the_set_itself_does_not_shrink(cluster: Cluster, namespace: str) -> None:
    def claim(size: str) -> Objects:
        body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}}
        return [{**body, "spec": claim_spec(size)}]

    cluster.apply("s", namespace, claim("10Gi"))
    Namespace(cluster, namespace).bind("data")
    with pytest.raises(PlanError, match="data: the volume has 10Gi and cannot become 5Gi: volumes do not shrink"):
        cluster.apply("s", namespace, claim("5Gi"))
    cluster.apply("s", namespace, claim("20Gi"))
    assert Namespace(cluster, namespace).size("data") == "20Gi"


# --- The roles' -----------------------------------------------------------------------------------------------------

# The option for the size of each volume that a role keeps, by role and the StatefulSet's or the claim's name.
SIZES = {
    ("elasticsearch", "elasticsearch"): "elasticsearch_storage_size",
    ("fluent_bit", "fluent-bit-events"): "fluent_bit_events_storage_size",
    ("grafana", "grafana-data"): "grafana_storage_size",
    ("kafka", "kafka"): "kafka_storage_size",
    ("kafka", "kafka-controller"): "kafka_controllers_storage_size",
    ("logstash", "logstash"): "logstash_storage_size",
    ("prometheus", "prometheus"): "prometheus_storage_size",
}
MORE = {"kafka": {"kafka_controllers": 3}}


def keeping(role: str, **options: Any) -> dict[str, dict[str, Any]]:
    """The objects of a role that have or make volumes, by name."""
    paths = [path for path in template_files(role) if "storage:" in path.read_text(encoding="utf-8")]
    objects = [item for path in paths for item in render_template(path, host="controlplane", **options)]
    sets = [item for item in select(objects, "StatefulSet") if item["spec"].get("volumeClaimTemplates")]
    return {item["metadata"]["name"]: item for item in [*sets, *select(objects, "PersistentVolumeClaim")]}


def test_every_volume_of_a_role_is_looked_at() -> None:
    assert {(role, name) for role in role_names() for name in keeping(role, **MORE.get(role, {}))} == set(SIZES)


@pytest.mark.parametrize(("role", "name"), SIZES)
def test_the_volumes_of_a_role_grow_and_do_not_shrink(cluster: Cluster, namespace: str, role: str, name: str) -> None:
    def sized(number: int) -> Objects:
        item = keeping(role, **MORE.get(role, {}), **{SIZES[role, name]: f"{number}Gi"})[name]
        return [{**item, "metadata": {**item["metadata"], "namespace": namespace}}]

    there, before = Namespace(cluster, namespace), sized(200)
    cluster.apply("s", namespace, before)
    is_claim = before[0]["kind"] == "PersistentVolumeClaim"
    first = name if is_claim else f"data-{name}-0"
    there.bind(first)
    for check in (True, False):
        with pytest.raises(PlanError, match="has 200Gi and cannot become 150Gi: volumes do not shrink"):
            cluster.apply("s", namespace, sized(150), check=check)
    assert not cluster.apply("s", namespace, before).changed
    cluster.apply("s", namespace, sized(300))
    assert there.size(first) == "300Gi"
    assert is_claim or there.template_size(name) == "300Gi"
    assert not cluster.apply("s", namespace, sized(300)).changed
