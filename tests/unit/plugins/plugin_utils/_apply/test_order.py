# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects are created before objects that need them, and removed after them."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import Key
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.order import phases

# The kinds of each step, which later steps need.
STEPS = [
    ["CustomResourceDefinition.apiextensions.k8s.io"],
    ["Namespace"],
    [
        "ClusterRole.rbac.authorization.k8s.io",
        "RoleBinding.rbac.authorization.k8s.io",
        "PriorityClass.scheduling.k8s.io",
        "StorageClass.storage.k8s.io",
        "RuntimeClass.node.k8s.io",
        "IngressClass.networking.k8s.io",
        "NetworkPolicy.networking.k8s.io",
        "PodDisruptionBudget.policy",
        *("ConfigMap", "LimitRange", "PersistentVolume", "PersistentVolumeClaim", "ResourceQuota", "Secret"),
        "ServiceAccount",
    ],
    [
        *("Deployment.apps", "StatefulSet.apps", "Job.batch", "Service", "Pod"),
        "Ingress.networking.k8s.io",
        "HorizontalPodAutoscaler.autoscaling",
        # Kinds of the same names in other groups are custom ones.
        *("Namespace.example.com", "ConfigMap.example.com", "CustomResourceDefinition"),
    ],
    ["ValidatingWebhookConfiguration.admissionregistration.k8s.io", "APIService.apiregistration.k8s.io"],
]


def key(text: str) -> Key:
    kind, _, group = text.partition(".")
    return Key(group, kind, "", "x")


@pytest.mark.parametrize("removing", [False, True])
def test_each_kind_has_its_step(removing: bool) -> None:
    mixed = sorted(itertools.chain(*STEPS))
    expected = [sorted(step) for step in (reversed(STEPS) if removing else STEPS)]
    assert phases(mixed, key, removing=removing) == expected


def test_objects_of_a_step_keep_their_order_and_steps_without_any_are_none() -> None:
    given = ["Secret", "Pod", "ConfigMap", "Job.batch"]
    assert phases(given, key) == [["Secret", "ConfigMap"], ["Pod", "Job.batch"]]
    assert phases([], key) == []
