# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers as nftables rulesets."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from localcloud.nodes.balancing import Listener, assign, host_of, listeners, ruleset

POOL = IPv4Network("10.0.15.128/25")
PODS = IPv4Network("10.0.15.0/25")


def _service(kind: str = "LoadBalancer", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "kafka", "name": "kafka-0"},
        "spec": {"type": kind, "ports": [{"name": "external", "port": 9094}], **spec},
        "status": {"loadBalancer": {"ingress": [{"hostname": "lb.elb.amazonaws.com"}]}},
    }


def _slice(*endpoints: tuple[str, bool | None], name: str = "kafka-0") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "kafka", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "external", "port": 9094}, {"name": "metrics", "port": 9404}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}} for address, ready in endpoints],
    }


def test_only_load_balancers_with_a_name_have_one() -> None:
    assert host_of(_service()) == "lb.elb.amazonaws.com"
    assert not host_of(_service("ClusterIP"))
    assert not host_of({**_service(), "status": {}})


def test_addresses_are_kept_and_reused() -> None:
    first = assign(["b", "a"], {}, POOL)
    assert first == {"a": "10.0.15.129", "b": "10.0.15.130"}
    assert assign(["b", "c"], first, POOL) == {"b": "10.0.15.130", "c": "10.0.15.129"}
    assert assign(["a"], {"a": "10.9.9.9"}, POOL) == {"a": "10.0.15.129"}


def test_targets_are_the_ready_pods_of_the_machine() -> None:
    slices = [
        _slice(("10.0.15.2", True), ("10.0.15.3", False), ("10.0.15.4", None), ("100.64.0.9", True)),
        _slice(("10.0.15.9", True), name="other"),
    ]
    addresses = {"lb.elb.amazonaws.com": "10.0.15.129"}
    sources = ["10.40.0.0/16", "::/0"]
    found = listeners([_service(loadBalancerSourceRanges=sources)], slices, addresses, PODS)
    targets = (("10.0.15.2", 9094), ("10.0.15.4", 9094))
    assert found == [Listener("10.0.15.129", "tcp", 9094, ("10.40.0.0/16",), targets)]


def test_service_without_an_address_is_passed_over() -> None:
    assert listeners([_service()], [], {}, PODS) == []


def test_one_target_and_several() -> None:
    one = Listener("10.0.15.129", "tcp", 80, (), (("10.0.15.2", 8080),))
    two = Listener("10.0.15.130", "udp", 53, ("10.0.0.0/8",), (("10.0.15.2", 53), ("10.0.15.3", 53)))
    text = ruleset([one, two], POOL)
    assert "ip daddr 10.0.15.129 tcp dport 80 dnat to 10.0.15.2:8080" in text
    assert (
        "ip saddr { 10.0.0.0/8 } ip daddr 10.0.15.130 udp dport 53 dnat to numgen random mod 2 "
        "map { 0 : 10.0.15.2 . 53, 1 : 10.0.15.3 . 53 }" in text
    )


def test_without_targets_connections_are_refused() -> None:
    text = ruleset([Listener("10.0.15.129", "tcp", 80, (), ())], POOL)
    assert "10.0.15.129" not in text
    assert f"ip daddr {POOL} meta l4proto tcp reject with tcp reset" in text
