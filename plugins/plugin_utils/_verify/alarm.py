# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first alarm, average CPU above 80 %, tried with the canary's own series, so that nobody else's alarm fires.

The deployed rules average over all processors of a cluster: a synthetic busy processor among those would be a false
alarm for the cluster, and page people. So the rules' own queries are asked, with the canary's series in the place of
the cluster's. Only where a route of its own is declared for it does a rule of the canary's fire in Grafana.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from .canary import ALERTS, CPU, Canary, asked, promql, values
from .pods import AskError, Place, Pods, User

NAME: Final = "AverageCpuHigh"
# Of the same rule, provisioned in Grafana.
UID: Final = "average-cpu-high"
SOURCE: Final = "node_cpu_seconds_total{"
EDGE: Final = f'ALERTS{{alertname="{NAME}",alertstate="firing"'
RULE: Final = "verify-canary"
_RULES: Final = "/api/v1/provisioning/alert-rules"


def edge_query(query: str, canary: Canary) -> str:
    """The rule's query with the canary's processor in the place of the nodes'.

    >>> edge_query('avg(rate(node_cpu_seconds_total{mode="idle"}[5m])) > 80', Canary("c1", "staging", 0))
    'avg(rate(dataplatform_canary_cpu_seconds_total{run="c1",mode="idle"}[5m])) > 80'
    """
    if query.count(SOURCE) != 1:
        raise AskError(f"The rule {NAME} does not ask for {SOURCE[:-1]} once, so it cannot be tried: {query}")
    return query.replace(SOURCE, f'{CPU}{{run="{canary.run}",')


def grafana_query(expression: str, canary: Canary) -> str:
    """The rule's expression with the canary's firing alert in the place of the clusters'."""
    if expression.count(EDGE) != 1:
        raise AskError(f"Grafana's rule {NAME} does not ask for {EDGE}}} once, so it cannot be tried: {expression}")
    return expression.replace(EDGE, f'{ALERTS}{{run="{canary.run}",alertname="{NAME}",alertstate="firing"')


def at_edge(pods: Pods, place: Place, canary: Canary) -> float | None:
    """Whether the deployed rule is healthy, and its query is true of the canary; the time is that of asking."""
    path = f"/api/v1/rules?{urlencode({'type': 'alert', 'rule_name[]': NAME})}"
    groups = (pods.https(place, "GET", path).json().get("data") or {}).get("groups") or []
    rules = [rule for group in groups for rule in group["rules"] if rule["name"] == NAME]
    if not rules:
        raise AskError(
            f"Prometheus has no alerting rule {NAME}, with which verify tries the alarms. If alarms_overrides disables"
            " it for this cluster, enable it there; then run playbooks/agents.yml."
        )
    for rule in rules:
        if rule.get("health") == "err":
            raise AskError(f"Prometheus cannot evaluate {NAME}: {rule.get('lastError')}")
    results = [promql(pods, place, edge_query(rule["query"], canary)) for rule in rules]
    return 0.0 if all(results) else None


def in_grafana(pods: Pods, place: Place, canary: Canary, user: User) -> float | None:
    """Whether Grafana's deployed rule would fire for the canary; the time is that of asking."""
    rule = _rule(pods, place, user)
    results = asked(pods, place, user, _models(rule, canary))
    return 0.0 if any(float(value) > 0 for column in values(results, rule["condition"]) for value in column) else None


def _rule(pods: Pods, place: Place, user: User) -> dict[str, Any]:
    answer = pods.https(place, "GET", f"{_RULES}/{UID}", user=user)
    if answer.status == 404:
        raise AskError(f"Grafana has no alert rule {NAME} ({UID}).")
    if answer.status != 200:
        raise AskError(f"Grafana does not show its alert rule {NAME} (HTTP {answer.status}).")
    found: dict[str, Any] = answer.json()
    return found


def _data(rule: Mapping[str, Any], canary: Canary) -> list[dict[str, Any]]:
    """The rule's queries, of which the one that asks for alerts asks for the canary's."""
    return [
        {**item, "model": {**item["model"], "expr": grafana_query(item["model"]["expr"], canary)}}
        if "expr" in item["model"]
        else item
        for item in rule["data"]
    ]


