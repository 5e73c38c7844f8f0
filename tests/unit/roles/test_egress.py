# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allowed egress of the platform's pods."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    rendered_role,
    role_names,
    select,
    usual_host,
)

# Programs with connections outside of the VPC: APIs of AWS; single sign-on, mail, Slack and the heartbeat.
OUTSIDE = {"cluster-autoscaler", "elasticsearch", "grafana"}
# The range of the VPC, and the Service `kubernetes`, whose address is the first of those that EKS gives to Services:
# https://docs.aws.amazon.com/eks/latest/APIReference/API_KubernetesNetworkConfigRequest.html
API = {"controlplane": "10.40.0.0/16", "staging": "10.42.0.0/16"}
SERVICE = {"10.100.0.1/32", "172.20.0.1/32"}
# EKS Pod Identity, by the agent on the node.
AGENT = "169.254.170.23/32"


def egress(role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each policy with each of its rules."""
    for policy in select(rendered_role(role), "NetworkPolicy"):
        for rule in policy["spec"].get("egress") or []:
            yield policy["metadata"]["name"], rule


def blocks(rule: dict[str, Any]) -> set[str]:
    return {
        peer["ipBlock"]["cidr"] for peer in rule.get("to") or [{"ipBlock": {"cidr": "0.0.0.0/0"}}] if "ipBlock" in peer
    }


@pytest.mark.parametrize("role", role_names())
def test_only_declared_programs_can_connect_outside_of_the_vpc(role: str) -> None:
    for name, rule in egress(role):
        for cidr in blocks(rule) - {AGENT}:
            if not ipaddress.ip_network(cidr).is_private:
                assert name in OUTSIDE, f"{name}: {rule}"
                assert {port["port"] for port in rule["ports"]} == {443}


@pytest.mark.parametrize("role", role_names())
def test_the_api_server_is_in_the_vpc(role: str) -> None:
    vpc = API[usual_host(role)]
    for name, rule in egress(role):
        if 443 in {port.get("port") for port in rule.get("ports", [])} and name not in OUTSIDE:
            assert blocks(rule) == {vpc, *SERVICE}, name


@pytest.mark.parametrize("role", role_names())
def test_no_pod_reaches_the_credentials_of_its_node(role: str) -> None:
    """IMDS is at 169.254.169.254, port 80."""
    for name, rule in egress(role):
        ports = {port.get("port") for port in rule.get("ports", [])}
        for cidr in blocks(rule):
            if ipaddress.ip_address("169.254.169.254") in ipaddress.ip_network(cidr):
                assert ports and not ports & {80, None}, f"{name}: {rule}"
