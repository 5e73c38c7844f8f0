#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_nodegroup
version_added: 0.1.0
short_description: Create, change and delete managed node groups of Amazon EKS
description:
  - Makes a managed node group what the options say, at creation and afterwards. Options that are not given are left
    alone.
  - What EKS cannot change in a node group is an error that names the field and both values, before anything is changed.
  - A size that an autoscaler has chosen between the limits is not a difference; see O(desired_size_policy).
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  name:
    description:
      - The node group's name.
    type: str
    required: true
    aliases: [nodegroup_name]
  node_role_arn:
    description:
      - The ARN of the nodes' IAM role. Required at creation; cannot be changed.
    type: str
    aliases: [node_role]
  subnet_ids:
    description:
      - The subnets of the nodes. Required at creation; cannot be changed.
    type: list
    elements: str
    aliases: [subnets]
  instance_types:
    description:
      - Instance types, the preferred one first. Cannot be changed; their order counts at creation only.
    type: list
    elements: str
  ami_type:
    description:
      - The kind of image. Cannot be changed.
    type: str
    choices:
      - AL2023_ARM_64_NVIDIA
      - AL2023_ARM_64_STANDARD
      - AL2023_x86_64_NEURON
      - AL2023_x86_64_NVIDIA
      - AL2023_x86_64_STANDARD
      - AL2_ARM_64
      - AL2_x86_64
      - AL2_x86_64_GPU
      - BOTTLEROCKET_ARM_64
      - BOTTLEROCKET_ARM_64_FIPS
      - BOTTLEROCKET_ARM_64_NVIDIA
      - BOTTLEROCKET_ARM_64_NVIDIA_FIPS
      - BOTTLEROCKET_x86_64
      - BOTTLEROCKET_x86_64_FIPS
      - BOTTLEROCKET_x86_64_NVIDIA
      - BOTTLEROCKET_x86_64_NVIDIA_FIPS
      - CUSTOM
      - WINDOWS_CORE_2019_x86_64
      - WINDOWS_CORE_2022_x86_64
      - WINDOWS_CORE_2025_x86_64
      - WINDOWS_FULL_2019_x86_64
      - WINDOWS_FULL_2022_x86_64
      - WINDOWS_FULL_2025_x86_64
  capacity_type:
    description:
      - How the instances are bought. Cannot be changed.
    type: str
    choices: [ON_DEMAND, SPOT, CAPACITY_BLOCK]
  disk_size:
    description:
      - The size of the root volume in GiB. Cannot be changed; not together with O(launch_template).
    type: int
  min_size:
    description:
      - The smallest number of nodes.
    type: int
  max_size:
    description:
      - The greatest number of nodes.
    type: int
  desired_size:
    description:
      - The number of nodes; must be between O(min_size) and O(max_size).
    type: int
  desired_size_policy:
    description:
      - With V(initial), O(desired_size) counts at creation; afterwards the size is moved only as far as the limits
        demand, so that an autoscaler keeps what it chose.
      - With V(always), every run sets O(desired_size).
    type: str
    choices: [initial, always]
    default: initial
  labels:
    description:
      - Kubernetes labels of the nodes.
    type: dict
  purge_labels:
    description:
      - Remove labels that are not in O(labels), if O(labels) is given.
    type: bool
    default: true
  taints:
    description:
      - Kubernetes taints of the nodes, in any order. Taints that are not listed are removed; V([]) removes all.
    type: list
    elements: dict
    suboptions:
      key:
        description:
          - The taint's key.
        type: str
        required: true
      value:
        description:
          - The taint's value. A boolean or a number is sent as YAML writes it, V(true) as C(true).
        type: raw
      effect:
        description:
          - The effect, as EKS or as Kubernetes spells it.
        type: str
        required: true
        choices: [NO_SCHEDULE, NO_EXECUTE, PREFER_NO_SCHEDULE, NoSchedule, NoExecute, PreferNoSchedule]
  launch_template:
    description:
      - The EC2 launch template, such as M(dataplatform.fleet.eks_launch_template) makes. A node group keeps its
        template; another version of it can be given later.
    type: dict
    suboptions:
      id:
        description:
          - The template's ID.
        type: str
      name:
        description:
          - The template's name.
        type: str
      version:
        description:
          - The template's version, V($Latest) or V($Default). Not given, the version is left alone.
        type: str
  remote_access:
    description:
      - SSH access to the nodes. Cannot be changed; not together with O(launch_template).
    type: dict
    suboptions:
      ec2_ssh_key:
        description:
          - The name of the EC2 key pair.
        type: str
      source_security_groups:
        description:
          - Security groups from which SSH is allowed.
        type: list
        elements: str
  version:
    description:
      - The Kubernetes version; quote it in YAML. New node groups have their cluster's version. A node group can go up
        as far as its cluster, never down.
    type: str
  release_version:
    description:
      - The release of the AMI, such as V(1.36.4-20261105), or V(latest) for the newest one of the node group's version.
      - V(latest) is looked up in public SSM parameters and needs C(ssm:GetParameter).
    type: str
  update_config:
    description:
      - How nodes are replaced during an update.
    type: dict
    suboptions:
      max_unavailable:
        description:
          - How many nodes at once.
        type: int
      max_unavailable_percentage:
        description:
          - How many nodes at once, in percent.
        type: int
      update_strategy:
        description:
          - Whether new nodes come before old ones go.
        type: str
        choices: [DEFAULT, MINIMAL]
  node_repair_config:
    description:
      - Automatic replacement of unhealthy nodes.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether nodes are repaired.
        type: bool
      max_unhealthy_node_threshold_count:
        description:
          - Stop repairing when more nodes than this are unhealthy.
        type: int
      max_unhealthy_node_threshold_percentage:
        description:
          - Stop repairing when more nodes than this are unhealthy, in percent.
        type: int
      max_parallel_nodes_repaired_count:
        description:
          - How many nodes are repaired at once.
        type: int
      max_parallel_nodes_repaired_percentage:
        description:
          - How many nodes are repaired at once, in percent of the unhealthy ones.
        type: int
      node_repair_config_overrides:
        description:
          - What to do for particular findings.
        type: list
        elements: dict
        suboptions:
          node_monitoring_condition:
            description:
              - The condition that the node monitoring agent reports.
            type: str
            required: true
          node_unhealthy_reason:
            description:
              - The reason it reports.
            type: str
            required: true
          min_repair_wait_time_mins:
            description:
              - Minutes to wait before the repair.
            type: int
            required: true
          repair_action:
            description:
              - What to do.
            type: str
            required: true
            choices: [Replace, Reboot, NoAction]
  warm_pool_config:
    description:
      - Instances kept ready for scaling out.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether there is a warm pool.
        type: bool
      min_size:
        description:
          - The smallest number of instances in the pool.
        type: int
      max_group_prepared_capacity:
        description:
          - The greatest number of instances, ready and in use.
        type: int
      pool_state:
        description:
          - The state in which instances wait.
        type: str
        choices: [STOPPED, RUNNING, HIBERNATED]
      reuse_on_scale_in:
        description:
          - Whether instances go back to the pool when scaling in.
        type: bool
  force:
    description:
      - Update the version even if pods cannot be drained because of a disruption budget.
    type: bool
    default: false
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes
  - dataplatform.fleet.aws
  - dataplatform.fleet.eks.cluster
  - amazon.aws.tags
  - dataplatform.fleet.aws.ownership
  - dataplatform.fleet.aws.wait
