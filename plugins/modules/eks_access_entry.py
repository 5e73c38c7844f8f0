#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_access_entry
version_added: 0.1.0
short_description: Let IAM principals into an Amazon EKS cluster
description:
  - Makes an access entry of an EKS cluster what the options say, with the access policies associated with it.
  - Options that are not given are left alone. Policies are added before others are taken away.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  principal_arn:
    description:
      - The ARN of the IAM role or user.
    type: str
    required: true
  type:
    description:
      - The kind of entry. Cannot be changed. EKS' default is V(STANDARD).
    type: str
    choices: [STANDARD, EC2, EC2_LINUX, EC2_WINDOWS, FARGATE_LINUX, HYBRID_LINUX, HYPERPOD_LINUX]
  username:
    description:
      - The Kubernetes user name. Better left to EKS.
    type: str
  kubernetes_groups:
    description:
      - The Kubernetes groups; V([]) removes all.
    type: list
    elements: str
    aliases: [groups]
  policies:
    description:
      - The access policies associated with the entry; V([]) with O(purge_policies=true) removes all.
    type: list
    elements: dict
    suboptions:
      policy:
        description:
          - The policy's short name, such as V(AmazonEKSViewPolicy), or its ARN.
        type: str
        required: true
        aliases: [policy_arn]
      scope:
        description:
          - Where the policy counts. Without it, O(policies[].namespaces) decide.
        type: str
        choices: [cluster, namespace]
      namespaces:
        description:
          - The namespaces of the scope V(namespace).
        type: list
        elements: str
  purge_policies:
    description:
      - Take away policies that are not in O(policies), if O(policies) is given.
    type: bool
    default: true
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
  - module: dataplatform.fleet.eks_access_entry_info
"""

EXAMPLES = r"""
- name: Make the platform team administrators
  dataplatform.fleet.eks_access_entry:
    cluster_name: dataplatform-staging
    principal_arn: arn:aws:iam::123456789012:role/platform-team
    policies:
      - policy: AmazonEKSClusterAdminPolicy

- name: Let the data team edit in its namespaces
  dataplatform.fleet.eks_access_entry:
    cluster_name: dataplatform-staging
    principal_arn: arn:aws:iam::123456789012:role/data-team
    kubernetes_groups: [data-team]
    policies:
      - policy: AmazonEKSEditPolicy
        namespaces: [data, notebooks]

- name: Let nobody of the old team in
  dataplatform.fleet.eks_access_entry:
    cluster_name: dataplatform-staging
    principal_arn: arn:aws:iam::123456789012:role/old-team
    state: absent
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: AssociateAccessPolicy
      changes:
        policies.arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy: {before: null, after: {type: cluster}}
access_entry:
  description:
    - The access entry as DescribeAccessEntry shows it, with its associated policies. In check mode, as it would be, as
      far as that can be foretold.
    - Empty after O(state=absent).
  returned: always
  type: dict
  sample:
    access_entry_arn: arn:aws:eks:eu-central-1:123456789012:access-entry/one/role/123456789012/data/0ac1
    cluster_name: dataplatform-staging
    kubernetes_groups: [data-team]
    policies:
      - access_scope: {namespaces: [data, notebooks], type: namespace}
        policy_arn: arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy
    principal_arn: arn:aws:iam::123456789012:role/data-team
    type: STANDARD
    username: arn:aws:sts::123456789012:assumed-role/data-team/{{SessionName}}
waited:
  description: What was waited for, for how many seconds, and the states seen in order.
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
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.access_module import reconcile_entry
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import CLUSTER, strings

TYPES = ["STANDARD", "EC2", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX"]


def argument_spec() -> dict[str, Any]:
    policy = {
        "policy": {"required": True, "aliases": ["policy_arn"]},
        "scope": {"choices": ["cluster", "namespace"]},
        "namespaces": strings(),
    }
    return {
        "principal_arn": {"required": True},
        "type": {"choices": TYPES},
        "username": {},
        "kubernetes_groups": strings(aliases=["groups"]),
        "policies": {"type": "list", "elements": "dict", "options": policy},
        "purge_policies": {"type": "bool", "default": True},
        **STATE,
        **CLUSTER,
        **TAGS,
        **ADOPT,
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    run(module, f"the access entry {module.params['cluster_name']}/{module.params['principal_arn']}", reconcile_entry)


if __name__ == "__main__":
    main()
