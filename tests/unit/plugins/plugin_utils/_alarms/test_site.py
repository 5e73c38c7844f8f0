# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules with a site's overrides and additional alarms, and refused input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.filter.grafana_alarms import grafana_alarms
from ansible_collections.dataplatform.fleet.plugins.filter.prometheus_alarms import prometheus_alarms
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.built_in import built_in
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import AlarmError, Where
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.site import site
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse

MEMBERS = {"controlplane": {}, "staging": {"environment": "preproduction"}, "testing": None}
EXTRA: dict[str, Any] = {
    "name": "CheckoutErrors",
    "severity": "critical",
    "component": "checkout",
    "query": 'sum(rate(checkout_errors_total{code=~"5..",@namespaces@}[5m]))',
    "op": ">",
    "threshold": 2,
    "hold": "5m",
    "summary": "Checkout of {{ $labels.cluster }} fails more than @threshold@ times a second",
    "description": "More than @threshold@ errors for @hold@.",
}
EDGE = [alarm for topic in built_in() for alarm in topic.alarms if alarm.where is Where.EDGE]
Rules = dict[str, dict[str, Any]]


def edge(overrides: Any = None, cluster: str = "staging", **options: Any) -> Rules:
    """Return the alerting rules of a cluster, by alarm."""
    files = prometheus_alarms(overrides, cluster=cluster, members=MEMBERS, **options)
    groups = [group for text in files.values() for group in parse(text)["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def grafana(overrides: Any = None, **options: Any) -> Rules:
    """Return Grafana's rules by title."""
    found = grafana_alarms(overrides, member="controlplane", members=MEMBERS, declared=MEMBERS, **options)
    documents = [json.loads(text) for text in found["files"].values()]
    return {rule["title"]: rule for item in documents for group in item["groups"] for rule in group["rules"]}


def retired(overrides: Any = None, **options: Any) -> list[str]:
    found = grafana_alarms(overrides, member="controlplane", members=MEMBERS, **options)
    provided = {rule["uid"] for rule in grafana(overrides, **options).values()}
    assert not set(found["retired"]) & provided
    return list(found["retired"])


def changed(before: Rules, after: Rules) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def faults(overrides: Any = None, extra: Any = None, folder: str | None = None) -> list[str]:
    with pytest.raises(AlarmError) as refused:
        site(overrides, extra, folder=folder, clusters=MEMBERS)
    return refused.value.faults


# --- An alarm that clusters evaluate ------------------------------------------------------------------------------


def test_a_threshold_changes_its_rule_and_nothing_else() -> None:
    overrides = {"AverageCpuHigh": {"threshold": 85}}
    rules = edge(overrides)
    assert changed(edge(), rules) == {"AverageCpuHigh"}
    rule = rules["AverageCpuHigh"]
    assert rule["expr"].endswith(" > 85")
    assert "85 %" in rule["annotations"]["summary"]
    assert "80" not in json.dumps(rule)
    # Grafana has one rule for all clusters, which uses the series.
    assert rule["labels"]["threshold"] == "85 %"
    assert changed(grafana(), grafana(overrides)) == set()


def test_a_number_that_no_text_uses_is_not_a_label() -> None:
    rules = edge({"PodCrashLooping": {"hold": "20m"}, "RolloutStuck": {"threshold": 1}})
    assert rules["PodCrashLooping"]["for"] == "20m"
    for name in ("PodCrashLooping", "RolloutStuck"):
        assert set(rules[name]["labels"]) == {"severity", "component"}
    # Its own numbers, given again.
    assert changed(edge(), edge({"AverageCpuHigh": {"threshold": 80, "hold": "5m"}})) == set()


def test_the_severity_is_the_series() -> None:
    overrides = {"NodeCpuHigh": {"severity": "critical"}}
    assert edge(overrides)["NodeCpuHigh"]["labels"]["severity"] == "critical"
    label = grafana(overrides)["NodeCpuHigh"]["labels"]["severity"]
    # An error of the data source has no series, and the alarm's usual severity.
    assert label == '{{ or (index .Labels "severity") "warning" }}'


def test_a_cluster_may_differ() -> None:
    overrides = {"AverageCpuHigh": {"threshold": 85, "hold": "10m", "clusters": {"staging": {"threshold": 95}}}}
    for cluster, threshold in (("staging", "95"), ("testing", "85")):
        rule = edge(overrides, cluster)["AverageCpuHigh"]
        assert rule["expr"].endswith(f" > {threshold}")
        assert rule["for"] == "10m"
        assert rule["labels"]["hold"] == "ten minutes"


def test_a_disabled_alarm_is_not_there_and_a_cluster_may_have_it_again() -> None:
    overrides = {"NodeCpuHigh": {"enabled": False, "clusters": {"testing": {"enabled": True}}}}
    assert changed(edge(), edge(overrides)) == {"NodeCpuHigh"}
    assert "NodeCpuHigh" not in edge(overrides)
    assert edge(overrides, "testing") == edge(cluster="testing")
    # Grafana's rule reads the series of whichever cluster has it.
    assert changed(grafana(), grafana(overrides)) == set()
    assert retired(overrides) == []


def test_namespaces_are_added_if_the_definition_has_a_namespace_field() -> None:
    rule = edge({"PodPending": {"namespaces": ["shop", "forum"]}})["PodPending"]
    assert '{phase=~"Pending|Unknown",namespace=~"shop|forum"}' in rule["expr"]
    rule = edge({"PodPending": {"exclude_namespaces": ["sandbox"], "namespaces": []}})["PodPending"]
    assert '{phase=~"Pending|Unknown",namespace!~"sandbox"}' in rule["expr"]
    both = edge({"RolloutStuck": {"namespaces": "shop, forum", "exclude_namespaces": ["forum"]}})["RolloutStuck"]
    assert 'namespace=~"shop|forum",namespace!~"forum"}' in both["expr"]
    volumes = edge({"VolumeInodesAlmostUsed": {"namespaces": ["shop"]}})["VolumeInodesAlmostUsed"]["expr"]
    assert volumes.count('{namespace=~"shop"}') == 2
    nginx = edge({"NginxServerErrors": {"namespaces": ["shop"]}})["NginxServerErrors"]["expr"]
    assert nginx.count('resource_namespace=~"shop"') == 2


@pytest.mark.parametrize(
    ("selector", "plain", "matched"),
    [
        ("{@namespaces@}", "", '{namespace=~"shop"}'),
        ("{ @namespaces@ }", "", '{ namespace=~"shop" }'),
        ('{code="5", @namespaces@}', '{code="5"}', '{code="5", namespace=~"shop"}'),
        ('{code="5" , @namespaces@ }', '{code="5" }', '{code="5" , namespace=~"shop" }'),
        ('{@namespaces@,code="5"}', '{code="5"}', '{namespace=~"shop",code="5"}'),
        ('{ @namespaces@, code="5"}', '{ code="5"}', '{ namespace=~"shop", code="5"}'),
        ('{a="1",@namespaces@,b="2"}', '{a="1",b="2"}', '{a="1",namespace=~"shop",b="2"}'),
        ("{@namespaces:exported@,}", "", '{exported=~"shop",}'),
        (
            "{@namespaces@,@namespaces:exported@}",
            "",
            '{namespace=~"shop",exported=~"shop"}',
        ),
    ],
)
def test_the_mark_may_be_anywhere_in_a_selector(selector: str, plain: str, matched: str) -> None:
    extra = [{**EXTRA, "query": f"sum(rate(checkout_errors_total{selector}[5m]))"}]
    tuned = {"CheckoutErrors": {"namespaces": ["shop"]}}
    assert edge(extra=extra)["CheckoutErrors"]["expr"] == f"sum(rate(checkout_errors_total{plain}[5m])) > 2"
    assert edge(tuned, extra=extra)["CheckoutErrors"]["expr"] == f"sum(rate(checkout_errors_total{matched}[5m])) > 2"


@pytest.mark.parametrize(
    "query",
    [
        "sum(errors_total) @namespaces@",
        'errors_total{code="@namespaces@"}',
        'errors_total{code="5" @namespaces@}',
        'errors_total{code="5",@namespaces:a-label@}',
        'errors_total{code="5",@namespaces}',
    ],
)
def test_a_mark_elsewhere_is_refused(query: str) -> None:
    (said,) = faults(extra=[{**EXTRA, "query": query}])
    assert said.startswith("alarms_extra[0]: query has @namespaces where no matcher can be:")


# --- Conditions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("sum(a) or vector(0)", "(sum(a) or vector(0)) < 1"),
        ("a and on (x) b", "(a and on (x) b) < 1"),
        ("a{x=~'y'} UNLESS b", "(a{x=~'y'} UNLESS b) < 1"),
        ("max_over_time((a or b)[5m:])", "max_over_time((a or b)[5m:]) < 1"),
        ('a{x="b or c)"} + b', 'a{x="b or c)"} + b < 1'),
        ("a:or:b / b:and", "a:or:b / b:and < 1"),
        ("sum by (or) (a)", "sum by (or) (a) < 1"),
        ("a # or b", "(a # or b\n) < 1"),
    ],
)
def test_the_comparison_is_with_the_whole_query(query: str, condition: str) -> None:
    extra = [{**EXTRA, "query": query, "op": "<", "threshold": 1}]
    assert edge(extra=extra)["CheckoutErrors"]["expr"] == condition


