# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface between the controllers and their cluster's AWS account.

Records have the structures of the AWS API: ``DescribeCluster``, ``DescribeNodegroup``, ``DescribeAddon``,
``DescribePodIdentityAssociation``, EC2 ``DescribeSubnets``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Record = dict[str, Any]


@dataclass(frozen=True)
class Issue:
    """One entry of a node group's or add-on's ``health.issues``."""

    code: str
    message: str
    resource_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodegroupReport:
    """The state of a node group in the cluster, reported after every step.

    ``outdated`` counts the nodes that do not match the node group's version, release and instance types; ``image`` is
    the matching image. ``eviction_failed`` ends a version update with ``PodEvictionFailure``; a ``fatal`` issue is the
    reason why the creation of a node group fails.
    """

    desired: int
    nodes: int
    ready: int
    outdated: int = 0
    image: str = ""
    issues: tuple[Issue, ...] = ()
    fatal: bool = False
    eviction_failed: Issue | None = None


@dataclass(frozen=True)
class AddonReport:
    """Whether an add-on's workloads exist and are available; ``installed`` is the installed version."""

    installed: str
    available: bool
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True)
class LoadBalancer:
    """The load balancer of a Service."""

    name: str
    type: str
    scheme: str
    dns_name: str
    subnets: tuple[str, ...]
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Volume:
    """The EBS volume of a PersistentVolumeClaim."""

    zone: str
    size_gib: int
    type: str
    encrypted: bool
    kms_key_id: str = ""
    iops: int = 0
    throughput: int = 0
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VpcNetwork:
    """The VPC of real nodes: its CIDR block, the control plane's addresses, the CIDR blocks to which a subnet has
    routes over active peering connections, and the associated private zones."""

    cidr: str
    interfaces: tuple[str, ...]
    peered: tuple[str, ...]
    zones: tuple[Zone, ...]


@dataclass(frozen=True)
class Zone:
    """The records of a private zone: addresses or another name, by name in lower case without the trailing dot."""

    name: str
    addresses: Mapping[str, Sequence[str]]
    aliases: Mapping[str, str]

    def covers(self, name: str) -> bool:
        return name == self.name or name.endswith(f".{self.name}")


class Cloud(Protocol):
    """The AWS account. Reads return snapshots; all methods are thread-safe."""

    def cluster(self) -> Record | None:
        """Return the cluster's record, with ``bootstrapSelfManagedAddons`` of its creation; None if it was deleted."""

    def nodegroups(self) -> list[Record]:
        """Return node groups, including those being deleted. ``update`` is the version update in progress, if any:
        ``{"id": ..., "version": ..., "releaseVersion": ..., "force": bool}``."""

    def addons(self) -> list[Record]:
        """Return add-ons, including those being deleted; ``preserve`` is that of DeleteAddon."""

    def pod_identities(self) -> list[Record]: ...

    def subnets(self) -> list[Record]:
        """Return the subnets of the cluster's VPC in EC2's format, with ``AvailabilityZoneId`` and ``Tags``."""

    def network(self, subnet_id: str) -> VpcNetwork:
        """Return the cluster's VPC for nodes in one of its subnets."""

    def role_allows(self, role_arn: str, action: str) -> bool:
        """Whether a role exists and one of its policies allows the action on any resource."""

    def report_nodegroup(self, name: str, report: NodegroupReport) -> None: ...

    def report_addon(self, name: str, report: AddonReport) -> None: ...

    def create_load_balancer(self, load_balancer: LoadBalancer) -> None:
        """Create the load balancer unless one with its name exists."""

    def delete_load_balancer(self, name: str) -> None: ...

    def create_volume(self, volume: Volume) -> str:
        """Create a volume and return its id."""

    def resize_volume(self, volume_id: str, size_gib: int) -> None: ...

    def delete_volume(self, volume_id: str) -> None: ...
