# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add-ons: the available ones, and the lifecycle of an add-on in a cluster."""

from __future__ import annotations

import json

import pytest

from localcloud.aws import clock, store
from localcloud.aws.eks import schemas
from localcloud.aws.errors import AwsError
from localcloud.testing import eventually

from .conftest import ACCOUNT, REGION, finished, reason, refused

CORE = ("vpc-cni", "coredns", "kube-proxy", "eks-pod-identity-agent", "aws-ebs-csi-driver", "metrics-server")


@pytest.fixture
def cluster(make_cluster):
    return make_cluster()


@pytest.fixture
def make_addon(eks, cluster):
    def make(name, *, wait="ACTIVE", **members):
        eks.create_addon(clusterName=cluster, addonName=name, **members)
        if wait:
            eventually(lambda: addon(eks, cluster, name)["status"] == wait)
        return addon(eks, cluster, name)

    return make


def addon(eks, cluster, name):
    return eks.describe_addon(clusterName=cluster, addonName=name)["addon"]


class TestOffer:
    @pytest.mark.parametrize("kubernetes", ["1.34", "1.35", "1.36", "1.37"])
    def test_every_version_has_one_default(self, eks, kubernetes):
        offered = eks.describe_addon_versions(kubernetesVersion=kubernetes)["addons"]
        assert set(CORE) <= {entry["addonName"] for entry in offered}
        for entry in offered:
            defaults = [
                version["addonVersion"]
                for version in entry["addonVersions"]
                for compatibility in version["compatibilities"]
                if compatibility["clusterVersion"] == kubernetes and compatibility["defaultVersion"]
            ]
            assert len(defaults) == 1, entry["addonName"]

    def test_can_be_narrowed(self, eks):
        (entry,) = eks.describe_addon_versions(addonName="coredns", kubernetesVersion="1.36")["addons"]
        assert {c["clusterVersion"] for v in entry["addonVersions"] for c in v["compatibilities"]} == {"1.36"}
        storage = eks.describe_addon_versions(types=["storage"])["addons"]
        assert {entry["type"] for entry in storage} == {"storage"}
        assert refused(eks.describe_addon_versions, addonName="absent") == "ResourceNotFoundException"
        assert eks.describe_addon_versions(publishers=["somebody"])["addons"] == []

    def test_comes_in_pages(self, eks):
        first = eks.describe_addon_versions(maxResults=2)
        assert len(first["addons"]) == 2
        assert first["nextToken"]

    @pytest.mark.parametrize("name", CORE)
    def test_configuration_is_a_json_schema(self, eks, name):
        (entry,) = eks.describe_addon_versions(addonName=name)["addons"]
        version = entry["addonVersions"][0]["addonVersion"]
        found = eks.describe_addon_configuration(addonName=name, addonVersion=version)
        schema = json.loads(found["configurationSchema"])
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        request = {"addonName": name, "addonVersion": "v0"}
        assert refused(eks.describe_addon_configuration, **request) == "ResourceNotFoundException"

    def test_names_the_identities_it_wants(self, eks):
        found = eks.describe_addon_configuration(addonName="aws-ebs-csi-driver", addonVersion="v1.62.0-eksbuild.1")
        assert found["podIdentityConfiguration"] == [
            {
                "serviceAccount": "ebs-csi-controller-sa",
                "recommendedManagedPolicies": ["arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"],
            }
        ]


