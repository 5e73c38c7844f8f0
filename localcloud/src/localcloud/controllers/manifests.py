# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that EKS creates in a cluster and for its add-ons, with their real names, images and labels."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

import yaml

from localcloud.controllers.kube import Object
from localcloud.controllers.workloads import SYSTEM, Workload, budget, csi_driver, daemon_set, deployment, kube_object
from localcloud.releases.catalog import image

ADDON_LABEL = "localcloud.dataplatform.fleet/addon"
_ANYWHERE = [{"operator": "Exists"}]
_CRITICAL = [
    {"key": "CriticalAddonsOnly", "operator": "Exists"},
    {"effect": "NoSchedule", "key": "node-role.kubernetes.io/control-plane"},
]


@dataclass(frozen=True)
class Place:
    """The inputs of an add-on's objects besides its version and configuration."""

    region: str
    dns_ip: str
    auto_mode: bool = False

    def image(self, name: str, tag: str) -> str:
        return image(self.region, name, tag)


def dns_ip(service_cidr: str) -> str:
    """Return the address of the cluster's DNS Service: the tenth of the Service CIDR."""
    return str(ipaddress.ip_network(service_cidr)[10])


def cluster_objects() -> list[Object]:
    """Return the objects of every new EKS cluster; gp2 is not the default class since 1.30."""
    return [
        kube_object(
            "StorageClass",
            "gp2",
            namespace="",
            provisioner="kubernetes.io/aws-ebs",
            parameters={"type": "gp2", "fsType": "ext4"},
            reclaimPolicy="Delete",
            volumeBindingMode="WaitForFirstConsumer",
        ),
    ]


def auto_mode_objects() -> list[Object]:
    """Return the objects of Auto Mode: its volume driver. Users create the class of its load balancers for Ingress."""
    return [csi_driver("ebs.csi.eks.amazonaws.com")]


def self_managed_objects(kubernetes: str, place: Place) -> list[Object]:
    """Return the self-managed network add-ons, which EKS installs unless ``bootstrapSelfManagedAddons`` is false."""
    return [
        *_coredns("v1.13.2-eksbuild.4", {}, place),
        *_kube_proxy(f"v{kubernetes}.0-eksbuild.2", {}, place),
        *_vpc_cni("v1.22.3-eksbuild.1", {}, place),
    ]


def addon_objects(name: str, version: str, values: str, place: Place) -> list[Object]:
    """Return the objects of an add-on in one version and configuration; none for add-ons that are not emulated."""
    build = _BUILDERS.get(name)
    if build is None:
        return []
    settings = yaml.safe_load(values) if values else {}
    objects: list[Object] = build(version, settings if isinstance(settings, dict) else {}, place)
    for obj in objects:
        obj["metadata"].setdefault("labels", {})[ADDON_LABEL] = name
    return objects


def known_addons() -> list[str]:
    return sorted(_BUILDERS)


