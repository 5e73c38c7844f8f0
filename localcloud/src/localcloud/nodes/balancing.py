# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers as an nftables ruleset: pure functions.

A Service's load balancer has an address that is routed to the cluster's real node. Connections to it are forwarded to
the Service's ready pods on that node and keep the client's address, as with a Network Load Balancer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from localcloud.controllers.kube import Object

TABLE = "localcloud_load_balancer"
_SERVICE = "kubernetes.io/service-name"


@dataclass(frozen=True)
class Listener:
    """A port of a load balancer with its allowed clients and its target pods."""

    address: str
    protocol: str
    port: int
    sources: tuple[str, ...]
    targets: tuple[tuple[str, int], ...]


def host_of(service: Object) -> str:
    """Return the host name of a Service's load balancer, empty if it has none."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return str(ingress[0].get("hostname", "")) if service["spec"].get("type") == "LoadBalancer" else ""


def assign(hosts: Iterable[str], known: Mapping[str, str], pool: IPv4Network) -> dict[str, str]:
    """Return an address for each load balancer: its current address, else the lowest free address."""
    wanted = sorted(hosts)
    kept = {host: known[host] for host in wanted if host in known and IPv4Address(known[host]) in pool}
    free = (str(address) for address in pool.hosts() if str(address) not in set(kept.values()))
    return kept | dict(zip((host for host in wanted if host not in kept), free, strict=False))


def listeners(
    services: Iterable[Object], slices: Sequence[Object], addresses: Mapping[str, str], pods: IPv4Network
) -> list[Listener]:
    """Return the ports of all load balancers with an address."""
    found = []
    for service in services:
        host = host_of(service)
        if host not in addresses:
            continue
        meta, spec = service["metadata"], service["spec"]
        own = [
            item
            for item in slices
            if item["metadata"].get("namespace") == meta["namespace"]
            and (item["metadata"].get("labels") or {}).get(_SERVICE) == meta["name"]
        ]
        sources = tuple(cidr for cidr in spec.get("loadBalancerSourceRanges") or [] if ":" not in cidr)
        for port in spec.get("ports") or []:
            targets = tuple(sorted(set(_targets(own, port.get("name") or "", pods))))
            protocol = str(port.get("protocol", "TCP")).lower()
            found.append(Listener(addresses[host], protocol, int(port["port"]), sources, targets))
    return sorted(found, key=lambda item: (IPv4Address(item.address), item.protocol, item.port))


def _targets(slices: Iterable[Object], port_name: str, pods: IPv4Network) -> Iterable[tuple[str, int]]:
    for item in slices:
        numbers = [int(port["port"]) for port in item.get("ports") or [] if (port.get("name") or "") == port_name]
        for endpoint in item.get("endpoints") or []:
            # An endpoint without the condition is ready; simulated pods have addresses of another range.
            if (endpoint.get("conditions") or {}).get("ready") is not False and item.get("addressType") == "IPv4":
                yield from ((a, n) for a in endpoint["addresses"] if IPv4Address(a) in pods for n in numbers)


def ruleset(found: Sequence[Listener], pool: IPv4Network) -> str:
    """Return the table for ``nft --file``, which replaces the previous table.

    Connections to a load balancer without targets are rejected, because they would be routed in a loop.
    """
    rules = "".join(f"    {_rule(item)}\n" for item in found if item.targets)
    return (
        f"table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n"
        f"  chain prerouting {{\n    type nat hook prerouting priority dstnat - 5; policy accept;\n{rules}  }}\n"
        f"  chain output {{\n    type nat hook output priority -105; policy accept;\n{rules}  }}\n"
        "  chain forward {\n    type filter hook forward priority filter - 5; policy accept;\n"
        f"    ip daddr {pool} meta l4proto tcp reject with tcp reset\n    ip daddr {pool} reject\n  }}\n}}\n"
    )


def _rule(item: Listener) -> str:
    sources = f"ip saddr {{ {', '.join(item.sources)} }} " if item.sources else ""
    match = f"{sources}ip daddr {item.address} {item.protocol} dport {item.port}"
    if len(item.targets) == 1:
        address, port = item.targets[0]
        return f"{match} dnat to {address}:{port}"
    entries = ", ".join(f"{index} : {address} . {port}" for index, (address, port) in enumerate(item.targets))
    return f"{match} dnat to numgen random mod {len(item.targets)} map {{ {entries} }}"
