# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which objects are applied and deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from .objects import Key

CRDS, NAMESPACES, FOUNDATIONS, WORKLOADS, ADMISSION = range(5)

_PHASES: Final[dict[tuple[str, str], int]] = {
    ("apiextensions.k8s.io", "CustomResourceDefinition"): CRDS,
    ("", "Namespace"): NAMESPACES,
}
_FOUNDATION_GROUPS: Final = frozenset(
    {"rbac.authorization.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "node.k8s.io"}
)
_FOUNDATIONS: Final = frozenset(
    {
        ("", "ConfigMap"),
        ("", "LimitRange"),
        ("", "PersistentVolume"),
        ("", "PersistentVolumeClaim"),
        ("", "ResourceQuota"),
        ("", "Secret"),
        ("", "ServiceAccount"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("policy", "PodDisruptionBudget"),
    }
)
_ADMISSION_GROUPS: Final = frozenset({"admissionregistration.k8s.io", "apiregistration.k8s.io"})


def phase(key: Key) -> int:
    """Return the step in which an object is applied; all objects of a step are sent concurrently."""
    group_kind = (key.group, key.kind)
    if group_kind in _PHASES:
        return _PHASES[group_kind]
    if group_kind in _FOUNDATIONS or key.group in _FOUNDATION_GROUPS:
        return FOUNDATIONS
    return ADMISSION if key.group in _ADMISSION_GROUPS else WORKLOADS


def phases[T](items: Iterable[T], key: Callable[[T], Key], *, removing: bool = False) -> list[list[T]]:
    """Return items by step in order of creation, or in reverse order for deletion."""
    steps: dict[int, list[T]] = {}
    for item in items:
        steps.setdefault(phase(key(item)), []).append(item)
    return [steps[number] for number in sorted(steps, reverse=removing)]