def _models(rule: Mapping[str, Any], canary: Canary) -> list[dict[str, Any]]:
    return [
        {
            **item["model"],
            "refId": item["refId"],
            "datasource": {**(item["model"].get("datasource") or {}), "uid": item["datasourceUid"]},
        }
        for item in _data(rule, canary)
    ]


class Notification:
    """A rule of the canary's in Grafana that fires along a route of its own, until it is removed.

    The route is one of the environment that the role alarms was given for it (alarms_environments). Without the route
    the rule is not made: its alarm would go to the same receivers as all others.
    """

    def __init__(self, pods: Pods, place: Place, user: User, canary: Canary, environment: str) -> None:
        self._pods, self._place, self._user = pods, place, user
        self._canary, self._environment = canary, environment
        self._receivers: set[str] = set()
        self.kinds: set[str] = set()
        """By what has been sent, as Grafana calls it: email, slack."""

    def begin(self) -> None:
        """Make the rule. Raises AskError, also if there is no such route."""
        rule = _rule(self._pods, self._place, self._user)
        labels = rule.get("labels") or {}
        # The rule takes the severity from its series, and without one the last word of the template.
        severity = re.sub(r'^.*"(\w+)" *}}$', r"\1", labels.get("severity", "warning"))
        self._receivers = {self._receiver(severity)}
        self.end()
        body = {
            **{key: rule[key] for key in ("orgID", "folderUID", "condition", "noDataState", "execErrState")},
            "uid": RULE,
            "title": "Canary of verify",
            "ruleGroup": RULE,
            "for": "0s",
            "data": _data(rule, self._canary),
            "labels": {**labels, "severity": severity, "environment": self._environment, "run": self._canary.run},
            "annotations": {"summary": f"Test alarm {self._canary.run} of verify: nothing is wrong."},
        }
        answer = self._ask("POST", _RULES, body)
        if answer.status != 201:
            raise AskError(f"Grafana does not take a rule for the canary (HTTP {answer.status}).")

    def end(self) -> None:
        """Remove the rule, if it is there. Raises AskError."""
        answer = self._ask("DELETE", f"{_RULES}/{RULE}")
        if answer.status not in (204, 404):
            raise AskError(f"Grafana does not remove the rule {RULE} (HTTP {answer.status}).")

    def __call__(self) -> float | None:
        """When the last of the route's integrations has sent something, by Grafana's own account."""
        answer = self._ask("GET", "/api/alertmanager/grafana/config/api/v1/receivers")
        if answer.status != 200:
            raise AskError(f"Grafana does not show its receivers (HTTP {answer.status}).")
        attempts = [
            integration
            for receiver in answer.json()
            if receiver["name"] in self._receivers
            for integration in receiver.get("integrations") or ()
        ]
        times = [_attempt(item) for item in attempts]
        if not times or min(times) < self._canary.since:
            return None
        for item in attempts:
            if item.get("lastNotifyAttemptError"):
                raise AskError(f"{item.get('name')}: {item['lastNotifyAttemptError']}")
        self.kinds = {str(item.get("name")) for item in attempts}
        return max(times)

    def _receiver(self, severity: str) -> str:
        answer = self._ask("GET", "/api/v1/provisioning/policies")
        if answer.status != 200:
            raise AskError(f"Grafana does not show its notification policies (HTTP {answer.status}).")
        for route in answer.json().get("routes") or ():
            matchers = [tuple(matcher) for matcher in route.get("object_matchers") or ()]
            wanted = {("environment", "=", self._environment), ("severity", "=", severity)}
            if set(matchers) == wanted and not route.get("mute_time_intervals"):
                return str(route["receiver"])
        raise AskError(
            f"Grafana has no route for severity {severity} of the environment {self._environment}. Give it test"
            f" receivers of its own, in alarms_environments, and run playbooks/controlplane.yml."
        )

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401
        return self._pods.https(self._place, method, path, user=self._user, body=body)


def _attempt(integration: Mapping[str, Any]) -> float:
    with suppress(ValueError):
        return datetime.fromisoformat(str(integration.get("lastNotifyAttempt"))).timestamp()
    return 0.0
