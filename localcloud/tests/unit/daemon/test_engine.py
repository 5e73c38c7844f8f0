# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from localcloud.artifacts.binaries import Binaries
from localcloud.daemon import engine as module
from localcloud.daemon.containers import WEBHOOK_FILE, Container
from localcloud.daemon.engine import Engine, wanted
from localcloud.daemon.server import Cloud
from localcloud.daemon.state import StateDir
from localcloud.kubernetes.control_plane import check_version, playable
from localcloud.model import LocalCloudError

LABELS = {"account_id": "111122223333", "region": "eu-central-1", "cluster_name": "one"}
SCOPE = ("111122223333", "eu-central-1", "one")


class Clusters(dict[tuple[str, str, str], dict[str, Any]]):
    """Stands for the emulator's store."""

    def get_scoped(self, *key: str) -> dict[str, Any] | None:
        return self.get(key)


class Plane:
    """Stands for a control plane; the real one is tested for real elsewhere."""

    instances: ClassVar[list[Plane]] = []
    fails = ""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory = directory
        self.options = options
        self.prefix = "/" + options["prefix"]
        self.version = options["version"]
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

    @property
    def stopped(self) -> bool:
        return not self.running


@pytest.fixture
def eks(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setattr(module, "ControlPlane", Plane)
    monkeypatch.setattr(module.Etcd, "start", lambda *_: None)
    monkeypatch.setattr(Engine, "_start_controllers", lambda *_: None)
    monkeypatch.setattr(Engine, "reconcile_access", lambda *_: True)
    monkeypatch.setattr(Plane, "instances", [])
    entry = {"username": "arn:aws:sts::1:assumed-role/dev/{{SessionName}}"}
    return SimpleNamespace(_clusters=Clusters(), _access_entry_for_principal=lambda *_: entry)


@pytest.fixture
def engine(tmp_path: Path, eks: SimpleNamespace) -> Engine:
    engine = Engine(StateDir(tmp_path), Binaries())
    engine.install(eks)
    return engine


def start(
    engine: Engine,
    eks: SimpleNamespace,
    auth: str = "secret",
    command: list[str] | None = None,
    name: str = "one",
) -> Container:
    """Do what the emulator does for CreateCluster."""
    eks._clusters.setdefault((*SCOPE[:2], name), {"status": "CREATING", "version": "1.36", "_auth_token": auth})
    client = eks._get_docker()
    labels = {**LABELS, "cluster_name": name}
    container = client.containers.create(ports={"6443/tcp": 20001}, labels=labels, command=command or [], image="k3s")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        content = b"server: http://host.docker.internal:4566/x"
        member = tarfile.TarInfo(WEBHOOK_FILE)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    container.put_archive("/", buffer.getvalue())
    container.start()
    return container


def test_a_container_becomes_a_control_plane(engine: Engine, eks: SimpleNamespace) -> None:
    oidc = ["server", "--tls-san=0.0.0.0", "--kube-apiserver-arg=oidc-issuer-url=https://x"]
    container = start(engine, eks, command=oidc)
    options = Plane.instances[0].options
    assert container.status == "running"
    assert options["port"] == 20001
    assert options["version"] == "1.36"
    assert options["webhook"] == b"server: http://127.0.0.1:4566/x"
    assert options["arguments"] == ["--oidc-issuer-url=https://x"]
    assert eks._get_docker().containers.get(container.id) is container
    reference = engine.find(*SCOPE)
    assert reference is not None
    assert (reference.name, reference.endpoint) == ("one", "https://127.0.0.1:20001")


def test_a_failure_is_not_called_active(engine: Engine, eks: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plane, "fails", "no more ports")
    with pytest.raises(SystemExit):
        start(engine, eks)
    record = eks._clusters[SCOPE]
    assert record["status"] == "FAILED"
    assert record["health"]["issues"][0]["message"] == "no more ports"
    assert engine.summary()["111122223333-eu-central-1-one"]["issues"] == ["no more ports"]


def test_a_cluster_deleted_while_it_starts_is_stopped(
    engine: Engine, eks: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    purged: list[str] = []
    monkeypatch.setattr(engine.etcd, "purge", purged.append)
    monkeypatch.setattr(Plane, "start", lambda _: eks._clusters.clear())
    with pytest.raises(SystemExit):
        start(engine, eks)
    assert engine.containers() == []
    assert purged == [Plane.instances[0].prefix]


def test_a_restart_keeps_the_data_and_a_new_cluster_does_not(
    engine: Engine, eks: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    purged: list[str] = []
    monkeypatch.setattr(engine.etcd, "purge", purged.append)
    first = start(engine, eks)
    first.stop(timeout=5)
    first.remove(v=True, force=True)
    assert purged == []
    second = start(engine, eks)
    assert Plane.instances[0].prefix == Plane.instances[1].prefix

    eks._clusters[SCOPE]["status"] = "DELETING"
    second.stop()
    second.remove()
    assert purged == [Plane.instances[1].prefix]
    (Plane.instances[1].directory / "audit.jsonl").write_text("old")
    eks._clusters.clear()
    start(engine, eks, auth="another")
    assert Plane.instances[2].prefix != Plane.instances[1].prefix
    assert not (Plane.instances[2].directory / "audit.jsonl").exists()


def test_only_the_ca_is_shown(engine: Engine, eks: SimpleNamespace) -> None:
    container = start(engine, eks)
    Plane.instances[0].ca_file.write_text("CERTIFICATE")
    assert container.exec_run("cat /var/lib/rancher/k3s/server/tls/server-ca.crt") == (0, b"CERTIFICATE")
    assert container.exec_run(["kubectl", "delete", "namespace", "x"]).exit_code == 126


def test_usernames_of_access_entries_are_filled_in(engine: Engine, eks: SimpleNamespace) -> None:
    entry = eks._access_entry_for_principal("one", "1", "r", "arn:aws:sts::1:assumed-role/dev/jane")
    assert entry["username"] == "arn:aws:sts::1:assumed-role/dev/jane"


def test_an_upgrade_needs_a_running_cluster(engine: Engine) -> None:
    with pytest.raises(LocalCloudError, match="Cluster one has no running control plane"):
        engine.upgrade(*SCOPE, "1.37")


@pytest.mark.parametrize("version", ["1.20", "1.99", "2.0", "latest", ""])
def test_versions_that_cannot_be_played_are_refused(version: str) -> None:
    with pytest.raises(LocalCloudError, match=r"the control planes play 1\.\d+, 1\.\d+, 1\.\d+"):
        check_version(version, Binaries())


def test_versions_are_oldest_first(engine: Engine) -> None:
    assert engine.versions() == playable(Binaries())
    assert list(engine.versions()) == sorted(engine.versions())


@pytest.mark.parametrize(
    ("choice", "works", "expected"),
    [("native", True, True), ("auto", True, False), ("auto", False, True), ("docker", True, False)],
)
def test_docker_is_taken_where_it_works(
    monkeypatch: pytest.MonkeyPatch, choice: str, works: bool, expected: bool
) -> None:
    def ping() -> None:
        if not works:
            raise OSError("no daemon")

    docker = SimpleNamespace(from_env=lambda **_: SimpleNamespace(ping=ping))
    monkeypatch.setitem(sys.modules, "docker", docker)
    monkeypatch.setenv("LOCALCLOUD_ENGINE", choice)
    assert wanted() is expected


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("docker", "LOCALCLOUD_ENGINE is docker, and Docker cannot be used"),
        ("podman", "it can be auto, native or docker"),
    ],
)
def test_an_engine_that_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch, choice: str, message: str) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    monkeypatch.setenv("LOCALCLOUD_ENGINE", choice)
    with pytest.raises(LocalCloudError, match=message):
        wanted()


