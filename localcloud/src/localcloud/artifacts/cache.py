# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of files that are downloaded or built once, outside of the checkout."""

from __future__ import annotations

import glob
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from localcloud.host.files import flush, locked
from localcloud.model import LocalCloudError

_SCRATCH = ".tmp"


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def system() -> tuple[str, str]:
    """Return operating system and architecture as Go names them."""
    machine = platform.machine()
    return platform.system().lower(), {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


class Cache:
    """A directory of files; one process creates a file while other processes wait."""

    def __init__(self, directory: Path, progress: Callable[[str], None] = say) -> None:
        self.directory = directory
        self.progress = progress

    def get(self, name: str, file_name: str, make: Callable[[Path], None]) -> Path:
        """Return the path of a file. If it does not exist, ``make`` writes it to the path that it gets.

        :param name: name of the file in messages
        :raises LocalCloudError: the directory is not writable, or ``make`` raises it
        """
        target = self.directory / file_name
        if target.exists():
            return target
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LocalCloudError(f"Cannot create the cache {self.directory}: {error.strerror}") from None
        lock = self.directory / f".{name}.lock"
        with locked(lock, lambda: self.progress(f"Waiting for another process that is getting {name}")):
            # Another process may have created the file while this process waited.
            if not target.exists():
                self._make(name, target, make)
        return target

    def _make(self, name: str, target: Path, make: Callable[[Path], None]) -> None:
        # The lock is exclusive, so existing temporary files are those of a killed process.
        for left in self.directory.glob(f".{glob.escape(name)}.*{_SCRATCH}"):
            shutil.rmtree(left, ignore_errors=True)
        try:
            with tempfile.TemporaryDirectory(_SCRATCH, f".{name}.", self.directory) as scratch:
                made = Path(scratch) / name
                make(made)
                made.chmod(0o755)
                # A file with the final name is complete, also after a power failure.
                flush(made)
                made.replace(target)
        except OSError as error:
            raise LocalCloudError(f"Cannot write {target}: {error.strerror or error}") from None


def find_go(environment: Mapping[str, str]) -> str | None:
    return shutil.which("go", path=environment.get("PATH"))


def go_build(
    name: str,
    package: str,
    target: Path,
    *,
    go: str,
    module: Path,
    environment: Mapping[str, str],
    flags: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> None:
    """Build a static program.

    :param module: directory of the go.mod that pins it
    :param flags: flags of the linker
    :raises LocalCloudError: the build fails; with the compiler's last line
    """
    run = subprocess.run(
        [
            go,
            "build",
            "-trimpath",
            *(["-tags", ",".join(tags)] if tags else []),
            "-ldflags",
            " ".join(["-s", "-w", *flags]),
            "-o",
            target,
            package,
        ],
        cwd=module,
        env={**environment, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise LocalCloudError(f"go build of {name} failed: {last}")


def required_version(go_mod: Path, module: str) -> str:
    """Return the version of a module that a go.mod requires, without its ``v``."""
    for line in go_mod.read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("require ").split()
        if words[:1] == [module] and len(words) > 1:
            return words[1].removeprefix("v")
    raise LocalCloudError(f"{go_mod} does not require {module}")
