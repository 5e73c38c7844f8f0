#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_addon_info
version_added: 0.1.0
short_description: Describe add-ons of an Amazon EKS cluster
description:
  - Describes the add-ons of an EKS cluster with their health; a cluster that does not exist has none.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  names:
    description:
      - The add-ons to describe; all if not given.
    type: list
    elements: str
    aliases: [name]
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes.info
  - dataplatform.fleet.eks.cluster
seealso:
  - module: dataplatform.fleet.eks_addon
"""

EXAMPLES = r"""
- name: Describe the network plugin
  dataplatform.fleet.eks_addon_info:
    cluster_name: dataplatform-staging
    names: [vpc-cni]
"""

RETURN = r"""
addons:
  description: The add-ons, as DescribeAddon shows each, with what their pod identity associations are.
  returned: always
  type: list
  elements: dict
  sample:
    - addon_name: vpc-cni
      addon_version: v1.21.0-eksbuild.2
      cluster_name: dataplatform-staging
      configuration_values: '{"enableNetworkPolicy":"true"}'
      health: {issues: []}
      pod_identity_associations: []
      status: ACTIVE
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.info import addons, read
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import CLUSTER, strings


def argument_spec() -> dict[str, Any]:
    return {"names": strings(aliases=["name"]), **CLUSTER}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    read(module, f"the add-ons of {module.params['cluster_name']}", "addons", addons)


if __name__ == "__main__":
    main()
