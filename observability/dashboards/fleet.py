# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards of the whole fleet: overview, capacity and cost, certificates, alarms."""

from __future__ import annotations

from observability.dashboards.cluster import (
    C,
    asked_for,
    container_cpu,
    container_memory,
    cpu_used,
    memory_used,
    not_ready,
    pods_in,
    restarts,
)
from observability.dashboards.logs import CLUSTER_FIELD, NAMESPACE_FIELD
from observability.dashboards.model import Dashboard, Kind, Panel, Query, Variable
from observability.dashboards.parts import (
    ANY,
    BUSY,
    CLUSTER,
    SOME,
    R,
    bars,
    counts,
    graph,
    lines,
    note,
    row,
    stat,
    table,
)

ALL = 'cluster=~".+"'
FIRING = 'ALERTS{alertstate="firing",alertname!="Watchdog",'
COMPLAINTS = (
    f"{CLUSTER_FIELD}:$cluster AND message:"
    '(x509 OR "certificate has expired" OR "unknown authority" OR "certificate verify failed" OR PKIX)'
)
# An average month has 730 hours.
MONTH = 730

FLEET_DASHBOARD = Dashboard(
    uid="fleet",
    title="Fleet overview",
    about="All clusters side by side: the page to start with.",
    folder="Fleet",
    tags=("fleet",),
    next=(
        ("alarms", "What is wrong"),
        ("pipeline", "Whether the data on this page is complete"),
        ("capacity", "Free capacity and cost"),
    ),
    rows=(
        row(
            "Is all well?",
            table(
                "Clusters",
                "Which cluster needs me?",
                Query(f"count by (cluster) (kube_node_info{{{ALL}}})", "Nodes"),
                Query(not_ready("cluster", ALL), "Not ready", "none", ANY),
                Query(cpu_used("cluster", ALL), "CPU used", "percent", BUSY),
                Query(memory_used("cluster", ALL), "Memory used", "percent", BUSY),
                Query(f"count by (cluster) (kube_pod_info{{{ALL}}})", "Pods"),
                Query(pods_in("Pending|Unknown", "cluster", ALL), "Pods waiting", "none", SOME),
                Query(restarts("cluster", ALL), "Restarts in 1 h", "none", ((5, "yellow"), (20, "red"))),
                Query(
                    f'sum by (cluster) ({FIRING}severity="critical",{ALL}}})',
                    "Critical alarms",
                    "none",
                    ANY,
                ),
                Query(f'sum by (cluster) ({FIRING}severity="warning",{ALL}}})', "Warnings", "none", SOME),
                height=8,
                opens="cluster",
                passes=("cluster",),
            ),
            stat(
                "Heard from",
                "Does a cluster send no data, so that its other values are missing or old?",
                f'max by (cluster) (ALERTS{{alertname="Watchdog",alertstate="firing",{ALL}}})',
                "{{cluster}}",
                words=((1, "yes", "green"), (0, "no", "red")),
                width=24,
                opens="cluster",
                passes=("cluster",),
            ),
        ),
        row(
            "Side by side",
            graph(
                "CPU used",
                "Which cluster is busy?",
                cpu_used("cluster", ALL),
                "{{cluster}}",
                unit="percent",
                high=100,
                steps=((80, "red"),),
                opens="cluster",
                passes=("cluster",),
            ),
            graph(
                "Memory used",
                "Which cluster runs out of memory?",
                memory_used("cluster", ALL),
                "{{cluster}}",
                unit="percent",
                high=100,
                steps=BUSY,
                opens="cluster",
                passes=("cluster",),
            ),
            graph(
                "Pods running",
                "Does the number of pods change unexpectedly?",
                pods_in("Running", "cluster", ALL),
                "{{cluster}}",
                opens="cluster",
                passes=("cluster",),
            ),
            graph(
                "Errors of the Kubernetes API",
                "Does a cluster's API server return errors?",
                f'100 * sum by (cluster) (rate(apiserver_request_total{{code=~"5..",{ALL}}}[$__rate_interval]))'
                f" / sum by (cluster) (rate(apiserver_request_total{{{ALL}}}[$__rate_interval]))",
                "{{cluster}}",
                unit="percent",
                steps=((1, "yellow"), (3, "red")),
                opens="api-server",
                passes=("cluster",),
            ),
            graph(
                "Requests through NGINX",
                "Do users reach a cluster?",
                f"sum by (cluster) (rate(nginx_ingress_nginx_http_requests_total{{{ALL}}}[$__rate_interval]))",
                "{{cluster}}",
                unit="reqps",
                opens="nginx",
                passes=("cluster",),
            ),
            graph(
                "Firing alarms",
                "Since when does each alarm fire?",
                f"sum by (cluster, severity) ({FIRING}{ALL}}})",
                "{{cluster}} {{severity}}",
                opens="alarms",
                passes=("cluster",),
            ),
        ),
    ),
)

