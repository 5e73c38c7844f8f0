# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delayed work: state changes of AWS resources."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

from localcloud.aws import ministack

logger = logging.getLogger("localcloud.aws")

#: Held by every request handler and every scheduled step, so that each sees and leaves a consistent account.
lock = threading.RLock()


# This clock includes suspend, where the operating system has such a clock.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BEGINNING = time.time() - time.clock_gettime(_STEADY)


def now() -> float:
    """Return seconds since the epoch, for the measurement of waits: changes of the system time have no effect."""
    return _BEGINNING + time.clock_gettime(_STEADY)


class Scheduler:
    """Runs functions after a delay, in the account and region of the request that scheduled them."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, str, str, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def later(
        self, seconds: float, work: Callable[[], None], *, account: str | None = None, region: str | None = None
    ) -> None:
        entry = (
            time.monotonic() + seconds,
            next(self._numbers),
            account or ministack.account_id(),
            region or ministack.region(),
        )
        with self._changed:
            heapq.heappush(self._queue, (*entry, work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="localcloud-emulator")
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue or self._queue[0][0] > time.monotonic():
                    wait = self._queue[0][0] - time.monotonic() if self._queue else None
                    self._changed.wait(wait)
                _, _, account, region, work = heapq.heappop(self._queue)
            try:
                with ministack.request_scope(account, region), lock:
                    work()
            except Exception:
                logger.exception("a scheduled step failed")


scheduler = Scheduler()


def in_background(work: Callable[[], None], name: str) -> None:
    """Run slow work (stop or upgrade of a control plane) in a new thread, in the caller's account and region."""
    account, region = ministack.account_id(), ministack.region()

    def run() -> None:
        try:
            with ministack.request_scope(account, region):
                work()
        except Exception:
            logger.exception("%s failed", name)

    threading.Thread(target=run, daemon=True, name=name).start()
