# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test alarm: requests to Prometheus and Grafana, created rules, and errors."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify import alarm
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import AskError
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._verify.test_canary import (
    CANARY,
    EVERYBODYS,
    OWN,
    PLACE,
    RULES,
    SENT,
    USER,
    FakePods,
    Grafana,
    edge,
    grafana_rule,
)

FIRING = [{"metric": {}, "value": [1, "100"]}]


def refusing(status: int, *parts: str, routes: list[Any] | None = None) -> Grafana:
    """Return a Grafana that responds with this status for the given method and path."""
    found = Grafana([OWN] if routes is None else routes, [SENT])
    answer = found.api

    def refuse(method: str, path: str, body: Any) -> Any:
        request = f"{method} {path}"
        return (status, {"message": "no"}) if all(part in request for part in parts) else answer(method, path, body)

    found._answer = refuse
    return found


def notification(grafana: FakePods, environment: str = "test") -> alarm.Notification:
    return alarm.Notification(grafana, PLACE, USER, CANARY, environment)  # type: ignore[arg-type]


# -- at the edge


def test_every_deployed_rule_of_that_name_has_to_be_true() -> None:
    rules = copy.deepcopy(RULES)
    (rule,) = rules["data"]["groups"][0]["rules"]
    rules["data"]["groups"].append({"rules": [{"name": "Other", "health": "err", "query": "x"}, dict(rule)]})
    assert alarm.at_edge(edge(FIRING, rules), PLACE, CANARY) == 0.0  # type: ignore[arg-type]
    answers = [FIRING, []]

    def answer(_: str, path: str, __: Any) -> Any:
        if path.startswith("/api/v1/rules"):
            assert path == "/api/v1/rules?type=alert&rule_name%5B%5D=AverageCpuHigh"
            return rules
        return {"status": "success", "data": {"result": answers.pop(0)}}

    assert alarm.at_edge(FakePods(answer), PLACE, CANARY) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": {"groups": None}}])
def test_a_prometheus_without_rules_is_an_error(answer: Any) -> None:
    with pytest.raises(
        AskError, match=r"^Prometheus has no alerting rule AverageCpuHigh, .* If alarms_overrides disables it"
    ):
        alarm.at_edge(edge(FIRING, answer), PLACE, CANARY)  # type: ignore[arg-type]


def test_a_query_that_asks_twice_is_not_guessed_at() -> None:
    twice = "avg(node_cpu_seconds_total{}) / avg(node_cpu_seconds_total{})"
    with pytest.raises(AskError, match="does not ask for node_cpu_seconds_total once, so it cannot be tried"):
        alarm.edge_query(twice, CANARY)


# -- in Grafana


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, r"^Grafana has no alert rule AverageCpuHigh \(average-cpu-high\)\.$"),
        (403, r"^Grafana does not show its alert rule AverageCpuHigh \(HTTP 403\)\.$"),
    ],
)
def test_a_rule_that_grafana_does_not_show_is_an_error(status: int, message: str) -> None:
    grafana = refusing(status, "GET", alarm.UID)
    with pytest.raises(AskError, match=message):
        alarm.in_grafana(grafana, PLACE, CANARY, USER)  # type: ignore[arg-type]
    with pytest.raises(AskError, match=message):
        notification(grafana).begin()
    assert not [call for call in grafana.asked if call[0] != "GET"]


@pytest.mark.parametrize(
    ("columns", "fires"), [([[0], [0, 2]], True), ([[0, 0]], False), ([[]], False), ([], False), ([[0.5]], True)]
)
def test_a_rule_fires_when_any_value_of_its_condition_is_above_zero(columns: list[Any], fires: bool) -> None:
    def answer(_: str, path: str, __: Any) -> Any:
        if path.startswith("/api/v1/provisioning"):
            return grafana_rule()
        condition = grafana_rule()["condition"]
        frames = {
            condition: {"frames": [{"data": {"values": columns}}]},
            "A": {"frames": [{"data": {"values": [[9]]}}]},
        }
        return {"results": frames}

    found = alarm.in_grafana(FakePods(answer), PLACE, CANARY, USER)  # type: ignore[arg-type]
    assert found == (0.0 if fires else None)


