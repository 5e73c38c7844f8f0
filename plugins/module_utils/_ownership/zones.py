# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private hosted zones of Route 53 and their owners; an account can have several zones with the same name."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Client
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.calls import call
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import (
    UNFINISHED,
    ForeignError,
    owned,
    tags_of,
)

# A zone gets its tags in a second call. The reference identifies a zone whose run ended before that call.
_REFERENCE = "dataplatform.fleet/"


@dataclass(frozen=True)
class HostedZone:
    """A private zone."""

    zone_id: str
    tags: dict[str, str]


def reference() -> str:
    """Return a new CallerReference; Route 53 accepts each reference once."""
    return f"{_REFERENCE}{uuid.uuid4()}"


def zones(route53: Client, name: str) -> list[HostedZone]:
    """Return the account's private zones with that name."""
    dotted = name.rstrip(".") + "."
    found: list[HostedZone] = []
    more: dict[str, str] = {}
    while True:
        answer = call(route53, "ListHostedZonesByName", DNSName=dotted, **more)
        for one in answer["HostedZones"]:
            if one["Name"] == dotted and one["Config"].get("PrivateZone"):
                zone_id = one["Id"].removeprefix("/hostedzone/")
                asked = {"ResourceType": "hostedzone", "ResourceId": zone_id}
                tags = tags_of(call(route53, "ListTagsForResource", **asked)["ResourceTagSet"])
                if not tags and one["CallerReference"].startswith(_REFERENCE):
                    tags = dict(UNFINISHED)
                found.append(HostedZone(zone_id, tags))
        # The zones are sorted by name.
        if not answer.get("IsTruncated") or answer["NextDNSName"] != dotted:
            return found
        more = {"HostedZoneId": answer["NextHostedZoneId"]}


def own_zone(route53: Client, name: str, tags: Mapping[Any, Any] | None, *, adopt: bool = False) -> str:
    """Return the id of the private zone with that name, or an empty text.

    :raises ForeignError: if there are such zones and none has the ownership ``tags``.
    """
    found = sorted(zones(route53, name), key=lambda one: not owned(one.tags, tags))
    for one in found:
        if adopt or owned(one.tags, tags):
            return one.zone_id
        raise ForeignError("private_zone", name, one.tags, tags)
    return ""
