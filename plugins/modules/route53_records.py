#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: route53_records
short_description: Manage all CNAME records of one owner in a zone of Route 53
version_added: 0.1.0
description:
  - Makes the CNAME records of an owner what O(records) says, in one change that takes effect as a whole. Records that
    the owner has made before and that are no longer declared are deleted. All other records of the zone stay.
  - Records of Route 53 have no tags. As ExternalDNS does, the module keeps a TXT record beside each of its records that
    tells its owner, under the record's name with C(_owner.) before it.
options:
  zone_id:
    description: The id of the hosted zone.
    type: str
    required: true
  owner:
    description: Whose records these are, such as a component and its cluster.
    type: str
    required: true
  records:
    description:
      - The host name that each record points at, by the record's full name. Without any, all records of the owner are
        deleted.
      - A record of that name that others have made is refused, unless it points at the same host name.
    type: dict
    required: true
  ttl:
    description: How many seconds a resolver may keep a record.
    type: int
    default: 60
  adopt:
    description:
      - Names of records that others have made and that are replaced, or deleted where O(records) does not have them.
        V(dns_record/<name>) is the same.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - dataplatform.fleet.attributes
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Point two names at their load balancers
  dataplatform.fleet.route53_records:
    zone_id: Z0123456789ABCDEFGHIJ
    owner: kafka/example
    records:
      kafka-0.example.internal: one.elb.eu-central-1.amazonaws.com
      kafka-1.example.internal: two.elb.eu-central-1.amazonaws.com

- name: Delete both
  dataplatform.fleet.route53_records:
    zone_id: Z0123456789ABCDEFGHIJ
    owner: kafka/example
    records: {}
"""

RETURN = r"""
records:
  description: The names of the records that were made or changed, and of those that were deleted.
  returned: success
  type: dict
  sample:
    changed: [kafka-0.example.internal, _owner.kafka-0.example.internal]
    deleted: []
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.held import watched
from ansible_collections.dataplatform.fleet.plugins.module_utils._records.plan import (
    ForeignRecordError,
    RecordSet,
    name,
    plan,
)

try:  # noqa: SIM105
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing

Client = Any  # of boto3
# Route 53 carries out one change of a zone after the other.
_retried = AWSRetry.jittered_backoff(
    retries=8, delay=1, max_delay=20, catch_extra_error_codes=["PriorRequestNotComplete"]
)


def argument_spec() -> dict[str, Any]:
    return {
        "zone_id": {"type": "str", "required": True},
        "owner": {"type": "str", "required": True},
        "records": {"type": "dict", "required": True},
        "ttl": {"type": "int", "default": 60},
        "adopt": {"type": "list", "elements": "str", "default": []},
    }


def read(route53: Client, zone_id: str) -> list[RecordSet]:
    """Return all record sets of the zone."""
    pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id)
    found: list[RecordSet] = _retried(lambda: [one for page in pages for one in page["ResourceRecordSets"]])()
    return found


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    zone_id, owner = module.params["zone_id"], module.params["owner"]
    wanted = {name(key): str(value) for key, value in module.params["records"].items()}
    route53 = watched(module.client("route53"))
    try:
        found = read(route53, zone_id)
        changes, before, after = plan(found, wanted, owner, module.params["ttl"], module.params["adopt"])
        if changes and not module.check_mode:
            _retried(route53.change_resource_record_sets)(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})
    except ForeignRecordError as error:
        module.fail_json(msg=f"Records of {owner} in the zone {zone_id}: {error}")
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Could not manage the records of {owner} in the zone {zone_id}")
    header = f"records of {owner}"
    module.exit_json(
        changed=bool(changes),
        diff={"before": before, "after": after, "before_header": header, "after_header": header},
        records={"changed": sorted(after), "deleted": sorted(before.keys() - after.keys())},
    )


if __name__ == "__main__":
    main()
