# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.fleet import (
    DERIVED,
    MEMBER,
    OPTIONS,
    OTHERS,
    fleet_faults,
    incomplete,
)

CHECKOUT = Path(__file__).resolve().parents[5]
GROUPS = ("all", "ungrouped", "managed", "purpose_controlplane", "purpose-workload")
HUB = {"purpose": "controlplane", "region": "eu-central-1", "vpc_cidr": "10.40.0.0/16"}
STAGING = {"purpose": "workload", "region": "eu-central-1", "vpc_cidr": "10.42.0.0/16"}


def faults(members: Any = None, **options: Any) -> list[str]:
    given = {"controlplane": HUB, "staging": STAGING} if members is None else members
    return fleet_faults({"fleet_name": "acme", "fleet_members": given, **options}, GROUPS)


def member(**changes: Any) -> dict[str, Any]:
    return {"controlplane": HUB, "staging": {key: v for key, v in {**STAGING, **changes}.items() if v != "absent"}}


def test_takes_what_the_inventories_hold() -> None:
    held = yaml.safe_load((CHECKOUT / "inventories" / "fleet.yml").read_text())
    given = {name: value for name, value in held.items() if name.startswith("fleet_") and "{{" not in str(value)}
    assert {"fleet_name", "fleet_region", "fleet_role_arn", "fleet_members"} <= set(given)
    assert fleet_faults(given, GROUPS) == []
    assert {name for name in held if name.startswith("fleet_")} <= {*OPTIONS, *OTHERS}


def test_an_inventory_without_what_this_version_derives() -> None:
    held = yaml.safe_load((CHECKOUT / "inventories" / "fleet.yml").read_text())
    given = {"fleet_name", "fleet_region", "fleet_role_arn", "fleet_account_id", "fleet_members"}
    # Without them, an inventory needs only a writable home directory.
    comfort = {"ansible_pipelining", "ansible_remote_tmp"}
    assert set(DERIVED) - given == set(held) - given - comfort
    assert incomplete(held, "staging") == ""
    sentence = incomplete(set(held) - {"fleet_tags", "aws_region"}, "staging")
    assert sentence.startswith("The inventory sets no aws_region, fleet_tags for staging")
    assert "Synchronize" in sentence


