# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Options that the modules of AWS share. The specification: module_utils/_aws/spec.py.
    DOCUMENTATION = r"""
options:
  state:
    description:
      - V(present) creates what is missing and changes what differs; V(absent) deletes.
    type: str
    choices: [present, absent]
    default: present
"""

    # Whose a resource is. With amazon.aws.tags, which documents the tags.
    OWNERSHIP = r"""
options:
  adopt:
    description:
      - Change or delete the resource although it lacks the tags that say who owns it.
    type: bool
    default: false
notes:
  - The tags C(dataplatform.fleet/fleet) and C(dataplatform.fleet/cluster), or else C(dataplatform.fleet/owner), say who
    owns a resource. As far as they are in O(tags), a resource that exists without them is neither changed nor deleted.
  - O(purge_tags) never removes these tags.
"""

    WAIT = r"""
options:
  wait:
    description:
      - Wait until the last change is done too. Each earlier one is always waited for.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds for everything the task waits for. When they are over the task fails and names what it waited for;
        running it again continues the wait.
    type: int
    default: 3600
"""
