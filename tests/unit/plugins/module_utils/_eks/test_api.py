# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Missing resources, and missing permissions for lists."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import api
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import Fake, RefusedError
from botocore.exceptions import ClientError


def refusing(operation: str, code: str, service: str = "eks") -> Fake:
    fake = Fake(service)
    fake.refuse[operation] = RefusedError(code)
    return fake


def test_missing_is_none_or_empty() -> None:
    assert api.describe_cluster(refusing("DescribeCluster", "ResourceNotFoundException").client, "one") is None
    assert api.list_nodegroups(refusing("ListNodegroups", "ResourceNotFoundException").client, "one") == []
    for code in ("InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateName.NotFoundException"):
        ec2 = refusing("DescribeLaunchTemplates", code, "ec2")
        assert api.launch_template(ec2.client, {"name": "one"}) is None
    with pytest.raises(ClientError, match="AccessDeniedException"):
        api.describe_cluster(refusing("DescribeCluster", "AccessDeniedException").client, "one")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        api.list_nodegroups(refusing("ListNodegroups", "AccessDeniedException").client, "one")


def test_not_being_allowed_to_ask_is_none() -> None:
    assert api.describe_cluster_versions(refusing("DescribeClusterVersions", "AccessDeniedException").client) is None
    assert api.list_fargate_profiles(refusing("ListFargateProfiles", "AccessDeniedException").client, "one") is None
    with pytest.raises(ClientError, match="InvalidParameterException"):
        api.list_fargate_profiles(refusing("ListFargateProfiles", "InvalidParameterException").client, "one")
