#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: route53_private_zone
short_description: Let a VPC see a private zone of Route 53
version_added: 0.1.0
description:
  - Creates a private hosted zone with a VPC, or associates a VPC with the zone of another member, also across accounts,
    where it is authorized for that call and no longer.
  - M(amazon.aws.route53_zone) takes the associated VPCs as a whole; where it does not know those of others it makes a
    second zone of the same name.
options:
  name:
    description: The zone's name, such as V(example.internal).
    type: str
    required: true
  state:
    description:
      - V(present) creates the zone with the VPC, or associates the VPC with it, and sets its tags.
      - V(absent) deletes the zone with all records in it.
      - V(associated) associates the VPC with a zone that exists, and V(disassociated) takes the VPC out of it. The
        zone itself, its tags and its records stay as they are.
    type: str
    choices: [present, absent, associated, disassociated]
    default: present
  vpc:
    description:
      - The V(Name) tag of the VPC. In check mode it need not exist yet.
      - Of several VPCs of this name, it is the one that has the fleet's tags of O(tags).
    type: str
    required: true
  owner_account_id:
    description: With O(state=associated), the account of the zone. Without it, the one of the VPC.
    type: str
    default: ""
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - amazon.aws.tags
  - dataplatform.fleet.attributes
  - dataplatform.fleet.accepter
  - dataplatform.fleet.aws.ownership
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Create the fleet's zone
  dataplatform.fleet.route53_private_zone:
    name: example.internal
    vpc: example-controlplane

- name: Let staging see it
  dataplatform.fleet.route53_private_zone:
    name: example.internal
    vpc: example-staging
    state: associated

- name: Delete the zone with its records
  dataplatform.fleet.route53_private_zone:
    name: example.internal
    vpc: example-controlplane
    state: absent
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: AssociateVPCWithHostedZone
      changes:
        zone example.internal.vpc example-staging: {before: null, after: vpc-0123456789abcdef0}
private_zone:
  description: The zone. Its id is empty where it does not exist yet.
  returned: always
  type: dict
  sample:
    id: Z0123456789ABCDEFGHIJ
    name: example.internal
    commands: []
  contains:
    commands:
      description: What the owner of the zone has to run, where this task may not.
      type: list
      elements: str
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Value
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run, outcome, run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.spec import ADOPT, TAGS
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.api import ACCEPTER
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.zone import Zone

STATES = ["present", "absent", "associated", "disassociated"]


def argument_spec() -> dict[str, Any]:
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": STATES, "default": "present"},
        "vpc": {"type": "str", "required": True},
        "owner_account_id": {"type": "str", "default": ""},
        "accepter": ACCEPTER,
        **TAGS,
        **ADOPT,
    }


def manage(this: Run) -> dict[str, Value]:
    zone = Zone(this)
    ends = {
        "present": zone.present,
        "absent": zone.absent,
        "associated": zone.associated,
        "disassociated": zone.disassociated,
    }
    found = ends[this.options["state"]]()
    return outcome(this.plan(), private_zone=found)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    name = module.params["name"]
    run(module, f"the zone {name}", manage, where=f"Zone {name}")


if __name__ == "__main__":
    main()
