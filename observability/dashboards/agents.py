# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards of the agents on every cluster: Prometheus, Telegraf, Fluent Bit."""

from __future__ import annotations

from observability.dashboards.cluster import C
from observability.dashboards.model import Dashboard, Query
from observability.dashboards.parts import ANY, BUSY, CLUSTER, R, graph, label, lines, row, stat, table

JOB = f'{C},job="prometheus"'
TELEGRAF = f'{C},output="kafka"'
_COMPONENT = "labels.cluster:$cluster AND kubernetes.namespace_name:{namespace} AND kubernetes.pod_name:{pod}*"

PROMETHEUS_DASHBOARD = Dashboard(
    uid="prometheus",
    title="Prometheus",
    about="The metrics collector of each cluster: targets, samples, rules, storage, and the samples that it sends to"
    " Telegraf.",
    folder="Agents",
    tags=("agents", "metrics"),
    variables=(CLUSTER,),
    next=(("telegraf", "Where it sends to"), ("pipeline", "The whole data path"), ("alarms", "What its rules say")),
    rows=(
        row(
            "Is it healthy?",
            stat(
                "Targets down",
                "Which targets cannot be scraped?",
                f"count by (cluster) (up{{{C}}}) - sum by (cluster) (up{{{C}}})",
                "{{cluster}}",
                steps=ANY,
            ),
            stat(
                "Series",
                "How many series does it store?",
                f"sum by (cluster) (prometheus_tsdb_head_series{{{JOB}}})",
                "{{cluster}}",
            ),
            stat(
                "Samples",
                "How many samples does it ingest?",
                f"sum by (cluster) (rate(prometheus_tsdb_head_samples_appended_total{{{JOB}}}[$__rate_interval]))",
                "{{cluster}}",
                unit="wps",
            ),
            stat(
                "Behind Telegraf",
                "How old are the samples that it sends?",
                f"time() - max by (cluster) (prometheus_remote_storage_queue_highest_sent_timestamp_seconds{{{JOB}}})",
                "{{cluster}}",
                unit="s",
                steps=((60, "yellow"), (120, "red")),
            ),
            stat(
                "Failed rules in 1 h",
                "Do evaluations of recording or alerting rules fail?",
                f"sum by (cluster) (increase(prometheus_rule_evaluation_failures_total{{{JOB}}}[1h]))",
                "{{cluster}}",
                decimals=0,
                steps=ANY,
            ),
            stat(
                "Configuration",
                "Has it loaded its current configuration?",
                f"min by (cluster) (prometheus_config_last_reload_successful{{{JOB}}})",
                "{{cluster}}",
                words=((1, "accepted", "green"), (0, "refused", "red")),
            ),
        ),
        row(
            "Targets",
            table(
                "Jobs",
                "Which job has targets that do not respond, respond slowly, or return many samples?",
                Query(f"count by (cluster, job) (up{{{C}}})", "Targets"),
                Query(f"count by (cluster, job) (up{{{C}}}) - sum by (cluster, job) (up{{{C}}})", "Down", "none", ANY),
                Query(
                    f"max by (cluster, job) (scrape_duration_seconds{{{C}}})",
                    "Slowest",
                    "s",
                    ((5, "yellow"), (10, "red")),
                ),
                Query(f"sum by (cluster, job) (scrape_samples_scraped{{{C}}})", "Samples"),
            ),
        ),
        row(
            "Sending",
            graph(
                "Behind Telegraf",
                "Does remote write catch up or fall behind?",
                f"time() - max by (cluster) (prometheus_remote_storage_queue_highest_sent_timestamp_seconds{{{JOB}}})",
                "{{cluster}}",
                unit="s",
                steps=((120, "red"),),
            ),
            graph(
                "Samples sent, retried, lost",
                "Do samples reach Telegraf?",
                (
                    Query(
                        f"sum by (cluster) (rate(prometheus_remote_storage_samples_total{{{JOB}}}[$__rate_interval]))",
                        "sent {{cluster}}",
                    ),
                    Query(
                        "sum by (cluster)"
                        f" (rate(prometheus_remote_storage_samples_retried_total{{{JOB}}}[$__rate_interval]))",
                        "tried again {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (rate(prometheus_remote_storage_samples_failed_total{{{JOB}}}{R}))",
                        "lost {{cluster}}",
                    ),
                ),
                unit="wps",
            ),
            graph(
                "Shards",
                "Does it use all its shards to send?",
                (
                    Query(f"max by (cluster) (prometheus_remote_storage_shards{{{JOB}}})", "used {{cluster}}"),
                    Query(
                        f"max by (cluster) (prometheus_remote_storage_shards_desired{{{JOB}}})", "wanted {{cluster}}"
                    ),
                    Query(f"max by (cluster) (prometheus_remote_storage_shards_max{{{JOB}}})", "most {{cluster}}"),
                ),
            ),
            graph(
                "Samples waiting",
                "Is the queue to Telegraf full?",
                f"sum by (cluster) (prometheus_remote_storage_samples_pending{{{JOB}}})",
                "{{cluster}}",
            ),
        ),
        row(
            "Itself",
            graph(
                "Series",
                "Does the number of series grow unexpectedly?",
                f"sum by (cluster) (prometheus_tsdb_head_series{{{JOB}}})",
                "{{cluster}}",
            ),
            graph(
                "Rule groups, evaluation time as a share of the interval",
                "Do rule groups take longer than their evaluation interval?",
                f"100 * max by (cluster, rule_group) (prometheus_rule_group_last_duration_seconds{{{JOB}}})"
                f" / max by (cluster, rule_group) (prometheus_rule_group_interval_seconds{{{JOB}}})",
                "{{cluster}} {{rule_group}}",
                unit="percent",
                steps=BUSY,
            ),
            graph(
                "Storage",
                "How much disk does it use?",
                (
                    Query(f"max by (cluster) (prometheus_tsdb_storage_blocks_bytes{{{JOB}}})", "blocks {{cluster}}"),
                    Query(f"max by (cluster) (prometheus_tsdb_wal_storage_size_bytes{{{JOB}}})", "log {{cluster}}"),
                ),
                unit="bytes",
            ),
            graph(
                "Memory",
                "Does it approach its limit?",
                f"max by (cluster) (process_resident_memory_bytes{{{JOB}}})",
                "{{cluster}}",
                unit="bytes",
            ),
        ),
    ),
)

