# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkPolicies as an nftables ruleset: pure functions.

The semantics are those of the API reference (networking.k8s.io/v1): traffic of a pod that policies select for a
direction must be allowed by one of these policies. Rules match the addresses of pods, not of Services, as in forwarded
traffic. Traffic from the node to a pod, such as probes, is always allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.controllers.kube import Object

TABLE = "localcloud_policy"
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True)
class Pod:
    """The fields of a pod that policies use."""

    namespace: str
    address: str
    labels: tuple[tuple[str, str], ...]
    ports: tuple[tuple[str, str, int], ...]
    """Named ports: protocol, name, number."""
    local: bool

    def port(self, protocol: str, name: str) -> int | None:
        return next((number for proto, known, number in self.ports if (proto, known) == (protocol, name)), None)


def pods_of(objects: Iterable[Object], node: str) -> list[Pod]:
    """Return the pods with pod addresses; ``local`` selects those on a node."""
    found = []
    for obj in objects:
        spec, status = obj["spec"], obj.get("status") or {}
        if spec.get("hostNetwork") or not status.get("podIP") or status.get("phase") in ("Succeeded", "Failed"):
            continue
        # The port can also be that of a sidecar.
        everyone = [*spec["containers"], *(spec.get("initContainers") or [])]
        ports = tuple(
            (str(port.get("protocol", "TCP")), str(port["name"]), int(port["containerPort"]))
            for container in everyone
            for port in container.get("ports") or []
            if port.get("name")
        )
        labels = tuple(sorted((obj["metadata"].get("labels") or {}).items()))
        local = spec.get("nodeName") == node
        found.append(Pod(obj["metadata"]["namespace"], status["podIP"], labels, ports, local))
    return found