seealso:
  - module: dataplatform.fleet.eks_nodegroup_info
  - module: dataplatform.fleet.eks_cluster
  - module: dataplatform.fleet.eks_launch_template
"""

EXAMPLES = r"""
- name: Create a node group for the ingress
  dataplatform.fleet.eks_nodegroup:
    cluster_name: dataplatform-staging
    name: ingress
    node_role_arn: arn:aws:iam::123456789012:role/dataplatform-staging-node
    subnet_ids: [subnet-0a1b2c3d4e5f60718, subnet-1a1b2c3d4e5f60718]
    ami_type: AL2023_x86_64_STANDARD
    instance_types: [m7i.large, m6i.large]
    min_size: 2
    max_size: 6
    desired_size: 2
    labels:
      role: ingress
    taints:
      - {key: role, value: ingress, effect: NoSchedule}
    update_config:
      max_unavailable_percentage: 33

- name: Bring the nodes to their cluster's version
  dataplatform.fleet.eks_nodegroup:
    cluster_name: dataplatform-staging
    name: ingress
    version: "1.37"

- name: Bring the nodes to the newest AMI
  dataplatform.fleet.eks_nodegroup:
    cluster_name: dataplatform-staging
    name: ingress
    release_version: latest

- name: Delete the node group
  dataplatform.fleet.eks_nodegroup:
    cluster_name: dataplatform-staging
    name: ingress
    state: absent
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: UpdateNodegroupConfig
      changes:
        max_size: {before: 4, after: 6}
nodegroup:
  description:
    - The node group as DescribeNodegroup shows it. In check mode, as it would be, as far as that can be foretold.
    - Empty after O(state=absent).
  returned: always
  type: dict
  sample:
    ami_type: AL2023_x86_64_STANDARD
    capacity_type: ON_DEMAND
    cluster_name: dataplatform-staging
    health: {issues: []}
    instance_types: [m7i.large, m6i.large]
    labels: {role: ingress}
    nodegroup_arn: arn:aws:eks:eu-central-1:123456789012:nodegroup/dataplatform-staging/ingress/0ac1b2c3
    nodegroup_name: ingress
    release_version: 1.36.4-20261105
    scaling_config: {desired_size: 2, max_size: 6, min_size: 2}
    status: ACTIVE
    taints:
      - {effect: NO_SCHEDULE, key: role, value: ingress}
    version: "1.36"
waited:
  description: What was waited for, for how many seconds, and the states seen in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {"on": "node group dataplatform-staging/ingress", seconds: 92.1, states: [CREATING, ACTIVE]}
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import run
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.nodegroup_module import reconcile
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import NODEGROUP


def argument_spec() -> dict[str, Any]:
    return dict(NODEGROUP)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    run(module, f"the node group {module.params['cluster_name']}/{module.params['name']}", reconcile)


if __name__ == "__main__":
    main()