CAPACITY_DASHBOARD = Dashboard(
    uid="capacity",
    title="Capacity and cost",
    about="Capacity, requests, usage, and the cost of unused requests, at the prices that you enter above.",
    folder="Fleet",
    tags=("fleet", "cost"),
    variables=(
        CLUSTER,
        Variable(name="vcpu_price", label="Price of a vCPU hour", text="0.048"),
        Variable(name="gib_price", label="Price of a GiB month of volumes", text="0.0952"),
    ),
    next=(("cluster", "One cluster"), ("workload", "Who reserves too much"), ("volumes", "Volumes")),
    since="now-7d",
    refresh="5m",
    rows=(
        row(
            "What is left",
            table(
                "Reserved and used",
                "How much can still be scheduled, and how much of the requests is used?",
                Query(f'sum by (cluster) (kube_node_status_allocatable{{resource="cpu",{C}}})', "CPU", "cores"),
                Query(
                    f"100 * {asked_for('requests', 'cpu', 'cluster', C)}"
                    f' / sum by (cluster) (kube_node_status_allocatable{{resource="cpu",{C}}})',
                    "CPU reserved",
                    "percent",
                    BUSY,
                ),
                Query(
                    f"100 * {container_cpu('cluster', C)}"
                    f' / sum by (cluster) (kube_node_status_allocatable{{resource="cpu",{C}}})',
                    "CPU used",
                    "percent",
                    BUSY,
                ),
                Query(f'sum by (cluster) (kube_node_status_allocatable{{resource="memory",{C}}})', "Memory", "bytes"),
                Query(
                    f"100 * {asked_for('requests', 'memory', 'cluster', C)}"
                    f' / sum by (cluster) (kube_node_status_allocatable{{resource="memory",{C}}})',
                    "Memory reserved",
                    "percent",
                    BUSY,
                ),
                Query(
                    f"100 * {container_memory('cluster', C)}"
                    f' / sum by (cluster) (kube_node_status_allocatable{{resource="memory",{C}}})',
                    "Memory used",
                    "percent",
                    BUSY,
                ),
                Query(
                    f"100 * count by (cluster) (kube_pod_info{{{C}}})"
                    f' / sum by (cluster) (kube_node_status_allocatable{{resource="pods",{C}}})',
                    "Pod places used",
                    "percent",
                    BUSY,
                ),
                height=8,
                opens="cluster",
                passes=("cluster",),
            ),
            graph(
                "CPU reserved",
                "When can new pods no longer be scheduled?",
                f"100 * {asked_for('requests', 'cpu', 'cluster', C)}"
                f' / sum by (cluster) (kube_node_status_allocatable{{resource="cpu",{C}}})',
                "{{cluster}}",
                unit="percent",
                high=100,
                steps=BUSY,
            ),
            graph(
                "Memory reserved",
                "When can new pods no longer be scheduled?",
                f"100 * {asked_for('requests', 'memory', 'cluster', C)}"
                f' / sum by (cluster) (kube_node_status_allocatable{{resource="memory",{C}}})',
                "{{cluster}}",
                unit="percent",
                high=100,
                steps=BUSY,
            ),
        ),
        row(
            "What it costs",
            note(
                "How this is reckoned",
                "Virtual processors times the price of a vCPU hour times 730 hours, and claimed volumes times"
                " the price of"
                " a GiB month. The prices above are an example: put in your own. Discounts, traffic, load"
                " balancers, NAT and"
                " the EKS control planes are not in it; the AWS bill is.",
                height=3,
            ),
            stat(
                "Machines, a month",
                "What do the nodes cost?",
                f'sum by (cluster) (kube_node_status_capacity{{resource="cpu",{C}}}) * $vcpu_price * {MONTH}',
                "{{cluster}}",
                unit="currencyUSD",
                width=8,
                decimals=0,
            ),
            stat(
                "Of that not used, a month",
                "How much do unused CPUs cost?",
                f'(sum by (cluster) (kube_node_status_capacity{{resource="cpu",{C}}}) - {container_cpu("cluster", C)})'
                f" * $vcpu_price * {MONTH}",
                "{{cluster}}",
                unit="currencyUSD",
                width=8,
                decimals=0,
            ),
            stat(
                "Volumes, a month",
                "What do the volumes cost?",
                f"sum by (cluster) (kube_persistentvolume_capacity_bytes{{{C}}}) / 1073741824 * $gib_price",
                "{{cluster}}",
                unit="currencyUSD",
                width=8,
                decimals=0,
            ),
            bars(
                "Cost of requested CPU by namespace, a month",
                "What do the requests of each team cost?",
                f"{asked_for('requests', 'cpu', 'cluster, namespace', C)} * $vcpu_price * {MONTH}",
                "{{cluster}} {{namespace}}",
                unit="currencyUSD",
                decimals=0,
                height=10,
            ),
            bars(
                "Requested and not used, by namespace",
                "Which team can reduce its requests most?",
                f"({asked_for('requests', 'cpu', 'cluster, namespace', C)} - {container_cpu('cluster, namespace', C)})"
                f" * $vcpu_price * {MONTH}",
                "{{cluster}} {{namespace}}",
                unit="currencyUSD",
                decimals=0,
                height=10,
            ),
        ),
        row(
            "Autoscaler of node groups",
            graph(
                "Nodes of a group as a share of its maximum",
                "Has a node group reached its maximum?",
                (
                    Query(
                        f"max by (cluster, node_group) (cluster_autoscaler_node_group_target_count{{{C}}})",
                        "wanted {{cluster}} {{node_group}}",
                    ),
                    Query(
                        f"max by (cluster, node_group) (cluster_autoscaler_node_group_max_count{{{C}}})",
                        "maximum {{cluster}} {{node_group}}",
                    ),
                ),
                width=8,
            ),
            graph(
                "Unschedulable pods, unneeded nodes",
                "Does it fail to add nodes for pods, or to remove unneeded nodes?",
                (
                    Query(f"max by (cluster) (cluster_autoscaler_unschedulable_pods_count{{{C}}})", "pods {{cluster}}"),
                    Query(f"max by (cluster) (cluster_autoscaler_unneeded_nodes_count{{{C}}})", "nodes {{cluster}}"),
                ),
                width=8,
            ),
            graph(
                "What it has done",
                "Does it add and remove nodes repeatedly, or fail?",
                (
                    Query(
                        f"sum by (cluster) (increase(cluster_autoscaler_scaled_up_nodes_total{{{C}}}{R}))",
                        "added {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (increase(cluster_autoscaler_scaled_down_nodes_total{{{C}}}{R}))",
                        "removed {{cluster}}",
                    ),
                    Query(
                        f"sum by (cluster) (increase(cluster_autoscaler_failed_scale_ups_total{{{C}}}{R}))",
                        "failed {{cluster}}",
                    ),
                ),
                decimals=0,
                width=8,
            ),
        ),
        row(
            "Growth",
            graph(
                "Nodes",
                "Does the cluster grow?",
                f"count by (cluster) (kube_node_info{{{C}}})",
                "{{cluster}}",
            ),
            graph(
                "Claimed storage",
                "Do volumes grow?",
                f"sum by (cluster) (kube_persistentvolume_capacity_bytes{{{C}}})",
                "{{cluster}}",
                unit="bytes",
            ),
        ),
    ),
)

