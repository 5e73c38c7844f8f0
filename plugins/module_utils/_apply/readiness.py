# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an object, as read, does what it was applied for.

The rules are those of kubectl rollout status and of kstatus, https://github.com/kubernetes-sigs/cli-utils.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .objects import Json, Key, Value


@dataclass(frozen=True, slots=True)
class State:
    """*reason* says what is missing; *failed* that waiting will not help."""

    ready: bool
    reason: str = ""
    failed: bool = False


READY: Final = State(ready=True)
_GOOD: Final = ("Ready", "Available", "Reconciled", "Healthy", "Succeeded", "Established")
_BAD: Final = ("Stalled", "Failed")
_SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"


def _pending(reason: str) -> State:
    return State(ready=False, reason=reason)


def _failed(reason: str) -> State:
    return State(ready=False, reason=reason, failed=True)


def condition(obj: Json, name: str) -> Json:
    """A status condition, empty when it is not there."""
    for found in (obj.get("status") or {}).get("conditions") or ():
        if found.get("type") == name:
            result: Json = found
            return result
    return {}


def state_of(key: Key, obj: Json, *, reports_conditions: bool = False) -> State:
    """Judge one object. *reports_conditions*: its kind is a custom one whose controller writes status.conditions."""
    if not obj:
        return _pending("it is not there")
    if (obj.get("metadata") or {}).get("deletionTimestamp"):
        return _pending("it is being deleted")
    rule = _RULES.get((key.group, key.kind))
    if rule is not None:
        return rule(obj)
    return _by_conditions(obj, expected=reports_conditions)


def _observed(obj: Json) -> bool:
    status = obj.get("status") or {}
    return int(status.get("observedGeneration") or 0) >= int(obj["metadata"].get("generation") or 0)


def _deployment(obj: Json) -> State:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if spec.get("paused"):
        return READY
    if not _observed(obj):
        return _pending("its controller has not seen it yet")
    progressing, failure = condition(obj, "Progressing"), condition(obj, "ReplicaFailure")
    wanted = _replicas(spec)
    updated, available, total = (
        int(status.get(name) or 0) for name in ("updatedReplicas", "availableReplicas", "replicas")
    )
    if updated == wanted and total == updated and available >= wanted:
        return READY
    reason = f"{available} of {wanted} replicas are available, {updated} updated"
    if failure.get("status") == "True":
        reason += f": {failure.get('message')}"
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return _failed(f"{reason}; it made no progress for {spec.get('progressDeadlineSeconds', 600)} s")
    return _pending(reason)


def _stateful_set(obj: Json) -> State:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not _observed(obj):
        return _pending("its controller has not seen it yet")
    wanted, ready = _replicas(spec), int(status.get("readyReplicas") or 0)
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return READY if ready >= wanted else _pending(f"{ready} of {wanted} replicas are ready")
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    updated = int(status.get("updatedReplicas") or 0)
    if ready >= wanted and updated >= wanted - partition and int(status.get("replicas") or 0) == wanted:
        return READY
    return _pending(f"{ready} of {wanted} replicas are ready, {updated} updated")


def _daemon_set(obj: Json) -> State:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not _observed(obj):
        return _pending("its controller has not seen it yet")
    wanted, available = int(status.get("desiredNumberScheduled") or 0), int(status.get("numberAvailable") or 0)
    updated = int(status.get("updatedNumberScheduled") or 0)
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        updated = wanted
    if available >= wanted and updated >= wanted:
        return READY
    return _pending(f"{available} of {wanted} pods are available, {updated} updated")


def _job(obj: Json) -> State:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    failed = condition(obj, "Failed")
    if failed.get("status") == "True":
        return _failed(f"it failed: {failed.get('message') or failed.get('reason')}")
    if condition(obj, "Complete").get("status") == "True" or spec.get("suspend"):
        return READY
    wanted = spec.get("completions") or spec.get("parallelism") or 1
    return _pending(
        f"{int(status.get('succeeded') or 0)} of {wanted} completions, {int(status.get('failed') or 0)} pods failed"
    )


def _claim(obj: Json) -> State:
    phase = (obj.get("status") or {}).get("phase") or "Pending"
    if phase == "Bound":
        return READY
    return _failed("its volume is lost") if phase == "Lost" else _pending("no volume is bound to it")


def awaits_consumer(claim: Json) -> bool:
    """Whether no pod that uses a claim has been scheduled (its class may bind only then)."""
    return _SELECTED_NODE not in (claim["metadata"].get("annotations") or {})


def _service(obj: Json) -> State:
    if (obj.get("spec") or {}).get("type") != "LoadBalancer":
        return READY
    if ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
        return READY
    return _pending("it has no load balancer yet")


def _definition(obj: Json) -> State:
    names = condition(obj, "NamesAccepted")
    if names.get("status") == "False":
        return _failed(f"its names are not accepted: {names.get('message')}")
    established = condition(obj, "Established")
    return READY if established.get("status") == "True" else _pending("it is not established")


def _namespace(obj: Json) -> State:
    phase = (obj.get("status") or {}).get("phase", "Active")
    return READY if phase == "Active" else _pending(f"it is {phase}")


def _pod(obj: Json) -> State:
    phase = (obj.get("status") or {}).get("phase")
    if phase == "Succeeded" or condition(obj, "Ready").get("status") == "True":
        return READY
    return _failed("it failed") if phase == "Failed" else _pending(f"it is {phase or 'Pending'}, not ready")


def _by_conditions(obj: Json, *, expected: bool) -> State:
    status = obj.get("status") or {}
    conditions = status.get("conditions") or ()
    generation = int(obj["metadata"].get("generation") or 0)
    if "observedGeneration" in status and not _observed(obj):
        return _pending("its controller has not seen its last change")
    if not isinstance(conditions, list) or not conditions:
        # Some controllers, as of admission policies, have conditions in their schema and never write any.
        silent = expected and "observedGeneration" not in status
        return _pending("its controller has not reported a status") if silent else READY
    for found in conditions:
        name, value = found.get("type"), found.get("status")
        text = found.get("message") or found.get("reason") or ""
        if name in _BAD and value == "True":
            return _failed(f"{name}: {text}")
        if name in _GOOD:
            if int(found.get("observedGeneration") or generation) < generation:
                return _pending(f"{name} is about an earlier generation")
            if value != "True":
                return _pending(f"{name} is {value}: {text}")
    return READY


def _replicas(spec: Json) -> int:
    replicas: Value = spec.get("replicas")
    return 1 if replicas is None else int(replicas)


_RULES: Final[dict[tuple[str, str], Callable[[Json], State]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("", "Namespace"): _namespace,
    ("", "Pod"): _pod,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
