# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One apply from rendered objects to the result, in the order: read, plan, change, wait."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from . import applyset, diff, drift, jobs, order, owners, plan, render, replacement, wait
from .applyset import PARENT_RESOURCE, Parent, Scope
from .client import Client
from .discovery import Discovery
from .errors import ApiError, ApplyError, PlanError, WaitError
from .fields import MANAGER, Path, readable
from .members import complete, resolve
from .normalise import differences
from .objects import Json, Key, Member, Resource, Source, split_api_version
from .plan import CREATED, PATCHED, PRUNED, RELEASED, REPLACED, UNCHANGED, Action, Ignore
from .reader import Reader
from .schema import UNTYPED
from .volumes import Volumes

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
# The guardrails role refuses to delete namespaces, claims and CRDs that do not carry their own name in it.
CONFIRMATION: Final = "dataplatform.fleet/confirm-delete"
_JSON_PATCH: Final = "application/json-patch+json"
_SERVER_PATH: Final = re.compile(r'(?:unknown field "|: )\.?([A-Za-z][\w.\[\]=",:/-]*?)(?:"|: field not declared)')
_NEW_KIND_SECONDS: Final = 30.0
_VERSION: Final = "apiVersion"
_UNKNOWN_FIELD: Final = re.compile(r"field not declared in schema|unknown field")
_DECLARE: Final = "declare it for the guardrails role and run that first."


@dataclass(frozen=True)
class Settings:
    """The options of a task."""

    name: str
    namespace: str
    cluster: str = ""
    wait: bool = True
    wait_timeout: float = 600
    force: bool = True
    ignore: Sequence[Ignore] = ()
    prune: bool = True
    prune_limit: float = 0.5
    confirm: str = ""
    allow_namespaces: bool = False
    check: bool = False


@dataclass
class Result:
    """The changes that were made, or in check mode would be made."""

    actions: list[Action] = field(default_factory=list)
    requests: int = 0
    ready: dict[Key, Json] = field(default_factory=dict)
    """The objects as the wait for them read them last."""
    warnings: list[str] = field(default_factory=list)
    """What of the rendered objects is not sent."""

    @property
    def changed(self) -> bool:
        return any(action.action != UNCHANGED for action in self.actions)

    def objects(self) -> list[Json]:
        return [action.report() for action in self.actions]

    def load_balancers(self) -> list[Json]:
        """The load balancers of the set's Services; one that does not exist yet has no name."""
        found = []
        for action in self.actions:
            obj = self.ready.get(action.key) or action.after or action.before or {}
            is_balanced = action.key.kind == "Service" and (obj.get("spec") or {}).get("type") == "LoadBalancer"
            if is_balanced and not action.key.group and action.action != PRUNED:
                places = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
                hostname = places[0].get("hostname") or places[0].get("ip") or ""
                found.append({"namespace": action.key.namespace, "name": action.key.name, "hostname": hostname})
        return found

    def diff(self) -> list[Json]:
        return [
            diff.entry(
                action.key,
                *(action.shown or (action.before, action.after)),
                status_apart=action.resource.status_apart,
            )
            for action in self.actions
            if action.action != UNCHANGED
        ]


