# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms across clusters: whether each member that has been built is heard of at all."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where

_HOPS = (
    "Grafana, dashboard *Pipeline*: the first hop at which this member's line is flat.",
    "At the edge: does Prometheus run, does the bridge send?",
    "$ kubectl --context CLUSTER --namespace agents get pods",
    "$ kubectl --context CLUSTER --namespace agents logs statefulset/prometheus --container telegraf --tail=50",
    "In Kafka: does the topic grow? Dashboard *Kafka*, messages in by topic.",
    "Behind Kafka: [ConsumerLagGrowing](ConsumerLagGrowing.md), [LogstashDeadLetters](LogstashDeadLetters.md), "
    "[ElasticsearchRed](ElasticsearchRed.md).",
)

_READ = "fluentbit_input_records_total"
_SENT = "fluentbit_filter_records_total"
_TAKEN = 'kafka_server_topic_messagesin_total{cluster="controlplane",pod="kafka-0",topic="logs-staging"}'

TOPIC = Topic(
    name="fleet",
    title="The fleet",
    alarms=(
        Alarm(
            name="ClusterSilent",
            severity=Severity.CRITICAL,
            component="fleet",
            where=Where.METRICS,
            per_member=True,
            must_exist=True,
            query='max by (cluster) (ALERTS{alertname="Watchdog",alertstate="firing",cluster="@member@"})',
            op="<",
            threshold=1,
            hold="5m",
            summary="Nothing is heard of cluster {{ $labels.cluster }}",
            description="The member's own watchdog has not reached Elasticsearch for ten minutes: its metrics and "
            "its alarms "
            "are missing.",
            runbook=Runbook(
                meaning="Each cluster's Prometheus has an alarm that always fires. This member's has not arrived in "
                "Elasticsearch for ten minutes, or Elasticsearch cannot be asked. There is one such rule for each "
                "member that has been built, so that one that never spoke is missed too.",
                impact="All edge alarms of this cluster are blind. Whether the cluster itself is down is not said.",
                look=("All members at once? Then it is Kafka, Logstash or Elasticsearch, not the members.", *_HOPS),
                fix=(
                    "The cluster is down: [ApiServerDown](ApiServerDown.md), EC2 and EKS consoles.",
                    "The way is down: peering, DNS zone, Kafka's security group, credential; "
                    "`ansible-playbook site.yml -i inventories/CLUSTER` repairs what differs from the inventory.",
                    "The member was taken down on purpose: silence by the label `cluster`. For good: `destroy.yml` for "
                    "the member, or take it out of `inventories/fleet.yml`; then `--tags pki,alarms` for the "
                    "controlplane.",
                ),
            ),
            firing=Fixture(
                series={'ALERTS{alertname="Watchdog",alertstate="firing",cluster="testing"}': "1x60"},
                alerts=({},),
            ),
            silent=Fixture(series={'ALERTS{alertname="Watchdog",alertstate="firing",cluster="staging"}': "1x60"}),
        ),
        Alarm(
            name="MetricsMissing",
            severity=Severity.CRITICAL,
            component="fleet",
            where=Where.PROMETHEUS,
            per_member=True,
            must_exist=True,
            query='sum(rate(kafka_server_topic_messagesin_total{topic="metrics-@member@"}[5m]))',
            op="<",
            threshold=0.01,
            hold="10m",
            summary="No metrics of cluster {{ $labels.cluster }} arrive in Kafka",
            description="Nothing has been written to the member's topic of metrics for ten minutes: the loss is "
            "before Kafka.",
            runbook=Runbook(
                meaning="The topic `metrics-CLUSTER` does not grow. Seen by the controlplane's own Prometheus, so it "
                "holds "
                "also while Logstash or Elasticsearch are away.",
                impact="The bridge buffers in memory, Prometheus on disk; after some hours samples are lost.",
                look=_HOPS,
                fix=(
                    "*SASL Authentication failed* in the bridge's log: run `--tags kafka` for the controlplane, then "
                    "`--tags prometheus` for the member.",
                    "Time-outs: peering, routes, Kafka's security group; `--tags peering` for the member.",
                ),
            ),
            firing=Fixture(
                series={'kafka_server_topic_messagesin_total{topic="metrics-staging"}': "500x60"},
                alerts=({},),
            ),
            silent=Fixture(series={'kafka_server_topic_messagesin_total{topic="metrics-staging"}': "0+600x60"}),
        ),
        Alarm(
            name="LogsMissing",
            severity=Severity.CRITICAL,
            component="fleet",
            where=Where.PROMETHEUS,
            per_member=True,
            must_exist=True,
            query='sum(rate(kafka_server_topic_messagesin_total{topic="logs-@member@"}[10m]))',
            op="<",
            threshold=0.001,
            hold="10m",
            summary="No logs of cluster {{ $labels.cluster }} arrive in Kafka",
            description="Nothing has been written to the member's topic of logs for ten minutes.",
            runbook=Runbook(
                meaning="The topic `logs-CLUSTER` does not grow, though a cluster's own components always log "
                "something.",
                impact="Fluent Bit keeps the logs on the nodes' disks, up to its limit.",
                look=(
                    "$ kubectl --context CLUSTER --namespace node-agents get pods --selector "
                    "app.kubernetes.io/name=fluent-bit",
                    "$ kubectl --context CLUSTER --namespace node-agents logs daemonset/fluent-bit --tail=50",
                    "Metrics arrive and logs do not: Fluent Bit or its rights on the topic; neither: the way.",
                ),
                fix=(
                    "`ansible-playbook site.yml -i inventories/CLUSTER --tags fluent_bit`.",
                    "*Topic authorization failed*: the reconciler of Kafka has not made the ACL; `--tags kafka` for "
                    "the "
                    "controlplane.",
                ),
            ),
            firing=Fixture(
                series={'kafka_server_topic_messagesin_total{topic="logs-staging"}': "500x60"},
                alerts=({},),
            ),
            silent=Fixture(series={'kafka_server_topic_messagesin_total{topic="logs-staging"}': "0+60x60"}),
        ),
        Alarm(
            name="LogsNotDelivered",
            severity=Severity.CRITICAL,
            component="fluent-bit",
            where=Where.METRICS,
            per_member=True,
            # What Fluent Bit calls processed is what Kafka's client has in its queue. What Kafka has is Kafka's to say.
            # What an input has read is more than what is sent: parts of lines are joined, excluded pods are dropped.
            query='100 * sum(rate(kafka_server_topic_messagesin_total{topic="logs-@member@"}[15m])) '
            '/ sum(rate(fluentbit_filter_records_total{cluster="@member@",'
            'name=~"container_record|journal_record|event_record"}[15m]))',
            op="<",
            threshold=90,
            hold="15m",
            summary="Of the log lines that cluster {{ $labels.cluster }} sends, not all arrive in Kafka",
            description="For 15 minutes more than a tenth of the records that the member's Fluent Bit has to send have "
            "not become messages in Kafka.",
            runbook=Runbook(
                meaning="Messages that Kafka has taken into the member's topic, against records that have reached "
                "Fluent Bit's last filters there: lines whose parts are joined, without those of excluded pods. The "
                "rest waits on nodes, or is lost.",
                impact="Those logs are late while they wait: `fluent_bit_buffer_gib` on each node. What Kafka refuses "
                "for good is lost.",
                look=(
                    "Grafana, dashboard *Fluent Bit*: one node, or all? Which of its alarms is on: "
                    "[FluentBitDisconnected](FluentBitDisconnected.md), [FluentBitRefused](FluentBitRefused.md), "
                    "[FluentBitBufferFilling](FluentBitBufferFilling.md)?",
                    "$ kubectl --context CLUSTER --namespace node-agents logs daemonset/fluent-bit --tail=50",
                ),
                fix=(
                    "As the alarm of the node says. Nothing at all arrives: [LogsMissing](LogsMissing.md).",
                    "More is logged than can be sent: `fluent_bit_size: large`.",
                ),
            ),
            firing=Fixture(
                series={
                    _TAKEN: "0+600x120",
                    f'{_SENT}{{cluster="staging",pod="fluent-bit-1",name="container_record"}}': "0+600x120",
                    # A node whose Kafka's client has it all in its queue.
                    f'{_SENT}{{cluster="staging",pod="fluent-bit-2",name="container_record"}}': "0+300x120",
                },
                at="90m",
                alerts=({},),
            ),
            silent=Fixture(
                series={
                    _TAKEN: "0+600x120",
                    # Lines of 200 KiB: containerd writes each in 13 parts, which are joined.
                    f'{_READ}{{cluster="staging",pod="fluent-bit-1",name="containers"}}': "0+7800x120",
                    f'{_SENT}{{cluster="staging",pod="fluent-bit-1",name="lines"}}': "0+7800x120",
                    f'{_SENT}{{cluster="staging",pod="fluent-bit-1",name="container_record"}}': "0+600x120",
                    f'{_SENT}{{cluster="testing",pod="fluent-bit-1",name="container_record"}}': "0+590x120",
                },
                at="90m",
            ),
        ),
        Alarm(
            name="NotificationsFailing",
            severity=Severity.CRITICAL,
            component="grafana",
            where=Where.PROMETHEUS,
            query="sum by (integration) (increase(grafana_alerting_notifications_failed_total[15m]))",
            op=">",
            threshold=0,
            hold="0m",
            summary="Grafana on {{ $labels.cluster }} cannot send by {{ $labels.integration }}",
            description="Messages to {{ $labels.integration }} have failed within the last 15 minutes. This one "
            "comes by another "
            "way, or not at all.",
            runbook=Runbook(
                meaning="A contact point's receiver refuses, or is not reached.",
                impact="Alarms are in Grafana and reach nobody by this way.",
                look=(
                    "$ kubectl --context controlplane --namespace grafana logs --selector "
                    "app.kubernetes.io/name=grafana --tail=500 | grep -i notif",
                ),
                fix=(
                    "slack: *invalid_token* or *404*: a new webhook into the secret that `alarms_slack_secret` "
                    "names, then "
                    "`--tags alarms`.",
                    "email: SMTP server, port and credential in the role grafana.",
                    "Time-outs: the way out of Grafana's pods, a NetworkPolicy of the role grafana, or a proxy.",
                ),
            ),
            firing=Fixture(
                series={'grafana_alerting_notifications_failed_total{integration="slack",org="1"}': "0x25 1x35"},
                alerts=({"integration": "slack"},),
            ),
            silent=Fixture(series={'grafana_alerting_notifications_failed_total{integration="slack",org="1"}': "1x60"}),
        ),
        Alarm(
            name="AlarmsNotEvaluated",
            severity=Severity.CRITICAL,
            component="grafana",
            where=Where.PROMETHEUS,
            query="100 * sum(rate(grafana_alerting_rule_evaluation_failures_total[10m])) "
            "/ sum(rate(grafana_alerting_rule_evaluations_total[10m]))",
            op=">",
            threshold=5,
            hold="10m",
            must_exist=True,
            summary="Grafana on {{ $labels.cluster }} fails to evaluate its alarms",
            description="More than 5 % of the evaluations have failed for ten minutes; without any numbers it fires "
            "too.",
            runbook=Runbook(
                meaning="Rules end with errors: a data source does not answer or refuses the query.",
                impact="Those alarms are blind.",
                look=(
                    "Grafana, *Alerting*, filter by state *Error*: which data source?",
                    "$ kubectl --context controlplane --namespace grafana logs --selector "
                    'app.kubernetes.io/name=grafana --tail=500 | grep ngalert | grep \'"level":"error"\'',
                ),
                fix=(
                    "`metrics`: Elasticsearch ([ElasticsearchRed](ElasticsearchRed.md), "
                    "[ElasticsearchRejecting](ElasticsearchRejecting.md)), or the password of `grafana_reader`.",
                    "`prometheus`: the controlplane's own Prometheus; `kubectl --context controlplane --namespace "
                    "agents get "
                    "pods`.",
                ),
            ),
            firing=Fixture(
                series={
                    'grafana_alerting_rule_evaluation_failures_total{org="1"}': "0+50x60",
                    'grafana_alerting_rule_evaluations_total{org="1"}': "0+100x60",
                },
                alerts=({},),
            ),
            silent=Fixture(
                series={
                    'grafana_alerting_rule_evaluation_failures_total{org="1"}': "0x60",
                    'grafana_alerting_rule_evaluations_total{org="1"}': "0+100x60",
                }
            ),
        ),
    ),
)
