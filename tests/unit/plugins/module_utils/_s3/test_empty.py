# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emptying a bucket while S3 refuses single objects, or other clients write to it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._s3 import empty
from botocore.exceptions import ClientError

LOCKED = {"Code": "AccessDenied", "Message": "Access Denied because object protected by object lock."}


class Bucket:
    """As much of S3 as holds versions."""

    def __init__(self, versions: int, markers: int = 0, errors: dict[str, list[dict[str, str]]] | None = None) -> None:
        self.versions = [{"Key": f"{number:05}", "VersionId": "null", "Size": 2} for number in range(versions)]
        self.markers = [{"Key": f"m{number:05}", "VersionId": "1"} for number in range(markers)]
        self.errors = errors or {}
        self.late = 0
        self.calls: list[int] = []

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_multipart_uploads"
        return self

    def paginate(self, **_bucket: str) -> list[dict[str, Any]]:
        return [{}]

    def list_object_versions(self, Bucket: str, MaxKeys: int) -> dict[str, Any]:
        assert Bucket == "b"
        some = self.versions[:MaxKeys]
        return {"Versions": some, "DeleteMarkers": self.markers[: MaxKeys - len(some)]}

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        assert Bucket == "b"
        assert 0 < len(Delete["Objects"]) <= empty.PAGE
        self.calls.append(len(Delete["Objects"]))
        errors = []
        for one in Delete["Objects"]:
            if self.errors.get(one["Key"]):
                errors.append({**one, **self.errors[one["Key"]].pop()})
                continue
            self.versions = [left for left in self.versions if left["Key"] != one["Key"]]
            self.markers = [left for left in self.markers if left["Key"] != one["Key"]]
        return {"Errors": errors} if errors else {}

    def delete_bucket(self, Bucket: str) -> None:
        assert Bucket == "b"
        if self.late:
            self.late -= 1
            self.versions = [{"Key": "late", "VersionId": "2", "Size": 1}]
            raise ClientError({"Error": {"Code": "BucketNotEmpty", "Message": ""}}, "DeleteBucket")


@pytest.fixture
def pauses() -> list[float]:
    return []


def delete(bucket: Bucket, pauses: list[float]) -> empty.Contents:
    held = empty.Contents()
    empty.delete_bucket(bucket, "b", held, pauses.append)
    return held


def test_objects_are_deleted_in_batches_of_a_thousand(pauses: list[float]) -> None:
    bucket = Bucket(2500, 700)
    held = delete(bucket, pauses)
    assert (held.versions, held.delete_markers, held.bytes) == (2500, 700, 5000)
    assert (bucket.calls, pauses) == ([1000, 1000, 1000, 200], [])


def test_an_object_that_s3_refuses_for_good_is_named(pauses: list[float]) -> None:
    bucket = Bucket(3, errors={"00001": [LOCKED] * 9})
    held = empty.Contents()
    with pytest.raises(empty.NotEmptiedError) as caught:
        empty.delete_bucket(bucket, "b", held, pauses.append)
    assert held.versions == 2
    said = str(caught.value)
    assert "1 of the objects in the bucket b, after 2 versions and 0 delete markers were deleted" in said
    assert "00001 (version null): AccessDenied: Access Denied because" in said
    assert [one["Key"] for one in bucket.versions] == ["00001"]
    # The next run.
    bucket.errors = {}
    assert delete(bucket, pauses).versions == 1


def test_an_object_that_s3_refuses_for_now_is_tried_again(pauses: list[float]) -> None:
    slow = {"Code": "SlowDown", "Message": ""}
    held = delete(Bucket(3, errors={"00001": [slow, slow]}), pauses)
    assert held.versions == 3
    assert len(pauses) == 2
    with pytest.raises(empty.NotEmptiedError, match="SlowDown"):
        delete(Bucket(1, errors={"00000": [slow] * 99}), pauses)


def test_objects_that_are_written_during_the_deletion_are_deleted(pauses: list[float]) -> None:
    bucket = Bucket(1)
    bucket.late = 2
    assert delete(bucket, pauses).versions == 3
    bucket.late = 99
    with pytest.raises(empty.NotEmptiedError, match="other writers added objects"):
        delete(bucket, pauses)
