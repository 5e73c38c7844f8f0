# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a runbook greps for is a line that the named program writes, by its own source."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from observability.alarms import ALARMS


class Line(NamedTuple):
    """A line that a program writes, with its variable parts filled in, and where its source has it."""

    text: str
    source: str


# By a word of the command that shows them: a namespace, or what is asked of the API server.
LINES = {
    "grafana": (
        # JSON of go-kit has its keys in alphabetical order: the level comes before the logger.
        Line(
            '{"error":"failed to execute query","level":"error","logger":"ngalert.scheduler","msg":"Failed to evaluate'
            ' rule","t":"2026-11-30T08:00:00Z"}',
            "grafana v13.2: pkg/infra/log/log.go, pkg/services/ngalert/schedule/alert_rule.go",
        ),
        Line(
            '{"level":"error","logger":"ngalert.notifier.alertmanager","msg":"Notify for alerts failed"}',
            "grafana/alerting: notify/grafana_alertmanager.go",
        ),
    ),
    "ingress-nginx": (
        Line("nginx: [emerg] duplicate listen options", "nginx 1.31: src/core/ngx_log.c, err_levels"),
        Line(
            "[error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream",
            "nginx 1.31: src/http/ngx_http_upstream.c",
        ),
        Line("[alert] 7#7: 1024 worker_connections are not enough", "nginx 1.31: src/core/ngx_connection.c"),
    ),
    "kafka": (
        Line(
            "Failed authentication with /10.0.0.1 (SSL handshake failed)",
            "apache/kafka 4.3: clients/src/main/java/org/apache/kafka/common/network/Selector.java",
        ),
        Line(
            "Failed re-authentication with /10.0.0.1 (Cannot change principals)",
            "apache/kafka 4.3: clients/src/main/java/org/apache/kafka/common/network/Selector.java",
        ),
    ),
    "logstash": (
        Line(
            "Events could not be indexed and routing to DLQ",
            "logstash-output-elasticsearch 12.1: lib/logstash/plugin_mixins/elasticsearch/common.rb",
        ),
    ),
    "telegraf": (
        Line(
            "E! [inputs.x509_cert] Error in plugin: cannot get SSL cert '/etc/cert.pem'",
            "influxdata/telegraf v1.39: agent/accumulator.go, plugins/inputs/x509_cert/x509_cert.go",
        ),
    ),
    "apiservices": (
        Line("v1beta1.metrics.k8s.io   kube-system/metrics-server   False (MissingEndpoints)   5d", "kube-aggregator"),
    ),
    "/metrics": (
        Line(
            "apiserver_flowcontrol_rejected_requests_total{flow_schema=...",
            "kubernetes: staging/src/k8s.io/apiserver/pkg/util/flowcontrol/metrics/metrics.go",
        ),
    ),
    "describe": (Line("Allocatable:", "kubernetes: staging/src/k8s.io/kubectl/pkg/describe/describe.go"),),
}
# Lines that a page quotes in italics: those of programs that log much else.
QUOTED = {
    "Retrying failed action": "logstash-output-elasticsearch 12.1: lib/logstash/plugin_mixins/elasticsearch/common.rb",
    "Attempted to send a bulk request": "the same",
    "Group coordinator ... is unavailable or invalid": "apache/kafka 4.3: AbstractCoordinator.java",
    "Logstash failed to create queue": "elastic/logstash 9.5: AbstractPipelineExt.java",
}


def filters() -> Iterator[tuple[str, str, tuple[Line, ...], list[re.Pattern[str]], bool]]:
    """Each command with grep: its page, itself, the lines it is given, what they must match, whether inverted."""
    for alarm in ALARMS:
        for text in (*alarm.runbook.look, *alarm.runbook.mend):
            shown, *rest = text.split(" | ")
            greps = [shlex.split(part)[1:] for part in rest if part.startswith("grep ")]
            if not text.startswith("$ ") or not greps:
                continue
            words = re.split(r"[ /]", shown) + ["/metrics"] * ("/metrics" in shown)
            lines = [line for name, known in LINES.items() if name in words for line in known]
            patterns, inverted = [], False
            for *options, pattern in greps:
                inverted |= "-v" in options
                # A basic regular expression; none of the pages has one that Python reads otherwise.
                patterns.append(re.compile(pattern, re.IGNORECASE if "-i" in options else 0))
            yield alarm.name, text, tuple(lines), patterns, inverted


@pytest.mark.parametrize(
    ("text", "lines", "patterns", "inverted"),
    [pytest.param(*case, id=f"{name}-{number}") for number, (name, *case) in enumerate(filters())],
)
def test_finds_a_line_that_the_program_writes(
    text: str, lines: tuple[Line, ...], patterns: list[re.Pattern[str]], inverted: bool
) -> None:
    assert lines, f"{text}: LINES has none of what this shows"
    found = [line for line in lines if all(bool(each.search(line.text)) is not inverted for each in patterns)]
    assert found, f"{text} finds none of {[line.text for line in lines]}"


def test_every_line_is_looked_for() -> None:
    looked = {
        line
        for _, _, lines, patterns, inverted in filters()
        for line in lines
        if all(bool(each.search(line.text)) is not inverted for each in patterns)
    }
    assert looked == {line for lines in LINES.values() for line in lines}


def test_logstashs_pages_quote_lines_that_are_known() -> None:
    texts = [
        line
        for alarm in ALARMS
        if alarm.component == "logstash"
        for line in (*alarm.runbook.look, *alarm.runbook.mend)
        if "ashboard" not in line
    ]
    quoted = {found for line in texts for found in re.findall(r"\*([^*]{8,})\*", line)}
    assert quoted == set(QUOTED)
