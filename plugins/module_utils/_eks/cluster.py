# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoint of a cluster's Kubernetes API, from DescribeCluster."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from .._aws.aliases import Client
from .._aws.errors import AwsError, ClusterNotFoundError


@dataclass(frozen=True)
class Endpoint:
    """The endpoint of a cluster's Kubernetes API. *url* and *ca_pem* are empty until EKS has created them."""

    name: str
    region: str
    url: str
    ca_pem: str
    status: str
    version: str
    arn: str = ""

    @property
    def ready(self) -> bool:
        """Whether the API can be called, as it can during an update of the cluster."""
        return bool(self.url and self.ca_pem) and self.status in ("ACTIVE", "UPDATING")


def describe_endpoint(client: Client, name: str) -> Endpoint:
    """Return the endpoint of cluster *name*. Raises ClusterNotFoundError, or AwsError with AWS' reason."""
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
