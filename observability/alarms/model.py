# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an alarm is: one typed definition that rules, Grafana's files and the runbook are generated from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

RUNBOOKS = "https://github.com/dataplatform-fleet/dataplatform.fleet/blob/main/docs/runbooks"


class Severity(StrEnum):
    """How soon somebody has to look: now, today, some day."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Where(StrEnum):
    """Where an alarm is evaluated.

    EDGE: an alerting rule in each cluster's own Prometheus; Grafana reads its ALERTS series from Elasticsearch.
    METRICS: Grafana on Elasticsearch (data source ``metrics``): what crosses clusters.
    PROMETHEUS: Grafana on the controlplane's own Prometheus (data source ``prometheus``): the pipeline itself.
    LOGS: Grafana on Elasticsearch (data source ``logs``), with a Lucene query instead of PromQL.
    """

    EDGE = "edge"
    METRICS = "grafana-elasticsearch"
    PROMETHEUS = "grafana-prometheus"
    LOGS = "grafana-logs"


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """What there is, and the alerts at one time by their labels.

    ``series`` are in promtool's notation, one sample a minute. ``documents`` are those of an alarm on logs: the
    fields by which a search finds each, metadata fields among them, with its age in minutes at ``@age``.
    ``alerts`` are the labels that come from the query; severity and component are added by the rule.
    """

    series: Mapping[str, str] = field(default_factory=dict)
    documents: tuple[Mapping[str, object], ...] = ()
    at: str = "30m"
    alerts: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Runbook:
    """The parts of a runbook page.

    A line of ``look`` or ``fix`` that begins with ``$ `` is a command; the others are Markdown.
    """

    meaning: str
    impact: str
    look: tuple[str, ...]
    fix: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm.

    ``query`` gives a number for each thing watched; the alarm fires where ``query op threshold`` holds for ``hold``.
    An edge alarm whose condition is not one comparison has it all in ``query`` and no ``op``.
    """

    name: str
    severity: Severity
    component: str
    where: Where
    query: str
    op: str = ""
    threshold: float = 0
    hold: str = "5m"
    summary: str
    description: str
    runbook: Runbook
    firing: Fixture | None = None
    silent: Fixture | None = None
    # Grafana alarms: no data is an alarm, because where all is well there is data.
    must_exist: bool = False
    # Grafana alarms: one for each member of the fleet that has been built, with @member@ in the query.
    per_member: bool = False
    # Edge alarms about the way to Elasticsearch: also read from the controlplane's own Prometheus.
    direct: bool = False
    # Fires always; there is no fixture in which it is silent.
    always: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def expression(self) -> str:
        """The whole condition as PromQL."""
        return f"{self.query} {self.op} {number(self.threshold)}" if self.op else self.query

    @property
    def runbook_url(self) -> str:
        return f"{RUNBOOKS}/{self.name}.md"

    @property
    def uid(self) -> str:
        """Name in Grafana: at most 40 characters, of letters, digits, dashes and underscores."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", self.name).lower()


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Alarms that are kept together: one rule file, one Grafana group, one heading of the index."""

    name: str
    title: str
    alarms: tuple[Alarm, ...]


def number(value: float) -> str:
    """Return a number as one would write it: 80, 0.05, 604800."""
    return f"{value:.10f}".rstrip("0").rstrip(".")


def grown(metric: str, window: str) -> str:
    """Return what PromQL calls the increase of a counter within a window, and whole counters that are new in it.

    A counter that begins with the first event has no increase for it. It is new only if its target was read when the
    window began: after a gap of Prometheus or of the target every counter looks new. Prometheus' PromQL only.
    """
    new = f"({metric} > 0 unless {metric} offset {window}) and on (instance) (up offset {window} == 1)"
    return f"(increase({metric}[{window}]) > 0 or ({new}))"
