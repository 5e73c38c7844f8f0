# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real API server with its controllers and the guardrails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.guarded.kubectl import (
    GUARDRAILS,
    Kubectl,
)
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import render_role

from localcloud.artifacts.binaries import Binaries
from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.testing import eventually


@pytest.fixture(scope="session")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """The administrator of a cluster with the controllers of EKS, but without nodes."""
    directory = tmp_path_factory.mktemp("controllers")
    with ControlPlane.temporary(directory, extras=["kube-controller-manager"]) as plane:
        yield Kubectl(Binaries().resolve("kubectl"), plane.kubeconfig)


@pytest.fixture(scope="session")
def guarded(kubectl: Kubectl) -> Kubectl:
    """The same cluster with the guardrails applied and in force."""
    kubectl.apply(render_role("guardrails", **GUARDRAILS))
    # The API server compiles policies asynchronously.
    service = ["create", "service", "loadbalancer", "probe", "--tcp=80", "--namespace=analytics", "--dry-run=server"]
    for refused, which in (
        (["delete", "namespace", "ingress-nginx", "--dry-run=server"], "protect"),
        (service, "are the teams'"),
    ):
        eventually(
            lambda asked=refused: "forbidden" in kubectl.run(*asked).stderr.lower(),
            what=f"the policies that {which} are in force",
        )
    return kubectl
