# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS errors as exceptions, and their format in the EKS protocol."""

from __future__ import annotations

import json
from typing import Any

Response = tuple[int, dict[str, str], bytes]
"""The response of a ministack service handler: status, headers, body."""

_STATUS = {
    "AccessDeniedException": 403,
    "NotFoundException": 404,
    "ResourceInUseException": 409,
    "ResourceNotFoundException": 404,
    "ServerException": 500,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
}


class AwsError(Exception):
    """An error of the EKS API: its code, its message and members such as clusterName."""

    def __init__(self, code: str, message: str, **members: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.members = members

    @property
    def status(self) -> int:
        return _STATUS.get(self.code, 400)

    def response(self) -> Response:
        body = {"message": self.message, **self.members}
        return self.status, {"Content-Type": "application/json", "x-amzn-errortype": self.code}, dump(body)


def dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body, default=str).encode()


def invalid_parameter(message: str, **members: str) -> AwsError:
    return AwsError("InvalidParameterException", message, **members)


def invalid_request(message: str, **members: str) -> AwsError:
    return AwsError("InvalidRequestException", message, **members)


def in_use(message: str, **members: str) -> AwsError:
    return AwsError("ResourceInUseException", message, **members)


def not_found(message: str, **members: str) -> AwsError:
    return AwsError("ResourceNotFoundException", message, **members)
