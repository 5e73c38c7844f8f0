# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated dashboards: valid for Grafana, with valid queries, and up to date."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import evaluate

from observability.dashboards import DASHBOARDS, promql
from observability.dashboards.model import (
    COLUMNS,
    FILES,
    FOLDER_FILE,
    FOLDERS,
    MOST_BYTES,
    TAG,
    Dashboard,
    DashboardError,
    Kind,
    Source,
)
from observability.dashboards.parts import graph, label, row, stat

ROOT = Path(__file__).parents[3]
MADE = sorted((ROOT / FILES).glob("*.json"))
WANTED = (
    "fleet cluster node namespace workload pod volumes api-server kubelet coredns nginx prometheus telegraf fluent-bit"
    " kafka logstash elasticsearch logs events capacity certificates pipeline alarms grafana"
)
every_file = pytest.mark.parametrize("path", MADE, ids=lambda path: path.stem)


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every panel except the headings of rows."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def example(uid: str = "example", **more: Any) -> Dashboard:
    panel = stat("Nodes", "How many?", "count(kube_node_info)")
    shape: dict[str, Any] = {"title": "Example", "about": "", "folder": "Fleet", "tags": (), "rows": (row("A", panel),)}
    return Dashboard(uid=uid, **(shape | more))


@pytest.fixture
def generate() -> Any:
    """The generator; what is committed can be tested without the SDK too."""
    pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")
    return importlib.import_module("observability.dashboards.generate")


# --- Committed files -----------------------------------------------------------------------------------------------


def test_regenerating_changes_nothing(generate: Any) -> None:
    wanted = generate.files(DASHBOARDS)
    assert generate.stale(ROOT, wanted) == [], "run python -m observability.dashboards"
    for path, text in wanted.items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"run python -m observability.dashboards: {path}"


def test_generating_twice_gives_the_same(generate: Any) -> None:
    assert generate.files(DASHBOARDS) == generate.files(tuple(reversed(DASHBOARDS)))


@every_file
def test_is_a_dashboard_by_the_types_of_the_sdk(generate: Any, path: Path) -> None:
    """Each panel with the options of its plugin: fields that the types lack would be lost."""
    importlib.import_module("grafana_foundation_sdk.cog.plugins").register_default_plugins()
    read = generate.models.Dashboard.from_json(load(path))
    assert json.loads(json.dumps(read, cls=generate.JSONEncoder)) == load(path)


def test_every_component_has_a_dashboard() -> None:
    assert {path.stem for path in MADE} == set(WANTED.split())


@every_file
def test_file_is_named_by_a_uid_that_grafana_takes(path: Path) -> None:
    uid = load(path)["uid"]
    assert path.stem == uid
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", uid)


def test_titles_differ_within_a_folder() -> None:
    titles = [(dashboard.folder, dashboard.title) for dashboard in DASHBOARDS]
    assert len(titles) == len(set(titles))


@every_file
def test_fits_in_a_config_map(path: Path) -> None:
    assert path.stat().st_size <= MOST_BYTES


def test_each_has_a_folder() -> None:
    folders = json.loads((ROOT / FOLDER_FILE).read_text(encoding="utf-8"))
    assert set(folders) == {path.stem for path in MADE}
    assert set(folders.values()) == set(FOLDERS)


@every_file
def test_panels_fit_in_24_columns_and_do_not_overlap(path: Path) -> None:
    dashboard = load(path)
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] + place["w"] <= COLUMNS
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


@every_file
def test_starts_with_a_row_and_panel_ids_are_unique(path: Path) -> None:
    dashboard = load(path)
    assert dashboard["panels"][0]["type"] == "row"
    everything = [*dashboard["panels"], *(p for r in dashboard["panels"] for p in r.get("panels") or [])]
    assert len({panel["id"] for panel in everything}) == len(everything)


@every_file
def test_each_panel_has_a_question(path: Path) -> None:
    for panel in panels(load(path)):
        assert panel["title"]
        assert panel["type"] == "text" or panel["description"].endswith("?"), panel["title"]


@every_file
def test_panels_ask_a_data_source_that_is_provisioned(path: Path) -> None:
    kinds = {"metrics": "prometheus", "prometheus": "prometheus", "logs": "elasticsearch"}
    for panel in panels(load(path)):
        for target in panel.get("targets") or []:
            assert target["datasource"] == panel["datasource"]
            assert kinds[target["datasource"]["uid"]] == target["datasource"]["type"]
        assert panel.get("targets") or panel["type"] in ("text", "alertlist"), panel["title"]


