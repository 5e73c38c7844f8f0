# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Native control planes in the place of the containers that ministack would start for EKS clusters."""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPException
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from localcloud.artifacts.binaries import Binaries
from localcloud.daemon.containers import WEBHOOK_FILE, ClusterKey, Container, Containers
from localcloud.daemon.state import StateDir
from localcloud.host.loopback import free_port, port_is_free
from localcloud.host.processes import Supervisor
from localcloud.kubernetes import rbac
from localcloud.kubernetes.control_plane import ControlPlane, playable
from localcloud.kubernetes.etcd import Etcd
from localcloud.model import ClusterRef, LocalCloudError

if TYPE_CHECKING:
    from localcloud.nodes.machines import Machines

LOG = logging.getLogger("localcloud.daemon.engine")
KWOK_ANNOTATION = "kwok.x-k8s.io/node"
API_SERVER_ARGUMENT = "--kube-apiserver-arg="


class Engine:
    """All control planes of the local cloud."""

    def __init__(
        self,
        state: StateDir,
        binaries: Binaries,
        changed: Callable[[], None] = lambda: None,
        *,
        real_nodes: bool = False,
    ) -> None:
        self._state = state
        self._binaries = binaries
        self._tell = changed
        self.supervisor = Supervisor(state.processes)
        self.etcd = Etcd(binaries, state.etcd, self.supervisor)
        self.machines = _machines(state, binaries, self.supervisor) if real_nodes else None
        self._containers: dict[str, Container] = {}
        self._lock = threading.Lock()
        self._etcd_lock = threading.Lock()
        self._eks: Any = None

    # -- towards ministack

    def install(self, eks: Any) -> None:  # noqa: ANN401 - ministack is untyped
        """Make ministack's EKS module ask this engine instead of Docker."""
        self._eks = eks
        client = SimpleNamespace(
            containers=Containers(self), images=SimpleNamespace(pull=lambda *_a, **_k: None), ping=lambda: True
        )
        eks._docker_available = True
        eks._get_docker = lambda: client
        eks._next_port = free_port
        eks._reconcile_access_policy_rbac = self.reconcile_access
        find_entry = eks._access_entry_for_principal

        def entry(cluster: str, account: str, region: str, principal: str) -> dict[str, Any] | None:
            found = find_entry(cluster, account, region, principal)
            return found and {**found, "username": rbac.username(found.get("username") or "", principal)}

        eks._access_entry_for_principal = entry

    def create(self, port: int, labels: dict[str, str], command: list[str]) -> Container:
        key = ClusterKey(labels["account_id"], labels["region"], labels["cluster_name"])
        container = Container(self, key, port, labels, command)
        with self._lock:
            self._containers[container.id] = container
        return container

    def get(self, identifier: str) -> Container:
        with self._lock:
            return self._containers[identifier]

    def containers(self) -> list[Container]:
        with self._lock:
            return list(self._containers.values())

    def reconcile_access(self, name: str, account: str, region: str) -> bool:
        """Turn a cluster's access policies into RBAC; the answer tells whether that worked."""
        container = self._find(ClusterKey(account, region, name))
        if container is None or container.plane is None or not container.plane.running:
            return False
        server = container.plane
        with container.access_lock:
            try:
                desired = self._eks._access_policy_rbac_objects(name, account, region, rbac.namespaces(server))
                labels = self._eks._ACCESS_POLICY_MANAGED_LABEL, self._eks._ACCESS_POLICY_BINDING_LABEL
                rbac.execute(server, rbac.plan(desired, rbac.managed(server, *labels)))
            except (OSError, HTTPException) as error:
                LOG.debug("Cluster %s: access policies are not in place: %s", container.key, error)
                return False
        return True

    def _changed(self) -> None:
        """Tell who keeps the books; what goes wrong there is no fault of a control plane."""
        try:
            self._tell()
        except Exception:
            LOG.exception("The state could not be recorded")

    # -- life of a control plane

    def start(self, container: Container) -> None:
        started = time.monotonic()
        record = self._record(container.key)
        try:
            with self._etcd_lock:
                self.etcd.start(LOG.info)
            container.plane = self._plane(container, record)
            try:
                container.plane.start()
            except LocalCloudError:
                if self.supervisor.stopping or port_is_free(container.port):
                    raise
                container.plane = self._moved(container, record)
                container.plane.start()
            # ACTIVE has to mean that the creator gets in.
            self.reconcile_access(container.key.name, container.key.account, container.key.region)
            self._start_controllers(container)
        except Exception as error:
            if not self.supervisor.stopping:
                LOG.error("Cluster %s could not start: %s", container.key, error)
            self._stop(container, 0)
            record["status"] = "FAILED"
            # For its deletion, which takes the container away by it.
            record["_docker_id"] = container.id
            issue = {"code": "InternalFailure", "message": str(error), "resourceIds": [container.key.name]}
            record["health"] = {"issues": [issue]}
            self._changed()
            # Ends ministack's thread; any Exception it would answer by calling the cluster ACTIVE nevertheless.
            raise SystemExit from None
        if self._eks is not None and self._eks._clusters.get_scoped(*_scope(container.key)) is not record:
            # Deleted while it was starting.
            self._stop(container, 0)
            self.remove(container)
            raise SystemExit
        LOG.info(
            "Cluster %s: Kubernetes %s ready after %.1f s",
            container.key,
            container.plane.version,
            time.monotonic() - started,
        )
        self._changed()

    def stop_container(self, container: Container, grace: float) -> None:
        self._stop(container, grace)
        self._changed()

    def remove(self, container: Container) -> None:
        with self._lock:
            self._containers.pop(container.id, None)
        record = self._eks._clusters.get_scoped(*_scope(container.key)) if self._eks is not None else None
        # A restart removes its container too, and wants its data back.
        if container.plane is not None and (
            record is None or "DELETING" in (record.get("status"), record.get("_status"))
        ):
            try:
                self.etcd.purge(container.plane.prefix)
            except (OSError, HTTPException) as error:
                # The next cluster of this name has a prefix of its own.
                LOG.warning("Cluster %s: its data stays in etcd: %s", container.key, error)
            if self.machines is not None:
                self.machines.forget(self._reference(container))
        self._changed()

    def _stop(self, container: Container, grace: float) -> None:
        if container.controllers is not None:
            container.controllers.stop()
            container.controllers = None
        if container.plane is not None:
            container.plane.stop(grace)

    def _record(self, key: ClusterKey) -> dict[str, Any]:
        """Return the emulator's record of a cluster."""
        record = self._eks._clusters.get_scoped(*_scope(key)) if self._eks is not None else None
        return record if record is not None else {}

    def _plane(self, container: Container, record: Mapping[str, Any]) -> ControlPlane:
        # The token is new with every CreateCluster and stays through restarts: the data lives as long as it.
        generation = hashlib.sha256(str(record.get("_auth_token", "")).encode()).hexdigest()[:12]
        directory = self._state.clusters / str(container.key)
        mark = directory / "generation"
        if directory.exists() and (not mark.exists() or mark.read_text() != generation):
            shutil.rmtree(directory)
        directory.mkdir(parents=True, exist_ok=True)
        mark.write_text(generation)
        arguments = [
            f"--{word.removeprefix(API_SERVER_ARGUMENT)}"
            for word in container.command
            if word.startswith(f"{API_SERVER_ARGUMENT}oidc-")
        ]
        webhook = container.files.get(WEBHOOK_FILE)
        network = record.get("kubernetesNetworkConfig") or {}
        return ControlPlane(
            directory,
            binaries=self._binaries,
            supervisor=self.supervisor,
            etcd=self.etcd,
            prefix=f"{container.key}-{generation}",
            version=record.get("version"),
            port=container.port,
            webhook=webhook.replace(b"host.docker.internal", b"127.0.0.1") if webhook else None,
            service_cidr=network.get("serviceIpv4Cidr") or "10.100.0.0/16",
            arguments=arguments,
            egress=self.machines.egress(str(directory)) if self.machines is not None else None,
            progress=LOG.info,
        )

    def _moved(self, container: Container, record: dict[str, Any]) -> ControlPlane:
        """Return the control plane for another port, since somebody took its own after it was chosen."""
        taken, container.port = container.port, free_port()
        LOG.warning("Cluster %s: port %d was taken meanwhile, and it gets %d", container.key, taken, container.port)
        record["_port"] = container.port
        # ministack says where the cluster is once more when it has started, by the port that it chose.
        address, moved = self._eks._cluster_endpoint, container.port
        self._eks._cluster_endpoint = lambda port: address(moved if port == taken else port)
        return self._plane(container, record)

    def _start_controllers(self, container: Container) -> None:
        from localcloud.controllers import start_controllers  # noqa: PLC0415 - reads the emulator, once configured

        container.controllers = start_controllers(self._reference(container), machines=self.machines)

    # -- towards the emulator and the controllers (model.ClusterEngine)

    def find(self, account: str, region: str, name: str) -> ClusterRef | None:
        container = self._find(ClusterKey(account, region, name))
        return self._reference(container) if container and container.plane else None

    def upgrade(self, account: str, region: str, name: str, version: str) -> None:
        container = self._find(ClusterKey(account, region, name))
        if container is None or container.plane is None:
            raise LocalCloudError(f"Cluster {name} has no running control plane")
        LOG.info("Cluster %s: Kubernetes %s becomes %s", container.key, container.plane.version, version)
        if container.controllers is not None:
            container.controllers.stop()
            container.controllers = None
        try:
            container.plane.restart(version)
        finally:
            if container.plane.running:
                self._start_controllers(container)
            self._changed()

    def revive(self) -> list[str]:
        """Start again what an upgrade has left stopped that failed in both directions; return one line about each."""
        said = []
        for container in self.containers():
            plane = container.plane
            # During an upgrade it is UPDATING.
            if plane is None or not plane.stopped or self._record(container.key).get("_status") != "ACTIVE":
                continue
            try:
                plane.start()
                self._start_controllers(container)
            except LocalCloudError as error:
                said.append(f"Cluster {container.key.name} does not run and could not be started: {error}")
            else:
                said.append(f"Cluster {container.key.name} did not run: it is started again")
            self._changed()
        return said

    def versions(self) -> tuple[str, ...]:
        return playable(self._binaries)

    def _find(self, key: ClusterKey) -> Container | None:
        return next((container for container in self.containers() if container.key == key), None)

    def _reference(self, container: Container) -> ClusterRef:
        plane = container.plane
        if plane is None:
            raise LocalCloudError(f"Cluster {container.key} has no control plane")
        return ClusterRef(
            name=container.key.name,
            account=container.key.account,
            region=container.key.region,
            endpoint=plane.endpoint,
            kubeconfig=plane.system_kubeconfig,
            ca_file=plane.ca_file,
            directory=plane.directory,
        )

    # -- the daemon

    def summary(self) -> dict[str, dict[str, Any]]:
        """Describe every cluster, for the state file and ``status``."""
        return {str(container.key): self._describe(container) for container in self.containers()}

    def _describe(self, container: Container) -> dict[str, Any]:
        record = self._record(container.key)
        plane = container.plane
        return {
            "name": container.key.name,
            "account": container.key.account,
            "region": container.key.region,
            "status": record.get("status", ""),
            "version": plane.version if plane else record.get("version", ""),
            "endpoint": plane.endpoint if plane else "",
            "directory": str(plane.directory) if plane else "",
            "kubeconfig": str(plane.kubeconfig) if plane else "",
            "issues": [issue["message"] for issue in record.get("health", {}).get("issues", [])],
        }

    def nodes(self, identifier: str) -> list[dict[str, Any]]:
        """List a cluster's nodes: name, ready, simulated."""
        container = next((item for item in self.containers() if str(item.key) == identifier), None)
        if container is None or container.plane is None:
            return []
        try:
            code, body = container.plane.request("GET", "/api/v1/nodes")
        except (OSError, HTTPException):
            return []
        return [_node(item) for item in json.loads(body)["items"]] if code == 200 else []

    def stop(self) -> None:
        """Stop everything."""
        for container in self.containers():
            if container.controllers is not None:
                container.controllers.stop()
        if self.machines is not None:
            self.machines.stop_all()
        self.supervisor.stop(grace=1.0)


