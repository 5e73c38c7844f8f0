# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and parsing of responses. tests/integration/verify uses the real programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.dataplatform.fleet.plugins.filter.grafana_alarms import grafana_alarms
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify import alarm, canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.canary import Canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import Answer, AskError, Place, Ran, User

CANARY = Canary("canary0abc", "staging", 1000.0)
PLACE = Place("ns", "pod-0", "main", 1, "name")
USER = User("reader", "secret-word")


class FakePods:
    """Fake pods that respond with a function, and record requests."""

    def __init__(
        self, answer: Callable[[str, str, Any], Any] = lambda *_: {}, ran: Ran | None = None, log: str = ""
    ) -> None:
        self._answer, self._ran, self._log = answer, ran, log
        self.asked: list[tuple[str, str, Any]] = []
        self.commands: list[list[str]] = []

    def https(self, _: Place, method: str, path: str, *, user: User | None = None, body: Any = None) -> Answer:
        del user
        self.asked.append((method, path, body))
        found = self._answer(method, path, body)
        status, value = found if isinstance(found, tuple) else (200, found)
        return Answer(status, value if isinstance(value, bytes) else json.dumps(value).encode())

    def run(self, _: Place, command: list[str], __: float) -> Ran:
        self.commands.append(command)
        assert self._ran is not None
        return self._ran

    def log(self, _: Place) -> str:
        return self._log


def test_a_password_is_not_shown() -> None:
    assert "secret-word" not in repr(USER)


def test_a_page_without_the_runs_own_metric_does_not_count() -> None:
    other = b'dataplatform_canary{run="canary0old"} 1\n'
    assert canary.on_page(FakePods(lambda *_: other), PLACE, CANARY) is None
    own = b'dataplatform_canary{run="canary0abc"} 1\n'
    assert canary.on_page(FakePods(lambda *_: own), PLACE, CANARY) is not None


def test_the_logs_time_is_the_lines_own() -> None:
    text = "2026-11-28T08:00:00.5Z other\n2026-11-28T08:00:01.123456789Z flag=.*|canary0abc\n"
    assert canary.in_log(FakePods(log=text), PLACE, CANARY) == pytest.approx(1795852801.123, abs=0.001)
    assert canary.in_log(FakePods(log="2026-11-28T08:00:00Z other\n"), PLACE, CANARY) is None


def test_prometheus_is_asked_for_the_first_sample() -> None:
    result = [{"metric": {}, "values": [[1030.5, "1"], [1060.5, "1"]]}]
    fake = FakePods(lambda *_: {"status": "success", "data": {"result": result}})
    assert canary.in_prometheus(fake, PLACE, CANARY) == 1030.5
    query = parse_qs(urlsplit(fake.asked[0][1]).query)["query"]
    assert query == ['dataplatform_canary{run="canary0abc"}[30m]']


def test_a_query_that_prometheus_refuses_is_an_error() -> None:
    fake = FakePods(lambda *_: (400, {"status": "error", "error": "parse error"}))
    with pytest.raises(AskError, match="parse error"):
        canary.in_prometheus(fake, PLACE, CANARY)


def test_kafka_is_read_from_a_little_before_the_canary_on() -> None:
    fake = FakePods(ran=Ran(0, 'CreateTime:1045000\t{"labels": {"run": "canary0abc"}}\n', ""))
    assert canary.in_kafka(fake, PLACE, CANARY, "metrics-staging", now=1100.0, seconds=20) == 1045.0
    assert fake.commands[0][4:] == ["metrics-staging", "canary0abc", "160", "20"]


def test_kafkas_consumer_that_fails_is_an_error_and_silence_is_none() -> None:
    assert canary.in_kafka(FakePods(ran=Ran(0, "", "")), PLACE, CANARY, "t", now=1, seconds=1) is None
    with pytest.raises(AskError, match="no such file"):
        canary.in_kafka(FakePods(ran=Ran(3, "", "x\nno such file\n")), PLACE, CANARY, "t", now=1, seconds=1)


