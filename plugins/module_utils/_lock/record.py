# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The item of a lock: its holder, the time of its creation and of the last heartbeat. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

KEY = "cluster"


@dataclass(frozen=True)
class Lock:
    """One item of the table. Times are seconds since the epoch on the clock of AWS; `ttl` is in seconds."""

    cluster: str
    run_id: str
    holder: str
    command: str
    acquired_at: int
    heartbeat_at: int
    ttl: int

    def stale(self, now: int) -> bool:
        """Whether the last heartbeat is older than the lock's time to live."""
        return now - self.heartbeat_at > self.ttl

    def describe(self, now: int) -> str:
        """Return the holder, for how long it has held the lock, and the age of the last heartbeat.

        >>> Lock("dp-staging", "r1", "ann@laptop", "site.yml", 1000, 1085, 300).describe(1090)
        'ann@laptop (site.yml) for 1m30s, last heartbeat 5s ago'
        """
        held, heard = age(now - self.acquired_at), age(now - self.heartbeat_at)
        return f"{self.holder} ({self.command}) for {held}, last heartbeat {heard} ago"

    def public(self, now: int) -> dict[str, Any]:
        """Return the values that a task returns."""
        return {**asdict(self), "age": max(0, now - self.acquired_at), "heartbeat_age": max(0, now - self.heartbeat_at)}

    def to_item(self) -> dict[str, dict[str, str]]:
        """The item in DynamoDB's JSON."""
        return {
            name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in asdict(self).items()
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Mapping[str, str]]) -> Lock:
        """Read an item; an attribute that is missing, as in an item edited by hand, is empty."""

        def text(name: str) -> str:
            return item.get(name, {}).get("S", "")

        def number(name: str) -> int:
            return int(float(item.get(name, {}).get("N", "0")))

        return cls(
            cluster=text("cluster"),
            run_id=text("run_id"),
            holder=text("holder") or "somebody unknown",
            command=text("command") or "unknown command",
            acquired_at=number("acquired_at"),
            heartbeat_at=number("heartbeat_at"),
            ttl=number("ttl"),
        )


def age(seconds: float) -> str:
    """Return a duration as short text.

    >>> [age(s) for s in (-2, 5, 90, 3600, 93784)]
    ['0s', '5s', '1m30s', '1h00m', '26h03m']
    """
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
