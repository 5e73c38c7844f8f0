"""Manual drift: announced and repaired exactly, without changes of clusters that the run does not name."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.site.conftest import Playbook, Run

pytestmark = pytest.mark.integration

CLUSTER = "dataplatform-staging"
NEIGHBOUR = "controlplane"
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def identifiers(local_cloud: Any, member: str) -> set[str]:
    """Return names and ids of all resources of a member."""
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


def test_drift_in_aws_and_kubernetes_is_announced_and_repaired(
    fleet: Run, playbook: Playbook, kubectl: Kubectl, local_cloud: Any
) -> None:
    expected = {
        **drift_in_aws(local_cloud),
        **drift_in_kubernetes(kubectl),
    }

    calls, requests = len(local_cloud.aws_calls()), len(kubernetes_changes(local_cloud, NEIGHBOUR))

    announced = playbook("site.yml", "staging", "--check", "--diff").announced
    repaired = playbook("site.yml", "staging", "--diff").announced

    assert announced == repaired
    text = "\n".join(" ".join(map(str, row)) for row in sorted(repaired, key=str))
    for what, needle in expected.items():
        assert needle in text, f"{what} was not repaired:\n{text}"
    # Undeclared resources are kept unchanged.
    since = local_cloud.aws_calls()[calls:]
    assert {"ec2", "eks"} <= {call["service"] for call in since}
    theirs = identifiers(local_cloud, NEIGHBOUR)
    assert [call for call in since if any(name in json.dumps(call) for name in theirs)] == []
    assert len(kubernetes_changes(local_cloud, NEIGHBOUR)) == requests
    assert playbook("site.yml", "staging", "--check").announced == set()


def drift_in_aws(local_cloud: Any) -> dict[str, str]:
    """Delete a route, a node group label and an access entry; return what each repair must report."""
    ec2, eks = local_cloud.client("ec2"), local_cloud.client("eks")
    tag = [{"Name": "tag:dataplatform.fleet/cluster", "Values": ["staging"]}]
    table = next(
        table
        for table in ec2.describe_route_tables(Filters=tag)["RouteTables"]
        if any(route.get("NatGatewayId") for route in table["Routes"])
    )
    ec2.delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")

    group = eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"][0]
    labels = eks.describe_nodegroup(clusterName=CLUSTER, nodegroupName=group)["nodegroup"]["labels"]
    label = sorted(labels)[0]
    eks.update_nodegroup_config(clusterName=CLUSTER, nodegroupName=group, labels={"removeLabels": [label]})
    wait_active(eks, group)

    entries = eks.list_access_entries(clusterName=CLUSTER)["accessEntries"]
    declared = [arn for arn in entries if arn.endswith("role/dataplatform-viewers")]
    assert declared, entries
    eks.delete_access_entry(clusterName=CLUSTER, principalArn=declared[0])
    return {"route": "0.0.0.0/0", "node group label": f"labels.{label}", "access entry": "dataplatform-viewers"}


def wait_active(eks: Any, group: str) -> None:
    eks.get_waiter("nodegroup_active").config.delay = 1
    waiter = eks.get_waiter("nodegroup_active")
    waiter.wait(clusterName=CLUSTER, nodegroupName=group, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def drift_in_kubernetes(kubectl: Kubectl) -> dict[str, str]:
    """Edit an image, replicas, a ConfigMap key and a NetworkPolicy, add a container, delete a ConfigMap."""
    namespace = ("--namespace", "ingress-nginx")

    def must(*args: str) -> str:
        done = kubectl(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    deployment = json.loads(must(*namespace, "get", "deployments", "-o", "json"))["items"][0]["metadata"]["name"]
    must(*namespace, "scale", "deployment", deployment, "--replicas=5")
    container = json.loads(must(*namespace, "get", "deployment", deployment, "-o", "json"))
    first = container["spec"]["template"]["spec"]["containers"][0]["name"]
    must(*namespace, "set", "image", f"deployment/{deployment}", f"{first}=example.test/other:1")
    policies = json.loads(must(*namespace, "get", "networkpolicies", "-o", "json"))["items"]
    policy = next(item["metadata"]["name"] for item in policies if item["spec"].get("ingress"))
    must(*namespace, "patch", "networkpolicy", policy, "--type=json", '-p=[{"op":"remove","path":"/spec/ingress/0"}]')
    maps = json.loads(must(*namespace, "get", "configmaps", "-l", "applyset.kubernetes.io/part-of", "-o", "json"))[
        "items"
    ]
    config = next(item for item in maps if item.get("data"))
    key = sorted(config["data"])[0]
    must(
        *namespace,
        "patch",
        "configmap",
        config["metadata"]["name"],
        "--type=merge",
        "-p",
        json.dumps({"data": {key: "edited"}}),
    )
    return {
        "replicas": "spec.replicas",
        "image": "image",
        "NetworkPolicy": f"NetworkPolicy ingress-nginx/{policy}",
        "ConfigMap": f"ConfigMap ingress-nginx/{config['metadata']['name']}",
    }


def test_a_deleted_deployment_and_configmap_are_created_again(fleet: Run, playbook: Playbook, kubectl: Kubectl) -> None:
    namespace = ("--namespace", "ingress-nginx")
    owned = ("-l", "applyset.kubernetes.io/part-of", "-o", "name")
    names = [
        name
        for kind in ("deployments", "configmaps")
        for name in kubectl(*namespace, "get", kind, *owned).stdout.split()
    ]
    assert len(names) >= 2, names
    for name in names:
        assert kubectl(*namespace, "delete", name).returncode == 0
    run = playbook("playbooks/ingress.yml", "staging", "--diff")
    created = {detail.split()[2].split("/")[1] for *_, detail in run.announced if detail.startswith("created ")}
    assert created == {name.split("/")[1] for name in names}
