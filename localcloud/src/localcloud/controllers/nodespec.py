# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Node objects of managed nodes, as pure functions of the node group's record."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from localcloud.controllers.instances import INSTANCE_TYPES, InstanceType, allocatable, capacity

Record = dict[str, Any]
Object = dict[str, Any]

SIMULATED = "kwok.x-k8s.io/node"
# The label of real nodes.
REAL = "localcloud.dataplatform.fleet/real"
NODEGROUP = "eks.amazonaws.com/nodegroup"
IMAGE = "eks.amazonaws.com/nodegroup-image"
INSTANCE_TYPE = "node.kubernetes.io/instance-type"
ZONE = "topology.kubernetes.io/zone"
# The DaemonSets that install a network plugin on nodes.
NETWORK_PLUGINS = ("aws-node", "calico-node", "cilium")
# "ready" if the cluster has a network plugin, which is kwok's condition for a ready node.
NETWORK = "localcloud.dataplatform.fleet/network"
# A node's labels and taints from its node group, to detect changes of the group.
MANAGED = "localcloud.dataplatform.fleet/managed"

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
_OS_IMAGES = {"AL2023": "Amazon Linux 2023", "BOTTLEROCKET": "Bottlerocket OS (aws-k8s)", "AL2_": "Amazon Linux 2"}
_NOT_READY = {
    "type": "Ready",
    "status": "False",
    "reason": "KubeletNotReady",
    "message": "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
    "message:Network plugin returns error: cni plugin not initialized",
}


def digest(*parts: str, length: int) -> str:
    """Return a stable hexadecimal hash of the parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:length]


def instance_types(nodegroup: Mapping[str, Any]) -> list[str]:
    return list(nodegroup.get("instanceTypes") or ["t3.medium"])


def unknown_types(nodegroup: Mapping[str, Any]) -> list[str]:
    """Return the instance types of a node group that are not in the table."""
    return [name for name in instance_types(nodegroup) if name not in INSTANCE_TYPES]


def target(nodegroup: Mapping[str, Any]) -> tuple[str, str]:
    """Return the nodes' desired version and release; an update in progress overrides the record."""
    update = nodegroup.get("update") or {}
    version = update.get("version") or nodegroup.get("version") or ""
    release = update.get("releaseVersion") or nodegroup.get("releaseVersion") or ""
    return str(version), str(release)


def image_id(nodegroup: Mapping[str, Any]) -> str:
    """Return an AMI id that depends on the type and release of the image."""
    version, release = target(nodegroup)
    template = nodegroup.get("launchTemplate") or {}
    parts = (str(nodegroup.get("amiType", "")), version, release, str(template.get("version", "")))
    return f"ami-0{digest(*parts, length=16)}"


def kubelet_version(version: str, release: str) -> str:
    """Return ``v1.36.2-eks-…`` for release ``1.36.2-20261109``; patch 0 without a release."""
    patch = release.split("-", 1)[0]
    number = patch if patch.startswith(f"{version}.") else f"{version}.0"
    return f"v{number}-eks-{digest(number, length=7)}"


def node_name(address: str, region: str) -> str:
    """Return EC2's private DNS name of an address."""
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return f"ip-{address.replace('.', '-')}.{domain}"


def free_address(cidr: str, taken: Iterable[str], seed: str) -> str:
    """Return a free address of the subnet; AWS reserves the first four and the last one."""
    network = ipaddress.ip_network(cidr)
    usable = network.num_addresses - 5
    used = set(taken)
    start = int(digest(seed, length=8), 16)
    for offset in range(usable):
        address = str(network[4 + (start + offset) % usable])
        if address not in used:
            return address
    raise ValueError(f"no free address in {cidr}")


def block_of(subnet_cidr: str) -> ipaddress.IPv4Network:
    """Return a real node's block for pods and load balancers: the subnet's last 256 addresses or upper half."""
    subnet = ipaddress.IPv4Network(subnet_cidr)
    prefix = max(24, subnet.prefixlen + 1)
    return ipaddress.IPv4Network((int(subnet.broadcast_address) - 2 ** (32 - prefix) + 1, prefix))


