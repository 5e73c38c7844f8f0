# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EKS API as a ministack service: requests are validated, then passed to the handler of their operation."""

from __future__ import annotations

import json
from typing import Any

from localcloud.aws import clock, ministack, validate
from localcloud.aws.eks import (
    access,
    addons,
    cluster_updates,
    clusters,
    identity,
    nodegroups,
    pod_identity,
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
    **cluster_updates.HANDLERS,
    **clusters.HANDLERS,
    **nodegroups.HANDLERS,
    **pod_identity.HANDLERS,
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


def install(settings: EmulatorSettings) -> None:
    """Replace ministack's EKS API by this one."""
    access.install()
    identity.install(settings.clusters)
    ministack.eks_requests.wrap(lambda original: _handler(original, settings))


def _handler(original: ministack.ServiceHandler, settings: EmulatorSettings) -> ministack.ServiceHandler:
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
                call = Call(operation.name, params, settings, ministack.principal(headers, query))
                return _answer(call)
            except AwsError as error:
                return error.response()

        response: Response = await ministack.run_reentrant(work, thread_name=f"eks-{operation.name}")
        return response

    return handle


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
