# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of Debian packages, by Debian's own tools, without installing any: apt fetches and verifies, dpkg unpacks.

No package's script is run, so that what scripts make is not there: alternatives, users, Java's list of authorities.
The one exception is the list of certificate authorities, which is their certificates one after the other.
apt works in a folder of its own and needs no root; of the machine's settings only those of proxies count.
``LOCALCLOUD_DEBIAN_MIRROR`` takes the place of Debian's server.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote

from localcloud.artifacts.images.oci import Entry, data, member
from localcloud.artifacts.images.sources import Build
from localcloud.model import LocalCloudError

SUITE: Final = "trixie"
_MIRROR: Final = "http://deb.debian.org/debian"
_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
_AUTHORITIES: Final = "usr/share/ca-certificates/"
_BUNDLE: Final = "etc/ssl/certs/ca-certificates.crt"
_PROXY: Final = re.compile(r"^Acquire::https?::.*;$", re.MULTILINE)
# Read by people; licenses are kept.
_LEFT_OUT: Final = (
    "usr/share/bash-completion/",
    "usr/share/bug/",
    "usr/share/doc/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
)


@dataclass(frozen=True)
class Packages:
    """The files of packages with all that they depend on, and of those in ``alone`` without."""

    names: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Not the packages' versions: an image is made again for a new release of Debian, not for each update."""
        return f"{self!r} {SUITE}"

    def entries(self, build: Build) -> Iterator[Entry]:
        build.progress(f"Getting Debian's {', '.join((*self.names, *self.alone))}")
        authorities = []
        versions = []
        for package in self._fetched(build):
            name, version, _ = package.name.split("_")
            versions.append(f"{name} {unquote(version)}\n")
            for entry in _unpacked(package, build):
                if entry.path.startswith(_AUTHORITIES) and entry.read:
                    with entry.read() as content:
                        authorities.append(content.read())
                yield entry
        if authorities:
            yield data(_BUNDLE, b"".join(authorities))
        yield data("usr/share/localcloud/packages", "".join(versions).encode())

    def _fetched(self, build: Build) -> list[Path]:
        """Return the packages' files by name."""
        home = build.scratch / "apt"
        for folder in ("lists/partial", "archives/partial", "alone", "none"):
            (home / folder).mkdir(parents=True)
        # Nothing is taken to be there already.
        (home / "status").touch()
        mirror = build.environment.get("LOCALCLOUD_DEBIAN_MIRROR") or _MIRROR
        (home / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {mirror} {SUITE} main\n", encoding="utf-8")
        proxies = _PROXY.findall(_output(["apt-config", "dump"], build.environment))
        settings = home / "apt.conf"
        settings.write_text("\n".join([*proxies, *_settings(home, build.architecture)]), encoding="utf-8")
        environment = {**build.environment, "APT_CONFIG": str(settings)}
        _output(["apt-get", "-q", "update"], environment)
        if self.names:
            _output(["apt-get", "-q", "-y", "--download-only", "install", *self.names], environment)
        if self.alone:
            _output(["apt-get", "-q", "download", *self.alone], environment, home / "alone")
        found = {path.name: path for folder in ("alone", "archives") for path in (home / folder).glob("*.deb")}
        return [found[name] for name in sorted(found)]


def _settings(home: Path, architecture: str) -> list[str]:
    """Return apt's settings, which leave out those of the machine: its hooks above all."""
    values: dict[str, str | Path] = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Dir::Cache": home,
        "Dir::Cache::Archives": home / "archives",
        "Dir::Etc::Main": home / "none" / "apt.conf",
        "Dir::Etc::Parts": home / "none",
        "Dir::Etc::Preferences": home / "none" / "preferences",
        "Dir::Etc::PreferencesParts": home / "none",
        "Dir::Etc::SourceList": home / "sources.list",
        "Dir::Etc::SourceParts": home / "none",
        "Dir::State": home,
        "Dir::State::Lists": home / "lists",
        "Dir::State::status": home / "status",
    }
    return [f'{name} "{value}";' for name, value in values.items()]


def _unpacked(package: Path, build: Build) -> Iterator[Entry]:
    unpacked = package.with_suffix(".tar")
    with unpacked.open("wb") as target:
        _run(["dpkg-deb", "--fsys-tarfile", str(package)], build.environment, target)
    archive = build.files.enter_context(tarfile.open(unpacked))  # noqa: SIM115 - its members are read later
    for found in archive:
        entry = member(found, archive)
        if entry and (not f"{entry.path}/".startswith(_LEFT_OUT) or entry.path.endswith("/copyright")):
            yield entry


def _output(command: list[str], environment: Mapping[str, str], folder: Path | None = None) -> str:
    return _run(command, environment, subprocess.PIPE, folder).decode()


def _run(
    command: list[str], environment: Mapping[str, str], output: IO[bytes] | int, folder: Path | None = None
) -> bytes:
    tool = shutil.which(command[0], path=environment.get("PATH"))
    if not tool:
        raise LocalCloudError(
            f"{command[0]} cannot be found on the PATH, and some of its files come from Debian packages."
            " Install apt, dpkg and debian-archive-keyring"
        )
    run = subprocess.run(
        [tool, *command[1:]],
        cwd=folder,
        env={**environment, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        check=False,
    )
    if run.returncode:
        said = run.stderr.decode(errors="replace").splitlines()
        errors = [line for line in said if line.startswith(("E:", "dpkg-deb: error"))]
        raise LocalCloudError(f"{command[0]} failed: {(errors or said or ['it did not say why'])[0]}")
    return run.stdout or b""
