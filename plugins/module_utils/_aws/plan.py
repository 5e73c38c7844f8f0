# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: the API calls of a run, decided before the first call. Pure functions, used by each resource's planner."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ansible_collections.amazon.aws.plugins.module_utils.tagging import compare_aws_tags

from .._ownership.tags import MARKS, OWNER, pairs_of
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
    """One API call: its name in the API reference, its request, the fields it changes and how it ends.

    Where a plan is about several resources, *resource* says whose fields they are.
    """

    operation: str
    request: Mapping[str, Any] = field(repr=False)  # it may hold a secret
    changes: Changes
    ends: Ends = "at once"
    resource: str = ""

    def as_dict(self) -> dict[str, Value]:
        return {
            "operation": self.operation,
            "changes": {name: {"before": c.before, "after": c.after} for name, c in sorted(self.changes.items())},
        }


@dataclass(frozen=True)
class Plan:
    """The steps for one *resource* (text such as ``node group one/workers``), in order.

    Without it, the fields of the steps name their resource.
    """

    resource: str = ""
    steps: Sequence[Step] = field(default_factory=tuple)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def diff(self) -> dict[str, Value]:
        """Ansible's diff: only fields that change; a field changed twice shows its first and its last value.

        The fields of steps with a resource of their own are below its name.
        """
        before: dict[str, dict[str, Value]] = {"": {}}
        after: dict[str, dict[str, Value]] = {"": {}}
        for step in self.steps:
            for name, change in step.changes.items():
                before.setdefault(step.resource, {}).setdefault(name, change.before)
                after.setdefault(step.resource, {})[name] = change.after
        headers = {"before_header": self.resource, "after_header": self.resource} if self.resource else {}
        return {"before": _shown(before), "after": _shown(after), **headers}

    def tags(self, had: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the tags of a resource after the plan; *had* are its tags before."""
        found = dict(had or {})
        for step in self.steps:
            for name, change in step.changes.items():
                if name.startswith("tags."):
                    found.pop(name.removeprefix("tags."), None)
                    if change.after is not None:
                        found[name.removeprefix("tags.")] = change.after
        return found

    def as_list(self) -> list[dict[str, Value]]:
        return [step.as_dict() for step in self.steps]


def differences(current: State, wanted: State) -> dict[str, Change]:
    """Return the fields of *wanted* that differ in *current*. Fields that are not in *wanted* are not managed."""
    return {
        name: Change(current.get(name), value)
        for name, value in wanted.items()
        if not name.startswith("tags") and current.get(name) != value
    }


def creation(wanted: State) -> dict[str, Change]:
    """Return every wanted field as a change from None."""
    return {name: Change(None, value) for name, value in wanted.items() if value is not None}


def deletion(current: State) -> dict[str, Change]:
    """Return every field as a change to None."""
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


def prefixed(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Tags as fields of a state or of a difference."""
    return {f"tags.{key}": value for key, value in sorted((tags or {}).items())}


def tag_changes(
    current: Mapping[str, str], wanted: Mapping[str, str] | None, *, purge: bool, needed: Collection[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Return the tags to set and the keys to remove, so that *current* tags become *wanted*; None changes nothing.

    Tags of AWS itself (``aws:``), those that say who owns the resource, and *needed* ones are never removed.
    """
    if wanted is None:
        return {}, []
    added, removed = compare_aws_tags(dict(current), dict(wanted), purge)
    kept = {*MARKS, OWNER, *needed}
    return dict(sorted(added.items())), sorted(key for key in removed if key not in kept)


def tag_steps(arn: str, current: Mapping[str, str], wanted: Mapping[str, str] | None, *, purge: bool) -> list[Step]:
    """The calls that make *current* tags into *wanted*, of services with TagResource and UntagResource."""
    added, removed = tag_changes(current, wanted, purge=purge)
    steps = []
    if added:
        steps.append(Step("TagResource", {"resourceArn": arn, "tags": added}, tag_fields(current, added)))
    if removed:
        changes = tag_fields(current, dict.fromkeys(removed))
        steps.append(Step("UntagResource", {"resourceArn": arn, "tagKeys": removed}, changes))
    return steps


def ec2_tag_steps(
    identity: str,
    current: Mapping[str, str],
    wanted: Mapping[str, str] | None,
    *,
    purge: bool,
    needed: Collection[str] = (),
    prefix: str = "",
) -> list[Step]:
    """The calls that make *current* tags into *wanted*, of EC2."""
    added, removed = tag_changes(current, wanted, purge=purge, needed=needed)
    steps = []
    if added:
        request = {"Resources": [identity], "Tags": pairs_of(added)}
        steps.append(Step("CreateTags", request, tag_fields(current, added, prefix)))
    if removed:
        request = {"Resources": [identity], "Tags": [{"Key": key} for key in removed]}
        steps.append(Step("DeleteTags", request, tag_fields(current, dict.fromkeys(removed), prefix)))
    return steps


def tag_fields(current: Mapping[str, str], values: Mapping[str, str | None], prefix: str = "") -> dict[str, Change]:
    """Tags that become *values*, as fields of a difference; None removes a tag."""
    return {f"{prefix}tags.{key}": Change(current.get(key), value) for key, value in values.items()}


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return *values* without the values that are None."""
    return {key: value for key, value in values.items() if value is not None}


def only(changes: Changes, names: Iterable[str]) -> dict[str, Change]:
    """The changes of *names*; a name that ends in a dot stands for every field below it."""
    wanted = list(names)
    return {
        name: change
        for name, change in changes.items()
        if any(name == key or (key.endswith(".") and name.startswith(key)) for key in wanted)
    }


def _shown(fields: Mapping[str, Mapping[str, Value]]) -> dict[str, Value]:
    resources = {name: dict(sorted(without_none(values).items())) for name, values in fields.items()}
    return {**resources.pop(""), **{name: values for name, values in resources.items() if values}}
