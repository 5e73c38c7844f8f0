# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of persistent volumes: a sparse file with a file system for each, mounted inside of the machines.

The mount is in a machine's mount namespace and ends with it, and the kernel frees a loop device that mount(8) has set
up with its last mount (LO_FLAGS_AUTOCLEAR). So of a volume only its file can be left.
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
"""Where a machine sees the data of persistent volumes."""
GIB = 1 << 30
_LOOPS = Path("/sys/block")
_RELEASE_SECONDS = 5.0
_MOUNT_SECONDS = 5.0
_CAP_SYS_RESOURCE = 24


class Inside(Protocol):
    """Runs commands in the namespaces of a machine."""

    def run(self, command: list[str | Path], text: str | None = None, *, mounts: bool = False) -> str: ...


@dataclass(frozen=True)
class FileSystem:
    """How a file system is made, mounted and grown while it is mounted. ``{device}`` and ``{mount}`` are filled in."""

    make: tuple[str, ...]
    options: str
    grow: tuple[str, ...]

    @property
    def programs(self) -> tuple[str, ...]:
        return self.make[0], self.grow[0]


# As the EBS CSI driver makes them, but that nothing is written which the file has already: zeros. What pods delete is
# given back to the host.
FILE_SYSTEMS = {
    "ext4": FileSystem(
        ("mkfs.ext4", "-q", "-F", "-m0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"),
        "loop,discard,noinit_itable",
        ("resize2fs", "{device}"),
    ),
    "xfs": FileSystem(("mkfs.xfs", "-q", "-f", "-K"), "loop,discard", ("xfs_growfs", "{mount}")),
}


def ext4_grows(status: Path = Path("/proc/self/status")) -> bool:
    """Whether the kernel lets this process grow a mounted ext4: ext4_resize_begin() wants CAP_SYS_RESOURCE."""
    for line in status.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)
    return True


def file_system(wanted: str) -> str:
    """Return what a volume gets: what its class names, or XFS in the place of an ext4 that could not grow here."""
    return "xfs" if wanted == "xfs" or not ext4_grows() else "ext4"


class Disks:
    """The disks of one cluster. With an ``obstacle`` to file systems in files they are folders without a size."""

    def __init__(self, folder: Path, obstacle: str = "") -> None:
        self.folder = folder
        self._obstacle = obstacle

    @property
    def shared(self) -> dict[str, Path]:
        """What a machine has to be given of the host's file system, by where it sees it."""
        return {VOLUMES: self.folder} if self._obstacle else {}

    def create(self, volume_id: str, size_gib: int, wanted: str) -> str:
        """Make a disk unless it is there; return where machines see it once it is attached."""
        place = f"{VOLUMES}/{volume_id}"
        if self._obstacle:
            (self.folder / volume_id).mkdir(parents=True, exist_ok=True)
        elif self._file(volume_id) is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            kind = file_system(wanted)
            # Under its name only once it is whole.
            scratch = self.folder / f"{volume_id}.new"
            with scratch.open("wb") as file:
                file.truncate(size_gib * GIB)
            execute([*FILE_SYSTEMS[kind].make, scratch])
            scratch.rename(self.folder / f"{volume_id}.{kind}")
        return place

    def attach(self, machine: Inside, volume_id: str = "") -> None:
        """Mount a disk, or all of them, in a machine, where they are not mounted yet."""
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
        """Mount; a machine that has just ended may not have let go of the file yet."""
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
        """Let a disk grow, and its file system where it is mounted; a smaller size changes nothing."""
        file = self._file(volume_id)
        if file is None:
            return
        if file.stat().st_size < size_gib * GIB:
            os.truncate(file, size_gib * GIB)
        for machine in machines:
            self._grow(machine, file)

    def _grow(self, machine: Inside, file: Path) -> None:
        """Let a mounted file system take all of its file; it may do so already."""
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
                # Lazily, because a pod that sees all of the node's mounts may have a copy of this one.
                machine.run(
                    ["sh", "-c", 'if mountpoint -q "$0"; then umount --lazy "$0"; rmdir "$0"; fi', place], mounts=True
                )
            file.unlink()

    def _files(self, volume_id: str = "") -> list[Path]:
        return [file for kind in FILE_SYSTEMS for file in sorted(self.folder.glob(f"{volume_id or '*'}.{kind}"))]

    def _file(self, volume_id: str) -> Path | None:
        return next(iter(self._files(volume_id)), None)


def release(folder: Path, loops: Path = _LOOPS) -> list[str]:
    """Free the loop devices on files in a folder whose mounts have ended; return those that are still in use.

    The kernel does it by itself, a moment after the last mount; what it has missed is detached.
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
