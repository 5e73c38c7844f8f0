# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control planes of all EKS clusters, with their controllers, nodes and access policies."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from localcloud.artifacts.binaries import Binaries
from localcloud.daemon.state import StateDir
from localcloud.host.loopback import free_port, port_is_free
from localcloud.host.processes import Supervisor
from localcloud.kubernetes import rbac
from localcloud.kubernetes.control_plane import ControlPlane, playable
from localcloud.kubernetes.etcd import Etcd
from localcloud.model import AccessPolicies, ClusterKey, ClusterRef, ClusterSpec, LocalCloudError, Stoppable

if TYPE_CHECKING:
    from localcloud.controllers.context import Context
    from localcloud.nodes.controller import RealNodeController
    from localcloud.nodes.real_nodes import RealNodes

LOG = logging.getLogger("localcloud.clusters")
KWOK_ANNOTATION = "kwok.x-k8s.io/node"
# etcd holds the data, so a forced stop loses nothing.
STOP_GRACE = 0.5
# Interval in which access policies are applied to new namespaces, or failures are retried.
ACCESS_INTERVAL = 2.0


@dataclass
class Cluster:
    """A cluster's control plane with its controllers."""

    spec: ClusterSpec
    port: int
    plane: ControlPlane | None = None
    controllers: Stoppable | None = None
    issue: str = ""
    """The reason why it could not be started."""
    ready: bool = False
    """Whether it has been created."""
    changing: bool = False
    deleted: bool = False
    access_lock: threading.Lock = field(default_factory=threading.Lock)
    access_changed: threading.Event = field(default_factory=threading.Event)

    @property
    def key(self) -> ClusterKey:
        return self.spec.key

    @property
    def status(self) -> str:
        """Return the state of its creation, with the values of the EKS API."""
        if self.issue:
            return "FAILED"
        return "ACTIVE" if self.ready else "CREATING"

    @property
    def reference(self) -> ClusterRef:
        plane = self.plane
        if plane is None:
            raise LocalCloudError(f"Cluster {self.key} has no control plane")
        return ClusterRef(
            name=self.key.name,
            account=self.key.account,
            region=self.key.region,
            endpoint=plane.endpoint,
            kubeconfig=plane.system_kubeconfig,
            ca_file=plane.ca_file,
            directory=plane.directory,
        )


