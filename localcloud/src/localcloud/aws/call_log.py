# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A log of every mutating AWS call, one JSON object per line.

The service comes from the signature's credential scope, the action from the protocol: ``Action=`` (query),
``X-Amz-Target`` (JSON), or method and path matched against botocore's service model (REST).
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.model import OperationModel

from localcloud.host.files import append_line

LOG = logging.getLogger("localcloud.aws.call_log")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

READ_ACTION = re.compile(
    r"^(Describe|Get|List|Head|Lookup|Search|Query|Scan|Select|BatchGet|Check|Test|Simulate|Validate|Preview|View"
    r"|Decode|Filter|Estimate|TransactGet)"
)
# Calls that change nothing, or no resource of a fleet.
READ_ACTIONS = {
    "AssumeRole",
    "AssumeRoleWithWebIdentity",
    "AssumeRoleWithSAML",
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
}
SECRET_NAME = re.compile(
    r"password|secret(?!Id|ARN|Name)|plaintext|privatekey|(session|security|auth|access|bearer|id)token|userdata",
    re.IGNORECASE,
)
# Generic parameter names of SSM and Lambda whose values can be secret.
SECRET_BY_ACTION = {("ssm", "PutParameter"): {"Value"}, ("secretsmanager", "PutSecretValue"): {"SecretBinary"}}
REDACTED = "***"
MAXIMUM_BODY = 1 << 20
MAXIMUM_ANSWER = 1 << 16
# Signing names that differ from botocore's service names.
SERVICE_NAMES = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch", "email": "ses"}


@dataclass(frozen=True)
class Call:
    """An AWS API call: service, action and parameters of a request."""

    service: str
    action: str
    params: dict[str, Any]

    @property
    def mutating(self) -> bool:
        return not READ_ACTION.match(self.action) and self.action not in READ_ACTIONS


def parse(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Call | None:
    """Parse a request; None if it is not a signed AWS call."""
    scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", headers.get("authorization", ""))
    if not scope:
        return None
    service = scope.group(2)
    target = headers.get("x-amz-target", "")
    if target:
        return Call(service, target.rpartition(".")[2], _json(body))
    form = urllib.parse.parse_qs(query, keep_blank_values=True)
    if "form-urlencoded" in headers.get("content-type", ""):
        form |= urllib.parse.parse_qs(body.decode(errors="replace"), keep_blank_values=True)
    values = {name: items[0] if len(items) == 1 else items for name, items in form.items()}
    if "Action" in values:
        action = str(values.pop("Action"))
        values.pop("Version", None)
        return Call(service, action, values)
    action, labels = _rest_action(service, method, path, frozenset(form))
    if service == "s3":
        action = _s3_action(action, copy="x-amz-copy-source" in headers)
    # The content of an object is not a parameter.
    content = {} if action in {"PutObject", "UploadPart"} else _json(body) or _xml(body)
    return Call(service, action, {**values, **content, **labels})


def redact(value: Any, service: str = "", action: str = "") -> Any:  # noqa: ANN401 - JSON
    """Replace the values of secret parameters, at any depth."""
    if isinstance(value, dict):
        secret = SECRET_BY_ACTION.get((service, action), set())
        return {
            name: REDACTED if SECRET_NAME.search(name) or name in secret else redact(item, service, action)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [redact(item, service, action) for item in value]
    return value


def resource(action: str, params: Mapping[str, Any], answer: bytes = b"") -> str:
    """Return the resource of a call: the identifier of the noun in the action's name.

    A created resource has its identifier in the response.
    """
    noun = re.sub(r"^[A-Z][a-z]+", "", action).lower()
    texts = {name.lower(): value for name, value in params.items() if isinstance(value, str) and value}
    own = [f"{noun}{ending}" for ending in ("name", "id", "arn")]
    for name in own:
        if name in texts:
            return texts[name]
    text = answer.decode(errors="replace")
    for name in (f"{noun}id", f"{noun}arn", "keyid", "allocationid"):
        if found := re.search(rf"""<{name}>([^<]+)<|"{name}"\s*:\s*"([^"]+)""", text, re.IGNORECASE):
            return found.group(1) or found.group(2)
    for name in ("name", "bucket", "resourcearn"):
        if name in texts:
            return texts[name]
    endings = (r"name", r"id", r"id\.1", r"arn")
    return next((value for end in endings for name, value in texts.items() if re.search(f"{end}$", name)), "")


def _json(body: bytes) -> dict[str, Any]:
    if body.lstrip()[:1] != b"{":
        return {}
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _xml(body: bytes) -> dict[str, Any]:
    if body.lstrip()[:1] != b"<":
        return {}
    try:
        content = _element(ET.fromstring(body))  # noqa: S314 - the user's own request
    except ET.ParseError:
        return {}
    return content if isinstance(content, dict) else {}


def _element(element: ET.Element) -> Any:  # noqa: ANN401 - JSON
    if not len(element):
        return element.text or ""
    content: dict[str, Any] = {}
    for child in element:
        name, value = child.tag.rpartition("}")[2], _element(child)
        if name not in content:
            content[name] = value
        elif isinstance(content[name], list):
            content[name].append(value)
        else:
            content[name] = [content[name], value]
    return content


def _s3_action(action: str, *, copy: bool) -> str:
    """Return the operation among those that share method and path."""
    if action in {"PutObject", "CopyObject"}:
        return "CopyObject" if copy else "PutObject"
    if action in {"UploadPart", "UploadPartCopy"}:
        return "UploadPartCopy" if copy else "UploadPart"
    return action


def _rest_action(service: str, method: str, path: str, query: frozenset[str]) -> tuple[str, dict[str, str]]:
    best: tuple[int, str, dict[str, str]] | None = None
    for verb, pattern, wanted, fixed, action, names in _routes(service):
        match = pattern.fullmatch(path) if verb == method and wanted <= query else None
        if match and (best is None or len(wanted) * 100 + fixed > best[0]):
            labels = {names.get(name, name): urllib.parse.unquote(value) for name, value in match.groupdict().items()}
            best = (len(wanted) * 100 + fixed, action, labels)
    if best is None:
        return f"{method} {path}", {}
    return best[1], best[2]


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], frozenset[str], int, str, dict[str, str]]]:
    """Return the REST routes of a service: method, path, required query keys, weight, action, parameters by label."""
    try:
        model = botocore.session.get_session().get_service_model(SERVICE_NAMES.get(service, service))
    except Exception:
        return []
    routes = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        http = operation.http
        uri = str(http.get("requestUri", "/"))
        path, _, query = uri.partition("?")
        parts = re.split(r"(\{[^}]+\})", path)
        pattern = "".join(_segment(part, service) for part in parts)
        wanted = frozenset(word.partition("=")[0] for word in query.split("&") if word) | _required_query(operation)
        fixed = sum(len(part) for part in parts if not part.startswith("{"))
        routes.append((str(http["method"]), re.compile(f"{pattern}/?"), wanted, fixed, name, _members(operation)))
    return routes


