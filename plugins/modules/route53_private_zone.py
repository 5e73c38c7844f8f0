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
      - V(absent) takes the VPC out of the zone; with O(create) it deletes the zone with all records in it.
    type: str
    choices: [present, absent]
    default: present
  vpc:
    description:
      - The V(Name) tag of the VPC. In check mode it need not exist yet.
      - Of several VPCs of this name, it is the one that has the fleet's tags of O(tags).
    type: str
    required: true
  create:
    description: Whether the zone is this member's to create and to delete.
    type: bool
    default: false
  owner_account_id:
    description: The account of the zone. Without it, the one of the VPC.
    type: str
    default: ""
  tags:
    description:
      - With O(create), tags of the zone. Others stay. As far as the tags C(dataplatform.fleet/fleet) and
        C(dataplatform.fleet/cluster) are among them, a zone of this account that lacks them is refused.
    type: dict
    default: {}
  adopt:
    description: Takes over, or deletes, a zone of that name that lacks these tags.
    type: bool
    default: false
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes
  - dataplatform.fleet.accepter
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Create the fleet's zone
  dataplatform.fleet.route53_private_zone:
    name: example.internal
    vpc: example-controlplane
    create: true

- name: Let staging see it
  dataplatform.fleet.route53_private_zone:
    name: example.internal
    vpc: example-staging
"""

RETURN = r"""
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
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import ForeignError
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.api import ACCEPTER
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import PeeringError
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.zone import Zone

try:  # noqa: SIM105
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing


def argument_spec() -> dict[str, Any]:
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "vpc": {"type": "str", "required": True},
        "create": {"type": "bool", "default": False},
        "owner_account_id": {"type": "str", "default": ""},
        "accepter": ACCEPTER,
        "tags": {"type": "dict", "default": {}},
        "adopt": {"type": "bool", "default": False},
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    name = module.params["name"]
    zone = Zone(module)
    try:
        result = zone.present() if module.params["state"] == "present" else zone.absent()
    except (PeeringError, ForeignError) as error:
        module.fail_json(msg=f"Zone {name}: {error}")
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Could not manage the zone {name}")
    module.exit_json(
        changed=zone.before != zone.after, diff={"before": zone.before, "after": zone.after}, private_zone=result
    )


if __name__ == "__main__":
    main()
