# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hops of the data path, what is found at each, and what people read of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

_HEADS: Final = ("SIGNAL", "HOP", "RESULT", "SECONDS", "")


class Status(StrEnum):
    """What was found at a hop."""

    SEEN = "seen"
    MISSING = "missing"
    """Asked until the deadline, and the canary was not there."""
    FAILED = "failed"
    """It could not be asked."""
    NOT_REACHED = "not_reached"
    """Not waited for, because the canary was lost before."""
    NOT_RUN = "not_run"
    """Nothing runs there that could be asked: simulated pods, or a part of the fleet that this run does not reach."""
    OFF = "off"
    """Not asked for."""


class Workload(NamedTuple):
    """A Deployment, StatefulSet or DaemonSet, in the member's cluster or in the controlplane's."""

    controlplane: bool
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" + (" in the controlplane" if self.controlplane else "")


@dataclass(frozen=True)
class Hop:
    """A stage of the way."""

    signal: str
    name: str
    workload: Workload
    look: str
    """What to look at when the canary arrives at the hop before and not here."""
    through: tuple[Workload, ...] = ()
    """What stands between the hop before and this one."""


CANARY: Final = Workload(False, "node-agents", "dataplatform-canary")
PROMETHEUS: Final = Workload(False, "agents", "prometheus")
KAFKA: Final = Workload(True, "kafka", "kafka")
ELASTICSEARCH: Final = Workload(True, "elasticsearch", "elasticsearch")
GRAFANA: Final = Workload(True, "grafana", "grafana")
_LOGSTASH: Final = Workload(True, "logstash", "logstash")
_FLUENT_BIT: Final = Workload(False, "node-agents", "fluent-bit")

METRIC: Final = "metric"
LOG: Final = "log"
ALARM: Final = "alarm"
# The hops of a test alarm, which is sent only if it is asked for. The last two are named as Grafana's integrations.
NOTIFICATION: Final = "notification"
EMAIL: Final = "email"
SLACK: Final = "slack"

_STORED: Final = (
    "Logstash in the controlplane: does it run, is it behind (runbooks LogstashDown, ConsumerLagGrowing), or does"
    " Elasticsearch refuse what it sends (LogstashDeadLetters, ElasticsearchRejecting)?"
)


_CANARY_PODS: Final = "--namespace node-agents --selector app.kubernetes.io/name=dataplatform-canary"
PATH: Final = (
    Hop(
        METRIC,
        "exporter",
        CANARY,
        f"The canary's pod: kubectl describe pods {_CANARY_PODS} (image, certificate node-exporter-tls, admission).",
    ),
    Hop(
        METRIC,
        "prometheus",
        PROMETHEUS,
        "Prometheus' page /targets: is dataplatform-canary there, and what is its error? NetworkPolicies of"
        " node-agents, the certificate's name platform-metrics (runbook TargetDown).",
    ),
    Hop(
        METRIC,
        "kafka",
        KAFKA,
        "Telegraf beside Prometheus (its log; runbooks TelegrafDown, TelegrafDropping, PrometheusRemoteWriteFailing),"
        " and its network path to Kafka: peering, credential, topic.",
        (PROMETHEUS,),
    ),
    Hop(METRIC, "elasticsearch", ELASTICSEARCH, _STORED, (_LOGSTASH,)),
    Hop(
        METRIC,
        "grafana",
        GRAFANA,
        "Grafana's data source Metrics: its password (grafana-reader), certificate and NetworkPolicy.",
    ),
    Hop(
        LOG,
        "container",
        CANARY,
        f"The canary's pod and its node's kubelet: kubectl logs {_CANARY_PODS}.",
    ),
    Hop(
        LOG,
        "kafka",
        KAFKA,
        "Fluent Bit on the canary's node (its log; runbooks FluentBitDisconnected, FluentBitRefused, LogsMissing), and"
        " its way to Kafka: peering, credential, topic.",
        (_FLUENT_BIT,),
    ),
    Hop(LOG, "elasticsearch", ELASTICSEARCH, _STORED, (_LOGSTASH,)),
    Hop(
        LOG,
        "grafana",
        GRAFANA,
        "Grafana's data source Logs: its password (grafana-reader), certificate and NetworkPolicy.",
    ),
    Hop(
        ALARM,
        "prometheus rule",
        PROMETHEUS,
        "Prometheus' pages /rules and /targets: is AverageCpuHigh loaded (runbook PrometheusRuleFailures), and is"
        " dataplatform-canary scraped?",
        (CANARY,),
    ),
    Hop(
        ALARM,
        "grafana rule",
        GRAFANA,
        "Grafana's alert rule AverageCpuHigh: is it provisioned (role alarms)? Does the canary's metric arrive?",
        (KAFKA, _LOGSTASH, ELASTICSEARCH),
    ),
    Hop(
        ALARM,
        NOTIFICATION,
        GRAFANA,
        "Grafana's contact points (runbook NotificationsFailing): SMTP, the Slack hook, the egress of its pods.",
    ),
    Hop(
        ALARM,
        EMAIL,
        GRAFANA,
        "The mail server took the message: its queue and log, the mailbox's spam folder, and SPF, DKIM and DMARC of"
        " grafana_smtp_from_address.",
    ),
    Hop(
        ALARM,
        SLACK,
        GRAFANA,
        "Slack took the message: is verify_slack_channel the channel that the webhook writes to? One that belongs to a"
        " Slack app writes to the channel it was made for: give the environment a slack_secret in alarms_environments.",
    ),
)


