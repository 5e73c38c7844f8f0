# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localcloud.artifacts.binaries import GO_MOD, PROGRAMS, Binaries
from localcloud.model import LocalCloudError

GO_MODULE = """module example
require (
	go.etcd.io/etcd/server/v3 v3.7.3 // indirect
	k8s.io/kubernetes v1.37.2 // indirect
	sigs.k8s.io/kwok v0.8.0
)
"""
NAMES = sorted(PROGRAMS)


class Site:
    """A download server with a few files."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Site(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()


class Machine:
    """A machine with a cache, a PATH and optionally Go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "cache"
        self.path = root / "path"
        self.assets = root / "assets"
        self.path.mkdir()
        self.assets.mkdir()
        self.go_mod = root / "module" / "go.mod"
        self.go_mod.parent.mkdir()
        self.go_mod.write_text(GO_MODULE)
        self.said: list[str] = []

    def program(self, folder: Path, name: str, says: str) -> Path:
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\necho '{says}'\n")
        path.chmod(0o755)
        return path

    def go(self, *, works: bool = True) -> None:
        """Install a fake go that prints its arguments and directory, or fails."""
        script = """#!/bin/sh
for last; do :; done
while [ "$1" != -o ]; do all="$all $1"; shift; done
echo "$PWD $CGO_ENABLED $last$all" > "$2"
"""
        path = self.path / "go"
        path.write_text(script if works else "#!/bin/sh\necho noise >&2\necho 'cannot find module' >&2\nexit 1\n")
        path.chmod(0o755)

    def binaries(self, site: Site | None = None, system: tuple[str, str] = ("linux", "amd64"), **more: str) -> Binaries:
        url = site.url if site else "http://127.0.0.1:9"
        environment = {"PATH": f"{self.path}:/bin:/usr/bin", "KUBEBUILDER_ASSETS": str(self.assets), **more}
        binaries = Binaries(
            self.cache,
            environment=environment,
            progress=self.said.append,
            go_mod=self.go_mod,
            kubernetes_site=url,
            github_site=url,
            github_api=url,
        )
        binaries.os, binaries.architecture = system
        return binaries


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def offer_apiserver(site: Site, content: bytes, checksum: bytes | None = None) -> None:
    path = "/v1.37.2/bin/linux/amd64/kube-apiserver"
    site.files[path] = content
    site.files[f"{path}.sha256"] = checksum or digest(content)


def test_the_cache_comes_first(machine: Machine) -> None:
    cached = machine.program(machine.cache, "kube-apiserver-1.37.2-linux-amd64", "cached")
    machine.program(machine.assets, "kube-apiserver", "Kubernetes v1.37.9")
    assert machine.binaries().resolve("kube-apiserver") == cached


def test_a_cached_program_of_another_version_is_not_used(machine: Machine) -> None:
    machine.program(machine.cache, "kube-apiserver-1.36.0-linux-amd64", "old")
    installed = machine.program(machine.assets, "kube-apiserver", "Kubernetes v1.37.0")
    assert machine.binaries().resolve("kube-apiserver") == installed


def test_assets_come_before_the_path(machine: Machine) -> None:
    assets = machine.program(machine.assets, "etcd", "etcd Version: 3.7.1")
    machine.program(machine.path, "etcd", "etcd Version: 3.7.3")
    assert machine.binaries().resolve("etcd") == assets


def test_an_installed_program_needs_the_right_minor(machine: Machine) -> None:
    machine.program(machine.assets, "etcd", "etcd Version: 3.6.9")
    right = machine.program(machine.path, "etcd", "etcd Version: 3.7.0")
    assert machine.binaries().resolve("etcd") == right


def test_a_download_is_checked_and_cached(machine: Machine, site: Site) -> None:
    offer_apiserver(site, b"official")
    path = machine.binaries(site).resolve("kube-apiserver")
    assert path == machine.cache / "kube-apiserver-1.37.2-linux-amd64"
    assert path.read_bytes() == b"official"
    assert path.stat().st_mode & 0o111
    asked = len(site.asked)
    assert machine.binaries(site).resolve("kube-apiserver") == path
    assert len(site.asked) == asked


def test_a_wrong_checksum_installs_nothing(machine: Machine, site: Site) -> None:
    machine.go()
    offer_apiserver(site, b"tampered", digest(b"official"))
    with pytest.raises(LocalCloudError, match="published SHA-256"):
        machine.binaries(site).resolve("kube-apiserver")
    assert not [path for path in machine.cache.iterdir() if not path.name.endswith(".lock")]


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_etcd_is_taken_out_of_its_archive(machine: Machine, site: Site, system: str) -> None:
    stem = f"etcd-v3.7.3-{system}-arm64"
    buffer = io.BytesIO()
    if system == "linux":
        asset = f"{stem}.tar.gz"
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            member = tarfile.TarInfo(f"{stem}/etcd")
            member.size = 4
            archive.addfile(member, io.BytesIO(b"etcd"))
    else:
        asset = f"{stem}.zip"
        with zipfile.ZipFile(buffer, "w") as bundle:
            bundle.writestr(f"{stem}/etcd", "etcd")
    base = "/etcd-io/etcd/releases/download/v3.7.3"
    site.files[f"{base}/{asset}"] = buffer.getvalue()
    site.files[f"{base}/SHA256SUMS"] = b"0000  other.tar.gz\n" + digest(buffer.getvalue()) + f"  {asset}\n".encode()
    path = machine.binaries(site, (system, "arm64")).resolve("etcd")
    assert path.read_bytes() == b"etcd"
    assert path.name == f"etcd-3.7.3-{system}-arm64"


