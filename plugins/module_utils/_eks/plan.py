# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: what a run will do, decided before anything is done. Pure; the resources' planners build on this page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .aliases import State, Value
from .errors import ImmutableError, ImmutableField

Ends = Literal["at once", "update", "active", "gone"]
"""How a call ends: with its answer, with an Update record, with the resource ACTIVE, or with its absence."""


@dataclass(frozen=True)
class Change:
    """One field's value before and after a step."""

    before: Value
    after: Value


Changes = Mapping[str, Change]


@dataclass(frozen=True)
class Step:
    """One API call: its name in the API reference, its request, the fields it changes and how it ends."""

    operation: str
    request: Mapping[str, Any]
    changes: Changes
    ends: Ends = "at once"

    def as_dict(self) -> dict[str, Value]:
        return {
            "operation": self.operation,
            "changes": {name: {"before": c.before, "after": c.after} for name, c in sorted(self.changes.items())},
        }


@dataclass(frozen=True)
class Plan:
    """The steps for one *resource* (a phrase like ``node group one/workers``), in order."""

    resource: str
    steps: Sequence[Step] = field(default_factory=tuple)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def diff(self) -> dict[str, Value]:
        """Ansible's diff: only fields that change; a field changed twice shows its first and its last value."""
        before: dict[str, Value] = {}
        after: dict[str, Value] = {}
        for step in self.steps:
            for name, change in step.changes.items():
                before.setdefault(name, change.before)
                after[name] = change.after
        return {
            "before": _present(before),
            "after": _present(after),
            "before_header": self.resource,
            "after_header": self.resource,
        }

    def as_list(self) -> list[dict[str, Value]]:
        return [step.as_dict() for step in self.steps]


def differences(current: State, wanted: State) -> dict[str, Change]:
    """The fields of *wanted* whose value in *current* is another. Fields that are not wanted are not managed."""
    return {
        name: Change(current.get(name), value)
        for name, value in wanted.items()
        if not name.startswith("tags") and current.get(name) != value
    }


def creation(wanted: State) -> dict[str, Change]:
    """Every wanted field as a change from nothing."""
    return {name: Change(None, value) for name, value in wanted.items() if value is not None}


def deletion(current: State) -> dict[str, Change]:
    """Every field as a change to nothing."""
    return {name: Change(value, None) for name, value in current.items() if value not in (None, "", [], {})}


def refuse_immutable(resource: str, changes: Mapping[str, Change], remedies: Mapping[str, str]) -> None:
    """Raise ImmutableError if one of *changes* is of a field in *remedies* (field -> what to do instead).

    A key of *remedies* that ends in a dot stands for every field below it.
    """
    found = []
    for name, change in sorted(changes.items()):
        for key, remedy in remedies.items():
            if name == key or (key.endswith(".") and name.startswith(key)):
                found.append(ImmutableField(name, change.before, change.after, remedy))
    if found:
        raise ImmutableError(resource, found)


def tag_steps(arn: str, current: Mapping[str, str], wanted: Mapping[str, str] | None, *, purge: bool) -> list[Step]:
    """The calls that make *current* tags into *wanted*; tags of AWS itself (``aws:``) are left alone."""
    if wanted is None:
        return []
    steps = []
    added = {key: value for key, value in wanted.items() if current.get(key) != value}
    removed = sorted(key for key in current if key not in wanted and not key.startswith("aws:")) if purge else []
    if added:
        changes = {f"tags.{key}": Change(current.get(key), value) for key, value in sorted(added.items())}
        steps.append(Step("TagResource", {"resourceArn": arn, "tags": added}, changes))
    if removed:
        changes = {f"tags.{key}": Change(current[key], None) for key in removed}
        steps.append(Step("UntagResource", {"resourceArn": arn, "tagKeys": removed}, changes))
    return steps


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """*values* without those that are None."""
    return {key: value for key, value in values.items() if value is not None}


def only(changes: Changes, names: Iterable[str]) -> dict[str, Change]:
    """The changes of *names*; a name that ends in a dot stands for every field below it."""
    wanted = list(names)
    return {
        name: change
        for name, change in changes.items()
        if any(name == key or (key.endswith(".") and name.startswith(key)) for key in wanted)
    }


def _present(fields: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in sorted(fields.items()) if value is not None}
