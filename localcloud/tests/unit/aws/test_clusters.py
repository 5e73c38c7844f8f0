# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters: descriptions, validation and state changes."""

from __future__ import annotations

import base64

import pytest

from localcloud.aws import clock
from localcloud.model import ClusterKey
from localcloud.testing import eventually

from .conftest import ACCOUNT, REGION, finished, reason, refused, status, unique


def cluster(eks, name):
    return eks.describe_cluster(name=name)["cluster"]


def change(eks, name, **members):
    update = eks.update_cluster_config(name=name, **members)["update"]
    return finished(eks, name, update)


class TestCreation:
    def test_shows_what_a_new_cluster_does_not_have_yet(self, eks, make_cluster, held):
        name = make_cluster(wait=False)
        first = cluster(eks, name)
        assert first["status"] == "CREATING"
        assert first["certificateAuthority"] == {}
        assert not {"endpoint", "identity"} & first.keys()
        held()
        eventually(lambda: status(eks, name) == "ACTIVE")
        assert cluster(eks, name)["endpoint"].startswith("https://")

    def test_reports_why_its_control_plane_did_not_start(self, eks, make_cluster):
        name = make_cluster(name=unique("cannot-start"), wait=False)
        eventually(lambda: status(eks, name) == "FAILED")
        (issue,) = cluster(eks, name)["health"]["issues"]
        assert (issue["code"], issue["message"], issue["resourceIds"]) == ("InternalFailure", "no memory", [name])

    def test_requests_the_control_plane_that_it_describes(self, eks, make_cluster, backend):
        name = make_cluster()
        spec, found = backend.specs[name], cluster(eks, name)
        assert spec.key == ClusterKey(ACCOUNT, REGION, name)
        assert spec.version == found["version"]
        assert spec.service_cidr == found["kubernetesNetworkConfig"]["serviceIpv4Cidr"]
        assert spec.webhook_path.startswith(f"/_ministack/eks-auth/{ACCOUNT}/{REGION}/{name}/")
        assert base64.b64decode(found["certificateAuthority"]["data"]) == b"CERTIFICATE"
        assert found["endpoint"] == "https://127.0.0.1:20001"

    def test_identity_providers_become_arguments_of_the_api_server(self, eks, make_cluster, backend):
        name = make_cluster()
        oidc = {"identityProviderConfigName": "corp", "issuerUrl": "https://id.example.com", "clientId": "kubernetes"}
        eks.associate_identity_provider_config(clusterName=name, oidc=oidc)
        eventually(lambda: backend.arguments.get(name))
        assert backend.arguments[name] == ["--oidc-issuer-url=https://id.example.com", "--oidc-client-id=kubernetes"]
        shown = {"type": "oidc", "name": "corp"}

        def state():
            described = eks.describe_identity_provider_config(clusterName=name, identityProviderConfig=shown)
            return described["identityProviderConfig"]["oidc"]["status"]

        eventually(lambda: state() == "ACTIVE")

    def test_fills_in_the_defaults_of_eks(self, eks, make_cluster, make_network):
        network = make_network()
        name = make_cluster(network=network, accessConfig={}, tags={"a": "b"})
        found = cluster(eks, name)
        assert found["accessConfig"] == {"authenticationMode": "CONFIG_MAP"}
        assert found["upgradePolicy"] == {"supportType": "EXTENDED"}
        assert found["computeConfig"] == {"enabled": False}
        assert found["storageConfig"] == {"blockStorage": {"enabled": False}}
        assert found["deletionProtection"] is False
        assert found["tags"] == {"a": "b"}
        assert found["kubernetesNetworkConfig"] == {
            "serviceIpv4Cidr": "172.20.0.0/16",
            "ipFamily": "ipv4",
            "elasticLoadBalancing": {"enabled": False},
        }
        kinds = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
        assert found["logging"] == {"clusterLogging": [{"types": kinds, "enabled": False}]}
        vpc = found["resourcesVpcConfig"]
        assert vpc["vpcId"] == network.vpc_id
        assert vpc["endpointPublicAccess"] is True
        assert vpc["endpointPrivateAccess"] is False
        assert vpc["publicAccessCidrs"] == ["0.0.0.0/0"]

    def test_keeps_every_member(self, eks, make_cluster, make_key):
        given = {
            "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
            "upgradePolicy": {"supportType": "STANDARD"},
            "zonalShiftConfig": {"enabled": True},
            "deletionProtection": True,
            "controlPlaneScalingConfig": {"tier": "tier-xl"},
            "remoteNetworkConfig": {"remoteNodeNetworks": [{"cidrs": ["10.200.0.0/16"]}], "remotePodNetworks": []},
            "encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": make_key()}}],
            "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.21.0.0/16"},
            "logging": {"clusterLogging": [{"types": ["audit", "api"], "enabled": True}]},
        }
        name = make_cluster(**given, vpc={"endpointPrivateAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]})
        found = cluster(eks, name)
        for member in ("upgradePolicy", "zonalShiftConfig", "deletionProtection", "remoteNetworkConfig"):
            assert found[member] == given[member]
        assert found["controlPlaneScalingConfig"] == given["controlPlaneScalingConfig"]
        assert found["encryptionConfig"] == given["encryptionConfig"]
        # EKS accepts the bootstrap flag and never returns it.
        assert found["accessConfig"] == {"authenticationMode": "API"}
        assert found["kubernetesNetworkConfig"]["serviceIpv4Cidr"] == "172.21.0.0/16"
        assert found["logging"]["clusterLogging"] == [
            {"types": ["api", "audit"], "enabled": True},
            {"types": ["authenticator", "controllerManager", "scheduler"], "enabled": False},
        ]
        assert found["resourcesVpcConfig"]["publicAccessCidrs"] == ["203.0.113.0/24"]
        eks.update_cluster_config(name=name, deletionProtection=False)

    def test_makes_a_real_security_group_and_interfaces(self, eks, ec2, make_cluster, make_network):
        network = make_network()
        name = make_cluster(network=network)
        group_id = cluster(eks, name)["resourcesVpcConfig"]["clusterSecurityGroupId"]
        (group,) = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
        assert group["GroupName"].startswith(f"eks-cluster-sg-{name}-")
        assert group["VpcId"] == network.vpc_id
        tags = {tag["Key"]: tag["Value"] for tag in group["Tags"]}
        assert tags == {
            "Name": group["GroupName"],
            "aws:eks:cluster-name": name,
            f"kubernetes.io/cluster/{name}": "owned",
        }
        assert group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == group_id
        wanted = [{"Name": "description", "Values": [f"Amazon EKS {name}"]}]
        interfaces = ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]
        assert {eni["SubnetId"] for eni in interfaces} == set(network.subnet_ids)

    def test_refuses_what_eks_refuses(self, eks, make_network, make_role, make_cluster):
        network, role = make_network(), make_role("eks.amazonaws.com")
        good = {
            "name": unique("refused"),
            "version": "1.36",
            "roleArn": role,
            "resourcesVpcConfig": {"subnetIds": network.subnet_ids},
        }

        def why(**members):
            return reason(eks.create_cluster, **{**good, **members})

        assert why(version="1.20") == "InvalidParameterException: unsupported Kubernetes version"
        assert "must be in at least two different AZs" in why(resourcesVpcConfig={"subnetIds": network.subnet_ids[:1]})
        assert "InvalidSubnetID.NotFound" in why(resourcesVpcConfig={"subnetIds": ["subnet-0", "subnet-1"]})
        mixed = [network.subnet_ids[0], make_network().subnet_ids[1]]
        assert "same VPC" in why(resourcesVpcConfig={"subnetIds": mixed})
        assert "could not be assumed" in why(roleArn=f"arn:aws:iam::{ACCOUNT}:role/absent")
        assert "could not be assumed" in why(roleArn=make_role("ec2.amazonaws.com"))
        groups = {"subnetIds": network.subnet_ids, "securityGroupIds": ["sg-0"]}
        assert "InvalidGroup.NotFound" in why(resourcesVpcConfig=groups)
        private = {"subnetIds": network.subnet_ids, "publicAccessCidrs": ["10.0.0.0/8"]}
        assert "not allowed in publicAccessCidrs: [10.0.0.0/8]" in why(resourcesVpcConfig=private)
        closed = {"subnetIds": network.subnet_ids, "endpointPublicAccess": False}
        assert "cannot be disabled" in why(resourcesVpcConfig=closed)
        assert "overlap" in why(kubernetesNetworkConfig={"serviceIpv4Cidr": "10.90.0.0/20"})
        assert "between /24 and /12" in why(kubernetesNetworkConfig={"serviceIpv4Cidr": "100.64.0.0/16"})
        assert "enum value set" in why(upgradePolicy={"supportType": "FOREVER"})
        assert "[secrets]" in why(encryptionConfig=[{"resources": ["x"], "provider": {"keyArn": "k"}}])
        assert "regular expression" in why(name="-bad-")
        assert "roleArn is a required parameter" in why(roleArn=None)
        name = make_cluster()
        assert reason(eks.create_cluster, **{**good, "name": name}) == (
            f"ResourceInUseException: Cluster already exists with name: {name}"
        )

    def test_auto_mode_is_all_or_nothing(self, eks, make_cluster, make_role, make_network):
        node_role = make_role("ec2.amazonaws.com")
        compute = {"enabled": True, "nodePools": ["general-purpose", "system"], "nodeRoleArn": node_role}
        whole = {
            "bootstrapSelfManagedAddons": False,
            "computeConfig": compute,
            "storageConfig": {"blockStorage": {"enabled": True}},
            "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": True}},
        }
        name = make_cluster(**whole)
        found = cluster(eks, name)
        assert found["computeConfig"] == compute
        assert found["storageConfig"] == {"blockStorage": {"enabled": True}}
        entry = eks.describe_access_entry(clusterName=name, principalArn=node_role)["accessEntry"]
        assert entry["type"] == "EC2"
        good = {
            **whole,
            "name": unique("auto"),
            "roleArn": make_role("eks.amazonaws.com"),
            "resourcesVpcConfig": {"subnetIds": make_network().subnet_ids},
        }
        for part in ("computeConfig", "storageConfig", "kubernetesNetworkConfig"):
            lacking = {key: value for key, value in good.items() if key != part}
            assert "all either fully enabled or fully disabled" in reason(eks.create_cluster, **lacking)
        self_managed = {**good, "bootstrapSelfManagedAddons": True}
        assert "bootstrapSelfManagedAddons" in reason(eks.create_cluster, **self_managed)

    def test_is_one_of_its_region_and_account(self, eks, server, make_cluster):
        name = make_cluster()
        elsewhere = server.client("eks", region="eu-west-1")
        assert refused(elsewhere.describe_cluster, name=name) == "ResourceNotFoundException"
        other_account = server.client("eks", key="222222222222")
        assert refused(other_account.describe_cluster, name=name) == "ResourceNotFoundException"
        assert cluster(eks, name)["arn"] == f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{name}"


