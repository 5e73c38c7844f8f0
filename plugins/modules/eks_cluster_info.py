#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_cluster_info
version_added: 0.1.0
short_description: Describe Amazon EKS clusters
description:
  - Describes the EKS clusters of a region, all of them or by name; names that do not exist are left out.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  names:
    description:
      - The clusters to describe; all if not given.
    type: list
    elements: str
    aliases: [name]
  include:
    description:
      - What to look up beside the clusters themselves, at the price of more calls.
      - V(nodegroups), V(addons) and V(access_entries) are what the modules for these return; V(insights) are upgrade
        insights and misconfigurations in full; V(updates) are the cluster's updates, newest first.
    type: list
    elements: str
    choices: [nodegroups, addons, access_entries, pod_identity_associations, insights, updates]
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes.info
seealso:
  - module: dataplatform.fleet.eks_cluster
"""

EXAMPLES = r"""
- name: Describe all clusters
  dataplatform.fleet.eks_cluster_info:

- name: See what speaks against an upgrade
  dataplatform.fleet.eks_cluster_info:
    names: [dataplatform-staging]
    include: [insights, updates]
"""

RETURN = r"""
clusters:
  description: The clusters, as DescribeCluster shows each.
  returned: always
  type: list
  elements: dict
  sample:
    - arn: arn:aws:eks:eu-central-1:123456789012:cluster/dataplatform-staging
      insights:
        - category: UPGRADE_READINESS
          insight_status: {status: PASSING, reason: "No deprecated API usage detected within the last 30 days."}
          name: Deprecated APIs removed in Kubernetes v1.37
      name: dataplatform-staging
      status: ACTIVE
      updates:
        - {id: 0ac1b2c3-0000-4000-8000-000000000000, status: Successful, type: VersionUpdate, errors: []}
      version: "1.36"
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.info import clusters, read
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import strings


def argument_spec() -> dict[str, Any]:
    kinds = ["nodegroups", "addons", "access_entries", "pod_identity_associations", "insights", "updates"]
    return {"names": strings(aliases=["name"]), "include": strings(choices=kinds, default=[])}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    read(module, "the EKS clusters", "clusters", clusters)


if __name__ == "__main__":
    main()