TELEGRAF_DASHBOARD = Dashboard(
    uid="telegraf",
    title="Telegraf",
    about="Receives samples from Prometheus and writes them to Kafka. It responds before Kafka has stored them: the"
    " content of its buffer is lost when it is killed.",
    folder="Agents",
    tags=("agents", "metrics"),
    variables=(CLUSTER,),
    next=(
        ("prometheus", "The source of its samples"),
        ("kafka", "Where it writes to"),
        ("pipeline", "The whole data path"),
    ),
    rows=(
        row(
            "Is it healthy?",
            stat(
                "Running",
                "Does it respond to scrapes?",
                f'max by (cluster) (up{{job="telegraf",{C}}})',
                "{{cluster}}",
                words=((1, "yes", "green"), (0, "no", "red")),
                width=6,
            ),
            stat(
                "Buffer",
                "How much of the buffer for outages of Kafka is used?",
                f"100 * sum by (cluster) (internal_write_buffer_size{{{TELEGRAF}}})"
                f" / sum by (cluster) (internal_write_buffer_limit{{{TELEGRAF}}})",
                "{{cluster}}",
                unit="percent",
                steps=((20, "yellow"), (50, "red")),
                width=6,
            ),
            stat(
                "Lost in 1 h",
                "Were samples dropped because the buffer was full?",
                f"sum by (cluster) (increase(internal_write_metrics_dropped{{{TELEGRAF}}}[1h]))",
                "{{cluster}}",
                decimals=0,
                steps=ANY,
                width=6,
            ),
            stat(
                "Written",
                "Does it write to Kafka?",
                f"sum by (cluster) (rate(internal_write_metrics_written{{{TELEGRAF}}}[$__rate_interval]))",
                "{{cluster}}",
                unit="wps",
                width=6,
            ),
        ),
        row(
            "Throughput",
            graph(
                "In and out",
                "Is the output rate equal to the input rate?",
                (
                    Query(
                        f"sum by (cluster) (rate(internal_write_metrics_added{{{TELEGRAF}}}[$__rate_interval]))",
                        "in {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (rate(internal_write_metrics_written{{{TELEGRAF}}}[$__rate_interval]))",
                        "out {{cluster}}",
                    ),
                ),
                unit="wps",
            ),
            graph(
                "Buffer",
                "Since when do writes fail?",
                (
                    Query(f"sum by (cluster) (internal_write_buffer_size{{{TELEGRAF}}})", "held {{cluster}}"),
                    Query(f"sum by (cluster) (internal_write_buffer_limit{{{TELEGRAF}}})", "limit {{cluster}}"),
                ),
            ),
            graph(
                "Writes that failed",
                "Is Kafka unreachable, does it reject a batch, or reject it permanently?",
                (
                    Query(
                        f"sum by (cluster) (increase(internal_write_startup_errors{{{TELEGRAF}}}[$__rate_interval]))",
                        "not connected {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (increase(internal_write_write_errors{{{TELEGRAF}}}[$__rate_interval]))",
                        "tried again {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (increase(internal_write_errors{{{TELEGRAF}}}[$__rate_interval]))",
                        "given up {{cluster}}",
                    ),
                ),
                decimals=0,
            ),
            graph(
                "Time of a write",
                "Is Kafka slow?",
                f"max by (cluster) (internal_write_write_time_ns{{{TELEGRAF}}})",
                "{{cluster}}",
                unit="ns",
            ),
        ),
        row(
            "Log",
            lines(
                "Log",
                "What does it log?",
                _COMPONENT.format(namespace="agents", pod="prometheus") + " AND kubernetes.container_name:telegraf",
                height=10,
            ),
        ),
    ),
)

