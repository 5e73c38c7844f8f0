# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards of the components of Kubernetes and of the ingress controller."""

from __future__ import annotations

from observability.dashboards.cluster import NODE, NODE_VARIABLE, C
from observability.dashboards.model import Dashboard, Query
from observability.dashboards.parts import ANY, CLUSTER, R, graph, label, lines, row, stat

_LONG = 'verb!~"WATCH|CONNECT",subresource!~"log|exec|attach|portforward|proxy"'
_COMPONENT = "labels.cluster:$cluster AND kubernetes.namespace_name:{namespace} AND kubernetes.pod_name:{pod}*"

API_SERVER_DASHBOARD = Dashboard(
    uid="api-server",
    title="Kubernetes API server",
    about="Requests, errors, latency and saturation of the control plane that EKS runs.",
    folder="Kubernetes",
    tags=("kubernetes", "control-plane"),
    variables=(CLUSTER,),
    next=(("cluster", "The cluster"), ("certificates", "Client certificates")),
    rows=(
        row(
            "Is it well?",
            stat(
                "Reachable",
                "Does it answer Prometheus?",
                f'max by (cluster) (up{{job="apiserver",{C}}})',
                "{{cluster}}",
                words=((1, "yes", "green"), (0, "no", "red")),
                width=6,
            ),
            stat(
                "Errors",
                "What share of requests fails?",
                f'100 * sum by (cluster) (rate(apiserver_request_total{{code=~"5..",{C}}}[$__rate_interval]))'
                f" / sum by (cluster) (rate(apiserver_request_total{{{C}}}[$__rate_interval]))",
                "{{cluster}}",
                unit="percent",
                decimals=2,
                steps=((1, "yellow"), (3, "red")),
                width=6,
            ),
            stat(
                "Requests",
                "How much is asked of it?",
                f"sum by (cluster) (rate(apiserver_request_total{{{C}}}[$__rate_interval]))",
                "{{cluster}}",
                unit="reqps",
                width=6,
            ),
            stat(
                "Slowest hundredth",
                "How long do the slowest requests take?",
                "histogram_quantile(0.99, sum by (le, cluster)"
                f" (rate(apiserver_request_duration_seconds_bucket{{{C},{_LONG}}}[$__rate_interval])))",
                "{{cluster}}",
                unit="s",
                steps=((1, "yellow"), (2, "red")),
                width=6,
            ),
        ),
        row(
            "Requests",
            graph(
                "By verb",
                "Which kinds of requests does it receive?",
                f"sum by (cluster, verb) (rate(apiserver_request_total{{{C}}}[$__rate_interval]))",
                "{{cluster}} {{verb}}",
                unit="reqps",
                stacked=True,
            ),
            graph(
                "Errors by code",
                "Which errors does it return: 429 too many requests, 403 forbidden, 409 conflict, 5xx server error?",
                f'sum by (cluster, code) (rate(apiserver_request_total{{code=~"[45]..",{C}}}[$__rate_interval]))',
                "{{cluster}} {{code}}",
                unit="reqps",
                stacked=True,
            ),
            graph(
                "Latency by verb, 99th percentile",
                "Which requests are slow?",
                "histogram_quantile(0.99, sum by (le, cluster, verb)"
                f" (rate(apiserver_request_duration_seconds_bucket{{{C},{_LONG}}}[$__rate_interval])))",
                "{{cluster}} {{verb}}",
                unit="s",
                steps=((1, "yellow"), (2, "red")),
            ),
            graph(
                "By resource",
                "Which resources are requested most, for example by a controller in a loop?",
                f"sum by (cluster, resource) (rate(apiserver_request_total{{{C}}}[$__rate_interval]))",
                "{{cluster}} {{resource}}",
                unit="reqps",
            ),
        ),
        row(
            "Saturation",
            graph(
                "Requests in flight",
                "Is it close to its limit of concurrent requests?",
                f"sum by (cluster, request_kind) (apiserver_current_inflight_requests{{{C}}})",
                "{{cluster}} {{request_kind}}",
            ),
            graph(
                "Objects stored",
                "Does something fill etcd?",
                f"max by (cluster, resource) (apiserver_resource_objects{{{C}}})",
                "{{cluster}} {{resource}}",
            ),
            graph(
                "Size of etcd's database",
                "Is it close to the 8 GiB at which EKS makes the cluster read-only?",
                f"max by (cluster) (apiserver_storage_size_bytes{{{C}}})",
                "{{cluster}}",
                unit="bytes",
                steps=((6 * 2**30, "yellow"), (7 * 2**30, "red")),
            ),
            graph(
                "Rejected for overload (429)",
                "Does it reject requests because of overload?",
                f'sum by (cluster, resource) (rate(apiserver_request_total{{code="429",{C}}}[$__rate_interval]))',
                "{{cluster}} {{resource}}",
                unit="reqps",
            ),
        ),
        row(
            "Admission and logins",
            graph(
                "Admission, time of a request",
                "Does an admission controller, policy or webhook slow down requests?",
                "sum by (cluster, name)"
                f" (rate(apiserver_admission_controller_admission_duration_seconds_sum{{{C}}}[$__rate_interval]))"
                " / sum by (cluster, name)"
                f" (rate(apiserver_admission_controller_admission_duration_seconds_count{{{C}}}[$__rate_interval]))",
                "{{cluster}} {{name}}",
                unit="s",
            ),
            graph(
                "Logins by result",
                "Are there requests with invalid credentials?",
                f"sum by (cluster, result) (rate(authentication_attempts{{{C}}}[$__rate_interval]))",
                "{{cluster}} {{result}}",
                unit="reqps",
            ),
        ),
    ),
)

