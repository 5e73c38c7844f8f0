# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet's documents in Secrets Manager should be, and the calls that make them so. Pure; no value in a diff."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import (
    ForeignError,
    adopts,
    owned,
    pairs_of,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._redaction import mark

# An operation of the API and its arguments.
Call = tuple[str, dict[str, Any]]
NEW = "(made by this run)"


@dataclass(frozen=True)
class Live:
    """A document as it is. A deleted one may still be restored, but not read."""

    name: str
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""
    deleted: bool = False


@dataclass(frozen=True)
class Want:
    """A document as it should be."""

    name: str
    secret: Mapping[str, Any] = field(repr=False)
    public: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        return {**self.public, **self.secret}


# Of the role pki and of the lookups.
PLACEHOLDER = "made-by-this-run"


@dataclass
class Plan:
    """The calls, and the fields that they change."""

    calls: list[Call] = field(default_factory=list, repr=False)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    def add(self, other: Plan) -> None:
        self.calls += other.calls
        self.before |= other.before
        self.after |= other.after


def refuse_foreign(live: Iterable[Live], tags: Mapping[str, Any], adopt: Collection[str] = ()) -> None:
    """:raises ForeignError: if a secret that ``adopt`` does not name lacks those of ``tags`` that say whose it is."""
    for one in live:
        if not adopts(adopt, "secret", one.name) and not owned(one.tags, tags):
            raise ForeignError("secret", one.name, one.tags, tags)


def has_placeholder(want: Want) -> bool:
    """Tell whether a document has, anywhere in it, the text that check mode uses in place of what a run makes."""
    return PLACEHOLDER in text(want.content)


def text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True)


def digest(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    """Return what may be seen of a secret value."""
    return f"<redacted {mark(json.dumps(value, sort_keys=True).encode())}>"


def same_key(live: str, wanted: tuple[str, ...]) -> bool:
    """Whether a secret's key is the wanted one, which is known by its id, ARN and alias."""
    return any(live == one or live.rpartition(":")[2] in (one, f"key/{one}") for one in wanted if one)


def present(want: Want, live: Live | None, kms_key: tuple[str, ...]) -> Plan:
    """Plan one document. ``kms_key`` is its key's ARN, id and alias; empty where the key does not exist yet."""
    arn = {"KmsKeyId": kms_key[0]} if kms_key else {}
    tags = pairs_of(want.tags)
    content = want.content
    had = live.content if live and not live.deleted else {}
    had_tags = live.tags if live and not live.deleted else {}
    fields = _changed(want, had)
    fields_before = {f"{want.name}.{key}": _shown(want, key, had[key]) for key in fields if key in had}
    fields_after = {f"{want.name}.{key}": want.public.get(key, NEW) for key in fields if key in content}
    new_tags = {key: value for key, value in want.tags.items() if had_tags.get(key) != value}
    plan = Plan(
        before=fields_before | {f"{want.name}.tags.{key}": had_tags[key] for key in new_tags if key in had_tags},
        after=fields_after | {f"{want.name}.tags.{key}": value for key, value in new_tags.items()},
    )
    if live is None:
        plan.calls = [("create_secret", {"Name": want.name, "SecretString": text(content), "Tags": tags, **arn})]
        return plan
    if live.deleted:
        plan.calls.append(("restore_secret", {"SecretId": want.name}))
    if kms_key and not same_key(live.kms_key, kms_key):
        plan.calls.append(("update_secret", {"SecretId": want.name, **arn}))
        plan.before[f"{want.name}.kms_key"] = live.kms_key or "alias/aws/secretsmanager"
        plan.after[f"{want.name}.kms_key"] = kms_key[-1]
    if fields:
        plan.calls.append(("put_secret_value", {"SecretId": want.name, "SecretString": text(content)}))
    if new_tags:
        plan.calls.append(("tag_resource", {"SecretId": want.name, "Tags": tags}))
    return plan


def absent(live: Live | None, recovery_days: int) -> Plan:
    if live is None or live.deleted:
        return Plan()
    how: dict[str, Any] = {"RecoveryWindowInDays": recovery_days}
    if not recovery_days:
        how = {"ForceDeleteWithoutRecovery": True}
    keys = live.content or {"": None}
    return Plan(
        calls=[("delete_secret", {"SecretId": live.name, **how})],
        before={f"{live.name}.{key}": digest(value) for key, value in keys.items()},
    )


def _changed(want: Want, had: Mapping[str, Any]) -> list[str]:
    content = want.content
    return [key for key in sorted({*content, *had}) if key not in had or key not in content or had[key] != content[key]]


def _shown(want: Want, key: str, value: Any) -> Any:  # noqa: ANN401
    return value if key in want.public else digest(value)