class Clusters:
    """All clusters of the local cloud (``localcloud.model.ClusterBackend``)."""

    def __init__(
        self,
        state: StateDir,
        binaries: Binaries,
        changed: Callable[[], None] = lambda: None,
        *,
        endpoint_url: str = "",
        policies: AccessPolicies | None = None,
        real_nodes: bool = False,
    ) -> None:
        """``endpoint_url`` is the AWS API, which reviews tokens; ``changed`` is called when a cluster has changed."""
        self._state = state
        self._binaries = binaries
        self._tell = changed
        self._endpoint_url = endpoint_url
        self.policies = policies
        self.supervisor = Supervisor(state.processes)
        self.etcd = Etcd(binaries, state.etcd, self.supervisor)
        self.machines = _machines(state, binaries, self.supervisor) if real_nodes else None
        self._clusters: dict[ClusterKey, Cluster] = {}
        self._lock = threading.Lock()
        self._etcd_lock = threading.Lock()

    def all(self) -> list[Cluster]:
        with self._lock:
            return list(self._clusters.values())

    def versions(self) -> tuple[str, ...]:
        """Return the minor versions that can be emulated, oldest first, such as ``("1.35", "1.36", "1.37")``."""
        return playable(self._binaries)

    # -- the interface for the EKS API (model.ClusterBackend)

    def create(self, spec: ClusterSpec) -> ClusterRef:
        cluster = Cluster(spec, free_port())
        with self._lock:
            self._clusters[spec.key] = cluster
        started = time.monotonic()
        try:
            self._start(cluster)
        except Exception as error:
            if not self.supervisor.stopping:
                LOG.error("Cluster %s could not start: %s", cluster.key, error)
            self._stop(cluster, 0)
            cluster.issue = str(error)
            self._changed()
            raise
        if cluster.deleted:
            self._remove(cluster)
            raise LocalCloudError(f"Cluster {cluster.key.name} was deleted while it was starting")
        cluster.ready = True
        seconds = time.monotonic() - started
        LOG.info("Cluster %s: Kubernetes %s ready after %.1f s", cluster.key, spec.version, seconds)
        self._changed()
        return cluster.reference

    def restart(self, key: ClusterKey, arguments: Sequence[str]) -> None:
        with self._changing(key) as plane:
            plane.arguments = list(arguments)
            plane.restart(plane.version)

    def upgrade(self, key: ClusterKey, version: str) -> None:
        with self._changing(key) as plane:
            LOG.info("Cluster %s: upgrading Kubernetes %s to %s", key, plane.version, version)
            plane.restart(version)

    def delete(self, key: ClusterKey) -> None:
        with self._lock:
            cluster = self._clusters.get(key)
        if cluster is not None:
            cluster.deleted = True
            cluster.access_changed.set()
            self._remove(cluster)

    def access_changed(self, key: ClusterKey) -> None:
        cluster = self._find(key)
        if cluster is not None:
            cluster.access_changed.set()

    # -- lifecycle of a control plane

    def _start(self, cluster: Cluster) -> None:
        with self._etcd_lock:
            self.etcd.start(LOG.info)
        cluster.plane = self._plane(cluster)
        try:
            cluster.plane.start()
        except LocalCloudError:
            if self.supervisor.stopping or port_is_free(cluster.port):
                raise
            taken, cluster.port = cluster.port, free_port()
            LOG.warning("Cluster %s: port %d is in use, port %d is used instead", cluster.key, taken, cluster.port)
            cluster.plane = self._plane(cluster)
            cluster.plane.start()
        # When the cluster is ACTIVE, its creator must have access.
        reconciled = self.reconcile_access(cluster)
        threading.Thread(
            target=self._follow_access, args=(cluster, reconciled), daemon=True, name=f"access-{cluster.key}"
        ).start()
        self._start_controllers(cluster)

    def _plane(self, cluster: Cluster) -> ControlPlane:
        spec = cluster.spec
        # The secret in the path is kept across restarts, as the data is.
        generation = hashlib.sha256(spec.webhook_path.encode()).hexdigest()[:12]
        directory = self._state.clusters / str(cluster.key)
        mark = directory / "generation"
        if directory.exists() and (not mark.exists() or mark.read_text() != generation):
            shutil.rmtree(directory)
        directory.mkdir(parents=True, exist_ok=True)
        mark.write_text(generation)
        return ControlPlane(
            directory,
            binaries=self._binaries,
            supervisor=self.supervisor,
            etcd=self.etcd,
            prefix=f"{cluster.key}-{generation}",
            version=spec.version,
            port=cluster.port,
            webhook_url=f"{self._endpoint_url}{spec.webhook_path}",
            service_cidr=spec.service_cidr,
            arguments=spec.arguments,
            egress=self.machines.egress(str(directory)) if self.machines is not None else None,
            progress=LOG.info,
        )

    @contextlib.contextmanager
    def _changing(self, key: ClusterKey) -> Iterator[ControlPlane]:
        """Yield the control plane for a restart, while its controllers are stopped."""
        cluster = self._find(key)
        if cluster is None or cluster.plane is None:
            raise LocalCloudError(f"Cluster {key.name} has no running control plane")
        cluster.changing = True
        try:
            self._stop_controllers(cluster)
            yield cluster.plane
        finally:
            if cluster.plane.running:
                self._start_controllers(cluster)
            cluster.changing = False
            self._changed()

    def _remove(self, cluster: Cluster) -> None:
        self._stop(cluster, STOP_GRACE)
        with self._lock:
            if self._clusters.get(cluster.key) is cluster:
                del self._clusters[cluster.key]
        if cluster.plane is not None:
            try:
                self.etcd.purge(cluster.plane.prefix)
            except (OSError, HTTPException) as error:
                # The next cluster with this name gets another prefix.
                LOG.warning("Cluster %s: its data was not deleted from etcd: %s", cluster.key, error)
            if self.machines is not None:
                self.machines.forget(cluster.reference)
        self._changed()

    def _stop(self, cluster: Cluster, grace: float) -> None:
        self._stop_controllers(cluster)
        if cluster.plane is not None:
            cluster.plane.stop(grace)

    def _start_controllers(self, cluster: Cluster) -> None:
        from localcloud.controllers import start_controllers  # noqa: PLC0415 - loads ministack, after configure()

        node_controller = _node_controller(self.machines) if self.machines is not None else None
        cluster.controllers = start_controllers(
            cluster.reference, machines=self.machines, node_controller=node_controller
        )

    def _stop_controllers(self, cluster: Cluster) -> None:
        if cluster.controllers is not None:
            cluster.controllers.stop()
            cluster.controllers = None

    def revive(self) -> list[str]:
        """Start control planes that a failed upgrade and rollback have left stopped; return one line for each."""
        said = []
        for cluster in self.all():
            plane = cluster.plane
            if plane is None or not plane.stopped or not cluster.ready or cluster.changing:
                continue
            try:
                plane.start()
                self._start_controllers(cluster)
            except LocalCloudError as error:
                said.append(f"Cluster {cluster.key.name} does not run and could not be started: {error}")
            else:
                said.append(f"Cluster {cluster.key.name} did not run: it was restarted")
            self._changed()
        return said

    # -- access

    def reconcile_access(self, cluster: Cluster) -> bool:
        """Apply a cluster's access policies as RBAC objects; return whether that succeeded."""
        server, policies = cluster.plane, self.policies
        if policies is None or server is None or not server.running:
            return False
        with cluster.access_lock:
            try:
                desired = policies.objects(cluster.key, rbac.namespaces(server))
                live = rbac.managed(server, policies.role_label, policies.binding_label)
                rbac.execute(server, rbac.plan(desired, live))
            except (OSError, HTTPException) as error:
                LOG.debug("Cluster %s: access policies were not applied: %s", cluster.key, error)
                return False
        return True

    def _follow_access(self, cluster: Cluster, reconciled: bool) -> None:
        while self.policies is not None and not self.supervisor.stopping:
            reconciled = not cluster.access_changed.wait(ACCESS_INTERVAL) and reconciled
            cluster.access_changed.clear()
            if cluster.deleted or cluster.issue:
                return
            if not reconciled or self.policies.follow_namespaces(cluster.key):
                reconciled = self.reconcile_access(cluster)

    # -- the daemon

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return a description of every cluster, for the state file and ``status``."""
        return {str(cluster.key): _described(cluster) for cluster in self.all()}

    def nodes(self, identifier: str) -> list[dict[str, Any]]:
        """Return a cluster's nodes: name, ready, simulated."""
        plane = next((cluster.plane for cluster in self.all() if str(cluster.key) == identifier), None)
        if plane is None:
            return []
        try:
            code, body = plane.request("GET", "/api/v1/nodes")
        except (OSError, HTTPException):
            return []
        return [_node(item) for item in json.loads(body)["items"]] if code == 200 else []

    def stop(self) -> None:
        """Stop everything."""
        for cluster in self.all():
            if cluster.controllers is not None:
                cluster.controllers.stop()
        if self.machines is not None:
            self.machines.stop_all()
        self.supervisor.stop(grace=1.0)

    def _find(self, key: ClusterKey) -> Cluster | None:
        with self._lock:
            return self._clusters.get(key)

    def _changed(self) -> None:
        """Report a change; a failed report does not affect the control plane."""
        try:
            self._tell()
        except Exception:
            LOG.exception("The state could not be recorded")


