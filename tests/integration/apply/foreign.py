# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three sets like the manifests of other projects: an operator, a monitoring stack, exported objects.

Beside each set is what the controllers of a cluster write to its objects: (manager, path of the object, merge patch).
"""

from __future__ import annotations

from typing import Any

import yaml

Json = dict[str, Any]
Write = tuple[str, str, Json]
GROUP = "foreign.example.com"
_LARGE = 1_400_000


def parsed(text: str, **names: str) -> list[Json]:
    for name, value in names.items():
        text = text.replace(f"${name}", value)
    return [document for document in yaml.safe_load_all(text) if document]


def large_definition(group: str) -> Json:
    """A CustomResourceDefinition of 1.4 MB, most of it prose as in an operator's."""
    prose = "Describes, at length, what this field is for. " * 20
    many = {f"field{index}": {"type": "string", "description": prose} for index in range(_LARGE // (len(prose) + 60))}
    loose = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec = {
        "type": "object",
        "properties": {**many, "free": loose, "maybe": {"type": "string", "nullable": True}},
    }
    schema = {"type": "object", "properties": {"spec": spec, "status": loose}}
    free = {"type": "object", "properties": {"spec": loose, "status": loose}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"larges.{group}", "creationTimestamp": None},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Large", "plural": "larges", "singular": "large", "listKind": "LargeList"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
                {"name": "v1beta1", "served": True, "storage": False, "schema": {"openAPIV3Schema": free}},
            ],
        },
        "status": {"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []},
    }


_OPERATOR = """
apiVersion: $group/v1
kind: Large
metadata: {name: old, annotations: {note: "launch 🚀"}}
spec: {field1: "🚀", maybe: null, free: {deep: {nothing: null, list: [null, {a: null}]}}}
status: {phase: Declared, nothing: null}
---
apiVersion: $group/v1beta1
kind: Large
metadata: {name: older}
spec: {field2: x}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: $ns-view, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [$group], resources: [larges], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: $ns-all}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {aggregate-to: $ns}}]}
rules: []
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: $ns}
webhooks:
  - name: a.example.com
    clientConfig: {service: {namespace: x, name: y}, caBundle: Cg==}
    rules: [{apiGroups: [$group], apiVersions: [v9], operations: [CREATE], resources: [larges]}]
    sideEffects: None
    admissionReviewVersions: [v1]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: $ns, annotations: {cert-manager.io/inject-ca-from: x/y}}
webhooks:
  - name: a.example.com
    clientConfig: {service: {namespace: x, name: y}, caBundle: $old}
    rules: [{apiGroups: [$group], apiVersions: [v9], operations: [CREATE], resources: [larges]}]
    sideEffects: None
    admissionReviewVersions: [v1]
"""


def operator(namespace: str, certificates: tuple[str, str]) -> tuple[list[Json], list[Write]]:
    """A large definition and custom objects of it in two versions, aggregated roles, webhooks whose CA is injected."""
    group, (old, new) = f"{namespace}.{GROUP}", certificates
    objects = [large_definition(group), *parsed(_OPERATOR, group=group, ns=namespace, old=old)]
    hooks = [{"name": "a.example.com", "clientConfig": {"caBundle": new}}]
    admission = "/apis/admissionregistration.k8s.io/v1"
    patch = {"webhooks": hooks}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    return objects, [
        (
            "clusterrole-aggregation-controller",
            f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{namespace}-all",
            {"rules": rules},
        ),
        ("cainjector", f"{admission}/validatingwebhookconfigurations/{namespace}", patch),
        ("cainjector", f"{admission}/mutatingwebhookconfigurations/{namespace}", patch),
    ]


