# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Route 53 operations that ministack lacks, and records that Route 53 rejects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from localcloud.aws import ministack
from localcloud.aws.errors import Response

_DNSSEC = re.compile(r"/2013-04-01/hostedzone/([^/]+)/dnssec")
_NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"


def install() -> None:
    ministack.route53_requests.wrap(_handler)
    ministack.change_records.wrap(_change_records)


def _handler(original: ministack.ServiceHandler) -> ministack.ServiceHandler:
    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Response:
        match = _DNSSEC.fullmatch(path)
        if match and method == "GET":
            return get_dnssec(match[1])
        return await original(method, path, headers, body, query)

    return handle


def _change_records(change: Callable[[str, bytes], Response]) -> Callable[[str, bytes], Response]:
    def change_record_sets(zone_id: str, body: bytes) -> Response:
        before = list(ministack.records.get(zone_id, []))
        answer = change(zone_id, body)
        shared = cname_conflict(ministack.records.get(zone_id, []))
        if not shared:
            return answer
        ministack.records[zone_id] = before
        return 400, {"Content-Type": "text/xml"}, _error("InvalidChangeBatch", shared)

    return change_record_sets


def cname_conflict(records: list[dict[str, Any]]) -> str:
    """Return Route 53's error for a name with a CNAME record and a record of another type; empty if there is none.

    Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html
    """
    kinds: dict[str, set[str]] = {}
    for one in records:
        kinds.setdefault(one["Name"], set()).add(one["Type"])
    for name, types in kinds.items():
        if "CNAME" in types and len(types) > 1:
            return (
                f"[RRSet of type CNAME with DNS name {name} is not permitted because a conflicting RRSet with the same "
                "DNS name already exists in the zone.]"
            )
    return ""


def get_dnssec(zone_id: str) -> Response:
    """Return a hosted zone's DNSSEC status: no zone is signed, and private zones cannot be signed."""
    zone = ministack.zones.get(zone_id)
    headers = {"Content-Type": "text/xml"}
    if zone is None:
        return 404, headers, _error("NoSuchHostedZone", f"No hosted zone found with ID: {zone_id}")
    if zone.get("private"):
        message = f"DNSSEC is not supported for private hosted zones: {zone_id}"
        return 400, headers, _error("InvalidArgument", message)
    status = "<Status><ServeSignature>NOT_SIGNING</ServeSignature></Status><KeySigningKeys/>"
    return 200, headers, f'<GetDNSSECResponse xmlns="{_NAMESPACE}">{status}</GetDNSSECResponse>'.encode()


def _error(code: str, message: str) -> bytes:
    inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return f'<ErrorResponse xmlns="{_NAMESPACE}">{inner}<RequestId>0</RequestId></ErrorResponse>'.encode()
