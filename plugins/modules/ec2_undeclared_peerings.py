#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_undeclared_peerings
short_description: Take away what former members of a fleet could reach
version_added: 0.1.0
description:
  - Deletes, on the side that has accepted them, the peering connections from the networks of former members and the
    routes to them, and takes their VPCs out of the private zone. Other connections are not touched.
  - Tags that the other account has given to a connection cannot be seen. Where both VPCs are in the same account,
    O(owner_tags) tell the fleet's connections from those of others; else the networks alone do.
  - What is in the former members' own accounts stays; their routes lead nowhere.
options:
  vpc:
    description:
      - The V(Name) tag of the VPC that has accepted the connections. In check mode it need not exist yet.
      - Of several VPCs of this name, it is the one that has the fleet's tags of O(owner_tags).
    type: str
    required: true
  networks:
    description: The networks of the former members, by the members' names.
    type: dict
    required: true
  zone:
    description: The private zone that the members' VPCs see.
    type: str
    required: true
  owner_tags:
    description:
      - The tags that all members' connections and the zone have, such as C(dataplatform.fleet/fleet). A connection
        within one account, or a zone, that lacks them stays.
    type: dict
    default: {}
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes
seealso:
  - module: dataplatform.fleet.ec2_network_peering
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Take away what testing could reach
  dataplatform.fleet.ec2_undeclared_peerings:
    vpc: example-controlplane
    networks:
      testing: 10.43.0.0/16
    zone: example.internal
    owner_tags:
      dataplatform.fleet/fleet: example
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: DeleteVpcPeeringConnection
      changes:
        peering of testing: {before: active, after: null}
undeclared_peerings:
  description: The members whose connections were taken away, or would be.
  returned: always
  type: list
  elements: str
  sample: [testing]
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Value
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run, outcome, run
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.former import Former


def argument_spec() -> dict[str, Any]:
    return {
        "vpc": {"type": "str", "required": True},
        "networks": {"type": "dict", "required": True},
        "zone": {"type": "str", "required": True},
        "owner_tags": {"type": "dict", "default": {}},
    }


def manage(this: Run) -> dict[str, Value]:
    members = Former(this).revoke()
    return outcome(this.plan(), undeclared_peerings=members)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    run(module, "the peering connections of former members", manage)


if __name__ == "__main__":
    main()
