#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_access_entry_info
version_added: 0.1.0
short_description: Describe access entries of an Amazon EKS cluster
description:
  - Describes who is let into an EKS cluster and by which access policies; a cluster that does not exist has none.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  principal_arns:
    description:
      - The principals whose entries to describe; all if not given.
    type: list
    elements: str
    aliases: [principal_arn]
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes.info
  - dataplatform.fleet.eks.cluster
seealso:
  - module: dataplatform.fleet.eks_access_entry
"""

EXAMPLES = r"""
- name: See who may do what
  dataplatform.fleet.eks_access_entry_info:
    cluster_name: dataplatform-staging
"""

RETURN = r"""
access_entries:
  description: The access entries, as DescribeAccessEntry shows each, with their associated policies.
  returned: always
  type: list
  elements: dict
  sample:
    - cluster_name: dataplatform-staging
      kubernetes_groups: [data-team]
      policies:
        - access_scope: {namespaces: [data, notebooks], type: namespace}
          policy_arn: arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy
      principal_arn: arn:aws:iam::123456789012:role/data-team
      type: STANDARD
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.info import access_entries, read
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import CLUSTER, strings


def argument_spec() -> dict[str, Any]:
    return {"principal_arns": strings(aliases=["principal_arn"]), **CLUSTER}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    read(module, f"the access entries of {module.params['cluster_name']}", "access_entries", access_entries)


if __name__ == "__main__":
    main()
