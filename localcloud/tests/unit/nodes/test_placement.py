# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement of pods on the real node."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.controllers.nodespec import REAL
from localcloud.nodes import placement
from localcloud.nodes.images import State

NODE = {
    "metadata": {"labels": {REAL: "true", "pool": "general"}},
    "spec": {
        "taints": [
            {"key": "dedicated", "value": "kafka", "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"},
            {"key": "slow", "effect": "PreferNoSchedule"},
        ]
    },
}


def _pod(**spec: Any) -> dict[str, Any]:
    tolerations = [{"key": "dedicated", "operator": "Exists"}]
    gates = [{"name": placement.GATE}]
    return {"metadata": {"name": "p"}, "spec": {"tolerations": tolerations, "schedulingGates": gates, **spec}}


def test_images_decide() -> None:
    assert placement.decide(_pod(), NODE, State.PRESENT) == placement.TO_REAL
    assert placement.decide(_pod(), NODE, State.ABSENT) == placement.TO_SIMULATED


def test_a_pod_waits_until_images_and_node_are_ready() -> None:
    assert placement.decide(_pod(), NODE, State.PENDING) is None
    assert placement.decide(_pod(), None, State.PRESENT) is None


def test_pod_without_an_image_does_not_wait_for_the_node() -> None:
    assert placement.decide(_pod(), None, State.ABSENT) == placement.TO_SIMULATED


@pytest.mark.parametrize("spec", [{"tolerations": []}, {"nodeSelector": {"pool": "other"}}])
def test_a_pod_that_does_not_fit_the_real_node_runs_on_simulated_nodes(spec: dict[str, Any]) -> None:
    assert placement.decide(_pod(**spec), NODE, State.PRESENT) == placement.TO_SIMULATED


def test_release_takes_only_its_own_gate() -> None:
    pod = _pod(schedulingGates=[{"name": "other"}, {"name": placement.GATE}])
    assert placement.held(pod)
    patch = placement.release(pod, placement.TO_REAL)
    assert patch == {"spec": {"schedulingGates": [{"name": "other"}], "nodeSelector": {REAL: "true"}}}
    assert placement.release(_pod(), {}) == {"spec": {"schedulingGates": None}}


def test_pods_without_the_gate_and_terminating_pods_do_not_wait() -> None:
    assert not placement.held(_pod(schedulingGates=[{"name": "other"}]))
    assert not placement.held({**_pod(), "metadata": {"deletionTimestamp": "now"}})


def _affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def test_node_of_a_daemon_sets_pod() -> None:
    field = {"key": "metadata.name", "operator": "In", "values": ["n"]}
    assert placement.bound_to(_pod(affinity=_affinity({"matchFields": [field]}))) == "n"
    assert placement.bound_to(_pod()) == ""


def test_daemon_set_keeps_its_own_terms_and_is_changed_once() -> None:
    away = {"key": REAL, "operator": "DoesNotExist"}
    assert placement.without_real({}) == _affinity({"matchExpressions": [away]})
    own = {"key": "pool", "operator": "Exists"}
    before = {"affinity": {"podAffinity": {"x": 1}, **_affinity({"matchExpressions": [own]}, {"matchFields": []})}}
    after = placement.without_real(before)
    terms = ({"matchExpressions": [own, away]}, {"matchFields": [], "matchExpressions": [away]})
    assert after == {"podAffinity": {"x": 1}, **_affinity(*terms)}
    assert placement.without_real({"affinity": after}) is None
    assert before["affinity"]["podAffinity"] == {"x": 1}


@pytest.mark.parametrize(("node", "reason", "expected"), [
    ("n", "ErrImagePull", True), ("n", "ImagePullBackOff", True), ("n", "CrashLoopBackOff", False),
    ("other", "ErrImagePull", False),
])  # fmt: skip
def test_pods_that_wait_for_an_image_on_the_real_node(node: str, reason: str, expected: bool) -> None:
    status = {"containerStatuses": [{"state": {"running": {}}}, {"state": {"waiting": {"reason": reason}}}]}
    assert placement.lacks_image({**_pod(nodeName=node), "status": status}, {"n"}) is expected


@pytest.mark.parametrize(("version", "expected"), [("1.35", False), ("1.36", True), ("1.37", True), ("2.0", True)])
def test_versions_with_the_admission_policy(version: str, expected: bool) -> None:
    assert placement.supported(version) is expected
