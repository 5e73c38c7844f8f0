# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone that all members resolve: created by the controlplane, and associated with VPCs of other accounts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.run import Run
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import ForeignError
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering import api
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.plan import PeeringError
from ansible_collections.dataplatform.fleet.plugins.module_utils._peering.zone import Zone
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils._peering.accounts import (
    FakeEc2,
    FakeRoute53,
    Module,
    after,
    before,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import RefusedError

FLEET = {"dataplatform.fleet/fleet": "f", "cost": "1"}
OWN, OTHER = "111122223333", "444455556666"
NAME = "fleet.internal"
FIELD = f"zone {NAME}.vpc one"
TAGS = {f"zone {NAME}.tags.{key}": value for key, value in FLEET.items()}
KEY: dict[str, Any] = {"accepter": {"access_key": "AKIA", "secret_key": "secret", "session_token": ""}}
FOREIGN: dict[str, Any] = {"owner_account_id": OTHER}


class Accounts:
    """The account of a VPC, and another one that may have the zone."""

    def __init__(self) -> None:
        self.ec2 = FakeEc2(OWN)
        self.own, self.other = FakeRoute53(), FakeRoute53()
        self.own.others, self.other.others = [self.other], [self.own]
        self.own.authorized = self.other.authorized
        self.ec2.vpc("vpc-own", "10.42.0.0/16", "one")

    def zone(self, *, check_mode: bool = False, **params: Any) -> Zone:
        given = {
            "name": NAME,
            "vpc": "one",
            "owner_account_id": "",
            "accepter": {},
            "tags": FLEET,
            "purge_tags": False,
            "adopt": False,
        }
        own, other = {"ec2": self.ec2, "route53": self.own}, {"route53": self.other}
        return Zone(Run(Module(own, other, {**given, **params}, check_mode=check_mode)))

    def changes(self) -> list[str]:
        return [*self.own.made, *(f"other: {name}" for name in self.other.made)]


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.mark.parametrize("name", [NAME, f"{NAME}."])
def test_a_zone_is_made_once_with_its_tags(accounts: Accounts, name: str) -> None:
    accounts.own.zone("Z0", "aaa.internal")
    announced = accounts.zone(name=name, check_mode=True)
    assert announced.present() == {"id": "", "name": NAME, "commands": []}
    assert accounts.changes() == []
    zone = accounts.zone(name=name)
    assert zone.present() == {"id": "Z1", "name": NAME, "commands": []}
    assert (before(zone), after(zone)) == ({}, {FIELD: "vpc-own", **TAGS}) == (before(announced), after(announced))
    assert accounts.own.zones["Z1"]["tags"] == FLEET
    assert accounts.own.zones["Z1"]["Config"]["PrivateZone"] is True
    assert accounts.own.zones["Z1"]["vpcs"] == ["vpc-own"]
    made = accounts.changes()
    assert made == ["CreateHostedZone", "ChangeTagsForResource"]
    again = accounts.zone(name=name)
    assert again.present()["id"] == "Z1"
    assert (before(again), after(again), accounts.changes()) == ({}, {}, made)


def test_a_run_that_ended_before_the_tags_is_taken_up_again(accounts: Accounts) -> None:
    accounts.own.refuse["ChangeTagsForResource"] = RefusedError("Ended", "ended")
    with pytest.raises(Exception, match="ended"):
        accounts.zone().present()
    del accounts.own.refuse["ChangeTagsForResource"], accounts.own.calls[:]
    zone = accounts.zone()
    assert zone.present()["id"] == "Z1"
    assert (before(zone), after(zone)) == ({}, TAGS)
    assert accounts.own.zones["Z1"]["tags"] == FLEET
    assert accounts.changes() == ["ChangeTagsForResource"]


def test_a_member_is_associated_with_the_zone_of_its_account(accounts: Accounts) -> None:
    accounts.own.zone("Z7", NAME, "vpc-hub", **FLEET)
    announced = accounts.zone(check_mode=True)
    assert announced.associated() == {"id": "Z7", "name": NAME, "commands": []}
    assert accounts.changes() == []
    zone = accounts.zone()
    assert zone.associated() == {"id": "Z7", "name": NAME, "commands": []}
    assert after(zone) == {FIELD: "vpc-own"} == after(announced)
    assert accounts.own.zones["Z7"]["vpcs"] == ["vpc-hub", "vpc-own"]
    assert accounts.changes() == ["AssociateVPCWithHostedZone"]
    assert accounts.own.zones["Z7"]["tags"] == FLEET, "a member does not tag what the controlplane made"
    again = accounts.zone(tags={**FLEET, "cost": "2"})
    assert again.associated()["id"] == "Z7"
    assert (after(again), len(accounts.changes())) == ({}, 1)


def test_a_zone_of_another_account_is_shared_with_a_temporary_authorization(accounts: Accounts) -> None:
    accounts.other.zone("Z9", NAME, "vpc-hub")
    zone = accounts.zone(**FOREIGN, **KEY)
    assert zone.associated()["id"] == "Z9"
    assert after(zone) == {FIELD: "vpc-own"}
    assert accounts.own.made == ["AssociateVPCWithHostedZone"]
    assert accounts.other.made == ["CreateVPCAssociationAuthorization", "DeleteVPCAssociationAuthorization"]
    assert accounts.other.zones["Z9"]["vpcs"] == ["vpc-hub", "vpc-own"]
    asked = [given.get("ResourceId") for operation, given in accounts.other.reads if operation == "ListTagsForResource"]
    assert asked == [], "another account's tags are not asked for"
    assert accounts.zone(**FOREIGN, **KEY).associated()["id"] == "Z9"
    assert len(accounts.changes()) == 3


def test_without_a_key_the_command_for_the_other_accounts_owner_is_reported(accounts: Accounts) -> None:
    accounts.other.zone("Z9", NAME, "vpc-hub")
    zone = accounts.zone(**FOREIGN)
    result = zone.associated()
    (command,) = result["commands"]
    assert command.startswith("aws route53 create-vpc-association-authorization --hosted-zone-id $(aws route53 ")
    assert f"--dns-name {NAME} " in command
    assert command.endswith(" --vpc VPCRegion=eu-central-1,VPCId=vpc-own")
    assert (result["id"], after(zone), accounts.changes(), accounts.other.reads) == ("", {}, [], [])


def test_the_caller_account_is_not_another_account(accounts: Accounts) -> None:
    accounts.own.zone("Z7", NAME, "vpc-hub", **FLEET)
    assert accounts.zone(owner_account_id=OWN, **KEY).associated()["id"] == "Z7"
    assert accounts.changes() == ["AssociateVPCWithHostedZone"]


def test_a_zone_that_is_missing_is_expected_in_check_mode_alone(accounts: Accounts) -> None:
    accounts.own.zone("Z7", NAME, private=False, **FLEET)
    accounts.own.zone("Z8", f"a.{NAME}", **FLEET)
    missing = r"^The zone fleet\.internal does not exist\. The controlplane's run creates it"
    with pytest.raises(PeeringError, match=missing):
        accounts.zone().associated()
    announced = accounts.zone(check_mode=True)
    assert announced.associated() == {"id": "", "name": NAME, "commands": []}
    assert after(announced) == {FIELD: "vpc-own"}


@pytest.mark.parametrize("state", ["present", "associated"])
def test_a_missing_vpc_is_named_and_expected_in_check_mode(accounts: Accounts, state: str) -> None:
    given = {"vpc": "two", **FOREIGN}
    with pytest.raises(PeeringError, match=r"^There is no VPC two in eu-central-1\. Run the role vpc first"):
        getattr(accounts.zone(**given), state)()
    announced = accounts.zone(check_mode=True, **given)
    assert getattr(announced, state)() == {"id": "", "name": NAME, "commands": []}
    field = {f"zone {NAME}.vpc two": "(made by this run)"}
    assert after(announced) == {**field, **(TAGS if state == "present" else {})}
    assert accounts.changes() == []


@pytest.mark.parametrize("vpcs", [["vpc-own"], ["vpc-hub"]])
@pytest.mark.parametrize("check_mode", [True, False])
def test_an_unmanaged_zone_is_refused_unless_it_is_adopted(
    accounts: Accounts, vpcs: list[str], check_mode: bool
) -> None:
    accounts.own.zone("Z7", NAME, *vpcs, **{"dataplatform.fleet/fleet": "another"})
    with pytest.raises(ForeignError, match=r"The private zone fleet\.internal has a name of this fleet's and not"):
        accounts.zone(check_mode=check_mode).present()
    assert accounts.changes() == []
    zone = accounts.zone(adopt=True, check_mode=check_mode)
    assert zone.present()["id"] == "Z7"
    assert before(zone) == {f"zone {NAME}.tags.dataplatform.fleet/fleet": "another"}
    assert after(zone) == {**TAGS, **({FIELD: "vpc-own"} if vpcs == ["vpc-hub"] else {})}
    assert ("ChangeTagsForResource" in accounts.changes()) is not check_mode


def test_tags_are_corrected_and_others_stay(accounts: Accounts) -> None:
    accounts.own.zone("Z7", NAME, "vpc-own", **{**FLEET, "cost": "0", "mine": "x"})
    zone = accounts.zone()
    assert zone.present()["id"] == "Z7"
    cost = f"zone {NAME}.tags.cost"
    assert (before(zone), after(zone)) == ({cost: "0"}, {cost: "1"})
    assert accounts.own.zones["Z7"]["tags"] == {**FLEET, "mine": "x"}


def test_other_tags_are_purged(accounts: Accounts) -> None:
    marks = {"dataplatform.fleet/fleet": "f"}
    accounts.own.zone("Z7", NAME, "vpc-own", **{**marks, "mine": "x", "aws:made": "by-aws"})
    for tags, left in ((None, {"mine": "x"}), ({}, {})):
        accounts.zone(tags=tags, purge_tags=True).present()
        assert accounts.own.zones["Z7"]["tags"] == {**marks, **left, "aws:made": "by-aws"}


def test_of_zones_of_one_name_the_own_one_counts(accounts: Accounts) -> None:
    accounts.own.page = 1
    accounts.own.zone("Z1", NAME, **{"dataplatform.fleet/fleet": "another"})
    accounts.own.zone("Z2", NAME, **FLEET)
    assert accounts.zone().associated()["id"] == "Z2"


# -- absent


def test_the_controlplanes_zone_is_deleted_with_its_records(accounts: Accounts) -> None:
    zone = accounts.own.zone("Z7", NAME, "vpc-own", **FLEET)
    zone["records"].append(
        {"Name": f"kafka.{NAME}.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.1"}]}
    )
    for check_mode in (True, False):
        removing = accounts.zone(check_mode=check_mode)
        assert removing.absent() == {"id": "", "name": NAME, "commands": []}
        assert (before(removing), after(removing)) == ({f"zone {NAME}": [f"kafka.{NAME}. A"]}, {})
        assert accounts.changes() == ([] if check_mode else ["ChangeResourceRecordSets", "DeleteHostedZone"])
    assert accounts.own.zones == {}
    again = accounts.zone()
    assert again.absent()["id"] == ""
    assert before(again) == {}