def selected(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches labels; an empty selector matches everything."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions") or [])


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    return {
        "In": value is not None and value in values,
        "NotIn": value is None or value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


class Compiler:
    """Compiles the policies of a cluster for the pods of one node."""

    def __init__(
        self, policies: Sequence[Object], pods: Sequence[Pod], namespaces: Mapping[str, Mapping[str, str]]
    ) -> None:
        """``namespaces`` are the labels of each namespace."""
        self._policies = sorted(policies, key=lambda p: (p["metadata"]["namespace"], p["metadata"]["name"]))
        self._pods = sorted(pods, key=lambda pod: pod.address)
        self._namespaces = namespaces

    def ruleset(self) -> str:
        """Return the table for ``nft --file``, which replaces the previous table."""
        chains: list[str] = []
        jumps: dict[str, dict[str, str]] = {"Ingress": {}, "Egress": {}}
        names: dict[tuple[str, str], str] = {}
        for pod in self._pods:
            if not pod.local:
                continue
            for direction, jump in jumps.items():
                applying = [policy for policy in self._policies if applies(policy, pod, direction)]
                if not applying:
                    continue
                rules = "\n".join(f"    {rule}" for policy in applying for rule in self._rules(policy, pod, direction))
                name = names.get((direction, rules))
                if name is None:
                    name = names[direction, rules] = f"{direction.lower()}_{len(names)}"
                    body = f"{rules}\n" if rules else ""
                    chains.append(f"  chain {name} {{\n{body}    drop\n  }}")
                jump[pod.address] = name
        maps = "\n".join(_map(direction, jump) for direction, jump in jumps.items())
        return (
            f"table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n"
            + "\n".join(chains)
            + f"\n{maps}\n"
            + "  chain forward {\n    type filter hook forward priority filter; policy accept;\n"
            + "    ct state established,related accept\n"
            + "    ip saddr vmap @egress\n    ip daddr vmap @ingress\n  }\n"
            + "  chain input {\n    type filter hook input priority filter; policy accept;\n"
            + "    ct state established,related accept\n    ip saddr vmap @egress\n  }\n}\n"
        )

    def _rules(self, policy: Object, pod: Pod, direction: str) -> list[str]:
        """Return the rules of a policy for a pod; each returns matching traffic to the calling chain."""
        field, side, other = ("ingress", "from", "saddr") if direction == "Ingress" else ("egress", "to", "daddr")
        namespace = policy["metadata"]["namespace"]
        rules: list[str] = []
        for rule in policy["spec"].get(field) or []:
            peers = rule.get(side)
            ports = rule.get("ports")
            if not peers:
                rules += self._open(ports, pod, direction)
                continue
            for peer in peers:
                if "ipBlock" in peer:
                    match = _block(peer["ipBlock"], other)
                    everyone = self._pods if direction == "Egress" else []
                    rules += [f"{match} {port} return" for port in self._ports(ports, pod, direction, everyone)]
                else:
                    rules += self._peers(self._select(peer, namespace), ports, pod, direction, other)
        return [" ".join(rule.split()) for rule in rules]

    def _open(self, ports: Sequence[Mapping[str, Any]] | None, pod: Pod, direction: str) -> list[str]:
        return [f"{port} return" for port in self._ports(ports, pod, direction, self._pods)]

    def _peers(
        self,
        peers: Sequence[Pod],
        ports: Sequence[Mapping[str, Any]] | None,
        pod: Pod,
        direction: str,
        other: str,
    ) -> list[str]:
        if not peers:
            return []
        if direction == "Ingress" or not any(_named(port) for port in ports or []):
            addresses = ", ".join(peer.address for peer in peers)
            return [f"ip {other} {{ {addresses} }} {port} return" for port in self._ports(ports, pod, direction, ())]
        return [
            f"ip {other} {peer.address} {port} return"
            for peer in peers
            for port in self._ports(ports, peer, "Ingress", ())
        ]

    def _ports(
        self,
        ports: Sequence[Mapping[str, Any]] | None,
        pod: Pod,
        direction: str,
        destinations: Sequence[Pod],
    ) -> list[str]:
        """Return the matches of a rule's ports; a named port is that of the destination pod."""
        if not ports:
            return [""]
        matches: list[str] = []
        for port in ports:
            protocol = str(port.get("protocol", "TCP"))
            if not _named(port):
                matches.append(_number(port, protocol))
            elif direction == "Ingress":
                number = pod.port(protocol, str(port["port"]))
                matches += [] if number is None else [f"{protocol.lower()} dport {number}"]
            else:
                numbers = [(peer.address, peer.port(protocol, str(port["port"]))) for peer in destinations]
                matches += [
                    f"ip daddr {address} {protocol.lower()} dport {number}" for address, number in numbers if number
                ]
        return matches

    def _select(self, peer: Mapping[str, Any], namespace: str) -> list[Pod]:
        """Return the pods of a peer: in the policy's namespace, unless the peer has a namespace selector."""
        if peer.get("namespaceSelector") is None:
            names = {namespace}
        else:
            names = {n for n, labels in self._namespaces.items() if selected(peer["namespaceSelector"], labels)}
        wanted = peer.get("podSelector") or {}
        return [pod for pod in self._pods if pod.namespace in names and selected(wanted, dict(pod.labels))]


def applies(policy: Object, pod: Pod, direction: str) -> bool:
    """Whether a policy applies to a direction of traffic."""
    spec = policy["spec"]
    # By default, a policy applies to ingress, and to egress if it has egress rules.
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    if direction not in types or policy["metadata"]["namespace"] != pod.namespace:
        return False
    return selected(spec.get("podSelector") or {}, dict(pod.labels))


def _named(port: Mapping[str, Any]) -> bool:
    return isinstance(port.get("port"), str)


def _number(port: Mapping[str, Any], protocol: str) -> str:
    if port.get("port") is None:
        return f"meta l4proto {protocol.lower()}"
    last = f"-{port['endPort']}" if port.get("endPort") else ""
    return f"{protocol.lower()} dport {port['port']}{last}"


def _block(block: Mapping[str, Any], other: str) -> str:
    if ":" in block["cidr"]:
        # IPv6 is not supported here: the rule matches nothing.
        return f"ip {other} 255.255.255.255"
    inside = "" if block["cidr"].endswith("/0") else f"ip {other} {block['cidr']}"
    outside = ", ".join(cidr for cidr in block.get("except") or [] if ":" not in cidr)
    return f"{inside} {f'ip {other} != {{ {outside} }}' if outside else ''}"


def _map(direction: str, jumps: Mapping[str, str]) -> str:
    elements = ", ".join(f"{address} : jump {chain}" for address, chain in sorted(jumps.items()))
    body = f"    elements = {{ {elements} }}\n" if elements else ""
    return f"  map {direction.lower()} {{\n    type ipv4_addr : verdict\n{body}  }}"
