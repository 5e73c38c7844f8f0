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
    description:
      - The id of the hosted zone.
      - In check mode it can be empty, for a zone that the run would create before.
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
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: ChangeResourceRecordSets
      changes:
        kafka-0.example.internal: {before: null, after: 60 CNAME one.elb.eu-central-1.amazonaws.com}
records:
  description: The names of the records that were made or changed, and of those that were deleted.
  returned: always
  type: dict
  sample:
    changed: [kafka-0.example.internal, _owner.kafka-0.example.internal]
    deleted: []
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Value
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.calls import pages
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run, outcome, run
from ansible_collections.dataplatform.fleet.plugins.module_utils._records.plan import name, plan


def argument_spec() -> dict[str, Any]:
    return {
        "zone_id": {"type": "str", "required": True},
        "owner": {"type": "str", "required": True},
        "records": {"type": "dict", "required": True},
        "ttl": {"type": "int", "default": 60},
        "adopt": {"type": "list", "elements": "str", "default": []},
    }


def manage(this: Run) -> dict[str, Value]:
    route53, options, zone_id = this.client("route53"), this.options, this.options["zone_id"]
    wanted = {name(key): str(value) for key, value in options["records"].items()}
    if not zone_id and not this.check_mode:
        raise AwsError(
            "zone_id is empty. Give the id of a hosted zone; only check mode takes one that does not exist yet."
        )
    found = pages(route53, "ListResourceRecordSets", "ResourceRecordSets", HostedZoneId=zone_id) if zone_id else []
    planned = plan(zone_id, found, wanted, options["owner"], ttl=options["ttl"], adopt=options["adopt"])
    this.apply(route53, planned)
    diff = planned.diff()
    deleted = diff["before"].keys() - diff["after"].keys()
    return outcome(planned, records={"changed": sorted(diff["after"]), "deleted": sorted(deleted)})


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    of = f"of {module.params['owner']} in the zone {module.params['zone_id']}"
    run(module, f"the records {of}", manage, where=f"Records {of}")


if __name__ == "__main__":
    main()
