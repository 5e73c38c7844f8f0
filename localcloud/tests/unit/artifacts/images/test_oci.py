# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives conform to the OCI image specification and are reproducible."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from localcloud.artifacts.images.oci import (
    Config,
    Entry,
    copy,
    data,
    directory,
    link,
    member,
    write_archive,
    write_layer,
)

REFERENCE = "registry.example:5000/team/tool:1.2.3"
CONFIG = Config(
    entrypoint=("/bin/tool", "--serve"),
    command=("--port=1",),
    user="1001:0",
    environment=(("PATH", "/bin"), ("HOME", "/data")),
    working_directory="/data",
    ports=("80/tcp", "53/udp"),
    volumes=("/data",),
    labels={"a": "b"},
)


def entries(program: Path) -> list[Entry]:
    return [
        link("usr/bin/alias", "tool"),
        data("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
        copy("usr/bin/tool", program, 0o755),
        directory("data", 0o700, (1001, 0)),
        directory("tmp", 0o1777),
        directory("."),
    ]


def image(folder: Path, content: list[Entry]) -> dict[str, bytes]:
    write_layer(content, folder / "layer.tar")
    write_archive(REFERENCE, folder / "layer.tar", CONFIG, "arm64", folder / "image.tar")
    with tarfile.open(folder / "image.tar") as archive:
        found = {}
        for info in archive:
            file = archive.extractfile(info)
            found[info.name] = file.read() if file else b""
        return found


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF" + b"x" * 1000)
    return path


@pytest.fixture
def files(tmp_path: Path, program: Path) -> dict[str, bytes]:
    return image(tmp_path, entries(program))


def blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    """Return the content of a descriptor, after verification of its size and digest."""
    algorithm, _, digest = descriptor["digest"].partition(":")
    content = files[f"blobs/{algorithm}/{digest}"]
    assert algorithm == "sha256"
    assert hashlib.sha256(content).hexdigest() == digest
    assert len(content) == descriptor["size"]
    return content


def manifest(files: dict[str, bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    (descriptor,) = json.loads(files["index.json"])["manifests"]
    found: dict[str, Any] = json.loads(blob(files, descriptor))
    return descriptor, found


def test_layout(files: dict[str, bytes]) -> None:
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(files["index.json"])
    assert index["schemaVersion"] == 2
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    descriptor, found = manifest(files)
    assert descriptor["mediaType"] == found["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert descriptor["platform"] == {"architecture": "arm64", "os": "linux"}
    assert found["schemaVersion"] == 2
    assert found["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert [layer["mediaType"] for layer in found["layers"]] == ["application/vnd.oci.image.layer.v1.tar"]
    blobs = {name for name in files if name.startswith("blobs/sha256/")}
    reached = [descriptor, found["config"], *found["layers"]]
    assert blobs == {f"blobs/{one['digest'].replace(':', '/')}" for one in reached}


def test_is_named_in_full_for_containerd_and_by_tag_for_others(files: dict[str, bytes]) -> None:
    descriptor, _ = manifest(files)
    assert descriptor["annotations"] == {
        "io.containerd.image.name": REFERENCE,
        "org.opencontainers.image.ref.name": "1.2.3",
    }


def test_config(files: dict[str, bytes]) -> None:
    _, found = manifest(files)
    config = json.loads(blob(files, found["config"]))
    assert (config["architecture"], config["os"]) == ("arm64", "linux")
    assert config["rootfs"]["type"] == "layers"
    # Not compressed, so that a layer's digest is its DiffID.
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in found["layers"]]
    assert len(config["history"]) == 1
    assert config["config"] == {
        "User": "1001:0",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Env": ["PATH=/bin", "HOME=/data"],
        "Entrypoint": ["/bin/tool", "--serve"],
        "Cmd": ["--port=1"],
        "Volumes": {"/data": {}},
        "WorkingDir": "/data",
        "Labels": {"a": "b"},
    }


def test_layer(files: dict[str, bytes], program: Path) -> None:
    _, found = manifest(files)
    with tarfile.open(fileobj=io.BytesIO(blob(files, found["layers"][0]))) as layer:
        members = {info.name: info for info in layer}
        assert list(members) == sorted(members)
        assert {"etc", "usr", "usr/bin"} < members.keys()
        assert "." not in members
        assert all(info.mtime == 0 and not info.uname and not info.gname for info in members.values())
        assert (members["data"].uid, members["data"].gid, members["data"].mode) == (1001, 0, 0o700)
        assert members["tmp"].mode == 0o1777
        assert (members["usr/bin/alias"].type, members["usr/bin/alias"].linkname) == (tarfile.SYMTYPE, "tool")
        tool = layer.extractfile("usr/bin/tool")
        assert tool
        assert tool.read() == program.read_bytes()
        assert members["usr/bin/tool"].mode == 0o755


def test_same_files_make_the_same_bytes(tmp_path: Path, program: Path) -> None:
    again = tmp_path / "elsewhere"
    again.mkdir()
    other = again / "other"
    other.write_bytes(program.read_bytes())
    other.chmod(0o640)
    os.utime(other, (1, 1))
    image(tmp_path, entries(program))
    mask = os.umask(0o077)
    try:
        image(again, entries(other)[::-1])
    finally:
        os.umask(mask)
    assert (again / "image.tar").read_bytes() == (tmp_path / "image.tar").read_bytes()


def test_refuses_a_duplicate_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="etc/passwd is there twice"):
        write_layer([data("etc/passwd", b"a"), data("etc/passwd", b"a")], tmp_path / "layer.tar")
    write_layer([directory("etc"), directory("etc", 0o700)], tmp_path / "layer.tar")


def test_refuses_an_entry_below_a_link(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bin/tool lies in bin, which is no folder"):
        write_layer([link("bin", "usr/bin"), data("bin/tool", b"")], tmp_path / "layer.tar")


def test_members_of_another_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tar", "w") as other:
        for name, kind, target in (
            ("./", tarfile.DIRTYPE, ""),
            ("./file", tarfile.REGTYPE, ""),
            ("./hard", tarfile.LNKTYPE, "./file"),
            ("./soft", tarfile.SYMTYPE, "file"),
            ("./device", tarfile.CHRTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mtime, info.uname = kind, target, 12345, "somebody"
            info.uid, info.gid, info.mode, info.size = 7, 8, 0o644, 5 if kind == tarfile.REGTYPE else 0
            other.addfile(info, io.BytesIO(b"hello"))
    with tarfile.open(tmp_path / "other.tar") as other:
        write_layer(filter(None, [member(info, other) for info in other]), tmp_path / "layer.tar")
    with tarfile.open(tmp_path / "layer.tar") as layer:
        assert layer.getnames() == ["file", "hard", "soft"]
        hard = layer.getmember("hard")
        assert (hard.type, hard.uid, hard.gid, hard.mtime, hard.uname) == (tarfile.REGTYPE, 7, 8, 0, "")
        content = layer.extractfile(hard)
        assert content
        assert content.read() == b"hello"
