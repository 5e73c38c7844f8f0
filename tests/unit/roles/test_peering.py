# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derived values of the role peering for the other side."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.dataplatform.fleet.plugins.lookup import fleet_members
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import evaluate

HUB = {"vpc_id": "vpc-9", "cidr": "10.9.0.0/16", "region": "eu-west-1", "account_id": "444455556666"}


def internal(name: str, **options: Any) -> Any:
    return evaluate("peering", f"__peering_{name}", **options)


def test_the_controlplane_is_where_its_run_has_written() -> None:
    assert internal("peer")["vpc_id"] == "vpc-1"


def test_a_site_may_say_where_it_is() -> None:
    assert internal("peer", peering_controlplane=HUB) == HUB


def test_check_mode_lives_with_a_controlplane_to_come() -> None:
    found = internal("peer", fleet_values={"controlplane/vpc": "made-by-this-run:controlplane/vpc"})
    assert found == {"vpc_id": "", "cidr": "10.40.0.0/16", "region": "eu-central-1", "account_id": ""}


def test_credentials_only_if_a_role_was_assumed() -> None:
    assert internal("given") == {}
    credentials = {"access_key": "a", "secret_key": "b", "session_token": "c"}
    assert internal("given", __peering_accepter={"sts_creds": credentials}) == credentials
    assert internal("given", __peering_accepter={"skipped": True}) == {}


@pytest.mark.parametrize(
    ("account", "options", "fine"),
    [
        ("111122223333", {}, True),  # as the controlplane's run has written
        ("999999999999", {}, False),
        ("999999999999", {"fleet_values": {"controlplane/vpc": "{}"}}, True),  # nobody says
        ("444455556666", {"peering_controlplane": HUB}, True),
        ("111122223333", {"peering_controlplane": HUB}, False),
        ("444455556666", {"peering_controlplane": HUB, "account_id": "444455556666"}, True),
        ("444455556666", {"peering_controlplane": HUB, "account_id": "777788889999"}, False),
        ("777788889999", {"fleet_values": {"controlplane/vpc": "{}"}, "account_id": "777788889999"}, True),
        ("777788889999", {"fleet_values": {"controlplane/vpc": "{}"}, "account_id": "444455556666"}, False),
    ],
)
def test_the_accepters_role_is_of_the_controlplanes_account(account: str, options: dict[str, Any], fine: bool) -> None:
    hub = {"purpose": "controlplane", "region": "eu-central-1", "vpc_cidr": "10.40.0.0/16"}
    if "account_id" in options:
        hub["account_id"] = options.pop("account_id")
    members = {"controlplane": hub, "staging": {**hub, "purpose": "workload", "vpc_cidr": "10.42.0.0/16"}}
    role = f"arn:aws:iam::{account}:role/peering"
    found = internal("accounts", peering_members=members, peering_accepter_role_arn=role, **options)
    assert (len(set(found)) < 2) is fine


def test_the_owners_commands_are_collected() -> None:
    made, seen = {"vpc_peering": {"commands": ["one"]}}, {"private_zone": {"commands": ["two"]}}
    assert internal("commands", __peering_made=made, __peering_seen=seen) == ["one", "two"]
    assert internal("commands") == []


def test_former_members_are_those_that_were_and_are_not_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_members, "read_tags", lambda *_arguments: {})
    known = {"controlplane": "10.40.0.0/16", "old": "10.49.0.0/16", "renamed": "10.42.0.0/16", "unknown": ""}
    built = dict.fromkeys(("staging/tls/a/certificate", "sold/tls/a/certificate"), "")
    known |= {"sold": "10.48.0.0/16"}
    assert internal("former", fleet_values={"members": json.dumps(known), **built}) == {"old": "10.49.0.0/16"}
    values = {"members": json.dumps(known), "staging/tls/a/certificate": ""}
    assert internal("former", fleet_values=values) == {"old": "10.49.0.0/16", "sold": "10.48.0.0/16"}


def test_only_check_mode_knows_the_vpc_before_it_is_there() -> None:
    assert internal("vpc_id", __peering_vpcs={"vpcs": []}, ansible_check_mode=True) == "made-by-this-run"
    assert internal("vpc_id", __peering_vpcs={"vpcs": [{"vpc_id": "vpc-1"}]}, ansible_check_mode=False) == "vpc-1"
    with pytest.raises(AnsibleError, match=r"There is no VPC dataplatform-staging\."):
        internal("vpc_id", __peering_vpcs={"vpcs": []}, ansible_check_mode=False)


def test_the_tag_that_all_members_have_marks_the_fleets_resources() -> None:
    tags = {"dataplatform.fleet/fleet": "one", "dataplatform.fleet/cluster": "controlplane", "team": "data"}
    assert internal("fleet_tag", peering_tags=tags) == {"dataplatform.fleet/fleet": "one"}
    # With tags of a site's own, nothing has it.
    assert internal("fleet_tag", peering_tags={"team": "data"}) == {}
