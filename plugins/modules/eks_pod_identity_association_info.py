#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_pod_identity_association_info
version_added: 0.1.0
short_description: Describe pod identity associations of an Amazon EKS cluster
description:
  - Describes which service accounts of an EKS cluster have IAM roles; a cluster that does not exist has none.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  namespace:
    description:
      - The namespace to look in; all if not given.
    type: str
  service_account:
    description:
      - The service account to look for; all if not given.
    type: str
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes.info
  - dataplatform.fleet.eks.cluster
seealso:
  - module: dataplatform.fleet.eks_pod_identity_association
"""

EXAMPLES = r"""
- name: See which roles the notebooks have
  dataplatform.fleet.eks_pod_identity_association_info:
    cluster_name: dataplatform-staging
    namespace: notebooks
"""

RETURN = r"""
associations:
  description: The associations, as DescribePodIdentityAssociation shows each.
  returned: always
  type: list
  elements: dict
  sample:
    - association_id: a-0ac1b2c3d4e5f6071
      cluster_name: dataplatform-staging
      namespace: notebooks
      role_arn: arn:aws:iam::123456789012:role/notebooks
      service_account: jupyter
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.info import associations, read
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import CLUSTER


def argument_spec() -> dict[str, Any]:
    return {"namespace": {}, "service_account": {}, **CLUSTER}


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    read(module, f"the pod identity associations of {module.params['cluster_name']}", "associations", associations)


if __name__ == "__main__":
    main()
