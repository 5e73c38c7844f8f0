# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take, keep and give back a cluster's lock.

Every change of hands is one conditional write, so of two runs that ask at once exactly one is told yes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.errors import HeldError, LostError
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.heartbeat import clock
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.record import Lock, age
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._lock.api import Refused, Table

POLL_SECONDS = 5


@dataclass(frozen=True)
class Taken:
    """The lock this run holds now, and the silent one it took it from, if any."""

    lock: Lock
    renewed: float
    """When that was written, on the clock of the process that keeps it."""
    previous: Lock | None = None


def acquire(table: Table, wanted: Lock, wait: float = 0) -> Taken:
    """Take the lock, waiting up to `wait` seconds for a living holder. Raises HeldError.

    A run that asks again for what it holds gets what it holds.
    """
    deadline = time.monotonic() + wait
    while True:
        mine = replace(wanted, acquired_at=table.now(), heartbeat_at=table.now())
        renewed = clock()
        try:
            table.put(mine)
            return Taken(mine, renewed)
        except Refused as refusal:
            held = refusal.lock or table.get(wanted.cluster)
        if held is None:
            continue  # given back between the two requests
        if held.run_id == wanted.run_id:
            return Taken(held, renewed)
        now = table.now()
        if held.stale(now):
            mine = replace(wanted, acquired_at=now, heartbeat_at=now)
            try:
                table.put(mine, replaces=held)
                return Taken(mine, renewed, previous=held)
            except Refused:
                continue  # its holder lives after all, or a third run was faster
        if time.monotonic() >= deadline:
            raise HeldError(refusal_text(held, now))
        time.sleep(min(POLL_SECONDS, max(0.1, deadline - time.monotonic())))


def confirm(table: Table, held: Lock) -> None:
    """Make sure that a lock taken earlier in this run is still its own. Raises LostError."""
    try:
        table.touch(held)
    except Refused as refusal:
        raise LostError(lost_text(held, refusal.lock, table.now())) from None


def release(table: Table, held: Lock) -> Lock | None:
    """Give the lock back. When it is another run's by now, leave it and return whose it is."""
    try:
        table.delete(held)
    except Refused as refusal:
        return refusal.lock
    return None


def remove(table: Table, cluster: str) -> Lock | None:
    """Remove the lock whoever holds it; returns what was removed."""
    while True:
        held = table.get(cluster)
        if held is None:
            return None
        try:
            table.delete(held)
        except Refused:
            continue  # it changed hands meanwhile
        return held


def refusal_text(held: Lock, now: int) -> str:
    """Why a run may not go on, and what to do about it."""
    return (
        f"The lock on cluster {held.cluster} is held by {held.describe(now)}. "
        f"Wait until that run has ended: a run that has died loses its lock {age(held.ttl)} after its last heartbeat. "
        "If you are sure that it does not run any more, remove its lock with --tags unlock (in AWX with the job "
        "template of playbooks/unlock.yml) and start again."
    )


def lost_text(held: Lock, other: Lock | None, now: int) -> str:
    """That somebody else has the lock this run relied on."""
    what = f"is held by {other.describe(now)}" if other else "was removed (--tags unlock removes it)"
    return (
        f"This run has lost its lock on cluster {held.cluster}: it {what}. Two runs may have changed the cluster at "
        "the same time. See that the other one has ended, then run again: a run repairs what an interrupted one left."
    )


def not_taken_text(cluster: str) -> str:
    """That a run would change a cluster without having taken its lock."""
    return (
        f"This run has not taken the lock on cluster {cluster}, so it changes nothing there. The tasks of "
        "preflight.yml take it and assume the cluster's role; --start-at-task, --skip-tags always and --tags unlock "
        "leave them out. Run the playbook without these options: --tags chooses roles."
    )
