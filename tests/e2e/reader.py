# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader of the topic, and the samples that Prometheus has sent."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.dataplatform.fleet.tests.e2e.fleet import NAMESPACE, Member
from ansible_collections.dataplatform.fleet.tests.e2e.ledger import Account, Ledger, Scrapes
from ansible_collections.dataplatform.fleet.tests.e2e.workloads import ARRIVED, READER, SERIES

_PIECE = 32 << 20


class Reader:
    """Follows the reader's file."""

    def __init__(self, controlplane: Member, series: int) -> None:
        self._member = controlplane
        self._read = 0
        self.ledger = Ledger(series)

    def poll(self) -> None:
        """Read all available output."""
        while True:
            command = ["bash", "-c", f"tail -c +{self._read + 1} {ARRIVED} | head -c {_PIECE}"]
            ran = self._member.run("kafka", READER, "main", command, 120)
            assert ran.code in (0, 141), ran.err
            self._read += len(ran.out)
            self.ledger.add(ran.out)
            if len(ran.out) < _PIECE:
                return

    def account(self, scrapes: Scrapes) -> Account:
        """Return how many of these samples have arrived."""
        self.poll()
        return self.ledger.account(scrapes)

    def behind(self) -> float:
        """Seconds since the newest sample of the generator whose newest is the oldest."""
        self.poll()
        return time.time() - min(self.ledger.newest.values(), default=0) / 1000


def scrapes(workload: Member, seconds: float) -> Scrapes:
    """The load's scrapes of the last seconds that Prometheus keeps, by the first of each page's series."""
    found: list[dict[str, Any]] = workload.ask(f'{SERIES}{{namespace="{NAMESPACE}",series="0"}}[{int(seconds)}s]')
    return {
        int(one["metric"]["pod"].rpartition("-")[2]): {
            int(float(value)): round(float(when) * 1000) for when, value in one["values"]
        }
        for one in found
    }
