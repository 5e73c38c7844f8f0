# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pollers that record states and fail with the API's reasons."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .aliases import Value
from .errors import FailedError, WaitTimeoutError

FIRST_INTERVAL = 1.0
LONGEST_INTERVAL = 15.0


@dataclass(frozen=True)
class Probe:
    """The state of a resource at one time. *reason* says why it has failed or is not ready."""

    state: str
    done: bool = False
    failed: bool = False
    reason: str = ""


@dataclass
class Waited:
    """One finished wait: the resource, its states, and the duration in seconds."""

    on: str
    states: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Value]:
        return {"on": self.on, "states": self.states, "seconds": round(self.seconds, 1)}


class Poller:
    """Polls until done, within one deadline for everything it is asked to wait for.

    *timeout* is in seconds and counts from the first wait. *log* gets a line for each change of state.
    """

    def __init__(
        self,
        timeout: float,
        log: Callable[[str], None],
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.timeout = timeout
        self.log = log
        self.sleep = sleep
        self.clock = clock
        self.deadline: float | None = None
        self.waited: list[Waited] = []

    def until(self, on: str, look: Callable[[], Probe]) -> Probe:
        """Poll until the probe is done. Raises FailedError or WaitTimeoutError with the last reason."""
        begin = self.clock()
        if self.deadline is None:
            self.deadline = begin + self.timeout
        record = Waited(on)
        self.waited.append(record)
        interval = FIRST_INTERVAL
        while True:
            probe = look()
            record.seconds = self.clock() - begin
            if not record.states or record.states[-1] != probe.state:
                record.states.append(probe.state)
                self.log(f"{on}: {probe.state} after {record.seconds:.0f} s" + _because(probe.reason))
            if probe.failed:
                raise FailedError(f"{on} is {probe.state}{_because(probe.reason)}", waited=self.report())
            if probe.done:
                return probe
            if self.clock() >= self.deadline:
                raise WaitTimeoutError(
                    f"{on} was still {probe.state} after wait_timeout={self.timeout:.0f} s (seen: "
                    f"{' -> '.join(record.states)}){_because(probe.reason)}. Running again continues the wait.",
                    waited=self.report(),
                )
            self.sleep(min(interval, max(0.1, self.deadline - self.clock())))
            interval = min(LONGEST_INTERVAL, interval * random.uniform(1.2, 1.6))  # noqa: S311 - spreads the polls

    def report(self) -> list[dict[str, Value]]:
        return [record.as_dict() for record in self.waited]


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
