#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatchlogs_group
short_description: Manage a CloudWatch log group
version_added: 0.1.0
description:
  - Creates a CloudWatch log group, or changes how long it keeps logs and its tags, and shows which fields change.
  - M(amazon.aws.cloudwatchlogs_log_group) writes the retention in check mode, too, and deletes the log group when the
    retention is not one it knows. This module does neither.
options:
  name:
    description: The name of the log group.
    type: str
    required: true
  state:
    description: V(absent) deletes the log group and the logs in it.
    type: str
    choices: [present, absent]
    default: present
  retention_days:
    description: How long logs are kept. Forever, if not given.
    type: int
    choices: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - amazon.aws.tags
  - dataplatform.fleet.attributes
  - dataplatform.fleet.aws.ownership
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Keep the logs of the Kubernetes control plane for three months
  dataplatform.fleet.cloudwatchlogs_group:
    name: /aws/eks/example/cluster
    retention_days: 90

- name: Delete them
  dataplatform.fleet.cloudwatchlogs_group:
    name: /aws/eks/example/cluster
    state: absent
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: PutRetentionPolicy
      changes:
        retention_days: {before: 30, after: 90}
log_group:
  description: The log group. Empty after O(state=absent).
  returned: always
  type: dict
  sample:
    name: /aws/eks/example/cluster
    retention_days: 90
    tags: {team: data}
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Client, Document, Value
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.calls import call, pages
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run, outcome, run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.spec import ADOPT, STATE, TAGS
from ansible_collections.dataplatform.fleet.plugins.module_utils._logs.plan import (
    RETENTION_DAYS,
    arn,
    plan_absent,
    plan_present,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import refuse_foreign


def argument_spec() -> dict[str, Any]:
    return {
        "name": {"type": "str", "required": True},
        "retention_days": {"type": "int", "choices": list(RETENTION_DAYS)},
        **STATE,
        **TAGS,
        **ADOPT,
    }


def find(client: Client, name: str) -> Document | None:
    """Return the log group of that name, or None."""
    found = pages(client, "DescribeLogGroups", "logGroups", logGroupNamePrefix=name)
    return next((group for group in found if group["logGroupName"] == name), None)


def manage(this: Run) -> dict[str, Value]:
    client, options, name = this.client("logs"), this.options, this.options["name"]
    group = find(client, name)
    had = call(client, "ListTagsForResource", resourceArn=arn(group))["tags"] if group else {}
    if group:
        refuse_foreign("log_group", name, had, options)
    if options["state"] == "absent":
        plan = plan_absent(name, group, had)
        this.apply(client, plan)
        return outcome(plan, log_group={})
    days, purge = options["retention_days"], options["purge_tags"]
    plan = plan_present(name, group, had, days, options["tags"], purge_tags=purge)
    this.apply(client, plan)
    return outcome(plan, log_group={"name": name, "retention_days": days, "tags": plan.tags(had)})


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    run(module, f"the log group {module.params['name']}", manage)


if __name__ == "__main__":
    main()
