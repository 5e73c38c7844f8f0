# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the CNAME records of one owner in a zone of Route 53. Pure functions.

Records have no tags. As with ExternalDNS, a TXT record beside each record names its owner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Change, Plan, Step
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import adopts

RecordSet = dict[str, Any]
# By name and type.
Live = Mapping[tuple[str, str], RecordSet]

# A name with a CNAME record can have no other record.
MARK_PREFIX = "_owner."
_ROUTING = ("SetIdentifier", "AliasTarget")


class ForeignRecordError(AwsError):
    """A record with a wanted name belongs to another owner."""


def plan(
    zone_id: str,
    found: Iterable[RecordSet],
    wanted: Mapping[str, str],
    owner: str,
    *,
    ttl: int,
    adopt: Collection[str] = (),
) -> Plan:
    """Return the call that changes the records in one batch.

    ``wanted`` has a host name by each record's name. Records of the owner, or in ``adopt``, that are not wanted are
    deleted. Other records stay.

    :raises ForeignRecordError: if others own a record of a wanted name, unless it is in ``adopt`` or has that value
    """
    adopt = [name(one) for one in adopt]
    live: dict[tuple[str, str], RecordSet] = {(name(one["Name"]), one["Type"]): one for one in found}
    marked = {key[0].removeprefix(MARK_PREFIX) for key, one in live.items() if _values(one) == [mark(owner)]}
    batch: list[dict[str, Any]] = []
    changes: dict[str, Change] = {}
    for key in sorted(wanted):
        target: RecordSet = {"Name": key, "Type": "CNAME", "TTL": ttl, "ResourceRecords": [{"Value": wanted[key]}]}
        _refuse(live, key, target, owned=key in marked or adopts(adopt, "dns_record", key))
        beside: RecordSet = {
            "Name": MARK_PREFIX + key,
            "Type": "TXT",
            "TTL": ttl,
            "ResourceRecords": [{"Value": mark(owner)}],
        }
        for one in (target, beside):
            there = live.get((one["Name"], one["Type"]))
            if there is None or _shown(there) != _shown(one):
                batch.append({"Action": "UPSERT", "ResourceRecordSet": one})
                changes[name(one["Name"])] = Change(_shown(there) if there else None, _shown(one))
    named = {key for key, kind in live if kind == "CNAME" and adopts(adopt, "dns_record", key)}
    for key in sorted((marked | named) - wanted.keys()):
        for gone in ((key, "CNAME"), (MARK_PREFIX + key, "TXT")):
            if gone in live:
                batch.append({"Action": "DELETE", "ResourceRecordSet": live[gone]})
                changes[name(gone[0])] = Change(_shown(live[gone]), None)
    request = {"HostedZoneId": zone_id, "ChangeBatch": {"Changes": batch}}
    return Plan(f"records of {owner}", (Step("ChangeResourceRecordSets", request, changes),) if batch else ())


def mark(owner: str) -> str:
    """Return the value of the TXT record beside each of the owner's records."""
    return f'"heritage=dataplatform.fleet,dataplatform.fleet/owner={owner}"'


def name(text: str) -> str:
    """Return a name without the final dot, in lowercase."""
    return text.rstrip(".").lower()


def _refuse(live: Live, key: str, target: RecordSet, *, owned: bool) -> None:
    others = sorted(kind for there, kind in live if there == key and kind != "CNAME")
    there = live.get((key, "CNAME"))
    if others:
        raise ForeignRecordError(
            f"{key} has records of the type {', '.join(others)}, and a CNAME record must be alone. Delete them."
        )
    if there and any(part in there for part in _ROUTING):
        raise ForeignRecordError(f"{key} has a routing policy or is an alias. Delete it.")
    beside = live.get((MARK_PREFIX + key, "TXT"))
    for one, foreign in ((there, not _leads(there, target)), (beside, True)):
        if one and foreign and not owned:
            raise ForeignRecordError(
                f"{name(one['Name'])} is a record of another owner: {_shown(one)}. Nothing was changed. "
                f"Delete the record; or, to replace it, run with -e fleet_adopt=dns_record/{key} (a module: adopt)."
            )


def _leads(there: RecordSet | None, target: RecordSet) -> bool:
    return there is not None and [name(one) for one in _values(there)] == [name(one) for one in _values(target)]


def _values(one: RecordSet) -> list[str]:
    return [record["Value"] for record in one.get("ResourceRecords", [])]


def _shown(one: RecordSet) -> str:
    values = [name(value) for value in _values(one)] if one["Type"] == "CNAME" else _values(one)
    return f"{one.get('TTL', '')} {one['Type']} {' '.join(values)}".strip()
