# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real node of one cluster: it exists while the cluster has a node group, in addition to that group's nodes."""

from __future__ import annotations

import os
import secrets
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from localcloud.artifacts.cache import system
from localcloud.controllers import nodespec
from localcloud.controllers.cloud import Record, VpcNetwork, Zone
from localcloud.controllers.context import Backoff, Context, guarded
from localcloud.controllers.instances import INSTANCE_TYPES, reserved_cpu_millis, reserved_memory_mib
from localcloud.controllers.kube import ApiError, Object
from localcloud.controllers.nodegroups import Drains
from localcloud.model import LocalCloudError
from localcloud.nodes import balancing, configuration, dns, placement, policies
from localcloud.nodes.images import Images, NoRealNodeError, Registries, State
from localcloud.nodes.real_nodes import Order, RealNode, RealNodes

_CNI = "vpc-cni"
_SANDBOX_SECONDS = 60.0
_SANDBOX_INTERVAL = 0.3
_ENDING = ("DELETING", "CREATE_FAILED", "DELETE_FAILED")


class RealNodeController:
    """Creates the cluster's real node, places pods, and updates the node's network for the cluster."""

    def __init__(self, context: Context, machines: RealNodes) -> None:
        self._context = context
        self._machines = machines
        self._drains = Drains(context)
        self._backoff = Backoff(30.0)
        self._starting: dict[str, threading.Thread] = {}
        self._prepared = False
        self._group = ""
        self._rulesets: dict[tuple[int, str], str] = {}
        self._addresses: dict[str, str] = {}
        self._network: VpcNetwork | None = None
        self._resolver = dns.Resolver(self._zones, lambda: dict(machines.load_balancers))
        self._images = Images(
            self._containerd,
            context.ref.region,
            Registries(allowed=os.environ.get("LOCALCLOUD_DOWNLOAD", "1") != "0"),
            changed=context.wake.set,
        )

    def close(self) -> None:
        self._images.close()
        for host in self._addresses:
            self._machines.load_balancers.pop(host, None)

    def reconcile(self, cluster: Record) -> None:
        if self._context.auto_mode(cluster) or not placement.supported(str(cluster.get("version", ""))):
            if self._prepared:
                self._release_all()
            return
        self._prepare()
        group = self._choose()
        node = self._one_node(cluster, group)
        self._run_machines()
        machine = self._machine(node)
        guarded(self._context.log, "placement", partial(self._place, node if machine else None))
        if machine is not None and node is not None:
            guarded(self._context.log, "network of the real node", partial(self._connect, machine, node))

    # -- the node

    def _prepare(self) -> None:
        if not self._prepared:
            for obj in placement.policy():
                self._context.kube.apply(obj)
            self._prepared = True

    def _choose(self) -> Record | None:
        """Return the node group of the real node: its current one, else the first."""
        host = system()[1]
        groups = [
            group
            for group in self._context.cloud.nodegroups()
            if group["status"] not in _ENDING
            and not nodespec.unknown_types(group)
            and INSTANCE_TYPES[nodespec.instance_types(group)[0]].architecture == host
        ]
        current = next((group for group in groups if group["nodegroupName"] == self._group), None)
        return current or next(iter(groups), None)

    def _real(self) -> list[Object]:
        return [node for node in self._context.all("Node") if nodespec.is_real(node)]

    def _one_node(self, cluster: Record, group: Record | None) -> Object | None:
        """Create the Node object of the real node; return the current object."""
        self._group = str(group["nodegroupName"]) if group else ""
        present = None
        for node in self._real():
            labels = node["metadata"]["labels"]
            if group and labels.get(nodespec.NODEGROUP) == self._group and not nodespec.is_outdated(node, group):
                present = node
                patch = nodespec.config_patch(node, group)
                if patch:
                    present = self._context.kube.patch("Node", node["metadata"]["name"], patch)
                    self._context.informers["Node"].remember(present)
            else:
                self._drains.step(node, force_after=self._context.settings.removal)
        if present is None and group is not None:
            present = self._create(cluster, group)
        return present

    def _create(self, cluster: Record, group: Record) -> Object | None:
        subnets = self._subnets(group)
        if not subnets:
            return None
        subnet = subnets[0]
        block = nodespec.block_of(subnet["CidrBlock"])
        taken = [nodespec.address_of(node) for node in self._context.all("Node")]
        made = nodespec.nodegroup_node(
            group,
            subnet,
            self._context.ref.region,
            instance_id=f"i-0{secrets.token_hex(8)}",
            taken=[*taken, *map(str, block)],
        )
        meta = made["metadata"]
        for marks in (meta["labels"], meta["annotations"]):
            marks.pop(nodespec.SIMULATED, None)
        meta["labels"][nodespec.REAL] = "true"
        stored = self._context.kube.create("Node", made)
        self._context.informers["Node"].remember(stored)
        self._context.log.info("node %s of cluster %s is the real node", meta["name"], cluster["name"])
        return stored

    def _subnets(self, group: Record) -> list[Record]:
        subnets = self._context.subnets(group.get("subnets"))
        return sorted(subnets, key=lambda subnet: (subnet["AvailabilityZone"], subnet["SubnetId"]))

    # -- the machine

    def _machine(self, node: Object | None) -> RealNode | None:
        found = self._machines.find(self._context.ref, node["metadata"]["name"]) if node else None
        return found if found is not None and found.running else None

    def _containerd(self) -> Path:
        for node in self._real():
            machine = self._machine(node)
            if machine is not None:
                return machine.containerd
        raise NoRealNodeError(f"Cluster {self._context.ref.name} has no real node")

    def _run_machines(self) -> None:
        """Start a machine for each real Node object; stop machines that have ended or whose object is deleted."""
        nodes = {node["metadata"]["name"]: node for node in self._real()}
        for machine in self._machines.of(str(self._context.ref.directory)):
            if machine.name not in nodes or not machine.running:
                if machine.name in nodes:
                    self._context.log.warning("machine %s ended and is restarted", machine.name)
                self._machines.stop(machine, keep_images=machine.name in nodes)
        for name, node in nodes.items():
            thread = self._starting.get(name)
            if (thread is None or not thread.is_alive()) and self._machine(node) is None and self._backoff.due(name):
                self._starting[name] = threading.Thread(
                    target=self._start, args=(node,), name=f"machine-{name}", daemon=True
                )
                self._starting[name].start()

    def _start(self, node: Object) -> None:
        name = node["metadata"]["name"]
        try:
            order = self._order(node)
            started = time.monotonic()
            self._images.forget()
            self._machines.start(self._context.ref, order, self._resolver)
            self._sandbox()
        except Exception as error:
            self._backoff.failed(name)
            self._context.log.exception("machine %s", name)
            guarded(self._context.log, "event", partial(self._complain, node, str(error)))
        else:
            self._backoff.worked(name)
            self._context.log.info("machine %s started within %.1f s", name, time.monotonic() - started)
        self._context.wake.set()

    def _complain(self, node: Object, message: str) -> None:
        self._context.event(node, "Warning", "MachineFailed", message, "localcloud")

    def _sandbox(self) -> None:
        """Import the pause image as soon as containerd responds."""
        deadline = time.monotonic() + _SANDBOX_SECONDS
        while True:
            try:
                self._images.sandbox()
            except LocalCloudError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_SANDBOX_INTERVAL)
            else:
                return

    def _order(self, node: Object) -> Order:
        """Return the order for a Node object's machine: as large as the node group, because it runs all real pods."""
        labels = node["metadata"]["labels"]
        group = next(g for g in self._context.cloud.nodegroups() if g["nodegroupName"] == labels[nodespec.NODEGROUP])
        address = nodespec.address_of(node)
        subnet = next(s for s in self._subnets(group) if configuration.holds(s["CidrBlock"], address))
        network = self._context.cloud.network(subnet["SubnetId"])
        cluster = self._context.cloud.cluster() or {}
        service_cidr = (cluster.get("kubernetesNetworkConfig") or {}).get("serviceIpv4Cidr") or "10.100.0.0/16"
        instance = INSTANCE_TYPES[labels[nodespec.INSTANCE_TYPE]]
        count = max(1, int((group.get("scalingConfig") or {}).get("desiredSize", 1)))
        return Order(
            node,
            configuration.Network(
                address,
                nodespec.block_of(subnet["CidrBlock"]),
                network.interfaces,
                configuration.resolver_of(network.cidr),
                service_cidr,
            ),
            configuration.Size(
                cpus=instance.vcpus * count,
                memory_kib=instance.memory_gib * count << 20,
                # The number of addresses without the network address, the router and the last address.
                pods=min(instance.max_pods * count, 110),
                reserved_cpu_millis=reserved_cpu_millis(instance.vcpus) * count,
                reserved_memory_mib=reserved_memory_mib(instance.max_pods) * count,
            ),
        )

    # -- pods

    def _release_all(self) -> None:
        for pod in self._context.all("Pod"):
            if placement.held(pod):
                self._write(pod, placement.release(pod, {}))

    def _place(self, node: Object | None) -> None:
        """Remove the scheduling gate of pods whose images are present or known to be unavailable."""
        ready = node if node is not None and nodespec.is_ready(node) else None
        real = {item["metadata"]["name"] for item in self._real()}
        for pod in self._context.all("Pod"):
            if placement.held(pod):
                name = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
                guarded(self._context.log, name, partial(self._place_one, pod, ready, real))
            # A pod from before the admission policy was effective, or before the machine was restarted.
            elif placement.lacks_image(pod, real) and self._images.state(pod["spec"]) is State.ABSENT:
                self._replace(pod)

    def _place_one(self, pod: Object, ready: Object | None, real: set[str]) -> None:
        bound = placement.bound_to(pod)
        if bound and bound not in real:
            self._write(pod, placement.release(pod, {}))
            return
        state = self._images.state(pod["spec"])
        if bound:
            if state is State.ABSENT:
                self._keep_away(pod)
            elif state is State.PRESENT:
                self._write(pod, placement.release(pod, {}))
            return
        selector = placement.decide(pod, ready, state)
        if selector is not None:
            self._write(pod, placement.release(pod, selector))

    def _replace(self, pod: Object) -> None:
        """Delete a pod whose image is not available; its owner creates another pod, which gets the scheduling gate."""
        meta = pod["metadata"]
        self._keep_away(pod)
        if any(owner.get("controller") for owner in meta.get("ownerReferences") or []):
            self._context.log.info("pod %s/%s has no image on the real node", meta["namespace"], meta["name"])
            self._context.kube.delete("Pod", meta["name"], meta["namespace"], grace=0)

    def _write(self, pod: Object, patch: Object) -> None:
        meta = pod["metadata"]
        try:
            stored = self._context.kube.patch("Pod", meta["name"], patch, meta["namespace"])
        except ApiError as error:
            if error.status != 404:
                raise
            # Its owner has deleted it in the meantime.
            self._context.informers["Pod"].forget(meta["name"], meta["namespace"])
        else:
            self._context.informers["Pod"].remember(stored)

    def _keep_away(self, pod: Object) -> None:
        """Exclude the real node from a DaemonSet whose image is not available: its pod would never be ready there."""
        namespace = pod["metadata"]["namespace"]
        for owner in pod["metadata"].get("ownerReferences") or []:
            found = (
                self._context.cached("DaemonSet", owner["name"], namespace) if owner["kind"] == "DaemonSet" else None
            )
            affinity = placement.without_real(found["spec"]["template"]["spec"]) if found else None
            if affinity is not None:
                body = {"spec": {"template": {"spec": {"affinity": affinity}}}}
                stored = self._context.kube.patch("DaemonSet", owner["name"], body, namespace)
                self._context.informers["DaemonSet"].remember(stored)

    # -- the network

    def _connect(self, machine: RealNode, node: Object) -> None:
        if (node["metadata"].get("annotations") or {}).get(nodespec.NETWORK) == "ready":
            machine.connect_pods()
        group = next((g for g in self._context.cloud.nodegroups() if g["nodegroupName"] == self._group), None)
        subnets = self._subnets(group) if group else []
        address = machine.order.network.address
        subnet = next((s for s in subnets if configuration.holds(s["CidrBlock"], address)), None)
        if subnet is not None:
            self._network = self._context.cloud.network(subnet["SubnetId"])
            self._machines.route(self._context.ref, self._network.cidr, self._network.peered)
        self._announce(machine)
        self._balance(machine)
        self._enforce(machine)

    def _zones(self) -> list[Zone]:
        """Return the zones of the VPC's DNS server: private zones, and EC2's names of nodes."""
        nodes = {node["metadata"]["name"]: [nodespec.address_of(node)] for node in self._context.all("Node")}
        region = self._context.ref.region
        domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
        return [Zone(domain, nodes, {}), *(self._network.zones if self._network else ())]

    def _announce(self, machine: RealNode) -> None:
        """Write the Endpoints of the Service kubernetes, as the API servers of EKS do."""
        wanted: Object = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": [address], "conditions": {"ready": True}} for address in machine.order.network.api
            ],
            "ports": [{"name": "https", "port": 443, "protocol": "TCP"}],
        }
        known = self._context.cached("EndpointSlice", "kubernetes", "default")
        addresses = [address for item in (known or {}).get("endpoints") or [] for address in item["addresses"]]
        if addresses != list(machine.order.network.api):
            self._context.informers["EndpointSlice"].remember(self._context.kube.apply(wanted))

    def _balance(self, machine: RealNode) -> None:
        network = machine.order.network
        services = self._context.all("Service")
        hosts = {balancing.host_of(service) for service in services} - {""}
        for host in self._addresses.keys() - hosts:
            self._machines.load_balancers.pop(host, None)
        self._addresses = balancing.assign(hosts, self._addresses, network.load_balancers)
        self._machines.load_balancers.update(self._addresses)
        found = balancing.listeners(services, self._context.all("EndpointSlice"), self._addresses, network.pods)
        self._apply(machine, balancing.TABLE, balancing.ruleset(found, network.load_balancers))

    def _enforce(self, machine: RealNode) -> None:
        """Enforce NetworkPolicies if the network plugin's add-on is configured to; otherwise allow all traffic."""
        enforced = any(_enforces(addon) for addon in self._context.cloud.addons())
        pods = policies.pods_of(self._context.all("Pod"), machine.name)
        namespaces = {
            item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in self._context.all("Namespace")
        }
        wanted = self._context.all("NetworkPolicy") if enforced else []
        self._apply(machine, policies.TABLE, policies.Compiler(wanted, pods, namespaces).ruleset())

    def _apply(self, machine: RealNode, table: str, ruleset: str) -> None:
        key = (machine.pid, table)
        if self._rulesets.get(key) != ruleset:
            machine.run(["nft", "--file", "-"], ruleset)
            self._rulesets[key] = ruleset


def _enforces(addon: Record) -> bool:
    if addon["addonName"] != _CNI or addon["status"] in _ENDING:
        return False
    settings: Any = yaml.safe_load(str(addon.get("configurationValues") or "")) or {}
    return str(settings.get("enableNetworkPolicy", "false")).lower() == "true"