def next_subnet(subnets: Sequence[Record], zones: Iterable[str]) -> Record:
    """Return the subnet of the zone with the fewest nodes, like an Auto Scaling group."""
    count = Counter(zones)
    return min(subnets, key=lambda subnet: (count[subnet["AvailabilityZone"]], subnet["AvailabilityZone"]))


def scale_in_order(nodes: Sequence[Object]) -> list[Object]:
    """Return nodes in the order of a scale-in: zone with most nodes first, cordoned and oldest before others."""
    rest = list(nodes)
    order: list[Object] = []
    while rest:
        count = Counter(zone_of(node) for node in rest)
        victim = min(
            rest,
            key=lambda node: (
                -count[zone_of(node)],
                not node["spec"].get("unschedulable", False),
                node["metadata"].get("creationTimestamp", ""),
                node["metadata"]["name"],
            ),
        )
        order.append(victim)
        rest.remove(victim)
    return order


def zone_of(node: Object) -> str:
    return str(node["metadata"].get("labels", {}).get(ZONE, ""))


def address_of(node: Object) -> str:
    return next((a["address"] for a in node.get("status", {}).get("addresses", []) if a["type"] == "InternalIP"), "")


def is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def is_real(node: Object) -> bool:
    return REAL in node["metadata"].get("labels", {})


def taints(nodegroup: Mapping[str, Any]) -> list[Object]:
    """Return the node group's taints in the format of Kubernetes."""
    return [
        {"key": t["key"], "effect": _EFFECTS[t["effect"]], **({"value": t["value"]} if t.get("value") else {})}
        for t in nodegroup.get("taints") or []
    ]


def managed(nodegroup: Mapping[str, Any]) -> str:
    """Return a node group's labels and taints, in the format of the record on each node."""
    return json.dumps({"labels": given_labels(nodegroup), "taints": taints(nodegroup)}, sort_keys=True)


def given_labels(nodegroup: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in (nodegroup.get("labels") or {}).items()}


def config_patch(node: Object, nodegroup: Mapping[str, Any]) -> Object | None:
    """Return the merge patch of an existing node for its changed node group; None without changes.

    As on EKS, manual changes of the node are kept until the node group changes.
    """
    meta = node["metadata"]
    before = meta.get("annotations", {}).get(MANAGED, "")
    after = managed(nodegroup)
    if before == after:
        return None
    old = json.loads(before) if before else {"labels": {}, "taints": []}
    current = node["spec"].get("taints") or []
    return {
        "metadata": {
            "labels": merge_labels(meta.get("labels", {}), old["labels"], given_labels(nodegroup)),
            "annotations": {MANAGED: after},
        },
        "spec": {"taints": merge_taints(current, map(taint_id, old["taints"]), taints(nodegroup))},
    }