KUBELET_DASHBOARD = Dashboard(
    uid="kubelet",
    title="Kubelet",
    about="The kubelet on each node: pods, pod starts, and requests to the container runtime.",
    folder="Kubernetes",
    tags=("kubernetes", "node"),
    variables=(CLUSTER, NODE_VARIABLE),
    next=(("node", "The node"), ("cluster", "The cluster")),
    rows=(
        row(
            "Is it well?",
            stat(
                "Kubelets reachable",
                "Does every kubelet answer?",
                f'sum by (cluster) (up{{job="kubelet",{C}}})',
                "{{cluster}}",
                width=6,
            ),
            stat(
                "Pods",
                "How many pods do they run?",
                f"sum by (cluster) (kubelet_running_pods{{{NODE}}})",
                "{{cluster}}",
                width=6,
            ),
            stat(
                "Runtime errors",
                "Does the container runtime fail?",
                f"sum by (cluster) (increase(kubelet_runtime_operations_errors_total{{{NODE}}}[1h]))",
                "{{cluster}}",
                decimals=0,
                steps=((1, "yellow"), (50, "red")),
                width=6,
            ),
            stat(
                "Evictions in 1 h",
                "Did it evict pods for lack of memory or disk?",
                f"sum by (cluster) (increase(kubelet_evictions{{{NODE}}}[1h]))",
                "{{cluster}}",
                decimals=0,
                steps=ANY,
                width=6,
            ),
        ),
        row(
            "Pods",
            graph(
                "Pods by node",
                "Is a node close to its maximum number of pods?",
                f"sum by (cluster, node) (kubelet_running_pods{{{NODE}}})",
                "{{cluster}} {{node}}",
            ),
            graph(
                "Pod start duration, 99th percentile",
                "Do pods start slowly, image pulls excluded?",
                "histogram_quantile(0.99, sum by (le, cluster)"
                f" (rate(kubelet_pod_start_duration_seconds_bucket{{{NODE}}}[$__rate_interval])))",
                "{{cluster}}",
                unit="s",
            ),
        ),
        row(
            "Container runtime",
            graph(
                "Operations by kind",
                "Which requests does it send to the container runtime?",
                "sum by (cluster, operation_type)"
                f" (rate(kubelet_runtime_operations_total{{{NODE}}}[$__rate_interval]))",
                "{{cluster}} {{operation_type}}",
                unit="ops",
            ),
            graph(
                "Errors by kind",
                "Which requests to the container runtime fail?",
                "sum by (cluster, operation_type)"
                f" (rate(kubelet_runtime_operations_errors_total{{{NODE}}}[$__rate_interval]))",
                "{{cluster}} {{operation_type}}",
                unit="ops",
            ),
            graph(
                "PLEG relist, 99th percentile",
                "Is the relist of pods so slow that the node can become NotReady?",
                "histogram_quantile(0.99, sum by (le, cluster)"
                f" (rate(kubelet_pleg_relist_duration_seconds_bucket{{{NODE}}}[$__rate_interval])))",
                "{{cluster}}",
                unit="s",
                steps=((3, "yellow"), (10, "red")),
            ),
            graph(
                "Volumes, operations by name",
                "Do mounts take long or fail?",
                "sum by (cluster, operation_name)"
                f" (rate(storage_operation_duration_seconds_count{{{NODE}}}[$__rate_interval]))",
                "{{cluster}} {{operation_name}}",
                unit="ops",
            ),
        ),
    ),
)

