# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import (
    AwsError,
    ImmutableError,
    VersionError,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.cluster_plan import (
    check_offered,
    current_state,
    plan_absent,
    plan_present,
    wanted_state,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils._eks.reference import steps
from botocore.validate import ParamValidator

ROLE = "arn:aws:iam::111122223333:role/cluster"
KEY = "arn:aws:kms:eu-central-1:111122223333:key/one"
OFFERED = [{"clusterVersion": f"1.{n}", "versionStatus": "STANDARD_SUPPORT"} for n in (34, 35, 36, 37)]
CLUSTER: dict[str, Any] = {
    "name": "one",
    "arn": "arn:aws:eks:eu-central-1:111122223333:cluster/one",
    "status": "ACTIVE",
    "version": "1.35",
    "roleArn": ROLE,
    "resourcesVpcConfig": {
        "subnetIds": ["subnet-b", "subnet-a"],
        "securityGroupIds": [],
        "endpointPublicAccess": True,
        "endpointPrivateAccess": False,
        "publicAccessCidrs": ["0.0.0.0/0"],
    },
    "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4"},
    "logging": {
        "clusterLogging": [
            {"types": ["api", "audit"], "enabled": True},
            {"types": ["authenticator", "controllerManager", "scheduler"], "enabled": False},
        ]
    },
    "accessConfig": {"authenticationMode": "CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": True},
    "tags": {"a": "1", "aws:made": "by-aws"},
}


def cluster(**changes: Any) -> dict[str, Any]:
    found = copy.deepcopy(CLUSTER)
    for key, value in changes.items():
        found[key] = {**found[key], **value} if isinstance(value, dict) and isinstance(found.get(key), dict) else value
    return found


def plan(options: dict[str, Any], found: dict[str, Any] | None = CLUSTER, **more: Any) -> Any:
    return plan_present("one", found, wanted_state(options), offered=lambda: OFFERED, **more)


def calls(planned: Any) -> list[tuple[str, dict[str, Any]]]:
    return [
        (s.operation, {k: v for k, v in s.request.items() if k not in ("name", "clusterName", "resourceArn")})
        for s in planned
    ]


def vpc(**fields: Any) -> dict[str, Any]:
    return {"resourcesVpcConfig": fields}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"version": "1.35", "role_arn": ROLE, "subnet_ids": ["subnet-a", "subnet-b", "subnet-a"]},
        {"log_types": ["audit", "api"]},
        {"public_access_cidrs": ["0.0.0.0/0"], "endpoint_public_access": True, "endpoint_private_access": False},
        {"tags": {"a": "1"}},
        {"upgrade_policy": "EXTENDED", "zonal_shift": False, "deletion_protection": False},
        {"auto_mode": {"enabled": False, "node_pools": ["system"], "node_role_arn": "x"}},
        {"bootstrap_self_managed_addons": False, "bootstrap_cluster_creator_admin_permissions": True},
        {"control_plane_scaling_tier": "standard", "control_plane_egress_mode": "AWS_MANAGED"},
        {"remote_node_networks": [], "remote_pod_networks": []},
        {"service_ipv4_cidr": "172.20.0.0/16", "ip_family": "ipv4", "security_group_ids": []},
    ],
)
def test_an_equivalent_configuration_has_an_empty_plan(options: dict[str, Any]) -> None:
    assert not plan(options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"log_types": ["api", "scheduler"]},
            {
                "logging": {
                    "clusterLogging": [
                        {"types": ["scheduler"], "enabled": True},
                        {"types": ["audit"], "enabled": False},
                    ]
                }
            },
        ),
        ({"endpoint_private_access": True}, vpc(endpointPrivateAccess=True)),
        (
            {"endpoint_private_access": True, "public_access_cidrs": ["203.0.113.9"]},
            vpc(endpointPrivateAccess=True, publicAccessCidrs=["203.0.113.9/32"]),
        ),
        (
            {"endpoint_public_access": False, "endpoint_private_access": True, "public_access_cidrs": ["1.2.3.4/32"]},
            vpc(endpointPublicAccess=False, endpointPrivateAccess=True),
        ),
        ({"subnet_ids": ["subnet-c", "subnet-a"]}, vpc(subnetIds=["subnet-a", "subnet-c"])),
        ({"security_group_ids": ["sg-1"]}, vpc(securityGroupIds=["sg-1"])),
        ({"deletion_protection": True}, {"deletionProtection": True}),
        ({"upgrade_policy": "STANDARD"}, {"upgradePolicy": {"supportType": "STANDARD"}}),
        ({"zonal_shift": True}, {"zonalShiftConfig": {"enabled": True}}),
        ({"control_plane_scaling_tier": "tier-xl"}, {"controlPlaneScalingConfig": {"tier": "tier-xl"}}),
        (
            {"remote_node_networks": ["10.1.0.0/16"]},
            {"remoteNetworkConfig": {"remoteNodeNetworks": [{"cidrs": ["10.1.0.0/16"]}], "remotePodNetworks": []}},
        ),
        (
            {"auto_mode": {"enabled": True, "node_pools": ["system", "general-purpose"], "node_role_arn": "r"}},
            {
                "computeConfig": {"enabled": True, "nodePools": ["general-purpose", "system"], "nodeRoleArn": "r"},
                "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": True}},
                "storageConfig": {"blockStorage": {"enabled": True}},
            },
        ),
        (
            {"kube_api_server_config": {"event_ttl": "2h", "service_node_port_range": {"min_port": 30000}}},
            {"kubeApiServerConfig": {"eventTtl": "2h", "serviceNodePortRange": {"minPort": 30000}}},
        ),
        (
            {
                "kube_scheduler_config": {
                    "node_resources_fit": {
                        "scoring_strategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": None}]}
                    }
                }
            },
            {
                "kubeSchedulerConfig": {
                    "nodeResourcesFit": {"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu"}]}}
                }
            },
        ),
    ],
)
def test_one_kind_of_change_is_one_call(options: dict[str, Any], expected: dict[str, Any]) -> None:
    assert calls(plan(options)) == [("UpdateClusterConfig", expected)]