def _coredns(version: str, settings: Object, place: Place) -> list[Object]:
    labels = {"eks.amazonaws.com/component": "coredns", "k8s-app": "kube-dns"}
    workload = Workload(
        "coredns",
        labels,
        {"coredns": (place.image("eks/coredns", version), "100m", "70Mi")},
        replicas=int(settings.get("replicaCount", 2)),
        arguments=("-conf", "/etc/coredns/Corefile"),
        tolerations=settings.get("tolerations") or _CRITICAL,
        node_selector=settings.get("nodeSelector") or {},
        resources=settings.get("resources"),
        container=_COREDNS_CONTAINER,
        pod={
            # It forwards queries for names outside of the cluster to the VPC's server.
            "dnsPolicy": "Default",
            "volumes": [
                {
                    "name": "config-volume",
                    "configMap": {"name": "coredns", "items": [{"key": "Corefile", "path": "Corefile"}]},
                }
            ],
        },
    )
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
        {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
    ]
    service_labels = {
        **labels,
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
    corefile = settings.get("corefile") or _COREFILE
    subjects = [{"kind": "ServiceAccount", "name": "coredns", "namespace": SYSTEM}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"}
    return [
        kube_object("ServiceAccount", "coredns", labels),
        kube_object("ClusterRole", "system:coredns", labels, namespace="", rules=_COREDNS_RULES),
        kube_object("ClusterRoleBinding", "system:coredns", labels, namespace="", roleRef=role, subjects=subjects),
        kube_object("ConfigMap", "coredns", labels, data={"Corefile": corefile}),
        kube_object("Service", "kube-dns", service_labels, spec={
            "clusterIP": place.dns_ip, "ports": ports, "selector": {"k8s-app": "kube-dns"}, "type": "ClusterIP",
        }),
        budget("coredns", {"eks.amazonaws.com/component": "coredns", "k8s-app": "kube-dns"}),
        deployment(workload),
    ]  # fmt: skip


def _vpc_cni(version: str, settings: Object, place: Place) -> list[Object]:
    labels = {
        "app.kubernetes.io/instance": "aws-vpc-cni",
        "app.kubernetes.io/name": "aws-node",
        "app.kubernetes.io/version": version.split("-", 1)[0],
        "k8s-app": "aws-node",
    }
    policy = str(settings.get("enableNetworkPolicy", "false")).lower()
    workload = Workload(
        "aws-node",
        labels,
        {
            "aws-node": (place.image("amazon-k8s-cni", version), "25m", ""),
            "aws-eks-nodeagent": (place.image("amazon/aws-network-policy-agent", "v1.3.1-eksbuild.1"), "25m", ""),
        },
        priority="system-node-critical",
        host_network=True,
        arguments=(f"--enable-network-policy={policy}",),
        environment={str(k): str(v) for k, v in (settings.get("env") or {}).items()},
        tolerations=_ANYWHERE,
    )
    return [
        kube_object("ServiceAccount", "aws-node", labels),
        kube_object("ConfigMap", "amazon-vpc-cni", labels, data={
            "enable-network-policy-controller": policy, "enable-windows-ipam": "false",
        }),
        daemon_set(workload, {"k8s-app": "aws-node"}),
    ]  # fmt: skip


def _kube_proxy(version: str, settings: Object, place: Place) -> list[Object]:
    labels = {"eks.amazonaws.com/component": "kube-proxy", "k8s-app": "kube-proxy"}
    tag = version.replace("-eksbuild", "-minimal-eksbuild")
    workload = Workload(
        "kube-proxy",
        labels,
        {"kube-proxy": (place.image("eks/kube-proxy", tag), "100m", "")},
        priority="system-node-critical",
        host_network=True,
        tolerations=_ANYWHERE,
        resources=settings.get("resources"),
    )
    mode = settings.get("mode", "iptables")
    return [
        kube_object("ServiceAccount", "kube-proxy", labels),
        kube_object("ConfigMap", "kube-proxy-config", labels, data={"config": f"mode: {mode}\n"}),
        daemon_set(workload, {"k8s-app": "kube-proxy"}),
    ]


def _pod_identity_agent(version: str, settings: Object, place: Place) -> list[Object]:
    labels = {
        "app.kubernetes.io/instance": "eks-pod-identity-agent",
        "app.kubernetes.io/name": "eks-pod-identity-agent",
    }
    workload = Workload(
        "eks-pod-identity-agent",
        labels,
        {"eks-pod-identity-agent": (place.image("eks/eks-pod-identity-agent", version), "", "")},
        priority="system-node-critical",
        host_network=True,
        tolerations=_ANYWHERE,
        resources=settings.get("resources"),
    )
    return [kube_object("ServiceAccount", "eks-pod-identity-agent", labels), daemon_set(workload, labels)]


def _ebs_csi(version: str, settings: Object, place: Place) -> list[Object]:
    base = {"app.kubernetes.io/component": "csi-driver", "app.kubernetes.io/name": "aws-ebs-csi-driver"}
    tag = version.split("-", 1)[0]
    driver = place.image("eks/aws-ebs-csi-driver", tag)
    sidecars = ("csi-provisioner", "csi-attacher", "csi-snapshotter", "csi-resizer")
    probe = place.image("eks-distro/kubernetes-csi/livenessprobe", "v2.17.0-eks-1-36-1")
    controller = settings.get("controller") or {}
    controllers = Workload(
        "ebs-csi-controller",
        base | {"app": "ebs-csi-controller"},
        {"ebs-plugin": (driver, "10m", "40Mi")}
        | {s: (place.image(f"eks-distro/kubernetes-csi/external-{s[4:]}", "v6.0.0-eks-1-36-1"), "10m", "40Mi")
           for s in sidecars}
        | {"liveness-probe": (probe, "10m", "40Mi")},
        replicas=int(controller.get("replicaCount", 2)),
        account="ebs-csi-controller-sa",
        tolerations=controller.get("tolerations") or _CRITICAL,
        node_selector=controller.get("nodeSelector") or {},
        resources=controller.get("resources"),
    )  # fmt: skip
    registrar = place.image("eks-distro/kubernetes-csi/node-driver-registrar", "v2.15.0-eks-1-36-1")
    nodes = Workload(
        "ebs-csi-node",
        base | {"app": "ebs-csi-node"},
        {
            "ebs-plugin": (driver, "10m", "40Mi"),
            "node-driver-registrar": (registrar, "10m", "40Mi"),
            "liveness-probe": (probe, "10m", "40Mi"),
        },
        account="ebs-csi-node-sa",
        priority="system-node-critical",
        tolerations=_ANYWHERE,
    )
    objects = [
        kube_object("ServiceAccount", "ebs-csi-controller-sa", base),
        kube_object("ServiceAccount", "ebs-csi-node-sa", base),
        csi_driver("ebs.csi.aws.com"),
        budget("ebs-csi-controller", {"app": "ebs-csi-controller"}),
        deployment(controllers, {"app": "ebs-csi-controller"}),
        daemon_set(nodes, {"app": "ebs-csi-node"}),
    ]
    if (settings.get("defaultStorageClass") or {}).get("enabled"):
        objects.append(
            kube_object(
                "StorageClass",
                "ebs-csi-default-sc",
                namespace="",
                annotations={"storageclass.kubernetes.io/is-default-class": "true"},
                provisioner="ebs.csi.aws.com",
                allowVolumeExpansion=True,
                reclaimPolicy="Delete",
                volumeBindingMode="WaitForFirstConsumer",
            )
        )
    return objects


def _metrics_server(version: str, settings: Object, place: Place) -> list[Object]:
    """Return the objects without the APIService: kubelets have no metrics here, and it would break discovery."""
    labels = {"app.kubernetes.io/instance": "metrics-server", "app.kubernetes.io/name": "metrics-server"}
    workload = Workload(
        "metrics-server",
        labels,
        {"metrics-server": (place.image("eks/metrics-server", version), "100m", "200Mi")},
        replicas=int(settings.get("replicas", 2)),
        tolerations=settings.get("tolerations") or (),
        resources=settings.get("resources"),
    )
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https"}]
    return [
        kube_object("ServiceAccount", "metrics-server", labels),
        kube_object("Service", "metrics-server", labels, spec={"ports": ports, "selector": dict(labels)}),
        budget("metrics-server", labels),
        deployment(workload, labels),
    ]


def _generic(name: str, repository: str, controllers: str, nodes: str = "", account: str = "") -> Any:  # noqa: ANN401
    """Return a builder of an add-on that needs only its pods here."""

    def build(version: str, settings: Object, place: Place) -> list[Object]:
        labels = {"app.kubernetes.io/name": name}
        namespace = _NAMESPACES.get(name, SYSTEM)
        objects = [] if namespace == SYSTEM else [kube_object("Namespace", namespace, namespace="")]
        objects.append(kube_object("ServiceAccount", account or name, labels, namespace=namespace))
        for kind, workload in ((deployment, controllers), (daemon_set, nodes)):
            if workload:
                selector = labels | {"app": workload}
                spec = Workload(
                    workload, selector, {workload: (place.image(repository, version), "10m", "40Mi")},
                    replicas=int(settings.get("replicaCount", 1)), account=account or name, namespace=namespace,
                    tolerations=_ANYWHERE if kind is daemon_set else (),
                )  # fmt: skip
                objects.append(kind(spec, selector))
        return objects

    return build


_NAMESPACES = {
    "amazon-cloudwatch-observability": "amazon-cloudwatch",
    "cert-manager": "cert-manager",
    "external-dns": "external-dns",
    "kube-state-metrics": "kube-state-metrics",
    "prometheus-node-exporter": "prometheus-node-exporter",
}
_BUILDERS = {
    "aws-ebs-csi-driver": _ebs_csi,
    "aws-efs-csi-driver": _generic(
        "aws-efs-csi-driver", "eks/aws-efs-csi-driver", "efs-csi-controller", "efs-csi-node", "efs-csi-controller-sa"
    ),
    "amazon-cloudwatch-observability": _generic(
        "amazon-cloudwatch-observability",
        "eks/observability/cloudwatch-agent",
        "amazon-cloudwatch-observability-controller-manager",
        "cloudwatch-agent",
        "cloudwatch-agent",
    ),
    "cert-manager": _generic("cert-manager", "eks/cert-manager-controller", "cert-manager"),
    "coredns": _coredns,
    "eks-node-monitoring-agent": _generic(
        "eks-node-monitoring-agent", "eks/eks-node-monitoring-agent", "", "eks-node-monitoring-agent"
    ),
    "eks-pod-identity-agent": _pod_identity_agent,
    "external-dns": _generic("external-dns", "eks/external-dns", "external-dns"),
    "kube-proxy": _kube_proxy,
    "kube-state-metrics": _generic("kube-state-metrics", "eks/kube-state-metrics", "kube-state-metrics"),
    "metrics-server": _metrics_server,
    "prometheus-node-exporter": _generic(
        "prometheus-node-exporter", "eks/prometheus-node-exporter", "", "prometheus-node-exporter"
    ),
    "snapshot-controller": _generic("snapshot-controller", "eks/snapshot-controller", "snapshot-controller"),
    "vpc-cni": _vpc_cni,
}
_COREDNS_CONTAINER: Object = {
    "ports": [
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
        {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
    ],
    "livenessProbe": {
        "httpGet": {"path": "/health", "port": 8080, "scheme": "HTTP"},
        "initialDelaySeconds": 60,
        "timeoutSeconds": 5,
        "failureThreshold": 5,
    },
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181, "scheme": "HTTP"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    },
    "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True}],
}
_COREDNS_RULES: list[Object] = [
    {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]
_COREFILE = """.:53 {
    errors
    health {
        lameduck 5s
      }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
}
"""
