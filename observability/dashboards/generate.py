# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate Grafana's JSON from the definitions, with the types of the Grafana foundation SDK. The result is stable.

The JSON is Grafana's classic dashboard model, which file provisioning reads. The SDK's builder warns that the newer
resource model is preferred; that model is for Grafana's API, which file provisioning does not use.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        bargauge,
        common,
        dashboard,
        elasticsearch,
        logs,
        prometheus,
        stat,
        text,
        timeseries,
    )
    from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import elasticsearch as elastic
from grafana_foundation_sdk.models import prometheus as prom
from grafana_foundation_sdk.models import text as texts

from observability.dashboards import promql
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
    Panel,
    Query,
    Source,
    Steps,
    Variable,
)

_PLUGINS = {Source.METRICS: "prometheus", Source.PROMETHEUS: "prometheus", Source.LOGS: "elasticsearch"}
_TIME_FIELD = "@timestamp"
_ROW_HEIGHT = 1


class _Placed(Builder[models.Panel]):
    """A panel with its position and the settings that all kinds share."""

    def __init__(self, panel: models.Panel) -> None:
        self._panel = panel

    def build(self) -> models.Panel:
        return self._panel


def _source(source: Source) -> kinds.DataSourceRef:
    return kinds.DataSourceRef(type_val=_PLUGINS[source], uid=source.value)


# --- Layout -------------------------------------------------------------------------------------------------------


def positions(definition: Dashboard) -> list[tuple[models.GridPos, list[models.GridPos]]]:
    """Return the position of each row's heading and panels: left to right, wrapped at the last column."""
    found = []
    y = 0
    for row in definition.rows:
        heading = models.GridPos(x=0, y=y, w=COLUMNS, h=_ROW_HEIGHT)
        x, line, tallest = 0, y + _ROW_HEIGHT, 0
        places = []
        for panel in row.panels:
            if panel.width > COLUMNS:
                raise DashboardError(f"{definition.uid}: panel {panel.title!r} is wider than {COLUMNS} columns")
            if x + panel.width > COLUMNS:
                x, line, tallest = 0, line + tallest, 0
            places.append(models.GridPos(x=x, y=line, w=panel.width, h=panel.height))
            x += panel.width
            tallest = max(tallest, panel.height)
        found.append((heading, places))
        # The panels of a collapsed row use no space; Grafana moves the panels below it when it is expanded.
        y = heading.y + _ROW_HEIGHT if row.collapsed else line + tallest
    return found


# --- Queries ------------------------------------------------------------------------------------------------------


def _reference(index: int) -> str:
    return chr(ord("A") + index)


def _prometheus(panel: Panel, query: Query, index: int) -> prometheus.Dataquery:
    found = (
        prometheus.Dataquery()
        .datasource(_source(panel.source))
        .ref_id(_reference(index))
        .expr(query.text)
        .legend_format(query.legend or "__auto")
        .editor_mode(prom.QueryEditorMode.CODE)
        .exemplar(False)
    )
    if panel.kind is Kind.GRAPH:
        return found.range()
    found = found.instant()
    return found.format(prom.PromQueryFormat.TABLE) if panel.kind is Kind.TABLE else found


def _elasticsearch(panel: Panel, query: Query, index: int) -> elasticsearch.Dataquery:
    found = (
        elasticsearch.Dataquery()
        .datasource(_source(panel.source))
        .ref_id(_reference(index))
        .query(query.text)
        .time_field(_TIME_FIELD)
    )
    if panel.kind is Kind.LOGS:
        settings = elasticsearch.ElasticsearchLogsSettings().limit("500")
        return found.metrics([elasticsearch.Logs().id("1").settings(settings)]).bucket_aggs([])
    buckets: list[Builder[elastic.BucketAggregation]] = []
    terms = panel.counts.fields if panel.counts else ()
    for number, name in enumerate(terms, start=2):
        settings_of_terms = (
            elasticsearch.ElasticsearchTermsSettings()
            .order(elastic.TermsOrder.DESC)
            .order_by("_count")
            .min_doc_count("1")
            .size(str(panel.counts.size if panel.counts else 10))
        )
        buckets.append(elasticsearch.Terms().id(str(number)).field(name).settings(settings_of_terms))
    if panel.kind is not Kind.TABLE:
        interval = elasticsearch.ElasticsearchDateHistogramSettings().interval("auto").min_doc_count("0")
        buckets.append(
            elasticsearch.DateHistogram().id(str(len(terms) + 2)).field(_TIME_FIELD).settings(interval.trim_edges("0"))
        )
    return found.metrics([elasticsearch.Count().id("1")]).bucket_aggs(buckets)


