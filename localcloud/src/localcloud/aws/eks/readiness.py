# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Available cluster versions, and insights into a cluster's readiness for its next version."""

from __future__ import annotations

import uuid
from typing import Any

from localcloud.aws import clock, store
from localcloud.aws.eks import lookup
from localcloud.aws.eks.call import Call, Handlers, page
from localcloud.aws.errors import invalid_parameter, not_found
from localcloud.releases import catalog, versions


def _cluster_versions(call: Call) -> dict[str, Any]:
    asked = call.get("clusterVersions", [])
    unknown = [version for version in asked if version not in versions.VERSIONS]
    if unknown:
        raise invalid_parameter(f"Unsupported cluster versions: {', '.join(unknown)}")
    found = []
    for version in sorted(versions.VERSIONS.values(), key=lambda v: versions.number(v.minor), reverse=True):
        entry = versions.describe(version, clock.now())
        if (
            (not asked or version.minor in asked)
            and (not call.get("defaultOnly") or entry["defaultVersion"])
            and call.get("status") in (None, entry["status"])
            and call.get("versionStatus") in (None, entry["versionStatus"])
            and (call.get("includeAll") or asked or entry["versionStatus"] != "UNSUPPORTED")
        ):
            found.append(entry)
    return page(call, "clusterVersions", found)


def insights(cluster: store.Record) -> list[dict[str, Any]]:
    """Return the cluster's insights, computed from the current state of the account."""
    name = cluster["name"]
    current = versions.number(cluster["version"])
    following = f"1.{current + 1}"
    behind = [group for group in store.nodegroups(name) if versions.number(group["version"]) < current]
    far_behind = any(versions.number(group["version"]) < current - 2 for group in behind)
    unfit = [
        addon
        for addon in store.addons(name)
        if following in versions.VERSIONS
        and not catalog.compatible(addon["addonName"], addon["addonVersion"], following)
    ]
    proxies = [
        addon
        for addon in store.addons(name)
        if addon["addonName"] == "kube-proxy" and versions.number(addon["addonVersion"]) < current
    ]
    kubelets = "ERROR" if far_behind else "WARNING" if behind else "PASSING"
    refreshed = cluster.get("_insights_at", cluster["createdAt"])
    entries = [
        _insight(
            cluster, following, "Kubelet version skew", kubelets,
            "Checks for kubelet versions of worker nodes in the cluster to see if upgrade would cause non compliance "
            "with supported Kubernetes kubelet version skew policy.",
            "Node versions match the control plane's." if not behind else "Node groups are behind the control plane.",
            [(group["nodegroupArn"], kubelets) for group in behind],
        ),
        _insight(
            cluster, following, "EKS add-on version compatibility", "WARNING" if unfit else "PASSING",
            "Checks version of installed EKS add-ons to ensure they are compatible with the next Kubernetes version.",
            "Installed add-on versions are compatible." if not unfit else "Add-ons must be updated with the cluster.",
            [(addon["addonArn"], "WARNING") for addon in unfit],
        ),
        _insight(
            cluster, following, "kube-proxy version skew", "WARNING" if proxies else "PASSING",
            "Checks version of kube-proxy in cluster to see if upgrade would cause non compliance with supported "
            "Kubernetes kube-proxy version skew policy.",
            "kube-proxy is behind the control plane." if proxies else "kube-proxy matches the control plane.",
            [(addon["addonArn"], "WARNING") for addon in proxies],
        ),
        _insight(
            cluster, following, "Cluster health issues", "PASSING",
            "Checks for any cluster health issues that prevent successful upgrade to the next Kubernetes version.",
            "No cluster health issues detected.", [],
        ),
        _insight(
            cluster, following, f"Deprecated APIs removed in Kubernetes v{following}", "PASSING",
            "Checks for usage of deprecated APIs that are scheduled for removal in the next Kubernetes version.",
            "No deprecated API usage detected within the last 30 days.", [],
        ),
    ]  # fmt: skip
    for entry in entries:
        entry["lastRefreshTime"] = refreshed
        entry["lastTransitionTime"] = cluster["createdAt"]
    return entries


def _insight(  # noqa: PLR0917 - one line each in the table above
    cluster: store.Record,
    following: str,
    name: str,
    status: str,
    description: str,
    reason: str,
    resources: list[tuple[str, str]],
) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{cluster['arn']}/{name}")),
        "name": name,
        "category": "UPGRADE_READINESS",
        "kubernetesVersion": following,
        "description": description,
        "insightStatus": {"status": status, "reason": reason},
        "recommendation": "No action needed." if status == "PASSING" else "Update the listed resources.",
        "additionalInfo": {},
        "resources": [{"arn": arn, "insightStatus": {"status": state, "reason": reason}} for arn, state in resources],
        "categorySpecificSummary": {"deprecationDetails": [], "addonCompatibilityDetails": []},
    }


_DETAILS = ("recommendation", "additionalInfo", "resources", "categorySpecificSummary")


def _list_insights(call: Call) -> dict[str, Any]:
    cluster = lookup.cluster(call["clusterName"])
    wanted = call.get("filter", {})
    found = [
        {key: value for key, value in entry.items() if key not in _DETAILS}
        for entry in insights(cluster)
        if entry["category"] in (wanted.get("categories") or [entry["category"]])
        and entry["kubernetesVersion"] in (wanted.get("kubernetesVersions") or [entry["kubernetesVersion"]])
        and entry["insightStatus"]["status"] in (wanted.get("statuses") or [entry["insightStatus"]["status"]])
    ]
    return page(call, "insights", found)


def _describe_insight(call: Call) -> dict[str, Any]:
    for entry in insights(lookup.cluster(call["clusterName"])):
        if entry["id"] == call["id"]:
            return {"insight": entry}
    raise not_found(f"No insight found for ID: {call['id']}", clusterName=call["clusterName"])


def _start_refresh(call: Call) -> dict[str, Any]:
    cluster = lookup.cluster(call["clusterName"], active=True)
    cluster["_insights_refresh"] = {"startedAt": clock.now(), "seconds": call.settings.update_seconds}
    return {"message": "Insights refresh has started", "status": "IN_PROGRESS"}


def _describe_refresh(call: Call) -> dict[str, Any]:
    cluster = lookup.cluster(call["clusterName"])
    refresh = cluster.get("_insights_refresh")
    if refresh is None:
        raise not_found("No insights refresh found for the cluster", clusterName=call["clusterName"])
    end = refresh["startedAt"] + refresh["seconds"]
    if clock.now() < end:
        return {
            "message": "Insights refresh is in progress",
            "status": "IN_PROGRESS",
            "startedAt": refresh["startedAt"],
        }
    cluster["_insights_at"] = end
    return {
        "message": "Insights refresh has completed",
        "status": "COMPLETED",
        "startedAt": refresh["startedAt"],
        "endedAt": end,
    }


HANDLERS: Handlers = {
    "DescribeClusterVersions": _cluster_versions,
    "DescribeInsight": _describe_insight,
    "DescribeInsightsRefresh": _describe_refresh,
    "ListInsights": _list_insights,
    "StartInsightsRefresh": _start_refresh,
}
