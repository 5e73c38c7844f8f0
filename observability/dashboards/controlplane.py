# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards of the pipeline's components, from the controlplane's Prometheus, which works without the pipeline."""

from __future__ import annotations

from typing import Unpack

from observability.dashboards import parts
from observability.dashboards.cluster import C
from observability.dashboards.model import Dashboard, Panel, Query, Source, Variable
from observability.dashboards.parts import ANY, BUSY, CLUSTER, FULL, SOME, Look, Queries, R, label, lines, note, row


def graph(title: str, asks: str, queries: Queries, legend: str = "", **more: Unpack[Look]) -> Panel:
    look: Look = {"source": Source.PROMETHEUS, **more}
    return parts.graph(title, asks, queries, legend, **look)


def stat(title: str, asks: str, queries: Queries, legend: str = "", **more: Unpack[Look]) -> Panel:
    look: Look = {"source": Source.PROMETHEUS, **more}
    return parts.stat(title, asks, queries, legend, **look)


def table(title: str, asks: str, *queries: Query, **more: Unpack[Look]) -> Panel:
    look: Look = {"source": Source.PROMETHEUS, **more}
    return parts.table(title, asks, *queries, **look)


def choice(name: str, series: str, heading: str = "") -> Variable:
    return label(name, series, heading, source=Source.PROMETHEUS)


TOPIC = 'topic=~"$topic"'

