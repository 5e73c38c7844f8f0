# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instances of a node group: validation of images, releases, instance types and launch templates."""

from __future__ import annotations

import re
from typing import Any

from localcloud.aws import store
from localcloud.aws.eks.call import Call
from localcloud.aws.errors import invalid_parameter, invalid_request
from localcloud.releases import versions

_INSTANCE_TYPE = re.compile(r"[a-z]+[a-z0-9]*(-[a-z0-9]+)?\.([a-z0-9]+|metal(-[a-z0-9]+)?)")
_LAST_AL2 = 32
"""The newest Kubernetes minor with Amazon Linux 2 images."""


def _template_data(template: dict[str, str] | None) -> dict[str, Any]:
    """Return the data of the node group's version of a launch template."""
    if template is None:
        return {}
    for entry in store.launch_templates[template["id"]]["Versions"]:
        if str(entry["VersionNumber"]) == template["version"]:
            return dict(entry["LaunchTemplateData"])
    return {}


def image(template: dict[str, str] | None) -> str | None:
    """Return the image of a launch template, whose id is then the release version of the node group."""
    image_id = _template_data(template).get("ImageId")
    return str(image_id) if image_id else None


def disk_size(template: dict[str, str]) -> int | None:
    """Return the size in GiB of the largest volume of a launch template: the nodes' root or data volume."""
    volumes = _template_data(template).get("BlockDeviceMappings") or []
    return max((int(volume.get("Ebs", {}).get("VolumeSize", 0)) for volume in volumes), default=0) or None


def choose(call: Call, version: str, template: dict[str, str] | None) -> tuple[str, dict[str, list[str]]]:
    """Return the AMI type and the members for instance types, with defaults, validated.

    EKS does not show instance types that come from the launch template; ``_instanceTypes`` keeps them for the nodes.
    """
    own = _template_data(template).get("InstanceType")
    instance_types = call.get("instanceTypes") or ["t3.medium"]
    if own and call.get("instanceTypes"):
        raise invalid_request("Cannot specify instance types in launch template and API Request")
    if image(template):
        for member in ("amiType", "version", "releaseVersion"):
            if call.get(member) not in (None, "CUSTOM"):
                raise invalid_parameter(f"You cannot specify {member} with a launch template that has an image id.")
        ami_type = "CUSTOM"
    elif call.get("amiType") == "CUSTOM":
        raise invalid_parameter("The AMI type CUSTOM requires a launch template with an image id.")
    else:
        ami_type = _fitting_ami_type(call, version, [own] if own else instance_types)
    return ami_type, {"_instanceTypes": [own]} if own else {"instanceTypes": instance_types}


def _fitting_ami_type(call: Call, version: str, instance_types: list[str]) -> str:
    unknown = [kind for kind in instance_types if not _INSTANCE_TYPE.fullmatch(kind)]
    if unknown:
        raise invalid_parameter(f"The following supplied instance types do not exist: [{', '.join(unknown)}]")
    ami_type = call.get("amiType", "AL2023_x86_64_STANDARD")
    if ami_type.startswith("AL2_") and versions.number(version) > _LAST_AL2:
        raise invalid_parameter(
            f"AMI Type {ami_type} is only supported for kubernetes versions 1.{_LAST_AL2} or earlier"
        )
    arm = "ARM" in ami_type
    wrong = [kind for kind in instance_types if versions.is_arm(kind) != arm]
    if wrong:
        raise invalid_parameter(f"[{', '.join(wrong)}] is not a valid instance type for requested amiType {ami_type}")
    return str(ami_type)


def release(version: str, ami_type: str, asked: str | None) -> str:
    known = versions.releases(version, ami_type)
    if asked is not None and asked not in known:
        raise invalid_parameter(f"Requested release version {asked} is not valid for kubernetes version {version}.")
    return asked or (known[-1] if known else "")


def launch_template(asked: dict[str, Any] | None) -> dict[str, str] | None:
    """Return the template with its name, id and version number; raises if EC2 does not have it."""
    if asked is None:
        return None
    if asked.get("id") and asked.get("name"):
        raise invalid_parameter("Either provide launch template ID or launch template name in the request.")
    if not asked.get("id") and not asked.get("name"):
        raise invalid_parameter(
            "Either a launch template ID or a launch template name must be specified in the request."
        )
    for template in store.launch_templates.values():
        if asked.get("id") == template["LaunchTemplateId"] or asked.get("name") == template["LaunchTemplateName"]:
            break
    else:
        raise invalid_parameter(f"Launch template {asked.get('id') or asked.get('name')} was not found")
    numbers = {str(entry["VersionNumber"]) for entry in template.get("Versions", [])}
    version = {"$Latest": "LatestVersionNumber", "$Default": "DefaultVersionNumber"}.get(asked.get("version") or "")
    number = str(template[version]) if version else str(asked.get("version") or template["DefaultVersionNumber"])
    if numbers and number not in numbers:
        raise invalid_parameter(f"Launch template version {number} was not found")
    return {"name": template["LaunchTemplateName"], "id": template["LaunchTemplateId"], "version": number}
