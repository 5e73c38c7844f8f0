# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Change, Plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._s3.plan import RULE, plan, plan_absent, rule, wanted
from botocore.validate import ParamValidator

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "a"}],
}
OPTIONS = {"noncurrent_days": 14, "abort_upload_days": 7, "policy": json.dumps(POLICY)}
TAGS = {"team": "data"}
WANT = wanted(OPTIONS)
BLOCK = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
LIFECYCLE = "GetBucketLifecycleConfiguration"


def answers(**changes: Any) -> dict[str, Any]:
    """Return S3's responses for a bucket with the desired state."""
    encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
    return {
        "GetBucketTagging": {"TagSet": [{"Key": "team", "Value": "data"}, {"Key": "theirs", "Value": "stays"}]},
        "GetPublicAccessBlock": {"PublicAccessBlockConfiguration": BLOCK},
        "GetBucketOwnershipControls": {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
        "GetBucketEncryption": {"ServerSideEncryptionConfiguration": {"Rules": [encryption]}},
        "GetBucketVersioning": {"Status": "Enabled"},
        "GetBucketPolicy": {"Policy": json.dumps(POLICY)},
        LIFECYCLE: {"Rules": [rule(14, 7)]},
        **changes,
    }


def planned(found: dict[str, Any] | None, *, purge_tags: bool = False, tags: Any = TAGS) -> Plan:
    return plan("b", found, WANT, "eu-central-1", tags, purge_tags=purge_tags)


def test_every_call_is_one_that_s3_knows() -> None:
    model = botocore.session.get_session().get_service_model("s3")
    new, changed = planned(None), planned({name: {} for name in answers()})
    untagged = planned(answers(), purge_tags=True, tags={})
    assert changed.diff()["after"] == {**WANT, "tags.team": "data"}
    assert new.diff()["after"] == {"name": "b", **changed.diff()["after"]}
    assert next(step.operation for step in changed) == "PutBucketTagging"
    assert {"CreateBucket", "PutBucketOwnershipControls"} <= {step.operation for step in (*new, *changed)}
    for step in (*new, *changed, *untagged, *plan("b", answers(), wanted({**OPTIONS, "policy": ""}), "us-east-1")):
        shape = model.operation_model(step.operation).input_shape
        assert not ParamValidator().validate(dict(step.request), shape).has_errors(), step.operation
    assert all(name in model.operation_names for name in answers())


def test_a_bucket_is_made_in_its_region() -> None:
    create = next(iter(planned(None)))
    assert create.request["CreateBucketConfiguration"]["LocationConstraint"] == "eu-central-1"
    assert "CreateBucketConfiguration" not in next(iter(plan("b", None, WANT, "us-east-1"))).request


@pytest.mark.parametrize(("tags", "purge"), [(TAGS, False), (None, True), ({**TAGS, "theirs": "stays"}, True)])
def test_needs_nothing(tags: Any, purge: bool) -> None:
    assert not planned(answers(), tags=tags, purge_tags=purge)
    # S3 may answer so where the filter has an empty prefix.
    without = {key: value for key, value in rule(14, 7).items() if key != "Filter"}
    for shown in ({"Filter": {}}, {"Prefix": ""}):
        assert not planned(answers(**{LIFECYCLE: {"Rules": [without | shown]}}))


@pytest.mark.parametrize(
    ("tags", "operation", "left"),
    [(TAGS, "PutBucketTagging", [{"Key": "team", "Value": "data"}]), ({}, "DeleteBucketTagging", None)],
)
def test_other_tags_are_purged(tags: dict[str, str], operation: str, left: Any) -> None:
    (step,) = planned(answers(), tags=tags, purge_tags=True)
    assert (step.operation, step.request.get("Tagging", {}).get("TagSet")) == (operation, left)
    assert step.changes["tags.theirs"] == Change("stays", None)


def test_deletes() -> None:
    (step,) = plan_absent("b", {"versions": 2, "bytes": 0})
    assert (step.operation, step.request) == ("DeleteBucket", {"Bucket": "b"})
    assert step.changes["versions"] == Change(2, None)
    assert not plan_absent("b", None)


@pytest.mark.parametrize(
    ("changes", "call", "field"),
    [
        ({"GetBucketVersioning": {"Status": "Suspended"}}, "PutBucketVersioning", "versioning"),
        ({"GetBucketVersioning": {}}, "PutBucketVersioning", "versioning"),
        (
            {"GetPublicAccessBlock": {"PublicAccessBlockConfiguration": BLOCK | {"BlockPublicPolicy": False}}},
            "PutPublicAccessBlock",
            "public_access_blocked",
        ),
        ({"GetBucketPolicy": {}}, "PutBucketPolicy", "policy"),
        ({"GetBucketTagging": {}}, "PutBucketTagging", "tags.team"),
        ({LIFECYCLE: {}}, "PutBucketLifecycleConfiguration", "noncurrent_days"),
        ({LIFECYCLE: {"Rules": [rule(1, 7)]}}, "PutBucketLifecycleConfiguration", "noncurrent_days"),
        ({LIFECYCLE: {"Rules": [rule(14, 1)]}}, "PutBucketLifecycleConfiguration", "abort_upload_days"),
        (
            {LIFECYCLE: {"Rules": [rule(14, 7) | {"Status": "Disabled"}]}},
            "PutBucketLifecycleConfiguration",
            "noncurrent_days",
        ),
        (
            {LIFECYCLE: {"Rules": [rule(14, 7) | {"Filter": {"Prefix": "some/"}}]}},
            "PutBucketLifecycleConfiguration",
            "noncurrent_days",
        ),
    ],
)
def test_drift_is_corrected(changes: dict[str, Any], call: str, field: str) -> None:
    (step,) = planned(answers(**changes))
    assert step.operation == call
    assert step.changes[field].before != step.changes[field].after


def test_tags_and_rules_of_others_stay() -> None:
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x"}, "Expiration": {"Days": 3}}
    smallest = "all_storage_classes_128K"
    live = {"Rules": [theirs, rule(1, 1)], "TransitionDefaultMinimumObjectSize": smallest}
    tags = {"TagSet": [{"Key": "team", "Value": "old"}, {"Key": "theirs", "Value": "stays"}]}
    steps = planned(answers(**{LIFECYCLE: live, "GetBucketTagging": tags}))
    calls = {step.operation: step.request for step in steps}
    put = calls["PutBucketLifecycleConfiguration"]
    assert put["LifecycleConfiguration"]["Rules"] == [theirs, rule(14, 7)]
    assert put["TransitionDefaultMinimumObjectSize"] == smallest
    assert calls["PutBucketTagging"]["Tagging"]["TagSet"] == [
        {"Key": "team", "Value": "data"},
        {"Key": "theirs", "Value": "stays"},
    ]


def test_an_undeclared_policy_is_deleted() -> None:
    (step,) = plan("b", answers(), wanted({**OPTIONS, "policy": ""}), "eu-central-1")
    assert (step.operation, step.request) == ("DeleteBucketPolicy", {"Bucket": "b"})


def test_no_object_that_is_current_expires() -> None:
    made = rule(14, 7)
    assert made["ID"] == RULE
    assert made["Expiration"] == {"ExpiredObjectDeleteMarker": True}
