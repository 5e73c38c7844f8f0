# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules, alarms and panels use only shipped metrics and labels.

Shipped series are those of the catalogues, `observability/metrics/*.txt`, and of recording rules.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.rules import rule as prometheus_rule

from observability.alarms import ALARMS, Where
from observability.dashboards.promql import without_variables

CHECKOUT = Path(__file__).parents[3]
RULES = CHECKOUT / "roles" / "prometheus" / "files" / "rules"
DASHBOARDS = CHECKOUT / "roles" / "grafana" / "files" / "dashboards"
CATALOGUES = CHECKOUT / "observability" / "metrics"

# External labels of every cluster, and what Prometheus adds to each target.
EXTERNAL = frozenset({"cluster", "environment"})
TARGET = EXTERNAL | {"job", "instance", "namespace", "pod", "node", "container", "service"}
SCRAPE = ("up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling")
ANY = frozenset({"*"})


class ContractError(Exception):
    """A metric or label that is not shipped."""


@functools.cache
def catalogue() -> dict[str, frozenset[str]]:
    """Return the labels of each metric."""
    found: dict[str, frozenset[str]] = {}
    for path in sorted(CATALOGUES.glob("*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line and not line.startswith("#"):
                name, labels, source = line.split("\t")
                assert source.strip(), f"{path.name}:{number} cites no source"
                found[name] = found.get(name, frozenset()) | {each for each in labels.split(",") if each} | EXTERNAL
    return found


@functools.cache
def recorded() -> dict[str, frozenset[str]]:
    """Return the labels of each series that a recording rule makes, in the order of the rules."""
    found: dict[str, frozenset[str]] = {}
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    try:
                        labels = labels_of(parse(rule["expr"]), found)
                    except ContractError:
                        labels = ANY  # the rule fails; rules that use its series need not
                    # Several rules may make one series.
                    found[rule["record"]] = (
                        found.get(rule["record"], frozenset()) | labels | set(rule.get("labels", {})) | EXTERNAL
                    )
    return found


@functools.cache
def of_alerts() -> frozenset[str]:
    """Return the labels of ALERTS: those of every alarm."""
    found = {"alertname", "alertstate", "severity", "component"} | EXTERNAL
    for alarm in ALARMS:
        if alarm.where is Where.EDGE:
            found |= labels_of(parse(alarm.expression), recorded())
    return frozenset(found - ANY)


def parse(expression: str) -> Any:
    try:
        return promql.parse(expression)
    except ValueError as error:
        raise ContractError(f"{expression}: {error}") from error


def shipped(name: str, series: dict[str, frozenset[str]]) -> frozenset[str]:
    if name == "ALERTS":
        return of_alerts()
    if name in SCRAPE:
        return TARGET | catalogue().get(name, frozenset())
    for known in (series, catalogue()):
        if name in known:
            return known[name]
    raise ContractError(f"no catalogue has the metric {name}")


def known(labels: Iterator[str] | list[str], have: frozenset[str], where: str) -> None:
    for label in labels:
        if label not in have and "*" not in have:
            raise ContractError(f"{where} has no label {label}, only {', '.join(sorted(have))}")


def labels_of(node: Any, series: dict[str, frozenset[str]]) -> frozenset[str]:
    """Return the labels that an expression's result may have, or raise; "*" is any label."""
    kind = type(node).__name__
    if kind in ("NumberLiteral", "StringLiteral"):
        return frozenset()
    if kind == "VectorSelector":
        return _of_selector(node, series)
    if kind == "MatrixSelector":
        return _of_selector(node.vector_selector, series)
    if kind in ("ParenExpr", "UnaryExpr", "SubqueryExpr"):
        return labels_of(node.expr, series)
    if kind == "AggregateExpr":
        inner = labels_of(node.expr, series)
        if node.modifier is None:
            return frozenset()
        wanted = list(node.modifier.labels)
        known(wanted, inner, node.expr.prettify())
        by = str(node.modifier.type).endswith("By")
        return frozenset(wanted) if by else inner - set(wanted)
    if kind == "BinaryExpr":
        return _of_binary(node, series)
    if kind == "Call":
        return _of_call(node, series)
    raise ContractError(f"cannot read {kind}: {node.prettify()}")


def _of_selector(node: Any, series: dict[str, frozenset[str]]) -> frozenset[str]:
    if node.name is None:
        raise ContractError(f"{node.prettify()} names no metric")
    have = shipped(node.name, series)
    groups = [node.matchers.matchers, *node.matchers.or_matchers]
    known([matcher.name for group in groups for matcher in group], have | {"__name__"}, node.name)
    return have


def _of_binary(node: Any, series: dict[str, frozenset[str]]) -> frozenset[str]:
    left, right = labels_of(node.lhs, series), labels_of(node.rhs, series)
    modifier = node.modifier
    if modifier is not None:
        if modifier.matching is not None and str(modifier.matching.type).endswith("Include"):
            known(list(modifier.matching.labels), left, node.lhs.prettify())
            known(list(modifier.matching.labels), right, node.rhs.prettify())
        known(list(modifier.group_labels or []), left | right, node.prettify())
    return left | right


def _of_call(node: Any, series: dict[str, frozenset[str]]) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for argument in node.args:
        found |= labels_of(argument, series)
    if node.func.name in ("label_replace", "label_join"):
        found |= {node.args[1].val}
    if node.func.name in ("histogram_quantile", "histogram_fraction"):
        found -= {"le"}
    if node.func.name in ("vector", "time", "scalar"):
        return frozenset()
    return found


# --- The checkout ----------------------------------------------------------------------------------------


def rule_expressions() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield f"{path.stem}: {rule['record']}", rule
    for alarm in ALARMS:
        if alarm.where is Where.EDGE:
            yield f"alerts: {alarm.name}", prometheus_rule(alarm)


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard.get("panels", ()):
        yield panel
        yield from panels(panel)


def panel_expressions() -> Iterator[tuple[str, str]]:
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in panels(dashboard):
            for target in panel.get("targets", ()):
                if "expr" in target:
                    yield f"{path.stem}: {panel.get('title', '')} {target.get('refId', '')}", target["expr"]


def variable_queries() -> Iterator[tuple[str, str]]:
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for variable in dashboard.get("templating", {}).get("list", ()):
            query = variable.get("query")
            text = query.get("query", "") if isinstance(query, dict) else query
            if variable.get("type") == "query" and isinstance(text, str) and text.startswith("label_values("):
                yield f"{path.stem}: {variable['name']}", text


RULE_CASES = list(rule_expressions())
PANEL_CASES = list(panel_expressions())
VARIABLE_CASES = list(variable_queries())


@pytest.mark.parametrize("rule", [rule for _, rule in RULE_CASES], ids=[name for name, _ in RULE_CASES])
def test_rules_use_what_is_shipped(rule: dict[str, Any]) -> None:
    have = labels_of(parse(rule["expr"]), recorded()) | EXTERNAL | set(rule.get("labels", {}))
    texts = " ".join(rule.get("annotations", {}).values())
    known(re.findall(r"\$labels\.([a-zA-Z_]+)", texts), have, f"the result of {rule['expr']}")


@pytest.mark.parametrize(
    "alarm",
    [alarm for alarm in ALARMS if alarm.where in (Where.METRICS, Where.PROMETHEUS)],
    ids=lambda alarm: alarm.name,
)
def test_alarms_of_grafana_use_what_is_shipped(alarm: Any) -> None:
    have = labels_of(parse(alarm.expression), recorded()) | EXTERNAL | {"severity", "component"}
    texts = alarm.summary + alarm.description
    known(re.findall(r"\$labels\.([a-zA-Z_]+)", texts), have, f"the result of {alarm.expression}")


@pytest.mark.parametrize("expression", [text for _, text in PANEL_CASES], ids=[name for name, _ in PANEL_CASES])
def test_panels_use_what_is_shipped(expression: str) -> None:
    labels_of(parse(without_variables(expression)), recorded())


@pytest.mark.parametrize("query", [text for _, text in VARIABLE_CASES], ids=[name for name, _ in VARIABLE_CASES])
def test_dashboard_variables_use_what_is_shipped(query: str) -> None:
    inner = query.removeprefix("label_values(").removesuffix(")")
    selector, _, label = inner.rpartition(",")
    have = labels_of(parse(without_variables(selector)), recorded()) if selector.strip() else ANY
    known([label.strip()], have, selector)


# --- The test itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("nobody_ships_this", "no catalogue has the metric nobody_ships_this"),
        ('node_load1{colour="red"}', "node_load1 has no label colour"),
        ("sum by (colour) (node_load1)", "has no label colour"),
        ("sum by (node) (rate(node_cpu_seconds_total[5m])) / on (mode) sum by (node) (node_load1)", "no label mode"),
        ("sum by (mode) (sum by (node) (node_cpu_seconds_total))", "no label mode"),
        ('{job="x"}', "names no metric"),
        ("sum by (", "sum by"),
    ],
)
def test_finds_what_is_not_shipped(expression: str, message: str) -> None:
    with pytest.raises(ContractError, match=re.escape(message)):
        labels_of(parse(expression), recorded())


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("sum(node_load1)", set()),
        ("sum by (node) (node_load1)", {"node"}),
        (
            "histogram_quantile(0.9, sum by (le, server) (rate(coredns_dns_request_duration_seconds_bucket[5m])))",
            {"server"},
        ),
        ("max by (node) (node_load1) > 1 and max by (node) (node_load1) > 2", {"node"}),
        ("vector(1)", set()),
    ],
)
def test_knows_the_labels_of_a_result(expression: str, labels: set[str]) -> None:
    assert labels_of(parse(expression), recorded()) == labels
