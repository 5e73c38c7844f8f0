#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_nodegroup_info
version_added: 0.1.0
short_description: Describe managed node groups of an Amazon EKS cluster
description:
  - Describes the managed node groups of an EKS cluster with their health; a cluster that does not exist has none.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  names:
    description:
      - The node groups to describe; all if not given.
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
  - module: dataplatform.fleet.eks_nodegroup
"""

EXAMPLES = r"""
- name: Describe all node groups of a cluster
  dataplatform.fleet.eks_nodegroup_info:
    cluster_name: dataplatform-staging
"""

RETURN = r"""
nodegroups:
  description: The node groups, as DescribeNodegroup shows each.
  returned: always
  type: list
  elements: dict
  sample:
    - cluster_name: dataplatform-staging
      health:
        issues:
          - {code: AsgInstanceLaunchFailures, message: No capacity in eu-central-1a., resource_ids: [eks-ingress-0ac1]}
      nodegroup_name: ingress
      release_version: 1.36.4-20261105
      status: DEGRADED
      version: "1.36"
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.info import nodegroups, read
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import CLUSTER, strings


def argument_spec() -> dict[str, Any]:
    return {"names": strings(aliases=["name"]), **CLUSTER}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    read(module, f"the node groups of {module.params['cluster_name']}", "nodegroups", nodegroups)


if __name__ == "__main__":
    main()