def test_no_mark_is_left() -> None:
    marked = {alarm.name: {"namespaces": ["shop"]} for alarm in EDGE if "@namespaces" in alarm.query}
    assert len(marked) > 15
    for rules in (edge(), edge(marked)):
        assert len(rules) == len(EDGE)
        for rule in rules.values():
            assert not re.search(r"@|{}|,}|{,", json.dumps(rule)), rule


# --- An alarm that Grafana evaluates ------------------------------------------------------------------------------


def test_grafanas_own_alarms_take_overrides() -> None:
    overrides = {"KafkaVolumeAlmostFull": {"threshold": 70, "hold": "20m", "severity": "warning"}}
    assert changed(edge(), edge(overrides)) == set()
    rules = grafana(overrides)
    assert changed(grafana(), rules) == {"KafkaVolumeAlmostFull"}
    rule = rules["KafkaVolumeAlmostFull"]
    assert rule["data"][-1]["model"]["conditions"][0]["evaluator"] == {"type": "gt", "params": [70]}
    assert (rule["for"], rule["labels"]["severity"]) == ("20m", "warning")
    assert "70 %" in rule["annotations"]["summary"]


def test_an_alarm_about_a_member_takes_the_members() -> None:
    overrides = {"ClusterSilent": {"hold": "10m", "clusters": {"staging": {"enabled": False}}}}
    assert changed(grafana(), grafana(overrides)) == {f"ClusterSilent {name}" for name in MEMBERS}
    assert "ClusterSilent staging" not in grafana(overrides)
    assert grafana(overrides)["ClusterSilent testing"]["for"] == "10m"
    assert retired(overrides) == ["cluster-silent-staging"]


