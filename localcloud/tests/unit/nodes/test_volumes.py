# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of volumes: their files and, as root, their file systems in namespaces like those of a real node."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import cli
from localcloud.model import LocalCloudError
from localcloud.nodes import namespaces, requirements, volumes
from localcloud.nodes.volumes import GIB, Disks


def _obstacle() -> str:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "mounts need Linux and root"
    return requirements.volumes(Path("/tmp"))  # only looked at


needs_mounts = pytest.mark.skipif(bool(_obstacle()), reason=_obstacle() or "-")


class _Machine:
    """Namespaces that end with their first process."""

    def __init__(self) -> None:
        arrange = f"mount -t tmpfs none /run && mkdir -p {volumes.VOLUMES} && echo ready && exec sleep 600"
        command = [
            "unshare",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            arrange,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        # unshare and its child are in the same mount namespace.
        self.root = Path(f"/proc/{self._process.pid}/root")

    def run(self, command: list[str | Path], text: str | None = None, *, mounts: bool = False) -> str:
        return namespaces.within(self._process.pid, command, text, mounts=mounts)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def machine() -> Iterator[_Machine]:
    made = _Machine()
    yield made
    made.kill()


@needs_mounts
@pytest.mark.parametrize("wanted", ["ext4", "xfs"])
def test_disk_has_its_size_and_grows_while_it_is_mounted(tmp_path: Path, machine: _Machine, wanted: str) -> None:
    disks = Disks(tmp_path)
    place = disks.create("vol-1", 1, wanted)
    assert disks.create("vol-1", 1, wanted) == place
    (file,) = tmp_path.iterdir()
    assert file.name == f"vol-1.{volumes.file_system(wanted)}"
    # Sparse: only written blocks use space on the host.
    assert file.stat().st_size == GIB
    assert file.stat().st_blocks * 512 < GIB / 8
    disks.attach(machine)
    disks.attach(machine)
    seen = machine.root / place[1:]
    assert seen.is_mount()
    assert GIB * 0.9 < shutil.disk_usage(seen).total <= GIB
    (seen / "kept").write_text("kept")
    disks.resize("vol-1", 3, [machine])
    assert shutil.disk_usage(seen).total > GIB * 2.8
    disks.resize("vol-1", 2, [machine])
    assert shutil.disk_usage(seen).total > GIB * 2.8
    assert (seen / "kept").read_text() == "kept"
    assert not Path(place).exists(), "the mount exists only in the node"


@needs_mounts
def test_next_machine_has_the_data_of_the_one_before(tmp_path: Path, machine: _Machine) -> None:
    disks = Disks(tmp_path)
    place = disks.create("vol-1", 1, "ext4")
    disks.attach(machine)
    (machine.root / place[1:] / "kept").write_text("kept")
    machine.kill()
    # It has grown while it was not attached.
    disks.resize("vol-1", 2, [])
    following = _Machine()
    try:
        disks.attach(following)
        assert (following.root / place[1:] / "kept").read_text() == "kept"
        assert shutil.disk_usage(following.root / place[1:]).total > GIB * 1.8
    finally:
        following.kill()


@needs_mounts
def test_only_the_file_of_a_disk_remains_after_its_node(tmp_path: Path, machine: _Machine) -> None:
    disks = Disks(tmp_path)
    disks.create("vol-1", 1, "ext4")
    disks.attach(machine)
    assert list(volumes._held(tmp_path, Path("/sys/block")))
    machine.kill()
    assert volumes.release(tmp_path) == []
    assert list(volumes._held(tmp_path, Path("/sys/block"))) == []


@needs_mounts
def test_deleted_disk_is_gone_even_if_it_is_in_use(tmp_path: Path, machine: _Machine) -> None:
    disks = Disks(tmp_path)
    place = disks.create("vol-1", 1, "ext4")
    disks.create("vol-10", 1, "ext4")
    disks.attach(machine)
    with (machine.root / place[1:] / "open").open("w"):
        disks.delete("vol-1", [machine])
        assert not (machine.root / place[1:]).exists()
    disks.delete("vol-1", [machine])
    assert [path.stem for path in tmp_path.iterdir()] == ["vol-10"]
    assert (machine.root / volumes.VOLUMES[1:] / "vol-10").is_mount()


@needs_mounts
def test_a_damaged_disk_is_reported(tmp_path: Path, machine: _Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "_MOUNT_SECONDS", 0)
    (tmp_path / "vol-1.ext4").write_bytes(bytes(1 << 20))
    with pytest.raises(LocalCloudError, match="mount -t ext4 -o loop"):
        Disks(tmp_path).attach(machine)


def test_directories_replace_file_systems(tmp_path: Path, machine_without_mounts: _Nothing) -> None:
    disks = Disks(tmp_path / "cluster", "no loop devices")
    assert disks.create("vol-1", 1, "ext4") == f"{volumes.VOLUMES}/vol-1"
    assert disks.shared == {volumes.VOLUMES: tmp_path / "cluster"}
    assert (tmp_path / "cluster" / "vol-1").is_dir()
    disks.attach(machine_without_mounts)
    disks.resize("vol-1", 2, [machine_without_mounts])
    disks.delete("vol-1", [machine_without_mounts])
    assert list((tmp_path / "cluster").iterdir()) == []
    assert Disks(tmp_path).shared == {}


class _Nothing:
    def run(self, command: list[str | Path], text: str | None = None, *, mounts: bool = False) -> str:
        raise AssertionError(f"{command} {text} {mounts}")


@pytest.fixture
def machine_without_mounts() -> _Nothing:
    return _Nothing()


@pytest.mark.parametrize(
    ("capabilities", "grows"), [("000001ffffffffff", True), ("000001fffeffffff", False), ("0000000001000000", True)]
)
def test_ext4_grows_with_a_capability(tmp_path: Path, capabilities: str, grows: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t{capabilities}\n")
    assert volumes.ext4_grows(status) is grows


def test_file_system_of_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "ext4_grows", lambda: True)
    assert [volumes.file_system(wanted) for wanted in ("ext4", "ext3", "xfs")] == ["ext4", "ext4", "xfs"]
    monkeypatch.setattr(volumes, "ext4_grows", lambda: False)
    assert [volumes.file_system(wanted) for wanted in ("ext4", "xfs")] == ["xfs", "xfs"]


def test_loop_devices_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "_RELEASE_SECONDS", 0)
    detached: list[str] = []

    def execute(command: list[str]) -> str:
        detached.append(command[-1])
        shutil.rmtree(tmp_path / "sys" / Path(command[-1]).name)
        return ""

    monkeypatch.setattr(volumes, "execute", execute)
    files = {"loop0": "/a/nodes/1.ext4", "loop1": "/a/nodes/2.xfs (deleted)", "loop2": "/a/nodes2/3.ext4", "loop3": ""}
    for name, file in files.items():
        (tmp_path / "sys" / name / "loop").mkdir(parents=True)
        if file:
            (tmp_path / "sys" / name / "loop" / "backing_file").write_text(f"{file}\n")
    assert volumes.release(Path("/a/nodes"), tmp_path / "sys") == []
    assert sorted(detached) == ["/dev/loop0", "/dev/loop1"]


