# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed node groups."""

from __future__ import annotations

import pytest

from localcloud.aws import clock, store
from localcloud.testing import eventually

from .conftest import ACCOUNT, REGION, finished, nodegroup, reason, refused, unique


@pytest.fixture
def cluster(make_cluster):
    return make_cluster()


def change(eks, cluster, name, **members):
    update = eks.update_nodegroup_config(clusterName=cluster, nodegroupName=name, **members)["update"]
    return finished(eks, cluster, update, nodegroupName=name)


class TestCreation:
    def test_passes_creating(self, eks, cluster, make_nodegroup, held):
        name = make_nodegroup(cluster, wait=False)
        assert nodegroup(eks, cluster, name)["status"] == "CREATING"
        held()
        eventually(lambda: nodegroup(eks, cluster, name)["status"] == "ACTIVE")

    def test_fills_in_the_defaults_of_eks(self, eks, cluster, make_nodegroup):
        found = nodegroup(eks, cluster, make_nodegroup(cluster))
        assert found["amiType"] == "AL2023_x86_64_STANDARD"
        assert found["instanceTypes"] == ["t3.medium"]
        assert found["capacityType"] == "ON_DEMAND"
        assert found["diskSize"] == 20
        assert found["version"] == "1.36"
        assert found["releaseVersion"].startswith("1.36.")
        assert found["updateConfig"] == {"maxUnavailable": 1}
        assert found["health"] == {"issues": []}
        assert found["resources"]["autoScalingGroups"][0]["name"].startswith("eks-")
        assert not any(key.startswith("_") for key in found)

    def test_keeps_every_member(self, eks, cluster, make_nodegroup):
        given = {
            "scalingConfig": {"minSize": 0, "maxSize": 5, "desiredSize": 0},
            "instanceTypes": ["m7g.large", "m6g.large"],
            "amiType": "BOTTLEROCKET_ARM_64",
            "capacityType": "SPOT",
            "diskSize": 50,
            "labels": {"role": "x", "example.com/team": "data"},
            "taints": [{"key": "dedicated", "value": "kafka", "effect": "NO_SCHEDULE"}],
            "tags": {"a": "b"},
            "updateConfig": {"maxUnavailablePercentage": 33},
            "nodeRepairConfig": {"enabled": True},
        }
        found = nodegroup(eks, cluster, make_nodegroup(cluster, **given))
        assert {key: found[key] for key in given} == given
        # Bottlerocket has different release versions.
        assert not found["releaseVersion"].startswith("1.36")

    def test_with_a_launch_template(self, eks, ec2, cluster, make_nodegroup):
        data = {"LaunchTemplateData": {"InstanceType": "m5.large"}}
        template = ec2.create_launch_template(LaunchTemplateName=unique("lt"), **data)["LaunchTemplate"]
        identity = template["LaunchTemplateId"]
        name = make_nodegroup(cluster, launchTemplate={"id": identity, "version": "$Latest"})
        found = nodegroup(eks, cluster, name)
        assert found["launchTemplate"] == {
            "id": identity,
            "name": template["LaunchTemplateName"],
            "version": "1",
        }
        # EKS returns neither the disk nor the instance type of the template.
        assert not {"diskSize", "instanceTypes"} & found.keys()
        both = {"launchTemplate": {"id": identity}, "instanceTypes": ["m5.large"]}
        assert "Cannot specify instance types in launch template" in reason(make_nodegroup, cluster=cluster, **both)
        ec2.create_launch_template_version(LaunchTemplateId=identity, **data)
        request = {"clusterName": cluster, "nodegroupName": name}
        absent = {"id": identity, "version": "9"}
        assert "was not found" in reason(eks.update_nodegroup_version, **request, launchTemplate=absent)
        update = eks.update_nodegroup_version(**request, launchTemplate={"id": identity, "version": "2"})["update"]
        assert finished(eks, cluster, update, nodegroupName=name)["status"] == "Successful"
        assert nodegroup(eks, cluster, name)["launchTemplate"]["version"] == "2"

    @pytest.mark.parametrize(
        ("members", "why"),
        [
            ({"diskSize": 30}, "Disk size must be specified within the launch template."),
            (
                {"remoteAccess": {"ec2SshKey": "key"}},
                "Remote access configuration cannot be specified with a launch template.",
            ),
            (
                {"launchTemplate": {"version": "1"}},
                "Either a launch template ID or a launch template name must be specified in the request.",
            ),
            (
                {"launchTemplate": {"id": "lt-0", "name": "other"}},
                "Either provide launch template ID or launch template name in the request.",
            ),
            ({"launchTemplate": {"name": "NAME", "version": "2"}}, "Launch template version 2 was not found"),
        ],
    )
    def test_what_a_launch_template_excludes(self, ec2, cluster, make_nodegroup, members, why):
        data = {"MetadataOptions": {"HttpPutResponseHopLimit": 1}}
        name = ec2.create_launch_template(LaunchTemplateName=unique("lt"), LaunchTemplateData=data)["LaunchTemplate"][
            "LaunchTemplateName"
        ]
        given = {"launchTemplate": {"name": name}, **members}
        if given["launchTemplate"].get("name") == "NAME":
            given["launchTemplate"]["name"] = name
        assert why in reason(make_nodegroup, cluster=cluster, **given)

    def test_a_node_group_keeps_a_copy_of_its_launch_template(self, eks, ec2, cluster, make_nodegroup):
        """EKS uses a copy of the template, and reports a deleted template as a health issue."""
        data = {"MetadataOptions": {"HttpPutResponseHopLimit": 1}}
        first, other = (
            ec2.create_launch_template(LaunchTemplateName=unique("lt"), LaunchTemplateData=data)["LaunchTemplate"]
            for _ in range(2)
        )
        without = {"clusterName": cluster, "nodegroupName": make_nodegroup(cluster)}
        added = {"id": first["LaunchTemplateId"], "version": "1"}
        assert "cannot be added" in reason(eks.update_nodegroup_version, **without, launchTemplate=added)
        group = {"clusterName": cluster, "nodegroupName": make_nodegroup(cluster, launchTemplate=added)}
        moved = {"id": other["LaunchTemplateId"], "version": "1"}
        assert "only its version" in reason(eks.update_nodegroup_version, **group, launchTemplate=moved)
        ec2.delete_launch_template(LaunchTemplateId=first["LaunchTemplateId"])
        found = eks.describe_nodegroup(**group)["nodegroup"]
        assert found["status"] == "DEGRADED"
        assert [issue["code"] for issue in found["health"]["issues"]] == ["SourceEc2LaunchTemplateNotFound"]
        eks.delete_nodegroup(**group)
        eks.get_waiter("nodegroup_deleted").wait(**group, WaiterConfig={"Delay": 1})

    def test_with_an_image_of_its_own(self, eks, ec2, cluster, make_nodegroup):
        data = {"LaunchTemplateData": {"ImageId": "ami-1"}}
        template = ec2.create_launch_template(LaunchTemplateName=unique("lt"), **data)["LaunchTemplate"]
        identity = {"id": template["LaunchTemplateId"]}
        refused_with = {"launchTemplate": identity, "amiType": "AL2023_x86_64_STANDARD"}
        assert "cannot specify amiType" in reason(make_nodegroup, cluster=cluster, **refused_with)
        name = make_nodegroup(cluster, launchTemplate=identity)
        found = nodegroup(eks, cluster, name)
        assert (found["amiType"], found["releaseVersion"]) == ("CUSTOM", "ami-1")
        request = {"clusterName": cluster, "nodegroupName": name}
        assert "another version of its launch template" in reason(eks.update_nodegroup_version, **request)
        data = {"LaunchTemplateData": {"ImageId": "ami-2"}}
        ec2.create_launch_template_version(LaunchTemplateId=identity["id"], **data)
        update = eks.update_nodegroup_version(**request, launchTemplate={**identity, "version": "2"})["update"]
        finished(eks, cluster, update, nodegroupName=name)
        assert nodegroup(eks, cluster, name)["releaseVersion"] == "ami-2"

    @pytest.mark.parametrize(
        ("members", "why"),
        [
            ({"scalingConfig": {"minSize": 3, "maxSize": 2}}, "can't be greater than max size"),
            (
                {"scalingConfig": {"minSize": 3, "maxSize": 5, "desiredSize": 1}},
                "Minimum capacity 3 can't be greater than desired size 1",
            ),
            ({"scalingConfig": {"minSize": 1, "maxSize": 3, "desiredSize": 5}}, "desired capacity 5"),
            ({"scalingConfig": {"minSize": 0, "maxSize": 0}}, "greater than or equal to 1"),
            ({"amiType": "AL2_x86_64"}, "only supported for kubernetes versions 1.32 or earlier"),
            ({"amiType": "WINDOWS_95"}, "enum value set"),
            ({"instanceTypes": ["m7g.large"]}, "[m7g.large] is not a valid instance type for requested amiType"),
            ({"instanceTypes": ["huge"]}, "do not exist: [huge]"),
            ({"version": "1.35"}, "must match the cluster's Kubernetes version 1.36"),
            ({"releaseVersion": "1.1.1"}, "Requested release version 1.1.1 is not valid for kubernetes version 1.36"),
            ({"subnets": []}, "must not be empty"),
            ({"subnets": ["subnet-0"]}, "InvalidSubnetID.NotFound"),
            ({"nodeRole": f"arn:aws:iam::{ACCOUNT}:role/absent"}, "cannot be found"),
            ({"labels": {"kubernetes.io/x": "y"}}, "reserved prefixes"),
            ({"labels": {"a b": "y"}}, "not a valid Kubernetes label"),
            ({"taints": [{"key": "a", "effect": "NEVER"}]}, "enum value set"),
            ({"updateConfig": {"maxUnavailable": 1, "maxUnavailablePercentage": 1}}, "cannot both be specified"),
            ({"launchTemplate": {"id": "lt-0"}}, "Launch template lt-0 was not found"),
            ({"amiType": "CUSTOM"}, "requires a launch template"),
        ],
    )
    def test_refuses(self, eks, cluster, make_role, members, why):
        vpc = eks.describe_cluster(name=cluster)["cluster"]["resourcesVpcConfig"]
        good = {
            "clusterName": cluster,
            "nodegroupName": "refused",
            "subnets": vpc["subnetIds"],
            "nodeRole": make_role("ec2.amazonaws.com"),
        }
        assert why in reason(eks.create_nodegroup, **{**good, **members})

    def test_refuses_a_role_that_ec2_may_not_use(self, cluster, make_nodegroup, make_role):
        role = make_role("eks.amazonaws.com")
        why = reason(make_nodegroup, cluster=cluster, nodeRole=role)
        assert "[ec2.amazonaws.com] were not found in the trust relationships" in why

    def test_refuses_another_network_and_a_second_of_its_name(self, cluster, make_nodegroup, make_network):
        assert "in the cluster's VPC" in reason(make_nodegroup, cluster=cluster, subnets=make_network().subnet_ids)
        name = make_nodegroup(cluster)
        assert reason(make_nodegroup, cluster=cluster, nodegroupName=name) == (
            f"ResourceInUseException: NodeGroup already exists with name {name} and cluster name {cluster}"
        )

    @pytest.mark.usefixtures("held")
    def test_waits_for_the_cluster(self, make_cluster, make_nodegroup):
        name = make_cluster(wait=False)
        assert reason(make_nodegroup, cluster=name) == (
            f"InvalidRequestException: Cluster '{name}' is not in ACTIVE status"
        )


