# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._s3.plan import RULE, plan, rule, wanted
from botocore.validate import ParamValidator

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "a"}],
}
OPTIONS = {"noncurrent_days": 14, "abort_upload_days": 7, "policy": json.dumps(POLICY), "tags": {"team": "data"}}
WANT = wanted(OPTIONS)
BLOCK = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
LIFECYCLE = "get_bucket_lifecycle_configuration"


def answers(**changes: Any) -> dict[str, Any]:
    """S3's answers about a bucket that is as it should be."""
    encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
    return {
        "get_bucket_tagging": {"TagSet": [{"Key": "team", "Value": "data"}, {"Key": "theirs", "Value": "stays"}]},
        "get_public_access_block": {"PublicAccessBlockConfiguration": BLOCK},
        "get_bucket_ownership_controls": {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
        "get_bucket_encryption": {"ServerSideEncryptionConfiguration": {"Rules": [encryption]}},
        "get_bucket_versioning": {"Status": "Enabled"},
        "get_bucket_policy": {"Policy": json.dumps(POLICY)},
        LIFECYCLE: {"Rules": [rule(14, 7)]},
        **changes,
    }


def test_every_call_is_one_that_s3_knows() -> None:
    model = botocore.session.get_session().get_service_model("s3")
    operations = {"".join(part.title() for part in name.split("_")): name for name in answers()}
    calls, _before, after = plan(None, WANT, "eu-central-1")
    changed, _before, changed_after = plan({key: {} for key in answers()}, WANT, "eu-central-1")
    assert after == changed_after == WANT
    assert next(name for name, _arguments in changed) == "put_bucket_tagging"
    assert {"create_bucket", "put_bucket_ownership_controls"} <= {name for name, _ in [*calls, *changed]}
    for name, arguments in [*calls, *changed, ("delete_bucket_policy", {})]:
        shape = model.operation_model("".join(part.title() for part in name.split("_"))).input_shape
        assert not ParamValidator().validate({"Bucket": "b", **arguments}, shape).has_errors(), name
    assert all(name in model.operation_names for name in operations)


def test_a_bucket_is_made_in_its_region() -> None:
    assert (
        plan(None, WANT, "eu-central-1")[0][0][1]["CreateBucketConfiguration"]["LocationConstraint"] == "eu-central-1"
    )
    assert "CreateBucketConfiguration" not in plan(None, WANT, "us-east-1")[0][0][1]


def test_needs_nothing() -> None:
    assert plan(answers(), WANT, "eu-central-1") == ([], {}, {})
    # S3 may answer so where the filter has an empty prefix.
    without = {key: value for key, value in rule(14, 7).items() if key != "Filter"}
    for shown in ({"Filter": {}}, {"Prefix": ""}):
        assert plan(answers(**{LIFECYCLE: {"Rules": [without | shown]}}), WANT, "eu-central-1")[0] == []


@pytest.mark.parametrize(
    ("changes", "call", "field"),
    [
        ({"get_bucket_versioning": {"Status": "Suspended"}}, "put_bucket_versioning", "versioning"),
        ({"get_bucket_versioning": {}}, "put_bucket_versioning", "versioning"),
        (
            {"get_public_access_block": {"PublicAccessBlockConfiguration": BLOCK | {"BlockPublicPolicy": False}}},
            "put_public_access_block",
            "public_access_blocked",
        ),
        ({"get_bucket_policy": {}}, "put_bucket_policy", "policy"),
        ({"get_bucket_tagging": {}}, "put_bucket_tagging", "tags.team"),
        ({LIFECYCLE: {}}, "put_bucket_lifecycle_configuration", "noncurrent_days"),
        ({LIFECYCLE: {"Rules": [rule(1, 7)]}}, "put_bucket_lifecycle_configuration", "noncurrent_days"),
        ({LIFECYCLE: {"Rules": [rule(14, 1)]}}, "put_bucket_lifecycle_configuration", "abort_upload_days"),
        (
            {LIFECYCLE: {"Rules": [rule(14, 7) | {"Status": "Disabled"}]}},
            "put_bucket_lifecycle_configuration",
            "noncurrent_days",
        ),
        (
            {LIFECYCLE: {"Rules": [rule(14, 7) | {"Filter": {"Prefix": "some/"}}]}},
            "put_bucket_lifecycle_configuration",
            "noncurrent_days",
        ),
    ],
)
def test_drift_is_corrected(changes: dict[str, Any], call: str, field: str) -> None:
    calls, before, after = plan(answers(**changes), WANT, "eu-central-1")
    assert [name for name, _arguments in calls] == [call]
    assert field in after
    assert before.get(field) != after[field]


def test_tags_and_rules_of_others_stay() -> None:
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x"}, "Expiration": {"Days": 3}}
    smallest = "all_storage_classes_128K"
    live = {"Rules": [theirs, rule(1, 1)], "TransitionDefaultMinimumObjectSize": smallest}
    tags = {"TagSet": [{"Key": "team", "Value": "old"}, {"Key": "theirs", "Value": "stays"}]}
    calls = dict(plan(answers(**{LIFECYCLE: live, "get_bucket_tagging": tags}), WANT, "eu-central-1")[0])
    put = calls["put_bucket_lifecycle_configuration"]
    assert put["LifecycleConfiguration"]["Rules"] == [theirs, rule(14, 7)]
    assert put["TransitionDefaultMinimumObjectSize"] == smallest
    assert calls["put_bucket_tagging"]["Tagging"]["TagSet"] == [
        {"Key": "team", "Value": "data"},
        {"Key": "theirs", "Value": "stays"},
    ]


def test_a_policy_that_is_not_wanted_goes() -> None:
    assert plan(answers(), wanted({**OPTIONS, "policy": ""}), "eu-central-1")[0] == [("delete_bucket_policy", {})]


def test_no_object_that_is_current_expires() -> None:
    made = rule(14, 7)
    assert made["ID"] == RULE
    assert made["Expiration"] == {"ExpiredObjectDeleteMarker": True}
