#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_conditions
short_description: Fail with the messages of all conditions that do not hold
version_added: 0.1.0
description:
  - Evaluates a list of conditions in one task. When some do not hold, the task fails with the message of each of them,
    so that a user can correct all faults before the next run.
  - A task of P(ansible.builtin.assert#module) ends with the first condition that does not hold, and evaluates its
    message each time.
options:
  conditions:
    description:
      - The conditions, in the order in which they are evaluated.
      - When a condition cannot be evaluated after another one did not hold, the conditions that follow are not
        evaluated.
    type: list
    elements: dict
    required: true
    suboptions:
      that:
        description:
          - A conditional expression, as in C(when), or a list of expressions that must all hold.
        type: raw
        required: true
      fail_msg:
        description:
          - The message when it does not hold. It is only evaluated then.
        type: raw
        required: true
attributes:
  check_mode:
    description: Can run in check mode and returns the same as without it.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
notes:
  - It runs on the controller.
seealso:
  - module: ansible.builtin.assert
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Refuse options that do not fit together
  dataplatform.fleet.check_conditions:
    conditions:
      - that: kafka_controllers in [0, 1, 3, 5]
        fail_msg: "{{ inventory_hostname }}: kafka_controllers is {{ kafka_controllers }}, and a quorum has 3 or 5."
      - that: kafka_topic_replication <= kafka_replicas
        fail_msg: "{{ inventory_hostname }}: kafka_topic_replication is greater than kafka_replicas."
"""

RETURN = r"""
faults:
  description: The message of each condition that does not hold.
  returned: always
  type: list
  elements: str
  sample: ["staging: kafka_controllers is 2, and a quorum has 3 or 5."]
"""
