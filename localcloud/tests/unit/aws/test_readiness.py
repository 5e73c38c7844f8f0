# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cluster versions, insights and tags."""

from __future__ import annotations

from localcloud.releases import versions
from localcloud.testing import eventually

from .conftest import finished, reason, refused, unique


class TestVersions:
    def test_are_offered_with_one_default(self, eks):
        found = eks.describe_cluster_versions()["clusterVersions"]
        assert [entry["clusterVersion"] for entry in found] == ["1.37", "1.36", "1.35", "1.34"]
        assert [entry["clusterVersion"] for entry in found if entry["defaultVersion"]] == ["1.36"]
        for entry in found:
            assert entry["releaseDate"] < entry["endOfStandardSupportDate"] < entry["endOfExtendedSupportDate"]

    def test_can_be_narrowed(self, eks):
        def listed(**members):
            return [v["clusterVersion"] for v in eks.describe_cluster_versions(**members)["clusterVersions"]]

        assert listed(defaultOnly=True) == ["1.36"]
        assert listed(clusterVersions=["1.35", "1.37"]) == ["1.37", "1.35"]
        assert refused(eks.describe_cluster_versions, clusterVersions=["1.1"]) == "InvalidParameterException"

    def test_support_follows_the_date(self):
        version = versions.VERSIONS["1.35"]
        at = versions.timestamp
        assert versions.support_status(version, at("2026-11-23")) == "STANDARD_SUPPORT"
        assert versions.support_status(version, at("2027-06-01")) == "EXTENDED_SUPPORT"
        assert versions.support_status(version, at("2028-06-01")) == "UNSUPPORTED"

    def test_instance_architectures(self):
        arm = ["t4g.medium", "m7gd.large", "c7gn.xlarge", "x2gd.metal", "a1.large", "g5g.xlarge", "im4gn.large"]
        x86 = ["t3.medium", "g4dn.xlarge", "g5.xlarge", "m7i.large", "m7i-flex.large", "p5.48xlarge", "inf2.xlarge"]
        assert all(map(versions.is_arm, arm))
        assert not any(map(versions.is_arm, x86))


class TestInsights:
    def test_pass_by_default(self, eks, make_cluster):
        name = make_cluster()
        found = eks.list_insights(clusterName=name)["insights"]
        assert {entry["insightStatus"]["status"] for entry in found} == {"PASSING"}
        assert {entry["kubernetesVersion"] for entry in found} == {"1.37"}
        detail = eks.describe_insight(clusterName=name, id=found[0]["id"])["insight"]
        assert detail["recommendation"]
        assert refused(eks.describe_insight, clusterName=name, id="absent") == "ResourceNotFoundException"
        # The insights of an unchanged cluster are stable.
        again = eks.list_insights(clusterName=name)["insights"]
        assert [entry["id"] for entry in again] == [entry["id"] for entry in found]

    def test_warn_of_node_groups_left_behind(self, eks, make_cluster, make_nodegroup):
        name = make_cluster(version="1.35")
        group = make_nodegroup(name)
        finished(eks, name, eks.update_cluster_version(name=name, version="1.36")["update"])
        (warning,) = eks.list_insights(clusterName=name, filter={"statuses": ["WARNING"]})["insights"]
        assert warning["name"] == "Kubelet version skew"
        detail = eks.describe_insight(clusterName=name, id=warning["id"])["insight"]
        assert f"/{group}/" in detail["resources"][0]["arn"]

    def test_warn_of_addons_that_do_not_fit_the_next_version(self, eks, make_cluster):
        name = make_cluster()
        eks.create_addon(clusterName=name, addonName="vpc-cni", addonVersion="v1.21.1-eksbuild.3")
        (warning,) = eks.list_insights(clusterName=name, filter={"statuses": ["WARNING"]})["insights"]
        assert warning["name"] == "EKS add-on version compatibility"

    def test_warn_of_an_old_kube_proxy(self, eks, make_cluster):
        name = make_cluster(version="1.35")
        eks.create_addon(clusterName=name, addonName="kube-proxy")
        finished(eks, name, eks.update_cluster_version(name=name, version="1.36")["update"])
        warnings = eks.list_insights(clusterName=name, filter={"statuses": ["WARNING"]})["insights"]
        assert "kube-proxy version skew" in {entry["name"] for entry in warnings}

    def test_can_be_refreshed(self, eks, make_cluster):
        name = make_cluster()
        assert refused(eks.describe_insights_refresh, clusterName=name) == "ResourceNotFoundException"
        assert eks.start_insights_refresh(clusterName=name)["status"] == "IN_PROGRESS"
        eventually(lambda: eks.describe_insights_refresh(clusterName=name)["status"] == "COMPLETED")


def test_tags_of_everything(eks, make_cluster, make_nodegroup, make_role):
    name = make_cluster()
    group = make_nodegroup(name)
    eks.create_addon(clusterName=name, addonName="kube-proxy")
    role = make_role("pods.eks.amazonaws.com")
    eks.create_access_entry(clusterName=name, principalArn=role)
    identity = eks.create_pod_identity_association(clusterName=name, namespace="a", serviceAccount="b", roleArn=role)[
        "association"
    ]["associationId"]
    reads = {
        "arn": lambda: eks.describe_cluster(name=name)["cluster"],
        "nodegroupArn": lambda: eks.describe_nodegroup(clusterName=name, nodegroupName=group)["nodegroup"],
        "addonArn": lambda: eks.describe_addon(clusterName=name, addonName="kube-proxy")["addon"],
        "accessEntryArn": lambda: eks.describe_access_entry(clusterName=name, principalArn=role)["accessEntry"],
        "associationArn": lambda: eks.describe_pod_identity_association(clusterName=name, associationId=identity)[
            "association"
        ],
    }
    for member, read in reads.items():
        arn = read()[member]
        eks.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2", "c": "3"})
        eks.tag_resource(resourceArn=arn, tags={"a": "2"})
        eks.untag_resource(resourceArn=arn, tagKeys=["b", "c"])
        assert read()["tags"] == {"a": "2"}, member
        assert eks.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "2"}, member


def test_tags_of_nothing_and_too_many(eks, make_cluster):
    name = make_cluster()
    arn = eks.describe_cluster(name=name)["cluster"]["arn"]
    assert refused(eks.list_tags_for_resource, resourceArn=f"{arn}-absent") == "NotFoundException"
    assert refused(eks.list_tags_for_resource, resourceArn="nonsense") == "BadRequestException"
    for part in range(2):
        eks.tag_resource(resourceArn=arn, tags={f"{part}-{number}": "x" for number in range(25)})
    assert "more than 50 tags" in reason(eks.tag_resource, resourceArn=arn, tags={unique("tag"): "x"})
    assert refused(eks.tag_resource, resourceArn=arn, tags={"aws:x": "y"}) == "BadRequestException"
