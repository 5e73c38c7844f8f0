# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the endpoints of clusters from EKS."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._at_once import at_once
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import session
from ansible_collections.dataplatform.fleet.plugins.module_utils._kubeconfig.document import Server, Target

with contextlib.suppress(ImportError):  # AnsibleAWSModule says so
    from botocore.exceptions import BotoCoreError, ClientError

Client = Any  # botocore makes its classes at run time


class DescribeError(Exception):
    """A cluster could not be described."""


def describe_all(targets: Sequence[Target], verify: bool | str | None) -> list[tuple[Target, Server | str]]:
    """Return the server of each target, or a text why it has none yet. Raises DescribeError."""
    return list(zip(targets, at_once(lambda target: describe(target, verify), targets, workers=10), strict=True))


def describe(target: Target, verify: bool | str | None) -> Server | str:
    """Return the cluster's server, or a text why it has none yet. Raises DescribeError."""
    where = f"cluster {target.cluster} in {target.region} (context {target.context})"
    try:
        cluster = _client(target, verify).describe_cluster(name=target.cluster)["cluster"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            return "it does not exist"
        raise DescribeError(f"Could not describe {where}: {error}") from error
    except BotoCoreError as error:
        raise DescribeError(f"Could not describe {where}: {error}") from error
    ca_data = (cluster.get("certificateAuthority") or {}).get("data")
    if not cluster.get("endpoint") or not ca_data:
        return f"it has no endpoint yet, it is {cluster.get('status')}"
    return Server(cluster["endpoint"], ca_data)


def _client(target: Target, verify: bool | str | None) -> Client:
    options = {**asdict(target), "verify": verify}
    if target.role_arn:
        options = session.as_role(options, target.role_arn, "dataplatform-fleet-kubeconfig")
    return session.client(session.session(options), options, "eks")
