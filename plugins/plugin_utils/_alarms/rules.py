# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert alarms to alerting rules of Prometheus and to provisioned rules of Grafana."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms import texts
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import (
    LONGEST_MEMBER,
    RUNBOOKS,
    Alarm,
    Topic,
    Where,
    selected,
)

FOLDER = "Alarms"
# The suffix of rules that are also read from the controlplane's own Prometheus.
DIRECT_SUFFIX = " (direct)"
MEMBER = "@member@"

_EVALUATORS = {">": "gt", "<": "lt", ">=": "gte", "<=": "lte", "==": "eq", "!=": "ne"}
_SOURCES = {Where.EDGE: "metrics", Where.METRICS: "metrics", Where.PROMETHEUS: "prometheus", Where.LOGS: "logs"}

Rule = dict[str, Any]


def runbook_url(alarm: Alarm, runbooks: str = RUNBOOKS, *, own: bool = False) -> str:
    """Return the address of an alarm's runbook; a custom alarm (``own``) has the address that it names, or none."""
    return alarm.runbook_url if own or alarm.runbook_url else f"{runbooks}/{alarm.name}.md"


def _annotations(alarm: Alarm, url: str, fill: Callable[[str], str]) -> dict[str, str]:
    found = {"summary": fill(alarm.summary), "description": fill(alarm.description)}
    return found | ({"runbook_url": url} if url else {})


def numbers_of(alarm: Alarm) -> dict[str, str]:
    """Return the values of a text's placeholders."""
    return {
        "threshold": texts.threshold(alarm.threshold, alarm.unit),
        "hold": texts.duration(alarm.hold),
    }


def with_numbers(text: str, numbers: Mapping[str, str]) -> str:
    """Return a text with its placeholders filled in."""
    for name, value in numbers.items():
        text = text.replace(f"@{name}@", value)
    return text


# --- Prometheus ---------------------------------------------------------------------------------------------------


def rule(alarm: Alarm, default: Alarm | None = None, *, url: str | None = None) -> Rule:
    """Return an alarm as an alerting rule of Prometheus.

    A number of its texts that is not that of ``default`` becomes a label too: ALERTS carries it to Grafana, whose rule
    is one for all clusters.
    """
    numbers = numbers_of(alarm)
    used = {name for name in numbers if f"@{name}@" in alarm.summary + alarm.description}
    usual = numbers_of(default or alarm)
    return {
        "alert": alarm.name,
        "expr": alarm.expression,
        "for": alarm.hold,
        "labels": {
            "severity": alarm.severity.value,
            "component": alarm.component,
            **alarm.labels,
            **{name: numbers[name] for name in sorted(used) if numbers[name] != usual[name]},
        },
        "annotations": _annotations(
            alarm, runbook_url(alarm) if url is None else url, lambda text: with_numbers(text, numbers)
        ),
    }


# --- Grafana ------------------------------------------------------------------------------------------------------


def about(text: str, cluster: str) -> str:
    """Write the cluster's name into a text: in Grafana, a rule's own labels are not among ``$labels``."""
    return text if not cluster else text.replace("{{ $labels.cluster }}", cluster)


def _query(alarm: Alarm, source: str, expression: str) -> Rule:
    kind = "elasticsearch" if alarm.where is Where.LOGS else "prometheus"
    model: Rule = {"refId": "A", "datasource": {"type": kind, "uid": source}}
    if alarm.where is Where.LOGS:
        model |= {
            "query": expression,
            "timeField": "@timestamp",
            "metrics": [{"id": "1", "type": "count"}],
            "bucketAggs": [
                {"id": "2", "type": "date_histogram", "field": "@timestamp", "settings": {"interval": "auto"}}
            ],
        }
    else:
        model |= {"expr": expression, "instant": True, "range": False, "intervalMs": 60000, "maxDataPoints": 1000}
    return {
        "refId": "A",
        "datasourceUid": source,
        "relativeTimeRange": {"from": 900 if alarm.where is Where.LOGS else 600, "to": 0},
        "model": model,
    }


def _expression(ref: str, model: Rule) -> Rule:
    return {
        "refId": ref,
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {"refId": ref, "datasource": {"type": "__expr__", "uid": "__expr__"}, **model},
    }


def _threshold(on: str, op: str, value: float) -> Rule:
    condition = {"evaluator": {"type": _EVALUATORS[op], "params": [value]}}
    return _expression("C", {"type": "threshold", "expression": on, "conditions": [condition]})


