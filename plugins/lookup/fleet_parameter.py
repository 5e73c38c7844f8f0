# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_parameter
short_description: A value that the members of the fleet share
version_added: 0.1.0
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - Reads a parameter from the parameter store of AWS Systems Manager, C(/<fleet>/<path>), which the controlplane's
    run has written.
  - What does not exist is an error that says what to run first. In check mode, where the run at hand will make it, the
    value is a placeholder.
  - A process reads each only once. Ansible runs every task in a process of its own, so that what one task has written
    the next one reads.
requirements:
  - botocore
options:
  _terms:
    description: Paths below C(/<fleet>/).
    type: list
    elements: str
    required: true
  default:
    description: What is returned for a parameter that does not exist, instead of an error.
    type: str
extends_documentation_fragment:
  - dataplatform.fleet.shared_values
"""

EXAMPLES = r"""
- name: Show where Kafka is
  ansible.builtin.debug:
    msg: "{{ lookup('dataplatform.fleet.fleet_parameter', 'kafka/bootstrap') }}"
"""

RETURN = r"""
_raw:
  description: The values, in the order of the paths.
  type: list
  elements: str
"""

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.lookup import SharedLookup
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.reader import read_parameter


class LookupModule(SharedLookup):
    """Reads the parameter store."""

    kind = "parameter"
    read = staticmethod(read_parameter)