def test_auto_mode_is_switched_off_as_a_whole() -> None:
    on = cluster(computeConfig={"enabled": True, "nodePools": ["system"], "nodeRoleArn": "r"})
    assert calls(plan({"auto_mode": {"enabled": False}}, on)) == [
        (
            "UpdateClusterConfig",
            {
                "computeConfig": {"enabled": False},
                "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": False}},
                "storageConfig": {"blockStorage": {"enabled": False}},
            },
        )
    ]
    with pytest.raises(ImmutableError, match=r"auto_mode\.node_role_arn is 'r' and cannot become 'other'"):
        plan({"auto_mode": {"enabled": True, "node_role_arn": "other"}}, on)


def test_authentication_goes_mode_by_mode() -> None:
    planned = plan({"authentication_mode": "API"})
    assert steps(planned) == [
        (
            "UpdateClusterConfig",
            {"name": "one", "accessConfig": {"authenticationMode": after}},
            {"authentication_mode": (before, after)},
        )
        for before, after in (("CONFIG_MAP", "API_AND_CONFIG_MAP"), ("API_AND_CONFIG_MAP", "API"))
    ]
    assert len(steps(plan({"authentication_mode": "API_AND_CONFIG_MAP"}))) == 1
    diff = planned.diff()
    assert (diff["before"], diff["after"]) == (
        {"authentication_mode": "CONFIG_MAP"},
        {"authentication_mode": "API"},
    )


def test_tags_first_and_version_last() -> None:
    options = {"version": "1.36", "tags": {"b": "2"}, "encryption_key_arn": KEY, "zonal_shift": True}
    planned = plan(options, force=True)
    assert [operation for operation, _ in calls(planned)] == [
        "TagResource",
        "UntagResource",
        "AssociateEncryptionConfig",
        "UpdateClusterConfig",
        "UpdateClusterVersion",
    ]
    assert calls(planned)[1] == ("UntagResource", {"tagKeys": ["a"]})
    assert calls(planned)[-1] == ("UpdateClusterVersion", {"version": "1.36", "force": True})
    assert planned.diff()["after"]["version"] == "1.36"