# -- the notification


def test_the_canarys_rule_is_that_of_the_fleet_for_the_canary_alone() -> None:
    grafana = Grafana([EVERYBODYS, OWN], [SENT])
    grafana.rules.append({"uid": alarm.RULE, "left": "by a run before"})
    notification(grafana).begin()
    made = grafana.rules[-1]
    fleet = grafana_rule()
    for key in ("orgID", "folderUID", "condition", "noDataState", "execErrState"):
        assert made[key] == fleet[key]
    assert made["labels"] == {**fleet["labels"], "severity": "warning", "environment": "test", "run": CANARY.run}
    assert CANARY.run in made["annotations"]["summary"]
    assert "nothing is wrong" in made["annotations"]["summary"]
    assert [rule["uid"] for rule in grafana.rules] == [alarm.UID, alarm.RULE], "one of a run before is replaced"
    assert json.dumps(made["data"]).count(CANARY.run) == 1
    assert [item["refId"] for item in made["data"]] == [item["refId"] for item in fleet["data"]]


def test_the_route_is_that_of_the_rules_severity_and_of_nothing_else() -> None:
    more = {**OWN, "object_matchers": [*OWN["object_matchers"], ["team", "=", "a"]]}
    other = {**OWN, "object_matchers": [["environment", "=~", "test"], ["severity", "=", "warning"]]}
    critical = {**OWN, "object_matchers": [["environment", "=", "test"], ["severity", "=", "critical"]]}
    for routes in ([more], [other], [critical], [], None):
        grafana = Grafana(routes, [SENT])  # type: ignore[arg-type]
        with pytest.raises(AskError, match="no route for severity warning of the environment test"):
            notification(grafana).begin()
        assert not [call for call in grafana.asked if call[0] != "GET"], "nothing was made or removed"
    grafana = Grafana([critical], [SENT])
    grafana.rules[0]["labels"] = {"severity": "critical"}
    notification(grafana).begin()
    assert len(grafana.rules) == 2
    unlabelled = Grafana([OWN], [SENT])
    unlabelled.rules[0]["labels"] = None
    notification(unlabelled).begin()
    assert unlabelled.rules[-1]["labels"] == {"severity": "warning", "environment": "test", "run": CANARY.run}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("POST", "alert-rules"), r"^Grafana does not take a rule for the canary \(HTTP 500\)\.$"),
        (("DELETE", alarm.RULE), r"^Grafana does not remove the rule verify-canary \(HTTP 500\)\.$"),
        (("GET", "policies"), r"^Grafana does not show its notification policies \(HTTP 500\)\.$"),
    ],
)
def test_an_error_of_grafana_is_reported(parts: tuple[str, ...], message: str) -> None:
    with pytest.raises(AskError, match=message):
        notification(refusing(500, *parts)).begin()


def test_receivers_that_grafana_does_not_show_are_an_error() -> None:
    grafana = refusing(503, "GET", "receivers")
    sent = notification(grafana)
    sent.begin()
    with pytest.raises(AskError, match=r"^Grafana does not show its receivers \(HTTP 503\)\.$"):
        sent()


def test_the_last_of_the_routes_integrations_counts() -> None:
    later = {"name": "slack", "lastNotifyAttempt": "1970-01-01T00:30:00Z"}
    grafana = Grafana([OWN], [SENT, later])
    sent = notification(grafana)
    assert sent() is None, "before it has begun no receiver is its own"
    sent.begin()
    assert sent() == 1800.0
    assert sent.kinds == {"email", "slack"}
    grafana.integrations = [SENT, {"name": "slack", "lastNotifyAttempt": "never"}]
    assert sent() is None
    grafana.integrations = [SENT, {"name": "slack"}]
    assert sent() is None
    grafana.integrations = [{**SENT, "lastNotifyAttempt": "1970-01-01T00:16:40Z"}]
    assert sent() == CANARY.since, "an attempt of the canary's own second counts"


def test_a_rule_that_is_already_deleted_is_not_an_error() -> None:
    notification(Grafana([OWN], [SENT])).end()
