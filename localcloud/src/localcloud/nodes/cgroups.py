# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups of a local cloud: a separate parent for each, so that kubelets do not delete the pods of others."""

from __future__ import annotations

import contextlib
import hashlib
import time
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
_CPUSET = ("cpuset.cpus", "cpuset.mems")
_REMOVAL_SECONDS = 5.0


def key_of(root: Path) -> str:
    """Return the name of a state directory's resources outside of the directory."""
    return f"localcloud-{hashlib.sha256(str(root).encode()).hexdigest()[:8]}"


def hierarchies(mount: Path = MOUNT) -> list[Path]:
    """Return the roots of the hierarchies with controllers: that of version 2, or those of version 1."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    found = [path for path in mount.iterdir() if path.is_dir() and not path.is_symlink() and path.name != "unified"]
    return sorted(path for path in found if (path / "cgroup.procs").exists())


def create(key: str, name: str, mount: Path = MOUNT) -> str:
    """Create a parent group in every hierarchy; return its name for the kubelet."""
    for hierarchy in hierarchies(mount):
        parent = hierarchy
        for part in (key, name):
            _delegate(parent)
            branch = parent / part
            branch.mkdir(exist_ok=True)
            for setting in _CPUSET:
                # In version 1, no process can run with an empty set.
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
    """In version 2, enable a group's controllers for its children."""
    available, given = branch / "cgroup.controllers", branch / "cgroup.subtree_control"
    if available.exists():
        for controller in set(available.read_text().split()) - set(given.read_text().split()):
            # The kubelet does not need controllers that cannot be delegated here.
            with contextlib.suppress(OSError):
                given.write_text(f"+{controller}")


def remove(key: str, name: str = "", mount: Path = MOUNT) -> list[Path]:
    """Remove a group whose processes have ended; return the groups that could not be removed."""
    # On hosts with both versions, runc creates a group of version 2, too.
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
    # Deepest first; removing a control group removes its files.
    for path in sorted((p for p in [branch, *branch.rglob("*")] if p.is_dir()), key=lambda p: -len(p.parts)):
        try:
            path.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            left.append(path)
    return left