def test_missing_requirements_of_volumes_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "ext4_grows", lambda: True)
    monkeypatch.setattr(shutil, "which", lambda name: None if name in {"mkfs.ext4", "mkfs.xfs"} else f"/usr/bin/{name}")
    assert requirements.volumes(tmp_path).startswith("mkfs.ext4, mkfs.xfs cannot be found")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(requirements, "_try", lambda command: "no loop device" if "mount" in command else "")
    text = requirements.volumes(tmp_path)
    assert text == "ext4 in a file (CONFIG_BLK_DEV_LOOP) does not work: no loop device"
    assert list(tmp_path.iterdir()) == []


def test_status_shows_volumes_without_a_size_limit(capsys: pytest.CaptureFixture[str]) -> None:
    content = {"endpoint_url": "http://127.0.0.1:1", "account": "1", "region": "eu-central-1", "state_dir": "/s"}
    for obstacle in ("", "mkfs.ext4 cannot be found"):
        cli._print_status({**content, "clusters": {}, "memory_bytes": {}, "volumes": obstacle})
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Volumes")]
    assert lines == ["Volumes        directories without a size limit: mkfs.ext4 cannot be found"]


@needs_mounts
def test_probe_leaves_nothing(tmp_path: Path) -> None:
    started = time.monotonic()
    assert requirements.volumes(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []
    assert list(volumes._held(tmp_path, Path("/sys/block"))) == []
    assert time.monotonic() - started < volumes._RELEASE_SECONDS