class TestConfiguration:
    def test_scaling_by_anyone(self, eks, cluster, make_nodegroup):
        name = make_nodegroup(cluster, scalingConfig={"minSize": 1, "maxSize": 5, "desiredSize": 2})
        done = change(eks, cluster, name, scalingConfig={"desiredSize": 4})
        assert (done["type"], done["status"]) == ("ConfigUpdate", "Successful")
        assert {"type": "DesiredSize", "value": "4"} in done["params"]
        assert nodegroup(eks, cluster, name)["scalingConfig"] == {"minSize": 1, "maxSize": 5, "desiredSize": 4}
        below = {"minSize": 5, "maxSize": 5}
        request = {"clusterName": cluster, "nodegroupName": name, "scalingConfig": below}
        assert "Minimum capacity 5 can't be greater than desired size 4" in reason(
            eks.update_nodegroup_config, **request
        )

    def test_labels_and_taints(self, eks, cluster, make_nodegroup):
        taint = {"key": "a", "value": "1", "effect": "NO_SCHEDULE"}
        name = make_nodegroup(cluster, labels={"keep": "1", "drop": "1"}, taints=[taint])
        change(eks, cluster, name, labels={"addOrUpdateLabels": {"new": "2"}, "removeLabels": ["drop"]})
        assert nodegroup(eks, cluster, name)["labels"] == {"keep": "1", "new": "2"}
        replaced = {**taint, "value": "2"}
        added = {"key": "b", "effect": "NO_EXECUTE"}
        change(eks, cluster, name, taints={"addOrUpdateTaints": [replaced, added]})
        assert nodegroup(eks, cluster, name)["taints"] == [replaced, added]
        change(eks, cluster, name, taints={"removeTaints": [added]})
        assert nodegroup(eks, cluster, name)["taints"] == [replaced]
        request = {"clusterName": cluster, "nodegroupName": name}
        assert "does not exist" in reason(eks.update_nodegroup_config, **request, taints={"removeTaints": [added]})
        both = {"addOrUpdateLabels": {"x": "1"}, "removeLabels": ["x"]}
        assert "added and removed" in reason(eks.update_nodegroup_config, **request, labels=both)
        assert refused(eks.update_nodegroup_config, **request) == "InvalidParameterException"

    def test_update_and_repair_config(self, eks, cluster, make_nodegroup):
        name = make_nodegroup(cluster)
        change(
            eks,
            cluster,
            name,
            updateConfig={"maxUnavailablePercentage": 50},
            nodeRepairConfig={"enabled": True},
            warmPoolConfig={"enabled": True, "minSize": 1},
        )
        found = nodegroup(eks, cluster, name)
        assert found["updateConfig"] == {"maxUnavailablePercentage": 50}
        assert found["nodeRepairConfig"] == {"enabled": True}
        assert found["warmPoolConfig"] == {"enabled": True, "minSize": 1}

    def test_one_update_at_a_time(self, eks, cluster, make_nodegroup, request):
        name = make_nodegroup(cluster)
        release = request.getfixturevalue("held")
        group = {"clusterName": cluster, "nodegroupName": name}
        update = eks.update_nodegroup_config(**group, scalingConfig={"desiredSize": 1})["update"]
        assert nodegroup(eks, cluster, name)["status"] == "UPDATING"
        why = reason(eks.update_nodegroup_config, **group, scalingConfig={"desiredSize": 2})
        assert why == f"ResourceInUseException: Nodegroup {name} currently has update {update['id']} in progress"
        assert refused(eks.delete_nodegroup, **group) == "ResourceInUseException"
        release()
        finished(eks, cluster, update, nodegroupName=name)
        assert eks.list_updates(name=cluster, nodegroupName=name)["updateIds"] == [update["id"]]
        assert eks.list_updates(name=cluster)["updateIds"] == []


