# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image's files come from, besides Debian packages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from localcloud.artifacts import programs
from localcloud.artifacts.images.oci import Entry, copy, data, directory, link
from localcloud.artifacts.programs import kafka


@dataclass(frozen=True)
class Build:
    """One image being made; ``files`` are closed and ``scratch`` is removed when it is done."""

    scratch: Path
    architecture: str
    """In Go's words, which are Debian's, too: ``amd64``."""
    environment: Mapping[str, str]
    progress: Callable[[str], None]
    files: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


class Source(Protocol):
    """Files of an image."""

    @property
    def identity(self) -> str:
        """What the files depend on, versions included: another one makes another image."""

    def entries(self, build: Build) -> Iterator[Entry]:
        """Yield the files.

        :raises LocalCloudError: they are not available
        """


@dataclass(frozen=True)
class User:
    """A line of ``/etc/passwd`` with its group."""

    name: str
    uid: int
    gid: int
    group: str
    home: str = "/"
    shell: str = "/usr/sbin/nologin"


_ROOT = User("root", 0, 0, "root", "/root", "/bin/sh")
NOBODY = User("nobody", 65534, 65534, "nogroup")


@dataclass(frozen=True)
class Base:
    """What every image has: users, a folder for temporary files, and where the C library looks for names first."""

    users: tuple[User, ...] = (NOBODY,)
    folders: tuple[tuple[str, int], ...] = ()
    """Path and the owner's uid, which is the gid, too."""
    links: tuple[tuple[str, str], ...] = ()
    """Path and target, in which ``{architecture}`` is the machine's."""

    @property
    def identity(self) -> str:
        return repr(self)

    def entries(self, build: Build) -> Iterator[Entry]:
        users = (_ROOT, *self.users)
        passwd = [f"{user.name}:x:{user.uid}:{user.gid}::{user.home}:{user.shell}\n" for user in users]
        groups = {f"{user.group}:x:{user.gid}:\n": None for user in users}
        yield data("etc/passwd", "".join(passwd).encode())
        yield data("etc/group", "".join(groups).encode())
        yield data("etc/nsswitch.conf", b"hosts: files dns\n")
        yield directory("tmp", 0o1777)
        for path, owner in self.folders:
            yield directory(path, owner=(owner, owner))
        for path, target in self.links:
            yield link(path, target.format(architecture=build.architecture))


@dataclass(frozen=True)
class Program:
    """A static program of ``localcloud.artifacts.programs`` at a path."""

    name: str
    path: str

    @property
    def identity(self) -> str:
        return f"{self!r} {programs.PROGRAMS[self.name]!r} {programs.version(self.name)}"

    def entries(self, build: Build) -> Iterator[Entry]:
        yield copy(
            self.path, programs.go_program(self.name, environment=build.environment, progress=build.progress), 0o755
        )


@dataclass(frozen=True)
class Kafka:
    """Kafka's ``bin`` and ``libs`` in a folder, as far as the role kafka uses them."""

    folder: str
    owner: tuple[int, int]

    @property
    def identity(self) -> str:
        return f"{self!r} {kafka.VERSION}"

    def entries(self, build: Build) -> Iterator[Entry]:
        build.progress(f"Getting Kafka {kafka.VERSION}")
        found = kafka.distribution(environment=build.environment)
        for folder, mode in (("bin", 0o755), ("libs", 0o644)):
            yield directory(f"{self.folder}/{folder}", owner=self.owner)
            for path in (found / folder).iterdir():
                yield copy(f"{self.folder}/{folder}/{path.name}", path, mode, self.owner)


@dataclass(frozen=True)
class JavaAgent:
    """The JMX exporter's Java agent in a folder."""

    folder: str

    @property
    def identity(self) -> str:
        return f"{self!r} {kafka.AGENT_VERSION}"

    def entries(self, build: Build) -> Iterator[Entry]:
        build.progress(f"Getting the JMX exporter {kafka.AGENT_VERSION}")
        path = kafka.java_agent(environment=build.environment)
        yield copy(f"{self.folder}/{path.name}", path)
