# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what members of a fleet share, from Secrets Manager and the parameter store, each once per process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import session
from ansible_collections.dataplatform.fleet.plugins.module_utils._libraries import needed
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import tags_of
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.environment import way_to_aws
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.options import aws_options

# Documents that were found, by process: a worker that Ansible forks reads again, for a role before may have written.
_found: dict[tuple[Any, ...], Any] = {}
_clients: dict[tuple[Any, ...], Any] = {}

CREDENTIALS = ("profile", "access_key", "secret_key", "session_token")
MISSING = ("ResourceNotFoundException", "ParameterNotFound")
# A secret that was marked for deletion cannot be read: for its readers it is gone.
DELETED = "marked for deletion"


class ReadError(Exception):
    """AWS did not answer, or refused. Never carries a value."""


def read_secret(connection: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - what JSON holds
    """Return a secret's document, or None."""

    def ask(client: Any) -> Any:  # noqa: ANN401
        text = client.get_secret_value(SecretId=name)["SecretString"]
        try:
            return json.loads(text)
        except ValueError:
            raise ReadError(f"The secret {name} is not JSON.") from None

    return _read(connection, "secretsmanager", name, ask)


def read_parameter(connection: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
    """Return a parameter's text, or None."""
    return _read(
        connection,
        "ssm",
        name,
        lambda client: client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"],
    )


def read_tags(
    connection: Mapping[str, Any], prefix: str, suffix: str, surely: Iterable[str]
) -> dict[str, dict[str, str]]:
    """Return the tags of all secrets that begin and end so and are not deleted, by their names.

    ListSecrets may lag five minutes behind, so each secret that it names is asked for, and each of ``surely``, too:
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html
    """

    def describe(client: Any, name: str) -> dict[str, Any] | None:  # noqa: ANN401
        try:
            found: dict[str, Any] = client.describe_secret(SecretId=name)
        except client.exceptions.ResourceNotFoundException:
            return None
        return None if "DeletedDate" in found else found

    def ask(client: Any) -> dict[str, dict[str, str]]:  # noqa: ANN401
        pages = client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [prefix]}])
        listed = {secret["Name"] for page in pages for secret in page["SecretList"]}
        names = {name for name in listed if name.startswith(prefix) and name.endswith(suffix)} | set(surely)
        found = {name: describe(client, name) for name in sorted(names)}
        return {name: tags_of(secret) for name, secret in found.items() if secret}

    found: dict[str, dict[str, str]] = _read(connection, "secretsmanager", f"{prefix}*{suffix}", ask) or {}
    return found


def completed(connection: Mapping[str, Any]) -> dict[str, Any]:
    """A connection with what it lacks from the variables that the modules take it from. Raises ReadError.

    botocore alone knows neither all of their names nor that a profile and keys exclude each other.
    """
    found = {name: value for name, value in connection.items() if value}
    known = any(name in found for name in CREDENTIALS)
    options = aws_options()
    for name in (*CREDENTIALS, "region", "endpoint_url"):
        _, variables = options[name]["fallback"]
        # Endpoints of single services are left to botocore.
        values = [os.environ.get(key) for key in variables if not key.startswith("AWS_ENDPOINT_URL")]
        if name not in found and any(values) and not (known and name in CREDENTIALS):
            found[name] = next(filter(None, values))
    if "profile" in found and not found.keys().isdisjoint(CREDENTIALS[1:]):
        raise ReadError(
            "fleet_connection and the environment give a profile (AWS_PROFILE) and keys (AWS_ACCESS_KEY_ID): take one"
            " of them out, or set it to an empty text."
        )
    return found


def forget() -> None:
    """Forget what was found."""
    _found.clear()


def _read(connection: Mapping[str, Any], service: str, name: str, ask: Any) -> Any:  # noqa: ANN401
    with needed("botocore", ReadError):
        import botocore.session  # noqa: F401, PLC0415 - half a second, not paid by others
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    connection = completed(connection)
    given = (str(connection[key]) for key in sorted(connection))
    place = (os.getpid(), service, *given, *way_to_aws().items())
    if (place, name) in _found:
        return _found[place, name]
    try:
        if place not in _clients:
            _clients[place] = _connect(connection, service)
        found = ask(_clients[place])
    except ClientError as error:
        code, text = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        if code in MISSING or DELETED in text:
            return None
        raise ReadError(f"{name} could not be read in {connection.get('region')}: {code}: {text}") from error
    except BotoCoreError as error:
        raise ReadError(f"{name} could not be read in {connection.get('region')}: {error}") from error
    _found[place, name] = found
    return found


def _connect(connection: Mapping[str, Any], service: str) -> Any:  # noqa: ANN401 - botocore makes its classes at run time
    made = session.session(connection)
    return session.client(
        made, connection, service, connect_timeout=10, read_timeout=30, retries={"mode": "standard", "max_attempts": 6}
    )