FLUENT_POD = label("pod", f"fluentbit_input_records_total{{{C}}}")
FLUENT = f'{C},pod=~"$pod"'
# Records that are sent: an input also reads each part of a long line, lines of excluded pods, and its own metrics.
FLUENT_SENT = f'{FLUENT},name=~"container_record|journal_record|event_record"'
# For all nodes of a cluster: a topic does not contain the name of the node.
FLUENT_TOPIC = 'topic=~"logs-$cluster"'

FLUENT_BIT_DASHBOARD = Dashboard(
    uid="fluent-bit",
    title="Fluent Bit",
    about="Takes logs from files, the journal and Kubernetes' events, and writes them to Kafka. Its buffer on"
    " disk keeps what Kafka does not take.",
    folder="Agents",
    tags=("agents", "logs"),
    variables=(CLUSTER, FLUENT_POD),
    next=(("logs", "What it has collected"), ("kafka", "Where it writes to"), ("pipeline", "The whole data path")),
    rows=(
        row(
            "Is it healthy?",
            stat(
                "Running",
                "On how many nodes does it run?",
                f'sum by (cluster) (up{{job=~"fluent-bit.*",{C}}})',
                "{{cluster}}",
            ),
            stat(
                "Down",
                "Are there nodes whose logs are not collected?",
                f'count by (cluster) (up{{job=~"fluent-bit.*",{C}}}) - sum by (cluster)'
                f' (up{{job=~"fluent-bit.*",{C}}})',
                "{{cluster}}",
                steps=ANY,
            ),
            stat(
                "Records to send",
                "How many records are logged?",
                f"sum by (cluster) (rate(fluentbit_filter_records_total{{{FLUENT_SENT}}}[$__rate_interval]))",
                "{{cluster}}",
                unit="wps",
            ),
            stat(
                "Taken by Kafka",
                "Do records of all nodes reach Kafka, as counted by the brokers?",
                f"sum by (topic) (rate(kafka_server_topic_messagesin_total{{{FLUENT_TOPIC}}}[$__rate_interval]))",
                "{{topic}}",
                unit="wps",
            ),
            stat(
                "Lost in 1 h",
                "Were records dropped, or rejected permanently by Kafka?",
                (
                    Query(
                        f"sum by (cluster) (increase(fluentbit_output_dropped_records_total{{{FLUENT}}}[1h]))",
                        "dropped {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (increase(fluentbit_trouble_refused_total{{{FLUENT}}}[1h]))",
                        "refused {{cluster}}",
                    ),
                ),
                decimals=0,
                steps=ANY,
            ),
            stat(
                "Buffer",
                "How much of the disk buffer is used, on the node with the fullest buffer?",
                f'100 - min by (cluster) (fluentbit_output_chunk_available_capacity_percent{{{FLUENT},name="kafka"}})',
                "{{cluster}}",
                unit="percent",
                steps=((20, "yellow"), (50, "red")),
            ),
        ),
        row(
            "Throughput",
            graph(
                "In and out",
                "Is the output rate equal to the input rate?",
                (
                    Query(
                        f"sum by (cluster) (rate(fluentbit_filter_records_total{{{FLUENT_SENT}}}[$__rate_interval]))",
                        "to send {{cluster}}",
                    ),
                    Query(
                        "sum by (cluster)"
                        f' (rate(fluentbit_output_proc_records_total{{{FLUENT},name="kafka"}}[$__rate_interval]))',
                        "given to Kafka's client {{cluster}}",
                    ),
                    Query(
                        f"sum by (topic) (rate(kafka_server_topic_messagesin_total{{{FLUENT_TOPIC}}}{R}))",
                        "taken by Kafka {{topic}}",
                    ),
                ),
                unit="wps",
            ),
            graph(
                "Bytes by source",
                "Which source logs most?",
                f"sum by (cluster, name) (rate(fluentbit_input_bytes_total{{{FLUENT}}}[$__rate_interval]))",
                "{{cluster}} {{name}}",
                unit="Bps",
                stacked=True,
            ),
            graph(
                "Loudest nodes",
                "Which node logs most?",
                f"sum by (cluster, node) (rate(fluentbit_input_bytes_total{{{FLUENT}}}[$__rate_interval]))",
                "{{cluster}} {{node}}",
                unit="Bps",
            ),
            graph(
                "Errors, retries, losses",
                "Do records fail to reach Kafka?",
                (
                    Query(
                        f"sum by (cluster) (rate(fluentbit_output_errors_total{{{FLUENT}}}[$__rate_interval]))",
                        "errors {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (rate(fluentbit_output_retries_total{{{FLUENT}}}[$__rate_interval]))",
                        "retries {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (rate(fluentbit_output_dropped_records_total{{{FLUENT}}}{R}))",
                        "lost {{cluster}}",
                    ),
                ),
                unit="ops",
            ),
        ),
        row(
            "Buffer",
            graph(
                "Chunks",
                "Does the disk buffer grow because Kafka is unavailable?",
                (
                    Query(f"sum by (cluster) (fluentbit_storage_fs_chunks{{{FLUENT}}})", "on disk {{cluster}}"),
                    Query(f"sum by (cluster) (fluentbit_storage_mem_chunks{{{FLUENT}}})", "in memory {{cluster}}"),
                ),
            ),
            graph(
                "Buffer on disk",
                "How much of it is used, on the node with the fullest buffer?",
                f'100 - min by (cluster) (fluentbit_output_chunk_available_capacity_percent{{{FLUENT},name="kafka"}})',
                "{{cluster}}",
                unit="percent",
                high=100,
                steps=((50, "red"),),
            ),
        ),
        row(
            "Trouble",
            graph(
                "Lines of its own log",
                "On which nodes is Kafka unreachable, does Kafka reject records, or can a file not be read?",
                (
                    Query(
                        f"sum by (cluster, node) (rate(fluentbit_trouble_disconnected_total{{{FLUENT}}}{R}))",
                        "not connected {{cluster}} {{node}}",
                    ),
                    Query(
                        f"sum by (cluster, node) (rate(fluentbit_trouble_refused_total{{{FLUENT}}}{R}))",
                        "refused {{cluster}} {{node}}",
                    ),
                    Query(
                        f"sum by (cluster, node) (rate(fluentbit_trouble_unread_total{{{FLUENT}}}{R}))",
                        "not read {{cluster}} {{node}}",
                    ),
                ),
                unit="ops",
            ),
            graph(
                "Records without metadata",
                "On which nodes do requests to the kubelet fail?",
                f"sum by (cluster, node) (rate(fluentbit_trouble_unlabelled_total{{{FLUENT}}}{R}))",
                "{{cluster}} {{node}}",
                unit="wps",
                steps=ANY,
            ),
        ),
        row(
            "Log",
            lines("Log", "What does it log?", _COMPONENT.format(namespace="node-agents", pod="fluent-bit"), height=10),
        ),
    ),
)

DASHBOARDS = (PROMETHEUS_DASHBOARD, TELEGRAF_DASHBOARD, FLUENT_BIT_DASHBOARD)
