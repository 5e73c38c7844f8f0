# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real nodes: a kubelet, kube-proxy and containerd in namespaces for each, connected by a router, the fabric.

:mod:`localcloud.nodes.namespace_init` ensures that they end with the local cloud.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml

from localcloud.artifacts.binaries import Binaries
from localcloud.host.files import write_whole
from localcloud.host.loopback import HOST
from localcloud.host.processes import Process, Supervisor, tail
from localcloud.kubernetes import pki
from localcloud.model import ClusterRef, LocalCloudError
from localcloud.nodes import cgroups, cleanup, configuration, dns, namespace_init, namespaces, requirements
from localcloud.nodes.gateway import Gateway
from localcloud.nodes.volumes import Disks, release

LOG = logging.getLogger("localcloud.nodes")
START_SECONDS = 30.0
API_PORT = 443
PROXY = (HOST, 3128)
"""Address of the proxy for containerd's connections to registries, through the host."""
_LIMITS = {"GOMAXPROCS": "2", "GOGC": "50"}
_PROXY = {f"{scheme}_PROXY": f"http://{PROXY[0]}:{PROXY[1]}" for scheme in ("HTTP", "HTTPS")}
_FORWARDING = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/default/rp_filter": "0"}


class Namespace:
    """A program of :mod:`localcloud.nodes.namespace_init` and the namespaces around it."""

    def __init__(self, name: str, directory: Path, supervisor: Supervisor) -> None:
        self.name = name
        self.directory = directory
        self._supervisor = supervisor
        self._process: Process | None = None
        self.sockets: namespaces.Sockets | None = None

    @property
    def pid(self) -> int:
        """The id of the process in the namespaces.

        :raises LocalCloudError: it does not run
        """
        if self._process is None or not self._process.running:
            raise LocalCloudError(f"{self.name} does not run")
        return self._process.record.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def start(
        self,
        *,
        connect: Callable[[int], None],
        programs: list[dict[str, Any]],
        directories: Mapping[str, Path] | None = None,
        replaced: Mapping[str, Path] | None = None,
    ) -> None:
        """Start; ``connect`` connects the network namespace of the given process before the programs start."""
        ready, connected = self.directory / "ready", self.directory / "connected"
        for mark in (ready, connected):
            mark.unlink(missing_ok=True)
        specification = {
            "name": self.name,
            "ready": str(ready),
            "connected": str(connected),
            "directories": {key: str(value) for key, value in (directories or {}).items()},
            "replaced": {key: str(value) for key, value in (replaced or {}).items()},
            "sysctls": _FORWARDING,
            "programs": programs,
        }
        path = self.directory / "machine.json"
        path.write_text(json.dumps(specification, indent=1))
        log = self.directory / "machine.log"
        command: list[str | Path] = [sys.executable, "-I", namespace_init.__file__, path]
        self._process = self._supervisor.start(f"machine {self.name}", command, log)
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            if not self._process.running or time.monotonic() > deadline:
                self.stop()
                raise LocalCloudError(f"The machine {self.name} did not start: {tail(log, 1) or 'it says nothing'}")
            time.sleep(0.02)
        try:
            connect(self.pid)
            self.sockets = namespaces.Sockets(self.pid)
        except BaseException:
            self.stop()
            raise
        connected.touch()

    def run(self, command: list[str | Path], text: str | None = None, *, mounts: bool = False) -> str:
        """Run a command in the network namespace and, with ``mounts``, in the mount namespace."""
        return namespaces.within(self.pid, command, text, mounts=mounts)

    def stop(self) -> None:
        """End all processes in the namespaces."""
        if self.sockets is not None:
            self.sockets.close()
            self.sockets = None
        if self._process is not None:
            self._process.stop(grace=1.0)
            self._process = None


@dataclass(frozen=True)
class Order:
    """A real node to start: its Node object, its addresses and its size."""

    node: Mapping[str, Any]
    network: configuration.Network
    size: configuration.Size

    @property
    def name(self) -> str:
        return str(self.node["metadata"]["name"])


