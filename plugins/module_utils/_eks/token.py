# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bearer tokens for an EKS cluster's Kubernetes API.

A token is a presigned STS GetCallerIdentity request, base64url-encoded behind a prefix. The cluster's name is the value
of a *signed* header, so a token is good for one cluster only.
Source: https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

# Nothing of the collection is imported: tools/eks-token loads this file without Ansible.
Session = Any  # of boto3 or botocore

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
# The authenticator takes a token for 15 minutes after its signature, whatever the URL says; kubectl and the AWS CLI
# stop using one after 14.
LIFETIME = timedelta(minutes=14)
PRESIGN_SECONDS = 60


@dataclass(frozen=True)
class Token:
    """A bearer token and the moment (UTC) after which a new one should be minted."""

    value: str = field(repr=False)
    expires_at: datetime

    def expires_within(self, margin: timedelta = timedelta(0)) -> bool:
        """Whether less than *margin* is left."""
        return datetime.now(UTC) + margin >= self.expires_at

    def exec_credential(self) -> dict[str, Any]:
        """What a kubeconfig `exec` plugin prints (client.authentication.k8s.io/v1beta1)."""
        return {
            "kind": "ExecCredential",
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "spec": {},
            "status": {"expirationTimestamp": self.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"), "token": self.value},
        }


def sts_host(session: Session, region: str) -> str:
    """The regional STS host of *region* in its partition, e.g. ``sts.cn-north-1.amazonaws.com.cn``.

    An endpoint URL of the configuration is left out on purpose: the authenticator accepts AWS hosts only.
    """
    partitions = _botocore(session).get_component("data_loader").load_data("partitions")["partitions"]
    suffixes = [p["outputs"]["dnsSuffix"] for p in partitions if re.match(p["regionRegex"], region)]
    return f"sts.{region}.{suffixes[0] if suffixes else 'amazonaws.com'}"


def mint(session: Session, cluster: str, region: str) -> Token:
    """Mint a token for *cluster* with the credentials of a boto3 or botocore *session*.

    Nothing is sent: the request is only signed. Raises botocore's NoCredentialsError when the session has none.
    """
    from botocore.exceptions import NoCredentialsError  # noqa: PLC0415 - module_utils import without botocore
    from botocore.signers import RequestSigner  # noqa: PLC0415

    core = _botocore(session)
    credentials = core.get_credentials()
    if credentials is None:
        raise NoCredentialsError()
    now = datetime.now(UTC)
    service = core.get_service_model("sts").service_id
    signer = RequestSigner(service, region, "sts", "v4", credentials, core.get_component("event_emitter"))
    url = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": f"https://{sts_host(session, region)}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {CLUSTER_HEADER: cluster},
            "context": {},
        },
        region_name=region,
        expires_in=PRESIGN_SECONDS,
        operation_name="",
    )
    value = PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    return Token(value, now + LIFETIME)


def _botocore(session: Session) -> Session:
    """The botocore session under a boto3 one."""
    return getattr(session, "_session", session)
