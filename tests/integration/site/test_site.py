"""The main playbook: creation of two clusters, a second run without changes, and check mode."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.site.conftest import Playbook, Run

pytestmark = pytest.mark.integration

FLEET = "controlplane staging"


def test_the_first_run_creates_both_clusters(fleet: Run, local_cloud: Any) -> None:
    assert {host for host, *_ in fleet.announced} == {"controlplane", "staging"}
    eks = local_cloud.client("eks")
    for name in ("dataplatform-controlplane", "dataplatform-staging"):
        assert eks.describe_cluster(name=name)["cluster"]["status"] == "ACTIVE"
        for addon in eks.list_addons(clusterName=name)["addons"]:
            state = eks.describe_addon(clusterName=name, addonName=addon)["addon"]
            assert state["status"] == "ACTIVE", state


def test_the_second_run_changes_nothing(fleet: Run, playbook: Playbook) -> None:
    again = playbook("site.yml", FLEET, "--diff")
    assert again.announced == set()


@pytest.mark.usefixtures("no_testing")
def test_check_mode_of_an_empty_account_announces_what_the_run_does(playbook: Playbook) -> None:
    announced = playbook("dataplatform.fleet.site", "testing", "--check", "--diff").announced
    done = playbook("dataplatform.fleet.site", "testing", "--diff").announced
    assert announced == done
    assert len(done) > 50


@pytest.mark.usefixtures("testing")
def test_destroy_needs_the_typed_name(playbook: Playbook, local_cloud: Any) -> None:
    refused = playbook("destroy.yml", "testing", "-e", "destroy=staging", succeed=False)
    assert "-e destroy=testing" in refused.output
    assert "dataplatform-testing" in local_cloud.client("eks").list_clusters()["clusters"]


@pytest.mark.usefixtures("testing")
def test_destroy_leaves_nothing(playbook: Playbook, local_cloud: Any) -> None:
    playbook("dataplatform.fleet.destroy", "testing", "-e", "destroy=testing")
    assert "dataplatform-testing" not in local_cloud.client("eks").list_clusters()["clusters"]
    tag = [{"Name": "tag:dataplatform.fleet/cluster", "Values": ["testing"]}]
    ec2 = local_cloud.client("ec2")
    assert ec2.describe_vpcs(Filters=tag)["Vpcs"] == []
    assert ec2.describe_subnets(Filters=tag)["Subnets"] == []
    assert ec2.describe_addresses(Filters=tag)["Addresses"] == []
    assert ec2.describe_security_groups(Filters=tag)["SecurityGroups"] == []
    assert ec2.describe_launch_templates(Filters=tag)["LaunchTemplates"] == []
    roles = [
        r["RoleName"]
        for page in local_cloud.client("iam").get_paginator("list_roles").paginate()
        for r in page["Roles"]
    ]
    assert [name for name in roles if "testing" in name] == []
    again = playbook("destroy.yml", "testing", "-e", "destroy=testing")
    assert again.announced == set()


def test_the_wrong_kubectl_delete_is_refused(
    fleet: Run, kubectl: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    nodes = kubectl("get", "nodes", "-o", "json")
    assert len(json.loads(nodes.stdout)["items"]) == 2
    refused = kubectl("delete", "namespace", "ingress-nginx")
    assert refused.returncode != 0
    assert "dataplatform.fleet/confirm-delete" in refused.stderr