def _machines(state: StateDir, binaries: Binaries, supervisor: Supervisor) -> Machines:
    from localcloud.nodes.machines import Machines  # noqa: PLC0415 - only where they are wanted

    return Machines(state.root, binaries, supervisor)


def _node(item: Mapping[str, Any]) -> dict[str, Any]:
    conditions = item.get("status", {}).get("conditions", [])
    return {
        "name": item["metadata"]["name"],
        "ready": any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions),
        "simulated": item["metadata"].get("annotations", {}).get(KWOK_ANNOTATION) == "fake",
    }


def _scope(key: ClusterKey) -> Iterable[str]:
    return key.account, key.region, key.name


def wanted() -> bool:
    """Tell whether control planes are to run natively.

    ``LOCALCLOUD_ENGINE`` says ``native`` or ``docker``; without it Docker is taken where its SDK is installed and
    its daemon answers: ministack then runs k3s with real nodes.
    """
    choice = os.environ.get("LOCALCLOUD_ENGINE", "auto")
    if choice not in {"auto", "native", "docker"}:
        raise LocalCloudError(f"LOCALCLOUD_ENGINE is {choice!r}: it can be auto, native or docker")
    if choice == "native":
        return True
    try:
        importlib.import_module("docker").from_env(timeout=5).ping()
    except Exception as error:
        if choice == "docker":
            raise LocalCloudError(f"LOCALCLOUD_ENGINE is docker, and Docker cannot be used: {error}") from None
        return True
    return False
