# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards of a cluster, its nodes, namespaces, workloads, pods and volumes."""

from __future__ import annotations

from observability.dashboards.model import Dashboard, Query, Variable
from observability.dashboards.parts import (
    ANY,
    BUSY,
    CLUSTER,
    FULL,
    NAMESPACE,
    SOME,
    R,
    bars,
    graph,
    label,
    lines,
    one,
    row,
    stat,
    table,
)

C = 'cluster=~"$cluster"'
CN = f'{C},namespace=~"$namespace"'
CNP = f'{CN},pod=~"$pod"'
NODE = f'{C},node=~"$node"'
# File systems on disks.
DISKS = 'fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660",mountpoint!~"/var/lib/kubelet/.+"'
NICS = 'device!~"lo|veth.*|eni.*|cni.*|pod-id.*|dummy.*"'
NODE_VARIABLE = label("node", f"kube_node_info{{{C}}}")
POD_VARIABLE = label("pod", f"kube_pod_info{{{CN}}}")


def cpu_used(by: str, where: str) -> str:
    return f'100 * (1 - avg by ({by}) (rate(node_cpu_seconds_total{{mode="idle",{where}}}[$__rate_interval])))'


def memory_used(by: str, where: str) -> str:
    return (
        f"100 * (1 - sum by ({by}) (node_memory_MemAvailable_bytes{{{where}}})"
        f" / sum by ({by}) (node_memory_MemTotal_bytes{{{where}}}))"
    )


def container_cpu(by: str, where: str) -> str:
    return f'sum by ({by}) (rate(container_cpu_usage_seconds_total{{container!="",{where}}}[$__rate_interval]))'


def container_memory(by: str, where: str) -> str:
    return f'sum by ({by}) (container_memory_working_set_bytes{{container!="",{where}}})'


def asked_for(what: str, resource: str, by: str, where: str) -> str:
    return f'sum by ({by}) (kube_pod_container_resource_{what}{{resource="{resource}",{where}}})'


def pods_in(phase: str, by: str, where: str) -> str:
    return f'sum by ({by}) (kube_pod_status_phase{{phase=~"{phase}",{where}}})'


def restarts(by: str, where: str, since: str = "1h") -> str:
    return f"sum by ({by}) (increase(kube_pod_container_status_restarts_total{{{where}}}[{since}]))"


def not_ready(by: str, where: str) -> str:
    """Return a query for the number of nodes that are not ready, without a comparison below the top level."""
    return f'sum by ({by}) (kube_node_status_condition{{condition="Ready",status=~"false|unknown",{where}}})'


