"""What a run may touch: only the clusters that its inventory declares, whatever else it can see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.site.conftest import Playbook, Run

pytestmark = pytest.mark.integration

NEIGHBOUR = "controlplane"


def identifiers(local_cloud: Any, member: str) -> set[str]:
    """Names and ids of everything that belongs to a member."""
    found = {f"dataplatform-{member}"}
    ec2 = local_cloud.client("ec2")
    tag = [{"Name": "tag:dataplatform.fleet/cluster", "Values": [member]}]
    found |= {vpc["VpcId"] for vpc in ec2.describe_vpcs(Filters=tag)["Vpcs"]}
    found |= {subnet["SubnetId"] for subnet in ec2.describe_subnets(Filters=tag)["Subnets"]}
    found |= {table["RouteTableId"] for table in ec2.describe_route_tables(Filters=tag)["RouteTables"]}
    found |= {group["GroupId"] for group in ec2.describe_security_groups(Filters=tag)["SecurityGroups"]}
    found |= {gateway["NatGatewayId"] for gateway in ec2.describe_nat_gateways(Filters=tag)["NatGateways"]}
    return found


def kubernetes_changes(local_cloud: Any, member: str) -> list[str]:
    """Mutating requests to a member's API server by IAM principals, not by its own components."""
    (log,) = Path(local_cloud.state_dir).glob(f"clusters/*-dataplatform-{member}/audit.jsonl")
    events = (json.loads(line) for line in log.read_text().splitlines())
    return [event["requestURI"] for event in events if event["user"]["username"].startswith("arn:aws")]


def test_a_run_on_staging_names_staging_only(fleet: Run, playbook: Playbook, local_cloud: Any) -> None:
    ec2 = local_cloud.client("ec2")
    tag = [{"Name": "tag:dataplatform.fleet/cluster", "Values": ["staging"]}]
    subnet = ec2.describe_subnets(Filters=tag)["Subnets"][0]["SubnetId"]
    ec2.delete_tags(Resources=[subnet], Tags=[{"Key": "dataplatform.fleet/tier"}])
    calls, requests = len(local_cloud.aws_calls()), len(kubernetes_changes(local_cloud, NEIGHBOUR))

    run = playbook("site.yml", "staging", "--diff", "-e", "ingress_nginx_replicas=3")

    assert run.announced, "the run was to change something"
    since = local_cloud.aws_calls()[calls:]
    assert any(call["service"] == "ec2" for call in since)
    theirs = identifiers(local_cloud, NEIGHBOUR)
    foreign = [call for call in since if any(name in json.dumps(call) for name in theirs)]
    assert foreign == []
    assert len(kubernetes_changes(local_cloud, NEIGHBOUR)) == requests
    playbook("playbooks/ingress.yml", "staging")
