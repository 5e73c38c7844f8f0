# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about nodes: what node-exporter and the Node objects say."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where

_DISKS = '{fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660",mountpoint!~"/var/lib/kubelet/.+"}'
_NODE = '{node="node-1"}'
_DISK = '{node="node-1",device="/dev/nvme0n1p1",fstype="xfs",mountpoint="/"}'
_TMPFS = '{node="node-1",device="tmpfs",fstype="tmpfs",mountpoint="/run"}'
_DISK_LABELS = {"node": "node-1", "mountpoint": "/"}


def _idle(share: str, *nodes: str) -> dict[str, str]:
    """Idle seconds of two processors of each node, growing by ``share`` a minute (60 is all idle)."""
    return {
        f'node_cpu_seconds_total{{node="{node}",cpu="{cpu}",mode="idle"}}': f"0+{share}x60"
        for node in nodes
        for cpu in (0, 1)
    }


TOPIC = Topic(
    name="nodes",
    title="Nodes",
    alarms=(
        Alarm(
            name="AverageCpuHigh",
            severity=Severity.WARNING,
            component="node",
            where=Where.EDGE,
            query='100 * (1 - avg by (cluster) (rate(node_cpu_seconds_total{mode="idle"}[5m])))',
            op=">",
            threshold=80,
            hold="5m",
            summary="The nodes of {{ $labels.cluster }} use more than 80 % of their processors on average",
            description="Averaged over all processors of the cluster, less than 20 % of the time has been idle for "
            "five "
            "minutes. There is little left for peaks, for the loss of a node or for a rollout.",
            runbook=Runbook(
                meaning="The average over all processors of all nodes of the cluster has been above 80 % for five "
                "minutes. "
                "It is the cluster as a whole; a single hot node is [NodeCpuHigh](NodeCpuHigh.md).",
                impact="Latency grows, pods at their CPU limit are throttled first, and the loss of one node may no "
                "longer "
                "be absorbed by the others.",
                look=(
                    "Grafana, dashboard *Cluster*: since when, and is it one node, one namespace or everything?",
                    "Which pods use it:",
                    "$ kubectl --context CLUSTER top nodes",
                    "$ kubectl --context CLUSTER top pods --all-namespaces --sort-by=cpu | head -20",
                    "Does the autoscaler add nodes, or is it at its maximum?",
                    "$ kubectl --context CLUSTER --namespace cluster-autoscaler get configmap "
                    "cluster-autoscaler-status --output jsonpath='{.data.status}'",
                ),
                fix=(
                    "A workload that runs wild: `kubectl rollout undo`, or scale it down, and tell its team.",
                    "Honest load: raise `max_size` of a node group in `eks_nodegroups` of the cluster's inventory "
                    "and run "
                    "`ansible-playbook site.yml -i inventories/CLUSTER --tags eks`.",
                    "Pods with a CPU limit far above their request share a node badly: bring requests near to what "
                    "they use "
                    "(dashboard *Capacity and cost*).",
                ),
            ),
            firing=Fixture(series=_idle("6", "node-1", "node-2"), alerts=({},)),
            silent=Fixture(series=_idle("6", "node-1") | _idle("54", "node-2")),
        ),
        Alarm(
            name="NodeCpuHigh",
            severity=Severity.WARNING,
            component="node",
            where=Where.EDGE,
            query='100 * (1 - avg by (node) (rate(node_cpu_seconds_total{mode="idle"}[5m])))',
            op=">",
            threshold=90,
            hold="15m",
            summary="Node {{ $labels.node }} of {{ $labels.cluster }} has been busy for 15 minutes",
            description="More than 90 % of the processor time of node {{ $labels.node }} is used.",
            runbook=Runbook(
                meaning="One node has had less than 10 % idle processor time for a quarter of an hour.",
                impact="Pods on it answer late and may fail their probes; the kubelet itself can become slow and the "
                "node "
                "NotReady.",
                look=(
                    "Grafana, dashboard *Node*: user, system, iowait or steal? Steal on a burstable instance type "
                    "means "
                    "that its CPU credits are used up.",
                    "$ kubectl --context CLUSTER get pods --all-namespaces --field-selector spec.nodeName=NODE",
                    "$ kubectl --context CLUSTER top pods --all-namespaces --sort-by=cpu | head -20",
                ),
                fix=(
                    "One greedy pod: give it a CPU limit, or restart it on another node.",
                    "Badly spread pods: `kubectl --context CLUSTER cordon NODE`, delete some of its pods so that "
                    "they move, "
                    "then `uncordon`. Lasting: topologySpreadConstraints.",
                    "iowait: look at the volumes (dashboard *Volumes*); gp3 throughput can be raised in place.",
                ),
            ),
            firing=Fixture(series=_idle("3", "node-1") | _idle("50", "node-2"), alerts=({"node": "node-1"},)),
            silent=Fixture(series=_idle("12", "node-1")),
        ),
        Alarm(
            name="NodeMemoryHigh",
            severity=Severity.WARNING,
            component="node",
            where=Where.EDGE,
            query="100 * (1 - sum by (node) (node_memory_MemAvailable_bytes) / sum by (node) "
            "(node_memory_MemTotal_bytes))",
            op=">",
            threshold=90,
            hold="10m",
            summary="Node {{ $labels.node }} of {{ $labels.cluster }} has less than 10 % memory left",
            description="What the kernel could still give to processes on node {{ $labels.node }} is below 10 % of "
            "its memory.",
            runbook=Runbook(
                meaning="MemAvailable, which counts caches that can be dropped, is below 10 % of the node's memory.",
                impact="The kubelet evicts pods soon, those without requests first; before that the kernel may kill a "
                "process by itself.",
                look=(
                    "$ kubectl --context CLUSTER describe node NODE",
                    "$ kubectl --context CLUSTER top pods --all-namespaces --sort-by=memory | head -20",
                    "Grafana, dashboard *Node*: a slope is a leak, a step is a new pod.",
                ),
                fix=(
                    "A leak: restart the workload (`kubectl rollout restart`) and give it a memory limit.",
                    "Pods that use far more than they request: raise their requests so that the scheduler knows.",
                    "The node group is too small for what runs on it: larger instances or more of them in "
                    "`eks_nodegroups`.",
                ),
            ),
            firing=Fixture(
                series={
                    f"node_memory_MemAvailable_bytes{_NODE}": "5x60",
                    f"node_memory_MemTotal_bytes{_NODE}": "100x60",
                },
                alerts=({"node": "node-1"},),
            ),
            silent=Fixture(
                series={
                    f"node_memory_MemAvailable_bytes{_NODE}": "15x60",
                    f"node_memory_MemTotal_bytes{_NODE}": "100x60",
                }
            ),
        ),
        Alarm(
            name="NodeDiskFullIn4Hours",
            severity=Severity.CRITICAL,
            component="node",
            where=Where.EDGE,
            query=f"min by (node, mountpoint) (predict_linear(node_filesystem_avail_bytes{_DISKS}[1h], 4 * 3600)) < 0 "
            f"and min by (node, mountpoint) (node_filesystem_avail_bytes{_DISKS} / "
            f"node_filesystem_size_bytes{_DISKS}) < 0.4",
            hold="30m",
            summary="{{ $labels.mountpoint }} of node {{ $labels.node }} in {{ $labels.cluster }} is full in four "
            "hours",
            description="At the pace of the last hour the file system runs out of space within four hours; less than "
            "40 % "
            "of it is free.",
            runbook=Runbook(
                meaning="A straight line through the last hour's free space meets zero within four hours, and less "
                "than "
                "40 % is free (so a large copy on an empty disk is no alarm).",
                impact="At 85 % the kubelet deletes unused images, then evicts pods (DiskPressure). Prometheus, "
                "Fluent Bit's "
                "buffer and container logs are on this disk.",
                look=(
                    "Grafana, dashboard *Node*, panel of file systems: since when does it grow?",
                    "A shell on the node, and what grew:",
                    "$ kubectl --context CLUSTER debug node/NODE --image=busybox:1.37 --stdin --tty --profile=sysadmin "
                    "-- chroot /host du -xh --max-depth=3 /var | sort -h | tail -20",
                    "Often: `/var/log/pods` of one talkative pod, `/var/lib/containerd`, an emptyDir under "
                    "`/var/lib/kubelet/pods`, or Fluent Bit's buffer while Kafka is away.",
                ),
                fix=(
                    "A talkative or leaking pod: delete it (its logs and emptyDirs go along) and give it "
                    "`ephemeral-storage` limits.",
                    "Fluent Bit's buffer: repair the network path to Kafka "
                    "([FluentBitRetrying](FluentBitRetrying.md)).",
                    "Disks that are simply too small: raise `disk_size` of the node group; nodes are replaced one by "
                    "one.",
                ),
            ),
            firing=Fixture(
                series={
                    f"node_filesystem_avail_bytes{_DISK}": "30000-100x120",
                    f"node_filesystem_size_bytes{_DISK}": "100000x120",
                },
                at="100m",
                alerts=(_DISK_LABELS,),
            ),
            silent=Fixture(
                series={
                    f"node_filesystem_avail_bytes{_DISK}": "90000-100x120",
                    f"node_filesystem_size_bytes{_DISK}": "100000x120",
                },
                at="100m",
            ),
        ),
        Alarm(
            name="NodeDiskAlmostFull",
            severity=Severity.CRITICAL,
            component="node",
            where=Where.EDGE,
            query=f"100 * (1 - min by (node, mountpoint) (node_filesystem_avail_bytes{_DISKS} "
            f"/ node_filesystem_size_bytes{_DISKS}))",
            op=">",
            threshold=90,
            hold="15m",
            summary="{{ $labels.mountpoint }} of node {{ $labels.node }} in {{ $labels.cluster }} is more than 90 % "
            "full",
            description="Less than 10 % of the file system is left, however fast it fills.",
            runbook=Runbook(
                meaning="A file system of the node has less than 10 % of its space left.",
                impact="The kubelet is evicting pods or about to; writes of anything that logs or buffers will fail.",
                look=(
                    "As for [NodeDiskFullIn4Hours](NodeDiskFullIn4Hours.md): find what takes the space.",
                    "$ kubectl --context CLUSTER get events --all-namespaces --field-selector reason=Evicted",
                ),
                fix=(
                    "Free space as described there.",
                    "If that takes too long: `kubectl --context CLUSTER drain NODE --ignore-daemonsets "
                    "--delete-emptydir-data` and terminate the instance; the node group brings a new one.",
                ),
            ),
            firing=Fixture(
                series={
                    f"node_filesystem_avail_bytes{_DISK}": "5x60",
                    f"node_filesystem_size_bytes{_DISK}": "100x60",
                },
                alerts=(_DISK_LABELS,),
            ),
            silent=Fixture(
                series={
                    f"node_filesystem_avail_bytes{_DISK}": "50x60",
                    f"node_filesystem_size_bytes{_DISK}": "100x60",
                    f"node_filesystem_avail_bytes{_TMPFS}": "0x60",
                    f"node_filesystem_size_bytes{_TMPFS}": "100x60",
                }
            ),
        ),
        Alarm(
            name="NodeInodesAlmostUsed",
            severity=Severity.WARNING,
            component="node",
            where=Where.EDGE,
            query=f"100 * (1 - min by (node, mountpoint) (node_filesystem_files_free{_DISKS} "
            f"/ node_filesystem_files{_DISKS}))",
            op=">",
            threshold=90,
            hold="15m",
            summary="{{ $labels.mountpoint }} of node {{ $labels.node }} in {{ $labels.cluster }} runs out of inodes",
            description="More than 90 % of the file system's inodes are used: no new files soon, though there may be "
            "space.",
            runbook=Runbook(
                meaning="The number of files, not their size, is near the file system's limit.",
                impact="Creating a file fails with *No space left on device* while `df` shows free space.",
                look=(
                    "Directories with most files:",
                    "$ kubectl --context CLUSTER debug node/NODE --image=busybox:1.37 --stdin --tty --profile=sysadmin "
                    "-- chroot /host du --inodes -x --max-depth=4 /var | sort -n | tail -20",
                ),
                fix=(
                    "Delete what piles up (session files, spool directories, old image layers: `crictl rmi --prune`).",
                    "If a pod's emptyDir is the cause, delete the pod and have its team clean up after itself.",
                ),
            ),
            firing=Fixture(
                series={f"node_filesystem_files_free{_DISK}": "5x60", f"node_filesystem_files{_DISK}": "100x60"},
                alerts=(_DISK_LABELS,),
            ),
            silent=Fixture(
                series={f"node_filesystem_files_free{_DISK}": "0x60", f"node_filesystem_files{_DISK}": "0x60"},
            ),
        ),
        Alarm(
            name="NodeClockSkew",
            severity=Severity.WARNING,
            component="node",
            where=Where.EDGE,
            query="max by (node) (abs(node_timex_offset_seconds))",
            op=">",
            threshold=0.05,
            hold="10m",
            summary="The clock of node {{ $labels.node }} in {{ $labels.cluster }} is more than 50 ms off",
            description="The kernel's estimate of the offset to its time source exceeds 50 ms for ten minutes.",
            runbook=Runbook(
                meaning="The node's clock and its time source (on EC2 the Amazon Time Sync Service, 169.254.169.123) "
                "differ.",
                impact="Samples and log lines carry wrong times; at minutes, TLS certificates and AWS signatures fail.",
                look=(
                    "$ kubectl --context CLUSTER debug node/NODE --image=busybox:1.37 --stdin --tty --profile=sysadmin "
                    "-- chroot /host chronyc tracking",
                    "Is the link-local time server reachable? A network policy or firewall on 169.254.169.123 is the "
                    "usual "
                    "cause.",
                ),
                fix=("`systemctl restart chronyd` on the node.", "If it comes back: replace the node."),
            ),
            firing=Fixture(series={f"node_timex_offset_seconds{_NODE}": "-0.2x60"}, alerts=({"node": "node-1"},)),
            silent=Fixture(series={f"node_timex_offset_seconds{_NODE}": "0.001x60"}),
        ),
        Alarm(
            name="NodeClockNotSynchronised",
            severity=Severity.WARNING,
            component="node",
            where=Where.EDGE,
            query="max by (node) (max_over_time(node_timex_sync_status[10m]))",
            op="<",
            threshold=1,
            hold="10m",
            summary="The clock of node {{ $labels.node }} in {{ $labels.cluster }} is not synchronised",
            description="The kernel has reported an unsynchronised clock for 20 minutes.",
            runbook=Runbook(
                meaning="No time daemon disciplines the node's clock.",
                impact="It drifts, by some seconds a day; see [NodeClockSkew](NodeClockSkew.md).",
                look=(
                    "$ kubectl --context CLUSTER debug node/NODE --image=busybox:1.37 --stdin --tty --profile=sysadmin "
                    "-- chroot /host systemctl status chronyd",
                ),
                fix=("Start chronyd, or replace the node: images of EKS start it by themselves.",),
            ),
            firing=Fixture(series={f"node_timex_sync_status{_NODE}": "0x60"}, alerts=({"node": "node-1"},)),
            silent=Fixture(series={f"node_timex_sync_status{_NODE}": "0 0 1x58"}),
        ),
        Alarm(
            name="NodeNetworkErrors",
            severity=Severity.WARNING,
            component="node",
            where=Where.EDGE,
            query="100 * sum by (node, device) (rate(node_network_receive_errs_total[5m]) "
            "+ rate(node_network_transmit_errs_total[5m])) / sum by (node, device) "
            "(rate(node_network_receive_packets_total[5m]) + rate(node_network_transmit_packets_total[5m]))",
            op=">",
            threshold=1,
            hold="15m",
            summary="{{ $labels.device }} of node {{ $labels.node }} in {{ $labels.cluster }} has network errors",
            description="More than 1 % of the packets of the interface have been errors for 15 minutes.",
            runbook=Runbook(
                meaning="The kernel counts more than one faulty packet in a hundred on this interface.",
                impact="Retransmissions: everything on the node is slow, connections break.",
                look=(
                    "Which counter grows:",
                    "$ kubectl --context CLUSTER debug node/NODE --image=busybox:1.37 --stdin --tty --profile=sysadmin "
                    "-- chroot /host ip -statistics link show DEVICE",
                    "On EC2 also `ethtool --statistics DEVICE`: `bw_in_allowance_exceeded` and its siblings mean "
                    "that the "
                    "instance type's bandwidth is used up.",
                ),
                fix=(
                    "Allowance exceeded: a larger instance type.",
                    "Otherwise drain and terminate the node; if the next one has it too, open a case with AWS.",
                ),
            ),
            firing=Fixture(
                series={
                    'node_network_receive_errs_total{node="node-1",device="eth0"}': "0+60x60",
                    'node_network_transmit_errs_total{node="node-1",device="eth0"}': "0x60",
                    'node_network_receive_packets_total{node="node-1",device="eth0"}': "0+600x60",
                    'node_network_transmit_packets_total{node="node-1",device="eth0"}': "0+600x60",
                },
                alerts=({"node": "node-1", "device": "eth0"},),
            ),
            silent=Fixture(
                series={
                    'node_network_receive_errs_total{node="node-1",device="eth0"}': "0+1x60",
                    'node_network_transmit_errs_total{node="node-1",device="eth0"}': "0x60",
                    'node_network_receive_packets_total{node="node-1",device="eth0"}': "0+6000x60",
                    'node_network_transmit_packets_total{node="node-1",device="eth0"}': "0+6000x60",
                }
            ),
        ),
        Alarm(
            name="NodeConntrackAlmostFull",
            severity=Severity.WARNING,
            component="node",
            where=Where.EDGE,
            query="100 * sum by (node) (node_nf_conntrack_entries) / sum by (node) (node_nf_conntrack_entries_limit)",
            op=">",
            threshold=80,
            hold="10m",
            summary="Node {{ $labels.node }} of {{ $labels.cluster }} is running out of connection tracking entries",
            description="More than 80 % of the kernel's connection tracking table is used.",
            runbook=Runbook(
                meaning="Every connection through a Service or a NetworkPolicy takes an entry; the table is nearly "
                "full.",
                impact="When it is full, new connections are dropped without a word: time-outs, DNS first.",
                look=(
                    "Grafana, dashboard *Node*: a step or a slope?",
                    "Who has most connections:",
                    "$ kubectl --context CLUSTER debug node/NODE --image=busybox:1.37 --stdin --tty --profile=sysadmin "
                    '-- chroot /host sh -c \'cut -c1-120 /proc/net/nf_conntrack | awk "{print \\$7}" | sort | uniq -c '
                    "| sort -n | tail'",
                ),
                fix=(
                    "A client that opens a connection for each request: have it keep them.",
                    "Honest load: spread the pods, or raise `net.netfilter.nf_conntrack_max` in the node group's "
                    "launch "
                    "template.",
                ),
            ),
            firing=Fixture(
                series={
                    f"node_nf_conntrack_entries{_NODE}": "900x60",
                    f"node_nf_conntrack_entries_limit{_NODE}": "1000x60",
                },
                alerts=({"node": "node-1"},),
            ),
            silent=Fixture(
                series={
                    f"node_nf_conntrack_entries{_NODE}": "500x60",
                    f"node_nf_conntrack_entries_limit{_NODE}": "1000x60",
                }
            ),
        ),
        Alarm(
            name="NodeNotReady",
            severity=Severity.CRITICAL,
            component="node",
            where=Where.EDGE,
            query='min by (node) (kube_node_status_condition{condition="Ready",status="true"})',
            op="<",
            threshold=1,
            hold="5m",
            summary="Node {{ $labels.node }} of {{ $labels.cluster }} is not ready",
            description="The node has not been Ready for five minutes; its pods are being moved elsewhere.",
            runbook=Runbook(
                meaning="The kubelet says it is not ready, or has said nothing for long enough (status Unknown).",
                impact="Its pods are evicted after five minutes. Pods with volumes wait until the volume is detached.",
                look=(
                    "Why, by its own account:",
                    "$ kubectl --context CLUSTER describe node NODE",
                    "Does the instance live?",
                    "$ aws ec2 describe-instance-status --include-all-instances --instance-ids INSTANCE",
                    "Kubelet's last words in Kibana: data view *logs*, `kubernetes.host: NODE and "
                    "journal.systemd_unit: kubelet.service`.",
                ),
                fix=(
                    "NetworkPluginNotReady: look at the `aws-node` pod of that node.",
                    "Unknown and no way in: terminate the instance, the node group replaces it:",
                    "$ aws ec2 terminate-instances --instance-ids INSTANCE",
                    "Several nodes at once: look at the API server, the VPC and the AWS Health Dashboard before you "
                    "terminate anything.",
                ),
            ),
            firing=Fixture(
                series={
                    'kube_node_status_condition{node="node-1",condition="Ready",status="true"}': "0x60",
                    'kube_node_status_condition{node="node-1",condition="Ready",status="unknown"}': "1x60",
                },
                alerts=({"node": "node-1"},),
            ),
            silent=Fixture(
                series={
                    'kube_node_status_condition{node="node-1",condition="Ready",status="true"}': "1x60",
                    'kube_node_status_condition{node="node-1",condition="Ready",status="false"}': "0x60",
                }
            ),
        ),
        Alarm(
            name="NodePressure",
            severity=Severity.WARNING,
            component="node",
            where=Where.EDGE,
            query="max by (node, condition) (kube_node_status_condition"
            '{condition=~"MemoryPressure|DiskPressure|PIDPressure",status="true"})',
            op=">",
            threshold=0,
            hold="5m",
            summary="Node {{ $labels.node }} of {{ $labels.cluster }} reports {{ $labels.condition }}",
            description="The kubelet is short of a resource, takes no new pods and evicts some of those it has.",
            runbook=Runbook(
                meaning="One of the kubelet's eviction thresholds is passed: memory, disk or process ids.",
                impact="No new pods on this node; pods above their requests are evicted.",
                look=(
                    "$ kubectl --context CLUSTER describe node NODE",
                    "$ kubectl --context CLUSTER get events --all-namespaces --field-selector reason=Evicted",
                    "PIDPressure: a pod that forks without end; dashboard *Node*, panel of processes.",
                ),
                fix=(
                    "MemoryPressure: [NodeMemoryHigh](NodeMemoryHigh.md). DiskPressure: "
                    "[NodeDiskAlmostFull](NodeDiskAlmostFull.md).",
                    "Evicted pods stay as objects: `kubectl delete pods --field-selector status.phase=Failed`.",
                ),
            ),
            firing=Fixture(
                series={'kube_node_status_condition{node="node-1",condition="DiskPressure",status="true"}': "1x60"},
                alerts=({"node": "node-1", "condition": "DiskPressure"},),
            ),
            silent=Fixture(
                series={
                    'kube_node_status_condition{node="node-1",condition="DiskPressure",status="true"}': "0x60",
                    'kube_node_status_condition{node="node-1",condition="Ready",status="true"}': "1x60",
                }
            ),
        ),
        Alarm(
            name="NodeCordonedLong",
            severity=Severity.INFO,
            component="node",
            where=Where.EDGE,
            query="max by (node) (kube_node_spec_unschedulable)",
            op=">",
            threshold=0,
            hold="12h",
            summary="Node {{ $labels.node }} of {{ $labels.cluster }} has been cordoned for half a day",
            description="The node is paid for but takes no pods. Perhaps somebody was interrupted.",
            runbook=Runbook(
                meaning="`spec.unschedulable` has been true for twelve hours: a drain that was not finished or not "
                "undone.",
                impact="Capacity that costs money and does nothing.",
                look=(
                    "$ kubectl --context CLUSTER describe node NODE",
                    "$ kubectl --context CLUSTER get pods --all-namespaces --field-selector spec.nodeName=NODE",
                    "A node group update that hangs on a PodDisruptionBudget: `aws eks describe-update`.",
                ),
                fix=(
                    "`kubectl --context CLUSTER uncordon NODE`, or finish the drain and terminate the instance.",
                    "If a PodDisruptionBudget allows no disruption, fix the workload it guards first.",
                ),
            ),
            firing=Fixture(
                series={f"kube_node_spec_unschedulable{_NODE}": "1x800"}, at="13h", alerts=({"node": "node-1"},)
            ),
            silent=Fixture(series={f"kube_node_spec_unschedulable{_NODE}": "1x300 0x500"}, at="13h"),
        ),
    ),
)
