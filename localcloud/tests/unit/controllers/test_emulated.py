# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controllers' interface to the emulated account, on the emulator's stores."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localcloud.controllers.cloud import AddonReport, Issue, LoadBalancer, NodegroupReport, Volume
from localcloud.model import ClusterRef

_NUMBERS = itertools.count(1)
REGION = "eu-central-1"


@dataclass
class Account:
    """An empty account with one cluster in one VPC."""

    cloud: Any
    store: Any
    number: str

    def scope(self) -> AbstractContextManager[None]:
        from localcloud.aws.ministack import request_scope  # noqa: PLC0415 - after the environment is set

        scope: AbstractContextManager[None] = request_scope(self.number, REGION)
        return scope

    def role(self, name: str, **more: Any) -> str:
        arn = f"arn:aws:iam::{self.number}:role/{name}"
        with self.scope():
            self.store.roles[name] = {"Arn": arn, "AttachedPolicies": [], "InlinePolicies": {}, **more}
        return arn


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    os.environ.update(IOT_MTLS_ENABLED="0", SFTP_ENABLED="0", LOG_LEVEL="WARNING")
    os.environ.setdefault("STATE_DIR", str(tmp_path))
    from localcloud.aws import store  # noqa: PLC0415 - after the environment is set
    from localcloud.controllers.emulated import EmulatedCloud  # noqa: PLC0415 - after the environment is set

    number = f"9{next(_NUMBERS):011}"
    ref = ClusterRef("testing", number, REGION, "", tmp_path, tmp_path, tmp_path)
    made = Account(EmulatedCloud(ref), store, number)
    with made.scope():
        store.clusters["testing"] = {
            "name": "testing",
            "status": "ACTIVE",
            "resourcesVpcConfig": {"vpcId": "vpc-1"},
            "_status": "UPDATING",
            "_bootstrap": True,
        }
        for name, vpc in (("subnet-1", "vpc-1"), ("subnet-2", "vpc-2")):
            store.subnets[name] = {
                "SubnetId": name,
                "VpcId": vpc,
                "CidrBlock": "10.0.0.0/24",
                "AvailabilityZone": f"{REGION}a",
            }
            store.ec2_tags[name] = [{"Key": "kubernetes.io/role/elb", "Value": "1"}]
    yield made


def _document(effect: str, *actions: str) -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_records_show_the_state_eks_shows(account: Account) -> None:
    record = account.cloud.cluster()
    assert (record["status"], record["bootstrapSelfManagedAddons"]) == ("UPDATING", True)
    assert not [key for key in record if key.startswith("_")]
    with account.scope():
        account.store.clusters.pop("testing")
    assert account.cloud.cluster() is None


def test_subnets_are_those_of_the_clusters_vpc(account: Account) -> None:
    (subnet,) = account.cloud.subnets()
    assert subnet["SubnetId"] == "subnet-1"
    assert subnet["Tags"] == [{"Key": "kubernetes.io/role/elb", "Value": "1"}]


@pytest.mark.parametrize(
    ("policies", "allowed"),
    [
        ({}, False),
        ({"InlinePolicies": {"p": _document("Allow", "ec2:CreateVolume")}}, True),
        ({"InlinePolicies": {"p": _document("Allow", "EC2:Create*")}}, True),
        ({"InlinePolicies": {"p": _document("Allow", "ec2:DeleteVolume")}}, False),
        ({"InlinePolicies": {"a": _document("Allow", "*"), "d": _document("Deny", "ec2:CreateVolume")}}, False),
        ({"AttachedPolicies": ["arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"]}, True),
        ({"AttachedPolicies": ["arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicyV2"]}, True),
        ({"AttachedPolicies": ["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"]}, False),
    ],
)
def test_roles_allow_what_their_policies_allow(account: Account, policies: dict[str, Any], allowed: bool) -> None:
    assert account.cloud.role_allows(account.role("ebs", **policies), "ec2:CreateVolume") is allowed


def test_a_deny_in_another_policy_takes_effect(account: Account) -> None:
    policies = {"a": _document("Allow", "ec2:*"), "d": _document("Deny", "ec2:CreateVolume")}
    assert not account.cloud.role_allows(account.role("ebs", InlinePolicies=policies), "ec2:CreateVolume")


