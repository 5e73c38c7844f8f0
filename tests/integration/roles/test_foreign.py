# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles with unmanaged resources that have the fleet's names, and disabled flow logs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import RunRole

pytestmark = pytest.mark.integration


def test_a_foreign_network_is_neither_taken_over_nor_removed(emulator: Any, run_role: RunRole) -> None:
    ec2 = emulator.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "dataplatform-staging"}])
    rules = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    for tasks in ("main", "absent"):
        done = run_role(emulator, "vpc", variables={"vpc_nat": "none"}, tasks_from=tasks, succeed=False)
        said = " ".join(done.output.split())
        assert f"The vpc dataplatform-staging ({vpc}) has a name of this fleet's and not its tags" in said
        assert "run with -e fleet_adopt=vpc/dataplatform-staging" in said
    assert ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"] == rules
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"] == [{"Key": "Name", "Value": "dataplatform-staging"}]
    # Typed as text on a command line: one of several names.
    adopt = {
        "fleet_adopt": "eks_cluster/something-else,vpc/dataplatform-staging",
        "vpc_nat": "none",
        "vpc_endpoints": [],
    }
    assert run_role(emulator, "vpc", variables=adopt).announced
    run_role(emulator, "vpc", tasks_from="absent")
    assert not ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["dataplatform-staging"]}])["Vpcs"]


def test_role_policy_and_log_group_are_deleted_with_the_flow_logs(emulator: Any, run_role: RunRole) -> None:
    name, iam, logs = "logged", emulator.client("iam"), emulator.client("logs")
    options = {"vpc_name": name, "vpc_nat": "none", "vpc_endpoints": [], "vpc_az_count": 2}
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    iam.create_role(RoleName=f"{name}-flow-logs", AssumeRolePolicyDocument=document)
    done = run_role(emulator, "vpc", variables={**options, "vpc_flow_logs": True}, succeed=False)
    assert f"The IAM role {name}-flow-logs has a name of this fleet's" in " ".join(done.output.split())
    assert done.announced == set()
    # Without flow logs, the fleet ignores it.
    run_role(emulator, "vpc", variables=options)
    run_role(emulator, "vpc", variables=options, tasks_from="absent")
    assert iam.get_role(RoleName=f"{name}-flow-logs")
    iam.delete_role(RoleName=f"{name}-flow-logs")

    def left() -> tuple[int, int, int, int]:
        roles = [one for one in iam.list_roles()["Roles"] if one["RoleName"] == f"{name}-flow-logs"]
        policies = [one for one in iam.list_policies()["Policies"] if one["PolicyName"] == f"{name}-flow-logs"]
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/vpc/{name}/")["logGroups"]
        flow = [one for one in emulator.client("ec2").describe_flow_logs()["FlowLogs"] if name in str(one)]
        return len(roles), len(policies), len(groups), len(flow)

    run_role(emulator, "vpc", variables={**options, "vpc_flow_logs": True})
    assert left() == (1, 1, 1, 1)
    changed = {**options, "vpc_tags": {"dataplatform.fleet/fleet": "dataplatform", "cost": "4711"}}
    announced = run_role(emulator, "vpc", "--check", "--diff", variables=changed).announced
    assert run_role(emulator, "vpc", "--diff", variables=changed).announced == announced
    assert left() == (0, 0, 0, 0)
    assert run_role(emulator, "vpc", variables=changed).announced == set()


def test_a_log_group_that_eks_has_made_again_is_the_clusters(emulator: Any, run_role: RunRole) -> None:
    logs, name = emulator.client("logs"), "/aws/eks/late/cluster"
    logs.create_log_group(logGroupName=name)
    options = {"eks_name": "late", "eks_confirm": "late"}
    run_role(emulator, "eks", variables=options, tasks_from="absent")
    assert not logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
