# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration files of a real node's programs, as pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import yaml

from localcloud.artifacts.images import SANDBOX
from localcloud.nodes.namespace_init import RUN

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CLUSTER_DOMAIN = "cluster.local"
# The pods' gateway, an address of the fabric's end of every link.
FABRIC_ADDRESS = "169.254.1.1"

# Kernel settings that the kubelet would set for the whole host; if a value differs, the node sees the desired value.
KERNEL_SETTINGS: Mapping[str, str] = {
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}


@dataclass(frozen=True)
class Network:
    """The addresses of a real node.

    ``block`` is the part of the subnet that is routed to the node: the addresses of pods, then those of load balancers.
    ``api`` are the control plane's addresses in the VPC, ``resolver`` is the VPC's DNS server.
    """

    address: str
    block: IPv4Network
    api: tuple[str, ...]
    resolver: str
    service_cidr: str

    @property
    def pods(self) -> IPv4Network:
        return next(self.block.subnets(prefixlen_diff=1))

    @property
    def load_balancers(self) -> IPv4Network:
        return list(self.block.subnets(prefixlen_diff=1))[1]

    @property
    def dns(self) -> str:
        """Return the address of the cluster's DNS Service: the tenth of the Service CIDR."""
        return str(IPv4Network(self.service_cidr)[10])


@dataclass(frozen=True)
class Size:
    """The capacity that a real node reports; the thousandths of a core are reserved, not for pods."""

    cpus: int
    memory_kib: int
    pods: int
    reserved_cpu_millis: int
    reserved_memory_mib: int


def resolver_of(vpc_cidr: str) -> str:
    """Return the address of a VPC's DNS server: the network address plus two."""
    return str(IPv4Network(vpc_cidr)[2])


def containerd(cni_plugins: Path) -> str:
    """Return containerd's settings, in the version that both 1.6 and 2.x read.

    AppArmor is disabled because profiles belong to the host. oom_score_adj is never lowered, because that requires
    CAP_SYS_RESOURCE, which a container or virtual machine may lack.
    """
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "{RUN}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[{cri}]
  sandbox_image = "{SANDBOX}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  disable_tcp_service = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  [{cri}.cni]
    bin_dir = "{cni_plugins}"
    conf_dir = "{RUN}/cni"
  [{cri}.containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [{cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [{cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def cni(network: Network, mtu: int = 1500) -> str:
    """Return the settings of the pod network: a routed link for each pod, as with the VPC CNI."""
    return json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "ptp",
                    "mtu": mtu,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": f"{RUN}/cni-state",
                        "ranges": [[{"subnet": str(network.pods)}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                }
            ],
        },
        indent=1,
    )


def kubelet(
    network: Network, size: Size, *, provider_id: str, cgroup_root: str, pki: Path, ca_file: Path, resolv_conf: Path
) -> str:
    """Return the kubelet's settings (KubeletConfiguration v1beta1)."""
    settings: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(ca_file)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup_root,
        "clusterDNS": [network.dns],
        "clusterDomain": CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        # The limit would be computed from the reported capacity.
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        # Newer than an emulated API server, which does not authorize nodes to read it.
        "featureGates": {"PodCertificateRequest": False},
        # Imported images cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "kubeReserved": {"cpu": f"{size.reserved_cpu_millis}m", "memory": f"{size.reserved_memory_mib}Mi"},
        "makeIPTablesUtilChains": False,
        "maxPods": size.pods,
        "protectKernelDefaults": True,
        "providerID": provider_id,
        "registerNode": True,
        "resolvConf": str(resolv_conf),
        "rotateCertificates": False,
        # A registry that does not respond delays only the pods with its images.
        "serializeImagePulls": False,
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "volumePluginDir": f"{RUN}/kubelet/volume-plugins",
    }
    return yaml.safe_dump(settings)


def kube_proxy(name: str, kubeconfig: Path) -> str:
    """Return kube-proxy's settings (KubeProxyConfiguration v1alpha1); it cannot change kernel settings here."""
    settings: dict[str, Any] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "hostnameOverride": name,
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": "nftables",
    }
    return yaml.safe_dump(settings)


def resolv_conf(network: Network, domain: str) -> str:
    """Return the resolv.conf of an EC2 instance in the VPC."""
    return f"search {domain}\nnameserver {network.resolver}\noptions timeout:2 attempts:2\n"


def meminfo(current: str, memory_kib: int) -> str:
    """Return /proc/meminfo with another total."""
    lines = [line for line in current.splitlines() if not line.startswith("MemTotal:")]
    return "\n".join([f"MemTotal:       {memory_kib} kB", *lines]) + "\n"


def holds(cidr: str, address: str) -> bool:
    return IPv4Address(address) in IPv4Network(cidr)
