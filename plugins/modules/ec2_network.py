#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_network
short_description: Manage a VPC with its subnets, gateways, routes and endpoints
version_added: 0.1.0
description:
  - Manages a whole network as one desired state. It reads what is there, plans, and carries out the plan.
  - The plan names resources instead of giving their ids, so that check mode announces the same changes for an empty
    account, for drift and for a converged network that the run then makes.
  - An interrupted run is repaired by the next one. Every resource gets its tags when it is created.
  - Creates the VPC, its internet gateway, subnets, NAT gateways with Elastic IP addresses, one public and one or more
    private route tables, VPC endpoints with their security group, and a flow log. The default security group is
    emptied. DNS support and DNS host names are switched on in the VPC, and public addresses at launch off in the
    subnets.
  - A listed subnet is associated with the route table of its tier, whatever its route table was. The subnets, security
    groups and route tables of an endpoint become the declared ones.
  - NAT gateways, Elastic IP addresses, route tables, endpoints and flow logs of its own that are no longer declared are
    removed, and so are undeclared routes to its own internet gateway and NAT gateways.
  - O(tags) are those of all resources; with O(state=absent) they say which network is one's own. Routes to what this
    module does not make stay, such as those to peering connections, transit gateways and NAT gateways of others. A
    default route is replaced where O(nat) needs one.
  - Anyone can choose a name, so tags say what is the network's own. The tags C(dataplatform.fleet/fleet) and
    C(dataplatform.fleet/cluster), as far as O(tags) has them, must be on what is changed or removed; where it has
    neither, one of its tags; without O(tags) the name alone decides. What has the name and not the tags is refused
    before anything is changed.
