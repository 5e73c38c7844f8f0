# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the local cloud tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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


class ClusterEngine(Protocol):
    """Runs the control planes behind the EKS emulator."""

    def find(self, account: str, region: str, name: str) -> ClusterRef | None:
        """Return the running control plane of a cluster."""

    def upgrade(self, account: str, region: str, name: str, version: str) -> None:
        """Restart a cluster's control plane as another Kubernetes minor, keeping its data.

        Blocks until the control plane is ready. On failure the old version runs again and
        ``LocalCloudError`` says why.
        """

    def versions(self) -> tuple[str, ...]:
        """Return the minors the control planes can play, oldest first, such as ``("1.35", "1.36", "1.37")``."""
