# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versioned bucket, with S3 of the local cloud."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

TAGS = {"dataplatform.fleet/fleet": "ours"}
MODULE = "s3_versioned_bucket"
CHECKOUT = Path(__file__).resolve().parents[3]
# The module as a process that can be killed; its argument has the options.
ALONE = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.dataplatform.fleet.plugins.modules.s3_versioned_bucket import main
with patch_module_args(json.loads(sys.argv[1])):
    main()
"""


def policy(name: str) -> dict[str, Any]:
    arn = f"arn:aws:s3:::{name}"
    deny = {"Sid": "OnlyByTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    return {"Version": "2012-10-17", "Statement": [{**deny, "Condition": condition}]}


@pytest.fixture
def s3(account: Any) -> Any:
    return account.client("s3")


def test_a_bucket_is_made_kept_and_planned(run: Any, s3: Any) -> None:
    options = {"name": "kept", "policy": policy("kept"), "tags": TAGS}
    planned = run(MODULE, **options, check=True)
    assert not [one for one in s3.list_buckets()["Buckets"] if one["Name"] == "kept"]
    made = run(MODULE, **options)
    assert (made["changed"], made["diff"]) == (True, planned["diff"])
    assert not run(MODULE, **options)["changed"]
    assert s3.get_bucket_versioning(Bucket="kept")["Status"] == "Enabled"
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="kept")["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 14}

    changed = {**options, "noncurrent_days": "30"}
    planned = run(MODULE, **changed, check=True)
    assert planned["diff"]["after"] == {"noncurrent_days": 30}
    assert run(MODULE, **changed)["diff"] == planned["diff"]
    assert not run(MODULE, **changed)["changed"]


def test_drift_is_found_and_corrected(run: Any, s3: Any) -> None:
    options = {"name": "drifted", "policy": policy("drifted"), "tags": TAGS, "purge_tags": False}
    run(MODULE, **options)
    s3.put_bucket_versioning(Bucket="drifted", VersioningConfiguration={"Status": "Suspended"})
    s3.delete_public_access_block(Bucket="drifted")
    s3.delete_bucket_policy(Bucket="drifted")
    s3.delete_bucket_ownership_controls(Bucket="drifted")
    s3.delete_bucket_lifecycle(Bucket="drifted")
    s3.put_bucket_tagging(
        Bucket="drifted",
        Tagging={"TagSet": [{"Key": "dataplatform.fleet/fleet", "Value": "ours"}, {"Key": "x", "Value": "y"}]},
    )
    found = run(MODULE, **options)["diff"]["after"]
    assert {"versioning", "public_access_blocked", "policy", "object_ownership", "noncurrent_days"} <= set(found)
    assert not run(MODULE, **options)["changed"]
    tags = s3.get_bucket_tagging(Bucket="drifted")["TagSet"]
    assert {"Key": "x", "Value": "y"} in tags


def _fill(s3: Any, name: str, objects: int) -> None:
    """Current, noncurrent and deleted objects, some from before versioning, and an upload that was never completed."""
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "dataplatform.fleet/fleet", "Value": "ours"}]})
    for number in range(5):
        s3.put_object(Bucket=name, Key=f"null-{number}", Body=b"12")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for number in range(2, 7):
        s3.put_object(Bucket=name, Key=f"null-{number}", Body=b"123")
    # Each deletion of a missing object creates a delete marker.
    for some in itertools.batched((f"{number:06}" for number in range(objects)), 1000):
        s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": key} for key in some]})
    s3.create_multipart_upload(Bucket=name, Key="null-9")


def test_a_bucket_is_deleted_with_all_object_versions(run: Any, s3: Any) -> None:
    _fill(s3, "full", 2300)
    held = {"name": "full", "versions": 10, "delete_markers": 2300, "bytes": 25, "uploads": 1}
    planned = run(MODULE, name="full", tags=TAGS, state="absent", check=True)
    assert planned["bucket"] == held
    assert s3.list_objects_v2(Bucket="full")["KeyCount"] == 7
    gone = run(MODULE, name="full", tags=TAGS, state="absent")
    assert (gone["bucket"], gone["diff"]) == (held, planned["diff"])
    assert "full" not in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    assert not run(MODULE, name="full", tags=TAGS, state="absent")["changed"]


def test_a_deletion_that_was_killed_is_completed_by_the_next_run(run: Any, account: Any, s3: Any) -> None:
    _fill(s3, "killed", 3000)
    options = {**account.options, "name": "killed", "tags": TAGS, "state": "absent", "_ansible_remote_tmp": "/tmp"}
    env = {**account.env, "PYTHONPATH": str(CHECKOUT / "collections")}
    with subprocess.Popen([sys.executable, "-c", ALONE, json.dumps(options)], env=env) as deleting:
        end = time.monotonic() + 60
        while s3.list_object_versions(Bucket="killed", Prefix="000000").get("DeleteMarkers"):
            assert time.monotonic() < end
        deleting.send_signal(signal.SIGKILL)
    assert deleting.returncode == -signal.SIGKILL
    left = run(MODULE, name="killed", tags=TAGS, state="absent", check=True)["bucket"]["delete_markers"]
    assert 0 < left < 3000
    assert run(MODULE, name="killed", tags=TAGS, state="absent")["bucket"]["delete_markers"] == left
    assert "killed" not in [one["Name"] for one in s3.list_buckets()["Buckets"]]


def test_objects_that_s3_refuses_to_delete_are_reported(run: Any, s3: Any) -> None:
    s3.create_bucket(
        Bucket="locked",
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        ObjectLockEnabledForBucket=True,
    )
    s3.put_bucket_tagging(Bucket="locked", Tagging={"TagSet": [{"Key": "dataplatform.fleet/fleet", "Value": "ours"}]})
    s3.put_object(Bucket="locked", Key="held", Body=b"", ObjectLockLegalHoldStatus="ON")
    s3.put_object(Bucket="locked", Key="free", Body=b"")
    failed = run.fails(MODULE, name="locked", tags=TAGS, state="absent")
    assert "held (version " in failed["msg"]
    assert "AccessDenied" in failed["msg"]
    assert [one["Key"] for one in s3.list_object_versions(Bucket="locked")["Versions"]] == ["held"]


def test_days_begin_with_one(run: Any) -> None:
    for option in ("noncurrent_days", "abort_upload_days"):
        assert f"{option} is 0 and must be 1 or more" in run.fails(MODULE, name="days", **{option: 0})["msg"]