@pytest.mark.parametrize(
    ("log", "stream"), [(False, "metrics-k8s.prometheus-staging"), (True, "logs-k8s.container-staging")]
)
def test_elasticsearch_is_asked_for_the_members_own_stream(log: bool, stream: str) -> None:
    fake = FakePods(lambda *_: {"hits": {"total": {"value": 1, "relation": "gte"}, "hits": []}})
    assert canary.in_elasticsearch(fake, PLACE, CANARY, USER, log=log) is not None
    method, path, body = fake.asked[0]
    assert (method, urlsplit(path).path) == ("POST", f"/{stream}/_search")
    assert "canary0abc" in json.dumps(body)


def test_elasticsearchs_refusal_is_reported_in_its_own_words() -> None:
    error = {"error": {"type": "security_exception", "reason": "action is unauthorized"}, "status": 403}
    with pytest.raises(AskError, match="HTTP 403: action is unauthorized"):
        canary.in_elasticsearch(FakePods(lambda *_: (403, error)), PLACE, CANARY, USER, log=False)


def frames(*columns: list[Any]) -> dict[str, Any]:
    return {"results": {"A": {"frames": [{"schema": {}, "data": {"values": list(columns)}}]}}}


@pytest.mark.parametrize("log", [False, True])
def test_grafana_counts_only_with_rows(log: bool) -> None:
    fake = FakePods(lambda *_: frames([1], ["x"]))
    assert canary.in_grafana(fake, PLACE, CANARY, USER, log=log) is not None
    assert fake.asked[0][2]["queries"][0]["datasource"]["uid"] == ("logs" if log else "metrics")
    assert canary.in_grafana(FakePods(lambda *_: frames([], [])), PLACE, CANARY, USER, log=log) is None
    assert (
        canary.in_grafana(FakePods(lambda *_: {"results": {"A": {"frames": []}}}), PLACE, CANARY, USER, log=log) is None
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {"message": "Invalid username or password"}), "refuses the user reader"),
        ((400, {"results": {"A": {"error": "no such field"}}}), "no such field"),
        ((500, {"message": "broken"}), "broken"),
    ],
)
def test_grafanas_errors_are_reported(answer: Any, message: str) -> None:
    with pytest.raises(AskError, match=message):
        canary.in_grafana(FakePods(lambda *_: answer), PLACE, CANARY, USER, log=False)


RULES = {
    "data": {
        "groups": [
            {
                "rules": [
                    {
                        "name": "AverageCpuHigh",
                        "health": "ok",
                        "query": '100 * (1 - avg by (cluster) (rate(node_cpu_seconds_total{mode="idle"}[5m]))) > 80',
                    }
                ]
            }
        ]
    }
}


def edge(result: list[Any], rules: Any = RULES) -> FakePods:
    def answer(method: str, path: str, body: Any) -> Any:
        return rules if path.startswith("/api/v1/rules") else {"status": "success", "data": {"result": result}}

    return FakePods(answer)


def test_the_deployed_rules_query_is_asked_of_the_canary_alone() -> None:
    fake = edge([{"metric": {}, "value": [1, "100"]}])
    assert alarm.at_edge(fake, PLACE, CANARY) is not None
    (query,) = parse_qs(urlsplit(fake.asked[1][1]).query)["query"]
    assert "node_cpu_seconds_total" not in query
    assert 'dataplatform_canary_cpu_seconds_total{run="canary0abc",mode="idle"}' in query
    assert alarm.at_edge(edge([]), PLACE, CANARY) is None


def test_a_rule_that_is_not_there_or_cannot_be_evaluated_is_an_error() -> None:
    with pytest.raises(AskError, match="no alerting rule"):
        alarm.at_edge(edge([], {"data": {"groups": []}}), PLACE, CANARY)
    broken = {"data": {"groups": [{"rules": [{"name": "AverageCpuHigh", "health": "err", "lastError": "too many"}]}]}}
    with pytest.raises(AskError, match="too many"):
        alarm.at_edge(edge([], broken), PLACE, CANARY)


def grafana_rule() -> dict[str, Any]:
    """The rule that the role alarms provisions, as Grafana's API shows it."""
    text = grafana_alarms({}, member="controlplane", members={})["files"]["rules.yaml"]
    rules = [rule for group in json.loads(text)["groups"] for rule in group["rules"]]
    (rule,) = (rule for rule in rules if rule["uid"] == alarm.UID)
    return {**rule, "orgID": 1, "folderUID": "folder"}