@pytest.fixture
def cloud(tmp_path: Path, eks: SimpleNamespace) -> Iterator[Cloud]:
    state = StateDir(tmp_path)
    cloud = Cloud(state, 4700)
    assert cloud.engine is not None
    cloud.engine.install(eks)
    yield cloud
    cloud.engine.stop()


def test_clusters_that_come_and_go_at_once_are_all_recorded(
    cloud: Cloud, eks: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"cluster-{number}" for number in range(8)]
    engine = cloud.engine
    assert engine is not None
    ready = threading.Barrier(len(names))
    monkeypatch.setattr(Plane, "start", lambda self: (ready.wait(), setattr(self, "running", True)))

    def recorded() -> set[str]:
        return {item["name"] for item in json.loads(StateDir(tmp_path).file.read_text())["clusters"].values()}

    for _ in range(20):
        created = at_once(names, lambda name: start(engine, eks, name=name))
        assert {container.status for container in created} == {"running"}
        assert [record["status"] for record in eks._clusters.values()] == ["CREATING"] * len(names)
        assert recorded() == set(names)
        eks._clusters.clear()
        at_once(created, lambda container: (container.stop(), container.remove()))
        assert recorded() == set()


def at_once[T, R](items: Sequence[T], work: Callable[[T], R]) -> list[R]:
    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(work, items))


