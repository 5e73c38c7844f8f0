# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the changes of the launch template of a managed node group. Pure functions.

EKS creates nodes from its own copy of the template, and a node group cannot change to another template.
Source: https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .._aws.aliases import Document, State
from .._aws.errors import AwsError
from .._aws.plan import Change, Changes, Plan, Step, creation, deletion, ec2_tag_steps
from .._ownership.tags import pairs_of, tags_of
from .transformations import flatten, snake

# EC2's own limit: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html
LONGEST_NAME = 128

# The volume with the images and the files of containers, by the AMI type's first word. Bottlerocket has it beside its
# root volume: https://github.com/bottlerocket-os/bottlerocket, "Default Volumes".
_VOLUMES = {"BOTTLEROCKET": "/dev/xvdb", "WINDOWS": "/dev/sda1"}
_ROOT = "/dev/xvda"


def template_name(cluster: str, nodegroup: str) -> str:
    """Return the name of the launch template of a node group. Raises AwsError if it is too long for EC2."""
    name = f"{cluster}/{nodegroup}"
    if len(name) > LONGEST_NAME:
        raise AwsError(
            f"The launch template {name} would have a name of {len(name)} characters, and EC2 allows {LONGEST_NAME}. "
            "Shorten the node group's name. Nothing was changed."
        )
    return name


def template_data(hop_limit: int, disk_size: int | None, ami_type: str | None) -> Document:
    """Return the launch template's data, without an image, so that EKS chooses it. *disk_size* is in GiB.

    Raises AwsError for an *ami_type* that requires an image in the template.
    """
    if ami_type == "CUSTOM":
        raise AwsError(
            "ami_type CUSTOM needs a launch template with an image, which this one has not. Make one of your own, with "
            "MetadataOptions in it, and name it in launch_template of the node group. Nothing was changed."
        )
    data: Document = {"MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": hop_limit}}
    if disk_size:
        device = _VOLUMES.get(str(ami_type).partition("_")[0], _ROOT)
        volume = {"VolumeSize": disk_size, "VolumeType": "gp3", "DeleteOnTermination": True}
        data["BlockDeviceMappings"] = [{"DeviceName": device, "Ebs": volume}]
    return data


def plan_present(
    name: str,
    template: Document | None,
    versions: Sequence[Document],
    data: Document,
    tags: Mapping[str, str] | None,
    *,
    in_use: Collection[int] = (),
    purge_tags: bool = True,
    purge_versions: bool = True,
) -> tuple[Plan, int]:
    """The calls that make *template* (None: absent) one whose default version is *data*, and that version's number.

    *versions* are all of the template's, *in_use* the numbers of those that are not deleted. A version with the same
    data is used again. *purge_versions* deletes the others when the default version moves.
    """
    resource = f"launch template {name}"
    if template is None:
        changes = creation({**data_state(data), **({"tags": dict(tags)} if tags else {})})
        request: Document = {"LaunchTemplateName": name, "LaunchTemplateData": data}
        if tags:
            request["TagSpecifications"] = [{"ResourceType": "launch-template", "Tags": pairs_of(tags)}]
        return Plan(resource, (Step("CreateLaunchTemplate", request, changes),)), 1
    identity = {"LaunchTemplateId": template["LaunchTemplateId"]}
    steps = ec2_tag_steps(template["LaunchTemplateId"], tags_of(template), tags, purge=purge_tags)
    known = {version["VersionNumber"]: version for version in versions}
    default = template["DefaultVersionNumber"]
    number = _same(known, data, [*in_use, default])
    before = data_state(known[default]["LaunchTemplateData"]) if default in known else {}
    changed = _differences(before, data_state(data))
    if number is None:
        number = template["LatestVersionNumber"] + 1
        steps.append(Step("CreateLaunchTemplateVersion", {**identity, "LaunchTemplateData": data}, changed))
    if number != default:
        moved = {**changed, "default_version": Change(default, number)}
        steps.append(Step("ModifyLaunchTemplate", {**identity, "DefaultVersion": str(number)}, moved))
        unused = sorted(known.keys() - {number, *in_use})
        if unused and purge_versions:
            gone = {f"versions.{one}": Change("present", None) for one in unused}
            request = {**identity, "Versions": [str(one) for one in unused]}
            steps.append(Step("DeleteLaunchTemplateVersions", request, gone))
    return Plan(resource, tuple(steps)), number


def plan_absent(name: str, template: Document | None, versions: Sequence[Document]) -> Plan:
    """The call that removes *template* with all its *versions*."""
    resource = f"launch template {name}"
    if template is None:
        return Plan(resource)
    known = {version["VersionNumber"]: version["LaunchTemplateData"] for version in versions}
    state = {**data_state(known.get(template["DefaultVersionNumber"], {})), "tags": tags_of(template)}
    request = {"LaunchTemplateId": template["LaunchTemplateId"]}
    return Plan(resource, (Step("DeleteLaunchTemplate", request, deletion(state)),))


def data_state(data: Mapping[str, Any]) -> State:
    """The data of a launch template, flattened, without what EC2 adds in its answers."""
    state: State = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            state.update(flatten(snake(key), {name: one for name, one in value.items() if name != "State"}))
        elif value not in (None, []):
            state[snake(key)] = value
    return state


def _same(known: Mapping[int, Document], data: Document, preferred: Sequence[int]) -> int | None:
    """The version with the same data: one of the *preferred*, else the newest."""
    same = [
        number for number, version in known.items() if data_state(version["LaunchTemplateData"]) == data_state(data)
    ]
    return next((number for number in [*preferred, *sorted(same, reverse=True)] if number in same), None)


def _differences(before: State, after: State) -> Changes:
    names = sorted({*before, *after})
    return {name: Change(before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}