# --- Panels -------------------------------------------------------------------------------------------------------


def _thresholds(steps: Steps, base: str) -> dashboard.ThresholdsConfig:
    found = [models.Threshold(value=None, color=base)]
    found += [models.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def _mappings(panel: Panel) -> list[models.ValueMapping]:
    if not panel.words:
        return []
    options = {
        f"{value:g}": models.ValueMappingResult(text=words, color=color, index=index)
        for index, (value, words, color) in enumerate(panel.words)
    }
    return [models.ValueMap(options=options)]


def _link(panel: Panel, known: dict[str, Dashboard]) -> list[Builder[models.DashboardLink]]:
    if not panel.opens:
        return []
    if panel.opens not in known:
        raise DashboardError(f"panel {panel.title!r} opens {panel.opens!r}, which is not a dashboard")
    target = known[panel.opens]
    choices = {variable.name for variable in target.variables}
    unknown = set(panel.passes) - choices
    if unknown:
        raise DashboardError(f"panel {panel.title!r} passes {sorted(unknown)}, but {target.uid} has no such variable")
    kind = "__data.fields" if panel.kind is Kind.TABLE else "__field.labels"
    values = [f"var-{name}=${{{kind}.{name}}}" for name in panel.passes]
    url = f"/d/{target.uid}?{'&'.join([*values, '${__url_time_range}'])}"
    return [dashboard.DashboardLink(target.title).url(url).type(models.DashboardLinkType.LINK)]


def _graph(panel: Panel, links: list[Builder[models.DashboardLink]]) -> Builder[models.Panel]:
    legend = (
        common.VizLegendOptions()
        .display_mode(kinds.LegendDisplayMode.TABLE)
        .placement(kinds.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["mean", "max", "lastNotNull"])
        # Elasticsearch has no topk: the highest values come first instead.
        .sort_by("Max")
        .sort_desc(True)
    )
    found = (
        timeseries.Panel()
        .unit(panel.unit)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
        .line_width(1)
        .fill_opacity(30 if panel.stacked else 8)
        .show_points(kinds.VisibilityMode.NEVER)
        .thresholds(_thresholds(panel.steps, panel.base))
        .data_links(links)
        .mappings(_mappings(panel))
    )
    if panel.stacked:
        found = found.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL))
    if panel.steps:
        found = found.thresholds_style(common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED))
    if panel.low is not None:
        found = found.min(panel.low)
    if panel.high is not None:
        found = found.max(panel.high)
    return found if panel.decimals is None else found.decimals(panel.decimals)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def _stat(panel: Panel, links: list[Builder[models.DashboardLink]]) -> Builder[models.Panel]:
    found = (
        stat.Panel()
        .unit(panel.unit)
        .reduce_options(_last())
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .color_mode(kinds.BigValueColorMode.BACKGROUND if panel.steps or panel.words else kinds.BigValueColorMode.NONE)
        .text_mode(kinds.BigValueTextMode.AUTO)
        .thresholds(_thresholds(panel.steps, panel.base))
        .data_links(links)
        .mappings(_mappings(panel))
    )
    return found if panel.decimals is None else found.decimals(panel.decimals)


def _bars(panel: Panel, links: list[Builder[models.DashboardLink]]) -> Builder[models.Panel]:
    found = (
        bargauge.Panel()
        .unit(panel.unit)
        .reduce_options(_last())
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .display_mode(kinds.BarGaugeDisplayMode.BASIC)
        .thresholds(_thresholds(panel.steps, panel.base))
        .data_links(links)
        .mappings(_mappings(panel))
    )
    if panel.low is not None:
        found = found.min(panel.low)
    if panel.high is not None:
        found = found.max(panel.high)
    return found if panel.decimals is None else found.decimals(panel.decimals)


def _property(name: str, value: object) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=name, value=value)


