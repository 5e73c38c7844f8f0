#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_cluster
version_added: 0.1.0
short_description: Create, change and delete Amazon EKS clusters
description:
  - Makes an EKS cluster what the options say, at creation and afterwards. Options that are not given are left alone.
  - The cluster is read, compared and planned first. A difference that EKS cannot change is an error that names the
    field and both values, before anything is changed.
  - Changes are made one after the other, each waited for, the Kubernetes version last. If EKS is busy with another
    update of the cluster, the module waits for it and goes on.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  name:
    description:
      - The cluster's name.
    type: str
    required: true
  version:
    description:
      - The Kubernetes minor version, such as V(1.36); quote it in YAML. At creation EKS' default if not given.
      - A cluster goes up by one minor version at a time and never down.
    type: str
  role_arn:
    description:
      - The ARN of the IAM role of the Kubernetes control plane. Required at creation; cannot be changed.
    type: str
  subnet_ids:
    description:
      - Subnets for the Kubernetes control plane's network interfaces, in at least two zones. Required at creation.
    type: list
    elements: str
    aliases: [subnets]
  security_group_ids:
    description:
      - Security groups for the Kubernetes control plane's network interfaces, beside the one EKS makes.
    type: list
    elements: str
    aliases: [security_groups]
  endpoint_public_access:
    description:
      - Whether the Kubernetes API can be reached from the internet. EKS' default is V(true).
    type: bool
  endpoint_private_access:
    description:
      - Whether the Kubernetes API can be reached inside the VPC. EKS' default is V(false).
    type: bool
  public_access_cidrs:
    description:
      - From where the public endpoint may be reached. Without effect while O(endpoint_public_access=false).
    type: list
    elements: str
  control_plane_egress_mode:
    description:
      - How the Kubernetes control plane reaches out.
    type: str
    choices: [AWS_MANAGED, CUSTOMER_ROUTED, CUSTOMER_ISOLATED]
  log_types:
    description:
      - The Kubernetes control plane logs that go to CloudWatch; all others are switched off.
    type: list
    elements: str
    choices: [api, audit, authenticator, controllerManager, scheduler]
    aliases: [logging]
  encryption_key_arn:
    description:
      - The ARN of the KMS key for envelope encryption of secrets. Can be added later, not exchanged or removed.
    type: str
  service_ipv4_cidr:
    description:
      - The block of Service addresses. Cannot be changed.
    type: str
  ip_family:
    description:
      - The family of pod and Service addresses. Cannot be changed.
    type: str
    choices: [ipv4, ipv6]
  authentication_mode:
    description:
      - Where EKS looks up who may do what. Goes from V(CONFIG_MAP) over V(API_AND_CONFIG_MAP) to V(API), never back.
    type: str
    choices: [CONFIG_MAP, API_AND_CONFIG_MAP, API]
  bootstrap_cluster_creator_admin_permissions:
    description:
      - Whether the creator becomes an administrator. Cannot be changed. Where EKS does not tell what was chosen, it
        counts at creation only.
    type: bool
  bootstrap_self_managed_addons:
    description:
      - Whether EKS installs unmanaged networking add-ons. Counts at creation only, and cannot be read afterwards.
    type: bool
  upgrade_policy:
    description:
      - Whether the cluster may go on to extended support, at its price, when standard support of its version ends.
    type: str
    choices: [STANDARD, EXTENDED]
    aliases: [support_type]
  zonal_shift:
    description:
      - Whether traffic may be shifted away from an impaired zone.
    type: bool
  auto_mode:
    description:
      - EKS Auto Mode. Compute, block storage and load balancing are switched together, as EKS demands.
    type: dict
    aliases: [compute_config]
    suboptions:
      enabled:
        description:
          - Whether Auto Mode is on.
        type: bool
        required: true
      node_pools:
        description:
          - The built-in node pools to have.
        type: list
        elements: str
        choices: [general-purpose, system]
      node_role_arn:
        description:
          - The ARN of the nodes' IAM role. Cannot be changed while Auto Mode is on.
        type: str
  deletion_protection:
    description:
      - Whether EKS refuses to delete the cluster. With O(state=absent), V(false) lifts the protection first.
    type: bool
  remote_node_networks:
    description:
      - CIDR blocks of hybrid nodes outside of AWS; an empty list removes them.
    type: list
    elements: str
  remote_pod_networks:
    description:
      - CIDR blocks of pods on hybrid nodes; an empty list removes them.
    type: list
    elements: str
  control_plane_scaling_tier:
    description:
      - The provisioned size of the Kubernetes control plane.
    type: str
    choices: [standard, tier-xl, tier-2xl, tier-4xl, tier-8xl]
  force:
    description:
      - Update the version even if upgrade insights found something that speaks against it.
    type: bool
    default: false
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes
  - dataplatform.fleet.aws
  - dataplatform.fleet.eks.control_plane
  - amazon.aws.tags
  - dataplatform.fleet.aws.ownership
  - dataplatform.fleet.aws.wait
