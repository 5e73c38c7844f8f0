# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading calls of EKS, and of EC2 and SSM for node groups. A missing resource is None or an empty list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code

from .._aws.aliases import Client, Document
from .._aws.calls import call, pages

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_MISSING = ("ResourceNotFoundException", "NotFoundException")
_NO_TEMPLATE = ("InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateName.NotFoundException")


def describe_cluster(client: Client, name: str) -> Document | None:
    return _get(client, "DescribeCluster", "cluster", name=name)


def list_clusters(client: Client) -> list[str]:
    return _list(client, "ListClusters", "clusters")


def describe_cluster_versions(client: Client) -> list[Document] | None:
    """The Kubernetes versions EKS offers; None without permission."""
    return _list_if_allowed(client, "DescribeClusterVersions", "clusterVersions", includeAll=True)


def list_fargate_profiles(client: Client, cluster: str) -> list[str] | None:
    """The names of a cluster's Fargate profiles; None without permission."""
    return _list_if_allowed(client, "ListFargateProfiles", "fargateProfileNames", clusterName=cluster)


def describe_nodegroup(client: Client, cluster: str, name: str) -> Document | None:
    return _get(client, "DescribeNodegroup", "nodegroup", clusterName=cluster, nodegroupName=name)


def list_nodegroups(client: Client, cluster: str) -> list[str]:
    return _list(client, "ListNodegroups", "nodegroups", clusterName=cluster)


def describe_addon(client: Client, cluster: str, name: str) -> Document | None:
    return _get(client, "DescribeAddon", "addon", clusterName=cluster, addonName=name)


def list_addons(client: Client, cluster: str) -> list[str]:
    return _list(client, "ListAddons", "addons", clusterName=cluster)


def describe_addon_versions(client: Client, name: str, kubernetes_version: str) -> list[Document]:
    """The versions of an add-on that run on *kubernetes_version*, newest first as EKS returns them."""
    found = _list(client, "DescribeAddonVersions", "addons", addonName=name, kubernetesVersion=kubernetes_version)
    return [version for addon in found for version in addon.get("addonVersions", [])]


def describe_access_entry(client: Client, cluster: str, principal_arn: str) -> Document | None:
    return _get(client, "DescribeAccessEntry", "accessEntry", clusterName=cluster, principalArn=principal_arn)


def list_access_entries(client: Client, cluster: str) -> list[str]:
    return _list(client, "ListAccessEntries", "accessEntries", clusterName=cluster)


def list_associated_access_policies(client: Client, cluster: str, principal_arn: str) -> list[Document]:
    return _list(
        client,
        "ListAssociatedAccessPolicies",
        "associatedAccessPolicies",
        clusterName=cluster,
        principalArn=principal_arn,
    )


def list_pod_identity_associations(
    client: Client, cluster: str, namespace: str | None = None, service_account: str | None = None
) -> list[Document]:
    wanted = {"clusterName": cluster, "namespace": namespace, "serviceAccount": service_account}
    given = {key: value for key, value in wanted.items() if value is not None}
    return _list(client, "ListPodIdentityAssociations", "associations", **given)


def describe_pod_identity_association(client: Client, cluster: str, association_id: str) -> Document | None:
    return _get(
        client,
        "DescribePodIdentityAssociation",
        "association",
        clusterName=cluster,
        associationId=association_id,
    )


def list_updates(client: Client, cluster: str, nodegroup: str | None = None, addon: str | None = None) -> list[str]:
    return _list(client, "ListUpdates", "updateIds", **_update_scope(cluster, nodegroup, addon))


def describe_update(
    client: Client, cluster: str, update_id: str, nodegroup: str | None = None, addon: str | None = None
) -> Document | None:
    scope = _update_scope(cluster, nodegroup, addon)
    return _get(client, "DescribeUpdate", "update", updateId=update_id, **scope)


def list_insights(client: Client, cluster: str) -> list[Document]:
    return _list(client, "ListInsights", "insights", clusterName=cluster)


def describe_insight(client: Client, cluster: str, insight_id: str) -> Document | None:
    return _get(client, "DescribeInsight", "insight", clusterName=cluster, id=insight_id)


def ssm_parameter(client: Client, name: str) -> str:
    value: str = call(client, "GetParameter", Name=name)["Parameter"]["Value"]
    return value


def launch_template(client: Client, wanted: Mapping[str, Any]) -> Document | None:
    """An EC2 launch template by ``id`` or ``name``, with its latest and default version numbers."""
    key = {"LaunchTemplateIds": [wanted["id"]]} if wanted.get("id") else {"LaunchTemplateNames": [wanted["name"]]}
    try:
        return next(iter(pages(client, "DescribeLaunchTemplates", "LaunchTemplates", **key)), None)
    except is_boto3_error_code(_NO_TEMPLATE):
        return None


def launch_template_versions(client: Client, identity: str) -> list[Document]:
    """All versions of an EC2 launch template."""
    place = {"LaunchTemplateId": identity}
    return pages(client, "DescribeLaunchTemplateVersions", "LaunchTemplateVersions", **place)


def _update_scope(cluster: str, nodegroup: str | None, addon: str | None) -> dict[str, str]:
    scope = {"name": cluster}
    if nodegroup:
        scope["nodegroupName"] = nodegroup
    if addon:
        scope["addonName"] = addon
    return scope


def _get(client: Client, operation: str, key: str, **request: str) -> Document | None:
    try:
        found: Document = call(client, operation, **request)[key]
    except is_boto3_error_code(_MISSING):
        return None
    return found


def _list(client: Client, operation: str, key: str, **request: object) -> list[Any]:
    try:
        return pages(client, operation, key, **request)
    except is_boto3_error_code(_MISSING):
        return []


def _list_if_allowed(client: Client, operation: str, key: str, **request: object) -> list[Any] | None:
    try:
        return _list(client, operation, key, **request)
    except is_boto3_error_code(_DENIED):
        return None
