# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task list reads and changes one account: that of the environment of the play, block or task."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localcloud.testing import eventually

pytestmark = pytest.mark.integration

OWN, OTHER, THIRD = "111111111111", "222222222222", "333333333333"
TASKS = """
- hosts: all
  gather_facts: false
  environment:
    AWS_ACCESS_KEY_ID: "{{ other }}"
  vars:
    fleet_name: example
    fleet_connection: {region: eu-central-1}
    fleet_members: {staging: {}}
    secret: "{{ lookup('dataplatform.fleet.fleet_secret', 'staging/tls/a') }}"
    parameter: "{{ lookup('dataplatform.fleet.fleet_parameter', 'who', default='nobody') }}"
  tasks:
    - name: A module writes where the lookups read
      dataplatform.fleet.secretsmanager_documents:
        fleet: example
        kms_key: alias/example
        documents: [{name: staging/tls, public: {a: 'other 🚀'}}]
    - name: The play's environment
      ansible.builtin.assert:
        that:
          - secret == 'other 🚀'
          - parameter == other
          - query('dataplatform.fleet.fleet_members') == ['staging']
    - name: The lock
      dataplatform.fleet.run_lock: {name: dp-staging, table: example-locks}
    - name: A cluster of that account
      dataplatform.fleet.apply: {name: a, namespace: a, cluster: only-there, state: absent, region: eu-central-1}
      check_mode: true
      register: found
      ignore_errors: true
    - name: A block's environment
      environment: {AWS_ACCESS_KEY_ID: "{{ third }}"}
      vars: {inner: "{{ lookup('dataplatform.fleet.fleet_parameter', 'who') }}"}
      block:
        - name: It counts before the play's, and the task's before it
          ansible.builtin.assert: {that: [inner == third, parameter == third]}
        - name: The task's, with another value in each round of a loop
          ansible.builtin.assert: {that: [parameter == item]}
          environment: {AWS_ACCESS_KEY_ID: "{{ item }}"}
          loop: ["{{ other }}", "{{ third }}", "{{ own }}"]
        - name: No cluster of this name
          dataplatform.fleet.apply: {name: a, namespace: a, cluster: only-there, definition: [], region: eu-central-1}
          register: missing
          ignore_errors: true
        - name: Keep what was found
          ansible.builtin.copy:
            content: "{{ {'found': found, 'missing': missing} | to_json }}"
            dest: "{{ result }}"
"""


@pytest.fixture
def clients(emulator: Any) -> Any:
    def of(account: str) -> Any:
        return lambda service: emulator.client(service, account=account)

    return {account: of(account) for account in (OWN, OTHER, THIRD)}


def test_one_task_list_reads_and_changes_one_account(emulator: Any, clients: Any, tmp_path: Path) -> None:
    for account, client in clients.items():
        client("ssm").put_parameter(Name="/example/who", Value=account, Type="String")
    key = clients[OTHER]("kms").create_key()["KeyMetadata"]["KeyId"]
    clients[OTHER]("kms").create_alias(AliasName="alias/example", TargetKeyId=key)
    clients[OTHER]("eks").create_cluster(
        name="only-there", roleArn=f"arn:aws:iam::{OTHER}:role/a", resourcesVpcConfig={"subnetIds": []}
    )
    (tmp_path / "play.yml").write_text(TASKS)
    (tmp_path / "hosts.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n")
    known = {"own": OWN, "other": OTHER, "third": THIRD, "result": str(tmp_path / "result")}
    run = subprocess.run(
        ["ansible-playbook", "-i", str(tmp_path / "hosts.yml"), "-e", json.dumps(known), str(tmp_path / "play.yml")],
        env={**emulator.env, "AWS_ACCESS_KEY_ID": OWN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    tables = {account: client("dynamodb").list_tables()["TableNames"] for account, client in clients.items()}
    assert tables == {OWN: [], OTHER: ["example-locks"], THIRD: []}
    # Given back by the process that outlives the tasks: it has the environment too.
    eventually(lambda: clients[OTHER]("dynamodb").scan(TableName="example-locks")["Items"] == [], seconds=60)
    result = json.loads((tmp_path / "result").read_text())
    assert "There is no EKS cluster 'only-there'" in result["missing"]["msg"]
    assert "There is no EKS cluster" not in result["found"].get("msg", "")
    assert result["found"].get("msg") or result["found"]["requests"]
