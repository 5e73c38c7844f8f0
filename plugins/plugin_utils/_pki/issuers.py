# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which issuers are due, and how one follows another. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._documents.plan import PLACEHOLDER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.certificates import (
    Certificate,
    belongs,
    first,
    join,
    load,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.plan import Document, Root, Times

# What is kept of an issuer from run to run; its bundles are renewed by each.
_KEPT = ("certificate", "private_key", "next_certificate", "next_private_key", "previous")


@dataclass(frozen=True)
class Issuer:
    """A member's issuer, and the one that follows it.

    ``due``: V(now) if there is none that can sign or if nobody needs to know it before it does, V(next) if nodes have
    to know it first. The nodes of Kafka and of Elasticsearch know each other by their cluster's own issuer, and are
    restarted one by one: one that shows a new issuer's certificate to others that have never heard of it would be
    alone. So the next issuer is trusted for a while before it signs, and the one before for as long after.
    """

    member: str
    due: str = ""
    not_after: str = ""
    excluded: Sequence[str] = ()
    document: Document = field(default_factory=dict, repr=False)
    notices: Sequence[str] = ()

    def written(self, made: Mapping[str, str], roots: str) -> Document:
        """Return the document to write, with what was ``made`` of what is due."""
        prefix = "next_" if self.due == "next" else ""
        issuer = self.document | {f"{prefix}{key}": text for key, text in made.items()}
        return {**issuer, "ca": roots, "issuers": _known(issuer)}


def _known(issuer: Document) -> str:
    """The issuers by which a member's nodes know each other: the present one, the next, and the one before."""
    texts = [issuer["certificate"], issuer.get("next_certificate", ""), *issuer.get("previous", [])]
    return "".join([text for text in texts if text == PLACEHOLDER]) + join(text for text in texts if load(text))


def issuers(
    documents: Mapping[str, Mapping[str, Any]],
    members: Mapping[str, Mapping[str, Any]],
    root: Root,
    times: Times,
    *,
    reserved: Collection[str],
    rotate: Collection[str] = (),
) -> list[Issuer]:
    """Return each member's issuer. A workload member's may sign no name below the ``reserved`` ones."""
    found = []
    for member, settings in members.items():
        succeeds = settings.get("purpose") == "controlplane"
        excluded = () if succeeds else tuple(sorted(reserved))
        asked = bool({"issuers", f"issuers/{member}"} & set(rotate))
        live = documents.get(f"{member}/issuer", {})
        found.append(_Succession(member, live, excluded, root, times).issuer(asked=asked, succeeds=succeeds))
    return found


class _Succession:
    """Where a member's issuer stands, looked at now."""

    def __init__(
        self, member: str, live: Mapping[str, Any], excluded: tuple[str, ...], root: Root, times: Times
    ) -> None:
        self._member = member
        self._excluded = excluded
        self._times = times
        self._roots = {one.key_id for one in root.certificates}
        self._signer = None if root.due == "first" else root.signer
        self._document: Document = {key: live[key] for key in _KEPT if live.get(key)}
        self._following = self._sound("next_")
        self._current = self._sound()
        self._go_on()

    def issuer(self, *, asked: bool, succeeds: bool) -> Issuer:
        times, current = self._times, self._current
        until = times.until(times.issuer, self._signer.not_after if self._signer else None)
        if current is None:
            return Issuer(self._member, "now", until, self._excluded)
        least = times.issuer_renew + (times.issuer_overlap if succeeds else 0)
        # Due, but its root would give it no longer life: that is the root's matter.
        short = current.days_left(times.now) < least and not (
            self._signer and current.not_after >= self._signer.not_after
        )
        # Asked for again, a succession that is under way goes its way: the same command may be run once more.
        begins = asked and not (succeeds and "previous" in self._document)
        due = ("next" if succeeds else "now") if self._following is None and (begins or short) else ""
        notices = [self._notice()] if self._following or due == "next" else []
        return Issuer(self._member, due, until, self._excluded, self._document, notices)

    def _go_on(self) -> None:
        """Have the next issuer sign, and forget the one before, each when it is time."""
        now, overlap = self._times.now, timedelta(days=self._times.issuer_overlap)
        document, following = self._document, self._following
        if following and (self._current is None or now - following.not_before >= overlap):
            former = [first(document["certificate"])] if self._current else []
            document = {
                "certificate": document["next_certificate"],
                "private_key": document["next_private_key"],
                "previous": [*former, *document.get("previous", [])],
            }
            self._current, self._following = following, None
        elif self._current and now - self._current.not_before >= 2 * overlap:
            document = {key: value for key, value in document.items() if key != "previous"}
        previous = [pem for pem in document.pop("previous", []) if (old := load(pem)) and old.not_after > now]
        if self._following is None:
            document = {key: value for key, value in document.items() if not key.startswith("next_")}
        self._document = document | ({"previous": previous} if previous else {})

    def _sound(self, prefix: str = "") -> Certificate | None:
        found = load(self._document.get(f"{prefix}certificate", ""))
        fine = (
            found
            and found.issuer_key_id in self._roots
            and found.excluded == frozenset(self._excluded)
            and found.not_after > self._times.now
            and belongs(self._document.get(f"{prefix}private_key", ""), found)
        )
        return found if fine else None

    def _notice(self) -> str:
        made = self._following.not_before if self._following else self._times.now
        begins = made + timedelta(days=self._times.issuer_overlap)
        return (
            f"The next issuer of {self._member} signs from {begins:%Y-%m-%d} on: run site.yml on {self._member} before "
            "that day, so that the nodes of Kafka and Elasticsearch know it by then."
        )
