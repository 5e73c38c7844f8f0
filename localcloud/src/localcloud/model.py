# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types and interfaces that the parts of the local cloud share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ACCOUNT = "111122223333"
REGION = "eu-central-1"
# The administrator is an IAM user, as on AWS, who can assume roles and have access entries.
# Kinds of nodes: all simulated, or one real node in each cluster.
SIMULATED_NODES, REAL_NODES = NODES = ("simulated", "real")
ADMIN_USER = "admin"
ADMIN_ACCESS_KEY = "LOCALCLOUDADMIN000001"
# An access key that is a 12-digit account number, with the same secret, is the root user of that account.
ROOT_ACCESS_KEY = "LOCALCLOUDROOT0000001"
SECRET_KEY = "local-cloud-only"  # noqa: S105 - protects only a loopback port


class LocalCloudError(Exception):
    """An error that the user can fix; the message is one line."""


@dataclass(frozen=True)
class ClusterKey:
    """The identity of an EKS cluster."""

    account: str
    region: str
    name: str

    def __str__(self) -> str:
        return f"{self.account}-{self.region}-{self.name}"


@dataclass(frozen=True)
class ClusterSpec:
    """The desired control plane of a cluster."""

    key: ClusterKey
    version: str
    service_cidr: str
    webhook_path: str
    """URL of token reviews by the AWS API. It contains a secret that each CreateCluster generates."""
    arguments: tuple[str, ...] = ()
    """Additional arguments of the API server, such as ``--oidc-issuer-url=https://...``."""


@dataclass(frozen=True)
class ClusterRef:
    """A running control plane, for the in-cluster controllers.

    ``kubeconfig`` has administrator permissions (``system:masters``, user ``localcloud:system``, whose requests are
    not in the audit log); ``directory`` is the cluster's directory in the state directory.
    """

    name: str
    account: str
    region: str
    endpoint: str
    kubeconfig: Path
    ca_file: Path
    directory: Path


class Stoppable(Protocol):
    """A background task that can be stopped."""

    def stop(self) -> None: ...


class ClusterBackend(Protocol):
    """Runs the control planes of the EKS API. Failures raise ``LocalCloudError``."""

    def create(self, spec: ClusterSpec) -> ClusterRef:
        """Start a cluster's control plane and return it when it is ready."""

    def restart(self, key: ClusterKey, arguments: Sequence[str]) -> None:
        """Restart a cluster's API server with other arguments, keeping its data."""

    def upgrade(self, key: ClusterKey, version: str) -> None:
        """Restart a cluster's control plane as another Kubernetes minor version, keeping its data.

        Blocks until the control plane is ready. On failure, the old version is restarted.
        """

    def delete(self, key: ClusterKey) -> None:
        """Stop a cluster's control plane, if it exists, and delete its data."""

    def access_changed(self, key: ClusterKey) -> None:
        """Schedule an update of a cluster's RBAC objects from its access policies."""


class AccessPolicies(Protocol):
    """The access policies of EKS clusters, as RBAC objects."""

    role_label: str
    """Label of the ClusterRoles, whose value is ``true``."""
    binding_label: str
    """Label of the bindings, whose value is ``true``."""

    def objects(self, key: ClusterKey, namespaces: Sequence[str]) -> list[dict[str, Any]]:
        """Return the ClusterRoles, ClusterRoleBindings and RoleBindings of a cluster with these namespaces."""

    def follow_namespaces(self, key: ClusterKey) -> bool:
        """Whether a new namespace changes the objects."""
