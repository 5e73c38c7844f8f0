# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is, from its API server's answers. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.fleet import PLATFORMS

Json = Mapping[str, Any]
OPENSHIFT, ROSA, EKS, OTHER = PLATFORMS
# An OpenShift has both, also where it has no ClusterVersion, as MicroShift.
_OPENSHIFT_GROUPS: Final = frozenset({"route.openshift.io", "security.openshift.io"})
# The tag by which OpenShift Cluster Manager marks the clusters of ROSA: Infrastructure, status.platformStatus.aws.
_CLUSTER_TYPE: Final = "red-hat-clustertype"
_EKS_VERSION: Final = re.compile(r"-eks-[0-9a-f]+")


def platform(version: Json, groups: Collection[str], infrastructure: Json, server: str) -> str:
    """One of PLATFORMS. *infrastructure* is the object ``cluster`` of config.openshift.io, or empty."""
    if set(groups) >= _OPENSHIFT_GROUPS:
        aws = _inside(infrastructure, "status", "platformStatus", "aws")
        tags = {each.get("key"): each.get("value") for each in aws.get("resourceTags") or ()}
        return ROSA if tags.get(_CLUSTER_TYPE) == "rosa" else OPENSHIFT
    host = urlsplit(server).hostname or ""
    eks = _EKS_VERSION.search(str(version.get("gitVersion"))) or host.endswith(
        (".eks.amazonaws.com", ".eks.amazonaws.com.cn")
    )
    return EKS if eks else OTHER


def minor(version: Json) -> str:
    """The version's two numbers: a server writes its minor as ``31+`` where it has changes of its own.

    >>> minor({"major": "1", "minor": "31+"}), minor({})
    ('1.31', '')
    """
    numbers = [re.match(r"\d*", str(version.get(part) or "")) for part in ("major", "minor")]
    return ".".join(each.group() for each in numbers if each and each.group())


def openshift(cluster_version: Json, infrastructure: Json, ingress: Json) -> dict[str, str]:
    """What OpenShift says of itself; empty texts where it has no such objects or they may not be read."""
    history = _inside(cluster_version, "status").get("history") or ()
    completed = [str(each.get("version")) for each in history if each.get("state") == "Completed"]
    status, platform_status = _inside(infrastructure, "status"), _inside(infrastructure, "status", "platformStatus")
    return {
        "openshift_version": next(iter(completed), ""),
        "channel": str(_inside(cluster_version, "spec").get("channel") or ""),
        "cluster_id": str(_inside(cluster_version, "spec").get("clusterID") or ""),
        "infrastructure_name": str(status.get("infrastructureName") or ""),
        "infrastructure_platform": str(platform_status.get("type") or ""),
        "region": str(_inside(platform_status, "aws").get("region") or ""),
        "ingress_domain": str(_inside(ingress, "spec").get("domain") or ""),
    }


def _inside(value: Json, *path: str) -> Json:
    for key in path:
        value = value.get(key) or {}
    return value
