# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thread that runs the controllers of one cluster."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from logging.handlers import RotatingFileHandler

from localcloud.controllers.addons import AddonController
from localcloud.controllers.automode import AutoModeController
from localcloud.controllers.cloud import Cloud
from localcloud.controllers.context import Context, Controller, RealNodeController, RealNodes, Settings, guarded
from localcloud.controllers.kube import Kube
from localcloud.controllers.loadbalancers import LoadBalancerController
from localcloud.controllers.mounts import MountController
from localcloud.controllers.nodegroups import NodegroupController
from localcloud.controllers.volumes import VolumeController
from localcloud.model import ClusterRef


class Controllers:
    """All controllers of one cluster: one thread that reconciles, and one watch thread for each kind."""

    def __init__(
        self,
        ref: ClusterRef,
        cloud: Cloud,
        settings: Settings,
        machines: RealNodes | None = None,
        node_controller: Callable[[Context], RealNodeController] | None = None,
    ) -> None:
        self._handler = RotatingFileHandler(ref.directory / "controllers.log", maxBytes=5 << 20, backupCount=1)
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._log = logging.Logger(f"localcloud.controllers.{ref.name}", logging.INFO)
        self._log.addHandler(self._handler)
        self._settings = settings
        self._kube = Kube(ref.kubeconfig)
        self._context = Context(ref, cloud, self._kube, self._log, settings, machines)
        self._stopped = threading.Event()
        self._node_controller = node_controller(self._context) if node_controller else None
        self._controllers: list[Controller] = [
            *([self._node_controller] if self._node_controller else []),
            MountController(self._context),
            AddonController(self._context),
            NodegroupController(self._context),
            AutoModeController(self._context),
            LoadBalancerController(self._context),
            VolumeController(self._context),
        ]
        self._thread = threading.Thread(target=self._run, name=f"controllers-{ref.name}", daemon=True)

    def start(self) -> None:
        for informer in self._context.informers.values():
            informer.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop the controllers; the objects that they created are kept."""
        self._stopped.set()
        self._context.wake.set()
        for informer in self._context.informers.values():
            informer.stop()
        self._thread.join(timeout=10)
        if self._node_controller:
            self._node_controller.close()
        self._kube.close()
        self._handler.close()

    def _run(self) -> None:
        for informer in self._context.informers.values():
            while not informer.synced.wait(0.5):
                if self._stopped.is_set():
                    return
        while not self._stopped.is_set():
            self._context.wake.wait(self._settings.tick)
            # Events come in bursts: one reconciliation for all of them.
            self._stopped.wait(self._settings.settle)
            self._context.wake.clear()
            guarded(self._log, "cluster", self._reconcile)

    def _reconcile(self) -> None:
        cluster = self._context.cloud.cluster()
        if cluster is None or cluster.get("status") == "DELETING":
            return
        for controller in self._controllers:
            if self._stopped.is_set():
                return
            guarded(self._log, type(controller).__name__, partial(controller.reconcile, cluster))
