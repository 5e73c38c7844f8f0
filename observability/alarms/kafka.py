# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about Kafka and its readers, from the controlplane's own Prometheus."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where, grown

_POD = 'job="kafka",namespace="kafka",pod="kafka-0"'
_BROKER = f'{_POD},instance="10.0.0.3:9404"'
_LAG = 'job="kafka-exporter",consumergroup="logstash-metrics",topic="metrics-staging",partition="0"'
_CLAIM = '{namespace="kafka",persistentvolumeclaim="data-kafka-0"}'
_PODS = "$ kubectl --context controlplane --namespace kafka get pods --output wide"
_LOGS = "$ kubectl --context controlplane --namespace kafka logs kafka-0 --tail=100"
_TOPICS = "$ kubectl --context controlplane --namespace kafka exec kafka-0 -- /opt/kafka/bin/kafka-topics.sh"
_CONNECT = "--bootstrap-server kafka.kafka.svc:9092 --command-config ADMIN.properties"


def _broken(
    name: str,
    *,
    severity: Severity,
    metric: str,
    hold: str,
    summary: str,
    description: str,
    runbook: Runbook,
    aggregation: str = "sum",
) -> Alarm:
    """An alarm about a number that has to be zero."""
    return Alarm(
        name=name,
        severity=severity,
        component="kafka",
        where=Where.PROMETHEUS,
        query=f"{aggregation}({metric})",
        op=">",
        threshold=0,
        hold=hold,
        must_exist=True,
        summary=summary,
        description=description,
        runbook=runbook,
        firing=Fixture(series={f"{metric}{{{_POD}}}": "2x60"}, alerts=({},)),
        silent=Fixture(series={f"{metric}{{{_POD}}}": "0x60"}),
    )


