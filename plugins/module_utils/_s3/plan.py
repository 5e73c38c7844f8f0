# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a private, versioned S3 bucket should be, and the calls that make it so. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import pairs_of
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import texts

Fields = dict[str, Any]
# An operation of the API and its arguments, less the bucket.
Call = tuple[str, dict[str, Any]]

# The lifecycle rule of the fleet. Others in the same bucket stay.
RULE = "dataplatform.fleet"
_LIFECYCLE = ("noncurrent_days", "abort_upload_days", "expired_delete_markers")
_PUBLIC_ACCESS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def wanted(options: Mapping[str, Any]) -> Fields:
    """Return the fields that a bucket should have, from the options of the module."""
    return {
        **{f"tags.{key}": value for key, value in sorted(texts(options["tags"]).items())},
        "public_access_blocked": True,
        "object_ownership": "BucketOwnerEnforced",
        "encryption": "AES256",
        "versioning": "Enabled",
        "policy": json.loads(options["policy"]) if options["policy"] else {},
        "noncurrent_days": options["noncurrent_days"],
        "abort_upload_days": options["abort_upload_days"],
        "expired_delete_markers": "removed",
    }


def live_fields(found: Mapping[str, Any]) -> Fields:
    """Return the fields of a bucket from the answers of S3, by operation; what S3 does not know of it is missing."""
    block = found["get_public_access_block"].get("PublicAccessBlockConfiguration", {})
    controls = found["get_bucket_ownership_controls"].get("OwnershipControls", {}).get("Rules", [{}])
    encryption = found["get_bucket_encryption"].get("ServerSideEncryptionConfiguration", {}).get("Rules", [{}])
    rule: Mapping[str, Any] = next((one for one in _rules(found) if one.get("ID") == RULE), {})
    if rule.get("Status") != "Enabled" or not _of_all_objects(rule):
        rule = {}
    noncurrent = rule.get("NoncurrentVersionExpiration", {})
    fields = {
        **{f"tags.{tag['Key']}": tag["Value"] for tag in found["get_bucket_tagging"].get("TagSet", [])},
        "public_access_blocked": all(block.get(name) for name in _PUBLIC_ACCESS),
        "object_ownership": controls[0].get("ObjectOwnership"),
        "encryption": encryption[0].get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm"),
        "versioning": found["get_bucket_versioning"].get("Status"),
        "policy": json.loads(found["get_bucket_policy"].get("Policy", "{}")),
        # Versions that are kept by their number go later than was declared.
        "noncurrent_days": None if "NewerNoncurrentVersions" in noncurrent else noncurrent.get("NoncurrentDays"),
        "abort_upload_days": rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
        "expired_delete_markers": "removed" if rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker") else None,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _rules(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(found["get_bucket_lifecycle_configuration"].get("Rules", []))


def _of_all_objects(rule: Mapping[str, Any]) -> bool:
    return not rule.get("Prefix") and not any(rule.get("Filter", {}).values())


def plan(found: Mapping[str, Any] | None, want: Fields, location: str) -> tuple[list[Call], Fields, Fields]:
    """Return the calls, and the fields that they change, before and after. Tags that are not wanted stay.

    ``found`` has the answers of S3 by operation, or is None where there is no bucket; ``location`` is the region.
    """
    calls: list[Call] = []
    if found is None:
        # S3 calls the region us-east-1 by no name.
        place = {} if location == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": location}}
        calls = [("create_bucket", {"ObjectOwnership": "BucketOwnerEnforced", **place})]
        live: Fields = {}
    else:
        live = live_fields(found)
    after = {key: value for key, value in want.items() if not _same(key, live.get(key), value)}
    before = {key: live[key] for key in after if key in live}
    for writes in (_tagging, _public_access, _ownership, _encryption, _versioning, _policy, _lifecycle):
        calls += writes(found or {}, live, want, after)
    return calls, before, after


def _same(key: str, live: Any, want: Any) -> bool:  # noqa: ANN401 - a field of any type
    if key == "policy":
        return not compare_policies(live or {}, want)
    return bool(live == want)


def _tagging(_found: Mapping[str, Any], live: Fields, want: Fields, after: Fields) -> list[Call]:
    if not any(key.startswith("tags.") for key in after):
        return []
    tags = {key.removeprefix("tags."): value for key, value in {**live, **want}.items() if key.startswith("tags.")}
    return [("put_bucket_tagging", {"Tagging": {"TagSet": pairs_of(tags)}})]


def _public_access(_found: Mapping[str, Any], _live: Fields, _want: Fields, after: Fields) -> list[Call]:
    block = dict.fromkeys(_PUBLIC_ACCESS, True)
    call: Call = ("put_public_access_block", {"PublicAccessBlockConfiguration": block})
    return [call] if "public_access_blocked" in after else []


def _ownership(found: Mapping[str, Any], _live: Fields, want: Fields, after: Fields) -> list[Call]:
    rules = [{"ObjectOwnership": want["object_ownership"]}]
    call: Call = ("put_bucket_ownership_controls", {"OwnershipControls": {"Rules": rules}})
    return [call] if found and "object_ownership" in after else []


def _encryption(_found: Mapping[str, Any], _live: Fields, want: Fields, after: Fields) -> list[Call]:
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": want["encryption"]}}]
    call: Call = ("put_bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": rules}})
    return [call] if "encryption" in after else []


def _versioning(_found: Mapping[str, Any], _live: Fields, want: Fields, after: Fields) -> list[Call]:
    call: Call = ("put_bucket_versioning", {"VersioningConfiguration": {"Status": want["versioning"]}})
    return [call] if "versioning" in after else []


def _policy(_found: Mapping[str, Any], _live: Fields, want: Fields, after: Fields) -> list[Call]:
    if "policy" not in after:
        return []
    if not want["policy"]:
        return [("delete_bucket_policy", {})]
    return [("put_bucket_policy", {"Policy": json.dumps(want["policy"])})]


def _lifecycle(found: Mapping[str, Any], _live: Fields, want: Fields, after: Fields) -> list[Call]:
    if not any(key in after for key in _LIFECYCLE):
        return []
    answer = found.get("get_bucket_lifecycle_configuration", {})
    others = [one for one in answer.get("Rules", []) if one.get("ID") != RULE]
    # Of the whole bucket's, which the call replaces.
    smallest = "TransitionDefaultMinimumObjectSize"
    kept = {smallest: answer[smallest]} if smallest in answer else {}
    configuration = {"Rules": [*others, rule(want["noncurrent_days"], want["abort_upload_days"])]}
    return [("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": configuration, **kept})]


def rule(noncurrent_days: int, abort_upload_days: int) -> dict[str, Any]:
    """Return the lifecycle rule: it deletes no object that is current."""
    return {
        "ID": RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": noncurrent_days},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": abort_upload_days},
    }