COREDNS_DASHBOARD = Dashboard(
    uid="coredns",
    title="CoreDNS",
    about="DNS in the cluster: requests, responses, latency, cache.",
    folder="Kubernetes",
    tags=("kubernetes", "dns"),
    variables=(CLUSTER,),
    next=(("cluster", "The cluster"),),
    rows=(
        row(
            "Is it well?",
            stat(
                "Requests",
                "How much is asked of it?",
                f"sum by (cluster) (rate(coredns_dns_requests_total{{{C}}}[$__rate_interval]))",
                "{{cluster}}",
                unit="reqps",
                width=8,
            ),
            stat(
                "SERVFAIL",
                "What share of responses is SERVFAIL?",
                f'100 * sum by (cluster) (rate(coredns_dns_responses_total{{rcode="SERVFAIL",{C}}}[$__rate_interval]))'
                f" / sum by (cluster) (rate(coredns_dns_responses_total{{{C}}}[$__rate_interval]))",
                "{{cluster}}",
                unit="percent",
                decimals=2,
                steps=((0.5, "yellow"), (1, "red")),
                width=8,
            ),
            stat(
                "Slowest hundredth",
                "How long does a DNS request take?",
                "histogram_quantile(0.99, sum by (le, cluster)"
                f" (rate(coredns_dns_request_duration_seconds_bucket{{{C}}}[$__rate_interval])))",
                "{{cluster}}",
                unit="s",
                steps=((0.5, "yellow"), (1, "red")),
                width=8,
            ),
        ),
        row(
            "Requests and answers",
            graph(
                "Requests by type",
                "What is asked for?",
                f"sum by (cluster, type) (rate(coredns_dns_requests_total{{{C}}}[$__rate_interval]))",
                "{{cluster}} {{type}}",
                unit="reqps",
                stacked=True,
            ),
            graph(
                "Answers by code",
                "Which response codes does it return?",
                f"sum by (cluster, rcode) (rate(coredns_dns_responses_total{{{C}}}[$__rate_interval]))",
                "{{cluster}} {{rcode}}",
                unit="reqps",
                stacked=True,
            ),
            graph(
                "Latency",
                "How long do answers take?",
                (
                    Query(
                        "histogram_quantile(0.5, sum by (le, cluster)"
                        f" (rate(coredns_dns_request_duration_seconds_bucket{{{C}}}[$__rate_interval])))",
                        "median {{cluster}}",
                    ),
                    Query(
                        "histogram_quantile(0.99, sum by (le, cluster)"
                        f" (rate(coredns_dns_request_duration_seconds_bucket{{{C}}}[$__rate_interval])))",
                        "99th percentile {{cluster}}",
                    ),
                ),
                unit="s",
            ),
            graph(
                "Cache",
                "What share of requests does the cache answer?",
                (
                    Query(
                        f"sum by (cluster) (rate(coredns_cache_hits_total{{{C}}}[$__rate_interval]))",
                        "hits {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (rate(coredns_cache_misses_total{{{C}}}[$__rate_interval]))",
                        "misses {{cluster}}",
                    ),
                ),
                unit="ops",
            ),
        ),
        row(
            "Upstream",
            graph(
                "Forwarded requests, 99th percentile",
                "Is the VPC's resolver slow?",
                "histogram_quantile(0.99, sum by (le, cluster, to)"
                f" (rate(coredns_proxy_request_duration_seconds_bucket{{{C}}}[$__rate_interval])))",
                "{{cluster}} {{to}}",
                unit="s",
            ),
            graph(
                "Panics and reload failures",
                "Is it broken itself?",
                (
                    Query(
                        f"sum by (cluster) (increase(coredns_panics_total{{{C}}}[$__rate_interval]))",
                        "panics {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (increase(coredns_reload_failed_total{{{C}}}[$__rate_interval]))",
                        "failed reloads {{cluster}}",
                    ),
                ),
                decimals=0,
            ),
        ),
        row(
            "Log",
            lines("Log", "What does it say?", _COMPONENT.format(namespace="kube-system", pod="coredns"), height=10),
        ),
    ),
)

NGINX_VARIABLE = label("pod", f"nginx_ingress_nginx_http_requests_total{{{C}}}")
NGINX = f'{C},pod=~"$pod"'

_LATENCY = "nginx_ingress_controller_upstream_server_response_latency_ms"
_INGRESS = "cluster, resource_namespace, resource_name, service"

