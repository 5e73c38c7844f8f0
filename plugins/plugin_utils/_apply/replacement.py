# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that have to be deleted and created again: a StatefulSet with other claim templates, a Job that failed.

A failed Job never runs again by itself (https://kubernetes.io/docs/concepts/workloads/controllers/job/), and its
template cannot be changed. Left alone, it would fail every run to come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from .client import Client
from .errors import ApiError
from .objects import Json, Value
from .plan import REPLACED, Action
from .readiness import condition

# The garbage collector needs some time to release orphans.
_GONE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.2
_ORPHANING: Final = "its pods and volumes were kept, but "


def announce_failed_jobs(actions: Iterable[Action]) -> None:
    """Mark the failed Jobs that will run again."""
    for action in actions:
        before = action.before or {}
        if (action.key.group, action.key.kind) != ("batch", "Job"):
            continue
        failed = condition(before, "Failed")
        if failed.get("status") == "True":
            action.action = REPLACED
            action.fields = ["status"]
            why = failed.get("message") or failed.get("reason") or "no reason given"
            action.shown = ({"failed": why}, {"failed": ""})


def replace(client: Client, action: Action, create: Callable[[], Json]) -> Json:
    """Delete an object and return its replacement from *create*.

    Pods and claims of a StatefulSet stay, and its successor adopts them. An interruption in between leaves them without
    a StatefulSet; the next run creates it.
    """
    path = action.resource.path(action.key.namespace, action.key.name)
    uid = ((action.before or {}).get("metadata") or {}).get("uid")
    keep = action.key.kind == "StatefulSet"
    body = {"propagationPolicy": "Orphan" if keep else "Background", "preconditions": {"uid": uid}}
    client.request("DELETE", path, body=body, allowed=frozenset({404}))
    kept = _ORPHANING if keep else ""
    _await_gone(client, path, uid, kept)
    try:
        return create()
    except ApiError as error:
        message = (
            f"it was deleted to be created again; {kept}it could not be created: {error.message} Correct that, and run"
            " the play again."
        )
        raise ApiError(message, error.status, error.reason, error.details) from error


def _await_gone(client: Client, path: str, uid: Value, kept: str) -> None:
    deadline = time.monotonic() + _GONE_SECONDS
    while True:
        answer = client.request("GET", path, allowed=frozenset({404}))
        metadata = {} if answer.status == 404 else answer.json()["metadata"]
        if metadata.get("uid") != uid:
            return
        if time.monotonic() >= deadline:
            holders = ", ".join(metadata.get("finalizers") or ()) or "nobody says by what"
            raise ApiError(
                f"it was deleted to be created again; {kept}after {_GONE_SECONDS:g} s it is still there, held by"
                f" {holders}. Run the play again when it is gone.",
                409,
            )
        time.sleep(_POLL_SECONDS)
