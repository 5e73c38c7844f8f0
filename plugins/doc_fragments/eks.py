# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # The cluster that a resource belongs to.
    CLUSTER = r"""
options:
  cluster_name:
    description:
      - The name of the cluster.
    type: str
    required: true
    aliases: [cluster]
"""

    # The rarer settings of eks_cluster.
    CONTROL_PLANE = r"""
options:
  kube_api_server_config:
    description:
      - Settings of the kube-apiserver.
    type: dict
    suboptions:
      event_ttl:
        description:
          - How long events are kept, such as V(1h).
        type: str
      service_node_port_range:
        description:
          - The ports that Services of type NodePort may have.
        type: dict
        suboptions:
          min_port:
            description:
              - The first port.
            type: int
          max_port:
            description:
              - The last port.
            type: int
  kube_scheduler_config:
    description:
      - Settings of the kube-scheduler.
    type: dict
    suboptions:
      node_resources_fit:
        description:
          - How nodes are scored by their resources.
        type: dict
        suboptions:
          scoring_strategy:
            description:
              - The scoring strategy.
            type: dict
            suboptions:
              type:
                description:
                  - Whether to spread pods or to pack them.
                type: str
                choices: [LeastAllocated, MostAllocated]
              resources:
                description:
                  - The resources that count.
                type: list
                elements: dict
                suboptions:
                  name:
                    description:
                      - The resource, such as V(cpu).
                    type: str
                    required: true
                  weight:
                    description:
                      - Its weight, from 1 to 100.
                    type: int
  kube_controller_manager_config:
    description:
      - Settings of the kube-controller-manager.
    type: dict
    suboptions:
      pod_gc_controller_config:
        description:
          - The collector of terminated pods.
        type: dict
        suboptions:
          terminated_pod_gc_threshold:
            description:
              - How many terminated pods may exist before some are deleted.
            type: int
      horizontal_pod_autoscaler_controller_config:
        description:
          - The horizontal pod autoscaler.
        type: dict
        suboptions:
          horizontal_pod_autoscaler_sync_period:
            description:
              - How often it looks, such as V(15s).
            type: str
  outpost_config:
    description:
      - A Kubernetes control plane on AWS Outposts. Cannot be changed.
    type: dict
    suboptions:
      outpost_arns:
        description:
          - The ARN of the Outpost.
        type: list
        elements: str
        required: true
      control_plane_instance_type:
        description:
          - The instance type of the Kubernetes control plane.
        type: str
        required: true
      control_plane_placement:
        description:
          - Where the Kubernetes control plane's instances go.
        type: dict
        suboptions:
          group_name:
            description:
              - The placement group.
            type: str
          spread_level:
            description:
              - Whether instances are spread over hosts or racks.
            type: str
            choices: [host, rack]
      etcd_instance_type:
        description:
          - The instance type of etcd.
        type: str
      etcd_placement:
        description:
          - Where etcd's instances go.
        type: dict
        suboptions:
          spread_level:
            description:
              - Whether instances are spread over hosts or racks.
            type: str
            choices: [host, rack]
"""
