# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers that do AWS' work inside an EKS cluster: nodes, load balancers, volumes and add-ons."""

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
    """Start the controllers of one cluster in new threads.

    ``cloud`` is the cluster's AWS account, by default the emulated account in this process. With ``machines``, the
    cluster has a real node, whose controller ``node_controller`` creates.
    """
    if cloud is None:
        from localcloud.controllers.emulated import EmulatedCloud  # noqa: PLC0415 - loads the emulator only here

        cloud = EmulatedCloud(cluster)
    controllers = Controllers(cluster, cloud, settings or Settings(), machines, node_controller)
    controllers.start()
    return controllers