class RealNode(Namespace):
    """A real node."""

    def __init__(  # noqa: PLR0917
        self, order: Order, cluster: ClusterRef, directory: Path, disks: Disks, supervisor: Supervisor, key: str
    ) -> None:
        """``disks`` are the cluster's persistent volumes."""
        super().__init__(order.name, directory, supervisor)
        self.order = order
        self.cluster = cluster
        self._disks = disks
        self._key = key
        self.logs = cluster.directory / "nodes" / order.name

    @property
    def containerd(self) -> Path:
        """The path of containerd's socket outside of the namespace."""
        return Path(f"/proc/{self.pid}/root{configuration.CONTAINERD_SOCKET}")

    def boot(self, binaries: Binaries, connect: Callable[[int], None]) -> None:
        """Write the configuration and start the programs."""
        for path in (self.directory, self.logs, self._disks.folder):
            path.mkdir(parents=True, exist_ok=True)
        cgroup_root = cgroups.create(self._key, self.name)
        self._write(cgroup_root)
        directory = self.directory
        proxy = self._programs(binaries)
        shown = directory / "kernel"
        self.start(
            connect=connect,
            programs=proxy,
            directories={
                f"{namespace_init.RUN}/kubelet": directory / "kubelet",
                f"{namespace_init.RUN}/containerd": directory / IMAGES,
                f"{namespace_init.RUN}/cni": directory / "cni",
                f"{namespace_init.RUN}/cni-state": directory / "cni-state",
                **self._disks.shared,
                "/var/log": directory / "log",
            },
            replaced={
                **{
                    f"/proc/sys/{name}": shown / name
                    for name in configuration.KERNEL_SETTINGS
                    if (shown / name).exists()
                },
                "/etc/resolv.conf": directory / "resolv.conf",
                "/proc/meminfo": shown / "meminfo",
                "/sys/devices/system/cpu": shown / "cpu",
                "/sys/devices/system/node": shown / "node",
            },
        )

    def connect_pods(self) -> None:
        """Install the network plugin, without which the node is not ready."""
        path = self.directory / "cni" / "10-pods.conflist"
        if not path.exists():
            write_whole(path, configuration.cni(self.order.network))

    def destroy(self, *, keep_images: bool = False) -> None:
        """Stop the node and remove its data, optionally without its images; the logs are kept."""
        self.stop()
        left = cgroups.remove(self._key, self.name)
        if left:
            LOG.warning("These control groups could not be removed: %s", ", ".join(map(str, left)))
        for path in list(self.directory.iterdir()) if keep_images else [self.directory]:
            if not keep_images or path.name != IMAGES:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()

    def _programs(self, binaries: Binaries) -> list[dict[str, Any]]:
        order, directory = self.order, self.directory
        commands: dict[str, list[str | Path]] = {
            "containerd": ["containerd", f"--config={directory / 'containerd.toml'}"],
            "kubelet": [
                binaries.resolve("kubelet"),
                f"--config={directory / 'kubelet.yaml'}",
                f"--kubeconfig={directory / 'kubelet.kubeconfig'}",
                f"--hostname-override={order.name}",
                f"--node-ip={order.network.address}",
                f"--root-dir={namespace_init.RUN}/kubelet",
                f"--cert-dir={namespace_init.RUN}/kubelet/pki",
            ],
            "kube-proxy": [binaries.resolve("kube-proxy"), f"--config={directory / 'kube-proxy.yaml'}"],
        }
        return [
            {
                "name": name,
                "command": [str(word) for word in command],
                "log": str(self.logs / f"{name}.log"),
                "environment": {**_LIMITS, **(_PROXY if name == "containerd" else {})},
            }
            for name, command in commands.items()
        ]

    def _write(self, cgroup_root: str) -> None:
        order, directory, network = self.order, self.directory, self.order.network
        authority = pki.Authority(self.cluster.directory / "pki")
        kubelet = authority.client(f"kubelet-{order.name}", f"system:node:{order.name}", "system:nodes")
        proxy = authority.client("kube-proxy", "system:kube-proxy")
        server = authority.server(f"kubelet-server-{order.name}", order.name, [order.name, network.address])
        for stem, pair in (("kubelet", kubelet), ("kube-proxy", proxy)):
            write_kubeconfig(directory / f"{stem}.kubeconfig", stem, self.cluster, pair)
        (directory / "pki").mkdir(exist_ok=True)
        for suffix, path in ((".crt", server.cert), (".key", server.key)):
            shutil.copy(path, directory / "pki" / f"kubelet-server{suffix}")
        (directory / "containerd.toml").write_text(configuration.containerd(requirements.cni_plugins()))
        (directory / "cni").mkdir(exist_ok=True)
        (directory / "resolv.conf").write_text(configuration.resolv_conf(network, order.name.partition(".")[2]))
        (directory / "kube-proxy.yaml").write_text(
            configuration.kube_proxy(order.name, directory / "kube-proxy.kubeconfig")
        )
        (directory / "kubelet.yaml").write_text(
            configuration.kubelet(
                network,
                order.size,
                provider_id=str(order.node["spec"]["providerID"]),
                cgroup_root=cgroup_root,
                pki=directory / "pki",
                ca_file=self.cluster.ca_file,
                resolv_conf=directory / "resolv.conf",
            )
        )
        self._write_kernel(directory / "kernel")

    def _write_kernel(self, shown: Path) -> None:
        """Write the kernel files that the node sees in place of the host's: its size, and read-only settings."""
        size = self.order.size
        for name, value in configuration.KERNEL_SETTINGS.items():
            current = Path("/proc/sys", name)
            if current.exists() and current.read_text().strip() != value:
                (shown / name).parent.mkdir(parents=True, exist_ok=True)
                (shown / name).write_text(f"{value}\n")
        (shown / "node").mkdir(parents=True, exist_ok=True)
        for number in range(size.cpus):
            (shown / "cpu" / f"cpu{number}").mkdir(parents=True, exist_ok=True)
        every = f"0-{size.cpus - 1}\n" if size.cpus > 1 else "0\n"
        for name in ("online", "possible", "present"):
            (shown / "cpu" / name).write_text(every)
        (shown / "meminfo").write_text(configuration.meminfo(Path("/proc/meminfo").read_text(), size.memory_kib))