CLUSTER_DASHBOARD = Dashboard(
    uid="cluster",
    title="Cluster",
    about="One cluster: its capacity, its usage, and the usage of each namespace.",
    folder="Kubernetes",
    tags=("kubernetes",),
    variables=(CLUSTER,),
    next=(
        ("fleet", "Compare with the other clusters"),
        ("node", "Look at one node"),
        ("namespace", "Look at one namespace"),
    ),
    rows=(
        row(
            "Is it well?",
            stat(
                "Nodes not ready",
                "Are there nodes that are not ready?",
                not_ready("cluster", C),
                "{{cluster}}",
                steps=ANY,
                opens="node",
                passes=("cluster",),
            ),
            stat("Nodes", "How many nodes does it have?", f"count by (cluster) (kube_node_info{{{C}}})", "{{cluster}}"),
            stat("CPU used", "Is there CPU left?", cpu_used("cluster", C), "{{cluster}}", unit="percent", steps=BUSY),
            stat(
                "Memory used",
                "Is there memory left?",
                memory_used("cluster", C),
                "{{cluster}}",
                unit="percent",
                steps=BUSY,
            ),
            stat(
                "Pods waiting",
                "Are there pods that cannot be scheduled?",
                pods_in("Pending|Unknown", "cluster", C),
                "{{cluster}}",
                steps=SOME,
            ),
            stat(
                "Restarts in 1 h",
                "Do containers restart repeatedly?",
                restarts("cluster", C),
                "{{cluster}}",
                decimals=0,
                steps=((5, "yellow"), (20, "red")),
            ),
        ),
        row(
            "CPU and memory",
            graph(
                "CPU by node",
                "Is one node busier than the others?",
                cpu_used("cluster, node", C),
                "{{cluster}} {{node}}",
                unit="percent",
                high=100,
                steps=BUSY,
                opens="node",
                passes=("cluster", "node"),
            ),
            graph(
                "Memory by node",
                "Does one node run out of memory?",
                memory_used("cluster, node", C),
                "{{cluster}} {{node}}",
                unit="percent",
                high=100,
                steps=BUSY,
                opens="node",
                passes=("cluster", "node"),
            ),
            graph(
                "CPU: used, requested, there",
                "Are the requested resources used, and how much can still be requested?",
                (
                    Query(container_cpu("cluster", C), "used {{cluster}}"),
                    Query(asked_for("requests", "cpu", "cluster", C), "requested {{cluster}}"),
                    Query(
                        f'sum by (cluster) (kube_node_status_allocatable{{resource="cpu",{C}}})',
                        "allocatable {{cluster}}",
                    ),
                ),
            ),
            graph(
                "Memory: used, requested, there",
                "Are the requested resources used, and how much can still be requested?",
                (
                    Query(container_memory("cluster", C), "used {{cluster}}"),
                    Query(asked_for("requests", "memory", "cluster", C), "requested {{cluster}}"),
                    Query(
                        f'sum by (cluster) (kube_node_status_allocatable{{resource="memory",{C}}})',
                        "allocatable {{cluster}}",
                    ),
                ),
                unit="bytes",
            ),
        ),
        row(
            "Who uses it?",
            table(
                "Namespaces",
                "Which namespace uses the cluster, and does it use what it requests?",
                Query(container_cpu("cluster, namespace", C), "CPU", "cores"),
                Query(asked_for("requests", "cpu", "cluster, namespace", C), "CPU requested", "cores"),
                Query(container_memory("cluster, namespace", C), "Memory", "bytes"),
                Query(asked_for("requests", "memory", "cluster, namespace", C), "Memory requested", "bytes"),
                Query(f"count by (cluster, namespace) (kube_pod_info{{{C}}})", "Pods"),
                Query(restarts("cluster, namespace", C), "Restarts in 1 h", "none", ((5, "yellow"), (20, "red"))),
                opens="namespace",
                passes=("cluster", "namespace"),
            ),
            graph(
                "Pods by phase",
                "Does the number of pods grow in a phase that should be short?",
                f"sum by (phase) (kube_pod_status_phase{{{C}}})",
                "{{phase}}",
                stacked=True,
            ),
            graph(
                "Network of the nodes",
                "Does traffic grow, or stop?",
                (
                    Query(
                        f"sum by (cluster) (rate(node_network_receive_bytes_total{{{C},{NICS}}}[$__rate_interval]))",
                        "in {{cluster}}",
                    ),
                    Query(
                        f"-sum by (cluster) (rate(node_network_transmit_bytes_total{{{C},{NICS}}}[$__rate_interval]))",
                        "out {{cluster}}",
                    ),
                ),
                unit="Bps",
                low=None,
            ),
        ),
    ),
)

