# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find members of a fleet whose networks overlap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from itertools import combinations
from typing import Any

from ansible.errors import AnsibleFilterError


def cidr_overlaps(members: Mapping[str, Any], key: str = "vpc_cidr") -> list[str]:
    """Return a sentence for each pair of members whose networks overlap, in the order of the members."""
    networks: dict[str, IPv4Network] = {}
    for name, member in members.items():
        cidr = member.get(key) if isinstance(member, Mapping) else member
        try:
            networks[name] = IPv4Network(str(cidr))
        except ValueError as error:
            raise AnsibleFilterError(f"cidr_overlaps: {key} of {name} is {cidr!r}, not a network: {error}") from error
    return [
        f"{first} ({networks[first]}) and {second} ({networks[second]}) overlap"
        for first, second in combinations(networks, 2)
        if networks[first].overlaps(networks[second])
    ]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cidr_overlaps": cidr_overlaps}
