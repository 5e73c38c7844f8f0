#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_ownership
short_description: Refuse resources that have a name of the fleet's and are somebody else's
version_added: 0.1.0
description:
  - Looks at all resources that a role knows by their names, and fails if one exists without the tags by which the fleet
    knows its own. It comes before modules that take over whatever has the name. It changes nothing.
  - The tags C(dataplatform.fleet/fleet) and C(dataplatform.fleet/cluster) count, as far as O(tags) has them. Where it
    has none of them, nothing is refused.
  - S3 takes the tags of a bucket only after it has been made. An empty bucket without any tag is not refused, because
    a run may have ended between the two calls.
options:
  resources:
    description: The names to look at, by the kind of resource. Empty names are passed over.
    type: dict
    required: true
    suboptions:
      eks_cluster:
        description: EKS clusters.
        type: list
        elements: str
        default: []
      eks_nodegroup:
        description: Node groups, as C(cluster/nodegroup).
        type: list
        elements: str
        default: []
      eks_pod_identity_association:
        description: Pod identity associations, as C(cluster/namespace/service_account).
        type: list
        elements: str
        default: []
      iam_policy:
        description: Customer managed policies.
        type: list
        elements: str
        default: []
      iam_role:
        description: IAM roles.
        type: list
        elements: str
        default: []
      kms_key:
        description: KMS keys by alias, with C(alias/), id or ARN.
        type: list
        elements: str
        default: []
      launch_template:
        description: EC2 launch templates.
        type: list
        elements: str
        default: []
      log_group:
        description: CloudWatch log groups.
        type: list
        elements: str
        default: []
      s3_bucket:
        description: S3 buckets.
        type: list
        elements: str
        default: []
      ssm_parameter:
        description: SSM parameters.
        type: list
        elements: str
        default: []
  refuse:
    description:
      - Whether to fail for what is somebody else's. Otherwise RV(found) tells what has the fleet's tags, or, where
        O(tags) has none of these, any of O(tags).
    type: bool
    default: true
  tags:
    description: The tags that the caller gives to its resources.
    type: dict
    default: {}
  adopt:
    description:
      - What is not refused, because it is to become, or to go as, the fleet's. C(<kind>/<name>), such as
        V(iam_role/example-node), names one resource, C(<name>) those of every kind.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes.info
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Look whose the role and the key are
  dataplatform.fleet.check_ownership:
    resources:
      iam_role: [example-node]
      kms_key: [alias/example-eks]
    tags:
      dataplatform.fleet/fleet: example
  register: there
"""

RETURN = r"""
account:
  description: The AWS account.
  returned: success
  type: str
  sample: "111122223333"
arn:
  description: The ARN of the caller.
  returned: success
  type: str
  sample: arn:aws:sts::111122223333:assumed-role/platform/run
found:
  description:
    - Which of the names exist, by the kind of resource. With O(refuse=false) only those that have the fleet's tags, or
      are in O(adopt).
  returned: success
  type: dict
  sample:
    iam_role: [example-node]
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.lookup import KINDS, Lookup
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import adopts, known, owned, refusal

try:  # noqa: SIM105
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing


def argument_spec() -> dict[str, Any]:
    names = {"type": "list", "elements": "str", "default": [], "no_log": False}
    return {
        "resources": {"type": "dict", "required": True, "options": {kind: dict(names) for kind in KINDS}},
        "refuse": {"type": "bool", "default": True},
        "tags": {"type": "dict", "default": {}},
        "adopt": dict(names),
    }


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    tags, adopt = module.params["tags"], module.params["adopt"]
    try:
        identity = module.client("sts").get_caller_identity()
        found = Lookup(module.client, identity).all(module.params["resources"])
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Could not look whose the resources are")
    refuse = module.params["refuse"]
    ours = owned if refuse else known
    foreign = {key: live for key, live in found.items() if not adopts(adopt, *key) and not ours(live, tags)}
    if foreign and refuse:
        refused = [refusal(kind, name, live, tags) for (kind, name), live in sorted(foreign.items())]
        module.fail_json(msg=" ".join(refused), foreign=sorted(name for _kind, name in foreign))
    there: dict[str, list[str]] = {}
    for kind, name in found.keys() - foreign.keys():
        there.setdefault(kind, []).append(name)
    module.exit_json(changed=False, account=identity["Account"], arn=identity["Arn"], found=there)


if __name__ == "__main__":
    main()
