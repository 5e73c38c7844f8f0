# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards of log lines and Kubernetes events."""

from __future__ import annotations

from observability.dashboards.model import Dashboard, Source, Variable
from observability.dashboards.parts import counts, lines, row, top

CLUSTER_FIELD = "labels.cluster"
NAMESPACE_FIELD = "kubernetes.namespace_name"
POD_FIELD = "kubernetes.pod_name"
CONTAINER_FIELD = "kubernetes.container_name"


def _choice(name: str, field: str, query: str = "*", heading: str = "") -> Variable:
    return Variable(name=name, label=heading or name.capitalize(), source=Source.LOGS, field=field, query=query)


CLUSTERS = _choice("cluster", CLUSTER_FIELD)
NAMESPACES = _choice("namespace", NAMESPACE_FIELD, f"{CLUSTER_FIELD}:$cluster")
CHOSEN = (
    f"{CLUSTER_FIELD}:$cluster AND {NAMESPACE_FIELD}:$namespace AND {POD_FIELD}:$pod AND {CONTAINER_FIELD}:$container"
    " AND ($search)"
)
EVENTS = f"{CLUSTER_FIELD}:$cluster AND dataset:kubernetes-event AND ($search)"
WARNINGS = f"{EVENTS} AND kubernetes_event.type:Warning"
REASON = "kubernetes_event.reason"
ERRORS = "message:(error OR fatal OR panic OR exception)"

LOGS_DASHBOARD = Dashboard(
    uid="logs",
    title="Logs explorer",
    about="Every container's log of every cluster. The search field takes Lucene's query language, such as"
    " timeout AND NOT healthz.",
    folder="Logs",
    tags=("logs",),
    variables=(
        CLUSTERS,
        NAMESPACES,
        _choice("pod", POD_FIELD, f"{CLUSTER_FIELD}:$cluster AND {NAMESPACE_FIELD}:$namespace"),
        _choice(
            "container",
            CONTAINER_FIELD,
            f"{CLUSTER_FIELD}:$cluster AND {NAMESPACE_FIELD}:$namespace AND {POD_FIELD}:$pod",
        ),
        Variable(name="search", label="Search", text="*"),
    ),
    next=(("events", "What Kubernetes says"), ("pod", "A pod's figures"), ("fluent-bit", "Whether all logs arrive")),
    since="now-1h",
    rows=(
        row(
            "How much",
            counts("Lines by namespace", "Who logs how much?", CHOSEN, NAMESPACE_FIELD, width=12),
            counts(
                "Lines that contain error words", "Who complains?", f"{CHOSEN} AND {ERRORS}", NAMESPACE_FIELD, width=12
            ),
        ),
        row("Lines", lines("Lines", "What was said?", CHOSEN, height=20)),
        row(
            "Who",
            top("Loudest pods", "Which pod logs most?", CHOSEN, CLUSTER_FIELD, NAMESPACE_FIELD, POD_FIELD, width=12),
            top(
                "Pods with most errors",
                "Which pod complains most?",
                f"{CHOSEN} AND {ERRORS}",
                CLUSTER_FIELD,
                NAMESPACE_FIELD,
                POD_FIELD,
                width=12,
            ),
        ),
    ),
)

EVENTS_DASHBOARD = Dashboard(
    uid="events",
    title="Kubernetes events",
    about="Kubernetes events: scheduling, images, probes, evictions, volumes.",
    folder="Logs",
    tags=("logs", "kubernetes"),
    variables=(CLUSTERS, Variable(name="search", label="Search", text="*")),
    next=(("logs", "What programs say"), ("cluster", "The cluster"), ("pod", "A pod's figures")),
    since="now-3h",
    rows=(
        row(
            "How much",
            counts(
                "Warnings by reason",
                "What goes wrong?",
                WARNINGS,
                REASON,
                width=12,
            ),
            counts("All by reason", "What happens?", EVENTS, REASON, width=12),
        ),
        row(
            "Warnings",
            top(
                "Most frequent",
                "Which object has trouble?",
                WARNINGS,
                CLUSTER_FIELD,
                REASON,
                "kubernetes_event.involvedObject.kind",
                "kubernetes_event.involvedObject.namespace",
                "kubernetes_event.involvedObject.name",
                width=24,
            ),
            lines("Warnings", "What exactly is said?", WARNINGS, height=12),
        ),
        row("All", lines("All events", "What happened, in order?", EVENTS, height=16)),
    ),
)

DASHBOARDS = (LOGS_DASHBOARD, EVENTS_DASHBOARD)