def test_a_disabled_alarm_of_grafana_is_deleted_from_it() -> None:
    assert retired({"SnapshotOld": {"enabled": False}}) == ["snapshot-old"]


# --- Alarms of the site -----------------------------------------------------------------------------------------------


def test_an_own_alarm_has_both_parts() -> None:
    rules = edge(extra=[EXTRA])
    assert changed(edge(), rules) == {"CheckoutErrors"}
    rule = rules["CheckoutErrors"]
    assert rule["expr"] == 'sum(rate(checkout_errors_total{code=~"5.."}[5m])) > 2'
    assert rule["labels"] == {"severity": "critical", "component": "checkout"}
    # The collection has no page about it.
    assert set(rule["annotations"]) == {"summary", "description"}
    shown = grafana(extra=[EXTRA])
    assert changed(grafana(), shown) == {"CheckoutErrors"}
    assert shown["CheckoutErrors"]["uid"] == "checkout-errors"
    assert 'alertname="CheckoutErrors"' in shown["CheckoutErrors"]["data"][0]["model"]["expr"]
    assert "runbook_url" not in shown["CheckoutErrors"]["annotations"]


def test_an_own_alarm_may_have_a_page_and_be_tuned() -> None:
    extra = [{**EXTRA, "runbook_url": "https://wiki.example/checkout", "where": "grafana-prometheus"}]
    overrides = {"CheckoutErrors": {"threshold": "0.5", "namespaces": ["shop"]}}
    assert edge(overrides, extra=extra) == edge()
    rule = grafana(overrides, extra=extra)["CheckoutErrors"]
    assert rule["annotations"]["runbook_url"] == "https://wiki.example/checkout"
    assert "more than 0.5 times" in rule["annotations"]["summary"]
    assert 'namespace=~"shop"' in rule["data"][0]["model"]["expr"]
    disabled = retired({"CheckoutErrors": {"enabled": False}}, extra=extra)
    assert set(disabled) - set(retired(extra=extra)) == {"checkout-errors"}


