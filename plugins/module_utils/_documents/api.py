# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of Secrets Manager for documents. Errors contain names, never values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._at_once import at_once
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.aliases import Client
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.calls import call, pages
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._documents.plan import Live
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import tags_of

try:  # noqa: SIM105
    from botocore.exceptions import ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing


class DocumentError(AwsError):
    """A secret that is not a document."""


def names(client: Client, fleet: str) -> dict[str, dict[str, str]]:
    """Return the tags of all secrets of the fleet that are not deleted, by name.

    ListSecrets may lag five minutes behind, so each secret that it names is asked for:
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html
    """

    # AWS compares prefixes, so it can also return secrets of others.
    secrets = pages(client, "ListSecrets", "SecretList", Filters=[{"Key": "name", "Values": [f"{fleet}/"]}])
    listed = [one["Name"] for one in secrets if one["Name"].startswith(f"{fleet}/")]
    found = _each(sorted(listed), lambda name: _described(client, name))
    return {name: tags_of(secret) for name, secret in found if secret and "DeletedDate" not in secret}


def contents(client: Client, wanted: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the documents that exist, by name."""
    found = _each(sorted(set(wanted)), lambda name: _content(client, name))
    return {name: content for name, content in found if content is not None}


def read(client: Client, wanted: Iterable[str]) -> dict[str, Live]:
    """Return the documents that exist, deleted ones too, by name."""
    found = _each(sorted(set(wanted)), lambda name: _live(client, name))
    return {name: live for name, live in found if live is not None}


def kms_key(client: Client, key: str) -> tuple[str, ...]:
    """Return a key's ARN, id, and the requested name; empty if the key does not exist."""
    try:
        found = call(client, "DescribeKey", KeyId=key)["KeyMetadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return ()
        raise
    return found["Arn"], found["KeyId"], key


def _described(client: Client, name: str) -> dict[str, Any] | None:
    try:
        return call(client, "DescribeSecret", SecretId=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise


def _live(client: Client, name: str) -> Live | None:
    secret = _described(client, name)
    if secret is None:
        return None
    deleted = bool(secret.get("DeletedDate"))
    content = {} if deleted else _content(client, name) or {}
    return Live(name, content, tags_of(secret), secret.get("KmsKeyId", ""), deleted)


def _content(client: Client, name: str) -> dict[str, Any] | None:
    try:
        text = call(client, "GetSecretValue", SecretId=name).get("SecretString", "")
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        # Secrets in their recovery window cannot be read.
        if code == "ResourceNotFoundException" or "marked for deletion" in message:
            return None
        raise
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise DocumentError(
            f"The secret {name} is not a JSON object. Correct or delete it; the next run creates a deleted one."
        )
    return content


def _each(wanted: Sequence[str], read: Callable[[str], Any]) -> list[tuple[str, Any]]:
    return list(zip(wanted, at_once(read, wanted), strict=True))
