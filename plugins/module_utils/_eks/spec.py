# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of argument specs; their documentation is the fragment C(dataplatform.fleet.eks)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .aliases import Value

Spec = dict[str, Any]

COMMON: Spec = {"state": {"choices": ["present", "absent"], "default": "present"}}
TAGS: Spec = {
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
WAIT: Spec = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 3600},
}


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