def test_tags_are_kept_unless_purged() -> None:
    assert calls(plan({"tags": {"b": "2"}}, purge_tags=False)) == [("TagResource", {"tags": {"b": "2"}})]


@pytest.mark.parametrize(
    ("options", "found", "field"),
    [
        ({"role_arn": "other"}, CLUSTER, "role_arn"),
        ({"service_ipv4_cidr": "10.0.0.0/16"}, CLUSTER, "service_ipv4_cidr"),
        ({"ip_family": "ipv6"}, CLUSTER, "ip_family"),
        (
            {"authentication_mode": "CONFIG_MAP"},
            cluster(accessConfig={"authenticationMode": "API"}),
            "authentication_mode",
        ),
        (
            {"encryption_key_arn": "arn:two"},
            cluster(encryptionConfig=[{"resources": ["secrets"], "provider": {"keyArn": KEY}}]),
            "encryption_key_arn",
        ),
        (
            {"bootstrap_cluster_creator_admin_permissions": False},
            CLUSTER,
            "bootstrap_cluster_creator_admin_permissions",
        ),
        (
            {"outpost_config": {"outpost_arns": ["a"], "control_plane_instance_type": "m5.large"}},
            CLUSTER,
            "outpost_config.outpost_arns",
        ),
    ],
)
def test_immutable_fields_are_named(options: dict[str, Any], found: dict[str, Any], field: str) -> None:
    with pytest.raises(ImmutableError, match="Nothing was changed") as raised:
        plan({**options, "zonal_shift": True}, found)
    named = raised.value.details["immutable"]
    assert field in [entry["field"] for entry in named]
    assert all(entry["current"] != entry["wanted"] for entry in named)


def test_options_that_apply_only_at_creation() -> None:
    access = {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": None}
    untold = cluster(accessConfig=access)
    for options in ({"bootstrap_cluster_creator_admin_permissions": False}, {"bootstrap_self_managed_addons": True}):
        assert not plan(options, untold)
    assert not plan({"bootstrap_self_managed_addons": True})


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.34", r"runs Kubernetes 1\.35 and cannot be taken back to 1\.34; keep 1\.35 or go on to 1\.36"),
        ("1.37", r"runs Kubernetes 1\.35 and cannot go to 1\.37 at once: .* the next is 1\.36"),
        ("2.0", r"cannot go to 2\.0 at once"),
    ],
)
def test_versions_that_cannot_be_reached(version: str, words: str) -> None:
    with pytest.raises(VersionError, match=words):
        plan({"version": version, "zonal_shift": True})


def test_a_version_must_be_offered() -> None:
    with pytest.raises(VersionError, match=r"does not offer Kubernetes 1\.38; it offers 1\.34, 1\.35, 1\.36, 1\.37\."):
        plan({"version": "1.38"}, cluster(version="1.37"))
    with pytest.raises(VersionError, match="quote versions in YAML"):
        plan_present(
            "one",
            None,
            wanted_state({"version": "1.3", "role_arn": ROLE, "subnet_ids": ["a"]}),
            offered=lambda: [{"clusterVersion": "1.30", "status": "standard-support"}],
        )


def test_a_user_without_permission_is_not_delayed() -> None:
    planned = plan_present("one", cluster(version="1.37"), wanted_state({"version": "1.38"}), offered=lambda: None)
    assert calls(planned) == [("UpdateClusterVersion", {"version": "1.38"})]


def test_versions_are_asked_for_only_when_one_is_chosen() -> None:
    def never() -> None:
        raise AssertionError("asked")

    assert not plan_present("one", CLUSTER, wanted_state({"version": "1.35"}), offered=never)
    assert plan_present("one", CLUSTER, wanted_state({"zonal_shift": True}), offered=never)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"public_access_cidrs": []}, r"empty list for 0\.0\.0\.0/0"),
        ({"public_access_cidrs": ["10.0.0.0/33"]}, "is not a CIDR block"),
        ({"encryption_key_arn": "arn:aws:kms:eu-central-1:1:alias/x"}, "not of an alias"),
        ({"version": "v1.36"}, "'v1.36' is not a Kubernetes minor version"),
    ],
)
def test_options_that_can_only_be_misunderstood(options: dict[str, Any], words: str) -> None:
    with pytest.raises(AwsError, match=words):
        wanted_state(options)