KAFKA_DASHBOARD = Dashboard(
    uid="kafka",
    title="Kafka",
    about="Brokers, replication, topics, clients and consumers' lag.",
    folder="Pipeline",
    tags=("pipeline",),
    variables=(choice("topic", "kafka_server_topic_messagesin_total"),),
    next=(
        ("telegraf", "The clients that write metrics"),
        ("fluent-bit", "Who writes logs"),
        ("logstash", "Who reads"),
        ("pipeline", "All"),
    ),
    rows=(
        row(
            "Is it well?",
            stat(
                "Brokers",
                "Are all brokers there?",
                "max(kafka_controller_activebrokercount)",
                base="red",
                steps=((2, "yellow"), (3, "green")),
            ),
            stat(
                "Controllers in charge",
                "Is there exactly one?",
                "sum(kafka_controller_activecontrollercount)",
                base="red",
                steps=((1, "green"), (2, "red")),
            ),
            stat(
                "Offline partitions",
                "Are there partitions without a leader, which cannot be read or written?",
                "max(kafka_controller_offlinepartitionscount)",
                steps=ANY,
            ),
            stat(
                "Under-replicated",
                "Are there partitions with too few in-sync replicas?",
                "sum(kafka_server_replica_manager_underreplicatedpartitions)",
                steps=SOME,
            ),
            stat(
                "Below the minimum",
                "Are there partitions that reject writes?",
                "sum(kafka_server_replica_manager_underminisrpartitioncount)",
                steps=ANY,
            ),
            stat(
                "Lag",
                "Do consumers fall behind?",
                "sum(kafka_consumergroup_lag)",
                steps=((100000, "yellow"), (1000000, "red")),
            ),
        ),
        row(
            "Topics",
            graph(
                "Messages in",
                "Does every cluster write?",
                f"sum by (topic) (rate(kafka_server_topic_messagesin_total{{{TOPIC}}}[$__rate_interval]))",
                "{{topic}}",
                unit="wps",
            ),
            graph(
                "Bytes in and out",
                "How much goes through?",
                (
                    Query(
                        f"sum by (topic) (rate(kafka_server_topic_bytesin_total{{{TOPIC}}}[$__rate_interval]))",
                        "in {{topic}}",
                    ),
                    Query(
                        f"-sum by (topic) (rate(kafka_server_topic_bytesout_total{{{TOPIC}}}[$__rate_interval]))",
                        "out {{topic}}",
                    ),
                ),
                unit="Bps",
                low=None,
            ),
            graph(
                "Size on disk",
                "Which topic fills the disks?",
                f"sum by (topic) (kafka_log_size_bytes{{{TOPIC}}})",
                "{{topic}}",
                unit="bytes",
                stacked=True,
            ),
            graph(
                "Refused writes and reads",
                "Are requests rejected?",
                (
                    Query(
                        "sum by (topic)"
                        f" (rate(kafka_server_topic_failedproducerequests_total{{{TOPIC}}}[$__rate_interval]))",
                        "writes {{topic}}",
                    ),
                    Query(
                        f"sum by (topic) (rate(kafka_server_topic_failedfetchrequests_total{{{TOPIC}}}{R}))",
                        "reads {{topic}}",
                    ),
                ),
                unit="ops",
            ),
        ),
        row(
            "Consumers",
            graph(
                "Lag by group and topic",
                "Which consumer group falls behind, and does it catch up?",
                f"sum by (consumergroup, topic) (kafka_consumergroup_lag{{{TOPIC}}})",
                "{{consumergroup}} {{topic}}",
            ),
            graph(
                "Lag in time",
                "How old is what is read now?",
                f"sum by (topic) (kafka_consumergroup_lag{{{TOPIC}}})"
                f" / sum by (topic) (rate(kafka_topic_partition_current_offset{{{TOPIC}}}[5m]))",
                "{{topic}}",
                unit="s",
                steps=((60, "yellow"), (600, "red")),
            ),
        ),
        row(
            "Brokers",
            graph(
                "Idle time of request handlers",
                "Is a broker at its limit?",
                "100 * min by (pod) (kafka_server_request_handler_idle_ratio)",
                "{{pod}}",
                unit="percent",
                high=100,
                base="red",
                steps=((20, "yellow"), (40, "green")),
            ),
            graph(
                "Request time, 99th percentile",
                "Are writes or reads slow?",
                'max by (pod, request) (kafka_network_request_time_milliseconds{quantile="0.99"})',
                "{{pod}} {{request}}",
                unit="ms",
            ),
            graph(
                "In-sync sets shrinking and growing",
                "Do replicas fall behind repeatedly?",
                (
                    Query(
                        "sum by (pod) (rate(kafka_server_replica_manager_isrshrinks_total[$__rate_interval]))",
                        "shrinks {{pod}}",
                    ),
                    Query(
                        "sum by (pod) (rate(kafka_server_replica_manager_isrexpands_total[$__rate_interval]))",
                        "grows {{pod}}",
                    ),
                ),
                unit="ops",
            ),
            graph(
                "Connections and refused logins",
                "Are there logins with wrong credentials?",
                (
                    Query("sum by (listener) (kafka_server_connections)", "connections {{listener}}"),
                    Query(
                        "sum by (listener) (rate(kafka_server_failed_authentication_total[$__rate_interval]))",
                        "refused {{listener}}",
                    ),
                ),
            ),
            graph(
                "Partitions led",
                "Is the load balanced over the brokers?",
                "max by (pod) (kafka_server_replica_manager_leadercount)",
                "{{pod}}",
            ),
            graph(
                "Memory of the JVM",
                "Does the heap run full?",
                '100 * sum by (pod) (jvm_memory_used_bytes{namespace="kafka",area="heap"})'
                ' / sum by (pod) (jvm_memory_max_bytes{namespace="kafka",area="heap"})',
                "{{pod}}",
                unit="percent",
                high=100,
                steps=FULL,
            ),
        ),
        row("Log", lines("Log", "What do brokers say?", "kubernetes.namespace_name:kafka", height=10)),
    ),
)

PIPE = 'pipeline=~"$pipeline"'