@every_file
def test_each_series_has_a_name_and_each_value_a_unit(path: Path) -> None:
    for panel in panels(load(path)):
        if panel["type"] in ("timeseries", "stat", "bargauge") and panel["datasource"]["uid"] != "logs":
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            for target in panel["targets"]:
                grouped = re.search(r"\bby \(", target["expr"])
                assert not grouped or "{{" in target["legendFormat"], f"{panel['title']}: {target['expr']}"


@every_file
def test_uses_only_variables_that_the_dashboard_defines(path: Path) -> None:
    dashboard = load(path)
    known = {variable["name"] for variable in dashboard["templating"].get("list", [])}
    builtin = {"__rate_interval", "__interval", "__all", "__url_time_range", "__data", "__field"}
    queries = [
        target.get("expr") or target.get("query")
        for panel in panels(dashboard)
        for target in panel.get("targets") or []
    ]
    queries += [str(variable.get("query", "")) for variable in dashboard["templating"].get("list", [])]
    used = {name for query in queries for name in re.findall(r"\$\{?(\w+)", query)}
    assert used - builtin <= known
    assert known <= used, "a variable that nothing uses"


@every_file
def test_log_queries_have_no_regular_expression_for_all_values(path: Path) -> None:
    """The value for "all" in PromQL matches nothing in Lucene's language."""
    dashboard = load(path)
    variables = {variable["name"]: variable for variable in dashboard["templating"].get("list", [])}
    for panel in panels(dashboard):
        for target in panel.get("targets") or []:
            for name in re.findall(r"\$(\w+)", target.get("query", "")):
                assert variables[name].get("allValue") in (None, "", "*"), name


@every_file
def test_links_lead_to_dashboards_with_the_variables_that_they_pass(path: Path) -> None:
    variables = {p.stem: {v["name"] for v in load(p)["templating"].get("list", [])} for p in MADE}
    dashboard = load(path)
    links = [link["url"] for link in dashboard["links"] if link["type"] == "link"]
    for panel in panels(dashboard):
        links += [link["url"] for link in panel.get("fieldConfig", {}).get("defaults", {}).get("links") or []]
    for url in links:
        found = re.match(r"/d/([a-z0-9-]+)", url)
        assert found
        assert found[1] in variables, url
        assert set(re.findall(r"var-(\w+)=", url)) <= variables[found[1]], url
    assert any(link["type"] == "dashboards" and link["tags"] == [TAG] for link in dashboard["links"])
    assert TAG in dashboard["tags"]


def queries(source: str) -> list[Any]:
    return [
        pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")
        for path in MADE
        for panel in panels(load(path))
        for target in panel.get("targets") or []
        if target["datasource"]["uid"] == source
    ]


@pytest.mark.parametrize("query", queries("metrics"))
def test_elasticsearch_evaluates_it(query: str) -> None:
    assert promql.limits(query) == []


@pytest.mark.parametrize("query", queries("prometheus"))
def test_prometheus_reads_it(query: str) -> None:
    assert promql.selectors(query)
    # Its series carry no external labels.
    assert "cluster" not in promql.grouping_labels(query)
    assert all(each.name != "cluster" for one in promql.selectors(query) for each in one.matchers.matchers)


# --- Refused input -------------------------------------------------------------------------------------------------


def test_refuses_equal_uids(generate: Any) -> None:
    with pytest.raises(
        DashboardError, match=r"'Other' and 'Example' have the same uid 'example': Grafana would show only one"
    ):
        generate.files([example(), example(title="Other")])


def test_refuses_a_dashboard_that_is_too_large(generate: Any) -> None:
    many = tuple(graph(f"Panel {n}", "x" * 400 + "?", "up") for n in range(1000))
    with pytest.raises(DashboardError, match=r"example has \d+ bytes, but a ConfigMap has room for 921600: split"):
        generate.files([example(rows=(row("A", *many),))])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"asks": "Nodes."}, r"example, panel 'Nodes': 'Nodes\.' is not a question: end it with a question mark"),
        ({"width": 25}, r"panel 'Nodes' is wider than 24 columns"),
        ({"opens": "nowhere"}, r"opens 'nowhere', which is not a dashboard"),
        ({"opens": "example", "passes": ("node",)}, r"passes \['node'\], but example has no such variable"),
    ],
)
def test_refuses_a_panel_that_could_not_work(generate: Any, changes: dict[str, Any], message: str) -> None:
    panel = replace(example().panels[0], **changes)
    with pytest.raises(DashboardError, match=message):
        generate.files([example(rows=(row("A", panel),))])


def test_refuses_a_query_outside_of_elasticsearchs_limits(generate: Any) -> None:
    panel = stat("Nodes", "How many?", "count(up == 0)")
    with pytest.raises(DashboardError, match=r"Elasticsearch does not evaluate comparison '==' below the top"):
        generate.files([example(rows=(row("A", panel),))])
    generate.files([example(rows=(row("A", replace(panel, source=Source.PROMETHEUS)),))])


