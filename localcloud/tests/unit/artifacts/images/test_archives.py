# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images are built once, from packages that apt fetches; errors name what is missing."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from localcloud import cli
from localcloud.artifacts import images
from localcloud.artifacts.images import SANDBOX, archive, available, cached
from localcloud.model import LocalCloudError

# A "package" is a tar here. The arguments and settings of apt are recorded.
TOOLS = {
    "apt-config": """echo 'Acquire::http::Proxy "http://proxy.example:3128";'; echo 'APT::Update::Post-Invoke "x";'""",
    "apt-get": """
echo "$@" >> "$STATE/calls"
cp "$APT_CONFIG" "$STATE/apt.conf"
home=${APT_CONFIG%/apt.conf}
cp "$home/sources.list" "$STATE/sources.list"
if [ -n "$FAIL" ]; then echo 'W: no matter' >&2; echo "E: $FAIL" >&2; exit 100; fi
case "$*" in
  *install*) cp "$STATE"/packages/base*.deb "$home/archives/" ;;
  *download*) cp "$STATE"/packages/catatonit*.deb "$STATE"/packages/ca-certificates*.deb . ;;
esac
""",
    "dpkg-deb": """cat "$2" """,
}
PACKAGES = {
    "base-files_1%3a13.8_amd64.deb": {"etc/os-release": "Debian"},
    "ca-certificates_2025_all.deb": {
        "usr/share/ca-certificates/mozilla/A.crt": "A\n",
        "usr/share/ca-certificates/mozilla/B.crt": "B\n",
    },
    "catatonit_0.2_amd64.deb": {
        "usr/bin/catatonit": "a program",
        "usr/share/doc/catatonit/changelog.gz": "left out",
        "usr/share/doc/catatonit/copyright": "kept",
        "usr/share/man/man1/catatonit.1.gz": "left out",
    },
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in TOOLS.items():
        (tools / name).write_text(f"#!/bin/sh\nset -e\n{text}")
        (tools / name).chmod(0o755)
    (tmp_path / "packages").mkdir()
    for name, content in PACKAGES.items():
        with tarfile.open(tmp_path / "packages" / name, "w") as package:
            for path, text in content.items():
                info = tarfile.TarInfo(f"./{path}")
                info.size, info.mtime = len(text), 1700000000
                package.addfile(info, io.BytesIO(text.encode()))
    monkeypatch.setattr(images, "system", lambda: ("linux", "amd64"))
    return {
        "PATH": f"{tools}{os.pathsep}{os.defpath}",
        "STATE": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def layer(path: Path) -> dict[str, str]:
    with tarfile.open(path) as opened:
        index = json.load(opened.extractfile("index.json") or io.BytesIO())
        digest = index["manifests"][0]["digest"].replace(":", "/")
        manifest = json.load(opened.extractfile(f"blobs/{digest}") or io.BytesIO())
        found = opened.extractfile(f"blobs/{manifest['layers'][0]['digest'].replace(':', '/')}")
        with tarfile.open(fileobj=found) as files:
            return {
                info.name: (files.extractfile(info) or io.BytesIO()).read().decode() for info in files if info.isfile()
            }


def test_is_made_once(machine: dict[str, str], tmp_path: Path) -> None:
    said: list[str] = []
    assert cached(SANDBOX, machine) is None
    path = archive(SANDBOX, said.append, environment=machine)
    assert path.parent == tmp_path / "cache" / "dataplatform-fleet" / "images"
    assert said == [f"Making the image {SANDBOX}", "Getting Debian's catatonit"]
    assert (tmp_path / "calls").read_text().splitlines() == ["-q update", "-q download catatonit"]
    assert archive(SANDBOX, said.append, environment=machine) == path == cached(SANDBOX, machine)
    assert len(said) == 2
    assert [left.name for left in path.parent.iterdir() if left != path] == [".registry.k8s.io_pause_3.10.2.lock"]


def test_files_are_those_of_packages_without_documentation(machine: dict[str, str]) -> None:
    files = layer(archive(SANDBOX, lambda _: None, environment=machine))
    assert files["usr/bin/catatonit"] == "a program"
    assert [path for path in files if path.startswith("usr/share/")] == [
        "usr/share/ca-certificates/mozilla/A.crt",
        "usr/share/ca-certificates/mozilla/B.crt",
        "usr/share/doc/catatonit/copyright",
        "usr/share/localcloud/packages",
    ]
    assert files["usr/share/localcloud/packages"] == "ca-certificates 2025\ncatatonit 0.2\n"
    assert files["etc/ssl/certs/ca-certificates.crt"] == "A\nB\n"
    assert files["etc/passwd"].splitlines()[0] == "root:x:0:0::/root:/bin/sh"


def test_same_packages_make_the_same_bytes(machine: dict[str, str], tmp_path: Path) -> None:
    first = archive(SANDBOX, lambda _: None, environment=machine)
    for package in (tmp_path / "packages").iterdir():
        os.utime(package, (1, 1))
    second = archive(SANDBOX, lambda _: None, environment={**machine, "XDG_CACHE_HOME": str(tmp_path / "other")})
    assert first != second
    assert first.read_bytes() == second.read_bytes()


def test_apt_uses_a_separate_directory(machine: dict[str, str], tmp_path: Path) -> None:
    mirror = {"LOCALCLOUD_DEBIAN_MIRROR": "http://mirror.example/debian"}
    archive(SANDBOX, lambda _: None, environment=machine | mirror)
    settings = (tmp_path / "apt.conf").read_text().splitlines()
    assert settings[0] == 'Acquire::http::Proxy "http://proxy.example:3128";'
    assert not [line for line in settings if "Post-Invoke" in line]
    places = [line for line in settings if line.startswith("Dir::")]
    assert len(places) > 8
    assert all(f' "{tmp_path}/cache/dataplatform-fleet/images/' in line for line in places)
    assert " http://mirror.example/debian trixie main" in (tmp_path / "sources.list").read_text()


def test_apt_resolves_dependencies(machine: dict[str, str], tmp_path: Path) -> None:
    (reference,) = [name for name in available() if "/curl:" in name]
    files = layer(archive(reference, lambda _: None, environment=machine))
    assert "-q -y --download-only install base-files curl" in (tmp_path / "calls").read_text()
    assert files["usr/share/localcloud/packages"].splitlines()[0] == "base-files 1:13.8"
    assert files["etc/os-release"] == "Debian"


@pytest.mark.parametrize("tool", ["apt-get", "dpkg-deb"])
def test_it_says_which_tool_is_missing(machine: dict[str, str], tmp_path: Path, tool: str) -> None:
    (tmp_path / "tools" / tool).unlink()
    for name in ("cat", "cp", "sh"):
        (tmp_path / "tools" / name).symlink_to(f"/bin/{name}")
    alone = machine | {"PATH": str(tmp_path / "tools")}
    with pytest.raises(LocalCloudError, match=rf"{SANDBOX} cannot be made: {tool} cannot be found .* Install apt, "):
        archive(SANDBOX, lambda _: None, environment=alone)


def test_a_failure_of_apt_is_reported_and_leaves_no_files(machine: dict[str, str]) -> None:
    with pytest.raises(LocalCloudError) as caught:
        archive(SANDBOX, lambda _: None, environment=machine | {"FAIL": "Unable to locate package"})
    assert str(caught.value) == (f"The image {SANDBOX} cannot be made: apt-get failed: E: Unable to locate package")
    assert cached(SANDBOX, machine) is None
    kept = [path.name for path in (Path(machine["XDG_CACHE_HOME"]) / "dataplatform-fleet" / "images").iterdir()]
    assert kept == [".registry.k8s.io_pause_3.10.2.lock"]


def test_conflicting_files_are_reported(machine: dict[str, str], tmp_path: Path) -> None:
    package = next((tmp_path / "packages").glob("ca-certificates*"))
    (tmp_path / "packages" / "catatonit_0.3_amd64.deb").write_bytes(package.read_bytes())
    with pytest.raises(LocalCloudError, match=r"cannot be made: usr/share/ca-certificates/mozilla/A.crt is there twi"):
        archive(SANDBOX, lambda _: None, environment=machine)


def test_an_image_without_a_recipe(machine: dict[str, str]) -> None:
    with pytest.raises(LocalCloudError, match=r"no recipe for the image docker.io/library/nginx:1: localcloud images"):
        archive("docker.io/library/nginx:1", environment=machine)
    with pytest.raises(LocalCloudError, match=r"grafana:13 cannot be made: its web interface is published only"):
        archive("docker.io/grafana/grafana:13", environment=machine)
    with pytest.raises(LocalCloudError, match=r"@sha256:0 cannot be made: a digest identifies an image of a registry"):
        archive(f"{SANDBOX}@sha256:0", environment=machine)


def test_refuses_another_operating_system(machine: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "system", lambda: ("darwin", "arm64"))
    with pytest.raises(LocalCloudError, match="cannot be made: its programs can be built on Linux only"):
        archive(SANDBOX, lambda _: None, environment=machine)


def test_a_change_of_the_builder_changes_the_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = {reference: recipe.key("amd64") for reference, recipe in available().items()}
    (tmp_path / "oci.py").write_text("other")
    monkeypatch.setattr("localcloud.artifacts.images.recipes._BUILDER", [tmp_path / "oci.py"])
    assert all(recipe.key("amd64") != before[reference] for reference, recipe in available().items())


def test_the_command_lists_and_builds(
    machine: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in machine.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["images"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(available()) + len(images.UNAVAILABLE)
    assert f"{SANDBOX} not made yet" in lines
    assert [line for line in lines if line.startswith("docker.io/grafana/grafana cannot be made: ")]
    assert [line for line in lines if "/strimzi/" in line and "without /opt/kafka-exporter/kafka_exporter" in line]

    assert cli.main(["images", "--build", SANDBOX]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"{SANDBOX} {cached(SANDBOX)}"
    assert cli.main(["images", SANDBOX]) == 0
    assert capsys.readouterr().out.splitlines() == [line]

    assert cli.main(["images", "docker.io/library/nginx:1"]) == 1
    assert "There is no recipe for the image docker.io/library/nginx:1" in capsys.readouterr().err