LOGSTASH_DASHBOARD = Dashboard(
    uid="logstash",
    title="Logstash",
    about="From Kafka to Elasticsearch: events, queues, dead letters.",
    folder="Pipeline",
    tags=("pipeline",),
    variables=(choice("pipeline", "logstash_stats_pipeline_events_in"),),
    next=(("kafka", "Where it reads"), ("elasticsearch", "Where it writes"), ("pipeline", "All")),
    rows=(
        row(
            "Is it well?",
            stat(
                "Pods",
                "Is it there?",
                'sum(up{job="logstash-exporter"})',
                base="red",
                steps=((1, "yellow"), (2, "green")),
            ),
            stat(
                "Events in",
                "Does it read?",
                f"sum(rate(logstash_stats_pipeline_events_in{{{PIPE}}}[$__rate_interval]))",
                unit="wps",
            ),
            stat(
                "Events out",
                "Does it write?",
                f"sum(rate(logstash_stats_pipeline_events_out{{{PIPE}}}[$__rate_interval]))",
                unit="wps",
            ),
            stat(
                "Queue",
                "How full is the persistent queue?",
                f"100 * max(logstash_stats_pipeline_queue_events_queue_size{{{PIPE}}}"
                f" / logstash_stats_pipeline_queue_max_size_in_bytes{{{PIPE}}})",
                unit="percent",
                steps=((30, "yellow"), (70, "red")),
            ),
            stat(
                "Dead letters",
                "Are there events that Elasticsearch rejected?",
                # A sum would include the one byte of each empty queue.
                f"max(logstash_stats_pipeline_dead_letter_queue_size_in_bytes{{{PIPE}}})",
                unit="bytes",
                steps=((2, "red"),),
            ),
            stat(
                "Twice in 1 h",
                "How many messages were consumed twice and were already in Elasticsearch?",
                f"sum(increase(logstash_stats_pipeline_plugin_documents_non_retryable_failures{{{PIPE}}}[1h]))",
                decimals=0,
            ),
        ),
        row(
            "Events",
            graph(
                "In and out by pipeline",
                "Is the output rate equal to the input rate?",
                (
                    Query(
                        f"sum by (pipeline) (rate(logstash_stats_pipeline_events_in{{{PIPE}}}[$__rate_interval]))",
                        "in {{pipeline}}",
                    ),
                    Query(
                        f"sum by (pipeline) (rate(logstash_stats_pipeline_events_out{{{PIPE}}}[$__rate_interval]))",
                        "out {{pipeline}}",
                    ),
                ),
                unit="wps",
            ),
            graph(
                "Time of an event",
                "How long does an event take in filters and outputs?",
                f"sum by (pipeline) (rate(logstash_stats_pipeline_events_duration{{{PIPE}}}[$__rate_interval]))"
                f" / sum by (pipeline) (rate(logstash_stats_pipeline_events_out{{{PIPE}}}[$__rate_interval]))",
                "{{pipeline}}",
                unit="ms",
            ),
            graph(
                "Events in the queue",
                "Does Elasticsearch fall behind?",
                f"sum by (pod, pipeline) (logstash_stats_pipeline_queue_events_count{{{PIPE}}})",
                "{{pod}} {{pipeline}}",
            ),
            graph(
                "Backpressure on inputs",
                "Is the queue full, so that inputs wait?",
                f"max by (pod, pipeline) (logstash_stats_pipeline_flow_queue_backpressure_current{{{PIPE}}})",
                "{{pod}} {{pipeline}}",
            ),
        ),
        row(
            "Elasticsearch's answers",
            graph(
                "By code",
                "Does Elasticsearch reject documents: 429 overload, 409 already stored, 400 mapping conflict?",
                "sum by (pipeline, code)"
                f" (rate(logstash_stats_pipeline_plugin_bulk_requests_responses{{{PIPE}}}[$__rate_interval]))",
                "{{pipeline}} {{code}}",
                unit="reqps",
            ),
            graph(
                "Dead letters",
                "Since when are events rejected?",
                f"sum by (pod, pipeline) (logstash_stats_pipeline_dead_letter_queue_size_in_bytes{{{PIPE}}})",
                "{{pod}} {{pipeline}}",
                unit="bytes",
            ),
        ),
        row(
            "Itself",
            graph(
                "Heap",
                "Does memory run full?",
                "100 * max by (pod) (logstash_stats_jvm_mem_heap_used_bytes)"
                " / max by (pod) (logstash_stats_jvm_mem_heap_max_bytes)",
                "{{pod}}",
                unit="percent",
                high=100,
                steps=BUSY,
            ),
            graph(
                "CPU",
                "Is it at its limit?",
                "max by (pod) (logstash_stats_process_cpu_percent)",
                "{{pod}}",
                unit="percent",
            ),
        ),
        row("Log", lines("Log", "What does it say?", "kubernetes.namespace_name:logstash", height=10)),
    ),
)

