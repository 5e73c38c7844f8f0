# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.filter.subnet_plan import subnet_plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Plan
from ansible_collections.dataplatform.fleet.plugins.module_utils._vpc.plan import (
    DEFAULT_GROUP,
    DEFAULT_ROUTE,
    GONE_NAT,
    KINDS,
    Network,
    PlanError,
    ResourceStep,
    State,
    _differences,
    desired,
    owned,
    plan,
    removal,
    service_name,
    step,
)

ZONES = ["eu-central-1a", "eu-central-1b"]
NETWORK = Network(
    name="fleet",
    cidr="10.42.0.0/16",
    region="eu-central-1",
    subnets=subnet_plan("10.42.0.0/16", ZONES, {"public": 24, "private": 19}, prefix="fleet-"),
    nat="single",
    endpoints=["s3", "ecr"],
    flow_log={"log_group": "/aws/vpc/fleet", "role_arn": "arn:aws:iam::1:role/fleet", "traffic_type": "ALL"},
    tags={"team": "data"},
    tier_tags={"public": {"kubernetes.io/role/elb": "1"}},
)


def live(network: Network = NETWORK) -> State:
    return copy.deepcopy(desired(network))


def updates(change: ResourceStep) -> bool:
    return change.action in ("update", "replace")


def changes(before: State, network: Network = NETWORK) -> list[tuple[str, str, str, list[str]]]:
    return [
        (change.action, change.kind, change.name, sorted({*change.before, *change.after}) if updates(change) else [])
        for change in plan(before, desired(network), network)
    ]


def names(kind: str, network: Network) -> list[str]:
    return sorted(name for one, name in desired(network) if one == kind)


def test_creates_everything_in_an_order_that_works() -> None:
    created = plan({("security_group", "default"): dict(DEFAULT_GROUP)}, desired(NETWORK), NETWORK)
    order = [KINDS.index(change.kind) for change in created]
    assert order == sorted(order)
    assert {(change.kind, change.name) for change in created} == set(desired(NETWORK))
    assert [change.name for change in created if change.action == "update"] == ["default"]


PUBLIC, PRIVATE = ([f"fleet-{tier}-{zone}" for zone in ZONES] for tier in ("public", "private"))
NAT = "fleet-nat-eu-central-1a"
# The expected resources in the account, with their settings and names.
WHOLE: State = {
    ("vpc", "fleet"): {"cidr": "10.42.0.0/16", "dns_support": True, "dns_hostnames": True},
    ("internet_gateway", "fleet"): {},
    ("subnet", PRIVATE[0]): {"cidr": "10.42.0.0/19", "az": ZONES[0], "map_public_ip": False},
    ("subnet", PUBLIC[0]): {"cidr": "10.42.32.0/24", "az": ZONES[0], "map_public_ip": False},
    ("subnet", PRIVATE[1]): {"cidr": "10.42.64.0/19", "az": ZONES[1], "map_public_ip": False},
    ("subnet", PUBLIC[1]): {"cidr": "10.42.96.0/24", "az": ZONES[1], "map_public_ip": False},
    ("elastic_ip", NAT): {},
    ("nat_gateway", NAT): {"subnet": PUBLIC[0]},
    ("security_group", "default"): {"ingress": [], "egress": []},
    ("security_group", "fleet-endpoints"): {"ingress": ["tcp 443 from 10.42.0.0/16"], "egress": []},
    ("route_table", "fleet-public"): {"routes.0.0.0.0/0": "internet_gateway", "subnets": PUBLIC},
    ("route_table", "fleet-private"): {"routes.0.0.0.0/0": NAT, "subnets": PRIVATE},
    ("endpoint", "s3"): {"type": "Gateway", "route_tables": ["fleet-private", "fleet-public"]},
    **{
        ("endpoint", service): {
            "type": "Interface",
            "subnets": PRIVATE,
            "security_groups": ["fleet-endpoints"],
            "private_dns": True,
        }
        for service in ("ecr.api", "ecr.dkr")
    },
    ("flow_log", "fleet-flow-logs"): {
        "log_group": "/aws/vpc/fleet",
        "role_arn": "arn:aws:iam::1:role/fleet",
        "traffic_type": "ALL",
    },
}


