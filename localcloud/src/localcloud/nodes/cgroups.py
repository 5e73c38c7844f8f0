# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups of a local cloud: one branch for each, so that two kubelets do not clear away each other's pods."""

from __future__ import annotations

import contextlib
import hashlib
import time
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
_CPUSET = ("cpuset.cpus", "cpuset.mems")
_REMOVAL_SECONDS = 5.0


def key_of(root: Path) -> str:
    """Return what a state directory's things outside of it are called."""
    return f"localcloud-{hashlib.sha256(str(root).encode()).hexdigest()[:8]}"


def hierarchies(mount: Path = MOUNT) -> list[Path]:
    """Return the roots of the hierarchies with controllers: one of version 2, or each of version 1."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    found = [path for path in mount.iterdir() if path.is_dir() and not path.is_symlink() and path.name != "unified"]
    return sorted(path for path in found if (path / "cgroup.procs").exists())


def create(key: str, name: str, mount: Path = MOUNT) -> str:
    """Create a branch in every hierarchy; return its name for the kubelet."""
    for hierarchy in hierarchies(mount):
        parent = hierarchy
        for part in (key, name):
            _delegate(parent)
            branch = parent / part
            branch.mkdir(exist_ok=True)
            for setting in _CPUSET:
                # In version 1 an empty set lets nothing run.
                if (
                    (branch / setting).exists()
                    and (parent / setting).exists()
                    and not (branch / setting).read_text().strip()
                ):
                    (branch / setting).write_text((parent / setting).read_text())
            parent = branch
        _delegate(parent)
    return f"/{key}/{name}"


def _delegate(branch: Path) -> None:
    """In version 2, let a branch's children have its controllers."""
    available, given = branch / "cgroup.controllers", branch / "cgroup.subtree_control"
    if available.exists():
        for controller in set(available.read_text().split()) - set(given.read_text().split()):
            # One that cannot be delegated here is none the kubelet insists on.
            with contextlib.suppress(OSError):
                given.write_text(f"+{controller}")


def remove(key: str, name: str = "", mount: Path = MOUNT) -> list[Path]:
    """Remove a branch, whose processes have ended; return what could not be removed."""
    # Beside version 1, runc keeps a branch of version 2 where the host has both.
    roots = [*hierarchies(mount), mount / "unified"]
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while True:
        left = [path for root in roots for path in _remove(root / key / name)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def _remove(branch: Path) -> list[Path]:
    left: list[Path] = []
    if not branch.is_dir():
        return left
    # Deepest first; the files of a control group go with it.
    for path in sorted((p for p in [branch, *branch.rglob("*")] if p.is_dir()), key=lambda p: -len(p.parts)):
        try:
            path.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            left.append(path)
    return left
