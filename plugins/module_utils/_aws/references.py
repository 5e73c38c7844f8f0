# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles and launch templates in a request: a new one is found everywhere after some seconds, a mistyped one never."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code

from .aliases import Client
from .calls import call

try:  # noqa: SIM105
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing

_ROLE = re.compile(r'"arn:aws[\w-]*:iam::\d+:role/(?:[^"]*/)?([^"/]+)"')
_MISSING = [
    "NoSuchEntity",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.VersionNotFound",
    "InvalidLaunchTemplateName.NotFoundException",
]


def exist(client: Callable[[str], Client], request: Mapping[str, Any]) -> bool:
    """Whether IAM and EC2 know the roles and the launch template of *request*; what may not be asked may exist.

    *client* makes the client of a service. Roles of other accounts are left out: IAM does not know them here.
    """
    own = {key: value for key, value in request.items() if key != "targetRoleArn"}
    roles = _ROLE.findall(json.dumps(own, default=str))
    asked: list[tuple[str, str, dict[str, Any]]] = [("iam", "GetRole", {"RoleName": name}) for name in roles]
    template = request.get("launchTemplate") or {}
    for key, option in (("id", "LaunchTemplateId"), ("name", "LaunchTemplateName")):
        if template.get(key):
            place = {option: template[key], "Versions": [template.get("version") or "$Default"]}
            asked.append(("ec2", "DescribeLaunchTemplateVersions", place))
    for service, operation, named in asked:
        try:
            call(client(service), operation, **named)
        except is_boto3_error_code(_MISSING):
            return False
        except (BotoCoreError, ClientError):
            continue
    return True
