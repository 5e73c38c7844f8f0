# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about Elasticsearch, from the controlplane's own Prometheus."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where

_CLUSTER = 'job="elasticsearch-exporter",namespace="elasticsearch"'
_NODE = f'{{{_CLUSTER},name="elasticsearch-0"}}'
_WRITE = f'{{{_CLUSTER},name="elasticsearch-0",type="write"}}'
_NODE_LABELS = {"name": "elasticsearch-0"}
_PODS = "$ kubectl --context controlplane --namespace elasticsearch get pods --output wide"
_LOGS = "$ kubectl --context controlplane --namespace elasticsearch logs elasticsearch-0 --tail=100"
_CONSOLE = "Kibana, *Dev Tools*:"


def _health(color: str, name: str, *, severity: Severity, hold: str, description: str, runbook: Runbook) -> Alarm:
    metric = f'elasticsearch_cluster_health_status{{{_CLUSTER},color="{color}"}}'
    return Alarm(
        name=name,
        severity=severity,
        component="elasticsearch",
        where=Where.PROMETHEUS,
        query=f'max(elasticsearch_cluster_health_status{{color="{color}"}})',
        op=">",
        threshold=0,
        hold=hold,
        must_exist=True,
        summary=f"Elasticsearch on {{{{ $labels.cluster }}}} is {color}",
        description=description,
        runbook=runbook,
        firing=Fixture(series={metric: "1x60"}, alerts=({},)),
        silent=Fixture(series={metric: "0x60"}),
    )


