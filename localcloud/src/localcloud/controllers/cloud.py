# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controllers need to know of the AWS account around their cluster, and what they tell it.

Records have the shapes of the AWS API: ``DescribeCluster``, ``DescribeNodegroup``, ``DescribeAddon``,
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
    """What there is of a node group in the cluster, seen after every step.

    ``outdated`` counts the nodes that are not what the node group's version, release and instance types ask
    for; ``image`` is the one they ask for. ``eviction_failed`` ends a version update with
    ``PodEvictionFailure``; a ``fatal`` issue is why a node group that is being created cannot be.
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
    """Whether an add-on's workloads are there and available; ``installed`` is the version that was put there."""

    installed: str
    available: bool
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True)
class LoadBalancer:
    """A load balancer a Service asked for."""

    name: str
    type: str
    scheme: str
    dns_name: str
    subnets: tuple[str, ...]
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Volume:
    """An EBS volume a claim asked for."""

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
    """What real nodes have to know of their cluster's VPC: its block, the addresses of the control plane in it, the
    blocks to which a subnet has routes over active peering connections, and the private zones it may ask."""

    cidr: str
    interfaces: tuple[str, ...]
    peered: tuple[str, ...]
    zones: tuple[Zone, ...]


@dataclass(frozen=True)
class Zone:
    """The records of a private zone: by name, in lower case without the last dot, addresses or another name."""

    name: str
    addresses: Mapping[str, Sequence[str]]
    aliases: Mapping[str, str]

    def covers(self, name: str) -> bool:
        return name == self.name or name.endswith(f".{self.name}")


class Cloud(Protocol):
    """The account's side. Reads return snapshots; every method may be called from any thread."""

    def cluster(self) -> Record | None:
        """The cluster's record with ``bootstrapSelfManagedAddons`` as it was created; None when it is gone."""

    def nodegroups(self) -> list[Record]:
        """Node groups, with those being deleted. ``update`` holds the version update in progress, if any:
        ``{"id": ..., "version": ..., "releaseVersion": ..., "force": bool}``."""

    def addons(self) -> list[Record]:
        """Add-ons, with those being deleted; ``preserve`` is true when DeleteAddon asked for it."""

    def pod_identities(self) -> list[Record]: ...

    def subnets(self) -> list[Record]:
        """The subnets of the cluster's VPC, as EC2 describes them, with ``AvailabilityZoneId`` and ``Tags``."""

    def network(self, subnet_id: str) -> VpcNetwork:
        """The cluster's VPC as seen from one of its subnets."""

    def role_allows(self, role_arn: str, action: str) -> bool:
        """Whether a role exists and one of its policies allows the action on any resource."""

    def report_nodegroup(self, name: str, report: NodegroupReport) -> None: ...

    def report_addon(self, name: str, report: AddonReport) -> None: ...

    def create_load_balancer(self, load_balancer: LoadBalancer) -> None:
        """Create the load balancer if there is none of its name."""

    def delete_load_balancer(self, name: str) -> None: ...

    def create_volume(self, volume: Volume) -> str:
        """Create a volume and return its id."""

    def resize_volume(self, volume_id: str, size_gib: int) -> None: ...

    def delete_volume(self, volume_id: str) -> None: ...
