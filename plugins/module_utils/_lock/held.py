# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process of a run may change a cluster now: its run lives and holds the cluster's lock.

A process that works under a lock finds it by the environment variable VARIABLE. Where there is none, as for a role that
a playbook without locks uses, nothing is demanded.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.errors import LostError
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.heartbeat import (
    STATE,
    USERS,
    VARIABLE,
    clock,
    started,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.record import age

with contextlib.suppress(ImportError):  # who has a client has it
    from botocore.exceptions import BotoCoreError

    class NotHeldError(BotoCoreError):
        """What a call to AWS ends with that may not be made. Modules report it as they report each of botocore's."""

        fmt = "{text}"


MEMORY = ".json"
"""What the run remembers: `lock`, the `pid` of the process that keeps it, the `run`'s own, and when both started."""
PREFIX = "run_lock-"
"""How the names of a run's files for its locks begin, in its temporary directory."""
LONGEST_MARGIN = 60.0

Client = Any  # botocore makes its classes at run time


def margin(ttl: float) -> float:
    """How many seconds before a lock ends its run stops: as long as a call may be under way."""
    return min(LONGEST_MARGIN, ttl / 3)


def demand(place: str = "") -> str:
    """Raise LostError unless the run of this process lives and holds the lock that the process works under.

    Returns why the lock was not renewed the last time, if it was not. From now on the process is known to work under
    the lock, until it ends.
    """
    place = place or os.environ.get(VARIABLE, "")
    if not place:
        return ""
    _open_users(place)
    memory, state = read(place + MEMORY), read(place + STATE)
    if memory is None or state is None or started(memory["run"]) != memory["run_started"]:
        raise LostError(
            "The run that this process belongs to has ended, or has given its lock back. Nothing more is changed: run "
            "again, a run repairs what an interrupted one left."
        )
    cluster, ttl = memory["lock"]["cluster"], memory["lock"]["ttl"]
    if state["lost"]:
        raise LostError(
            f"This run has lost its lock on cluster {cluster}: another run holds it, or it was removed (--tags unlock "
            "removes it). Nothing more is changed. See that no other run is under way, then run again: a run repairs "
            "what an interrupted one left."
        )
    silent = clock() - state["renewed"]
    problem = str(state["problem"])
    if silent > ttl - margin(ttl):
        raise LostError(
            f"The lock on cluster {cluster} could not be renewed for {age(silent)}"
            f" ({problem or _silence(memory)}). Nothing more is changed: {age(ttl)} after its "
            "last renewal another run may take it. Make sure that the credentials are valid and that DynamoDB can be "
            "reached, then run again: a run repairs what an interrupted one left."
        )
    return problem


def _silence(memory: dict[str, Any]) -> str:
    if ended(memory):
        return "the process that renews it has ended"
    return "the machine slept, or was too busy"


def ended(memory: Mapping[str, Any]) -> bool:
    """Whether the process that keeps the lock has ended."""
    return bool(started(memory["pid"]) != memory["started"])


def memories(directory: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the run with this temporary directory remembers of each of its locks, with the place of the lock's files."""
    for file in directory.glob(f"{PREFIX}*{MEMORY}"):
        if memory := read(str(file)):
            yield str(file).removesuffix(MEMORY), memory


def read(file: str) -> dict[str, Any] | None:
    """The content of one of the lock's files; None where there is none."""
    try:
        content: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content


def watched(client: Client) -> Client:
    """A boto3 client that makes no call unless the lock is held."""
    client.meta.events.register("before-call", _before_call)
    return client


def _before_call(**_about: object) -> None:
    try:
        demand()
    except LostError as error:
        raise NotHeldError(text=str(error)) from None


@cache
def _open_users(place: str) -> object:
    """Hold the file by which the process that keeps the lock knows who works under it, until this process ends."""
    try:
        file = Path(place + USERS).open("rb")  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return None  # the run has ended, which the caller finds out
    return file
