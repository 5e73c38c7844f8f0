# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns in runbooks match lines that the programs log, according to their source."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from observability.alarms import ALARMS
from observability.alarms.pages import read
from observability.dashboards import DASHBOARDS

CHECKOUT = Path(__file__).parents[3]


class Line(NamedTuple):
    """A line that a program logs, with example values, and its place in the source."""

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
    "node-agents": (
        Line(
            "[ warn] [output:kafka:kafka] message delivery failed: Broker: Message size too large",
            "fluent-bit 5.1: plugins/out_kafka/kafka.c",
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
_SCHEDULER = "kubernetes: pkg/scheduler/framework/plugins, of each plugin its reason"
_X509 = "go: crypto/x509/verify.go"
_BROKER = "librdkafka 2.15: src/rdkafka_broker.c"
_TELEGRAF = "influxdata/telegraf v1.39: plugins/outputs/kafka/kafka.go"
_OUTPUT = "logstash-output-elasticsearch 12.1: lib/logstash/plugin_mixins/elasticsearch/common.rb"
# What a page quotes in italics of messages that its commands show.
QUOTED = {
    "401": Line("unexpected status from HEAD request: 401 Unauthorized", "containerd: core/remotes/docker"),
    "403": Line("unexpected status from HEAD request: 403 Forbidden", "containerd: core/remotes/docker"),
    "404": Line("404 no_service", "https://api.slack.com/messaging/webhooks#handling_errors"),
    "413": Line("server returned HTTP status 413", "prometheus v3: storage/remote/client.go"),
    "429": Line("429 Too Many Requests", "containerd: core/remotes/docker"),
    "AccessDenied": Line("AccessDenied", "Amazon S3: Error Responses"),
    "Attempted to send a bulk request": Line(
        "Attempted to send a bulk request but Elasticsearch appears to be unreachable or down", _OUTPUT
    ),
    "Error": Line("Last State: Terminated, Reason: Error, Exit Code: 137", "kubectl: pkg/describe/describe.go"),
    "Group coordinator ... is unavailable or invalid": Line(
        "Group coordinator kafka-0:9094 is unavailable or invalid due to cause: coordinator unavailable.",
        "apache/kafka 4.3: clients/src/main/java/org/apache/kafka/clients/consumer/internals/AbstractCoordinator.java",
    ),
    "InsufficientInstanceCapacity": Line("InsufficientInstanceCapacity", "Amazon EC2: Error codes"),
    "Insufficient cpu": Line("0/3 nodes are available: 3 Insufficient cpu.", _SCHEDULER),
    "Insufficient memory": Line("0/3 nodes are available: 3 Insufficient memory.", _SCHEDULER),
    "Limit of total fields": Line(
        "Limit of total fields [20000] has been exceeded while adding new fields [1]",
        "elasticsearch 9.5: server/.../index/mapper/MappingLookup.java",
    ),
    "Logstash failed to create queue": Line(
        "Logstash failed to create queue.", "elastic/logstash 9.5: logstash-core/.../AbstractPipelineExt.java"
    ),
    "Message size too large": Line("Broker: Message size too large", "librdkafka 2.15: src/rdkafka.c"),
    "OOMKilled": Line("Last State: Terminated, Reason: OOMKilled", "kubernetes: pkg/kubelet/kuberuntime"),
    "Retrying failed action": Line("Retrying failed action", _OUTPUT),
    "SASL Authentication failed": Line("kafka server: SASL Authentication failed", "IBM/sarama: errors.go"),
    "SASL authentication error": Line(
        "SASL authentication error: Authentication failed", "librdkafka 2.15: src/rdkafka_request.c"
    ),
    "Topic authorization failed": Line("Broker: Topic authorization failed", "librdkafka 2.15: src/rdkafka.c"),
    "VcpuLimitExceeded": Line("VcpuLimitExceeded", "Amazon EC2: Error codes"),
    "VolumeLimitExceeded": Line("VolumeLimitExceeded", "Amazon EC2: Error codes"),
    "certificate has expired": Line("x509: certificate has expired or is not yet valid", _X509),
    "cluster_block_exception": Line(
        '"type"=>"cluster_block_exception", "reason"=>"index [.ds-m-000001] blocked by: [FORBIDDEN/8/index write]"',
        "elasticsearch 9.5: server/.../cluster/block/ClusterBlockException.java",
    ),
    "connection refused": Line("dial tcp 10.0.0.1:9100: connect: connection refused", "go: syscall/zerrors_linux.go"),
    "context deadline exceeded": Line("context deadline exceeded", "go: context/context.go"),
    "didn't match Pod's node affinity": Line("node(s) didn't match Pod's node affinity/selector", _SCHEDULER),
    "i/o timeout": Line("dial tcp 10.0.0.1:443: i/o timeout", "go: net/net.go"),
    "invalid_token": Line("invalid_token", "https://api.slack.com/messaging/webhooks#handling_errors"),
    "max_retry": Line('"decider": "max_retry"', "elasticsearch 9.5: MaxRetryAllocationDecider.java"),
    "not authorized": Line("You are not authorized to perform this operation.", "Amazon EC2: Error codes"),
    "not found": Line("failed to resolve reference: not found", "containerd: core/remotes/docker/resolver.go"),
    "query timed out": Line("query timed out in expression evaluation", "prometheus v3: promql/engine.go"),
    "security_exception": Line(
        '"type"=>"security_exception", "reason"=>"action [indices:data/write/bulk[s]] is unauthorized for user"',
        "elasticsearch 9.5: x-pack/plugin/core/.../security/support/Exceptions.java",
    ),
    "too many missed start times": Line(
        "too many missed start times: 101. Set or decrease .spec.startingDeadlineSeconds or check clock skew",
        "kubernetes: pkg/controller/cronjob/utils.go",
    ),
    "unbound immediate PersistentVolumeClaims": Line("pod has unbound immediate PersistentVolumeClaims", _SCHEDULER),
    "unknown authority": Line("x509: certificate signed by unknown authority", _X509),
    "untolerated taint": Line("node(s) had untolerated taint(s)", _SCHEDULER),
    "Connection refused": Line(
        "Connect to ipv4#10.0.0.1:9094 failed: Connection refused (after 0ms in state CONNECT)", _BROKER
    ),
    "Failed to resolve": Line(
        "Failed to resolve 'kafka-0.dataplatform.internal:9094': Name or service not known", _BROKER
    ),
    "Message too large": Line("Message too large, consider increasing `max_message_bytes`; dropping batch", _TELEGRAF),
    "The timestamp of the message is out of acceptable range": Line(
        "The timestamp of the message is out of acceptable range, consider increasing broker", _TELEGRAF
    ),
    "out of acceptable range": Line(
        "The timestamp of the message is out of acceptable range, consider increasing broker", _TELEGRAF
    ),
    "SSL handshake failed": Line(
        "SSL handshake failed: certificate verify failed", "librdkafka 2.15: src/rdkafka_ssl.c"
    ),
    "Too many open files": Line("[tail_file.c:1419 errno=24] Too many open files", "glibc: errno 24"),
    "Unknown topic or partition": Line("Broker: Unknown topic or partition", "librdkafka 2.15: src/rdkafka.c"),
    "evicted from output queue": Line(
        "chunk '1-1.flb' evicted from output queue to make room under storage.total_limit_size",
        "fluent-bit 5.1: src/flb_input_chunk.c",
    ),
    "kubelet upstream connection error": Line(
        "[error] [filter:kubernetes:metadata] kubelet upstream connection error",
        "fluent-bit 5.1: plugins/filter_kubernetes/kube_meta.c",
    ),
    "timed out": Line("Connection setup timed out in state CONNECT", _BROKER),
}
# What pages name in italics: dashboards, and the pages, data sources and views of Grafana, Kibana and Prometheus.
NAMES = {item.title for board in DASHBOARDS for item in (board, *board.rows, *board.panels)} | {
    "API server", "Alerting", "Telegraf", "Dev Tools", "Logs", "NGINX", "Rules", "logs", "metrics"
}  # fmt: skip


def filters() -> Iterator[tuple[str, str, tuple[Line, ...], list[re.Pattern[str]], bool]]:
    """Each command with grep: its page, itself, the lines it is given, what they must match, whether inverted."""
    for alarm in ALARMS:
        for text in read(CHECKOUT, alarm).lines:
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


def test_quotations_of_pages_are_known_and_used() -> None:
    quoted = {
        found
        for alarm in ALARMS
        for line in read(CHECKOUT, alarm).lines
        if not line.startswith("$ ")
        for found in re.findall(r"\*([^*]+)\*", re.sub(r"`[^`]*`", "", line))
    }
    assert quoted - NAMES == set(QUOTED)


@pytest.mark.parametrize("quotation", QUOTED)
def test_a_quotation_is_of_its_line(quotation: str) -> None:
    assert all(part in QUOTED[quotation].text for part in quotation.split(" ... "))