ELASTICSEARCH_DASHBOARD = Dashboard(
    uid="elasticsearch",
    title="Elasticsearch",
    about="The store of metrics and logs: health, shards, disks, writes, searches, snapshots.",
    folder="Pipeline",
    tags=("pipeline", "storage"),
    next=(("logstash", "Who writes"), ("pipeline", "All"), ("volumes", "Its volumes")),
    rows=(
        row(
            "Is it well?",
            stat(
                "Health",
                "Are all primary and replica shards assigned?",
                'max(elasticsearch_cluster_health_status{color="yellow"}) + 2 *'
                ' max(elasticsearch_cluster_health_status{color="red"})',
                words=((0, "green", "green"), (1, "yellow", "yellow"), (2, "red", "red")),
            ),
            stat(
                "Nodes",
                "Are all nodes there?",
                "max(elasticsearch_cluster_health_number_of_nodes)",
                base="red",
                steps=((2, "yellow"), (3, "green")),
            ),
            stat(
                "Unassigned shards",
                "Are copies missing?",
                "max(elasticsearch_cluster_health_unassigned_shards)",
                steps=SOME,
            ),
            stat(
                "Fullest disk",
                "Is a disk close to the low watermark of 85 %, above which no shard is allocated to it?",
                "100 * (1 - min(elasticsearch_filesystem_data_available_bytes /"
                " elasticsearch_filesystem_data_size_bytes))",
                unit="percent",
                steps=((70, "yellow"), (85, "red")),
            ),
            stat(
                "Pending tasks",
                "Is its master overburdened?",
                "max(elasticsearch_cluster_health_number_of_pending_tasks)",
                steps=((5, "yellow"), (50, "red")),
            ),
            stat(
                "Last snapshot",
                "How old is the newest snapshot in S3?",
                "time() - max(elasticsearch_snapshot_stats_latest_snapshot_timestamp_seconds)",
                unit="s",
                steps=((90000, "yellow"), (180000, "red")),
            ),
        ),
        row(
            "Writes",
            graph(
                "Documents written",
                "Does it index the documents that it gets?",
                "sum by (name) (rate(elasticsearch_indices_indexing_index_total[$__rate_interval]))",
                "{{name}}",
                unit="wps",
                stacked=True,
            ),
            graph(
                "Time of a write",
                "Does it become slow?",
                "sum by (name) (rate(elasticsearch_indices_indexing_index_time_seconds_total[$__rate_interval]))"
                " / sum by (name) (rate(elasticsearch_indices_indexing_index_total[$__rate_interval]))",
                "{{name}}",
                unit="s",
            ),
            graph(
                "Refused work",
                "Do thread pools reject requests?",
                "sum by (name, type) (rate(elasticsearch_thread_pool_rejected_count[$__rate_interval]))",
                "{{name}} {{type}}",
                unit="ops",
            ),
            graph(
                "Merges",
                "Do merges keep up with indexing?",
                "sum by (name) (rate(elasticsearch_indices_merges_total_time_seconds_total[$__rate_interval]))",
                "{{name}}",
                unit="percentunit",
            ),
        ),
        row(
            "Searches",
            graph(
                "Searches",
                "How many searches run, including those of dashboards and alarms?",
                "sum by (name) (rate(elasticsearch_indices_search_query_total[$__rate_interval]))",
                "{{name}}",
                unit="reqps",
            ),
            graph(
                "Time of a search",
                "Are searches slow?",
                "sum by (name) (rate(elasticsearch_indices_search_query_time_seconds[$__rate_interval]))"
                " / sum by (name) (rate(elasticsearch_indices_search_query_total[$__rate_interval]))",
                "{{name}}",
                unit="s",
            ),
        ),
        row(
            "Storage",
            graph(
                "Disks",
                "When are they full?",
                "100 * (1 - elasticsearch_filesystem_data_available_bytes / elasticsearch_filesystem_data_size_bytes)",
                "{{name}}",
                unit="percent",
                high=100,
                steps=((70, "yellow"), (85, "red")),
            ),
            graph(
                "Data",
                "How much is stored?",
                "sum by (name) (elasticsearch_indices_store_size_bytes)",
                "{{name}}",
                unit="bytes",
                stacked=True,
            ),
            graph(
                "Data streams",
                "Which cluster's metrics or logs use the most disk space?",
                "max by (data_stream) (elasticsearch_data_stream_store_size_bytes)",
                "{{data_stream}}",
                unit="bytes",
            ),
            graph(
                "Snapshots",
                "Do snapshots fail?",
                (
                    Query(
                        "sum by (policy) (increase(elasticsearch_slm_stats_snapshots_taken_total[1d]))",
                        "taken {{policy}}",
                    ),
                    Query(
                        "sum by (policy) (increase(elasticsearch_slm_stats_snapshots_failed_total[1d]))",
                        "failed {{policy}}",
                    ),
                ),
                decimals=0,
            ),
        ),
        row(
            "Itself",
            graph(
                "Heap",
                "Does memory run full?",
                '100 * max by (name) (elasticsearch_jvm_memory_used_bytes{area="heap"})'
                ' / max by (name) (elasticsearch_jvm_memory_max_bytes{area="heap"})',
                "{{name}}",
                unit="percent",
                high=100,
                steps=BUSY,
            ),
            graph(
                "CPU",
                "Is it at its limit?",
                "max by (name) (elasticsearch_process_cpu_percent)",
                "{{name}}",
                unit="percent",
                high=100,
                steps=BUSY,
            ),
            graph(
                "Garbage collection",
                "Does it stop to make room?",
                "sum by (name, gc) (rate(elasticsearch_jvm_gc_collection_seconds_sum[$__rate_interval]))",
                "{{name}} {{gc}}",
                unit="percentunit",
            ),
            graph(
                "Circuit breakers",
                "Does it reject requests that need too much memory?",
                "sum by (name, breaker) (increase(elasticsearch_breakers_tripped[$__rate_interval]))",
                "{{name}} {{breaker}}",
                decimals=0,
            ),
        ),
        row("Log", lines("Log", "What does it say?", "kubernetes.namespace_name:elasticsearch", height=10)),
    ),
)

