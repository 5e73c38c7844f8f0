# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that Kubernetes deletes some time after their end, so that a missing Job can be a finished one.

https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/. The set's parent records, with a hash of
what was rendered, which of them were seen to succeed: those are not created again until their template changes. One
that failed is not recorded, and runs again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Final

from .client import Client
from .errors import ApiError
from .objects import Json, Key, Member
from .readiness import is_complete

FINISHED: Final = "dataplatform.fleet/finished-jobs"
_COMPLETED: Final = "Completed"


def removed_later(key: Key, obj: Json) -> float | None:
    """Return after how many seconds Kubernetes deletes a finished Job; None if it stays or is not a Job."""
    if (key.group, key.kind) != ("batch", "Job"):
        return None
    spec = obj.get("spec")
    seconds = spec.get("ttlSecondsAfterFinished") if isinstance(spec, dict) else None
    # The server refuses a value that is not a number with a precise error.
    return float(seconds) if isinstance(seconds, int | float) and not isinstance(seconds, bool) else None


def fingerprints(members: Iterable[Member]) -> dict[Key, str]:
    """Return a hash of each rendered Job that Kubernetes deletes after its end."""
    return {
        member.key: hashlib.sha256(json.dumps(member.body, sort_keys=True).encode()).hexdigest()[:16]
        for member in members
        if removed_later(member.key, member.body) is not None
    }


def recorded(parent: Json | None) -> dict[str, str]:
    """Return a set's record of finished Jobs: ``namespace/name`` → hash."""
    annotations = ((parent or {}).get("metadata") or {}).get("annotations") or {}
    try:
        found = json.loads(annotations.get(FINISHED) or "{}")
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def finished(prints: Mapping[Key, str], known: Mapping[str, str], seen: Mapping[Key, Json]) -> dict[str, str]:
    """Return the new record: the rendered Jobs that have succeeded, or are recorded and deleted."""
    return {
        name_of(key): value
        for key, value in prints.items()
        if (is_complete(seen[key]) if seen.get(key) else known.get(name_of(key)) == value)
    }


def name_of(key: Key) -> str:
    return f"{key.namespace}/{key.name}"


def has_completed(client: Client, key: Key, uid: str) -> bool:
    """Whether an event says that a deleted Job has succeeded."""
    query = {"fieldSelector": f"involvedObject.uid={uid},reason={_COMPLETED}"}
    try:
        return bool(client.get(f"/api/v1/namespaces/{key.namespace}/events", query).get("items"))
    except ApiError:
        return False
