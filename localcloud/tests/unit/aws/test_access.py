# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access entries, access policies and pod identity associations."""

from __future__ import annotations

import json

import pytest

from localcloud.aws import clock, iam, ministack, store
from localcloud.aws.eks import access
from localcloud.testing import eventually

from .conftest import ACCOUNT, REGION, reason, refused, unique

ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


@pytest.fixture
def cluster(make_cluster):
    return make_cluster()


class TestEntries:
    def test_user_names_are_those_of_eks(self, eks, iam, cluster, make_role):
        role = make_role(name=unique("reader"), path="/team/")
        entry = eks.create_access_entry(clusterName=cluster, principalArn=role, tags={"a": "b"})["accessEntry"]
        name = role.rsplit("/", 1)[1]
        assert entry["username"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{{{{SessionName}}}}"
        assert (entry["type"], entry["kubernetesGroups"], entry["tags"]) == ("STANDARD", [], {"a": "b"})
        user = iam.create_user(UserName=unique("user"))["User"]["Arn"]
        assert eks.create_access_entry(clusterName=cluster, principalArn=user)["accessEntry"]["username"] == user
        assert not any(key.startswith("_") for key in entry)

    def test_can_be_changed_and_deleted(self, eks, cluster, make_role):
        request = {"clusterName": cluster, "principalArn": make_role()}
        eks.create_access_entry(**request)
        changed = eks.update_access_entry(**request, kubernetesGroups=["viewers"], username="x:{{SessionName}}")
        assert changed["accessEntry"]["kubernetesGroups"] == ["viewers"]
        assert changed["accessEntry"]["username"] == "x:{{SessionName}}"
        eks.associate_access_policy(**request, policyArn=VIEW, accessScope={"type": "cluster"})
        eks.delete_access_entry(**request)
        assert "could not be found" in reason(eks.describe_access_entry, **request)
        eks.create_access_entry(**request)
        assert eks.list_associated_access_policies(**request)["associatedAccessPolicies"] == []

    def test_refuses(self, eks, cluster, make_role):
        role = make_role()

        def why(principal=role, **members):
            return reason(eks.create_access_entry, clusterName=cluster, principalArn=principal, **members)

        assert "invalid principal" in why(f"arn:aws:iam::{ACCOUNT}:role/absent")
        assert "invalid principal" in why("nonsense")
        assert "Invalid access entry type" in why(type="ROBOT")
        assert "kubernetesGroups cannot be specified" in why(type="EC2_LINUX", kubernetesGroups=["x"])
        assert "username cannot be specified" in why(type="EC2_LINUX", username="x")
        assert "must not begin with system:" in why(username="system:admin")
        assert "cannot start with system:" in why(kubernetesGroups=["system:masters"])
        eks.create_access_entry(clusterName=cluster, principalArn=role)
        assert why() == (
            "ResourceInUseException: The specified access entry resource is already in use on this cluster."
        )

    @pytest.mark.parametrize("kind", ["EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "EC2", "HYBRID_LINUX"])
    def test_node_types(self, eks, cluster, make_role, kind):
        role = make_role()
        entry = eks.create_access_entry(clusterName=cluster, principalArn=role, type=kind)["accessEntry"]
        assert entry["type"] == kind
        assert entry["kubernetesGroups"] == ["system:nodes"]

    def test_need_the_api_mode(self, eks, make_cluster, make_role):
        cluster = make_cluster(accessConfig={"authenticationMode": "CONFIG_MAP"})
        request = {"clusterName": cluster, "principalArn": make_role()}
        assert "authentication mode must be set to one of [API, API_AND_CONFIG_MAP]" in reason(
            eks.create_access_entry, **request
        )
        assert refused(eks.list_access_entries, clusterName=cluster) == "InvalidRequestException"

    def test_of_a_node_role_come_and_go_with_its_node_groups(self, eks, cluster, make_nodegroup, make_role):
        role = make_role("ec2.amazonaws.com")
        names = [make_nodegroup(cluster, nodeRole=role) for _ in range(2)]
        entry = eks.describe_access_entry(clusterName=cluster, principalArn=role)["accessEntry"]
        assert entry["type"] == "EC2_LINUX"
        for name in names:
            eks.delete_nodegroup(clusterName=cluster, nodegroupName=name)
        eventually(lambda: not eks.list_nodegroups(clusterName=cluster)["nodegroups"])
        assert role not in eks.list_access_entries(clusterName=cluster)["accessEntries"]

    def test_are_listed_in_pages_and_by_policy(self, eks, cluster, make_role):
        roles = sorted(make_role() for _ in range(3))
        for role in roles:
            eks.create_access_entry(clusterName=cluster, principalArn=role)
        pages = eks.get_paginator("list_access_entries").paginate(clusterName=cluster, PaginationConfig={"PageSize": 2})
        listed = [page["accessEntries"] for page in pages]
        assert max(map(len, listed)) == 2
        assert set(roles) <= {arn for page in listed for arn in page}
        scope = {"type": "cluster"}
        request = {"clusterName": cluster, "principalArn": roles[0]}
        eks.associate_access_policy(**request, policyArn=VIEW, accessScope=scope)
        wanted = {"clusterName": cluster, "associatedPolicyArn": VIEW}
        assert eks.list_access_entries(**wanted)["accessEntries"] == [roles[0]]

    def test_take_a_moment_before_they_work(self, eks, cluster, make_role):
        role = make_role()
        eks.create_access_entry(clusterName=cluster, principalArn=role)
        record = store.access_entries_all.get_scoped(ACCOUNT, REGION, f"{cluster}\x00{role}")
        find = getattr(ministack.access_entry.module, ministack.access_entry.name)
        record["_effective_at"] = clock.now() + 60
        assert find(cluster, ACCOUNT, REGION, role) is None
        record["_effective_at"] = clock.now() - 1
        assert find(cluster, ACCOUNT, REGION, role)["principalArn"] == role


class TestPolicies:
    def test_are_those_of_eks(self, eks):
        found = {policy["arn"] for policy in eks.list_access_policies()["accessPolicies"]}
        assert {ADMIN, VIEW} <= found
        assert len(found) == len(access.POLICIES)
        # ministack can convert only a part of them to RBAC.
        assert set(ministack.access_policy_rules) <= set(access.POLICIES)

    def test_are_associated_with_a_scope(self, eks, cluster, make_role):
        request = {"clusterName": cluster, "principalArn": make_role()}
        eks.create_access_entry(**request)
        scope = {"type": "namespace", "namespaces": ["a", "b-*"]}
        eks.associate_access_policy(**request, policyArn=VIEW, accessScope=scope)
        (found,) = eks.list_associated_access_policies(**request)["associatedAccessPolicies"]
        assert (found["policyArn"], found["accessScope"]) == (VIEW, scope)
        eks.associate_access_policy(**request, policyArn=VIEW, accessScope={"type": "cluster"})
        (found,) = eks.list_associated_access_policies(**request)["associatedAccessPolicies"]
        assert found["accessScope"] == {"type": "cluster", "namespaces": []}
        eks.disassociate_access_policy(**request, policyArn=VIEW)
        assert refused(eks.disassociate_access_policy, **request, policyArn=VIEW) == "ResourceNotFoundException"

    def test_refuses(self, eks, cluster, make_role):
        request = {"clusterName": cluster, "principalArn": make_role()}
        eks.create_access_entry(**request)

        def why(arn=VIEW, scope=None, **members):
            asked = {**request, "policyArn": arn, "accessScope": scope or {"type": "cluster"}, **members}
            return reason(eks.associate_access_policy, **asked)

        assert "policyArn" in why("arn:aws:eks::aws:cluster-access-policy/Absent")
        assert "namespaces must be given" in why(scope={"type": "namespace"})
        assert "namespaces must be given" in why(scope={"type": "cluster", "namespaces": ["a"]})
        node = make_role()
        eks.create_access_entry(clusterName=cluster, principalArn=node, type="EC2_LINUX")
        assert why(principalArn=node).startswith("InvalidRequestException")
        absent = make_role()
        assert why(principalArn=absent).startswith("ResourceNotFoundException")


class TestPodIdentity:
    def test_life(self, eks, cluster, make_role):
        role, other = (make_role("pods.eks.amazonaws.com") for _ in range(2))
        request = {"clusterName": cluster, "namespace": "apps", "serviceAccount": "web"}
        made = eks.create_pod_identity_association(**request, roleArn=role, tags={"a": "b"})["association"]
        assert made["associationId"].startswith("a-")
        assert made["tags"] == {"a": "b"}
        again = reason(eks.create_pod_identity_association, **request, roleArn=role)
        assert again == f"ResourceInUseException: Association already exists: {made['associationId']}"
        identity = {"clusterName": cluster, "associationId": made["associationId"]}
        changed = eks.update_pod_identity_association(**identity, roleArn=other, disableSessionTags=True)
        assert changed["association"]["roleArn"] == other
        assert changed["association"]["disableSessionTags"] is True
        listed = eks.list_pod_identity_associations(clusterName=cluster, namespace="apps")["associations"]
        assert [entry["associationId"] for entry in listed] == [made["associationId"]]
        assert "roleArn" not in listed[0]
        assert eks.list_pod_identity_associations(clusterName=cluster, namespace="x")["associations"] == []
        eks.delete_pod_identity_association(**identity)
        assert refused(eks.describe_pod_identity_association, **identity) == "ResourceNotFoundException"

    def test_the_role_must_let_itself_be_assumed_and_tagged(self, eks, iam, cluster, make_role):
        request = {"clusterName": cluster, "namespace": "apps", "serviceAccount": "web"}
        invalid = (
            "InvalidParameterException: Trust policy of the role provided is invalid. Follow the official "
            "documentation to resolve the issue"
        )
        assert reason(eks.create_pod_identity_association, **request, roleArn=make_role("ec2.amazonaws.com")) == invalid
        role = make_role("pods.eks.amazonaws.com")
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.update_assume_role_policy(RoleName=role.rsplit("/", 1)[1], PolicyDocument=document)
        assert reason(eks.create_pod_identity_association, **request, roleArn=role) == invalid


def test_a_new_role_takes_a_moment(make_role):
    role = make_role("eks.amazonaws.com")
    with ministack.request_scope(ACCOUNT, REGION):
        assert not iam.assumable(role, "eks.amazonaws.com", delay=60)
        assert iam.assumable(role, "eks.amazonaws.com", delay=0)
        assert not iam.assumable(role, "ec2.amazonaws.com", delay=0)
        assert not iam.assumable(f"arn:aws:iam::{ACCOUNT}:role/absent", "eks.amazonaws.com", delay=0)


def test_a_role_with_policies_stays(iam, make_role):
    name = make_role().rsplit("/", 1)[1]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_POLICY)
    assert refused(iam.delete_role, RoleName=name) == "DeleteConflict"
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)


@pytest.mark.parametrize(
    "name", ["AmazonEKSClusterPolicy", "service-role/AmazonEBSCSIDriverPolicy", "AmazonEC2ContainerRegistryPullOnly"]
)
def test_managed_policies_are_there(iam, make_role, name):
    role, arn = make_role().rsplit("/", 1)[1], f"arn:aws:iam::aws:policy/{name}"
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["PolicyName"] == name.rsplit("/", 1)[-1]
    assert refused(iam.delete_role, RoleName=role) == "DeleteConflict"
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    iam.delete_role(RoleName=role)


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::aws:policy/AmazonEKSClusterPolice",
        "arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicy",
        "arn:aws:iam::aws:policy/service-role/AmazonEKS_CNI_Policy",
        f"arn:aws:iam::{ACCOUNT}:policy/absent",
    ],
)
def test_a_misspelt_policy_is_not_attached(iam, make_role, arn):
    role = make_role().rsplit("/", 1)[1]
    assert refused(iam.attach_role_policy, RoleName=role, PolicyArn=arn) == "NoSuchEntity"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            "arn:aws:sts::111122223333:assumed-role/dev/{{SessionName}}",
            "arn:aws:sts::111122223333:assumed-role/dev/a-b.c",
        ),
        ("dev:{{AccountID}}:{{SessionNameRaw}}", "dev:111122223333:a@b.c"),
        ("jane", "jane"),
    ],
)
def test_usernames_are_filled_in(template, expected):
    assert access.username(template, "arn:aws:sts::111122223333:assumed-role/dev/a@b.c") == expected
