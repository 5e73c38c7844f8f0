# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a network and its changes.

The state has names instead of ids: a route's target is ``nat eu-central-1a``. So the plan for resources that do not
exist yet is the plan that is carried out later, and check mode needs no placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Change, Plan, Step, tag_changes
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import known, refusal
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import texts

Fields = dict[str, Any]
Key = tuple[str, str]
State = dict[Key, Fields]

# In the order in which they are created.
KINDS = (
    "vpc",
    "internet_gateway",
    "subnet",
    "elastic_ip",
    "nat_gateway",
    "security_group",
    "route_table",
    "endpoint",
    "flow_log",
)
IMMUTABLE = {"vpc": {"cidr"}, "subnet": {"az"}, "endpoint": {"type"}}
# Kinds that are replaced to change them; the replacement interrupts no traffic.
REPLACEABLE = {"flow_log": {"log_group", "role_arn", "traffic_type"}}
# Kinds that are deleted when they are no longer declared. Subnets are not: they can be in use.
PRUNED = ("flow_log", "endpoint", "route_table", "nat_gateway", "elastic_ip")
GATEWAY_SERVICES = ("s3", "dynamodb")
ENDPOINT_SETS = {"ecr": ("ecr.api", "ecr.dkr")}
DEFAULT_ROUTE = "routes.0.0.0.0/0"
# The target of a route whose NAT gateway has been deleted.
GONE_NAT = "a NAT gateway that is gone"
# The rules of the default security group in a new VPC.
DEFAULT_GROUP: Fields = {"ingress": ["all from itself"], "egress": ["all to 0.0.0.0/0"]}


class PlanError(AwsError):
    """A difference that cannot be resolved by changing the resource."""


@dataclass(frozen=True)
class Network:
    """The desired network, as the module's options give it."""

    name: str
    cidr: str
    region: str
    subnets: list[dict[str, str]]
    nat: str = "single"
    endpoints: list[str] = field(default_factory=list)
    flow_log: dict[str, str] | None = None
    tags: dict[str, str] = field(default_factory=dict)
    tier_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    purge_tags: bool = False
    adopt: bool = False

    def owns(self, live: Mapping[str, str]) -> bool:
        """Return whether this network owns a resource, by ownership tags, or without them by any of the wanted tags."""
        return not self.tags or known(live, self.tags)

    def of_tier(self, *, public: bool) -> list[dict[str, str]]:
        return [subnet for subnet in self.subnets if (subnet["tier"] == "public") is public]


@dataclass(frozen=True)
class ResourceStep(Step):
    """The change of one resource. Its requests are created when the ids of earlier resources are known."""

    kind: str = ""
    name: str = ""
    action: str = ""

    @property
    def before(self) -> Fields:
        """The current values of the fields that change."""
        return {key: change.before for key, change in self.changes.items() if change.before is not None}

    @property
    def after(self) -> Fields:
        """The new values of the fields that change."""
        return {key: change.after for key, change in self.changes.items() if change.after is not None}


def step(
    kind: str, name: str, action: str, before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None
) -> ResourceStep:
    """Return a resource's step from the fields *before* to those *after*, with the fields that differ."""
    had, gets = before or {}, after or {}
    changes = {key: Change(had.get(key), gets.get(key)) for key in {**had, **gets}}
    return ResourceStep(f"{action} {kind} {name}", {}, changes, "at once", f"{kind} {name}", kind, name, action)


def service_name(region: str, service: str) -> str:
    """Return the name under which a region offers an AWS service to VPC endpoints."""
    return f"{'cn.' if region.startswith('cn-') else ''}com.amazonaws.{region}.{service}"


def _tags(name: str, *tags: Mapping[str, str]) -> Fields:
    merged: dict[str, str] = {"Name": name}
    for more in tags:
        merged.update(more)
    return {f"tags.{key}": value for key, value in sorted(texts(merged).items())}


def _nats(network: Network) -> dict[str, str]:
    """Return the NAT gateways' names and the public subnets they are in, by zone."""
    public = network.of_tier(public=True)
    wanted = {"none": 0, "single": 1, "per_az": len(public)}[network.nat]
    return {subnet["az"]: subnet["name"] for subnet in public[:wanted]}


def desired(network: Network) -> State:
    """Return every resource of the network and its fields."""
    name, tags = network.name, network.tags
    nats = _nats(network)
    state: State = {
        ("vpc", name): {"cidr": network.cidr, "dns_support": True, "dns_hostnames": True, **_tags(name, tags)},
        ("internet_gateway", name): _tags(name, tags),
        ("security_group", "default"): {"ingress": [], "egress": [], **_tags(f"{name}-default-closed", tags)},
    }
    for subnet in network.subnets:
        tier = network.tier_tags.get(subnet["tier"], {})
        state["subnet", subnet["name"]] = {
            "cidr": subnet["cidr"],
            "az": subnet["az"],
            # Load balancers and NAT gateways allocate their own public addresses; no other resource belongs there.
            "map_public_ip": False,
            **_tags(subnet["name"], tags, {"dataplatform.fleet/tier": subnet["tier"]}, tier),
        }
    for az, subnet_name in nats.items():
        nat = f"{name}-nat-{az}"
        state["elastic_ip", nat] = _tags(nat, tags)
        state["nat_gateway", nat] = {"subnet": subnet_name, **_tags(nat, tags)}
    state.update(_route_tables(network, nats))
    state.update(_endpoints(network, [table for kind, table in state if kind == "route_table"]))
    if network.flow_log:
        state["flow_log", f"{name}-flow-logs"] = {**network.flow_log, **_tags(f"{name}-flow-logs", tags)}
    return state