TOPIC = Topic(
    name="elasticsearch",
    title="Elasticsearch",
    alarms=(
        _health(
            "red",
            "ElasticsearchRed",
            severity=Severity.CRITICAL,
            hold="2m",
            description="Some primary shards are not there: data cannot be written "
            "or found. Without any numbers it fires "
            "too.",
            runbook=Runbook(
                meaning="At least one index has a primary shard on no node; or the exporter cannot ask.",
                impact="Writes to that index wait in Logstash and Kafka; searches are incomplete.",
                look=(
                    _PODS,
                    f"{_CONSOLE} `GET _cat/indices?health=red`, then `GET _cluster/allocation/explain`.",
                    _LOGS,
                ),
                fix=(
                    "A node is away: bring it back; its shards come with it.",
                    "*max_retry*: after the cause is fixed `POST _cluster/reroute?retry_failed`.",
                    "The data is gone: restore the index from the newest snapshot "
                    "(`POST _snapshot/snapshots/NAME/_restore`), or delete "
                    "a data stream's oldest backing index and live with the gap.",
                ),
            ),
        ),
        _health(
            "yellow",
            "ElasticsearchYellow",
            severity=Severity.WARNING,
            hold="30m",
            description="Some replica shards have had no node for half an hour.",
            runbook=Runbook(
                meaning="All data is there, once. A node that is away for a restart explains some minutes of it.",
                impact="The loss of one more node may lose data.",
                look=(_PODS, f"{_CONSOLE} `GET _cluster/allocation/explain`."),
                fix=(
                    "A node is away: [PodPending](PodPending.md), [PodCrashLooping](PodCrashLooping.md).",
                    "Disk watermarks keep replicas off: [ElasticsearchDiskAlmostFull](ElasticsearchDiskAlmostFull.md).",
                    "One node only (`small` in a test): an index with replicas cannot be green there.",
                ),
            ),
        ),
        Alarm(
            name="ElasticsearchDiskAlmostFull",
            severity=Severity.CRITICAL,
            component="elasticsearch",
            where=Where.PROMETHEUS,
            query="100 * (1 - min by (name) (elasticsearch_filesystem_data_available_bytes) "
            "/ min by (name) (elasticsearch_filesystem_data_size_bytes))",
            op=">",
            threshold=85,
            hold="5m",
            must_exist=True,
            summary="Elasticsearch node {{ $labels.name }} on {{ $labels.cluster }} has passed its low watermark",
            description="More than 85 % of the disk is used: no new shards here; at 90 % they move away, at 95 % its "
            "indices "
            "become read-only.",
            runbook=Runbook(
                meaning="The low disk watermark, 85 % by default.",
                impact="At 95 % (flood stage) nothing can be written to indices with a shard on this node.",
                look=(
                    f"{_CONSOLE} `GET _cat/allocation?v` and `GET _cat/indices?s=store.size:desc&h=index,store.size`.",
                    "Grafana, dashboard *Elasticsearch*: which data stream grows?",
                ),
                fix=(
                    "A larger disk: `elasticsearch_storage_size` and run `--tags elasticsearch`; volumes grow in use.",
                    "Keep less: retention of the data streams in the role elasticsearch.",
                    "At once: delete the oldest backing index of the largest data stream.",
                    "After a flood stage the block goes by itself when there is room.",
                ),
            ),
            firing=Fixture(
                series={
                    f"elasticsearch_filesystem_data_available_bytes{_NODE}": "10x60",
                    f"elasticsearch_filesystem_data_size_bytes{_NODE}": "100x60",
                },
                alerts=(_NODE_LABELS,),
            ),
            silent=Fixture(
                series={
                    f"elasticsearch_filesystem_data_available_bytes{_NODE}": "40x60",
                    f"elasticsearch_filesystem_data_size_bytes{_NODE}": "100x60",
                }
            ),
        ),
        Alarm(
            name="ElasticsearchHeapHigh",
            severity=Severity.WARNING,
            component="elasticsearch",
            where=Where.PROMETHEUS,
            query='100 * max by (name) (elasticsearch_jvm_memory_used_bytes{area="heap"}) '
            '/ max by (name) (elasticsearch_jvm_memory_max_bytes{area="heap"})',
            op=">",
            threshold=90,
            hold="15m",
            must_exist=True,
            summary="Elasticsearch node {{ $labels.name }} on {{ $labels.cluster }} has hardly any heap left",
            description="More than 90 % of the heap has been used for 15 minutes.",
            runbook=Runbook(
                meaning="Garbage collection does not get the heap below 90 %.",
                impact="Circuit breakers refuse requests; long pauses take the node out of the cluster.",
                look=(
                    f"{_CONSOLE} `GET _nodes/stats/breaker,jvm` and `GET _cat/shards` (thousands of shards are the "
                    f"usual "
                    "cause), `GET _tasks?detailed` for a heavy search.",
                ),
                fix=(
                    "A heavy search: `POST _tasks/ID/_cancel`.",
                    "`elasticsearch_size: large`, or fewer, larger backing indices (rollover by size).",
                ),
            ),
            firing=Fixture(
                series={
                    f'elasticsearch_jvm_memory_used_bytes{{{_CLUSTER},name="elasticsearch-0",area="heap"}}': "95x60",
                    f'elasticsearch_jvm_memory_max_bytes{{{_CLUSTER},name="elasticsearch-0",area="heap"}}': "100x60",
                },
                alerts=(_NODE_LABELS,),
            ),
            silent=Fixture(
                series={
                    f'elasticsearch_jvm_memory_used_bytes{{{_CLUSTER},name="elasticsearch-0",area="heap"}}': "60x60",
                    f'elasticsearch_jvm_memory_max_bytes{{{_CLUSTER},name="elasticsearch-0",area="heap"}}': "100x60",
                }
            ),
        ),
        Alarm(
            name="ElasticsearchRejecting",
            severity=Severity.WARNING,
            component="elasticsearch",
            where=Where.PROMETHEUS,
            query='sum by (name, type) (rate(elasticsearch_thread_pool_rejected_count{type=~"write|search"}[5m]))',
            op=">",
            threshold=0.1,
            hold="10m",
            summary="Elasticsearch node {{ $labels.name }} on {{ $labels.cluster }} turns requests away",
            description="The queue of thread pool {{ $labels.type }} has been full for ten minutes.",
            runbook=Runbook(
                meaning="More requests than the node can take: 429.",
                impact="write: Logstash tries again, the lag grows. search: panels and alarms show errors.",
                look=(f"{_CONSOLE} `GET _cat/thread_pool/write,search?v` and `GET _nodes/hot_threads`.",),
                fix=(
                    "write: `elasticsearch_size: large` or more nodes; larger batches in Logstash.",
                    "search: a dashboard with a short refresh over a long time; a heavy query in Kibana.",
                ),
            ),
            firing=Fixture(
                series={f"elasticsearch_thread_pool_rejected_count{_WRITE}": "0+60x60"},
                alerts=({"name": "elasticsearch-0", "type": "write"},),
            ),
            silent=Fixture(series={f"elasticsearch_thread_pool_rejected_count{_WRITE}": "9x60"}),
        ),
        Alarm(
            name="ElasticsearchTasksPending",
            severity=Severity.WARNING,
            component="elasticsearch",
            where=Where.PROMETHEUS,
            query="max(elasticsearch_cluster_health_number_of_pending_tasks)",
            op=">",
            threshold=50,
            hold="15m",
            must_exist=True,
            summary="The master of Elasticsearch on {{ $labels.cluster }} does not keep up",
            description="More than 50 changes of the cluster's state have waited for 15 minutes.",
            runbook=Runbook(
                meaning="The elected master works through changes of mappings, shards and settings one after the "
                "other.",
                impact="New fields and new indices wait, and writes with them.",
                look=(f"{_CONSOLE} `GET _cluster/pending_tasks` and `GET _cat/master`.",),
                fix=(
                    "Mapping updates without end: a source with ever new field names; map it as `flattened`.",
                    "A sick master: delete its pod; another node takes over.",
                ),
            ),
            firing=Fixture(
                series={f"elasticsearch_cluster_health_number_of_pending_tasks{{{_CLUSTER}}}": "99x60"}, alerts=({},)
            ),
            silent=Fixture(series={f"elasticsearch_cluster_health_number_of_pending_tasks{{{_CLUSTER}}}": "3x60"}),
        ),
        Alarm(
            name="SnapshotOld",
            severity=Severity.CRITICAL,
            component="elasticsearch",
            where=Where.PROMETHEUS,
            query="time() - max(elasticsearch_snapshot_stats_latest_snapshot_timestamp_seconds)",
            op=">",
            threshold=129600,
            hold="30m",
            must_exist=True,
            summary="The newest snapshot of Elasticsearch on {{ $labels.cluster }} is older than 36 hours",
            description="No snapshot has succeeded for a day and a half; with no snapshot at all it fires too.",
            runbook=Runbook(
                meaning="SLM takes a snapshot each night; the last good one is too old.",
                impact="What is lost now cannot be restored beyond that day.",
                look=(f"{_CONSOLE} `GET _slm/policy?human` and `GET _slm/stats`.", _LOGS),
                fix=(
                    "*AccessDenied*: the pod identity of Elasticsearch and the bucket's policy; run `--tags "
                    "elasticsearch`.",
                    "SLM stopped (`GET _slm/status`): `POST _slm/start`.",
                    "Then take one at once: `PUT _slm/policy/NAME/_execute`.",
                ),
            ),
            firing=Fixture(
                series={f"elasticsearch_snapshot_stats_latest_snapshot_timestamp_seconds{{{_CLUSTER}}}": "600x2500"},
                at="40h",
                alerts=({},),
            ),
            silent=Fixture(
                series={f"elasticsearch_snapshot_stats_latest_snapshot_timestamp_seconds{{{_CLUSTER}}}": "86400x2500"},
                at="40h",
            ),
        ),
        Alarm(
            name="SnapshotFailed",
            severity=Severity.WARNING,
            component="elasticsearch",
            where=Where.PROMETHEUS,
            query="sum by (policy) (increase(elasticsearch_slm_stats_snapshots_failed_total[1h]))",
            op=">",
            threshold=0,
            hold="0m",
            summary="A snapshot of Elasticsearch on {{ $labels.cluster }} has failed",
            description="Policy {{ $labels.policy }} has failed within the last hour.",
            runbook=Runbook(
                meaning="One snapshot failed. The next one may do better; [SnapshotOld](SnapshotOld.md) waits for two.",
                impact="None as long as the one before is there.",
                look=(f"{_CONSOLE} `GET _slm/policy/NAME?human`: `last_failure` has the reason.",),
                fix=("As for [SnapshotOld](SnapshotOld.md).",),
            ),
            firing=Fixture(
                series={f'elasticsearch_slm_stats_snapshots_failed_total{{{_CLUSTER},policy="nightly"}}': "0x20 1x40"},
                alerts=({"policy": "nightly"},),
            ),
            silent=Fixture(
                series={f'elasticsearch_slm_stats_snapshots_failed_total{{{_CLUSTER},policy="nightly"}}': "1x60"}
            ),
        ),
        Alarm(
            name="FieldsIgnored",
            severity=Severity.WARNING,
            component="elasticsearch",
            where=Where.LOGS,
            query="_exists_:_ignored",
            op=">",
            threshold=0,
            hold="15m",
            summary="Elasticsearch on {{ $labels.cluster }} ignores fields of documents",
            description="Documents of the last 15 minutes have fields that were not indexed: beyond the limit of "
            "fields, or of "
            "a wrong type.",
            runbook=Runbook(
                meaning="Elasticsearch keeps such a document and marks what it left out in its field "
                "`_ignored`. That is so "
                "with logs; a metric beyond `elasticsearch_metrics_fields` is refused instead, and "
                "[LogstashDeadLetters](LogstashDeadLetters.md) fires.",
                impact="The fields are in the document's source but cannot be searched, filtered or plotted.",
                look=(
                    "Kibana, Discover: filter `_ignored : *`, then the top values of `_ignored`.",
                    f"{_CONSOLE} `GET logs-k8s.container-*/_search` with an aggregation over `_ignored`.",
                    "How many fields there are: `GET _data_stream/logs-k8s.container-staging/_stats`, `GET "
                    "logs-k8s.container-staging/_mapping`.",
                ),
                fix=(
                    "The limit is reached: `index.mapping.total_fields.limit` of the template (role elasticsearch), "
                    "or map "
                    "the offender as `flattened`.",
                    "A wrong type: have its program write the field as the others do.",
                ),
            ),
            firing=Fixture(
                documents=(
                    {"@age": 3, "message": "ready", "_ignored": ["log_processed.duration"]},
                    {"@age": 2, "message": "ready", "log_processed.duration": 17},
                ),
                alerts=({},),
            ),
            silent=Fixture(
                documents=(
                    # Of its own field called so, and beyond the time that is looked at.
                    {"@age": 2, "message": "_ignored", "log_processed._ignored": "yes"},
                    {"@age": 16, "message": "ready", "_ignored": ["log_processed.duration"]},
                )
            ),
        ),
    ),
)
