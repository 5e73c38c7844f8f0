# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions and clients for code that has no AnsibleAWSModule, from options with amazon.aws' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._libraries import needed
from .aliases import Client, Session
from .errors import AwsError

_KEYS = ("access_key", "secret_key", "session_token")


def session(options: Mapping[str, Any]) -> Session:
    """Return a session of botocore with the profile of *options*; keys in *options* replace its credentials.

    Nothing is sent. Raises AwsError without botocore.
    """
    with needed("botocore", AwsError):
        import botocore.session  # noqa: PLC0415 - takes half a second
        from botocore.exceptions import PartialCredentialsError  # noqa: PLC0415

    keys: list[Any] = [options.get(key) or None for key in _KEYS]
    if any(keys) and not all(keys[:2]):
        raise PartialCredentialsError(provider="explicit", cred_var=_KEYS[keys[:2].index(None)])
    made = botocore.session.Session(profile=options.get("profile") or None)
    if any(keys):
        made.set_credentials(*keys)
    return made


def client(made: Session, options: Mapping[str, Any], service: str, **config: Any) -> Client:  # noqa: ANN401 - of botocore
    """Return a client of *made* with the region, endpoint and certificate settings of *options*.

    *config* are settings of botocore.config.Config, which those of the option ``aws_config`` override.
    """
    with needed("botocore", AwsError):
        from botocore.config import Config  # noqa: PLC0415

    settings = Config(**{"retries": {"mode": "standard", "max_attempts": 5}, **config})
    return made.create_client(
        service,
        region_name=options.get("region") or None,
        endpoint_url=options.get("endpoint_url") or None,
        verify=options["verify"] if "verify" in options else verification(options),
        config=settings.merge(Config(**(options.get("aws_config") or {}))),
    )


def verification(options: Mapping[str, Any]) -> bool | str | None:
    """Return how certificates of endpoints are verified: False (not), a bundle's path, or None (botocore's bundle)."""
    return (options.get("aws_ca_bundle") or None) if options.get("validate_certs", True) else False


def as_role(options: Mapping[str, Any], role_arn: str, name: str) -> dict[str, Any]:
    """Return *options* with the credentials of a role. *name* is the name of the role's session."""
    answer = client(session(options), options, "sts").assume_role(RoleArn=role_arn, RoleSessionName=name)
    keys = [answer["Credentials"][key] for key in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    return {**options, **dict(zip(_KEYS, keys, strict=True))}
