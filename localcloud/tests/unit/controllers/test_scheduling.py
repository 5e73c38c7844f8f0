# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes Auto Mode starts for pending pods."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.controllers import scheduling
from localcloud.controllers.instances import INSTANCE_TYPES
from localcloud.controllers.scheduling import POOLS, Requests

BOTH = [POOLS["general-purpose"], POOLS["system"]]
ZONES = ["a", "b"]


def _pod(cpu: str = "100m", memory: str = "64Mi", **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    return {"metadata": {"name": "pod", "namespace": "default"}, "spec": {"containers": [container], **spec}}


def _launch(*pods: dict[str, Any], bound: set[str] | None = None) -> list[scheduling.Launch]:
    return scheduling.launches([(pod, bound) for pod in pods], BOTH, ZONES, Requests())


def test_small_pods_share_the_smallest_node() -> None:
    (launch,) = _launch(*[_pod() for _ in range(5)])
    assert launch.types[0].name == "c6i.large"
    assert launch.pool.name == "general-purpose"
    assert len(launch.pods) == 5


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [("1", "6Gi", "m6i.large"), ("1", "12Gi", "r6i.large"), ("3", "4Gi", "c6i.xlarge"), ("30", "1Gi", "c6i.8xlarge")],
)
def test_type_that_fits(cpu: str, memory: str, expected: str) -> None:
    (launch,) = _launch(_pod(cpu, memory))
    assert launch.types[0].name == expected


def test_pod_too_big_for_any_type_gets_no_node() -> None:
    assert _launch(_pod("40")) == []


def test_pods_that_keep_apart_get_nodes_of_their_own() -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert len(_launch(_pod(affinity=apart), _pod(affinity=apart))) == 2


@pytest.mark.parametrize(
    ("selector", "tolerations", "pool"),
    [
        ({}, [], "general-purpose"),
        ({"karpenter.sh/nodepool": "system"}, [], None),
        ({"karpenter.sh/nodepool": "system"}, [{"key": "CriticalAddonsOnly", "operator": "Exists"}], "system"),
        ({"kubernetes.io/arch": "arm64"}, [{"operator": "Exists"}], "system"),
        ({"kubernetes.io/arch": "arm64"}, [], None),
        ({"eks.amazonaws.com/nodegroup": "main"}, [], None),
    ],
)
def test_pool(selector: dict[str, str], tolerations: list[dict[str, str]], pool: str | None) -> None:
    launched = _launch(_pod(nodeSelector=selector, tolerations=tolerations))
    assert [launch.pool.name for launch in launched] == ([pool] if pool else [])


def test_volumes_decide_the_zone() -> None:
    (launch,) = _launch(_pod(), bound={"b"})
    assert launch.zones == ["b"]


def test_zone_of_a_bound_volume() -> None:
    expression = {"key": "topology.ebs.csi.aws.com/zone", "operator": "In", "values": ["b"]}
    volume = {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}}
    pod = _pod(volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])
    claims = {"default/data": {"spec": {"volumeName": "pv"}}}
    assert scheduling.volume_zones(pod, claims, {"pv": volume}) == {"b"}
    assert scheduling.volume_zones(_pod(), claims, {"pv": volume}) is None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "k", "operator": "In", "values": ["4"]}, True),
        ({"key": "k", "operator": "NotIn", "values": ["4"]}, False),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "other", "operator": "DoesNotExist"}, True),
        ({"key": "k", "operator": "Gt", "values": ["3"]}, True),
        ({"key": "k", "operator": "Lt", "values": ["3"]}, False),
        ({"key": "other", "operator": "Gt", "values": ["3"]}, False),
    ],
)
def test_required_affinity(expression: dict[str, Any], expected: bool) -> None:
    required = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    }
    assert scheduling.selects(_pod(affinity={"nodeAffinity": required}), {"k": "4"}) is expected


def test_init_containers_overlap_and_sidecars_add_up() -> None:
    def container(cpu: str, **more: str) -> dict[str, Any]:
        return {"name": cpu, "resources": {"requests": {"cpu": cpu}}, **more}

    pod = _pod("100m", initContainers=[container("300m"), container("50m", restartPolicy="Always")])
    assert scheduling.requests_of(pod).cpu == 350


def test_daemon_sets_take_their_part_of_every_node() -> None:
    overhead = Requests(cpu=1500)
    (launch,) = scheduling.launches([(_pod("500m"), None)], BOTH, ZONES, overhead)
    assert launch.types[0].name == "c6i.xlarge"
    assert INSTANCE_TYPES["c6i.large"] not in launch.types
