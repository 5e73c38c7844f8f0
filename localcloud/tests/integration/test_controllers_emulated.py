# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The in-cluster controllers in the local cloud, with calls of the AWS API only."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.controllers.kube import Kube
from localcloud.releases import versions
from localcloud.testing import LocalCloud, eventually

pytestmark = pytest.mark.integration

CLUSTER = "controlled"


def _role(cloud: LocalCloud, name: str, service: str, *policies: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = cloud.client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    for policy in policies:
        iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=policy)
    return arn


def _network(cloud: LocalCloud) -> tuple[str, list[str]]:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.44.0.0/16")["Vpc"]["VpcId"]
    region = cloud.daemon.region
    subnets = []
    for number, zone in enumerate("ab"):
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.44.{number}.0/24", AvailabilityZone=f"{region}{zone}")[
            "Subnet"
        ]["SubnetId"]
        ec2.create_tags(Resources=[subnet], Tags=[{"Key": "kubernetes.io/role/internal-elb", "Value": "1"}])
        subnets.append(subnet)
    return vpc, subnets


@pytest.fixture(scope="module")
def vpc_and_kube(local_cloud: LocalCloud) -> Iterator[tuple[str, Kube]]:
    """A cluster with a node group of two nodes, in a VPC with subnets for internal load balancers only."""
    vpc, subnets = _network(local_cloud)
    control = _role(local_cloud, "controlled-cluster", "eks.amazonaws.com")
    node = _role(local_cloud, "controlled-node", "ec2.amazonaws.com")
    time.sleep(1.5)  # a new role is effective after a delay, as on AWS
    eks = local_cloud.client("eks")
    eks.create_cluster(name=CLUSTER, roleArn=control, resourcesVpcConfig={"subnetIds": subnets})
    eventually(lambda: eks.describe_cluster(name=CLUSTER)["cluster"]["status"] == "ACTIVE")
    volume = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 100}}
    template = {"LaunchTemplateName": CLUSTER, "LaunchTemplateData": {"BlockDeviceMappings": [volume]}}
    local_cloud.client("ec2").create_launch_template(**template)
    eks.create_nodegroup(
        clusterName=CLUSTER,
        nodegroupName="main",
        launchTemplate={"name": CLUSTER, "version": "1"},
        subnets=subnets,
        nodeRole=node,
        instanceTypes=["m5.large"],
        scalingConfig={"minSize": 1, "maxSize": 3, "desiredSize": 2},
        releaseVersion=_releases()[0],
    )
    cluster = next(entry for entry in _status(local_cloud).values() if entry["name"] == CLUSTER)
    kube = Kube(Path(cluster["kubeconfig"]))
    eventually(lambda: _nodegroup(eks)["status"] == "ACTIVE")
    yield vpc, kube
    kube.close()
    eks.delete_nodegroup(clusterName=CLUSTER, nodegroupName="main")
    eventually(lambda: not eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"])
    eks.delete_cluster(name=CLUSTER)


def _status(cloud: LocalCloud) -> dict[str, Any]:
    clusters: dict[str, Any] = json.loads(cloud.state.file.read_text())["clusters"]
    return clusters


def _releases() -> tuple[str, ...]:
    return versions.VERSIONS[versions.DEFAULT].ami_releases


def _nodegroup(eks: Any) -> dict[str, Any]:
    group: dict[str, Any] = eks.describe_nodegroup(clusterName=CLUSTER, nodegroupName="main")["nodegroup"]
    return group


def test_active_node_group_has_ready_nodes(vpc_and_kube: tuple[str, Kube]) -> None:
    nodes = vpc_and_kube[1].list("Node")
    assert len({node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes}) == 2
    conditions = [c for node in nodes for c in node["status"]["conditions"] if c["type"] == "Ready"]
    assert [c["status"] for c in conditions] == ["True", "True"]


def test_nodes_have_the_disk_of_their_launch_template(vpc_and_kube: tuple[str, Kube]) -> None:
    for node in vpc_and_kube[1].list("Node"):
        kib = int(node["status"]["capacity"]["ephemeral-storage"].removesuffix("Ki"))
        assert 99 < kib / 2**20 <= 100


def test_coredns_is_active_once_its_pods_run(local_cloud: LocalCloud, vpc_and_kube: tuple[str, Kube]) -> None:
    eks = local_cloud.client("eks")
    eks.create_addon(clusterName=CLUSTER, addonName="coredns")

    def status() -> str:
        return str(eks.describe_addon(clusterName=CLUSTER, addonName="coredns")["addon"]["status"])

    eventually(lambda: status() != "CREATING")
    assert status() == "ACTIVE"
    deployment = vpc_and_kube[1].get("Deployment", "coredns", "kube-system")
    assert deployment is not None and deployment["status"]["availableReplicas"] == 2


def test_load_balancer_shows_in_the_account_and_goes(local_cloud: LocalCloud, vpc_and_kube: tuple[str, Kube]) -> None:
    vpc, kube = vpc_and_kube
    elb = local_cloud.client("elbv2")

    def made() -> list[dict[str, Any]]:
        return [lb for lb in elb.describe_load_balancers()["LoadBalancers"] if lb["VpcId"] == vpc]

    annotations = {"service.beta.kubernetes.io/aws-load-balancer-internal": "true"}
    for name, given in (("inside", annotations), ("outside", {})):
        spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
        kube.create("Service", {"metadata": {"name": name, "annotations": given}, "spec": spec}, "default")
    service = eventually(
        lambda: (s := kube.get("Service", "inside", "default")) and s["status"]["loadBalancer"].get("ingress") and s
    )
    hosts = [entry["hostname"] for entry in service["status"]["loadBalancer"]["ingress"]]
    assert [lb["DNSName"] for lb in made()] == hosts
    groups = local_cloud.client("ec2").describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    assert any(group["GroupName"].startswith("k8s-elb-") for group in groups["SecurityGroups"])
    eventually(lambda: kube.list("Event", "default", fieldSelector="reason=SyncLoadBalancerFailed"))
    outside = kube.get("Service", "outside", "default")
    assert outside is not None and not outside["status"]["loadBalancer"].get("ingress")
    for name in ("inside", "outside"):
        kube.delete("Service", name, "default")
    eventually(lambda: kube.get("Service", "inside", "default") is None)
    assert made() == []


def test_volume_needs_the_driver_and_its_pod_identity(local_cloud: LocalCloud, vpc_and_kube: tuple[str, Kube]) -> None:
    kube = vpc_and_kube[1]
    eks = local_cloud.client("eks")
    allowed = {"Effect": "Allow", "Action": ["ec2:CreateVolume"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    role = _role(local_cloud, "controlled-ebs", "pods.eks.amazonaws.com", policy)
    eks.create_addon(clusterName=CLUSTER, addonName="eks-pod-identity-agent")
    eks.create_addon(clusterName=CLUSTER, addonName="aws-ebs-csi-driver")
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "storageClassName": "gp2",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "3Gi"}},
        },
    }
    kube.create("PersistentVolumeClaim", claim, "default")
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    pod = {
        "metadata": {"name": "user"},
        "spec": {"containers": [{"name": "c", "image": "busybox"}], "volumes": [volume]},
    }
    kube.create("Pod", pod, "default")
    eventually(lambda: kube.list("Event", "default", fieldSelector="reason=ProvisioningFailed"))
    eks.create_pod_identity_association(
        clusterName=CLUSTER, namespace="kube-system", serviceAccount="ebs-csi-controller-sa", roleArn=role
    )
    eventually(lambda: (kube.get("Pod", "user", "default") or {})["status"].get("phase") == "Running")
    # Clusters of other tests in the same account also have volumes.
    own = [{"Name": f"tag:kubernetes.io/cluster/{CLUSTER}", "Values": ["owned"]}]

    def volumes() -> list[tuple[int, str]]:
        found = local_cloud.client("ec2").describe_volumes(Filters=own)["Volumes"]
        return [(volume["Size"], volume["VolumeType"]) for volume in found]

    assert volumes() == [(3, "gp2")]
    kube.delete("Pod", "user", "default", grace=0)
    kube.delete("PersistentVolumeClaim", "data", "default")
    eventually(lambda: not volumes())


