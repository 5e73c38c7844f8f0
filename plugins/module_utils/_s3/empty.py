# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Empty a bucket, so that S3 can delete it: versions, delete markers and multipart uploads."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._aws.aliases import Client
from .._aws.calls import retried
from .._aws.errors import AwsError

try:  # noqa: SIM105
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
PAGE = 1000
# Temporary errors of S3 for single objects.
_PASSING = frozenset({"InternalError", "ServiceUnavailable", "SlowDown"})
_ROUNDS = 8


class NotEmptiedError(AwsError):
    """Objects could not be deleted. The message has S3's errors for some of them."""


@dataclass
class Contents:
    """The number of objects in a bucket, before or after its deletion."""

    versions: int = 0
    delete_markers: int = 0
    bytes: int = 0
    uploads: int = 0

    def add(self, page: dict[str, Any]) -> None:
        """Count a page of versions."""
        self.versions += len(page.get("Versions", []))
        self.delete_markers += len(page.get("DeleteMarkers", []))
        self.bytes += sum(one["Size"] for one in page.get("Versions", []))


def contents(s3: Client, bucket: str) -> Contents:
    """Count all versions, delete markers and uploads."""

    def count() -> Contents:
        found = Contents()
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found.add(page)
        return found

    found: Contents = retried(count)()
    found.uploads = len(_uploads(s3, bucket))
    return found


def _uploads(s3: Client, bucket: str) -> list[dict[str, Any]]:
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
    found: list[dict[str, Any]] = retried(lambda: [one for page in pages for one in page.get("Uploads", [])])()
    return found


def delete_bucket(s3: Client, bucket: str, held: Contents, pause: Callable[[float], None] = time.sleep) -> None:
    """Empty and delete the bucket, and count its objects in *held*. Repeated after an interruption, it continues.

    :raises NotEmptiedError: if S3 refuses to delete objects, or if others continue to write
    """
    for number in range(_ROUNDS):
        for one in _uploads(s3, bucket):
            _abort(s3, bucket, one)
            held.uploads += 1
        _delete_versions(s3, bucket, held, pause)
        try:
            retried(s3.delete_bucket)(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchBucket":
                return
            if error.response["Error"]["Code"] != "BucketNotEmpty":
                raise
            pause(2.0**number / 4)
        else:
            return
    raise NotEmptiedError(f"the bucket {bucket} was emptied {_ROUNDS} times, and other writers added objects each time")


def _abort(s3: Client, bucket: str, upload: dict[str, Any]) -> None:
    try:
        retried(s3.abort_multipart_upload)(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    except ClientError as error:
        # The upload was completed or aborted.
        if error.response["Error"]["Code"] != "NoSuchUpload":
            raise


def _delete_versions(s3: Client, bucket: str, held: Contents, pause: Callable[[float], None]) -> None:
    failed = 0
    # Without a marker: the listed objects are deleted.
    while page := _first_page(s3, bucket):
        objects = [
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for one in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        ]
        answer = retried(s3.delete_objects)(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        errors = answer.get("Errors", [])
        refused = {(one["Key"], one.get("VersionId", "null")) for one in errors}
        gone = {
            kind: [one for one in page.get(kind, []) if (one["Key"], one["VersionId"]) not in refused]
            for kind in ("Versions", "DeleteMarkers")
        }
        held.add(gone)
        lasting = [one for one in errors if one["Code"] not in _PASSING]
        failed = 0 if any(gone.values()) else failed + 1
        if lasting or failed == _ROUNDS:
            raise NotEmptiedError(_refusals(bucket, lasting or errors, held))
        if errors:
            pause(2.0**failed / 4)


def _first_page(s3: Client, bucket: str) -> dict[str, Any]:
    page: dict[str, Any] = retried(s3.list_object_versions)(Bucket=bucket, MaxKeys=PAGE)
    return page if page.get("Versions") or page.get("DeleteMarkers") else {}


def _refusals(bucket: str, errors: list[dict[str, Any]], held: Contents) -> str:
    some = "; ".join(
        f"{one['Key']} (version {one.get('VersionId', 'null')}): {one['Code']}: {one.get('Message', '')}"
        for one in errors[:3]
    )
    return (
        f"S3 refused to delete {len(errors)} of the objects in the bucket {bucket}, after {held.versions} versions and "
        f"{held.delete_markers} delete markers were deleted: {some}. The bucket stays, and the next run continues."
    )
