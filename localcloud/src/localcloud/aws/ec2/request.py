# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EC2 query protocol: request parameters, and XML responses or errors."""

from __future__ import annotations

from collections.abc import Callable

from localcloud.aws import clock, ministack, store
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
        return ministack.ec2_error(self.code, ministack.ec2_escape(self.message), 400)


def text(params: Params, name: str, default: str = "") -> str:
    return ministack.ec2_parameter(params, name, default)


def members(params: Params, name: str) -> list[str]:
    return ministack.ec2_members(params, name)


def filters(params: Params) -> dict[str, list[str]]:
    return ministack.ec2_filters(params)


def matches_tags(resource_id: str, wanted: dict[str, list[str]]) -> bool:
    return ministack.ec2_matches_tags(resource_id, wanted)


def remember_tags(params: Params, kind: str, resource_id: str) -> None:
    ministack.ec2_remember_tags(params, kind, resource_id)


def forget(records: store.Store, resource_id: str) -> None:
    records.pop(resource_id, None)
    store.ec2_tags.pop(resource_id, None)


def require(records: store.Store, resource_id: str, code: str, what: str) -> store.Record:
    record = records.get(resource_id)
    if record is None:
        raise Ec2Error(code, f"The {what} '{resource_id}' does not exist")
    return record


def xml(action: str, inner: str) -> Response:
    return ministack.ec2_xml(200, f"{action}Response", inner)


def element(name: str, value: object) -> str:
    """Return an XML element; nothing for None, lower-case text for booleans."""
    if value is None:
        return ""
    shown = str(value).lower() if isinstance(value, bool) else ministack.ec2_escape(str(value))
    return f"<{name}>{shown}</{name}>"


def tag_set(resource_id: str) -> str:
    return ministack.ec2_tag_set(resource_id)


def replace(action: str, handler: Handler) -> None:
    """Replace ministack's handler of an action."""

    def wrapped(params: Params) -> Response:
        try:
            with clock.lock:
                return handler(params)
        except Ec2Error as error:
            return error.response()

    ministack.ec2_actions[action] = wrapped


def guard(action: str, check: Check) -> None:
    """Pass an action to ministack only if ``check`` does not raise."""
    original: Handler = ministack.ec2_actions[action]

    def checked(params: Params) -> Response:
        check(params)
        return original(params)

    replace(action, checked)
