# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about workloads and their volumes: what kube-state-metrics, cAdvisor and the kubelet say."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where

_POD = 'namespace="shop",pod="web-1",container="web"'
_POD_LABELS = {"namespace": "shop", "pod": "web-1", "container": "web"}
_CLAIM = '{namespace="shop",persistentvolumeclaim="data"}'
_CLAIM_LABELS = {"namespace": "shop", "persistentvolumeclaim": "data"}
_DESCRIBE = "$ kubectl --context CLUSTER --namespace NAMESPACE describe pod POD"
_EVENTS = "$ kubectl --context CLUSTER --namespace NAMESPACE get events --sort-by=.lastTimestamp | tail -20"


def _mismatch(
    kind: str, *, name: str, wanted: str, ready: str, description: str, look: tuple[str, ...], fix: tuple[str, ...]
) -> Alarm:
    """An alarm about a workload that has fewer pods than it should."""
    label = kind.lower()
    series = f'{{namespace="shop",{label}="web"}}'
    return Alarm(
        name=name,
        severity=Severity.WARNING,
        component="workload",
        where=Where.EDGE,
        query=f"sum by (namespace, {label}) ({wanted}) - sum by (namespace, {label}) ({ready})",
        op=">",
        threshold=0,
        hold="15m",
        summary=f"{kind} {{{{ $labels.namespace }}}}/{{{{ $labels.{label} }}}} in {{{{ $labels.cluster }}}} lacks pods",
        description=description,
        runbook=Runbook(
            meaning=f"The {kind} has wanted more ready pods than it has for a quarter of an hour.",
            impact="Less capacity and less redundancy than somebody has asked for; with none ready, an outage.",
            look=(
                f"$ kubectl --context CLUSTER --namespace NAMESPACE describe {label} NAME",
                "$ kubectl --context CLUSTER --namespace NAMESPACE get pods --selector SELECTOR --output wide",
                _EVENTS,
                *look,
            ),
            fix=fix,
        ),
        firing=Fixture(
            series={f"{wanted}{series}": "3x60", f"{ready}{series}": "2x60"},
            alerts=({"namespace": "shop", label: "web"},),
        ),
        silent=Fixture(series={f"{wanted}{series}": "3x60", f"{ready}{series}": "2x10 3x50"}),
    )


