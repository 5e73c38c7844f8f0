# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement of pods on the real node, if their images are available, or on simulated nodes.

An admission policy adds a scheduling gate to every new pod. When its images are known to be present or unavailable, the
pod gets a node selector, unless it belongs to a DaemonSet and has its node, and the gate is removed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from localcloud.controllers.kube import Object
from localcloud.controllers.nodespec import REAL, SIMULATED
from localcloud.controllers.scheduling import selects, tolerates
from localcloud.nodes.images import State

GATE = "localcloud.dataplatform.fleet/image"
POLICY = "localcloud.dataplatform.fleet"
FIRST_MINOR = (1, 36)
"""The first minor version with MutatingAdmissionPolicy enabled (KEP-3962)."""
TO_REAL: Mapping[str, str] = {REAL: "true"}
TO_SIMULATED: Mapping[str, str] = {SIMULATED: "fake"}
_NODE_NAME = "metadata.name"


def policy() -> list[Object]:
    """Return the admission policy that adds the scheduling gate to new pods, with its binding."""
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": POLICY},
            "spec": {
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "matchConstraints": {
                    "resourceRules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                    ]
                },
                "matchConditions": [
                    {"name": "not-scheduled", "expression": "!has(object.spec.nodeName) || object.spec.nodeName == ''"}
                ],
                "mutations": [
                    {
                        "patchType": "ApplyConfiguration",
                        "applyConfiguration": {
                            "expression": "Object{spec: Object.spec{schedulingGates: "
                            f"[Object.spec.schedulingGates{{name: '{GATE}'}}]}}}}"
                        },
                    }
                ],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": POLICY},
            "spec": {"policyName": POLICY},
        },
    ]


def supported(version: str) -> bool:
    """Whether a cluster of a Kubernetes minor version supports the admission policy."""
    return tuple(int(part) for part in version.split(".")[:2]) >= FIRST_MINOR


def held(pod: Object) -> bool:
    gates = pod["spec"].get("schedulingGates") or []
    return "deletionTimestamp" not in pod["metadata"] and any(gate["name"] == GATE for gate in gates)


def lacks_image(pod: Object, real: Collection[str]) -> bool:
    """Whether a pod on a real node waits for an image."""
    if pod["spec"].get("nodeName") not in real or "deletionTimestamp" in pod["metadata"]:
        return False
    status = pod.get("status") or {}
    found = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    reasons = {((item.get("state") or {}).get("waiting") or {}).get("reason") for item in found}
    return bool(reasons & {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"})


def release(pod: Object, selector: Mapping[str, str]) -> Object:
    """Return the patch that removes the scheduling gate."""
    gates = [gate for gate in pod["spec"]["schedulingGates"] if gate["name"] != GATE]
    spec: Object = {"schedulingGates": gates or None}
    if selector:
        spec["nodeSelector"] = dict(selector)
    return {"spec": spec}


def bound_to(pod: Object) -> str:
    """Return the node of a DaemonSet's pod, empty for other pods."""
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    for term in (affinity or {}).get("nodeSelectorTerms") or []:
        for field in term.get("matchFields") or []:
            if field["key"] == _NODE_NAME and field.get("values"):
                return str(field["values"][0])
    return ""


def decide(pod: Object, node: Object | None, state: State) -> Mapping[str, str] | None:
    """Return the node selector for a pod that is not a DaemonSet's; None if it must wait.

    ``node`` is the real node, if it is ready. A pod that cannot be scheduled on it, such as a pod for other node
    groups, runs on a simulated node.
    """
    if state is State.ABSENT:
        return TO_SIMULATED
    if node is None or state is State.PENDING:
        return None
    taints = [
        (taint["key"], taint["effect"])
        for taint in node["spec"].get("taints") or []
        if taint["effect"] != "PreferNoSchedule" and not taint["key"].startswith("node.kubernetes.io/")
    ]
    fits = tolerates(pod, taints) and selects(pod, node["metadata"].get("labels") or {})
    return TO_REAL if fits else TO_SIMULATED


def without_real(template_spec: Mapping[str, Any]) -> Object | None:
    """Return the affinity that excludes the real node from a DaemonSet; None if it is already set."""
    expression = {"key": REAL, "operator": "DoesNotExist"}
    affinity = dict(template_spec.get("affinity") or {})
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = [dict(term) for term in required.get("nodeSelectorTerms") or [{}]]
    if all(expression in (term.get("matchExpressions") or []) for term in terms):
        return None
    for term in terms:
        term["matchExpressions"] = [*(term.get("matchExpressions") or []), expression]
    node_affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    return {**affinity, "nodeAffinity": node_affinity}
