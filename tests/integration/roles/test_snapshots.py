# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elasticsearch's bucket and its permissions: created, disabled, and deleted only on confirmation."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from ansible_collections.dataplatform.fleet.tests.integration.modules.conftest import REGION, quick_account
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import CHECKOUT, RunRole
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import evaluate
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integration

README = CHECKOUT / "roles" / "elasticsearch" / "README.md"
CLUSTER, BUCKET, NAME = "searched", "searched-snapshots", "searched-elasticsearch"
OPTIONS = {
    "elasticsearch_cluster": CLUSTER,
    "elasticsearch_snapshot_bucket": BUCKET,
    "elasticsearch_region": REGION,
    "elasticsearch_tags": {"dataplatform.fleet/fleet": "ours", "dataplatform.fleet/cluster": CLUSTER},
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with quick_account(tmp_path_factory.mktemp("snapshots")) as account:
        ec2, eks, iam = (account.client(service) for service in ("ec2", "eks", "iam"))
        vpc = ec2.create_vpc(CidrBlock="10.97.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.97.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
            for number, zone in enumerate("ab")
        ]
        trust = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": trust})
        role = iam.create_role(RoleName="cluster", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        time.sleep(0.5)
        subnet_ids = [one["Subnet"]["SubnetId"] for one in subnets]
        eks.create_cluster(name=CLUSTER, roleArn=role, resourcesVpcConfig={"subnetIds": subnet_ids})
        eks.get_waiter("cluster_active").wait(name=CLUSTER, WaiterConfig={"Delay": 1})
        yield account


def there(cloud: Any) -> dict[str, int]:
    """Return the number of existing resources of the snapshots."""
    iam = cloud.client("iam")
    return {
        "associations": len(cloud.client("eks").list_pod_identity_associations(clusterName=CLUSTER)["associations"]),
        "roles": len([one for one in iam.list_roles()["Roles"] if one["RoleName"] == NAME]),
        "policies": len([one for one in iam.list_policies(Scope="Local")["Policies"] if one["PolicyName"] == NAME]),
        "buckets": len([one for one in cloud.client("s3").list_buckets()["Buckets"] if one["Name"] == BUCKET]),
    }


def test_resources_for_pods_are_deleted_with_the_snapshots_and_the_bucket_is_kept(
    cloud: Any, run_role: RunRole
) -> None:
    on = {**OPTIONS, "elasticsearch_snapshots": True}
    off = {**OPTIONS, "elasticsearch_snapshots": "false", "elasticsearch_delete_snapshots": "false"}
    run_role(cloud, "elasticsearch", variables=on, tasks_from="snapshots")
    assert there(cloud) == {"associations": 1, "roles": 1, "policies": 1, "buckets": 1}
    assert run_role(cloud, "elasticsearch", variables=on, tasks_from="snapshots").announced == set()
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key="index.latest", Body=b"1")

    planned = run_role(cloud, "elasticsearch", "--check", "--diff", variables=off, tasks_from="owner no_snapshots")
    assert there(cloud)["roles"] == 1
    done = run_role(cloud, "elasticsearch", "--diff", variables=off, tasks_from="owner no_snapshots")
    assert {task for task, _item, _field in done.announced} == {task for task, _item, _field in planned.announced}
    assert there(cloud) == {"associations": 0, "roles": 0, "policies": 0, "buckets": 1}
    assert run_role(cloud, "elasticsearch", variables=off, tasks_from="owner no_snapshots").announced == set()
    assert s3.get_object(Bucket=BUCKET, Key="index.latest")["Body"].read() == b"1"


def test_the_bucket_is_deleted_only_when_its_deletion_and_the_clusters_name_were_typed(
    cloud: Any, run_role: RunRole
) -> None:
    s3, on = cloud.client("s3"), {**OPTIONS, "elasticsearch_snapshots": True}
    run_role(cloud, "elasticsearch", variables=on, tasks_from="snapshots")
    s3.put_object(Bucket=BUCKET, Key="index-2", Body=b"12")
    s3.delete_object(Bucket=BUCKET, Key="index-2")
    for delete, confirm in (("true", ""), ("true", "other"), ("false", CLUSTER)):
        typed = {"elasticsearch_delete_snapshots": delete, "elasticsearch_confirm": confirm}
        run_role(cloud, "elasticsearch", variables={**OPTIONS, **typed}, tasks_from="owner no_snapshots")
        assert there(cloud)["buckets"] == 1
        assert s3.list_object_versions(Bucket=BUCKET)["DeleteMarkers"]
    typed = {**OPTIONS, "elasticsearch_delete_snapshots": "true", "elasticsearch_confirm": CLUSTER}
    planned = run_role(cloud, "elasticsearch", "--check", "--diff", variables=typed, tasks_from="owner no_snapshots")
    assert {f"S3 bucket {BUCKET}:versions", f"S3 bucket {BUCKET}:delete_markers"} <= planned.fields
    assert there(cloud)["buckets"] == 1
    done = run_role(cloud, "elasticsearch", "--diff", variables=typed, tasks_from="owner no_snapshots")
    assert (there(cloud)["buckets"], done.announced) == (0, planned.announced)


def test_unmanaged_resources_are_ignored_without_snapshots(cloud: Any, run_role: RunRole) -> None:
    iam, eks, s3 = (cloud.client(service) for service in ("iam", "eks", "s3"))
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    role = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    time.sleep(0.5)
    pods = {"clusterName": CLUSTER, "namespace": "elasticsearch", "serviceAccount": "elasticsearch"}
    made = eks.create_pod_identity_association(**pods, roleArn=role)["association"]
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="theirs", Body=b"")
    off = {
        **OPTIONS,
        "elasticsearch_snapshots": False,
        "elasticsearch_delete_snapshots": True,
        "elasticsearch_confirm": CLUSTER,
    }
    assert run_role(cloud, "elasticsearch", variables=off, tasks_from="owner no_snapshots").announced == set()
    assert there(cloud) == {"associations": 1, "roles": 1, "policies": 0, "buckets": 1}
    on = {**OPTIONS, "elasticsearch_snapshots": True}
    refused = run_role(cloud, "elasticsearch", variables=on, tasks_from="snapshots", succeed=False)
    for kind in ("pod identity association", "IAM role", "S3 bucket"):
        assert f"The {kind} " in " ".join(refused.output.split())
    eks.delete_pod_identity_association(clusterName=CLUSTER, associationId=made["associationId"])
    iam.delete_role(RoleName=NAME)
    s3.delete_object(Bucket=BUCKET, Key="theirs")
    s3.delete_bucket(Bucket=BUCKET)


