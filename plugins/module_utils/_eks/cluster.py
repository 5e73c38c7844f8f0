# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to reach a cluster's Kubernetes API: sessions from AWS options, endpoints from DescribeCluster."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._aws.aliases import Client, Session
from .._aws.errors import AwsError, ClusterNotFoundError


@dataclass(frozen=True)
class Endpoint:
    """Where a cluster's Kubernetes API is. *url* and *ca_pem* are empty until EKS has made them."""

    name: str
    region: str
    url: str
    ca_pem: str
    status: str
    version: str
    arn: str = ""

    @property
    def ready(self) -> bool:
        """Whether the API can be called (an updating cluster still answers)."""
        return bool(self.url and self.ca_pem) and self.status in ("ACTIVE", "UPDATING")


def session_for(options: Mapping[str, Any]) -> Session:
    """A boto3 session from options with amazon.aws' names (profile, access_key, region, ...)."""
    import boto3  # noqa: PLC0415 - module_utils import without boto3

    profile = options.get("profile") or None
    keys: dict[str, Any] = {}
    if profile is None:
        keys = {
            "aws_access_key_id": options.get("access_key") or None,
            "aws_secret_access_key": options.get("secret_key") or None,
            "aws_session_token": options.get("session_token") or None,
        }
    elif options.get("access_key") or options.get("secret_key") or options.get("session_token"):
        raise AwsError("profile and access_key/secret_key/session_token exclude each other: give one of the two.")
    return boto3.session.Session(profile_name=profile, region_name=options.get("region") or None, **keys)


def client_for(session: Session, options: Mapping[str, Any], service: str = "eks") -> Client:
    """A client of *session* with the endpoint, certificate and retry settings of *options*."""
    from botocore.config import Config  # noqa: PLC0415

    config = Config(retries={"mode": "standard", "max_attempts": 5})
    if options.get("aws_config"):
        config = config.merge(Config(**options["aws_config"]))
    verify: Any = options.get("validate_certs", True)
    if verify and options.get("aws_ca_bundle"):
        verify = options["aws_ca_bundle"]
    return session.client(service, endpoint_url=options.get("endpoint_url") or None, verify=verify, config=config)


def describe_endpoint(client: Client, name: str) -> Endpoint:
    """Look up where cluster *name* answers. Raises ClusterNotFoundError, or AwsError with AWS' own reason."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    region = client.meta.region_name
    try:
        found = client.describe_cluster(name=name)["cluster"]
    except ClientError as error:
        reason = error.response.get("Error", {})
        if reason.get("Code") == "ResourceNotFoundException":
            raise ClusterNotFoundError(f"There is no EKS cluster {name!r} in {region}.") from error
        raise AwsError(
            f"DescribeCluster {name!r} in {region} failed: {reason.get('Code')}: {reason.get('Message')}"
        ) from error
    except BotoCoreError as error:
        raise AwsError(f"DescribeCluster {name!r} in {region} failed: {error}") from error
    data = (found.get("certificateAuthority") or {}).get("data") or ""
    return Endpoint(
        name=name,
        region=region,
        url=found.get("endpoint") or "",
        ca_pem=base64.b64decode(data).decode() if data else "",
        status=found.get("status") or "",
        version=found.get("version") or "",
        arn=found.get("arn") or "",
    )
