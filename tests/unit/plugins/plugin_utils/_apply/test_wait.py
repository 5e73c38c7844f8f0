# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait for a set's objects: reads, progress messages, and results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import wait
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError, WaitError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Key, Resource
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.wait import until_gone, until_ready

DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", namespaced=True)
CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True)
CLASSES = Resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)
JOBS = Resource("batch", "v1", "Job", "jobs", namespaced=True)
MAPS = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True)
SELECTOR = "part-of=set"


class Cluster:
    """Objects by path; ``later`` has the events by second."""

    def __init__(self, now: list[float]) -> None:
        self._now = now
        self.objects: dict[str, Json] = {}
        self.later: list[tuple[float, Callable[[], object]]] = []
        self.lists: list[tuple[str, dict[str, str]]] = []
        self.denied: dict[str, int] = {}

    @property
    def seconds(self) -> float:
        return self._now[0] - 1000

    def put(self, resource: Resource, name: str, namespace: str = "n", **fields: Any) -> tuple[Resource, Key, Json]:
        metadata = {"name": name, "uid": f"uid-{name}", "generation": 1} | (
            {"namespace": namespace} if resource.namespaced else {}
        )
        obj = {**fields, "metadata": metadata | fields.get("metadata", {})}
        self.objects[resource.path(namespace if resource.namespaced else "", name)] = obj
        place = namespace if resource.namespaced else ""
        return resource, Key(resource.group, resource.kind, place, name), obj

    def at(self, seconds: float, change: Callable[[], object]) -> None:
        self.later.append((seconds, change))

    def map(self, call: Any, items: Any) -> list[Any]:
        return [call(item) for item in items]

    def get(self, path: str, query: dict[str, str] | None = None) -> Json:
        for seconds, change in list(self.later):
            if self.seconds >= seconds:
                self.later.remove((seconds, change))
                change()
        if path.endswith(("/events", "/pods")):
            return {"items": []}
        self.lists.append((path, query or {}))
        if path in self.denied:
            raise ApiError("denied", self.denied[path])
        prefix, _, plural = path.rpartition("/")
        everywhere = "/namespaces/" not in path
        return {
            "items": [
                {**obj}
                for place, obj in self.objects.items()
                if place.rpartition("/")[0] == path
                or (everywhere and place.startswith(prefix) and place.split("/")[-2] == plural)
            ]
        }


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A fake clock that advances only in sleeps."""
    now = [1000.0]
    monkeypatch.setattr(wait.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(wait.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return Cluster(now)


def deployment(ready: int, wanted: int = 1) -> dict[str, Any]:
    status = {"observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted}
    return {"spec": {"replicas": wanted}, "status": {**status, "availableReplicas": ready, "readyReplicas": ready}}


def waited(cluster: Cluster, *targets: Any, timeout: float = 60, said: list[str] | None = None, **more: Any) -> Any:
    report = (said if said is not None else []).append
    return until_ready(cluster, targets, selector=SELECTOR, timeout=timeout, report=report, **more)  # type: ignore[arg-type]


def hang(call: Callable[[], object]) -> list[str]:
    with pytest.raises(WaitError) as said:
        call()
    return list(said.value.findings)


def test_ready_objects_are_not_read_again(cluster: Cluster) -> None:
    target = cluster.put(DEPLOYMENTS, "a", **deployment(1))
    assert waited(cluster, target) == {target[1]: target[2]}
    assert (cluster.lists, cluster.seconds) == ([], 0)


def test_one_list_of_a_kind_is_read_for_all_its_objects(cluster: Cluster) -> None:
    targets = [cluster.put(DEPLOYMENTS, name, **deployment(0)) for name in "ab"]
    job = cluster.put(JOBS, "j")
    done = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    cluster.at(0.3, lambda: [cluster.put(DEPLOYMENTS, name, **deployment(1)) for name in "ab"])
    cluster.at(2, lambda: cluster.put(JOBS, "j", **done))
    found = waited(cluster, *targets, job)
    assert [obj["metadata"]["name"] for obj in found.values()] == ["a", "b", "j"]
    assert all(obj.get("status") for obj in found.values())
    assert found[job[1]]["kind"] == "Job", "a list's items have no kind of their own"
    assert found[job[1]]["apiVersion"] == "batch/v1"
    path = "/apis/apps/v1/namespaces/n/deployments"
    assert all(query == {"labelSelector": SELECTOR} for _, query in cluster.lists)
    paths = [path for path, _ in cluster.lists]
    assert paths.count(path) < paths.count("/apis/batch/v1/namespaces/n/jobs"), "only what is not ready is read again"


@pytest.mark.parametrize("status", [None, 403])
def test_objects_of_many_namespaces_are_read_at_once_where_that_is_allowed(
    cluster: Cluster, status: int | None
) -> None:
    if status:
        cluster.denied["/apis/apps/v1/deployments"] = status
    targets = [cluster.put(DEPLOYMENTS, "a", place, **deployment(0)) for place in ("n", "m")]
    cluster.at(0.1, lambda: [cluster.put(DEPLOYMENTS, "a", place, **deployment(1)) for place in ("n", "m")])
    assert set(waited(cluster, *targets)) == {target[1] for target in targets}
    each = [f"/apis/apps/v1/namespaces/{place}/deployments" for place in ("m", "n")]
    assert [path for path, _ in cluster.lists] == ["/apis/apps/v1/deployments", *(each if status else [])]


def test_errors_of_the_server_are_errors(cluster: Cluster) -> None:
    cluster.denied["/apis/apps/v1/namespaces/n/deployments"] = 500
    with pytest.raises(ApiError, match="denied"):
        waited(cluster, cluster.put(DEPLOYMENTS, "a", **deployment(0)))


def test_a_kind_that_is_not_served_any_more_has_no_objects(cluster: Cluster) -> None:
    cluster.denied["/apis/apps/v1/namespaces/n/deployments"] = 404
    target = cluster.put(DEPLOYMENTS, "a", **deployment(0))
    assert hang(lambda: waited(cluster, target, timeout=5))[1] == "Deployment.apps n/a: it is not there"


def test_the_timeout_error_contains_objects_and_their_last_state(cluster: Cluster) -> None:
    ready = cluster.put(MAPS, "m")
    targets = [cluster.put(DEPLOYMENTS, f"d{number:02}", **deployment(0, 2)) for number in range(25)]
    cluster.at(3, lambda: cluster.put(DEPLOYMENTS, "d00", **deployment(1, 2)))
    found: dict[Key, Json] = {}
    findings = hang(lambda: waited(cluster, ready, *targets, timeout=20, found=found))
    assert findings[0] == "25 of 26 objects were not ready after 20 s:"
    assert findings[1].startswith("Deployment.apps n/d00: 1 of 2")
    assert findings[2].startswith("Deployment.apps n/d01: 0 of 2")
    assert len(findings) == 21, "twenty are named"
    assert 20 <= cluster.seconds < 24
    assert found[targets[0][1]]["status"]["readyReplicas"] == 1


def test_a_wait_continues_until_its_last_second(cluster: Cluster) -> None:
    target = cluster.put(DEPLOYMENTS, "a", **deployment(0))
    cluster.at(9.9, lambda: cluster.put(DEPLOYMENTS, "a", **deployment(1)))
    assert waited(cluster, target, timeout=10)
    assert cluster.seconds <= 10


def test_an_object_that_cannot_become_ready_ends_the_wait(cluster: Cluster) -> None:
    job = cluster.put(JOBS, "j")
    other = cluster.put(DEPLOYMENTS, "a", **deployment(0))
    failed = {"status": {"conditions": [{"type": "Failed", "status": "True", "message": "it broke"}]}}
    cluster.at(1, lambda: cluster.put(JOBS, "j", **failed))
    head, *rest = hang(lambda: waited(cluster, other, job))
    assert head == "The objects are applied, but:"
    assert len(rest) == 1
    assert rest[0].startswith("Job.batch n/j: ")
    assert "it broke" in rest[0]
    assert rest[0].endswith(". Its log: kubectl --namespace n logs job/j. The next run starts it again.")
    assert cluster.seconds < 5


def test_the_wait_reports_missing_conditions_every_ten_seconds(cluster: Cluster) -> None:
    targets = [cluster.put(DEPLOYMENTS, f"d{number}", **deployment(0)) for number in range(7)]
    cluster.at(15, lambda: cluster.put(DEPLOYMENTS, "d0", **deployment(1)))
    said: list[str] = []
    hang(lambda: waited(cluster, *targets, timeout=35, said=said))
    assert len(said) == 2
    assert said[0].startswith("11 s: 0 of 7 ready; Deployment.apps n/d0: 0 of 1")
    assert said[0].endswith("; and 2 more")
    assert "d4" in said[0]
    assert "d5" not in said[0]
    assert "1 of 7 ready; Deployment.apps n/d1" in said[1]
    assert said[1].endswith("; and 1 more")


def test_five_that_are_missing_are_all_named(cluster: Cluster) -> None:
    targets = [cluster.put(DEPLOYMENTS, f"d{number}", **deployment(0)) for number in range(5)]
    said: list[str] = []
    hang(lambda: waited(cluster, *targets, timeout=15, said=said))
    assert "more" not in said[0]


def test_polling_intervals_increase_to_three_seconds(cluster: Cluster) -> None:
    times: list[float] = []
    read = cluster.get

    def noted(path: str, query: dict[str, str] | None = None) -> Json:
        if path.endswith("/deployments"):
            times.append(cluster.seconds)
        return read(path, query)

    cluster.get = noted  # type: ignore[method-assign]
    hang(lambda: waited(cluster, cluster.put(DEPLOYMENTS, "a", **deployment(0)), timeout=30))
    pauses = [round(after - before, 2) for before, after in zip([0.0, *times], times, strict=False)]
    assert pauses[:3] == [0.25, 0.38, 0.56]
    assert max(pauses) == 3.0


def test_a_job_that_is_removed_soon_is_looked_at_before(cluster: Cluster) -> None:
    """Its end must be observed: later, only an event shows it."""
    job = cluster.put(JOBS, "j", spec={"ttlSecondsAfterFinished": 3})
    complete = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    cluster.at(20.1, lambda: cluster.put(JOBS, "j", spec={"ttlSecondsAfterFinished": 3}, **complete))
    cluster.at(22.9, cluster.objects.clear)
    assert waited(cluster, job)[job[1]]["status"] == complete["status"]


# -- claims


def claim(cluster: Cluster, phase: str = "Pending", class_: str = "late", **metadata: Any) -> Any:
    return cluster.put(
        CLAIMS, "c", spec={"storageClassName": class_}, status={"phase": phase}, metadata={"annotations": metadata}
    )


def test_a_claim_that_binds_on_first_use_is_ready_without_it(cluster: Cluster) -> None:
    cluster.put(CLASSES, "late", volumeBindingMode="WaitForFirstConsumer")
    cluster.put(CLASSES, "soon", volumeBindingMode="Immediate")
    assert waited(cluster, claim(cluster))
    assert cluster.seconds == 0
    waited(cluster, claim(cluster), claim(cluster))
    assert len(cluster.lists) == 2, "classes are read once in a wait"
    assert hang(lambda: waited(cluster, claim(cluster, class_="soon"), timeout=5))[0].startswith("1 of 1")
    assert hang(lambda: waited(cluster, claim(cluster, class_="none"), timeout=5))[0].startswith("1 of 1")
    node = {"volume.kubernetes.io/selected-node": "node-1"}
    assert hang(lambda: waited(cluster, claim(cluster, **node), timeout=5)), "a pod waits for it"


def test_where_classes_may_not_be_read_a_claim_is_waited_for(cluster: Cluster) -> None:
    cluster.put(CLASSES, "late", volumeBindingMode="WaitForFirstConsumer")
    cluster.denied["/apis/storage.k8s.io/v1/storageclasses"] = 403
    assert hang(lambda: waited(cluster, claim(cluster), timeout=5))[0].startswith("1 of 1")


# -- removal


def gone(cluster: Cluster, *targets: Any, timeout: float = 60, said: list[str] | None = None) -> None:
    report = (said if said is not None else []).append
    until_gone(cluster, targets, selector=SELECTOR, timeout=timeout, report=report)  # type: ignore[arg-type]


def test_deleted_resources_are_not_waited_for(cluster: Cluster) -> None:
    targets = [cluster.put(MAPS, name) for name in "ab"]
    cluster.objects.clear()
    gone(cluster, *targets)
    assert (len(cluster.lists), cluster.seconds) == (1, 0)
    gone(cluster)
    assert len(cluster.lists) == 1


def test_removal_is_waited_for_without_deleted_objects(cluster: Cluster) -> None:
    targets = [cluster.put(MAPS, "a"), cluster.put(DEPLOYMENTS, "b", **deployment(1))]
    cluster.at(1, lambda: cluster.objects.pop("/api/v1/namespaces/n/configmaps/a"))
    cluster.at(5, cluster.objects.clear)
    gone(cluster, *targets)
    assert 5 <= cluster.seconds < 8
    paths = [path.rpartition("/")[2] for path, _ in cluster.lists]
    assert paths.count("configmaps") < paths.count("deployments")


def test_a_new_object_of_the_same_name_is_another_one(cluster: Cluster) -> None:
    target = cluster.put(MAPS, "a")
    cluster.put(MAPS, "a", metadata={"uid": "new"})
    gone(cluster, target)
    assert cluster.seconds == 0


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        ({}, "still there"),
        ({"metadata": {"finalizers": ["a.io/x", "b.io/y"]}}, "held by finalizer a.io/x, b.io/y"),
        (
            {
                "spec": {"finalizers": ["kubernetes"]},
                "status": {
                    "conditions": [
                        {"type": "A", "status": "True", "message": "Some content remains"},
                        {"type": "B", "status": "False", "message": "All is well"},
                        {"type": "C", "status": "True"},
                        {"type": "D", "status": "True", "message": "Some finalizers remain"},
                    ]
                },
            },
            "held by finalizer kubernetes; Some content remains Some finalizers remain",
        ),
    ],
)
def test_remaining_objects_are_reported_with_their_reason(cluster: Cluster, fields: dict[str, Any], held: str) -> None:
    targets = [cluster.put(MAPS, "a"), cluster.put(MAPS, "b", **fields)]
    cluster.at(1, lambda: cluster.objects.pop("/api/v1/namespaces/n/configmaps/a"))
    assert hang(lambda: gone(cluster, *targets, timeout=10)) == [
        "1 of 2 objects were not gone after 10 s:",
        f"ConfigMap n/b: {held}",
    ]
    assert 10 <= cluster.seconds < 13


def test_the_wait_reports_remaining_objects_every_ten_seconds(cluster: Cluster) -> None:
    targets = [cluster.put(MAPS, f"m{number}") for number in range(7)]
    cluster.at(5, lambda: cluster.objects.pop("/api/v1/namespaces/n/configmaps/m0"))
    said: list[str] = []
    hang(lambda: gone(cluster, *targets, timeout=25, said=said))
    assert len(said) == 2
    names = ", ".join(f"ConfigMap n/m{number}" for number in range(1, 6))
    assert said[0].endswith(f" s: 1 of 7 gone; waiting for {names}")
    assert said[0].startswith(("10 s", "11 s", "12 s"))