def _table(panel: Panel, links: list[Builder[models.DashboardLink]]) -> Builder[models.Panel]:
    found = (
        tables.Panel()
        .unit(panel.unit)
        .filterable(True)
        .data_links(links)
        .thresholds(_thresholds(panel.steps, panel.base))
    )
    if panel.source is Source.LOGS:
        return found
    single = len(panel.queries) == 1
    headings = {
        ("Value" if single else f"Value #{_reference(index)}"): query.legend or "Value"
        for index, query in enumerate(panel.queries)
    }
    for query in panel.queries:
        properties = [_property("unit", query.unit or panel.unit)]
        steps = query.steps or (panel.steps if single else ())
        if steps:
            properties.append(_property("thresholds", _thresholds(steps, query.base).build()))
            properties.append(_property("custom.cellOptions", {"type": "color-text"}))
        if panel.words and single:
            properties.append(_property("mappings", _mappings(panel)))
            properties.append(_property("custom.cellOptions", {"type": "color-text"}))
        found = found.override_by_name(query.legend or "Value", properties)
    # The time is removed before the merge: Elasticsearch returns a different time for each series, and rows must match.
    hidden = dict.fromkeys(("Time", "__name__", *panel.hides), True)
    steps_of_data: Sequence[tuple[str, dict[str, object]]] = (
        ("organize", {"excludeByName": hidden}),
        ("merge", {}),
        ("organize", {"renameByName": headings}),
    )
    for name, options in steps_of_data:
        found = found.with_transformation(models.DataTransformerConfig(id_val=name, options=options))
    return found


def _logs(_panel: Panel) -> Builder[models.Panel]:
    return (
        logs.Panel()
        .show_time(True)
        .show_labels(False)
        .wrap_log_message(True)
        .enable_log_details(True)
        .sort_order(kinds.LogsSortOrder.DESCENDING)
        .dedup_strategy(kinds.LogsDedupStrategy.NONE)
    )


def _alerts(_panel: Panel) -> Builder[models.Panel]:
    """Grafana's alert list panel, for which the SDK has no builder."""
    options = {
        "alertName": "",
        "dashboardAlerts": False,
        "groupMode": "default",
        "maxItems": 100,
        "sortOrder": 3,
        "stateFilter": {"error": True, "firing": True, "noData": True, "normal": False, "pending": True},
        "viewMode": "list",
    }
    return dashboard.Panel().type(Kind.ALERTS.value).options(options)


def _text(panel: Panel) -> Builder[models.Panel]:
    return text.Panel().mode(texts.TextMode.MARKDOWN).content(panel.text)


def _visualisation(panel: Panel, known: dict[str, Dashboard]) -> Builder[models.Panel]:
    linked = {Kind.GRAPH: _graph, Kind.STAT: _stat, Kind.BARS: _bars, Kind.TABLE: _table}
    plain = {Kind.LOGS: _logs, Kind.ALERTS: _alerts, Kind.TEXT: _text}
    if panel.kind in plain:
        return plain[panel.kind](panel)
    return linked[panel.kind](panel, _link(panel, known))


def _panel(panel: Panel, place: models.GridPos, number: int, known: dict[str, Dashboard]) -> Builder[models.Panel]:
    found = _visualisation(panel, known).build()
    found.title, found.description = panel.title, panel.asks
    found.grid_pos, found.id_val = place, number
    if panel.queries:
        found.datasource = _source(panel.source)
        make = _elasticsearch if panel.source is Source.LOGS else _prometheus
        found.targets = [make(panel, query, index).build() for index, query in enumerate(panel.queries)]
    found.repeat = panel.repeat or None
    return _Placed(found)


# --- Dashboards ---------------------------------------------------------------------------------------------------


def variable_query(variable: Variable) -> str:
    """Return the query for the values of a variable."""
    if variable.source is Source.LOGS:
        return json.dumps({"find": "terms", "field": variable.field, "query": variable.query, "size": 1000})
    return f"label_values({variable.series}, {variable.of or variable.name})"