seealso:
  - module: dataplatform.fleet.eks_cluster_info
  - module: dataplatform.fleet.eks_nodegroup
  - module: dataplatform.fleet.eks_addon
"""

EXAMPLES = r"""
- name: Create a cluster that is reached from the office only
  dataplatform.fleet.eks_cluster:
    name: dataplatform-staging
    version: "1.36"
    role_arn: arn:aws:iam::123456789012:role/dataplatform-staging-cluster
    subnet_ids: [subnet-0a1b2c3d4e5f60718, subnet-1a1b2c3d4e5f60718]
    endpoint_private_access: true
    public_access_cidrs: [203.0.113.0/24]
    log_types: [api, audit, authenticator]
    authentication_mode: API
    upgrade_policy: STANDARD
    tags:
      dataplatform.fleet/cluster: staging

- name: Go on to the next Kubernetes version
  dataplatform.fleet.eks_cluster:
    name: dataplatform-staging
    version: "1.37"

- name: Switch Auto Mode on
  dataplatform.fleet.eks_cluster:
    name: dataplatform-staging
    auto_mode:
      enabled: true
      node_pools: [general-purpose, system]
      node_role_arn: arn:aws:iam::123456789012:role/dataplatform-staging-node

- name: Delete a protected cluster
  dataplatform.fleet.eks_cluster:
    name: dataplatform-staging
    state: absent
    deletion_protection: false
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: UpdateClusterVersion
      changes:
        version: {before: "1.35", after: "1.36"}
cluster:
  description:
    - The cluster as DescribeCluster shows it. In check mode, as it would be, as far as that can be foretold.
    - Empty after O(state=absent).
  returned: always
  type: dict
  sample:
    arn: arn:aws:eks:eu-central-1:123456789012:cluster/dataplatform-staging
    certificate_authority: {data: LS0tLS1CRUdJTi...}
    endpoint: https://0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com
    name: dataplatform-staging
    resources_vpc_config:
      cluster_security_group_id: sg-0a1b2c3d4e5f60718
      endpoint_private_access: true
      endpoint_public_access: true
      public_access_cidrs: [203.0.113.0/24]
      subnet_ids: [subnet-0a1b2c3d4e5f60718, subnet-1a1b2c3d4e5f60718]
      vpc_id: vpc-0a1b2c3d4e5f60718
    status: ACTIVE
    tags: {dataplatform.fleet/cluster: staging}
    version: "1.36"
waited:
  description: What was waited for, for how many seconds, and the states seen in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {"on": "cluster dataplatform-staging", seconds: 512.3, states: [CREATING, ACTIVE]}
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.spec import ADOPT, STATE, TAGS, WAIT
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.cluster_module import reconcile
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import CONTROL_PLANE, nested, strings


def argument_spec() -> dict[str, Any]:
    return {
        "name": {"required": True},
        "version": {},
        "role_arn": {},
        "subnet_ids": strings(aliases=["subnets"]),
        "security_group_ids": strings(aliases=["security_groups"]),
        "endpoint_public_access": {"type": "bool"},
        "endpoint_private_access": {"type": "bool"},
        "public_access_cidrs": strings(),
        "control_plane_egress_mode": {"choices": ["AWS_MANAGED", "CUSTOMER_ROUTED", "CUSTOMER_ISOLATED"]},
        "log_types": strings(
            choices=["api", "audit", "authenticator", "controllerManager", "scheduler"], aliases=["logging"]
        ),
        "encryption_key_arn": {"no_log": False},
        "service_ipv4_cidr": {},
        "ip_family": {"choices": ["ipv4", "ipv6"]},
        "authentication_mode": {"choices": ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"]},
        "bootstrap_cluster_creator_admin_permissions": {"type": "bool"},
        "bootstrap_self_managed_addons": {"type": "bool"},
        "upgrade_policy": {"choices": ["STANDARD", "EXTENDED"], "aliases": ["support_type"]},
        "zonal_shift": {"type": "bool"},
        "auto_mode": nested(
            {
                "enabled": {"type": "bool", "required": True},
                "node_pools": strings(choices=["general-purpose", "system"]),
                "node_role_arn": {},
            },
            aliases=["compute_config"],
        ),
        "deletion_protection": {"type": "bool"},
        "remote_node_networks": strings(),
        "remote_pod_networks": strings(),
        "control_plane_scaling_tier": {"choices": ["standard", "tier-xl", "tier-2xl", "tier-4xl", "tier-8xl"]},
        **CONTROL_PLANE,
        "force": {"type": "bool", "default": False},
        **STATE,
        **TAGS,
        **ADOPT,
        **WAIT,
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    run(module, f"the EKS cluster {module.params['name']}", reconcile)


if __name__ == "__main__":
    main()
