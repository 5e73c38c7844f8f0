# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of sent and received samples: pure functions.

All series of a generator's page have the number of the request as their value, so a sample is known by generator,
series and value, and each is there once. What was sent is what Prometheus keeps itself, scrape by scrape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Scrapes = Mapping[int, Mapping[int, int]]
"""By generator: the value of each scrape, with its time in milliseconds."""


class Account(NamedTuple):
    """Samples of some scrapes."""

    sent: int
    arrived: int
    """Of those that were sent, each once."""
    lost: int
    duplicated: int
    """How many more messages there are than samples that arrived."""


@dataclass
class Ledger:
    """Counts messages. Lines are the reader's: partition, offset, of the load's what is known of it, and a point."""

    series: int
    messages: int = 0
    newest: dict[int, int] = field(default_factory=dict)
    """By generator: the time of the newest sample that has arrived, in milliseconds."""
    _next: dict[int, int] = field(default_factory=dict)
    _counts: dict[tuple[int, int], bytearray] = field(default_factory=dict)
    _rest: str = ""

    def add(self, text: str) -> None:
        """Add the next output of the reader, whose last line can be incomplete."""
        lines = (self._rest + text).split("\n")
        self._rest = lines.pop()
        for line in lines:
            self._line(line.split(" "))

    def _line(self, words: list[str]) -> None:
        if words[-1] != ".":
            # Incomplete because the reader ended. It is read again.
            return
        partition, offset = int(words[0]), int(words[1])
        expected = self._next.get(partition)
        if expected is not None and offset < expected:
            # The consumer restarted, as after an outage of its group's coordinator.
            return
        if expected is not None and offset > expected:
            raise ValueError(f"The reader has missed {offset - expected} messages of partition {partition}")
        self._next[partition] = offset + 1
        self.messages += 1
        if len(words) == 7:
            time, generator, series, value = map(int, words[2:6])
            if series >= self.series:
                # Of an earlier load in the same cloud, whose pages were longer.
                return
            counts = self._counts.get((generator, value))
            if counts is None:
                counts = self._counts[generator, value] = bytearray(self.series)
            counts[series] = min(counts[series] + 1, 255)
            if time > self.newest.get(generator, 0):
                self.newest[generator] = time

    def account(self, scrapes: Scrapes) -> Account:
        """Compare with what was sent."""
        sent = arrived = messages = 0
        for generator, value in _each(scrapes):
            counts = self._counts.get((generator, value), b"")
            sent += self.series
            arrived += len(counts) - counts.count(0)
            messages += sum(counts)
        return Account(sent, arrived, sent - arrived, messages - arrived)


def _each(scrapes: Scrapes) -> Iterable[tuple[int, int]]:
    return ((generator, value) for generator, values in scrapes.items() for value in values)


def between(scrapes: Scrapes, begin: float, end: float) -> Scrapes:
    """Those from one time on until before another; in seconds."""
    return {
        generator: {value: time for value, time in values.items() if begin * 1000 <= time < end * 1000}
        for generator, values in scrapes.items()
    }
