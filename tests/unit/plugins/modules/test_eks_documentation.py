# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the EKS modules are those of EKS."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import spec
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.transformations import camel


def load(module: str) -> Any:
    return importlib.import_module(f"ansible_collections.dataplatform.fleet.plugins.modules.{module}")


def argument_spec(module: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = load(module).argument_spec()
    return found


# Members whose option is not the member's name in snake_case.
SHAPED = {
    "CreateCluster": {
        "resourcesVpcConfig": {"subnet_ids", "security_group_ids", "public_access_cidrs", "endpoint_public_access"},
        "kubernetesNetworkConfig": {"service_ipv4_cidr", "ip_family"},
        "logging": {"log_types"},
        "encryptionConfig": {"encryption_key_arn"},
        "accessConfig": {"authentication_mode", "bootstrap_cluster_creator_admin_permissions"},
        "zonalShiftConfig": {"zonal_shift"},
        "remoteNetworkConfig": {"remote_node_networks", "remote_pod_networks"},
        "computeConfig": {"auto_mode"},
        "storageConfig": {"auto_mode"},
        "controlPlaneScalingConfig": {"control_plane_scaling_tier"},
    },
    "CreateNodegroup": {
        "nodegroupName": {"name"},
        "subnets": {"subnet_ids"},
        "nodeRole": {"node_role_arn"},
        "scalingConfig": {"min_size", "max_size", "desired_size"},
    },
    "CreateAddon": {
        "addonName": {"name"},
        "addonVersion": {"version"},
        "configurationValues": {"configuration"},
        "namespaceConfig": {"namespace"},
    },
    "CreateAccessEntry": {},
    "CreatePodIdentityAssociation": {},
}


@pytest.mark.parametrize(
    ("operation", "module"),
    [
        ("CreateCluster", "eks_cluster"),
        ("CreateNodegroup", "eks_nodegroup"),
        ("CreateAddon", "eks_addon"),
        ("CreateAccessEntry", "eks_access_entry"),
        ("CreatePodIdentityAssociation", "eks_pod_identity_association"),
    ],
)
def test_everything_that_eks_takes_at_creation_has_an_option(operation: str, module: str) -> None:
    members = botocore.session.get_session().get_service_model("eks").operation_model(operation).input_shape.members
    options = set(argument_spec(module))
    direct = {camel(option) for option in options}
    for member in set(members) - {"clientRequestToken"}:
        by_other_names = SHAPED[operation].get(member)
        if by_other_names:
            assert by_other_names <= options, member
        else:
            assert member in direct, f"{module} has nothing for {member}"


def test_the_image_types_are_those_of_eks() -> None:
    shape = botocore.session.get_session().get_service_model("eks").shape_for("AMITypes")
    assert set(shape.enum) == set(spec.AMI_TYPES)
