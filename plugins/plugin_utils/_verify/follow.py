# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow a canary along the data path: hop after hop, each with a deadline, the signals side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from .._apply.errors import ApplyError
from . import alarm, canary
from .canary import Canary
from .cluster import Cluster
from .hops import (
    ALARM,
    CANARY,
    ELASTICSEARCH,
    EMAIL,
    GRAFANA,
    KAFKA,
    LOG,
    METRIC,
    NOTIFICATION,
    PATH,
    PROMETHEUS,
    SLACK,
    Finding,
    Hop,
    Status,
    Workload,
)
from .pods import AskError, Place, User

SIGNALS: Final = (METRIC, LOG, ALARM)
# Container, port and the name in the certificate, by workload.
_PLACES: Final = {
    CANARY: ("node-exporter", 9100, "platform-metrics"),
    PROMETHEUS: ("prometheus", 9090, "prometheus.agents.svc"),
    KAFKA: ("kafka", 0, ""),
    ELASTICSEARCH: ("elasticsearch", 9200, "elasticsearch.elasticsearch.svc"),
    GRAFANA: ("grafana", 3000, "grafana.grafana.svc"),
}
# What is not looked for unless an alarm is to be sent, and the options that say where.
_OPTIONAL: Final = (NOTIFICATION, EMAIL, SLACK)
_WHERE: Final = {EMAIL: "verify_email_host", SLACK: "verify_slack_channel"}
# How often it is said that a hop is waited for.
_TELL_SECONDS: Final = 15.0
# How often a mailbox and Slack are asked at most: each time is a login, and Slack counts.
_RECEIVER_SECONDS: Final = 10.0
Check = Callable[[Place, float], float | None]
Look = Callable[[Canary], float | None]
"""When the message of a canary's alarm was received, 0 if that is not told, None if it was not. Raises AskError."""


@dataclass(frozen=True)
class Settings:
    """How long is waited, in seconds, and what is asked as whom."""

    timeout: float = 180
    alarm_timeout: float = 420
    interval: float = 3
    kafka_in_cluster: bool = True
    environment: str = ""
    """Of the alarm's test receivers; without it nothing is sent."""
    receivers: Mapping[str, Look] = field(default_factory=dict)
    """Where the test alarm's message is looked for, by the hop."""
    elasticsearch: User = field(default_factory=lambda: User("", ""))
    grafana: User = field(default_factory=lambda: User("", ""))


