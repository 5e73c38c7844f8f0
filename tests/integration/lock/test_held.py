# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that has lost its lock stops before its next change."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
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
  module_defaults:
    group/dataplatform.fleet.all:
      region: eu-central-1
      endpoint_url: "{{ endpoint_url }}"
      access_key: "{{ access_key | default(omit) }}"
      secret_key: "{{ secret_key | default(omit) }}"
  tasks:
    - dataplatform.fleet.run_lock: {name: "{{ cluster }}", table: fleet-locks, heartbeat: 1, ttl: "{{ ttl }}"}
      run_once: true
- hosts: all
  gather_facts: false
  strategy: ansible.builtin.free
  environment: "{{ lookup('dataplatform.fleet.held_lock', cluster) }}"
  tasks:
    - ansible.builtin.file: {path: "{{ here }}", state: touch}
      when: inventory_hostname == 'here'
    - ansible.builtin.wait_for: {path: "{{ until }}", timeout: 120, sleep: 1}
      when: inventory_hostname == 'here'
    - ansible.builtin.set_fact: {changed_after: true}
      when: inventory_hostname == 'here'
    - dataplatform.fleet.apply:
        name: stolen
        namespace: default
        kubeconfig: "{{ kubeconfig }}"
        wait_timeout: 120
        definition:
          apiVersion: v1
          kind: PersistentVolumeClaim
          metadata: {name: never-bound, namespace: default}
          spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
      when: inventory_hostname == 'applies'
    - ansible.builtin.file: {path: "{{ here }}-after", state: touch}
"""
CLAIM = "/api/v1/namespaces/default/persistentvolumeclaims/never-bound"
HOST = {"ansible_connection": "local"}


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Runs]]:
    with contextlib.ExitStack() as stack:
        yield lambda cloud, *hosts: stack.enter_context(
            Runs.of(cloud, tmp_path, request.node.name, PLAYBOOK, dict.fromkeys(hosts, HOST))
        )


def failed(run: subprocess.Popen[str], runs: Runs, hosts: int) -> str:
    """The output of a run in which each of so many hosts failed, and did nothing after that."""
    output, _ = run.communicate(timeout=90)
    assert run.returncode == 2, output
    assert output.count("failed=1 ") == hosts, output
    assert not list(runs.directory.glob("*-after"))
    return " ".join(output.replace("''", "'").split())


def test_a_stolen_lock_stops_tasks_and_what_waits_in_a_task(
    start: Callable[..., Runs], emulator: Any, api_server: ControlPlane
) -> None:
    runs = start(emulator, "here", "applies")
    run, until = runs.start_long("first", ttl=60, kubeconfig=str(api_server.kubeconfig))
    eventually(lambda: api_server.request("GET", CLAIM)[0] == 200)
    runs.steal()
    # From one heartbeat on. The next task is of a kind that reaches no cluster.
    eventually(lambda: any(state["lost"] for state in runs.states()))
    until.touch()
    text = failed(run, runs, 2)
    lost = f"This run has lost its lock on cluster {runs.cluster}: another run holds it, or it was removed"
    assert f"'environment': The lookup plugin 'dataplatform.fleet.held_lock' failed: {lost}" in text
    assert f"fatal: [applies]: FAILED! => changed: false msg: '{lost}" in text
    assert (runs.lock() or {})["run_id"] == "other"
    eventually(lambda: not runs.keepers())


def test_a_lock_that_is_not_renewed_stops_the_run_before_it_expires(start: Callable[..., Runs], emulator: Any) -> None:
    runs = start(emulator, "here")
    run, until = runs.start_long("first", ttl=9)
    for keeper in runs.keepers():
        os.kill(keeper, signal.SIGKILL)
    lock = runs.lock() or {}
    # A third of the time to live before its end.
    time.sleep(6.5)
    until.touch()
    text = failed(run, runs, 1)
    assert f"The lock on cluster {runs.cluster} could not be renewed for " in text
    assert "(the process that renews it has ended)" in text
    assert runs.lock() == lock


def test_credentials_that_disappear_are_reported_and_stop_the_run(start: Callable[..., Runs], local_cloud: Any) -> None:
    iam = local_cloud.client("iam")
    iam.create_user(UserName="leaving")
    allowed = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}}
    iam.put_user_policy(UserName="leaving", PolicyName="lock", PolicyDocument=json.dumps(allowed))
    key = iam.create_access_key(UserName="leaving")["AccessKey"]
    runs = start(local_cloud, "here")
    secret = key["SecretAccessKey"]
    run, until = runs.start_long("first", ttl=9, access_key=key["AccessKeyId"], secret_key=secret)
    iam.delete_access_key(UserName="leaving", AccessKeyId=key["AccessKeyId"])
    eventually(lambda: any(state["problem"] for state in runs.states()))
    time.sleep(6)
    until.touch()
    text = failed(run, runs, 1)
    assert f"The lock on cluster {runs.cluster} could not be renewed for " in text
    assert "UnrecognizedClientException" in text
    assert secret not in text
    # It cannot be released, and expires.
    assert runs.lock()
    eventually(lambda: not runs.keepers(), 30)