def test_objects_that_elasticsearch_deletes_can_be_restored(cloud: Any, run_role: RunRole) -> None:
    """With the role's own policy, whose permissions the local cloud enforces."""
    run_role(cloud, "elasticsearch", variables={**OPTIONS, "elasticsearch_snapshots": True}, tasks_from="snapshots")
    iam, s3 = cloud.client("iam"), cloud.client("s3")
    account = cloud.client("sts").get_caller_identity()["Account"]
    # The permissions of the pods, for a user with a key.
    iam.create_user(UserName="pods")
    iam.attach_user_policy(UserName="pods", PolicyArn=f"arn:aws:iam::{account}:policy/{NAME}")
    key = iam.create_access_key(UserName="pods")["AccessKey"]
    pods = boto3.client(
        "s3",
        endpoint_url=cloud.endpoint_url,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    first = pods.put_object(Bucket=BUCKET, Key="index-1", Body=b"1")["VersionId"]
    pods.put_object(Bucket=BUCKET, Key="index-1", Body=b"overwritten")
    pods.delete_object(Bucket=BUCKET, Key="index-1")
    pods.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "index-2"}]})
    for forbidden in (
        lambda: pods.delete_object(Bucket=BUCKET, Key="index-1", VersionId=first),
        lambda: pods.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}),
        lambda: pods.delete_bucket_lifecycle(Bucket=BUCKET),
        lambda: pods.delete_bucket(Bucket=BUCKET),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            forbidden()
    batch = {"Objects": [{"Key": "index-1", "VersionId": first}, {"Key": "index-3"}]}
    answer = pods.delete_objects(Bucket=BUCKET, Delete=batch)
    assert [(one["Key"], one["VersionId"], one["Code"]) for one in answer["Errors"]] == [
        ("index-1", first, "AccessDenied")
    ]
    assert [one["Key"] for one in answer["Deleted"]] == ["index-3"]
    (only,) = pods.delete_objects(Bucket=BUCKET, Delete={"Objects": batch["Objects"][:1]})["Errors"]
    assert only["Code"] == "AccessDenied"
    assert s3.get_object(Bucket=BUCKET, Key="index-1", VersionId=first)["Body"].read() == b"1"


@pytest.mark.skipif(shutil.which("jq") is None, reason="the command of the README needs jq")
def test_the_bucket_is_restored_to_a_point_in_time_with_the_readmes_command(cloud: Any) -> None:
    s3, bucket = cloud.client("s3"), "set-back"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("overwritten", "deleted", "gone-before"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"before")
    s3.delete_object(Bucket=bucket, Key="gone-before")
    time.sleep(1.1)
    since = datetime.now(UTC)
    time.sleep(1.1)
    s3.put_object(Bucket=bucket, Key="overwritten", Body=b"after")
    s3.delete_object(Bucket=bucket, Key="deleted")
    for number in range(250):
        s3.put_object(Bucket=bucket, Key=f"new-{number}", Body=b"after")
    program = re.search(r"--arg since [^ ]+ '([^']+)'", README.read_text(encoding="utf-8"))
    assert program
    listing = json.dumps(s3.list_object_versions(Bucket=bucket), default=lambda value: value.isoformat())
    command = ["jq", "--compact-output", "--arg", "since", f"{since:%Y-%m-%dT%H:%M:%S}", program[1]]
    batches = subprocess.run(command, input=listing, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(batches) == 2
    for batch in batches:
        assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete=json.loads(batch))
    there = {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert there == {"overwritten", "deleted"}
    assert all(s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"before" for key in there)


def test_the_policy_of_the_pods_allows_nothing_that_is_for_good() -> None:
    caller = {"arn": "arn:aws:iam::111122223333:user/x", "account": "111122223333"}
    policy = evaluate("elasticsearch", "__elasticsearch_access", __elasticsearch_caller=caller)
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert "s3:DeleteObject" in allowed
    assert not [
        action for action in allowed if "*" in action or ("Version" in action and action != "s3:ListBucketVersions")
    ]
