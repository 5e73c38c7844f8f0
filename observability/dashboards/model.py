# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of dashboard definitions, from which generate.py generates Grafana's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

FILES = Path("roles/grafana/files/dashboards")
# The folder of each dashboard, by uid.
FOLDER_FILE = Path("roles/grafana/files/folders.json")
# All have it.
TAG = "dataplatform"
COLUMNS = 24
FOLDERS = ("Fleet", "Kubernetes", "Agents", "Pipeline", "Logs")
# A ConfigMap is limited to 1 MiB, including names and managed fields.
MOST_BYTES = 900 * 1024


class DashboardError(ValueError):
    """An invalid definition, or definitions that contradict each other."""


class Source(StrEnum):
    """Data sources by uid; the role grafana provisions them.

    METRICS is Elasticsearch's PromQL endpoint: every cluster, and the limits of promql.py.
    PROMETHEUS is the controlplane's Prometheus: the pipeline's components there, even if the pipeline fails. Its
    series have no label ``cluster``: external labels are added only to samples that are sent.
    LOGS are the log records that Fluent Bit sent, queried in Lucene's query language.
    """

    METRICS = "metrics"
    PROMETHEUS = "prometheus"
    LOGS = "logs"


class Kind(StrEnum):
    """Visualisations."""

    GRAPH = "timeseries"
    STAT = "stat"
    TABLE = "table"
    BARS = "bargauge"
    LOGS = "logs"
    TEXT = "text"
    ALERTS = "alertlist"


# (lower limit, colour of Grafana's palette)
Steps = tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Query:
    """A query and the legend of its series; in a table, the heading of its column, with a unit and thresholds."""

    text: str
    legend: str = ""
    unit: str = ""
    steps: Steps = ()
    base: str = "green"


@dataclass(frozen=True)
class Terms:
    """Fields by which log lines are counted, the most frequent values first."""

    fields: tuple[str, ...] = ()
    size: int = 10


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel. ``asks`` is the operator's question that the panel answers, its description in Grafana."""

    title: str
    asks: str
    kind: Kind = Kind.GRAPH
    queries: tuple[Query, ...] = ()
    source: Source = Source.METRICS
    unit: str = "short"
    decimals: int | None = None
    width: int = 12
    height: int = 8
    low: float | None = 0
    high: float | None = None
    steps: Steps = ()
    # The colour below the first step: "green", or "red" if low values are bad.
    base: str = "green"
    stacked: bool = False
    # (value, text, colour)
    words: tuple[tuple[float, str, str], ...] = ()
    # A click on a series or row opens the dashboard with this uid, with the values of these labels.
    opens: str = ""
    passes: tuple[str, ...] = ()
    # Tables: labels to hide.
    hides: tuple[str, ...] = ()
    counts: Terms | None = None
    text: str = ""
    repeat: str = ""


@dataclass(frozen=True)
class Row:
    """A heading with panels, which are placed from left to right."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable of a dashboard, with the values of a label, or free text."""

    name: str
    label: str
    # The series whose label values are listed: "metric{matchers}".
    series: str = ""
    # The label of the series; by default the variable's name.
    of: str = ""
    source: Source = Source.METRICS
    multi: bool = True
    # Whether "All" is a wildcard rather than a list of all values: shorter, but different in PromQL and in log queries.
    wild: bool = True
    # For logs: a field of the documents, and a query that selects documents.
    field: str = ""
    query: str = "*"
    # A text box without a query, with this default.
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One dashboard, generated as one file."""

    uid: str
    title: str
    about: str
    folder: str
    tags: tuple[str, ...]
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    # (uid, reason): links at the top.
    next: tuple[tuple[str, str], ...] = ()
    since: str = "now-6h"
    refresh: str = "1m"

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)
