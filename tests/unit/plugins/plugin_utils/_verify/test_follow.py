# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All hops, with clusters whose pods respond from a table."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._status.components import Component
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.canary import Canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.cluster import Cluster, Pod, pod_of
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.follow import Follower, Look, Settings
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.hops import CANARY, PATH, Finding, Workload
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import (
    Answer,
    AskError,
    Place,
    Pods,
    Ran,
    User,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._verify.test_canary import (
    OWN,
    RULES,
    Grafana,
    grafana_rule,
)

RUN = "canary0abc"
FAST = Settings(timeout=0.05, alarm_timeout=0.05, interval=0.01)
NAMES = sorted({(w.namespace, w.name) for hop in PATH for w in (hop.workload, *hop.through)} - {CANARY[1:]})


@dataclass
class Answers:
    """Pods that have the canary, except those in ``lost``; those in ``broken`` do not respond."""

    lost: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def https(self, place: Place, _: str, path: str, /, *, user: User | None = None, body: Any = None) -> Answer:
        del user
        value = self.answer(place, path, body)
        return Answer(200, value if isinstance(value, bytes) else json.dumps(value).encode())

    def answer(self, place: Place, path: str, body: Any) -> Any:
        here = self._here(place)
        if place.namespace == "node-agents":
            return f'dataplatform_canary{{run="{RUN}"}} 1'.encode() if here else b""
        if path.startswith("/api/v1/rules"):
            return RULES
        if place.namespace == "agents":
            found = [{"values": [[time.time(), "1"]], "value": [1, "1"]}] if here else []
            return {"status": "success", "data": {"result": found}}
        if place.namespace == "elasticsearch":
            return {"hits": {"total": {"value": int(here)}}}
        if path.startswith("/api/v1/provisioning"):
            return grafana_rule()
        values = [[1]] if here else []
        names = [query["refId"] for query in body["queries"]]
        return {"results": {name: {"frames": [{"data": {"values": values}}]} for name in names}}

    def run(self, place: Place, _: list[str], __: float, /) -> Ran:
        here = self._here(place)
        return Ran(0, f"CreateTime:{int(time.time() * 1000)}\t{RUN}\n" if here else "", "")

    def log(self, place: Place, /) -> str:
        return f"2026-11-28T08:00:00Z {RUN}\n" if self._here(place) else ""

    def _here(self, place: Place) -> bool:
        if place.namespace in self.broken:
            raise AskError(f"{place.namespace} does not answer")
        return place.namespace not in self.lost


class Sending(Answers):
    """In which Grafana also makes rules, and says that it sent by these integrations, each with an error or none."""

    def __init__(self, **integrations: str) -> None:
        super().__init__()
        tried = [
            {"name": name, "lastNotifyAttempt": "2099-01-01T00:00:00Z", "lastNotifyAttemptError": error}
            for name, error in integrations.items()
        ]
        self.grafana = Grafana([OWN], tried)

    def https(self, place: Place, method: str, path: str, /, *, user: User | None = None, body: Any = None) -> Answer:
        if path.startswith(("/api/v1/provisioning", "/api/alertmanager")):
            return self.grafana.https(place, method, path, user=user, body=body)
        return super().https(place, method, path, user=user, body=body)


class Known(Cluster):
    """A cluster whose pods are known, one of each workload."""

    def __init__(self, pods: Pods, simulated: Iterable[str] = (), canary: Pod | None = None) -> None:
        super().__init__(cast(Any, None), pods)
        self._simulated, self._canary = set(simulated), canary or Pod("canary-1", "node-1", True)
        self.components = [
            Component(name, namespace, name, "StatefulSet", 1, 1, "1", ["x:1"], name in self._simulated)
            for namespace, name in [*NAMES, CANARY[1:]]
        ]

    def pods_of(self, workload: Workload) -> list[Pod]:
        return [self._canary if workload == CANARY else Pod(f"{workload.name}-0", "node-1", True)]

    def simulates(self, _: Pod) -> bool:
        return "dataplatform-canary" in self._simulated


def follow(member: Cluster, controlplane: Cluster | None, settings: Settings = FAST) -> dict[tuple[str, str], Finding]:
    follower = Follower(member, controlplane, Canary(RUN, "staging", time.time()), settings)
    found = follower.follow()
    assert [(item.signal, item.hop) for item in found] == [(hop.signal, hop.name) for hop in PATH]
    return {(item.signal, item.hop): item for item in found}


def statuses(found: dict[tuple[str, str], Finding]) -> list[str]:
    return [str(item.status) for item in found.values()]


def test_a_canary_that_arrives_is_found_at_every_hop() -> None:
    cluster = Known(Answers())
    found = follow(cluster, cluster)
    assert statuses(found) == ["seen"] * 11 + ["off"] * 3
    assert all(item.seconds is not None for item in found.values() if item.status == "seen")


def test_the_first_hop_without_it_is_the_one_that_is_missing() -> None:
    found = follow(Known(Answers()), Known(Answers(lost={"kafka", "elasticsearch", "grafana"})))
    assert statuses(found)[:5] == ["seen", "seen", "missing", "not_reached", "not_reached"]
    assert statuses(found)[5:9] == ["seen", "missing", "not_reached", "not_reached"]
    assert "Fluent Bit" in found["log", "kafka"].look
    assert found["metric", "elasticsearch"].look == ""


def test_a_hop_that_cannot_be_asked_fails_and_the_next_are_asked_all_the_same() -> None:
    found = follow(Known(Answers()), Known(Answers(broken={"kafka"})))
    assert statuses(found)[:5] == ["seen", "seen", "failed", "seen", "seen"]
    assert found["metric", "kafka"].text == "kafka does not answer"


def test_hops_behind_simulated_pods_are_not_verified() -> None:
    found = follow(Known(Answers()), Known(Answers(), simulated=["logstash"]))
    assert statuses(found)[:5] == ["seen", "seen", "seen", "not_run", "not_run"]
    assert "logstash" in found["metric", "elasticsearch"].text
    assert found["alarm", "grafana rule"].status == "not_run"


def test_a_simulated_canary_is_followed_nowhere() -> None:
    cluster = Known(Answers(), simulated=["dataplatform-canary"])
    assert statuses(follow(cluster, cluster)) == ["not_run"] * 11 + ["off"] * 3


def test_without_the_controlplane_its_hops_are_not_run() -> None:
    found = follow(Known(Answers()), None)
    assert {key: str(item.status) for key, item in found.items() if item.status == "seen"} == dict.fromkeys(
        [("metric", "exporter"), ("metric", "prometheus"), ("log", "container"), ("alarm", "prometheus rule")], "seen"
    )
    assert "inventory" in found["metric", "kafka"].text


def test_a_kafka_elsewhere_is_passed_over() -> None:
    cluster = Known(Answers())
    found = follow(cluster, cluster, Settings(0.05, 0.05, 0.01, kafka_in_cluster=False))
    assert statuses(found)[:5] == ["seen", "seen", "not_run", "seen", "seen"]


def test_a_component_that_was_not_applied_is_not_waited_for() -> None:
    controlplane = Known(Answers())
    controlplane.components = [item for item in controlplane.components if item.name != "elasticsearch"]
    found = follow(Known(Answers()), controlplane, Settings(timeout=3600, alarm_timeout=3600, interval=0.01))
    assert found["metric", "elasticsearch"].status == "failed"
    assert "elasticsearch/elasticsearch in the controlplane" in found["metric", "elasticsearch"].text


def test_a_canary_that_does_not_start_is_reported_with_its_pods_reason() -> None:
    waiting = Pod("canary-1", "", False, "ImagePullBackOff Back-off pulling image")
    found = follow(Known(Answers(), canary=waiting), Known(Answers()))
    assert found["metric", "exporter"].status == found["log", "container"].status == "missing"
    assert "ImagePullBackOff" in found["metric", "exporter"].text
    assert found["alarm", "prometheus rule"].status == "not_reached"


def sent(looks: dict[str, Look], **integrations: str) -> dict[str, Finding]:
    """What is found at the hops of a test alarm."""
    cluster = Known(Sending(**integrations))
    found = follow(cluster, cluster, replace(FAST, environment="test", receivers=looks))
    return {hop: item for (_, hop), item in found.items() if hop in ("notification", "email", "slack")}


def received(_: Canary) -> float:
    return time.time()


def lost(_: Canary) -> None:
    return None


def broken(_: Canary) -> float:
    raise AskError("it does not answer")


def test_a_message_is_looked_for_where_it_was_sent() -> None:
    found = sent({"email": received, "slack": lambda _: 0.0}, email="", slack="")
    assert {hop: str(item.status) for hop, item in found.items()} == dict.fromkeys(found, "seen")
    assert all(item.seconds is not None and item.seconds < 60 for hop, item in found.items() if hop != "notification")


def test_a_missing_message_is_reported_and_the_other_one_is_still_searched() -> None:
    found = sent({"email": lost, "slack": received}, email="", slack="")
    assert [str(item.status) for item in found.values()] == ["seen", "missing", "seen"]
    assert "spam" in found["email"].look
    found = sent({"email": broken, "slack": received}, email="", slack="")
    assert [str(item.status) for item in found.values()] == ["seen", "failed", "seen"]
    assert found["email"].text == "it does not answer"


def test_without_a_receiver_the_check_is_not_run() -> None:
    found = sent({"email": received}, email="", slack="")
    assert [str(item.status) for item in found.values()] == ["seen", "seen", "not_run"]
    assert "verify_slack_channel" in found["slack"].text


def test_alarms_without_receivers_in_the_environment_are_disabled() -> None:
    found = sent({"email": received, "slack": received}, slack="")
    assert [str(item.status) for item in found.values()] == ["seen", "off", "seen"]


def test_messages_that_were_not_sent_are_not_searched() -> None:
    found = sent({"email": received, "slack": received}, email="connection refused", slack="")
    assert [str(item.status) for item in found.values()] == ["failed", "not_reached", "not_reached"]
    assert "connection refused" in found["notification"].text


def test_a_receiver_without_an_environment_is_reported() -> None:
    cluster = Known(Answers())
    found = follow(cluster, cluster, replace(FAST, receivers={"email": received}))
    assert statuses(found)[-3:] == ["off", "not_run", "off"]
    assert "verify_alarm_environment" in found["alarm", "email"].text


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]},
            "0/3",
        ),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}]},
            "ErrImagePull not found",
        ),
        ({"phase": "Pending"}, "phase Pending"),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
    ],
)
def test_why_a_pod_is_not_ready(status: dict[str, Any], problem: str) -> None:
    found = pod_of({"metadata": {"name": "x"}, "spec": {}, "status": status})
    assert found.ready == (not problem)
    assert problem in found.problem
