# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that several threads or processes write: atomic writes and locks."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

LOG = logging.getLogger("localcloud.host.files")


def home(environment: Mapping[str, str] | None = None) -> Path:
    """Return the directory of all caches, ``$XDG_CACHE_HOME/dataplatform-fleet``."""
    environment = os.environ if environment is None else environment
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dataplatform-fleet"


def write_whole(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a file atomically: readers see the old or the new content, and a failed write keeps the old content.

    Power failures can lose the new content; ``flush`` prevents that.

    :raises OSError: it cannot be written; ``errno.ENOSPC`` for a full disk
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    scratch = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        scratch.chmod(mode)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def append_line(path: Path, line: str) -> None:
    """Append a whole line or nothing: a partial line would make the next one invalid.

    :raises OSError: it cannot be written
    """
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        rest = memoryview(f"{line}\n".encode())
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(before)
            raise


def flush(path: Path) -> None:
    """Flush a file, or all files in a directory, to disk."""
    for found in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if not found.is_symlink():
            descriptor = os.open(found, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, taken: Callable[[], None]) -> Iterator[None]:
    """Hold a lock against other processes and threads; the end of the process releases it.

    :param path: a lock file, which is not deleted
    :param taken: called before waiting for another holder; it can raise in place of waiting
    """
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            taken()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Book:
    """A file with the current state, for other processes. Failed writes do not fail the recorded operation.

    A failed write is logged, and retried by the next write or by ``catch_up``.
    """

    def __init__(self, path: Path, content: Callable[[], str]) -> None:
        """``content`` is called at each write, so that the last write has the newest state."""
        self._path = path
        self._content = content
        self._lock = threading.Lock()
        self._behind = False

    def write(self) -> None:
        with self._lock:
            try:
                write_whole(self._path, self._content())
            except Exception as error:
                if not self._behind:
                    LOG.warning("%s could not be written, and is written later: %s", self._path, error)
                self._behind = True
            else:
                self._behind = False

    def catch_up(self) -> None:
        """Write the file if the last write failed."""
        if self._behind:
            self.write()
