#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_alarms
short_description: Refuse overrides of alarms that cannot be used
version_added: 0.1.0
description:
  - Fails when an override names an alarm, a field, a member or a value that there is not, or a field that the alarm has
    no place for, and when an alarm of a site's own is not complete or has the name of another one.
  - Where C(promtool) is on the C(PATH) of the controller, and there are overrides or alarms of a site's own, it also
    fails when C(promtool check rules) refuses the rules that are made of them.
options:
  overrides:
    description:
      - What a site changes of alarms, by their names, as the option C(alarms_overrides) of the role
        P(dataplatform.fleet.alarms#role) has it.
    type: raw
  extra:
    description:
      - Alarms of a site's own, as a list of definitions, or as the path of a YAML file or of a directory of such
        files. A relative path starts at the directory of the host's inventory.
    type: raw
  cluster:
    description:
      - The member whose alarms promtool looks at.
    type: str
    required: true
  members:
    description:
      - The names that overrides may have in C(clusters). Without any, all are taken.
    type: list
    elements: str
    default: []
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
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Refuse alarms that cannot be evaluated
  dataplatform.fleet.check_alarms:
    overrides: "{{ alarms_overrides }}"
    extra: "{{ alarms_extra }}"
    cluster: "{{ inventory_hostname }}"
    members: "{{ fleet_members | list }}"
"""

RETURN = r"""
faults:
  description: A sentence for each fault.
  returned: always
  type: list
  elements: str
  sample: ["alarms_overrides has the unknown alarm AverageCpuHihg: did you mean AverageCpuHigh?"]
"""