def test_alarms_of_the_site_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "alarms").mkdir()
    (tmp_path / "alarms" / "a.yml").write_text(yaml.safe_dump([EXTRA]), encoding="utf-8")
    (tmp_path / "alarms" / "b.yaml").write_text(yaml.safe_dump([{**EXTRA, "name": "Other"}]), encoding="utf-8")
    (tmp_path / "alarms" / "notes.txt").write_text("no alarm", encoding="utf-8")
    folder = str(tmp_path)
    assert changed(edge(), edge(extra="alarms", folder=folder)) == {"CheckoutErrors", "Other"}
    assert changed(edge(), edge(extra="alarms/a.yml\n", folder=folder)) == {"CheckoutErrors"}
    assert changed(edge(), edge(extra="alarms/a.yml", folder=folder)) == {"CheckoutErrors"}
    assert changed(edge(), edge(extra=str(tmp_path / "alarms/a.yml"))) == {"CheckoutErrors"}


# --- Text ---------------------------------------------------------------------------------------------------------


def test_text_of_a_survey_is_not_evaluated() -> None:
    values = {"threshold": "85", "hold": "10m", "enabled": "true", "severity": "info"}
    wanted = edge({"AverageCpuHigh": {"threshold": 85, "hold": "10m", "enabled": True, "severity": "info"}})
    assert edge({"AverageCpuHigh": values}) == wanted
    assert edge(json.dumps({"AverageCpuHigh": values})) == wanted
    assert edge({"AverageCpuHigh": {"clusters": {"staging": values}}}) == wanted
    assert "NodeCpuHigh" not in edge({"NodeCpuHigh": {"enabled": "false"}})
    for text in (json.dumps([EXTRA]), yaml.safe_dump([EXTRA]), f"# Ours\n{yaml.safe_dump([EXTRA])}"):
        assert changed(edge(), edge(extra=text)) == {"CheckoutErrors"}
    for nothing in ("", None, {}, "{}"):
        assert edge(nothing, extra="") == edge()


