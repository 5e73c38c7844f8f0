# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of many kinds in common notations: with units, empty maps, omitted defaults."""

from __future__ import annotations

from typing import Any

import yaml

NAMESPACE = "apply-test"

_TEXT = """
apiVersion: v1
kind: ConfigMap
metadata: {name: plain, labels: {app: a}, annotations: {note: "x", "a.b/c": ""}}
data: {a: "1", "b.conf": "multi\\nline\\n", empty: ""}
binaryData: {raw: aGVsbG8=}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: bare}
---
apiVersion: v1
kind: Secret
metadata: {name: text}
type: Opaque
stringData: {password: "hunter22", user: "me"}
---
apiVersion: v1
kind: Secret
metadata: {name: both}
data: {a: aGVsbG8=}
stringData: {b: "world"}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
automountServiceAccountToken: false
imagePullSecrets: [{name: registry}]
---
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {}}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports:
    - {name: http, port: 80, targetPort: http}
    - {name: https, port: 443, targetPort: 8443}
    - {name: dns, port: 53, protocol: UDP}
  loadBalancerSourceRanges: [10.0.0.0/8]
  externalTrafficPolicy: Local
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, ports: [{port: 1}], publishNotReadyAddresses: true, selector: {a: b}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  revisionHistoryLimit: 3
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 25%}}
  template:
    metadata:
      labels: {app: web}
      annotations: {"prometheus.io/scrape": "true"}
    spec:
      serviceAccountName: robot
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
      nodeSelector: {}
      tolerations:
        - {key: dedicated, operator: Exists, effect: NoSchedule}
        - {operator: Exists}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {matchLabels: {app: web}}
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}
      initContainers:
        - {name: init, image: "busybox:1", command: [sh, -c, "true"]}
      containers:
        - name: web
          image: nginx:1.29
          args: ["-c", "/etc/x"]
          ports:
            - {name: http, containerPort: 8080}
            - {name: dns, containerPort: 53, protocol: UDP}
          env:
            - {name: A, value: "1"}
            - {name: EMPTY, value: ""}
            - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
            - {name: PW, valueFrom: {secretKeyRef: {name: text, key: password}}}
          envFrom: [{configMapRef: {name: plain}}]
          resources:
            requests: {cpu: 0.5, memory: 128Mi, ephemeral-storage: 1Gi}
            limits: {cpu: 1000m, memory: 1024Mi}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
          readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 5}
          livenessProbe: {tcpSocket: {port: 8080}, initialDelaySeconds: 3}
          startupProbe: {exec: {command: [cat, /x]}, failureThreshold: 30}
          lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            - {name: config, mountPath: /etc/x, subPath: x, readOnly: true}
        - {name: sidecar, image: "busybox@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 1024Mi}}
        - {name: cache, emptyDir: {}}
        - {name: config, configMap: {name: plain, items: [{key: a, path: a}], defaultMode: 0644}}
        - {name: secret, secret: {secretName: text}}
        - name: all
          projected:
            sources:
              - {serviceAccountToken: {path: token, audience: x}}
              - {configMap: {name: plain, items: [{key: a, path: b}]}}
              - {downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
        - {name: host, hostPath: {path: /var/log}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: headless
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 60
      containers:
        - {name: db, image: "db:1", volumeMounts: [{name: data, mountPath: /data}], ports: [{containerPort: 9092}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], storageClassName: gp3, resources: {requests: {storage: 10Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 10%}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      hostNetwork: true
      tolerations: [{operator: Exists}]
      containers: [{name: agent, image: "agent:1", ports: [{containerPort: 9100, hostPort: 9100}]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  backoffLimit: 3
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: "c:1"}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: hourly}
spec:
  schedule: "0 * * * *"
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: OnFailure, containers: [{name: c, image: "c:1", resources: {limits: {memory: 1e9}}}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: gp3, resources: {requests: {storage: 1024Mi}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: apply-test-pv}
spec:
  capacity: {storage: 1024Mi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: manual
  csi: {driver: ebs.csi.aws.com, volumeHandle: vol-1}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a]}]}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from:
        - {namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}
        - {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}
      ports: [{port: http}, {port: 53, protocol: UDP}, {port: 8000, endPort: 8010}]
    - {}
  egress: [{to: [{podSelector: {}}]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: site}
spec:
  ingressClassName: nginx
  tls: [{hosts: [a.example], secretName: t}]
  rules:
    - host: a.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: apply-test}
spec: {controller: nginx.org/ingress-controller}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: all}
spec: {minAvailable: 50%, selector: {}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 5
  metrics:
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
    - {type: Pods, pods: {metric: {name: q}, target: {type: AverageValue, averageValue: 1000m}}}
  behavior: {scaleDown: {policies: [{type: Percent, value: 10, periodSeconds: 60}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
  - {apiGroups: [""], resources: [pods, pods/log], verbs: [get, list, watch]}
  - {apiGroups: [apps], resources: [deployments], resourceNames: [web], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: robot, namespace: apply-test}, {kind: User, name: jo}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: apply-test}
rules: [{nonResourceURLs: [/metrics], verbs: [get]}, {apiGroups: [""], resources: [nodes], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: apply-test-aggregate}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {x: "y"}}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: apply-test}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: apply-test}
subjects: [{kind: Group, name: devs, apiGroup: rbac.authorization.k8s.io}, {kind: Group, name: ops}]
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota}
spec: {hard: {requests.cpu: "0.5", limits.memory: 1024Mi, pods: 100, requests.storage: 1.5Gi}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec: {limits: [{type: Container, default: {cpu: 500m, memory: 1024Mi}, max: {cpu: 2}}]}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: apply-test}
value: 1000
description: x
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: apply-test, annotations: {"storageclass.kubernetes.io/is-default-class": "false"}}
provisioner: ebs.csi.aws.com
parameters: {type: gp3, encrypted: "true"}
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: apply-test}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: ["*"], operations: [DELETE], resources: [namespaces]}]
  matchConditions: [{name: x, expression: "true"}]
  variables: [{name: v, expression: "1 + 1"}]
  validations: [{expression: "variables.v == 2", message: m, reason: Forbidden}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: apply-test}
spec:
  policyName: apply-test-none
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {x: "y"}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: apply-test}
webhooks:
  - name: a.example.com
    clientConfig: {service: {namespace: x, name: y, path: /z}}
    rules: [{apiGroups: [x.example.com], apiVersions: [v1], operations: [CREATE], resources: [things]}]
    sideEffects: None
    admissionReviewVersions: [v1]
---
apiVersion: v1
kind: Namespace
metadata: {name: apply-test-other, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.apply.example.com}
spec:
  group: apply.example.com
  scope: Namespaced
  names: {kind: Thing, plural: things, singular: thing, listKind: ThingList}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                size: {type: integer}
                port: {x-kubernetes-int-or-string: true}
                mode: {type: string, default: fast}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true}
                tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
                nothing: {type: string, nullable: true}
                plain:
                  type: array
                  items: {type: object, properties: {a: {type: string, default: z}, b: {type: string}}}
                whole: {type: object, x-kubernetes-map-type: atomic, properties: {a: {type: string}, b: {type: string}}}
                parts:
                  type: array
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [name, zone]
                  items:
                    type: object
                    required: [name]
                    properties: {name: {type: string}, zone: {type: string, default: a}, value: {type: number}}
---
apiVersion: apply.example.com/v1
kind: Thing
metadata: {name: one}
spec:
  size: 3
  port: 80
  free: {a: {b: [1, {c: d}]}, e: {}, n: 1.5}
  tags: [x, y]
  plain: [{b: "1"}, {a: q, b: "2"}]
  whole: {a: "1"}
  parts: [{name: n1, value: 1.5}, {name: n2, zone: b, value: 2}]
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: lease}
spec: {holderIdentity: me, leaseDurationSeconds: 10}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: slice, labels: {kubernetes.io/service-name: headless}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]
ports: [{name: x, port: 80}]
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: apply-test}
spec: {type: Limited, limited: {nominalConcurrencyShares: 5, limitResponse: {type: Reject}}}
"""


def curated() -> list[dict[str, Any]]:
    """A fresh copy of all objects."""
    return [document for document in yaml.safe_load_all(_TEXT) if document]
