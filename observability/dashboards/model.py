# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dashboard is: typed definitions that generate.py turns into Grafana's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

FILES = Path("roles/grafana/files/dashboards")
# Which folder each belongs to, by uid.
FOLDER_FILE = Path("roles/grafana/files/folders.json")
# All have it.
TAG = "dataplatform"
COLUMNS = 24
FOLDERS = ("Fleet", "Kubernetes", "Agents", "Pipeline", "Logs")
# A ConfigMap holds 1 MiB, names and managed fields included.
MOST_BYTES = 900 * 1024


class DashboardError(ValueError):
    """Definitions that contradict each other, in words for whoever wrote them."""


class Source(StrEnum):
    """Data sources by their uid; the role grafana provisions them.

    METRICS is Elasticsearch's PromQL endpoint: every cluster, and the limits of promql.py.
    PROMETHEUS is the controlplane's own Prometheus: the pipeline's parts there, whatever becomes of the pipeline. Its
    series carry no label ``cluster``: external labels are added to samples that are sent.
    LOGS is what Fluent Bit sent, in Lucene's query language.
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


# (from this value on, a colour of Grafana's palette)
Steps = tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Query:
    """A query and what its series are called; in a table, the heading of its column, which has a unit and steps."""

    text: str
    legend: str = ""
    unit: str = ""
    steps: Steps = ()
    base: str = "green"


@dataclass(frozen=True)
class Terms:
    """How log lines are counted: by each of these fields, the most frequent first."""

    fields: tuple[str, ...] = ()
    size: int = 10


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel. ``asks`` is the operator's question that it answers, its description in Grafana."""

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
    # Below the first step all is well ("green"), unless little is bad ("red").
    base: str = "green"
    stacked: bool = False
    # (value, text, colour)
    words: tuple[tuple[float, str, str], ...] = ()
    # Clicking a series or a row opens the dashboard with this uid, for the values of these labels.
    opens: str = ""
    passes: tuple[str, ...] = ()
    # Tables: labels to hide.
    hides: tuple[str, ...] = ()
    counts: Terms | None = None
    text: str = ""
    repeat: str = ""


@dataclass(frozen=True)
class Row:
    """A heading with panels, which flow from left to right."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice at the top of a dashboard, filled from the values of a label, or free text."""

    name: str
    label: str
    # "metric{matchers}" whose series are looked at.
    series: str = ""
    # The label in the series; the variable's name if empty.
    of: str = ""
    source: Source = Source.METRICS
    multi: bool = True
    # Whether "All" is a wildcard rather than all the values: shorter, but not the same in PromQL and in a log query.
    wild: bool = True
    # Logs: a field of the documents, and which documents.
    field: str = ""
    query: str = "*"
    # No query at all: a text, with this default.
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One dashboard, a file of its own."""

    uid: str
    title: str
    about: str
    folder: str
    tags: tuple[str, ...]
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    # (uid, why): buttons at the top.
    next: tuple[tuple[str, str], ...] = ()
    since: str = "now-6h"
    refresh: str = "1m"

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)