_MONITORING = """
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, annotations: {meta.helm.sh/release-name: monitoring, meta.helm.sh/release-namespace: x}}
    spec:
      replicas: 2
      selector: {matchLabels: {app: web}}
      template: &pod
        metadata: {labels: {app: web}, creationTimestamp: null}
        spec: {nodeSelector: {"gpu": null}, containers: [{name: c, image: "c:1", resources: null}]}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: worker, labels: {kustomize.toolkit.fluxcd.io/name: apps}}
    spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: *pod}
  - apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata: {name: web, annotations: {argocd.argoproj.io/tracking-id: "web:autoscaling/web"}}
    spec:
      scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
      maxReplicas: 9
      metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
  - apiVersion: autoscaling/v1
    kind: HorizontalPodAutoscaler
    metadata: {name: worker}
    spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: worker}, maxReplicas: 9, minReplicas: 2}
---
apiVersion: v1
kind: ConfigMapList
items:
  - {metadata: {name: text}, data: {a: "🚀", empty: null, accents: "déjà vu", wide: "漢字"}, binaryData: {b: 8J+agA==}}
---
apiVersion: v1
kind: Secret
metadata: {name: certificate, labels: {helm.toolkit.fluxcd.io/name: x}}
type: kubernetes.io/tls
data: {tls.crt: "", tls.key: ""}
"""


def monitoring(namespace: str, certificate: str) -> tuple[list[Json], list[Write]]:
    """Lists, two API versions of one kind, autoscalers, emoji, nulls, and the marks of four other tools."""
    apps = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    scaled = {"spec": {"replicas": 5}}
    return parsed(_MONITORING), [
        ("kube-controller-manager", f"{apps}/web/scale", scaled),
        ("kube-controller-manager", f"{apps}/worker/scale", scaled),
        (
            "certificates",
            f"/api/v1/namespaces/{namespace}/secrets/certificate",
            {"data": {"tls.crt": certificate, "tls.key": "eA=="}},
        ),
    ]


_EXPORTED = """
apiVersion: v1
kind: Service
metadata: {name: nodes, creationTimestamp: null}
spec:
  type: NodePort
  clusterIP: ""
  clusterIPs: []
  healthCheckNodePort: 0
  ipFamilies: []
  ports: [{port: 80, nodePort: 0, protocol: TCP}]
  selector: {app: web}
status: {loadBalancer: {}}
---
apiVersion: v1
kind: Endpoints
metadata: {name: nodes}
subsets: []
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, annotations: {pv.kubernetes.io/bind-completed: "no", volume.kubernetes.io/selected-node: ""}}
spec: {volumeName: "", accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
secrets: []
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {selector: null, template: {spec: {restartPolicy: Never, containers: [{name: c, image: "c:1"}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, annotations: {deployment.kubernetes.io/revision: "7"}, finalizers: []}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {serviceAccount: robot, containers: [{name: c, image: "c:1", env: [{name: A, value: null}]}]}
status: {observedGeneration: 3, replicas: 2}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: leader}
spec: {holderIdentity: "", leaseTransitions: 0}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.$group}
spec:
  group: $group
  version: v1
  groupPriorityMinimum: 100
  versionPriority: 100
  caBundle: ""
  service: {namespace: x, name: y}
"""


def exported(namespace: str, certificate: str) -> tuple[list[Json], list[Write]]:
    """Objects from ``kubectl get -o yaml``, with empty or old fields of the server and of controllers."""
    group, core = f"{namespace}.api.{GROUP}", f"/api/v1/namespaces/{namespace}"
    return parsed(_EXPORTED, group=group), [
        (
            "kube-controller-manager",
            f"{core}/endpoints/nodes",
            {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]},
        ),
        (
            "kube-controller-manager",
            f"{core}/persistentvolumeclaims/data",
            {
                "metadata": {
                    "annotations": {"pv.kubernetes.io/bind-completed": "yes", "volume.kubernetes.io/selected-node": "n"}
                },
                "spec": {"volumeName": "pv-1"},
            },
        ),
        ("kube-controller-manager", f"{core}/serviceaccounts/robot", {"secrets": [{"name": "robot-token"}]}),
        (
            "kube-controller-manager",
            f"/apis/apps/v1/namespaces/{namespace}/deployments/api",
            {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}},
        ),
        (
            "leader",
            f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/leader",
            {"spec": {"holderIdentity": "pod-1", "leaseTransitions": 4}},
        ),
        (
            "cainjector",
            f"/apis/apiregistration.k8s.io/v1/apiservices/v1.{group}",
            {"spec": {"caBundle": certificate}},
        ),
    ]