class TestCreation:
    def test_passes_creating_with_the_default_version(self, eks, cluster, make_addon, held):
        first = make_addon("vpc-cni", wait=None, tags={"a": "b"})
        assert first["status"] == "CREATING"
        held()
        eventually(lambda: addon(eks, cluster, "vpc-cni")["status"] == "ACTIVE")
        found = addon(eks, cluster, "vpc-cni")
        assert found["addonVersion"] == "v1.22.3-eksbuild.1"
        assert found["tags"] == {"a": "b"}
        assert (found["owner"], found["publisher"]) == ("aws", "eks")
        assert "configurationValues" not in found
        assert not any(key.startswith("_") for key in found)

    def test_refuses(self, eks, cluster, make_addon):
        def why(name, **members):
            return reason(eks.create_addon, clusterName=cluster, addonName=name, **members)

        assert why("absent") == "InvalidParameterException: Addon specified is not supported"
        assert "version specified is not supported" in why("coredns", addonVersion="v1.0.0")
        # Available, but not for this Kubernetes version.
        assert "version specified is not supported" in why("kube-proxy", addonVersion="v1.37.0-eksbuild.2")
        make_addon("kube-proxy")
        assert why("kube-proxy") == "ResourceInUseException: Addon already exists."

    def test_validates_its_configuration(self, eks, cluster, make_addon):
        request = {"clusterName": cluster, "addonName": "vpc-cni"}
        why = reason(eks.create_addon, **request, configurationValues='{"enableNetworkPolicies": "true"}')
        assert why == (
            "InvalidParameterException: ConfigurationValue provided in request is not supported: Json schema "
            "validation failed with error: [$.enableNetworkPolicies: is not defined in the schema and the schema does "
            "not allow additional properties]"
        )
        values = '{"enableNetworkPolicy": "true"}'
        assert make_addon("vpc-cni", configurationValues=values)["configurationValues"] == values

    def test_without_nodes_a_deployment_is_degraded(self, eks, cluster, make_addon, make_nodegroup):
        found = make_addon("coredns", wait="DEGRADED")
        assert found["health"]["issues"][0]["code"] == "InsufficientNumberOfReplicas"
        make_addon("kube-proxy")
        make_nodegroup(cluster)
        found = addon(eks, cluster, "coredns")
        assert (found["status"], found["health"]) == ("ACTIVE", {"issues": []})


class TestConfigurationSchema:
    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("coredns", '{"replicaCount": 3}'),
            ("coredns", "replicaCount: 3\nautoScaling:\n  enabled: true"),
            (
                "vpc-cni",
                '{"env": {"A": "true"}, "nodeAgent": {"enablePolicyEventLogs": "true"}}',
            ),
            ("aws-ebs-csi-driver", '{"controller": {"extraVolumeTags": {"a": "b"}}}'),
            ("metrics-server", '{"replicas": 2}'),
            ("coredns", ""),
        ],
    )
    def test_takes(self, name, values):
        schemas.check(name, values)

    @pytest.mark.parametrize(
        ("name", "values", "why"),
        [
            ("coredns", '{"replicaCount": "3"}', "$.replicaCount: string found, integer expected"),
            ("coredns", '{"replicaCount": -1}', "$.replicaCount: must have a minimum value of 0"),
            ("coredns", "null", "$: null found, object expected"),
            ("coredns", "[}", "neither JSON nor YAML"),
            ("kube-proxy", '{"mode": "magic"}', "$.mode: does not have a value in the enumeration"),
            ("vpc-cni", '{"env": {"A": 1}}', "$.env.A: integer found, string expected"),
            ("aws-ebs-csi-driver", '{"controller": {"x": 1}}', "$.controller.x: is not defined in the schema"),
            ("coredns", '{"replicaCount": true}', "$.replicaCount: boolean found, integer expected"),
        ],
    )
    def test_refuses(self, name, values, why):
        with pytest.raises(AwsError) as caught:
            schemas.check(name, values)
        assert caught.value.code == "InvalidParameterException"
        assert why in caught.value.message


class TestUpdate:
    def test_is_asynchronous(self, eks, cluster, make_addon, request):
        make_addon("vpc-cni")
        release = request.getfixturevalue("held")
        values = '{"enableNetworkPolicy": "true"}'
        update = eks.update_addon(
            clusterName=cluster,
            addonName="vpc-cni",
            addonVersion="v1.23.1-eksbuild.1",
            configurationValues=values,
            resolveConflicts="OVERWRITE",
        )["update"]
        assert update["type"] == "AddonUpdate"
        assert addon(eks, cluster, "vpc-cni")["status"] == "UPDATING"
        again = {"clusterName": cluster, "addonName": "vpc-cni"}
        assert refused(eks.update_addon, **again) == "ResourceInUseException"
        assert refused(eks.delete_addon, **again) == "ResourceInUseException"
        release()
        assert finished(eks, cluster, update, addonName="vpc-cni")["status"] == "Successful"
        found = addon(eks, cluster, "vpc-cni")
        assert (found["addonVersion"], found["configurationValues"]) == ("v1.23.1-eksbuild.1", values)

    def test_refuses(self, eks, cluster, make_addon):
        make_addon("vpc-cni")
        request = {"clusterName": cluster, "addonName": "vpc-cni"}
        assert "version specified is not supported" in reason(eks.update_addon, **request, addonVersion="v9")
        assert "Json schema" in reason(eks.update_addon, **request, configurationValues='{"x": 1}')
        absent = {"clusterName": cluster, "addonName": "coredns"}
        assert reason(eks.update_addon, **absent) == (
            f"ResourceNotFoundException: No addon: coredns found in cluster: {cluster}"
        )