def test_creation_is_one_call_with_everything() -> None:
    options = {
        "version": "1.36",
        "role_arn": ROLE,
        "subnet_ids": ["b", "a"],
        "security_group_ids": ["sg"],
        "endpoint_private_access": True,
        "public_access_cidrs": ["203.0.113.0/24"],
        "log_types": ["audit"],
        "encryption_key_arn": KEY,
        "service_ipv4_cidr": "10.100.0.0/16",
        "ip_family": "ipv4",
        "authentication_mode": "API",
        "bootstrap_cluster_creator_admin_permissions": False,
        "upgrade_policy": "STANDARD",
        "zonal_shift": True,
        "auto_mode": {"enabled": True, "node_pools": ["system"], "node_role_arn": "r"},
        "deletion_protection": True,
        "remote_node_networks": ["10.1.0.0/16"],
        "remote_pod_networks": ["10.2.0.0/16"],
        "control_plane_scaling_tier": "tier-xl",
        "kube_controller_manager_config": {"pod_gc_controller_config": {"terminated_pod_gc_threshold": 100}},
        "tags": {"a": "b"},
    }
    (step,) = plan(options, None)
    assert step.operation == "CreateCluster"
    assert step.ends == "active"
    assert step.request == {
        "name": "one",
        "version": "1.36",
        "roleArn": ROLE,
        "resourcesVpcConfig": {
            "subnetIds": ["a", "b"],
            "securityGroupIds": ["sg"],
            "endpointPrivateAccess": True,
            "publicAccessCidrs": ["203.0.113.0/24"],
        },
        "kubernetesNetworkConfig": {
            "serviceIpv4Cidr": "10.100.0.0/16",
            "ipFamily": "ipv4",
            "elasticLoadBalancing": {"enabled": True},
        },
        "logging": {"clusterLogging": [{"types": ["audit"], "enabled": True}]},
        "encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": KEY}}],
        "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
        "bootstrapSelfManagedAddons": False,
        "upgradePolicy": {"supportType": "STANDARD"},
        "zonalShiftConfig": {"enabled": True},
        "deletionProtection": True,
        "controlPlaneScalingConfig": {"tier": "tier-xl"},
        "remoteNetworkConfig": {
            "remoteNodeNetworks": [{"cidrs": ["10.1.0.0/16"]}],
            "remotePodNetworks": [{"cidrs": ["10.2.0.0/16"]}],
        },
        "tags": {"a": "b"},
        "computeConfig": {"enabled": True, "nodePools": ["system"], "nodeRoleArn": "r"},
        "storageConfig": {"blockStorage": {"enabled": True}},
        "kubeControllerManagerConfig": {"podGcControllerConfig": {"terminatedPodGcThreshold": 100}},
    }


def test_every_request_is_valid_for_the_api() -> None:
    """botocore's own validation, for a creation with every option."""
    model = botocore.session.get_session().get_service_model("eks")
    options = {
        "role_arn": ROLE,
        "subnet_ids": ["a"],
        "kube_scheduler_config": {"node_resources_fit": {"scoring_strategy": {"resources": [{"name": "cpu"}]}}},
        "outpost_config": {
            "outpost_arns": ["a"],
            "control_plane_instance_type": "m5.large",
            "control_plane_placement": {"spread_level": "host"},
            "etcd_placement": {"spread_level": "rack"},
        },
    }
    (created,) = plan(options, None)
    assert created.request["outpostConfig"] == {
        "outpostArns": ["a"],
        "controlPlaneInstanceType": "m5.large",
        "controlPlanePlacement": {"spreadLevel": "host"},
        "etcdPlacement": {"spreadLevel": "rack"},
    }
    for step in (created, *plan({"version": "1.36", "zonal_shift": True, "tags": {"x": "y"}})):
        shape = model.operation_model(step.operation).input_shape
        report = ParamValidator().validate(dict(step.request), shape)
        assert not report.has_errors(), report.generate_report()


def test_creation_needs_a_role_and_subnets() -> None:
    with pytest.raises(AwsError, match="role_arn and subnet_ids must be given"):
        plan({"version": "1.36"}, None)