CERTIFICATES_DASHBOARD = Dashboard(
    uid="certificates",
    title="Certificates",
    about="When certificates end, whether they are trusted, and how long those of clients of the Kubernetes API are"
    " valid. The platform's own are renewed by any run of the role pki that finds less than 30 days left.",
    folder="Fleet",
    tags=("fleet", "security"),
    variables=(CLUSTER,),
    next=(("alarms", "What is wrong"), ("api-server", "The Kubernetes API")),
    since="now-7d",
    refresh="5m",
    rows=(
        row(
            "When they end",
            stat(
                "The first to end",
                "How long can a run wait?",
                f'(min by (cluster) (x509_cert_enddate{{kind!="root",{C}}}) - time()) / 86400',
                "{{cluster}}",
                unit="d",
                decimals=0,
                base="red",
                steps=((7, "yellow"), (21, "green")),
                width=24,
            ),
            table(
                "Certificates",
                "When does each certificate expire, as issued (a file) and as served (an address)?",
                Query(
                    '(min by (cluster, common_name, kind, source) (x509_cert_enddate{kind!="root",' + C + "}) - time())"
                    " / 86400",
                    "Left",
                    "d",
                    ((7, "yellow"), (21, "green")),
                    "red",
                ),
                width=16,
            ),
            table(
                "Roots",
                "Does each cluster have the newest root certificate, and when does it expire?",
                Query(
                    '(max by (cluster, common_name) (x509_cert_enddate{kind="root",' + C + "}) - time()) / 86400",
                    "Left",
                    "d",
                    ((90, "yellow"), (365, "green")),
                    "red",
                ),
                width=8,
            ),
        ),
        row(
            "Whether they are trusted",
            table(
                "Listeners that cannot be scraped",
                "Does a listener not answer, as it does not when Prometheus finds its certificate expired or not"
                " its own?",
                Query(f"count by (cluster, job) (up{{{C}}}) - sum by (cluster, job) (up{{{C}}})", "Down", "none", ANY),
                width=12,
            ),
            counts(
                "Complaints about certificates",
                "Does a program reject a certificate?",
                COMPLAINTS,
                NAMESPACE_FIELD,
                width=12,
                height=10,
            ),
            lines(
                "Complaints", "Which program refuses whose?", f"{COMPLAINTS} AND {CLUSTER_FIELD}:$cluster", height=10
            ),
        ),
        row(
            "Clients of the Kubernetes API",
            graph(
                "Shortest validity of a client's certificate",
                "Does a client certificate for the API server expire soon?",
                "histogram_quantile(0.01, sum by (le, cluster)"
                f" (rate(apiserver_client_certificate_expiration_seconds_bucket{{{C}}}[$__rate_interval])))",
                "{{cluster}}",
                unit="s",
                base="red",
                steps=((7 * 86400, "yellow"), (30 * 86400, "green")),
            ),
        ),
    ),
)