def test_the_whole_network() -> None:
    found = desired(NETWORK)
    settings = {
        key: {name: value for name, value in fields.items() if not name.startswith("tags.")}
        for key, fields in found.items()
    }
    assert settings == WHOLE
    called = {("security_group", "default"): "fleet-default-closed"} | {
        ("endpoint", service): f"fleet-{service}" for service in ("s3", "ecr.api", "ecr.dkr")
    }
    for key, fields in found.items():
        tags = {name: value for name, value in fields.items() if name.startswith("tags.")}
        more = {}
        if key[0] == "subnet":
            tier = "public" if key[1] in PUBLIC else "private"
            more = {"tags.dataplatform.fleet/tier": tier} | (
                {"tags.kubernetes.io/role/elb": "1"} if tier == "public" else {}
            )
        assert tags == {"tags.Name": called.get(key, key[1]), "tags.team": "data"} | more


def test_with_a_gateway_in_each_zone_private_subnets_use_their_own() -> None:
    found = desired(replace(NETWORK, nat="per_az"))
    for zone, public, private in zip(ZONES, PUBLIC, PRIVATE, strict=True):
        assert found["nat_gateway", f"fleet-nat-{zone}"]["subnet"] == public
        assert found["route_table", f"fleet-private-{zone}"]["subnets"] == [private]


def test_a_field_that_is_not_read_is_a_difference() -> None:
    before = live()
    del before["endpoint", "ecr.api"]["private_dns"]
    assert changes(before) == [("update", "endpoint", "ecr.api", ["private_dns"])]


def test_created_and_deleted_objects_are_shown_completely() -> None:
    less = replace(NETWORK, endpoints=[])
    endpoint = desired(NETWORK)["endpoint", "s3"]
    (created,) = [change for change in plan(desired(less), desired(NETWORK), NETWORK) if change.name == "s3"]
    (deleted,) = [change for change in plan(desired(NETWORK), desired(less), less) if change.name == "s3"]
    assert (created.before, created.after) == ({}, endpoint)
    assert (deleted.before, deleted.after) == (endpoint, {})
    assert created.as_dict()["operation"] == "create endpoint s3"
    assert created.as_dict()["changes"].keys() == endpoint.keys()
    assert Plan(steps=(created,)).diff() == {"before": {}, "after": {"endpoint s3": endpoint}}
    assert Plan(steps=(deleted,)).diff() == {"before": {"endpoint s3": endpoint}, "after": {}}


def test_a_resource_without_a_name_is_not_this_networks() -> None:
    assert not owned({"tags.team": "data"}, NETWORK)
    assert not owned({"tags.Name": "fleet"}, NETWORK)
    assert owned({"tags.Name": "fleet-x", "tags.team": "data"}, NETWORK)


def test_a_converged_network_needs_nothing() -> None:
    assert changes(live()) == []


@pytest.mark.parametrize(
    ("nat", "gateways", "tables"),
    [
        ("none", [], ["fleet-private", "fleet-public"]),
        ("single", ["fleet-nat-eu-central-1a"], ["fleet-private", "fleet-public"]),
        (
            "per_az",
            ["fleet-nat-eu-central-1a", "fleet-nat-eu-central-1b"],
            ["fleet-private-eu-central-1a", "fleet-private-eu-central-1b", "fleet-public"],
        ),
    ],
)
def test_nat_decides_on_gateways_and_tables(nat: str, gateways: list[str], tables: list[str]) -> None:
    network = replace(NETWORK, nat=nat)
    assert names("nat_gateway", network) == names("elastic_ip", network) == gateways
    assert names("route_table", network) == tables
    routes = {name: fields.get(DEFAULT_ROUTE) for (kind, name), fields in desired(network).items() if "route" in kind}
    assert routes["fleet-public"] == "internet_gateway"
    for table in set(tables) - {"fleet-public"}:
        assert routes[table] == (
            None
            if nat == "none"
            else f"fleet-nat-{table.split('-', 2)[-1]}"
            if nat == "per_az"
            else "fleet-nat-eu-central-1a"
        )


def test_ecr_is_two_interface_endpoints_behind_one_group() -> None:
    state = desired(NETWORK)
    assert names("endpoint", NETWORK) == ["ecr.api", "ecr.dkr", "s3"]
    assert state["endpoint", "s3"]["route_tables"] == ["fleet-private", "fleet-public"]
    assert state["endpoint", "ecr.api"]["subnets"] == [f"fleet-private-{zone}" for zone in ZONES]
    assert state["security_group", "fleet-endpoints"]["ingress"] == ["tcp 443 from 10.42.0.0/16"]
    assert ("security_group", "fleet-endpoints") not in desired(replace(NETWORK, endpoints=["s3"]))