class Follower:
    """Follows one canary."""

    def __init__(
        self,
        member: Cluster,
        controlplane: Cluster | None,
        followed: Canary,
        settings: Settings,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._member, self._controlplane = member, controlplane
        self._canary, self._settings = followed, settings
        # By what the test alarm was sent, once it was.
        self._sent: set[str] = set()
        self._lock = threading.Lock()
        self._show = report

    def follow(self) -> list[Finding]:
        """What is found at each hop, in the order of the path."""
        try:
            missing = self._source()
        except ApplyError as error:
            missing = Status.FAILED, str(error)
        with ThreadPoolExecutor(max_workers=len(SIGNALS), thread_name_prefix="canary") as pool:
            found = list(pool.map(lambda signal: self._signal(signal, missing), SIGNALS))
        return [finding for findings in found for finding in findings]

    def _source(self) -> tuple[Status, str] | None:
        """Wait for the canary's pod. Return what keeps all hops from being looked at, if anything does."""
        until = time.monotonic() + self._settings.timeout
        while True:
            pods = self._member.pods_of(CANARY)
            if pods and self._member.simulates(pods[0]):
                return Status.NOT_RUN, "The canary's pod is simulated: there is nothing to follow."
            if pods and pods[0].ready:
                return None
            if time.monotonic() >= until:
                why = f": {pods[0].problem}" if pods else ", because there is none"
                return Status.MISSING, f"The canary's pod is not ready within {self._settings.timeout:.0f} s{why}."
            time.sleep(self._settings.interval)

    def _signal(self, signal: str, missing: tuple[Status, str] | None) -> list[Finding]:
        found: list[Finding] = []
        blocked: tuple[Status, str] | None = missing
        for hop in (hop for hop in PATH if hop.signal == signal):
            if hop.name in _OPTIONAL and not self._settings.environment:
                finding = self._unasked(hop)
            elif blocked and (blocked[0] == Status.NOT_RUN or (hop.workload == CANARY and not found)):
                finding = self._finding(hop, blocked[0], text=blocked[1])
            elif blocked:
                finding = self._finding(hop, Status.NOT_REACHED)
            else:
                finding, blocked = self._look(hop)
            found.append(finding)
            seconds = "" if finding.seconds is None else f" after {finding.seconds:.1f} s"
            self._report(f"{signal}, {hop.name}: {finding.status.replace('_', ' ')}{seconds}")
        return found

    def _look(self, hop: Hop) -> tuple[Finding, tuple[Status, str] | None]:
        """What is found at one hop, and what keeps the next ones from being looked at."""
        if hop.workload == KAFKA and not self._settings.kafka_in_cluster:
            return self._finding(
                hop, Status.NOT_RUN, text="This Kafka is not in the cluster, so it is not asked."
            ), None
        for workload in (*hop.through, hop.workload):
            if workload.controlplane and self._controlplane is None:
                text = "The controlplane is not in this run: give its inventory too."
                return self._finding(hop, Status.NOT_RUN, text=text), (Status.NOT_RUN, text)
            component = self._cluster(workload).component(workload)
            if component is None and workload == hop.workload:
                text = f"There is no {workload}: it was not applied."
                return self._finding(hop, Status.FAILED, text=text), None
            if component is not None and component.simulated:
                text = f"{workload} is simulated: nothing arrives there."
                return self._finding(hop, Status.NOT_RUN, text=text), (Status.NOT_RUN, text)
        finding = self._wait(hop)
        # What was not sent cannot arrive; what could not be asked elsewhere may have come through all the same.
        lost = finding.status == Status.MISSING or (hop.name == NOTIFICATION and finding.status == Status.FAILED)
        return finding, (Status.MISSING, "") if lost and hop.name not in (EMAIL, SLACK) else None

    def _wait(self, hop: Hop) -> Finding:
        if hop.name == NOTIFICATION:
            return self._notified(hop)
        if hop.name in (EMAIL, SLACK):
            return self._received(hop)
        check = self._check(hop)
        timeout = self._settings.alarm_timeout if hop.signal == ALARM else self._settings.timeout
        return self._poll(hop, lambda seconds: check(self._place(hop.workload), seconds), timeout)

    def _poll(self, hop: Hop, check: Callable[[float], float | None], timeout: float, interval: float = 0) -> Finding:
        begun = time.monotonic()
        told = begun
        while True:
            error, at = "", None
            try:
                at = check(max(1.0, timeout - (time.monotonic() - begun)))
            except ApplyError as problem:
                error = str(problem)
            if at is not None:
                return self._finding(hop, Status.SEEN, max(0.0, (at or time.time()) - self._canary.since))
            if time.monotonic() - begun >= timeout:
                text = error or f"Not seen within {timeout:.0f} s."
                return self._finding(hop, Status.FAILED if error else Status.MISSING, text=text)
            if time.monotonic() - told >= _TELL_SECONDS:
                told = time.monotonic()
                waited = f"waiting for {told - begun:.0f} of {timeout:.0f} s"
                self._report(f"{hop.signal}, {hop.name}: {waited}{f' ({error})' if error else ''}")
            time.sleep(interval or self._settings.interval)

    def _check(self, hop: Hop) -> Check:
        settings, followed = self._settings, self._canary
        pods, log = self._cluster(hop.workload).pods, hop.signal == LOG
        topic = f"{'logs' if log else 'metrics'}-{followed.member}"
        checks: dict[tuple[str, str], Check] = {
            (METRIC, "exporter"): lambda place, _: canary.on_page(pods, place, followed),
            (METRIC, "prometheus"): lambda place, _: canary.in_prometheus(pods, place, followed),
            (LOG, "container"): lambda place, _: canary.in_log(pods, place, followed),
            (ALARM, "prometheus rule"): lambda place, _: alarm.at_edge(pods, place, followed),
            (ALARM, "grafana rule"): lambda place, _: alarm.in_grafana(pods, place, followed, settings.grafana),
        }
        for_both: dict[str, Check] = {
            "kafka": lambda place, seconds: canary.in_kafka(
                pods, place, followed, topic, now=time.time(), seconds=seconds
            ),
            "elasticsearch": lambda place, _: canary.in_elasticsearch(
                pods, place, followed, settings.elasticsearch, log=log
            ),
            "grafana": lambda place, _: canary.in_grafana(pods, place, followed, settings.grafana, log=log),
        }
        return checks.get((hop.signal, hop.name)) or for_both[hop.name]

    def _notified(self, hop: Hop) -> Finding:
        settings = self._settings
        try:
            place = self._place(hop.workload)
            pods = self._cluster(hop.workload).pods
            sent = alarm.Notification(pods, place, settings.grafana, self._canary, settings.environment)
            sent.begin()
        except ApplyError as error:
            return self._finding(hop, Status.FAILED, text=str(error))
        try:
            finding = self._poll(hop, lambda _: sent(), settings.alarm_timeout)
            self._sent = sent.kinds
            return finding
        finally:
            # What is left is taken away by the next run; the hop's result is what matters.
            with suppress(AskError):
                sent.end()

    def _received(self, hop: Hop) -> Finding:
        if hop.name not in self._sent:
            return self._finding(hop, Status.OFF, text=f"The environment's test receivers have no {hop.name}.")
        look = self._settings.receivers.get(hop.name)
        if look is None:
            text = f"It is not known where to look: {_WHERE[hop.name]}."
            return self._finding(hop, Status.NOT_RUN, text=text)
        timeout = self._settings.timeout
        # A short time is a short patience, too.
        return self._poll(hop, lambda _: look(self._canary), timeout, min(_RECEIVER_SECONDS, timeout / 2))

    def _unasked(self, hop: Hop) -> Finding:
        if hop.name in self._settings.receivers:
            text = f"{_WHERE[hop.name]} is given, but nothing is sent without verify_alarm_environment."
            return self._finding(hop, Status.NOT_RUN, text=text)
        return self._finding(hop, Status.OFF, text="No test receivers are given: verify_alarm_environment.")

    def _place(self, workload: Workload) -> Place:
        container, port, name = _PLACES[workload]
        pod = self._cluster(workload).ready_pod(workload)
        return Place(workload.namespace, pod.name, container, port, name)

    def _cluster(self, workload: Workload) -> Cluster:
        if not workload.controlplane:
            return self._member
        if self._controlplane is None:
            raise AssertionError("hops of the controlplane are looked at only where it is reached")
        return self._controlplane

    @staticmethod
    def _finding(hop: Hop, status: Status, seconds: float | None = None, text: str = "") -> Finding:
        look = hop.look if status in (Status.MISSING, Status.FAILED) else ""
        return Finding(hop.signal, hop.name, status, seconds, text, look)

    def _report(self, text: str) -> None:
        with self._lock:
            self._show(text)
