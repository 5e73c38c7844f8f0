# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retried errors, and the duration of retries."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amazon.aws.plugins.module_utils import cloud
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import calls
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import RefusedError, client
from botocore.exceptions import ClientError, EndpointConnectionError

ROLE = "Role with arn: arn:aws:iam::1:role/x, could not be assumed because it does not exist or is not trusted"
NO_ENTRY = "The specified principalArn could not be found. You can view ..."
TEMPLATE = "The launch template lt-1 does not exist"
CLUSTER = {"name": "one", "roleArn": "r", "resourcesVpcConfig": {}}
REQUESTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    # operation -> service, request, answer
    "CreateCluster": ("eks", CLUSTER, {"cluster": {}}),
    "UpdateClusterVersion": ("eks", {"name": "one", "version": "1.36"}, {"update": {}}),
    "TagResource": ("eks", {"resourceArn": "arn", "tags": {"a": "1"}}, {}),
    "AssociateAccessPolicy": (
        "eks",
        {"clusterName": "one", "principalArn": "p", "policyArn": "a", "accessScope": {"type": "cluster"}},
        {},
    ),
    "DescribeAccessEntry": ("eks", {"clusterName": "one", "principalArn": "p"}, {"accessEntry": {}}),
    "CreateLaunchTemplate": (
        "ec2",
        {"LaunchTemplateName": "one", "LaunchTemplateData": {"KeyName": "k"}},
        {"LaunchTemplate": {}},
    ),
    "CreateVpcPeeringConnection": ("ec2", {"VpcId": "vpc-1", "PeerVpcId": "vpc-2"}, {"VpcPeeringConnection": {}}),
    "CreateRoute": ("ec2", {"RouteTableId": "rtb-1", "DestinationCidrBlock": "10.0.0.0/8"}, {"Return": True}),
    "DeleteRouteTable": ("ec2", {"RouteTableId": "rtb-1"}, {}),
    "ReplaceRoute": ("ec2", {"RouteTableId": "rtb-1", "DestinationCidrBlock": "10.0.0.0/8"}, {}),
    "ReleaseAddress": ("ec2", {"AllocationId": "eipalloc-1"}, {}),
    "PutBucketVersioning": ("s3", {"Bucket": "one", "VersioningConfiguration": {"Status": "Enabled"}}, {}),
    "DeleteHostedZone": ("route53", {"Id": "Z1"}, {"ChangeInfo": {"Id": "c", "Status": "PENDING", "SubmittedAt": 0}}),
    "DeleteLogGroup": ("logs", {"logGroupName": "one"}, {}),
}


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    # Of AWSRetry alone: threads that other tests have started sleep too.
    monkeypatch.setattr(cloud, "time", SimpleNamespace(sleep=taken.append))
    return taken


def attempts(operation: str, *refusals: tuple[str, str], **known: Any) -> list[dict[str, Any]]:
    """Return the requests of a call that fails this number of times."""
    service, request, answer = REQUESTS[operation]
    left, sent = list(refusals), []

    def serve(called: str, given: dict[str, Any]) -> dict[str, Any]:
        assert called == operation
        sent.append(given)
        if left:
            raise RefusedError(*left.pop(0))
        return answer

    answered = calls.send(client(service, serve), operation, request, **known)
    assert answered["ResponseMetadata"]["HTTPStatusCode"] == 200
    return sent


LATER = [
    ("CreateCluster", "ThrottlingException", "Rate exceeded"),
    ("CreateCluster", "TooManyRequestsException", "Too Many Requests"),
    ("CreateCluster", "RequestLimitExceeded", "Request limit exceeded."),
    ("CreateCluster", "ServerException", "Internal error"),
    ("CreateCluster", "ServiceUnavailableException", ""),
    ("CreateCluster", "InvalidParameterException", ROLE),
    ("CreateCluster", "InvalidParameterException", TEMPLATE),
    ("CreateCluster", "InvalidParameterException", "The specified principalArn is invalid: invalid principal."),
    ("CreateCluster", "InvalidRequestException", "x is not authorized to perform: sts:AssumeRole on resource: y"),
    (
        "CreateCluster",
        "InvalidParameterException",
        "Following required service principals [ec2.amazonaws.com] were not found in the trust relationships of x",
    ),
    (
        "CreateCluster",
        "InvalidParameterException",
        "Trust policy of the role provided is invalid. Follow the official documentation",
    ),
    ("AssociateAccessPolicy", "ResourceNotFoundException", NO_ENTRY),
    ("ReleaseAddress", "InvalidIPAddress.InUse", ""),
    ("PutBucketVersioning", "OperationAborted", ""),
    ("DeleteHostedZone", "PriorRequestNotComplete", ""),
    ("DeleteLogGroup", "ThrottlingException", ""),
]


@pytest.mark.parametrize(("operation", "code", "text"), LATER)
def test_temporary_errors_are_retried(operation: str, code: str, text: str, naps: list[float]) -> None:
    assert len(attempts(operation, *[(code, text)] * 3)) == 4
    assert len(set(naps)) == 3, "the naps have no jitter"


