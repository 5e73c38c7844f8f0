#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: render
short_description: Write the Kubernetes objects of a playbook's roles to files
version_added: 0.1.0
author: The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - Renders the templates of every role that a playbook runs on the host, C(templates/*.yaml.j2), with the host's
    variables and the role's defaults and constants, and writes each object to a file of its own, for review and for
    GitOps. These are the objects that M(dataplatform.fleet.apply) applies, without its labels.
  - Nothing is asked, neither AWS nor a cluster, unless O(placeholders) is V(false). A value that only a run can know,
    such as the password that the lookup P(dataplatform.fleet.fleet_secret#lookup) reads, is a placeholder.
  - The data of Secrets is written as C(<redacted>).
options:
  playbook:
    description:
      - The playbook, whose imports are followed. Its plays are for hosts in all groups of a pattern such as
        C(purpose_controlplane:&managed).
      - A path, or the name of a playbook in a collection, such as V(dataplatform.fleet.site).
    type: path
    required: true
  dest:
    description:
      - The directory to fill, C(<role>/<kind>-<namespace>-<name>.yaml).
      - Other files in it and below whose names end in C(.yaml) are removed, and so are its empty directories. Files
        with other names stay.
    type: path
    required: true
  placeholders:
    description:
      - Whether each value that the lookups of this collection would read is a placeholder. Only this module makes
        placeholders, and check mode where the run would make the value.
      - V(false) reads the values, which are redacted in the files of Secrets.
    type: bool
    default: true
attributes:
  check_mode:
    description: With C(--check) nothing is written.
    support: full
  diff_mode:
    description: The files are there to be compared.
    support: none
notes:
  - A role whose option C(<role>_enabled) is false has no objects.
  - This is an action plugin, the files are on the controller.
"""

EXAMPLES = r"""
- name: Render what site.yml applies
  hosts: managed
  gather_facts: false
  tasks:
    - name: Write the objects
      dataplatform.fleet.render:
        playbook: dataplatform.fleet.site
        dest: "build/render/{{ inventory_hostname }}"
"""

RETURN = r"""
files:
  description: The files, relative to O(dest).
  returned: success
  type: list
  elements: str
  sample: ["ingress_nginx/Deployment-ingress-nginx-ingress-nginx.yaml"]
removed:
  description: Files of an earlier run that are not there any more.
  returned: success
  type: list
  elements: str
  sample: []
"""