def test_kwok_is_checked_by_githubs_digest(machine: Machine, site: Site) -> None:
    asset = {"name": "kwok-linux-amd64", "digest": f"sha256:{digest(b'kwok').decode()}"}
    site.files["/repos/kubernetes-sigs/kwok/releases/tags/v0.8.0"] = json.dumps({"assets": [asset]}).encode()
    site.files["/kubernetes-sigs/kwok/releases/download/v0.8.0/kwok-linux-amd64"] = b"kwok"
    assert machine.binaries(site).resolve("kwok").read_bytes() == b"kwok"


def test_a_release_without_a_checksum_is_built_instead(machine: Machine, site: Site) -> None:
    machine.go()
    site.files["/repos/kubernetes-sigs/kwok/releases/tags/v0.8.0"] = b'{"assets": [{"name": "kwok-linux-amd64"}]}'
    site.files["/kubernetes-sigs/kwok/releases/download/v0.8.0/kwok-linux-amd64"] = b"kwok"
    assert machine.binaries(site).resolve("kwok").read_bytes() != b"kwok"


def test_server_programs_for_macos_are_built(machine: Machine, site: Site) -> None:
    machine.go()
    path = machine.binaries(site, ("darwin", "arm64")).resolve("kube-apiserver")
    assert site.asked == []
    assert "k8s.io/kubernetes/cmd/kube-apiserver" in path.read_text()


def test_kubectl_for_macos_is_downloaded(machine: Machine, site: Site) -> None:
    site.files["/v1.37.2/bin/darwin/arm64/kubectl"] = b"kubectl"
    site.files["/v1.37.2/bin/darwin/arm64/kubectl.sha256"] = digest(b"kubectl")
    assert machine.binaries(site, ("darwin", "arm64")).resolve("kubectl").read_bytes() == b"kubectl"


def test_without_internet_programs_are_built(machine: Machine) -> None:
    machine.go()
    binaries = machine.binaries()
    built = binaries.resolve("kube-scheduler").read_text()
    assert built.startswith(f"{machine.go_mod.parent.resolve()} 0 k8s.io/kubernetes/cmd/kube-scheduler")
    assert "-X k8s.io/component-base/version.gitVersion=v1.37.2" in built
    assert any("Building kube-scheduler 1.37.2 (takes some minutes" in line for line in machine.said)


def test_an_unreachable_site_is_requested_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.go()
    binaries = machine.binaries()
    asked: list[str] = []
    original = binaries._open

    def count(url: str) -> object:
        asked.append(url)
        return original(url)

    monkeypatch.setattr(binaries, "_open", count)
    for name in NAMES:
        binaries.resolve(name)
    assert len(asked) == 1


def test_downloads_can_be_switched_off(machine: Machine, site: Site) -> None:
    machine.go()
    offer_apiserver(site, b"official")
    path = machine.binaries(site, LOCALCLOUD_DOWNLOAD="0").resolve("kube-apiserver")
    assert path.read_bytes() != b"official"
    assert site.asked == []


def test_without_go_the_error_says_what_to_do(machine: Machine) -> None:
    binaries = machine.binaries(LOCALCLOUD_DOWNLOAD="0")
    binaries._environment = {"PATH": str(machine.path)}
    with pytest.raises(LocalCloudError, match=r"kwok 0\.8\.0 is neither installed nor downloadable .*install Go"):
        binaries.resolve("kwok")


def test_a_failed_build_shows_gos_last_line(machine: Machine) -> None:
    machine.go(works=False)
    with pytest.raises(LocalCloudError, match="go build of kwok failed: cannot find module"):
        machine.binaries().resolve("kwok")
    assert not [path for path in machine.cache.iterdir() if not path.name.endswith(".lock")]


def test_two_that_need_it_build_it_once(machine: Machine) -> None:
    machine.go()
    builders = [machine.binaries(LOCALCLOUD_DOWNLOAD="0") for _ in range(4)]
    threads = [threading.Thread(target=builder.resolve, args=("kwok",)) for builder in builders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([line for line in machine.said if line.startswith("Building kwok")]) == 1


def test_a_cache_that_cannot_be_written_is_named(machine: Machine) -> None:
    machine.cache.write_text("a file")
    with pytest.raises(LocalCloudError, match="Cannot create the cache"):
        machine.binaries().resolve("kwok")


@pytest.mark.parametrize("name", NAMES)
def test_every_program_is_pinned(name: str) -> None:
    assert GO_MOD.exists()
    assert Binaries().version(name)[0].isdigit()
