# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the documents of a fleet in Secrets Manager. Pure functions; a diff contains no value."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import (
    Change,
    Plan,
    Step,
    tag_changes,
    tag_fields,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import (
    ForeignError,
    adopts,
    owned,
    pairs_of,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._redaction import mark

NEW = "(made by this run)"


@dataclass(frozen=True)
class Live:
    """A document in Secrets Manager. A deleted one can be restored, but not read."""

    name: str
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""
    deleted: bool = False


@dataclass(frozen=True)
class Want:
    """A wanted document."""

    name: str
    secret: Mapping[str, Any] = field(repr=False)
    public: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] | None = None
    """None: the tags are not changed."""

    @property
    def content(self) -> dict[str, Any]:
        return {**self.public, **self.secret}


# Of the role pki and of the lookups.
PLACEHOLDER = "made-by-this-run"


def refuse_foreign(live: Iterable[Live], tags: Mapping[str, Any] | None, adopt: Collection[str] = ()) -> None:
    """:raises ForeignError: if a secret that ``adopt`` does not name lacks those of ``tags`` that say whose it is."""
    for one in live:
        if not adopts(adopt, "secret", one.name) and not owned(one.tags, tags):
            raise ForeignError("secret", one.name, one.tags, tags)


def has_placeholder(want: Want) -> bool:
    """Return whether a document contains check mode's placeholder for a value that a run creates."""
    return PLACEHOLDER in text(want.content)


def text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True)


def digest(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    """Return the part of a secret value's hash that a diff shows."""
    return f"<redacted {mark(json.dumps(value, sort_keys=True).encode())}>"


def same_key(live: str, wanted: tuple[str, ...]) -> bool:
    """Whether a secret's key is the wanted one, which is known by its id, ARN and alias."""
    return any(live == one or live.rpartition(":")[2] in (one, f"key/{one}") for one in wanted if one)


def present(want: Want, live: Live | None, kms_key: tuple[str, ...], *, purge_tags: bool = False) -> Plan:
    """Plan one document. ``kms_key`` is its key's ARN, id and alias; empty where the key does not exist yet."""
    resource, place = f"secret {want.name}", {"SecretId": want.name}
    arn = {"KmsKeyId": kms_key[0]} if kms_key else {}
    content = want.content
    had = live.content if live and not live.deleted else {}
    had_tags = live.tags if live and not live.deleted else {}
    values = {
        f"{want.name}.{key}": Change(
            _shown(want, key, had[key]) if key in had else None, want.public.get(key, NEW) if key in content else None
        )
        for key in _changed(want, had)
    }
    added, _removed = tag_changes(had_tags, want.tags, purge=False)
    _added, removed = tag_changes(live.tags if live else {}, want.tags, purge=purge_tags)
    tags = tag_fields(had_tags, added, f"{want.name}.")
    if live is None:
        values = values or {want.name: Change(None, {})}
        request = {"Name": want.name, "SecretString": text(content), "Tags": pairs_of(want.tags or {}), **arn}
        return Plan(resource, (Step("CreateSecret", request, {**values, **tags}),))
    steps = []
    if live.deleted:
        steps.append(Step("RestoreSecret", place, {f"{want.name}.deleted": Change(True, None)}))
    if kms_key and not same_key(live.kms_key, kms_key):
        change = Change(live.kms_key or "alias/aws/secretsmanager", kms_key[-1])
        steps.append(Step("UpdateSecret", {**place, **arn}, {f"{want.name}.kms_key": change}))
    if values:
        steps.append(Step("PutSecretValue", {**place, "SecretString": text(content)}, values))
    if added:
        steps.append(Step("TagResource", {**place, "Tags": pairs_of(want.tags or {})}, tags))
    if removed:
        gone = tag_fields(live.tags, dict.fromkeys(removed), f"{want.name}.")
        steps.append(Step("UntagResource", {**place, "TagKeys": removed}, gone))
    return Plan(resource, tuple(steps))


def absent(name: str, live: Live | None, recovery_days: int) -> Plan:
    if live is None or live.deleted:
        return Plan(f"secret {name}")
    how: dict[str, Any] = {"RecoveryWindowInDays": recovery_days}
    if not recovery_days:
        how = {"ForceDeleteWithoutRecovery": True}
    keys = live.content or {"": None}
    gone = {f"{name}.{key}": Change(digest(value), None) for key, value in keys.items()}
    return Plan(f"secret {name}", (Step("DeleteSecret", {"SecretId": name, **how}, gone),))


def _changed(want: Want, had: Mapping[str, Any]) -> list[str]:
    content = want.content
    return [key for key in sorted({*content, *had}) if key not in had or key not in content or had[key] != content[key]]


def _shown(want: Want, key: str, value: Any) -> Any:  # noqa: ANN401
    return value if key in want.public else digest(value)
