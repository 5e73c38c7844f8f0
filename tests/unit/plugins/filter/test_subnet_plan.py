# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.filter.subnet_plan import FilterModule, subnet_plan
from hypothesis import given
from hypothesis import strategies as st

TIERS = {"public": 24, "private": 19}
ZONES = [f"eu-central-1{letter}" for letter in "abcdef"]


def test_plans_two_zones() -> None:
    assert subnet_plan("10.42.0.0/16", ZONES[:2], TIERS, prefix="fleet-") == [
        {"name": "fleet-private-eu-central-1a", "cidr": "10.42.0.0/19", "az": "eu-central-1a", "tier": "private"},
        {"name": "fleet-public-eu-central-1a", "cidr": "10.42.32.0/24", "az": "eu-central-1a", "tier": "public"},
        {"name": "fleet-private-eu-central-1b", "cidr": "10.42.64.0/19", "az": "eu-central-1b", "tier": "private"},
        {"name": "fleet-public-eu-central-1b", "cidr": "10.42.96.0/24", "az": "eu-central-1b", "tier": "public"},
    ]


def test_is_a_filter() -> None:
    assert FilterModule().filters()["subnet_plan"] is subnet_plan


tiers = st.dictionaries(st.sampled_from(["public", "private", "database"]), st.integers(16, 28), min_size=1)
networks = st.builds(lambda base, size: IPv4Network((base << 16, size)), st.integers(2560, 2815), st.integers(16, 24))


@given(network=networks, zones=st.integers(1, 6), tiers=tiers)
def test_subnets_lie_inside_and_never_overlap(network: IPv4Network, zones: int, tiers: dict[str, int]) -> None:
    try:
        plan = subnet_plan(str(network), ZONES[:zones], tiers)
    except AnsibleFilterError:
        return
    assert len(plan) == zones * len(tiers)
    subnets = [IPv4Network(subnet["cidr"]) for subnet in plan]
    assert all(subnet.subnet_of(network) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))
    assert all(IPv4Network(subnet["cidr"]).prefixlen == tiers[subnet["tier"]] for subnet in plan)


@given(network=networks, zones=st.integers(2, 6), tiers=tiers)
def test_an_appended_zone_moves_nothing(network: IPv4Network, zones: int, tiers: dict[str, int]) -> None:
    try:
        plan = subnet_plan(str(network), ZONES[:zones], tiers)
    except AnsibleFilterError:
        return
    assert subnet_plan(str(network), ZONES[: zones - 1], tiers) == plan[: (zones - 1) * len(tiers)]


@pytest.mark.parametrize(
    ("cidr", "zones", "tiers", "message"),
    [
        (
            "10.42.0.0/16",
            ZONES[:5],
            TIERS,
            "private /19 of eu-central-1e does not fit into 10.42.0.0/16.*4 of them",
        ),
        ("10.42.0.0/20", ZONES[:1], TIERS, r"private /19 of eu-central-1a does not fit.*0 of them fit where 1"),
        ("10.42.0.1/16", ZONES[:1], TIERS, "has host bits set"),
        ("10.42.0.0/16", ZONES[:1], {"public": 29}, "/29; AWS allows subnets from /16 to /28"),
        ("10.42.0.0/16", ZONES[:1], {"public": "small"}, "'small', not a number"),
        ("10.42.0.0/16", ZONES[:1], {}, "tiers is empty"),
        ("10.42.0.0/16", ["a", "a"], TIERS, "must be a list of different zones"),
        ("10.42.0.0/16", [], TIERS, "must be a list of different zones"),
    ],
)
def test_reports_conflicting_values(cidr: str, zones: list[str], tiers: dict[str, int], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        subnet_plan(cidr, zones, tiers)
