# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every alarm fires on one fixture and not on another, evaluated by Prometheus' engine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.action.check_alarms import refused_by_promtool
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.site import site
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, rendered_role

from localcloud.artifacts.programs import go_program
from observability.alarms import ALARMS, TOPICS, Alarm, Topic, Where
from observability.alarms.fixtures import as_rule, promtool_tests

pytestmark = pytest.mark.integration
EVALUATED = [alarm for alarm in ALARMS if alarm.where is not Where.LOGS]
EDGE = [topic for topic in TOPICS if any(alarm.where is Where.EDGE for alarm in topic.alarms)]


def promtool(*arguments: str | Path) -> str:
    result = subprocess.run(
        [go_program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def write(path: Path, document: Any) -> Path:
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def shipped() -> dict[str, str]:
    """Return the rule files of edge alarms as the role prometheus ships them."""
    data: dict[str, str] = only(rendered_role("prometheus"), "ConfigMap", "prometheus-rules")["data"]
    return {name: text for name, text in data.items() if name.startswith("alerts_")}


def deployed(alarm: Alarm) -> dict[str, Any]:
    """Return the rule of an edge alarm as the role prometheus ships it."""
    rules = [rule for text in shipped().values() for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    (found,) = (rule for rule in rules if rule["alert"] == alarm.name)
    return dict(found)


@pytest.mark.parametrize("topic", EDGE, ids=lambda topic: topic.name)
def test_rule_files_are_accepted(topic: Topic, tmp_path: Path) -> None:
    number = sum(alarm.where is Where.EDGE for alarm in topic.alarms)
    path = tmp_path / "rules.yml"
    path.write_text(shipped()[f"alerts_{topic.name}.yml"], encoding="utf-8")
    output = promtool("check", "rules", "--lint=all", "--lint-fatal", path)
    assert f"{number} rules found" in output


EXTRA = {
    "name": "CheckoutErrors",
    "severity": "warning",
    "component": "checkout",
    "query": 'sum(rate(checkout_errors_total{code=~"5..",@namespaces@}[5m]))',
    "op": ">",
    "threshold": 2,
    "summary": "Checkout of {{ $labels.cluster }} fails",
    "description": "More than @threshold@ errors for @hold@.",
}


@pytest.fixture
def on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "promtool").symlink_to(go_program("promtool"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.usefixtures("on_the_path")
def test_overrides_and_additional_alarms_of_a_site_are_accepted() -> None:
    """By the check that the roles make, with the real promtool on the path."""
    names = [alarm.name for alarm in ALARMS if "@namespaces" in alarm.query]
    overrides = {name: {"namespaces": ["shop"], "exclude_namespaces": ["forum"]} for name in names}
    overrides["AverageCpuHigh"] = {"threshold": 0.5, "hold": "1h30m", "severity": "critical"}
    assert refused_by_promtool(site(overrides, [EXTRA]), "staging") is None


@pytest.mark.usefixtures("on_the_path")
def test_a_query_that_is_none_is_refused() -> None:
    refused = refused_by_promtool(site({}, [{**EXTRA, "query": "sum(rate("}]), "staging")
    assert refused is not None
    assert "CheckoutErrors" in refused
    assert "parse" in refused


def test_a_threshold_is_for_each_part_of_a_query(tmp_path: Path) -> None:
    """FluentBitLinesCut joins two counters with `or`: either of them alone fires above the threshold only."""
    counters = {"cut": "fluentbit_lines_cut_total", "skipped": "fluentbit_input_long_line_skipped_total"}
    series = [
        {"series": f'{metric}{{pod="{name}-{kind}",instance="{name}-{kind}"}}', "values": f"0+{step}x60"}
        for name, metric in counters.items()
        for kind, step in (("rare", 1), ("often", 10))
    ]
    (tuned,) = (
        alarm
        for topic in site({"FluentBitLinesCut": {"threshold": 50}}, []).of("staging")
        for alarm in topic.alarms
        if alarm.name == "FluentBitLinesCut"
    )
    expected = [{"labels": f'{{pod="{name}-often"}}', "value": 150} for name in counters]
    case = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [{"expr": tuned.expression, "eval_time": "30m", "exp_samples": expected}],
    }
    assert "SUCCESS" in promtool("test", "rules", write(tmp_path / "test.yml", {"tests": [case]}))


@pytest.mark.parametrize("alarm", EVALUATED, ids=lambda alarm: alarm.name)
def test_it_fires_and_is_silent(alarm: Alarm, tmp_path: Path) -> None:
    # Each by itself: some fixtures are days long, and all rules of a file would be evaluated for each minute of them.
    rule = deployed(alarm) if alarm.where is Where.EDGE else as_rule(alarm)
    write(tmp_path / "rules.yml", {"groups": [{"name": "alarm", "rules": [rule]}]})
    output = promtool("test", "rules", write(tmp_path / "test.yml", promtool_tests([alarm], "rules.yml")))
    assert "SUCCESS" in output