# --- Refused input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"AverageCpuHihg": {}},
            "alarms_overrides has the unknown alarm AverageCpuHihg: did you mean AverageCpuHigh?",
        ),
        ({"Zzz": {}}, "alarms_overrides has the unknown alarm Zzz: docs/runbooks lists them."),
        (
            {"NodeCpuHigh": {"treshold": 1}},
            "alarms_overrides.NodeCpuHigh has the unknown field 'treshold': did you mean threshold?",
        ),
        (
            {"NodeCpuHigh": {"zzz": 1}},
            "alarms_overrides.NodeCpuHigh has the unknown field 'zzz': there are clusters, enabled, "
            "exclude_namespaces, hold, namespaces, severity, threshold.",
        ),
        (
            {"NodeCpuHigh": {"threshold": "much"}},
            "alarms_overrides.NodeCpuHigh: threshold is 'much', and takes a number such as 85 or 0.5.",
        ),
        (
            {"NodeCpuHigh": {"threshold": True}},
            "alarms_overrides.NodeCpuHigh: threshold is True, and takes a number such as 85 or 0.5.",
        ),
        (
            {"NodeCpuHigh": {"hold": "10 minutes"}},
            "alarms_overrides.NodeCpuHigh: hold is '10 minutes', and takes a duration such as 30s, 10m or 1h30m, or "
            "0m.",
        ),
        (
            {"NodeCpuHigh": {"hold": 10}},
            "alarms_overrides.NodeCpuHigh: hold is 10, and takes a duration such as 30s, 10m or 1h30m, or 0m.",
        ),
        (
            {"NodeCpuHigh": {"severity": "page"}},
            "alarms_overrides.NodeCpuHigh: severity is 'page', and takes 'critical', 'warning', 'info'.",
        ),
        (
            {"NodeCpuHigh": {"enabled": "maybe"}},
            "alarms_overrides.NodeCpuHigh: enabled is 'maybe', and takes true or false.",
        ),
        (
            {"PodPending": {"namespaces": ["Shop"]}},
            "alarms_overrides.PodPending: namespaces is ['Shop'], and takes a list of namespaces, each a DNS label "
            "such as team-a.",
        ),
        (
            {"NodeCpuHigh": {"namespaces": ["shop"]}},
            "alarms_overrides.NodeCpuHigh has namespaces, and NodeCpuHigh is not about namespaces: "
            "remove the override.",
        ),
        (
            {"NginxDown": {"threshold": 1}},
            "alarms_overrides.NginxDown sets a threshold, and NginxDown has no threshold: remove the override.",
        ),
        (
            {"NodeCpuHigh": {"clusters": {"stagign": {"threshold": 1}}}},
            "alarms_overrides.NodeCpuHigh.clusters has the unknown member stagign: did you mean staging?",
        ),
        (
            {"NodeCpuHigh": {"clusters": {"staging": {"clusters": {}}}}},
            "alarms_overrides.NodeCpuHigh.clusters.staging has the unknown field 'clusters': there are "
            "enabled, exclude_namespaces, hold, namespaces, severity, threshold.",
        ),
        (
            {"NodeCpuHigh": {"clusters": {"staging": {"hold": "soon"}}}},
            "alarms_overrides.NodeCpuHigh.clusters.staging: hold is 'soon', and takes a duration such as 30s, 10m or "
            "1h30m, or 0m.",
        ),
        (
            {"NodeCpuHigh": 90},
            "alarms_overrides.NodeCpuHigh is 90, and takes a dictionary with threshold, hold, severity, enabled, "
            "namespaces, exclude_namespaces, clusters.",
        ),
        (
            {"SnapshotOld": {"clusters": {"staging": {"threshold": 1}}}},
            "alarms_overrides.SnapshotOld has clusters, and Grafana evaluates SnapshotOld once, on the controlplane: "
            "set its fields without clusters.",
        ),
        *(
            (
                {"Watchdog": given},
                f"alarms_overrides.Watchdog{place} disables Watchdog, whose absence means that a cluster is silent: "
                "ClusterSilent would fire as long as it is missing. Leave it enabled.",
            )
            for given, place in (
                ({"enabled": "false"}, ""),
                ({"clusters": {"staging": {"enabled": False}}}, ".clusters.staging"),
            )
        ),
        ("5: {threshold: 1}", "alarms_overrides has the unknown alarm 5: docs/runbooks lists them."),
        ({None: {}}, "alarms_overrides has the unknown alarm None: docs/runbooks lists them."),
        ("2026-01-01: {}", "alarms_overrides has the unknown alarm 2026-01-01: docs/runbooks lists them."),
        (
            "NodeCpuHigh: {1: 2, clusters: {7: {threshold: 1}}}",
            None,
        ),
        ("a: [", "alarms_overrides is not valid YAML: "),
        ("a: 2026-13-01", "alarms_overrides is not valid YAML: month must be in 1..12"),
        ("&a {b: *a}", "alarms_overrides is not valid YAML: "),
        (["NodeCpuHigh"], "alarms_overrides is ['NodeCpuHigh'], and takes a dictionary of alarms by name."),
    ],
)
def test_an_override_that_cannot_be_used_is_refused(overrides: Any, said: str) -> None:
    found = faults(overrides)
    if said is None:
        assert [text.split(":")[0] for text in found] == [
            "alarms_overrides.NodeCpuHigh has the unknown field '1'",
            "alarms_overrides.NodeCpuHigh.clusters has the unknown member 7",
        ]
    elif said.startswith("alarms_overrides is not valid YAML"):
        assert found[0].startswith(said)
    else:
        assert found == [said]


