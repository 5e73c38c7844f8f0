# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The series that the clusters ship, with their labels: dashboards, rules and alarms can query no others.

One file for each job, ``observability/metrics/<job>.txt``, a line for each series: ``name<TAB>labels<TAB>source``.
The labels are those of the exporter, of its scrape target and of the cluster. A line's source names the program and
its version, and the source file for a line that was extracted from source code.

``python -m observability.catalogue [file ...]`` regenerates the files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).parents[2]
METRICS = CHECKOUT / "observability" / "metrics"
PROMETHEUS_VARS = CHECKOUT / "roles" / "prometheus" / "vars" / "main.yml"

CLUSTER = frozenset({"cluster", "environment"})
TARGET = CLUSTER | {"job", "instance"}
POD = TARGET | {"namespace", "pod", "node", "container"}
NODE = TARGET | {"node"}
# The labels that the scrape configuration of roles/prometheus adds to the labels of each job.
TARGET_LABELS = {
    "prometheus": TARGET | {"namespace", "pod"},
    "telegraf": TARGET | {"namespace", "pod"},
    "node_exporter": POD,
    "kube_state_metrics": TARGET,
    "kubelet": NODE,
    "cadvisor": NODE,
    "apiserver": TARGET,
    "coredns": POD,
    "ingress_nginx": POD,
}
JOBS = {"kubelet": ["kubelet", "kubelet-probes"]}
# https://prometheus.io/docs/concepts/jobs_instances/#automatically-generated-labels-and-time-series
SCRAPE = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)


@dataclass(frozen=True, order=True)
class Series:
    """A series: its name, its labels and the source of this information."""

    name: str
    labels: frozenset[str]
    source: str

    def line(self) -> str:
        return f"{self.name}\t{','.join(sorted(self.labels))}\t{self.source}"


def path(job: str) -> Path:
    return METRICS / f"{job}.txt"


def read(job: str) -> list[Series]:
    found = []
    for line in path(job).read_text(encoding="utf-8").splitlines():
        name, labels, source = line.split("\t")
        found.append(Series(name, frozenset(filter(None, labels.split(","))), source))
    return found


def text(job: str, series: Iterable[Series], dropped: Relabelling | None = None) -> str:
    """Return a job's file: the series after relabelling, with the target's labels, one line for each name."""
    dropped = dropped or Relabelling.of(job)
    merged: dict[str, Series] = {}
    for one in series:
        if dropped.drops(one.name):
            continue
        labels = (one.labels - dropped.labels) | TARGET_LABELS[job]
        earlier = merged.get(one.name)
        merged[one.name] = Series(one.name, labels | (earlier.labels if earlier else frozenset()), one.source)
    return "".join(f"{merged[name].line()}\n" for name in sorted(merged))


@dataclass(frozen=True)
class Relabelling:
    """The series and labels that a job's metric relabelling drops, from the role's internal variables."""

    patterns: Collection[str] = ()
    labels: frozenset[str] = frozenset()
    buckets: Collection[str] | None = None

    @classmethod
    def of(cls, job: str) -> Relabelling:
        internals = yaml.safe_load(PROMETHEUS_VARS.read_text(encoding="utf-8"))
        buckets: dict[str, list[str]] = internals["__prometheus_kept_buckets"]
        # One catalogue can cover several jobs of the same program.
        jobs = JOBS.get(job, [job])
        return cls(
            [pattern for name in jobs for pattern in internals["__prometheus_dropped_series"].get(name, [])],
            frozenset(label for name in jobs for label in internals["__prometheus_dropped_labels"].get(name, [])),
            buckets.get(job),
        )

    def drops(self, name: str) -> bool:
        if any(re.fullmatch(pattern, name) for pattern in self.patterns):
            return True
        return (
            self.buckets is not None and name.endswith("_bucket") and name.removesuffix("_bucket") not in self.buckets
        )
