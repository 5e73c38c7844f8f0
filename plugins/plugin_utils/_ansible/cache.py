# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that save work in later runs. Without them a run takes longer, and nothing else changes."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path


def folder(name: str) -> Path:
    """Return the folder *name* in the user's cache (XDG base directories): an absolute path."""
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not root.is_absolute():
        try:
            root = Path.home() / ".cache"
        except RuntimeError:  # no HOME and a user id without a passwd entry, as in a container: nothing is kept
            root = Path(os.devnull)
    return root / "dataplatform.fleet" / name


def is_own(path: Path) -> bool:
    """Whether only the user of this process can write to this folder."""
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def write(file: Path, content: bytes) -> None:
    """Replace a file atomically, and create its folder. An error is ignored: the file is a cache."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as target:
                target.write(content)
            Path(name).replace(file)
        except OSError:
            Path(name).unlink()
            raise