def test_a_state_that_cannot_be_written_fails_no_control_plane(
    cloud: Cloud, eks: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert cloud.engine is not None
    StateDir(tmp_path).file.mkdir()
    container = start(cloud.engine, eks)
    assert container.status == "running"
    assert eks._clusters[SCOPE]["status"] == "CREATING"
    assert "localcloud.json could not be written, and will be later" in caplog.text


def test_whoever_keeps_the_books_fails_no_control_plane(tmp_path: Path, eks: SimpleNamespace) -> None:
    engine = Engine(StateDir(tmp_path), Binaries(), lambda: (_ for _ in ()).throw(OSError("no space")))
    engine.install(eks)
    container = start(engine, eks)
    assert container.status == "running"
    container.stop()
    container.remove()
    assert engine.containers() == []


def test_a_cluster_that_could_not_start_says_its_own_reason(
    tmp_path: Path, eks: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(StateDir(tmp_path), Binaries(), lambda: (_ for _ in ()).throw(OSError("no space")))
    engine.install(eks)
    monkeypatch.setattr(Plane, "fails", "no memory")
    with pytest.raises(SystemExit):
        start(engine, eks)
    assert eks._clusters[SCOPE]["health"]["issues"][0]["message"] == "no memory"


def test_a_port_that_is_taken_meanwhile_is_replaced(
    engine: Engine, eks: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    eks._cluster_endpoint = lambda port: f"https://127.0.0.1:{port}"
    free = iter([False, True])
    monkeypatch.setattr(module, "port_is_free", lambda _: next(free))
    monkeypatch.setattr(module, "free_port", lambda: 20002)

    def begin(plane: Plane) -> None:
        if plane.options["port"] == 20001:
            raise LocalCloudError("address already in use")
        plane.running = True

    monkeypatch.setattr(Plane, "start", begin)
    container = start(engine, eks)
    assert container.status == "running"
    assert container.plane is not None
    assert container.plane.endpoint == "https://127.0.0.1:20002"
    assert eks._cluster_endpoint(20001) == "https://127.0.0.1:20002"
    assert eks._cluster_endpoint(20003) == "https://127.0.0.1:20003"


def test_what_the_end_of_the_daemon_interrupts_is_no_error(
    engine: Engine, eks: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def begin(_: Plane) -> None:
        engine.supervisor.stop()
        raise LocalCloudError("the API server ended with status -15")

    monkeypatch.setattr(Plane, "start", begin)
    with pytest.raises(SystemExit):
        start(engine, eks)
    assert caplog.text == ""


def test_a_failed_cluster_leaves_with_its_record(
    engine: Engine, eks: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plane, "fails", "no memory")
    with pytest.raises(SystemExit):
        start(engine, eks)
    # What the emulator does for DeleteCluster.
    container = eks._get_docker().containers.get(eks._clusters.pop(SCOPE)["_docker_id"])
    container.stop(timeout=5)
    container.remove(v=True, force=True)
    assert engine.summary() == {}


def test_what_an_upgrade_left_stopped_is_started_again(
    engine: Engine, eks: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = start(engine, eks)
    assert container.plane is not None
    eks._clusters[SCOPE]["_status"] = "ACTIVE"
    assert engine.revive() == []
    container.plane.stop()
    eks._clusters[SCOPE]["_status"] = "UPDATING"
    assert engine.revive() == []
    eks._clusters[SCOPE]["_status"] = "ACTIVE"
    monkeypatch.setattr(Plane, "fails", "no memory")
    assert engine.revive() == ["Cluster one does not run and could not be started: no memory"]
    monkeypatch.setattr(Plane, "fails", "")
    assert engine.revive() == ["Cluster one did not run: it is started again"]
    assert container.status == "running"
