# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EKS API as a ministack service: every request is validated, then answered by its operation's handler."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.concurrency import run_reentrant
from ministack.core.iam_evaluator import resolve_caller_identity
from ministack.core.router import extract_access_key_id
from ministack.services import eks as backend

from localcloud.aws import clock, validate
from localcloud.aws.eks import (
    access,
    addons,
    clusterchanges,
    clusters,
    nodegroups,
    podidentity,
    readiness,
    tags,
    updates,
)
from localcloud.aws.eks.call import Call, Handlers
from localcloud.aws.errors import AwsError, Response, dump, invalid_parameter
from localcloud.aws.settings import EmulatorSettings

HANDLERS: Handlers = {
    **access.HANDLERS,
    **addons.HANDLERS,
    **clusterchanges.HANDLERS,
    **clusters.HANDLERS,
    **nodegroups.HANDLERS,
    **podidentity.HANDLERS,
    **readiness.HANDLERS,
    **tags.HANDLERS,
    **updates.HANDLERS,
}

#: Answered by ministack itself: the identity providers of a cluster, OIDC discovery and the authentication webhook.
_BACKEND_OPERATIONS = {
    "AssociateIdentityProviderConfig",
    "DescribeIdentityProviderConfig",
    "DisassociateIdentityProviderConfig",
    "ListIdentityProviderConfigs",
}
_BACKEND_PATHS = ("/_ministack/", "/oidc/")

ServiceHandler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Response]]


def install(settings: EmulatorSettings) -> None:
    """Put this API in the place of ministack's."""
    access.install()
    original: ServiceHandler = backend.handle_request

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Response:
        matched = None if path.startswith(_BACKEND_PATHS) else validate.match(method, path)
        if path.startswith(_BACKEND_PATHS) or (matched and matched[0].name in _BACKEND_OPERATIONS):
            return await original(method, path, headers, body, query)
        if matched is None:
            return AwsError("NotFoundException", f"No route for {method} {path}").response()
        operation, labels = matched

        def work() -> Response:
            try:
                params = validate.parameters(operation, labels, query, _parsed(body))
                call = Call(operation.name, params, settings, _principal(headers, query))
                return _answer(call)
            except AwsError as error:
                return error.response()

        response: Response = await run_reentrant(work, thread_name=f"eks-{operation.name}")
        return response

    backend.handle_request = handle


def _answer(call: Call) -> Response:
    handler = HANDLERS.get(call.operation)
    if handler is None:
        raise AwsError("UnknownOperationException", f"The local cloud does not emulate eks:{call.operation}.")
    with clock.lock:
        return 200, {"Content-Type": "application/json"}, dump(handler(call))


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body) if body else {}
    except ValueError as error:
        raise invalid_parameter("The request's body is not JSON.") from error
    if not isinstance(parsed, dict):
        raise invalid_parameter("The request's body is not a JSON object.")
    return parsed


def _principal(headers: dict[str, str], query: dict[str, list[str]]) -> str | None:
    identity = resolve_caller_identity(extract_access_key_id(headers, query))
    arn = identity["userArn"] if identity else None
    return backend._role_arn_from_assumed_role(arn) or arn
