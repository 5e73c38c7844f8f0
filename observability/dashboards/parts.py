# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shortcuts for common kinds of panels and variables."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict, Unpack

from observability.dashboards.model import Kind, Panel, Query, Row, Source, Steps, Terms, Variable

# Thresholds of shares in percent: warning, then critical.
BUSY: Steps = ((70, "yellow"), (85, "red"))
FULL: Steps = ((80, "yellow"), (90, "red"))
# Thresholds of counts that should be 0.
ANY: Steps = ((1, "red"),)
SOME: Steps = ((1, "yellow"),)
DAYS_LEFT: Steps = ((7, "yellow"), (30, "green"))

R = "[$__rate_interval]"


class Look(TypedDict, total=False):
    """Optional settings of a panel, see Panel."""

    source: Source
    unit: str
    decimals: int | None
    width: int
    height: int
    low: float | None
    high: float | None
    steps: Steps
    base: str
    stacked: bool
    words: tuple[tuple[float, str, str], ...]
    opens: str
    passes: tuple[str, ...]
    hides: tuple[str, ...]


Queries = tuple[Query, ...] | Query | str


def _queries(given: Queries, legend: str) -> tuple[Query, ...]:
    if isinstance(given, str):
        return (Query(given, legend),)
    return (given,) if isinstance(given, Query) else given


def graph(title: str, asks: str, queries: Queries, legend: str = "", **more: Unpack[Look]) -> Panel:
    return Panel(title=title, asks=asks, kind=Kind.GRAPH, queries=_queries(queries, legend), **more)


def stat(title: str, asks: str, queries: Queries, legend: str = "", **more: Unpack[Look]) -> Panel:
    look: Look = {"width": 4, "height": 4, **more}
    return Panel(title=title, asks=asks, kind=Kind.STAT, queries=_queries(queries, legend), **look)


def bars(title: str, asks: str, queries: Queries, legend: str = "", **more: Unpack[Look]) -> Panel:
    return Panel(title=title, asks=asks, kind=Kind.BARS, queries=_queries(queries, legend), **more)


def table(title: str, asks: str, *queries: Query, **more: Unpack[Look]) -> Panel:
    look: Look = {"width": 24, "height": 10, **more}
    return Panel(title=title, asks=asks, kind=Kind.TABLE, queries=queries, **look)


def lines(title: str, asks: str, query: str, **more: Unpack[Look]) -> Panel:
    """Return a panel of log lines."""
    look: Look = {"width": 24, "height": 16, "source": Source.LOGS, **more}
    return Panel(title=title, asks=asks, kind=Kind.LOGS, queries=(Query(query),), **look)


def counts(title: str, asks: str, query: str, *fields: str, size: int = 10, **more: Unpack[Look]) -> Panel:
    """Return a panel of log lines, counted over time by fields."""
    look: Look = {"source": Source.LOGS, "stacked": True, **more}
    return Panel(title=title, asks=asks, kind=Kind.GRAPH, queries=(Query(query),), counts=Terms(fields, size), **look)


def top(title: str, asks: str, query: str, *fields: str, size: int = 20, **more: Unpack[Look]) -> Panel:
    """Return a table of the most frequent values of fields of log lines."""
    look: Look = {"source": Source.LOGS, "height": 10, **more}
    return Panel(title=title, asks=asks, kind=Kind.TABLE, queries=(Query(query),), counts=Terms(fields, size), **look)


def note(title: str, text: str, **more: Unpack[Look]) -> Panel:
    """Return a panel of text."""
    look: Look = {"width": 24, "height": 4, **more}
    return Panel(title=title, asks=title, kind=Kind.TEXT, text=text, **look)


def row(title: str, *panels: Panel, collapsed: bool = False) -> Row:
    return Row(title, panels, collapsed)


def label(name: str, series: str, heading: str = "", source: Source = Source.METRICS) -> Variable:
    """Return a variable with the values of a label."""
    return Variable(name=name, label=heading or name.capitalize(), series=series, source=source)


def one(variable: Variable) -> Variable:
    """Return a variable with the values of a label, of which one is selected."""
    return replace(variable, multi=False)


# There are few values, and log queries use the variable too.
CLUSTER = replace(label("cluster", "up"), wild=False)
NAMESPACE = label("namespace", 'kube_namespace_status_phase{cluster=~"$cluster"}')