def _required_query(operation: OperationModel) -> frozenset[str]:
    shape = operation.input_shape
    if shape is None:
        return frozenset()
    required = [shape.members[name] for name in shape.required_members]
    return frozenset(
        str(member.serialization["name"])
        for member in required
        if member.serialization.get("location") == "querystring" and "name" in member.serialization
    )


def _members(operation: OperationModel) -> dict[str, str]:
    """Return the parameter of each label in an operation's path."""
    members = operation.input_shape.members if operation.input_shape else {}
    return {
        re.sub(r"[^A-Za-z0-9_]", "_", shape.serialization.get("name", member)): member
        for member, shape in members.items()
        if shape.serialization.get("location") == "uri"
    }


def _segment(part: str, service: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    # Paths of the EKS API contain principal ARNs with slashes.
    greedy = part.endswith("+}") or service == "eks"
    return f"(?P<{re.sub(r'[^A-Za-z0-9_]', '_', part[1:-1].rstrip('+'))}>{'.+?' if greedy else '[^/]+'})"


def _has_no_body(answer: Mapping[str, Any]) -> bool:
    """Whether the response has no body, so that it is complete with its headers."""
    return answer.get("status") == 204 or answer.get("headers", {}).get(b"content-length") == b"0"


class CallLog:
    """ASGI middleware that logs calls. ``principal`` returns the caller of an access key."""

    def __init__(self, app: App, file: Path, principal: Callable[[str], tuple[str, str]]) -> None:
        self._app = app
        self._file = file
        self._principal = principal
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        body = bytearray()
        answer: dict[str, Any] = {}
        text = bytearray()
        recorded = False

        async def listen() -> Message:
            message = await receive()
            if message["type"] == "http.request" and len(body) < MAXIMUM_BODY:
                body.extend(message.get("body", b""))
            return message

        async def respond(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                answer["headers"] = {name.lower(): value for name, value in message.get("headers", [])}
            elif len(text) < MAXIMUM_ANSWER:
                text.extend(message.get("body", b"")[:MAXIMUM_ANSWER])
            last = message["type"] == "http.response.body" and not message.get("more_body")
            if last or _has_no_body(answer):
                # A client may read the log as soon as it has the response.
                record()
            await send(message)

        def record() -> None:
            nonlocal recorded
            if not recorded:
                recorded = True
                query = scope.get("query_string", b"").decode("latin-1")
                call = parse(scope["method"], scope["path"], query, headers, bytes(body))
                self._record(call, headers, {**answer, "body": bytes(text)})

        try:
            await self._app(scope, listen, respond)
        finally:
            record()

    def _record(self, call: Call | None, headers: Mapping[str, str], answer: Mapping[str, Any]) -> None:
        if call is None:
            return
        self.counts[f"{call.service}:{call.action}"] += 1
        if not call.mutating:
            return
        credential = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", headers.get("authorization", ""))
        key, region = credential.groups() if credential else ("", "")
        account, principal = self._principal(key)
        identifier = answer.get("headers", {}).get(b"x-amzn-requestid", b"").decode("latin-1")
        line = json.dumps(
            {
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "service": call.service,
                "action": call.action,
                "region": region,
                "account": account,
                "principal": principal,
                "status": answer.get("status", 0),
                "request_id": identifier,
                "params": redact(call.params, call.service, call.action),
                "resource": resource(call.action, call.params, answer.get("body", b"")),
            }
        )
        try:
            with self._lock:
                append_line(self._file, line)
        except OSError as error:
            # The call has been executed, so its caller gets the response.
            LOG.warning("%s does not have %s:%s: %s", self._file, call.service, call.action, error)