class TestVersion:
    def test_follows_the_cluster(self, eks, make_cluster, make_nodegroup):
        cluster = make_cluster(version="1.35")
        old = make_nodegroup(cluster, releaseVersion="1.35.4-20260904")
        request = {"clusterName": cluster, "nodegroupName": old}
        newer = reason(eks.update_nodegroup_version, **request, version="1.36")
        assert "newer than the cluster's version 1.35" in newer
        finished(eks, cluster, eks.update_cluster_version(name=cluster, version="1.36")["update"])
        wrong = reason(eks.update_nodegroup_version, **request, version="1.36", releaseVersion="1.35.6-20261106")
        assert "Requested release version 1.35.6-20261106 is not valid for kubernetes version 1.36" in wrong
        update = eks.update_nodegroup_version(**request)["update"]
        assert update["type"] == "VersionUpdate"
        assert finished(eks, cluster, update, nodegroupName=old)["status"] == "Successful"
        found = nodegroup(eks, cluster, old)
        assert (found["version"], found["releaseVersion"]) == ("1.36", "1.36.3-20261106")
        back = reason(eks.update_nodegroup_version, **request, version="1.35")
        assert "cannot be downgraded" in back

    def test_takes_a_newer_release_of_the_same_version(self, eks, cluster, make_nodegroup):
        name = make_nodegroup(cluster, releaseVersion="1.36.1-20260904")
        update = eks.update_nodegroup_version(clusterName=cluster, nodegroupName=name, version="1.36")["update"]
        finished(eks, cluster, update, nodegroupName=name)
        assert nodegroup(eks, cluster, name)["releaseVersion"] == "1.36.3-20261106"


