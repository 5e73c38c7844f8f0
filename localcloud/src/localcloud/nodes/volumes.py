# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of persistent volumes: a sparse file with a file system for each, mounted in the real nodes.

The mount is in a node's mount namespace and ends with it. The kernel frees a loop device of mount(8) with its last
mount (LO_FLAGS_AUTOCLEAR). Only the file of a volume can therefore remain.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from localcloud.model import LocalCloudError
from localcloud.nodes.namespaces import execute

VOLUMES = "/run/node/volumes"
"""Path of persistent volumes on a real node."""
GIB = 1 << 30
_LOOPS = Path("/sys/block")
_RELEASE_SECONDS = 5.0
_MOUNT_SECONDS = 5.0
_CAP_SYS_RESOURCE = 24


class Inside(Protocol):
    """Runs commands in the namespaces of a real node."""

    def run(self, command: list[str | Path], text: str | None = None, *, mounts: bool = False) -> str: ...


@dataclass(frozen=True)
class FileSystem:
    """The commands that create, mount and grow a file system, with the placeholders ``{device}`` and ``{mount}``."""

    make: tuple[str, ...]
    options: str
    grow: tuple[str, ...]

    @property
    def programs(self) -> tuple[str, ...]:
        return self.make[0], self.grow[0]


# As created by the EBS CSI driver, but without writing zeros, which the file already has. The space of deleted files
# is returned to the host.
FILE_SYSTEMS = {
    "ext4": FileSystem(
        ("mkfs.ext4", "-q", "-F", "-m0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"),
        "loop,discard,noinit_itable",
        ("resize2fs", "{device}"),
    ),
    "xfs": FileSystem(("mkfs.xfs", "-q", "-f", "-K"), "loop,discard", ("xfs_growfs", "{mount}")),
}


def ext4_grows(status: Path = Path("/proc/self/status")) -> bool:
    """Whether this process can grow a mounted ext4: ext4_resize_begin() requires CAP_SYS_RESOURCE."""
    for line in status.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)
    return True


def file_system(wanted: str) -> str:
    """Return the file system of a volume: that of its class, or XFS in place of an ext4 that cannot grow here."""
    return "xfs" if wanted == "xfs" or not ext4_grows() else "ext4"


class Disks:
    """The disks of one cluster. With an ``obstacle`` to file systems in files, they are directories without a size."""

    def __init__(self, folder: Path, obstacle: str = "") -> None:
        self.folder = folder
        self._obstacle = obstacle

    @property
    def shared(self) -> dict[str, Path]:
        """The host directories that a node needs, by their path on the node."""
        return {VOLUMES: self.folder} if self._obstacle else {}

    def create(self, volume_id: str, size_gib: int, wanted: str) -> str:
        """Create a disk unless it exists; return its path on nodes to which it is attached."""
        place = f"{VOLUMES}/{volume_id}"
        if self._obstacle:
            (self.folder / volume_id).mkdir(parents=True, exist_ok=True)
        elif self._file(volume_id) is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            kind = file_system(wanted)
            # Renamed when it is complete.
            scratch = self.folder / f"{volume_id}.new"
            with scratch.open("wb") as file:
                file.truncate(size_gib * GIB)
            execute([*FILE_SYSTEMS[kind].make, scratch])
            scratch.rename(self.folder / f"{volume_id}.{kind}")
        return place

    def attach(self, machine: Inside, volume_id: str = "") -> None:
        """Mount a disk, by default all, in a node, unless it is mounted."""
        files = self._files(volume_id)
        if not files:
            return
        mounted = set(machine.run(["findmnt", "--noheadings", "--raw", "--output=TARGET"], mounts=True).split())
        for file in files:
            place = f"{VOLUMES}/{file.stem}"
            if place not in mounted:
                kind = FILE_SYSTEMS[file.suffix[1:]]
                machine.run(["mkdir", "-p", place], mounts=True)
                self._mount(machine, ["mount", "-t", file.suffix[1:], "-o", kind.options, file, place])
                self._grow(machine, file)

    def _mount(self, machine: Inside, command: list[str | Path]) -> None:
        """Mount with retries, because a node that has just ended may still use the file."""
        deadline = time.monotonic() + _MOUNT_SECONDS
        while True:
            try:
                machine.run(command, mounts=True)
            except LocalCloudError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
            else:
                return

    def resize(self, volume_id: str, size_gib: int, machines: Sequence[Inside]) -> None:
        """Grow a disk, and its file system if it is mounted; a smaller size has no effect."""
        file = self._file(volume_id)
        if file is None:
            return
        if file.stat().st_size < size_gib * GIB:
            os.truncate(file, size_gib * GIB)
        for machine in machines:
            self._grow(machine, file)

    def _grow(self, machine: Inside, file: Path) -> None:
        """Grow a mounted file system to the size of its file, unless it has that size."""
        place = f"{VOLUMES}/{file.stem}"
        device = machine.run(["findmnt", "--noheadings", "--first-only", "--output=SOURCE", place], mounts=True).strip()
        execute(["losetup", "--set-capacity", device])
        words = FILE_SYSTEMS[file.suffix[1:]].grow
        machine.run([word.format(device=device, mount=place) for word in words], mounts=True)

    def delete(self, volume_id: str, machines: Sequence[Inside]) -> None:
        """Remove a disk and its data."""
        if self._obstacle:
            shutil.rmtree(self.folder / volume_id, ignore_errors=True)
        for file in self._files(volume_id):
            place = f"{VOLUMES}/{file.stem}"
            for machine in machines:
                # Lazily, because a pod with mount propagation can have a copy of this mount.
                machine.run(
                    ["sh", "-c", 'if mountpoint -q "$0"; then umount --lazy "$0"; rmdir "$0"; fi', place], mounts=True
                )
            file.unlink()

    def _files(self, volume_id: str = "") -> list[Path]:
        return [file for kind in FILE_SYSTEMS for file in sorted(self.folder.glob(f"{volume_id or '*'}.{kind}"))]

    def _file(self, volume_id: str) -> Path | None:
        return next(iter(self._files(volume_id)), None)


def release(folder: Path, loops: Path = _LOOPS) -> list[str]:
    """Free the loop devices of unmounted files in a directory; return those that are still in use.

    The kernel frees them shortly after the last unmount; the others are detached here.
    """
    deadline = time.monotonic() + _RELEASE_SECONDS
    while (held := list(_held(folder, loops))) and time.monotonic() < deadline:
        time.sleep(0.1)
    for device in held:
        with contextlib.suppress(LocalCloudError):
            execute(["losetup", "--detach", device])
    return list(_held(folder, loops)) if held else []


def _held(folder: Path, loops: Path) -> Iterator[str]:
    for mark in loops.glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if Path(mark.read_text().rstrip("\n").removesuffix(" (deleted)")).is_relative_to(folder):
                yield f"/dev/{mark.parents[1].name}"
