# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about NGINX, the way in."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where

_POD = 'job="ingress-nginx",namespace="ingress-nginx",pod="ingress-nginx-1"'

_LATENCY = "nginx_ingress_controller_upstream_server_response_latency_ms"
_SHOP = 'resource_type="ingress",resource_namespace="team",resource_name="shop",service="shop"'
_FORUM = 'resource_type="ingress",resource_namespace="team",resource_name="forum",service="forum"'

TOPIC = Topic(
    name="ingress",
    title="NGINX",
    alarms=(
        Alarm(
            name="NginxDown",
            severity=Severity.CRITICAL,
            component="ingress-nginx",
            where=Where.EDGE,
            query='absent(up{job="ingress-nginx"} == 1)',
            hold="5m",
            summary="NGINX of {{ $labels.cluster }} is gone",
            description="No pod of the ingress controller has answered Prometheus for five minutes.",
            runbook=Runbook(
                meaning="There is no NGINX pod, or none answers on its metrics port.",
                impact="Nothing behind an Ingress of this cluster can be reached, if the pods are really away.",
                look=(
                    "$ kubectl --context CLUSTER --namespace ingress-nginx get pods --output wide",
                    "$ kubectl --context CLUSTER --namespace ingress-nginx logs deployment/ingress-nginx --tail=50",
                    "Does it serve all the same? `curl -I https://HOST/` through the load balancer.",
                ),
                fix=(
                    "`ansible-playbook site.yml -i inventories/CLUSTER --tags ingress_nginx` puts back what was "
                    "deleted or "
                    "edited.",
                    "Pods that do not start: [PodPending](PodPending.md), [PodCrashLooping](PodCrashLooping.md). A "
                    "default "
                    "TLS Secret that is missing keeps the controller from starting.",
                ),
            ),
            firing=Fixture(series={f"up{{{_POD}}}": "0x60"}, alerts=({},)),
            silent=Fixture(series={f"up{{{_POD}}}": "1x60"}),
        ),
        Alarm(
            name="NginxReloadFailed",
            severity=Severity.CRITICAL,
            component="ingress-nginx",
            where=Where.EDGE,
            query="min by (pod) (nginx_ingress_controller_nginx_last_reload_status)",
            op="<",
            threshold=1,
            hold="5m",
            summary="NGINX pod {{ $labels.pod }} of {{ $labels.cluster }} refuses its configuration",
            description="The last reload failed; NGINX runs with the configuration from before.",
            runbook=Runbook(
                meaning="An Ingress or the ConfigMap has made a configuration that NGINX does not accept.",
                impact="Changes of all Ingresses have no effect from here on, certificates included. A pod that "
                "restarts now "
                "does not come up.",
                look=(
                    "The log names file and line, and so the Ingress:",
                    "$ kubectl --context CLUSTER --namespace ingress-nginx logs POD | grep -i emerg",
                    "$ kubectl --context CLUSTER get ingresses --all-namespaces --sort-by=.metadata.creationTimestamp",
                ),
                fix=(
                    "Take the annotation or the key of `ingress_nginx_config` back. The next reload follows by itself.",
                ),
            ),
            firing=Fixture(
                series={f"nginx_ingress_controller_nginx_last_reload_status{{{_POD}}}": "0x60"},
                alerts=({"pod": "ingress-nginx-1"},),
            ),
            silent=Fixture(series={f"nginx_ingress_controller_nginx_last_reload_status{{{_POD}}}": "1x60"}),
        ),
        Alarm(
            name="NginxServerErrors",
            severity=Severity.WARNING,
            component="ingress-nginx",
            where=Where.EDGE,
            query="100 * sum by (resource_namespace, resource_name, service) "
            f'(rate({_LATENCY}_count{{code=~"5.."}}[5m])) '
            f"/ sum by (resource_namespace, resource_name, service) (rate({_LATENCY}_count[5m]))",
            op=">",
            threshold=5,
            hold="10m",
            summary="Ingress {{ $labels.resource_namespace }}/{{ $labels.resource_name }} of {{ $labels.cluster }} "
            "answers with server errors",
            description="More than 5 % of the answers of service {{ $labels.service }} have been 5xx for ten minutes.",
            runbook=Runbook(
                meaning="NGINX has passed on, or had to make up, a 5xx answer for more than one request in twenty. 500 "
                "and 503 come from the service itself; 502 and 504 from NGINX, which could not connect or waited in "
                "vain. What NGINX answers without asking a service is not measured, and neither is gRPC.",
                impact="Whoever uses that service sees errors.",
                look=(
                    "Grafana, dashboard *NGINX*, *Server errors by Ingress* and *Answers by code*: which code, since "
                    "when, one pod of the service or all?",
                    "502 without any pod of the service: are there ready ones?",
                    "$ kubectl --context CLUSTER --namespace RESOURCE_NAMESPACE get ingress,endpointslices,pods",
                    "$ kubectl --context CLUSTER --namespace ingress-nginx logs deployment/ingress-nginx --tail=500 | "
                    "grep -i 'upstream'",
                    "500: the service's own log, dashboard *Logs* with its namespace.",
                ),
                fix=(
                    "A roll-out has done it: `kubectl --context CLUSTER --namespace RESOURCE_NAMESPACE rollout undo "
                    "deployment/NAME`.",
                    "No ready pods: [DeploymentLacksReplicas](DeploymentLacksReplicas.md), "
                    "[PodCrashLooping](PodCrashLooping.md).",
                    "502 although pods are ready: a NetworkPolicy of that namespace must let the namespace "
                    "`ingress-nginx` in; the service's port and protocol must be those of the pods.",
                    "504: the service is slow; the annotation `nginx.org/proxy-read-timeout` only hides it.",
                ),
            ),
            firing=Fixture(
                series={
                    f'{_LATENCY}_count{{{_POD},{_SHOP},code="200",server="10.0.0.1:80"}}': "0+930x60",
                    f'{_LATENCY}_count{{{_POD},{_SHOP},code="502",server="10.0.0.1:80"}}': "0+40x60",
                    f'{_LATENCY}_count{{{_POD},{_SHOP},code="504",server="10.0.0.2:80"}}': "0+30x60",
                    f'{_LATENCY}_count{{{_POD},{_FORUM},code="200",server="10.0.0.3:80"}}': "0+1000x60",
                },
                alerts=({"resource_namespace": "team", "resource_name": "shop", "service": "shop"},),
            ),
            silent=Fixture(
                series={
                    f'{_LATENCY}_count{{{_POD},{_SHOP},code="200",server="10.0.0.1:80"}}': "0+960x60",
                    f'{_LATENCY}_count{{{_POD},{_SHOP},code="500",server="10.0.0.1:80"}}': "0+40x60",
                    # Clients' errors, and a service that nobody asks.
                    f'{_LATENCY}_count{{{_POD},{_FORUM},code="404",server="10.0.0.3:80"}}': "0+900x60",
                    f'{_LATENCY}_count{{{_POD},{_FORUM},code="503",server="10.0.0.4:80"}}': "7x60",
                }
            ),
        ),
        Alarm(
            name="NginxConnectionsDropped",
            severity=Severity.WARNING,
            component="ingress-nginx",
            where=Where.EDGE,
            query="sum by (pod) (rate(nginx_ingress_nginx_connections_accepted[5m])) "
            "- sum by (pod) (rate(nginx_ingress_nginx_connections_handled[5m]))",
            op=">",
            threshold=0.1,
            hold="5m",
            summary="NGINX pod {{ $labels.pod }} of {{ $labels.cluster }} drops connections",
            description="It accepts more connections than it can handle: a limit of its workers is reached.",
            runbook=Runbook(
                meaning="`accepted` grows faster than `handled`: the workers have no free connection or file "
                "descriptor.",
                impact="Clients are cut off right after they connect.",
                look=(
                    "Grafana, dashboard *NGINX*: active connections; a flood, or backends that hold them open?",
                    "$ kubectl --context CLUSTER --namespace ingress-nginx logs POD | grep -i worker_connections",
                ),
                fix=(
                    "`ingress_nginx_size: large`, more `ingress_nginx_replicas`, or `worker-connections` in "
                    "`ingress_nginx_config`.",
                ),
            ),
            firing=Fixture(
                series={
                    f"nginx_ingress_nginx_connections_accepted{{{_POD}}}": "0+600x60",
                    f"nginx_ingress_nginx_connections_handled{{{_POD}}}": "0+540x60",
                },
                alerts=({"pod": "ingress-nginx-1"},),
            ),
            silent=Fixture(
                series={
                    f"nginx_ingress_nginx_connections_accepted{{{_POD}}}": "0+600x60",
                    f"nginx_ingress_nginx_connections_handled{{{_POD}}}": "0+600x60",
                }
            ),
        ),
    ),
)