def test_takes_each_option_of_a_member() -> None:
    full = {
        **STAGING,
        "compute": "auto_mode",
        "environment": "Pre_Prod.1",
        "account_id": "011122223333",
        "aws_profile": "Acme/Admin access",
        "aws_role_arn": "arn:aws-us-gov:iam::111122223333:role/path/to/platform",
    }
    existing = {
        **STAGING,
        "provider": "existing",
        "kubeconfig": "~/.kube/onprem",
        "context": "default/api-onprem-example-com:6443/kube:admin",
        "platform": "openshift",
    }
    assert set(full) | set(existing) == set(MEMBER)
    assert faults({"controlplane": HUB, "staging": full}) == []
    assert faults({"controlplane": HUB, "staging": existing}) == []
    assert faults({"controlplane": HUB, "staging": {**full, "provider": "eks"}}) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"provider": "exsiting"}, "staging.provider is 'exsiting': it takes 'eks' or 'existing'"),
        ({"platform": "openshift"}, "staging.platform is only for a cluster that exists already"),
        ({"provider": "eks", "kubeconfig": "a"}, "staging.kubeconfig is only for a cluster that exists already"),
        ({"provider": "existing", "compute": "auto_mode"}, "staging.compute is not for provider: existing"),
        ({"provider": "existing", "context": "a"}, "staging.context has no kubeconfig"),
        ({"provider": "existing", "platform": "okd"}, "staging.platform is 'okd'"),
        ({"provider": "existing", "kubeconfig": ""}, "staging.kubeconfig is"),
        ({"provider": "existing", "purpose": "controlplane"}, "which only a member of the purpose workload can have"),
    ],
)
def test_refuses_what_a_provider_cannot_have(changes: dict[str, Any], words: str) -> None:
    assert words in " ".join(faults(member(**changes)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"aws_rolearn": "arn:aws:iam::111122223333:role/a"},
            "staging.aws_rolearn is not an option of a member (did you mean aws_role_arn?)",
        ),
        ({"aws_role_arn": "111122223333"}, "staging.aws_role_arn is '111122223333': it takes the ARN of an IAM role"),
        ({"aws_role_arn": None}, "staging.aws_role_arn is null or empty: give it a value, or leave it out"),
        ({"aws_profile": "a]"}, "staging.aws_profile is 'a]'"),
        ({"account_id": 111122223333}, "staging.account_id is 111122223333: it takes the 12 digits"),
        ({"account_id": "1111"}, "staging.account_id is '1111'"),
        (
            {"purpose": "controlplane"},
            "fleet_members has 2 members of the purpose controlplane (controlplane, staging): give it exactly one",
        ),
        ({"purpose": "worklaod"}, "staging.purpose is 'worklaod': it takes 'controlplane' or 'workload'"),
        ({"purpose": "absent"}, "staging has no purpose: add it"),
        ({"region": "absent"}, "staging has no region"),
        ({"vpc_cidr": "absent"}, "staging has no vpc_cidr"),
        ({"region": "Frankfurt"}, "staging.region is 'Frankfurt': it takes a region such as eu-central-1"),
        ({"region": ["eu-central-1"]}, "staging.region"),
        ({"compute": "fargate"}, "staging.compute is 'fargate': it takes 'managed_nodegroups' or 'auto_mode'"),
        ({"vpc_cidr": "10.42.0.1/16"}, "staging.vpc_cidr is '10.42.0.1/16'"),
        ({"vpc_cidr": "10.0.0.0/8"}, "staging.vpc_cidr is '10.0.0.0/8'"),
        ({"vpc_cidr": "fd00::/64"}, "staging.vpc_cidr is 'fd00::/64'"),
        ({"environment": "pre prod"}, "staging.environment is 'pre prod'"),
        ({"environment": "x" * 64}, "(64 characters)"),
        ({"environment": "a\x00b"}, "staging.environment has the control character U+0000 in it"),
    ],
)
def test_refuses_a_member_that_cannot_work(changes: dict[str, Any], words: str) -> None:
    found = faults(member(**changes))
    assert any(words in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (None, "fleet_members is None: it takes a dictionary"),
        ([], "fleet_members is []"),
        ({}, "fleet_members is {}"),
        ("controlplane", "fleet_members is 'controlplane'"),
        ({"staging": STAGING}, "fleet_members has 0 members of the purpose controlplane (none): give it exactly one"),
        (
            {"controlplane": None},
            "fleet_members.controlplane is None: it takes a dictionary with purpose, region, vpc_cidr",
        ),
        *[
            ({"controlplane": HUB, name: STAGING}, f"fleet_members.{name} has the name of a group")
            for name in ("all", "managed", "ungrouped", "localhost", "purpose-workload")
        ],
        *[
            ({"controlplane": HUB, name: STAGING}, "fleet_members has the key")
            for name in ("Staging", "../../etc/passwd", "-a", "a-", "1a", "a_b", "a.b", "a b", "", "x" * 64, 7)
        ],
        ({"controlplane": HUB, "a\x00": STAGING}, "A name in fleet_members has the control character U+0000"),
    ],
)
def test_refuses_members_that_cannot_work(members: Any, words: str) -> None:
    found = fleet_faults({"fleet_name": "acme", "fleet_members": members}, GROUPS)
    assert any(words in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fleet_role_anr": ""}, "fleet_role_anr is not an option of the fleet (did you mean fleet_role_arn?)"),
        ({"fleet_name": "Acme"}, "fleet_name is 'Acme'"),
        ({"fleet_name": "aws-platform"}, "not beginning with aws or ssm"),
        ({"fleet_name": "a/b"}, "fleet_name is 'a/b'"),
        ({"fleet_name": None}, "fleet_name is null"),
        ({"fleet_region": "eu_central_1"}, "fleet_region is 'eu_central_1'"),
        ({"fleet_role_arn": "arn:aws:iam::111122223333:user/a"}, "fleet_role_arn is"),
        ({"fleet_message_max_bytes": -1}, "fleet_message_max_bytes is -1: it takes 65536 to 1073741824"),
        ({"fleet_message_max_bytes": True}, "fleet_message_max_bytes is True"),
        ({"fleet_api_server_cidrs": ["10.0.0.1"]}, "fleet_api_server_cidrs[0] is '10.0.0.1'"),
        ({"fleet_ingress_namespaces": ["a b"]}, "fleet_ingress_namespaces[0] is 'a b'"),
        ({"fleet_tags": {"aws:a": "b"}}, "fleet_tags has the key 'aws:a'"),
    ],
)
def test_refuses_options_that_cannot_work(options: dict[str, Any], words: str) -> None:
    found = faults(**options)
    assert any(words in sentence for sentence in found), found


def test_a_fleet_needs_a_name() -> None:
    assert fleet_faults({"fleet_members": member()}, GROUPS) == [
        "fleet_name is not set: name the fleet in inventories/fleet.yml."
    ]
