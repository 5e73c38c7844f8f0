# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS does inside an EKS cluster: nodes, load balancers, volumes and add-ons of a local control plane."""

from __future__ import annotations

from collections.abc import Callable

from localcloud.controllers.cloud import Cloud
from localcloud.controllers.context import Context, RealNodeController, RealNodes, Settings
from localcloud.controllers.run import Controllers
from localcloud.model import ClusterRef

__all__ = ["Cloud", "Controllers", "Settings", "start_controllers"]


def start_controllers(
    cluster: ClusterRef,
    cloud: Cloud | None = None,
    settings: Settings | None = None,
    machines: RealNodes | None = None,
    node_controller: Callable[[Context], RealNodeController] | None = None,
) -> Controllers:
    """Start the controllers of one cluster on threads of their own.

    ``cloud`` is the account around the cluster, by default the emulated one in this process. With ``machines`` the
    cluster has a real node, whose controller ``node_controller`` makes.
    """
    if cloud is None:
        from localcloud.controllers.emulated import EmulatedCloud  # noqa: PLC0415 - loads the emulator only here

        cloud = EmulatedCloud(cluster)
    controllers = Controllers(cluster, cloud, settings or Settings(), machines, node_controller)
    controllers.start()
    return controllers