NODE_DASHBOARD = Dashboard(
    uid="node",
    title="Node",
    about="One node: CPU, memory, disks, network, and its pods.",
    folder="Kubernetes",
    tags=("kubernetes", "node"),
    variables=(one(CLUSTER), one(NODE_VARIABLE)),
    next=(("cluster", "The cluster of this node"), ("kubelet", "The kubelet on it"), ("logs", "Its logs")),
    rows=(
        row(
            "Is it well?",
            stat(
                "Ready",
                "Is the node ready?",
                f'min by (node) (kube_node_status_condition{{condition="Ready",status="true",{NODE}}})',
                "{{node}}",
                words=((1, "ready", "green"), (0, "not ready", "red")),
            ),
            stat("CPU used", "Is it busy?", cpu_used("node", NODE), "{{node}}", unit="percent", steps=BUSY),
            stat(
                "Memory used", "Does memory run out?", memory_used("node", NODE), "{{node}}", unit="percent", steps=BUSY
            ),
            stat(
                "Fullest disk",
                "Does a disk run full?",
                f"100 * max by (node) (node:filesystem_used:max{{{NODE}}})",
                "{{node}}",
                unit="percent",
                steps=FULL,
            ),
            stat(
                "Pressure",
                "Does the kubelet report pressure, so that it evicts pods?",
                "max by (node) (kube_node_status_condition"
                f'{{condition=~"MemoryPressure|DiskPressure|PIDPressure",status="true",{NODE}}})',
                "{{node}}",
                words=((0, "none", "green"), (1, "pressure", "red")),
            ),
            stat(
                "Up for",
                "Was it started again?",
                f"time() - max by (node) (node_boot_time_seconds{{{NODE}}})",
                "{{node}}",
                unit="s",
            ),
        ),
        row(
            "Processor and memory",
            graph(
                "CPU by mode",
                "How is CPU time spent: on work, waiting for disks, or stolen by the hypervisor?",
                f'sum by (node, mode) (rate(node_cpu_seconds_total{{mode!="idle",{NODE}}}[$__rate_interval]))',
                "{{node}} {{mode}}",
                stacked=True,
            ),
            graph(
                "Load",
                "Is the load higher than the number of CPUs?",
                (
                    Query(f"max by (node) (node_load1{{{NODE}}})", "1 min {{node}}"),
                    Query(f"max by (node) (node_load15{{{NODE}}})", "15 min {{node}}"),
                    Query(f'count by (node) (node_cpu_seconds_total{{mode="idle",{NODE}}})', "processors {{node}}"),
                ),
            ),
            graph(
                "Memory",
                "What is memory used for?",
                (
                    Query(
                        f"sum by (node) (node_memory_MemTotal_bytes{{{NODE}}})"
                        f" - sum by (node) (node_memory_MemAvailable_bytes{{{NODE}}})",
                        "used {{node}}",
                    ),
                    Query(f"sum by (node) (node_memory_Cached_bytes{{{NODE}}})", "page cache {{node}}"),
                    Query(f"sum by (node) (node_memory_MemFree_bytes{{{NODE}}})", "free {{node}}"),
                ),
                unit="bytes",
            ),
            graph(
                "Context switches and interrupts",
                "Has something begun to spin?",
                (
                    Query(
                        f"sum by (node) (rate(node_context_switches_total{{{NODE}}}[$__rate_interval]))",
                        "switches {{node}}",
                    ),
                    Query(f"sum by (node) (rate(node_intr_total{{{NODE}}}[$__rate_interval]))", "interrupts {{node}}"),
                ),
                unit="ops",
            ),
        ),
        row(
            "Disks",
            graph(
                "Space used",
                "When does a disk run full?",
                f"100 * (1 - min by (node, mountpoint) (node_filesystem_avail_bytes{{{NODE},{DISKS}}})"
                f" / max by (node, mountpoint) (node_filesystem_size_bytes{{{NODE},{DISKS}}}))",
                "{{node}} {{mountpoint}}",
                unit="percent",
                high=100,
                steps=FULL,
            ),
            graph(
                "Inodes used",
                "Are inodes used up before bytes?",
                f"100 * (1 - min by (node, mountpoint) (node_filesystem_files_free{{{NODE},{DISKS}}})"
                f" / max by (node, mountpoint) (node_filesystem_files{{{NODE},{DISKS}}}))",
                "{{node}} {{mountpoint}}",
                unit="percent",
                high=100,
                steps=FULL,
            ),
            graph(
                "Bytes read and written",
                "Which disk is busy, and with what?",
                (
                    Query(
                        f"sum by (node, device) (rate(node_disk_read_bytes_total{{{NODE}}}[$__rate_interval]))",
                        "read {{node}} {{device}}",
                    ),
                    Query(
                        f"-sum by (node, device) (rate(node_disk_written_bytes_total{{{NODE}}}[$__rate_interval]))",
                        "written {{node}} {{device}}",
                    ),
                ),
                unit="Bps",
                low=None,
            ),
            graph(
                "Time with I/O in progress",
                "Is a disk the bottleneck?",
                f"100 * sum by (node, device) (rate(node_disk_io_time_seconds_total{{{NODE}}}[$__rate_interval]))",
                "{{node}} {{device}}",
                unit="percent",
                high=100,
                steps=BUSY,
            ),
        ),
        row(
            "Network",
            graph(
                "Bytes in and out",
                "How much traffic does it send and receive?",
                (
                    Query(
                        f"sum by (node, device) (rate(node_network_receive_bytes_total{{{NODE},{NICS}}}{R}))",
                        "in {{node}} {{device}}",
                    ),
                    Query(
                        "-sum by (node, device)"
                        f" (rate(node_network_transmit_bytes_total{{{NODE},{NICS}}}[$__rate_interval]))",
                        "out {{node}} {{device}}",
                    ),
                ),
                unit="Bps",
                low=None,
            ),
            graph(
                "Errors and drops",
                "Does the network lose packets?",
                (
                    Query(
                        f"sum by (node) (rate(node_network_receive_errs_total{{{NODE},{NICS}}}[$__rate_interval]))",
                        "receive errors {{node}}",
                    ),
                    Query(
                        f"sum by (node) (rate(node_network_transmit_errs_total{{{NODE},{NICS}}}[$__rate_interval]))",
                        "transmit errors {{node}}",
                    ),
                    Query(
                        f"sum by (node) (rate(node_network_receive_drop_total{{{NODE},{NICS}}}[$__rate_interval]))",
                        "receive drops {{node}}",
                    ),
                ),
                unit="pps",
            ),
            graph(
                "Connection tracking",
                "Does the kernel's connection tracking table fill up?",
                f"100 * sum by (node) (node_nf_conntrack_entries{{{NODE}}})"
                f" / sum by (node) (node_nf_conntrack_entries_limit{{{NODE}}})",
                "{{node}}",
                unit="percent",
                high=100,
                steps=FULL,
            ),
            graph(
                "Clock",
                "Does the clock drift, so that times in logs are wrong and certificates are rejected?",
                f"max by (node) (abs(node_timex_offset_seconds{{{NODE}}}))",
                "{{node}}",
                unit="s",
                steps=((0.05, "red"),),
            ),
        ),
        row(
            "What runs on it",
            table(
                "Pods",
                "Which pod uses this node?",
                Query(container_cpu("cluster, node, namespace, pod", NODE), "CPU", "cores"),
                Query(container_memory("cluster, node, namespace, pod", NODE), "Memory", "bytes"),
                opens="pod",
                passes=("cluster", "namespace", "pod"),
            ),
        ),
        row(
            "Journal",
            lines(
                "Journal",
                "What do the kubelet, containerd and the kernel log?",
                'labels.cluster:"$cluster" AND dataset:journal AND journal.hostname:"$node"',
                height=12,
            ),
        ),
    ),
)

