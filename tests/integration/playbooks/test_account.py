# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run changes only the declared accounts. The local cloud creates accounts on demand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.playbooks.conftest import said
from tests.integration.site.conftest import Playbook, Run

pytestmark = pytest.mark.integration
FLEET = "accounts"
OTHER = "222233334444"
NAMES = ("controlplane", "staging")


def statement(**fields: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **fields}]})


@pytest.fixture(scope="module")
def own(local_cloud: Any) -> str:
    """The account of the run's initial credentials."""
    found: str = local_cloud.client("sts").get_caller_identity()["Account"]
    return found


@pytest.fixture(scope="module")
def roles(local_cloud: Any, own: str) -> dict[str, str]:
    """A role with all permissions in its account, by account."""
    found = {}
    for account, client in (
        (OTHER, local_cloud.client("iam", access_key=OTHER)),
        (own, local_cloud.client("iam")),
    ):
        trusted = [f"arn:aws:iam::{own}:user/admin", f"arn:aws:iam::{OTHER}:role/{FLEET}-runs"]
        trust = statement(Principal={"AWS": trusted[: 1 if account == OTHER else 2]}, Action="sts:AssumeRole")
        made = client.create_role(RoleName=f"{FLEET}-runs", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        policy = statement(Action="*", Resource="*")
        client.put_role_policy(RoleName=f"{FLEET}-runs", PolicyName="all", PolicyDocument=policy)
        found[account] = str(made)
    return found


@pytest.fixture
def run(playbook: Playbook, local_cloud: Any) -> Any:
    def run(
        account: str | None, *arguments: str, succeed: bool, name: str = "playbooks/ingress.yml", **more: Any
    ) -> Run:
        """With a tag that nothing has, a playbook does no more than begin and end a run, which takes the lock."""
        members = {
            member: {"purpose": purpose, "region": "eu-central-1", "vpc_cidr": f"10.4{place}.0.0/16"}
            | ({"account_id": account} if account and member == "staging" else {})
            for place, (member, purpose) in enumerate(zip(NAMES, ("controlplane", "workload"), strict=True))
        }
        given = {"fleet_name": FLEET, "fleet_members": members, **more}
        return playbook(name, "staging", "-e", json.dumps(given), "--tags", "none", *arguments, succeed=succeed)

    return run


def locked(local_cloud: Any, account: str | None = None) -> bool:
    """Whether a run has made its first change in the account."""
    client = local_cloud.client("dynamodb", **({"access_key": account} if account else {}))
    return f"{FLEET}-locks" in client.list_tables()["TableNames"]


def test_the_account_is_not_the_declared_one(run: Any, roles: dict[str, str], local_cloud: Any, own: str) -> None:
    """The first test of this file: no account is changed."""
    for arguments, given, reached, declared in (
        ((), {}, own, OTHER),
        (("--check",), {"aws_role_arn": roles[OTHER]}, OTHER, own),
    ):
        text = said(run(declared, *arguments, succeed=False, **given))
        assert f"staging: the run reaches the AWS account {reached}, as arn:aws:" in text
        assert f"declares fleet_members.staging.account_id {declared}. Nothing was changed there." in text
    assert not locked(local_cloud)
    assert not locked(local_cloud, OTHER)


def test_the_account_of_the_shared_values(run: Any, roles: dict[str, str], local_cloud: Any, own: str) -> None:
    text = said(run(own, succeed=False, fleet_account_id=OTHER, fleet_role_arn=roles[own]))
    assert f"the values that members share would be those of the AWS account {own}, as arn:aws:" in text
    assert f"declares fleet_account_id {OTHER}. Nothing was changed there. Correct fleet_role_arn" in text
    assert not locked(local_cloud)


def test_renewed_credentials_are_of_another_account(
    run: Any, roles: dict[str, str], local_cloud: Any, own: str
) -> None:
    """The case of a role's ARN or a profile that is edited during a long run."""
    role = f"{{{{ '{roles[own]}' if __aws_since is undefined else '{roles[OTHER]}' }}}}"
    text = said(run(None, name="site.yml", succeed=False, aws_role_arn=role, aws_role_renew_seconds=-1))
    assert f"staging: the run reaches the AWS account {OTHER}" in text
    assert f"and began in the account {own}." in text
    assert not locked(local_cloud, OTHER)


def test_keys_that_outrank_the_role(run: Any, roles: dict[str, str], local_cloud: Any, own: str) -> None:
    """Keys in extra variables override the role, which is assumed and not used."""
    keys = {"aws_access_key": "LOCALCLOUDADMIN000001", "aws_secret_key": "local-cloud-only", "aws_session_token": ""}
    text = said(run(None, succeed=False, aws_role_arn=roles[OTHER], **keys))
    assert f"staging: the run reaches the AWS account {own}, as arn:aws:" in text
    assert f"aws_role_arn is a role of the account {OTHER} (extra variables" in text


def test_the_declared_accounts(run: Any, roles: dict[str, str], local_cloud: Any, own: str) -> None:
    given = {"aws_role_arn": roles[OTHER], "fleet_role_arn": roles[own], "fleet_account_id": own}
    run(OTHER, succeed=True, **given)
    assert locked(local_cloud, OTHER)
    run(own, succeed=True)