def test_an_own_alarm_that_always_fires_can_be_removed() -> None:
    extra = [{**EXTRA, "always": True}]
    assert retired({"CheckoutErrors": {"enabled": False, "clusters": {}}}, extra=extra) != []
    assert "CheckoutErrors" not in edge({"CheckoutErrors": {"enabled": False}}, extra=extra)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"name": "NodeCpuHigh"},
            "alarms_extra has NodeCpuHigh, an alarm of the collection: tune it with alarms_overrides",
        ),
        ({"name": "checkout errors"}, "alarms_extra[0]: name is 'checkout errors', and takes a name such as"),
        ({"name": "NODECpuHigh"}, None),
        ({"querry": "up"}, "alarms_extra[0] has the unknown field 'querry': did you mean query?"),
        ({"op": "=>"}, "alarms_extra[0]: op is '=>', and takes one of >, <, >=, <=, ==, !=."),
        ({"where": "grafana"}, "alarms_extra[0]: where is 'grafana', and takes 'edge', 'grafana-elasticsearch'"),
        ({"must_exist": True}, "alarms_extra[0]: must_exist and per_member are for alarms that Grafana evaluates"),
        ({"where": "grafana-logs", "direct": True}, "alarms_extra[0]: direct and always are for alarms that a cluster"),
        ({"labels": {"team": "$TEAM"}}, "alarms_extra[0]: labels has a dollar sign in team, where Grafana reads"),
        *(
            ({"labels": {"team": "shop", name: "x"}}, f"alarms_extra[0]: labels has {name}, which the rule sets itself")
            for name in ("alertname", "severity", "component", "cluster", "environment", "threshold", "hold")
        ),
        ({"threshold": 10**400}, "alarms_extra[0]: threshold is 1000"),
        ({"name": "A" * 41}, "alarms_extra[0]: its identifier in Grafana"),
    ],
)
def test_an_own_alarm_that_cannot_be_used_is_refused(change: dict[str, Any], said: str | None) -> None:
    if said is None:
        assert site({}, [EXTRA | change]).own == {"NODECpuHigh"}
    else:
        assert faults(extra=[EXTRA | change])[0].startswith(said)


@pytest.mark.parametrize("name", ["name", "severity", "component", "query", "summary", "description"])
def test_an_own_alarm_has_to_be_whole(name: str) -> None:
    extra = {key: value for key, value in EXTRA.items() if key != name}
    assert faults(extra=[extra]) == [f"alarms_extra[0] lacks the field {name}: give it."]


def test_an_own_alarm_without_a_comparison_has_no_threshold_in_its_text() -> None:
    extra = {key: value for key, value in EXTRA.items() if key not in ("op", "threshold")}
    assert faults(extra=[extra]) == [
        "alarms_extra[0]: summary or description has @threshold@, and there is no op and no threshold: give them."
    ]
    assert faults(extra=[{**extra, "threshold": 2, "summary": "s", "description": "d"}]) == [
        "alarms_extra[0] has a threshold and no op: give op, or take the threshold out."
    ]
    assert "give op and threshold" in faults(extra=[{**extra, "where": "grafana-prometheus"}])[0]


