# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unmanaged resources with a name of the fleet: refused, kept unchanged, and adopted only on request."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.integration

FLEET = {"dataplatform.fleet/fleet": "ours", "dataplatform.fleet/cluster": "staging"}
TAGS = {**FLEET, "team": "data"}
Make = Callable[[Any, dict[str, Any]], None]


@pytest.fixture(scope="module")
def place(network: Any, cluster: str, make_role: Any, account: Any) -> dict[str, Any]:
    account.client("ec2").create_tags(Resources=[network.vpc_id], Tags=[{"Key": "Name", "Value": "foreign-zone"}])
    roles = {f"{name}_role": make_role(f"{name}.amazonaws.com") for name in ("ec2", "pods.eks", "eks")}
    # EKS accepts a new role after a delay.
    time.sleep(0.5)
    return {
        "network": network,
        "cluster": cluster,
        "node_role": roles["ec2_role"],
        "pod_role": roles["pods.eks_role"],
        "cluster_role": roles["eks_role"],
        "key": account.client("kms").create_key()["KeyMetadata"]["Arn"],
    }


def _made(account: Any, module: str, there: dict[str, Any]) -> dict[str, Any]:
    """Create an unmanaged resource with a name of the fleet; return the module's options for that name."""
    eks, ec2, network = account.client("eks"), account.client("ec2"), there["network"]
    inside = {"cluster_name": there["cluster"]}
    if module == "eks_cluster":
        subnets = {"subnetIds": network.subnet_ids[:2]}
        eks.create_cluster(name="foreign", version="1.35", roleArn=there["cluster_role"], resourcesVpcConfig=subnets)
        eks.get_waiter("cluster_active").wait(name="foreign", WaiterConfig={"Delay": 1})
        return {
            "name": "foreign",
            "version": "1.35",
            "role_arn": there["cluster_role"],
            "subnet_ids": subnets["subnetIds"],
        }
    if module == "eks_nodegroup":
        made = {"subnets": network.subnet_ids[:1], "nodeRole": there["node_role"]}
        eks.create_nodegroup(clusterName=there["cluster"], nodegroupName="foreign", **made)
        name = {"clusterName": there["cluster"], "nodegroupName": "foreign"}
        eks.get_waiter("nodegroup_active").wait(**name, WaiterConfig={"Delay": 1})
        return inside | {"name": "foreign", "node_role_arn": made["nodeRole"], "subnet_ids": made["subnets"]}
    if module == "eks_launch_template":
        data = {"MetadataOptions": {"HttpPutResponseHopLimit": 3}}
        ec2.create_launch_template(LaunchTemplateName=f"{there['cluster']}/foreign-template", LaunchTemplateData=data)
        return inside | {"name": "foreign-template"}
    if module == "eks_addon":
        eks.create_addon(clusterName=there["cluster"], addonName="vpc-cni")
        name = {"clusterName": there["cluster"], "addonName": "vpc-cni"}
        eks.get_waiter("addon_active").wait(**name, WaiterConfig={"Delay": 1})
        return inside | {"name": "vpc-cni"}
    if module == "eks_access_entry":
        eks.create_access_entry(clusterName=there["cluster"], principalArn=there["pod_role"])
        return inside | {"principal_arn": there["pod_role"]}
    if module == "eks_pod_identity_association":
        one = {"namespace": "foreign", "serviceAccount": "foreign", "roleArn": there["pod_role"]}
        eks.create_pod_identity_association(clusterName=there["cluster"], **one)
        return inside | {"namespace": "foreign", "service_account": "foreign", "role_arn": there["pod_role"]}
    if module == "cloudwatchlogs_group":
        account.client("logs").create_log_group(logGroupName="/foreign", tags={"team": "theirs"})
        return {"name": "/foreign"}
    if module == "s3_versioned_bucket":
        place = {"LocationConstraint": "eu-central-1"}
        account.client("s3").create_bucket(Bucket="foreign-versioned", CreateBucketConfiguration=place)
        account.client("s3").put_object(Bucket="foreign-versioned", Key="theirs", Body=b"")
        return {"name": "foreign-versioned"}
    if module == "route53_private_zone":
        vpc = {"VPCId": network.vpc_id, "VPCRegion": "eu-central-1"}
        account.client("route53").create_hosted_zone(Name="foreign.internal", CallerReference="theirs", VPC=vpc)
        return {"name": "foreign.internal", "vpc": "foreign-zone"}
    if module == "secretsmanager_documents":
        account.client("secretsmanager").create_secret(Name="foreign/ca", SecretString='{"theirs": "secret"}')
        documents = [{"name": "ca", "secret": {"ours": "other"}}]
        return {"fleet": "foreign", "documents": documents, "kms_key": there["key"]}
    assert module == "ec2_network"
    vpc = ec2.create_vpc(CidrBlock="10.93.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "foreign"}])
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.93.1.0/24", AvailabilityZone="eu-central-1a")
    return {"name": "foreign", "cidr": "10.93.0.0/16", "subnets": []}


# Resources whose name differs from that of their module.
KINDS = {
    "cloudwatchlogs_group": "log_group",
    "ec2_network": "vpc",
    "eks_launch_template": "launch_template",
    "route53_private_zone": "private_zone",
    "s3_versioned_bucket": "s3_bucket",
    "secretsmanager_documents": "secret",
}
MODULES = (
    "eks_launch_template",
    "eks_nodegroup",
    "eks_addon",
    "eks_access_entry",
    "eks_pod_identity_association",
    "eks_cluster",
    "cloudwatchlogs_group",
    "route53_private_zone",
    "s3_versioned_bucket",
    "secretsmanager_documents",
    "ec2_network",
)


@pytest.mark.parametrize("module", MODULES)
def test_unmanaged_resources_are_refused_until_they_are_adopted(
    run: Any, account: Any, place: dict[str, Any], module: str
) -> None:
    options = _made(account, module, place)
    gone = {key: value for key, value in options.items() if key not in ("documents", "kms_key")}
    gone |= {"absent": ["ca"]} if module == "secretsmanager_documents" else {"state": "absent"}
    calls = account.state.aws_calls
    before = calls.read_text() if calls.exists() else ""
    for check in (True, False):
        for asked in (options, gone):
            refused = run.fails(module, **asked, tags=TAGS, check=check)
            assert "expected dataplatform.fleet/fleet=ours, dataplatform.fleet/cluster=staging" in refused["msg"]
            assert f"-e fleet_adopt={KINDS.get(module, module)}/" in refused["msg"]
    made = (calls.read_text() if calls.exists() else "")[len(before) :]
    assert [json.loads(line)["action"] for line in made.splitlines()] == []

    adopt: Any = ["secret/foreign/ca"] if module == "secretsmanager_documents" else True
    assert run(module, **options, tags=TAGS, adopt=adopt)["changed"]
    assert not run(module, **options, tags=TAGS)["changed"]
    # Another tag that the fleet wants now, and a new value of one that it had, make nothing foreign.
    assert run(module, **options, tags={**FLEET, "team": "other", "cost": "1"})["changed"]
    assert run(module, **gone, tags=FLEET)["changed"]


def test_marks_of_another_cluster_are_foreign(run: Any) -> None:
    run("cloudwatchlogs_group", name="/marked", tags=TAGS)
    refused = run.fails("cloudwatchlogs_group", name="/marked", tags={**TAGS, "dataplatform.fleet/cluster": "testing"})
    assert "found dataplatform.fleet/fleet=ours, dataplatform.fleet/cluster=staging" in refused["msg"]
    assert run("cloudwatchlogs_group", name="/marked", state="absent", tags={"team": "without marks"})["changed"]


@pytest.fixture(scope="module")
def names(account: Any, place: dict[str, Any]) -> dict[str, str]:
    """One unmanaged resource of each other kind, by kind."""
    pods = {"clusterName": place["cluster"], "namespace": "theirs", "serviceAccount": "theirs"}
    account.client("eks").create_pod_identity_association(**pods, roleArn=place["pod_role"])
    iam, kms = account.client("iam"), account.client("kms")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(
        RoleName="foreign", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust})
    )
    allow = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    iam.create_policy(PolicyName="foreign", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allow}))
    kms.create_alias(AliasName="alias/foreign", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    account.client("logs").create_log_group(logGroupName="/foreign-too")
    s3 = account.client("s3")
    s3.create_bucket(Bucket="foreign-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket="foreign-bucket", Key="theirs", Body=b"")
    account.client("ssm").put_parameter(Name="/foreign/members", Value="theirs", Type="String")
    data = {"MetadataOptions": {"HttpTokens": "required"}}
    account.client("ec2").create_launch_template(LaunchTemplateName="foreign/workers", LaunchTemplateData=data)
    return {
        "eks_pod_identity_association": f"{place['cluster']}/theirs/theirs",
        "launch_template": "foreign/workers",
        "iam_role": "foreign",
        "iam_policy": "foreign",
        "kms_key": "alias/foreign",
        "log_group": "/foreign-too",
        "s3_bucket": "foreign-bucket",
        "ssm_parameter": "/foreign/members",
    }


def test_resources_that_amazon_aws_would_adopt_are_refused(run: Any, names: dict[str, str]) -> None:
    for kind, name in names.items():
        refused = run.fails("check_ownership", resources={kind: [name, f"{name}-of-nobody"]}, tags=TAGS)
        assert refused["foreign"] == [name]
        assert f"-e fleet_adopt={kind}/{name} " in refused["msg"]
        left = run("check_ownership", resources={kind: [name]}, tags=TAGS, refuse=False)
        adopted = run("check_ownership", resources={kind: [name]}, tags=TAGS, adopt=[f"{kind}/{name}"])
        assert run("check_ownership", resources={kind: [name]}, tags=TAGS, adopt=[name]) == adopted
        other = "iam_role" if kind != "iam_role" else "iam_policy"
        run.fails("check_ownership", resources={kind: [name]}, tags=TAGS, adopt=[f"{other}/{name}"])
        assert (left["found"], adopted["found"]) == ({}, {kind: [name]})
    everything = {kind: [name] for kind, name in names.items()}
    assert len(run.fails("check_ownership", resources=everything, tags=TAGS)["foreign"]) == len(names)
    assert run("check_ownership", resources=everything)["found"] == everything
    assert run("check_ownership", resources=everything, refuse=False)["found"] == {}


def test_an_empty_bucket_without_tags_is_of_a_run_that_has_ended(run: Any, account: Any) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="unfinished", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert run("check_ownership", resources={"s3_bucket": ["unfinished"]}, tags=TAGS)["found"]
    s3.put_bucket_tagging(Bucket="unfinished", Tagging={"TagSet": [{"Key": "team", "Value": "theirs"}]})
    assert run.fails("check_ownership", resources={"s3_bucket": ["unfinished"]}, tags=TAGS)


def test_a_zone_that_a_run_has_left_without_tags_is_tagged(run: Any, account: Any, place: dict[str, Any]) -> None:
    options = {"name": "unfinished.internal", "vpc": "foreign-zone"}
    zone = run("route53_private_zone", **options, tags={})["private_zone"]["id"]
    assert run("route53_private_zone", **options, tags=TAGS)["changed"]
    found = account.client("route53").list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)
    assert {tag["Key"]: tag["Value"] for tag in found["ResourceTagSet"]["Tags"]} == TAGS
    assert run("route53_private_zone", **options, state="absent", tags=TAGS)["changed"]
