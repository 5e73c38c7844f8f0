# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Divide a VPC's CIDR block into the subnets of its zones and tiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from ansible.errors import AnsibleFilterError

# https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
LARGEST_PREFIX = 16
SMALLEST_PREFIX = 28


def _network(cidr: str) -> IPv4Network:
    try:
        return IPv4Network(cidr)
    except ValueError as error:
        raise AnsibleFilterError(f"subnet_plan: {cidr!r} is not a network: {error}") from error


def _prefixes(tiers: Mapping[str, Any]) -> dict[str, int]:
    """Return the tiers with the largest subnets first, which aligns every subnet to its size."""
    if not tiers:
        raise AnsibleFilterError("subnet_plan: tiers is empty")
    prefixes: dict[str, int] = {}
    for tier, given in tiers.items():
        try:
            prefixes[tier] = int(given)
        except (TypeError, ValueError) as error:
            raise AnsibleFilterError(f"subnet_plan: tier {tier!r} has the prefix {given!r}, not a number") from error
        if not LARGEST_PREFIX <= prefixes[tier] <= SMALLEST_PREFIX:
            raise AnsibleFilterError(
                f"subnet_plan: tier {tier!r} has the prefix /{given}; "
                f"AWS allows subnets from /{LARGEST_PREFIX} to /{SMALLEST_PREFIX}"
            )
    return dict(sorted(prefixes.items(), key=lambda item: item[1]))


def subnet_plan(cidr: str, azs: Sequence[str], tiers: Mapping[str, Any], prefix: str = "") -> list[dict[str, str]]:
    """Return ``{name, cidr, az, tier}`` for every zone and tier, zones in the order given.

    Every zone owns one aligned block that holds all of its tiers, so a zone appended to ``azs`` moves no subnet.
    """
    network = _network(cidr)
    sizes = _prefixes(tiers)
    if len(set(azs)) != len(azs) or not azs:
        raise AnsibleFilterError(f"subnet_plan: azs must be a list of different zones, not {list(azs)}")

    addresses = sum(2 ** (32 - size) for size in sizes.values())
    block = 32 - (addresses - 1).bit_length()
    wanted = ", ".join(f"{tier} /{size}" for tier, size in sizes.items())
    start, end = int(network.network_address), int(network.broadcast_address)
    plan: list[dict[str, str]] = []
    for index, az in enumerate(azs):
        cursor = start + index * 2 ** (32 - block)
        for tier, size in sizes.items():
            if cursor + 2 ** (32 - size) - 1 > end:
                fitting = 2 ** (block - network.prefixlen) if block >= network.prefixlen else 0
                raise AnsibleFilterError(
                    f"subnet_plan: the subnet {tier} /{size} of {az} does not fit into {cidr}: each zone takes a "
                    f"/{block} ({wanted}), and {fitting} of them fit where {len(azs)} are wanted. "
                    "Choose a larger network, fewer zones or smaller subnets."
                )
            plan.append(
                {
                    "name": f"{prefix}{tier}-{az}",
                    "cidr": str(IPv4Network((cursor, size))),
                    "az": az,
                    "tier": tier,
                }
            )
            cursor += 2 ** (32 - size)
    return plan


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"subnet_plan": subnet_plan}