class TestDeletion:
    def test_is_visible_then_complete(self, eks, ec2, make_cluster, make_network, request):
        network = make_network()
        name = make_cluster(network=network)
        release = request.getfixturevalue("held")
        group = cluster(eks, name)["resourcesVpcConfig"]["clusterSecurityGroupId"]
        for subnet in network.subnet_ids:
            assert refused(ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
        assert refused(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
        assert refused(ec2.delete_vpc, VpcId=network.vpc_id) == "DependencyViolation"
        assert eks.delete_cluster(name=name)["cluster"]["status"] == "DELETING"
        assert status(eks, name) == "DELETING"
        assert "not in ACTIVE status" in reason(eks.update_cluster_config, name=name, deletionProtection=True)
        release()

        def gone():
            return name not in eks.list_clusters()["clusters"]

        eventually(gone)
        assert refused(eks.describe_cluster, name=name) == "ResourceNotFoundException"

        def left():
            found = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [network.vpc_id]}])
            return [g["GroupName"] for g in found["SecurityGroups"] if g["GroupName"] != "default"]

        eventually(lambda: not left())
        for subnet in network.subnet_ids:
            ec2.delete_subnet(SubnetId=subnet)
        ec2.delete_vpc(VpcId=network.vpc_id)

    def test_is_refused_while_protected_or_in_use(self, eks, make_cluster, make_nodegroup):
        name = make_cluster(deletionProtection=True)
        assert reason(eks.delete_cluster, name=name).startswith("InvalidRequestException")
        change(eks, name, deletionProtection=False)
        group = make_nodegroup(name)
        assert reason(eks.delete_cluster, name=name) == "ResourceInUseException: Cluster has nodegroups attached"
        eks.delete_nodegroup(clusterName=name, nodegroupName=group)
        eventually(lambda: not eks.list_nodegroups(clusterName=name)["nodegroups"])
        eks.delete_cluster(name=name)

    @pytest.mark.usefixtures("held")
    def test_is_refused_while_creating(self, eks, make_cluster):
        name = make_cluster(wait=False)
        assert refused(eks.delete_cluster, name=name) == "ResourceInUseException"

    def test_of_nothing(self, eks):
        assert reason(eks.delete_cluster, name="absent") == (
            "ResourceNotFoundException: No cluster found for name: absent."
        )