options:
  name:
    description:
      - The V(Name) tag of the VPC, and the prefix of its resources' names.
      - Of several VPCs of this name, it is the one that has the fleet's tags of O(tags).
    type: str
    required: true
  state:
    description:
      - V(absent) removes the VPC and everything in it, and tries again what AWS still holds.
    type: str
    choices: [present, absent]
    default: present
  cidr:
    description: The IPv4 CIDR block. It cannot be changed afterwards. Required for O(state=present).
    type: str
  subnets:
    description:
      - The subnets, as P(dataplatform.fleet.subnet_plan#filter) gives them. Required for O(state=present).
      - A subnet that is no longer listed stays where it is.
    type: list
    elements: dict
    suboptions:
      name:
        description: The V(Name) tag.
        type: str
        required: true
      cidr:
        description: The CIDR block.
        type: str
        required: true
      az:
        description: The availability zone.
        type: str
        required: true
      tier:
        description: V(public) subnets are routed to the internet gateway, those of every other tier to a NAT gateway.
        type: str
        required: true
  nat:
    description: One NAT gateway for all private subnets, one in every zone, or none.
    type: str
    choices: [single, per_az, none]
    default: single
  endpoints:
    description:
      - AWS services to reach without the internet, such as V(s3), V(dynamodb), V(ecr), V(sts).
      - V(s3) and V(dynamodb) are gateway endpoints of all route tables. V(ecr) stands for V(ecr.api) and V(ecr.dkr).
        Others are interface endpoints in the private subnets, open to the VPC.
    type: list
    elements: str
    default: []
  flow_log:
    description: Where to log the VPC's traffic. Without it there is no flow log.
    type: dict
    suboptions:
      log_group:
        description: The name of the CloudWatch log group.
        type: str
        required: true
      role_arn:
        description: The IAM role that may write there.
        type: str
        required: true
      traffic_type:
        description: Which traffic to log.
        type: str
        choices: [ALL, ACCEPT, REJECT]
        default: ALL
  tier_tags:
    description: More tags for the subnets of a tier, such as those by which load balancers find their subnets.
    type: dict
    default: {}
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - amazon.aws.tags
  - dataplatform.fleet.attributes
  - dataplatform.fleet.aws.ownership
  - dataplatform.fleet.aws.wait
"""

EXAMPLES = r"""
- name: Create a network of two zones
  dataplatform.fleet.ec2_network:
    name: example
    cidr: 10.42.0.0/16
    subnets: "{{ '10.42.0.0/16' | dataplatform.fleet.subnet_plan(zones, tiers, prefix='example-') }}"
    nat: single
    endpoints: [s3, ecr]
    tags:
      team: data
  vars:
    zones: [eu-central-1a, eu-central-1b]
    tiers: {public: 24, private: 19}

- name: Remove it
  dataplatform.fleet.ec2_network:
    name: example
    state: absent
"""

RETURN = r"""
actions:
  description: What was done to each resource, or would be in check mode, with the fields that change.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: update route_table example-private
      changes:
        routes.0.0.0.0/0: {before: null, after: example-nat-eu-central-1a}
vpc:
  description: The network. Ids are null in check mode as long as the resources do not exist.
  returned: always
  type: dict
  sample:
    id: vpc-0a1b2c3d4e5f60718
    name: example
    cidr: 10.42.0.0/16
    subnets:
      - {id: subnet-0a1b2c3d4e5f60718, name: example-public-eu-central-1a, cidr: 10.42.32.0/24, tier: public}
  contains:
    left:
      description: With O(state=absent) and O(wait=false), what AWS has yet to delete, by id, and why.
      type: dict
waited:
  description: What was waited for, for how many seconds, and the states seen in order.
  returned: always
  type: list
  elements: dict
  sample: []
"""

from functools import partial
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Value
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run, outcome, run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.spec import ADOPT, STATE, TAGS, WAIT
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.api import Ec2
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.apply import Applier
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.plan import Network, desired, plan, removal
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.read import Live, own_vpc, read
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.remove import Remover


def argument_spec() -> dict[str, Any]:
    return {
        "name": {"type": "str", "required": True},
        "cidr": {"type": "str"},
        "subnets": {
            "type": "list",
            "elements": "dict",
            "options": {key: {"type": "str", "required": True} for key in ("name", "cidr", "az", "tier")},
        },
        "nat": {"type": "str", "choices": ["single", "per_az", "none"], "default": "single"},
        "endpoints": {"type": "list", "elements": "str", "default": []},
        "flow_log": {
            "type": "dict",
            "options": {
                "log_group": {"type": "str", "required": True},
                "role_arn": {"type": "str", "required": True},
                "traffic_type": {"type": "str", "choices": ["ALL", "ACCEPT", "REJECT"], "default": "ALL"},
            },
        },
        "tier_tags": {"type": "dict", "default": {}},
        **STATE,
        **TAGS,
        **ADOPT,
        **WAIT,
    }


def facts(network: Network, live: Live) -> dict[str, Any]:
    return {
        "id": live.vpc_id,
        "name": network.name,
        "cidr": network.cidr,
        "subnets": [{**subnet, "id": live.ids.get(("subnet", subnet["name"]))} for subnet in network.subnets],
    }


def ensure_present(this: Run, ec2: Ec2) -> dict[str, Value]:
    options = this.options
    given = {key: options[key] for key in ("name", "cidr", "subnets", "nat", "endpoints", "flow_log", "tier_tags")}
    network = Network(region=ec2.client.meta.region_name, **given, **ownership(this))
    live = read(ec2, network)
    planned = plan(live.state, desired(network), network, live.ids)
    applier = Applier(ec2, network, live)
    for step in planned:
        this.about = f"{step.operation}. Run again to go on from here"
        this.carry_out(step, partial(applier.apply, step))
    return outcome(planned, vpc=facts(network, live), waited=this.poller.report())


def ensure_absent(this: Run, ec2: Ec2) -> dict[str, Value]:
    name = this.options["name"]
    network = Network(name=name, cidr="", region=ec2.client.meta.region_name, subnets=[], **ownership(this))
    vpc = own_vpc(ec2, network)
    if vpc is None:
        return outcome(Plan(), vpc={"id": None, "name": name}, waited=[])
    live = read(ec2, network)
    planned = removal(live.state)
    remover = Remover(ec2, vpc["VpcId"], name, network.owns)
    left = {} if this.check_mode else remover.run(this.poller, wait=this.wait)
    if left:
        # The VPC itself goes last, and not while anything is left.
        staying = {f"{kind} {one}" for (kind, one), identity in live.ids.items() if kind == "vpc" or identity in left}
        planned = Plan(steps=tuple(step for step in planned if step.resource not in staying))
    if left and this.wait:
        this.done += planned.as_list()
        held = "; ".join(f"{one}: {why}" for one, why in sorted(left.items()))
        raise AwsError(f"The network {name} could not be removed completely. Still there: {held}", left=left)
    facts = {"id": vpc["VpcId"], "name": name, "left": left}
    return outcome(planned, vpc=facts, waited=this.poller.report())


def ownership(this: Run) -> dict[str, Any]:
    """What decides which resources are the network's own, and which of their tags stay."""
    tags = this.options["tags"]
    purge = this.options["purge_tags"] and tags is not None
    return {"tags": tags or {}, "purge_tags": purge, "adopt": this.options["adopt"]}


def manage(this: Run) -> dict[str, Value]:
    ec2 = Ec2(this)
    return ensure_present(this, ec2) if this.options["state"] == "present" else ensure_absent(this, ec2)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=argument_spec(),
        required_if=[("state", "present", ["cidr", "subnets"])],
        supports_check_mode=True,
    )
    run(module, f"the network {module.params['name']}", manage)


if __name__ == "__main__":
    main()
