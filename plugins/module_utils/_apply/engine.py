# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One apply from rendered objects to the result, in the order: read, plan, change, wait."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from . import applyset, diff, drift, order, plan, render, wait
from .applyset import PARENT_RESOURCE, Parent, Scope
from .client import Client
from .discovery import Discovery
from .errors import ApiError, ApplyError, PlanError, RenderError
from .fields import MANAGER, Path, readable
from .normalise import canonical, unknown_fields
from .objects import Json, Key, Member, Resource, Source, key_of, split_api_version
from .plan import CREATED, PATCHED, PRUNED, UNCHANGED, Action, Ignore
from .schema import UNTYPED

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
# The guardrails role refuses to delete namespaces, claims and CRDs that do not carry their own name in it.
CONFIRMATION: Final = "dataplatform.fleet/confirm-delete"
_JSON_PATCH: Final = "application/json-patch+json"
_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_SERVER_PATH: Final = re.compile(r'(?:unknown field "|: )\.?([A-Za-z][\w.\[\]=",:/-]*?)(?:"|: field not declared)')
# Above so many unknown objects of a kind, listing metadata is cheaper than asking for each.
_SINGLE_GETS: Final = 3
_NEW_KIND_SECONDS: Final = 30.0
_DECLARE: Final = "declare it for the guardrails role and run that first."


@dataclass(frozen=True)
class Settings:
    """What a task asks for."""

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
    """What was done, or in check mode would be."""

    actions: list[Action] = field(default_factory=list)
    requests: int = 0

    @property
    def changed(self) -> bool:
        return any(action.action != UNCHANGED for action in self.actions)

    def objects(self) -> list[Json]:
        return [action.report() for action in self.actions]

    def diff(self) -> list[Json]:
        return [diff.entry(a.key, a.before, a.after) for a in self.actions if a.action != UNCHANGED]


def preview_of_new_cluster(settings: Settings, found: Sequence[tuple[Json, Source]]) -> Result:
    """Check mode for a cluster that does not exist yet: everything will be created."""
    _refuse_duplicates(found, settings.namespace)
    parent = Parent(settings.name, settings.namespace)
    scope = Scope(frozenset(), frozenset({settings.namespace}))
    actions = [Action(parent.key, PARENT_RESOURCE, CREATED, after=parent.body(scope))]
    for body, _ in found:
        group, version = split_api_version(body["apiVersion"])
        resource = Resource(group, version, body["kind"], "", bool(body["metadata"].get("namespace")))
        actions.append(Action(key_of(body), resource, CREATED, after=canonical(body, UNTYPED)))
    return Result(actions)


def _refuse_duplicates(found: Sequence[tuple[Json, Source]], namespace: str) -> None:
    findings = render.duplicates(found, namespace)
    if findings:
        raise RenderError(*findings)


