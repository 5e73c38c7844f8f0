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
  tags:
    description:
      - Tags of the bucket. Others stay. As far as the tags C(dataplatform.fleet/fleet) and
        C(dataplatform.fleet/cluster) are among them, a bucket that lacks them is refused, unless it is empty and has no
        tags at all.
    type: dict
    default: {}
  adopt:
    description: Takes over, or deletes, a bucket that lacks these tags.
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
bucket:
  description:
    - The bucket. With O(state=absent) it tells what the bucket held, or in check mode, what would be deleted.
  returned: success
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

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.held import watched
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.lookup import bucket_tags
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import owned, refusal
from ansible_collections.dataplatform.fleet.plugins.module_utils._s3.empty import (
    Contents,
    NotEmptiedError,
    contents,
    delete_bucket,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._s3.plan import Fields, plan, wanted

try:  # noqa: SIM105
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing

Client = Any  # of boto3
# What S3 answers where a bucket has nothing of the kind, by operation.
READS = {
    "get_bucket_tagging": "NoSuchTagSet",
    "get_public_access_block": "NoSuchPublicAccessBlockConfiguration",
    "get_bucket_ownership_controls": "OwnershipControlsNotFoundError",
    "get_bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "get_bucket_versioning": "",
    "get_bucket_policy": "NoSuchBucketPolicy",
    "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
}
# S3 may not know a bucket for some moments after it was made, and takes one change of its settings at a time.
_retried = AWSRetry.jittered_backoff(
    retries=8, delay=1, max_delay=20, catch_extra_error_codes=["NoSuchBucket", "OperationAborted"]
)


def argument_spec() -> dict[str, Any]:
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "noncurrent_days": {"type": "int", "default": 14},
        "abort_upload_days": {"type": "int", "default": 7},
        "policy": {"type": "json", "default": ""},
        "tags": {"type": "dict", "default": {}},
        "adopt": {"type": "bool", "default": False},
    }


def read(s3: Client, bucket: str) -> dict[str, Any]:
    """Return S3's answers about the bucket, by operation."""
    found: dict[str, Any] = {}
    for operation, missing in READS.items():
        try:
            found[operation] = _call(s3, operation, Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != missing:
                raise
            found[operation] = {}
    return found


def _call(s3: Client, operation: str, **arguments: Any) -> Any:  # noqa: ANN401 - of boto3
    answer: Callable[..., Any] = _retried(getattr(s3, operation))
    return answer(**arguments)


def present(module: AnsibleAWSModule, s3: Client, *, there: bool) -> tuple[bool, Fields, Fields]:
    """Create or change the bucket; return whether anything changes, and which fields, before and after."""
    name = module.params["name"]
    found = read(s3, name) if there else None
    calls, before, after = plan(found, wanted(module.params), s3.meta.region_name)
    for operation, arguments in [] if module.check_mode else calls:
        _call(s3, operation, Bucket=name, **arguments)
    return bool(calls), before, after


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    name = module.params["name"]
    for option in ("noncurrent_days", "abort_upload_days"):
        if module.params[option] < 1:
            module.fail_json(msg=f"{option} is {module.params[option]} and must be 1 or more")
    s3 = watched(module.client("s3"))
    before: Fields = {}
    after: Fields = {}
    held: dict[str, Any] = {}
    changed = False
    try:
        had = bucket_tags(s3, name)
        if had is not None and not module.params["adopt"] and not owned(had, module.params["tags"]):
            module.fail_json(msg=refusal("s3_bucket", name, had, module.params["tags"]))
        if module.params["state"] == "present":
            changed, before, after = present(module, s3, there=had is not None)
        else:
            found = Contents()
            if had is not None:
                found = contents(s3, name) if module.check_mode else delete_bucket(s3, name)
                changed, before = True, asdict(found)
            held = asdict(found)
    except NotEmptiedError as error:
        module.fail_json(msg=f"Could not delete the S3 bucket {name}: {error}")
    except (BotoCoreError, ClientError) as error:
        if str(getattr(error, "response", {}).get("Error", {}).get("Code")) == "403":
            module.fail_json(
                msg=f"The S3 bucket {name} may not be read: it is another account's, or s3:ListBucket is missing."
            )
        module.fail_json_aws(error, msg=f"Could not manage the S3 bucket {name}")
    header = f"S3 bucket {name}"
    module.exit_json(
        changed=changed,
        diff={"before": before, "after": after, "before_header": header, "after_header": header},
        bucket={"name": name, **held},
    )


if __name__ == "__main__":
    main()
