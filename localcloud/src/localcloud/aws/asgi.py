# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ASGI middleware of the emulator around ministack's application."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from localcloud.aws import ec2, iam, route53, s3, ssm
from localcloud.aws.eks import api
from localcloud.aws.settings import EmulatorSettings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def install(app: App, settings: EmulatorSettings) -> App:
    """Add the emulator's behaviour to ``ministack.app:app``; call once, in the process that serves it."""
    iam.install()
    ec2.install(settings)
    route53.install()
    s3.install()
    ssm.install()
    api.install(settings)
    faults = FaultInjector(settings.throttle_rate, settings.seed)

    async def emulated(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (fault := faults.next(scope)) is not None:
            await _respond(send, *fault)
        else:
            await app(_as_secure(scope), receive, send)

    return emulated


def _as_secure(scope: Scope) -> Scope:
    """Return a request marked as TLS: endpoints of AWS use TLS, and policies require it (``aws:SecureTransport``)."""
    return (
        {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
        if scope["type"] == "http"
        else scope
    )


async def _respond(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    lines = [(key.encode(), value.encode()) for key, value in {**headers, "content-length": str(len(body))}.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


_CREDENTIAL = re.compile(rb"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request")
_QUERY = {"ec2", "iam", "sts", "autoscaling", "elasticloadbalancing", "rds", "sns", "sqs", "monitoring"}
_REST_XML = {"route53", "s3", "cloudfront"}
_REST_JSON = {"eks"}
_XML_THROTTLING = {"ec2": ("RequestLimitExceeded", 503), "s3": ("SlowDown", 503)}


class FaultInjector:
    """Fails a share of AWS API calls, chosen with a seed, with throttling or server errors in the service's format.

    Only signed requests are affected: webhooks, health checks and OIDC documents have no signature.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._lock = threading.Lock()

    def next(self, scope: Scope) -> tuple[int, dict[str, str], bytes] | None:
        if not self._rate or scope["path"].startswith(("/_ministack", "/_localstack", "/health", "/oidc")):
            return None
        authorization = next((value for key, value in scope["headers"] if key.lower() == b"authorization"), b"")
        match = _CREDENTIAL.search(authorization)
        if match is None:
            return None
        with self._lock:
            hit, kind = self._random.random() < self._rate, self._random.random()
        return fault(match[1].decode(), throttling=kind < 0.75) if hit else None


def fault(service: str, *, throttling: bool) -> tuple[int, dict[str, str], bytes]:
    """Return a service's throttling or internal error: status, headers, body."""
    message = "Rate exceeded" if throttling else "Internal server error"
    if service in _QUERY or service in _REST_XML:
        code, status = _XML_THROTTLING.get(service, ("Throttling", 400)) if throttling else ("InternalError", 500)
        return status, {"content-type": "text/xml"}, _xml_fault(service, code, message)
    if service in _REST_JSON:
        code = "TooManyRequestsException" if throttling else "ServerException"
        headers = {"content-type": "application/json", "x-amzn-errortype": code}
        return (429 if throttling else 500), headers, f'{{"message": "{message}"}}'.encode()
    code = "ThrottlingException" if throttling else "InternalServerError"
    body = f'{{"__type": "{code}", "message": "{message}"}}'.encode()
    return (400 if throttling else 500), {"content-type": "application/x-amz-json-1.1"}, body


def _xml_fault(service: str, code: str, message: str) -> bytes:
    error = f"<Code>{code}</Code><Message>{message}</Message>"
    request = "<RequestId>00000000-0000-0000-0000-000000000000</RequestId>"
    if service == "ec2":
        text = f"<Response><Errors><Error>{error}</Error></Errors>{request.replace('Id>', 'ID>')}</Response>"
    elif service == "s3":
        text = f"<Error>{error}{request}</Error>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>{request}</ErrorResponse>"
    return f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
