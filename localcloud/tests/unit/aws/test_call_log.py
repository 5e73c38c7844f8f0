# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from localcloud.aws.call_log import CallLog, parse, redact, resource

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/{}/aws4_request, SignedHeaders=host"}


def signed(service: str, **headers: str) -> dict[str, str]:
    return {"authorization": SIGNED["authorization"].format(service), **headers}


def sent(service: str, operation: str, **params: Any) -> tuple[str, str, str, dict[str, str], bytes]:
    """Return the request that boto3 would send: method, path, query, headers and body."""
    client = boto3.client(
        service, "eu-west-1", aws_access_key_id="AKID", aws_secret_access_key="x", endpoint_url="http://127.0.0.1:1"
    )
    captured: list[Any] = []

    def capture(request: Any, **_: Any) -> AWSResponse:
        captured.append(request)
        return AWSResponse(request.url, 500, {}, None)

    client.meta.events.register("before-send.*", capture)
    client.meta.events.register("needs-retry.*", lambda **_: None)
    with pytest.raises(Exception):  # noqa: B017 - the response does not matter
        getattr(client, operation)(**params)
    request = captured[0]
    path, _, query = request.url.removeprefix("http://127.0.0.1:1").partition("?")
    headers = {
        key.lower(): value.decode() if isinstance(value, bytes) else value for key, value in request.headers.items()
    }
    body = request.body or b""
    body = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
    # As ASGI gives it to an application.
    return request.method, urllib.parse.unquote(path), query, headers, body


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        ("ec2", "create_tags", {"Resources": ["vpc-1"], "Tags": [{"Key": "a", "Value": "b"}]}, ("ec2", "CreateTags")),
        ("iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}, ("iam", "CreateRole")),
        ("kms", "create_alias", {"AliasName": "alias/a", "TargetKeyId": "k"}, ("kms", "CreateAlias")),
        (
            "secretsmanager",
            "create_secret",
            {"Name": "s", "SecretString": "x"},
            ("secretsmanager", "CreateSecret"),
        ),
        ("eks", "create_cluster", {"name": "c", "roleArn": "r", "resourcesVpcConfig": {}}, ("eks", "CreateCluster")),
        ("eks", "delete_nodegroup", {"clusterName": "c", "nodegroupName": "n"}, ("eks", "DeleteNodegroup")),
        ("eks", "update_cluster_version", {"name": "c", "version": "1.37"}, ("eks", "UpdateClusterVersion")),
        (
            "eks",
            "associate_access_policy",
            {
                "clusterName": "c",
                "principalArn": "arn:aws:iam::1:role/a/b",
                "policyArn": "p",
                "accessScope": {"type": "cluster"},
            },
            ("eks", "AssociateAccessPolicy"),
        ),
        (
            "eks",
            "delete_access_entry",
            {"clusterName": "c", "principalArn": "arn:aws:iam::1:role/x"},
            ("eks", "DeleteAccessEntry"),
        ),
        ("s3", "create_bucket", {"Bucket": "bucket"}, ("s3", "CreateBucket")),
        ("s3", "put_object", {"Bucket": "bucket", "Key": "a/b", "Body": b"x"}, ("s3", "PutObject")),
        ("s3", "copy_object", {"Bucket": "bucket", "Key": "a", "CopySource": "o/k"}, ("s3", "CopyObject")),
        ("s3", "put_bucket_tagging", {"Bucket": "bucket", "Tagging": {"TagSet": []}}, ("s3", "PutBucketTagging")),
        ("s3", "delete_object", {"Bucket": "bucket", "Key": "a"}, ("s3", "DeleteObject")),
        (
            "route53",
            "change_resource_record_sets",
            {
                "HostedZoneId": "Z1",
                "ChangeBatch": {
                    "Changes": [
                        {
                            "Action": "UPSERT",
                            "ResourceRecordSet": {
                                "Name": "a.x",
                                "Type": "A",
                                "TTL": 1,
                                "ResourceRecords": [{"Value": "1.1.1.1"}],
                            },
                        }
                    ]
                },
            },
            ("route53", "ChangeResourceRecordSets"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_calls_of_boto3_are_identified(service: str, operation: str, params: Any, expected: tuple[str, str]) -> None:
    call = parse(*sent(service, operation, **params))
    assert call is not None
    assert (call.service, call.action) == expected
    assert call.mutating


@pytest.mark.parametrize(
    ("service", "operation", "params", "action"),
    [
        ("ec2", "describe_vpcs", {}, "DescribeVpcs"),
        ("eks", "describe_nodegroup", {"clusterName": "c", "nodegroupName": "n"}, "DescribeNodegroup"),
        ("eks", "list_clusters", {}, "ListClusters"),
        ("s3", "get_object", {"Bucket": "bucket", "Key": "k"}, "GetObject"),
        ("s3", "list_objects_v2", {"Bucket": "bucket"}, "ListObjectsV2"),
        ("sts", "assume_role", {"RoleArn": "arn:aws:iam::111122223333:role/r", "RoleSessionName": "se"}, "AssumeRole"),
        ("dynamodb", "get_item", {"TableName": "tbl", "Key": {"id": {"S": "a"}}}, "GetItem"),
    ],
)
def test_reads_are_not_mutating(service: str, operation: str, params: Any, action: str) -> None:
    call = parse(*sent(service, operation, **params))
    assert call is not None
    assert call.action == action
    assert not call.mutating


def test_labels_of_a_path_become_parameters() -> None:
    method, path, query, headers, body = sent(
        "eks", "delete_access_entry", clusterName="c", principalArn="arn:aws:iam::1:role/team/x"
    )
    call = parse(method, path, query, headers, body)
    assert call is not None
    assert call.params == {"clusterName": "c", "principalArn": "arn:aws:iam::1:role/team/x"}


def test_xml_bodies_become_parameters() -> None:
    body = b"<R xmlns='urn:x'><Changes><Change>1</Change><Change>2</Change></Changes><Name>n</Name></R>"
    call = parse("POST", "/2013-04-01/hostedzone", "", signed("route53"), body)
    assert call is not None
    assert call.params == {"Changes": {"Change": ["1", "2"]}, "Name": "n"}


@pytest.mark.parametrize("body", [b"", b"not json", b"{half", b"<half", b"[1]", b"\xff\xfe"])
def test_invalid_bodies_have_no_parameters(body: bytes) -> None:
    call = parse("POST", "/clusters", "", signed("eks"), body)
    assert call is not None
    assert call.params == {}


def test_unsigned_requests_are_no_calls() -> None:
    assert parse("POST", "/clusters", "", {}, b"{}") is None


@pytest.mark.parametrize(
    ("service", "action", "params", "hidden"),
    [
        ("secretsmanager", "CreateSecret", {"Name": "n", "SecretString": "hush"}, ["hush"]),
        ("secretsmanager", "PutSecretValue", {"SecretId": "n", "SecretBinary": "hush"}, ["hush"]),
        ("kms", "ReEncrypt", {"Plaintext": "hush"}, ["hush"]),
        ("rds", "CreateDBInstance", {"MasterUserPassword": "hush"}, ["hush"]),
        ("ec2", "RunInstances", {"UserData": "hush", "Deep": [{"Password": "hush"}]}, ["hush"]),
        ("ssm", "PutParameter", {"Name": "/x", "Value": "hush"}, ["hush"]),
        ("x", "Y", {"sessionToken": "hush", "DbSecret": {"a": "hush"}}, ["hush"]),
    ],
)
def test_secrets_are_redacted(service: str, action: str, params: dict[str, Any], hidden: list[str]) -> None:
    shown = json.dumps(redact(params, service, action))
    assert not [word for word in hidden if word in shown]


def test_other_values_are_kept() -> None:
    params = {"SecretId": "fleet/x", "SecretArn": "arn", "clientRequestToken": "t", "Tags": [{"Value": "v"}]}
    assert redact(params, "secretsmanager", "TagResource") == params


@pytest.mark.parametrize(
    ("action", "params", "answer", "expected"),
    [
        ("CreateVpc", {"CidrBlock": "10.0.0.0/16"}, b"<vpc><vpcId>vpc-1</vpcId></vpc>", "vpc-1"),
        ("CreateNatGateway", {"SubnetId": "s-1"}, b"<natGatewayId>nat-1</natGatewayId>", "nat-1"),
        ("CreateKey", {}, b'{"KeyMetadata": {"KeyId": "k-1"}}', "k-1"),
        ("CreateNodegroup", {"clusterName": "c", "nodegroupName": "n"}, b"", "n"),
        ("CreateCluster", {"name": "c", "roleArn": "arn:role"}, b"", "c"),
        ("CreateTags", {"ResourceId.1": "vpc-1", "Tag.1.Key": "a"}, b"", "vpc-1"),
        ("CreateInternetGateway", {}, b"", ""),
    ],
)
def test_the_resource_is_the_actions_noun(action: str, params: dict[str, Any], answer: bytes, expected: str) -> None:
    assert resource(action, params, answer) == expected


def call_through(
    log: CallLog, path: str, headers: dict[str, str], body: bytes, answered: Callable[[], None] = lambda: None
) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            answered()

    raw = [(key.encode(), value.encode()) for key, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": raw}
    asyncio.run(log(scope, receive, send))


async def gateway(_: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-amzn-RequestId", b"r-1")]})
    await send({"type": "http.response.body", "body": b"{}"})


def test_a_mutating_call_is_one_line(tmp_path: Path) -> None:
    log = CallLog(gateway, tmp_path / "calls", lambda key: ("111122223333", f"arn:{key}"))
    call_through(log, "/clusters", signed("eks"), b'{"name": "c"}')
    (line,) = [json.loads(text) for text in (tmp_path / "calls").read_text().splitlines()]
    assert line.pop("time").endswith("Z")
    assert line == {
        "service": "eks",
        "action": "CreateCluster",
        "region": "eu-west-1",
        "account": "111122223333",
        "principal": "arn:AKID",
        "status": 200,
        "request_id": "r-1",
        "params": {"name": "c"},
        "resource": "c",
    }


def test_the_line_is_written_before_the_response_ends(tmp_path: Path) -> None:
    file = tmp_path / "calls"
    log = CallLog(gateway, file, lambda _: ("", ""))
    there: list[bool] = []
    call_through(log, "/clusters", signed("eks"), b'{"name": "c"}', lambda: there.append(file.exists()))
    assert there == [True]


@pytest.mark.parametrize(("status", "headers"), [(200, [(b"Content-Length", b"0")]), (204, [])])
def test_a_response_without_a_body_is_complete_with_its_headers(
    tmp_path: Path, status: int, headers: list[tuple[bytes, bytes]]
) -> None:
    file = tmp_path / "calls"
    there: list[bool] = []

    async def empty(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def send(_: Any) -> None:
        there.append(file.exists())

    raw = [(key.encode(), value.encode()) for key, value in signed("eks").items()]
    scope = {"type": "http", "method": "POST", "path": "/clusters", "query_string": b"", "headers": raw}
    asyncio.run(CallLog(empty, file, lambda _: ("", ""))(scope, receive, send))
    assert there == [True, True]
    assert len(file.read_text().splitlines()) == 1


def test_an_aborted_call_is_logged_without_a_status(tmp_path: Path) -> None:
    async def broken(_: Any, receive: Any, __: Any) -> None:
        await receive()
        raise OSError("broken")

    log = CallLog(broken, tmp_path / "calls", lambda _: ("", ""))
    with pytest.raises(OSError, match="broken"):
        call_through(log, "/clusters", signed("eks"), b"{}")
    (line,) = (tmp_path / "calls").read_text().splitlines()
    assert json.loads(line)["status"] == 0


def test_a_log_that_cannot_be_written_fails_no_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "calls").mkdir()
    log = CallLog(gateway, tmp_path / "calls", lambda _: ("", ""))
    answers: list[bool] = []
    call_through(log, "/clusters", signed("eks"), b'{"name": "c"}', lambda: answers.append(True))
    assert answers == [True]
    assert "does not have eks:CreateCluster" in caplog.text


def test_reads_are_counted_and_not_written(tmp_path: Path) -> None:
    log = CallLog(gateway, tmp_path / "calls", lambda _: ("", ""))
    headers = signed("dynamodb", **{"x-amz-target": "DynamoDB_20120810.GetItem"})
    call_through(log, "/", headers, b"{}")
    call_through(log, "/", headers, b"{}")
    call_through(log, "/_ministack/eks-auth/x", {}, b"{}")
    assert log.counts == {"dynamodb:GetItem": 2}
    assert not (tmp_path / "calls").exists()
