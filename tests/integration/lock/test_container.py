# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run as the first process of its container: its end ends all processes, including the lock's heartbeat."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.testing import eventually
from tests.integration.lock.running import Runs

pytestmark = pytest.mark.integration

PLAYBOOK = """
- hosts: all
  gather_facts: false
  module_defaults:
    dataplatform.fleet.run_lock: {region: eu-central-1, endpoint_url: "{{ endpoint_url }}"}
  tasks:
    - dataplatform.fleet.run_lock: {name: "{{ cluster }}", table: fleet-locks}
    - ansible.builtin.command: "{{ command }}"
      environment: "{{ lookup('dataplatform.fleet.held_lock', cluster) }}"
"""
NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", *([] if os.getuid() == 0 else ["--map-root-user"])]


@pytest.fixture
def runs(emulator: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Runs]:
    try:
        subprocess.run([*NAMESPACE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no PID namespaces can be made here")
    with Runs.of(emulator, tmp_path, request.node.name, PLAYBOOK) as runs:
        runs.within = NAMESPACE
        yield runs


def test_a_stopped_container_releases_its_lock(runs: Runs) -> None:
    """SIGTERM to the first process, as from docker stop."""
    works = runs.directory / "works"
    run = runs.start(command=f"sh -c 'touch {works}; sleep 60'")
    eventually(lambda: works.exists() or run.poll() is not None)
    assert run.poll() is None, run.communicate()[0]
    (first,) = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGTERM)
    run.wait(30)
    assert runs.lock() is None
    assert run.returncode != 0


def test_a_failed_run_releases_its_lock(runs: Runs) -> None:
    status, output = runs.run(command="/bin/false")
    assert status == 2, output
    assert output.endswith("rescued=0 ignored=0"), "nothing is printed at the end"
    assert runs.lock() is None
