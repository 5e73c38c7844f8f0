#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_versioned_bucket
short_description: Manage a private, versioned S3 bucket
version_added: 0.1.0
description:
  - Creates an S3 bucket with versioning, encryption by SSE-S3, all public access blocked and ACLs disabled, keeps it
    so, and shows which fields change.
  - Its lifecycle rule C(dataplatform.fleet) deletes noncurrent versions after O(noncurrent_days), removes delete
    markers without versions, and aborts multipart uploads after O(abort_upload_days). Current objects are never deleted
    by it. Other lifecycle rules of the bucket stay.
  - M(amazon.aws.s3_bucket) has neither check mode nor lifecycle rules, and M(community.aws.s3_lifecycle) no check mode.
options:
  name:
    description: The name of the bucket.
    type: str
    required: true
  state:
    description:
      - V(absent) deletes the bucket with all versions of all objects, all delete markers and all multipart uploads. An
        interrupted deletion is completed by the next run.
    type: str
    choices: [present, absent]
    default: present
  noncurrent_days:
    description: How many days a version is kept after another version, or a delete marker, has replaced it.
    type: int
    default: 14
  abort_upload_days:
    description: How many days after its beginning an incomplete multipart upload is aborted.
    type: int
    default: 7
  policy:
    description: The bucket policy, as a document or as JSON. Without it the bucket has none.
    type: json
    default: ""
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - amazon.aws.tags
  - dataplatform.fleet.attributes
  - dataplatform.fleet.aws.ownership
notes:
  - S3 takes the tags of a bucket only after it was created. An empty bucket without any tag is taken over, because a
    run may have ended between the two calls.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Keep what was deleted for a month
  dataplatform.fleet.s3_versioned_bucket:
    name: example-snapshots
    noncurrent_days: 30

- name: Delete the bucket with everything in it
  dataplatform.fleet.s3_versioned_bucket:
    name: example-snapshots
    state: absent
"""

RETURN = r"""
actions:
  description: The API calls that were made, or would be made in check mode, with the fields each changes.
  returned: always
  type: list
  elements: dict
  sample:
    - operation: PutBucketVersioning
      changes:
        versioning: {before: Suspended, after: Enabled}
bucket:
  description:
    - The bucket. With O(state=absent) it tells what the bucket held, or in check mode, what would be deleted.
  returned: always
  type: dict
  sample:
    name: example-snapshots
    versions: 2041
    delete_markers: 17
    bytes: 73014444032
    uploads: 0
  contains:
    name:
      description: The name of the bucket.
      type: str
    tags:
      description: The tags of the bucket. Only with O(state=present).
      type: dict
    versions:
      description: How many versions of objects, current ones included. Only with O(state=absent).
      type: int
    delete_markers:
      description: How many delete markers. Only with O(state=absent).
      type: int
    bytes:
      description: The size of all versions. Only with O(state=absent).
      type: int
    uploads:
      description: How many incomplete multipart uploads. Only with O(state=absent).
      type: int
"""

from dataclasses import asdict
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.dataplatform.fleet.plugins.module_utils import _python  # noqa: F401
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Client, Value
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.calls import call
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run, outcome, run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.spec import ADOPT, STATE, TAGS
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.lookup import bucket_tags
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import refuse_foreign
from ansible_collections.dataplatform.fleet.plugins.module_utils._s3.empty import Contents, contents, delete_bucket
from ansible_collections.dataplatform.fleet.plugins.module_utils._s3.plan import (
    READS,
    plan,
    plan_absent,
    tags_found,
    wanted,
)

try:  # noqa: SIM105
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing


def argument_spec() -> dict[str, Any]:
    return {
        "name": {"type": "str", "required": True},
        "noncurrent_days": {"type": "int", "default": 14},
        "abort_upload_days": {"type": "int", "default": 7},
        "policy": {"type": "json", "default": ""},
        **STATE,
        **TAGS,
        **ADOPT,
    }


def read(s3: Client, bucket: str) -> dict[str, Any]:
    """Return S3's answers about the bucket, by operation."""
    found: dict[str, Any] = {}
    for operation, missing in READS.items():
        try:
            found[operation] = call(s3, operation, Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != missing:
                raise
            found[operation] = {}
    return found


def tags_of_bucket(s3: Client, name: str) -> dict[str, str] | None:
    try:
        return bucket_tags(s3, name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "403":
            raise
        raise AwsError(
            f"The S3 bucket {name} may not be read: it is another account's, or s3:ListBucket is missing."
        ) from error


def delete(this: Run, s3: Client, held: Contents) -> None:
    """Delete the bucket, and count in *held* what was in it. An error comes with what was deleted before it."""
    try:
        delete_bucket(s3, this.options["name"], held)
    except (AwsError, ClientError):
        gone: dict[str, Value] = {key: {"before": n, "after": None} for key, n in asdict(held).items() if n}
        if gone:
            this.done.append({"operation": "DeleteObjects", "changes": gone})
        raise


def manage(this: Run) -> dict[str, Value]:
    s3, options, name = this.client("s3"), this.options, this.options["name"]
    had = tags_of_bucket(s3, name)
    if had is not None:
        refuse_foreign("s3_bucket", name, had, options)
    if options["state"] == "absent":
        held = Contents()
        if had is not None and this.check_mode:
            held = contents(s3, name)
        elif had is not None:
            delete(this, s3, held)
        planned = plan_absent(name, None if had is None else asdict(held))
        return outcome(planned, bucket={"name": name, **asdict(held)})
    found = read(s3, name) if had is not None else None
    purge, region = options["purge_tags"], s3.meta.region_name
    planned = plan(name, found, wanted(options), region, options["tags"], purge_tags=purge)
    this.apply(s3, planned)
    return outcome(planned, bucket={"name": name, "tags": planned.tags(tags_found(found))})


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    for option in ("noncurrent_days", "abort_upload_days"):
        if module.params[option] < 1:
            module.fail_json(msg=f"{option} is {module.params[option]} and must be 1 or more")
    run(module, f"the S3 bucket {module.params['name']}", manage)


if __name__ == "__main__":
    main()
