# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about NGINX, the way in."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where

_POD = 'job="ingress-nginx",namespace="ingress-nginx",pod="ingress-nginx-1"'

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
                mend=(
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
                mend=(
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
                mend=(
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
