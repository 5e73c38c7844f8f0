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
  tags:
    description:
      - Tags of the log group. Others stay. As far as the tags C(dataplatform.fleet/fleet) and
        C(dataplatform.fleet/cluster) are among them, a log group that lacks them is refused.
    type: dict
    default: {}
  adopt:
    description: Takes over, or deletes, a log group that lacks these tags.
    type: bool
    default: false
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes
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
log_group:
  description: The log group.
  returned: always
  type: dict
  sample:
    name: /aws/eks/example/cluster
    retention_days: 90
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.held import watched
from ansible_collections.dataplatform.fleet.plugins.module_utils._logs.plan import (
    RETENTION_DAYS,
    Call,
    Fields,
    plan,
    state,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import owned, refusal

try:  # noqa: SIM105
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing


def argument_spec() -> dict[str, Any]:
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "retention_days": {"type": "int", "choices": list(RETENTION_DAYS)},
        "tags": {"type": "dict", "default": {}},
        "adopt": {"type": "bool", "default": False},
    }


def find(module: AnsibleAWSModule, client: Any) -> tuple[str, Fields] | None:  # noqa: ANN401 - of boto3
    """Return the log group's ARN and fields, or None."""
    name = module.params["name"]
    pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    for group in (group for page in pages for group in page["logGroups"]):
        if group["logGroupName"] == name:
            arn = group["arn"].removesuffix(":*")
            tags = client.list_tags_for_resource(resourceArn=arn)["tags"]
            return arn, state(group.get("retentionInDays"), tags)
    return None


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    name = module.params["name"]
    client = watched(module.client("logs"))
    calls: list[Call] = []
    before: Fields = {}
    after: Fields = {}
    try:
        found = AWSRetry.jittered_backoff()(find)(module, client)
        arn, live = found or ("", None)
        had = {key.removeprefix("tags."): str(value) for key, value in (live or {}).items() if key.startswith("tags.")}
        if live is not None and not module.params["adopt"] and not owned(had, module.params["tags"]):
            module.fail_json(msg=refusal("log_group", name, had, module.params["tags"]))
        if module.params["state"] == "present":
            wanted = state(module.params["retention_days"], module.params["tags"])
            calls, before, after = plan(name, arn, live, wanted)
        elif live is not None:
            calls, before = [("delete_log_group", {"logGroupName": name})], live
        for operation, arguments in [] if module.check_mode else calls:
            AWSRetry.jittered_backoff()(getattr(client, operation))(**arguments)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Could not manage the log group {name}")
    header = f"log group {name}"
    module.exit_json(
        changed=bool(calls),
        diff={"before": before, "after": after, "before_header": header, "after_header": header},
        log_group={"name": name, "retention_days": module.params["retention_days"]},
    )


if __name__ == "__main__":
    main()