NAMESPACE_DASHBOARD = Dashboard(
    uid="namespace",
    title="Namespace",
    about="One namespace: its pods, its quota, its requests and its usage.",
    folder="Kubernetes",
    tags=("kubernetes",),
    variables=(CLUSTER, NAMESPACE),
    next=(
        ("workload", "One Deployment, StatefulSet or DaemonSet"),
        ("pod", "One pod"),
        ("logs", "Its logs"),
        ("events", "Its Kubernetes events"),
    ),
    rows=(
        row(
            "Is it well?",
            stat("Pods running", "Does it run?", pods_in("Running", "namespace", CN), "{{namespace}}"),
            stat(
                "Pods waiting",
                "Is something not started?",
                pods_in("Pending|Unknown", "namespace", CN),
                "{{namespace}}",
                steps=SOME,
            ),
            stat(
                "Pods failed",
                "Has something given up?",
                pods_in("Failed", "namespace", CN),
                "{{namespace}}",
                steps=SOME,
            ),
            stat(
                "Restarts in 1 h",
                "Do containers restart repeatedly?",
                restarts("namespace", CN),
                "{{namespace}}",
                decimals=0,
                steps=((3, "yellow"), (10, "red")),
            ),
            stat(
                "CPU of its requests",
                "Does it use more or less CPU than it requests?",
                f"100 * {container_cpu('namespace', CN)} / {asked_for('requests', 'cpu', 'namespace', CN)}",
                "{{namespace}}",
                unit="percent",
                decimals=0,
            ),
            stat(
                "Memory of its requests",
                "Does it use more or less memory than it requests?",
                f"100 * {container_memory('namespace', CN)} / {asked_for('requests', 'memory', 'namespace', CN)}",
                "{{namespace}}",
                unit="percent",
                decimals=0,
                steps=((100, "yellow"),),
            ),
        ),
        row(
            "Use",
            graph(
                "CPU by pod",
                "Which pod uses CPU?",
                container_cpu("namespace, pod", CN),
                "{{namespace}}/{{pod}}",
                stacked=True,
                opens="pod",
                passes=("namespace", "pod"),
            ),
            graph(
                "Memory by pod",
                "Which pod uses memory?",
                container_memory("namespace, pod", CN),
                "{{namespace}}/{{pod}}",
                unit="bytes",
                stacked=True,
                opens="pod",
                passes=("namespace", "pod"),
            ),
            graph(
                "Network by pod",
                "Which pod talks much?",
                (
                    Query(
                        f"sum by (namespace, pod) (rate(container_network_receive_bytes_total{{{CN}}}{R}))",
                        "in {{pod}}",
                    ),
                    Query(
                        "-sum by (namespace, pod)"
                        f" (rate(container_network_transmit_bytes_total{{{CN}}}[$__rate_interval]))",
                        "out {{pod}}",
                    ),
                ),
                unit="Bps",
                low=None,
            ),
            bars(
                "Quota used",
                "Which resource of the quota is nearly used up?",
                f'100 * max by (namespace, resource) (kube_resourcequota{{type="used",{CN}}})'
                f' / max by (namespace, resource) (kube_resourcequota{{type="hard",{CN}}})',
                "{{namespace}} {{resource}}",
                unit="percent",
                high=100,
                steps=FULL,
            ),
        ),
        row(
            "Pods",
            table(
                "Pods",
                "Which pods exist, what do they use, and which pods restart?",
                Query(container_cpu("cluster, namespace, pod", CN), "CPU", "cores"),
                Query(asked_for("requests", "cpu", "cluster, namespace, pod", CN), "CPU requested", "cores"),
                Query(container_memory("cluster, namespace, pod", CN), "Memory", "bytes"),
                Query(asked_for("limits", "memory", "cluster, namespace, pod", CN), "Memory limit", "bytes"),
                Query(restarts("cluster, namespace, pod", CN), "Restarts in 1 h", "none", ((1, "yellow"), (5, "red"))),
                opens="pod",
                passes=("cluster", "namespace", "pod"),
            ),
        ),
    ),
)

