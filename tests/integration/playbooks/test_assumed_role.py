# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A member in an account that needs an assumed role."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.site.conftest import Playbook

pytestmark = pytest.mark.integration

USER = "arn:aws:iam::111122223333:user/admin"


def statement(**fields: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **fields}]})


@pytest.fixture(scope="module")
def role_arn(local_cloud: Any) -> str:
    """A role that trusts only the administrator, so not itself."""
    iam = local_cloud.client("iam")
    trust = statement(Principal={"AWS": USER}, Action="sts:AssumeRole")
    role = iam.create_role(RoleName="dataplatform-runs", AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(
        RoleName="dataplatform-runs", PolicyName="all", PolicyDocument=statement(Action="*", Resource="*")
    )
    return str(role["Arn"])


@pytest.fixture
def profile(local_cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory whose hosts use a profile of the AWS configuration in place of keys."""
    credentials = tmp_path / "credentials"
    credentials.write_text(
        f"[runs]\naws_access_key_id = {local_cloud.env['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {local_cloud.env['AWS_SECRET_ACCESS_KEY']}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    inventory = tmp_path / "profile.yml"
    keys = dict.fromkeys(("aws_access_key", "aws_secret_key"), "{{ omit }}")
    inventory.write_text(json.dumps({"all": {"vars": {"aws_profile": "runs", **keys}}}))
    return inventory


@pytest.mark.parametrize("renew_seconds", [1800, -1], ids=["young", "old"])
def test_the_role_is_used_by_all_plays(
    role_arn: str, profile: Path, playbook: Playbook, local_cloud: Any, renew_seconds: int
) -> None:
    """With a tag that nothing has, site.yml prepares the run, renews its credentials between the layers, and ends."""
    before = len(local_cloud.aws_calls())
    variables = json.dumps({"aws_role_arn": role_arn, "aws_role_renew_seconds": renew_seconds})
    run = playbook("site.yml", "staging", "-i", str(profile), "-e", variables, "--tags", "none", succeed=None)
    assert run.failures == []
    assert run.returncode == 0, run.output
    calls = local_cloud.aws_calls()[before:]
    locking = [call["principal"] for call in calls if call["service"] == "dynamodb"]
    assert {principal.split(":")[5].rpartition("/")[0] for principal in locking} == {"assumed-role/dataplatform-runs"}
    plays = run.output.count("PLAY [Take the lock]")
    assert plays > 1
    # Renewed with the run's initial credentials: the role does not trust itself.
    assumed = [result for result in run.results if result["task"] == "Assume the cluster's role"]
    assert len(assumed) == (1 if renew_seconds > 0 else plays)
