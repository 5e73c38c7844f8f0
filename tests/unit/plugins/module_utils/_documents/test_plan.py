# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents in Secrets Manager: calls, and results without values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Change, Plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._documents.plan import (
    NEW,
    Live,
    Want,
    absent,
    has_placeholder,
    present,
    same_key,
)

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234"
KEY = (ARN, "1234", "alias/f-secrets")
WANT = Want("f/staging/kafka", {"password": "hunter2"}, {"username": "staging"}, {"fleet": "f"})
CONTENT = {"username": "staging", "password": "hunter2"}


def live(**fields: Any) -> Live:
    return Live(**{"name": WANT.name, "content": CONTENT, "tags": {"fleet": "f"}, "kms_key": ARN, **fields})


def operations(plan: Plan) -> list[str]:
    return [step.operation for step in plan]


def test_creates() -> None:
    plan = present(WANT, None, KEY)
    (step,) = plan
    assert (step.operation, step.request["KmsKeyId"]) == ("CreateSecret", ARN)
    assert json.loads(step.request["SecretString"]) == CONTENT
    assert plan.diff()["before"] == {}
    assert plan.diff()["after"] == {
        "f/staging/kafka.password": NEW,
        "f/staging/kafka.username": "staging",
        "f/staging/kafka.tags.fleet": "f",
    }


def test_unchanged() -> None:
    assert not present(WANT, live(), KEY)
    assert not present(WANT, live(tags={"fleet": "f", "theirs": "x"}), KEY)
    assert not present(WANT, live(), ()), "in check mode the key may be missing"


def test_a_changed_value_is_shown_as_a_hash() -> None:
    plan = present(WANT, live(content={**CONTENT, "password": "old"}), KEY)
    assert operations(plan) == ["PutSecretValue"]
    assert plan.diff()["before"]["f/staging/kafka.password"].startswith("<redacted ")
    assert plan.diff()["after"] == {"f/staging/kafka.password": NEW}
    assert "hunter2" not in repr(plan)
    assert "hunter2" not in repr((WANT, live()))


def test_an_undeclared_key_is_deleted() -> None:
    plan = present(WANT, live(content={**CONTENT, "more": "x"}), KEY)
    assert set(plan.diff()["before"]) == {"f/staging/kafka.more"}
    assert plan.diff()["after"] == {}
    assert operations(plan) == ["PutSecretValue"]


def test_tags_and_key() -> None:
    plan = present(WANT, live(tags={}, kms_key=""), KEY)
    assert operations(plan) == ["UpdateSecret", "TagResource"]
    assert plan.diff()["after"] == {"f/staging/kafka.tags.fleet": "f", "f/staging/kafka.kms_key": "alias/f-secrets"}


@pytest.mark.parametrize("deleted", [False, True])
def test_other_tags_are_purged(deleted: bool) -> None:
    had = live(tags={"fleet": "f", "theirs": "x"}, deleted=deleted)
    step = [*present(WANT, had, KEY, purge_tags=True)][-1]
    assert (step.operation, step.request) == ("UntagResource", {"SecretId": WANT.name, "TagKeys": ["theirs"]})
    assert step.changes == {f"{WANT.name}.tags.theirs": Change("x", None)}
    alone = Want(WANT.name, WANT.secret, WANT.public)
    assert "UntagResource" not in operations(present(alone, had, KEY, purge_tags=True))


def test_a_deleted_one_is_restored_with_new_values() -> None:
    plan = present(WANT, live(content={}, tags={"fleet": "f"}, deleted=True), KEY)
    assert operations(plan) == ["RestoreSecret", "PutSecretValue", "TagResource"]
    assert plan.diff()["after"] == present(WANT, None, KEY).diff()["after"]


@pytest.mark.parametrize(("days", "how"), [(7, {"RecoveryWindowInDays": 7}), (0, {"ForceDeleteWithoutRecovery": True})])
def test_deletes(days: int, how: dict[str, Any]) -> None:
    plan = absent(WANT.name, live(), days)
    (step,) = plan
    assert (step.operation, step.request) == ("DeleteSecret", {"SecretId": WANT.name, **how})
    assert set(plan.diff()["before"]) == {"f/staging/kafka.username", "f/staging/kafka.password"}
    assert "hunter2" not in repr(plan.diff()["before"])


def test_nothing_to_delete() -> None:
    assert not absent(WANT.name, None, 7)
    assert not absent(WANT.name, live(deleted=True), 7)


def test_names_of_a_key() -> None:
    alias = "arn:aws:kms:eu-central-1:111122223333:alias/f-secrets"
    assert all(same_key(one, KEY) for one in (ARN, "1234", "alias/f-secrets", alias))
    assert not any(same_key(one, KEY) for one in ("", "alias/aws/secretsmanager", "arn:aws:kms:r:a:key/9"))


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ({"password": "hunter2"}, False),
        ({"password": "made-by-this-run:staging/kafka/password"}, True),
        ({"kafka": {"certificate": "made-by-this-run", "private_key": "x"}}, True),
        ({"ca": "-----BEGIN CERTIFICATE-----\nmade-by-this-run", "previous": ["x"]}, True),
    ],
)
def test_a_placeholder_is_seen_wherever_it_is(secret: dict[str, Any], expected: bool) -> None:
    assert has_placeholder(Want("f/staging/tls", secret)) is expected
