# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance types of simulated nodes: capacity, pod limit and the kubelet's reservations."""

from __future__ import annotations

from dataclasses import dataclass

# GiB per vCPU of a family. Source: the EC2 instance type pages.
_FAMILIES: dict[str, tuple[int, str]] = {
    "c5": (2, "amd64"),
    "c6i": (2, "amd64"),
    "c7i": (2, "amd64"),
    "c7g": (2, "arm64"),
    "i4i": (8, "amd64"),
    "m5": (4, "amd64"),
    "m6i": (4, "amd64"),
    "m7i": (4, "amd64"),
    "m7g": (4, "arm64"),
    "m8g": (4, "arm64"),
    "r5": (8, "amd64"),
    "r6i": (8, "amd64"),
    "r7i": (8, "amd64"),
    "r7g": (8, "arm64"),
}
# vCPU, network interfaces, addresses per interface
_SIZES: dict[str, tuple[int, int, int]] = {
    "medium": (1, 2, 4),
    "large": (2, 3, 10),
    "xlarge": (4, 4, 15),
    "2xlarge": (8, 4, 15),
    "4xlarge": (16, 8, 30),
    "8xlarge": (32, 8, 30),
}
_BURSTABLE: dict[str, tuple[int, int, int, int]] = {
    "medium": (2, 4, 3, 6),
    "large": (2, 8, 3, 12),
    "xlarge": (4, 16, 4, 15),
    "2xlarge": (8, 32, 4, 15),
}
_BURSTABLE_FAMILIES = {"t3": "amd64", "t3a": "amd64", "t4g": "arm64"}

# Memory of the hypervisor and the kernel, which the kubelet does not see: an m5.large reports 7896012Ki of 8 GiB.
_VISIBLE_MEMORY = 0.942
_EVICTION_MEMORY_MIB = 100


@dataclass(frozen=True)
class InstanceType:
    """Size of an EC2 instance type, in vCPU and GiB, and its pod limit."""

    name: str
    vcpus: int
    memory_gib: int
    max_pods: int
    architecture: str


def _pods(vcpus: int, interfaces: int, addresses: int) -> int:
    """Return the pod limit: an interface uses one of its addresses itself, and two pods use the host network.

    Managed node groups cap the result at 110, from 30 vCPU on at 250 (EKS user guide, "Choose an optimal
    Amazon EC2 node instance type").
    """
    return min(interfaces * (addresses - 1) + 2, 250 if vcpus >= 30 else 110)


def _table() -> dict[str, InstanceType]:
    table: dict[str, InstanceType] = {}
    for family, (ratio, architecture) in _FAMILIES.items():
        for size, (vcpus, interfaces, addresses) in _SIZES.items():
            # Only Graviton families have a one-vCPU medium; c5 goes from 4xlarge to 9xlarge.
            if (size == "medium" and architecture != "arm64") or (family == "c5" and size == "8xlarge"):
                continue
            name = f"{family}.{size}"
            pods = _pods(vcpus, interfaces, addresses)
            table[name] = InstanceType(name, vcpus, vcpus * ratio, pods, architecture)
    for family, architecture in _BURSTABLE_FAMILIES.items():
        for size, (vcpus, memory, interfaces, addresses) in _BURSTABLE.items():
            name = f"{family}.{size}"
            table[name] = InstanceType(name, vcpus, memory, _pods(vcpus, interfaces, addresses), architecture)
    return table


INSTANCE_TYPES = _table()


def reserved_cpu_millis(vcpus: int) -> int:
    """Return the reserved CPU: 6 % of the first core, 1 % of the second, 0.5 % of the next two, then 0.25 %."""
    reserved = 60.0 + (10 if vcpus > 1 else 0) + 5 * max(0, min(vcpus, 4) - 2) + 2.5 * max(0, vcpus - 4)
    return int(reserved)


def reserved_memory_mib(max_pods: int) -> int:
    """Return the kubelet's memory reservation: 11 MiB for each possible pod and 255 MiB."""
    return 11 * max_pods + 255


def capacity(instance: InstanceType, disk_gib: int) -> dict[str, str]:
    """Return ``status.capacity`` of a node."""
    return {
        "cpu": str(instance.vcpus),
        "ephemeral-storage": f"{_disk_kib(disk_gib)}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{_memory_kib(instance)}Ki",
        "pods": str(instance.max_pods),
    }


def allocatable(instance: InstanceType, disk_gib: int) -> dict[str, str]:
    """Return ``status.allocatable`` of a node, as computed by the EKS-optimised images."""
    memory = _memory_kib(instance) - 1024 * (reserved_memory_mib(instance.max_pods) + _EVICTION_MEMORY_MIB)
    disk = _disk_kib(disk_gib) * 1024 * 9 // 10 - (1 << 30)
    return {
        "cpu": f"{instance.vcpus * 1000 - reserved_cpu_millis(instance.vcpus)}m",
        "ephemeral-storage": str(disk),
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{memory}Ki",
        "pods": str(instance.max_pods),
    }


def _memory_kib(instance: InstanceType) -> int:
    return int(instance.memory_gib * (1 << 20) * _VISIBLE_MEMORY)


def _disk_kib(disk_gib: int) -> int:
    return disk_gib * (1 << 20) - 12308
