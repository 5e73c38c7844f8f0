# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS calls, one per function: nothing else talks to AWS.

Every call is retried with full jitter while AWS throttles, fails on its side, or has not yet heard everywhere of an IAM
role made a moment ago. A refusal becomes an ApiError; a missing resource becomes None or an empty list.
Source: https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html and the operations' own pages.
"""

from __future__ import annotations

import functools
import random
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from .._aws.aliases import Client, Document
from .._aws.errors import ApiError

TRANSIENT = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
TRANSIENT_SECONDS = 120.0
# IAM and EC2 are eventually consistent: a role or a launch template that exists already may be unknown to EKS for some
# seconds.
CONSISTENCY_SECONDS = 60.0
_CONSISTENCY = re.compile(
    r"(cannot|could not|can't) be assumed|not authorized to perform: sts:AssumeRole|invalid principal"
    r"|(role|principal)\b.*\b(does not exist|not found|doesn't exist)"
    r"|trust(ed entity)?.*(not correct|relationship)|trust policy .* is invalid"
    r"|launch template\b.*\b(does not exist|not found|doesn't exist)",
    re.IGNORECASE | re.DOTALL,
)
_TAKES_TOKEN = re.compile(r"Create|Update|AssociateEncryptionConfig")
# EC2's name of it, and its calls that take one.
_TAKES_EC2_TOKEN = frozenset({"CreateLaunchTemplate", "CreateLaunchTemplateVersion", "ModifyLaunchTemplate"})
NO_TEMPLATE = frozenset({"InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateName.NotFoundException"})

# EKS itself may not find the access entry yet that it has just created.
_ENTRY_UNKNOWN = re.compile(r"principalArn could not be found", re.IGNORECASE)


def retry_seconds(operation: str, code: str, text: str) -> float:
    """For how long (seconds) a refusal of *operation* is worth repeating; 0 for not at all."""
    if code in TRANSIENT:
        return TRANSIENT_SECONDS
    if code in ("InvalidParameterException", "InvalidRequestException") and _CONSISTENCY.search(text):
        return CONSISTENCY_SECONDS
    if operation == "AssociateAccessPolicy" and code == "ResourceNotFoundException" and _ENTRY_UNKNOWN.search(text):
        return CONSISTENCY_SECONDS
    return 0.0


def retried[T](
    call: Callable[[], T],
    operation: str,
    context: str = "",
    *,
    sleep: Callable[[float], None] | None = None,
    clock: Callable[[], float] | None = None,
) -> T:
    """Run *call* until it succeeds or its refusal is final. Raises ApiError."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - importable without botocore

    sleep, clock = sleep or time.sleep, clock or time.monotonic
    begin = clock()
    attempt = 0
    while True:
        try:
            return call()
        except ClientError as error:
            reason = error.response.get("Error", {})
            code, text = reason.get("Code", "Unknown"), reason.get("Message", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if clock() - begin >= retry_seconds(operation, code, text):
                raise ApiError(operation, code, text, status, context) from error
        except BotoCoreError as error:
            raise ApiError(operation, type(error).__name__, str(error), context=context) from error
        sleep(random.uniform(0.1, min(10.0, 0.5 * 2**attempt)))  # noqa: S311 - jitter, not a secret
        attempt = min(attempt + 1, 10)


def send(client: Client, operation: str, request: Mapping[str, Any], context: str = "") -> Document:
    """Make the changing call *operation* (its name in the API reference) with *request*.

    One client request token serves all repetitions, so that a call which reached EKS is not made twice.
    """
    arguments = dict(request)
    if operation in _TAKES_EC2_TOKEN:
        arguments.setdefault("ClientToken", str(uuid.uuid4()))
    elif _TAKES_TOKEN.match(operation) and operation != "CreateTags":
        arguments.setdefault("clientRequestToken", str(uuid.uuid4()))
    method = getattr(client, _snake(operation))
    answer: Document = retried(lambda: method(**arguments), operation, context)
    answer.pop("ResponseMetadata", None)
    return answer


def describe_cluster(client: Client, name: str) -> Document | None:
    return _get(client, "DescribeCluster", "cluster", name=name)


def list_clusters(client: Client) -> list[str]:
    return _list(client, "ListClusters", "clusters")


def describe_cluster_versions(client: Client) -> list[Document] | None:
    """The Kubernetes versions EKS offers; None where the caller may not ask."""
    try:
        return _list(client, "DescribeClusterVersions", "clusterVersions", includeAll=True)
    except ApiError as error:
        if error.code in DENIED:
            return None
        raise


def list_fargate_profiles(client: Client, cluster: str) -> list[str] | None:
    """The names of a cluster's Fargate profiles; None where the caller may not ask."""
    try:
        return _list(client, "ListFargateProfiles", "fargateProfileNames", clusterName=cluster)
    except ApiError as error:
        if error.code in DENIED:
            return None
        raise


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
    answer = retried(functools.partial(client.get_parameter, Name=name), "GetParameter", name)
    value: str = answer["Parameter"]["Value"]
    return value


def launch_template(client: Client, wanted: Mapping[str, Any]) -> Document | None:
    """An EC2 launch template by ``id`` or ``name``, with its latest and default version numbers."""
    key = {"LaunchTemplateIds": [wanted["id"]]} if wanted.get("id") else {"LaunchTemplateNames": [wanted["name"]]}
    context = str(wanted.get("id") or wanted.get("name"))
    try:
        answer = retried(functools.partial(client.describe_launch_templates, **key), "DescribeLaunchTemplates", context)
    except ApiError as error:
        if error.code in NO_TEMPLATE:
            return None
        raise
    found: list[Document] = answer["LaunchTemplates"]
    return found[0] if found else None


def launch_template_versions(client: Client, identity: str) -> list[Document]:
    """All versions of an EC2 launch template."""
    request, operation = {"LaunchTemplateId": identity}, "DescribeLaunchTemplateVersions"
    found: list[Document] = []
    while True:
        page = retried(functools.partial(client.describe_launch_template_versions, **request), operation, identity)
        found.extend(page["LaunchTemplateVersions"])
        if not page.get("NextToken"):
            return found
        request["NextToken"] = page["NextToken"]


def _update_scope(cluster: str, nodegroup: str | None, addon: str | None) -> dict[str, str]:
    scope = {"name": cluster}
    if nodegroup:
        scope["nodegroupName"] = nodegroup
    if addon:
        scope["addonName"] = addon
    return scope


def _get(client: Client, operation: str, key: str, **request: str) -> Document | None:
    context = " ".join(request.values())
    try:
        answer = retried(functools.partial(getattr(client, _snake(operation)), **request), operation, context)
    except ApiError as error:
        if error.code in ("ResourceNotFoundException", "NotFoundException"):
            return None
        raise
    found: Document = answer[key]
    return found


def _list(client: Client, operation: str, key: str, **request: Any) -> list[Any]:  # noqa: ANN401
    context = " ".join(str(value) for value in request.values() if isinstance(value, str))
    method = getattr(client, _snake(operation))
    found: list[Any] = []
    page: Document = {}
    try:
        # Page by page, so that a throttled page is repeated and not the whole listing.
        while True:
            page = retried(functools.partial(method, **request), operation, context)
            found.extend(page.get(key) or [])
            if not page.get("nextToken"):
                return found
            request["nextToken"] = page["nextToken"]
    except ApiError as error:
        if error.code in ("ResourceNotFoundException", "NotFoundException"):
            return []
        raise


def _snake(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
