# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration, requirements and cleanup of real nodes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from localcloud.controllers.nodespec import block_of
from localcloud.model import LocalCloudError
from localcloud.nodes import cgroups, cleanup, configuration, real_nodes, requirements
from localcloud.nodes.gateway import Gateway
from localcloud.nodes.images import Registries, full, registry, starts_missing

NETWORK = configuration.Network("10.40.16.9", block_of("10.40.16.0/20"), ("10.40.16.33",), "10.40.0.2", "172.20.0.0/16")
SIZE = configuration.Size(cpus=8, memory_kib=32 << 20, pods=58, reserved_cpu_millis=90, reserved_memory_mib=893)


def test_blocks_of_subnets() -> None:
    assert NETWORK.block == IPv4Network("10.40.31.0/24")
    assert NETWORK.pods == IPv4Network("10.40.31.0/25")
    assert NETWORK.load_balancers == IPv4Network("10.40.31.128/25")
    assert block_of("10.44.0.0/24") == IPv4Network("10.44.0.128/25")
    assert configuration.resolver_of("10.40.0.0/16") == "10.40.0.2"


def test_kubelet_does_not_change_the_host() -> None:
    text = configuration.kubelet(
        NETWORK,
        SIZE,
        provider_id="aws:///eu-central-1a/i-0",
        cgroup_root="/localcloud-0/n",
        pki=Path("/pki"),
        ca_file=Path("/ca.crt"),
        resolv_conf=Path("/resolv.conf"),
    )
    settings = yaml.safe_load(text)
    assert settings["cgroupRoot"] == "/localcloud-0/n"
    assert settings["protectKernelDefaults"] is True
    assert settings["makeIPTablesUtilChains"] is False
    assert settings["clusterDNS"] == ["172.20.0.10"]
    assert settings["maxPods"] == 58
    assert settings["kubeReserved"] == {"cpu": "90m", "memory": "893Mi"}


def test_pods_get_addresses_of_their_half_of_the_block() -> None:
    plugin = json.loads(configuration.cni(NETWORK))["plugins"][0]
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.40.31.0/25"}]]


def test_memory_that_a_machine_sees() -> None:
    text = configuration.meminfo("MemTotal:        1000 kB\nMemFree:          10 kB\n", 2048)
    assert text == "MemTotal:       2048 kB\nMemFree:          10 kB\n"


def test_fabric_allows_what_both_route_tables_allow() -> None:
    def accepted(*routes: tuple[str, tuple[str, ...]]) -> list[str]:
        lines = real_nodes.fabric_rules(list(routes)).splitlines()
        return [line.strip().removesuffix(" accept") for line in lines if "saddr" in line]

    own = ["ip saddr 10.40.0.0/16 ip daddr 10.40.0.0/16", "ip saddr 10.42.0.0/16 ip daddr 10.42.0.0/16"]
    # A deleted route also ends established connections, as in a VPC.
    assert "established" not in real_nodes.fabric_rules([])
    one_way = (("10.40.0.0/16", ("10.42.0.0/16",)), ("10.42.0.0/16", ()))
    assert accepted(*one_way) == own
    both = accepted(("10.40.0.0/16", ("10.42.0.0/16",)), ("10.42.0.0/16", ("10.40.0.0/15",)))
    assert both == [
        own[0],
        "ip saddr 10.40.0.0/16 ip daddr 10.42.0.0/16",
        "ip saddr 10.42.0.0/16 ip daddr 10.40.0.0/16",
        own[1],
    ]


@pytest.mark.parametrize(
    ("reference", "expected", "host"),
    [
        ("busybox", "docker.io/library/busybox:latest", "registry-1.docker.io"),
        ("apache/kafka:90.1.2", "docker.io/apache/kafka:90.1.2", "registry-1.docker.io"),
        ("docker.io/apache/kafka:90.1.2", "docker.io/apache/kafka:90.1.2", "registry-1.docker.io"),
        ("quay.io/a/b", "quay.io/a/b:latest", "quay.io"),
        ("quay.io/a/b@sha256:00", "quay.io/a/b@sha256:00", "quay.io"),
        ("localhost/a", "localhost/a:latest", "localhost"),
    ],
)
def test_full_references(reference: str, expected: str, host: str) -> None:
    assert full(reference) == expected
    assert registry(reference) == (host, 443)


