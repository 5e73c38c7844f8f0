# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/setup, with a Python that installs nothing: interrupted, twice at once, and again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A fake Python that creates a virtual environment of itself, and records its arguments.
PYTHON = """#!/usr/bin/env bash
case "$1 $2" in
  "-c "*) exec {python} "$@" ;;
  "-m venv")
    echo venv >>calls
    to="${{@: -1}}"
    mkdir -p "$to/bin" "$to/lib/python3/site-packages"
    cp "$0" "$to/bin/python"
    ;;
  "-m pip") echo pip >>calls; cp uv .venv/bin/uv ;;
  "-m compileall") shift 2; exec {python} -m compileall "$@" ;;
  *) exec {python} "$@" ;;
esac
"""


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("tools", "plugins", "localcloud/src", "observability"):
            (folder / name).mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "setup", folder / "tools" / "setup")
        for name in ("pyproject.toml", "localcloud/pyproject.toml", "uv.lock", "tools/uv.txt", "plugins/own.py"):
            (folder / name).touch()
        self.executable("python", PYTHON.format(python=sys.executable))
        self.uv("echo uv >>calls")

    def executable(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def uv(self, line: str) -> None:
        self.executable("uv", f"#!/usr/bin/env bash\n{line}\n")

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.folder / "tools" / "setup", "--python-only"],
            env={**os.environ, "PYTHON": str(self.folder / "python"), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def setup(self) -> tuple[int, str]:
        process = self.start()
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def calls(self) -> list[str]:
        """Return the commands since the last call."""
        log = self.folder / "calls"
        found = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def age(self, *names: str) -> None:
        """Make files some seconds older than what will be written, whatever the file system's clock is."""
        for name in names:
            path = self.folder / name
            os.utime(path, (path.stat().st_mtime - 10,) * 2)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    made.age("pyproject.toml", "localcloud/pyproject.toml", "uv.lock", "tools/setup", "tools/uv.txt", "plugins/own.py")
    return made


def test_once_and_then_silent(checkout: Checkout) -> None:
    assert checkout.setup()[0] == 0
    assert checkout.calls() == ["venv", "pip", "uv"]
    assert list((checkout.folder / "plugins" / "__pycache__").glob("own.*.pyc"))
    assert checkout.setup() == (0, "")
    assert checkout.calls() == []


def test_changed_sources_are_compiled_again(checkout: Checkout) -> None:
    checkout.setup()
    (compiled,) = (checkout.folder / "plugins" / "__pycache__").glob("own.*.pyc")
    before = compiled.read_bytes()
    (checkout.folder / "plugins" / "own.py").write_text("NEW = 1\n")
    checkout.age(".venv/.bytecode")
    assert checkout.setup() == (0, "")
    assert b"NEW" in compiled.read_bytes()
    assert before != compiled.read_bytes()


def test_after_an_interruption_it_starts_from_the_beginning(checkout: Checkout) -> None:
    checkout.uv("kill -9 -- -$$ -$PPID")
    assert checkout.setup()[0] == -signal.SIGKILL
    checkout.calls()
    checkout.uv("echo uv >>calls")
    assert checkout.setup()[0] == 0
    assert checkout.calls() == ["venv", "pip", "uv"]


def test_a_failed_installation_leaves_the_environment(checkout: Checkout) -> None:
    checkout.setup()
    checkout.calls()
    (checkout.folder / "uv.lock").touch()
    checkout.age(".venv/.ready")
    checkout.uv("exit 3")
    assert checkout.setup()[0] != 0
    checkout.calls()
    checkout.uv("echo uv >>calls")
    assert checkout.setup()[0] == 0
    assert checkout.calls() == ["pip", "uv"]


def test_two_at_once_install_once(checkout: Checkout) -> None:
    checkout.uv("sleep 1; echo uv >>calls")
    both = [checkout.start(), checkout.start()]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert checkout.calls() == ["venv", "pip", "uv"]
    assert sum("Waiting" in output for output in outputs) <= 1


def test_changes_during_an_installation_are_installed_by_the_next_one(checkout: Checkout) -> None:
    checkout.uv("sleep 1; touch uv.lock")
    assert checkout.setup()[0] == 0
    checkout.calls()
    checkout.uv("echo uv >>calls")
    assert checkout.setup()[0] == 0
    assert checkout.calls() == ["pip", "uv"]
