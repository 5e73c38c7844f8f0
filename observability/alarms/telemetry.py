# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about what gathers and sends: Prometheus, the bridge to Kafka, Fluent Bit."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where, grown

_PROMETHEUS_LOGS = (
    "$ kubectl --context CLUSTER --namespace agents logs statefulset/prometheus --container prometheus --tail=100"
)
_BRIDGE_LOGS = (
    "$ kubectl --context CLUSTER --namespace agents logs statefulset/prometheus --container telegraf --tail=100"
)
_FLUENT_LOGS = "$ kubectl --context CLUSTER --namespace node-agents logs POD --tail=100"
_KAFKA_REACHED = (
    "Is Kafka reached from this cluster? `kafka-bootstrap.<fleet>.internal:9094` must resolve and answer: the peering, "
    "its routes, Kafka's security group, the member's credential."
)
_PROMETHEUS = 'job="prometheus",instance="10.0.0.1:9090"'
_HIGHEST = "prometheus_remote_storage_queue_highest"
_QUEUE = f'{{{_PROMETHEUS},remote_name="bridge"}}'
_OUTPUT = 'job="telegraf",output="kafka"'
_BRIDGE = 'namespace="agents",pod="prometheus-0",container="telegraf"'
_FLUENT_TROUBLE = (
    'job="fluent-bit",namespace="node-agents",pod="fluent-bit-1",node="node-1",container="fluent-bit",'
    'instance="10.0.0.2:2021"'
)
_FLUENT = f'{_FLUENT_TROUBLE},name="kafka"'
# Prometheus was away for 20 minutes; in this time nothing has grown.
_AWAY = {f"up{{{_FLUENT_TROUBLE}}}": "1x20 _x20 1x40"}
_FLUENT_NODE = {"pod": "fluent-bit-1", "node": "node-1"}
_FLUENT_LABELS = {"pod": "fluent-bit-1", "name": "kafka"}


