# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One wait for all objects together: a list per kind and round, until all are ready or one of them cannot be."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Final

from . import diagnose, jobs
from .client import Client
from .errors import ApiError, WaitError
from .objects import Json, Key, Resource
from .readiness import READY, State, awaits_consumer, says_nothing_yet, state_of

Target = tuple[Resource, Key, Json]
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 3.0
_FIRST_WORD_SECONDS: Final = 5.0
_REPORT_SECONDS: Final = 10.0
_NAMED: Final = 5


def until_ready(
    client: Client,
    targets: Iterable[Target],
    *,
    selector: str,
    timeout: float,
    report: Callable[[str], None],
    found: dict[Key, Json] | None = None,
    silent: Container[Key] = (),
) -> dict[Key, Json]:
    """Wait for the targets and return them as they were read last, also in *found*. *timeout* in seconds, for them all.

    *silent* are new objects of kinds that may have a status and need not: a moment is given to their controllers.
    Raises WaitError that says what hangs and why.
    """
    every = list(targets)
    found = {} if found is None else found
    found.update((key, obj) for _, key, obj in every)
    late_binding = _LateBinding(client)
    started = reported = time.monotonic()
    first_word = started + min(_FIRST_WORD_SECONDS, timeout)
    ended: dict[Key, float] = {}

    def judge(target: Target) -> State:
        _, key, obj = target
        last = found[key]
        if not obj and jobs.removed_later(key, last) is not None:
            return gone_job(key, last)
        state = state_of(key, obj)
        if not state.ready and key.kind == "PersistentVolumeClaim" and obj and late_binding.fine(obj):
            return READY
        if state.ready and key in silent and says_nothing_yet(key, obj) and time.monotonic() < first_word:
            return State(ready=False, reason="its controller has not reported a status")
        return state

    def gone_job(key: Key, last: Json) -> State:
        """Handle a Job that was deleted after its end and before its status was read."""
        if jobs.has_completed(client, key, str(last["metadata"].get("uid"))):
            complete = {"conditions": [{"type": "Complete", "status": "True"}]}
            found[key] = {**last, "status": complete}
            return READY
        reason = "it was removed after its end, and no event says that it has succeeded"
        late = time.monotonic() - ended.setdefault(key, time.monotonic()) >= _FIRST_WORD_SECONDS
        return State(ready=False, reason=reason, failed=late)

    pending = [(target, state) for target in every if not (state := judge(target)).ready]
    lives = [seconds for _, key, obj in every if (seconds := jobs.removed_later(key, obj)) is not None]
    longest = max(_FIRST_PAUSE, min([_LONGEST_PAUSE, *(seconds / 3 for seconds in lives)]))
    pause = _FIRST_PAUSE
    while pending:
        failed = [(target, state) for target, state in pending if state.failed]
        now = time.monotonic()
        if failed or now - started >= timeout:
            hanging = [((where, key, obj or found[key]), state) for (where, key, obj), state in failed or pending]
            raise WaitError(*_verdict(client, hanging, len(every), timeout, gave_up=not failed))
        if now - reported >= _REPORT_SECONDS:
            reported = now
            report(f"{int(now - started)} s: {len(every) - len(pending)} of {len(every)} ready; {_summary(pending)}")
        time.sleep(min(pause, max(0.0, timeout - (now - started))))
        pause = min(pause * 1.5, longest)
        read = _read(client, [target for target, _ in pending], selector)
        found.update((key, obj) for _, key, obj in read if obj)
        pending = [(target, state) for target in read if not (state := judge(target)).ready]
    return found