def test_the_provisioned_rule_is_evaluated_for_the_canary_alone() -> None:
    def answer(method: str, path: str, body: Any) -> Any:
        if path.startswith("/api/v1/provisioning"):
            return grafana_rule()
        assert [query["refId"] for query in body["queries"]] == ["A", "C"]
        assert body["queries"][0]["expr"].startswith('dataplatform_canary_alerts{run="canary0abc",')
        assert body["queries"][1]["datasource"]["uid"] == "__expr__"
        return {"results": {"A": {"frames": []}, "C": {"frames": [{"data": {"values": [[value]]}}]}}}

    value = 1
    assert alarm.in_grafana(FakePods(answer), PLACE, CANARY, USER) is not None
    value = 0
    assert alarm.in_grafana(FakePods(answer), PLACE, CANARY, USER) is None


class Grafana(FakePods):
    """The parts of Grafana's API by which a rule is made and its notification is seen."""

    def __init__(self, routes: list[Any], integrations: list[Any]) -> None:
        super().__init__(self.api)
        self.routes, self.integrations, self.rules = routes, integrations, [grafana_rule()]

    def api(self, method: str, path: str, body: Any) -> Any:
        if path == "/api/v1/provisioning/policies":
            return {"receiver": "nobody", "routes": self.routes}
        if path == "/api/alertmanager/grafana/config/api/v1/receivers":
            return [
                {"name": "test-warning", "integrations": self.integrations},
                {"name": "warning", "integrations": []},
            ]
        if method == "POST":
            self.rules.append(body)
            return 201, body
        uid = path.rpartition("/")[2]
        found = [rule for rule in self.rules if rule["uid"] == uid]
        if method == "DELETE":
            self.rules = [rule for rule in self.rules if rule["uid"] != uid]
            return (204, b"") if found else (404, {})
        return found[0] if found else (404, {})


OWN = {"receiver": "test-warning", "object_matchers": [["environment", "=", "test"], ["severity", "=", "warning"]]}
EVERYBODYS = {"receiver": "warning", "object_matchers": [["severity", "=", "warning"]]}
SENT = {"name": "email", "lastNotifyAttempt": "1970-01-01T00:20:00Z"}


def test_a_real_alarm_follows_its_route_and_is_resolved() -> None:
    fake = Grafana([OWN, EVERYBODYS], [SENT])
    sent = alarm.Notification(fake, PLACE, USER, CANARY, "test")
    sent.begin()
    made = fake.rules[-1]
    assert (made["uid"], made["labels"]["environment"], made["for"]) == ("verify-canary", "test", "0s")
    assert "canary0abc" in json.dumps(made["data"])
    assert sent() == 1200.0
    sent.end()
    assert [rule["uid"] for rule in fake.rules] == [alarm.UID]


@pytest.mark.parametrize("routes", [[EVERYBODYS], [{**OWN, "mute_time_intervals": ["never"]}]])
def test_without_its_own_route_the_alarm_is_not_sent(routes: list[Any]) -> None:
    fake = Grafana(routes, [SENT])
    with pytest.raises(AskError, match="alarms_environments"):
        alarm.Notification(fake, PLACE, USER, CANARY, "test").begin()
    assert [rule["uid"] for rule in fake.rules] == [alarm.UID]


def test_an_earlier_attempt_does_not_count_and_a_failed_one_is_reported() -> None:
    def sent(*integrations: Any) -> float | None:
        notification = alarm.Notification(Grafana([OWN], list(integrations)), PLACE, USER, CANARY, "test")
        notification.begin()
        return notification()

    assert sent(SENT, {"name": "slack", "lastNotifyAttempt": "1970-01-01T00:10:00Z"}) is None
    assert sent() is None
    with pytest.raises(AskError, match="email: connection refused"):
        sent({**SENT, "lastNotifyAttemptError": "connection refused"})


def test_a_rule_of_another_shape_is_not_guessed_at() -> None:
    with pytest.raises(AskError, match="cannot be tried"):
        alarm.edge_query("avg(other_metric) > 80", CANARY)
    with pytest.raises(AskError, match="cannot be tried"):
        alarm.grafana_query("avg(other_metric) > 80", CANARY)