class Applier:
    """Applies one set to one server."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        *,
        discovery: Discovery | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._settings = settings
        self.discovery = self._discovery = discovery or Discovery(client)
        self._report = report
        self._parent = Parent(settings.name, settings.namespace)
        self._reader = Reader(client, self._discovery, self._parent)
        self._live: dict[Key, Json] = {}
        self._left: dict[Key, Ignore] = {}
        self._warnings: list[str] = []
        self._jobs: dict[Key, str] = {}
        self._finished: dict[str, str] = {}
        self._secrets: list[str] = []
        self._volumes = Volumes(client)

    # -- present

    def present(self, found: Sequence[tuple[Json, Source]]) -> Result:
        """Create, update and prune, so that the set equals the rendered objects."""
        self._secrets = diff.secret_values(body for body, _ in found)
        members = self.read(found)
        self._jobs = jobs.fingerprints(members)
        self._finished = jobs.finished(self._jobs, jobs.recorded(self._reader.live_parent), {})
        recorded = self._reader.recorded_scope()
        wanted = applyset.scope_of((member.key for member in members), self._parent)
        self._live = self._members(recorded | wanted, members)
        unmanaged = self._reader.unmanaged(members, self._live)
        self._refuse_foreign(members, unmanaged)
        known = {**self._live, **unmanaged}
        self._leave_to_others(members, known)
        growing = self._volumes.plan(members, known)
        actions = self._plan(members, known)
        for action in self._volumes.announce(actions):
            self._describe(action)
        replacement.announce_failed_jobs(actions)
        self._each(growing, lambda action: self._volumes.grow(action, dry_run=True))
        removed = self._removed(members) if self._settings.prune else {}
        plan.check_removal(
            removed,
            len(self._live),
            limit=self._settings.prune_limit,
            confirm=self._settings.confirm,
            accepted=self._accepted_names(),
        )
        kept = applyset.scope_of(self._live, self._parent) if not self._settings.prune else Scope()
        parent_action = self._parent_action(wanted | kept)
        prunes = [self._prune_action(key, live) for key, live in removed.items()]
        ready: dict[Key, Json] = {}
        if not self._settings.check:
            self._each(growing, self._volumes.grow)
            self._change(actions, prunes, parent_action, recorded, wanted | kept)
            if self._settings.wait:
                try:
                    self._wait(actions, ready)
                except WaitError:
                    # The error about objects that are not ready matters more than a failure to write this.
                    with contextlib.suppress(ApplyError):
                        self._record_finished(wanted | kept, ready)
                    raise
                self._record_finished(wanted | kept, ready)
        return Result([parent_action, *actions, *growing, *prunes], self._client.requests, ready, self._warnings)

    def read(self, found: Sequence[tuple[Json, Source]]) -> list[Member]:
        """Read the server's kinds, and prepare the rendered objects as members."""
        self._reader.read_server()
        resolved = resolve(found, self._discovery, self._parent, allow_namespaces=self._settings.allow_namespaces)
        self._warnings = complete(resolved, self._discovery, self._parent)
        return resolved

    def _members(self, scope: Scope, members: Sequence[Member]) -> dict[Key, Json]:
        live = self._reader.members(scope, members)
        if self._reader.gone:
            kinds = ", ".join(self._reader.gone)
            self._report(f"the server has no kind {kinds} any more, so no objects of it: it leaves the set's record")
        return live

    def _reports_conditions(self, resource: Resource) -> bool:
        type_ = self._discovery.type_of(resource)
        return type_ is not None and type_.reports_conditions

    def _wait(self, actions: Sequence[Action], ready: dict[Key, Json]) -> None:
        there = [action for action in actions if action.before or action.after]
        created = [action for action in there if action.action == CREATED]
        wait.until_ready(
            self._client,
            [(action.resource, action.key, action.after or action.before or {}) for action in there],
            selector=f"{applyset.PART_OF}={self._parent.id}",
            timeout=self._settings.wait_timeout,
            report=self._report,
            found=ready,
            silent={action.key for action in created if self._reports_conditions(action.resource)},
        )

    def _record_finished(self, scope: Scope, seen: Mapping[Key, Json]) -> None:
        """Record the Jobs that have succeeded, so that Jobs which Kubernetes deletes are not created again."""
        finished = jobs.finished(self._jobs, self._finished, seen)
        if finished != self._finished:
            self._finished = finished
            self._write_parent(scope)

    def _accepted_names(self) -> list[str]:
        return [name for name in (self._settings.cluster, self._settings.name) if name]

    def _refuse_foreign(self, members: Iterable[Member], unmanaged: dict[Key, Json]) -> None:
        findings = []
        for member in members:
            live = unmanaged.get(member.key) or self._live.get(member.key)
            owner = plan.owner_of(live, self._parent.id) if live else ""
            if owner:
                findings.append(
                    f"{member.source}: {member.key} belongs to {self._reader.name_of(owner)}; take it out there first."
                )
        if findings:
            raise PlanError(*findings, "Nothing was changed.")

    def _leave_to_others(self, members: Sequence[Member], known: Mapping[Key, Json]) -> None:
        """Remove the fields that the task's options, or Kubernetes' design, leave to other managers."""
        scaled: dict[str, set[Key]] = {}

        def autoscaled(key: Key) -> bool:
            if key.namespace not in scaled:
                scaled[key.namespace] = self._reader.autoscaled(key.namespace, members)
            return key in scaled[key.namespace]

        for member in members:
            live = known.get(member.key)
            if live is not None:
                paths = owners.left_to_controllers(member.key, member.body, live, autoscaled)
                if paths:
                    self._left[member.key] = Ignore(member.key.kind, member.key.name, member.key.namespace, paths)
            member.body = plan.without_ignored(member.body, live, self._ignores(member.key), member.key)

    def _ignores(self, key: Key) -> list[Ignore]:
        return [*self._settings.ignore, *([self._left[key]] if key in self._left else ())]

    def _plan(self, members: Sequence[Member], known: Mapping[Key, Json]) -> list[Action]:
        actions, asked = [], []
        for member in members:
            live = known.get(member.key)
            action = Action(member.key, member.resource, CREATED if live is None else UNCHANGED, member, before=live)
            actions.append(action)
            type_ = self._discovery.type_of(member.resource)
            if live is None and jobs.name_of(member.key) in self._finished and member.key in self._jobs:
                action.action = UNCHANGED  # it has succeeded, and Kubernetes has deleted it
                continue
            if live is None:
                action.after = member.body
                if self._settings.check and self._discovery.served(member.resource) and not member.ahead:
                    asked.append(action)
                continue
            if member.key in self._left:
                action.left_to = plan.by_manager(live, self._left[member.key].paths)
            if not self._discovery.served(member.resource):
                # In a version that the set's own definition is yet to add: nothing can be asked.
                action.action, action.fields, action.after = PATCHED, [_VERSION], member.body
                continue
            if member.ahead:
                self._compare_ahead(action, member, live)
                continue
            action.added = self._added(member, live)
            if action.added or not plan.surely_unchanged(member.body, live, type_):
                asked.append(action)
        self._each(asked, self._dry_run)
        return actions

    def _compare_ahead(self, action: Action, member: Member, live: Json) -> None:
        """Compare by the set's own definition, which the server has not got yet, or has not published yet."""
        type_ = self._discovery.rendered_type_of(member.resource) or UNTYPED
        if not plan.surely_unchanged(member.body, live, type_):
            action.action, action.after = PATCHED, member.body
            action.fields = sorted(readable(path) for path in differences(member.body, live, type_))

    def _added(self, member: Member, live: Json) -> dict[str, list[Path]]:
        found = drift.additions(member.body, live, self._discovery.type_of(member.resource))
        kept = {
            manager: [path for path in paths if not plan.is_ignored(path, self._ignores(member.key), member.key)]
            for manager, paths in found.items()
        }
        added = {manager: paths for manager, paths in kept.items() if paths}
        if added and not self._settings.force:
            texts = [f"{manager} ({', '.join(readable(path) for path in paths)})" for manager, paths in added.items()]
            raise PlanError(
                f"{member.source}: {member.key} has additions by {', '.join(texts)}; force=true removes them."
                " Nothing was changed."
            )
        return added

    def _dry_run(self, action: Action) -> None:
        try:
            after = self._send(action, dry_run=True)
        except ApiError as error:
            # In check mode a namespace may be one that an earlier task of the run would have made.
            if self._settings.check and error.status == 404 and error.details.get("kind") == "namespaces":
                return
            raise
        action.after = after
        if action.before is not None and not plan.same_state(action.before, after):
            action.action = PATCHED
            self._describe(action)

    def _describe(self, action: Action) -> None:
        if action.before is None or action.after is None or action.member is None:
            return
        type_ = self._discovery.type_of(action.resource)
        if split_api_version(action.before["apiVersion"])[1] != action.resource.version:
            action.fields = [_VERSION]
            return
        action.fields = plan.changed_fields(
            action.before, action.after, type_, status_apart=action.resource.status_apart
        )
        action.taken_from = plan.taken_from(action.member.body, action.before, type_, action.added)

    def _send(self, action: Action, *, dry_run: bool = False) -> Json:
        member = action.member
        if member is None:
            raise AssertionError("only members are applied")
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        if action.added and action.before is not None:
            added = [path for paths in action.added.values() for path in paths]
            if dry_run:
                type_ = self._discovery.type_of(member.resource) or UNTYPED
                body = drift.predicted(member.body, action.before, type_, added)
                return self._client.request("PUT", member.path, query, body=body).json()
            handover = drift.hand_over(action.before, added)
            self._client.request("PATCH", member.path, body=handover, content_type=_JSON_PATCH)
        query["force"] = "true" if self._settings.force else "false"
        return self._client.request("PATCH", member.path, query, body=member.body, content_type=_APPLY).json()

    def _each(self, actions: Sequence[Action], call: Callable[[Action], None]) -> None:
        """Call for all, and then name everything that went wrong, each with its file."""

        def guarded(action: Action) -> str:
            try:
                call(action)
            except ApiError as error:
                return self._located(action, error)
            return ""

        findings = [finding for finding in self._client.map(guarded, actions) if finding]
        if findings:
            raise PlanError(*findings)

    def _located(self, action: Action, error: ApiError) -> str:
        message = diff.scrub(error.message, self._secrets)
        member = action.member
        if member is None:
            return f"{action.key}: {message}"
        line = member.source.line
        named = _SERVER_PATH.search(error.message)
        if named:
            steps = [
                int(step) if step.isdigit() else step
                for step in re.findall(r"[^.\[\]]+", re.sub(r"\[[^\d\]][^\]]*\]", "", named[1]))
            ]
            line = render.field_line(member.source, member.body, steps)
        if error.status == 404 and error.details.get("kind") == "namespaces":
            message = f"the namespace {member.key.namespace!r} does not exist; {_DECLARE}"
        elif error.status == 409 and error.reason == "Conflict" and not self._settings.force:
            message = f"{message} (force=true takes over the fields)"
        return f"{member.source.file}:{line}: {member.key}: {message}"

    def _removed(self, members: Iterable[Member]) -> dict[Key, Json]:
        wanted = {member.key for member in members}
        return {
            key: live
            for key, live in self._live.items()
            if key not in wanted and "ownerReferences" not in live["metadata"] and key != self._parent.key
        }

    def _prune_action(self, key: Key, live: Json) -> Action:
        group, version = split_api_version(live["apiVersion"])
        resource = self._discovery.find(group, version, key.kind)
        if resource is None:
            raise AssertionError("what was listed has a resource")
        action = Action(key, resource, RELEASED if plan.is_initial(key) else PRUNED, before=live)
        if action.action == RELEASED:
            action.after = self._release(action, dry_run=True)
        return action

    def _release(self, action: Action, *, dry_run: bool = False) -> Json:
        """Release an object: it stays, without the fields of the set."""
        key, version = action.key, action.resource.api_version
        body = {"apiVersion": version, "kind": key.kind, "metadata": {"name": key.name}}
        query = {"fieldManager": MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        path = action.resource.path(key.namespace, key.name)
        return self._client.request("PATCH", path, query, body=body, content_type=_APPLY).json()

    def _parent_body(self, scope: Scope) -> Json:
        notes = {jobs.FINISHED: json.dumps(self._finished, sort_keys=True)} if self._finished else {}
        return self._parent.body(scope, notes)

    def _parent_action(self, scope: Scope) -> Action:
        body = self._parent_body(scope)
        if self._reader.live_parent is None:
            return Action(self._parent.key, PARENT_RESOURCE, CREATED, after=body)
        metadata = self._reader.live_parent["metadata"]
        live_annotations = metadata.get("annotations") or {}
        wrong = [
            f"metadata.annotations['{name}']"
            for name, value in body["metadata"]["annotations"].items()
            if live_annotations.get(name) != value
        ]
        if jobs.FINISHED in live_annotations and jobs.FINISHED not in body["metadata"]["annotations"]:
            wrong.append(f"metadata.annotations['{jobs.FINISHED}']")
        if (metadata.get("labels") or {}).get(applyset.ID) != self._parent.id:
            wrong.append(f"metadata.labels['{applyset.ID}']")
        action = Action(
            self._parent.key,
            PARENT_RESOURCE,
            PATCHED if wrong else UNCHANGED,
            before=self._reader.live_parent,
            fields=wrong,
        )
        action.after = {
            **self._reader.live_parent,
            "metadata": {
                **metadata,
                "labels": body["metadata"]["labels"],
                "annotations": body["metadata"]["annotations"],
            },
        }
        return action

    # -- changes

    def _change(
        self,
        actions: Sequence[Action],
        prunes: Sequence[Action],
        parent: Action,
        recorded: Scope,
        final: Scope,
    ) -> None:
        changing = [action for action in actions if action.action != UNCHANGED]
        if self._reader.live_parent is None or not recorded.covers(final):
            recorded = recorded | final
            self._write_parent(recorded)
        for step in order.phases(changing, lambda action: action.key):
            self._each(step, self._apply)
            crds = [action for action in step if order.phase(action.key) == order.CRDS]
            if crds:
                wait.until_ready(
                    self._client,
                    [(action.resource, action.key, action.after or {}) for action in crds],
                    selector=f"{applyset.PART_OF}={self._parent.id}",
                    timeout=min(60, self._settings.wait_timeout),
                    report=self._report,
                )
        self._remove(prunes)
        if parent.action == PATCHED or recorded != final:
            self._write_parent(final)

    def _replace(self, action: Action) -> None:
        member = action.member
        if member is None or action.before is None:
            raise AssertionError("only members that are there are replaced")
        self._volumes.enlarge(member)
        member.body = plan.with_ignored(member.body, action.before, self._ignores(member.key), member.key)
        # The new object has nothing that others added.
        action.added = {}
        action.after = replacement.replace(self._client, action, lambda: self._send(action))

    def _apply(self, action: Action) -> None:
        if action.action == REPLACED:
            self._replace(action)
            return
        ahead = action.member is not None and action.member.ahead
        is_known = self._discovery.served(action.resource) and not ahead
        deadline = time.monotonic() + (0 if is_known else _NEW_KIND_SECONDS)
        while True:
            try:
                after = self._send(action)
                break
            except ApiError as error:
                # A kind, or a field, is served a moment after its definition says it is.
                kind_is_new = error.status == 404 and error.details.get("kind") != "namespaces"
                field_is_new = ahead and _UNKNOWN_FIELD.search(error.message) is not None
                if not (kind_is_new or field_is_new) or time.monotonic() >= deadline:
                    raise
                time.sleep(0.2)
        action.after = after
        if action.before is not None:
            if plan.same_state(action.before, after):
                action.action, action.fields, action.taken_from = UNCHANGED, [], []
            else:
                self._describe(action)

    def _remove(self, prunes: Sequence[Action]) -> None:
        """Delete objects after the objects that depend on them."""
        for step in order.phases(prunes, lambda action: action.key, removing=True):
            self._each(step, self._delete)
            if self._settings.wait:
                wait.until_gone(
                    self._client,
                    [(one.resource, one.key, one.before or {}) for one in step if one.action == PRUNED],
                    selector=f"{applyset.PART_OF}={self._parent.id}",
                    timeout=self._settings.wait_timeout,
                    report=self._report,
                )

    def _delete(self, action: Action) -> None:
        if action.action == RELEASED:
            self._release(action)
            return
        metadata = (action.before or {}).get("metadata") or {}
        body = {"propagationPolicy": "Background", "preconditions": {"uid": metadata.get("uid")}}
        path = action.resource.path(action.key.namespace, action.key.name)
        if plan.is_protected(action.key, action.before or {}):
            # The name was confirmed. The guardrails on the server require an annotation.
            sign = {"metadata": {"annotations": {CONFIRMATION: action.key.name}}}
            self._client.request("PATCH", path, body=sign, content_type=_MERGE, allowed=frozenset({404}))
        # 409: the object was replaced since it was read, so it is not the one that was to go.
        self._client.request("DELETE", path, body=body, allowed=frozenset({404, 409}))

    def _write_parent(self, scope: Scope) -> None:
        query = {"fieldManager": f"{MANAGER}-applyset", "force": "true"}
        try:
            self._client.request("PATCH", self._parent.path, query, body=self._parent_body(scope), content_type=_APPLY)
        except ApiError as error:
            if error.status == 404 and error.details.get("kind") == "namespaces":
                raise ApplyError(
                    f"The namespace {self._settings.namespace!r} of the set {self._settings.name!r} does not exist;"
                    f" {_DECLARE}"
                ) from error
            raise

    # -- absent

    def absent(self) -> Result:
        """Remove the whole set; its parent last, so that an interrupted removal can be taken up again."""
        self._reader.read_server()
        if self._reader.live_parent is None:
            return Result([], self._client.requests)
        self._live = self._members(self._reader.recorded_scope(), ())
        removed = self._removed(())
        plan.check_removal(
            removed, len(removed), limit=1, confirm=self._settings.confirm, accepted=self._accepted_names()
        )
        prunes = [self._prune_action(key, live) for key, live in removed.items()]
        if not self._settings.check:
            self._remove(prunes)
            self._client.request("DELETE", self._parent.path, allowed=frozenset({404}))
        parent = Action(self._parent.key, PARENT_RESOURCE, PRUNED, before=self._reader.live_parent)
        return Result([*prunes, parent], self._client.requests)