class TestConfiguration:
    def test_endpoint_access(self, eks, make_cluster, request):
        name = make_cluster()
        release = request.getfixturevalue("held")
        wanted = {"endpointPrivateAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]}
        update = eks.update_cluster_config(name=name, resourcesVpcConfig=wanted)["update"]
        assert (update["type"], update["status"]) == ("EndpointAccessUpdate", "InProgress")
        assert status(eks, name) == "UPDATING"
        release()
        assert finished(eks, name, update)["status"] == "Successful"
        after = cluster(eks, name)["resourcesVpcConfig"]
        assert wanted.items() <= after.items()
        assert status(eks, name) == "ACTIVE"
        again = reason(eks.update_cluster_config, name=name, resourcesVpcConfig=wanted)
        assert "Cluster is already at the desired configuration with endpointPrivateAccess: true" in again

    def test_logging_changes_only_what_is_named(self, eks, server, make_cluster):
        name = make_cluster(logging={"clusterLogging": [{"types": ["api"], "enabled": True}]})
        groups = server.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/eks/{name}/")["logGroups"]
        assert [group["logGroupName"] for group in groups] == [f"/aws/eks/{name}/cluster"]
        wanted = {"clusterLogging": [{"types": ["audit"], "enabled": True}]}
        assert change(eks, name, logging=wanted)["type"] == "LoggingUpdate"
        assert cluster(eks, name)["logging"]["clusterLogging"][0] == {"types": ["api", "audit"], "enabled": True}
        assert "No changes needed for the logging config" in reason(
            eks.update_cluster_config, name=name, logging=wanted
        )

    def test_is_one_type_at_a_time(self, eks, make_cluster):
        name = make_cluster()
        both = {
            "logging": {"clusterLogging": [{"types": ["api"], "enabled": True}]},
            "resourcesVpcConfig": {"endpointPrivateAccess": True},
        }
        only = "InvalidParameterException: Only one type of update can be allowed."
        assert reason(eks.update_cluster_config, name=name, **both) == only
        mixed = {"endpointPrivateAccess": True, "securityGroupIds": []}
        assert reason(eks.update_cluster_config, name=name, resourcesVpcConfig=mixed) == only
        assert refused(eks.update_cluster_config, name=name) == "InvalidParameterException"

    def test_is_one_update_at_a_time(self, eks, make_cluster, request):
        name = make_cluster()
        release = request.getfixturevalue("held")
        update = eks.update_cluster_config(name=name, deletionProtection=True)["update"]
        upgrade = {"supportType": "STANDARD"}
        why = reason(eks.update_cluster_config, name=name, upgradePolicy=upgrade)
        assert why == (
            f"ResourceInUseException: Cannot UpgradePolicyUpdate because cluster {name} currently has update "
            f"{update['id']} in progress"
        )
        assert refused(eks.update_cluster_version, name=name, version="1.37") == "ResourceInUseException"
        release()
        finished(eks, name, update)
        change(eks, name, deletionProtection=False)

    def test_subnets_and_security_groups(self, eks, ec2, make_cluster, make_network):
        network = make_network("abc")
        name = make_cluster(network=network)
        group = ec2.create_security_group(GroupName=unique("sg"), Description="x", VpcId=network.vpc_id)["GroupId"]
        wanted = {"subnetIds": network.subnet_ids[1:], "securityGroupIds": [group]}
        assert change(eks, name, resourcesVpcConfig=wanted)["type"] == "VpcConfigUpdate"
        assert wanted.items() <= cluster(eks, name)["resourcesVpcConfig"].items()
        foreign = {"subnetIds": make_network().subnet_ids}
        assert "same VPC as the cluster" in reason(eks.update_cluster_config, name=name, resourcesVpcConfig=foreign)

    def test_authentication_mode_goes_one_way(self, eks, make_cluster):
        name = make_cluster(accessConfig={"authenticationMode": "CONFIG_MAP"})
        api = {"authenticationMode": "API"}
        assert "Unsupported authentication mode update from CONFIG_MAP to API" in reason(
            eks.update_cluster_config, name=name, accessConfig=api
        )
        change(eks, name, accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"})
        change(eks, name, accessConfig=api)
        back = {"authenticationMode": "API_AND_CONFIG_MAP"}
        assert refused(eks.update_cluster_config, name=name, accessConfig=back) == "InvalidParameterException"

    @pytest.mark.parametrize(
        ("member", "value", "kind"),
        [
            ("upgradePolicy", {"supportType": "STANDARD"}, "UpgradePolicyUpdate"),
            ("zonalShiftConfig", {"enabled": True}, "ZonalShiftConfigUpdate"),
            ("deletionProtection", True, "DeletionProtectionUpdate"),
            ("controlPlaneScalingConfig", {"tier": "tier-2xl"}, "ControlPlaneScalingConfigUpdate"),
            (
                "remoteNetworkConfig",
                {"remoteNodeNetworks": [{"cidrs": ["10.200.0.0/16"]}], "remotePodNetworks": []},
                "RemoteNetworkConfigUpdate",
            ),
            ("kubeApiServerConfig", {"eventTtl": "2h"}, "ControlPlaneComponentConfigUpdate"),
        ],
    )
    def test_of_one_member(self, eks, make_cluster, member, value, kind):
        name = make_cluster()
        done = change(eks, name, **{member: value})
        assert (done["type"], done["status"]) == (kind, "Successful")
        assert cluster(eks, name)[member] == value
        assert reason(eks.update_cluster_config, name=name, **{member: value}).startswith(
            "InvalidParameterException: No changes needed"
        )

    def test_auto_mode_can_be_switched_on(self, eks, make_cluster, make_role):
        name = make_cluster()
        compute = {
            "enabled": True,
            "nodePools": ["general-purpose"],
            "nodeRoleArn": make_role("ec2.amazonaws.com"),
        }
        whole = {
            "computeConfig": compute,
            "storageConfig": {"blockStorage": {"enabled": True}},
            "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": True}},
        }
        assert "fully enabled" in reason(eks.update_cluster_config, name=name, computeConfig=compute)
        assert change(eks, name, **whole)["type"] == "AutoModeUpdate"
        assert cluster(eks, name)["computeConfig"] == compute

    def test_encryption_once(self, eks, make_cluster, make_key):
        name = make_cluster()
        wanted = [{"resources": ["secrets"], "provider": {"keyArn": make_key()}}]
        update = eks.associate_encryption_config(clusterName=name, encryptionConfig=wanted)["update"]
        assert update["type"] == "AssociateEncryptionConfig"
        assert finished(eks, name, update)["status"] == "Successful"
        assert cluster(eks, name)["encryptionConfig"] == wanted
        again = {"clusterName": name, "encryptionConfig": wanted}
        assert refused(eks.associate_encryption_config, **again) == "InvalidRequestException"

    def test_encryption_needs_a_usable_key(self, eks, server, make_cluster, make_key):
        name = make_cluster()

        def why(arn):
            wanted = [{"resources": ["secrets"], "provider": {"keyArn": arn}}]
            return reason(eks.associate_encryption_config, clusterName=name, encryptionConfig=wanted)

        assert "NotFoundException" in why(f"arn:aws:kms:{REGION}:{ACCOUNT}:key/absent")
        assert "symmetric" in why(make_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY"))
        disabled = make_key()
        server.client("kms").disable_key(KeyId=disabled)
        assert "enabled" in why(disabled)

    def test_access_entries_take_over_the_nodes_of_a_config_map(self, eks, make_cluster, make_nodegroup, make_role):
        name = make_cluster(accessConfig={"authenticationMode": "CONFIG_MAP"})
        role = make_role("ec2.amazonaws.com")
        make_nodegroup(name, nodeRole=role)
        change(eks, name, accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"})
        assert role in eks.list_access_entries(clusterName=name)["accessEntries"]


class TestVersion:
    def test_that_fails_leaves_the_old_one(self, eks, make_cluster):
        name = make_cluster(name=unique("cannot-upgrade"))
        done = finished(eks, name, eks.update_cluster_version(name=name, version="1.37")["update"])
        assert done["status"] == "Failed"
        assert done["errors"][0]["errorMessage"] == "the control plane did not come back"
        found = cluster(eks, name)
        assert (found["version"], found["status"]) == ("1.36", "ACTIVE")

    def test_goes_up_one_minor(self, eks, make_cluster):
        name = make_cluster(version="1.35")
        update = eks.update_cluster_version(name=name, version="1.36")["update"]
        assert update["type"] == "VersionUpdate"
        assert {"type": "Version", "value": "1.36"} in update["params"]
        assert finished(eks, name, update)["status"] == "Successful"
        assert cluster(eks, name)["version"] == "1.36"

    @pytest.mark.parametrize(
        ("version", "why"),
        [
            ("1.37", "Unsupported Kubernetes minor version update from 1.35 to 1.37"),
            ("1.34", "Unsupported Kubernetes minor version update from 1.35 to 1.34"),
            ("1.35", "already at the desired version 1.35"),
            ("1.99", "unsupported Kubernetes version"),
        ],
    )
    def test_refuses_any_other(self, eks, make_cluster, version, why):
        name = make_cluster(version="1.35")
        assert why in reason(eks.update_cluster_version, name=name, version=version)

    def test_waits_for_the_node_groups(self, eks, make_cluster, make_nodegroup):
        name = make_cluster(version="1.35")
        group = make_nodegroup(name)
        finished(eks, name, eks.update_cluster_version(name=name, version="1.36")["update"])
        why = reason(eks.update_cluster_version, name=name, version="1.37")
        assert f"Nodegroups {group} must be updated to match cluster version 1.36" in why
        update = eks.update_nodegroup_version(clusterName=name, nodegroupName=group)["update"]
        finished(eks, name, update, nodegroupName=group)
        update = eks.update_cluster_version(name=name, version="1.37")["update"]
        assert finished(eks, name, update)["status"] == "Successful"


class TestUpdates:
    def test_are_listed_in_pages(self, eks, make_cluster):
        name = make_cluster()
        ids = [change(eks, name, deletionProtection=value)["id"] for value in (True, False)]
        first = eks.list_updates(name=name, maxResults=1)
        second = eks.list_updates(name=name, maxResults=1, nextToken=first["nextToken"])
        assert first["updateIds"] + second["updateIds"] == ids
        assert "nextToken" not in second
        assert refused(eks.describe_update, name=name, updateId="absent") == "ResourceNotFoundException"
        assert refused(eks.list_updates, name=name, nextToken="!") == "InvalidParameterException"

    def test_clusters_are_listed_in_pages(self, eks, make_cluster):
        names = {make_cluster(wait=False) for _ in range(3)}
        pages = eks.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 2})
        seen = [page["clusters"] for page in pages]
        assert max(map(len, seen)) <= 2
        assert names <= {name for page in seen for name in page}


def test_the_time_of_waits_does_not_jump(monkeypatch):
    before = clock.now()
    monkeypatch.setattr(clock.time, "time", lambda: before - 86400)
    assert 0 <= clock.now() - before < 60
