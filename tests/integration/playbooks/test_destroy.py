# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of destroy.yml: clusters that are not named, and a controlplane that members need."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.playbooks.conftest import build, said, unchanged
from tests.integration.site.conftest import Playbook

pytestmark = pytest.mark.integration

CHECK = "Refuse clusters that were not named, and a controlplane that members need"
NO_LOCK = "This run has not taken the lock on cluster"
WORKLOADS, CONTROLPLANE = (
    f"Remove each layer of the {which}, the last one first" for which in ("workload clusters", "controlplane")
)


@pytest.mark.parametrize(
    ("inventory", "start", "typed"),
    [("staging", CHECK, ""), ("staging", WORKLOADS, "other"), ("controlplane", CONTROLPLANE, "controlplane2")],
)
def test_clusters_that_were_not_named(
    playbook: Playbook, local_cloud: Any, inventory: str, start: str, typed: str
) -> None:
    with unchanged(local_cloud):
        arguments = ("--start-at-task", start, "-e", f"destroy={typed}", "-e", "fleet_name=unnamed")
        run = playbook("destroy.yml", inventory, *arguments, succeed=False)
    unnamed = f"To confirm, type its name: -e destroy={inventory} (several: separated by commas)."
    # Past preflight there is no lock either, which may be noticed before.
    text = said(run)
    assert unnamed in text or (start != CHECK and NO_LOCK in text)
    assert run.announced == set()


@pytest.mark.parametrize("start", [CHECK, CONTROLPLANE])
def test_a_controlplane_that_members_need(playbook: Playbook, local_cloud: Any, start: str) -> None:
    """Production is declared, `gone` is in no fleet.yml; both have been built. Testing never was."""
    fleet = f"needed-{'there' if start == CHECK else 'past'}"
    build(local_cloud, fleet, "controlplane", "gone", "production")
    arguments = ["--start-at-task", start, "-e", f"fleet_name={fleet}", "-e", "destroy=controlplane"]
    for more, needing in (([], "gone, production"), (["--check", "-e", "destroy_leaves_behind=gone"], "production")):
        with unchanged(local_cloud):
            run = playbook("destroy.yml", "controlplane", *arguments, *more, succeed=False)
        if start == CHECK or more:
            assert f"these members have been built and need the controlplane: {needing}. Their issuers," in said(run)
            assert f"type their names: -e destroy_leaves_behind={needing.replace(', ', ',')}." in said(run)
        else:
            assert NO_LOCK in said(run)
        assert run.announced == set()


def test_the_controlplane_is_the_last(playbook: Playbook, local_cloud: Any) -> None:
    """With the layers that know of each other only; all of them are run by the tests of site.yml."""
    fleet = "ordered"
    build(local_cloud, fleet, "controlplane", "staging")
    given = {
        "fleet_name": fleet,
        "destroy": "staging, controlplane",
        "__layers_everywhere": [],
        "__layers_controlplane": [],
    }
    arguments = ("-e", json.dumps({**given, "__layers_below": ["peering", "pki"]}))
    announced = playbook("destroy.yml", "controlplane staging", *arguments, "--check").announced
    run = playbook("destroy.yml", "controlplane staging", *arguments)
    assert run.announced == announced
    hosts = [result["host"] for result in run.results if "absent |" in result["task"]]
    assert hosts == sorted(hosts, key=["staging", "controlplane"].index)
    assert {host for host, *_ in announced} == {"staging", "controlplane"}
    found = local_cloud.client("secretsmanager").list_secrets(Filters=[{"Key": "name", "Values": [f"{fleet}/"]}])
    assert [secret["Name"] for secret in found["SecretList"]] == []