WORKLOAD_DASHBOARD = Dashboard(
    uid="workload",
    title="Workload",
    about="Deployments, StatefulSets, DaemonSets and Jobs: wanted and there. Who owns a pod is recorded at the edge.",
    folder="Kubernetes",
    tags=("kubernetes",),
    variables=(
        CLUSTER,
        NAMESPACE,
        label("workload", f"workload:container_cpu_usage:rate5m{{{CN}}}"),
    ),
    next=(("namespace", "Its namespace"), ("pod", "One of its pods"), ("logs", "Its logs")),
    rows=(
        row(
            "Wanted and there",
            table(
                "Deployments",
                "Which Deployment lacks pods, or has a rollout without progress?",
                Query(f"max by (cluster, namespace, deployment) (kube_deployment_spec_replicas{{{CN}}})", "Wanted"),
                Query(
                    f"max by (cluster, namespace, deployment) (kube_deployment_status_replicas_available{{{CN}}})",
                    "Available",
                ),
                Query(
                    f"max by (cluster, namespace, deployment) (kube_deployment_status_replicas_updated{{{CN}}})",
                    "Updated",
                ),
                Query(
                    f"max by (cluster, namespace, deployment) (kube_deployment_spec_replicas{{{CN}}})"
                    f" - max by (cluster, namespace, deployment) (kube_deployment_status_replicas_available{{{CN}}})",
                    "Missing",
                    "none",
                    ANY,
                ),
                width=12,
            ),
            table(
                "StatefulSets",
                "Which StatefulSet lacks pods?",
                Query(f"max by (cluster, namespace, statefulset) (kube_statefulset_replicas{{{CN}}})", "Wanted"),
                Query(
                    f"max by (cluster, namespace, statefulset) (kube_statefulset_status_replicas_ready{{{CN}}})",
                    "Ready",
                ),
                Query(
                    f"max by (cluster, namespace, statefulset) (kube_statefulset_replicas{{{CN}}})"
                    f" - max by (cluster, namespace, statefulset) (kube_statefulset_status_replicas_ready{{{CN}}})",
                    "Missing",
                    "none",
                    ANY,
                ),
                width=12,
            ),
            table(
                "DaemonSets",
                "Which DaemonSet does not run on all its nodes?",
                Query(
                    f"max by (cluster, namespace, daemonset) (kube_daemonset_status_desired_number_scheduled{{{CN}}})",
                    "Wanted",
                ),
                Query(f"max by (cluster, namespace, daemonset) (kube_daemonset_status_number_ready{{{CN}}})", "Ready"),
                Query(
                    "max by (cluster, namespace, daemonset)"
                    f" (kube_daemonset_status_desired_number_scheduled{{{CN}}})"
                    f" - max by (cluster, namespace, daemonset) (kube_daemonset_status_number_ready{{{CN}}})",
                    "Missing",
                    "none",
                    ANY,
                ),
                width=12,
                height=8,
            ),
            table(
                "Jobs",
                "Which Job has failed?",
                Query(f"max by (cluster, namespace, job_name) (kube_job_status_active{{{CN}}})", "Active"),
                Query(f"max by (cluster, namespace, job_name) (kube_job_status_succeeded{{{CN}}})", "Succeeded"),
                Query(f"max by (cluster, namespace, job_name) (kube_job_status_failed{{{CN}}})", "Failed", "none", ANY),
                width=12,
                height=8,
            ),
        ),
        row(
            "Use",
            graph(
                "CPU by workload",
                "Which workload uses CPU, summed over its pods?",
                f'sum by (namespace, workload) (workload:container_cpu_usage:rate5m{{{CN},workload=~"$workload"}})',
                "{{namespace}}/{{workload}}",
            ),
            graph(
                "Memory by workload",
                "Which workload uses memory, summed over its pods?",
                "sum by (namespace, workload)"
                f' (workload:container_memory_working_set_bytes:sum{{{CN},workload=~"$workload"}})',
                "{{namespace}}/{{workload}}",
                unit="bytes",
            ),
            graph(
                "CPU of its requests",
                "Are a workload's requests too large or too small?",
                "100 * sum by (namespace, workload)"
                f' (workload:container_cpu_usage:rate5m{{{CN},workload=~"$workload"}})'
                f' / sum by (namespace, workload) (workload:container_cpu_requests:sum{{{CN},workload=~"$workload"}})',
                "{{namespace}}/{{workload}}",
                unit="percent",
                steps=((100, "yellow"),),
            ),
            graph(
                "Memory of its requests",
                "Are a workload's requests too large or too small?",
                "100 * sum by (namespace, workload)"
                f' (workload:container_memory_working_set_bytes:sum{{{CN},workload=~"$workload"}})'
                " / sum by (namespace, workload)"
                f' (workload:container_memory_requests:sum{{{CN},workload=~"$workload"}})',
                "{{namespace}}/{{workload}}",
                unit="percent",
                steps=((100, "yellow"),),
            ),
        ),
        row(
            "Autoscalers",
            graph(
                "Replicas against the maximum",
                "Has an autoscaler reached its maximum?",
                (
                    Query(
                        "max by (namespace, horizontalpodautoscaler)"
                        f" (kube_horizontalpodautoscaler_status_desired_replicas{{{CN}}})",
                        "wanted {{horizontalpodautoscaler}}",
                    ),
                    Query(
                        "max by (namespace, horizontalpodautoscaler)"
                        f" (kube_horizontalpodautoscaler_spec_max_replicas{{{CN}}})",
                        "maximum {{horizontalpodautoscaler}}",
                    ),
                ),
                width=24,
            ),
        ),
    ),
)

