# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the canary is, and how each hop is asked for it: requests, and what their answers say. Times are UTC seconds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from .kafka import SCRIPT
from .pods import Answer, AskError, Place, Pods, User

METRIC: Final = "dataplatform_canary"
CPU: Final = "dataplatform_canary_cpu_seconds_total"
ALERTS: Final = "dataplatform_canary_alerts"
# What the samples of a canary are looked for in: it is younger.
_WINDOW: Final = "30m"
# How much older than the canary the oldest message is that the consumer in Kafka reads: clocks differ.
_MARGIN: Final = 60.0
_CREATED: Final = re.compile(r"^CreateTime:(\d+)\t")


@dataclass(frozen=True)
class Canary:
    """A run's canary in a member's cluster: its name is a label of its series, and a word of its log line."""

    run: str
    member: str
    since: float

    def selector(self, metric: str = METRIC) -> str:
        return f'{metric}{{run="{self.run}"}}'


def on_page(pods: Pods, place: Place, canary: Canary) -> float | None:
    """Whether the exporter's page has the metric. The time is that of asking, which the caller knows."""
    answer = _fine(pods.https(place, "GET", "/metrics"))
    return 0.0 if canary.selector() in answer.data.decode(errors="replace") else None


def in_log(pods: Pods, place: Place, canary: Canary) -> float | None:
    """When the container wrote the line that has the canary's name."""
    for line in pods.log(place).splitlines():
        if canary.run in line:
            return _time(line.partition(" ")[0])
    return None


def in_prometheus(pods: Pods, place: Place, canary: Canary) -> float | None:
    """When Prometheus has scraped it first."""
    samples = promql(pods, place, f"{canary.selector()}[{_WINDOW}]")
    times = [float(value[0]) for series in samples for value in series["values"]]
    return min(times, default=None)


def promql(pods: Pods, place: Place, query: str) -> list[dict[str, Any]]:
    """The result of an instant query of Prometheus' own API."""
    path = f"/api/v1/query?{urlencode({'query': query})}"
    found = pods.https(place, "GET", path).json()
    if found.get("status") != "success":
        raise AskError(f"Prometheus refuses the query: {found.get('error') or 'it does not say why'}")
    result: list[dict[str, Any]] = found["data"]["result"]
    return result


def in_kafka(pods: Pods, place: Place, canary: Canary, topic: str, *, now: float, seconds: float) -> float | None:
    """When the canary's first message was produced to the topic, read by Kafka's own consumer in a broker's pod.

    It reads from a little before the canary on, until it is there or the seconds are over.
    """
    window = int(now - canary.since + _MARGIN)
    command = ["/bin/bash", "-c", SCRIPT, "verify"]
    command += [topic, canary.run, str(window), str(int(seconds))]
    ran = pods.run(place, command, seconds + 30)
    found = _CREATED.match(ran.out)
    if found:
        return int(found[1]) / 1000
    if ran.code == 0:
        return None
    # Of a Java stack the innermost cause says most.
    lines = [line.strip() for line in ran.err.splitlines() if line.strip() and not line.startswith("\tat ")]
    told = [line for line in lines if "Exception" in line or "ERROR" in line] or lines or [f"exit code {ran.code}"]
    raise AskError(f"Kafka's consumer failed: {told[-1].removeprefix('Caused by: ')}")


def in_elasticsearch(pods: Pods, place: Place, canary: Canary, user: User, *, log: bool) -> float | None:
    """Whether the document can be found; the time is that of asking. A data stream that is not there has none."""
    if log:
        stream = f"logs-k8s.container-{canary.member}"
        query: dict[str, Any] = {"match_phrase": {"message": canary.run}}
    else:
        stream = f"metrics-k8s.prometheus-{canary.member}"
        terms = [{"term": {"labels.__name__": METRIC}}, {"term": {"labels.run": canary.run}}]
        query = {"bool": {"filter": terms}}
    body = {"query": query, "size": 0, "track_total_hits": 1}
    answer = pods.https(place, "POST", f"/{quote(stream)}/_search?ignore_unavailable=true", user=user, body=body)
    total = _fine(answer).json()["hits"]["total"]["value"]
    return 0.0 if total else None


def in_grafana(pods: Pods, place: Place, canary: Canary, user: User, *, log: bool) -> float | None:
    """Whether Grafana gets it from the data source that dashboards have; the time is that of asking."""
    if log:
        query: dict[str, Any] = {
            "refId": "A",
            "datasource": {"type": "elasticsearch", "uid": "logs"},
            "query": f'message:"{canary.run}"',
            "metrics": [{"id": "1", "type": "logs", "settings": {"limit": "1"}}],
            "bucketAggs": [],
            "timeField": "@timestamp",
        }
    else:
        query = {
            "refId": "A",
            "datasource": {"type": "prometheus", "uid": "metrics"},
            "expr": canary.selector(),
            "instant": True,
            "range": False,
        }
    return 0.0 if values(asked(pods, place, user, [query]), "A") else None


def asked(pods: Pods, place: Place, user: User, queries: list[dict[str, Any]]) -> dict[str, Any]:
    """The results of queries of Grafana's data sources and expressions, by their refId."""
    answer = pods.https(
        place, "POST", "/api/ds/query", user=user, body={"queries": queries, "from": f"now-{_WINDOW}", "to": "now"}
    )
    if answer.status in (401, 403):
        raise AskError(f"Grafana refuses the user {user.name} (HTTP {answer.status}).")
    found = answer.json()
    results: dict[str, Any] = found.get("results") or {}
    for result in results.values():
        if result.get("error"):
            raise AskError(f"Grafana's data source refuses the query: {result['error']}")
    if not results:
        raise AskError(f"Grafana refuses the query: {found.get('message') or f'HTTP {answer.status}'}")
    return results


def values(results: dict[str, Any], name: str) -> list[list[Any]]:
    """The columns of all frames of one query that have rows: the last one of each is the value, or the line."""
    frames = (results.get(name) or {}).get("frames") or []
    columns = [(frame.get("data") or {}).get("values") or [] for frame in frames]
    return [list(column[-1]) for column in columns if column and column[-1]]


def _fine(answer: Answer) -> Answer:
    if answer.status >= 400:
        reason = answer.data[:300].decode(errors="replace")
        try:
            error = json.loads(reason).get("error")
            reason = error.get("reason") or reason if isinstance(error, dict) else error or reason
        except (ValueError, AttributeError):
            pass
        raise AskError(f"HTTP {answer.status}: {' '.join(str(reason).split())}")
    return answer


def _time(text: str) -> float:
    """The time of a line of a container's log, RFC 3339 with nanoseconds."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise AskError(f"The log's line has no time in front: {text[:40]!r}.") from None
