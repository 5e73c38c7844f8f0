# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an object is ready.

The rules are those of kstatus: https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus, README.md and
status/{generic,core}.go, whose Current is ready here, InProgress and Terminating pending, and Failed failed. What
differs, because a run ends with what it was for, or because kstatus would wait for ever:

- a Job is ready when it is complete or suspended, and not as soon as it runs; a Pod that failed has failed;
- a Service of type LoadBalancer is ready with an address, an APIService when its server answers;
- a Pod that crashes or cannot be scheduled is pending: what it lacks may be in the same set, or be a node;
- a paused Deployment is ready: nothing will be rolled out. Pods of the update strategy OnDelete need not be the latest;
- a claim that is bound on first use is ready before that (the wait asks for its class);
- a Ready condition about an earlier generation is out of date (kubernetes/community, api-conventions.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .objects import Json, Key, Value


@dataclass(frozen=True, slots=True)
class State:
    """*reason* says what is missing; *failed*: waiting is useless."""

    ready: bool
    reason: str = ""
    failed: bool = False


READY: Final = State(ready=True)
_UNSEEN: Final = "its controller has not seen it yet"
_SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"


def _pending(reason: str) -> State:
    return State(ready=False, reason=reason)


def _failed(reason: str) -> State:
    return State(ready=False, reason=reason, failed=True)


def condition(obj: Json, name: str) -> Json:
    """Return a status condition, empty if it does not exist."""
    return next((found for found in _conditions(obj) if found.get("type") == name), {})


def _conditions(obj: Json) -> list[Json]:
    found = _status(obj).get("conditions")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _status(obj: Json) -> Json:
    found = obj.get("status")
    return found if isinstance(found, dict) else {}


def state_of(key: Key, obj: Json) -> State:
    """Return the state of one object."""
    if not obj:
        return _pending("it is not there")
    if (obj.get("metadata") or {}).get("deletionTimestamp"):
        return _pending("it is being deleted")
    if "observedGeneration" in _status(obj) and not _observed(obj):
        return _pending("its controller has not seen its last change")
    for found in _conditions(obj):
        if found.get("status") == "True" and found.get("type") == "Stalled":
            return _failed(f"Stalled: {_why(found)}")
        if found.get("status") == "True" and found.get("type") == "Reconciling":
            return _pending(f"Reconciling: {_why(found)}")
    return _RULES.get((key.group, key.kind), _by_ready)(obj)


def says_nothing_yet(key: Key, obj: Json) -> bool:
    """Whether a custom object has no status yet, so that its controller may not have processed it."""
    return bool(obj) and (key.group, key.kind) not in _RULES and not _status(obj)


def _why(found: Json) -> str:
    return str(found.get("message") or found.get("reason") or "")


def _observed(obj: Json) -> bool:
    return _number(_status(obj).get("observedGeneration")) >= _number(obj["metadata"].get("generation"))


def _number(value: Value) -> int:
    """Return a count that can also be text."""
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        return 0


def _deployment(obj: Json) -> State:
    spec, status = obj.get("spec") or {}, _status(obj)
    if spec.get("paused"):
        return READY
    if not _observed(obj):
        return _pending(_UNSEEN)
    progressing, failure = condition(obj, "Progressing"), condition(obj, "ReplicaFailure")
    wanted = _replicas(spec)
    updated, available, total = (
        _number(status.get(name)) for name in ("updatedReplicas", "availableReplicas", "replicas")
    )
    reason = f"{available} of {wanted} replicas are available, {updated} updated"
    if failure.get("status") == "True":
        reason += f": {failure.get('message')}"
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return _failed(f"{reason}; it made no progress for {spec.get('progressDeadlineSeconds', 600)} s")
    if updated == wanted and total == updated and available >= wanted:
        return READY
    return _pending(reason)


def _replica_set(obj: Json) -> State:
    spec, status = obj.get("spec") or {}, _status(obj)
    if not _observed(obj):
        return _pending(_UNSEEN)
    wanted, total = _replicas(spec), _number(status.get("replicas"))
    counted = [_number(status.get(name)) for name in ("fullyLabeledReplicas", "availableReplicas", "readyReplicas")]
    failure = condition(obj, "ReplicaFailure")
    if min(counted) >= wanted and total <= wanted and failure.get("status") != "True":
        return READY
    reason = f"{counted[1]} of {wanted} replicas are available"
    return _pending(f"{reason}: {_why(failure)}" if failure.get("status") == "True" else reason)


def _stateful_set(obj: Json) -> State:
    spec, status = obj.get("spec") or {}, _status(obj)
    if not _observed(obj):
        return _pending(_UNSEEN)
    wanted, ready = _replicas(spec), _number(status.get("readyReplicas"))
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return READY if ready >= wanted else _pending(f"{ready} of {wanted} replicas are ready")
    partition = _number((strategy.get("rollingUpdate") or {}).get("partition"))
    updated = _number(status.get("updatedReplicas"))
    if ready >= wanted and updated >= wanted - partition and _number(status.get("replicas")) == wanted:
        return READY
    return _pending(f"{ready} of {wanted} replicas are ready, {updated} updated")


def _daemon_set(obj: Json) -> State:
    spec, status = obj.get("spec") or {}, _status(obj)
    if not _observed(obj) or "desiredNumberScheduled" not in status:
        return _pending(_UNSEEN)
    wanted, available = (_number(status.get(name)) for name in ("desiredNumberScheduled", "numberAvailable"))
    updated = _number(status.get("updatedNumberScheduled"))
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        updated = wanted
    if min(available, updated, _number(status.get("numberReady"))) >= wanted:
        return READY
    return _pending(f"{available} of {wanted} pods are available, {updated} updated")


def _job(obj: Json) -> State:
    spec, status = obj.get("spec") or {}, _status(obj)
    failed = condition(obj, "Failed")
    if failed.get("status") == "True":
        return _failed(f"it failed: {_why(failed)}")
    if is_complete(obj) or spec.get("suspend"):
        return READY
    wanted = spec.get("completions") or spec.get("parallelism") or 1
    return _pending(
        f"{_number(status.get('succeeded'))} of {wanted} completions, {_number(status.get('failed'))} pods failed"
    )


def is_complete(job: Json) -> bool:
    """Whether a Job has succeeded."""
    return bool(condition(job, "Complete").get("status") == "True")


def _claim(obj: Json) -> State:
    phase = _status(obj).get("phase") or "Pending"
    if phase == "Bound":
        return READY
    return _failed("its volume is lost") if phase == "Lost" else _pending("no volume is bound to it")


def awaits_consumer(claim: Json) -> bool:
    """Whether no pod that uses a claim has been scheduled (its class may bind only then)."""
    return _SELECTED_NODE not in (claim["metadata"].get("annotations") or {})


def _service(obj: Json) -> State:
    if (obj.get("spec") or {}).get("type") != "LoadBalancer":
        return READY
    if (_status(obj).get("loadBalancer") or {}).get("ingress"):
        return READY
    return _pending("it has no load balancer yet")


def _definition(obj: Json) -> State:
    names = condition(obj, "NamesAccepted")
    if names.get("status") == "False":
        return _failed(f"its names are not accepted: {names.get('message')}")
    established = condition(obj, "Established")
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return _failed(f"it is not established: {_why(established)}")
    return READY if established.get("status") == "True" else _pending("it is not established")


def _api_service(obj: Json) -> State:
    available = condition(obj, "Available")
    if available.get("status") == "True":
        return READY
    return _pending(f"its server does not answer: {_why(available)}" if available else _UNSEEN)


def _namespace(obj: Json) -> State:
    phase = _status(obj).get("phase", "Active")
    return READY if phase == "Active" else _pending(f"it is {phase}")


def _pod(obj: Json) -> State:
    phase = _status(obj).get("phase")
    if phase == "Succeeded" or (phase == "Running" and condition(obj, "Ready").get("status") == "True"):
        return READY
    return _failed("it failed") if phase == "Failed" else _pending(f"it is {phase or 'Pending'}, not ready")


def _by_ready(obj: Json) -> State:
    """Any other kind: whether its Ready condition says so, and ready where it has none."""
    found = condition(obj, "Ready")
    if found.get("status") not in {"True", "False", "Unknown"}:
        return READY
    generation = _number(obj["metadata"].get("generation"))
    if (_number(found.get("observedGeneration")) or generation) < generation:
        return _pending("Ready is about an earlier generation")
    return READY if found["status"] == "True" else _pending(f"Ready is {found['status']}: {_why(found)}")


def _replicas(spec: Json) -> int:
    replicas: Value = spec.get("replicas")
    return 1 if replicas is None else int(replicas)


_RULES: Final[dict[tuple[str, str], Callable[[Json], State]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("batch", "Job"): _job,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("", "Namespace"): _namespace,
    ("", "Pod"): _pod,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apiregistration.k8s.io", "APIService"): _api_service,
}
