#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_pod_identity_association
version_added: 0.1.0
short_description: Give Kubernetes service accounts IAM roles by EKS Pod Identity
description:
  - Makes the pod identity association of a service account what the options say. Options that are not given are left
    alone.
  - An association that belongs to an add-on is refused; M(dataplatform.fleet.eks_addon) manages it.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  namespace:
    description:
      - The namespace of the service account.
    type: str
    required: true
  service_account:
    description:
      - The name of the service account.
    type: str
    required: true
  role_arn:
    description:
      - The ARN of the IAM role. Required at creation.
    type: str
  target_role_arn:
    description:
      - The ARN of a role to be assumed by way of O(role_arn), for access to another account. An empty string
        removes it.
    type: str
  disable_session_tags:
    description:
      - Whether to leave out the session tags that name the cluster, the namespace and the service account.
    type: bool
  policy:
    description:
      - An IAM policy that narrows what the role allows; V({}) removes it.
    type: dict
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
  - module: dataplatform.fleet.eks_pod_identity_association_info
  - module: dataplatform.fleet.eks_addon
"""

EXAMPLES = r"""
- name: Let the notebooks read from S3
  dataplatform.fleet.eks_pod_identity_association:
    cluster_name: dataplatform-staging
    namespace: notebooks
    service_account: jupyter
    role_arn: arn:aws:iam::123456789012:role/notebooks

- name: Take the role away again
  dataplatform.fleet.eks_pod_identity_association:
    cluster_name: dataplatform-staging
    namespace: notebooks
    service_account: jupyter
    state: absent
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: UpdatePodIdentityAssociation
      changes:
        role_arn:
          before: arn:aws:iam::123456789012:role/old
          after: arn:aws:iam::123456789012:role/notebooks
association:
  description:
    - The association as DescribePodIdentityAssociation shows it. In check mode, as it would be, as far as that can be
      foretold.
    - Empty after O(state=absent).
  returned: always
  type: dict
  sample:
    association_arn: arn:aws:eks:eu-central-1:123456789012:podidentityassociation/one/a-0ac1b2c3d4e5f6071
    association_id: a-0ac1b2c3d4e5f6071
    cluster_name: dataplatform-staging
    namespace: notebooks
    role_arn: arn:aws:iam::123456789012:role/notebooks
    service_account: jupyter
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
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.access_module import reconcile_association
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.spec import CLUSTER


def argument_spec() -> dict[str, Any]:
    return {
        "namespace": {"required": True},
        "service_account": {"required": True},
        "role_arn": {},
        "target_role_arn": {},
        "disable_session_tags": {"type": "bool"},
        "policy": {"type": "dict"},
        **STATE,
        **CLUSTER,
        **TAGS,
        **ADOPT,
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    place = "/".join(module.params[part] for part in ("cluster_name", "namespace", "service_account"))
    run(module, f"the pod identity association {place}", reconcile_association)


if __name__ == "__main__":
    main()
