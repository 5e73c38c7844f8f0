# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A minimal control plane, which other tests use."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from localcloud.artifacts.binaries import Binaries
from localcloud.host.processes import Supervisor, identity, read_records
from localcloud.kubernetes.control_plane import ControlPlane, Etcd, playable
from localcloud.model import LocalCloudError

pytestmark = pytest.mark.integration


def kubectl(plane: ControlPlane, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Binaries().resolve("kubectl")
    return subprocess.run(
        [program, f"--kubeconfig={plane.kubeconfig}", *arguments], capture_output=True, text=True, check=False
    )


def test_the_administrator_gets_in(api_server: ControlPlane) -> None:
    assert kubectl(api_server, "auth", "can-i", "*", "*").stdout.strip() == "yes"


def test_nobody_else_does(api_server: ControlPlane) -> None:
    run = subprocess.run(
        [
            Binaries().resolve("kubectl"),
            "--kubeconfig=/dev/null",
            f"--server={api_server.endpoint}",
            f"--certificate-authority={api_server.ca_file}",
            "--token=nonsense",
            "get",
            "namespaces",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "must be logged in" in run.stderr


def test_changes_are_audited_and_reads_are_not(api_server: ControlPlane) -> None:
    assert kubectl(api_server, "create", "configmap", "audited", "--from-literal=a=b").returncode == 0
    assert kubectl(api_server, "get", "configmap", "audited").returncode == 0
    lines = [json.loads(line) for line in api_server.audit_log.read_text().splitlines()]
    ours = [line for line in lines if line.get("objectRef", {}).get("name") == "audited"]
    assert {line["verb"] for line in ours} == {"create"}
    assert ours[0]["user"]["username"] == "kubernetes-admin"
    assert "requestObject" not in ours[0]
    assert not [line for line in lines if line["user"]["username"] == "system:apiserver"]


def test_a_restart_as_a_newer_minor_keeps_the_data(tmp_path: Path) -> None:
    binaries = Binaries()
    old, new = playable(binaries)[-2:]
    with ControlPlane.temporary(tmp_path, version=old) as plane:
        assert kubectl(plane, "create", "namespace", "kept").returncode == 0
        assert json.loads(kubectl(plane, "get", "--raw", "/version").stdout)["emulationMinor"] == old.split(".")[1]
        with pytest.raises(LocalCloudError, match=r"Kubernetes 1\.99 is not available here"):
            plane.restart("1.99")
        assert plane.running
        plane.restart(new)
        assert json.loads(kubectl(plane, "get", "--raw", "/version").stdout)["emulationMinor"] == new.split(".")[1]
        assert kubectl(plane, "get", "namespace", "kept").returncode == 0
        records = read_records(tmp_path / "processes.json")
        assert len(records) == 2
    assert [record for record in records if identity(record.pid) == record.identity] == []


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "processes.json")
    etcd = Etcd(Binaries(), tmp_path / "etcd", supervisor)
    plane = ControlPlane(
        tmp_path / "broken",
        binaries=Binaries(),
        supervisor=supervisor,
        etcd=etcd,
        prefix="broken",
        extras=(),
        arguments=["--no-such-flag"],
    )
    try:
        with pytest.raises(LocalCloudError, match=r"(?s)kube-apiserver broken ended with status 1.*no-such-flag"):
            plane.start()
        assert not plane.running
        assert supervisor.records() == []
    finally:
        supervisor.stop()


def test_a_purge_removes_one_prefix_only(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "processes.json")
    etcd = Etcd(Binaries(), tmp_path / "etcd", supervisor)
    try:
        etcd.start()
        for key in ("/one/a", "/one/b", "/one-more/a", "/two/a"):
            etcd.call("put", {"key": etcd.encode(key), "value": etcd.encode("x")})
        etcd.purge("/one")
        left = [
            item["key"] for item in etcd.call("range", {"key": etcd.encode("/"), "range_end": etcd.encode("0")})["kvs"]
        ]
        assert left == [etcd.encode("/one-more/a"), etcd.encode("/two/a")]
    finally:
        supervisor.stop(grace=0)
