# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Principals that are removed from eks_access_entries or eks_pod_identities."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import CHECKOUT, RoleRun, role_runner

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Cloud:
    endpoint_url: str
    env: dict[str, str]


@pytest.fixture
def grant(account: Any, cluster: str, tmp_path: Path) -> Callable[..., RoleRun]:
    """Run the role's tasks that grant access."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**account.env, "PATH": path, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")}
    run = role_runner(tmp_path)

    def granted(*arguments: str, **options: Any) -> RoleRun:
        # The role's tasks before these ask who runs it.
        variables = {
            "eks_name": cluster,
            "__eks_caller": {"arn": account.client("sts").get_caller_identity()["Arn"]},
            **options,
        }
        return run(Cloud(account.endpoint_url, env), "eks", *arguments, variables=variables, tasks_from="access")

    return granted


def test_undeclared_principals_lose_access_when_the_name_is_typed(
    account: Any, run: Any, cluster: str, make_role: Callable[[str], str], grant: Callable[..., RoleRun]
) -> None:
    eks = account.client("eks")
    stays, leaves, team, outsider = (make_role("ec2.amazonaws.com") for _ in range(4))
    worker = make_role("pods.eks.amazonaws.com")
    # Entries of guardrails and of users: this role does not remove them.
    run("eks_access_entry", cluster_name=cluster, principal_arn=team, tags={"dataplatform.fleet/owner": "guardrails"})
    run("eks_access_entry", cluster_name=cluster, principal_arn=outsider)
    other = {"cluster_name": cluster, "namespace": "kube-system", "service_account": "other", "role_arn": worker}
    run("eks_pod_identity_association", **other, tags={"dataplatform.fleet/cluster": "staging"})

    def let_in() -> set[str]:
        return set(eks.list_access_entries(clusterName=cluster)["accessEntries"])

    def accounts() -> set[str]:
        found = eks.list_pod_identity_associations(clusterName=cluster)["associations"]
        return {one["serviceAccount"] for one in found}

    entries = {name: {"principal_arn": arn} for name, arn in (("stays", stays), ("leaves", leaves))}
    identities = {
        name: {"namespace": "jobs", "service_account": name, "role_arn": worker} for name in ("worker", "former")
    }
    both = grant(eks_access_entries=entries, eks_pod_identities=identities)
    assert "can still use" not in both.output
    before, had = let_in(), accounts()
    assert {stays, leaves, team, outsider} <= before

    # Another principal with the same name was removed, too.
    fewer = {
        "eks_access_entries": {"stays": entries["stays"]},
        "eks_pod_identities": {"worker": identities["worker"]},
    }
    for arguments in (("--check",), (), ("-e", "eks_confirm=another")):
        told = grant(*arguments, **fewer)
        said = " ".join(told.output.split())
        assert f"staging: {leaves}, jobs/former can still use {cluster}" in said
        assert f"run again with -e eks_confirm={cluster}" in said
        assert told.announced == set()
        assert let_in() == before
    announced = grant("--check", "-e", f"eks_confirm={cluster}", **fewer).announced
    assert {item for _task, item, _field in announced} == {leaves, "jobs/former"}
    assert let_in() == before
    done = grant("-e", f"eks_confirm={cluster}", **fewer)
    assert done.announced == announced
    assert let_in() == before - {leaves}
    assert accounts() == had - {"former"}
    assert grant("-e", f"eks_confirm={cluster}", **fewer).announced == set()