def test_refuses_a_variable_whose_query_is_too_long_for_a_url(generate: Any) -> None:
    nodes = replace(label("node", "kube_node_info"), wild=False)
    pods = label("pod", 'kube_pod_info{node=~"$node"}')
    with pytest.raises(DashboardError, match="the query of variable 'pod' has all values of 'node'"):
        generate.files([example(variables=(nodes, pods))])
    generate.files([example(variables=(replace(nodes, wild=True), pods))])


def test_refuses_a_variable_whose_query_elasticsearch_does_not_evaluate(generate: Any) -> None:
    with pytest.raises(DashboardError, match="variable 'pod': Elasticsearch does not evaluate a selector of several"):
        generate.files([example(variables=(label("pod", '{__name__=~"kube_.*"}'),))])


def test_the_queries_of_variables_fit_in_a_url() -> None:
    """Grafana asks for the values of a label by GET; the names are the longest that EKS and Kubernetes allow."""
    limit = evaluate("elasticsearch", "__elasticsearch_settings")["http.max_initial_line_length"]
    kilobytes = int(limit.removesuffix("kb"))
    clusters, namespaces = ("|".join(["c" * 100] * 40), "|".join(["n" * 63] * 500))
    for path in MADE:
        for variable in load(path)["templating"].get("list", []):
            query = variable.get("query")
            if isinstance(query, dict):
                text = query["query"].replace("$cluster", clusters).replace("$namespace", namespaces)
                line = (
                    f"GET /_prometheus/api/v1/label/{variable['name']}/values?{urlencode({'match[]': text})} HTTP/1.1"
                )
                assert len(line) < kilobytes * 1024, f"{path.stem}: {variable['name']}"


def test_refuses_an_unknown_link_target_and_an_unknown_folder(generate: Any) -> None:
    with pytest.raises(DashboardError, match="example points to 'nowhere', which is not a dashboard"):
        generate.files([example(next=(("nowhere", "why"),))])
    with pytest.raises(DashboardError, match="folder 'Mine' is not one of Fleet"):
        generate.files([example(folder="Mine")])


def test_every_kind_of_panel_is_used() -> None:
    assert {panel.kind for dashboard in DASHBOARDS for panel in dashboard.panels} == set(Kind)