def _variable(variable: Variable) -> Builder[models.VariableModel]:
    if variable.text is not None:
        option = models.VariableOption(selected=True, text=variable.text, value=variable.text)
        box = dashboard.TextBoxVariable(variable.name).label(variable.label).default_value(variable.text)
        return box.current(option).options([option])
    everything = variable.source is Source.LOGS
    text_of_query = variable_query(variable)
    query: str | dict[str, object] = (
        text_of_query
        if everything
        else {"query": text_of_query, "refId": "PrometheusVariableQueryEditor-VariableQuery", "qryType": 5}
    )
    found = (
        dashboard.QueryVariable(variable.name)
        .label(variable.label)
        .datasource(_source(variable.source))
        .query(query)
        .definition(text_of_query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(variable.multi)
        .include_all(variable.multi)
    )
    if not variable.multi:
        return found
    found = found.current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    return found.all_value("*" if everything else ".*") if variable.wild else found


def _links(definition: Dashboard, known: dict[str, Dashboard]) -> Iterable[dashboard.DashboardLink]:
    for uid, why in definition.next:
        if uid not in known:
            raise DashboardError(f"{definition.uid} points to {uid!r}, which is not a dashboard")
        yield (
            dashboard.DashboardLink(known[uid].title)
            .type(models.DashboardLinkType.LINK)
            .url(f"/d/{uid}")
            .tooltip(why)
            .include_vars(True)
            .keep_time(True)
            .icon("external link")
        )
    yield (
        dashboard.DashboardLink("All dashboards")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
        .icon("apps")
    )


def _check(definition: Dashboard) -> None:
    if definition.folder not in FOLDERS:
        raise DashboardError(f"{definition.uid}: folder {definition.folder!r} is not one of {', '.join(FOLDERS)}")
    long = {one.name for one in definition.variables if one.multi and not one.wild and one.source is Source.METRICS}
    for variable in definition.variables:
        problems = promql.limits(variable.series) if variable.series and variable.source is Source.METRICS else []
        if problems:
            raise DashboardError(
                f"{definition.uid}, variable {variable.name!r}: Elasticsearch does not evaluate {'; '.join(problems)}:"
                f" {variable.series}"
            )
        # Grafana requests label values with GET, and the length of a URL is limited. There are few clusters.
        asked = (long - {"cluster"}) & set(re.findall(r"\$(\w+)", variable.series))
        if asked:
            raise DashboardError(
                f"{definition.uid}: the query of variable {variable.name!r} has all values of {sorted(asked)[0]!r},"
                " too many for a URL: set wild on that variable"
            )
    for panel in definition.panels:
        where = f"{definition.uid}, panel {panel.title!r}"
        if not panel.asks.endswith("?") and panel.kind is not Kind.TEXT:
            raise DashboardError(f"{where}: {panel.asks!r} is not a question: end it with a question mark")
        if panel.source is Source.LOGS:
            continue
        for query in panel.queries:
            problems = promql.limits(query.text) if panel.source is Source.METRICS else []
            if problems:
                raise DashboardError(f"{where}: Elasticsearch does not evaluate {'; '.join(problems)}: {query.text}")
            promql.parse(query.text)


def unique(definitions: Sequence[Dashboard]) -> dict[str, Dashboard]:
    """Return the definitions by uid. A duplicate uid is an error: Grafana would keep only the last dashboard."""
    found: dict[str, Dashboard] = {}
    for definition in definitions:
        if definition.uid in found:
            raise DashboardError(
                f"{definition.title!r} and {found[definition.uid].title!r} have the same uid {definition.uid!r}:"
                " Grafana would show only one. Change the uid of the other."
            )
        found[definition.uid] = definition
    return found


def build(definition: Dashboard, known: dict[str, Dashboard]) -> models.Dashboard:
    """Return a dashboard as an object of the SDK."""
    _check(definition)
    found = (
        dashboard.Dashboard(definition.title)
        .uid(definition.uid)
        .description(definition.about)
        .tags([TAG, *definition.tags])
        .editable()
        .time(definition.since, "now")
        .refresh(definition.refresh)
        .timezone(kinds.TimeZoneBrowser)
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
    )
    for variable in definition.variables:
        found = found.with_variable(_variable(variable))
    for link in _links(definition, known):
        found = found.link(link)
    number = 0
    for row, (heading, places) in zip(definition.rows, positions(definition), strict=True):
        number += 1
        header = dashboard.Row(row.title).grid_pos(heading).id(number).collapsed(row.collapsed)
        members = []
        for panel, place in zip(row.panels, places, strict=True):
            number += 1
            members.append(_panel(panel, place, number, known))
        if row.collapsed:
            for member in members:
                header = header.with_panel(member)
            found = found.with_row(header)
        else:
            found = found.with_row(header)
            for member in members:
                found = found.with_panel(member)
    return found.build()


def render(definition: Dashboard, known: dict[str, Dashboard]) -> str:
    """Return a dashboard's JSON, at most MOST_BYTES, so that it fits in a ConfigMap."""
    found = json.dumps(build(definition, known), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    size = len(found.encode())
    if size > MOST_BYTES:
        raise DashboardError(
            f"{definition.uid} has {size} bytes, but a ConfigMap has room for {MOST_BYTES}: split the dashboard"
        )
    return found


def files(definitions: Sequence[Dashboard]) -> dict[Path, str]:
    """Return the content of each generated file, by its path in the checkout."""
    known = unique(definitions)
    found = {FILES / f"{uid}.json": render(definition, known) for uid, definition in sorted(known.items())}
    found[FOLDER_FILE] = json.dumps({uid: known[uid].folder for uid in sorted(known)}, indent=2) + "\n"
    return found


def stale(root: Path, wanted: dict[Path, str]) -> list[Path]:
    """Return generated files in the checkout without a definition."""
    return sorted(path for path in (root / FILES).glob("*.json") if path.relative_to(root) not in wanted)
