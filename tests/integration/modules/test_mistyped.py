# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mistyped id or name is refused immediately: the modules wait only for resources that can appear."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytestmark = pytest.mark.integration

NO_ROLE = "arn:aws:iam::000000000000:role/mistyped"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between repeated calls; those between looks at what is being made are the poller's own."""
    taken: list[float] = []
    monkeypatch.setattr(time, "sleep", taken.append)
    return taken


@pytest.fixture
def workers(cluster: str, network: Any, node_role: str) -> dict[str, Any]:
    place = {"cluster_name": cluster, "name": "mistyped", "subnet_ids": network.subnet_ids[:1]}
    return {**place, "node_role_arn": node_role}


def test_the_role_of_a_cluster(run: Any, new_cluster: Any, waits: list[float]) -> None:
    refused = run.fails("eks_cluster", **{**new_cluster(), "role_arn": NO_ROLE})
    assert NO_ROLE in refused["msg"]
    assert (refused["changed"], refused["actions"], waits) == (False, [], [])


@pytest.mark.parametrize(
    "given",
    [
        {"node_role_arn": NO_ROLE},
        {"launch_template": {"id": "lt-0123456789abcdef0", "version": "1"}},
        {"launch_template": {"name": "mistyped"}},
    ],
)
def test_parameters_of_a_node_group(
    run: Any, workers: dict[str, Any], waits: list[float], given: dict[str, Any]
) -> None:
    refused = run.fails("eks_nodegroup", **{**workers, **given})
    assert "mistyped" in refused["msg"]
    assert (refused["actions"], waits) == ([], [])


def test_the_role_of_an_association(run: Any, cluster: str, waits: list[float]) -> None:
    place = {"cluster_name": cluster, "namespace": "default", "service_account": "mistyped"}
    refused = run.fails("eks_pod_identity_association", **place, role_arn=NO_ROLE)
    assert "mistyped" in refused["msg"]
    assert waits == []


def test_the_role_of_a_flow_log(run: Any, waits: list[float]) -> None:
    flow_log = {"log_group": "/mistyped", "role_arn": NO_ROLE}
    place = {"name": "mistyped-logs", "cidr": "10.95.0.0/16", "subnets": [], "nat": "none"}
    refused = run.fails("ec2_network", **place, flow_log=flow_log)
    assert NO_ROLE in refused["msg"]
    assert refused["changed"], "the network before it is made"
    assert waits == []