TOPIC = Topic(
    name="workloads",
    title="Workloads and volumes",
    alarms=(
        Alarm(
            name="PodCrashLooping",
            severity=Severity.WARNING,
            component="workload",
            where=Where.EDGE,
            query="max by (namespace, pod, container) (max_over_time("
            'kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff"}[5m]))',
            op=">",
            threshold=0,
            hold="10m",
            summary="{{ $labels.namespace }}/{{ $labels.pod }} in {{ $labels.cluster }} crashes again and again",
            description="Container {{ $labels.container }} ends soon after each start; Kubernetes waits longer and "
            "longer "
            "before it tries again.",
            runbook=Runbook(
                meaning="The container has been in CrashLoopBackOff within each of the last minutes' five.",
                impact="This pod does not serve. If all replicas do it, the service is down.",
                look=(
                    "The last words before the crash, and how it ended:",
                    "$ kubectl --context CLUSTER --namespace NAMESPACE logs POD --container CONTAINER --previous",
                    _DESCRIBE,
                    "Exit code 137 with reason OOMKilled: [ContainerOomKilled](ContainerOomKilled.md). 1 or 2: mostly "
                    "configuration. 139: a crash of the program itself.",
                    "Did it begin with a rollout? `kubectl rollout history`.",
                ),
                fix=(
                    "Since a rollout: `kubectl --context CLUSTER --namespace NAMESPACE rollout undo deployment/NAME`.",
                    "A missing Secret, ConfigMap or a dependency that is away: fix that; the pod comes up by itself.",
                    "Killed by its liveness probe: look at the probe's time-out before you blame the program.",
                ),
            ),
            firing=Fixture(
                series={
                    f'kube_pod_container_status_waiting_reason{{{_POD},reason="CrashLoopBackOff"}}': "1 0 1 1 0x3 1x55"
                },
                alerts=(_POD_LABELS,),
            ),
            silent=Fixture(
                series={
                    f'kube_pod_container_status_waiting_reason{{{_POD},reason="CrashLoopBackOff"}}': "1 1 1 0x57",
                    f'kube_pod_container_status_waiting_reason{{{_POD},reason="ContainerCreating"}}': "1x60",
                }
            ),
        ),
        Alarm(
            name="PodPending",
            severity=Severity.WARNING,
            component="workload",
            where=Where.EDGE,
            query='sum by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Unknown"})',
            op=">",
            threshold=0,
            hold="15m",
            summary="{{ $labels.namespace }}/{{ $labels.pod }} in {{ $labels.cluster }} has not started for 15 minutes",
            description="The pod finds no node, no volume or no image, or its node does not answer.",
            runbook=Runbook(
                meaning="The pod has been Pending or Unknown for a quarter of an hour.",
                impact="Its work is not done. A pod of the platform that is pending may be the cause of other alarms.",
                look=(
                    "The scheduler's own words are in the events:",
                    _DESCRIBE,
                    "*Insufficient cpu* or *Insufficient memory*: dashboard *Capacity and cost*, and does the "
                    "autoscaler add nodes?",
                    "$ kubectl --context CLUSTER --namespace cluster-autoscaler logs deployment/cluster-autoscaler "
                    "--tail=50",
                    "*unbound immediate PersistentVolumeClaims*: [ClaimPending](ClaimPending.md).",
                    "*didn't match Pod's node affinity* or *untolerated taint*: selector and tolerations of the pod.",
                ),
                fix=(
                    "No room: raise `max_size` in `eks_nodegroups`, or lower requests that nobody uses.",
                    "A zone without nodes while the volume is there: bring a node up in that zone.",
                    "A quota: [QuotaAlmostUsed](QuotaAlmostUsed.md).",
                ),
            ),
            firing=Fixture(
                series={
                    'kube_pod_status_phase{namespace="shop",pod="web-1",phase="Pending"}': "1x60",
                    'kube_pod_status_phase{namespace="shop",pod="web-1",phase="Running"}': "0x60",
                },
                alerts=({"namespace": "shop", "pod": "web-1"},),
            ),
            silent=Fixture(
                series={
                    'kube_pod_status_phase{namespace="shop",pod="web-1",phase="Pending"}': "1x5 0x55",
                    'kube_pod_status_phase{namespace="shop",pod="web-1",phase="Running"}': "0x5 1x55",
                }
            ),
        ),
        Alarm(
            name="ImagePullFailing",
            severity=Severity.WARNING,
            component="workload",
            where=Where.EDGE,
            query="max by (namespace, pod, container) (kube_pod_container_status_waiting_reason"
            '{reason=~"ImagePullBackOff|ErrImagePull|InvalidImageName"})',
            op=">",
            threshold=0,
            hold="10m",
            summary="{{ $labels.namespace }}/{{ $labels.pod }} in {{ $labels.cluster }} cannot get its image",
            description="Container {{ $labels.container }} waits for an image that cannot be pulled.",
            runbook=Runbook(
                meaning="The node cannot pull the image: wrong name or tag, no permission, no way to the registry, "
                "or its "
                "rate limit.",
                impact="The pod does not start. With many images at once, nothing new starts on the cluster.",
                look=(
                    _DESCRIBE,
                    "*not found*: is the tag in the registry? *403* or *401*: pull secret or node role. *i/o timeout*: "
                    "NAT gateway, endpoint or firewall. *429*: the registry's limit for anonymous pulls.",
                ),
                fix=(
                    "Correct the image, or `kubectl rollout undo`.",
                    "429 or no way out: set `<role>_image_mirror` to a mirror (an ECR pull-through cache) and run "
                    "again.",
                    "ECR: the node role needs `AmazonEC2ContainerRegistryPullOnly`.",
                ),
            ),
            firing=Fixture(
                series={f'kube_pod_container_status_waiting_reason{{{_POD},reason="ImagePullBackOff"}}': "1x60"},
                alerts=(_POD_LABELS,),
            ),
            silent=Fixture(
                series={f'kube_pod_container_status_waiting_reason{{{_POD},reason="ContainerCreating"}}': "1x60"}
            ),
        ),
        Alarm(
            name="ContainerOomKilled",
            severity=Severity.WARNING,
            component="workload",
            where=Where.EDGE,
            query="max by (namespace, pod, container) (kube_pod_container_status_last_terminated_reason"
            '{reason="OOMKilled"}) > 0 and sum by (namespace, pod, container) '
            "(increase(kube_pod_container_status_restarts_total[15m])) > 0",
            hold="0m",
            summary="{{ $labels.namespace }}/{{ $labels.pod }} in {{ $labels.cluster }} was killed for lack of memory",
            description="Container {{ $labels.container }} has reached its memory limit and was restarted within the "
            "last "
            "15 minutes.",
            runbook=Runbook(
                meaning="The kernel ended the container because its memory reached the container's limit (or the "
                "node's end).",
                impact="Requests in flight were lost. It comes back, until the next time.",
                look=(
                    "Grafana, dashboard *Pod*: a slope up to the limit is a leak or a growing cache, a sudden peak a "
                    "large "
                    "request.",
                    _DESCRIBE,
                ),
                fix=(
                    "A peak that is honest: raise the limit (and the request) in the workload's values.",
                    "A JVM: set the heap to at most 75 % of the limit; off-heap memory counts too.",
                    "Kafka, Elasticsearch, Logstash: choose `<role>_size: large` or set `<role>_resources`.",
                ),
            ),
            firing=Fixture(
                series={
                    f'kube_pod_container_status_last_terminated_reason{{{_POD},reason="OOMKilled"}}': "1x60",
                    f"kube_pod_container_status_restarts_total{{{_POD}}}": "0x25 1x35",
                },
                alerts=(_POD_LABELS,),
            ),
            silent=Fixture(
                series={
                    f'kube_pod_container_status_last_terminated_reason{{{_POD},reason="OOMKilled"}}': "1x60",
                    f"kube_pod_container_status_restarts_total{{{_POD}}}": "0x5 1x55",
                }
            ),
        ),
        Alarm(
            name="JobFailed",
            severity=Severity.WARNING,
            component="workload",
            where=Where.EDGE,
            query='max by (namespace, job_name) (kube_job_failed{condition="true"})',
            op=">",
            threshold=0,
            hold="5m",
            summary="Job {{ $labels.namespace }}/{{ $labels.job_name }} in {{ $labels.cluster }} has failed",
            description="The Job has used up its attempts and will not be tried again.",
            runbook=Runbook(
                meaning="The Job's condition Failed is true: backoffLimit or activeDeadlineSeconds is reached.",
                impact="What it should have done is not done. The platform's reconcilers are Jobs too: their topics, "
                "users "
                "or index templates may be missing.",
                look=(
                    "$ kubectl --context CLUSTER --namespace NAMESPACE logs job/NAME --all-containers --tail=100",
                    "$ kubectl --context CLUSTER --namespace NAMESPACE describe job NAME",
                    "Pods already gone? Kibana, data view *logs*: `kubernetes.pod_name: NAME*`.",
                ),
                fix=(
                    "Fix the cause, then delete the Job: `kubectl delete job NAME`. Its CronJob, or the next run of "
                    "`ansible-playbook site.yml`, makes a new one.",
                    "A failed Job of a CronJob stays until it is deleted, and so does this alarm.",
                ),
            ),
            firing=Fixture(
                series={'kube_job_failed{namespace="shop",job_name="nightly-1",condition="true"}': "1x60"},
                alerts=({"namespace": "shop", "job_name": "nightly-1"},),
            ),
            silent=Fixture(
                series={
                    'kube_job_failed{namespace="shop",job_name="nightly-1",condition="true"}': "0x60",
                    'kube_job_failed{namespace="shop",job_name="nightly-1",condition="false"}': "1x60",
                }
            ),
        ),
        Alarm(
            name="CronJobLate",
            severity=Severity.WARNING,
            component="workload",
            where=Where.EDGE,
            query="time() - max by (namespace, cronjob) (kube_cronjob_next_schedule_time)",
            op=">",
            threshold=3600,
            hold="10m",
            summary="CronJob {{ $labels.namespace }}/{{ $labels.cronjob }} in {{ $labels.cluster }} is an hour late",
            description="The time of the next run has passed more than an hour ago, and no run has started.",
            runbook=Runbook(
                meaning="The controller should have started a Job and has not. Suspended CronJobs are not counted.",
                impact="The work is not done, and nothing fails visibly.",
                look=(
                    "$ kubectl --context CLUSTER --namespace NAMESPACE describe cronjob NAME",
                    "Is an earlier run still active (`concurrencyPolicy: Forbid`)?",
                    "$ kubectl --context CLUSTER --namespace NAMESPACE get jobs",
                    "*too many missed start times* in the events: `startingDeadlineSeconds` is unset and 100 runs were "
                    "missed.",
                ),
                fix=(
                    "Delete the Job that hangs.",
                    "Start one by hand: `kubectl create job --from=cronjob/NAME NAME-now`.",
                ),
            ),
            firing=Fixture(
                series={'kube_cronjob_next_schedule_time{namespace="shop",cronjob="nightly"}': "600x120"},
                at="100m",
                alerts=({"namespace": "shop", "cronjob": "nightly"},),
            ),
            silent=Fixture(
                series={'kube_cronjob_next_schedule_time{namespace="shop",cronjob="nightly"}': "4800x120"}, at="100m"
            ),
        ),
        _mismatch(
            "Deployment",
            name="DeploymentLacksReplicas",
            wanted="kube_deployment_spec_replicas",
            ready="kube_deployment_status_replicas_available",
            description="Fewer pods of the Deployment are available than it asks for.",
            look=(
                "The newest ReplicaSet's pods are the interesting ones: a rollout that cannot finish looks like this "
                "too.",
            ),
            fix=(
                "Follow the pod: [PodPending](PodPending.md), [PodCrashLooping](PodCrashLooping.md), "
                "[ImagePullFailing](ImagePullFailing.md).",
                "Running but not Ready: the readiness probe; `kubectl describe pod` shows its answer.",
                "Since a rollout: `kubectl --context CLUSTER --namespace NAMESPACE rollout undo deployment/NAME`.",
            ),
        ),
        _mismatch(
            "StatefulSet",
            name="StatefulSetLacksReplicas",
            wanted="kube_statefulset_replicas",
            ready="kube_statefulset_status_replicas_ready",
            description="Fewer pods of the StatefulSet are ready than it asks for.",
            look=(
                "A StatefulSet goes in order: look at the lowest pod that is not Ready, the others wait for it.",
                "$ kubectl --context CLUSTER --namespace NAMESPACE get persistentvolumeclaims",
            ),
            fix=(
                "A volume in a zone without nodes: bring a node up there ([PodPending](PodPending.md)).",
                "A rollout that stops at a broken pod does not go on by itself after the template is fixed: delete "
                "that "
                "pod once.",
                "Kafka and Elasticsearch: first see whether the data is safe ([KafkaUnderReplicated]"
                "(KafkaUnderReplicated.md), [ElasticsearchRed](ElasticsearchRed.md)), never delete a claim.",
            ),
        ),
        _mismatch(
            "DaemonSet",
            name="DaemonSetLacksPods",
            wanted="kube_daemonset_status_desired_number_scheduled",
            ready="kube_daemonset_status_number_ready",
            description="On some node the DaemonSet's pod is missing or not ready.",
            look=(
                "Which node lacks it: compare with `kubectl get nodes`.",
                "node-exporter or Fluent Bit: metrics or logs of that node are missing meanwhile.",
            ),
            fix=(
                "The node is full: DaemonSets of the platform have the PriorityClass `platform` and displace others; "
                "look "
                "for pods with a higher one.",
                "The node itself is ill: [NodeNotReady](NodeNotReady.md), [NodePressure](NodePressure.md).",
            ),
        ),
        Alarm(
            name="RolloutStuck",
            severity=Severity.WARNING,
            component="workload",
            where=Where.EDGE,
            query="max by (namespace, deployment) (kube_deployment_status_condition"
            '{condition="Progressing",status="false"})',
            op=">",
            threshold=0,
            hold="5m",
            summary="The rollout of {{ $labels.namespace }}/{{ $labels.deployment }} in {{ $labels.cluster }} is stuck",
            description="The Deployment has made no progress for its progressDeadlineSeconds.",
            runbook=Runbook(
                meaning="Kubernetes has given up waiting for the new pods (ProgressDeadlineExceeded).",
                impact="Old pods go on serving; the new version is not out.",
                look=(
                    "$ kubectl --context CLUSTER --namespace NAMESPACE rollout status deployment/NAME --timeout=5s",
                    "$ kubectl --context CLUSTER --namespace NAMESPACE describe deployment NAME",
                ),
                fix=(
                    "`kubectl --context CLUSTER --namespace NAMESPACE rollout undo deployment/NAME`, then fix the new "
                    "version at leisure.",
                ),
            ),
            firing=Fixture(
                series={
                    'kube_deployment_status_condition{namespace="shop",deployment="web",condition="Progressing",'
                    'status="false"}': "1x60"
                },
                alerts=({"namespace": "shop", "deployment": "web"},),
            ),
            silent=Fixture(
                series={
                    'kube_deployment_status_condition{namespace="shop",deployment="web",condition="Progressing",'
                    'status="true"}': "1x60",
                    'kube_deployment_status_condition{namespace="shop",deployment="web",condition="Progressing",'
                    'status="false"}': "0x60",
                }
            ),
        ),
        Alarm(
            name="AutoscalerAtMaximum",
            severity=Severity.WARNING,
            component="workload",
            where=Where.EDGE,
            query="max by (namespace, horizontalpodautoscaler) (kube_horizontalpodautoscaler_status_desired_replicas) "
            "- max by (namespace, horizontalpodautoscaler) (kube_horizontalpodautoscaler_spec_max_replicas)",
            op=">=",
            threshold=0,
            hold="15m",
            summary="{{ $labels.namespace }}/{{ $labels.horizontalpodautoscaler }} in {{ $labels.cluster }} cannot "
            "scale up",
            description="The autoscaler has wanted its maximum of replicas for 15 minutes: it may need more than it "
            "may have.",
            runbook=Runbook(
                meaning="A HorizontalPodAutoscaler has reached maxReplicas.",
                impact="More load from here on is not answered by more pods.",
                look=(
                    "$ kubectl --context CLUSTER --namespace NAMESPACE describe hpa NAME",
                    "Is the load honest, or is a slow dependency keeping requests (and CPU) busy?",
                ),
                fix=(
                    "Raise maxReplicas (for NGINX `ingress_nginx_max_replicas`), after a look at node capacity.",
                    "A target that is too low makes an autoscaler greedy: 70 % of the request is a good start.",
                ),
            ),
            firing=Fixture(
                series={
                    'kube_horizontalpodautoscaler_status_desired_replicas{namespace="shop",'
                    'horizontalpodautoscaler="web"}': "10x60",
                    'kube_horizontalpodautoscaler_spec_max_replicas{namespace="shop",'
                    'horizontalpodautoscaler="web"}': "10x60",
                },
                alerts=({"namespace": "shop", "horizontalpodautoscaler": "web"},),
            ),
            silent=Fixture(
                series={
                    'kube_horizontalpodautoscaler_status_desired_replicas{namespace="shop",'
                    'horizontalpodautoscaler="web"}': "9x60",
                    'kube_horizontalpodautoscaler_spec_max_replicas{namespace="shop",'
                    'horizontalpodautoscaler="web"}': "10x60",
                }
            ),
        ),
        Alarm(
            name="ClaimPending",
            severity=Severity.WARNING,
            component="volume",
            where=Where.EDGE,
            query="max by (namespace, persistentvolumeclaim) "
            '(kube_persistentvolumeclaim_status_phase{phase="Pending"})',
            op=">",
            threshold=0,
            hold="15m",
            summary="Claim {{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} in {{ $labels.cluster }} has "
            "no volume",
            description="The PersistentVolumeClaim has been Pending for 15 minutes.",
            runbook=Runbook(
                meaning="No volume was made for the claim. With WaitForFirstConsumer it also waits for a pod that "
                "uses it.",
                impact="The pod that needs it does not start.",
                look=(
                    "$ kubectl --context CLUSTER --namespace NAMESPACE describe persistentvolumeclaim NAME",
                    "$ kubectl --context CLUSTER --namespace kube-system logs deployment/ebs-csi-controller "
                    "--container csi-provisioner --tail=50",
                ),
                fix=(
                    "*not authorized*: the pod identity of the add-on aws-ebs-csi-driver; run "
                    "`ansible-playbook site.yml --tags eks` for the cluster.",
                    "*VolumeLimitExceeded*: raise the account's EBS quota.",
                    "A StorageClass that is not there: `kubectl get storageclass`; gp3 is the fleet's default.",
                ),
            ),
            firing=Fixture(
                series={
                    'kube_persistentvolumeclaim_status_phase{namespace="shop",persistentvolumeclaim="data",'
                    'phase="Pending"}': "1x60"
                },
                alerts=(_CLAIM_LABELS,),
            ),
            silent=Fixture(
                series={
                    'kube_persistentvolumeclaim_status_phase{namespace="shop",persistentvolumeclaim="data",'
                    'phase="Pending"}': "1x5 0x55",
                    'kube_persistentvolumeclaim_status_phase{namespace="shop",persistentvolumeclaim="data",'
                    'phase="Bound"}': "0x5 1x55",
                }
            ),
        ),
        Alarm(
            name="VolumeAlmostFull",
            severity=Severity.CRITICAL,
            component="volume",
            where=Where.EDGE,
            # The kubelet says nothing of a volume while its pod waits to be started again, as a full one's does.
            query="100 * (1 - min by (namespace, persistentvolumeclaim) "
            "(last_over_time(kubelet_volume_stats_available_bytes[15m])) "
            "/ min by (namespace, persistentvolumeclaim) (last_over_time(kubelet_volume_stats_capacity_bytes[15m])))",
            op=">",
            threshold=85,
            hold="10m",
            summary="Volume {{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} in {{ $labels.cluster }} is "
            "almost full",
            description="More than 85 % of the volume is used.",
            runbook=Runbook(
                meaning="Less than 15 % of the volume's space is available, as the kubelet sees it.",
                impact="A full volume stops what writes to it: Kafka's broker ends itself, Elasticsearch makes indices "
                "read-only, Logstash's queue blocks.",
                look=(
                    "Grafana, dashboard *Volumes*: how long until it is full?",
                    "$ kubectl --context CLUSTER --namespace NAMESPACE exec POD -- df -h",
                ),
                fix=(
                    "Raise the size: the role's variable (`kafka_storage_size`, ...) and run its playbook; the "
                    "volume grows "
                    "while in use. Sizes cannot be lowered.",
                    "Or have it keep less: retention of the Kafka topics, data stream lifecycle in Elasticsearch.",
                    "Another team's volume: edit `spec.resources.requests.storage` of the claim.",
                ),
            ),
            firing=Fixture(
                series={
                    f"kubelet_volume_stats_available_bytes{_CLAIM}": " ".join(["10 stale _x8"] * 6),
                    f"kubelet_volume_stats_capacity_bytes{_CLAIM}": " ".join(["100 stale _x8"] * 6),
                },
                alerts=(_CLAIM_LABELS,),
            ),
            silent=Fixture(
                series={
                    f"kubelet_volume_stats_available_bytes{_CLAIM}": "20x60",
                    f"kubelet_volume_stats_capacity_bytes{_CLAIM}": "100x60",
                }
            ),
        ),
        Alarm(
            name="VolumeFullIn4Days",
            severity=Severity.WARNING,
            component="volume",
            where=Where.EDGE,
            query="min by (namespace, persistentvolumeclaim) "
            "(predict_linear(kubelet_volume_stats_available_bytes[6h], 4 * 86400)) < 0 "
            "and min by (namespace, persistentvolumeclaim) "
            "(kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes) < 0.5",
            hold="1h",
            summary="Volume {{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} in {{ $labels.cluster }} is "
            "full in "
            "four days",
            description="At the pace of the last six hours the volume is full within four days; less than half is "
            "free.",
            runbook=Runbook(
                meaning="A straight line through six hours meets zero within four days.",
                impact="None yet. There is time to do it in daylight.",
                look=("Grafana, dashboard *Volumes*: is the growth steady, or was it one large write?",),
                fix=("As for [VolumeAlmostFull](VolumeAlmostFull.md): raise the size or keep less.",),
            ),
            firing=Fixture(
                series={
                    f"kubelet_volume_stats_available_bytes{_CLAIM}": "40000-50x600",
                    f"kubelet_volume_stats_capacity_bytes{_CLAIM}": "100000x600",
                },
                at="8h",
                alerts=(_CLAIM_LABELS,),
            ),
            silent=Fixture(
                series={
                    f"kubelet_volume_stats_available_bytes{_CLAIM}": "40000x600",
                    f"kubelet_volume_stats_capacity_bytes{_CLAIM}": "100000x600",
                },
                at="8h",
            ),
        ),
        Alarm(
            name="VolumeInodesAlmostUsed",
            severity=Severity.WARNING,
            component="volume",
            where=Where.EDGE,
            query="100 * max by (namespace, persistentvolumeclaim) (kubelet_volume_stats_inodes_used) "
            "/ max by (namespace, persistentvolumeclaim) (kubelet_volume_stats_inodes)",
            op=">",
            threshold=90,
            hold="15m",
            summary="Volume {{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} in {{ $labels.cluster }} "
            "runs out of "
            "inodes",
            description="More than 90 % of the volume's inodes are used: no new files soon.",
            runbook=Runbook(
                meaning="Many small files; the number is near the file system's limit, the size need not be.",
                impact="*No space left on device* at the next new file.",
                look=("$ kubectl --context CLUSTER --namespace NAMESPACE exec POD -- df -i",),
                fix=(
                    "Delete what piles up. A larger volume has more inodes too (ext4: one for each 16 KiB; XFS makes "
                    "them "
                    "as needed).",
                ),
            ),
            firing=Fixture(
                series={
                    f"kubelet_volume_stats_inodes_used{_CLAIM}": "95x60",
                    f"kubelet_volume_stats_inodes{_CLAIM}": "100x60",
                },
                alerts=(_CLAIM_LABELS,),
            ),
            silent=Fixture(
                series={
                    f"kubelet_volume_stats_inodes_used{_CLAIM}": "50x60",
                    f"kubelet_volume_stats_inodes{_CLAIM}": "100x60",
                }
            ),
        ),
        Alarm(
            name="QuotaAlmostUsed",
            severity=Severity.INFO,
            component="workload",
            where=Where.EDGE,
            query='100 * max by (namespace, resourcequota, resource) (kube_resourcequota{type="used"}) '
            '/ ((max by (namespace, resourcequota, resource) (kube_resourcequota{type="hard"}) > 0) '
            # One load balancer or node port is there to be used.
            'unless (max by (namespace, resourcequota, resource) (kube_resourcequota{type="hard",'
            'resource=~"services[.].+"}) == 1))',
            op=">",
            threshold=90,
            hold="15m",
            summary="Namespace {{ $labels.namespace }} of {{ $labels.cluster }} has used 90 % of its "
            "{{ $labels.resource }}",
            description="ResourceQuota {{ $labels.resourcequota }} leaves less than a tenth of {{ $labels.resource }}.",
            runbook=Runbook(
                meaning="The namespace is near a limit of its ResourceQuota.",
                impact="When it is reached, new pods are refused; a rollout can stop half way.",
                look=(
                    "$ kubectl --context CLUSTER --namespace NAMESPACE describe resourcequota",
                    "$ kubectl --context CLUSTER --namespace NAMESPACE top pods",
                ),
                fix=(
                    "Requests far above use: lower them.",
                    "Honest growth: `quota` of the team in `guardrails_tenants` (or `guardrails_namespaces`), then "
                    "`ansible-playbook site.yml -i inventories/CLUSTER --tags guardrails`.",
                ),
            ),
            firing=Fixture(
                series={
                    'kube_resourcequota{namespace="shop",resourcequota="team",resource="pods",type="used"}': "48x60",
                    'kube_resourcequota{namespace="shop",resourcequota="team",resource="pods",type="hard"}': "50x60",
                },
                alerts=({"namespace": "shop", "resourcequota": "team", "resource": "pods"},),
            ),
            silent=Fixture(
                series={
                    'kube_resourcequota{namespace="shop",resourcequota="team",resource="pods",type="used"}': "40x60",
                    'kube_resourcequota{namespace="shop",resourcequota="team",resource="pods",type="hard"}': "50x60",
                    'kube_resourcequota{namespace="shop",resourcequota="team",resource="services.nodeports",'
                    'type="used"}': "0x60",
                    'kube_resourcequota{namespace="shop",resourcequota="team",resource="services.nodeports",'
                    'type="hard"}': "0x60",
                    # The one load balancer that a namespace is for.
                    'kube_resourcequota{namespace="shop",resourcequota="team",resource="services.loadbalancers",'
                    'type="used"}': "1x60",
                    'kube_resourcequota{namespace="shop",resourcequota="team",resource="services.loadbalancers",'
                    'type="hard"}': "1x60",
                }
            ),
        ),
        Alarm(
            name="ContainerThrottled",
            severity=Severity.INFO,
            component="workload",
            where=Where.EDGE,
            query="100 * sum by (namespace, pod, container) "
            '(rate(container_cpu_cfs_throttled_periods_total{container!=""}[5m])) '
            '/ sum by (namespace, pod, container) (rate(container_cpu_cfs_periods_total{container!=""}[5m]))',
            op=">",
            threshold=50,
            hold="30m",
            summary="{{ $labels.namespace }}/{{ $labels.pod }} in {{ $labels.cluster }} is held back by its CPU limit",
            description="Container {{ $labels.container }} was throttled in more than half of its periods for half "
            "an hour.",
            runbook=Runbook(
                meaning="The container wants more processor time than its limit allows, in most periods of 100 ms.",
                impact="Latency, even if the node is idle.",
                look=("Grafana, dashboard *Pod*: use against request and limit.",),
                fix=(
                    "Raise the limit; or lower the number of threads that run at once (a JVM on 64 processors with a "
                    "limit "
                    "of 1 is the classic).",
                ),
            ),
            firing=Fixture(
                series={
                    f"container_cpu_cfs_throttled_periods_total{{{_POD}}}": "0+400x60",
                    f"container_cpu_cfs_periods_total{{{_POD}}}": "0+600x60",
                },
                at="50m",
                alerts=(_POD_LABELS,),
            ),
            silent=Fixture(
                series={
                    f"container_cpu_cfs_throttled_periods_total{{{_POD}}}": "0+60x60",
                    f"container_cpu_cfs_periods_total{{{_POD}}}": "0+600x60",
                },
                at="50m",
            ),
        ),
    ),
)
