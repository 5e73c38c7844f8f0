# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/status.yml, which `make status` runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.site.conftest import Playbook, Run

pytestmark = pytest.mark.integration


@pytest.mark.usefixtures("no_testing")
def test_every_component_is_listed_and_simulated_ones_called_so(
    fleet: Run, playbook: Playbook, local_cloud: Any
) -> None:
    assert fleet.failures == []
    before = len(local_cloud.aws_calls())
    run = playbook("dataplatform.fleet.status", "controlplane staging testing")
    # Without an ansible.cfg each line of the table is a text of JSON.
    lines = [" ".join(line.strip(' ",').split()) for line in run.output.splitlines()]
    assert len([line for line in lines if line.startswith("ingress-nginx Deployment ingress-nginx 2/2 ")]) == 2
    assert all(line.endswith(" simulated") for line in lines if line.startswith("ingress-nginx Deployment"))
    # It has never been created, which is not an error.
    assert any("testing:" in line and "dataplatform-testing" in line for line in lines)
    assert local_cloud.aws_calls()[before:] == []  # the log of mutating calls
