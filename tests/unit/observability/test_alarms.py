# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions of the alarms, their runbook pages, and their rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import number
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.rules import grafana_rule, rule
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.alarm import NAME, grafana_query
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.canary import Canary

from observability.alarms import ALARMS, TOPICS, Alarm, Severity, Where, alarm_of
from observability.alarms.__main__ import main
from observability.alarms.fixtures import fixtures
from observability.alarms.pages import FOLDER, INDEX, Page, PageError, facts, index, page, read
from observability.dashboards.promql import limits

CHECKOUT = Path(__file__).parents[3]
every_alarm = pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)


def of_grafana(alarm: Alarm, *, direct: bool = False) -> dict[str, Any]:
    cluster = "staging" if alarm.per_member else "controlplane"
    return grafana_rule(alarm, cluster, "preproduction", direct=direct)


def test_there_are_enough_and_the_first_is_the_first() -> None:
    assert len(ALARMS) >= 40
    first = ALARMS[0]
    assert first.name == "AverageCpuHigh"
    assert (first.threshold, first.unit) == (80, "percent")
    assert first.expression == '100 * (1 - avg by (cluster) (rate(node_cpu_seconds_total{mode="idle"}[5m]))) > 80'
    assert first.hold == "5m"
    assert first.where is Where.EDGE


def test_names_are_unique() -> None:
    assert len({alarm.name for alarm in ALARMS}) == len(ALARMS)
    assert len({alarm.uid for alarm in ALARMS}) == len(ALARMS)


@every_alarm
def test_texts_have_the_common_format(alarm: Alarm) -> None:
    assert re.fullmatch(r"([A-Z][a-z0-9]+)+", alarm.name)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", alarm.component)
    assert re.fullmatch(r"\d+[mh]", alarm.hold)
    assert not alarm.summary.endswith(".")
    assert "{{ $labels.cluster }}" in alarm.summary
    assert alarm.description.endswith(".")
    # Values do not come along with ALERTS, and nothing but labels is known to both template languages.
    templates = re.findall(r"{{.*?}}", alarm.summary + alarm.description)
    assert all(re.fullmatch(r"{{ \$labels\.[a-z_]+ }}", template) for template in templates)


@every_alarm
def test_its_texts_name_labels_that_the_alarm_has(alarm: Alarm) -> None:
    for labels in fixtures()[alarm.name].firing.alerts:
        known = {"cluster", "environment", "severity", "component"} | set(labels)
        assert set(re.findall(r"\$labels\.([a-z_]+)", alarm.summary + alarm.description)) <= known


@every_alarm
def test_has_a_fixture_in_which_it_fires_and_one_in_which_it_is_silent(alarm: Alarm) -> None:
    both = fixtures()[alarm.name]
    assert both.firing.alerts
    # Of what it looks at.
    assert bool(both.firing.series) is (alarm.where is not Where.LOGS)
    assert bool(both.firing.documents) is (alarm.where is Where.LOGS)
    assert (both.silent is None) is alarm.always
    assert both.silent is None or not both.silent.alerts


def test_every_fixture_is_an_alarms() -> None:
    assert list(fixtures()) == [alarm.name for alarm in ALARMS]


# --- Pages --------------------------------------------------------------------------------------------------------


@every_alarm
def test_a_page_has_the_table_and_condition_of_its_alarm(alarm: Alarm) -> None:
    found = read(CHECKOUT, alarm)
    assert found.name == alarm.name
    assert found.facts == facts(alarm), "run: python -m observability.alarms"


def test_every_page_has_its_alarm_and_every_alarm_its_page() -> None:
    assert {path.stem for path in (CHECKOUT / FOLDER).glob("*.md")} == {alarm.name for alarm in ALARMS} | {INDEX.stem}


def test_the_index_lists_all_alarms() -> None:
    text = (CHECKOUT / INDEX).read_text(encoding="utf-8")
    assert text == index(text, TOPICS), "run: python -m observability.alarms"


def test_the_command_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "change",
    [
        ("## Impact", "## Consequences"),
        ("\n## Diagnosis\n", "\n"),
        ("# AverageCpuHigh\n\n", ""),
        ("```promql", "```"),
    ],
)
def test_a_page_in_another_format_is_refused(change: tuple[str, str]) -> None:
    text = (CHECKOUT / FOLDER / "AverageCpuHigh.md").read_text(encoding="utf-8")
    assert isinstance(page(text), Page)
    with pytest.raises(PageError):
        page(text.replace(*change))


@every_alarm
def test_a_page_has_commands_or_links(alarm: Alarm) -> None:
    found = read(CHECKOUT, alarm)
    # A command, a request or a page to open, not general advice.
    assert re.search(r"^ *\$ |`|ashboard|Kibana|\]\(", found.diagnosis, re.MULTILINE)
    for part in (found.meaning, found.impact, found.diagnosis, found.mitigation):
        assert part.strip() == part


