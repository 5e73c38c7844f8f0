# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about what gathers and sends: Prometheus, the bridge to Kafka, Fluent Bit."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where

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
_FLUENT = 'job="fluent-bit",pod="fluent-bit-1",name="kafka.0"'
_FLUENT_LABELS = {"pod": "fluent-bit-1", "name": "kafka.0"}

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
                mend=(
                    "Mend the hop; the heartbeat comes back by itself.",
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
                mend=(
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
            query="max by (remote_name) (prometheus_remote_storage_queue_highest_timestamp_seconds "
            "- prometheus_remote_storage_queue_highest_sent_timestamp_seconds)",
            op=">",
            threshold=120,
            hold="10m",
            summary="Prometheus of {{ $labels.cluster }} sends two minutes late",
            description="The newest sample handed to the bridge is more than two minutes older than the newest one "
            "scraped.",
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
                mend=(
                    "The bridge is throttled or out of memory: `prometheus_size: large`.",
                    "The bridge is ill: delete the pod `prometheus-0`; the write-ahead log is replayed.",
                    "Too many series since some deployment: dashboard *Prometheus*, top series by metric; drop them "
                    "by a "
                    "relabelling rule.",
                ),
            ),
            firing=Fixture(
                series={
                    f"{_HIGHEST}_timestamp_seconds{_QUEUE}": ("1000+60x60"),
                    f"{_HIGHEST}_sent_timestamp_seconds{_QUEUE}": ("700+60x60"),
                },
                alerts=({"remote_name": "bridge"},),
            ),
            silent=Fixture(
                series={
                    f"{_HIGHEST}_timestamp_seconds{_QUEUE}": ("1000+60x60"),
                    f"{_HIGHEST}_sent_timestamp_seconds{_QUEUE}": ("990+60x60"),
                }
            ),
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
                mend=(
                    "*413*: `max_body_size` of the bridge is smaller than a message; run `--tags prometheus` if "
                    "somebody "
                    "edited the ConfigMap.",
                    "Else the parser: a label or value that it does not take; find the metric in the log and drop it.",
                ),
            ),
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
                mend=(
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
                mend=(
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
                mend=(
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
                mend=(
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
                mend=(
                    "Mend the way to Kafka first.",
                    "Outages that may last longer: `prometheus_size: large`, or a larger buffer; the README of the "
                    "role "
                    "prometheus has the formula.",
                ),
            ),
            firing=Fixture(
                series={f"internal_write_metrics_dropped{{{_OUTPUT}}}": "0x20 500+500x40"},
                alerts=({"output": "kafka"},),
            ),
            silent=Fixture(series={f"internal_write_metrics_dropped{{{_OUTPUT}}}": "500x60"}),
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
                mend=(
                    "Mend the way to Kafka first.",
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
                mend=("Mend the way to Kafka, or Kafka. The buffer empties by itself.",),
            ),
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
            name="FluentBitFailing",
            severity=Severity.CRITICAL,
            component="fluent-bit",
            where=Where.EDGE,
            direct=True,
            query="sum by (pod, name) (rate(fluentbit_output_errors_total[5m]))",
            op=">",
            threshold=0,
            hold="10m",
            summary="Fluent Bit {{ $labels.pod }} of {{ $labels.cluster }} cannot send its logs",
            description="Output {{ $labels.name }} has reported errors for ten minutes.",
            runbook=Runbook(
                meaning="The output ends with errors that are not worth a retry.",
                impact="Logs of that node are missing in Elasticsearch.",
                look=(_FLUENT_LOGS, _KAFKA_REACHED),
                mend=(
                    "*SASL authentication error*: the credential in Secrets Manager and in Kafka differ; run "
                    "`--tags kafka` for the controlplane, then `--tags fluent_bit` for this cluster.",
                    "*Message size too large*: a line above the topic's `max.message.bytes`; its pod should log less "
                    "at once.",
                ),
            ),
            firing=Fixture(series={f"fluentbit_output_errors_total{{{_FLUENT}}}": "0+1x60"}, alerts=(_FLUENT_LABELS,)),
            silent=Fixture(series={f"fluentbit_output_errors_total{{{_FLUENT}}}": "5x60"}),
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
                meaning="Kafka does not take the chunks at the first attempt.",
                impact="Logs arrive late; they wait on the node's disk, up to `storage.total_limit_size`.",
                look=(
                    _FLUENT_LOGS,
                    _KAFKA_REACHED,
                    "Grafana, dashboard *Fluent Bit*: how much is waiting, how long does the disk last?",
                ),
                mend=("Mend the way to Kafka, or Kafka; what waits is sent then.",),
            ),
            firing=Fixture(series={f"fluentbit_output_retries_total{{{_FLUENT}}}": "0+6x60"}, alerts=(_FLUENT_LABELS,)),
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
                meaning="Records were given up: the buffer on disk has reached its limit, or they cannot be sent at "
                "all.",
                impact="These lines are only on the node, until its log files are rotated.",
                look=(_FLUENT_LOGS, _KAFKA_REACHED),
                mend=(
                    "Mend the way to Kafka.",
                    "Longer outages: raise the buffer's limit (role fluent_bit), with the node's disk in mind.",
                ),
            ),
            firing=Fixture(
                series={f"fluentbit_output_dropped_records_total{{{_FLUENT}}}": "0x28 9x32"}, alerts=(_FLUENT_LABELS,)
            ),
            silent=Fixture(series={f"fluentbit_output_dropped_records_total{{{_FLUENT}}}": "9x60"}),
        ),
        Alarm(
            name="FluentBitPaused",
            severity=Severity.WARNING,
            component="fluent-bit",
            where=Where.EDGE,
            query="max by (pod, name) (fluentbit_input_ingestion_paused)",
            op=">",
            threshold=0,
            hold="10m",
            summary="Fluent Bit {{ $labels.pod }} of {{ $labels.cluster }} has stopped to read",
            description="Source {{ $labels.name }} has been paused for ten minutes: what waits to be sent is at its "
            "limit.",
            runbook=Runbook(
                meaning="The buffer of this source is full, so Fluent Bit reads no more of it until there is room.",
                impact="Log files that are rotated away meanwhile are never read.",
                look=(_FLUENT_LOGS, _KAFKA_REACHED, "Grafana, dashboard *Fluent Bit*: chunks that wait."),
                mend=("Mend the way to Kafka, or Kafka; it goes on by itself.",),
            ),
            firing=Fixture(
                series={'fluentbit_input_ingestion_paused{pod="fluent-bit-1",name="tail.0"}': "1x60"},
                alerts=({"pod": "fluent-bit-1", "name": "tail.0"},),
            ),
            silent=Fixture(series={'fluentbit_input_ingestion_paused{pod="fluent-bit-1",name="tail.0"}': "0x60"}),
        ),
    ),
)