PIPELINE_DASHBOARD = Dashboard(
    uid="pipeline",
    title="Pipeline",
    about="The path of metrics and logs, hop by hop: throughput, lag, loss, latency.",
    folder="Pipeline",
    tags=("pipeline", "fleet"),
    variables=(CLUSTER,),
    next=(
        ("prometheus", "Hop 1"),
        ("telegraf", "Hop 2"),
        ("fluent-bit", "Hop 1 and 2 of logs"),
        ("kafka", "Hop 3"),
        ("logstash", "Hop 4"),
        ("elasticsearch", "Hop 5"),
    ),
    rows=(
        row(
            "End to end",
            note(
                "How to read this",
                "Metrics: Prometheus → Telegraf → Kafka → Logstash → Elasticsearch. Logs: Fluent Bit → Kafka →"
                " Logstash → Elasticsearch. What is before Kafka is seen through the pipeline itself (data source"
                " *metrics*), what is from"
                " Kafka on through the controlplane's own Prometheus: if the upper rows are empty and the lower"
                " are not, the"
                " fault is in the lower ones' first red panel.",
            ),
            parts.stat(
                "Age of the newest sample",
                "How long does a sample need from a node to Elasticsearch?",
                f"time() - max by (cluster) (node_time_seconds{{{C}}})",
                "{{cluster}}",
                unit="s",
                steps=((90, "yellow"), (300, "red")),
                width=12,
            ),
            parts.stat(
                "Watchdog",
                "Do the alarms of each cluster reach Elasticsearch?",
                f'max by (cluster) (ALERTS{{alertname="Watchdog",alertstate="firing",{C}}})',
                "{{cluster}}",
                words=((1, "arrives", "green"), (0, "missing", "red")),
                width=12,
            ),
        ),
        row(
            "Throughput, hop by hop",
            parts.graph(
                "1 Prometheus sends",
                "How many samples leave each Prometheus?",
                "sum by (cluster)"
                f' (rate(prometheus_remote_storage_samples_total{{job="prometheus",{C}}}[$__rate_interval]))',
                "{{cluster}}",
                unit="wps",
                width=8,
                opens="prometheus",
                passes=("cluster",),
            ),
            parts.graph(
                "2 Telegraf writes",
                "Does Telegraf write as many?",
                f'sum by (cluster) (rate(internal_write_metrics_written{{output="kafka",{C}}}[$__rate_interval]))',
                "{{cluster}}",
                unit="wps",
                width=8,
                opens="telegraf",
                passes=("cluster",),
            ),
            parts.graph(
                "2 Fluent Bit sends",
                "How many log records does each cluster send?",
                "sum by (cluster) (rate(fluentbit_filter_records_total"
                f'{{name=~"container_record|journal_record|event_record",{C}}}{R}))',
                "{{cluster}}",
                unit="wps",
                width=8,
                opens="fluent-bit",
                passes=("cluster",),
            ),
            graph(
                "3 Kafka takes in",
                "Does Kafka receive at the same rate, from every cluster?",
                "sum by (topic) (rate(kafka_server_topic_messagesin_total[$__rate_interval]))",
                "{{topic}}",
                unit="wps",
                width=8,
                opens="kafka",
                passes=("topic",),
            ),
            graph(
                "4 Logstash passes on",
                "Does Logstash read and write at the same rate?",
                "sum by (pipeline) (rate(logstash_stats_pipeline_events_out[$__rate_interval]))",
                "{{pipeline}}",
                unit="wps",
                width=8,
                opens="logstash",
                passes=("pipeline",),
            ),
            graph(
                "5 Elasticsearch stores",
                "Does Elasticsearch index at the same rate, replicas included?",
                "sum(rate(elasticsearch_indices_indexing_index_total[$__rate_interval]))",
                "documents",
                unit="wps",
                width=8,
                opens="elasticsearch",
            ),
        ),
        row(
            "Lag and latency",
            parts.graph(
                "1 Prometheus behind",
                "How old are the samples that Prometheus sends?",
                "time() - max by (cluster)"
                f' (prometheus_remote_storage_queue_highest_sent_timestamp_seconds{{job="prometheus",{C}}})',
                "{{cluster}}",
                unit="s",
                steps=((120, "red"),),
                width=8,
            ),
            parts.graph(
                "2 Telegraf's buffer",
                "How much of Telegraf's buffer for outages of Kafka is used?",
                f'100 * sum by (cluster) (internal_write_buffer_size{{output="kafka",{C}}})'
                f' / sum by (cluster) (internal_write_buffer_limit{{output="kafka",{C}}})',
                "{{cluster}}",
                unit="percent",
                high=100,
                steps=((50, "red"),),
                width=8,
            ),
            parts.graph(
                "2 Fluent Bit's buffer",
                "Do logs accumulate in the nodes' disk buffers?",
                f'100 - min by (cluster) (fluentbit_output_chunk_available_capacity_percent{{name="kafka",{C}}})',
                "{{cluster}}",
                unit="percent",
                high=100,
                steps=((50, "red"),),
                width=8,
            ),
            graph(
                "3 Kafka, consumers' lag",
                "How many messages are not consumed yet?",
                "sum by (topic) (kafka_consumergroup_lag)",
                "{{topic}}",
                width=8,
                steps=((1000000, "red"),),
            ),
            graph(
                "3 Kafka, lag in time",
                "How long does a message wait until it is consumed?",
                "sum by (topic) (kafka_consumergroup_lag) / sum by (topic)"
                " (rate(kafka_topic_partition_current_offset[5m]))",
                "{{topic}}",
                unit="s",
                width=8,
                steps=((600, "red"),),
            ),
            graph(
                "4 Logstash, queue and time of an event",
                "Does Elasticsearch slow Logstash down?",
                (
                    Query("sum by (pipeline) (logstash_stats_pipeline_queue_events_count)", "queued {{pipeline}}"),
                    Query(
                        "sum by (pipeline) (rate(logstash_stats_pipeline_events_duration[$__rate_interval]))"
                        " / sum by (pipeline) (rate(logstash_stats_pipeline_events_out[$__rate_interval]))",
                        "ms an event {{pipeline}}",
                    ),
                ),
                width=8,
            ),
        ),
        row(
            "Loss",
            parts.graph(
                "1 and 2 Samples lost",
                "Were samples lost before Kafka?",
                (
                    Query(
                        "sum by (cluster)"
                        f' (increase(prometheus_remote_storage_samples_failed_total{{job="prometheus",{C}}}{R}))',
                        "Prometheus {{cluster}}",
                    ),
                    Query(
                        "sum by (cluster)"
                        f' (increase(internal_write_metrics_dropped{{output="kafka",{C}}}[$__rate_interval]))',
                        "telegraf {{cluster}}",
                    ),
                ),
                decimals=0,
                width=6,
            ),
            parts.graph(
                "2 Log records lost",
                "Were log records dropped before Kafka, or rejected permanently by Kafka?",
                (
                    Query(
                        f"sum by (cluster) (increase(fluentbit_output_dropped_records_total{{{C}}}[$__rate_interval]))",
                        "dropped {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (increase(fluentbit_trouble_refused_total{{{C}}}[$__rate_interval]))",
                        "refused {{cluster}}",
                    ),
                ),
                decimals=0,
                width=6,
            ),
            graph(
                "4 Dead letters",
                "Are there events in the dead letter queue that need an operator?",
                "max by (pipeline) (logstash_stats_pipeline_dead_letter_queue_size_in_bytes)",
                "{{pipeline}}",
                unit="bytes",
                width=6,
            ),
            graph(
                "4 Dead letters lost",
                "Were dead letters deleted by retention before they were replayed?",
                "sum by (pipeline)"
                " (increase(logstash_stats_pipeline_dead_letter_queue_expired_events[$__rate_interval]))",
                "{{pipeline}}",
                decimals=0,
                width=6,
            ),
        ),
        row(
            "Its settings",
            parts.table(
                "Drift",
                "How many topics, users, templates or data views had manual changes that the last run reverted?",
                Query(f"max by (cluster, reconciler) (reconciler:drift_objects:last{{{C}}})", "Objects", "none", SOME),
                height=8,
            ),
        ),
    ),
)

