# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All processes of a run end with it, before its lock is released."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.testing import eventually
from tests.integration.lock.running import Runs

pytestmark = pytest.mark.integration

PLAYBOOK = """
- hosts: all
  gather_facts: false
  module_defaults: &connected
    group/dataplatform.fleet.all: {region: eu-central-1, endpoint_url: "{{ endpoint_url }}"}
  tasks:
    - dataplatform.fleet.run_lock: {name: "{{ cluster }}", table: fleet-locks, heartbeat: 1, ttl: 60}
      run_once: true
- hosts: all
  gather_facts: false
  strategy: ansible.builtin.free
  environment: "{{ lookup('dataplatform.fleet.held_lock', cluster) }}"
  tasks:
    - dataplatform.fleet.apply:
        name: "slow-{{ run }}"
        namespace: default
        kubeconfig: "{{ kubeconfig }}"
        wait_timeout: 120
        definition:
          apiVersion: v1
          kind: PersistentVolumeClaim
          metadata: {name: "never-bound-{{ run }}", namespace: default}
          spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
      when: inventory_hostname == 'applies'
    - changing: {file: "{{ directory }}/{{ run }}-{{ inventory_hostname }}"}
      when: inventory_hostname != 'applies'
"""
CHANGING = """
import time
from ansible.module_utils.basic import AnsibleModule

def main():
    module = AnsibleModule(argument_spec={"file": {"type": "path"}})
    for _ in range(2400):
        with open(module.params["file"], "a") as file:
            file.write("x")
        time.sleep(0.05)
    module.exit_json()

if __name__ == "__main__":
    main()
"""
HOSTS = {
    "applies": {"ansible_connection": "local"},
    "warm": {"ansible_connection": "dataplatform.fleet.warm"},
    "local": {"ansible_connection": "local"},
}


@pytest.fixture(autouse=True)
def hangups_end_processes() -> Iterator[None]:
    """Under `nohup` they are ignored, and what the tests start would inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def runs(emulator: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Runs]:
    hosts = {name: {**about, "ansible_python_interpreter": sys.executable} for name, about in HOSTS.items()}
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "changing.py").write_text(CHANGING)
    with Runs.of(emulator, tmp_path, request.node.name, PLAYBOOK, hosts) as runs:
        yield runs


def descendants(process: int) -> set[int]:
    """The children of a process, and theirs, but for what it has left to run on its own."""
    table = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    found, new = set(), {process}
    while new:
        new = {pid for pid, parent in pairs if parent in new} - found
        found |= new
    return found


def alive(processes: set[int]) -> dict[int, str]:
    """Return running processes with their command lines; warm interpreters change nothing themselves."""
    found = {}
    for process in processes:
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{process}/cmdline").read_text()
            if command and "_warm/server.py" not in command:  # a zombie has none
                found[process] = command
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_all_processes_have_ended_when_the_lock_is_released(runs: Runs, api_server: ControlPlane, number: int) -> None:
    """An action that waits, and modules under both connections; a signal to the run's own process only."""
    files = [runs.directory / f"{number}-{name}" for name in ("warm", "local")]
    run = runs.start(kubeconfig=str(api_server.kubeconfig), run=int(number), directory=str(runs.directory))
    eventually(lambda: all(file.exists() for file in files) or run.poll() is not None)
    assert run.poll() is None, run.communicate()[0]
    eventually(lambda: len(descendants(run.pid)) >= 3)
    workers = descendants(run.pid)
    run.send_signal(number)
    eventually(lambda: runs.lock() is None)
    sizes = [file.stat().st_size for file in files]
    assert alive(workers) == {}
    time.sleep(0.3)
    assert [file.stat().st_size for file in files] == sizes
    eventually(lambda: not runs.keepers(), 20)
    assert run.wait(20) != 0
