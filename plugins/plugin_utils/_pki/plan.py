# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates are due, and what the documents become once they are made. Pure but for random passwords."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._documents.plan import PLACEHOLDER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.certificates import (
    TIME,
    Certificate,
    belongs,
    first,
    join,
    load,
)

Document = dict[str, Any]
# What stands for a text that check mode does not make.

PARTS = ("ca", "certificate", "private_key")
# A member's documents; more below its name are not the role's.
MEMBERS_OWN = ("issuer", "kafka", "tls", "passwords")


@dataclass(frozen=True)
class Times:
    """Lifetimes in days, and the time at which they are looked at."""

    root: int = 3650
    issuer: int = 1095
    certificate: int = 365
    renew: int = 30
    overlap: int = 90
    issuer_overlap: int = 30
    credential_overlap: int = 7
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(cls, days: Mapping[str, Any]) -> Times:
        return cls(
            root=int(days["root"]),
            issuer=int(days["issuer"]),
            certificate=int(days["certificate"]),
            renew=int(days["renew"]),
            overlap=int(days["overlap"]),
            issuer_overlap=int(days["issuer_overlap"]),
            credential_overlap=int(days["credential_overlap"]),
        )

    @property
    def issuer_renew(self) -> int:
        """An issuer is renewed while it still outlives the certificates it signs."""
        return self.certificate + self.renew

    @property
    def root_renew(self) -> int:
        """A root is joined by the next one while it still outlives the issuers it signs."""
        return self.issuer + self.overlap

    def until(self, days: int, limit: datetime | None = None) -> str:
        end = self.now + timedelta(days=days)
        return (min(end, limit) if limit else end).strftime(TIME)


@dataclass(frozen=True)
class Root:
    """The fleet's root, and the one that follows it.

    ``due``: V(first) if there is none that can sign, V(next) if the present one will soon be too old. The next one
    is in everybody's bundle for the overlap before it signs anything.
    """

    due: str = ""
    document: Document = field(default_factory=dict, repr=False)
    notices: Sequence[str] = ()

    @property
    def signer(self) -> Certificate | None:
        return load(self.document.get("certificate", ""))

    @property
    def certificates(self) -> list[Certificate]:
        pems = [self.document.get("certificate", ""), self.document.get("next_certificate", "")]
        found = [load(pem) for pem in [*pems, *self.document.get("previous", [])]]
        return sorted((one for one in found if one), key=lambda one: one.not_before, reverse=True)

    def made(self, certificate: str, private_key: str) -> Root:
        """Return the root with the one that was due."""
        prefix = "next_" if self.due == "next" else ""
        new = {f"{prefix}certificate": certificate, f"{prefix}private_key": private_key}
        return Root("", {**self.document, **new}, self.notices)

    @property
    def bundle(self) -> str:
        """All roots by which a certificate may be verified, the newest first."""
        pems = [one.pem for one in self.certificates]
        texts = [self.document.get(key) for key in ("next_certificate", "certificate")]
        return "".join([text for text in texts if text == PLACEHOLDER]) + join(pems)


def root(live: Mapping[str, Any], times: Times, *, rotate: bool = False) -> Root:
    """Plan the root."""
    document = {key: value for key, value in live.items() if value}
    current, following = load(document.get("certificate", "")), load(document.get("next_certificate", ""))
    usable = current and current.days_left(times.now) > 0 and belongs(document.get("private_key", ""), current)
    if following and (not usable or times.now - following.not_before >= timedelta(days=times.overlap)):
        document = {
            "certificate": document["next_certificate"],
            "private_key": document["next_private_key"],
            "previous": [pem for pem in [document.get("certificate"), *document.get("previous", [])] if pem],
        }
        current, following, usable = following, None, True
    previous = [pem for pem in document.get("previous", []) if (old := load(pem)) and old.not_after > times.now]
    document = {key: value for key, value in document.items() if key != "previous"}
    if not usable:
        keep = [first(document["certificate"])] if current and current.days_left(times.now) > 0 else []
        document = {}
        previous = [*keep, *previous]
    if previous:
        document["previous"] = previous
    if not usable or current is None:
        ended = load(live.get("certificate", ""))
        return Root("first", document, [_ended_notice(ended)] if ended and ended.not_after <= times.now else [])
    if following is None and (rotate or current.days_left(times.now) < times.root_renew):
        return Root("next", document, [_next_notice(current, times)])
    return Root("", document, [_next_notice(current, times, following)] if following else [])


def _next_notice(current: Certificate, times: Times, following: Certificate | None = None) -> str:
    begins = (following.not_before if following else times.now) + timedelta(days=times.overlap)
    return (
        f"The fleet's root certificate ends on {current.not_after:%Y-%m-%d}. The next one is in every member's bundle "
        f"and signs from {begins:%Y-%m-%d} on: run site.yml on every member before that day, or its connections to the "
        "rest of the fleet will break."
    )


def _ended_notice(ended: Certificate) -> str:
    return (
        f"The fleet's root certificate ended on {ended.not_after:%Y-%m-%d}, and with it all that it signed. This run "
        "makes another root and new issuers: run site.yml on every member now; until then its peers do not "
        "trust it."
    )


def undeclared(names: Mapping[str, Mapping[str, str]], members: Collection[str]) -> list[str]:
    """Return the documents of members that the fleet has no longer."""
    found = []
    for name, tags in sorted(names.items()):
        member, _, document = name.partition("/")
        if document in MEMBERS_OWN and member not in members and tags.get("dataplatform.fleet/member") == member:
            found.append(name)
    return found


def certificates(
    live: Mapping[str, Mapping[str, str]],
    issuer: Mapping[str, str],
    wanted: Mapping[str, Collection[str]],
    times: Times,
    rotate: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Return a member's certificates that are due. Without an issuer (in check mode) all that are missing are."""
    signer = load(issuer.get("certificate", ""))
    until = times.until(times.certificate, signer.not_after if signer else None)
    due = []
    for name, names in wanted.items():
        entry = live.get(name) or {}
        found = load(entry.get("certificate", ""))
        fine = (
            found
            and found.names == set(names)
            and signer
            and found.issuer_key_id == signer.key_id
            and entry["certificate"].endswith(signer.pem)
            and belongs(entry.get("private_key", ""), found)
            # Due, but its issuer would give it no longer life: that is the issuer's matter.
            and (found.days_left(times.now) >= times.renew or found.not_after >= signer.not_after)
            and not {"certificates", f"certificates/{name}"} & set(rotate)
        )
        if not fine:
            due.append({"name": name, "dns_names": sorted(names), "not_after": until})
    return due


def ended_issuer(issuer: Mapping[str, str], times: Times) -> str:
    """Return the day on which a member's issuer ended, or an empty text while it lives."""
    signer = load(issuer.get("certificate", ""))
    return f"{signer.not_after:%Y-%m-%d}" if signer and signer.not_after <= times.now else ""


def issuer_notices(member: str, issuer: Mapping[str, str], times: Times) -> list[str]:
    """Say if a member's issuer should have been renewed by now."""
    signer = load(issuer.get("certificate", ""))
    if signer is None or not 0 < signer.days_left(times.now) < times.certificate:
        return []
    return [
        f"The issuer of {member} ends on {signer.not_after:%Y-%m-%d}, and with it all certificates of {member}. Only "
        "the controlplane's run renews it: ansible-playbook site.yml -i inventories/controlplane"
    ]