def test_two_own_alarms_of_one_name_are_refused() -> None:
    assert faults(extra=[EXTRA, EXTRA]) == [
        "alarms_extra has 2 alarms of the name CheckoutErrors: give each another name."
    ]
    (said,) = faults(
        extra=[EXTRA, {**EXTRA, "name": "CHECKOUTErrors", "query": "up"}, {**EXTRA, "name": "CHECKOUTERrors"}]
    )
    assert "by the same identifier" in said
    assert said.endswith("give it another name.")


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({"name": "ClusterSilentStaging"}, "ClusterSilent"),
        ({"name": "TelegrafDownDirect"}, "TelegrafDown"),
        ({"name": "ClusterSilentElsewhere"}, None),
    ],
)
def test_an_own_alarm_with_the_identifier_of_a_members_rule_is_refused(
    change: dict[str, Any], taken: str | None
) -> None:
    if taken is None:
        assert site({}, [{**EXTRA, **change}], clusters=MEMBERS).own == {change["name"]}
    else:
        assert faults(extra=[{**EXTRA, **change}]) == [
            f"alarms_extra: Grafana would know {change['name']} by the same identifier as {taken}: "
            "give it another name."
        ]


def test_rules_that_an_own_alarm_had_in_another_form_are_deleted() -> None:
    metric = {**EXTRA, "where": "grafana-prometheus"}
    by_member = [f"checkout-errors-{name}" for name in MEMBERS]
    assert retired(extra=[metric]) == sorted([*by_member, "checkout-errors-direct"])
    assert retired(extra=[{**metric, "per_member": True}]) == ["checkout-errors", "checkout-errors-direct"]
    assert retired(extra=[{**EXTRA, "direct": True}]) == sorted(by_member)
    # Grafana takes no identifier of more than 40 characters, so it has none of those.
    long = {**EXTRA, "name": "CheckoutOfTheShopOfTheForum"}
    assert retired(extra=[long]) == ["checkout-of-the-shop-of-the-forum-direct"]
    assert retired() == []


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (
            "missing.yml",
            "alarms_extra is {folder}/missing.yml, which is not there: relative paths start at the inventory's "
            "directory, and under AWX this is the job's own. Give the whole path, such as "
            "{{{{ playbook_dir | dirname }}}}/alarms.yml, or a list of alarms.",
        ),
        ("empty", "alarms_extra is the directory {folder}/empty, in which there is no .yml or .yaml file."),
        ("broken.yml", "alarms_extra: {folder}/broken.yml cannot be read: "),
        ("mapping.yml", "alarms_extra: {folder}/mapping.yml is not a list of alarms: begin each alarm with a dash."),
        (
            "partial.yml",
            "alarms_extra: {folder}/partial.yml, alarm 2 is 'x', and takes a dictionary with the fields of",
        ),
        ("date.yml", "alarms_extra: {folder}/date.yml cannot be read: month must be in 1..12"),
        ("a: 1\nb: 2", "alarms_extra is 'a: 1\\nb: 2', and takes a list of alarms, or a path"),
        ("- a: [", "alarms_extra is not valid YAML: "),
        (7, "alarms_extra is 7, and takes a list of alarms, or a path to a file or a directory."),
    ],
)
def test_a_path_that_cannot_be_used_is_refused(extra: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.yml").write_text("a: [", encoding="utf-8")
    (tmp_path / "date.yml").write_text("- since: 2026-13-01", encoding="utf-8")
    (tmp_path / "mapping.yml").write_text("alarms: []", encoding="utf-8")
    (tmp_path / "partial.yml").write_text(yaml.safe_dump([EXTRA, "x"]), encoding="utf-8")
    (found,) = faults(extra=extra, folder=str(tmp_path))
    assert found.startswith(said.format(folder=tmp_path))


def test_a_directory_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert faults(extra=str(tmp_path)) == [f"alarms_extra: {tmp_path} cannot be read: [Errno 13] Permission denied."]


def test_a_relative_path_needs_the_inventorys_directory() -> None:
    assert faults(extra="alarms") == [
        "alarms_extra is the path alarms, and the inventory has no directory: give the whole path."
    ]


def test_every_fault_is_reported() -> None:
    found = faults({"Zzz": {}, "NodeCpuHigh": {"hold": "x", "enabled": "x"}}, [{**EXTRA, "severity": "x"}, 1])
    assert len(found) == 5