TOPIC = Topic(
    name="telemetry",
    title="Prometheus, bridge and Fluent Bit",
    alarms=(
        Alarm(
            name="Watchdog",
            severity=Severity.INFO,
            component="alarms",
            where=Where.EDGE,
            query="vector(1)",
            hold="0m",
            summary="The alarms of {{ $labels.cluster }} are alive",
            description="Always fires. Its absence is what counts.",
            runbook=Runbook(
                meaning="This alarm fires always, on every cluster, and goes to the external heartbeat service, not "
                "to people.",
                impact="None. If the heartbeat service says that it has stopped, no alarm of the platform can be "
                "trusted.",
                look=(
                    "Heartbeat stopped: follow it back. Does Grafana run?",
                    "$ kubectl --context controlplane --namespace grafana get pods",
                    "Do the samples of the controlplane arrive? Grafana, Explore, data source *metrics*: "
                    '`ALERTS{alertname="Watchdog"}`; dashboard *Pipeline* shows the hop where they stop.',
                    "Has Grafana a way to the heartbeat URL (NetworkPolicy, proxy)? Its log has `component=alerting`.",
                ),
                fix=(
                    "Fix the hop; the heartbeat comes back by itself.",
                    "No heartbeat URL set: `alarms_heartbeat_url` of the role `alarms`.",
                ),
            ),
            always=True,
            firing=Fixture(series={'up{job="prometheus"}': "1x60"}, alerts=({},)),
        ),
        Alarm(
            name="TargetDown",
            severity=Severity.WARNING,
            component="prometheus",
            where=Where.EDGE,
            query="100 * count by (job) (up == 0) / count by (job) (up)",
            op=">",
            threshold=10,
            hold="10m",
            summary="Targets of {{ $labels.job }} in {{ $labels.cluster }} do not answer Prometheus",
            description="More than a tenth of the targets of this job have not answered for ten minutes.",
            runbook=Runbook(
                meaning="Scrapes fail: the pod is ill, its port is closed to Prometheus, or TLS does not verify.",
                impact="Metrics and alarms about it are missing.",
                look=(
                    "The reason is on Prometheus' page of targets:",
                    "$ kubectl --context CLUSTER --namespace agents port-forward statefulset/prometheus 9090",
                    "Open `https://localhost:9090/targets?search=JOB` (the certificate is the fleet's).",
                ),
                fix=(
                    "*context deadline exceeded*: a NetworkPolicy does not admit Prometheus (from namespace "
                    "`agents`, label "
                    "`app.kubernetes.io/name: prometheus`), or the target is overloaded.",
                    "*certificate has expired* or *unknown authority*: run the playbook of that component; any run "
                    "renews.",
                    "*connection refused*: the pod; look at its log.",
                ),
            ),
            firing=Fixture(
                series={
                    'up{job="node-exporter",instance="a"}': "0x60",
                    'up{job="node-exporter",instance="b"}': "1x60",
                },
                alerts=({"job": "node-exporter"},),
            ),
            silent=Fixture(
                series={f'up{{job="node-exporter",instance="{name}"}}': "1x60" for name in "abcdefghijk"}
                | {'up{job="node-exporter",instance="z"}': "0x60"}
            ),
        ),
        Alarm(
            name="PrometheusRemoteWriteBehind",
            severity=Severity.CRITICAL,
            component="prometheus",
            where=Where.EDGE,
            direct=True,
            # Not against queue_highest_timestamp: that one stands still too when the queue is full.
            query="time() - max by (remote_name) (prometheus_remote_storage_queue_highest_sent_timestamp_seconds)",
            op=">",
            threshold=120,
            hold="10m",
            summary="Prometheus of {{ $labels.cluster }} sends two minutes late",
            description="The newest sample that the bridge has taken is more than two minutes old.",
            runbook=Runbook(
                meaning="The remote-write queue does not keep up: the bridge is slow or away.",
                impact="Dashboards and alarms lag. Samples wait in Prometheus' write-ahead log; after about two "
                "hours they "
                "are lost.",
                look=(
                    "Grafana, dashboard *Bridge*: shards at their maximum? Does the bridge answer errors?",
                    _BRIDGE_LOGS,
                    _PROMETHEUS_LOGS,
                ),
                fix=(
                    "The bridge is throttled or out of memory: `prometheus_size: large`.",
                    "The bridge is ill: delete the pod `prometheus-0`; the write-ahead log is replayed.",
                    "Too many series since some deployment: dashboard *Prometheus*, top series by metric; drop them "
                    "by a "
                    "relabelling rule.",
                ),
            ),
            # Observed, 3.16, with a bridge that answers 500: 25, 50, 75 s, and on; the highest in the queue less the
            # highest sent was 20 s each time, because the queue was full after 20 s.
            firing=Fixture(
                series={f"{_HIGHEST}_sent_timestamp_seconds{_QUEUE}": "0+60x10 600x50"},
                alerts=({"remote_name": "bridge"},),
            ),
            silent=Fixture(series={f"{_HIGHEST}_sent_timestamp_seconds{_QUEUE}": "0+60x60"}),
        ),
        Alarm(
            name="PrometheusRemoteWriteFailing",
            severity=Severity.CRITICAL,
            component="prometheus",
            where=Where.EDGE,
            direct=True,
            query="sum by (remote_name) (rate(prometheus_remote_storage_samples_failed_total[5m]))",
            op=">",
            threshold=0,
            hold="10m",
            summary="Prometheus of {{ $labels.cluster }} loses samples on the way to the bridge",
            description="The bridge has refused samples for ten minutes; what it refuses is not sent again.",
            runbook=Runbook(
                meaning="The bridge answers with an error that cannot be retried (4xx).",
                impact="These samples never reach Kafka.",
                look=(
                    _PROMETHEUS_LOGS,
                    _BRIDGE_LOGS,
                    "The answer's text is in Prometheus' log: `non-recoverable error`.",
                ),
                fix=(
                    "*413*: `max_body_size` of the bridge is smaller than a message; run `--tags prometheus` if "
                    "somebody "
                    "edited the ConfigMap.",
                    "Else the parser: a label or value that it does not take; find the metric in the log and drop it.",
                ),
            ),
            # Observed, 3.16: 400 adds all that is sent; 500 and a refused connection are tried again and add nothing.
            firing=Fixture(
                series={
                    f'prometheus_remote_storage_samples_failed_total{{{_PROMETHEUS},remote_name="bridge"}}': "0+10x60"
                },
                alerts=({"remote_name": "bridge"},),
            ),
            silent=Fixture(
                series={f'prometheus_remote_storage_samples_failed_total{{{_PROMETHEUS},remote_name="bridge"}}': "7x60"}
            ),
        ),
        Alarm(
            name="PrometheusRuleFailures",
            severity=Severity.CRITICAL,
            component="prometheus",
            where=Where.EDGE,
            direct=True,
            query="sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[5m]))",
            op=">",
            threshold=0,
            hold="10m",
            summary="Rules of Prometheus in {{ $labels.cluster }} fail",
            description="Group {{ $labels.rule_group }} has had failures for ten minutes: its alarms may be blind.",
            runbook=Runbook(
                meaning="An expression does not evaluate: mostly duplicate series after a join, or a time-out.",
                impact="The alarms and recorded series of that group are missing.",
                look=(
                    _PROMETHEUS_LOGS,
                    "The page *Rules* of Prometheus shows the error at the rule (port-forward as in "
                    "[TargetDown](TargetDown.md)).",
                ),
                fix=(
                    "Duplicate series: two exporters of one kind on the cluster; remove one.",
                    "*query timed out*: `prometheus_size: large`.",
                ),
            ),
            firing=Fixture(
                series={f'prometheus_rule_evaluation_failures_total{{{_PROMETHEUS},rule_group="nodes"}}': "0+1x60"},
                alerts=({"rule_group": "nodes"},),
            ),
            silent=Fixture(
                series={f'prometheus_rule_evaluation_failures_total{{{_PROMETHEUS},rule_group="nodes"}}': "3x60"}
            ),
        ),
        Alarm(
            name="PrometheusConfigRejected",
            severity=Severity.WARNING,
            component="prometheus",
            where=Where.EDGE,
            query='min by (instance) (prometheus_config_last_reload_successful{job="prometheus"})',
            op="<",
            threshold=1,
            hold="5m",
            summary="Prometheus of {{ $labels.cluster }} has rejected its configuration",
            description="The last reload failed; Prometheus runs with what it had before.",
            runbook=Runbook(
                meaning="The configuration or a rule file does not parse.",
                impact="New rules and targets have no effect; a restart would fail.",
                look=(_PROMETHEUS_LOGS,),
                fix=(
                    "`ansible-playbook site.yml -i inventories/CLUSTER --tags prometheus` puts back what was edited.",
                ),
            ),
            firing=Fixture(
                series={f"prometheus_config_last_reload_successful{{{_PROMETHEUS}}}": "0x60"},
                alerts=({"instance": "10.0.0.1:9090"},),
            ),
            silent=Fixture(series={f"prometheus_config_last_reload_successful{{{_PROMETHEUS}}}": "1x60"}),
        ),
        Alarm(
            name="PrometheusStorageFailing",
            severity=Severity.CRITICAL,
            component="prometheus",
            where=Where.EDGE,
            direct=True,
            query="sum by (instance) (increase(prometheus_tsdb_compactions_failed_total[3h]) "
            "+ increase(prometheus_tsdb_reloads_failures_total[3h]) + "
            "increase(prometheus_tsdb_wal_corruptions_total[3h]))",
            op=">",
            threshold=0,
            hold="5m",
            summary="Prometheus of {{ $labels.cluster }} has trouble with its storage",
            description="Compactions or reloads of blocks fail, or the write-ahead log is damaged.",
            runbook=Runbook(
                meaning="The time series database on Prometheus' volume reports failures within three hours.",
                impact="The disk fills, queries become slow, and a damaged write-ahead log loses samples at the next "
                "start.",
                look=(
                    _PROMETHEUS_LOGS,
                    "$ kubectl --context CLUSTER --namespace agents exec prometheus-0 --container prometheus -- "
                    "df -h /prometheus",
                ),
                fix=(
                    "No space: a larger volume or a shorter retention (`prometheus_storage_size`, "
                    "`prometheus_retention`).",
                    "Damaged: Prometheus repairs its log at the start; delete the pod. What was sent is in "
                    "Elasticsearch.",
                ),
            ),
            firing=Fixture(
                series={
                    f"prometheus_tsdb_compactions_failed_total{{{_PROMETHEUS}}}": "0x20 1x40",
                    f"prometheus_tsdb_reloads_failures_total{{{_PROMETHEUS}}}": "0x60",
                    f"prometheus_tsdb_wal_corruptions_total{{{_PROMETHEUS}}}": "0x60",
                },
                alerts=({"instance": "10.0.0.1:9090"},),
            ),
            silent=Fixture(
                series={
                    f"prometheus_tsdb_compactions_failed_total{{{_PROMETHEUS}}}": "0x60",
                    f"prometheus_tsdb_reloads_failures_total{{{_PROMETHEUS}}}": "0x60",
                    f"prometheus_tsdb_wal_corruptions_total{{{_PROMETHEUS}}}": "0x60",
                }
            ),
        ),
        Alarm(
            name="BridgeDown",
            severity=Severity.CRITICAL,
            component="bridge",
            where=Where.EDGE,
            direct=True,
            query='absent(up{job="telegraf"} == 1)',
            hold="5m",
            summary="The bridge of {{ $labels.cluster }} does not answer",
            description="Telegraf, which carries the samples to Kafka, has not been scraped for five minutes.",
            runbook=Runbook(
                meaning="The sidecar beside Prometheus is away or does not answer on its metrics port.",
                impact="No metric of this cluster leaves it. Prometheus keeps about two hours in its write-ahead log.",
                look=(
                    "$ kubectl --context CLUSTER --namespace agents describe pod prometheus-0",
                    _BRIDGE_LOGS,
                ),
                fix=(
                    "Killed for memory: `metric_buffer_limit` is larger than the limit allows; `prometheus_size: "
                    "large`.",
                    "A configuration that it does not take: run `--tags prometheus`.",
                    "`wal file is corrupt`, with `prometheus_bridge_buffer: disk`: delete the pod; what its buffer "
                    "held is lost.",
                ),
            ),
            firing=Fixture(series={'up{job="telegraf",instance="127.0.0.1:9273"}': "0x60"}, alerts=({},)),
            silent=Fixture(series={'up{job="telegraf",instance="127.0.0.1:9273"}': "1x60"}),
        ),
        Alarm(
            name="BridgeDropping",
            severity=Severity.CRITICAL,
            component="bridge",
            where=Where.EDGE,
            direct=True,
            query="sum by (output) (increase(internal_write_metrics_dropped[5m]))",
            op=">",
            threshold=0,
            hold="0m",
            summary="The bridge of {{ $labels.cluster }} drops samples",
            description="Telegraf's buffer has overflowed; its oldest samples are lost.",
            runbook=Runbook(
                meaning="Kafka has not taken samples for longer than the bridge's memory lasts.",
                impact="A gap in the metrics of this cluster that nothing fills.",
                look=(
                    _BRIDGE_LOGS,
                    _KAFKA_REACHED,
                    "Is it all clusters? Then Kafka itself: [KafkaOfflinePartitions](KafkaOfflinePartitions.md).",
                ),
                fix=(
                    "Repair the network path to Kafka first.",
                    "Outages that may last longer: `prometheus_size: large`, or a larger buffer; the README of the "
                    "role "
                    "prometheus has the formula.",
                ),
            ),
            # Observed, 1.39.3, with a buffer of 1500 samples and 100 a second: with a wrong password, without the
            # right to write, and with Kafka away, 0 until the buffer is full, then all that comes.
            firing=Fixture(
                series={f"internal_write_metrics_dropped{{{_OUTPUT}}}": "0x20 700+6000x40"},
                alerts=({"output": "kafka"},),
            ),
            silent=Fixture(series={f"internal_write_metrics_dropped{{{_OUTPUT}}}": "500x60"}),
        ),
        Alarm(
            name="BridgeRefused",
            severity=Severity.CRITICAL,
            component="bridge",
            where=Where.EDGE,
            direct=True,
            query='sum by (output) (increase(internal_write_errors{output="kafka"}[5m]))',
            op=">",
            threshold=0,
            hold="0m",
            summary="Kafka refuses samples of {{ $labels.cluster }}, and the bridge gives them up",
            description="Telegraf has dropped a whole batch because of one message that Kafka refuses for good.",
            runbook=Runbook(
                meaning="Two refusals make Telegraf's Kafka output drop a batch, at most 5000 samples, and count it "
                "as written: a message that is too large, and a time that is too far from the broker's clock. All "
                "other errors are tried again and are no losses: they are `write_errors` and `startup_errors`.",
                impact="A gap in the metrics of this cluster that nothing fills.",
                look=(
                    _BRIDGE_LOGS,
                    "*Message too large* or *The timestamp of the message is out of acceptable range*.",
                ),
                fix=(
                    "*out of acceptable range*: the clock of a node, or of an application that gives times on its "
                    "page, is ahead; `chronyc tracking` on the node. [NodeClockSkew](NodeClockSkew.md).",
                    "*Message too large*: [KafkaRefusingMessages](KafkaRefusingMessages.md).",
                ),
            ),
            # Observed, 1.39.3, with Kafka 4.3.1: one sample two hours ahead adds 1 to errors, nothing to write_errors
            # and metrics_dropped, and its whole batch to metrics_written.
            firing=Fixture(
                series={f"internal_write_errors{{{_OUTPUT}}}": "0x27 1x33"},
                alerts=({"output": "kafka"},),
            ),
            silent=Fixture(
                series={
                    f"internal_write_errors{{{_OUTPUT}}}": "1x60",
                    'internal_write_errors{job="telegraf",output="prometheus_client"}': "0+1x60",
                    f"internal_write_write_errors{{{_OUTPUT}}}": "0+30x60",
                }
            ),
        ),
        Alarm(
            name="BridgeLostBuffer",
            severity=Severity.WARNING,
            component="bridge",
            where=Where.EDGE,
            direct=True,
            # True for an hour: what told of it waits in the same outage.
            query="max_over_time((max by (output) (max_over_time(internal_write_buffer_size[3m])) > 0.02 * "
            "max by (output) (max_over_time(internal_write_buffer_limit[3m])) and on () "
            'sum(increase(kube_pod_container_status_restarts_total{container="telegraf"}[2m])) > 0)[1h:30s])',
            op=">",
            threshold=0,
            hold="0m",
            summary="The bridge of {{ $labels.cluster }} was killed with samples in its buffer",
            description="Telegraf was started again while samples waited for Kafka. Those in memory are lost; the "
            "value is their number.",
            runbook=Runbook(
                meaning="The container of the bridge ended while Kafka did not take what it had, within the last hour.",
                impact="A gap in the metrics of this cluster that nothing fills, as long as the buffer was. None with "
                "`prometheus_bridge_buffer: disk`.",
                look=(
                    "$ kubectl --context CLUSTER --namespace agents describe pod prometheus-0",
                    "*OOMKilled*: the buffer was larger than the container's memory limit.",
                    "*Error*, exit code 137 without it: a liveness probe, or somebody on the node.",
                ),
                fix=(
                    "Repair the network path to Kafka first.",
                    "Killed for memory: `prometheus_size: large`, or a smaller buffer; the README of the role "
                    "prometheus has the formula.",
                    "An outage may meet a restart again: `prometheus_bridge_buffer: disk` keeps the samples.",
                ),
            ),
            firing=Fixture(
                series={
                    f"internal_write_buffer_size{{{_OUTPUT}}}": "0x5 100x5 0x60",
                    f"internal_write_buffer_limit{{{_OUTPUT}}}": "1000x70",
                    f"kube_pod_container_status_restarts_total{{{_BRIDGE}}}": "0x11 1x60",
                },
                at="40m",
                alerts=({"output": "kafka"},),
            ),
            silent=Fixture(
                series={
                    # Emptied by itself, and started again later.
                    f"internal_write_buffer_size{{{_OUTPUT}}}": "0x5 100x5 10x60",
                    f"internal_write_buffer_limit{{{_OUTPUT}}}": "1000x70",
                    f"kube_pod_container_status_restarts_total{{{_BRIDGE}}}": "0x20 1x60",
                },
                at="40m",
            ),
        ),
        Alarm(
            name="BridgeBufferFilling",
            severity=Severity.WARNING,
            component="bridge",
            where=Where.EDGE,
            direct=True,
            query="100 * sum by (output) (internal_write_buffer_size) / sum by (output) (internal_write_buffer_limit)",
            op=">",
            threshold=50,
            hold="5m",
            summary="The bridge of {{ $labels.cluster }} waits for Kafka; its buffer is half full",
            description="More than half of Telegraf's buffer is used: Kafka is slow or away.",
            runbook=Runbook(
                meaning="Samples come in faster than Kafka acknowledges them.",
                impact="None yet but lateness. When it is full, samples are lost "
                "([BridgeDropping](BridgeDropping.md)).",
                look=(_BRIDGE_LOGS, _KAFKA_REACHED),
                fix=("Fix the way to Kafka, or Kafka. The buffer empties by itself.",),
            ),
            # Observed, 1.39.3: with a wrong password startup_errors count, without the right to write write_errors; the
            # buffer fills with both, and errors stays 0.
            firing=Fixture(
                series={
                    f"internal_write_buffer_size{{{_OUTPUT}}}": "600x60",
                    f"internal_write_buffer_limit{{{_OUTPUT}}}": "1000x60",
                },
                alerts=({"output": "kafka"},),
            ),
            silent=Fixture(
                series={
                    f"internal_write_buffer_size{{{_OUTPUT}}}": "100x60",
                    f"internal_write_buffer_limit{{{_OUTPUT}}}": "1000x60",
                }
            ),
        ),
        Alarm(
            name="FluentBitDisconnected",
            severity=Severity.CRITICAL,
            component="fluent-bit",
            where=Where.EDGE,
            direct=True,
            # No metric of Fluent Bit's knows: its output counts what is in the queue of Kafka's client as sent. While
            # Kafka is away there is a line every two minutes at least: an attempt takes 30 s, the next one follows
            # after 30 s (reconnect.backoff.max.ms), and the same line is left out for 60 s (log_suppress_interval). A
            # longer window would join restarts of one broker after the other.
            query="sum by (pod, node) (increase(fluentbit_trouble_disconnected_total[4m]))",
            op=">",
            threshold=0,
            hold="15m",
            summary="Fluent Bit on node {{ $labels.node }} of {{ $labels.cluster }} has no connection to Kafka",
            description="Kafka's client in {{ $labels.pod }} has failed to connect, or to log in, for 15 minutes.",
            runbook=Runbook(
                meaning="Fluent Bit's own log has lines of Kafka's client about a connection, and goes on having "
                "them. They are of this pod, or of `fluent-bit-events` on the same node.",
                impact="Logs of that node wait: first in the memory of Kafka's client, then on the node's disk, up to "
                "`fluent_bit_buffer_gib`.",
                look=(_FLUENT_LOGS, _KAFKA_REACHED),
                fix=(
                    "*SASL authentication error*: the credential in Secrets Manager and in Kafka differ; run "
                    "`--tags kafka` for the controlplane, then `--tags fluent_bit` for this cluster.",
                    "*Failed to resolve*, *Connection refused*, *timed out*: the network path to Kafka, or Kafka. What "
                    "waits is sent then.",
                    "*SSL handshake failed*: run `--tags pki,kafka` for the controlplane.",
                ),
            ),
            # Observed, 5.1.1, with a wrong password: 7, 10, 11, 14, 17, 20 after 20, 50, 80, 110, 140 and 170 s, while
            # proc_records went up to 3338 with nothing delivered, and errors, retries and dropped_records stayed 0.
            firing=Fixture(
                series={
                    f"fluentbit_trouble_disconnected_total{{{_FLUENT_TROUBLE}}}": "_x5 11+6x55",
                    # A line every two minutes.
                    'fluentbit_trouble_disconnected_total{pod="fluent-bit-2",node="node-2"}': " ".join(
                        f"{lines}x1" for lines in range(1, 31)
                    ),
                },
                alerts=(_FLUENT_NODE, {"pod": "fluent-bit-2", "node": "node-2"}),
            ),
            # Three brokers, restarted one after the other: each time it connects again.
            silent=Fixture(
                series={f"fluentbit_trouble_disconnected_total{{{_FLUENT_TROUBLE}}}": "4x5 8x3 12x3 16x40"},
                at="17m",
            ),
        ),
        Alarm(
            name="FluentBitRefused",
            severity=Severity.CRITICAL,
            component="fluent-bit",
            where=Where.EDGE,
            direct=True,
            # The series begins with the first line.
            query=f"sum by (pod, node) {grown('fluentbit_trouble_refused_total', '10m')}",
            op=">",
            threshold=0,
            hold="0m",
            summary="Kafka refuses log lines of node {{ $labels.node }} of {{ $labels.cluster }}, which are lost",
            description="Kafka has refused messages of {{ $labels.pod }} for good; what it refuses is not sent again.",
            runbook=Runbook(
                meaning="Fluent Bit's own log has lines *message delivery failed*, one for each message. Its output "
                "has counted them as sent.",
                impact="These lines are only on the node, until its log files are rotated.",
                look=(_FLUENT_LOGS, "All members, or this one? Dashboard *Kafka*, refused writes."),
                fix=(
                    "*Message size too large*: [KafkaRefusingMessages](KafkaRefusingMessages.md).",
                    "*Topic authorization failed*, *Unknown topic or partition*: somebody took the right or the topic "
                    "away; `--tags kafka` for the controlplane.",
                ),
            ),
            # Observed, 5.1.1: a line of 1.6 MB each 10 s is one line *message delivery failed* each, and an error or a
            # dropped record of the output is none. Above message.max.bytes it is both, and no such line.
            firing=Fixture(
                series={
                    f"fluentbit_trouble_refused_total{{{_FLUENT_TROUBLE}}}": "_x25 1x35",
                    f"up{{{_FLUENT_TROUBLE}}}": "1x60",
                },
                alerts=(_FLUENT_NODE,),
            ),
            silent=Fixture(
                series={f"fluentbit_trouble_refused_total{{{_FLUENT_TROUBLE}}}": "9x20 _x20 9x40"} | _AWAY,
                at="45m",
            ),
        ),
        Alarm(
            name="FluentBitRetrying",
            severity=Severity.WARNING,
            component="fluent-bit",
            where=Where.EDGE,
            query="sum by (pod, name) (rate(fluentbit_output_retries_total[5m]))",
            op=">",
            threshold=0.05,
            hold="15m",
            summary="Fluent Bit {{ $labels.pod }} of {{ $labels.cluster }} sends again and again",
            description="Output {{ $labels.name }} has repeated chunks for 15 minutes.",
            runbook=Runbook(
                meaning="The queue of Kafka's client is full, so that chunks are put back: Kafka is away, or slower "
                "than what is logged.",
                impact="Logs arrive late; they wait on the node's disk, up to `fluent_bit_buffer_gib`.",
                look=(
                    _FLUENT_LOGS,
                    _KAFKA_REACHED,
                    "Grafana, dashboard *Fluent Bit*: how much is waiting, how long does the disk last?",
                ),
                fix=("Repair the network path to Kafka, or Kafka; what waits is sent then.",),
            ),
            # Observed, 5.1.1: 573 within 130 s with the queue of Kafka's client full; 0 while Kafka is away and it is
            # not, as on a node that logs little: 8 MiB is much for it.
            firing=Fixture(
                series={f"fluentbit_output_retries_total{{{_FLUENT}}}": "0+265x60"}, alerts=(_FLUENT_LABELS,)
            ),
            silent=Fixture(series={f"fluentbit_output_retries_total{{{_FLUENT}}}": "0+1x60"}),
        ),
        Alarm(
            name="FluentBitDropping",
            severity=Severity.CRITICAL,
            component="fluent-bit",
            where=Where.EDGE,
            direct=True,
            query="sum by (pod, name) (increase(fluentbit_output_dropped_records_total[5m]))",
            op=">",
            threshold=0,
            hold="0m",
            summary="Fluent Bit {{ $labels.pod }} of {{ $labels.cluster }} loses log lines",
            description="Output {{ $labels.name }} has dropped records.",
            runbook=Runbook(
                meaning="Records were given up: the buffer on disk has reached its limit, or Kafka's client refuses to "
                "send them: this cluster may not write to its topic, or a message is too large.",
                impact="These lines are only on the node, until its log files are rotated.",
                look=(_FLUENT_LOGS, _KAFKA_REACHED),
                fix=(
                    "*evicted from output queue*: the buffer is full. Repair the network path to Kafka, or Kafka; for "
                    "longer outages a larger `fluent_bit_buffer_gib`, with the node's disk in mind.",
                    "*Topic authorization failed*: the reconciler of Kafka has not made the right; `--tags kafka` for "
                    "the controlplane.",
                    "*Message size too large*: a line of a container, of which its chunk goes too; its program should "
                    "log less at once.",
                ),
            ),
            # Observed, 5.1.1: without the right to write, 20 lines a second: 149, 408, 798, 1189 ... every 10 s, and as
            # many errors as chunks.
            firing=Fixture(
                series={f"fluentbit_output_dropped_records_total{{{_FLUENT}}}": "0x28 798x32"}, alerts=(_FLUENT_LABELS,)
            ),
            silent=Fixture(series={f"fluentbit_output_dropped_records_total{{{_FLUENT}}}": "9x60"}),
        ),
        Alarm(
            name="FluentBitLinesCut",
            severity=Severity.WARNING,
            component="fluent-bit",
            where=Where.EDGE,
            query=" or ".join(
                f"sum by (pod) {grown(metric, '15m')}"
                for metric in ("fluentbit_lines_cut_total", "fluentbit_input_long_line_skipped_total")
            ),
            op=">",
            threshold=0,
            hold="0m",
            summary="Fluent Bit {{ $labels.pod }} of {{ $labels.cluster }} has cut lines",
            description="Containers on the node of this pod have written lines of more than 256 KiB, an eighth of the "
            "largest message, within a quarter of an hour.",
            runbook=Runbook(
                meaning="What follows the first 256 KiB of a line is dropped, so that a line without end cannot take "
                "the agent's memory. A line in a file that containerd did not write is left out altogether.",
                impact="The rest of these lines is only in the container's log file, until that is rotated. The JSON "
                "of a cut line is not read.",
                look=("Which container: Kibana, Discover, `line_cut: true`; its namespace and pod are beside it.",),
                fix=(
                    "The program: it should end its lines, and not log whole files or answers.",
                    "Longer lines are wanted: `fleet_message_max_bytes`, eight times as much, for all members.",
                ),
            ),
            firing=Fixture(
                # As a real one shows it: the series begins with the first line that is cut, and not with 0.
                series={
                    f"fluentbit_lines_cut_total{{{_FLUENT_TROUBLE}}}": "_x28 4x32",
                    f"up{{{_FLUENT_TROUBLE}}}": "1x60",
                },
                alerts=({"pod": "fluent-bit-1"},),
            ),
            silent=Fixture(
                series={
                    f"fluentbit_lines_cut_total{{{_FLUENT_TROUBLE}}}": "4x20 _x20 4x40",
                    f'fluentbit_input_long_line_skipped_total{{{_FLUENT_TROUBLE},name="containers"}}': (
                        "2x20 _x20 2x40"
                    ),
                }
                | _AWAY,
                at="45m",
            ),
        ),
        Alarm(
            name="FluentBitBufferFilling",
            severity=Severity.WARNING,
            component="fluent-bit",
            where=Where.EDGE,
            query='100 - min by (pod, node) (fluentbit_output_chunk_available_capacity_percent{name="kafka"})',
            op=">",
            threshold=50,
            hold="10m",
            summary="The buffer of Fluent Bit on node {{ $labels.node }} of {{ $labels.cluster }} is more than half "
            "full",
            description="What waits for Kafka on the node's disk has been more than half of what it may be for ten "
            "minutes.",
            runbook=Runbook(
                meaning="Kafka does not take the logs of this node, or not as fast as they are written. A source on "
                "disk is never paused for that: it is read on, and when the buffer is full the oldest is dropped.",
                impact="None yet but lateness. When it is full: [FluentBitDropping](FluentBitDropping.md).",
                look=(_FLUENT_LOGS, _KAFKA_REACHED, "Grafana, dashboard *Fluent Bit*: how fast does the buffer grow?"),
                fix=(
                    "Repair the network path to Kafka, or Kafka; what waits is sent then.",
                    "Longer outages: a larger `fluent_bit_buffer_gib`, with the node's disk in mind.",
                ),
            ),
            # Observed, 5.1.1, with a limit of 20 MB and Kafka away: 100, 50.0, 3.7, 3.5, 2.5 ... every 20 s, while
            # ingestion_paused and storage_overlimit of all inputs stayed 0.
            firing=Fixture(
                series={f"fluentbit_output_chunk_available_capacity_percent{{{_FLUENT}}}": "100x5 50.0 3.7 3.5 2.5x53"},
                alerts=(_FLUENT_NODE,),
            ),
            silent=Fixture(
                series={
                    f"fluentbit_output_chunk_available_capacity_percent{{{_FLUENT}}}": "100x5 60x55",
                }
            ),
        ),
        Alarm(
            name="FluentBitUnlabelled",
            severity=Severity.WARNING,
            component="fluent-bit",
            where=Where.EDGE,
            # A kubelet that answers 403 or 500 is not even a line of Fluent Bit's log.
            query="sum by (pod, node) (rate(fluentbit_trouble_unlabelled_total[5m]))",
            op=">",
            threshold=0,
            hold="10m",
            summary="The kubelet of node {{ $labels.node }} of {{ $labels.cluster }} gives Fluent Bit no metadata",
            description="Log lines of {{ $labels.pod }} have come without their pod's metadata for ten minutes.",
            runbook=Runbook(
                meaning="Fluent Bit asks the node's kubelet for `/pods`, at most every hour for each "
                "container. The kubelet refuses (403), fails (500), or is not reached.",
                impact="Lines have the node, and the namespace, pod and container, which are the file's name, and "
                "neither labels nor image. Fluent Bit asks for each chunk of lines, which takes time.",
                look=(
                    _FLUENT_LOGS,
                    "*kubelet upstream connection error*: the kubelet is not reached. No line at all: it refuses or "
                    "fails.",
                    "$ kubectl --context CLUSTER get --raw /api/v1/nodes/NODE/proxy/pods | head -c 300",
                    "$ kubectl --context CLUSTER auth can-i get nodes --subresource=pods "
                    "--as system:serviceaccount:node-agents:fluent-bit",
                ),
                fix=(
                    "It may not: `ansible-playbook site.yml -i inventories/CLUSTER --tags fluent_bit` puts the "
                    "ClusterRole back.",
                    "The kubelet fails: its journal on the node; [KubeletDown](KubeletDown.md).",
                    "It is not reached: a security group between nodes, port 10250; `fluent_bit_node_cidrs`.",
                ),
            ),
            # Observed, 5.1.1: no series while the kubelet answers; with 403 and 500 as many as there are records, once
            # what was known has expired; nothing is added after the kubelet answers again. One that closes the
            # connection makes Fluent Bit log two lines for each chunk besides.
            firing=Fixture(
                series={f"fluentbit_trouble_unlabelled_total{{{_FLUENT_TROUBLE}}}": "_x5 350+1800x55"},
                alerts=(_FLUENT_NODE,),
            ),
            silent=Fixture(series={f"fluentbit_trouble_unlabelled_total{{{_FLUENT_TROUBLE}}}": "_x5 1200x55"}),
        ),
        Alarm(
            name="FluentBitUnread",
            severity=Severity.WARNING,
            component="fluent-bit",
            where=Where.EDGE,
            query="sum by (pod, node) (increase(fluentbit_trouble_unread_total[5m]))",
            op=">",
            threshold=0,
            hold="10m",
            summary="Fluent Bit on node {{ $labels.node }} of {{ $labels.cluster }} cannot read a file",
            description="{{ $labels.pod }} has reported files that it cannot open or read for ten minutes.",
            runbook=Runbook(
                meaning="Its input of files logs errors. It tries each file again at every look into the folder.",
                impact="The lines of that container are missing in Elasticsearch.",
                look=(
                    _FLUENT_LOGS,
                    "The line names the file; on the node: `ls -lL FILE`. Fluent Bit is root without a capability and "
                    "reads what root may by its mode.",
                ),
                fix=(
                    "A runtime that creates files of another user: its configuration; containerd's are root's, 0640.",
                    "*Too many open files*: more containers than the runtime lets Fluent Bit open; fewer pods on the "
                    "node.",
                ),
            ),
            # Observed, 5.1.1, without capabilities and with a file of another user, mode 0600: *cannot open FILE* every
            # 10 s, 2, 3, 5 every 20 s.
            firing=Fixture(
                series={f"fluentbit_trouble_unread_total{{{_FLUENT_TROUBLE}}}": "_x5 2+6x55"}, alerts=(_FLUENT_NODE,)
            ),
            silent=Fixture(series={f"fluentbit_trouble_unread_total{{{_FLUENT_TROUBLE}}}": "_x5 1x55"}),
        ),
    ),
)
