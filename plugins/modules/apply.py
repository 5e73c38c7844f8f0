#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Carried out on the controller by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Apply a set of Kubernetes objects
version_added: 0.1.0
description:
  - Makes a named set of Kubernetes objects what is rendered, in as few requests as possible.
  - Objects are rendered from the calling role's templates, ordered, read with one list per kind, planned, applied
    concurrently by server-side apply, and waited for together.
  - What is no longer rendered is removed. Which objects belong to the set is recorded as the ApplySet specification
    (KEP-3659) says, on a ConfigMap named O(name) with the suffix C(-applyset) in O(namespace).
  - An object is unchanged when the fields this module owns are exactly the rendered ones and their live values are the
    same after normalisation. In any doubt the API server decides, by a dry run of that object alone.
  - Fields that others changed are taken back, and the result names whom they were taken from. Fields that a controller
    writes by design are left to it, and named too; such as the rules of an aggregated ClusterRole, an injected
    C(caBundle), the replicas of what a HorizontalPodAutoscaler scales, the volume that a claim is bound to.
  - What of an object is not sent, such as the C(status) of a kind whose controller alone writes it, is said in a
    warning. A C(null) says the same as no field, but where the server stores it.
  - The claim templates of a StatefulSet cannot be changed. A larger size is given to the claims made from them, whose
    volumes grow, and the StatefulSet is replaced by one with larger templates; its pods and claims stay, and no pod is
    restarted for it. A smaller size is an error before anything is changed.
  - A Job that has failed is deleted and created again, because it would never run again by itself. One that has
    succeeded and that C(ttlSecondsAfterFinished) has removed is not created again, unless its template changes; the
    set's parent object remembers it if O(wait) has seen it succeed.
  - In check mode the same plan is made by dry run. For a cluster that does not exist yet, everything will be created.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
options:
  name:
    description:
      - The set's name. Two sets of one namespace have different names.
    type: str
    required: true
  namespace:
    description:
      - The namespace of the set's parent object, and of objects that name none.
    type: str
    required: true
  templates:
    description:
      - Templates of the calling role, as names or globs relative to its C(templates) folder; V(.) is every
        C(*.yaml.j2) in it. Outside roles, relative to C(templates) beside the playbook.
      - A template may import macros of files beside it, in the folders where C(ansible.builtin.template) looks, and in
        C(templates) of this collection, whose C(workloads.j2) has what workloads have in common.
      - A variable is evaluated at its first use, and has that value in all templates of the task.
      - Each file may hold several YAML documents, and objects of kind List.
      - YAML is read as C(kubectl) reads it, so that C(y), C(0644) and C(1e3) mean the same to both. A key or an anchor
        that is there twice is an error, and characters may be written as JSON's two escapes.
      - Required, or O(definition), if O(state=present).
    type: list
    elements: str
  definition:
    description:
      - The objects themselves, instead of templates. An object, YAML text, or a list of both. Text is read as
        C(kubectl) reads it, an object as Ansible does.
    type: raw
  state:
    description:
      - V(present) makes the set what is rendered; V(absent) removes the whole set, its parent last.
    type: str
    choices: [present, absent]
    default: present
  cluster:
    description:
      - An EKS cluster. Its endpoint and certificate are looked up when the task runs, and tokens are made when they are
        used, so it may have been created earlier in the same play and a task may outlive a token.
    type: str
  kubeconfig:
    description:
      - A kubeconfig file, or several that are separated as in E(KUBECONFIG). O(cluster) is then only the name by which
        O(confirm) confirms, and no cluster of EKS.
    type: path
  context:
    description:
      - The context of O(kubeconfig); its current one by default.
    type: str
  host:
    description:
      - An API server's URL, instead of O(cluster).
    type: str
  ca_cert:
    description:
      - With O(host), the certificates to trust; a file or PEM text.
    type: str
  api_key:
    description:
      - With O(host), a bearer token.
    type: str
  client_cert:
    description:
      - With O(host), a client certificate; a file or PEM text.
    type: str
  client_key:
    description:
      - The key of O(client_cert); a file or PEM text.
    type: str
  proxy_url:
    description:
      - An HTTP proxy through which the API server is reached.
      - Without it, and without one in O(kubeconfig), it is the one that E(HTTPS_PROXY) names on the controller, unless
        E(NO_PROXY) has the server's name, a domain of it, its address or a block of addresses with it. A server on
        loopback is reached directly.
    type: str
  tls_server_name:
    description:
      - The name that the API server's certificate is checked for, when it is not the one in its URL.
    type: str
  wait:
    description:
      - Wait until all objects of the set are ready, and those that were pruned or that O(state=absent) removed are
        gone.
      - The rules are those of kstatus, U(https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus). A Job
        is waited for until it ends, a Service of type LoadBalancer until it has an address. A custom object is ready
        when its condition C(Ready) says so, and without that when its controller has seen its last change.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait for all objects together. When they are over, the error says what hangs and why.
    type: int
    default: 600
  force:
    description:
      - Take fields over that other managers changed; with V(false) such a conflict is an error.
    type: bool
    default: true
  ignore_fields:
    description:
      - Fields that are left to others, such as C(spec.replicas) to an autoscaler. A new object gets them as rendered.
    type: list
    elements: dict
    suboptions:
      kind:
        description:
          - Only objects of this kind.
        type: str
      name:
        description:
          - Only objects of this name.
        type: str
      namespace:
        description:
          - Only objects of this namespace.
        type: str
      fields:
        description:
          - Paths, such as C(spec.replicas), C(metadata.annotations['a.b/c']) or C(spec.containers[name=app].image).
        type: list
        elements: str
        required: true
  prune:
    description:
      - Remove what is no longer rendered.
    type: bool
    default: true
  prune_limit:
    description:
      - The largest share of the set that may be removed.
    type: float
    default: 0.5
  confirm:
    description:
      - The name of O(cluster) or of the set, typed, without which no Namespace, CustomResourceDefinition,
        PersistentVolume, PersistentVolumeClaim, or StatefulSet with claim templates is removed.
    type: str
  allow_namespaces:
    description:
      - Whether the set may have Namespaces. They belong to the guardrails role alone.
    type: bool
    default: false
