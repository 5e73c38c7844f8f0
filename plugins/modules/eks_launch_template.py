#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_launch_template
version_added: 0.1.0
short_description: Keep pods from the instance metadata of the nodes of an Amazon EKS node group
description:
  - Manages the EC2 launch template of a managed node group. The launch template requires session tokens of the
    instance metadata service (IMDSv2) and limits how far its answers travel. EKS goes on choosing the image.
  - The launch template has the name C(<cluster>/<node group>). M(dataplatform.fleet.eks_nodegroup) takes what this
    module returns in RV(launch_template), at creation and when it changes.
  - A new version of the launch template is made only if its data differ. Versions that are not in use are deleted then.
  - EKS cannot give a launch template to a node group that exists. For a node group that was made without this launch
    template the module does nothing but warn, and RV(launch_template) is empty.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  name:
    description:
      - The node group's name. The node group need not exist yet.
    type: str
    required: true
    aliases: [nodegroup_name]
  state:
    description:
      - V(present) creates what is missing and changes what differs.
      - V(absent) deletes the launch template with all its versions. Delete the node group first.
  metadata_hop_limit:
    description:
      - How many network hops an answer of the instance metadata service with a session token travels, from V(1) to
        V(64) (C(HttpPutResponseHopLimit)). With V(1) only the node itself and pods in its network (C(hostNetwork))
        get one; other pods need V(2).
    type: int
    default: 1
  disk_size:
    description:
      - The size of the volume for images and containers in GiB (gp3). Without it, the image's own.
    type: int
  ami_type:
    description:
      - The kind of image, as in M(dataplatform.fleet.eks_nodegroup); O(disk_size) goes by it. Without it, the node
        group's own, else Amazon Linux. V(CUSTOM) is refused, because the image would have to be in the launch template.
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
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes
  - dataplatform.fleet.aws
  - dataplatform.fleet.eks.cluster
  - amazon.aws.tags
  - dataplatform.fleet.aws.ownership
seealso:
  - module: dataplatform.fleet.eks_nodegroup
"""

EXAMPLES = r"""
- name: Create the launch template of the node group
  dataplatform.fleet.eks_launch_template:
    cluster_name: dataplatform-staging
    name: ingress
    ami_type: BOTTLEROCKET_x86_64
    disk_size: 100
  register: made

- name: Create the node group
  dataplatform.fleet.eks_nodegroup:
    cluster_name: dataplatform-staging
    name: ingress
    ami_type: BOTTLEROCKET_x86_64
    node_role_arn: arn:aws:iam::123456789012:role/dataplatform-staging-node
    subnet_ids: [subnet-0a1b2c3d4e5f60718, subnet-1a1b2c3d4e5f60718]
    launch_template: "{{ made.launch_template | default(omit, true) }}"

- name: Delete the launch template once the node group is deleted
  dataplatform.fleet.eks_launch_template:
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
    - operation: CreateLaunchTemplateVersion
      changes:
        metadata_options.http_put_response_hop_limit: {before: 2, after: 1}
launch_template:
  description:
    - What O(dataplatform.fleet.eks_nodegroup#module:launch_template) takes. In check mode, as it would be.
    - Empty after O(state=absent), and for a node group that was made without this launch template.
  returned: always
  type: dict
  sample: {name: dataplatform-staging/ingress, version: "2"}
waited:
  description: What was waited for; nothing.
  returned: always
  type: list
  elements: dict
  sample: []
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.spec import ADOPT, STATE, TAGS
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.launch_template_module import reconcile
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import AMI_TYPES, CLUSTER

HOPS = range(1, 65)


def argument_spec() -> dict[str, Any]:
    return {
        "name": {"required": True, "aliases": ["nodegroup_name"]},
        "metadata_hop_limit": {"type": "int", "default": 1},
        "disk_size": {"type": "int"},
        "ami_type": {"choices": AMI_TYPES},
        **STATE,
        **CLUSTER,
        **TAGS,
        **ADOPT,
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    hops = module.params["metadata_hop_limit"]
    if hops not in HOPS:
        module.fail_json(msg=f"metadata_hop_limit is {hops}; EC2 takes {HOPS[0]} to {HOPS[-1]}. Nothing was changed.")

    run(module, f"the launch template {module.params['cluster_name']}/{module.params['name']}", reconcile)


if __name__ == "__main__":
    main()
