# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from localcloud.artifacts.binaries import Binaries
from localcloud.daemon import clusters as module
from localcloud.daemon.clusters import Clusters
from localcloud.daemon.server import Cloud
from localcloud.daemon.state import StateDir
from localcloud.kubernetes.control_plane import check_version, playable
from localcloud.model import ClusterKey, ClusterSpec, LocalCloudError

KEY = ClusterKey("111122223333", "eu-central-1", "one")
SPEC = ClusterSpec(KEY, "1.36", "10.100.0.0/16", "/review/secret", ("--oidc-issuer-url=https://x",))


class Plane:
    """A fake control plane; integration tests use real ones."""

    instances: ClassVar[list[Plane]] = []
    fails = ""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory = directory
        self.options = options
        self.prefix = "/" + options["prefix"]
        self.version = options["version"]
        self.arguments = options["arguments"]
        self.endpoint = f"https://127.0.0.1:{options['port']}"
        self.kubeconfig = self.system_kubeconfig = directory / "kubeconfig"
        self.ca_file = directory / "ca.crt"
        self.running = False
        Plane.instances.append(self)

    def start(self) -> None:
        if self.fails:
            raise LocalCloudError(self.fails)
        self.running = True

    def stop(self, grace: float = 1) -> None:
        assert grace <= 1
        self.running = False

    def restart(self, version: str) -> None:
        self.stop()
        self.version = version
        self.start()

    @property
    def stopped(self) -> bool:
        return not self.running


class Policies:
    """Fake access policies of the EKS API."""

    role_label, binding_label = "role", "binding"
    follows = False

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)

    def objects(self, key: ClusterKey, _namespaces: Sequence[str]) -> list[dict[str, Any]]:
        assert key == KEY
        self.asked.release()
        return []

    def follow_namespaces(self, _key: ClusterKey) -> bool:
        return self.follows


@pytest.fixture(autouse=True)
def planes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ControlPlane", Plane)
    monkeypatch.setattr(module.Etcd, "start", lambda *_: None)
    monkeypatch.setattr(module.Etcd, "purge", lambda *_: None)
    monkeypatch.setattr(Clusters, "_start_controllers", lambda *_: None)
    monkeypatch.setattr(Plane, "instances", [])


@pytest.fixture
def clusters(tmp_path: Path) -> Clusters:
    return Clusters(StateDir(tmp_path), Binaries(), endpoint_url="http://127.0.0.1:4566")