class Engine:
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
        self._discovery = discovery or Discovery(client)
        self._report = report
        self._parent = Parent(settings.name, settings.namespace)
        self._live_parent: Json | None = None
        self._live: dict[Key, Json] = {}
        self._secrets: list[str] = []

    # -- present

    def present(self, found: Sequence[tuple[Json, Source]]) -> Result:
        """Make the set what was rendered."""
        if not found:
            raise RenderError(
                f"Nothing was rendered for {self._settings.name!r}: an empty set would remove all its objects."
                " Use state=absent if that is meant."
            )
        self._secrets = diff.secret_values(body for body, _ in found)
        self._read_server()
        members = self._members(found)
        self._types(members)
        recorded = self._recorded_scope()
        wanted = applyset.scope_of((member.key for member in members), self._parent)
        self._read_members(recorded | wanted, members)
        strangers = self._read_strangers(members)
        self._refuse_foreign(members, strangers)
        actions = self._plan(members, strangers)
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
        if not self._settings.check:
            self._change(actions, prunes, parent_action, recorded, wanted | kept)
            if self._settings.wait:
                wait.until_ready(
                    self._client,
                    [(a.resource, a.key, a.after or a.before or {}) for a in actions],
                    selector=f"{applyset.PART_OF}={self._parent.id}",
                    timeout=self._settings.wait_timeout,
                    report=self._report,
                    reports_conditions=self._reports_conditions,
                )
        return Result([parent_action, *actions, *prunes], self._client.requests)

    def _reports_conditions(self, resource: Resource) -> bool:
        type_ = self._discovery.type_of(resource)
        return type_ is not None and type_.reports_conditions

    def _accepted_names(self) -> list[str]:
        return [name for name in (self._settings.cluster, self._settings.name) if name]

    def _read_server(self) -> None:
        self._client.map(lambda call: call(), [*self._discovery.requests(), self._read_parent])

    def _read_parent(self) -> None:
        try:
            self._live_parent = self._client.get(self._parent.path)
        except ApiError as error:
            if error.status != 404:
                raise
            return
        tool = applyset.foreign_tool(self._live_parent)
        labels = self._live_parent["metadata"].get("labels") or {}
        if tool or labels.get(applyset.ID, self._parent.id) != self._parent.id:
            raise PlanError(
                f"{self._parent.key} is the parent of an ApplySet of {tool or 'another tool'}: choose another name."
            )

    def _recorded_scope(self) -> Scope:
        if self._live_parent is None:
            return Scope(frozenset(), frozenset({self._settings.namespace}))
        return applyset.recorded_scope(self._live_parent, self._parent)

    def _members(self, found: Sequence[tuple[Json, Source]]) -> list[Member]:
        findings: list[str] = []
        for body, _ in found:
            if body["kind"] == "CustomResourceDefinition":
                self._discovery.define(body)
        members: dict[Key, Member] = {}
        for body, source in found:
            group, version = split_api_version(body["apiVersion"])
            resource = self._discovery.find(group, version, body["kind"])
            if resource is None:
                findings.append(f"{source}: {self._unknown_kind(body)}")
                continue
            metadata = dict(body["metadata"])
            if resource.namespaced:
                metadata["namespace"] = metadata.get("namespace") or self._settings.namespace
            elif metadata.pop("namespace", None):
                findings.append(f"{source}: {body['kind']} {metadata['name']} has a namespace, but its kind has none.")
            if (group, body["kind"]) == ("", "Namespace") and not self._settings.allow_namespaces:
                findings.append(
                    f"{source}: namespaces belong to the guardrails role alone; declare {metadata['name']!r} there"
                    " (allow_namespaces is for that role)."
                )
            key = Key(group, body["kind"], metadata.get("namespace", ""), metadata["name"])
            if key == self._parent.key:
                findings.append(f"{source}: {key} is the set's own parent object: choose another name.")
            if key in members:
                findings.append(f"{source}: {key} was already rendered at {members[key].source}.")
                continue
            members[key] = Member(key, resource, {**body, "metadata": metadata}, source)
        if findings:
            raise RenderError(*findings)
        return list(members.values())

    def _unknown_kind(self, body: Json) -> str:
        kind, version = body["kind"], body["apiVersion"]
        others = sorted({resource.api_version for resource in self._discovery.versions(kind)})
        if others:
            return f"the server has no {kind} in {version}, but in {', '.join(others)}."
        import difflib  # noqa: PLC0415

        close = difflib.get_close_matches(kind, self._discovery.kinds(), n=1)
        hint = f"; did you mean {close[0]}?" if close else "; is its CustomResourceDefinition installed?"
        return f"the server knows no kind {kind} ({version}){hint}"

    def _types(self, members: Iterable[Member]) -> None:
        """Bring the objects into the form that is sent, and refuse fields that no schema has."""
        members = list(members)
        self._discovery.prefetch({member.resource for member in members})
        findings: list[str] = []
        for member in members:
            type_ = self._discovery.type_of(member.resource)
            if type_ is not None:
                for path in unknown_fields(member.body, type_):
                    steps = [int(step[2:]) if step.startswith("i:") else step[2:] for step in path]
                    line = render.field_line(member.source, member.body, steps)
                    text = ".".join(str(step) for step in steps)
                    findings.append(f"{member.source.file}:{line}: {member.key}: unknown field {text}.")
            member.body = canonical(member.body, type_ or UNTYPED)
            labels = {**(member.body["metadata"].get("labels") or {}), applyset.PART_OF: self._parent.id}
            member.body["metadata"] = {**member.body["metadata"], "labels": labels}
        if findings:
            raise RenderError(*findings)

    def _read_members(self, scope: Scope, members: Iterable[Member]) -> None:
        resources: dict[str, Resource] = {member.resource.group_kind: member.resource for member in members}
        for group_kind in scope.group_kinds:
            resource = self._discovery.preferred(*applyset.split_group_kind(group_kind))
            if resource is not None:
                resources.setdefault(group_kind, resource)
        listed = [resource for resource in resources.values() if self._discovery.served(resource)]
        for items in self._client.map(lambda resource: self._list(resource, scope.namespaces), listed):
            for item in items:
                self._live[key_of(item)] = item

    def _list(self, resource: Resource, namespaces: frozenset[str]) -> list[Json]:
        query = {"labelSelector": f"{applyset.PART_OF}={self._parent.id}"}
        if resource.namespaced and len(namespaces) == 1:
            return self._items(resource, resource.path(next(iter(namespaces))), query)
        try:
            return self._items(resource, resource.path(), query)
        except ApiError as error:
            if error.status != 403 or not resource.namespaced:
                raise
        found: list[Json] = []
        for namespace in sorted(namespaces):
            found += self._items(resource, resource.path(namespace), query)
        return found

    def _items(
        self, resource: Resource, path: str, query: dict[str, str], accept: str = "application/json"
    ) -> list[Json]:
        try:
            answer = self._client.get(path, query, accept)
        except ApiError as error:
            if error.status == 404:  # the kind went away after discovery
                return []
            raise
        items = answer.get("items") or []
        for item in items:
            item["apiVersion"], item["kind"] = resource.api_version, resource.kind
        return items

    def _read_strangers(self, members: Iterable[Member]) -> dict[Key, Json]:
        """Objects that shall be members and exist, but do not carry the set's label."""
        groups: dict[tuple[Resource, str], list[Member]] = {}
        for member in members:
            if member.key not in self._live and self._discovery.served(member.resource):
                groups.setdefault((member.resource, member.key.namespace), []).append(member)
        singles = [member for group in groups.values() if len(group) <= _SINGLE_GETS for member in group]
        collections = [place for place, group in groups.items() if len(group) > _SINGLE_GETS]
        wanted = {member.key: member for group in groups.values() for member in group}
        for items in self._client.map(
            lambda place: self._items(place[0], place[0].path(place[1]), {}, _METADATA), collections
        ):
            singles += [wanted[key] for item in items if (key := key_of(item)) in wanted]
        answers = self._client.map(lambda member: self._get(member.path), singles)
        return {member.key: answer for member, answer in zip(singles, answers, strict=True) if answer is not None}

    def _get(self, path: str) -> Json | None:
        try:
            return self._client.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _refuse_foreign(self, members: Iterable[Member], strangers: dict[Key, Json]) -> None:
        findings = []
        for member in members:
            live = strangers.get(member.key) or self._live.get(member.key)
            owner = plan.owner_of(live, self._parent.id) if live else ""
            if owner:
                findings.append(
                    f"{member.source}: {member.key} belongs to {self._named(owner)}; take it out there first."
                )
        if findings:
            raise PlanError(*findings, "Nothing was changed.")

    def _named(self, owner: str) -> str:
        """An ApplySet's parent is easier to find than its hash."""
        if not owner.startswith("ApplySet "):
            return owner
        query = {"labelSelector": f"{applyset.ID}={owner.removeprefix('ApplySet ')}"}
        for plural in ("configmaps", "secrets"):
            try:
                items = self._client.get(f"/api/v1/{plural}", query, _METADATA).get("items") or []
            except ApiError:
                continue
            for item in items:
                metadata = item["metadata"]
                tool = (metadata.get("annotations") or {}).get(applyset.TOOLING, "")
                return f"the ApplySet {metadata['namespace']}/{metadata['name']} ({tool})"
        return owner

    def _plan(self, members: Sequence[Member], strangers: dict[Key, Json]) -> list[Action]:
        known = {**self._live, **strangers}
        actions, asked = [], []
        for member in members:
            live = known.get(member.key)
            member.body = plan.without_ignored(member.body, live, self._settings.ignore, member.key)
            action = Action(member.key, member.resource, CREATED if live is None else UNCHANGED, member, before=live)
            actions.append(action)
            type_ = self._discovery.type_of(member.resource)
            if live is None:
                action.after = member.body
                if self._settings.check and self._discovery.served(member.resource):
                    asked.append(action)
                continue
            action.added = self._added(member, live)
            if action.added or not plan.surely_unchanged(member.body, live, type_):
                asked.append(action)
        self._each(asked, self._dry_run)
        return actions

    def _added(self, member: Member, live: Json) -> dict[str, list[Path]]:
        found = drift.additions(member.body, live, self._discovery.type_of(member.resource))
        kept = {
            manager: [path for path in paths if not plan.is_ignored(path, self._settings.ignore, member.key)]
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
        action.fields = plan.changed_fields(action.before, action.after, type_)
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
            message = f"{message} (force=true takes the fields over)"
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
        resource = self._discovery.find(group, version, key.kind) or self._discovery.preferred(group, key.kind)
        if resource is None:
            raise AssertionError("what was listed has a resource")
        return Action(key, resource, PRUNED, before=live)

    def _parent_action(self, scope: Scope) -> Action:
        body = self._parent.body(scope)
        if self._live_parent is None:
            return Action(self._parent.key, PARENT_RESOURCE, CREATED, after=body)
        metadata = self._live_parent["metadata"]
        live_annotations = metadata.get("annotations") or {}
        wrong = [
            f"metadata.annotations['{name}']"
            for name, value in body["metadata"]["annotations"].items()
            if live_annotations.get(name) != value
        ]
        if (metadata.get("labels") or {}).get(applyset.ID) != self._parent.id:
            wrong.append(f"metadata.labels['{applyset.ID}']")
        action = Action(
            self._parent.key, PARENT_RESOURCE, PATCHED if wrong else UNCHANGED, before=self._live_parent, fields=wrong
        )
        action.after = {
            **self._live_parent,
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
        if self._live_parent is None or not recorded.covers(final):
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
        for step in order.phases(prunes, lambda action: action.key, removing=True):
            self._each(step, self._delete)
        if parent.action == PATCHED or recorded != final:
            self._write_parent(final)

    def _apply(self, action: Action) -> None:
        deadline = time.monotonic() + (0 if self._discovery.served(action.resource) else _NEW_KIND_SECONDS)
        while True:
            try:
                after = self._send(action)
                break
            except ApiError as error:
                # A kind is served a moment after its definition says it is.
                if error.status != 404 or error.details.get("kind") == "namespaces" or time.monotonic() >= deadline:
                    raise
                time.sleep(0.2)
        action.after = after
        if action.before is not None:
            if plan.same_state(action.before, after):
                action.action, action.fields, action.taken_from = UNCHANGED, [], []
            else:
                self._describe(action)

    def _delete(self, action: Action) -> None:
        metadata = (action.before or {}).get("metadata") or {}
        body = {"propagationPolicy": "Background", "preconditions": {"uid": metadata.get("uid")}}
        path = action.resource.path(action.key.namespace, action.key.name)
        if plan.is_precious(action.key, action.before or {}):
            # Only a typed name leads here. Guardrails on the server ask for a sign of it.
            sign = {"metadata": {"annotations": {CONFIRMATION: action.key.name}}}
            self._client.request("PATCH", path, body=sign, content_type=_MERGE, allowed=frozenset({404}))
        # 409: the object was replaced since it was read, so it is not the one that was to go.
        self._client.request("DELETE", path, body=body, allowed=frozenset({404, 409}))

    def _write_parent(self, scope: Scope) -> None:
        query = {"fieldManager": f"{MANAGER}-applyset", "force": "true"}
        try:
            self._client.request("PATCH", self._parent.path, query, body=self._parent.body(scope), content_type=_APPLY)
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
        self._read_server()
        if self._live_parent is None:
            return Result([], self._client.requests)
        self._read_members(self._recorded_scope(), ())
        removed = self._removed(())
        plan.check_removal(
            removed, len(removed), limit=1, confirm=self._settings.confirm, accepted=self._accepted_names(), whole=True
        )
        prunes = [self._prune_action(key, live) for key, live in removed.items()]
        if not self._settings.check:
            for step in order.phases(prunes, lambda action: action.key, removing=True):
                self._each(step, self._delete)
                if self._settings.wait:
                    wait.until_gone(
                        self._client,
                        [(action.resource, action.key, action.before or {}) for action in step],
                        selector=f"{applyset.PART_OF}={self._parent.id}",
                        timeout=self._settings.wait_timeout,
                        report=self._report,
                    )
            self._client.request("DELETE", self._parent.path, allowed=frozenset({404}))
        parent = Action(self._parent.key, PARENT_RESOURCE, PRUNED, before=self._live_parent)
        return Result([*prunes, parent], self._client.requests)