ALARMS_DASHBOARD = Dashboard(
    uid="alarms",
    title="Alarms overview",
    about="What fires, where, and since when. Rules at the edge are seen through their ALERTS series, Grafana's"
    " own in its list.",
    folder="Fleet",
    tags=("fleet", "alarms"),
    variables=(CLUSTER,),
    next=(("fleet", "All clusters"), ("pipeline", "Whether the alarm pipeline works")),
    rows=(
        row(
            "Now",
            stat(
                "Critical",
                "Which alarms need action now?",
                f'sum by (cluster) ({FIRING}severity="critical",{C}}})',
                "{{cluster}}",
                steps=ANY,
                width=8,
            ),
            stat(
                "Warnings",
                "Which alarms need action today?",
                f'sum by (cluster) ({FIRING}severity="warning",{C}}})',
                "{{cluster}}",
                steps=SOME,
                width=8,
            ),
            stat(
                "Watchdog",
                "Does the alarm that always fires arrive from every cluster?",
                f'max by (cluster) (ALERTS{{alertname="Watchdog",alertstate="firing",{C}}})',
                "{{cluster}}",
                words=((1, "alive", "green"), (0, "silent", "red")),
                width=8,
            ),
            Panel(
                title="Alarms in Grafana",
                asks="Which alarms that Grafana evaluates fire: silent clusters and the pipeline?",
                kind=Kind.ALERTS,
                width=12,
                height=12,
            ),
            table(
                "Alarms of the clusters",
                "What fires, and where?",
                Query(
                    f"count by (cluster, alertname, severity, component) ({FIRING}{C}}})",
                    "Firing",
                ),
                width=12,
                height=12,
                opens="cluster",
                passes=("cluster",),
            ),
        ),
        row(
            "Over time",
            graph(
                "By cluster",
                "Since when does it fire, and does it flap?",
                f"sum by (cluster, severity) ({FIRING}{C}}})",
                "{{cluster}} {{severity}}",
                stacked=True,
            ),
            graph(
                "By alarm",
                "Which alarm is the noise?",
                f"sum by (alertname) ({FIRING}{C}}})",
                "{{alertname}}",
                stacked=True,
            ),
        ),
    ),
)

DASHBOARDS = (FLEET_DASHBOARD, CAPACITY_DASHBOARD, CERTIFICATES_DASHBOARD, ALARMS_DASHBOARD)