NGINX_DASHBOARD = Dashboard(
    uid="nginx",
    title="NGINX ingress controller",
    about="Connections and requests through NGINX, how the services behind it answer, and whether its configuration is"
    " the one that was asked for.",
    folder="Kubernetes",
    tags=("kubernetes", "ingress"),
    variables=(CLUSTER, NGINX_VARIABLE),
    next=(("cluster", "The cluster"), ("logs", "The access log")),
    rows=(
        row(
            "Is it well?",
            stat(
                "Pods",
                "How many replicas are available?",
                f'sum by (cluster) (up{{job="ingress-nginx",{C}}})',
                "{{cluster}}",
                base="red",
                steps=((1, "yellow"), (2, "green")),
                width=6,
            ),
            stat(
                "Requests",
                "How much comes in?",
                f"sum by (cluster) (rate(nginx_ingress_nginx_http_requests_total{{{NGINX}}}[$__rate_interval]))",
                "{{cluster}}",
                unit="reqps",
                width=6,
            ),
            stat(
                "Last reload",
                "Has it loaded its current configuration?",
                f"min by (cluster) (nginx_ingress_controller_nginx_last_reload_status{{{NGINX}}})",
                "{{cluster}}",
                words=((1, "accepted", "green"), (0, "refused", "red")),
                width=6,
            ),
            stat(
                "Connections open",
                "How many clients are there?",
                f"sum by (cluster) (nginx_ingress_nginx_connections_active{{{NGINX}}})",
                "{{cluster}}",
                width=6,
            ),
        ),
        row(
            "Traffic",
            graph(
                "Requests by pod",
                "Is the load spread over the pods?",
                f"sum by (cluster, pod) (rate(nginx_ingress_nginx_http_requests_total{{{NGINX}}}[$__rate_interval]))",
                "{{cluster}} {{pod}}",
                unit="reqps",
                stacked=True,
            ),
            graph(
                "Connections accepted and dropped",
                "Does it turn clients away?",
                (
                    Query(
                        f"sum by (cluster) (rate(nginx_ingress_nginx_connections_accepted{{{NGINX}}}{R}))",
                        "accepted {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (rate(nginx_ingress_nginx_connections_accepted{{{NGINX}}}{R}))"
                        " - sum by (cluster)"
                        f" (rate(nginx_ingress_nginx_connections_handled{{{NGINX}}}[$__rate_interval]))",
                        "dropped {{cluster}}",
                    ),
                ),
                unit="ops",
            ),
            graph(
                "Connections by state",
                "Do connections wait for backends or clients?",
                (
                    Query(
                        f"sum by (cluster) (nginx_ingress_nginx_connections_reading{{{NGINX}}})", "reading {{cluster}}"
                    ),
                    Query(
                        f"sum by (cluster) (nginx_ingress_nginx_connections_writing{{{NGINX}}})", "writing {{cluster}}"
                    ),
                    Query(
                        f"sum by (cluster) (nginx_ingress_nginx_connections_waiting{{{NGINX}}})", "waiting {{cluster}}"
                    ),
                ),
                stacked=True,
            ),
        ),
        row(
            "Answers of services",
            graph(
                "Server errors by Ingress",
                "Which Ingress returns server errors, and how often?",
                f'100 * sum by ({_INGRESS}) (rate({_LATENCY}_count{{{NGINX},code=~"5.."}}{R}))'
                f" / sum by ({_INGRESS}) (rate({_LATENCY}_count{{{NGINX}}}{R}))",
                "{{cluster}} {{resource_namespace}}/{{resource_name}} {{service}}",
                unit="percent",
            ),
            graph(
                "Answers by code",
                "Do clients cause the errors (4xx), services (500, 503), or failed connections to services (502, 504)?",
                f"sum by (cluster, code) (rate({_LATENCY}_count{{{NGINX}}}{R}))",
                "{{cluster}} {{code}}",
                unit="reqps",
                stacked=True,
            ),
            graph(
                "Time of an answer, 95 of 100",
                "Which service is slow?",
                f"histogram_quantile(0.95, sum by (le, {_INGRESS}) (rate({_LATENCY}_bucket{{{NGINX}}}{R})))",
                "{{cluster}} {{resource_namespace}}/{{resource_name}} {{service}}",
                unit="ms",
            ),
        ),
        row(
            "Configuration",
            graph(
                "Reloads",
                "Are Ingresses changed continuously?",
                (
                    Query(
                        "sum by (cluster)"
                        f" (increase(nginx_ingress_controller_nginx_reloads_total{{{NGINX}}}[$__rate_interval]))",
                        "reloads {{cluster}}",
                    ),
                    Query(
                        "sum by (cluster)"
                        f" (increase(nginx_ingress_controller_nginx_reload_errors_total{{{NGINX}}}[$__rate_interval]))",
                        "refused {{cluster}}",
                    ),
                ),
                decimals=0,
            ),
            graph(
                "Ingresses",
                "How many are served?",
                f"max by (cluster, type) (nginx_ingress_controller_ingress_resources_total{{{NGINX}}})",
                "{{cluster}} {{type}}",
            ),
        ),
        row(
            "Log",
            lines(
                "Errors and requests",
                "What does it say?",
                _COMPONENT.format(namespace="ingress-nginx", pod="ingress-nginx"),
                height=12,
            ),
        ),
    ),
)

DASHBOARDS = (API_SERVER_DASHBOARD, KUBELET_DASHBOARD, COREDNS_DASHBOARD, NGINX_DASHBOARD)