@pytest.mark.parametrize(
    ("operation", "code", "text"),
    [
        ("CreateCluster", "InvalidParameterException", "subnet-1 does not exist"),
        ("CreateCluster", "ResourceInUseException", "Cluster already exists"),
        ("CreateCluster", "AccessDeniedException", "no"),
        ("DescribeAccessEntry", "ResourceNotFoundException", NO_ENTRY),
        ("DeleteLogGroup", "InvalidIPAddress.InUse", ""),
    ],
)
def test_unchanged_objects_are_not_reported(operation: str, code: str, text: str, naps: list[float]) -> None:
    for made in (False, True):
        with pytest.raises(ClientError, match=code):
            attempts(operation, (code, text), made=made)
    assert naps == []


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("CreateVpcPeeringConnection", "InvalidVpcID.NotFound"),
        ("CreateRoute", "InvalidGatewayID.NotFound"),
        ("CreateRoute", "InvalidRouteTableId.NotFound"),
        ("CreateRoute", "InvalidSecurityGroupID.NotFound"),
        ("CreateRoute", "InvalidSubnetId.NotFound"),
        ("CreateRoute", "InvalidVpcPeeringConnectionID.NotFound"),
        ("CreateRoute", "NatGatewayNotFound"),
        ("PutBucketVersioning", "NoSuchBucket"),
    ],
)
def test_missing_resources_can_be_new_or_mistyped(operation: str, code: str, naps: list[float]) -> None:
    assert len(attempts(operation, (code, "does not exist"), made=True)) == 2
    del naps[:]
    with pytest.raises(ClientError, match=code):
        attempts(operation, (code, "does not exist"))
    assert naps == []


@pytest.mark.parametrize(
    ("operation", "code"),
    [("DeleteRouteTable", "InvalidRouteTableID.NotFound"), ("ReplaceRoute", "InvalidRoute.NotFound")],
)
def test_deleting_resources_and_resources_without_id_are_not_waited_for(
    operation: str, code: str, naps: list[float]
) -> None:
    with pytest.raises(ClientError, match=code):
        attempts(operation, (code, "does not exist"), made=True)
    assert naps == []


@pytest.mark.parametrize("text", [ROLE, TEMPLATE])
def test_resources_that_a_request_refers_to_are_read_once(text: str, naps: list[float]) -> None:
    asked = []

    def exist(known: bool) -> bool:
        asked.append(known)
        return known

    refusal = ("InvalidParameterException", text)
    assert len(attempts("CreateCluster", refusal, refusal, exist=lambda: exist(True))) == 3
    assert len(naps) == 2
    with pytest.raises(ClientError, match="InvalidParameterException"):
        attempts("CreateCluster", refusal, exist=lambda: exist(False))
    assert len(attempts("CreateCluster", ("ThrottlingException", ""), exist=lambda: exist(False))) == 2
    assert (asked, len(naps)) == ([True, False], 3)


def test_patience_ends(naps: list[float]) -> None:
    with pytest.raises(ClientError, match="ThrottlingException"):
        attempts("CreateCluster", *[("ThrottlingException", "")] * 100)
    assert len(naps) == 9
    assert sum(naps) <= 1 + 2 + 4 + 8 + 16 + 4 * 20


def test_an_unreachable_endpoint_is_left_to_botocore(naps: list[float]) -> None:
    def serve(_operation: str, _given: dict[str, Any]) -> dict[str, Any]:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    with pytest.raises(EndpointConnectionError):
        calls.call(client("eks", serve), "DescribeCluster", name="one")
    assert naps == []


@pytest.mark.parametrize(
    ("operation", "token"),
    [
        ("CreateCluster", "clientRequestToken"),
        ("UpdateClusterVersion", "clientRequestToken"),
        ("CreateLaunchTemplate", "ClientToken"),
    ],
)
def test_all_repetitions_have_one_token(operation: str, token: str) -> None:
    sent = attempts(operation, ("InternalError", ""), ("InternalError", ""))
    assert len(sent) == 3
    assert len({request[token] for request in sent}) == 1
    assert attempts(operation)[0][token] != sent[0][token]


@pytest.mark.parametrize("operation", ["TagResource", "AssociateAccessPolicy", "DeleteLogGroup", "ReplaceRoute"])
def test_calls_without_a_token_get_none(operation: str) -> None:
    assert attempts(operation) == [REQUESTS[operation][1]]


def test_every_page_is_read(naps: list[float]) -> None:
    answers: list[Any] = [
        {"clusters": ["a"], "nextToken": "1"},
        RefusedError("ThrottlingException"),
        {"clusters": ["a"], "nextToken": "1"},
        {"clusters": ["b"]},
    ]
    asked = []

    def serve(_operation: str, given: dict[str, Any]) -> dict[str, Any]:
        asked.append(given.get("nextToken"))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found: dict[str, Any] = answer
        return found

    assert calls.pages(client("eks", serve), "ListClusters", "clusters") == ["a", "b"]
    assert asked == [None, "1", None, "1"]
    assert len(naps) == 1


@pytest.mark.parametrize(
    ("operation", "code", "gone"),
    [
        ("DeleteLogGroup", "ResourceNotFoundException", True),
        ("DeleteRouteTable", "InvalidRouteTableID.NotFound", True),
        ("DeleteHostedZone", "NoSuchHostedZone", True),
        ("DisassociateVPCFromHostedZone", "VPCAssociationNotFound", True),
        ("DeleteLogGroup", "AccessDenied", False),
        ("UpdateClusterConfig", "ResourceNotFoundException", False),
    ],
)
def test_deleted_resources_need_no_deletion(operation: str, code: str, gone: bool) -> None:
    assert calls.is_gone(operation, ClientError({"Error": {"Code": code, "Message": ""}}, operation)) is gone
