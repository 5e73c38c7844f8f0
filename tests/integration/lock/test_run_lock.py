"""The lock in runs of ansible-playbook."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.testing import eventually
from tests.integration.lock.running import TABLE, Runs

pytestmark = pytest.mark.integration

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tags: [always]
  module_defaults:
    group/dataplatform.fleet.all:
      region: eu-central-1
      endpoint_url: "{{ endpoint_url }}"
      access_key: test
      secret_key: the-secret-key
  tasks:
    - dataplatform.fleet.run_lock: &lock
        name: "{{ cluster }}"
        table: fleet-locks
        heartbeat: "{{ beat | default(1) | int }}"
        ttl: "{{ ttl | default(60) | int }}"
        wait_timeout: "{{ wait | default(0) | int }}"
        tags: {owner: tests}
      when: "'unlock' not in ansible_run_tags"
    - dataplatform.fleet.run_lock: *lock
      when: "'unlock' not in ansible_run_tags"
    # One task: a signal that arrives while Ansible forks the worker of a second one is lost in Python's fork.
    - ansible.builtin.shell: |
        touch {{ here | default(until ~ '.here') }}
        timeout 120 sh -c 'until [ -e {{ until }} ]; do sleep 0.2; done'
      when: until is defined and 'unlock' not in ansible_run_tags
    - dataplatform.fleet.run_lock: *lock
      when: "'unlock' not in ansible_run_tags and give_back is not defined"
    - dataplatform.fleet.run_lock:
        name: "{{ cluster }}"
        table: fleet-locks
        state: absent
      when: give_back is defined
- hosts: all
  gather_facts: false
  tags: [unlock, never]
  tasks:
    - dataplatform.fleet.run_lock:
        name: "{{ cluster }}"
        table: fleet-locks
        region: eu-central-1
        endpoint_url: "{{ endpoint_url }}"
        state: broken
"""


@pytest.fixture
def runs(emulator: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Runs]:
    with Runs.of(emulator, tmp_path, request.node.name, PLAYBOOK) as runs:
        yield runs


def test_a_run_acquires_and_releases_the_lock(runs: Runs) -> None:
    run, until = runs.start_long("first")
    lock = runs.lock()
    assert lock and lock["command"] == "site.yml" and "@" in lock["holder"]
    until.touch()
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert "changed=1 " in output  # only the test's own command
    eventually(lambda: runs.lock() is None)
    table = runs.emulator.client("dynamodb").describe_table(TableName=TABLE)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    tags = runs.emulator.client("dynamodb").list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    assert tags == [{"Key": "owner", "Value": "tests"}]
    eventually(lambda: not runs.keepers())


def test_a_second_run_is_refused_and_gets_the_holders_name(runs: Runs) -> None:
    _run, until = runs.start_long("first")
    status, output = runs.run()
    assert status == 2
    lock = runs.lock()
    assert lock
    assert f"The lock on cluster {runs.cluster} is held by {lock['holder']} (site.yml) for" in output
    assert "last heartbeat" in output and "--tags unlock" in output
    until.touch()


def test_one_of_two_concurrent_runs_continues(runs: Runs) -> None:
    until = runs.directory / "until"
    both = [runs.start(until=str(until)) for _ in range(2)]
    loser = eventually(lambda: next((run for run in both if run.poll() is not None), None))
    assert loser.returncode == 2
    until.touch()
    winner = next(run for run in both if run is not loser)
    output, _ = winner.communicate(timeout=60)
    assert winner.returncode == 0, output


def test_a_waiting_run_continues_when_the_first_ends(runs: Runs) -> None:
    run, until = runs.start_long("first")
    second = runs.start(wait=90)
    until.touch()
    run.communicate(timeout=60)
    output, _ = second.communicate(timeout=120)
    assert second.returncode == 0, output


def test_the_heartbeat_continues(runs: Runs) -> None:
    run, until = runs.start_long("first")
    first = runs.lock()
    assert first
    eventually(lambda: int((runs.lock() or first)["heartbeat_at"]) >= int(first["heartbeat_at"]) + 2)
    lock = runs.lock()
    assert lock and lock["acquired_at"] == first["acquired_at"]
    until.touch()
    assert run.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_releases_the_lock(runs: Runs, number: signal.Signals) -> None:
    run, _until = runs.start_long("first")
    assert runs.lock()
    os.killpg(run.pid, number)
    run.wait(60)
    eventually(lambda: runs.lock() is None)
    eventually(lambda: not runs.keepers())


def test_a_lock_without_heartbeats_is_taken_over(runs: Runs) -> None:
    runs.run()
    eventually(lambda: runs.lock() is None)
    long_ago = int(time.time()) - 400
    item = {"cluster": runs.cluster, "run_id": "other", "holder": "ann@laptop", "command": "site.yml"}
    numbers = {"acquired_at": long_ago - 60, "heartbeat_at": long_ago, "ttl": 300}
    runs.emulator.client("dynamodb").put_item(
        TableName=TABLE,
        Item={**{k: {"S": v} for k, v in item.items()}, **{k: {"N": str(v)} for k, v in numbers.items()}},
    )
    status, output = runs.run()
    assert status == 0, output
    assert "was taken over from ann@laptop (site.yml)" in output
    assert "silent for longer than its 300 s" in output


def test_unlock_names_the_holder_and_the_run_that_lost_stops(runs: Runs) -> None:
    run, until = runs.start_long("first")
    holder = (runs.lock() or {})["holder"]
    status, output = runs.run("--check", "--tags", "unlock")
    assert status == 0 and "changed=1" in output
    assert runs.lock()
    status, output = runs.run("--tags", "unlock")
    assert status == 0, output
    assert f"The lock on cluster {runs.cluster} was taken from {holder}" in output
    status, output = runs.run("--tags", "unlock")
    assert status == 0 and "changed=0" in output
    until.touch()
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 2
    assert "This run has lost its lock" in output


def test_check_mode_acquires_no_lock_and_warns(runs: Runs) -> None:
    status, output = runs.run("--check")
    assert status == 0, output
    assert runs.lock() is None
    _run, until = runs.start_long("first")
    status, output = runs.run("--check")
    assert status == 0, output
    assert f"[WARNING]: The lock on cluster {runs.cluster} is held by" in output
    until.touch()


def test_a_lock_can_be_released_early(runs: Runs) -> None:
    status, output = runs.run(give_back=True)
    assert status == 0, output
    assert "[WARNING]: This run has lost" not in output
    assert runs.lock() is None


def test_giving_back_a_lock_that_was_stolen_fails(runs: Runs) -> None:
    run, until = runs.start_long("first", give_back=True)
    runs.steal()
    until.touch()
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 2
    assert "This run has lost its lock" in output
    assert "ann@laptop" in output
    assert (runs.lock() or {})["run_id"] == "other"


def test_secrets_are_in_no_argument_list(runs: Runs) -> None:
    _run, until = runs.start_long("first")
    keepers = runs.keepers()
    assert keepers
    for pid in keepers:
        assert "the-secret-key" not in Path(f"/proc/{pid}/cmdline").read_text()
        assert {Path(f"/proc/{pid}/fd/{number}").readlink() for number in (0, 1, 2)} == {Path(os.devnull)}
    until.touch()


def test_an_endpoint_that_is_down_is_named(runs: Runs) -> None:
    status, output = runs.run(endpoint_url="http://127.0.0.1:9")
    assert status == 2
    assert "The lock table fleet-locks could not be reached" in output
