# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of argument specs; their documentation is the fragment C(dataplatform.fleet.eks)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._aws.aliases import Value
from .._aws.spec import ADOPT, STATE, TAGS, WAIT, Spec

CLUSTER: Spec = {"cluster_name": {"required": True, "aliases": ["cluster"]}}


def strings(**more: Value) -> Spec:
    """A list of strings."""
    return {"type": "list", "elements": "str", **more}


def nested(options: Mapping[str, Any], **more: Value) -> Spec:
    """A dictionary with options of its own."""
    return {"type": "dict", "options": dict(options), **more}


_SPREAD: Spec = {"spread_level": {"choices": ["host", "rack"]}}
_SCORING: Spec = {
    "type": {"choices": ["LeastAllocated", "MostAllocated"]},
    "resources": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"required": True}, "weight": {"type": "int"}},
    },
}
CONTROL_PLANE: Spec = {
    "kube_api_server_config": nested(
        {
            "event_ttl": {},
            "service_node_port_range": nested({"min_port": {"type": "int"}, "max_port": {"type": "int"}}),
        }
    ),
    "kube_scheduler_config": nested({"node_resources_fit": nested({"scoring_strategy": nested(_SCORING)})}),
    "kube_controller_manager_config": nested(
        {
            "pod_gc_controller_config": nested({"terminated_pod_gc_threshold": {"type": "int"}}),
            "horizontal_pod_autoscaler_controller_config": nested({"horizontal_pod_autoscaler_sync_period": {}}),
        }
    ),
    "outpost_config": nested(
        {
            "outpost_arns": strings(required=True),
            "control_plane_instance_type": {"required": True},
            "control_plane_placement": nested({"group_name": {}, **_SPREAD}),
            "etcd_instance_type": {},
            "etcd_placement": nested(_SPREAD),
        }
    ),
}

_INT: Spec = {"type": "int"}
_OVERRIDE: Spec = {
    "node_monitoring_condition": {"required": True},
    "node_unhealthy_reason": {"required": True},
    "min_repair_wait_time_mins": {"type": "int", "required": True},
    "repair_action": {"required": True, "choices": ["Replace", "Reboot", "NoAction"]},
}
_TAINT: Spec = {
    "key": {"required": True, "no_log": False},
    "value": {"type": "raw"},
    "effect": {
        "required": True,
        "choices": [
            "NO_SCHEDULE",
            "NO_EXECUTE",
            "PREFER_NO_SCHEDULE",
            "NoSchedule",
            "NoExecute",
            "PreferNoSchedule",
        ],
    },
}
AMI_TYPES = [
    "AL2023_ARM_64_NVIDIA",
    "AL2023_ARM_64_STANDARD",
    "AL2023_x86_64_NEURON",
    "AL2023_x86_64_NVIDIA",
    "AL2023_x86_64_STANDARD",
    "AL2_ARM_64",
    "AL2_x86_64",
    "AL2_x86_64_GPU",
    "BOTTLEROCKET_ARM_64",
    "BOTTLEROCKET_ARM_64_FIPS",
    "BOTTLEROCKET_ARM_64_NVIDIA",
    "BOTTLEROCKET_ARM_64_NVIDIA_FIPS",
    "BOTTLEROCKET_x86_64",
    "BOTTLEROCKET_x86_64_FIPS",
    "BOTTLEROCKET_x86_64_NVIDIA",
    "BOTTLEROCKET_x86_64_NVIDIA_FIPS",
    "CUSTOM",
    "WINDOWS_CORE_2019_x86_64",
    "WINDOWS_CORE_2022_x86_64",
    "WINDOWS_CORE_2025_x86_64",
    "WINDOWS_FULL_2019_x86_64",
    "WINDOWS_FULL_2022_x86_64",
    "WINDOWS_FULL_2025_x86_64",
]
NODEGROUP: Spec = {
    "name": {"required": True, "aliases": ["nodegroup_name"]},
    "node_role_arn": {"aliases": ["node_role"]},
    "subnet_ids": strings(aliases=["subnets"]),
    "instance_types": strings(),
    "ami_type": {"choices": AMI_TYPES},
    "capacity_type": {"choices": ["ON_DEMAND", "SPOT", "CAPACITY_BLOCK"]},
    "disk_size": _INT,
    "min_size": _INT,
    "max_size": _INT,
    "desired_size": _INT,
    "desired_size_policy": {"choices": ["initial", "always"], "default": "initial"},
    "labels": {"type": "dict"},
    "purge_labels": {"type": "bool", "default": True},
    "taints": {"type": "list", "elements": "dict", "options": _TAINT},
    "launch_template": nested(
        {"id": {}, "name": {}, "version": {}},
        mutually_exclusive=[["id", "name"]],
        required_one_of=[["id", "name"]],
    ),
    "remote_access": nested({"ec2_ssh_key": {"no_log": False}, "source_security_groups": strings()}),
    "version": {},
    "release_version": {},
    "update_config": nested(
        {
            "max_unavailable": _INT,
            "max_unavailable_percentage": _INT,
            "update_strategy": {"choices": ["DEFAULT", "MINIMAL"]},
        },
        mutually_exclusive=[["max_unavailable", "max_unavailable_percentage"]],
    ),
    "node_repair_config": nested(
        {
            "enabled": {"type": "bool"},
            "max_unhealthy_node_threshold_count": _INT,
            "max_unhealthy_node_threshold_percentage": _INT,
            "max_parallel_nodes_repaired_count": _INT,
            "max_parallel_nodes_repaired_percentage": _INT,
            "node_repair_config_overrides": {
                "type": "list",
                "elements": "dict",
                "options": _OVERRIDE,
            },
        },
        mutually_exclusive=[
            ["max_unhealthy_node_threshold_count", "max_unhealthy_node_threshold_percentage"],
            ["max_parallel_nodes_repaired_count", "max_parallel_nodes_repaired_percentage"],
        ],
    ),
    "warm_pool_config": nested(
        {
            "enabled": {"type": "bool"},
            "min_size": _INT,
            "max_group_prepared_capacity": _INT,
            "pool_state": {"choices": ["STOPPED", "RUNNING", "HIBERNATED"]},
            "reuse_on_scale_in": {"type": "bool"},
        }
    ),
    "force": {"type": "bool", "default": False},
    **STATE,
    **CLUSTER,
    **TAGS,
    **ADOPT,
    **WAIT,
}
