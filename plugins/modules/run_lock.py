#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Let one run at a time change a cluster
version_added: 0.1.0
author: The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - Takes the lock of a cluster for the rest of the run, or fails and names who holds it.
  - The lock is one item in a DynamoDB table, written on condition that nobody holds it, so it works before the cluster
    exists, and between people, machines and AWX.
  - A small process next to the run renews the lock every O(heartbeat) seconds. When the run has ended, whether it
    succeeded, failed or was killed, the process ends what is left of the run and works under the lock, and then gives
    the lock back. When that process dies with its machine, the lock expires O(ttl) seconds after its last heartbeat,
    and the next run takes it over with a warning.
  - The same run may ask again for a lock it holds, and so makes sure that it still does. A run that has lost its lock
    fails there. From then on the process works with the credentials of that task, so that a run that renews its own
    before they expire keeps its lock.
  - A play demands the lock for each of its tasks by the lookup P(dataplatform.fleet.held_lock#lookup) as its
    C(environment). A run whose lock was taken away, or was not renewed up to a minute (and at most a third of O(ttl))
    before it expires, stops there.
options:
  name:
    description: What is locked, as a rule the name of the EKS cluster.
    type: str
    required: true
    aliases: [cluster]
  table:
    description:
      - Name of the DynamoDB table in O(region).
      - It is created on first use, billed per request. It holds no more than one small item per cluster.
    type: str
    required: true
  state:
    description:
      - V(present) takes the lock for this run.
      - V(held) makes sure that this run still holds the lock that it has taken, and fails if it does not.
      - V(absent) gives back what this run holds before it ends, and fails if this run has lost it. It leaves the lock
        of another run alone, and it is no error when this run has taken none.
      - V(broken) removes the lock whoever holds it, and says who that was. Make sure first that the run does not
        live any more, it would go on without a lock.
    type: str
    choices: [present, held, absent, broken]
    default: present
  ttl:
    description:
      - For how many seconds the lock outlives its holder's last heartbeat. Contenders go by what the holder promised.
      - At least three times O(heartbeat).
    type: int
    default: 300
  heartbeat:
    description: Seconds between two heartbeats.
    type: int
    default: 20
  wait_timeout:
    description: For how many seconds to wait for a lock that another run holds. With V(0) the task fails at once.
    type: int
    default: 0
  tags:
    description:
      - Tags for the table when it is created. As far as the tags C(dataplatform.fleet/fleet) and
        C(dataplatform.fleet/cluster) are among them, a table that lacks them is refused.
    type: dict
    default: {}
    aliases: [resource_tags]
  adopt:
    description: Uses a table that lacks these tags, and gives them to it.
    type: bool
    default: false
attributes:
  check_mode:
    description: With C(--check) no lock is taken; a warning names another run that holds it.
    support: full
  diff_mode:
    description: There is nothing to show, taking a lock is no change.
    support: none
notes:
  - Taking and giving back a lock, and creating the table, is bookkeeping and never reported as a change.
  - This is an action plugin, it talks to AWS from the controller.
  - "Needs these permissions on the table: C(dynamodb:DescribeTable), C(dynamodb:CreateTable), C(dynamodb:TagResource),
    C(dynamodb:ListTagsOfResource), C(dynamodb:GetItem), C(dynamodb:PutItem), C(dynamodb:UpdateItem),
    C(dynamodb:DeleteItem)."
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Lock the clusters of this run
  hosts: managed
  gather_facts: false
  tags: [always]
  tasks:
    - name: Take the cluster's lock
      dataplatform.fleet.run_lock:
        name: "{{ fleet_cluster }}"
        table: "{{ fleet_name }}-locks"
        region: "{{ aws_region }}"
      when: "'unlock' not in ansible_run_tags"

# Removes what a dead run left: ansible-playbook site.yml --tags unlock
- name: Unlock the clusters
  hosts: managed
  gather_facts: false
  tags: [unlock, never]
  tasks:
    - name: Remove the cluster's lock, whoever holds it
      dataplatform.fleet.run_lock:
        name: "{{ fleet_cluster }}"
        table: "{{ fleet_name }}-locks"
        region: "{{ aws_region }}"
        state: broken
"""

RETURN = r"""
lock:
  description:
    - The lock as it is held now, or as it was removed with O(state=broken).
    - None when nobody holds it.
  returned: always
  type: dict
  contains:
    cluster:
      description: What is locked.
      type: str
    holder:
      description: User and machine of the run.
      type: str
    command:
      description: The playbooks of the run, with the number of the AWX job if it is one.
      type: str
    run_id:
      description: Tells the run from all others.
      type: str
    acquired_at:
      description: When the lock was taken, in seconds since the epoch.
      type: int
    heartbeat_at:
      description: When the holder was last heard of, in seconds since the epoch.
      type: int
    ttl:
      description: For how many seconds the lock outlives its last heartbeat.
      type: int
    age:
      description: For how many seconds the lock has been held.
      type: int
    heartbeat_age:
      description: Seconds since the last heartbeat.
      type: int
  sample:
    cluster: dataplatform-staging
    holder: ann@laptop
    command: site.yml
    run_id: laptop/ansible-local-4711x2k9q_1z
    acquired_at: 1790000000
    heartbeat_at: 1790000060
    ttl: 300
    age: 65
    heartbeat_age: 5
"""
