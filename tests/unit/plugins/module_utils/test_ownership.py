# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import (
    UNFINISHED,
    ForeignError,
    known,
    marks,
    owned,
    refusal,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.zones import own_zone
from ansible_collections.dataplatform.fleet.plugins.modules import check_ownership
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import meta

FLEET = {"dataplatform.fleet/fleet": "ours", "dataplatform.fleet/cluster": "staging"}


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        ({}, {}, True),
        ({}, None, True),
        ({}, {"team": "data"}, True),
        ({}, FLEET, False),
        ({"Name": "ours-staging"}, FLEET, False),
        (FLEET, FLEET, True),
        (FLEET, {**FLEET, "cost": 4711, "dataplatform.fleet/purpose": "workload"}, True),
        (
            {**FLEET, "dataplatform.fleet/purpose": "controlplane"},
            {**FLEET, "dataplatform.fleet/purpose": "workload"},
            True,
        ),
        ({**FLEET, "dataplatform.fleet/cluster": "testing"}, FLEET, False),
        ({"dataplatform.fleet/fleet": "ours"}, FLEET, False),
        (FLEET, {"dataplatform.fleet/fleet": "ours"}, True),
        (FLEET, {"dataplatform.fleet/owner": "guardrails"}, False),
        (FLEET, {**FLEET, "dataplatform.fleet/owner": "eks"}, True),
        ({"dataplatform.fleet/owner": "guardrails"}, {"dataplatform.fleet/owner": "guardrails"}, True),
        ({"dataplatform.fleet/fleet": "7"}, {"dataplatform.fleet/fleet": 7}, True),
        (UNFINISHED, FLEET, True),
    ],
)
def test_the_fleets_own_tags_decide(live: dict[str, str], wanted: dict[str, Any] | None, expected: bool) -> None:
    assert owned(live, wanted) is expected


def test_ownership_tags_are_not_other_tags() -> None:
    assert marks({**FLEET, "team": "data", "dataplatform.fleet/tier": "public"}) == FLEET


def test_a_refusal_contains_the_cause_and_the_fix() -> None:
    said = refusal("iam_role", "one-node", {"dataplatform.fleet/fleet": "theirs"}, FLEET)
    assert said == (
        "The IAM role one-node has a name of this fleet's and not its tags: expected dataplatform.fleet/fleet=ours, "
        "dataplatform.fleet/cluster=staging, found dataplatform.fleet/fleet=theirs. Nothing was changed. Rename or "
        "delete it; or, if this fleet is to own it, run with -e fleet_adopt=iam_role/one-node (a module: with adopt)."
    )
    part = refusal("vpc", "one", {"Name": "x"}, FLEET, "The subnet x")
    assert part.startswith("The subnet x has a name")
    assert "found none of these" in part
    assert "-e fleet_adopt=vpc/one " in part


def test_the_kinds_are_the_documented_ones() -> None:
    options = parse(check_ownership.DOCUMENTATION)["options"]
    assert set(options) == set(check_ownership.argument_spec())
    assert set(options["resources"]["suboptions"]) == set(check_ownership.KINDS)


class Route53:
    """An account with private zones of one name, by their tags, in the order in which AWS lists them."""

    meta = meta("route53")

    def __init__(self, *tags: dict[str, str]) -> None:
        self._tags = {f"Z{number}": one for number, one in enumerate(tags)}

    def list_hosted_zones_by_name(self, DNSName: str) -> dict[str, Any]:
        made = {"Name": DNSName, "Config": {"PrivateZone": True}, "CallerReference": "x"}
        return {"HostedZones": [{"Id": f"/hostedzone/{zone}", **made} for zone in self._tags]}

    def list_tags_for_resource(self, ResourceType: str, ResourceId: str) -> dict[str, Any]:
        assert ResourceType == "hostedzone"
        return {"ResourceTagSet": {"Tags": [{"Key": k, "Value": v} for k, v in self._tags[ResourceId].items()]}}


def test_among_zones_with_the_same_name_the_fleets_zone_is_preferred() -> None:
    both = Route53({"team": "theirs"}, FLEET)
    assert own_zone(both, "ours.internal", FLEET) == own_zone(both, "ours.internal", FLEET, adopt=True) == "Z1"
    foreign = Route53({"team": "theirs"})
    assert own_zone(foreign, "ours.internal", FLEET, adopt=True) == "Z0"
    with pytest.raises(ForeignError):
        own_zone(foreign, "ours.internal", FLEET)
    assert own_zone(Route53(), "ours.internal", FLEET, adopt=True) == ""


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        ({"team": "data"}, {"team": "data", "cost": 1}, True),
        ({"cost": "1"}, {"team": "data", "cost": 1}, True),
        ({"team": "theirs"}, {"team": "data"}, False),
        ({}, {"team": "data"}, False),
        ({"team": "data"}, {}, False),
        ({"team": "data"}, {**FLEET, "team": "data"}, False),
        (FLEET, {**FLEET, "team": "data"}, True),
        (UNFINISHED, FLEET, True),
    ],
)
def test_without_marks_any_of_the_tags_marks_a_resource(
    live: dict[str, str], wanted: dict[str, Any], expected: bool
) -> None:
    assert known(live, wanted) is expected