def _of_the_series(label: str, otherwise: str) -> str:
    """Return a template for a label of the series, without a dollar sign, which Grafana reads as a variable."""
    return f'{{{{ or (index .Labels "{label}") "{otherwise}" }}}}'


def member_id(member: str) -> str:
    """Return a member's part of an identifier of at most 40 characters; a long name is replaced by a hash."""
    return member if len(member) <= LONGEST_MEMBER else hashlib.sha256(member.encode()).hexdigest()[:LONGEST_MEMBER]


def uid(alarm: Alarm, *, direct: bool = False, member: str = "") -> str:
    """Return the identifier of an alarm's rule in Grafana, of at most 40 characters."""
    return alarm.uid + ("-direct" if direct else f"-{member_id(member)}" if alarm.per_member else "")


def grafana_rule(
    alarm: Alarm, cluster: str, environment: str, *, direct: bool = False, runbooks: str = RUNBOOKS, own: bool = False
) -> Rule:
    """Return Grafana's rule for an alarm.

    ``cluster`` is the controlplane, or the member that an alarm with ``per_member`` is about. An edge alarm's rule
    reads the ALERTS series, and takes the severity and the numbers of its texts from there, so that it is the same
    whatever a cluster overrides: from Elasticsearch, or (``direct``) from the controlplane's own Prometheus, whose
    series carry no external labels. Models must not hold a dollar sign: Grafana's file provisioning passes them on as
    they are, so it could not even be escaped.
    """
    edge = alarm.where is Where.EDGE
    source = "prometheus" if direct else _SOURCES[alarm.where]
    # The watchdog tests one path, from the controlplane's own Prometheus to the receiver.
    only = f',cluster="{cluster}"' if alarm.always else ""
    expression = f'ALERTS{{alertname="{alarm.name}",alertstate="firing"{only}}}' if edge else selected(alarm.query)
    data = [_query(alarm, source, expression.replace(MEMBER, cluster))]
    on = "A"
    if alarm.where is Where.LOGS:
        data.append(_expression("B", {"type": "reduce", "expression": "A", "reducer": "sum"}))
        on = "B"
    data.append(_threshold(on, ">", 0) if edge else _threshold(on, alarm.op, alarm.threshold))
    # An error of a data source has no series, and gets the default severity.
    severity = _of_the_series("severity", alarm.severity.value) if edge else alarm.severity.value
    labels = {"severity": severity, "component": alarm.component, **alarm.labels}
    if alarm.per_member or direct or alarm.where in (Where.PROMETHEUS, Where.LOGS):
        labels |= {"cluster": cluster, "environment": environment}
    numbers = numbers_of(alarm)
    if edge:
        numbers = {name: _of_the_series(name, value) for name, value in numbers.items()}
    return {
        "uid": uid(alarm, direct=direct, member=cluster),
        "title": alarm.name + (DIRECT_SUFFIX if direct else f" {cluster}" if alarm.per_member else ""),
        "condition": "C",
        "data": data,
        # Prometheus has applied the hold time of an edge alarm already.
        "for": "0s" if edge else alarm.hold,
        # Without alerts there is no ALERTS series. Where data must exist, no data is an alarm.
        "noDataState": "Alerting" if alarm.must_exist else "OK",
        # Rules that read ALERTS fail together: one DatasourceError reports it instead of each rule.
        "execErrState": "Alerting" if alarm.must_exist else "Error",
        "annotations": _annotations(
            alarm,
            runbook_url(alarm, runbooks, own=own),
            lambda text: about(with_numbers(text, numbers), labels.get("cluster", "")),
        ),
        "labels": labels,
    }


def group(name: str, rules: list[Rule]) -> Rule:
    """Return a group of Grafana's rules."""
    return {"orgId": 1, "name": name, "folder": FOLDER, "interval": "1m", "rules": rules}


def grafana_groups(topics: Iterable[Topic], make: Callable[..., Rule], *, member: str = "") -> list[Rule]:
    """Return the groups of topics, for the controlplane's rules or for the rules of one ``member``.

    ``make`` returns the rule of an alarm, with ``direct`` the one that is read from the controlplane's Prometheus.
    """
    found = []
    for topic in topics:
        mine = [alarm for alarm in topic.alarms if alarm.per_member is bool(member)]
        plain = [make(alarm) for alarm in mine]
        direct = [make(alarm, direct=True) for alarm in mine if alarm.direct]
        for name, rules in ((topic.name, plain), (f"{topic.name}-direct", direct)):
            if rules:
                found.append(group(f"{name}-{member}" if member else name, rules))
    return found
