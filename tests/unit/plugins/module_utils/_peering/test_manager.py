# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peering connections between two accounts: calls on both sides, and check mode."""

from __future__ import annotations

import copy
import itertools
import time
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amazon.aws.plugins.module_utils import cloud
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import FailedError, WaitTimeoutError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.waiters import Poller
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import ForeignError
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering import api
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.manager import Manager
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import PeeringError
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils._peering.accounts import (
    FakeEc2,
    Module,
    after,
    before,
    tagged,
    untagged,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import RefusedError
from botocore.exceptions import ClientError

FLEET = {"dataplatform.fleet/fleet": "f", "cost": "1"}
OWN, OTHER = "111122223333", "444455556666"
PEER: dict[str, Any] = {"vpc_id": "vpc-hub", "cidr": "10.40.0.0/16", "region": "eu-west-1", "account_id": OTHER}
KEY: dict[str, Any] = {"access_key": "AKIA", "secret_key": "secret", "session_token": None}
ACCEPTS: dict[str, Any] = {"accepter": KEY}
ROUTES = {"routes to 10.40.0.0/16": ["rtb-1", "rtb-2"], "routes to 10.42.0.0/16": ["rtb-hub"]}
MADE = {"peering one-hub": "active", **{f"peering one-hub.tags.{key}": value for key, value in FLEET.items()}}


class Accounts:
    """The fleet's account with its VPC, and the hub's."""

    def __init__(self) -> None:
        self.own = FakeEc2(OWN)
        self.hub = FakeEc2(OTHER, "eu-west-1")
        self.hub.connections = self.own.connections
        self.own.vpc("vpc-own", "10.42.0.0/16", "one")
        self.own.table("rtb-1", "vpc-own")
        self.own.table("rtb-2", "vpc-own")
        self.own.table("rtb-public", "vpc-own", igw_1="0.0.0.0/0")
        self.own.table("rtb-of-another", "vpc-another")
        self.hub.vpc("vpc-hub", "10.40.0.0/16", "hub")
        self.hub.table("rtb-hub", "vpc-hub")
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    def manager(self, *, check_mode: bool = False, **params: Any) -> Manager:
        given = {
            "name": "one-hub",
            "vpc": "one",
            "cidr": "10.42.0.0/16",
            "peer": PEER,
            "accept": None,
            "accepter": {},
            "tags": FLEET,
            "adopt": False,
            "purge_tags": False,
            "wait": True,
            "wait_timeout": 10,
        }
        module = Module({"ec2": self.own}, {"ec2": self.hub}, {**given, **params}, check_mode=check_mode)
        self.asked = module.asked
        return Manager(Run(module))

    def changes(self) -> list[str]:
        """Return the calls, those of the other account with its name."""
        return [*self.own.made, *(f"hub: {name}" for name in self.hub.made)]


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> Accounts:
    passed = itertools.count()
    clock = {"sleep": lambda _: None, "clock": lambda: next(passed)}
    monkeypatch.setattr(run, "Poller", partial(Poller, **clock))
    return Accounts()


def test_a_connection_is_requested_accepted_and_led_to_from_both_sides(accounts: Accounts) -> None:
    announced = accounts.manager(check_mode=True, **ACCEPTS)
    assert announced.present() == {"id": "", "status": "active", "commands": []}
    assert accounts.changes() == []
    manager = accounts.manager(**ACCEPTS)
    assert manager.present() == {"id": "pcx-new", "status": "active", "commands": []}
    assert (before(manager), after(manager)) == ({}, {**MADE, **ROUTES}) == (before(announced), after(announced))
    assert accounts.changes() == [
        "CreateVpcPeeringConnection",
        *["CreateRoute"] * 2,
        "hub: AcceptVpcPeeringConnection",
        "hub: CreateRoute",
    ]
    request = accounts.own.calls[0][1]
    assert (request["PeerOwnerId"], request["PeerRegion"]) == (OTHER, "eu-west-1")
    assert untagged(accounts.own.connections[0]["Tags"]) == {"Name": "one-hub", **FLEET}
    assert {table: accounts.own.routes(f"rtb-{table}") for table in ("1", "2", "public", "of-another")} == {
        "1": {"10.40.0.0/16": "pcx-new"},
        "2": {"10.40.0.0/16": "pcx-new"},
        "public": {"0.0.0.0/0": ""},
        "of-another": {},
    }
    assert accounts.hub.routes("rtb-hub") == {"10.42.0.0/16": "pcx-new"}
    again = accounts.manager(**ACCEPTS)
    made = accounts.changes()
    assert again.present()["status"] == "active"
    assert (before(again), after(again), accounts.changes()) == ({}, {}, made)


def test_the_accepters_key_is_used_on_its_side_alone(accounts: Accounts) -> None:
    accounts.manager(**ACCEPTS).present()
    given = {"profile_name": None, "aws_access_key_id": "AKIA", "aws_secret_access_key": "secret"}
    theirs = ("ec2", "eu-west-1", {**given, "aws_session_token": None})
    assert accounts.asked == [("ec2", "", {}), theirs, theirs]
    accounts.manager(accepter={**KEY, "session_token": "token"}).present()
    assert accounts.asked[1][2]["aws_session_token"] == "token"


def test_the_own_key_is_used_in_another_region(accounts: Accounts) -> None:
    accounts.manager(peer={**PEER, "account_id": OWN}).present()
    assert accounts.asked[1:] == [("ec2", "eu-west-1", {})] * 2
    assert "PeerOwnerId" not in accounts.own.calls[0][1]


def test_in_one_account_and_region_none_is_named(accounts: Accounts) -> None:
    accounts.own.vpc("vpc-hub", "10.40.0.0/16", "hub")
    accounts.own.table("rtb-hub", "vpc-hub")
    manager = accounts.manager(peer={**PEER, "region": None, "account_id": ""})
    assert manager.present()["status"] == "active"
    assert not {"PeerOwnerId", "PeerRegion"} & accounts.own.calls[0][1].keys()
    assert accounts.hub.calls == []
    assert accounts.own.routes("rtb-hub") == {"10.42.0.0/16": "pcx-new"}


@pytest.mark.parametrize("given", [{}, {"accept": False, **ACCEPTS}])
def test_without_permission_to_accept_the_command_for_the_owner_is_reported(
    accounts: Accounts, given: dict[str, Any]
) -> None:
    for check_mode in (True, False):
        manager = accounts.manager(check_mode=check_mode, **given)
        result = manager.present()
        assert result["status"] == "pending-acceptance"
        assert len(result["commands"]) == 2
        assert after(manager)["peering one-hub"] == "pending-acceptance"
        assert "routes to 10.42.0.0/16" not in after(manager)
    assert "--vpc-peering-connection-id pcx-new" in result["commands"][0]
    assert accounts.hub.calls == accounts.hub.reads == []
    again = accounts.manager(**given)
    assert len(again.present()["commands"]) == 2
    assert (before(again), after(again)) == ({}, {})
    accounts.own.connections[0]["Status"]["Code"] = "active"
    assert accounts.manager(**given).present()["commands"] == []


def test_a_pending_request_is_accepted(accounts: Accounts) -> None:
    accounts.own.peering("pcx-1", "vpc-own", "vpc-hub", "pending-acceptance", Name="one-hub", **FLEET)
    for check_mode in (True, False):
        manager = accounts.manager(check_mode=check_mode, **ACCEPTS)
        assert manager.present() == {"id": "pcx-1", "status": "active", "commands": []}
        assert before(manager) == {"peering one-hub": "pending-acceptance"}
        assert after(manager) == {"peering one-hub": "active", **ROUTES}
        assert ("hub: AcceptVpcPeeringConnection" in accounts.changes()) is not check_mode


def test_a_connection_that_is_being_created_is_waited_for_and_not_accepted_twice(accounts: Accounts) -> None:
    accounts.own.peering("pcx-1", "vpc-own", "vpc-hub", "provisioning", Name="one-hub", **FLEET)
    assert accounts.manager(**ACCEPTS).present()["status"] == "active"
    assert "hub: AcceptVpcPeeringConnection" not in accounts.changes()


def test_a_request_that_fails_is_named_with_its_reason(accounts: Accounts) -> None:
    accounts.own.status_after_acceptance = ["failed"]
    with pytest.raises(FailedError, match=r"^The peering connection pcx-new is failed: told$"):
        accounts.manager(**ACCEPTS).present()


def test_a_wait_ends_in_time(accounts: Accounts) -> None:
    accounts.own.status_after_acceptance = ["provisioning"]
    said = r"^The peering connection pcx-new was still provisioning after wait_timeout=10 s \(seen: .*\): told\."
    with pytest.raises(WaitTimeoutError, match=said):
        accounts.manager(**ACCEPTS).present()


def test_a_rejected_request_is_not_repeated(accounts: Accounts) -> None:
    accounts.own.peering("pcx-1", "vpc-own", "vpc-hub", "rejected", Name="one-hub", **FLEET)
    with pytest.raises(PeeringError, match="The owner of vpc-hub has rejected the request"):
        accounts.manager(**ACCEPTS).present()
    assert accounts.changes() == []
    accounts.own.peering("pcx-2", "vpc-own", "vpc-hub", "active", Name="one-hub", **FLEET)
    assert accounts.manager(**ACCEPTS).present()["id"] == "pcx-2"


@pytest.mark.parametrize("call", ["present", "absent"])
@pytest.mark.parametrize("check_mode", [True, False])
def test_an_unmanaged_connection_is_refused_unless_it_is_adopted(
    accounts: Accounts, call: str, check_mode: bool
) -> None:
    theirs = {"Name": "one-hub", "dataplatform.fleet/fleet": "another"}
    accounts.own.peering("pcx-1", "vpc-own", "vpc-hub", "active", **theirs)
    with pytest.raises(ForeignError) as said:
        getattr(accounts.manager(check_mode=check_mode, **ACCEPTS), call)()
    assert str(said.value).startswith(
        "The peering connection pcx-1 of one-hub has a name of this fleet's and not its tags:"
        " expected dataplatform.fleet/fleet=f, found dataplatform.fleet/fleet=another. Nothing was changed."
    )
    assert "fleet_adopt=vpc_peering/one-hub" in str(said.value)
    assert accounts.changes() == []
    adopting = accounts.manager(check_mode=check_mode, adopt=True, **ACCEPTS)
    assert getattr(adopting, call)()["id"] == "pcx-1"


def test_tags_are_corrected_and_others_stay(accounts: Accounts) -> None:
    had = {"Name": "one-hub", **FLEET, "cost": "0", "mine": "x"}
    accounts.own.peering("pcx-1", "vpc-own", "vpc-hub", "active", **had)
    accounts.manager(tags={**FLEET, "cost": "0"}, **ACCEPTS).present()
    del accounts.own.calls[:]
    wanted = {**FLEET, "more": True}
    for check_mode in (True, False):
        manager = accounts.manager(check_mode=check_mode, tags=wanted, **ACCEPTS)
        manager.present()
        assert before(manager) == {"peering one-hub.tags.cost": "0"}
        assert after(manager) == {"peering one-hub.tags.cost": "1", "peering one-hub.tags.more": "true"}
        assert accounts.own.made == ([] if check_mode else ["CreateTags"])
    assert untagged(accounts.own.connections[0]["Tags"]) == {**had, "cost": "1", "more": "true"}


def test_a_route_to_a_lost_connection_is_replaced(accounts: Accounts) -> None:
    accounts.own.table("rtb-3", "vpc-own", pcx_old="10.40.0.0/16")
    accounts.manager(**ACCEPTS).present()
    assert accounts.own.made.count("ReplaceRoute") == 1
    assert accounts.own.routes("rtb-3") == {"10.40.0.0/16": "pcx-new"}


def test_of_routes_those_that_are_there_are_shown_before(accounts: Accounts) -> None:
    accounts.manager(**ACCEPTS).present()
    accounts.own.DeleteRoute("rtb-2", "10.40.0.0/16")
    manager = accounts.manager(check_mode=True, **ACCEPTS)
    manager.present()
    assert before(manager) == {"routes to 10.40.0.0/16": ["rtb-1"]}
    assert after(manager) == {"routes to 10.40.0.0/16": ["rtb-1", "rtb-2"]}


def test_an_unmanaged_route_is_refused(accounts: Accounts) -> None:
    accounts.own.table("rtb-3", "vpc-own", tgw_1="10.40.0.0/16")
    with pytest.raises(PeeringError, match=r"rtb-3 leads 10\.40\.0\.0/16 to tgw-1"):
        accounts.manager(**ACCEPTS).present()


@pytest.mark.parametrize(
    ("params", "missing"),
    [({"vpc": "two"}, "There is no VPC two in eu-central-1"), ({"peer": {**PEER, "vpc_id": ""}}, "of the other side")],
)
def test_a_missing_vpc_is_named_and_expected_in_check_mode(
    accounts: Accounts, params: dict[str, Any], missing: str
) -> None:
    with pytest.raises(PeeringError, match=missing):
        accounts.manager(**params, **ACCEPTS).present()
    announced = accounts.manager(check_mode=True, **params, **ACCEPTS)
    assert announced.present() == {"id": "", "status": "active", "commands": []}
    every = "every private route table"
    assert after(announced) == {**MADE, "routes to 10.40.0.0/16": every, "routes to 10.42.0.0/16": every}
    manual = accounts.manager(check_mode=True, accept=False, **params)
    assert manual.present()["status"] == "pending-acceptance"
    assert "routes to 10.42.0.0/16" not in after(manual)
    assert accounts.changes() == []


def test_two_vpcs_of_one_name_are_refused(accounts: Accounts) -> None:
    accounts.own.vpc("vpc-2", "10.9.0.0/16", "one")
    with pytest.raises(PeeringError, match=r"^Several VPCs are named one in eu-central-1"):
        accounts.manager()


# -- absent


def connected(accounts: Accounts) -> None:
    accounts.manager(**ACCEPTS).present()
    del accounts.own.calls[:], accounts.hub.calls[:], accounts.hub.reads[:]


GONE = {f"route of rtb-{name} to 10.40.0.0/16": "pcx-new" for name in ("1", "2")} | {"peering one-hub": "active"}


def test_a_connection_is_deleted_with_its_routes_on_both_sides(accounts: Accounts) -> None:
    connected(accounts)
    gone = {"id": "pcx-new", "status": "deleted", "commands": []}
    there = copy.deepcopy(accounts.own.connections)
    announced = accounts.manager(check_mode=True, **ACCEPTS)
    assert announced.absent() == gone
    assert (accounts.changes(), accounts.own.connections) == ([], there)
    manager = accounts.manager(**ACCEPTS)
    assert manager.absent() == gone
    assert before(manager) == {**GONE, "route of rtb-hub to 10.42.0.0/16": "pcx-new"} == before(announced)
    assert after(manager) == {} == after(announced)
    assert accounts.own.made == ["DeleteRoute", "DeleteRoute", "DeleteVpcPeeringConnection"]
    assert accounts.hub.made == ["DeleteRoute"]
    again = accounts.manager(**ACCEPTS)
    assert again.absent() == {"id": "", "status": "deleted", "commands": []}
    assert before(again) == {}


def test_routes_of_another_account_are_not_changed(accounts: Accounts) -> None:
    connected(accounts)
    manager = accounts.manager()
    manager.absent()
    assert before(manager) == GONE
    assert accounts.hub.calls == accounts.hub.reads == []


def test_only_the_connection_with_that_name_is_deleted(accounts: Accounts) -> None:
    accounts.own.peering("pcx-1", "vpc-own", "vpc-other", "active", Name="one-other", **FLEET)
    assert accounts.manager(**ACCEPTS).absent()["id"] == ""
    assert accounts.changes() == []


def test_without_a_vpc_nothing_is_left(accounts: Accounts) -> None:
    assert accounts.manager(vpc="two", cidr=None, peer=None).absent()["id"] == ""
    assert "DescribeVpcPeeringConnections" not in [operation for operation, _ in accounts.own.reads]


def test_connections_in_which_the_vpc_is_the_accepter(accounts: Accounts) -> None:
    accounts.own.peering("pcx-1", "vpc-own", "vpc-hub")
    accounts.own.peering("pcx-2", "vpc-hub", "vpc-own")
    for side, expected in (("requester", "pcx-1"), ("accepter", "pcx-2")):
        found = api.connections(accounts.own.client, "vpc-own", side)
        assert [one["VpcPeeringConnectionId"] for one in found] == [expected]
    assert tagged({}) == accounts.own.connections[0]["Tags"]


def test_other_tags_are_purged(accounts: Accounts) -> None:
    marks = {"Name": "one-hub", "dataplatform.fleet/fleet": "f"}
    live = accounts.own.peering("pcx-1", "vpc-own", "vpc-hub", **marks, theirs="x")
    for tags, left in ((None, {"theirs": "x"}), ({}, {})):
        accounts.manager(tags=tags, purge_tags=True, **ACCEPTS).present()
        assert untagged(live["Tags"]) == {**marks, **left}


def test_without_a_wait_the_connection_is_accepted_and_provisioning(accounts: Accounts) -> None:
    accounts.own.status_after_acceptance = ["provisioning"]
    assert accounts.manager(**ACCEPTS, wait=False).present()["status"] == "provisioning"
    assert "hub: AcceptVpcPeeringConnection" in accounts.changes()


def test_a_mistyped_peer_is_refused_at_once(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(cloud, "time", SimpleNamespace(sleep=naps.append))
    accounts.own.refuse["CreateVpcPeeringConnection"] = RefusedError("InvalidVpcID.NotFound", "vpc-hub does not exist")
    with pytest.raises(ClientError, match="vpc-hub does not exist"):
        accounts.manager(**ACCEPTS).present()
    assert (accounts.changes(), naps) == (["CreateVpcPeeringConnection"], [])


def test_a_new_connection_is_read_with_retries(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = RefusedError("InvalidVpcPeeringConnectionID.NotFound", "does not exist")
    describe, refusals = accounts.hub.DescribeVpcPeeringConnections, [unknown, unknown]

    def late(**given: Any) -> dict[str, Any]:
        if "VpcPeeringConnectionIds" in given and refusals:
            raise refusals.pop()
        return describe(**given)

    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(accounts.hub, "DescribeVpcPeeringConnections", late)
    assert accounts.manager(**ACCEPTS).present()["status"] == "active"
    assert refusals == []