def merge_labels(
    current: Mapping[str, str], previous: Iterable[str], wanted: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the merge patch that changes a node group's labels from ``previous`` to ``wanted``; others are kept."""
    removed: dict[str, str | None] = {key: None for key in previous if key not in wanted and key in current}
    return removed | {key: value for key, value in wanted.items() if current.get(key) != value}


def merge_taints(current: Sequence[Object], previous: Iterable[str], wanted: Sequence[Object]) -> list[Object]:
    """Return the node's new taints: the node group's ``wanted`` taints replace ``previous`` ones; others are kept."""
    replaced = set(previous) | {taint_id(taint) for taint in wanted}
    return [taint for taint in current if taint_id(taint) not in replaced] + list(wanted)


def taint_id(taint: Mapping[str, Any]) -> str:
    return f"{taint['key']}:{taint['effect']}"


def os_image(ami_type: str) -> str:
    return next((image for prefix, image in _OS_IMAGES.items() if ami_type.startswith(prefix)), "Amazon Linux 2023")


def base_labels(instance: InstanceType, subnet: Record, region: str, hostname: str) -> dict[str, str]:
    """Return the labels that the kubelet and the cloud controller manager set on every EC2 node."""
    zone = subnet["AvailabilityZone"]
    labels = {
        "beta.kubernetes.io/arch": instance.architecture,
        "beta.kubernetes.io/instance-type": instance.name,
        "beta.kubernetes.io/os": "linux",
        "failure-domain.beta.kubernetes.io/region": region,
        "failure-domain.beta.kubernetes.io/zone": zone,
        "kubernetes.io/arch": instance.architecture,
        "kubernetes.io/hostname": hostname,
        "kubernetes.io/os": "linux",
        INSTANCE_TYPE: instance.name,
        "topology.ebs.csi.aws.com/zone": zone,
        "topology.kubernetes.io/region": region,
        ZONE: zone,
        SIMULATED: "fake",
    }
    if subnet.get("AvailabilityZoneId"):
        labels["topology.k8s.aws/zone-id"] = subnet["AvailabilityZoneId"]
    return labels


def node_object(
    *,
    name: str,
    address: str,
    instance: InstanceType,
    instance_id: str,
    subnet: Record,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    node_taints: Sequence[Object],
    disk_gib: int,
    kubelet: str,
    image: str,
) -> Object:
    """Return a Node as the kubelet registers it, with the annotation that makes kwok manage it."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": dict(labels),
            "annotations": {
                SIMULATED: "fake",
                "alpha.kubernetes.io/provided-node-ip": address,
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                **annotations,
            },
        },
        "spec": {
            "providerID": f"aws:///{subnet['AvailabilityZone']}/{instance_id}",
            "taints": list(node_taints),
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "InternalDNS", "address": name},
                {"type": "Hostname", "address": name},
            ],
            "capacity": capacity(instance, disk_gib),
            "conditions": [_NOT_READY],
            "allocatable": allocatable(instance, disk_gib),
            "nodeInfo": {
                "architecture": instance.architecture,
                "bootID": "",
                "containerRuntimeVersion": "containerd://2.1.4",
                "kernelVersion": f"6.12.46-66.121.amzn2023.{_MACHINES[instance.architecture]}",
                "kubeProxyVersion": "",
                "kubeletVersion": kubelet,
                "machineID": digest(instance_id, length=32),
                "operatingSystem": "linux",
                "osImage": image,
                "systemUUID": instance_id,
            },
        },
    }


def nodegroup_node(nodegroup: Record, subnet: Record, region: str, *, instance_id: str, taken: Iterable[str]) -> Object:
    """Return the next node of a managed node group in a subnet."""
    instance = INSTANCE_TYPES[instance_types(nodegroup)[0]]
    address = free_address(subnet["CidrBlock"], taken, instance_id)
    name = node_name(address, region)
    version, release = target(nodegroup)
    labels = (
        base_labels(instance, subnet, region, name)
        | given_labels(nodegroup)
        | {
            NODEGROUP: nodegroup["nodegroupName"],
            IMAGE: image_id(nodegroup),
            "eks.amazonaws.com/capacityType": nodegroup.get("capacityType") or "ON_DEMAND",
            "k8s.io/cloud-provider-aws": digest(nodegroup.get("clusterName", ""), length=32),
        }
    )
    template = nodegroup.get("launchTemplate") or {}
    if template.get("id"):
        labels["eks.amazonaws.com/sourceLaunchTemplateId"] = str(template["id"])
        labels["eks.amazonaws.com/sourceLaunchTemplateVersion"] = str(template.get("version", "1"))
    return node_object(
        name=name,
        address=address,
        instance=instance,
        instance_id=instance_id,
        subnet=subnet,
        labels=labels,
        annotations={MANAGED: managed(nodegroup)},
        node_taints=taints(nodegroup),
        disk_gib=int(nodegroup.get("diskSize") or 20),
        kubelet=kubelet_version(version, release),
        image=os_image(str(nodegroup.get("amiType", ""))),
    )


def is_outdated(node: Object, nodegroup: Record) -> bool:
    """Whether a node's image or type differs from its node group."""
    labels = node["metadata"].get("labels", {})
    return labels.get(IMAGE) != image_id(nodegroup) or labels.get(INSTANCE_TYPE) not in instance_types(nodegroup)


def surge(nodegroup: Mapping[str, Any], count: int) -> int:
    """Return how many nodes a version update can replace at once (``updateConfig``; by default one)."""
    config = nodegroup.get("updateConfig") or {}
    if config.get("maxUnavailablePercentage"):
        return max(1, count * int(config["maxUnavailablePercentage"]) // 100)
    return max(1, int(config.get("maxUnavailable") or 1))