class TestWithNodes:
    """With a control plane, states depend on the reports of its controllers."""

    @pytest.fixture
    def records(self, cluster):
        store.clusters.get_scoped(ACCOUNT, REGION, cluster)["_runs"] = True
        yield lambda name: store.nodegroups_all.get_scoped(ACCOUNT, REGION, f"{cluster}/{name}")
        store.clusters.get_scoped(ACCOUNT, REGION, cluster)["_runs"] = False

    def report(self, record, *, desired=2, nodes=2, ready=2, outdated=0, image="a", failure=None):
        with clock.lock:
            record["_nodes"] = {
                "desired": desired,
                "nodes": nodes,
                "ready": ready,
                "outdated": outdated,
                "image": image,
                "failure": failure,
            }

    def test_a_group_is_active_with_its_nodes(self, eks, cluster, make_nodegroup, records):
        name = make_nodegroup(cluster, wait=False)
        self.report(records(name), ready=1)
        update_would_be = {"clusterName": cluster, "nodegroupName": name, "scalingConfig": {"desiredSize": 1}}
        assert refused(eks.update_nodegroup_config, **update_would_be) == "ResourceInUseException"
        self.report(records(name), ready=2)
        eventually(lambda: nodegroup(eks, cluster, name)["status"] == "ACTIVE")

    def test_a_version_update_waits_for_the_replacement(self, eks, cluster, make_nodegroup, records):
        name = make_nodegroup(cluster, wait=False, releaseVersion="1.36.1-20260904")
        self.report(records(name))
        eventually(lambda: nodegroup(eks, cluster, name)["status"] == "ACTIVE")
        update = eks.update_nodegroup_version(clusterName=cluster, nodegroupName=name)["update"]
        assert records(name)["_target"]["releaseVersion"] == "1.36.3-20261106"
        self.report(records(name), outdated=1, nodes=3, image="b")
        self.report(records(name), image="b")
        assert finished(eks, cluster, update, nodegroupName=name)["status"] == "Successful"
        assert "_target" not in records(name)

    def test_a_version_update_fails_with_the_eviction(self, eks, cluster, make_nodegroup, records):
        name = make_nodegroup(cluster, wait=False, releaseVersion="1.36.1-20260904")
        self.report(records(name))
        eventually(lambda: nodegroup(eks, cluster, name)["status"] == "ACTIVE")
        update = eks.update_nodegroup_version(clusterName=cluster, nodegroupName=name)["update"]
        failure = {"code": "PodEvictionFailure", "message": "no", "resourceIds": ["node"]}
        self.report(records(name), outdated=1, image="b", failure=failure)
        done = finished(eks, cluster, update, nodegroupName=name)
        assert done["status"] == "Failed"
        assert done["errors"][0]["errorCode"] == "PodEvictionFailure"
        found = nodegroup(eks, cluster, name)
        assert (found["status"], found["releaseVersion"]) == ("ACTIVE", "1.36.1-20260904")

    def test_a_group_is_gone_with_its_nodes(self, eks, cluster, make_nodegroup, records):
        name = make_nodegroup(cluster, wait=False)
        self.report(records(name))
        eventually(lambda: nodegroup(eks, cluster, name)["status"] == "ACTIVE")
        eks.delete_nodegroup(clusterName=cluster, nodegroupName=name)
        self.report(records(name), desired=0, nodes=1, ready=0)
        assert nodegroup(eks, cluster, name)["status"] == "DELETING"
        self.report(records(name), desired=0, nodes=0, ready=0)
        eventually(lambda: name not in eks.list_nodegroups(clusterName=cluster)["nodegroups"])

    def test_health_issues_make_it_degraded(self, eks, cluster, make_nodegroup, records):
        name = make_nodegroup(cluster, wait=False)
        self.report(records(name))
        eventually(lambda: nodegroup(eks, cluster, name)["status"] == "ACTIVE")
        issue = {"code": "AsgInstanceLaunchFailures", "message": "x", "resourceIds": []}
        records(name)["health"] = {"issues": [issue]}
        found = nodegroup(eks, cluster, name)
        assert (found["status"], found["health"]["issues"]) == ("DEGRADED", [issue])