# --- PromQL --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "up",
        'up{job="a",pod=~"$pod"}',
        "up == 0",
        "up > bool -1",
        "rate(a_total[$__rate_interval])",
        "a / b",
        "a - 2 ^ 3 * b",
        "-sum(rate(a_total[5m]))",
        "100 * (1 - avg by (node) (rate(a_total[5m])))",
        "sum(a) by (node) / sum by (node) (b)",
        "quantile(0.9, sum by (node) (a)) * 2",
        "last_over_time(a_total[5m]) > 2 * 3",
        "max_over_time(a[5m]) > -1",
        "sum by (x) (sum without (y) (a))",
        "clamp_max(a, 1 + 1)",
        "(a or (b))",
        "(a offset 5m) * 2",
        "rate(a_total[5m] offset 5m) * 2",
        "time() - max by (node) (a)",
        "histogram_quantile(0.9, sum by (le, job) (rate(a_bucket[5m]))) / max by (job) (b)",
        "a or b",
        "sum by (a) (b offset 1h)",
        "sum(a) * $price * 730",
    ],
)
def test_within_the_limits(query: str) -> None:
    assert promql.limits(query) == []


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        # What the verifier of org.elasticsearch.plugin:x-pack-esql 9.5.3 refuses, which was run with each of them.
        ("a and b", "operator 'and'"),
        ("a and on () b", "operator 'and'"),
        ("a unless b", "operator 'unless'"),
        ("a atan2 b", "operator 'atan2'"),
        ("sum(a or b)", "'or' below the top"),
        (" or ".join("abcdefghi"), "more than 8 operands of 'or'"),
        ("sum(a == 0)", "comparison '==' below the top"),
        ("sum(a == bool 0)", "comparison '==' below the top"),
        ("(a > 1) * 2", "comparison '>' below the top"),
        ("a == 0 or b", "comparison '==' below the top"),
        ("a > b", "with a number on its right"),
        ("0 < a", "with a number on its right"),
        ("a > time()", "with a number on its right"),
        ("day_of_week() > 1", "something else than series"),
        ("a * on (x) b", "a modifier of '*'"),
        ("a * ignoring (x) group_left (y) b", "a modifier of '*'"),
        ("sum by (x) (max by (x, y) (a)) / sum by (x) (b)", "or more than once"),
        ("sum without (x) (a) / sum without (x) (b)", "'without' in an operand of '/'"),
        ("sum without (x) (a) * 2", "'without' in an operand of '*'"),
        ("sum without (x) (a) or b", "'without' in an operand of 'or'"),
        ("-sum without (x) (a)", "'without' after a sign"),
        ("max without (x) (sum without (y) (a))", "'without' of 'without'"),
        ("sum(max(a)) or b", "or more than once"),
        ("a offset 5m > 1", "an offset before '>'"),
        ("sum(-a{x='y'} offset 5m / b offset 5m)", "an offset before '/'"),
        # It takes this one, for an offset of ten minutes.
        ("a offset 5m * 2", "an offset before '*'"),
        ("a - a offset 1h", "different offsets"),
        ("rate(a_total[5m]) / rate(b_total[5m] offset 1h)", "different offsets"),
        ("sum by (step) (a)", "grouping by 'step'"),
        ("max_over_time(a[1h:1m])", "a subquery"),
        ("a @ 1609746000", "modifier '@'"),
        ("a @ end()", "modifier '@'"),
        ('{job="a"}', "a selector without a metric"),
        ('{__name__=~"a.*"}', "a selector of several metrics"),
        ('a{x="1" or y="2"}', "'or' between a selector's labels"),
        ("a[5m]", "a range as the result"),
        ("clamp_max(a, scalar(b))", "a parameter of 'clamp_max'"),
        ("quantile(scalar(a), b)", "a parameter of 'quantile'"),
        ("histogram_quantile(scalar(a), sum by (le) (rate(b_bucket[5m])))", "a parameter of 'histogram_quantile'"),
        *((f"{name}(5, a)", f"aggregation {name!r}") for name in ("topk", "bottomk", "limitk")),
        ("limit_ratio(0.1, a)", "aggregation 'limit_ratio'"),
        ("count_values('a', b)", "aggregation 'count_values'"),
        ("group(a)", "aggregation 'group'"),
        *((f"{name}(a)", f"function {name!r}") for name in ("absent", "sort", "sort_desc", "timestamp")),
        *((f"{name}(a[5m])", f"function {name!r}") for name in ("changes", "mad_over_time", "resets")),
        ("predict_linear(a[5m], 60)", "function 'predict_linear'"),
        ("histogram_fraction(0, 1, a)", "function 'histogram_fraction'"),
        ('sort_by_label(a, "b")', "function 'sort_by_label'"),
        ('label_replace(a, "b", "$1", "c", "(.*)")', "function 'label_replace'"),
        ('label_join(a, "x", ",", "y")', "function 'label_join'"),
        # A counter's range is for a function of counters, whatever a later version makes of it.
        *(
            (f"max_over_time(a_{end}[5m])", f"'max_over_time' of a range of 'a_{end}'")
            for end in ("total", "sum", "count", "bucket")
        ),
        ("delta(a_total[5m])", "'delta' of a range of 'a_total'"),
        # What its page "PromQL limitations" says besides.
        ("sum(a) / b", "not aggregated alike"),
        ("b / scalar(sum(a))", "not aggregated alike"),
        ("sum by (x) (a) / sum by (y) (b)", "with different labels, which match nothing"),
        ("max(a / b)", "arithmetic of series inside 'max'"),
        ("histogram_quantile(0.9, sum without (x) (rate(a_bucket[5m])))", "'without' in 'histogram_quantile'"),
    ],
)
def test_outside_of_the_limits(query: str, problem: str) -> None:
    assert any(problem in one for one in promql.limits(query)), promql.limits(query)


@pytest.mark.parametrize(
    "query",
    [
        "sum(",
        "a b",
        "a{b}",
        "a[5m",
        "foo(a)",
        "a{b='c'",
        "topk(a)",
        "sum(a, b)",
        "rate(a)[5m]",
        "sum by (a b) (c)",
        "",
    ],
)
def test_refuses_invalid_promql(query: str) -> None:
    with pytest.raises(promql.PromqlError, match=r"in ['\"]"):
        promql.parse(query)


def test_returns_the_series_and_labels_of_a_query() -> None:
    query = 'sum by (node) (rate(a_total{job="x",pod=~"y"}[5m])) / on (node) max by (node, le) (b)'
    found = [(one.name, [matcher.name for matcher in one.matchers.matchers]) for one in promql.selectors(query)]
    assert found == [
        ("a_total", ["job", "pod"]),
        ("b", []),
    ]
    assert promql.grouping_labels(query) == {"node", "le"}


def test_grafana_variables_are_replaced() -> None:
    text = 'sum(rate(a{cluster=~"$cluster"}[$__rate_interval])) > $limit'
    assert promql.without_variables(text) == 'sum(rate(a{cluster=~"$cluster"}[5m])) > 1'
