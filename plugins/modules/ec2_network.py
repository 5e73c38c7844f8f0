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
  - Tags that others put on resources stay, and so do routes to what this module does not make, such as peering
    connections, transit gateways and NAT gateways of others. A default route is replaced where O(nat) needs one.
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
  tags:
    description: Tags of all resources. With O(state=absent), those by which the network is known as one's own.
    type: dict
    default: {}
  adopt:
    description: Takes over, or removes, a network and parts of it that lack the tags that tell what is one's own.
    type: bool
    default: false
  tier_tags:
    description: More tags for the subnets of a tier, such as those by which load balancers find their subnets.
    type: dict
    default: {}
  timeout:
    description: How long O(state=absent) tries, in seconds.
    type: int
    default: 900
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes
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
changes:
  description: What was changed, or would be, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: route_table, name: example-private, action: update, fields: [routes.0.0.0.0/0]}
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
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.held import watched
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.api import Ec2
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.apply import Applier, ApplyError
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.plan import (
    KINDS,
    Change,
    Network,
    PlanError,
    desired,
    diff,
    plan,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.read import Live, own_vpc, read
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.remove import Remover

try:  # noqa: SIM105
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing


def argument_spec() -> dict[str, Any]:
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
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
        "tags": {"type": "dict", "default": {}},
        "tier_tags": {"type": "dict", "default": {}},
        "adopt": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 900},
    }


def facts(network: Network, live: Live) -> dict[str, Any]:
    return {
        "id": live.vpc_id,
        "name": network.name,
        "cidr": network.cidr,
        "subnets": [{**subnet, "id": live.ids.get(("subnet", subnet["name"]))} for subnet in network.subnets],
    }


def ensure_present(module: AnsibleAWSModule, ec2: Ec2) -> None:
    given = ("name", "cidr", "subnets", "nat", "endpoints", "flow_log", "tags", "adopt")
    options = {key: module.params[key] for key in given}
    network = Network(region=ec2.client.meta.region_name, tier_tags=module.params["tier_tags"], **options)
    live = read(ec2, network)
    changes = plan(live.state, desired(network), network, live.ids)
    applied: list[Change] = []
    if not module.check_mode:
        applier = Applier(ec2, network, live)
        for change in changes:
            try:
                applier.apply(change)
            except (BotoCoreError, ClientError) as error:
                module.fail_json_aws(
                    error,
                    msg=f"Could not {change.action} the {change.kind} {change.name}. Run again to go on from here",
                    changed=bool(applied),
                    changes=[one.as_result() for one in applied],
                )
            applied.append(change)
    module.exit_json(
        changed=bool(changes),
        changes=[change.as_result() for change in changes],
        diff=diff(changes),
        vpc=facts(network, live),
    )


def ensure_absent(module: AnsibleAWSModule, ec2: Ec2) -> None:
    name = module.params["name"]
    own = {"tags": module.params["tags"], "adopt": module.params["adopt"]}
    network = Network(name=name, cidr="", region=ec2.client.meta.region_name, subnets=[], **own)
    vpc = own_vpc(ec2, network)
    if vpc is None:
        module.exit_json(changed=False, changes=[], diff={"before": {}, "after": {}}, vpc={"id": None, "name": name})
        return
    live = read(ec2, network)
    leaving = sorted(
        (key for key in live.state if key != ("security_group", "default")),
        key=lambda key: (-KINDS.index(key[0]), key[1]),
    )
    changes = [Change(kind, one, "delete", before=live.state[kind, one]) for kind, one in leaving]
    left = {} if module.check_mode else Remover(ec2, vpc["VpcId"], name, network.owns).run(module.params["timeout"])
    if left:
        held = "; ".join(f"{one}: {why}" for one, why in sorted(left.items()))
        module.fail_json(msg=f"The network {name} could not be removed completely. Still there: {held}", left=left)
    module.exit_json(
        changed=True,
        changes=[change.as_result() for change in changes],
        diff=diff(changes),
        vpc={"id": vpc["VpcId"], "name": name},
    )


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=argument_spec(),
        required_if=[("state", "present", ["cidr", "subnets"])],
        supports_check_mode=True,
    )
    ec2 = Ec2(watched(module.client("ec2")))
    try:
        ensure_present(module, ec2) if module.params["state"] == "present" else ensure_absent(module, ec2)
    except (PlanError, ApplyError) as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Could not read the network {module.params['name']}")


if __name__ == "__main__":
    main()
