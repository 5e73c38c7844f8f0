# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the settings of a private, versioned S3 bucket. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import (
    Change,
    Plan,
    Step,
    creation,
    deletion,
    tag_changes,
    tag_fields,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import pairs_of, tags_of

Fields = dict[str, Any]
# An operation of the API and its request without the bucket.
Call = tuple[str, dict[str, Any]]

# The error code of S3 for a missing setting, by operation.
READS = {
    "GetBucketTagging": "NoSuchTagSet",
    "GetPublicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
    "GetBucketOwnershipControls": "OwnershipControlsNotFoundError",
    "GetBucketEncryption": "ServerSideEncryptionConfigurationNotFoundError",
    "GetBucketVersioning": "",
    "GetBucketPolicy": "NoSuchBucketPolicy",
    "GetBucketLifecycleConfiguration": "NoSuchLifecycleConfiguration",
}
# The id of the fleet's lifecycle rule. Other rules of the bucket stay.
RULE = "dataplatform.fleet"
_LIFECYCLE = ("noncurrent_days", "abort_upload_days", "expired_delete_markers")
_PUBLIC_ACCESS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def wanted(options: Mapping[str, Any]) -> Fields:
    """Return the fields that a bucket should have, from the options of the module."""
    return {
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
    block = found["GetPublicAccessBlock"].get("PublicAccessBlockConfiguration", {})
    controls = found["GetBucketOwnershipControls"].get("OwnershipControls", {}).get("Rules", [{}])
    encryption = found["GetBucketEncryption"].get("ServerSideEncryptionConfiguration", {}).get("Rules", [{}])
    rule: Mapping[str, Any] = next((one for one in _rules(found) if one.get("ID") == RULE), {})
    if rule.get("Status") != "Enabled" or not _of_all_objects(rule):
        rule = {}
    noncurrent = rule.get("NoncurrentVersionExpiration", {})
    fields = {
        "public_access_blocked": all(block.get(name) for name in _PUBLIC_ACCESS),
        "object_ownership": controls[0].get("ObjectOwnership"),
        "encryption": encryption[0].get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm"),
        "versioning": found["GetBucketVersioning"].get("Status"),
        "policy": json.loads(found["GetBucketPolicy"].get("Policy", "{}")),
        # A number of kept versions deletes versions later than declared.
        "noncurrent_days": None if "NewerNoncurrentVersions" in noncurrent else noncurrent.get("NoncurrentDays"),
        "abort_upload_days": rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
        "expired_delete_markers": "removed" if rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker") else None,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _rules(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(found["GetBucketLifecycleConfiguration"].get("Rules", []))


def _of_all_objects(rule: Mapping[str, Any]) -> bool:
    return not rule.get("Prefix") and not any(rule.get("Filter", {}).values())


def tags_found(found: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the bucket's tags from the answers of S3."""
    return tags_of({"Tags": ((found or {}).get("GetBucketTagging") or {}).get("TagSet")})


def plan(
    name: str,
    found: Mapping[str, Any] | None,
    want: Fields,
    location: str,
    tags: Mapping[str, str] | None = None,
    *,
    purge_tags: bool = True,
) -> Plan:
    """Return the calls that give the bucket the fields ``want`` and the ``tags``.

    ``found`` has the answers of S3 by operation, or is None where there is no bucket; ``location`` is the region.
    """
    bucket, steps = {"Bucket": name}, []
    if found is None:
        # S3 has no LocationConstraint for us-east-1.
        place = {} if location == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": location}}
        request = {**bucket, "ObjectOwnership": want["object_ownership"], **place}
        changes = creation({"name": name, "object_ownership": want["object_ownership"]})
        steps.append(Step("CreateBucket", request, changes))
        live: Fields = {}
    else:
        live = live_fields(found)
    steps += _tagging(bucket, tags_found(found), tags, purge_tags=purge_tags)
    after = {key: value for key, value in want.items() if not _same(key, live.get(key), value)}
    for fields, write in _WRITES:
        changes = {key: Change(live.get(key), after[key]) for key in fields if key in after}
        if changes and not (found is None and fields == ("object_ownership",)):
            operation, request = write(found or {}, want)
            steps.append(Step(operation, {**bucket, **request}, changes))
    return Plan(f"S3 bucket {name}", tuple(steps))


def plan_absent(name: str, contents: Mapping[str, Any] | None) -> Plan:
    """Return the call that deletes a bucket with its ``contents``; None is no bucket."""
    if contents is None:
        return Plan(f"S3 bucket {name}")
    changes = {**deletion(dict(contents)), "name": Change(name, None)}
    return Plan(f"S3 bucket {name}", (Step("DeleteBucket", {"Bucket": name}, changes),))


def _same(key: str, live: Any, want: Any) -> bool:  # noqa: ANN401 - a field of any type
    if key == "policy":
        return not compare_policies(live or {}, want)
    return bool(live == want)


def _tagging(
    bucket: Mapping[str, str], had: Mapping[str, str], tags: Mapping[str, str] | None, *, purge_tags: bool
) -> list[Step]:
    added, removed = tag_changes(had, tags, purge=purge_tags)
    if not added and not removed:
        return []
    left = {key: value for key, value in {**had, **added}.items() if key not in removed}
    changes = tag_fields(had, {**added, **dict.fromkeys(removed)})
    if not left:
        return [Step("DeleteBucketTagging", bucket, changes)]
    return [Step("PutBucketTagging", {**bucket, "Tagging": {"TagSet": pairs_of(left)}}, changes)]


def _public_access(_found: Mapping[str, Any], _want: Fields) -> Call:
    block = dict.fromkeys(_PUBLIC_ACCESS, True)
    return "PutPublicAccessBlock", {"PublicAccessBlockConfiguration": block}


def _ownership(_found: Mapping[str, Any], want: Fields) -> Call:
    rules = [{"ObjectOwnership": want["object_ownership"]}]
    return "PutBucketOwnershipControls", {"OwnershipControls": {"Rules": rules}}


def _encryption(_found: Mapping[str, Any], want: Fields) -> Call:
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": want["encryption"]}}]
    return "PutBucketEncryption", {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _versioning(_found: Mapping[str, Any], want: Fields) -> Call:
    return "PutBucketVersioning", {"VersioningConfiguration": {"Status": want["versioning"]}}


def _policy(_found: Mapping[str, Any], want: Fields) -> Call:
    if not want["policy"]:
        return "DeleteBucketPolicy", {}
    return "PutBucketPolicy", {"Policy": json.dumps(want["policy"])}


def _lifecycle(found: Mapping[str, Any], want: Fields) -> Call:
    answer = found.get("GetBucketLifecycleConfiguration", {})
    others = [one for one in answer.get("Rules", []) if one.get("ID") != RULE]
    # The call replaces all rules of the bucket.
    smallest = "TransitionDefaultMinimumObjectSize"
    kept = {smallest: answer[smallest]} if smallest in answer else {}
    configuration = {"Rules": [*others, rule(want["noncurrent_days"], want["abort_upload_days"])]}
    return "PutBucketLifecycleConfiguration", {"LifecycleConfiguration": configuration, **kept}


# The call that writes each group of fields, in this order.
_WRITES: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any], Fields], Call]], ...] = (
    (("public_access_blocked",), _public_access),
    (("object_ownership",), _ownership),
    (("encryption",), _encryption),
    (("versioning",), _versioning),
    (("policy",), _policy),
    (_LIFECYCLE, _lifecycle),
)


def rule(noncurrent_days: int, abort_upload_days: int) -> dict[str, Any]:
    """Return the lifecycle rule. It does not delete current objects."""
    return {
        "ID": RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": noncurrent_days},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": abort_upload_days},
    }
