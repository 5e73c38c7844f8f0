# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about Kubernetes itself: API server, kubelet, DNS, certificates, autoscaler, and NGINX in front."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where

_VERBS = 'verb!~"WATCH|CONNECT",subresource!~"log|exec|attach|portforward|proxy"'


def _buckets(metric: str, labels: str, quick: str, slow: str) -> dict[str, str]:
    """A histogram with two buckets: what ends within ``le`` 0.1 s, and all of it (10 s)."""
    return {
        f'{metric}_bucket{{{labels},le="0.1"}}': quick,
        f'{metric}_bucket{{{labels},le="10"}}': slow,
        f'{metric}_bucket{{{labels},le="+Inf"}}': slow,
    }


TOPIC = Topic(
    name="kubernetes",
    title="Kubernetes",
    alarms=(
        Alarm(
            name="ApiServerDown",
            severity=Severity.CRITICAL,
            component="apiserver",
            where=Where.EDGE,
            query='absent(up{job="apiserver"} == 1)',
            hold="5m",
            summary="Prometheus cannot reach the API server of {{ $labels.cluster }}",
            description="No scrape of the Kubernetes API server has succeeded for five minutes.",
            runbook=Runbook(
                meaning="Neither address of the API server answers Prometheus, or its token is refused.",
                impact="Running pods go on; nothing can be changed, scheduled or healed.",
                look=(
                    "Does it answer you?",
                    "$ kubectl --context CLUSTER get --raw /readyz?verbose",
                    "$ aws eks describe-cluster --name CLUSTER --query cluster.status",
                    "If it answers you: is it the NetworkPolicy or the RBAC of Prometheus?",
                    "$ kubectl --context CLUSTER --namespace agents logs statefulset/prometheus --container "
                    "prometheus --tail=50",
                ),
                fix=(
                    "EKS repairs its control plane; open a case if the AWS Health Dashboard is green.",
                    "Only Prometheus is refused: `ansible-playbook site.yml -i inventories/CLUSTER --tags prometheus`.",
                ),
            ),
            firing=Fixture(series={'up{job="apiserver",instance="10.0.0.1:443"}': "1x10 0x50"}, alerts=({},)),
            silent=Fixture(
                series={
                    'up{job="apiserver",instance="10.0.0.1:443"}': "0x60",
                    'up{job="apiserver",instance="10.0.0.2:443"}': "1x60",
                }
            ),
        ),
        Alarm(
            name="ApiServerErrors",
            severity=Severity.CRITICAL,
            component="apiserver",
            where=Where.EDGE,
            query='100 * sum(rate(apiserver_request_total{code=~"5.."}[5m])) / sum(rate(apiserver_request_total[5m]))',
            op=">",
            threshold=3,
            hold="10m",
            summary="The API server of {{ $labels.cluster }} fails more than 3 % of its requests",
            description="More than 3 % of the requests have ended with a 5xx code for ten minutes.",
            runbook=Runbook(
                meaning="The API server, etcd behind it, a webhook or an aggregated API fails.",
                impact="Deployments, scaling and healing become unreliable.",
                look=(
                    "Grafana, dashboard *API server*: which verb and resource?",
                    "$ kubectl --context CLUSTER get --raw /readyz?verbose",
                    "$ kubectl --context CLUSTER get apiservices | grep -v True",
                    "$ kubectl --context CLUSTER get validatingwebhookconfigurations,mutatingwebhookconfigurations",
                    "Control plane logs: CloudWatch, log group `/aws/eks/CLUSTER/cluster`.",
                ),
                fix=(
                    "One resource only: its webhook or its aggregated API is down; fix or remove that one.",
                    "All: a client that floods it (dashboard, requests by user agent), or EKS itself: open a case.",
                ),
            ),
            firing=Fixture(
                series={
                    'apiserver_request_total{job="apiserver",verb="GET",resource="pods",code="200"}': "0+900x60",
                    'apiserver_request_total{job="apiserver",verb="GET",resource="pods",code="500"}': "0+100x60",
                },
                alerts=({},),
            ),
            silent=Fixture(
                series={
                    'apiserver_request_total{job="apiserver",verb="GET",resource="pods",code="200"}': "0+900x60",
                    'apiserver_request_total{job="apiserver",verb="GET",resource="pods",code="500"}': "0+10x60",
                    'apiserver_request_total{job="apiserver",verb="GET",resource="pods",code="404"}': "0+500x60",
                }
            ),
        ),
        Alarm(
            name="ApiServerSlow",
            severity=Severity.WARNING,
            component="apiserver",
            where=Where.EDGE,
            query="histogram_quantile(0.99, sum by (le, verb) "
            f"(rate(apiserver_request_duration_seconds_bucket{{{_VERBS}}}[5m])))",
            op=">",
            threshold=2,
            hold="15m",
            summary="{{ $labels.verb }} requests to the API server of {{ $labels.cluster }} are slow",
            description="One in a hundred requests of this verb has taken more than two seconds for 15 minutes.",
            runbook=Runbook(
                meaning="The 99th percentile of a verb's duration is above two seconds. Watches and connections into "
                "pods do "
                "not count.",
                impact="Controllers lag behind; `kubectl` and playbooks are slow.",
                look=(
                    "Grafana, dashboard *API server*: LIST of what, by whom? In-flight requests near the limit?",
                    "$ kubectl --context CLUSTER get --raw /metrics | grep "
                    "apiserver_flowcontrol_rejected_requests_total",
                    "Slow webhooks: `apiserver_admission_webhook_admission_duration_seconds`.",
                ),
                fix=(
                    "A client that lists everything every few seconds: have it watch.",
                    "Tens of thousands of leftover objects (Events, ReplicaSets, Jobs): delete them, set TTLs.",
                ),
            ),
            firing=Fixture(
                series=_buckets(
                    "apiserver_request_duration_seconds", 'verb="LIST",subresource=""', "0+50x60", "0+100x60"
                ),
                alerts=({"verb": "LIST"},),
            ),
            silent=Fixture(
                series=_buckets(
                    "apiserver_request_duration_seconds", 'verb="LIST",subresource=""', "0+100x60", "0+100x60"
                )
                | _buckets("apiserver_request_duration_seconds", 'verb="WATCH",subresource=""', "0x60", "0+100x60")
            ),
        ),
        Alarm(
            name="KubeletDown",
            severity=Severity.CRITICAL,
            component="kubelet",
            where=Where.EDGE,
            query='min by (instance) (up{job="kubelet"})',
            op="<",
            threshold=1,
            hold="10m",
            summary="The kubelet {{ $labels.instance }} of {{ $labels.cluster }} does not answer",
            description="Prometheus has not been able to scrape this kubelet for ten minutes.",
            runbook=Runbook(
                meaning="The kubelet's port 10250 does not answer, or refuses Prometheus' token.",
                impact="If the node is Ready: no container and volume metrics of it. Else see "
                "[NodeNotReady](NodeNotReady.md).",
                look=(
                    "$ kubectl --context CLUSTER get nodes --output wide",
                    "All kubelets at once is permission or network: the node security group must let port 10250 in "
                    "from the "
                    "pods.",
                ),
                fix=(
                    "One node: restart the kubelet, or terminate the instance.",
                    "All: `ansible-playbook site.yml -i inventories/CLUSTER --tags eks,prometheus`.",
                ),
            ),
            firing=Fixture(
                series={'up{job="kubelet",instance="10.0.0.1:10250"}': "0x60"}, alerts=({"instance": "10.0.0.1:10250"},)
            ),
            silent=Fixture(
                series={'up{job="kubelet",instance="10.0.0.1:10250"}': "1x60", 'up{job="x",instance="a"}': "0x60"}
            ),
        ),
        Alarm(
            name="NodePodsAlmostFull",
            severity=Severity.INFO,
            component="kubelet",
            where=Where.EDGE,
            query='100 * count by (node) (kube_pod_info{node!=""}) '
            '/ sum by (node) (kube_node_status_allocatable{resource="pods"})',
            op=">",
            threshold=95,
            hold="15m",
            summary="Node {{ $labels.node }} of {{ $labels.cluster }} has hardly room for another pod",
            description="More than 95 % of the pods that the node may run are there.",
            runbook=Runbook(
                meaning="On EKS the number of pods of a node is limited by the addresses of its instance type.",
                impact="The next pods go elsewhere, whatever CPU and memory are free here.",
                look=("$ kubectl --context CLUSTER describe node NODE | grep --after-context=12 Allocatable",),
                fix=(
                    "Prefix delegation in the add-on vpc-cni (`ENABLE_PREFIX_DELEGATION`) multiplies the limit; or "
                    "larger "
                    "instance types.",
                ),
            ),
            firing=Fixture(
                series={
                    'kube_pod_info{namespace="shop",pod="a",node="node-1"}': "1x60",
                    'kube_pod_info{namespace="shop",pod="b",node="node-1"}': "1x60",
                    'kube_node_status_allocatable{node="node-1",resource="pods"}': "2x60",
                },
                alerts=({"node": "node-1"},),
            ),
            silent=Fixture(
                series={
                    'kube_pod_info{namespace="shop",pod="a",node="node-1"}': "1x60",
                    'kube_pod_info{namespace="shop",pod="b",node=""}': "1x60",
                    'kube_node_status_allocatable{node="node-1",resource="pods"}': "2x60",
                }
            ),
        ),
        Alarm(
            name="CoreDnsErrors",
            severity=Severity.CRITICAL,
            component="coredns",
            where=Where.EDGE,
            query='100 * sum(rate(coredns_dns_responses_total{rcode="SERVFAIL"}[5m])) '
            "/ sum(rate(coredns_dns_responses_total[5m]))",
            op=">",
            threshold=1,
            hold="10m",
            summary="CoreDNS of {{ $labels.cluster }} fails more than 1 % of its answers",
            description="More than 1 % of the answers have been SERVFAIL for ten minutes.",
            runbook=Runbook(
                meaning="CoreDNS cannot answer: its upstream (the VPC's resolver) or the API server is away, or it is "
                "overloaded.",
                impact="Names do not resolve; everything that opens connections fails at times.",
                look=(
                    "Grafana, dashboard *CoreDNS*: cluster names or external ones?",
                    "$ kubectl --context CLUSTER --namespace kube-system logs deployment/coredns --tail=50",
                    "The VPC's resolver takes 1024 packets a second for each network interface; beyond that it drops.",
                ),
                fix=(
                    "External names only: the resolver's limit; more replicas of CoreDNS on different nodes "
                    "(`eks_addons`, coredns, `replicaCount`) or NodeLocal DNSCache.",
                    "All: restart it: `kubectl --context CLUSTER --namespace kube-system rollout restart "
                    "deployment/coredns`.",
                ),
            ),
            firing=Fixture(
                series={
                    'coredns_dns_responses_total{rcode="NOERROR"}': "0+900x60",
                    'coredns_dns_responses_total{rcode="SERVFAIL"}': "0+50x60",
                },
                alerts=({},),
            ),
            silent=Fixture(
                series={
                    'coredns_dns_responses_total{rcode="NOERROR"}': "0+900x60",
                    'coredns_dns_responses_total{rcode="NXDOMAIN"}': "0+900x60",
                    'coredns_dns_responses_total{rcode="SERVFAIL"}': "0+1x60",
                }
            ),
        ),
        Alarm(
            name="CoreDnsSlow",
            severity=Severity.WARNING,
            component="coredns",
            where=Where.EDGE,
            query="histogram_quantile(0.99, sum by (le) (rate(coredns_dns_request_duration_seconds_bucket[5m])))",
            op=">",
            threshold=1,
            hold="10m",
            summary="CoreDNS of {{ $labels.cluster }} answers slowly",
            description="One in a hundred questions has taken more than a second for ten minutes.",
            runbook=Runbook(
                meaning="The 99th percentile of CoreDNS' time to answer is above a second.",
                impact="Each new connection waits for its name.",
                look=(
                    "Grafana, dashboard *CoreDNS*: time of forwarded questions against the cache's.",
                    "$ kubectl --context CLUSTER --namespace kube-system top pods --selector k8s-app=kube-dns",
                ),
                fix=(
                    "Throttled: raise its CPU limit or its replicas (`eks_addons`).",
                    "A client that asks for names that do not exist, six times each: a fully qualified name with a "
                    "dot at "
                    "its end, or `ndots: 2` in its pod.",
                ),
            ),
            firing=Fixture(
                series=_buckets("coredns_dns_request_duration_seconds", 'server="dns://:53"', "0+50x60", "0+100x60"),
                alerts=({},),
            ),
            silent=Fixture(
                series=_buckets("coredns_dns_request_duration_seconds", 'server="dns://:53"', "0+100x60", "0+100x60")
            ),
        ),
        Alarm(
            name="ClientCertificateExpires",
            severity=Severity.WARNING,
            component="certificates",
            where=Where.EDGE,
            query="histogram_quantile(0.01, sum by (le) "
            "(rate(apiserver_client_certificate_expiration_seconds_bucket[5m])))",
            op="<",
            threshold=604800,
            hold="5m",
            summary="Somebody talks to the API server of {{ $labels.cluster }} with a certificate that soon expires",
            description="A client certificate that is in use expires within seven days.",
            runbook=Runbook(
                meaning="The API server sees a client whose certificate has less than a week to live. It does not "
                "say which.",
                impact="That client is locked out when it expires.",
                look=(
                    "In the audit log (CloudWatch, `/aws/eks/CLUSTER/cluster`, stream `kube-apiserver-audit-*`): "
                    "users that "
                    "are no IAM roles and no service accounts.",
                    "$ kubectl --context CLUSTER get certificatesigningrequests",
                ),
                fix=(
                    "Kubelets renew theirs by themselves; one that does not: restart it.",
                    "A certificate made by hand: replace it by an IAM role and an access entry (`eks_access_entries`).",
                ),
            ),
            firing=Fixture(
                series={
                    'apiserver_client_certificate_expiration_seconds_bucket{le="86400"}': "0+10x60",
                    'apiserver_client_certificate_expiration_seconds_bucket{le="2592000"}': "0+20x60",
                    'apiserver_client_certificate_expiration_seconds_bucket{le="+Inf"}': "0+20x60",
                },
                alerts=({},),
            ),
            silent=Fixture(
                series={
                    'apiserver_client_certificate_expiration_seconds_bucket{le="604800"}': "0x60",
                    'apiserver_client_certificate_expiration_seconds_bucket{le="2592000"}': "0+20x60",
                    'apiserver_client_certificate_expiration_seconds_bucket{le="+Inf"}': "0+20x60",
                }
            ),
        ),
        Alarm(
            name="AutoscalerUnsafe",
            severity=Severity.WARNING,
            component="cluster-autoscaler",
            where=Where.EDGE,
            query="max(cluster_autoscaler_cluster_safe_to_autoscale)",
            op="<",
            threshold=1,
            hold="15m",
            summary="The autoscaler of {{ $labels.cluster }} has stopped to add nodes",
            description="Too many nodes are not ready for the cluster autoscaler to trust what it sees.",
            runbook=Runbook(
                meaning="More nodes are unready than `max-total-unready-percentage` allows; it waits until they are "
                "back.",
                impact="Pods that need new nodes stay pending.",
                look=(
                    "$ kubectl --context CLUSTER get nodes",
                    "$ kubectl --context CLUSTER --namespace cluster-autoscaler logs deployment/cluster-autoscaler "
                    "--tail=50",
                ),
                fix=(
                    "Fix the nodes: [NodeNotReady](NodeNotReady.md). Instances that never joined: role and security "
                    "group of "
                    "the node group.",
                ),
            ),
            firing=Fixture(series={'cluster_autoscaler_cluster_safe_to_autoscale{pod="a"}': "0x60"}, alerts=({},)),
            silent=Fixture(
                series={
                    'cluster_autoscaler_cluster_safe_to_autoscale{pod="a"}': "1x60",
                    'cluster_autoscaler_cluster_safe_to_autoscale{pod="b"}': "0x60",
                }
            ),
        ),
        Alarm(
            name="ScaleUpFailing",
            severity=Severity.WARNING,
            component="cluster-autoscaler",
            where=Where.EDGE,
            query="sum by (reason) (increase(cluster_autoscaler_failed_scale_ups_total[30m]))",
            op=">",
            threshold=0,
            hold="5m",
            summary="The autoscaler of {{ $labels.cluster }} asks for nodes and gets none",
            description="Attempts to grow a node group have failed within the last half hour: {{ $labels.reason }}.",
            runbook=Runbook(
                meaning="The Auto Scaling group refused, or the instances did not come up in time.",
                impact="Pods stay pending.",
                look=(
                    "AWS' own words:",
                    "$ aws autoscaling describe-scaling-activities --auto-scaling-group-name GROUP --max-items 5",
                    "$ kubectl --context CLUSTER --namespace cluster-autoscaler logs deployment/cluster-autoscaler "
                    "--tail=50",
                ),
                fix=(
                    "*InsufficientInstanceCapacity*: more instance types in the node group, or another zone.",
                    "*VcpuLimitExceeded*: raise the account's EC2 quota.",
                    "Time-out: the instances start and do not join; see the console output of one.",
                ),
            ),
            firing=Fixture(
                series={'cluster_autoscaler_failed_scale_ups_total{pod="a",reason="timeout"}': "0x20 2x40"},
                alerts=({"reason": "timeout"},),
            ),
            silent=Fixture(series={'cluster_autoscaler_failed_scale_ups_total{pod="a",reason="timeout"}': "2x60"}),
        ),
    ),
)