def test_a_cluster_is_a_control_plane(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_port", lambda: 20001)
    reference = clusters.create(SPEC)
    options = Plane.instances[0].options
    assert options["port"] == 20001
    assert options["version"] == "1.36"
    assert options["webhook_url"] == "http://127.0.0.1:4566/review/secret"
    assert options["arguments"] == ("--oidc-issuer-url=https://x",)
    assert (reference.name, reference.endpoint) == ("one", "https://127.0.0.1:20001")
    assert clusters.summary()[str(KEY)]["status"] == "ACTIVE"


def test_a_failure_is_not_called_active(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plane, "fails", "no more ports")
    with pytest.raises(LocalCloudError, match="no more ports"):
        clusters.create(SPEC)
    described = clusters.summary()[str(KEY)]
    assert (described["status"], described["issues"]) == ("FAILED", ["no more ports"])
    assert clusters.revive() == []
    clusters.delete(KEY)
    assert clusters.summary() == {}


def test_a_cluster_deleted_while_it_starts_is_stopped(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    purged: list[str] = []
    monkeypatch.setattr(clusters.etcd, "purge", purged.append)

    def start(plane: Plane) -> None:
        clusters.delete(KEY)
        plane.running = True

    monkeypatch.setattr(Plane, "start", start)
    with pytest.raises(LocalCloudError, match="was deleted while it was starting"):
        clusters.create(SPEC)
    assert clusters.all() == []
    assert not Plane.instances[0].running
    assert set(purged) == {Plane.instances[0].prefix}


def test_a_restart_keeps_the_data_and_a_new_cluster_does_not(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    purged: list[str] = []
    monkeypatch.setattr(clusters.etcd, "purge", purged.append)
    clusters.create(SPEC)
    (plane,) = Plane.instances
    clusters.restart(KEY, ["--oidc-client-id=y"])
    assert (plane.running, plane.version, plane.arguments) == (True, "1.36", ["--oidc-client-id=y"])
    clusters.upgrade(KEY, "1.37")
    assert (plane.running, plane.version, purged) == (True, "1.37", [])
    (plane.directory / "audit.jsonl").write_text("old")
    clusters.delete(KEY)
    assert (plane.running, purged) == (False, [plane.prefix])
    clusters.create(replace(SPEC, webhook_path="/review/another"))
    assert Plane.instances[1].prefix != plane.prefix
    assert not (plane.directory / "audit.jsonl").exists()


def test_an_upgrade_needs_a_running_cluster(clusters: Clusters) -> None:
    with pytest.raises(LocalCloudError, match="Cluster one has no running control plane"):
        clusters.upgrade(KEY, "1.37")


@pytest.mark.parametrize("follows", [False, True])
def test_access_is_in_place_before_a_cluster_is_active_and_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, follows: bool
) -> None:
    monkeypatch.setattr(module, "ACCESS_INTERVAL", 0.02)
    monkeypatch.setattr(module.rbac, "namespaces", lambda _: [])
    monkeypatch.setattr(module.rbac, "managed", lambda *_: [])
    policies = Policies()
    policies.follows = follows
    clusters = Clusters(StateDir(tmp_path), Binaries(), policies=policies)
    clusters.create(SPEC)
    assert policies.asked.acquire(timeout=0)
    # Without a change, only policies that are limited to namespaces are evaluated again.
    assert policies.asked.acquire(timeout=1 if follows else 0.2) is follows
    clusters.access_changed(KEY)
    assert policies.asked.acquire(timeout=5)
    clusters.delete(KEY)
    clusters.supervisor.stop()


def test_access_policies_that_could_not_be_applied_are_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACCESS_INTERVAL", 0.02)
    answers = iter([OSError("no"), OSError("no"), []])

    def namespaces(_: Any) -> Any:
        answer = next(answers, [])
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(module.rbac, "namespaces", namespaces)
    monkeypatch.setattr(module.rbac, "managed", lambda *_: [])
    policies = Policies()
    clusters = Clusters(StateDir(tmp_path), Binaries(), policies=policies)
    clusters.create(SPEC)
    assert policies.asked.acquire(timeout=5)
    clusters.delete(KEY)
    clusters.supervisor.stop()


@pytest.mark.parametrize("version", ["1.20", "1.99", "2.0", "latest", ""])
def test_versions_that_cannot_be_emulated_are_refused(version: str) -> None:
    with pytest.raises(LocalCloudError, match=r"the control planes support 1\.\d+, 1\.\d+, 1\.\d+"):
        check_version(version, Binaries())


def test_versions_are_oldest_first(clusters: Clusters) -> None:
    assert clusters.versions() == playable(Binaries())
    assert list(clusters.versions()) == sorted(clusters.versions())


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Clusters]:
    """The daemon's clusters, with its record."""
    clusters = Cloud(StateDir(tmp_path), 4700).clusters
    assert clusters is not None
    yield clusters
    clusters.stop()


def test_clusters_that_come_and_go_at_once_are_all_recorded(
    cloud: Clusters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [replace(KEY, name=f"cluster-{number}") for number in range(8)]
    ready = threading.Barrier(len(keys))
    monkeypatch.setattr(Plane, "start", lambda self: (ready.wait(), setattr(self, "running", True)))

    def recorded() -> set[str]:
        return {item["name"] for item in json.loads(StateDir(tmp_path).file.read_text())["clusters"].values()}

    for _ in range(20):
        at_once(keys, lambda key: cloud.create(replace(SPEC, key=key)))
        assert {cluster.status for cluster in cloud.all()} == {"ACTIVE"}
        assert recorded() == {key.name for key in keys}
        at_once(keys, cloud.delete)
        assert recorded() == set()


def at_once[T, R](items: Sequence[T], work: Callable[[T], R]) -> list[R]:
    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(work, items))


def test_a_state_that_cannot_be_written_fails_no_control_plane(
    cloud: Clusters, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    StateDir(tmp_path).file.mkdir()
    cloud.create(SPEC)
    assert "localcloud.json could not be written, and is written later" in caplog.text


def test_a_failed_report_does_not_affect_the_control_plane(tmp_path: Path) -> None:
    clusters = Clusters(StateDir(tmp_path), Binaries(), lambda: (_ for _ in ()).throw(OSError("no space")))
    clusters.create(SPEC)
    clusters.delete(KEY)
    assert clusters.all() == []


def test_a_cluster_that_could_not_start_reports_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = Clusters(StateDir(tmp_path), Binaries(), lambda: (_ for _ in ()).throw(OSError("no space")))
    monkeypatch.setattr(Plane, "fails", "no memory")
    with pytest.raises(LocalCloudError, match="no memory"):
        clusters.create(SPEC)


def test_a_port_that_is_taken_meanwhile_is_replaced(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = iter([20001, 20002])
    monkeypatch.setattr(module, "port_is_free", lambda port: port != 20001)
    monkeypatch.setattr(module, "free_port", lambda: next(ports))

    def begin(plane: Plane) -> None:
        if plane.options["port"] == 20001:
            raise LocalCloudError("address already in use")
        plane.running = True

    monkeypatch.setattr(Plane, "start", begin)
    assert clusters.create(SPEC).endpoint == "https://127.0.0.1:20002"


def test_an_interruption_by_the_end_of_the_daemon_is_not_an_error(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def begin(_: Plane) -> None:
        clusters.supervisor.stop()
        raise LocalCloudError("the API server ended with status -15")

    monkeypatch.setattr(Plane, "start", begin)
    with pytest.raises(LocalCloudError):
        clusters.create(SPEC)
    assert caplog.text == ""


def test_control_planes_that_an_upgrade_left_stopped_are_restarted(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters.create(SPEC)
    (plane,) = Plane.instances
    assert clusters.revive() == []

    def fails(_: Plane, version: str) -> None:
        plane.stop()
        # Another command reads the state in the meantime.
        assert clusters.revive() == []
        raise LocalCloudError(f"{version} does not start, nor does the old version")

    monkeypatch.setattr(Plane, "restart", fails)
    with pytest.raises(LocalCloudError):
        clusters.upgrade(KEY, "1.37")
    monkeypatch.setattr(Plane, "fails", "no memory")
    assert clusters.revive() == ["Cluster one does not run and could not be started: no memory"]
    monkeypatch.setattr(Plane, "fails", "")
    assert clusters.revive() == ["Cluster one did not run: it was restarted"]
    assert plane.running
