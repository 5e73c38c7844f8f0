# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the Kubernetes control plane. Sources, in this order:

1. the cache, ``$XDG_CACHE_HOME/dataplatform-fleet/bin/<name>-<version>-<os>-<architecture>``;
2. ``$KUBEBUILDER_ASSETS`` and ``$PATH``, if the program's ``--version`` has the right minor version;
3. the official release, verified with the published SHA-256. Kubernetes publishes kubectl for macOS, but the server
   programs for Linux only: on macOS they are built;
4. ``go build`` from ``programs/kubernetes/go.mod``, which is also the only file with their versions.

``LOCALCLOUD_DOWNLOAD=0`` disables step 3.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from localcloud.artifacts.cache import Cache, find_go, go_build, required_version, say, system
from localcloud.host.files import home
from localcloud.model import LocalCloudError

GO_MOD = Path(__file__).with_name("programs") / "kubernetes" / "go.mod"
CONNECT_TIMEOUT = 5.0
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Program:
    """The source of a program."""

    module: str
    package: str
    kubernetes: bool = False


PROGRAMS: Mapping[str, Program] = {
    "etcd": Program("go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": Program("k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", kubernetes=True),
    "kube-controller-manager": Program(
        "k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", kubernetes=True
    ),
    "kube-scheduler": Program("k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", kubernetes=True),
    "kubectl": Program("k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kubectl", kubernetes=True),
    "kwok": Program("sigs.k8s.io/kwok", "sigs.k8s.io/kwok/cmd/kwok"),
}
# Programs that only real nodes need.
NODE_PROGRAMS: Mapping[str, Program] = {
    "kubelet": Program("k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kubelet", kubernetes=True),
    "kube-proxy": Program("k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kube-proxy", kubernetes=True),
}


class UnreachableError(Exception):
    """A download server did not respond."""


class UnpublishedError(Exception):
    """A release has no checksum and is therefore not used."""


class Binaries:
    """Find programs by name; each object remembers whether the internet is reachable."""

    def __init__(
        self,
        cache: Path | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = say,
        go_mod: Path = GO_MOD,
        kubernetes_site: str = "https://dl.k8s.io",
        github_site: str = "https://github.com",
        github_api: str = "https://api.github.com",
    ) -> None:
        self._environment = os.environ if environment is None else environment
        self.cache = cache or home(self._environment) / "bin"
        self._progress = progress
        self._go_mod = go_mod
        self._kubernetes_site = kubernetes_site
        self._github_site = github_site
        self._github_api = github_api
        self._download = self._environment.get("LOCALCLOUD_DOWNLOAD", "1") != "0"
        self._resolved: dict[str, Path] = {}
        self.os, self.architecture = system()

    def version(self, name: str) -> str:
        """Return a program's pinned version, such as ``1.37.2``."""
        return required_version(self._go_mod, _program(name).module)

    def resolve(self, name: str) -> Path:
        """Return the path of a program, downloaded or built on first use."""
        if name not in self._resolved:
            self._resolved[name] = self._resolve(name)
        return self._resolved[name]

    def _resolve(self, name: str) -> Path:
        cached = self.cache / f"{name}-{self.version(name)}-{self.os}-{self.architecture}"
        if cached.exists():
            return cached
        if found := self._installed(name):
            return found
        return Cache(self.cache, self._progress).get(name, cached.name, lambda target: self._make(name, target))

    def _make(self, name: str, target: Path) -> None:
        reason = self._fetch(name, target)
        if reason:
            self._build(name, target, reason)

    # -- installed programs

    def _installed(self, name: str) -> Path | None:
        wanted = self.version(name).split(".")[:2]
        folders = [
            self._environment.get("KUBEBUILDER_ASSETS", ""),
            *self._environment.get("PATH", "").split(os.pathsep),
        ]
        for folder in filter(None, folders):
            path = Path(folder) / name
            if path.is_file() and os.access(path, os.X_OK) and self._minor(name, path) == wanted:
                return path
        return None

    @staticmethod
    def _minor(name: str, path: Path) -> list[str] | None:
        arguments = ["version", "--client"] if name == "kubectl" else ["--version"]
        try:
            run = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        found = _VERSION.search(run.stdout + run.stderr)
        return [found.group(1), found.group(2)] if found else None

    # -- official releases

    def _fetch(self, name: str, target: Path) -> str:
        """Download a release; return the reason of a failure, or nothing on success."""
        if not self._download:
            return "downloads are switched off"
        version = self.version(name)
        system = f"{self.os}/{self.architecture}"
        try:
            if name == "etcd":
                self._fetch_etcd(version, target)
            elif name == "kwok":
                asset = f"kwok-{self.os}-{self.architecture}"
                url = f"{self._github_site}/kubernetes-sigs/kwok/releases/download/v{version}/{asset}"
                self._fetch_file(url, target, self._github_digest("kubernetes-sigs/kwok", f"v{version}", asset))
            elif self.os == "linux" or name == "kubectl":
                url = f"{self._kubernetes_site}/v{version}/bin/{system}/{name}"
                self._fetch_file(url, target, self._published(f"{url}.sha256", name))
            else:
                return f"Kubernetes publishes no {name} for {system}"
        except UnreachableError as error:
            self._download = False
            return str(error)
        except UnpublishedError as error:
            return str(error)
        except urllib.error.HTTPError as error:
            return f"{error.url} answered {error.code}"
        return ""

    def _fetch_etcd(self, version: str, target: Path) -> None:
        base = f"{self._github_site}/etcd-io/etcd/releases/download/v{version}"
        stem = f"etcd-v{version}-{self.os}-{self.architecture}"
        asset = f"{stem}.tar.gz" if self.os == "linux" else f"{stem}.zip"
        archive = target.with_name(asset)
        self._fetch_file(f"{base}/{asset}", archive, self._published(f"{base}/SHA256SUMS", asset))
        member = f"{stem}/etcd"
        if self.os == "linux":
            with tarfile.open(archive) as tar:
                source = tar.extractfile(member)
                if source is None:
                    raise LocalCloudError(f"{asset} has no {member}")
                with source, target.open("wb") as output:
                    shutil.copyfileobj(source, output)
        else:
            with zipfile.ZipFile(archive) as bundle, bundle.open(member) as source, target.open("wb") as output:
                shutil.copyfileobj(source, output)

    def _published(self, url: str, asset: str) -> str:
        """Parse a checksum file: either the digest alone or ``digest  file`` lines."""
        with self._open(url) as answer:
            text = answer.read().decode()
        for line in text.splitlines():
            words = line.split()
            if words and (len(words) == 1 or words[1].lstrip("*").rpartition("/")[2] == asset):
                return str(words[0]).lower()
        raise UnpublishedError(f"{url} has no checksum of {asset}")

    def _github_digest(self, repository: str, tag: str, asset: str) -> str:
        """Return an asset's digest from GitHub: kwok's releases have no checksum files."""
        url = f"{self._github_api}/repos/{repository}/releases/tags/{tag}"
        with self._open(url) as answer:
            assets = json.load(answer).get("assets", [])
        for item in assets:
            if item.get("name") == asset and str(item.get("digest")).startswith("sha256:"):
                return str(item["digest"]).removeprefix("sha256:")
        raise UnpublishedError(f"{url} has no checksum of {asset}")

    def _fetch_file(self, url: str, target: Path, checksum: str) -> None:
        self._progress(f"Downloading {url}")
        digest = hashlib.sha256()
        with self._open(url) as answer, target.open("wb") as output:
            while chunk := self._read(url, answer):
                digest.update(chunk)
                output.write(chunk)
        if digest.hexdigest() != checksum:
            target.unlink()
            raise LocalCloudError(f"{url} does not have its published SHA-256 {checksum}; nothing was installed")

    @staticmethod
    def _open(url: str) -> HTTPResponse:
        try:
            answer: HTTPResponse = urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT)  # noqa: S310 - ours or a test's
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            raise UnreachableError(f"{url} cannot be reached ({getattr(error, 'reason', error)})") from None
        return answer

    @staticmethod
    def _read(url: str, answer: HTTPResponse) -> bytes:
        try:
            return answer.read(1 << 20)
        except (OSError, HTTPException) as error:
            raise UnreachableError(f"{url} broke off ({error})") from None

    # -- built here

    def _build(self, name: str, target: Path, reason: str) -> None:
        go = find_go(self._environment)
        if not go:
            raise LocalCloudError(
                f"{name} {self.version(name)} is neither installed nor downloadable ({reason}) "
                "and cannot be built: install Go from https://go.dev/dl"
            )
        program = _program(name)
        version = self.version(name)
        patience = " (takes some minutes on the first run)" if program.kubernetes else ""
        self._progress(f"Building {name} {version}{patience}")
        flags: list[str] = []
        if program.kubernetes:
            # Without these flags, the version of the API server is v0.0.0-master.
            major, minor = version.split(".")[:2]
            fields = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
            for field, value in fields.items():
                flags += ["-X", f"k8s.io/component-base/version.{field}={value}"]
        if name == "kwok":
            flags += ["-X", f"sigs.k8s.io/kwok/pkg/consts.Version=v{version}"]
        go_build(
            name,
            program.package,
            target,
            go=go,
            module=self._go_mod.parent,
            environment=self._environment,
            flags=flags,
        )


def _program(name: str) -> Program:
    return PROGRAMS.get(name) or NODE_PROGRAMS[name]
