# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of the emulated account, in ministack's stores.

Responses omit keys that start with ``_``. EKS sub-resources have the keys that ministack gives them, because its
authentication webhook reads them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, MutableMapping
from typing import Any

from localcloud.aws import ministack
from localcloud.model import ClusterKey

Record = dict[str, Any]
Store = MutableMapping[str, Record]

clusters = ministack.clusters
nodegroups_all = ministack.nodegroups
addons_all = ministack.addons
access_entries_all = ministack.access_entries
access_policies_all = ministack.access_policies
pod_identities_all = ministack.pod_identities
identity_providers = ministack.identity_providers
tags = ministack.eks_tags

vpcs = ministack.vpcs
subnets = ministack.subnets
security_groups = ministack.security_groups
network_interfaces = ministack.network_interfaces
launch_templates = ministack.launch_templates
ec2_tags = ministack.ec2_tags
roles = ministack.roles
users = ministack.users
kms_keys = ministack.kms_keys


def account() -> str:
    return ministack.account_id()


def region() -> str:
    return ministack.region()


def cluster_key(name: str) -> ClusterKey:
    return ClusterKey(account(), region(), name)


def arn(kind: str, *parts: str) -> str:
    return f"arn:aws:eks:{region()}:{account()}:{kind}/{'/'.join(parts)}"


def children(store: Store, cluster: str, separator: str) -> Iterator[tuple[str, Record]]:
    """Return the records of one cluster with their keys, in the order of creation."""
    prefix = f"{cluster}{separator}"
    return ((key, record) for key, record in list(store.items()) if key.startswith(prefix))


def nodegroups(cluster: str) -> list[Record]:
    return [record for _, record in children(nodegroups_all, cluster, "/")]


def addons(cluster: str) -> list[Record]:
    return [record for _, record in children(addons_all, cluster, "/")]


def access_entries(cluster: str) -> list[Record]:
    return [record for _, record in children(access_entries_all, cluster, "\x00")]


def pod_identities(cluster: str) -> list[Record]:
    return [record for _, record in children(pod_identities_all, cluster, "\x00")]


def set_tags(resource_arn: str, record: Record, values: dict[str, str]) -> None:
    """Store a resource's tags for Describe calls and for the tagging APIs."""
    record["tags"] = dict(values)
    if values:
        tags[resource_arn] = dict(values)
    else:
        tags.pop(resource_arn, None)


def public(record: Record) -> Record:
    return {key: value for key, value in record.items() if not key.startswith("_")}


def resource_tags(resource_id: str) -> dict[str, str]:
    """Return the tags of an EC2 resource."""
    return {tag["Key"]: tag["Value"] for tag in ec2_tags.get(resource_id) or []}


def new_id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:17]}"


def new_uuid() -> str:
    return str(uuid.uuid4())


def role(role_arn: str) -> Record | None:
    """Return the IAM role with an ARN of this account, or None."""
    match = re.fullmatch(rf"arn:aws[\w-]*:iam::{account()}:role(/.*)?/([^/]+)", role_arn)
    found = roles.get(match.group(2)) if match else None
    return found if found is not None and found.get("Arn") == role_arn else None
