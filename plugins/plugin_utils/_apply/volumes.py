# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The size of volumes, which can grow and not shrink.

Claims may grow if their StorageClass allows it, but a StatefulSet's claim templates are immutable
(https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/). So the claims that were made are raised, and
the StatefulSet is replaced by one with larger templates, or a claim that is made later, for a lost volume or one more
replica, would be as small as before. Pods, their revisions and claims are left where they are (propagation policy
Orphan, https://kubernetes.io/docs/tasks/administer-cluster/use-cascading-deletion/), and the new StatefulSet's
controller adopts them: its pods' template is the same, so that none is restarted. Claims belong to the StatefulSet,
not to the ApplySet: they are never pruned.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from .client import Client
from .errors import ApiError, PlanError
from .fields import MANAGER
from .normalise import quantity
from .objects import Json, Key, Member, Resource, Value
from .plan import PATCHED, REPLACED, Action

CLAIM: Final = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True)
_MERGE: Final = "application/merge-patch+json"
_FIELD: Final = "spec.resources.requests.storage"


@dataclass(frozen=True, slots=True)
class _Wish:
    """The wanted size of the claims of one template."""

    owner: Key
    template: str
    size: Value

    def made(self, claim: Json) -> bool:
        pattern = rf"{re.escape(self.template)}-{re.escape(self.owner.name)}-\d+"
        return re.fullmatch(pattern, claim["metadata"]["name"]) is not None

    def exceeds(self, claim: Json) -> bool:
        """Whether a claim has to grow and has a volume that can grow."""
        bound = (claim.get("status") or {}).get("phase") == "Bound"
        return bound and _amount(_size(claim)) < _amount(self.size)


@dataclass(slots=True)
class Volumes:
    """Grows the claims of a set's StatefulSets, and the templates of further ones."""

    client: Client
    _sizes: dict[Key, dict[str, Value]] = field(default_factory=dict)

    def plan(self, members: Iterable[Member], live: Mapping[Key, Json]) -> list[Action]:
        """Put the live templates' sizes into the members, and return which claims have to grow.

        Raises PlanError where a volume would have to shrink.
        """
        findings: list[str] = []
        actions: list[Action] = []
        for member in members:
            found = live.get(member.key)
            group_kind = (member.key.group, member.key.kind)
            if group_kind == ("", CLAIM.kind) and _amount(_size(found or {})) > _amount(_size(member.body)):
                findings.append(_shrunk(member, "the volume", _size(found or {}), _size(member.body)))
            if group_kind != ("apps", "StatefulSet"):
                continue
            wishes = self._wishes_of(member, found)
            claims = self._claims(member.key.namespace) if wishes else []
            for wish, template_size in wishes:
                made = [claim for claim in claims if wish.made(claim)]
                largest = max((_size(claim) for claim in made), default=template_size, key=_amount)
                if _amount(largest) > _amount(wish.size):
                    findings.append(_shrunk(member, f"the volume {wish.template!r}", largest, wish.size))
                actions += [_growth(claim, wish) for claim in made if wish.exceeds(claim)]
        if findings:
            raise PlanError(*findings, "Nothing was changed.")
        return actions

    def announce(self, actions: Iterable[Action]) -> list[Action]:
        """Mark and return the StatefulSets that will be replaced because of their templates' sizes."""
        found = [action for action in actions if action.key in self._sizes and action.before is not None]
        for action in found:
            action.action = REPLACED
            action.after = self._enlarged(action.after or action.before or {}, action.key)
        return found

    def grow(self, action: Action, *, dry_run: bool = False) -> None:
        """Raise one claim."""
        query = {"fieldManager": MANAGER} | ({"dryRun": "All"} if dry_run else {})
        size = _size(action.after or {})
        body = {"spec": {"resources": {"requests": {"storage": size}}}}
        path = CLAIM.path(action.key.namespace, action.key.name)
        try:
            self.client.request("PATCH", path, query, body=body, content_type=_MERGE)
        except ApiError as error:
            message = f"it cannot grow to {size}: {error.message}"
            raise ApiError(message, error.status, error.reason, error.details) from error

    def enlarge(self, member: Member) -> None:
        """Set the requested sizes in a member's templates."""
        if member.key in self._sizes:
            member.body = self._enlarged(member.body, member.key)

    def _claims(self, namespace: str) -> list[Json]:
        items: list[Json] = self.client.get(CLAIM.path(namespace)).get("items") or []
        return [{"apiVersion": "v1", "kind": CLAIM.kind, **item} for item in items]

    def _wishes_of(self, member: Member, live: Json | None) -> list[tuple[_Wish, Value]]:
        """The sizes that the rendered templates ask for, each with the live template's, which takes its place."""
        kept = {template["metadata"]["name"]: _size(template) for template in _templates(live or {})}
        found = []
        for template in _templates(member.body):
            name = (template.get("metadata") or {}).get("name", "")
            size = _size(template)
            before = size if live is None else kept.get(name)
            if size is not None and before is not None:
                found.append((_Wish(member.key, name, size), before))
                if _amount(size) != _amount(before):
                    self._sizes.setdefault(member.key, {})[name] = size
                    template["spec"]["resources"]["requests"]["storage"] = before
        return found

    def _enlarged(self, stateful_set: Json, key: Key) -> Json:
        found = copy.deepcopy(stateful_set)
        for template in _templates(found):
            size = self._sizes[key].get(template["metadata"]["name"])
            if size is not None:
                template["spec"]["resources"]["requests"]["storage"] = size
        return found


def _templates(stateful_set: Json) -> list[Json]:
    found: list[Json] = (stateful_set.get("spec") or {}).get("volumeClaimTemplates") or []
    return found


def _size(claim: Json) -> Value:
    return (((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage")


def _amount(size: Value) -> Decimal:
    return quantity(size) or Decimal(0)


def _shrunk(member: Member, what: str, size: Value, wanted: Value) -> str:
    return (
        f"{member.source}: {member.key}: {what} has {size} and cannot become {wanted}: volumes do not shrink."
        f" Set its size to at least {size}."
    )


def _growth(claim: Json, wish: _Wish) -> Action:
    after = copy.deepcopy(claim)
    after["spec"]["resources"]["requests"]["storage"] = wish.size
    key = Key("", CLAIM.kind, wish.owner.namespace, claim["metadata"]["name"])
    return Action(key, CLAIM, PATCHED, before=claim, after=after, fields=[_FIELD])