def test_an_empty_zone_has_no_records_to_remove(accounts: Accounts) -> None:
    accounts.own.zone("Z7", NAME, "vpc-own", **FLEET)
    accounts.zone().absent()
    assert accounts.changes() == ["DeleteHostedZone"]


def test_an_unmanaged_zone_is_not_removed(accounts: Accounts) -> None:
    accounts.own.zone("Z7", NAME, "vpc-own", **{"dataplatform.fleet/fleet": "another"})
    with pytest.raises(ForeignError):
        accounts.zone().absent()
    assert accounts.changes() == []


def test_a_member_is_disassociated_from_the_zone_and_the_zone_is_kept(accounts: Accounts) -> None:
    accounts.other.zone("Z9", NAME, "vpc-hub", "vpc-own")
    accounts.other.zone("Z8", "other.internal", "vpc-own")
    for check_mode in (True, False):
        leaving = accounts.zone(check_mode=check_mode, **FOREIGN)
        assert leaving.disassociated()["id"] == ""
        assert before(leaving) == {FIELD: "vpc-own"}
        assert accounts.changes() == ([] if check_mode else ["DisassociateVPCFromHostedZone"])
    assert accounts.other.zones["Z9"]["vpcs"] == ["vpc-hub"]
    again = accounts.zone(**FOREIGN)
    again.disassociated()
    assert before(again) == {}


