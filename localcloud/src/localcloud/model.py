# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the local cloud tell each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ACCOUNT = "111122223333"
REGION = "eu-central-1"
# The administrator is an IAM user, as on AWS: roles can be assumed and access entries mean something.
# What nodes are: all simulated, or one of each cluster real.
SIMULATED_NODES, REAL_NODES = NODES = ("simulated", "real")
ADMIN_USER = "admin"
ADMIN_ACCESS_KEY = "LOCALCLOUDADMIN000001"
# Also accepted: any 12-digit account number as the access key, with the same secret, is that account's root.
ROOT_ACCESS_KEY = "LOCALCLOUDROOT0000001"
SECRET_KEY = "local-cloud-only"  # noqa: S105 - guards nothing but a loopback port


class LocalCloudError(Exception):
    """Something the user can act on; the message is one line."""


@dataclass(frozen=True)
class ClusterKey:
    """What identifies an EKS cluster."""

    account: str
    region: str
    name: str

    def __str__(self) -> str:
        return f"{self.account}-{self.region}-{self.name}"


@dataclass(frozen=True)
class ClusterSpec:
    """The control plane that a cluster wants."""

    key: ClusterKey
    version: str
    service_cidr: str
    webhook_path: str
    """Where the AWS API reviews tokens. It holds a secret that is new with every CreateCluster."""
    arguments: tuple[str, ...] = ()
    """Further arguments of the API server, such as ``--oidc-issuer-url=https://...``."""


@dataclass(frozen=True)
class ClusterRef:
    """A running control plane, as the in-cluster controllers see it.

    ``kubeconfig`` is an administrator's (``system:masters``, user ``localcloud:system``, whose requests are
    left out of the audit log); ``directory`` is the cluster's own folder under the state directory.
    """

    name: str
    account: str
    region: str
    endpoint: str
    kubeconfig: Path
    ca_file: Path
    directory: Path


class Stoppable(Protocol):
    """Something that works in the background until it is told to stop."""

    def stop(self) -> None: ...


class ClusterBackend(Protocol):
    """Runs the control planes behind the EKS API. What fails raises ``LocalCloudError``."""

    def create(self, spec: ClusterSpec) -> ClusterRef:
        """Start a cluster's control plane and return it when it is ready."""

    def restart(self, key: ClusterKey, arguments: Sequence[str]) -> None:
        """Restart a cluster's API server with other arguments, keeping its data."""

    def upgrade(self, key: ClusterKey, version: str) -> None:
        """Restart a cluster's control plane as another Kubernetes minor, keeping its data.

        Blocks until the control plane is ready. On failure the old version runs again.
        """

    def delete(self, key: ClusterKey) -> None:
        """Stop a cluster's control plane, if there is one, and remove its data."""

    def access_changed(self, key: ClusterKey) -> None:
        """Bring a cluster's RBAC objects in line with its access policies, soon."""


class AccessPolicies(Protocol):
    """The access policies of EKS clusters, as RBAC objects."""

    role_label: str
    """Label of the ClusterRoles, whose value is ``true``."""
    binding_label: str
    """The same of the bindings."""

    def objects(self, key: ClusterKey, namespaces: Sequence[str]) -> list[dict[str, Any]]:
        """Return the ClusterRoles, ClusterRoleBindings and RoleBindings of a cluster that has these namespaces."""

    def follow_namespaces(self, key: ClusterKey) -> bool:
        """Tell whether another namespace changes the objects."""