IMAGES = "containerd"


def write_kubeconfig(path: Path, user: str, cluster: ClusterRef, pair: pki.KeyPair) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": cluster.endpoint, "certificate-authority": str(cluster.ca_file)}}
        ],
        "users": [{"name": user, "user": {"client-certificate": str(pair.cert), "client-key": str(pair.key)}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": user}}],
        "current-context": "c",
    }
    write_whole(path, yaml.safe_dump(content), 0o600)


class Fabric(Namespace):
    """The router between real nodes, in a network namespace, so that the host does not forward packets."""

    def ensure(self) -> None:
        """Start the router unless it runs."""
        if not self.running:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.start(connect=lambda _: None, programs=[])
            self.run(["ip", "link", "set", "lo", "up"])

    def attach(self, pid: int, link: str, network: configuration.Network) -> None:
        """Connect a node's network namespace and route the node's addresses to it."""
        commands = [
            f"link add name {link} type veth peer name eth0 netns {pid}",
            f"addr add {configuration.FABRIC_ADDRESS}/32 dev {link}",
            f"link set {link} up",
        ]
        self.run(["ip", "-batch", "-"], "\n".join(commands))
        inside = [
            "link set lo up",
            f"addr add {network.address}/32 dev eth0",
            *(f"addr add {address}/32 dev lo" for address in (*network.api, network.resolver)),
            "link set eth0 up",
            f"route add {configuration.FABRIC_ADDRESS}/32 dev eth0",
            f"route add default via {configuration.FABRIC_ADDRESS} dev eth0 src {network.address}",
        ]
        namespaces.within(pid, ["ip", "-batch", "-"], "\n".join(inside))
        routes = [
            f"route add {network.address}/32 dev {link}",
            f"route add {network.block} via {network.address} dev {link} onlink",
        ]
        self.run(["ip", "-batch", "-"], "\n".join(routes))


class RealNodes:
    """All real nodes of a local cloud."""

    def __init__(self, root: Path, binaries: Binaries, supervisor: Supervisor) -> None:
        self._directory = root / "nodes"
        self._key = cgroups.key_of(root)
        self._binaries = binaries
        self._supervisor = supervisor
        self._lock = threading.Lock()
        self._machines: dict[str, RealNode] = {}
        self._number = 0
        self._routes: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._ruleset = ""
        self.load_balancers: dict[str, str] = {}
        """The addresses of load balancers by name, of all clusters."""
        self.gateway = Gateway()
        self.fabric = Fabric("fabric", self._directory / "fabric", supervisor)
        self.sockets = cleanup.SOCKETS / self._key
        self._directory.mkdir(parents=True, exist_ok=True)
        self.obstacle = requirements.volumes(root)
        """The reason why volumes are directories without a size limit; empty if they have one."""
        if self.obstacle:
            LOG.warning("%s", requirements.FOLDERS.format(self.obstacle))
        self.sockets.mkdir(mode=0o700, exist_ok=True)

    def egress(self, cluster: str) -> Path:
        """Listen for an API server's connections to nodes, pods and Services; return the socket."""
        owner = f"egress {cluster}"
        with self._lock:
            self._number += 1
            path = self.sockets / f"{self._number}.sock"
        self.gateway.forget(owner)
        self.gateway.listen_for_api_server(owner, path, lambda: self._sockets(cluster))
        return path

    def of(self, cluster: str) -> list[RealNode]:
        """Return a cluster's real nodes, the newest first."""
        with self._lock:
            return [item for item in reversed(self._machines.values()) if str(item.cluster.directory) == cluster]

    def _sockets(self, cluster: str) -> namespaces.Sockets | None:
        return next((item.sockets for item in self.of(cluster) if item.running), None)

    def find(self, cluster: ClusterRef, name: str) -> RealNode | None:
        return next((item for item in self.of(str(cluster.directory)) if item.name == name), None)

    def start(self, cluster: ClusterRef, order: Order, resolver: dns.Resolver) -> RealNode:
        """Start a real node; its kubelet registers with the Node object of that name."""
        with self._lock:
            self._number += 1
            number = self._number
            self.fabric.ensure()
        directory = self._directory / cluster.directory.name / order.name
        owner = str(directory)
        disks = self._disks(cluster)
        made = RealNode(order, cluster, directory, disks, self._supervisor, self._key)
        port = int(cluster.endpoint.rpartition(":")[2])

        def connect(pid: int) -> None:
            self.fabric.attach(pid, f"n{number}", order.network)
            sockets = namespaces.Sockets(pid)
            addresses = [(HOST, port), *((address, API_PORT) for address in order.network.api)]
            self.gateway.pass_on(owner, sockets, addresses, port)
            self.gateway.serve_proxy(owner, sockets, PROXY)
            self.gateway.serve_names(owner, sockets, order.network.resolver, resolver)
            sockets.close()
            disks.attach(made)

        try:
            made.boot(self._binaries, connect)
        except BaseException:
            self.gateway.forget(owner)
            made.destroy()
            raise
        with self._lock:
            self._machines[owner] = made
        # A volume that was created in the meantime.
        disks.attach(made)
        return made

    def stop(self, made: RealNode, *, keep_images: bool = False) -> None:
        """Stop a real node and remove its data, optionally without its images, before the next node with its name."""
        with self._lock:
            self._machines.pop(str(made.directory), None)
        self.gateway.forget(str(made.directory))
        made.destroy(keep_images=keep_images)

    def forget(self, cluster: ClusterRef) -> None:
        """Stop a deleted cluster's real nodes and remove the data of its volumes."""
        for made in self.of(str(cluster.directory)):
            self.stop(made)
        self.gateway.forget(f"egress {cluster.directory}")
        volumes = self._disks(cluster).folder
        release(volumes)
        shutil.rmtree(volumes, ignore_errors=True)
        with self._lock:
            self._routes.pop(str(cluster.directory), None)

    def create_volume(self, cluster: ClusterRef, volume_id: str, size_gib: int, file_system: str) -> str:
        """Create a persistent volume; return its path on real nodes."""
        disks = self._disks(cluster)
        path = disks.create(volume_id, size_gib, file_system)
        for made in self._running(cluster):
            disks.attach(made, volume_id)
        return path

    def resize_volume(self, cluster: ClusterRef, volume_id: str, size_gib: int) -> None:
        """Expand a persistent volume while it is in use."""
        self._disks(cluster).resize(volume_id, size_gib, self._running(cluster))

    def delete_volume(self, cluster: ClusterRef, volume_id: str) -> None:
        self._disks(cluster).delete(volume_id, self._running(cluster))

    def _running(self, cluster: ClusterRef) -> list[RealNode]:
        return [made for made in self.of(str(cluster.directory)) if made.running]

    def _disks(self, cluster: ClusterRef) -> Disks:
        return Disks(self._directory / "volumes" / cluster.directory.name, self.obstacle)

    def route(self, cluster: ClusterRef, vpc: str, peered: Sequence[str]) -> None:
        """Allow the traffic in the fabric that the VPCs' route tables allow, if both directions have a route."""
        with self._lock:
            self._routes[str(cluster.directory)] = (vpc, tuple(sorted(peered)))
            ruleset = fabric_rules(list(self._routes.values()))
            if ruleset != self._ruleset and self.fabric.running:
                self.fabric.run(["nft", "--file", "-"], ruleset)
                self._ruleset = ruleset

    def stop_all(self) -> None:
        """Stop all real nodes and the fabric."""
        with self._lock:
            machines, self._machines = list(self._machines.values()), {}
        self.gateway.stop()
        for made in machines:
            made.destroy()
        self.fabric.stop()
        cleanup.clear(self._directory.parent)


def fabric_rules(routes: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    """Return the fabric's packet filter, from each VPC's block and the blocks that it has routes to."""
    blocks = {IPv4Network(vpc): [IPv4Network(cidr) for cidr in peered] for vpc, peered in routes}
    pairs = sorted(
        (source, target)
        for source, out in blocks.items()
        for target, back in blocks.items()
        if source == target or (any(map(target.subnet_of, out)) and any(map(source.subnet_of, back)))
    )
    accepted = "".join(f"    ip saddr {source} ip daddr {target} accept\n" for source, target in pairs)
    return (
        "table ip fabric\ndelete table ip fabric\ntable ip fabric {\n  chain forward {\n"
        "    type filter hook forward priority filter; policy drop;\n"
        f"{accepted}  }}\n}}\n"
    )
