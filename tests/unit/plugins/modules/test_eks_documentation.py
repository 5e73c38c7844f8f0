# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the EKS modules document is what they take, and what they take is what EKS has."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.doc_fragments.eks import ModuleDocFragment
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import spec
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.transformations import camel
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse

MODULES = [
    f"eks_{noun}{kind}"
    for noun in ("cluster", "nodegroup", "addon", "access_entry", "pod_identity_association")
    for kind in ("", "_info")
] + ["eks_launch_template"]


def load(module: str) -> Any:
    return importlib.import_module(f"ansible_collections.dataplatform.fleet.plugins.modules.{module}")


def argument_spec(module: str) -> Mapping[str, Any]:
    code = load(module)
    found: Mapping[str, Any] = spec.NODEGROUP if module == "eks_nodegroup" else code.argument_spec()
    return found


def documented(module: str) -> dict[str, Any]:
    document = parse(load(module).DOCUMENTATION)
    options = dict(document.get("options") or {})
    for fragment in document["extends_documentation_fragment"]:
        if fragment.startswith("dataplatform.fleet.eks"):
            name = fragment.removeprefix("dataplatform.fleet.eks").lstrip(".").upper() or "DOCUMENTATION"
            options.update(parse(getattr(ModuleDocFragment, name))["options"])
    return options


def compare(options: Mapping[str, Any], arguments: Mapping[str, Any], where: str) -> None:
    assert set(options) == set(arguments), where
    for name, argument in arguments.items():
        option = options[name]
        for key, default in (("type", "str"), ("elements", None), ("choices", None), ("required", False)):
            assert option.get(key, default) == argument.get(key, default), f"{where}.{name}: {key}"
        assert option.get("default") == argument.get("default"), f"{where}.{name}"
        assert set(option.get("aliases", [])) == set(argument.get("aliases", [])), f"{where}.{name}"
        compare(option.get("suboptions") or {}, argument.get("options") or {}, f"{where}.{name}")


@pytest.mark.parametrize("module", MODULES)
def test_what_is_documented_is_what_is_taken(module: str) -> None:
    compare(documented(module), argument_spec(module), module)


@pytest.mark.parametrize("module", MODULES)
def test_check_mode_is_supported_and_samples_are_given(module: str) -> None:
    code = load(module)
    fragments = parse(code.DOCUMENTATION)["extends_documentation_fragment"]
    assert ("dataplatform.fleet.attributes.info" in fragments) == module.endswith("_info")
    for name, value in parse(code.RETURN).items():
        assert "sample" in value, f"{module}: {name}"
    assert parse(code.EXAMPLES)


# Members whose options are called otherwise than the member in snake_case.
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
