# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules do not wait for missing resources that a request refers to."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import references
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import Fake, RefusedError

ROLE = "arn:aws:iam::111122223333:role"
MINE = f"{ROLE}/some/path/mine"


class Iam(Fake):
    def GetRole(self, RoleName: str) -> dict[str, Any]:
        if RoleName != "mine":
            raise RefusedError("NoSuchEntity")
        shown = {"Path": "/", "RoleName": RoleName, "RoleId": "A" * 16, "Arn": MINE, "CreateDate": "2026-01-01"}
        return {"Role": shown}


class Ec2(Fake):
    def DescribeLaunchTemplateVersions(self, Versions: list[str], **place: str) -> dict[str, Any]:
        if place not in ({"LaunchTemplateId": "lt-1"}, {"LaunchTemplateName": "mine"}):
            by_id = "LaunchTemplateId" in place
            raise RefusedError(f"InvalidLaunchTemplate{'Id.NotFound' if by_id else 'Name.NotFoundException'}")
        if Versions not in (["3"], ["$Default"]):
            raise RefusedError("InvalidLaunchTemplateId.VersionNotFound")
        return {"LaunchTemplateVersions": [{"VersionNumber": 3}]}


@pytest.fixture
def services() -> dict[str, Fake]:
    return {"iam": Iam("iam"), "ec2": Ec2("ec2")}


REQUESTS: list[tuple[dict[str, Any], bool]] = [
    ({"roleArn": MINE}, True),
    ({"roleArn": f"{ROLE}/other"}, False),
    ({"roleArn": MINE, "podIdentityAssociations": [{"roleArn": f"{ROLE}/other"}]}, False),
    ({"roleArn": MINE, "targetRoleArn": f"{ROLE}/of-another-account"}, True),
    ({"principalArn": "arn:aws:iam::111122223333:user/ann"}, True),
    ({"name": "one"}, True),
    ({"launchTemplate": {"id": "lt-1", "version": "3"}}, True),
    ({"launchTemplate": {"name": "mine"}}, True),
    ({"launchTemplate": {"id": "lt-1", "version": "4"}}, False),
    ({"launchTemplate": {"id": "lt-2"}}, False),
    ({"launchTemplate": {"name": "other", "version": "3"}}, False),
]


@pytest.mark.parametrize(("request_", "known"), REQUESTS)
def test_resources_that_a_request_refers_to(services: dict[str, Fake], request_: dict[str, Any], known: bool) -> None:
    assert references.exist(lambda service: services[service].client, request_) is known


@pytest.mark.parametrize("request_", [request for request, _known in REQUESTS])
def test_resources_that_cannot_be_read_may_exist(services: dict[str, Fake], request_: dict[str, Any]) -> None:
    services["iam"].refuse["GetRole"] = RefusedError("AccessDenied", status=403)
    services["ec2"].refuse["DescribeLaunchTemplateVersions"] = RefusedError("UnauthorizedOperation", status=403)
    assert references.exist(lambda service: services[service].client, request_)
