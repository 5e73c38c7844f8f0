# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A member in an account that is reached through a role."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.site.conftest import Playbook

pytestmark = pytest.mark.integration

USER = "arn:aws:iam::111122223333:user/admin"


def statement(**fields: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **fields}]})


@pytest.fixture(scope="module")
def role_arn(local_cloud: Any) -> str:
    """A role that trusts the administrator and nobody else, so not itself either."""
    iam = local_cloud.client("iam")
    trust = statement(Principal={"AWS": USER}, Action="sts:AssumeRole")
    role = iam.create_role(RoleName="dataplatform-runs", AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(
        RoleName="dataplatform-runs", PolicyName="all", PolicyDocument=statement(Action="*", Resource="*")
    )
    return str(role["Arn"])


@pytest.mark.parametrize(
    ("renew_seconds", "often"),
    [pytest.param(1800, False, id="young"), pytest.param(-1, True, id="old", marks=pytest.mark.exhaustive)],
)
def test_the_role_is_used_by_all_plays(
    role_arn: str, playbook: Playbook, local_cloud: Any, renew_seconds: int, often: bool
) -> None:
    """site.yml prepares the run in each of its playbooks; with a tag that nothing has, it does no more than that."""
    before = len(local_cloud.aws_calls())
    variables = json.dumps({"aws_role_arn": role_arn, "aws_role_renew_seconds": renew_seconds})
    run = playbook("site.yml", "staging", "-e", variables, "--tags", "none", succeed=None)
    assert run.failures == []
    assert run.returncode == 0, run.output
    calls = local_cloud.aws_calls()[before:]
    locking = [call["principal"] for call in calls if call["service"] == "dynamodb"]
    assert {principal.split(":")[5].rpartition("/")[0] for principal in locking} == {"assumed-role/dataplatform-runs"}
    plays = run.output.count("PLAY [Take the lock]")
    assert plays > 1
    # Renewed with the credentials that the run began with: the role does not trust itself.
    assumed = [result for result in run.results if result["task"] == "Assume the cluster's role"]
    assert len(assumed) == (plays if often else 1)