def _route_tables(network: Network, nats: Mapping[str, str]) -> State:
    name, tags = network.name, network.tags
    private = network.of_tier(public=False)
    state: State = {}
    if public := network.of_tier(public=True):
        state["route_table", f"{name}-public"] = {
            DEFAULT_ROUTE: "internet_gateway",
            "subnets": sorted(subnet["name"] for subnet in public),
            **_tags(f"{name}-public", tags),
        }
    if network.nat == "per_az":
        tables = {
            f"{name}-private-{az}": (f"{name}-nat-{az}", [subnet for subnet in private if subnet["az"] == az])
            for az in nats
        }
    else:
        tables = {f"{name}-private": (f"{name}-nat-{next(iter(nats))}" if nats else "", private)}
    for table, (nat, subnets) in tables.items():
        if subnets:
            state["route_table", table] = {
                **({DEFAULT_ROUTE: nat} if nat else {}),
                "subnets": sorted(subnet["name"] for subnet in subnets),
                **_tags(table, tags),
            }
    return state


def _endpoints(network: Network, tables: list[str]) -> State:
    name = network.name
    services = [one for given in network.endpoints for one in ENDPOINT_SETS.get(given, (given,))]
    zones: dict[str, str] = {}
    for subnet in network.of_tier(public=False):
        zones.setdefault(subnet["az"], subnet["name"])
    group = f"{name}-endpoints"
    state: State = {}
    for service in services:
        common = _tags(f"{name}-{service}", network.tags)
        if service in GATEWAY_SERVICES:
            state["endpoint", service] = {"type": "Gateway", "route_tables": sorted(tables), **common}
            continue
        state["endpoint", service] = {
            "type": "Interface",
            "subnets": sorted(zones.values()),
            "security_groups": [group],
            "private_dns": True,
            **common,
        }
        state["security_group", group] = {
            "ingress": [f"tcp 443 from {network.cidr}"],
            "egress": [],
            **_tags(group, network.tags),
        }
    return state


def _differences(live: Fields, want: Fields, network: Network) -> tuple[Fields, Fields]:
    """Return the fields that differ, before and after. A live None means that the API does not tell."""
    changed = [key for key in want if live.get(key, ...) != want[key] and live.get(key, ...) is not None]
    # A default route of others stays where this network declares none.
    surplus = [key for key in live if key.startswith("routes.") and key not in want and _leads_out(live[key], network)]
    if network.purge_tags:
        _added, removed = tag_changes(tags_in(live), tags_in(want), purge=True)
        surplus += [f"tags.{key}" for key in removed]
    before = {key: live[key] for key in (*changed, *surplus) if key in live}
    return before, {key: want[key] for key in changed}


def _leads_out(target: str, network: Network) -> bool:
    """Whether a route has the kind of target that this network's routes have."""
    return target in ("internet_gateway", GONE_NAT) or target.startswith(f"{network.name}-nat-")


def tags_in(fields: Fields) -> dict[str, str]:
    return {key.removeprefix("tags."): value for key, value in fields.items() if key.startswith("tags.")}


def owned(fields: Fields, network: Network) -> bool:
    """Return by its tags whether this network's plan has created a resource."""
    tags = tags_in(fields)
    return tags.get("Name", "").startswith(f"{network.name}-") and network.owns(tags)


def _refuse_foreign(live: State, want: State, ids: Mapping[Key, str], network: Network) -> None:
    """:raises PlanError: if a resource that the plan would change has another owner."""
    if network.adopt:
        return
    for (kind, name), fields in live.items():
        # AWS creates the default group with the VPC. A flow log is identified by its destination and role.
        if (kind, name) not in want or kind == "flow_log" or (kind, name) == ("security_group", "default"):
            continue
        if not network.owns(tags_in(fields)):
            raise PlanError(foreign_text(kind, name, ids.get((kind, name), ""), tags_in(fields), network))


def foreign_text(kind: str, name: str, resource_id: str, tags: Mapping[str, str], network: Network) -> str:
    shown = f"The {kind.replace('_', ' ')} {name}" + (f" ({resource_id})" if resource_id else "")
    return refusal("vpc", network.name, tags, network.tags, shown)


def plan(live: State, want: State, network: Network, ids: Mapping[Key, str] | None = None) -> Plan:
    """Return the steps from ``live`` to ``want``, in an order that AWS accepts.

    :param ids: the ids of what is live, for messages.
    :raises PlanError: if a resource cannot be changed, or has another owner.
    """
    _refuse_foreign(live, want, ids or {}, network)
    steps: list[Step] = []
    for key in sorted(want, key=lambda item: KINDS.index(item[0])):
        kind, name = key
        if key not in live:
            steps.append(step(kind, name, "create", after=want[key]))
            continue
        before, after = _differences(live[key], want[key], network)
        if not before and not after:
            continue
        for fixed in sorted(IMMUTABLE.get(kind, set()) & after.keys()):
            raise PlanError(
                f"{kind} {name}: {fixed} is {before.get(fixed)!r} and should be {after[fixed]!r}, "
                "which AWS cannot change. Nothing was changed."
            )
        action = "replace" if REPLACEABLE.get(kind, set()) & after.keys() else "update"
        steps.append(step(kind, name, action, before, after))
    steps.extend(
        step(kind, name, "delete", before=fields)
        for pruned in PRUNED
        for (kind, name), fields in sorted(live.items())
        if kind == pruned and (kind, name) not in want and owned(fields, network)
    )
    return Plan(steps=tuple(steps))


def removal(live: State) -> Plan:
    """Return the steps that delete the network, in an order that AWS accepts. AWS deletes a VPC's default group."""
    going = sorted(live.keys() - {("security_group", "default")}, key=lambda key: (-KINDS.index(key[0]), key[1]))
    return Plan(steps=tuple(step(kind, name, "delete", before=live[kind, name]) for kind, name in going))
