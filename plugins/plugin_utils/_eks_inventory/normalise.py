# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert responses of the EKS API to the variables of hosts. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from ansible.module_utils.common.dict_transformations import camel_dict_to_snake_dict

Document = Mapping[str, Any]
Value = Any  # whatever JSON can hold, and times
CHOSEN_BY_USERS = ("tags", "labels")


def normalise_cluster(cluster: Document, region: str) -> dict[str, Any]:
    """A cluster as DescribeCluster returns it, with the fields that are asked for most at the top.

    API: https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html
    """
    plain = _snake(cluster)
    vpc_config = plain.pop("resources_vpc_config", {})
    plain.update(
        region=region,
        account_id=account_of(plain["arn"]),
        certificate_authority_data=(plain.pop("certificate_authority", None) or {}).get("data", ""),
        vpc_config=vpc_config,
        vpc_id=vpc_config.get("vpc_id", ""),
        support_type=(plain.get("upgrade_policy") or {}).get("support_type", ""),
    )
    plain.setdefault("endpoint", "")
    plain.setdefault("version", "")
    plain.setdefault("platform_version", "")
    plain.setdefault("tags", {})
    return plain


def normalise_nodegroup(nodegroup: Document) -> dict[str, Any]:
    """A node group as DescribeNodegroup returns it, its name under name."""
    plain = _snake(nodegroup)
    plain["name"] = plain.pop("nodegroup_name")
    return plain


def normalise_addon(addon: Document) -> dict[str, Any]:
    """An add-on as DescribeAddon returns it, its name under name."""
    plain = _snake(addon)
    plain["name"] = plain.pop("addon_name")
    plain["version"] = plain.pop("addon_version", "")
    return plain


def normalise_insight(insight: Document) -> dict[str, Any]:
    """An insight as ListInsights returns it; status is the word alone."""
    plain = _snake(insight)
    status = plain.pop("insight_status", None) or {}
    return {**plain, "status": status.get("status", ""), "reason": status.get("reason", "")}


def account_of(arn: str) -> str:
    """The account in an ARN.

    >>> account_of("arn:aws:eks:eu-central-1:111122223333:cluster/a")
    '111122223333'
    """
    return arn.split(":")[4] if arn.count(":") >= 5 else ""


def _snake(document: Document) -> dict[str, Any]:
    """With snake_case keys, except those that users chose, and times in ISO 8601."""
    plain: dict[str, Any] = _plain({key: value for key, value in document.items() if key != "ResponseMetadata"})
    return plain


def _plain(value: Value) -> Value:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_key(key): dict(each) if key in CHOSEN_BY_USERS else _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


@cache
def _key(name: str) -> str:
    return str(next(iter(camel_dict_to_snake_dict({name: None}))))