def test_deletion() -> None:
    (step,) = plan_absent("one", CLUSTER, {}, [])
    assert (step.operation, step.ends) == ("DeleteCluster", "gone")
    assert not plan_absent("one", None, {}, [])
    assert not plan_absent("one", cluster(status="DELETING"), {}, ["node group x"])
    with pytest.raises(AwsError, match="still has node group x, Fargate profile y"):
        plan_absent("one", CLUSTER, {}, ["node group x", "Fargate profile y"])


def test_deletion_of_a_protected_cluster() -> None:
    protected = cluster(deletionProtection=True)
    for wanted in ({}, {"deletion_protection": True}, {"deletion_protection": None}):
        with pytest.raises(AwsError, match="protected from deletion"):
            plan_absent("one", protected, wanted, [])
    operations = [s.operation for s in plan_absent("one", protected, {"deletion_protection": False}, [])]
    assert operations == ["UpdateClusterConfig", "DeleteCluster"]


def test_an_old_cluster_has_the_defaults() -> None:
    state = current_state({"version": "1.30", "roleArn": ROLE})
    assert state["authentication_mode"] == "CONFIG_MAP"
    assert state["upgrade_policy"] == "EXTENDED"
    assert state["endpoint_public_access"] is True
    assert state["public_access_cidrs"] == ["0.0.0.0/0"]


@pytest.mark.parametrize("found", [CLUSTER, None])
def test_an_endpoint_without_access_is_refused(found: dict[str, Any] | None) -> None:
    options = {"endpoint_public_access": False, "role_arn": ROLE, "subnet_ids": ["subnet-a", "subnet-b"]}
    with pytest.raises(AwsError, match="cannot both be false"):
        plan(options, found)


# -- whole plans, with requests and diffs

DEFAULTS: dict[str, Any] = {
    "endpoint_public_access": True,
    "endpoint_private_access": False,
    "public_access_cidrs": ["0.0.0.0/0"],
    "control_plane_egress_mode": "AWS_MANAGED",
    "ip_family": "ipv4",
    "authentication_mode": "CONFIG_MAP",
    "upgrade_policy": "EXTENDED",
    "zonal_shift": False,
    "deletion_protection": False,
    "control_plane_scaling_tier": "standard",
    "auto_mode.enabled": False,
}
RICH: dict[str, Any] = {
    "name": "one",
    "arn": CLUSTER["arn"],
    "version": "1.36",
    "roleArn": ROLE,
    "resourcesVpcConfig": {
        "subnetIds": ["b", "a"],
        "securityGroupIds": ["sh", "sg"],
        "endpointPublicAccess": False,
        "endpointPrivateAccess": True,
        "publicAccessCidrs": ["10.0.0.0/8"],
        "controlPlaneEgressMode": "CUSTOMER_ROUTED",
    },
    "logging": {"clusterLogging": [{"types": ["audit", "api"], "enabled": True}, {"enabled": True}, {"types": ["x"]}]},
    "encryptionConfig": [{"resources": ["secrets"]}, {"provider": {"keyArn": KEY}}],
    "kubernetesNetworkConfig": {"serviceIpv4Cidr": "10.100.0.0/16", "ipFamily": "ipv6"},
    "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
    "upgradePolicy": {"supportType": "STANDARD"},
    "zonalShiftConfig": {"enabled": True},
    "deletionProtection": False,
    "controlPlaneScalingConfig": {"tier": "tier-xl"},
    "remoteNetworkConfig": {
        "remoteNodeNetworks": [{"cidrs": ["10.1.0.0/16"]}, {}],
        "remotePodNetworks": [{"cidrs": ["10.2.0.0/16"]}],
    },
    "computeConfig": {"enabled": True, "nodePools": ["system", "general-purpose"], "nodeRoleArn": "r"},
    "kubeApiServerConfig": {"eventTtl": "2h"},
    "outpostConfig": {"outpostArns": ["o"]},
    "tags": {"a": "1"},
}
STATE: dict[str, Any] = {
    "version": "1.36",
    "role_arn": ROLE,
    "subnet_ids": ["a", "b"],
    "security_group_ids": ["sg", "sh"],
    "endpoint_public_access": False,
    "endpoint_private_access": True,
    "public_access_cidrs": ["10.0.0.0/8"],
    "control_plane_egress_mode": "CUSTOMER_ROUTED",
    "log_types": ["api", "audit"],
    "encryption_key_arn": KEY,
    "service_ipv4_cidr": "10.100.0.0/16",
    "ip_family": "ipv6",
    "authentication_mode": "API",
    "bootstrap_cluster_creator_admin_permissions": True,
    "upgrade_policy": "STANDARD",
    "zonal_shift": True,
    "deletion_protection": False,
    "control_plane_scaling_tier": "tier-xl",
    "remote_node_networks": ["10.1.0.0/16"],
    "remote_pod_networks": ["10.2.0.0/16"],
    "auto_mode.enabled": True,
    "auto_mode.node_pools": ["general-purpose", "system"],
    "auto_mode.node_role_arn": "r",
    "kube_api_server_config.event_ttl": "2h",
    "outpost_config.outpost_arns": ["o"],
    "tags": {"a": "1"},
}