def until_gone(
    client: Client, targets: Iterable[Target], *, selector: str, timeout: float, report: Callable[[str], None]
) -> None:
    """Wait until the targets, already deleted, no longer exist. Raises WaitError naming what holds them."""
    remaining = list(targets)
    total = len(remaining)
    started = reported = time.monotonic()
    pause = _FIRST_PAUSE / 5
    while True:
        uids = {key: (obj.get("metadata") or {}).get("uid") for _, key, obj in remaining}
        read = _read(client, remaining, selector)
        remaining = [
            (resource, key, obj)
            for resource, key, obj in read
            if obj and obj["metadata"].get("uid") in {uids[key], None}
        ]
        if not remaining:
            return
        now = time.monotonic()
        if now - started >= timeout:
            raise WaitError(
                f"{len(remaining)} of {total} objects were not gone after {timeout:g} s:",
                *(f"{key}: {_held_by(obj)}" for _, key, obj in remaining),
            )
        if now - reported >= _REPORT_SECONDS:
            reported = now
            names = ", ".join(str(key) for _, key, _ in remaining[:_NAMED])
            report(f"{int(now - started)} s: {total - len(remaining)} of {total} gone; waiting for {names}")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _held_by(obj: Json) -> str:
    metadata = obj["metadata"]
    holders = [*(metadata.get("finalizers") or ()), *((obj.get("spec") or {}).get("finalizers") or ())]
    messages = [
        str(condition.get("message"))
        for condition in (obj.get("status") or {}).get("conditions") or ()
        if condition.get("status") == "True" and condition.get("message")
    ]
    text = f"held by finalizer {', '.join(holders)}" if holders else "still there"
    return f"{text}; {' '.join(messages)}" if messages else text


def _read(client: Client, targets: Sequence[Target], selector: str) -> list[Target]:
    """The targets as they are now; one request per kind and version."""
    by_resource: dict[Resource, list[Target]] = {}
    for target in targets:
        by_resource.setdefault(target[0], []).append(target)

    def read(group: tuple[Resource, list[Target]]) -> dict[tuple[Resource, Key], Json]:
        resource, members = group
        namespaces = {key.namespace for _, key, _ in members}
        found: dict[tuple[Resource, Key], Json] = {}
        paths = [resource.path(next(iter(namespaces))) if len(namespaces) == 1 else resource.path()]
        try:
            answers = [client.get(path, {"labelSelector": selector}) for path in paths]
        except ApiError as error:
            if error.status == 404:
                return {}
            if error.status != 403:
                raise
            answers = [client.get(resource.path(name), {"labelSelector": selector}) for name in sorted(namespaces)]
        for answer in answers:
            for item in answer.get("items") or ():
                item["apiVersion"], item["kind"] = resource.api_version, resource.kind
                meta = item["metadata"]
                found[resource, Key(resource.group, resource.kind, meta.get("namespace", ""), meta["name"])] = item
        return found

    found: dict[tuple[Resource, Key], Json] = {}
    for part in client.map(read, by_resource.items()):
        found.update(part)
    return [(resource, key, found.get((resource, key), {})) for resource, key, _ in targets]


def _summary(pending: Sequence[tuple[Target, State]]) -> str:
    texts = [f"{key}: {state.reason}" for (_, key, _), state in pending[:_NAMED]]
    more = f"; and {len(pending) - _NAMED} more" if len(pending) > _NAMED else ""
    return "; ".join(texts) + more


def _verdict(
    client: Client, hanging: Sequence[tuple[Target, State]], total: int, timeout: float, *, gave_up: bool
) -> list[str]:
    head = (
        f"{len(hanging)} of {total} objects were not ready after {timeout:g} s:"
        if gave_up
        else "The objects are applied, but:"
    )
    findings = [head]
    for (_, key, obj), state in hanging[: 4 * _NAMED]:
        why = diagnose.explain(client, key, obj)
        findings.append(f"{key}: {state.reason}" + (f" ({'; '.join(why)})" if why else "") + _advice(key, state))
    return findings


def _advice(key: Key, state: State) -> str:
    if key.kind != "Job" or not state.failed:
        return ""
    return f". Its log: kubectl --namespace {key.namespace} logs job/{key.name}. The next run starts it again."


class _LateBinding:
    """Whether a pending claim is ready: its class binds on first use, and no pod uses it yet."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._late: set[str] | None = None

    def fine(self, claim: Json) -> bool:
        if not awaits_consumer(claim):
            return False
        if self._late is None:
            try:
                classes = self._client.get("/apis/storage.k8s.io/v1/storageclasses").get("items") or []
            except ApiError:
                classes = []
            self._late = {
                item["metadata"]["name"] for item in classes if item.get("volumeBindingMode") == "WaitForFirstConsumer"
            }
        return (claim.get("spec") or {}).get("storageClassName") in self._late