class TestPodIdentity:
    ACCOUNT = "ebs-csi-controller-sa"

    def test_associations_are_real_and_the_addons_own(self, eks, cluster, make_addon, make_role):
        first, second = (make_role("pods.eks.amazonaws.com") for _ in range(2))
        asked = [{"serviceAccount": self.ACCOUNT, "roleArn": first}]
        make_addon("aws-ebs-csi-driver", wait=None, podIdentityAssociations=asked)
        eventually(lambda: addon(eks, cluster, "aws-ebs-csi-driver")["status"] == "DEGRADED")
        found = addon(eks, cluster, "aws-ebs-csi-driver")
        (summary,) = eks.list_pod_identity_associations(clusterName=cluster)["associations"]
        assert found["podIdentityAssociations"] == [summary["associationArn"]]
        assert summary["ownerArn"] == found["addonArn"]
        identity = {"clusterName": cluster, "associationId": summary["associationId"]}
        assert eks.describe_pod_identity_association(**identity)["association"]["roleArn"] == first
        assert refused(eks.delete_pod_identity_association, **identity) == "InvalidRequestException"
        change = {"clusterName": cluster, "addonName": "aws-ebs-csi-driver"}
        again = [{"serviceAccount": self.ACCOUNT, "roleArn": second}]
        update = eks.update_addon(**change, podIdentityAssociations=again)["update"]
        finished(eks, cluster, update, addonName="aws-ebs-csi-driver")
        assert eks.describe_pod_identity_association(**identity)["association"]["roleArn"] == second
        update = eks.update_addon(**change, podIdentityAssociations=[])["update"]
        finished(eks, cluster, update, addonName="aws-ebs-csi-driver")
        assert eks.list_pod_identity_associations(clusterName=cluster)["associations"] == []

    def test_go_with_the_addon(self, eks, cluster, make_addon, make_role):
        asked = [{"serviceAccount": self.ACCOUNT, "roleArn": make_role("pods.eks.amazonaws.com")}]
        make_addon("aws-ebs-csi-driver", wait="DEGRADED", podIdentityAssociations=asked)
        request = {"clusterName": cluster, "addonName": "aws-ebs-csi-driver"}
        assert eks.delete_addon(**request)["addon"]["status"] == "DELETING"
        eventually(lambda: not eks.list_addons(clusterName=cluster)["addons"])
        assert eks.list_pod_identity_associations(clusterName=cluster)["associations"] == []

    def test_refuses_another_service_account_or_an_untrusting_role(self, eks, cluster, make_role):
        def why(account, role):
            asked = [{"serviceAccount": account, "roleArn": role}]
            request = {"clusterName": cluster, "addonName": "aws-ebs-csi-driver"}
            return reason(eks.create_addon, **request, podIdentityAssociations=asked)

        good = make_role("pods.eks.amazonaws.com")
        assert "Service account x in pod identity configuration is not supported" in why("x", good)
        assert "Trust policy of the role provided is invalid" in why(self.ACCOUNT, make_role("ec2.amazonaws.com"))
        eks.create_pod_identity_association(
            clusterName=cluster, namespace="kube-system", serviceAccount=self.ACCOUNT, roleArn=good
        )
        assert "Association already exists" in why(self.ACCOUNT, good)


def test_with_a_control_plane_its_controllers_decide(eks, cluster, make_addon, make_nodegroup):
    make_nodegroup(cluster)
    store.clusters.get_scoped(ACCOUNT, REGION, cluster)["_runs"] = True
    try:
        make_addon("coredns", wait=None)
        record = store.addons_all.get_scoped(ACCOUNT, REGION, f"{cluster}/coredns")
        issue = {"code": "InsufficientNumberOfReplicas", "message": "x", "resourceIds": ["coredns"]}
        with clock.lock:
            record["_issues"] = [issue]
            record["_workload"] = {"installed": record["addonVersion"], "available": False}
        eventually(lambda: addon(eks, cluster, "coredns")["status"] == "DEGRADED")
        assert addon(eks, cluster, "coredns")["health"]["issues"] == [issue]
        with clock.lock:
            record["_issues"] = []
        assert addon(eks, cluster, "coredns")["status"] == "ACTIVE"
    finally:
        store.clusters.get_scoped(ACCOUNT, REGION, cluster)["_runs"] = False