def test_deletion_is_visible_then_complete(eks, cluster, make_nodegroup, request):
    name = make_nodegroup(cluster)
    release = request.getfixturevalue("held")
    group = {"clusterName": cluster, "nodegroupName": name}
    assert eks.delete_nodegroup(**group)["nodegroup"]["status"] == "DELETING"
    assert nodegroup(eks, cluster, name)["status"] == "DELETING"
    smaller = {"scalingConfig": {"desiredSize": 1}}
    assert refused(eks.update_nodegroup_config, **group, **smaller) == "InvalidRequestException"
    release()
    eventually(lambda: not eks.list_nodegroups(clusterName=cluster)["nodegroups"])
    assert reason(eks.describe_nodegroup, **group) == (
        f"ResourceNotFoundException: No node group found for name: {name}."
    )


def test_groups_are_listed_in_pages(eks, cluster, make_nodegroup, make_role):
    role = make_role("ec2.amazonaws.com")
    names = sorted(make_nodegroup(cluster, wait=False, nodeRole=role) for _ in range(3))
    first = eks.list_nodegroups(clusterName=cluster, maxResults=2)
    second = eks.list_nodegroups(clusterName=cluster, maxResults=2, nextToken=first["nextToken"])
    assert first["nodegroups"] + second["nodegroups"] == names