POD_DASHBOARD = Dashboard(
    uid="pod",
    title="Pod",
    about="One pod: its containers' use against requests and limits, restarts, throttling, and its log.",
    folder="Kubernetes",
    tags=("kubernetes",),
    variables=(one(CLUSTER), one(NAMESPACE), one(POD_VARIABLE)),
    next=(
        ("namespace", "Its namespace"),
        ("node", "The node it runs on"),
        ("events", "Its Kubernetes events"),
    ),
    since="now-3h",
    rows=(
        row(
            "Is it well?",
            stat(
                "Containers ready",
                "Is it ready?",
                f"sum by (pod) (kube_pod_container_status_ready{{{CNP}}})",
                "{{pod}}",
            ),
            stat(
                "Restarts in 1 h",
                "Does it crash?",
                restarts("pod", CNP),
                "{{pod}}",
                decimals=0,
                steps=((1, "yellow"), (5, "red")),
            ),
            stat(
                "Killed for memory",
                "Was a container last terminated for lack of memory?",
                f'max by (pod) (kube_pod_container_status_last_terminated_reason{{reason="OOMKilled",{CNP}}})',
                "{{pod}}",
                words=((0, "no", "green"), (1, "yes", "red")),
            ),
            table(
                "Why a container waits",
                "Why is a container not running?",
                Query(
                    f"max by (namespace, pod, container, reason) (kube_pod_container_status_waiting_reason{{{CNP}}})",
                    "Waits",
                ),
                width=12,
                height=4,
            ),
        ),
        row(
            "Processor",
            graph(
                "CPU by container",
                "What are its usage, its requests and its limits?",
                (
                    Query(container_cpu("pod, container", CNP), "used {{pod}} {{container}}"),
                    Query(asked_for("requests", "cpu", "pod, container", CNP), "requested {{pod}} {{container}}"),
                    Query(asked_for("limits", "cpu", "pod, container", CNP), "limit {{pod}} {{container}}"),
                ),
            ),
            graph(
                "Throttling",
                "Is it throttled by its CPU limit?",
                f"100 * sum by (pod, container) (rate(container_cpu_cfs_throttled_periods_total{{{CNP}}}{R}))"
                f" / sum by (pod, container) (rate(container_cpu_cfs_periods_total{{{CNP}}}[$__rate_interval]))",
                "{{pod}} {{container}}",
                unit="percent",
                high=100,
                steps=((25, "yellow"), (50, "red")),
            ),
        ),
        row(
            "Memory, network, disk",
            graph(
                "Memory by container",
                "How close is its memory to its limit?",
                (
                    Query(container_memory("pod, container", CNP), "used {{pod}} {{container}}"),
                    Query(asked_for("requests", "memory", "pod, container", CNP), "requested {{pod}} {{container}}"),
                    Query(asked_for("limits", "memory", "pod, container", CNP), "limit {{pod}} {{container}}"),
                ),
                unit="bytes",
            ),
            graph(
                "Network",
                "How much traffic does it send and receive?",
                (
                    Query(
                        f"sum by (pod) (rate(container_network_receive_bytes_total{{{CNP}}}[$__rate_interval]))",
                        "in {{pod}}",
                    ),
                    Query(
                        f"-sum by (pod) (rate(container_network_transmit_bytes_total{{{CNP}}}[$__rate_interval]))",
                        "out {{pod}}",
                    ),
                ),
                unit="Bps",
                low=None,
            ),
            graph(
                "Disk",
                "Does it read or write much?",
                (
                    Query(
                        f"sum by (pod, container) (rate(container_fs_reads_bytes_total{{{CNP}}}[$__rate_interval]))",
                        "read {{pod}} {{container}}",
                    ),
                    Query(
                        f"-sum by (pod, container) (rate(container_fs_writes_bytes_total{{{CNP}}}[$__rate_interval]))",
                        "written {{pod}} {{container}}",
                    ),
                ),
                unit="Bps",
                low=None,
            ),
            graph(
                "Restarts",
                "When did it restart?",
                f"sum by (pod, container) (increase(kube_pod_container_status_restarts_total{{{CNP}}}{R}))",
                "{{pod}} {{container}}",
                decimals=0,
            ),
        ),
        row(
            "Log",
            lines(
                "Log",
                "What does it say?",
                'labels.cluster:"$cluster" AND kubernetes.namespace_name:"$namespace" AND kubernetes.pod_name:"$pod"',
            ),
        ),
    ),
)

