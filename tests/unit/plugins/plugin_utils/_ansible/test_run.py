# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker identifies its run by the process that started it, not by a new parent process."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import run

from localcloud.testing import eventually

ROOT = Path(__file__).parents[5]
# A run whose worker waits for a file, executes its content, and writes the result.
PROGRAM = """
import multiprocessing, os, signal, sys, time
from pathlib import Path
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([sys.argv[1]])
from ansible_collections.dataplatform.fleet.plugins.connection import warm
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import run

directory, statement = Path(sys.argv[2]), sys.argv[3]

def work():
    (directory / "pid").write_text(str(os.getpid()))
    run.end_with_it() if statement == "ends" else None
    (directory / "ready").touch()
    while os.getppid() == parent:
        time.sleep(0.02)
    try:
        exec(statement)
        said = "done"
    except Exception as error:
        said = str(error)
    (directory / "part").write_text(said)
    (directory / "part").rename(directory / "said")

parent = os.getpid()
multiprocessing.get_context("fork").Process(target=work).start()
time.sleep(60)
"""


def orphan(directory: Path, statement: str) -> None:
    """Start a run and its worker, and kill the run."""
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(ROOT / "collections"), str(directory), statement])
    try:
        eventually((directory / "ready").exists, 60)
    finally:
        program.kill()
        program.wait()


@pytest.mark.parametrize(
    "statement",
    ["run.process()", "run.end_with_it()", "warm.start(sys.executable, directory / 'warm', '/')"],
)
def test_a_worker_that_outlives_its_run_is_reported(tmp_path: Path, statement: str) -> None:
    """A warm interpreter, too, would be bound forever to the process that adopts orphans."""
    orphan(tmp_path, statement)
    eventually((tmp_path / "said").exists, 60)
    assert (tmp_path / "said").read_text() == "The run has ended during one of its tasks. Run again."
    assert not (tmp_path / "warm.d").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such signal")
def test_a_worker_ends_with_its_run(tmp_path: Path) -> None:
    orphan(tmp_path, "ends")
    process = Path("/proc") / (tmp_path / "pid").read_text()
    eventually(lambda: not process.exists() or "Z" in (process / "stat").read_text().rpartition(")")[2].split()[0], 60)
    time.sleep(0.1)
    assert not (tmp_path / "said").exists()


def test_outside_of_a_worker_nothing_is_bound() -> None:
    run.end_with_it()