@dataclass(frozen=True)
class Finding:
    """What was found at a hop. Seconds are from when the canary was put there until it was at the hop."""

    signal: str
    hop: str
    status: Status
    seconds: float | None = None
    text: str = ""
    look: str = ""

    def public(self) -> dict[str, Any]:
        found = asdict(self)
        return {**found, "status": str(self.status)}


@dataclass(frozen=True)
class Readiness:
    """How many of a cluster's components are ready, and how many of those only look so."""

    total: int
    ready: int
    simulated: int
    not_ready: Sequence[str] = field(default_factory=tuple)

    @classmethod
    def of(cls, components: Iterable[Mapping[str, Any]]) -> Readiness:
        found = list(components)
        waiting = [f"{item['namespace']}/{item['name']}" for item in found if item["ready"] < item["desired"]]
        return cls(len(found), len(found) - len(waiting), sum(bool(item["simulated"]) for item in found), waiting)


def verdict(readiness: Readiness, findings: Sequence[Finding]) -> tuple[str, list[str]]:
    """V(verified), V(not_verified) or V(failed), and why it is not the first.

    >>> verdict(Readiness(1, 1, 0), [Finding("metric", "kafka", Status.SEEN, 3.0)])
    ('verified', [])
    """
    faults, gaps = [], []
    if not readiness.total:
        faults.append("there are no components")
    if readiness.not_ready:
        faults.append(f"not ready: {', '.join(readiness.not_ready)}")
    if readiness.simulated:
        gaps.append(
            f"{readiness.simulated} of {readiness.total} components are simulated: their readiness says nothing"
        )
    if not findings:
        gaps.append("no hop was checked")
    for signal in dict.fromkeys(finding.signal for finding in findings):
        of_it = [finding for finding in findings if finding.signal == signal]
        for bad in (finding for finding in of_it if finding.status in (Status.MISSING, Status.FAILED)):
            what = "does not arrive at" if bad.status == Status.MISSING else "could not be looked for at"
            faults.append(f"the canary's {signal} {what} {bad.hop}: {bad.text} Look at: {bad.look}")
        missed = [finding.hop for finding in of_it if finding.status == Status.NOT_RUN]
        if missed:
            gaps.append(f"{signal}: NOT RUN at {', '.join(missed)}")
    if faults:
        return "failed", [*faults, *gaps]
    return ("not_verified", gaps) if gaps else ("verified", [])


def table(name: str, findings: Sequence[Finding]) -> str:
    """What people read.

    >>> print(table("staging", [Finding("log", "kafka", Status.SEEN, 2.25)]))
    staging
    SIGNAL  HOP    RESULT  SECONDS
    log     kafka  seen    2.2
    """
    shown = {Status.NOT_RUN: "NOT RUN", Status.NOT_REACHED: "not reached", Status.MISSING: "MISSING"}
    shown[Status.FAILED] = "FAILED"
    rows = [_HEADS] + [
        (
            item.signal,
            item.hop,
            shown.get(item.status, str(item.status)),
            "" if item.seconds is None else f"{item.seconds:.1f}",
            item.text,
        )
        for item in findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in [name, *lines])