def test_port_of_a_registry() -> None:
    assert full("registry:5000/a:1") == "registry:5000/a:1"
    assert registry("registry:5000/a:1") == ("registry", 5000)


def test_registry_is_asked_once() -> None:
    asked: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], **_: float) -> socket.socket:
        asked.append(address)
        raise OSError("no route")

    registries = Registries(connect=refuse)
    assert not registries.reachable("quay.io/a/b:1")
    assert not registries.reachable("quay.io/c/d:1")
    assert asked == [("quay.io", 443)]
    assert not Registries(allowed=False, connect=refuse).reachable("ghcr.io/a/b")
    assert len(asked) == 1


def test_container_that_starts_a_program_its_image_lacks() -> None:
    from localcloud.artifacts.images import available  # noqa: PLC0415 - builds all recipes

    recipe = next(recipe for recipe in available().values() if recipe.lacks)
    program = next(iter(recipe.lacks))
    assert starts_missing({"command": [program]}, recipe)
    assert starts_missing({"args": ["-x", program]}, recipe)
    assert not starts_missing({"command": ["/bin/bash", "-c", "cp"]}, recipe)


# -- control groups


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """A directory tree like the hierarchies of version 1."""
    for name in ("cpu", "cpuset", "memory", "unified"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    (tmp_path / "cpuset" / "cpuset.cpus").write_text("0-1\n")
    return tmp_path


def test_branch_in_every_hierarchy_and_its_end(version_1: Path) -> None:
    assert cgroups.create("localcloud-0", "n", version_1) == "/localcloud-0/n"
    branches = [version_1 / name / "localcloud-0" / "n" for name in ("cpu", "cpuset", "memory")]
    assert all(branch.is_dir() for branch in branches)
    (branches[0] / "kubepods" / "pod1").mkdir(parents=True)
    (version_1 / "unified" / "localcloud-0" / "n").mkdir(parents=True)
    assert cgroups.remove("localcloud-0", "n", version_1) == []
    assert not any(branch.exists() for branch in branches)
    assert (version_1 / "cpu" / "localcloud-0").is_dir()
    assert cgroups.remove("localcloud-0", mount=version_1) == []
    assert [path.name for path in version_1.glob("*/localcloud-0")] == []


def test_version_2_enables_controllers_for_children(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    assert cgroups.hierarchies(tmp_path) == [tmp_path]
    cgroups.create("localcloud-0", "n", tmp_path)
    assert (tmp_path / "localcloud-0" / "n").is_dir()


def test_state_directories_have_keys_of_their_own() -> None:
    assert cgroups.key_of(Path("/a")) != cgroups.key_of(Path("/b"))


def test_nothing_is_cleared_where_there_were_no_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = tmp_path / "run"
    monkeypatch.setattr(cleanup, "SOCKETS", sockets)
    own = sockets / cgroups.key_of(tmp_path)
    own.mkdir(parents=True)
    cleanup.clear(tmp_path)
    assert own.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="machines are root's")
def test_machines_sockets_and_files_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = tmp_path / "run"
    monkeypatch.setattr(cleanup, "SOCKETS", sockets)
    own = sockets / cgroups.key_of(tmp_path)
    own.mkdir(parents=True)
    (tmp_path / "nodes" / "1").mkdir(parents=True)
    cleanup.clear(tmp_path)
    assert not own.exists()
    assert not (tmp_path / "nodes").exists()


# -- requirements


def test_refuses_users_other_than_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(LocalCloudError, match="they need root"):
        requirements.check(tmp_path)


def test_refuses_other_operating_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(LocalCloudError, match="they need Linux, and this is darwin"):
        requirements.check(tmp_path)


def test_all_missing_requirements_are_reported_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "_place", list)
    monkeypatch.setattr(shutil, "which", lambda name: None if name in {"runc", "nft"} else f"/usr/bin/{name}")
    monkeypatch.setattr(requirements, "cni_plugins", lambda: tmp_path)
    monkeypatch.setattr(requirements, "available_memory", lambda: 100 << 20)
    monkeypatch.setattr(requirements, "MINIMUM_DISK", 1 << 62)
    with pytest.raises(LocalCloudError) as caught:
        requirements.check(tmp_path)
    text = str(caught.value)
    assert "nft, runc, CNI plugin ptp, CNI plugin host-local, CNI plugin loopback cannot be found" in text
    assert "100 MB of memory are available, and 4096 MB are needed" in text
    assert f"{tmp_path} has " in text