def test_requests_for_a_cluster() -> None:
    assert current_state(RICH) == STATE
    bare = {name: value for name, value in current_state({}).items() if value not in (None, [], {})}
    assert bare == DEFAULTS


def test_requests_and_diff_of_a_cluster_deletion() -> None:
    planned = plan_absent("one", RICH, {}, [])
    assert planned.resource == plan_absent("one", None, {}, []).resource == "cluster one"
    assert steps(planned) == [
        ("DeleteCluster", {"name": "one"}, {name: (value, None) for name, value in STATE.items()})
    ]
    protected = steps(plan_absent("one", RICH | {"deletionProtection": True}, {"deletion_protection": False}, []))
    change = {"deletion_protection": (True, False)}
    assert protected[0] == ("UpdateClusterConfig", {"name": "one", "deletionProtection": False}, change)
    assert [
        step.ends for step in plan_absent("one", cluster(deletionProtection=True), {"deletion_protection": False}, [])
    ] == [
        "update",
        "gone",
    ]


def test_requests_and_diff_of_updates() -> None:
    planned = plan({"version": "1.36", "encryption_key_arn": KEY, "tags": {"b": "2"}, "zonal_shift": True})
    assert planned.resource == "cluster one"
    assert [step.ends for step in planned] == ["at once", "at once", "update", "update", "update"]
    arn = {"resourceArn": CLUSTER["arn"]}
    key = [{"resources": ["secrets"], "provider": {"keyArn": KEY}}]
    assert steps(planned) == [
        ("TagResource", {**arn, "tags": {"b": "2"}}, {"tags.b": (None, "2")}),
        ("UntagResource", {**arn, "tagKeys": ["a"]}, {"tags.a": ("1", None)}),
        (
            "AssociateEncryptionConfig",
            {"clusterName": "one", "encryptionConfig": key},
            {"encryption_key_arn": (None, KEY)},
        ),
        ("UpdateClusterConfig", {"name": "one", "zonalShiftConfig": {"enabled": True}}, {"zonal_shift": (False, True)}),
        ("UpdateClusterVersion", {"name": "one", "version": "1.36"}, {"version": ("1.35", "1.36")}),
    ]


def test_requests_of_the_minimal_cluster() -> None:
    planned = plan({"role_arn": ROLE, "subnet_ids": ["a"]}, None)
    assert planned.resource == "cluster one"
    request = {"name": "one", "roleArn": ROLE, "resourcesVpcConfig": {"subnetIds": ["a"]}}
    assert steps(planned) == [("CreateCluster", request, {"role_arn": (None, ROLE), "subnet_ids": (None, ["a"])})]
    open_ = {"endpoint_public_access": True, "control_plane_egress_mode": "AWS_MANAGED", "log_types": [], "tags": {}}
    ((_, request, _),) = steps(plan({"role_arn": ROLE, "subnet_ids": ["a"], "security_group_ids": [], **open_}, None))
    assert request["resourcesVpcConfig"] == {
        "subnetIds": ["a"],
        "endpointPublicAccess": True,
        "controlPlaneEgressMode": "AWS_MANAGED",
    }
    assert request.keys() == {"name", "roleArn", "resourcesVpcConfig"}


