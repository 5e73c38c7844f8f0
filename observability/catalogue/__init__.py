# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which series the edge ships, with which labels: what dashboards, rules and alarms may ask for.

One file for each job, ``observability/metrics/<job>.txt``, a line for each series: ``name<TAB>labels<TAB>source``.
Labels are all that arrive: the exporter's own, those of its target, and the cluster's. A line's source names the
program and its version, and the file where the line was read off source text.

``python -m observability.catalogue [file ...]`` writes them again.
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
# What the scrape configuration of roles/prometheus adds to each job's own labels.
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
    """A series' name, its labels and where that is known from."""

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
    """Return a job's file: what remains after its relabelling, with its target's labels, one line for each name."""
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
    """What a job's metric relabelling leaves out, as the role's internals say."""

    patterns: Collection[str] = ()
    labels: frozenset[str] = frozenset()
    buckets: Collection[str] | None = None

    @classmethod
    def of(cls, job: str) -> Relabelling:
        internals = yaml.safe_load(PROMETHEUS_VARS.read_text(encoding="utf-8"))
        buckets: dict[str, list[str]] = internals["__prometheus_kept_buckets"]
        # A catalogue may be of more than one job of the same program.
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
