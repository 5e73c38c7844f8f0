# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import ApiError
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import api
from botocore.exceptions import ClientError, EndpointConnectionError


def refusal(code: str, text: str = "because") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "X")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def answers(*given: Any) -> tuple[Callable[[], Any], list[Any]]:
    """A call that gives one answer after the other; exceptions are raised."""
    left = list(given)

    def call() -> Any:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call, left


ROLE = "Role with arn: arn:aws:iam::1:role/x, could not be assumed because it does not exist or is not trusted"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ThrottlingException", "Rate exceeded"),
        ("TooManyRequestsException", "Too Many Requests"),
        ("RequestLimitExceeded", "Request limit exceeded."),
        ("ServerException", "Internal error"),
        ("ServiceUnavailableException", ""),
        ("InvalidParameterException", ROLE),
        ("InvalidParameterException", "The specified principalArn is invalid: invalid principal."),
        ("InvalidRequestException", "User: x is not authorized to perform: sts:AssumeRole on resource: y"),
        (
            "InvalidParameterException",
            "Following required service principals [ec2.amazonaws.com] were not found in the trust relationships of x",
        ),
        (
            "InvalidParameterException",
            "Trust policy of the role provided is invalid. Follow the official documentation",
        ),
    ],
)
def test_what_passes_is_repeated(code: str, text: str) -> None:
    clock = Clock()
    call, _ = answers(refusal(code, text), refusal(code, text), refusal(code, text), "done")
    assert api.retried(call, "X", sleep=clock.sleep, clock=clock) == "done"
    assert len(clock.naps) == 3
    assert len(set(clock.naps)) == 3, "the naps have no jitter"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("InvalidParameterException", "subnet-1 does not exist"),
        ("ResourceInUseException", "Cluster already exists"),
        ("AccessDeniedException", "no"),
    ],
)
def test_what_stays_is_not(code: str, text: str) -> None:
    clock = Clock()
    call, _ = answers(refusal(code, text), "never")
    with pytest.raises(ApiError, match=f"CreateCluster failed \\(cluster one\\): {code}: {text}") as raised:
        api.retried(call, "CreateCluster", "cluster one", sleep=clock.sleep, clock=clock)
    assert clock.naps == []
    assert (raised.value.code, raised.value.operation) == (code, "CreateCluster")


@pytest.mark.parametrize(
    ("code", "text", "bound"),
    [
        ("ThrottlingException", "", api.TRANSIENT_SECONDS),
        ("InvalidParameterException", ROLE, api.CONSISTENCY_SECONDS),
    ],
)
def test_patience_ends(code: str, text: str, bound: float) -> None:
    clock = Clock()
    call, _ = answers(refusal(code, text))
    with pytest.raises(ApiError, match=code):
        api.retried(call, "X", sleep=clock.sleep, clock=clock)
    assert bound <= clock.now <= bound + 10


NO_ENTRY = refusal("ResourceNotFoundException", "The specified principalArn could not be found. You can view ...")


def test_an_access_entry_made_a_moment_ago_is_waited_for() -> None:
    clock = Clock()
    call, _ = answers(NO_ENTRY, NO_ENTRY, "done")
    assert api.retried(call, "AssociateAccessPolicy", sleep=clock.sleep, clock=clock) == "done"


def test_an_access_entry_that_is_looked_for_is_not() -> None:
    clock = Clock()
    with pytest.raises(ApiError):
        api.retried(answers(NO_ENTRY)[0], "DescribeAccessEntry", sleep=clock.sleep, clock=clock)
    assert not clock.naps


def test_an_unreachable_endpoint_is_an_api_error() -> None:
    call, _ = answers(EndpointConnectionError(endpoint_url="http://127.0.0.1:1"))
    with pytest.raises(ApiError, match="Could not connect to the endpoint URL"):
        api.retried(call, "X")


class Client:
    """Records requests; *pages* are what list_clusters gives, page by page."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.requests: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def method(**request: Any) -> Any:
            self.requests.append(request)
            result = self.results.pop(0)
            if isinstance(result, Exception):
                raise result
            return result

        return method


@pytest.fixture(autouse=True)
def no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.time, "sleep", lambda _: None)


def test_every_page_is_read_and_a_throttled_one_again() -> None:
    client = Client(
        {"clusters": ["a"], "nextToken": "1"},
        refusal("ThrottlingException"),
        {"clusters": ["b"], "nextToken": "2"},
        {"clusters": ["c"]},
    )
    assert api.list_clusters(client) == ["a", "b", "c"]
    assert [r.get("nextToken") for r in client.requests] == [None, "1", "1", "2"]


def test_missing_is_none_or_empty() -> None:
    assert api.describe_cluster(Client(refusal("ResourceNotFoundException")), "one") is None
    assert api.list_nodegroups(Client(refusal("ResourceNotFoundException")), "one") == []
    with pytest.raises(ApiError, match="AccessDeniedException"):
        api.describe_cluster(Client(refusal("AccessDeniedException")), "one")


def test_not_being_allowed_to_ask_for_versions_is_none() -> None:
    assert api.describe_cluster_versions(Client(refusal("AccessDeniedException"))) is None
    assert api.list_fargate_profiles(Client(refusal("AccessDeniedException")), "one") is None


def test_one_token_for_all_repetitions() -> None:
    client = Client(refusal("ServerException"), {"cluster": {}, "ResponseMetadata": {}})
    assert api.send(client, "CreateCluster", {"name": "one"}) == {"cluster": {}}
    tokens = {request["clientRequestToken"] for request in client.requests}
    assert len(client.requests) == 2
    assert len(tokens) == 1


@pytest.mark.parametrize("operation", ["DeleteCluster", "TagResource", "AssociateAccessPolicy"])
def test_calls_without_a_token_get_none(operation: str) -> None:
    client = Client({})
    api.send(client, operation, {"a": "b"})
    assert client.requests == [{"a": "b"}]