GRAFANA_DASHBOARD = Dashboard(
    uid="grafana",
    title="Grafana",
    about="Grafana itself: whether dashboards are fast, and whether alarms are evaluated and sent.",
    folder="Pipeline",
    tags=("pipeline", "alarms"),
    next=(("alarms", "What is wrong"), ("elasticsearch", "Where it reads")),
    rows=(
        row(
            "Is it well?",
            stat(
                "Running",
                "Does it answer?",
                'sum(up{job="grafana"})',
                base="red",
                steps=((1, "green"),),
                width=6,
            ),
            stat(
                "Alarms not evaluated in 1 h",
                "Are there alarms that could not be evaluated?",
                "sum(increase(grafana_alerting_rule_evaluation_failures_total[1h]))",
                decimals=0,
                steps=ANY,
                width=6,
            ),
            stat(
                "Notifications not sent in 1 h",
                "Do notifications fail?",
                "sum(increase(grafana_alerting_notifications_failed_total[1h]))",
                decimals=0,
                steps=ANY,
                width=6,
            ),
            stat(
                "Firing",
                "How many alarm instances exist?",
                'sum(grafana_alerting_alerts{state="alerting"})',
                steps=SOME,
                width=6,
            ),
        ),
        row(
            "Dashboards",
            graph(
                "Requests by code",
                "Does it answer with errors?",
                "sum by (status_code) (rate(grafana_http_request_duration_seconds_count[$__rate_interval]))",
                "{{status_code}}",
                unit="reqps",
                stacked=True,
            ),
            graph(
                "Time of a query to a data source, 99th percentile",
                "Which data source is slow?",
                "histogram_quantile(0.99, sum by (le, datasource_type)"
                " (rate(grafana_datasource_request_duration_seconds_bucket[$__rate_interval])))",
                "{{datasource_type}}",
                unit="s",
                steps=((10, "yellow"), (30, "red")),
            ),
        ),
        row(
            "Alarms",
            graph(
                "Evaluations",
                "Does it evaluate all alarms?",
                (
                    Query("sum(rate(grafana_alerting_rule_evaluations_total[$__rate_interval]))", "evaluated"),
                    Query("sum(rate(grafana_alerting_rule_evaluation_failures_total[$__rate_interval]))", "failed"),
                ),
                unit="ops",
            ),
            graph(
                "Notifications",
                "Which contact points are notified, and do notifications succeed?",
                (
                    Query(
                        "sum by (integration) (increase(grafana_alerting_notifications_total[$__rate_interval]))",
                        "{{integration}}",
                    ),
                    Query(
                        "sum by (integration)"
                        " (increase(grafana_alerting_notifications_failed_total[$__rate_interval]))",
                        "{{integration}}, failed",
                    ),
                ),
                decimals=0,
            ),
        ),
        row("Log", lines("Log", "What does it say?", "kubernetes.namespace_name:grafana", height=10)),
    ),
)

DASHBOARDS = (KAFKA_DASHBOARD, LOGSTASH_DASHBOARD, ELASTICSEARCH_DASHBOARD, PIPELINE_DASHBOARD, GRAFANA_DASHBOARD)