extends_documentation_fragment:
  - dataplatform.fleet.attributes
  - amazon.aws.common.modules
  - amazon.aws.region.modules
requirements:
  - python >= 3.12
  - urllib3
  - boto3 for O(cluster)
  - kubernetes for a O(kubeconfig) with an exec plugin
"""

EXAMPLES = r"""
- name: Apply the Fluent Bit objects
  dataplatform.fleet.apply:
    name: fluent-bit
    namespace: logging
    cluster: dataplatform-staging
    templates: .

- name: Leave the replicas to an autoscaler
  dataplatform.fleet.apply:
    name: web
    namespace: web
    cluster: dataplatform-staging
    templates: [web.yaml.j2, config/*.yaml.j2]
    ignore_fields:
      - kind: Deployment
        name: web
        fields: [spec.replicas]

- name: Apply one object from a variable
  dataplatform.fleet.apply:
    name: motd
    namespace: default
    kubeconfig: ~/.kube/config
    context: staging
    definition:
      apiVersion: v1
      kind: ConfigMap
      metadata:
        name: motd
      data:
        text: hello

- name: Remove a set and the data in its volumes
  dataplatform.fleet.apply:
    name: kafka
    namespace: kafka
    cluster: dataplatform-testing
    state: absent
    confirm: dataplatform-testing
"""

RETURN = r"""
objects:
  description: Every object of the set, its parent included, and what happened to it.
  returned: success
  type: list
  elements: dict
  contains:
    apiVersion:
      description: The object's API version.
      returned: always
      type: str
      sample: apps/v1
    kind:
      description: The object's kind.
      returned: always
      type: str
      sample: Deployment
    namespace:
      description: The object's namespace, empty for kinds that have none.
      returned: always
      type: str
      sample: web
    name:
      description: The object's name.
      returned: always
      type: str
      sample: web
    action:
      description:
        - What happened; V(created), V(patched), V(replaced), V(pruned), V(released) or V(unchanged).
        - A namespace that every cluster has, such as C(kube-system), is released where others are pruned. It
          stays, without what the set gave it.
      returned: always
      type: str
      sample: patched
    fields:
      description: The fields that a patch changed.
      returned: always
      type: list
      elements: str
      sample: ["spec.replicas"]
    taken_from:
      description: Other managers whose values were replaced, with the fields.
      returned: always
      type: list
      elements: dict
      sample: [{"manager": "kubectl-edit", "fields": ["spec.replicas"]}]
    left_to:
      description: Controllers to which fields are left that they write by design, with the fields.
      returned: always
      type: list
      elements: dict
      sample: [{"manager": "kube-controller-manager", "fields": ["spec.replicas"]}]
load_balancers:
  description: The load balancers of the set's Services of type LoadBalancer.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: The Service's namespace.
      returned: always
      type: str
      sample: web
    name:
      description: The Service's name.
      returned: always
      type: str
      sample: web
    hostname:
      description:
        - The load balancer's name, or its address where it has no name.
        - Empty as long as there is none, such as in check mode for a Service that is new.
      returned: always
      type: str
      sample: k8s-web-web-0123456789-0123456789abcdef.elb.eu-central-1.amazonaws.com
requests:
  description: How many requests the API server was sent.
  returned: success
  type: int
  sample: 9
diff:
  description: The changed objects before and after, without the server's bookkeeping; secret values only as hashes.
  returned: in diff mode
  type: list
  elements: dict
  sample: [{"before_header": "ConfigMap web/web", "after_header": "ConfigMap web/web", "before": {}, "after": {}}]
"""
