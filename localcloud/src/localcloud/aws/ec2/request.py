# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EC2 query protocol: parameters in, XML or an error out."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from ministack.services import ec2 as backend

from localcloud.aws import clock, store
from localcloud.aws.errors import Response

Params = dict[str, list[str]]
Handler = Callable[[Params], Response]
Check = Callable[[Params], None]


class Ec2Error(Exception):
    """An error of the EC2 API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def response(self) -> Response:
        return cast(Response, backend._error(self.code, backend._esc(self.message), 400))


def text(params: Params, name: str, default: str = "") -> str:
    return str(backend._p(params, name, default))


def members(params: Params, name: str) -> list[str]:
    return [str(value) for value in backend._parse_member_list(params, name)]


def filters(params: Params) -> dict[str, list[str]]:
    return cast(dict[str, list[str]], backend._parse_filters(params))


def matches_tags(resource_id: str, wanted: dict[str, list[str]]) -> bool:
    return bool(backend._resource_matches_tag_filters(resource_id, wanted))


def remember_tags(params: Params, kind: str, resource_id: str) -> None:
    backend._parse_tag_specs(params, kind, resource_id)


def forget(records: store.Store, resource_id: str) -> None:
    records.pop(resource_id, None)
    store.ec2_tags.pop(resource_id, None)


def require(records: store.Store, resource_id: str, code: str, what: str) -> store.Record:
    record = records.get(resource_id)
    if record is None:
        raise Ec2Error(code, f"The {what} '{resource_id}' does not exist")
    return record


def xml(action: str, inner: str) -> Response:
    return cast(Response, backend._xml(200, f"{action}Response", inner))


def element(name: str, value: object) -> str:
    """One XML element; none for None, lower-case words for booleans."""
    if value is None:
        return ""
    shown = str(value).lower() if isinstance(value, bool) else backend._esc(str(value))
    return f"<{name}>{shown}</{name}>"


def tag_set(resource_id: str) -> str:
    return str(backend._tag_set_xml(resource_id))


def replace(action: str, handler: Handler) -> None:
    """Answer an action in ministack's place."""

    def wrapped(params: Params) -> Response:
        try:
            with clock.lock:
                return handler(params)
        except Ec2Error as error:
            return error.response()

    backend._ACTION_MAP[action] = wrapped


def guard(action: str, check: Check) -> None:
    """Let an action through to ministack only if ``check`` does not raise."""
    original: Handler = backend._ACTION_MAP[action]

    def checked(params: Params) -> Response:
        check(params)
        return original(params)

    replace(action, checked)