def test_node_group_of_an_unknown_instance_type_fails_with_the_reason(
    local_cloud: LocalCloud, vpc_and_kube: tuple[str, Kube]
) -> None:
    eks = local_cloud.client("eks")
    like = _nodegroup(eks)

    def shown() -> dict[str, Any]:
        group: dict[str, Any] = eks.describe_nodegroup(clusterName=CLUSTER, nodegroupName="odd")["nodegroup"]
        return group

    eks.create_nodegroup(
        clusterName=CLUSTER,
        nodegroupName="odd",
        subnets=like["subnets"],
        nodeRole=like["nodeRole"],
        instanceTypes=["m5.999xlarge"],
    )
    eventually(lambda: shown()["status"] == "CREATE_FAILED")
    assert [issue["code"] for issue in shown()["health"]["issues"]] == ["Ec2InstanceTypeDoesNotExist"]
    eks.delete_nodegroup(clusterName=CLUSTER, nodegroupName="odd")
    eventually(lambda: eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"] == ["main"])


def test_version_update_waits_for_new_nodes(local_cloud: LocalCloud, vpc_and_kube: tuple[str, Kube]) -> None:
    eks = local_cloud.client("eks")
    kube = vpc_and_kube[1]
    before = {node["metadata"]["name"] for node in kube.list("Node")}
    request = eks.update_nodegroup_version(clusterName=CLUSTER, nodegroupName="main", force=True)
    update = request["update"]["id"]

    def status() -> str:
        shown = eks.describe_update(name=CLUSTER, nodegroupName="main", updateId=update)["update"]
        return str(shown["status"])

    eventually(lambda: status() != "InProgress")
    assert status() == "Successful"
    assert len(_releases()) > 1
    after = {node["metadata"]["name"] for node in kube.list("Node")}
    assert len(after) == 2
    assert not after & before
    assert _nodegroup(eks)["releaseVersion"] == _releases()[-1]


def test_nodes_follow_the_cluster_to_the_next_minor(local_cloud: LocalCloud, vpc_and_kube: tuple[str, Kube]) -> None:
    eks = local_cloud.client("eks")
    major, minor = versions.DEFAULT.split(".")
    following = f"{major}.{int(minor) + 1}"

    def ended(update: str, **group: str) -> str:
        shown = eks.describe_update(name=CLUSTER, updateId=update, **group)["update"]
        return "" if shown["status"] == "InProgress" else str(shown["status"])

    upgrade = eks.update_cluster_version(name=CLUSTER, version=following)["update"]["id"]
    assert eventually(lambda: ended(upgrade)) == "Successful"
    assert all(f"v{versions.DEFAULT}." in version for version in _kubelets(vpc_and_kube[1]))
    replace = eks.update_nodegroup_version(clusterName=CLUSTER, nodegroupName="main", force=True)["update"]["id"]
    assert eventually(lambda: ended(replace, nodegroupName="main")) == "Successful"
    assert all(f"v{following}." in version for version in _kubelets(vpc_and_kube[1]))


def _kubelets(kube: Kube) -> list[str]:
    return [node["status"]["nodeInfo"]["kubeletVersion"] for node in kube.list("Node")]