def test_each_group_of_the_vpc_is_a_call_with_what_changes() -> None:
    wanted = {"subnet_ids": ["x"], "endpoint_private_access": True, "public_access_cidrs": ["10.0.0.0/8"]}
    sent = [request["resourcesVpcConfig"] for _, request, _ in steps(plan(wanted))]
    assert sent == [
        {"subnetIds": ["x"]},
        {"endpointPrivateAccess": True, "publicAccessCidrs": ["10.0.0.0/8"]},
    ]
    wanted = {"security_group_ids": ["g"], "control_plane_egress_mode": "CUSTOMER_ROUTED"}
    wanted |= {"endpoint_public_access": False, "endpoint_private_access": True}
    sent = [request["resourcesVpcConfig"] for _, request, _ in steps(plan(wanted))]
    assert sent == [
        {"securityGroupIds": ["g"]},
        {"endpointPublicAccess": False, "endpointPrivateAccess": True},
        {"controlPlaneEgressMode": "CUSTOMER_ROUTED"},
    ]


def test_options_that_do_not_apply_to_the_cluster_are_not_a_change() -> None:
    closed = cluster(resourcesVpcConfig={"endpointPublicAccess": False, "endpointPrivateAccess": True})
    assert not plan({"endpoint_private_access": True}, closed)
    assert not plan({"public_access_cidrs": ["10.0.0.0/8"]}, closed)
    assert not plan({"bootstrap_self_managed_addons": True})


def test_auto_mode_without_a_role_takes_one() -> None:
    on = cluster(computeConfig={"enabled": True, "nodePools": []})
    ((_, _, shown),) = steps(plan({"auto_mode": {"node_role_arn": "r"}}, on))
    assert shown == {"auto_mode.node_role_arn": (None, "r")}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("public_access_cidrs", ["10.0.0.0/8", "x"]),
        ("remote_node_networks", ["x"]),
        ("remote_pod_networks", ["x"]),
        ("service_ipv4_cidr", "x"),
    ],
)
def test_a_block_that_is_none_is_named_with_its_option(option: str, value: Any) -> None:
    with pytest.raises(AwsError, match=f"^{option}: 'x' is not a CIDR block: "):
        wanted_state({option: value})


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({"resourcesVpcConfig": {"publicAccessCidrs": ["x"]}}, "publicAccessCidrs"),
        ({"remoteNetworkConfig": {"remotePodNetworks": [{"cidrs": ["x"]}]}}, "cidrs"),
    ],
)
def test_an_answer_with_a_block_that_is_none_is_named_with_its_field(answer: dict[str, Any], field: str) -> None:
    with pytest.raises(AwsError, match=f"^{field}: 'x' is not a CIDR block: "):
        current_state(answer)


def test_auto_mode_brings_what_add_ons_do() -> None:
    wanted = {"role_arn": ROLE, "subnet_ids": ["a"], "auto_mode": {"enabled": True}}
    ((_, request, shown),) = steps(plan(wanted, None))
    assert request["bootstrapSelfManagedAddons"] is False
    assert shown["bootstrap_self_managed_addons"] == (None, False)
    ((_, request, _),) = steps(plan(wanted | {"auto_mode": {"enabled": False}}, None))
    assert "bootstrapSelfManagedAddons" not in request


NOTHING = "Nothing was changed."


