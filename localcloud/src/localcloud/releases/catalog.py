# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-ons of EKS: versions for each Kubernetes version, and the IAM permissions that they need."""

from __future__ import annotations

from dataclasses import dataclass, field

from localcloud.releases import versions


@dataclass(frozen=True)
class AddonType:
    """An add-on. ``releases`` are (version, oldest minor, newest minor), newest release first."""

    name: str
    kind: str
    releases: tuple[tuple[str, int, int], ...]
    default: dict[int, str]
    """The default version by Kubernetes minor."""
    namespace: str = "kube-system"
    service_accounts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Service accounts that need a pod identity association, with the managed policies that EKS recommends."""
    needs_replicas: bool = False
    """Whether the add-on is healthy only if its Deployment runs."""


def _same(version: str) -> dict[int, str]:
    return dict.fromkeys(range(34, 38), version)


def _proxy() -> tuple[tuple[tuple[str, int, int], ...], dict[int, str]]:
    patches = {
        37: ("v1.37.0-eksbuild.2", "v1.37.1-eksbuild.1"),
        36: ("v1.36.0-eksbuild.2", "v1.36.2-eksbuild.3"),
        35: ("v1.35.0-eksbuild.2", "v1.35.4-eksbuild.1"),
        34: ("v1.34.0-eksbuild.2", "v1.34.6-eksbuild.2"),
    }
    releases = tuple(
        (version, minor, min(minor + 3, 37)) for minor, pair in patches.items() for version in reversed(pair)
    )
    return releases, {minor: pair[0] for minor, pair in patches.items()}


_PROXY_RELEASES, _PROXY_DEFAULT = _proxy()

CATALOG = {
    addon.name: addon
    for addon in (
        AddonType(
            "vpc-cni", "networking",
            (("v1.23.1-eksbuild.1", 34, 37), ("v1.22.3-eksbuild.1", 34, 37), ("v1.21.1-eksbuild.3", 34, 36)),
            _same("v1.22.3-eksbuild.1"),
            service_accounts={"aws-node": ("AmazonEKS_CNI_Policy",)},
        ),
        AddonType(
            "coredns", "networking",
            (("v1.14.2-eksbuild.1", 36, 37), ("v1.13.2-eksbuild.4", 35, 37), ("v1.12.4-eksbuild.10", 34, 36)),
            {34: "v1.12.4-eksbuild.10", 35: "v1.13.2-eksbuild.4", 36: "v1.13.2-eksbuild.4", 37: "v1.14.2-eksbuild.1"},
            needs_replicas=True,
        ),
        AddonType("kube-proxy", "networking", _PROXY_RELEASES, _PROXY_DEFAULT),
        AddonType(
            "eks-pod-identity-agent", "security",
            (("v1.3.12-eksbuild.1", 34, 37), ("v1.3.10-eksbuild.2", 34, 37)), _same("v1.3.10-eksbuild.2"),
        ),
        AddonType(
            "aws-ebs-csi-driver", "storage",
            (("v1.62.0-eksbuild.1", 34, 37), ("v1.59.0-eksbuild.1", 34, 37), ("v1.55.0-eksbuild.2", 34, 36)),
            _same("v1.59.0-eksbuild.1"),
            service_accounts={"ebs-csi-controller-sa": ("service-role/AmazonEBSCSIDriverPolicy",)},
            needs_replicas=True,
        ),
        AddonType(
            "metrics-server", "observability",
            (("v0.8.1-eksbuild.4", 34, 37), ("v0.8.0-eksbuild.6", 34, 37)), _same("v0.8.1-eksbuild.4"),
            needs_replicas=True,
        ),
        AddonType(
            "aws-efs-csi-driver", "storage",
            (("v3.2.0-eksbuild.1", 34, 37), ("v2.3.1-eksbuild.1", 34, 37)), _same("v2.3.1-eksbuild.1"),
            service_accounts={"efs-csi-controller-sa": ("service-role/AmazonEFSCSIDriverPolicy",)},
            needs_replicas=True,
        ),
        AddonType(
            "snapshot-controller", "storage", (("v8.5.0-eksbuild.1", 34, 37),), _same("v8.5.0-eksbuild.1"),
            needs_replicas=True,
        ),
        AddonType(
            "eks-node-monitoring-agent", "observability", (("v1.6.1-eksbuild.1", 34, 37),), _same("v1.6.1-eksbuild.1")
        ),
        AddonType(
            "amazon-cloudwatch-observability", "observability", (("v5.4.0-eksbuild.1", 34, 37),),
            _same("v5.4.0-eksbuild.1"), namespace="amazon-cloudwatch",
            service_accounts={"cloudwatch-agent": ("CloudWatchAgentServerPolicy",)}, needs_replicas=True,
        ),
        AddonType(
            "prometheus-node-exporter", "observability", (("v1.11.1-eksbuild.1", 34, 37),),
            _same("v1.11.1-eksbuild.1"), namespace="prometheus-node-exporter",
        ),
        AddonType(
            "kube-state-metrics", "observability", (("v2.18.0-eksbuild.2", 34, 37),), _same("v2.18.0-eksbuild.2"),
            namespace="kube-state-metrics", needs_replicas=True,
        ),
        AddonType(
            "cert-manager", "security", (("v1.19.3-eksbuild.2", 34, 37),), _same("v1.19.3-eksbuild.2"),
            namespace="cert-manager", needs_replicas=True,
        ),
        AddonType(
            "external-dns", "networking", (("v0.20.0-eksbuild.3", 34, 37),), _same("v0.20.0-eksbuild.3"),
            namespace="external-dns",
            service_accounts={"external-dns": ("AmazonRoute53FullAccess",)}, needs_replicas=True,
        ),
    )
}  # fmt: skip


def compatible(addon: str, version: str, kubernetes: str) -> bool:
    minor = versions.number(kubernetes)
    return any(release == version and oldest <= minor <= newest for release, oldest, newest in CATALOG[addon].releases)


def default(addon: str, kubernetes: str) -> str:
    return CATALOG[addon].default[versions.number(kubernetes)]


def describe(addon: AddonType, kubernetes: str | None) -> dict[str, object]:
    """Return the add-on in the format of DescribeAddonVersions, for one Kubernetes version or for all."""
    offered = []
    for release, oldest, newest in addon.releases:
        minors = [m for m in range(newest, oldest - 1, -1) if kubernetes is None or m == versions.number(kubernetes)]
        if minors:
            compatibilities = [
                {
                    "clusterVersion": f"1.{minor}",
                    "platformVersions": ["*"],
                    "defaultVersion": addon.default.get(minor) == release,
                }
                for minor in minors
            ]
            offered.append(
                {
                    "addonVersion": release,
                    "architecture": ["amd64", "arm64"],
                    "computeTypes": ["ec2", "auto", "hybrid"],
                    "compatibilities": compatibilities,
                    "requiresConfiguration": False,
                    "requiresIamPermissions": bool(addon.service_accounts),
                }
            )
    return {
        "addonName": addon.name,
        "type": addon.kind,
        "addonVersions": offered,
        "publisher": "eks",
        "owner": "aws",
        "defaultNamespace": addon.namespace,
    }


def image(region: str, name: str, tag: str) -> str:
    """Return the reference of an add-on's image in a region's registry, such as ``eks/coredns``."""
    return f"602401143452.dkr.ecr.{region}.amazonaws.com/{name}:{tag}"