def test_missing_features_of_the_kernel_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_place", "_programs"):
        monkeypatch.setattr(requirements, name, list)
    monkeypatch.setattr(requirements, "_room", lambda _: [])
    monkeypatch.setattr(requirements, "_controllers", lambda: ["memory"])

    def attempt(command: list[str], _: str = "") -> str:
        return "not supported" if {"veth", "overlay"} & set(command) else ""

    monkeypatch.setattr(requirements, "_try", attempt)
    with pytest.raises(LocalCloudError) as caught:
        requirements.check(tmp_path)
    text = str(caught.value)
    assert "the kernel lacks veth (CONFIG_VETH): not supported" in text
    assert "overlayfs (CONFIG_OVERLAY_FS) does not work in" in text
    assert "cgroup controllers are missing: memory" in text
    assert "nftables" not in text
    assert list(tmp_path.iterdir()) == []


# -- the gateway


class _Here:
    """Sockets of this process' namespace."""

    def make(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        made = socket.socket(socket.AF_INET, kind)
        made.setblocking(False)
        return made


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that returns its input in upper case and ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(connection.recv(100).upper())

        threading.Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.stop()


def _talk(path: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(request)
        received = b""
        while chunk := client.recv(1000):
            received += chunk
            if received.endswith(b"established\r\n\r\n"):
                client.sendall(b"hello")
        return received


def test_api_server_reaches_what_the_namespace_reaches(gateway: Gateway, echo: int) -> None:
    # The path of a socket is limited; that of a test's directory is not.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "socket")
        gateway.listen_for_api_server("c", path, _Here)  # type: ignore[arg-type]
        assert path.stat().st_mode & 0o777 == 0o600
        answer = _talk(path, f"CONNECT 127.0.0.1:{echo} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer == b"HTTP/1.1 200 Connection established\r\n\r\nHELLO"
        gateway.forget("c")
        with pytest.raises(OSError):  # refused, or the file does not exist
            _talk(path, b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n")


def test_the_api_server_gets_an_error_without_a_node_or_response(gateway: Gateway) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "socket")
        gateway.listen_for_api_server("c", path, lambda: None)
        assert _talk(path, b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 503 ")
        gateway.forget("c")
        gateway.listen_for_api_server("c", path, _Here)  # type: ignore[arg-type]
        assert _talk(path, b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 502 ")
        assert _talk(path, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")


def test_machine_reaches_registries_through_the_host(gateway: Gateway, echo: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gateway.serve_proxy("m", _Here(), ("127.0.0.1", port))  # type: ignore[arg-type]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(f"CONNECT localhost:{echo} HTTP/1.1\r\n\r\n".encode())
        assert client.recv(100) == b"HTTP/1.1 200 Connection established\r\n\r\n"
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"


def test_machine_reaches_the_api_server(gateway: Gateway, echo: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gateway.pass_on("m", _Here(), [("127.0.0.1", port)], echo)  # type: ignore[arg-type]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"
