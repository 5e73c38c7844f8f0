# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process may change a cluster: its run has not ended and holds the cluster's lock.

A process that works under a lock finds it by the environment variable VARIABLE. Without the variable, as in a playbook
without locks, every change is allowed.
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

with contextlib.suppress(ImportError):  # required by every client
    from botocore.exceptions import BotoCoreError

    class NotHeldError(BotoCoreError):
        """The error of a call to AWS without the lock. Modules report it as any error of botocore."""

        fmt = "{text}"


MEMORY = ".json"
"""The run's record of a lock: `lock`, the `pid` of the keeping process, that of the `run`, and their start times."""
PREFIX = "run_lock-"
"""The prefix of the names of lock files in the run's temporary directory."""
LONGEST_MARGIN = 60.0

Client = Any  # botocore makes its classes at run time


def margin(ttl: float) -> float:
    """Return how many seconds before the end of a lock its run stops: the time that a call in progress can take."""
    return min(LONGEST_MARGIN, ttl / 3)


def demand(place: str = "") -> str:
    """Raise LostError unless the run of this process continues and holds the lock of this process.

    Returns why the last renewal failed, if it did. From now until its end, the process counts as one that works under
    the lock.
    """
    place = place or os.environ.get(VARIABLE, "")
    if not place:
        return ""
    _open_users(place)
    memory, state = read(place + MEMORY), read(place + STATE)
    if memory is None or state is None or started(memory["run"]) != memory["run_started"]:
        raise LostError(
            "The run that this process belongs to has ended, or has released its lock. Nothing more is changed: run "
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
    """Return whether the process that keeps the lock has ended."""
    return bool(started(memory["pid"]) != memory["started"])


def memories(directory: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the record of each lock of the run with this temporary directory, with the prefix of the lock's files."""
    for file in directory.glob(f"{PREFIX}*{MEMORY}"):
        if memory := read(str(file)):
            yield str(file).removesuffix(MEMORY), memory


def read(file: str) -> dict[str, Any] | None:
    """Return the content of one of the lock's files; None if it does not exist."""
    try:
        content: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content


def watched(client: Client) -> Client:
    """Return the client, which makes calls only while the lock is held."""
    client.meta.events.register("before-call", _before_call)
    return client


def _before_call(**_about: object) -> None:
    try:
        demand()
    except LostError as error:
        raise NotHeldError(text=str(error)) from None


@cache
def _open_users(place: str) -> object:
    """Hold the file USERS until this process ends: the keeping process finds the processes under the lock by it."""
    try:
        file = Path(place + USERS).open("rb")  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return None  # the run has ended; the caller reports it
    return file