@every_alarm
def test_runbook_links_lead_to_pages(alarm: Alarm) -> None:
    text = (CHECKOUT / FOLDER / f"{alarm.name}.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or target.removesuffix(".md") in {other.name for other in ALARMS}, target


# --- Rules --------------------------------------------------------------------------------------------------------


@every_alarm
def test_severities_match_their_urgency(alarm: Alarm) -> None:
    # Critical alarms need an immediate action; alarms without an action are not urgent.
    assert alarm.severity is not Severity.INFO or alarm.always or alarm.hold not in ("0m", "1m")


@every_alarm
def test_grafana_compares_what_the_definition_compares(alarm: Alarm) -> None:
    found = of_grafana(alarm)
    query, *_, threshold = found["data"]
    (condition,) = threshold["model"]["conditions"]
    if alarm.where is Where.EDGE:
        assert query["model"]["expr"].startswith(f'ALERTS{{alertname="{alarm.name}",alertstate="firing"')
        assert condition["evaluator"] == {"type": "gt", "params": [0]}
        assert found["for"] == "0s"
        # The series of other clusters carry their own.
        assert "cluster" not in found["labels"]
    else:
        assert alarm.op, "Grafana evaluates one comparison"
        operator = {"gt": ">", "lt": "<", "gte": ">=", "lte": "<="}[condition["evaluator"]["type"]]
        assert (operator, condition["evaluator"]["params"]) == (alarm.op, [alarm.threshold])
        assert found["for"] == alarm.hold


@every_alarm
def test_queries_of_elasticsearch_are_within_its_limits(alarm: Alarm) -> None:
    query = of_grafana(alarm)["data"][0]
    if query["datasourceUid"] == "metrics":
        assert limits(query["model"]["expr"]) == []


def test_queries_of_verify_are_within_elasticsearchs_limits() -> None:
    run = Canary("canary0abc", "staging", 0.0)
    assert limits(run.selector()) == []
    cpu = alarm_of(NAME)
    assert limits(grafana_query(of_grafana(cpu)["data"][0]["model"]["expr"], run)) == []


@every_alarm
def test_missing_data_fires_alarms_with_must_exist(alarm: Alarm) -> None:
    found = of_grafana(alarm)
    if alarm.must_exist:
        assert alarm.where is not Where.EDGE
        assert (found["noDataState"], found["execErrState"]) == ("Alerting", "Alerting")
    else:
        assert (found["noDataState"], found["execErrState"]) == ("OK", "Error")


def test_alarms_about_the_data_path_do_not_depend_on_it() -> None:
    for alarm in ALARMS:
        if alarm.component == "telegraf":
            assert alarm.direct
            direct = of_grafana(alarm, direct=True)
            assert direct["data"][0]["datasourceUid"] == "prometheus"
            assert direct["labels"]["cluster"] == "controlplane"


@every_alarm
def test_grafana_can_fill_in_its_texts(alarm: Alarm) -> None:
    # A rule's own labels are not among those that its annotations may name.
    for direct in (False, True) if alarm.direct else (False,):
        found = of_grafana(alarm, direct=direct)
        texts = " ".join(found["annotations"].values())
        assert ("cluster" in found["labels"]) is ("$labels.cluster" not in texts)


@pytest.mark.parametrize(("size", "there_is_one"), [(0, False), (1, False), (15, True)])
def test_an_empty_dead_letter_queue_has_one_byte(size: int, there_is_one: bool) -> None:
    alarm = alarm_of("LogstashDeadLetters")
    assert alarm.query == "max by (pod, pipeline) (logstash_stats_pipeline_dead_letter_queue_size_in_bytes)"
    assert alarm.op == ">"
    assert (size > alarm.threshold) is there_is_one


def test_the_watchdog_covers_the_whole_data_path_of_the_controlplane() -> None:
    (watchdog,) = (alarm for alarm in ALARMS if alarm.always)
    found = of_grafana(watchdog)
    assert watchdog.name == "Watchdog"
    assert found["data"][0]["datasourceUid"] == "metrics"
    assert 'cluster="controlplane"' in found["data"][0]["model"]["expr"]


def test_every_rule_carries_its_severity_component_and_page() -> None:
    for alarm in ALARMS:
        for found in (rule(alarm), of_grafana(alarm)):
            assert {"severity", "component"} <= set(found["labels"])
            assert found["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{alarm.name}.md")


@pytest.mark.parametrize(("value", "text"), [(80, "80"), (0.05, "0.05"), (604800, "604800"), (0, "0"), (1.5, "1.5")])
def test_numbers_are_written_plainly(value: float, text: str) -> None:
    assert number(value) == text
