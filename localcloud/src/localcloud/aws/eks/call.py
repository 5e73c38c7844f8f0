# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of operations, and helpers for them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.aws.errors import invalid_parameter
from localcloud.aws.jsontypes import Json
from localcloud.aws.settings import EmulatorSettings


@dataclass(frozen=True)
class Call:
    """One validated request. ``principal`` is the caller's IAM user or role ARN, if known."""

    operation: str
    params: dict[str, Any]
    settings: EmulatorSettings
    principal: str | None = None

    def __getitem__(self, name: str) -> Json:
        return self.params[name]

    def get(self, name: str, default: Json = None) -> Json:
        value = self.params.get(name)
        return default if value is None else value


Handler = Callable[[Call], dict[str, Any]]
Handlers = dict[str, Handler]


def page[Item](call: Call, key: str, items: Sequence[Item]) -> dict[str, Any]:
    """Return one page of a list, by maxResults and nextToken, in the format of all EKS List operations."""
    start = 0
    token = call.get("nextToken")
    if token:
        try:
            start = int(base64.b64decode(token, validate=True))
        except (ValueError, binascii.Error) as error:
            raise invalid_parameter("nextToken is invalid") from error
    end = start + int(call.get("maxResults", 100))
    body: dict[str, Any] = {key: list(items[start:end])}
    if end < len(items):
        body["nextToken"] = base64.b64encode(str(end).encode()).decode()
    return body
