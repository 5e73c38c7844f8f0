#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: component_info
short_description: List what runs in a cluster
version_added: 0.1.0
author: The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - Lists the Deployments, StatefulSets and DaemonSets of all ApplySets of a cluster, which are what
    M(dataplatform.fleet.apply) applied there, with how many of their pods are ready and the version of their image.
options:
  cluster:
    description:
      - Name of an EKS cluster. One that does not exist has no components.
    type: str
attributes:
  check_mode:
    description: Can run in check mode and returns the same as without it.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to show.
    support: none
notes:
  - This is an action plugin, it talks to AWS and Kubernetes from the controller.
  - "Needs C(eks:DescribeCluster), and in Kubernetes the right to list ConfigMaps, Nodes, Pods and workloads."
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - dataplatform.fleet.connection
seealso:
  - module: dataplatform.fleet.apply
"""

EXAMPLES = r"""
- name: See what runs in staging
  dataplatform.fleet.component_info:
    cluster: dataplatform-staging
    region: eu-central-1
  register: staging

- name: Show it
  ansible.builtin.debug:
    msg: "{{ staging.table }}"
"""

RETURN = r"""
exists:
  description: Whether there is such a cluster.
  returned: success
  type: bool
components:
  description: The workloads, by set, namespace and name.
  returned: success
  type: list
  elements: dict
  contains:
    applyset:
      description: The name of the set that it belongs to.
      type: str
    namespace:
      description: Its namespace.
      type: str
    name:
      description: Its name.
      type: str
    kind:
      description: V(Deployment), V(StatefulSet) or V(DaemonSet).
      type: str
    desired:
      description: How many pods there shall be.
      type: int
    ready:
      description: How many of them are ready and of the newest form.
      type: int
    version:
      description: The tag of its first image.
      type: str
    images:
      description: The images of its containers.
      type: list
      elements: str
    simulated:
      description: Whether all of its pods are on simulated nodes, as those of the local cloud, where nothing runs.
      type: bool
  sample:
    - applyset: ingress-nginx
      namespace: ingress-nginx
      name: ingress-nginx
      kind: Deployment
      desired: 2
      ready: 2
      version: 5.5.4
      images: ["docker.io/nginx/nginx-ingress:5.5.4"]
      simulated: false
table:
  description: The same for people.
  returned: success
  type: str
"""
