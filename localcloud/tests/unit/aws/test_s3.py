# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets with versions: listing, deletion and errors."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import REGION, reason, refused, unique

EXPIRE = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}


@pytest.fixture
def s3(server: Any) -> Any:
    return server.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = unique("bucket")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=name, Key="before", Body=b"null")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def listed(s3: Any, bucket: str, **more: Any) -> list[tuple[str, str]]:
    page = s3.list_object_versions(Bucket=bucket, **more)
    return [(one["Key"], one["VersionId"]) for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, [])]


def test_a_bucket_with_versions_or_delete_markers_cannot_be_deleted(s3: Any, bucket: str) -> None:
    s3.delete_object(Bucket=bucket, Key="before")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    (old, marker) = listed(s3, bucket)
    assert old == ("before", "null")
    assert refused(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    s3.delete_object(Bucket=bucket, Key="before", VersionId="null")
    assert refused(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    s3.delete_object(Bucket=bucket, Key=marker[0], VersionId=marker[1])
    s3.delete_bucket(Bucket=bucket)


def test_removing_a_delete_marker_brings_the_object_back(s3: Any, bucket: str) -> None:
    marker = s3.delete_object(Bucket=bucket, Key="before")
    assert marker["DeleteMarker"]
    with pytest.raises(ClientError):
        s3.get_object(Bucket=bucket, Key="before")
    s3.delete_object(Bucket=bucket, Key="before", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="before")["Body"].read() == b"null"


def test_pages_that_are_deleted_as_they_are_read_leave_nothing(s3: Any, bucket: str) -> None:
    for number in range(7):
        s3.put_object(Bucket=bucket, Key="<many>", Body=str(number).encode())
        s3.put_object(Bucket=bucket, Key=f"one-{number}", Body=b"")
    pages = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3}):
        pages += 1
        objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in page["Versions"]]
        assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert (pages, listed(s3, bucket)) == (5, [])


def test_a_page_of_versions_begins_again_at_its_markers(s3: Any, bucket: str) -> None:
    for number in range(4):
        s3.put_object(Bucket=bucket, Key="many", Body=str(number).encode())
    first = s3.list_object_versions(Bucket=bucket, MaxKeys=3)
    marks = {"KeyMarker": first["NextKeyMarker"], "VersionIdMarker": first["NextVersionIdMarker"]}
    rest = listed(s3, bucket, **marks)
    gone = s3.list_object_versions(Bucket=bucket)["Versions"][:3]
    s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in gone]}
    )
    again = s3.list_object_versions(Bucket=bucket, **marks)
    assert [(one["Key"], one["VersionId"]) for one in again["Versions"]] == rest == listed(s3, bucket)
    assert (again["KeyMarker"], again["VersionIdMarker"]) == (marks["KeyMarker"], marks["VersionIdMarker"])


def test_no_call_lists_or_deletes_more_than_a_thousand(s3: Any, bucket: str) -> None:
    many = [{"Key": f"{number:04}"} for number in range(1001)]
    assert refused(s3.delete_objects, Bucket=bucket, Delete={"Objects": many}) == "MalformedXML"
    assert refused(s3.delete_objects, Bucket=bucket, Delete={"Objects": []}) == "MalformedXML"
    # Each deletion creates a delete marker.
    s3.delete_objects(Bucket=bucket, Delete={"Objects": many[:1000]})
    page = s3.list_object_versions(Bucket=bucket, MaxKeys=5000)
    assert (len(page["DeleteMarkers"]), page["MaxKeys"], page["IsTruncated"]) == (1000, 1000, True)


def test_a_lifecycle_comes_back_as_it_was_put(s3: Any, bucket: str) -> None:
    rule = {
        "ID": "fleet",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        **EXPIRE,
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [rule]
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"


TAGGED = {"Filter": {"Tag": {"Key": "a", "Value": "b"}}}


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"NoncurrentVersionExpiration": None}, "InvalidRequest: At least one action needs to be specified in a rule"),
        ({"Filter": None}, "MalformedXML"),
        ({"Status": "on"}, "MalformedXML"),
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 0}}, "InvalidArgument: 'NoncurrentDays'"),
        ({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 0}}, "InvalidArgument: 'DaysAfterInitiation'"),
        ({"Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}, "MalformedXML"),
        ({"NoncurrentVersionExpiration": {"NewerNoncurrentVersions": 2}}, "MalformedXML"),
        ({**TAGGED, "Expiration": {"ExpiredObjectDeleteMarker": True}}, "InvalidRequest: ExpiredObjectDeleteMarker"),
        ({**TAGGED, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}, "InvalidRequest: Abort"),
        ({"ID": "x" * 256}, "InvalidArgument: ID length"),
    ],
)
def test_a_lifecycle_without_an_action_is_refused(s3: Any, bucket: str, changes: dict[str, Any], answer: str) -> None:
    rule = {"ID": "one", "Status": "Enabled", "Filter": {"Prefix": ""}, **EXPIRE, **changes}
    rules = [{key: value for key, value in rule.items() if value is not None}]
    put = s3.put_bucket_lifecycle_configuration
    assert reason(put, Bucket=bucket, LifecycleConfiguration={"Rules": rules}).startswith(answer)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"


def test_rules_of_a_lifecycle_have_names_of_their_own(s3: Any, bucket: str) -> None:
    rule = {"ID": "one", "Status": "Enabled", "Filter": {"Prefix": ""}, **EXPIRE}
    put = s3.put_bucket_lifecycle_configuration
    assert refused(put, Bucket=bucket, LifecycleConfiguration={"Rules": [rule, rule]}) == "InvalidArgument"
    assert refused(put, Bucket=bucket, LifecycleConfiguration={"Rules": []}) == "MalformedXML"
    assert refused(put, Bucket="of-nobody", LifecycleConfiguration={"Rules": [rule]}) == "NoSuchBucket"
