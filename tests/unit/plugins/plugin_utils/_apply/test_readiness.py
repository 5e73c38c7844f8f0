# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import wait
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.diagnose import label_selector, pods_findings
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import WaitError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Json, Key, Resource
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.readiness import state_of


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
REPLICA_SET, POD, DISRUPTION, CRON_JOB, DEFINITION, API_SERVICE = (
    Key("apps", "ReplicaSet", "n", "x"),
    Key("", "Pod", "n", "x"),
    Key("policy", "PodDisruptionBudget", "n", "x"),
    Key("batch", "CronJob", "n", "x"),
    Key("apiextensions.k8s.io", "CustomResourceDefinition", "", "x"),
    Key("apiregistration.k8s.io", "APIService", "", "x"),
)
SCHEDULED = {"observedGeneration": 2, "desiredNumberScheduled": 3, "numberAvailable": 3, "numberReady": 3}
REPLICAS = {"observedGeneration": 2, "replicas": 2, "fullyLabeledReplicas": 2}
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
        (DAEMON_SET, obj({}, SCHEDULED | {"updatedNumberScheduled": 3})),
        (DAEMON_SET, obj({"updateStrategy": {"type": "OnDelete"}}, SCHEDULED | {"updatedNumberScheduled": 0})),
        (DAEMON_SET, obj({}, {"observedGeneration": 2, "desiredNumberScheduled": 0})),
        (REPLICA_SET, obj({"replicas": 2}, REPLICAS | {"availableReplicas": 2, "readyReplicas": 2})),
        (POD, obj({}, conditions(Ready="True") | {"phase": "Running"})),
        (POD, obj({}, {"phase": "Succeeded"})),
        (DISRUPTION, obj({}, {"observedGeneration": 2} | conditions(DisruptionAllowed="False"))),
        (CRON_JOB, obj({}, {"active": [{}]})),
        (DEFINITION, obj({}, conditions(NamesAccepted="True", Established="True"))),
        (API_SERVICE, obj({}, conditions(Available="True"))),
        (JOB, obj({}, conditions(Complete="True"))),
        (JOB, obj({"suspend": True})),
        (CLAIM, obj({}, {"phase": "Bound"})),
        (SERVICE, obj({"type": "ClusterIP"})),
        (SERVICE, obj({"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"hostname": "x"}]}})),
        (CUSTOM, obj({}, conditions(Ready="True"))),
        (CUSTOM, obj({}, conditions(Progressing="True"))),
        # Conditions that kstatus does not know are ignored.
        (CUSTOM, obj({}, conditions(Available="False", Healthy="False", Succeeded="Unknown", Failed="True"))),
        (CUSTOM, obj({}, conditions(Reconciling="False", Stalled="False", Ready="True"))),
        (CUSTOM, obj({}, {"observedGeneration": "2"} | conditions(Ready="True"))),
        (CUSTOM, obj({}, {"conditions": {"Ready": "False"}})),
        (CUSTOM, obj({}, {"conditions": []})),
        (CUSTOM, {"metadata": {"name": "x", "generation": 2}, "status": "fine"}),
        (CUSTOM, obj()),
        (Key("", "ConfigMap", "n", "x"), obj()),
    ],
)
def test_ready(key: Key, found: dict[str, Any]) -> None:
    assert state_of(key, found).ready


@pytest.mark.parametrize(
    ("key", "found", "reason", "failed"),
    [
        (DEPLOYMENT, obj({"replicas": 2}, UP | {"observedGeneration": 1}), "not seen its last change", False),
        (DEPLOYMENT, obj({"replicas": 0}), "not seen it yet", False),
        (DEPLOYMENT, obj({"replicas": 2}, UP | conditions(Stalled="True")), "Stalled: why", True),
        (DISRUPTION, obj({}, {"observedGeneration": 1}), "not seen its last change", False),
        (REPLICA_SET, obj({"replicas": 2}, REPLICAS | {"readyReplicas": 2}), "0 of 2 replicas are available", False),
        (REPLICA_SET, obj({}, REPLICAS | conditions(ReplicaFailure="True")), "available: why", False),
        (POD, obj({}, {"phase": "Pending"}), "it is Pending, not ready", False),
        (POD, obj({}, {"phase": "Failed"}), "it failed", True),
        (DAEMON_SET, obj({}, {"observedGeneration": 2}), "not seen it yet", False),
        (DAEMON_SET, obj({}, SCHEDULED), "3 of 3 pods are available, 0 updated", False),
        (DEFINITION, obj(), "not established", False),
        (DEFINITION, obj({}, conditions(NamesAccepted="False")), "names are not accepted: why", True),
        (DEFINITION, obj({}, conditions(Established="False")), "not established: why", True),
        (
            DEFINITION,
            obj({}, {"conditions": [{"type": "Established", "status": "False", "reason": "Installing"}]}),
            "not established",
            False,
        ),
        (API_SERVICE, obj({}, conditions(Available="False")), "its server does not answer: why", False),
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
        (CUSTOM, obj({}, conditions(Ready="Unknown")), "Ready is Unknown: why", False),
        (CUSTOM, obj({}, conditions(Ready="True", Reconciling="True")), "Reconciling: why", False),
        (CUSTOM, obj({}, conditions(Ready="True", Stalled="True")), "Stalled: why", True),
        (CUSTOM, obj({}, conditions(Stalled="True")), "Stalled: why", True),
        (
            CUSTOM,
            obj({}, {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}),
            "an earlier generation",
            False,
        ),
        (CUSTOM, {"metadata": {"deletionTimestamp": "2026-11-25T12:00:00Z"}}, "being deleted", False),
        (JOB, {"metadata": {"deletionTimestamp": "x"}} | conditions(Complete="True"), "being deleted", False),
        (CUSTOM, obj({}, conditions(Ready="True") | {"observedGeneration": 1}), "its last change", False),
        (CUSTOM, {}, "it is not there", False),
    ],
)
def test_not_ready(key: Key, found: dict[str, Any], reason: str, failed: bool) -> None:
    state = state_of(key, found)
    assert not state.ready
    assert reason in state.reason
    assert state.failed is failed


def test_an_admission_policy_is_ready_when_it_was_seen_though_it_never_has_conditions() -> None:
    policy = Key("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "", "x")
    for seen, ready in ((1, False), (2, True)):
        assert state_of(policy, obj({}, {"observedGeneration": seen, "typeChecking": {}})).ready is ready


class Server:
    """Answers each list with the next of some states of one object, and the events about it."""

    def __init__(self, *states: Json | None, events: list[Json] | None = None) -> None:
        self._states = list(states)
        self._events = events or []

    def map(self, call: Any, items: Any) -> list[Any]:
        return [call(item) for item in items]

    def get(self, path: str, query: dict[str, str] | None = None) -> Json:
        if path.endswith("/events"):
            assert query
            reasons = {
                part.partition("=")[2] for part in query["fieldSelector"].split(",") if part.startswith("reason")
            }
            return {"items": [event for event in self._events if not reasons or event["reason"] in reasons]}
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        return {"items": [] if state is None else [state | {"metadata": state["metadata"] | {"namespace": "n"}}]}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake clock that advances only in sleeps."""
    now = [1000.0]
    monkeypatch.setattr(wait.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(wait.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def waited(key: Key, server: Any, first: Json, **more: Any) -> dict[Key, Json]:
    resource = Resource(key.group, "v1", key.kind, f"{key.kind.lower()}s", namespaced=True)
    return wait.until_ready(server, [(resource, key, first)], selector="", report=print, **{"timeout": 600} | more)


@pytest.mark.usefixtures("clock")
def test_a_new_object_whose_controller_is_there_is_waited_for() -> None:
    unready, ready = obj({}, conditions(Ready="False")), obj({}, conditions(Ready="True"))
    assert waited(CUSTOM, Server(obj(), obj(), unready, unready, ready), obj(), silent={CUSTOM})[CUSTOM] == (
        ready | {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": ready["metadata"] | {"namespace": "n"}}
    )


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("timeout", [600, 1])
def test_a_kind_that_may_have_conditions_and_never_does_is_not_waited_for(timeout: float) -> None:
    began = wait.time.monotonic()
    waited(CUSTOM, Server(obj()), obj(), silent={CUSTOM}, timeout=timeout)
    assert 0 < wait.time.monotonic() - began < 10
    began = wait.time.monotonic()
    waited(CUSTOM, Server(obj()), obj())
    assert wait.time.monotonic() == began, "one that was there before says what it had to say"


TTL_JOB = obj({"ttlSecondsAfterFinished": 5}) | {"metadata": {"name": "x", "uid": "u"}}


@pytest.mark.usefixtures("clock")
def test_a_job_that_succeeded_and_was_removed_is_ready() -> None:
    found = waited(JOB, Server(TTL_JOB, None, events=[{"reason": "Completed"}]), TTL_JOB)
    assert found[JOB]["status"]["conditions"][0]["type"] == "Complete"
    complete = TTL_JOB | {"status": conditions(Complete="True")}
    assert waited(JOB, Server(complete, None), TTL_JOB)[JOB]["status"] == complete["status"]


@pytest.mark.usefixtures("clock")
def test_a_job_that_failed_and_was_removed_has_failed() -> None:
    events = [{"reason": "BackoffLimitExceeded", "message": "Job has reached the limit", "type": "Warning"}]
    with pytest.raises(WaitError, match=r"no event says that it has succeeded \(BackoffLimitExceeded: Job has"):
        waited(JOB, Server(None, events=events), TTL_JOB)


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
def test_reasons_of_a_pod_that_is_not_ready(found: dict[str, Any], finding: str) -> None:
    assert pods_findings([found]) == [finding]


def test_nothing_keeps_a_pod_that_is_done_or_starting() -> None:
    assert pods_findings([pod(phase="Succeeded"), pod(containerStatuses=[waiting("ContainerCreating")])]) == []


def test_label_selectors() -> None:
    selector = {
        "matchLabels": {"a": "b"},
        "matchExpressions": [{"key": "c", "operator": "In", "values": ["d", "e"]}, {"key": "f", "operator": "Exists"}],
    }
    assert label_selector(selector) == "a=b,c in (d,e),f"
