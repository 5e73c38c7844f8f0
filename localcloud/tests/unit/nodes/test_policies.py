# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkPolicies as nftables rulesets: each rule of the API reference, tested in the chain of its pod."""

from __future__ import annotations

import re
from typing import Any

import pytest

from localcloud.nodes.policies import Compiler, Pod, applies, pods_of, selected

NAMESPACES = {"a": {"kubernetes.io/metadata.name": "a", "team": "x"}, "b": {"kubernetes.io/metadata.name": "b"}}
WEB = Pod("a", "10.0.0.1", (("app", "web"),), (("TCP", "http", 8080),), local=True)
API = Pod("a", "10.0.0.2", (("app", "api"),), (("TCP", "http", 9090),), local=True)
FAR = Pod("b", "10.0.0.3", (("app", "web"),), (("TCP", "http", 7070),), local=False)


def _policy(spec: dict[str, Any], namespace: str = "a", name: str = "p") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"podSelector": {}, **spec}}


def _rules(pod: Pod, direction: str, *policies: dict[str, Any]) -> list[str] | None:
    """Return the rules of a pod's chain without the final drop; None if it has no chain."""
    text = Compiler(policies, [WEB, API, FAR], NAMESPACES).ruleset()
    found = re.search(rf"map {direction} {{.*?\n  }}", text, re.DOTALL)
    assert found
    jump = re.search(rf"{re.escape(pod.address)} : jump (\w+)", found[0])
    if not jump:
        return None
    chain = re.search(rf"chain {jump[1]} {{\n(.*?)\n  }}", text, re.DOTALL)
    assert chain
    *rules, last = [line.strip() for line in chain[1].splitlines()]
    assert last == "drop"
    return rules


def test_a_pod_without_a_policy_has_no_chain() -> None:
    assert _rules(WEB, "ingress") is None
    assert _rules(WEB, "ingress", _policy({"podSelector": {"matchLabels": {"app": "api"}}})) is None


def test_a_policy_without_rules_denies_ingress_and_allows_egress() -> None:
    policy = _policy({})
    assert _rules(WEB, "ingress", policy) == []
    assert _rules(WEB, "egress", policy) is None


def test_pods_of_other_nodes_get_no_chain() -> None:
    assert _rules(FAR, "ingress", _policy({}, "b")) is None


def test_named_port_is_that_of_the_pod_reached() -> None:
    policy = _policy({"ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": "http"}]}]})
    assert _rules(WEB, "ingress", policy) == ["ip saddr { 10.0.0.1, 10.0.0.2 } tcp dport 8080 return"]
    assert _rules(API, "ingress", policy) == ["ip saddr { 10.0.0.1, 10.0.0.2 } tcp dport 9090 return"]
    out = _policy({"policyTypes": ["Egress"], "egress": [{"to": [{"podSelector": {}}], "ports": [{"port": "http"}]}]})
    assert _rules(WEB, "egress", out) == [
        "ip daddr 10.0.0.1 tcp dport 8080 return",
        "ip daddr 10.0.0.2 tcp dport 9090 return",
    ]


def test_named_port_that_a_pod_does_not_have_opens_nothing() -> None:
    policy = _policy({"ingress": [{"ports": [{"port": "metrics"}]}]})
    assert _rules(WEB, "ingress", policy) == []


def test_namespace_and_pod_selector_together_mean_both() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "b"}}, "podSelector": {}}
    assert _rules(WEB, "ingress", _policy({"ingress": [{"from": [peer]}]})) == ["ip saddr { 10.0.0.3 } return"]
    no_pods = {**peer, "podSelector": {"matchLabels": {"app": "api"}}}
    assert _rules(WEB, "ingress", _policy({"ingress": [{"from": [no_pods]}]})) == []


def test_rule_without_peers_is_open_to_all() -> None:
    policy = _policy({"ingress": [{"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}]})
    assert _rules(WEB, "ingress", policy) == ["tcp dport 80 return", "udp dport 53 return"]
    assert _rules(WEB, "ingress", _policy({"ingress": [{}]})) == ["return"]


def test_range_of_ports_and_protocol_alone() -> None:
    ports = [{"port": 32000, "endPort": 32768}, {"protocol": "UDP"}]
    policy = _policy({"policyTypes": ["Egress"], "egress": [{"ports": ports}]})
    assert _rules(WEB, "egress", policy) == ["tcp dport 32000-32768 return", "meta l4proto udp return"]


def test_block_with_exceptions() -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}}
    policy = _policy({"egress": [{"to": [block], "ports": [{"port": 443}]}]})
    assert _rules(WEB, "egress", policy) == [
        "ip daddr 10.0.0.0/8 ip daddr != { 10.1.0.0/16, 10.2.0.0/16 } tcp dport 443 return"
    ]


def test_all_addresses_need_no_match_and_ipv6_matches_nothing() -> None:
    everywhere = _policy({"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]})
    assert _rules(WEB, "egress", everywhere) == ["return"]
    assert _rules(WEB, "egress", _policy({"egress": [{"to": [{"ipBlock": {"cidr": "::/0"}}]}]})) == [
        "ip daddr 255.255.255.255 return"
    ]


def test_policies_add_up() -> None:
    first = _policy({"ingress": [{"ports": [{"port": 1}]}]}, name="first")
    second = _policy({"ingress": [{"ports": [{"port": 2}]}]}, name="second")
    assert _rules(WEB, "ingress", second, first) == ["tcp dport 1 return", "tcp dport 2 return"]


def test_pods_with_the_same_rules_share_a_chain() -> None:
    text = Compiler([_policy({})], [WEB, API, FAR], NAMESPACES).ruleset()
    assert text.count("chain ingress_") == 1


@pytest.mark.parametrize(
    ("types", "egress", "expected"),
    [
        (None, False, (True, False)),
        (None, True, (True, True)),
        (["Egress"], False, (False, True)),
        (["Ingress"], True, (True, False)),
    ],
)
def test_directions(types: list[str] | None, egress: bool, expected: tuple[bool, bool]) -> None:
    spec: dict[str, Any] = {"policyTypes": types} if types else {}
    policy = _policy({**spec, **({"egress": []} if egress else {})})
    assert (applies(policy, WEB, "Ingress"), applies(policy, WEB, "Egress")) == expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("In", ["web"], True),
        ("In", ["api"], False),
        ("NotIn", ["api"], True),
        ("NotIn", ["web"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_expressions(operator: str, values: list[str], expected: bool) -> None:
    expression = {"key": "app", "operator": operator, "values": values}
    assert selected({"matchExpressions": [expression]}, {"app": "web"}) is expected


def test_missing_label_is_not_in_any_values() -> None:
    assert selected({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, {})
    assert not selected({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, {})


def test_pods_with_the_node_s_address_and_ended_ones_are_left_out() -> None:
    def pod(name: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": {"namespace": "a", "name": name}, "spec": {"containers": [], **spec}, "status": status}

    running = pod("x", {"nodeName": "n"}, {"podIP": "10.0.0.9", "phase": "Running"})
    host = pod("y", {"nodeName": "n", "hostNetwork": True}, {"podIP": "10.0.0.8", "phase": "Running"})
    ended = pod("z", {"nodeName": "n"}, {"podIP": "10.0.0.9", "phase": "Succeeded"})
    waiting = pod("w", {}, {})
    assert [(found.address, found.local) for found in pods_of([running, host, ended, waiting], "n")] == [
        ("10.0.0.9", True)
    ]
