# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM for EKS: principals, trust policies, and the delay until a new role is effective."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from localcloud.aws import clock, ministack, store
from localcloud.aws.jsontypes import Json

_seen: dict[str, float] = {}
"""Time of the last change of a role's trust policy by this process, by role ARN."""


_VOLUMES = (
    "ec2:AttachVolume",
    "ec2:CreateSnapshot",
    "ec2:CreateTags",
    "ec2:CreateVolume",
    "ec2:DeleteVolume",
    "ec2:Describe*",
    "ec2:DetachVolume",
    "ec2:ModifyVolume",
)
_MANAGED: dict[str, tuple[str, ...]] = {
    "AmazonEC2ContainerRegistryPullOnly": ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:BatchImport*"),
    "AmazonEC2ContainerRegistryReadOnly": ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:Describe*"),
    "AmazonEKSBlockStoragePolicy": ("ec2:CreateVolume", "ec2:AttachVolume", "ec2:DetachVolume", "ec2:DeleteVolume"),
    "AmazonEKSClusterPolicy": ("ec2:Describe*", "ec2:CreateTags", "elasticloadbalancing:*", "kms:DescribeKey"),
    "AmazonEKSComputePolicy": ("ec2:CreateFleet", "ec2:RunInstances", "iam:PassRole"),
    "AmazonEKSLoadBalancingPolicy": ("elasticloadbalancing:*", "ec2:Describe*"),
    "AmazonEKSNetworkingPolicy": ("ec2:CreateNetworkInterface", "ec2:AssignPrivateIpAddresses"),
    "AmazonEKSVPCResourceController": ("ec2:CreateNetworkInterface", "ec2:AssignPrivateIpAddresses"),
    "AmazonEKSWorkerNodeMinimalPolicy": ("eks-auth:AssumeRoleForPodIdentity",),
    "AmazonEKSWorkerNodePolicy": ("ec2:Describe*", "eks:DescribeCluster", "eks-auth:AssumeRoleForPodIdentity"),
    "AmazonEKS_CNI_Policy": ("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:Describe*"),
    "CloudWatchAgentServerPolicy": ("cloudwatch:PutMetricData", "logs:PutLogEvents", "logs:Create*"),
    "service-role/AmazonEBSCSIDriverEKSClusterScopedPolicy": _VOLUMES,
    "service-role/AmazonEBSCSIDriverPolicy": _VOLUMES,
    "service-role/AmazonEBSCSIDriverPolicyV2": _VOLUMES,
    "service-role/AmazonEFSCSIDriverPolicy": ("elasticfilesystem:*",),
}
"""AWS managed policies that clusters need, with their main permissions."""

_FAMILIES = ("AmazonEKS", "AmazonEC2ContainerRegistry", "AmazonEBSCSIDriver", "AmazonEFSCSIDriver")
"""Prefixes of names for which the table above is complete: other names with them are invalid."""
_AWS_POLICY = "arn:aws:iam::aws:policy/"


def install() -> None:
    for name, actions in _MANAGED.items():
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        record = ministack.aws_policy(name, json.dumps(document))
        ministack.aws_policies.setdefault(f"{_AWS_POLICY}{name}", record)
    for kind in ("Role", "User", "Group"):
        action = f"Attach{kind}Policy"
        ministack.iam_handlers[action] = _attachable_only(ministack.iam_handlers[action])
    for action in ("CreateRole", "UpdateAssumeRolePolicy"):
        ministack.iam_handlers[action] = _noting(ministack.iam_handlers[action])


def _attachable_only(handler: Callable[[Json], Json]) -> Callable[[Json], Json]:
    def wrapped(params: Json) -> Json:
        arn = ministack.iam_parameter(params, "PolicyArn")
        if policy_exists(arn):
            return handler(params)
        message = f"Policy {arn} does not exist or is not attachable."
        return ministack.iam_error(404, "NoSuchEntity", message)

    return wrapped


def policy_exists(arn: str) -> bool:
    """Whether a policy can be attached: a policy of the account, or a known AWS managed policy."""
    if not arn.startswith(_AWS_POLICY):
        return arn in ministack.policies
    name = arn.removeprefix(_AWS_POLICY).rsplit("/", 1)[-1]
    elsewhere = {known.rsplit("/", 1)[-1] for known in _MANAGED}
    return arn in ministack.aws_policies or not (name in elsewhere or name.startswith(_FAMILIES))


def _noting(handler: Callable[[Json], Json]) -> Callable[[Json], Json]:
    def wrapped(params: Json) -> Json:
        response = handler(params)
        name = ministack.iam_parameter(params, "RoleName")
        if response[0] == 200 and name in store.roles:
            _seen[str(store.roles[name]["Arn"])] = clock.now()
        return response

    return wrapped


def assumable(role_arn: str, service: str, delay: float, actions: Iterable[str] = ("sts:AssumeRole",)) -> bool:
    """Whether an AWS service can assume the role: it exists, trusts the service, and is effective."""
    role = store.role(role_arn)
    if role is None or clock.now() - _seen.get(role_arn, 0.0) < delay:
        return False
    granted = trusted_actions(role, service)
    return all(any(_covers(pattern, action) for pattern in granted) for action in actions)


def trusted_actions(role: store.Record, service: str) -> set[str]:
    """Return the actions that a role's trust policy allows to an AWS service."""
    document = role.get("AssumeRolePolicyDocument") or "{}"
    try:
        policy = json.loads(document) if isinstance(document, str) else document
    except ValueError:
        return set()
    allowed: set[str] = set()
    for statement in _list(policy.get("Statement")):
        principal = statement.get("Principal")
        services = _list(principal.get("Service")) if isinstance(principal, dict) else _list(principal)
        if statement.get("Effect") == "Allow" and (service in services or "*" in services):
            allowed.update(_list(statement.get("Action")))
    return allowed


def principal_exists(arn: str) -> bool:
    """Whether access can be granted to an IAM principal ARN: an existing role or user, or any in another account."""
    match = re.fullmatch(r"arn:aws[\w-]*:iam::(\d{12}):(root|(role|user)(/.*)?/([^/]+))", arn)
    if not match:
        return False
    if match[1] != store.account() or match[2] == "root":
        return True
    known = (store.roles if match[3] == "role" else store.users).get(match[5])
    return known is not None and known.get("Arn") == arn


def _covers(pattern: str, action: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE) is not None


def _list(value: Json) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
