#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_network_peering
short_description: Connect a VPC with that of another member
version_added: 0.1.0
description:
  - Requests a peering connection, accepts it on the other side, and leads each side's network to the other, as one
    desired state.
  - On the other side it touches nothing but the request it made itself and the routes to its own network. Without the
    right to that it returns the commands for the owner.
  - M(amazon.aws.ec2_vpc_peering) makes one of these steps; in check mode the next steps do not see its result.
options:
  name:
    description: The V(Name) tag of the connection.
    type: str
    required: true
  state:
    description: V(absent) removes the connection of that name and the routes that lead to it.
    type: str
    choices: [present, absent]
    default: present
  vpc:
    description:
      - The V(Name) tag of the VPC that requests. In check mode it need not exist yet.
      - Of several VPCs of this name, it is the one that has the fleet's tags of O(tags).
    type: str
    required: true
  cidr:
    description: Its network, in check mode where it does not exist yet. Needed with O(state=present).
    type: str
  peer:
    description: The other side. Needed with O(state=present).
    type: dict
    suboptions:
      vpc_id:
        description: The VPC. It may be empty in check mode, where it does not exist yet.
        type: str
        required: true
      cidr:
        description: Its network.
        type: str
        required: true
      region:
        description: Its region.
        type: str
        required: true
      account_id:
        description: Its AWS account. Without it, the one of the requester.
        type: str
        default: ""
  accept:
    description:
      - Whether to accept the request and to set the routes on the other side. Without it, when O(accepter) is given or
        both sides are in the same account.
    type: bool
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - amazon.aws.tags
  - dataplatform.fleet.attributes
  - dataplatform.fleet.accepter
  - dataplatform.fleet.aws.ownership
  - dataplatform.fleet.aws.wait
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Connect staging with the controlplane
  dataplatform.fleet.ec2_network_peering:
    name: example-staging
    vpc: example-staging
    cidr: 10.42.0.0/16
    peer:
      vpc_id: vpc-0123456789abcdef0
      cidr: 10.40.0.0/16
      region: eu-central-1
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: CreateVpcPeeringConnection
      changes:
        peering example-staging: {before: null, after: pending-acceptance}
vpc_peering:
  description: The connection.
  returned: always
  type: dict
  sample:
    id: pcx-0123456789abcdef0
    status: active
    commands: []
  contains:
    commands:
      description: What the owner of the other side has to run, where this task may not.
      type: list
      elements: str
waited:
  description: What was waited for, for how many seconds, and the states seen in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {"on": "The peering connection pcx-0123456789abcdef0", seconds: 4.0, states: [provisioning, active]}
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Value
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run, outcome, run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.spec import ADOPT, STATE, TAGS, WAIT
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.api import ACCEPTER
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.manager import Manager


def argument_spec() -> dict[str, Any]:
    peer = {
        "vpc_id": {"type": "str", "required": True},
        "cidr": {"type": "str", "required": True},
        "region": {"type": "str", "required": True},
        "account_id": {"type": "str", "default": ""},
    }
    return {
        "name": {"type": "str", "required": True},
        "vpc": {"type": "str", "required": True},
        "cidr": {"type": "str"},
        "peer": {"type": "dict", "options": peer},
        "accept": {"type": "bool"},
        "accepter": ACCEPTER,
        **STATE,
        **TAGS,
        **ADOPT,
        **WAIT,
    }


def manage(this: Run) -> dict[str, Value]:
    manager = Manager(this)
    found = manager.present() if this.options["state"] == "present" else manager.absent()
    return outcome(this.plan(), vpc_peering=found, waited=this.poller.report())


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_if=[("state", "present", ["cidr", "peer"])],
    )
    name = module.params["name"]
    run(module, f"the peering connection {name}", manage, where=f"Peering {name}")


if __name__ == "__main__":
    main()
