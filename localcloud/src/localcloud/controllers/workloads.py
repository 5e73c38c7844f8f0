# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builders of Kubernetes objects for add-ons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localcloud.controllers.kube import RESOURCES, Object, api_version

SYSTEM = "kube-system"


@dataclass
class Workload:
    """One Deployment or DaemonSet with its containers ``{name: (image, cpu, memory)}``."""

    name: str
    labels: Mapping[str, str]
    containers: Mapping[str, tuple[str, str, str]]
    replicas: int = 0
    account: str = ""
    priority: str = "system-cluster-critical"
    host_network: bool = False
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Object] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    resources: Object | None = None
    container: Object = field(default_factory=dict)
    """Additional fields of the first container."""
    pod: Object = field(default_factory=dict)
    """Additional fields of the pods."""
    namespace: str = SYSTEM


def kube_object(
    kind: str,
    name: str,
    labels: Mapping[str, str] | None = None,
    *,
    namespace: str = SYSTEM,
    annotations: Mapping[str, str] | None = None,
    **fields: Any,  # noqa: ANN401 - the object's own fields
) -> Object:
    metadata: Object = {"name": name}
    if RESOURCES[kind].namespaced:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version(kind), "kind": kind, "metadata": metadata, **fields}


def csi_driver(name: str) -> Object:
    spec = {"attachRequired": True, "fsGroupPolicy": "ReadWriteOnceWithFSType", "podInfoOnMount": False}
    return kube_object("CSIDriver", name, namespace="", spec=spec)


def budget(name: str, selector: Mapping[str, str]) -> Object:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": dict(selector)}}
    return kube_object("PodDisruptionBudget", name, selector, spec=spec)


def deployment(workload: Workload, selector: Mapping[str, str] | None = None) -> Object:
    spec = {
        "replicas": workload.replicas,
        "selector": {"matchLabels": dict(selector or workload.labels)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
        "template": _template(workload),
    }
    return kube_object("Deployment", workload.name, workload.labels, namespace=workload.namespace, spec=spec)


def daemon_set(workload: Workload, selector: Mapping[str, str]) -> Object:
    spec = {
        "selector": {"matchLabels": dict(selector)},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
        "template": _template(workload),
    }
    return kube_object("DaemonSet", workload.name, workload.labels, namespace=workload.namespace, spec=spec)


def _template(workload: Workload) -> Object:
    containers = []
    for index, (name, (image, cpu, memory)) in enumerate(workload.containers.items()):
        requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
        container: Object = {"name": name, "image": image, "imagePullPolicy": "IfNotPresent"}
        container["resources"] = {"requests": requests} if requests else {}
        last = index == len(workload.containers) - 1
        if index == 0:
            container["resources"] = workload.resources or container["resources"]
            container |= workload.container
            if workload.environment:
                container["env"] = [{"name": k, "value": v} for k, v in sorted(workload.environment.items())]
        if last and workload.arguments:
            container["args"] = list(workload.arguments)
        containers.append(container)
    return {
        "metadata": {"labels": dict(workload.labels)},
        "spec": {
            "containers": containers,
            "hostNetwork": workload.host_network,
            "nodeSelector": {"kubernetes.io/os": "linux", **workload.node_selector},
            "priorityClassName": workload.priority,
            "serviceAccountName": workload.account or workload.name,
            "tolerations": list(workload.tolerations),
            **workload.pod,
        },
    }
