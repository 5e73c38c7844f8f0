#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_role_options
short_description: Refuse options that no role has, and values that they cannot take
version_added: 0.1.0
description:
  - Fails when a variable of the host carries the name of the running role as its prefix but is not in the role's
    C(meta/argument_specs.yml), and names the nearest option.
  - Ansible itself validates only the options a role declares. A misspelt one would be a variable that no role reads.
  - Fails too when an option that the role declares as a boolean or a number is text, which a condition or a template
    would use as text. The callback P(dataplatform.fleet.option_types#callback) converts extra variables and quoted
    values before.
  - Fails too when a value is not of the option's type, none of its choices, null, has a control character in it, or
    breaks the option's rule, such as a range, a duration, a quantity of Kubernetes, a name or a network. The rules are
    in the role's C(meta/limits.yml); those of options that many roles have, such as C(<role>_storage_size), are in the
    collection.
  - With O(roles) it looks at several roles at once, so that a run finds a mistake before it has changed anything.
  - With O(fleet) it looks at what the clusters share, so that no member is reached by another way than the one that was
    meant, and no name is made that AWS or Kubernetes refuses.
options:
  complete:
    description:
      - First fail if the host lacks a variable that the playbooks read and C(inventories/fleet.yml) sets for every
        member. An inventory that AWX exported from another version of the project may lack some.
    type: bool
    default: false
  fleet:
    description:
      - Check the variables that begin with C(fleet_). C(fleet_members) has exactly one controlplane, and each member
        has C(purpose), C(region) and C(vpc_cidr), and may have C(account_id), C(aws_profile), C(aws_role_arn),
        C(compute) and C(environment). One of a cluster that exists already has C(provider=existing), and may have
        C(kubeconfig), C(context) and C(platform). No member is called like a group of the inventory.
      - Names that roles make of the fleet's and a member's name are compared with the longest that may be.
      - Without O(roles), only these are checked.
    type: bool
    default: false
  names:
    description:
      - Whether O(fleet) also looks at the names that roles would make. A removal makes none.
    type: bool
    default: true
  roles:
    description:
      - The roles of this collection to check, each as its own task of this kind would; V(all) for all of them.
      - Without it, it is the role that runs the task.
    type: list
    elements: str
    default: []
  reserved:
    description:
      - Variables with the role's prefix that belong to something else, such as an inventory plugin.
    type: list
    elements: str
    default: []
  entries:
    description:
      - For options that are a dictionary of named entries, the keys an entry may have, by option.
    type: dict
    default: {}
  keys:
    description:
      - For options that are a dictionary, the keys it may have, by option. The last character may be C(*), for any end.
      - A dictionary of keys says what each takes, a list of words, a range as C(-1 .. 1000), a regular expression as
        C(pattern) with C(words) that say it in messages, or anything.
    type: dict
    default: {}
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
  - Without O(roles) it works only in the tasks of a role. It runs on the controller.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
# The first task of a role's tasks/main.yml
- name: Refuse misspelt options
  dataplatform.fleet.check_role_options:

- name: Refuse misspelt options, also inside of each node group
  dataplatform.fleet.check_role_options:
    reserved: [eks_discovered]
    entries:
      eks_nodegroups: [instance_types, min_size, max_size]

- name: Refuse misspelt options of all roles, first in a playbook
  dataplatform.fleet.check_role_options:
    roles: [all]

- name: Refuse a fleet that cannot be built
  dataplatform.fleet.check_role_options:
    fleet: true
"""

RETURN = r"""
unknown:
  description: The names that are no option, sorted.
  returned: always
  type: list
  elements: str
  sample: ["vpc_az_cuont"]
"""
