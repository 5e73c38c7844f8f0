# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the AWS API, retried in one way. Operations have the names of the API reference, such as CreateVpc."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

from .aliases import Client, Document

try:
    from botocore import xform_name
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule reports the missing library

# Temporary errors, as "operation code: text", in addition to those of AWSRetry.
_ANY_SERVICE: Final = re.compile(
    r"\w+ (RequestThrottled|ServerException|ServiceUnavailableException|ThrottlingException):"
)
_ENDS_BY_ITSELF: Final[Mapping[str, re.Pattern[str]]] = {
    # An address stays associated for some seconds after the deletion of its NAT gateway.
    "ec2": re.compile(r"\w+ InvalidIPAddress\.InUse:"),
    # EKS may not find an access entry that it has just created.
    "eks": re.compile(
        r"AssociateAccessPolicy ResourceNotFoundException:.*principalArn could not be found", re.IGNORECASE | re.DOTALL
    ),
    # Route 53 serialises the changes of a zone.
    "route53": re.compile(r"\w+ PriorRequestNotComplete:"),
    # S3 accepts one change of a bucket's settings at a time.
    "s3": re.compile(r"\w+ OperationAborted:"),
}
# IAM and EC2 are eventually consistent: other services may not find a new role or launch template.
_REFERS: Final[Mapping[str, re.Pattern[str]]] = {
    "ec2": re.compile(r"CreateFlowLogs \w+:.*\bassumed?\b", re.DOTALL),
    "eks": re.compile(
        r"\w+ Invalid(Parameter|Request)Exception:.*("
        r"(cannot|could not|can't) be assumed|not authorized to perform: sts:AssumeRole|invalid principal"
        r"|(role|principal)\b.*\b(does not exist|not found|doesn't exist)"
        r"|trust(ed entity)?.*(not correct|relationship)|trust policy .* is invalid"
        r"|launch template\b.*\b(does not exist|not found|doesn't exist)"
        r")",
        re.IGNORECASE | re.DOTALL,
    ),
}
# A new resource may not be found everywhere. EC2 has several texts for this error.
_NOT_KNOWN_YET: Final[Mapping[str, re.Pattern[str]]] = {
    "ec2": re.compile(r"\w+ (Invalid(?!Route\.)\w+\.NotFound|NatGatewayNotFound):"),
    "s3": re.compile(r"\w+ NoSuchBucket:"),
}
_CREATES: Final = ("Create", "Allocate")
_DELETES: Final = ("Delete", "Disassociate")


Ends = Callable[[str], object]
"""Whether an error, as "operation code: text", is temporary."""


class _Retry(AWSRetry):  # type: ignore[misc]
    """AWSRetry that checks the whole error: of some services, only the text shows that an error is temporary."""

    @staticmethod
    def status_code_from_exception(error: ClientError) -> ClientError:
        return error

    @staticmethod
    def found(error: ClientError, passing: Any = None) -> bool:  # noqa: ANN401 - what AWSRetry calls extra error codes
        said = f"{error.operation_name} {error.response['Error']['Code']}: {error.response['Error'].get('Message', '')}"
        known: bool = AWSRetry.found(error.response["Error"]["Code"])
        return known or any(ends(said) for ends in (_ANY_SERVICE.match, *passing))


def retried[**Given, Answer](call: Callable[Given, Answer], *passing: Ends) -> Callable[Given, Answer]:
    """Return *call*, repeated for about a minute while AWS throttles, fails, or *passing* accepts the error."""
    policy = _Retry.jittered_backoff(retries=10, delay=1, max_delay=20, catch_extra_error_codes=passing)
    found: Callable[Given, Answer] = policy(call)
    return found


def passing(client: Client, *, made: bool = False, exist: Callable[[], bool] = lambda: True) -> list[Ends]:
    """Return a function that tells the temporary errors of the service of *client*.

    That a resource does not exist ends by itself only where this run has *made* one. A refusal that is about a role or
    a launch template does only if these *exist*, which is asked once.
    """
    service = client.meta.service_model.service_name
    known = cache(exist)
    tables = (_ENDS_BY_ITSELF, _NOT_KNOWN_YET) if made else (_ENDS_BY_ITSELF,)
    found: list[Ends] = [table[service].match for table in tables if service in table]
    if service in _REFERS:
        found.append(lambda said: _REFERS[service].match(said) and known())
    return found


def call(client: Client, operation: str, /, **request: object) -> Document:
    """Make one call, repeated while its error is temporary."""
    return send(client, operation, request)


def pages(client: Client, operation: str, key: str, /, **request: object) -> list[Any]:
    """Return the items under *key* of all pages of a call that lists or describes."""
    return read(client, operation, key, request)


def send(
    client: Client,
    operation: str,
    request: Mapping[str, object],
    *,
    made: bool = False,
    exist: Callable[[], bool] = lambda: True,
) -> Document:
    """Like call, for a run that has *made* a resource or not. All repetitions have one idempotency token.

    *exist* tells whether the roles and the launch template of the request do.
    """
    model = client.meta.service_model.operation_model(operation)
    tokens = {name: str(uuid.uuid4()) for name in model.idempotent_members}
    method: Callable[..., Document] = getattr(client, xform_name(operation))
    ends = passing(client, made=made and not operation.startswith(_DELETES), exist=exist)
    return retried(method, *ends)(**{**tokens, **request})


def read(client: Client, operation: str, key: str, request: Mapping[str, object], *, made: bool = False) -> list[Any]:
    """Like pages, for a run that has *made* a resource or not."""
    name = xform_name(operation)
    if not client.can_paginate(name):
        return list(send(client, operation, request, made=made)[key])

    def listed() -> list[Any]:
        return [item for page in client.get_paginator(name).paginate(**request) for item in page.get(key, [])]

    return retried(listed, *passing(client, made=made))()


def creates(operation: str) -> bool:
    """Whether *operation* creates a resource, which may not be found everywhere at once."""
    return operation.startswith(_CREATES)


def is_gone(operation: str, error: ClientError) -> bool:
    """Whether a deletion fails because the resource is gone, as a repeated call does after a successful attempt."""
    code: str = error.response["Error"]["Code"]
    return operation.startswith(_DELETES) and bool(re.search("NotFound|NoSuch", code))