@pytest.mark.parametrize(
    ("key", "field", "value", "expected"),
    [
        (("route_table", "fleet-private"), DEFAULT_ROUTE, ..., ["routes.0.0.0.0/0"]),
        (("route_table", "fleet-private"), DEFAULT_ROUTE, "nat-0gone", ["routes.0.0.0.0/0"]),
        (("route_table", "fleet-private"), "routes.8.8.8.8/32", "internet_gateway", ["routes.8.8.8.8/32"]),
        (("route_table", "fleet-private"), "routes.8.8.8.8/32", f"{NAT}", ["routes.8.8.8.8/32"]),
        (("route_table", "fleet-public"), "routes.8.8.8.8/32", GONE_NAT, ["routes.8.8.8.8/32"]),
        (("route_table", "fleet-public"), "subnets", [], ["subnets"]),
        (("subnet", "fleet-public-eu-central-1a"), "tags.kubernetes.io/role/elb", ..., ["tags.kubernetes.io/role/elb"]),
        (("subnet", "fleet-public-eu-central-1a"), "map_public_ip", True, ["map_public_ip"]),
        (("vpc", "fleet"), "dns_hostnames", False, ["dns_hostnames"]),
        (("security_group", "default"), "ingress", ["all from itself"], ["ingress"]),
        (("endpoint", "ecr.api"), "security_groups", [], ["security_groups"]),
    ],
)
def test_repairs_exactly_what_drifted(key: tuple[str, str], field: str, value: Any, expected: list[str]) -> None:
    before = live()
    if value is ...:
        del before[key][field]
    else:
        before[key][field] = value
    assert changes(before) == [("update", *key, expected)]


def test_a_deleted_subnet_is_created_and_routed_again() -> None:
    before = live()
    del before["subnet", "fleet-private-eu-central-1b"]
    before["route_table", "fleet-private"]["subnets"] = ["fleet-private-eu-central-1a"]
    assert [change[:3] for change in changes(before)] == [
        ("create", "subnet", "fleet-private-eu-central-1b"),
        ("update", "route_table", "fleet-private"),
    ]


def test_a_flow_log_is_replaced_not_edited() -> None:
    before = live()
    before["flow_log", "fleet-flow-logs"]["traffic_type"] = "REJECT"
    assert changes(before) == [("replace", "flow_log", "fleet-flow-logs", ["traffic_type"])]


def test_fields_that_the_api_does_not_return_are_not_a_difference() -> None:
    before = live()
    before["endpoint", "ecr.api"]["private_dns"] = None
    assert changes(before) == []


def test_undeclared_resources_are_deleted_with_any_tags() -> None:
    tagged = replace(NETWORK, tags={"backup": True, "note": None, "cost": 4711})
    before = desired(tagged)
    assert owned(before["endpoint", "ecr.api"], tagged)
    less = replace(tagged, endpoints=[])
    assert ("delete", "endpoint", "ecr.api") in [
        (change.action, change.kind, change.name) for change in plan(before, desired(less), less)
    ]


def test_foreign_tags_stay() -> None:
    before = live()
    before["subnet", "fleet-public-eu-central-1a"]["tags.karpenter.sh/discovery"] = "yes"
    assert changes(before) == []


def test_removes_gateways_that_are_no_longer_declared() -> None:
    before = live(replace(NETWORK, nat="per_az"))
    deleted = [change[1:3] for change in changes(before) if change[0] == "delete"]
    assert deleted == [
        ("route_table", "fleet-private-eu-central-1a"),
        ("route_table", "fleet-private-eu-central-1b"),
        ("nat_gateway", "fleet-nat-eu-central-1b"),
        ("elastic_ip", "fleet-nat-eu-central-1b"),
    ]


def test_leaves_foreign_resources_and_subnets_alone() -> None:
    before = live()
    before["nat_gateway", "theirs"] = {"subnet": "x", "tags.Name": "fleet-like"}
    before["subnet", "fleet-private-eu-central-1c"] = {"tags.Name": "fleet-private-eu-central-1c", "tags.team": "data"}
    assert changes(before) == []


def test_unmanaged_routes_are_kept() -> None:
    before = live()
    for target in ("pcx-1", "tgw-1", "other-nat-eu-central-1a"):
        before["route_table", "fleet-private"]["routes.10.9.0.0/16"] = target
        assert changes(before) == []


