#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_addon
version_added: 0.1.0
short_description: Install, configure, update and remove Amazon EKS add-ons
description:
  - Makes an EKS add-on what the options say. Options that are not given are left alone.
  - An add-on whose creation failed is deleted and created again; one whose update failed is updated again.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  name:
    description:
      - The add-on's name, such as V(vpc-cni).
    type: str
    required: true
    aliases: [addon_name]
  version:
    description:
      - An exact version, V(default) for the one EKS recommends for the cluster's Kubernetes version, or V(latest) for
        the newest one that runs on it.
      - Not given, a new add-on gets EKS' default, and an existing one keeps its version.
    type: str
    aliases: [addon_version]
  configuration:
    description:
      - The add-on's configuration; its schema is what C(aws eks describe-addon-configuration) prints.
      - It is compared as data, whether it was written as JSON or as YAML. V({}) returns to the defaults.
    type: dict
  resolve_conflicts:
    description:
      - What becomes of settings of the add-on that were changed inside the cluster, when the add-on is created or
        updated.
    type: str
    choices: [OVERWRITE, NONE, PRESERVE]
    default: OVERWRITE
  service_account_role_arn:
    description:
      - The ARN of the IAM role of the add-on's service account, by way of OIDC.
    type: str
  pod_identity_associations:
    description:
      - The IAM roles of the add-on's service accounts, by way of EKS Pod Identity. V([]) removes all.
    type: list
    elements: dict
    suboptions:
      service_account:
        description:
          - The service account's name.
        type: str
        required: true
      role_arn:
        description:
          - The ARN of its IAM role.
        type: str
        required: true
  namespace:
    description:
      - The namespace to install a community add-on in. Cannot be changed.
    type: str
  preserve:
    description:
      - With O(state=absent), leave the add-on's software running, unmanaged by EKS.
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
  - module: dataplatform.fleet.eks_addon_info
  - module: dataplatform.fleet.eks_pod_identity_association
"""

EXAMPLES = r"""
- name: Let the network plugin enforce network policies
  dataplatform.fleet.eks_addon:
    cluster_name: dataplatform-staging
    name: vpc-cni
    version: default
    configuration:
      enableNetworkPolicy: "true"

- name: Give the storage driver its role
  dataplatform.fleet.eks_addon:
    cluster_name: dataplatform-staging
    name: aws-ebs-csi-driver
    pod_identity_associations:
      - service_account: ebs-csi-controller-sa
        role_arn: arn:aws:iam::123456789012:role/dataplatform-staging-ebs-csi

- name: Stop managing coredns, but keep it running
  dataplatform.fleet.eks_addon:
    cluster_name: dataplatform-staging
    name: coredns
    state: absent
    preserve: true
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: UpdateAddon
      changes:
        version: {before: v1.20.4-eksbuild.1, after: v1.21.0-eksbuild.2}
addon:
  description:
    - The add-on as DescribeAddon shows it, with what its pod identity associations are. In check mode, as it would be,
      as far as that can be foretold.
    - Empty after O(state=absent).
  returned: always
  type: dict
  sample:
    addon_arn: arn:aws:eks:eu-central-1:123456789012:addon/dataplatform-staging/vpc-cni/0ac1b2c3
    addon_name: vpc-cni
    addon_version: v1.21.0-eksbuild.2
    cluster_name: dataplatform-staging
    configuration_values: '{"enableNetworkPolicy":"true"}'
    health: {issues: []}
    pod_identity_associations: []
    status: ACTIVE
waited:
  description: What was waited for, for how many seconds, and the states seen in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {"on": "add-on dataplatform-staging/vpc-cni", seconds: 31.0, states: [CREATING, ACTIVE]}
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.spec import ADOPT, STATE, TAGS, WAIT
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.addon_module import reconcile
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import CLUSTER


def argument_spec() -> dict[str, Any]:
    pair = {"service_account": {"required": True}, "role_arn": {"required": True}}
    return {
        "name": {"required": True, "aliases": ["addon_name"]},
        "version": {"aliases": ["addon_version"]},
        "configuration": {"type": "dict"},
        "resolve_conflicts": {"choices": ["OVERWRITE", "NONE", "PRESERVE"], "default": "OVERWRITE"},
        "service_account_role_arn": {},
        "pod_identity_associations": {"type": "list", "elements": "dict", "options": pair},
        "namespace": {},
        "preserve": {"type": "bool", "default": False},
        **STATE,
        **CLUSTER,
        **TAGS,
        **ADOPT,
        **WAIT,
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    run(module, f"the add-on {module.params['cluster_name']}/{module.params['name']}", reconcile)


if __name__ == "__main__":
    main()