@pytest.mark.parametrize(
    ("options", "found", "message"),
    [
        (
            {"version": "1.36"},
            None,
            "cluster one does not exist, and role_arn and subnet_ids must be given to create it.",
        ),
        ({"role_arn": ROLE}, None, "cluster one does not exist, and subnet_ids must be given to create it."),
        (
            {"endpoint_public_access": False},
            CLUSTER,
            "cluster one: endpoint_public_access and endpoint_private_access cannot both be false; nobody could reach"
            f" the cluster. {NOTHING}",
        ),
        (
            {"endpoint_public_access": False, "role_arn": ROLE, "subnet_ids": ["a"]},
            None,
            "cluster one: endpoint_public_access and endpoint_private_access cannot both be false; nobody could reach"
            f" the cluster. {NOTHING}",
        ),
        (
            {"version": "1.34"},
            CLUSTER,
            f"cluster one runs Kubernetes 1.35 and cannot be taken back to 1.34; keep 1.35 or go on to 1.36. {NOTHING}",
        ),
        (
            {"version": "1.37"},
            CLUSTER,
            "cluster one runs Kubernetes 1.35 and cannot go to 1.37 at once: EKS takes one minor version at a time, and"
            f" the next is 1.36. {NOTHING}",
        ),
        (
            {"version": "1.38"},
            cluster(version="1.37"),
            f"EKS does not offer Kubernetes 1.38; it offers 1.34, 1.35, 1.36, 1.37. {NOTHING}",
        ),
        (
            {"public_access_cidrs": []},
            CLUSTER,
            "public_access_cidrs: EKS takes an empty list for 0.0.0.0/0; to allow no one, set"
            " endpoint_public_access=false; to allow everyone, give 0.0.0.0/0.",
        ),
        (
            {"encryption_key_arn": "arn:aws:kms:eu-central-1:1:alias/x"},
            CLUSTER,
            "encryption_key_arn: give the ARN of the key, not of an alias. EKS does not store aliases.",
        ),
        (
            {"authentication_mode": "CONFIG_MAP"},
            cluster(accessConfig={"authenticationMode": "API"}),
            "cluster one: authentication_mode is 'API' and cannot become 'CONFIG_MAP': EKS changes CONFIG_MAP to"
            f" API_AND_CONFIG_MAP to API, and not back. {NOTHING}",
        ),
        (
            {"auto_mode": {"node_role_arn": "other"}},
            cluster(computeConfig={"enabled": True, "nodeRoleArn": "r"}),
            "cluster one: auto_mode.node_role_arn is 'r' and cannot become 'other': disable Auto Mode first, then"
            f" enable it with the other role. {NOTHING}",
        ),
    ],
)
def test_errors_of_invalid_values(options: dict[str, Any], found: dict[str, Any] | None, message: str) -> None:
    with pytest.raises(AwsError) as said:
        plan(options, found)
    assert str(said.value) == message


def test_errors_of_cluster_deletions() -> None:
    with pytest.raises(AwsError) as said:
        plan_absent("one", CLUSTER, {}, ["node group x", "Fargate profile y"])
    assert str(said.value) == f"cluster one still has node group x, Fargate profile y: delete these first. {NOTHING}"
    with pytest.raises(AwsError) as said:
        plan_absent("one", cluster(deletionProtection=True), {}, [])
    assert str(said.value) == (
        "cluster one is protected from deletion. To delete it anyway, set deletion_protection=false together with"
        f" state=absent. {NOTHING}"
    )


@pytest.mark.parametrize(
    ("offered", "known"),
    [
        ([{"clusterVersion": "1.30", "status": "unsupported"}], "none"),
        ([{"clusterVersion": "1.9", "versionStatus": "UNSUPPORTED"}, {"clusterVersion": "1.10"}], "1.10"),
        ([{"clusterVersion": "1.10"}, {"clusterVersion": "1.9", "status": "standard-support"}], "1.9, 1.10"),
    ],
)
def test_versions_that_eks_no_longer_supports_are_not_offered(offered: list[dict[str, Any]], known: str) -> None:
    wanted = wanted_state({"version": "1.2", "role_arn": ROLE, "subnet_ids": ["a"]})
    with pytest.raises(VersionError) as said:
        plan_present("one", None, wanted, offered=lambda: offered)
    assert str(said.value) == f"EKS does not offer Kubernetes 1.2; it offers {known}. {NOTHING}"


def test_a_version_without_quotes_is_recognized() -> None:
    """YAML reads 1.30 as the number 1.3."""
    with pytest.raises(VersionError) as refused:
        check_offered("1.3", [{"clusterVersion": "1.30"}])
    assert str(refused.value) == (
        f"EKS does not offer Kubernetes 1.3 (quote versions in YAML: 1.30 is the number 1.3); it offers 1.30. {NOTHING}"
    )