TOPIC = Topic(
    name="kafka",
    title="Kafka",
    alarms=(
        Alarm(
            name="KafkaBrokersMissing",
            severity=Severity.CRITICAL,
            component="kafka",
            where=Where.PROMETHEUS,
            # A broker that fails at each start answers for a moment each time; one that is restarted is back by then.
            query='min by (pod) (min_over_time(up{job="kafka"}[3m]))',
            op="<",
            threshold=1,
            hold="5m",
            must_exist=True,
            summary="A broker of Kafka on {{ $labels.cluster }} does not answer",
            description="{{ $labels.pod }} has not answered, or not for long, for five minutes; without any broker's "
            "numbers it fires too.",
            runbook=Runbook(
                meaning="Prometheus cannot scrape a broker's JMX exporter, which runs inside of the broker's process.",
                impact="With one of three away everything goes on, without reserve. With two away nothing is written.",
                look=(_PODS, _LOGS),
                fix=(
                    "The pod cannot be scheduled: [PodPending](PodPending.md). Its volume is in one zone; a node "
                    "there is "
                    "needed.",
                    "The pod crashes: [PodCrashLooping](PodCrashLooping.md); a full disk is the usual cause "
                    "([VolumeAlmostFull](VolumeAlmostFull.md)).",
                    "Never delete a claim to get a broker up: first see that no partition is under-replicated "
                    "elsewhere.",
                ),
            ),
            firing=Fixture(
                series={
                    'up{job="kafka",pod="kafka-0"}': "1x60",
                    'up{job="kafka",pod="kafka-1"}': " ".join(["0 0 1"] * 20),
                },
                alerts=({"pod": "kafka-1"},),
            ),
            # One after the other is restarted.
            silent=Fixture(
                series={
                    'up{job="kafka",pod="kafka-0"}': "1x26 0 1x33",
                    'up{job="kafka",pod="kafka-1"}': "1x27 0 0 1x31",
                    'up{job="kafka",pod="kafka-2"}': "1x28 0 1x31",
                }
            ),
        ),
        _broken(
            "KafkaUnderReplicated",
            severity=Severity.WARNING,
            metric="kafka_server_replica_manager_underreplicatedpartitions",
            hold="10m",
            summary="Kafka on {{ $labels.cluster }} has under-replicated partitions",
            description="Some partitions have had fewer replicas in sync than they should for ten minutes.",
            runbook=Runbook(
                meaning="A follower has fallen behind or is away.",
                impact="Reserve is missing; with one more broker away writes may be refused.",
                look=(_PODS, f"{_TOPICS} {_CONNECT} --describe --under-replicated-partitions", _LOGS),
                fix=(
                    "A broker is away: [KafkaBrokersMissing](KafkaBrokersMissing.md).",
                    "All are there: is one slow? Dashboard *Kafka*, idle ratio and disk; `kafka_size: large`.",
                ),
            ),
        ),
        _broken(
            "KafkaUnderMinIsr",
            severity=Severity.CRITICAL,
            metric="kafka_server_replica_manager_underminisrpartitioncount",
            hold="2m",
            summary="Kafka on {{ $labels.cluster }} refuses writes to some partitions",
            description="Some partitions have fewer replicas in sync than min.insync.replicas asks for.",
            runbook=Runbook(
                meaning="Producers wait for all replicas in sync; with too few of them Kafka refuses the write.",
                impact="Bridges and Fluent Bit of every cluster buffer; when their buffers are full, data is lost.",
                look=(_PODS, f"{_TOPICS} {_CONNECT} --describe --under-min-isr-partitions"),
                fix=("Bring the missing brokers back: [KafkaBrokersMissing](KafkaBrokersMissing.md).",),
            ),
        ),
        _broken(
            "KafkaOfflinePartitions",
            severity=Severity.CRITICAL,
            metric="kafka_controller_offlinepartitionscount",
            hold="1m",
            aggregation="max",
            summary="Kafka on {{ $labels.cluster }} has partitions without a leader",
            description="Nothing can be written to or read from some partitions.",
            runbook=Runbook(
                meaning="No replica of the partition that may lead it is there.",
                impact="The data of these partitions stands still, in and out.",
                look=(_PODS, f"{_TOPICS} {_CONNECT} --describe --unavailable-partitions"),
                fix=(
                    "Bring the brokers that hold their replicas back.",
                    "An unclean election (`kafka-leader-election.sh --election-type UNCLEAN`) loses what only the "
                    "missing "
                    "replicas have. Last resort, and a decision to be taken by two.",
                ),
            ),
        ),
        Alarm(
            name="KafkaControllerCount",
            severity=Severity.CRITICAL,
            component="kafka",
            where=Where.PROMETHEUS,
            query="abs(sum(kafka_controller_activecontrollercount) - 1)",
            op=">",
            threshold=0,
            hold="3m",
            must_exist=True,
            summary="Kafka on {{ $labels.cluster }} has not exactly one controller",
            description="The number of active controllers has not been one for three minutes.",
            runbook=Runbook(
                meaning="The quorum of controllers has no leader, or two nodes believe to be it.",
                impact="No topic, leader or right can change. What is led goes on for now.",
                look=(
                    _PODS,
                    "$ kubectl --context controlplane --namespace kafka exec kafka-0 -- "
                    f"/opt/kafka/bin/kafka-metadata-quorum.sh {_CONNECT} describe --status",
                    "Controllers talk on port 9093 with certificates of the fleet: look for TLS errors in the log.",
                    _LOGS,
                ),
                fix=(
                    "A majority of the nodes must run: [KafkaBrokersMissing](KafkaBrokersMissing.md).",
                    "Certificates: `ansible-playbook site.yml -i inventories/controlplane --tags pki,kafka`.",
                ),
            ),
            firing=Fixture(series={f"kafka_controller_activecontrollercount{{{_POD}}}": "0x60"}, alerts=({},)),
            silent=Fixture(
                series={
                    f"kafka_controller_activecontrollercount{{{_POD}}}": "1x60",
                    'kafka_controller_activecontrollercount{job="kafka",pod="kafka-1"}': "0x60",
                }
            ),
        ),
        _broken(
            "KafkaOfflineDirectories",
            severity=Severity.CRITICAL,
            metric="kafka_log_offline_directories",
            hold="1m",
            summary="A broker of Kafka on {{ $labels.cluster }} has lost its disk",
            description="A log directory is offline: the broker has met an error of its disk.",
            runbook=Runbook(
                meaning="The broker takes a directory offline after an input or output error.",
                impact="Its partitions are led elsewhere; their reserve is gone.",
                look=(_LOGS, "$ kubectl --context controlplane --namespace kafka exec kafka-0 -- df -h"),
                fix=(
                    "Full: raise `kafka_storage_size` and run `--tags kafka`. The broker has ended itself, is started "
                    "again every five minutes at the latest, and stays once there is space.",
                    "A damaged volume: with all partitions in sync elsewhere, delete the pod and its claim (the "
                    "guardrail "
                    "asks for a confirmation); the new broker copies its data.",
                ),
            ),
        ),
        Alarm(
            name="KafkaUncleanElection",
            severity=Severity.CRITICAL,
            component="kafka",
            where=Where.PROMETHEUS,
            query="sum(increase(kafka_controller_uncleanleaderelections_total[15m]))",
            op=">",
            threshold=0,
            hold="0m",
            summary="Kafka on {{ $labels.cluster }} has lost messages in an unclean election",
            description="A replica that was not in sync has become leader: what it did not have is lost.",
            runbook=Runbook(
                meaning="Somebody forced it, or a topic allows `unclean.leader.election.enable`.",
                impact="A gap in metrics or logs of the clusters whose topics they are.",
                look=(_LOGS, "Grafana, dashboard *Kafka*: which topic's offsets jump back?"),
                fix=("Nothing brings it back. See that no topic allows it: the reconciler takes such a setting back.",),
            ),
            firing=Fixture(
                series={f"kafka_controller_uncleanleaderelections_total{{{_POD}}}": "0x25 1x35"}, alerts=({},)
            ),
            silent=Fixture(series={f"kafka_controller_uncleanleaderelections_total{{{_POD}}}": "1x60"}),
        ),
        Alarm(
            name="KafkaAuthenticationFailing",
            severity=Severity.WARNING,
            component="kafka",
            where=Where.PROMETHEUS,
            # One Fluent Bit with a wrong password tries every 30 s: observed, 9 times in its first three minutes.
            query="sum by (listener) (rate(kafka_server_failed_authentication_total[5m]))",
            op=">",
            threshold=0.02,
            hold="10m",
            summary="Clients fail to log in to Kafka on {{ $labels.cluster }}",
            description="Listener {{ $labels.listener }} has refused credentials for ten minutes.",
            runbook=Runbook(
                meaning="Somebody connects with a wrong password or certificate, again and again.",
                impact="A member that cannot log in cannot deliver; or somebody tries doors.",
                look=(
                    "Who: the broker's log has the address.",
                    "$ kubectl --context controlplane --namespace kafka logs kafka-0 --tail=1000 | grep -i "
                    "'failed .*authentication'",
                ),
                fix=(
                    "A member after a rotation, whose former credential has ended (`docs/rotation.md`): run `--tags "
                    "kafka` for the controlplane, then `--tags prometheus,fluent_bit` for the member.",
                    "An address that is no member's: find it in the VPC's flow logs; Kafka's security group admits the "
                    "declared networks only.",
                ),
            ),
            firing=Fixture(
                series={
                    f'kafka_server_failed_authentication_total{{{_POD},listener="EXTERNAL",network_processor="3"}}': (
                        "0+1x60"
                    ),
                    f'kafka_server_failed_authentication_total{{{_POD},listener="EXTERNAL",network_processor="4"}}': (
                        "0+1x60"
                    ),
                },
                alerts=({"listener": "EXTERNAL"},),
            ),
            silent=Fixture(
                series={f'kafka_server_failed_authentication_total{{{_POD},listener="EXTERNAL"}}': "0+1x60"}
            ),
        ),
        Alarm(
            name="KafkaRefusingMessages",
            severity=Severity.CRITICAL,
            component="kafka",
            where=Where.PROMETHEUS,
            # The series begins with the first batch that is refused.
            query=f"sum by (topic) {grown('kafka_server_topic_bytesrejected_total', '10m')}",
            op=">",
            threshold=0,
            hold="0m",
            summary="Kafka on {{ $labels.cluster }} refuses messages of topic {{ $labels.topic }}, which are lost",
            description="A batch was larger than the topic takes. Neither Fluent Bit nor the bridge sends it again.",
            runbook=Runbook(
                meaning="A producer's largest message is larger than the topic's `max.message.bytes`. The topic says "
                "whose and of what: `logs-MEMBER` is written by Fluent Bit, `metrics-MEMBER` by the bridge.",
                impact="All messages of that batch are lost. The producers count them as sent.",
                look=(
                    "What the topic takes:",
                    f"{_TOPICS} {_CONNECT} --describe --topic TOPIC",
                    "What the member sends at most: `message.max.bytes` of Fluent Bit's configuration, "
                    "`max_message_bytes` of the bridge's.",
                    "$ kubectl --context CLUSTER --namespace node-agents logs daemonset/fluent-bit --tail=1000 | grep "
                    "'message delivery failed'",
                ),
                fix=(
                    "Somebody changed the topic or a producer: `--tags kafka` for the controlplane, then `--tags "
                    "prometheus,fluent_bit` for the member, put back what fits together.",
                    "A larger message is wanted: the size of topics in the role kafka first, then that of producers.",
                ),
            ),
            # Observed, 4.3.1: a record of 1.5 MB adds its size at the leader of its partition; before that, no series.
            firing=Fixture(
                series={
                    f'kafka_server_topic_bytesrejected_total{{{_BROKER},topic="logs-staging"}}': "_x25 1500074x35",
                    f"up{{{_BROKER}}}": "1x60",
                },
                alerts=({"topic": "logs-staging"},),
            ),
            # Prometheus was away for 20 minutes.
            silent=Fixture(
                series={
                    f'kafka_server_topic_bytesrejected_total{{{_BROKER},topic="logs-staging"}}': (
                        "1500074x20 _x20 1500074x40"
                    ),
                    f"up{{{_BROKER}}}": "1x20 _x20 1x40",
                },
                at="45m",
            ),
        ),
        Alarm(
            name="KafkaVolumeAlmostFull",
            severity=Severity.CRITICAL,
            component="kafka",
            where=Where.PROMETHEUS,
            # The kubelet says nothing of a volume while its pod waits to be started again, as a full one's does.
            query='100 * (1 - min(last_over_time(kubelet_volume_stats_available_bytes{namespace="kafka"}[15m])) '
            '/ min(last_over_time(kubelet_volume_stats_capacity_bytes{namespace="kafka"}[15m])))',
            op=">",
            threshold=80,
            hold="10m",
            must_exist=True,
            summary="The disks of Kafka on {{ $labels.cluster }} are more than 80 % full",
            description="The fullest volume of a broker has less than 20 % left. A broker with a full disk ends "
            "itself.",
            runbook=Runbook(
                meaning="Retention by time lets topics grow with the load; the disk does not.",
                impact="At 100 % the broker stops, then the next one, for they hold the same.",
                look=(
                    "Grafana, dashboard *Kafka*, size by topic.",
                    "$ kubectl --context controlplane --namespace kafka exec kafka-0 -- df -h",
                ),
                fix=(
                    "Raise `kafka_storage_size` and run `--tags kafka`: volumes grow in use.",
                    "Or keep less: `kafka_topic_retention_bytes` or a shorter time; deletion begins within minutes.",
                ),
            ),
            firing=Fixture(
                series={
                    f"kubelet_volume_stats_available_bytes{_CLAIM}": " ".join(["10 stale _x8"] * 6),
                    f"kubelet_volume_stats_capacity_bytes{_CLAIM}": " ".join(["100 stale _x8"] * 6),
                },
                alerts=({},),
            ),
            silent=Fixture(
                series={
                    f"kubelet_volume_stats_available_bytes{_CLAIM}": "50x60",
                    f"kubelet_volume_stats_capacity_bytes{_CLAIM}": "100x60",
                }
            ),
        ),
        Alarm(
            name="ConsumerLagGrowing",
            severity=Severity.WARNING,
            component="kafka",
            where=Where.PROMETHEUS,
            query="sum by (consumergroup, topic) (kafka_consumergroup_lag)",
            op=">",
            threshold=100000,
            hold="10m",
            must_exist=True,
            summary="{{ $labels.consumergroup }} lags behind topic {{ $labels.topic }} of Kafka on "
            "{{ $labels.cluster }}",
            description="More than a hundred thousand messages have waited to be read for ten minutes.",
            runbook=Runbook(
                meaning="Logstash reads slower than the member writes, or not at all.",
                impact="Dashboards and edge alarms of that cluster are late. What is older than the topic's "
                "retention is lost "
                "unread.",
                look=(
                    "Grafana, dashboard *Pipeline*: is it one topic or all? Growing or shrinking?",
                    "$ kubectl --context controlplane --namespace logstash get pods",
                    "$ kubectl --context controlplane --namespace logstash logs statefulset/logstash --tail=50",
                    "Elasticsearch slow? [ElasticsearchRejecting](ElasticsearchRejecting.md), "
                    "[ElasticsearchHeapHigh](ElasticsearchHeapHigh.md).",
                ),
                fix=(
                    "After an outage it catches up by itself; watch that it shrinks.",
                    "Logstash is the brake: more `logstash_replicas` (up to the number of partitions) or "
                    "`logstash_size: large`.",
                    "Elasticsearch is the brake: that one larger.",
                ),
            ),
            firing=Fixture(
                series={f"kafka_consumergroup_lag{{{_LAG}}}": "200000x60"},
                alerts=({"consumergroup": "logstash-metrics", "topic": "metrics-staging"},),
            ),
            silent=Fixture(series={f"kafka_consumergroup_lag{{{_LAG}}}": "2000x60"}),
        ),
        Alarm(
            name="PipelineLate",
            severity=Severity.CRITICAL,
            component="pipeline",
            where=Where.PROMETHEUS,
            query="sum by (topic) (kafka_consumergroup_lag) "
            "/ (sum by (topic) (rate(kafka_topic_partition_current_offset[5m])) > 0)",
            op=">",
            threshold=600,
            hold="5m",
            summary="What comes by topic {{ $labels.topic }} reaches Elasticsearch on {{ $labels.cluster }} ten "
            "minutes late",
            description="At the present pace the waiting messages are more than ten minutes' worth: edge alarms are "
            "that late.",
            runbook=Runbook(
                meaning="Lag divided by what comes in each second: the age of what is read now.",
                impact="Every alarm of that cluster that takes this way comes ten minutes late or more.",
                look=("As for [ConsumerLagGrowing](ConsumerLagGrowing.md); dashboard *Pipeline*, latency by hop.",),
                fix=("As there.",),
            ),
            firing=Fixture(
                series={
                    f"kafka_consumergroup_lag{{{_LAG}}}": "0+60000x60",
                    'kafka_topic_partition_current_offset{topic="metrics-staging",partition="0"}': "0+60000x60",
                },
                alerts=({"topic": "metrics-staging"},),
            ),
            silent=Fixture(
                series={
                    f"kafka_consumergroup_lag{{{_LAG}}}": "60000x60",
                    'kafka_topic_partition_current_offset{topic="metrics-staging",partition="0"}': "0+60000x60",
                }
            ),
        ),
        Alarm(
            name="PipelineLosing",
            severity=Severity.WARNING,
            component="pipeline",
            where=Where.PROMETHEUS,
            # What is replayed does not come from Kafka.
            query='100 * (1 - sum(rate(logstash_stats_pipeline_events_in{pipeline!~".+-replay"}[15m])) '
            '/ sum(rate(kafka_server_topic_messagesin_total{topic=~"(metrics|logs)-.+"}[15m])))',
            op=">",
            threshold=5,
            hold="30m",
            summary="Logstash on {{ $labels.cluster }} takes less out of Kafka than goes in",
            description="For 45 minutes more than 5 % of the messages that enter Kafka have not entered Logstash.",
            runbook=Runbook(
                meaning="Messages in at Kafka against events in at Logstash. Either the lag grows, or messages are "
                "skipped.",
                impact="Late if it is lag; lost if they are never read.",
                look=(
                    "Is [ConsumerLagGrowing](ConsumerLagGrowing.md) on? Then it is lag.",
                    "Is there a topic that Logstash's pattern does not match? Dashboard *Kafka*, topics without a "
                    "reader.",
                    "Was a group's offset reset? `kafka-consumer-groups.sh --describe --group logstash-logs`, and "
                    "`logstash-metrics`.",
                ),
                fix=(
                    "Lag: as there. A topic without a reader: Logstash learns of new topics within "
                    "`metadata_max_age_ms`; restart it if it does not.",
                ),
            ),
            firing=Fixture(
                series={
                    'logstash_stats_pipeline_events_in{pipeline="metrics"}': "0+500x120",
                    'logstash_stats_pipeline_events_in{pipeline="metrics-replay"}': "0+500x120",
                    f'kafka_server_topic_messagesin_total{{{_POD},topic="metrics-staging"}}': "0+1000x120",
                },
                at="90m",
                alerts=({},),
            ),
            silent=Fixture(
                series={
                    'logstash_stats_pipeline_events_in{pipeline="metrics"}': "0+1000x120",
                    f'kafka_server_topic_messagesin_total{{{_POD},topic="metrics-staging"}}': "0+1000x120",
                },
                at="90m",
            ),
        ),
        Alarm(
            name="ReconcilerDrift",
            severity=Severity.WARNING,
            component="reconciler",
            where=Where.PROMETHEUS,
            # Each run may be on another node, and a node keeps the last value that it saw: only the latest run counts.
            query="max by (reconciler) (reconciler_drift_objects and on (instance, reconciler) "
            "(reconciler_last_run_timestamp_seconds == on (reconciler) group_left () "
            "max by (reconciler) (reconciler_last_run_timestamp_seconds)))",
            op=">",
            threshold=0,
            hold="2h",
            summary="The reconciler of {{ $labels.reconciler }} on {{ $labels.cluster }} finds the same drift again "
            "and again",
            description="Objects have differed from what is declared at each run for two hours: somebody or "
            "something changes "
            "them, or they cannot be repaired.",
            runbook=Runbook(
                meaning="The hourly reconciler repairs topics, users, rights, templates and the like, and says how "
                "many "
                "differed. Once is a repair; at three runs in a row something works against it.",
                impact="What is declared is not what is.",
                look=(
                    "What differs, without changing it: the reconciler's script with `--plan`.",
                    "$ kubectl --context controlplane --namespace NAMESPACE get jobs",
                    "$ kubectl --context controlplane --namespace NAMESPACE logs job/NAME --tail=50",
                ),
                fix=(
                    "Somebody edits by hand: the change belongs into the inventory.",
                    "It cannot be repaired (partitions cannot be lowered): set the variable back to what is.",
                ),
            ),
            firing=Fixture(
                series={
                    'reconciler_drift_objects{instance="a",reconciler="kafka"}': "3x300",
                    'reconciler_last_run_timestamp_seconds{instance="a",reconciler="kafka"}': "1000x300",
                },
                at="4h",
                alerts=({"reconciler": "kafka"},),
            ),
            silent=Fixture(
                series={
                    'reconciler_drift_objects{instance="a",reconciler="kafka"}': "3x300",
                    'reconciler_last_run_timestamp_seconds{instance="a",reconciler="kafka"}': "1000x300",
                    'reconciler_drift_objects{instance="b",reconciler="kafka"}': "_x60 0x240",
                    'reconciler_last_run_timestamp_seconds{instance="b",reconciler="kafka"}': "_x60 4600x240",
                },
                at="4h",
            ),
        ),
        Alarm(
            name="ReconcilerLate",
            severity=Severity.WARNING,
            component="reconciler",
            where=Where.PROMETHEUS,
            query="time() - max by (reconciler) (reconciler_last_run_timestamp_seconds)",
            op=">",
            threshold=10800,
            hold="10m",
            summary="The reconciler of {{ $labels.reconciler }} on {{ $labels.cluster }} has not run for three hours",
            description="It should run each hour, and repair what differs from what is declared.",
            runbook=Runbook(
                meaning="No run of the hourly reconciler has come to its end.",
                impact="What somebody changes by hand stays changed; new members get no topics and no users.",
                look=(
                    "$ kubectl --context controlplane --namespace NAMESPACE get cronjobs,jobs",
                    "$ kubectl --context controlplane --namespace NAMESPACE logs job/NAME --tail=50",
                ),
                fix=(
                    "It fails: [JobFailed](JobFailed.md). It is not started: [CronJobLate](CronJobLate.md).",
                    "It runs and nobody hears of it: its last line is carried by Fluent Bit; "
                    "[LogsNotDelivered](LogsNotDelivered.md).",
                ),
            ),
            firing=Fixture(
                series={'reconciler_last_run_timestamp_seconds{job="fluent-bit",reconciler="kafka"}': "600x300"},
                at="4h",
                alerts=({"reconciler": "kafka"},),
            ),
            silent=Fixture(
                series={'reconciler_last_run_timestamp_seconds{job="fluent-bit",reconciler="kafka"}': "0+60x300"},
                at="4h",
            ),
        ),
    ),
)