CLAIM: Variable = label("persistentvolumeclaim", f"kubelet_volume_stats_capacity_bytes{{{CN}}}", "Claim")
CLAIMED = f'{CN},persistentvolumeclaim=~"$persistentvolumeclaim"'
BY_CLAIM = "cluster, namespace, persistentvolumeclaim"

VOLUMES_DASHBOARD = Dashboard(
    uid="volumes",
    title="Volumes",
    about="Persistent volumes: how full they are, when they will be full, and what is not bound.",
    folder="Kubernetes",
    tags=("kubernetes", "storage"),
    variables=(CLUSTER, NAMESPACE, CLAIM),
    next=(("namespace", "The namespace of the claim"), ("capacity", "What there is in all")),
    since="now-24h",
    rows=(
        row(
            "Is there room?",
            table(
                "Claims",
                "Which volume is fullest, and how full will it be in four days if it goes on as in the last six hours?",
                Query(f"max by ({BY_CLAIM}) (kubelet_volume_stats_capacity_bytes{{{CLAIMED}}})", "Size", "bytes"),
                Query(f"min by ({BY_CLAIM}) (kubelet_volume_stats_available_bytes{{{CLAIMED}}})", "Free", "bytes"),
                Query(
                    f"100 * (1 - min by ({BY_CLAIM}) (kubelet_volume_stats_available_bytes{{{CLAIMED}}})"
                    f" / max by ({BY_CLAIM}) (kubelet_volume_stats_capacity_bytes{{{CLAIMED}}}))",
                    "Used",
                    "percent",
                    FULL,
                ),
                Query(
                    f"100 * max by ({BY_CLAIM}) (kubelet_volume_stats_inodes_used{{{CLAIMED}}})"
                    f" / max by ({BY_CLAIM}) (kubelet_volume_stats_inodes{{{CLAIMED}}})",
                    "Inodes used",
                    "percent",
                    FULL,
                ),
                Query(
                    f"min by ({BY_CLAIM}) (kubelet_volume_stats_available_bytes{{{CLAIMED}}})"
                    f" + 345600 * min by ({BY_CLAIM}) (deriv(kubelet_volume_stats_available_bytes{{{CLAIMED}}}[6h]))",
                    "Free in 4 days",
                    "bytes",
                    ((0, "yellow"), (1073741824, "green")),
                    "red",
                ),
            ),
        ),
        row(
            "Over time",
            graph(
                "Used",
                "Which volume grows?",
                f"100 * (1 - min by ({BY_CLAIM}) (kubelet_volume_stats_available_bytes{{{CLAIMED}}})"
                f" / max by ({BY_CLAIM}) (kubelet_volume_stats_capacity_bytes{{{CLAIMED}}}))",
                "{{cluster}} {{namespace}}/{{persistentvolumeclaim}}",
                unit="percent",
                high=100,
                steps=FULL,
            ),
            graph(
                "Growth",
                "How fast does it grow?",
                f"-sum by ({BY_CLAIM}) (deriv(kubelet_volume_stats_available_bytes{{{CLAIMED}}}[1h]))",
                "{{cluster}} {{namespace}}/{{persistentvolumeclaim}}",
                unit="Bps",
                low=None,
            ),
            graph(
                "Claims by phase",
                "Are there claims that are not bound?",
                f"sum by (cluster, phase) (kube_persistentvolumeclaim_status_phase{{{CN}}})",
                "{{cluster}} {{phase}}",
            ),
            graph(
                "Volumes by phase",
                "Are there volumes without a claim, which still cost money?",
                f"sum by (cluster, phase) (kube_persistentvolume_status_phase{{{C}}})",
                "{{cluster}} {{phase}}",
            ),
        ),
    ),
)

DASHBOARDS = (
    CLUSTER_DASHBOARD,
    NODE_DASHBOARD,
    NAMESPACE_DASHBOARD,
    WORKLOAD_DASHBOARD,
    POD_DASHBOARD,
    VOLUMES_DASHBOARD,
)
