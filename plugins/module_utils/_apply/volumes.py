# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The size of a StatefulSet's volumes.

Claim templates are immutable (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/), but claims may
grow if their StorageClass allows it. So the templates stay as they are, and the claims made from them are raised. They
belong to the StatefulSet, not to the ApplySet: they are never pruned.
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
from .plan import PATCHED, Action

CLAIM: Final = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True)
_MERGE: Final = "application/merge-patch+json"
_FIELD: Final = "spec.resources.requests.storage"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What size the claims of one template shall have."""

    owner: Key
    template: str
    size: Value

    def made(self, claim: Json) -> bool:
        pattern = rf"{re.escape(self.template)}-{re.escape(self.owner.name)}-\d+"
        return re.fullmatch(pattern, claim["metadata"]["name"]) is not None

    def exceeds(self, claim: Json) -> bool:
        """Whether a claim is to grow, and can: one without a volume has none that could."""
        bound = (claim.get("status") or {}).get("phase") == "Bound"
        return bound and _amount(_size(claim)) < _amount(self.size)


@dataclass(slots=True)
class Volumes:
    """Grows the claims of a set's StatefulSets."""

    client: Client
    _wishes: list[_Wish] = field(default_factory=list)

    def plan(self, members: Iterable[Member], live: Mapping[Key, Json]) -> list[Action]:
        """Put the live templates' sizes into the members, and return what has to grow.

        Raises PlanError where a volume would have to shrink.
        """
        findings: list[str] = []
        actions: list[Action] = []
        for member in members:
            found = live.get(member.key)
            if (member.key.group, member.key.kind) == ("apps", "StatefulSet") and found is not None:
                wishes = self._wishes_of(member, found)
                claims = self._claims(member.key.namespace) if wishes else []
                for wish, template_size in wishes:
                    made = [claim for claim in claims if wish.made(claim)]
                    largest = max((_size(claim) for claim in made), default=template_size, key=_amount)
                    if _amount(largest) > _amount(wish.size):
                        findings.append(
                            f"{member.source}: {member.key}: the volume {wish.template!r} has {largest} and cannot"
                            f" become {wish.size}: volumes do not shrink. Set its size to at least {largest}."
                        )
                    actions += [_growth(claim, wish) for claim in made if wish.exceeds(claim)]
                    if _amount(template_size) < _amount(wish.size):
                        self._wishes.append(wish)
        if findings:
            raise PlanError(*findings, "Nothing was changed.")
        return actions

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

    def catch_up(self) -> None:
        """Raise the claims that a run itself has made, from templates smaller than what is wished."""
        for namespace in sorted({wish.owner.namespace for wish in self._wishes}):
            for claim in self._claims(namespace):
                for wish in self._wishes:
                    if (
                        wish.owner.namespace == namespace
                        and wish.made(claim)
                        and _amount(_size(claim)) < _amount(wish.size)
                    ):
                        self.grow(_growth(claim, wish))

    def _claims(self, namespace: str) -> list[Json]:
        items: list[Json] = self.client.get(CLAIM.path(namespace)).get("items") or []
        return [{"apiVersion": "v1", "kind": CLAIM.kind, **item} for item in items]

    @staticmethod
    def _wishes_of(member: Member, live: Json) -> list[tuple[_Wish, Value]]:
        """The sizes that the rendered templates ask for, each with the live template's, which takes its place."""
        kept = {template["metadata"]["name"]: _size(template) for template in _templates(live)}
        found = []
        for template in _templates(member.body):
            name = (template.get("metadata") or {}).get("name", "")
            size = _size(template)
            if size is not None and kept.get(name) is not None:
                found.append((_Wish(member.key, name, size), kept[name]))
                if _amount(size) != _amount(kept[name]):
                    template["spec"]["resources"]["requests"]["storage"] = kept[name]
        return found


def _templates(stateful_set: Json) -> list[Json]:
    found: list[Json] = (stateful_set.get("spec") or {}).get("volumeClaimTemplates") or []
    return found


def _size(claim: Json) -> Value:
    return (((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage")


def _amount(size: Value) -> Decimal:
    return quantity(size) or Decimal(0)


def _growth(claim: Json, wish: _Wish) -> Action:
    after = copy.deepcopy(claim)
    after["spec"]["resources"]["requests"]["storage"] = wish.size
    key = Key("", CLAIM.kind, wish.owner.namespace, claim["metadata"]["name"])
    return Action(key, CLAIM, PATCHED, before=claim, after=after, fields=[_FIELD])