def test_without_a_vpc_a_member_has_left(accounts: Accounts) -> None:
    leaving = accounts.zone(vpc="two")
    assert leaving.disassociated()["id"] == ""
    assert (before(leaving), accounts.changes()) == ({}, [])


# -- what is read


def test_all_zones_associated_with_a_vpc_are_read(accounts: Accounts) -> None:
    accounts.own.page = 2
    for number in range(5):
        accounts.own.zone(f"Z{number}", f"n{number}.internal", "vpc-own")
    own = api.vpc_by_name(accounts.ec2.client, "one", "eu-central-1")
    assert own is not None
    found = api.zones_of_vpc(accounts.own.client, own)
    assert found == {f"n{number}.internal": f"Z{number}" for number in range(5)}


def test_another_accounts_zone_is_found_by_its_whole_name(accounts: Accounts) -> None:
    for number, (name, private) in enumerate([(NAME, False), (f"a.{NAME}", True), ("zzz.internal", True)]):
        accounts.other.zone(f"Z{number}", name, private=private)
    assert api.zone_id(accounts.other.client, NAME) == ""
    accounts.other.zone("Z9", NAME)
    assert api.zone_id(accounts.other.client, NAME) == api.zone_id(accounts.other.client, f"{NAME}.") == "Z9"


@pytest.mark.parametrize("state", ["present", "absent"])
def test_only_an_association_leaves_the_account(accounts: Accounts, state: str) -> None:
    """With any owner account, a zone without the fleet's tags is neither changed nor deleted."""
    accounts.own.zone("Z9", NAME, "vpc-other", team="theirs")
    zone = accounts.zone(**FOREIGN, **KEY)
    with pytest.raises(ForeignError):
        getattr(zone, state)()
    assert accounts.changes() == []
    assert accounts.own.zones["Z9"]["tags"] == {"team": "theirs"}