def test_a_missing_role_allows_nothing(account: Account) -> None:
    assert not account.cloud.role_allows(f"arn:aws:iam::{account.number}:role/none", "ec2:CreateVolume")


def test_an_association_is_returned_when_it_is_effective(account: Account) -> None:
    with account.scope():
        for name, moment in (("old", 0.0), ("new", 9e12)):
            record = {"associationId": name, "_effective_at": moment}
            account.store.pod_identities_all[f"testing\x00{name}"] = record
    assert [association["associationId"] for association in account.cloud.pod_identities()] == ["old"]


def test_a_deleted_addon_is_returned_once_more(account: Account) -> None:
    record = {"addonName": "coredns", "status": "ACTIVE", "_status": "ACTIVE"}
    with account.scope():
        account.store.addons_all["testing/coredns"] = record
    assert [(a["status"], a["preserve"]) for a in account.cloud.addons()] == [("ACTIVE", False)]
    record.update(_status="DELETING", _preserve=True)
    with account.scope():
        account.store.addons_all.pop("testing/coredns")
    assert [(a["status"], a["preserve"]) for a in account.cloud.addons()] == [("DELETING", True)]
    assert account.cloud.addons() == []


def test_reports_reach_the_records(account: Account) -> None:
    group = {"nodegroupName": "main", "status": "ACTIVE", "_status": "CREATING", "health": {"issues": []}}
    addon = {"addonName": "coredns", "status": "ACTIVE", "_status": "CREATING", "health": {"issues": []}}
    with account.scope():
        account.store.nodegroups_all["testing/main"] = group
        account.store.addons_all["testing/coredns"] = addon
    issue = Issue("NodeCreationFailure", "Unhealthy nodes in the kubernetes cluster", ("i-1",))
    account.cloud.report_nodegroup("main", NodegroupReport(2, 2, 1, issues=(issue,), fatal=True))
    account.cloud.report_addon("coredns", AddonReport("v1", available=False))
    assert group["_status"] == "CREATE_FAILED"
    assert group["health"]["issues"][0]["resourceIds"] == ["i-1"]  # type: ignore[index]
    assert "_issues" not in addon
    account.cloud.report_addon("coredns", AddonReport("v1", available=True))
    assert (addon["_issues"], addon["_workload"]) == ([], {"installed": "v1", "available": True})
    account.cloud.report_nodegroup("gone", NodegroupReport(0, 0, 0))


def test_load_balancer_comes_with_its_security_group_and_interfaces_and_goes_with_them(account: Account) -> None:
    from localcloud.aws import ministack  # noqa: PLC0415 - after the environment is set

    balancer = LoadBalancer("a1", "network", "internal", "a1.elb.example", ("subnet-1",), {"k": "v"})
    for _ in range(2):
        account.cloud.create_load_balancer(balancer)
    with account.scope():
        (record,) = ministack.load_balancers.values()
        assert (record["DNSName"], record["VpcId"], record["Scheme"]) == ("a1.elb.example", "vpc-1", "internal")
        assert [i["Description"][:10] for i in account.store.network_interfaces.values()] == ["ELB net/a1"]
        assert len(account.store.security_groups) == 1
    account.cloud.delete_load_balancer("a1")
    with account.scope():
        assert not ministack.load_balancers
        assert not account.store.network_interfaces
        assert not account.store.security_groups


def test_volume_is_created_once_for_a_claim(account: Account) -> None:
    volume = Volume(f"{REGION}a", 5, "gp3", encrypted=True, tags={"CSIVolumeName": "pvc-1"})
    first = account.cloud.create_volume(volume)
    assert account.cloud.create_volume(volume) == first
    other = account.cloud.create_volume(Volume(f"{REGION}a", 5, "gp3", encrypted=True, tags={"CSIVolumeName": "pvc-2"}))
    assert other != first
    account.cloud.resize_volume(first, 9)
    with account.scope():
        from localcloud.aws import ministack  # noqa: PLC0415 - after the environment is set

        assert (ministack.volumes[first]["Size"], ministack.volumes[first]["Encrypted"]) == (9, True)
        account.cloud.delete_volume(first)
        assert list(ministack.volumes) == [other]
