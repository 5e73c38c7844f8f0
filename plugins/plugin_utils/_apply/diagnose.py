# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an object does not become ready, from its pods' statuses and its events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from .client import Client
from .errors import ApplyError
from .objects import Json, Key

_WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet"})
_IMAGE: Final = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
_MOST: Final = 3


def explain(client: Client, key: Key, obj: Json) -> list[str]:
    """Return findings about one object, the most relevant first. Never raises: the original error is reported."""
    try:
        findings: list[str] = []
        if key.kind in _WORKLOADS:
            findings += pods_findings(_pods(client, key, obj))
        if not findings:
            findings += _events(client, key, obj)
    except ApplyError as error:
        return [f"(no diagnosis: {error})"]
    return list(dict.fromkeys(findings))[:_MOST]


def _pods(client: Client, key: Key, obj: Json) -> list[Json]:
    selector = (obj.get("spec") or {}).get("selector") or {}
    text = label_selector(selector)
    if not text:
        return []
    answer = client.get(f"/api/v1/namespaces/{key.namespace}/pods", {"labelSelector": text})
    items: list[Json] = answer.get("items") or []
    return items


def label_selector(selector: Json) -> str:
    """A LabelSelector as the text that a list takes."""
    parts = [f"{name}={value}" for name, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        operator, name, values = rule.get("operator"), rule.get("key"), ",".join(rule.get("values") or ())
        if operator in {"In", "NotIn"}:
            parts.append(f"{name} {operator.lower()} ({values})")
        else:
            parts.append(name if operator == "Exists" else f"!{name}")
    return ",".join(parts)


def pods_findings(pods: Iterable[Json]) -> list[str]:
    """Return why pods are not ready."""
    return [f"pod {pod['metadata']['name']}: {finding}" for pod in pods for finding in _pod_findings(pod)]


def _pod_findings(pod: Json) -> Iterator[str]:
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"cannot be scheduled: {condition.get('message') or condition.get('reason')}"
            return
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    told = False
    for container in statuses:
        for finding in _container_findings(container):
            told = True
            yield finding
    if told:
        return
    if status.get("phase") == "Failed":
        yield f"failed: {status.get('message') or status.get('reason') or 'no reason given'}"
    elif not statuses and (pod.get("spec") or {}).get("nodeName"):
        yield f"node {pod['spec']['nodeName']} has not started it"


def _container_findings(container: Json) -> Iterator[str]:
    name = container.get("name")
    state = container.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    last = (container.get("lastState") or {}).get("terminated") or {}
    reason = waiting.get("reason") or ""
    if reason in _IMAGE:
        yield f"container {name} cannot pull image {container.get('image')}: {waiting.get('message') or reason}"
    elif reason == "CrashLoopBackOff":
        code, why = last.get("exitCode", "?"), last.get("message") or last.get("reason") or ""
        text = f"crashes (exit code {code}, {container.get('restartCount', 0)} restarts)"
        yield f"container {name} {text}{': ' + why if why else ''}"
    elif reason and reason not in {"ContainerCreating", "PodInitializing"}:
        yield f"container {name}: {reason}: {waiting.get('message') or ''}".rstrip(": ")
    elif ended and ended.get("exitCode"):
        why = ended.get("message") or ended.get("reason") or ""
        yield f"container {name} ended with exit code {ended['exitCode']}: {why}".rstrip(": ")
    elif "running" in state and not container.get("ready"):
        yield f"container {name} runs but is not ready"


def _events(client: Client, key: Key, obj: Json) -> list[str]:
    """The newest warnings about an object: quota, admission, provisioning."""
    uid = (obj.get("metadata") or {}).get("uid")
    if not uid:
        return []
    namespace = key.namespace or "default"
    answer = client.get(f"/api/v1/namespaces/{namespace}/events", {"fieldSelector": f"involvedObject.uid={uid}"})
    items: list[Json] = answer.get("items") or []
    items.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""), reverse=True)
    warnings = [event for event in items if event.get("type") == "Warning"]
    return [f"{event.get('reason')}: {event.get('message')}" for event in warnings]
