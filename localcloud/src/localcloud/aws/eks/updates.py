# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asynchronous updates: their records, and the limit of one update at a time for each resource."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from localcloud.aws import clock, store
from localcloud.aws.eks.call import Call, Handlers, page
from localcloud.aws.errors import in_use, not_found
from localcloud.aws.jsontypes import Json

#: What an update of a resource is done by: called when its time has come, may raise UpdateFailedError.
Apply = Callable[[], None]
#: Whether what an update waits for has happened; may raise UpdateFailedError.
Done = Callable[[], bool]

_POLL = 0.1


class UpdateFailedError(Exception):
    """The reason why an accepted update fails."""

    def __init__(self, code: str, message: str, resources: list[str] | None = None) -> None:
        super().__init__(message)
        self.error = {"errorCode": code, "errorMessage": message, "resourceIds": resources or []}


def in_progress(record: store.Record) -> store.Record | None:
    return next((u for u in record.get("_updates", []) if u["status"] == "InProgress"), None)


def start(
    record: store.Record,
    kind: str,
    params: dict[str, Any],
    apply: Apply,
    *,
    seconds: float,
    own_thread: bool = False,
    done: Done = lambda: True,
) -> dict[str, Any]:
    """Start an update: the resource is UPDATING for at least ``seconds``, until ``done`` and until ``apply`` has run.

    ``own_thread`` is for a slow ``apply`` that acquires the lock itself. Returns the response's body.
    """
    update = {
        "id": store.new_uuid(),
        "status": "InProgress",
        "type": kind,
        "params": [{"type": key, "value": _text(value)} for key, value in params.items()],
        "createdAt": clock.now(),
        "errors": [],
    }
    record.setdefault("_updates", []).append(update)
    record["_status"] = "UPDATING"

    def finish() -> None:
        try:
            apply()
            end({"status": "Successful"})
        except Exception as error:
            end({"status": "Failed", "errors": [{"errorCode": "Unknown", "errorMessage": str(error)}]})

    def end(outcome: dict[str, Any]) -> None:
        with clock.lock:
            update.update(outcome)
            if record["_status"] == "UPDATING":
                record["_status"] = "ACTIVE"
            record["modifiedAt"] = clock.now()

    def step() -> None:
        try:
            if not done():
                clock.scheduler.later(_POLL, step)
                return
        except UpdateFailedError as failure:
            end({"status": "Failed", "errors": [failure.error]})
        else:
            if own_thread:
                clock.in_background(finish, f"update-{update['id']}")
            else:
                finish()

    clock.scheduler.later(seconds, step)
    return {"update": dict(update)}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def require_idle(record: store.Record, kind: str, cluster: str) -> None:
    """Raise ResourceInUseException while another update of the cluster runs."""
    running = in_progress(record)
    if running is not None:
        raise in_use(
            f"Cannot {kind} because cluster {cluster} currently has update {running['id']} in progress",
            clusterName=cluster,
        )


def _resource(call: Call) -> store.Record:
    name = call["name"]
    if call.get("nodegroupName"):
        found, what = store.nodegroups_all.get(f"{name}/{call['nodegroupName']}"), "node group"
    elif call.get("addonName"):
        found, what = store.addons_all.get(f"{name}/{call['addonName']}"), "add-on"
    else:
        found, what = store.clusters.get(name), "cluster"
    if found is None:
        asked = call.get("nodegroupName") or call.get("addonName") or name
        raise not_found(f"No {what} found for name: {asked}.", clusterName=name)
    return found


def _describe(call: Call) -> dict[str, Any]:
    for update in _resource(call).get("_updates", []):
        if update["id"] == call["updateId"]:
            return {"update": update}
    raise not_found(f"No update found for ID: {call['updateId']}", clusterName=call["name"])


def _list(call: Call) -> dict[str, Any]:
    return page(call, "updateIds", [update["id"] for update in _resource(call).get("_updates", [])])


HANDLERS: Handlers = {"DescribeUpdate": _describe, "ListUpdates": _list}
