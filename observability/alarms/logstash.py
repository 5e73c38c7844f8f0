# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about Logstash, from the controlplane's own Prometheus."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where

_POD = 'job="logstash-exporter",namespace="logstash",pod="logstash-0"'
_PIPELINE = f'{{{_POD},pipeline="metrics"}}'
_LABELS = {"pod": "logstash-0", "pipeline": "metrics"}
_DEAD_LETTERS = "logstash_stats_pipeline_dead_letter_queue"
# Bytes of a dead letter queue without a letter: the version at the head of the segment that is being written, see
# nextWriter in logstash-core/src/main/java/org/logstash/common/io/DeadLetterQueueWriter.java of Logstash 9.5. Once a
# reader has removed what it read, the size is that of the sealed segments alone: 0.
_EMPTY = 1
_DOCUMENTS = "logstash_stats_pipeline_plugin_documents"
_OUTPUT = f'{{{_POD},pipeline="metrics",plugin="elasticsearch",plugin_id="metrics_elasticsearch",plugin_type="output"}}'
_PODS = "$ kubectl --context controlplane --namespace logstash get pods"
_LOGS = "$ kubectl --context controlplane --namespace logstash logs logstash-0 --container logstash --tail=100"

TOPIC = Topic(
    name="logstash",
    title="Logstash",
    alarms=(
        Alarm(
            name="LogstashDown",
            severity=Severity.CRITICAL,
            component="logstash",
            where=Where.PROMETHEUS,
            query="min by (pod, pipeline) (logstash_stats_pipeline_up)",
            op="<",
            threshold=1,
            hold="5m",
            must_exist=True,
            summary="Pipeline {{ $labels.pipeline }} of Logstash on {{ $labels.cluster }} is down",
            description="Pod {{ $labels.pod }} does not run this pipeline; without any numbers it fires too.",
            runbook=Runbook(
                meaning="The pipeline has ended, or Logstash's API does not answer its exporter.",
                impact="Nothing comes out of Kafka by this pipeline. Kafka keeps it for as long as its retention "
                "lasts.",
                look=(_PODS, _LOGS),
                fix=(
                    "A configuration that does not compile: run `--tags logstash` for the controlplane; it was "
                    "linted before.",
                    "*Logstash failed to create queue*: `/usr/share/logstash/bin/pqcheck` and `pqrepair` in the pod; "
                    "what is in Kafka is read again.",
                    "No numbers at all: the exporter beside it, or [TargetDown](TargetDown.md).",
                ),
            ),
            firing=Fixture(series={f"logstash_stats_pipeline_up{_PIPELINE}": "0x60"}, alerts=(_LABELS,)),
            silent=Fixture(series={f"logstash_stats_pipeline_up{_PIPELINE}": "1x60"}),
        ),
        Alarm(
            name="LogstashStalled",
            severity=Severity.CRITICAL,
            component="logstash",
            where=Where.PROMETHEUS,
            # A pipeline that replays has nothing to do most of the time.
            query='sum by (pipeline) (rate(logstash_stats_pipeline_events_out{pipeline!~".+-replay"}[10m]))',
            op="<",
            threshold=0.01,
            hold="10m",
            must_exist=True,
            summary="Pipeline {{ $labels.pipeline }} of Logstash on {{ $labels.cluster }} lets nothing out",
            description="No event has left the pipeline for 20 minutes.",
            runbook=Runbook(
                meaning="It runs and delivers nothing: Elasticsearch refuses or Kafka gives nothing.",
                impact="Dashboards stand still.",
                look=(
                    _LOGS,
                    "*Retrying failed action* or *Attempted to send a bulk request*, with the status or the cause: "
                    "Elasticsearch. *Group coordinator ... is unavailable or invalid*: Kafka.",
                ),
                fix=(
                    "Elasticsearch: [ElasticsearchRed](ElasticsearchRed.md), "
                    "[ElasticsearchDiskAlmostFull](ElasticsearchDiskAlmostFull.md).",
                    "401 or 403: the user `logstash_writer`; run `--tags elasticsearch,logstash`.",
                ),
            ),
            firing=Fixture(
                series={f"logstash_stats_pipeline_events_out{_PIPELINE}": "500x60"}, alerts=({"pipeline": "metrics"},)
            ),
            silent=Fixture(
                series={
                    f"logstash_stats_pipeline_events_out{_PIPELINE}": "0+600x60",
                    f'logstash_stats_pipeline_events_out{{{_POD},pipeline="metrics-replay"}}': "0x60",
                }
            ),
        ),
        Alarm(
            name="LogstashRefused",
            severity=Severity.CRITICAL,
            component="logstash",
            where=Where.PROMETHEUS,
            # What left for Elasticsearch and was neither taken nor there already is a dead letter: the exporter has no
            # number of them.
            query=f"100 * (1 - sum by (pipeline) (rate({_DOCUMENTS}_successes[5m])"
            f" + rate({_DOCUMENTS}_non_retryable_failures[5m]))"
            ' / (sum by (pipeline) (rate(logstash_stats_pipeline_plugin_events_out{plugin="elasticsearch"}[5m])) > 0))',
            op=">",
            threshold=50,
            hold="1m",
            summary="Elasticsearch on {{ $labels.cluster }} refuses most of pipeline {{ $labels.pipeline }}",
            description="More than half of the documents have become dead letters for five minutes. At full load the "
            "dead letter queue is full within minutes, and then loses the oldest.",
            runbook=Runbook(
                meaning="Elasticsearch answered 400 or 404, or 403 to metrics, for most documents: a privilege that "
                "was taken away, indices that are read-only, a template that is not as declared, or a limit that is "
                "reached.",
                impact="What is refused is in the dead letter queue of each pod, `logstash_dead_letter_gib` at most: "
                "2 GiB are about 800,000 samples, which 2,500 samples per second fill in five minutes. Then the oldest "
                "letters are lost.",
                look=(
                    "Why, in Elasticsearch's own words:",
                    "$ kubectl --context controlplane --namespace logstash logs logstash-0 --container logstash "
                    "--tail=5000 "
                    "| grep 'routing to DLQ' | tail -3",
                ),
                fix=(
                    "At once stop reading, so that Kafka keeps what is to come: `kubectl --context controlplane "
                    "--namespace logstash scale statefulset logstash --replicas=0`; the queues stay on the volumes.",
                    "*security_exception*: the role of the user `logstash_writer`; run `--tags elasticsearch`, whose "
                    "reconciler gives it its privileges back.",
                    "*cluster_block_exception* with metrics: samples so old, or clocks so wrong, that their index has "
                    "been downsampled. Compare the clocks, and the first round of "
                    "`elasticsearch_metrics_downsampling`.",
                    "*Limit of total fields*: `elasticsearch_metrics_fields`.",
                    "Then run `--tags logstash`, and [replay the dead letters](../data-path.md#replay-dead-letters).",
                ),
            ),
            firing=Fixture(
                series={
                    # What is there already is no letter.
                    f"{_DOCUMENTS}_successes{_OUTPUT}": "0+600x20 12000x40",
                    f"{_DOCUMENTS}_non_retryable_failures{_OUTPUT}": "0+6x60",
                    f"logstash_stats_pipeline_plugin_events_out{_OUTPUT}": "0+606x60",
                },
                alerts=({"pipeline": "metrics"},),
            ),
            silent=Fixture(
                series={
                    f"{_DOCUMENTS}_successes{_OUTPUT}": "0+300x60",
                    f"{_DOCUMENTS}_non_retryable_failures{_OUTPUT}": "0+300x60",
                    f"logstash_stats_pipeline_plugin_events_out{_OUTPUT}": "0+606x60",
                }
            ),
        ),
        Alarm(
            name="LogstashDeadLetters",
            severity=Severity.WARNING,
            component="logstash",
            where=Where.PROMETHEUS,
            query=f"max by (pod, pipeline) ({_DEAD_LETTERS}_size_in_bytes)",
            op=">",
            threshold=_EMPTY,
            hold="0m",
            summary="Elasticsearch has refused documents of pipeline {{ $labels.pipeline }} on {{ $labels.cluster }}",
            description="There are documents in the dead letter queue of {{ $labels.pod }}.",
            runbook=Runbook(
                meaning="Elasticsearch answered 400 or 404, or 403 to metrics: a field of another type than "
                "its mapping, "
                "a missing index, a time that no index takes, a metric's name beyond the limit of fields, an "
                "index that "
                "was downsampled, or a privilege that is missing ([LogstashRefused](LogstashRefused.md)).",
                impact="These documents are not found by any search. They are kept in the dead letter queue, and this "
                "alarm fires, until they are replayed or older than `logstash_dead_letter_age`. Those of a pipeline "
                "`...-replay` were refused again.",
                look=(
                    "Why, in Elasticsearch's own words:",
                    "$ kubectl --context controlplane --namespace logstash logs logstash-0 --container logstash "
                    "--tail=5000 "
                    "| grep 'routing to DLQ' | tail -3",
                    "Grafana, dashboard *Logstash*, *Dead letters*: since when, and does it still grow?",
                ),
                fix=(
                    "A field with two types: have its program log it as one, or give it a type in the index template "
                    "(role "
                    "elasticsearch).",
                    "A missing data stream or template: run `--tags elasticsearch`; its reconciler makes them.",
                    "*Limit of total fields*, with metrics: raise `elasticsearch_metrics_fields`, or have the exporter "
                    "not make names of values; run `--tags elasticsearch`.",
                    "A timestamp outside of the ranges of currently writable indices, after an outage of "
                    "Elasticsearch's master: nothing to do but the next step. Otherwise a clock is wrong: "
                    "[NodeClockSkew](NodeClockSkew.md).",
                    "Afterwards [replay the dead letters](../data-path.md#replay-dead-letters), which empties "
                    "the queue.",
                ),
            ),
            firing=Fixture(
                series={
                    # The smallest letter: a record's header and a byte.
                    f"{_DEAD_LETTERS}_size_in_bytes{_PIPELINE}": f"{_EMPTY}x25 {_EMPTY + 13 + 1}x35",
                    f'{_DEAD_LETTERS}_size_in_bytes{{{_POD},pipeline="logs"}}': f"{_EMPTY}x60",
                },
                alerts=(_LABELS,),
            ),
            silent=Fixture(
                series={
                    f"{_DEAD_LETTERS}_size_in_bytes{_PIPELINE}": f"{_EMPTY}x60",
                    # Right after a reader has emptied it.
                    f'{_DEAD_LETTERS}_size_in_bytes{{{_POD},pipeline="logs"}}': "0x60",
                    # Documents that were there already, of messages that came twice, are no letters.
                    "logstash_stats_pipeline_plugin_documents_non_retryable_failures"
                    f'{{{_POD},pipeline="logs",plugin="elasticsearch",plugin_type="output"}}': "0+5x60",
                }
            ),
        ),
        Alarm(
            name="LogstashDeadLettersFull",
            severity=Severity.CRITICAL,
            component="logstash",
            where=Where.PROMETHEUS,
            query=f"100 * max by (pod, pipeline) ({_DEAD_LETTERS}_size_in_bytes) "
            f"/ max by (pod, pipeline) ({_DEAD_LETTERS}_max_size_in_bytes)",
            op=">",
            threshold=80,
            hold="5m",
            must_exist=True,
            summary="The dead letters of pipeline {{ $labels.pipeline }} on {{ $labels.cluster }} are almost too many",
            description="The dead letter queue of {{ $labels.pod }} is more than 80 % full; beyond its limit they "
            "are dropped.",
            runbook=Runbook(
                meaning="[LogstashDeadLetters](LogstashDeadLetters.md) has not been fixed for long.",
                impact="Soon refused documents are lost for good.",
                look=(
                    "$ kubectl --context controlplane --namespace logstash exec logstash-0 --container logstash -- "
                    "du -sh /var/lib/logstash/dead_letter_queue",
                ),
                fix=(
                    "Remove the cause, then [replay them](../data-path.md#replay-dead-letters).",
                    "More room: `logstash_dead_letter_gib`.",
                ),
            ),
            firing=Fixture(
                series={
                    f"{_DEAD_LETTERS}_size_in_bytes{_PIPELINE}": "90x60",
                    f"{_DEAD_LETTERS}_max_size_in_bytes{_PIPELINE}": "100x60",
                },
                alerts=(_LABELS,),
            ),
            silent=Fixture(
                series={
                    f"{_DEAD_LETTERS}_size_in_bytes{_PIPELINE}": f"{_EMPTY}x60",
                    f"{_DEAD_LETTERS}_max_size_in_bytes{_PIPELINE}": "100x60",
                }
            ),
        ),
        Alarm(
            name="LogstashQueueFull",
            severity=Severity.WARNING,
            component="logstash",
            where=Where.PROMETHEUS,
            query="100 * max by (pod, pipeline) (logstash_stats_pipeline_queue_events_queue_size) "
            "/ max by (pod, pipeline) (logstash_stats_pipeline_queue_max_size_in_bytes)",
            op=">",
            threshold=80,
            hold="10m",
            must_exist=True,
            summary="The queue of pipeline {{ $labels.pipeline }} of Logstash on {{ $labels.cluster }} is almost full",
            description="The persisted queue of {{ $labels.pod }} has been more than 80 % full for ten minutes.",
            runbook=Runbook(
                meaning="Events come in faster than Elasticsearch takes them.",
                impact="When it is full Logstash stops reading; then Kafka holds what waits. Nothing is lost until "
                "the topic's "
                "retention ends.",
                look=(_LOGS, "Grafana, dashboard *Elasticsearch*: rejected writes, heap, disk."),
                fix=(
                    "Elasticsearch is the brake: fix it, or make it larger.",
                    "A peak that passes: nothing to do.",
                ),
            ),
            firing=Fixture(
                series={
                    f"logstash_stats_pipeline_queue_events_queue_size{_PIPELINE}": "90x60",
                    f"logstash_stats_pipeline_queue_max_size_in_bytes{_PIPELINE}": "100x60",
                },
                alerts=(_LABELS,),
            ),
            silent=Fixture(
                series={
                    f"logstash_stats_pipeline_queue_events_queue_size{_PIPELINE}": "10x60",
                    f"logstash_stats_pipeline_queue_max_size_in_bytes{_PIPELINE}": "100x60",
                }
            ),
        ),
        Alarm(
            name="LogstashHeapHigh",
            severity=Severity.WARNING,
            component="logstash",
            where=Where.PROMETHEUS,
            query="100 * max by (pod) (logstash_stats_jvm_mem_heap_used_bytes) "
            "/ max by (pod) (logstash_stats_jvm_mem_heap_max_bytes)",
            op=">",
            threshold=90,
            hold="15m",
            must_exist=True,
            summary="Logstash pod {{ $labels.pod }} on {{ $labels.cluster }} has hardly any heap left",
            description="More than 90 % of the heap has been used for 15 minutes.",
            runbook=Runbook(
                meaning="Garbage collection does not get the heap below 90 %.",
                impact="Pauses, then an OutOfMemoryError and a restart.",
                look=(_PODS, "Grafana, dashboard *Logstash*: heap and time of garbage collection."),
                fix=("`logstash_size: large`; smaller batches in `logstash_pipelines`.",),
            ),
            firing=Fixture(
                series={
                    f"logstash_stats_jvm_mem_heap_used_bytes{{{_POD}}}": "95x60",
                    f"logstash_stats_jvm_mem_heap_max_bytes{{{_POD}}}": "100x60",
                },
                alerts=({"pod": "logstash-0"},),
            ),
            silent=Fixture(
                series={
                    f"logstash_stats_jvm_mem_heap_used_bytes{{{_POD}}}": "50x60",
                    f"logstash_stats_jvm_mem_heap_max_bytes{{{_POD}}}": "100x60",
                }
            ),
        ),
    ),
)
