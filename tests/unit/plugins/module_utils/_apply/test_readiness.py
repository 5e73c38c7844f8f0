# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.diagnose import label_selector, pods_findings
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.objects import Key
from ansible_collections.dataplatform.fleet.plugins.module_utils._apply.readiness import state_of


def obj(
    spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, generation: int = 2
) -> dict[str, Any]:
    return {"metadata": {"name": "x", "generation": generation}, "spec": spec or {}, "status": status or {}}


def conditions(**values: str) -> dict[str, Any]:
    return {"conditions": [{"type": name, "status": value, "message": "why"} for name, value in values.items()]}


DEPLOYMENT, STATEFUL_SET, DAEMON_SET = (
    Key("apps", "Deployment", "n", "x"),
    Key("apps", "StatefulSet", "n", "x"),
    Key("apps", "DaemonSet", "n", "x"),
)
JOB, SERVICE, CLAIM = (
    Key("batch", "Job", "n", "x"),
    Key("", "Service", "n", "x"),
    Key("", "PersistentVolumeClaim", "n", "x"),
)
CUSTOM = Key("example.com", "Thing", "n", "x")
UP = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (DEPLOYMENT, obj({"replicas": 2}, UP)),
        (DEPLOYMENT, obj({"paused": True})),
        (DEPLOYMENT, obj({"replicas": 0}, {"observedGeneration": 2})),
        (STATEFUL_SET, obj({"replicas": 2}, UP)),
        (
            STATEFUL_SET,
            obj({"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 2}}}, UP | {"updatedReplicas": 0}),
        ),
        (STATEFUL_SET, obj({"replicas": 2, "updateStrategy": {"type": "OnDelete"}}, UP | {"updatedReplicas": 0})),
        (
            DAEMON_SET,
            obj(
                {},
                {
                    "observedGeneration": 2,
                    "desiredNumberScheduled": 3,
                    "numberAvailable": 3,
                    "updatedNumberScheduled": 3,
                },
            ),
        ),
        (DAEMON_SET, obj({}, {"observedGeneration": 2})),
        (JOB, obj({}, conditions(Complete="True"))),
        (JOB, obj({"suspend": True})),
        (CLAIM, obj({}, {"phase": "Bound"})),
        (SERVICE, obj({"type": "ClusterIP"})),
        (SERVICE, obj({"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"hostname": "x"}]}})),
        (CUSTOM, obj({}, conditions(Ready="True"))),
        (CUSTOM, obj({}, conditions(Progressing="True"))),
        (CUSTOM, obj()),
        (Key("", "ConfigMap", "n", "x"), obj()),
    ],
)
def test_ready(key: Key, found: dict[str, Any]) -> None:
    assert state_of(key, found).ready


@pytest.mark.parametrize(
    ("key", "found", "reason", "failed"),
    [
        (DEPLOYMENT, obj({"replicas": 2}, UP | {"observedGeneration": 1}), "not seen it yet", False),
        (DEPLOYMENT, obj({"replicas": 3}, UP), "2 of 3 replicas are available", False),
        (DEPLOYMENT, obj({"replicas": 2}, UP | {"replicas": 3}), "2 updated", False),
        (DEPLOYMENT, obj({"replicas": 3}, UP | conditions(ReplicaFailure="True")), ": why", False),
        (
            DEPLOYMENT,
            obj({"replicas": 3}, UP | {"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}),
            "made no progress for 600 s",
            True,
        ),
        (
            STATEFUL_SET,
            obj({"replicas": 2}, UP | {"updatedReplicas": 1}),
            "2 of 2 replicas are ready, 1 updated",
            False,
        ),
        (DAEMON_SET, obj({}, {"observedGeneration": 2, "desiredNumberScheduled": 3}), "0 of 3 pods", False),
        (JOB, obj({}, conditions(Failed="True")), "it failed: why", True),
        (JOB, obj({"completions": 3}, {"succeeded": 1, "failed": 2}), "1 of 3 completions, 2 pods failed", False),
        (CLAIM, obj({}, {"phase": "Lost"}), "lost", True),
        (SERVICE, obj({"type": "LoadBalancer"}), "no load balancer yet", False),
        (CUSTOM, obj({}, conditions(Ready="False")), "Ready is False: why", False),
        (CUSTOM, obj({}, conditions(Stalled="True")), "Stalled: why", True),
        (CUSTOM, obj({}, conditions(Ready="True") | {"observedGeneration": 1}), "its last change", False),
        (CUSTOM, {}, "it is not there", False),
    ],
)
def test_not_ready(key: Key, found: dict[str, Any], reason: str, failed: bool) -> None:
    state = state_of(key, found)
    assert not state.ready
    assert reason in state.reason
    assert state.failed is failed


def test_a_custom_object_whose_controller_reports_conditions_is_not_ready_before_it_does() -> None:
    assert not state_of(CUSTOM, obj(), reports_conditions=True).ready


def test_an_admission_policy_never_reports_conditions_though_its_schema_has_them() -> None:
    policy = Key("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "", "x")
    for seen, ready in ((1, False), (2, True)):
        live = obj({}, {"observedGeneration": seen, "typeChecking": {}})
        assert state_of(policy, live, reports_conditions=True).ready is ready


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "status": status}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"name": "c", "image": "i:1", "state": {"waiting": {"reason": reason, "message": message}}, **more}


@pytest.mark.parametrize(
    ("found", "finding"),
    [
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "no cpu"}]),
            "pod p: cannot be scheduled: no cpu",
        ),
        (
            pod(containerStatuses=[waiting("ImagePullBackOff", "not found")]),
            "pod p: container c cannot pull image i:1: not found",
        ),
        (
            pod(
                containerStatuses=[
                    waiting(
                        "CrashLoopBackOff", restartCount=4, lastState={"terminated": {"exitCode": 3, "reason": "Error"}}
                    )
                ]
            ),
            "pod p: container c crashes (exit code 3, 4 restarts): Error",
        ),
        (
            pod(containerStatuses=[waiting("CreateContainerConfigError", "no secret")]),
            "pod p: container c: CreateContainerConfigError: no secret",
        ),
        (
            pod(containerStatuses=[{"name": "c", "ready": False, "state": {"running": {}}}]),
            "pod p: container c runs but is not ready",
        ),
        (pod(phase="Failed", message="evicted"), "pod p: failed: evicted"),
    ],
)
def test_what_keeps_a_pod(found: dict[str, Any], finding: str) -> None:
    assert pods_findings([found]) == [finding]


def test_nothing_keeps_a_pod_that_is_done_or_starting() -> None:
    assert pods_findings([pod(phase="Succeeded"), pod(containerStatuses=[waiting("ContainerCreating")])]) == []


def test_label_selectors() -> None:
    selector = {
        "matchLabels": {"a": "b"},
        "matchExpressions": [{"key": "c", "operator": "In", "values": ["d", "e"]}, {"key": "f", "operator": "Exists"}],
    }
    assert label_selector(selector) == "a=b,c in (d,e),f"