IDS = {("route_table", "fleet-private"): "rtb-1"}


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (("vpc", "fleet"), "The vpc fleet"),
        (("route_table", "fleet-private"), "The route table fleet-private (rtb-1)"),
        (("endpoint", "ecr.api"), "The endpoint ecr.api"),
    ],
)
def test_unmanaged_resources_with_the_networks_names_are_refused(key: tuple[str, str], shown: str) -> None:
    before = {("subnet", "unrelated"): {"tags.Name": "unrelated"}, **live()}
    before[key]["tags.team"] = "web"
    before[key]["tags.Name"] = key[1]
    with pytest.raises(PlanError) as said:
        plan(before, desired(NETWORK), NETWORK, IDS)
    assert str(said.value) == (
        f"{shown} has a name of this fleet's and not its tags: expected team=data, found team=web. Nothing was changed."
        " Rename or delete it; or, if this fleet is to own it, run with -e fleet_adopt=vpc/fleet (a module: with"
        " adopt)."
    )
    with pytest.raises(PlanError, match="has a name of this fleet's"):
        plan(before, desired(NETWORK), NETWORK)
    adopting = replace(NETWORK, adopt=True)
    (change,) = plan(before, desired(NETWORK), adopting, IDS)
    assert (change.kind, change.name, change.action) == (*key, "update")
    assert set(change.after) == {"tags.team"} | tags_that_differ(key)


def tags_that_differ(key: tuple[str, str]) -> set[str]:
    return set() if desired(NETWORK)[key]["tags.Name"] == key[1] else {"tags.Name"}


@pytest.mark.parametrize("key", [("security_group", "default"), ("flow_log", "fleet-flow-logs")])
def test_resources_of_aws_and_identified_resources_need_no_tags(key: tuple[str, str]) -> None:
    before = live()
    before[key] = {name: value for name, value in before[key].items() if not name.startswith("tags.")}
    assert changes(before) == [("update", *key, ["tags.Name", "tags.team"])]


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [(("vpc", "fleet"), "cidr", "10.50.0.0/16"), (("subnet", "fleet-public-eu-central-1a"), "az", "eu-central-1c")],
)
def test_refuses_what_cannot_be_changed(key: tuple[str, str], field: str, value: str) -> None:
    before = live()
    wanted = before[key][field]
    before[key][field] = value
    with pytest.raises(PlanError) as said:
        changes(before)
    assert str(said.value) == (
        f"{key[0]} {key[1]}: {field} is '{value}' and should be '{wanted}',"
        " which AWS cannot change. Nothing was changed."
    )


def test_diff_shows_only_what_changes() -> None:
    change = step("route_table", "fleet-private", "update", {}, {DEFAULT_ROUTE: "fleet-nat"})
    assert Plan(steps=(change,)).diff() == {
        "before": {},
        "after": {"route_table fleet-private": {DEFAULT_ROUTE: "fleet-nat"}},
    }


def test_china_has_service_names_of_its_own() -> None:
    assert service_name("cn-north-1", "s3") == "cn.com.amazonaws.cn-north-1.s3"
    assert service_name("eu-central-1", "s3") == "com.amazonaws.eu-central-1.s3"


def test_other_tags_are_purged_and_those_that_the_network_needs_stay() -> None:
    there, subnet = live(), ("subnet", PUBLIC[0])
    for key in ("theirs", "aws:made", "dataplatform.fleet/fleet"):
        there[subnet][f"tags.{key}"] = "1"
    assert changes(there) == []
    purging = replace(NETWORK, purge_tags=True)
    (change,) = plan(there, desired(purging), purging)
    assert (change.before, change.after) == ({"tags.theirs": "1"}, {})
    assert change.as_dict() == {
        "operation": f"update subnet {PUBLIC[0]}",
        "changes": {"tags.theirs": {"before": "1", "after": None}},
    }


def test_a_change_is_returned_with_its_fields() -> None:
    change = step("subnet", "one-a", "update", before={"a": 1, "b": 2}, after={"a": 3})
    assert change.as_dict() == {
        "operation": "update subnet one-a",
        "changes": {"a": {"before": 1, "after": 3}, "b": {"before": 2, "after": None}},
    }


def test_purged_tags_and_a_surplus_route_go_together() -> None:
    network = Network("one", "10.0.0.0/16", "eu-central-1", [], purge_tags=True)
    live = {"routes.0.0.0.0/0": "internet_gateway", "tags.Name": "one", "tags.theirs": "x"}
    before, after = _differences(live, {"tags.Name": "one"}, network)
    assert (before, after) == ({"routes.0.0.0.0/0": "internet_gateway", "tags.theirs": "x"}, {})


def test_objects_are_removed_in_reverse_order() -> None:
    gone = [step.resource for step in removal(live())]
    assert (gone[0], gone[-2:]) == ("flow_log fleet-flow-logs", ["internet_gateway fleet", "vpc fleet"])
    assert "security_group default" not in gone
    assert "security_group fleet-endpoints" in gone
    assert gone[1:4] == ["endpoint ecr.api", "endpoint ecr.dkr", "endpoint s3"]
    assert removal(live()).diff()["after"] == {}