def _machines(state: StateDir, binaries: Binaries, supervisor: Supervisor) -> RealNodes:
    from localcloud.nodes.real_nodes import RealNodes  # noqa: PLC0415 - only where they are used

    return RealNodes(state.root, binaries, supervisor)


def _node_controller(machines: RealNodes) -> Callable[[Context], RealNodeController]:
    from localcloud.nodes.controller import RealNodeController  # noqa: PLC0415 - only where they are used

    return lambda context: RealNodeController(context, machines)


def _described(cluster: Cluster) -> dict[str, Any]:
    plane = cluster.plane
    return {
        "name": cluster.key.name,
        "account": cluster.key.account,
        "region": cluster.key.region,
        "status": cluster.status,
        "version": plane.version if plane else cluster.spec.version,
        "endpoint": plane.endpoint if plane else "",
        "directory": str(plane.directory) if plane else "",
        "kubeconfig": str(plane.kubeconfig) if plane else "",
        "issues": [cluster.issue] if cluster.issue else [],
    }


def _node(item: Mapping[str, Any]) -> dict[str, Any]:
    conditions = item.get("status", {}).get("conditions", [])
    return {
        "name": item["metadata"]["name"],
        "ready": any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions),
        "simulated": item["metadata"].get("annotations", {}).get(KWOK_ANNOTATION) == "fake",
    }
