# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch templates: errors of EC2, deletion of versions, and changes of tags.

Sources: botocore's model of EC2; https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html and
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/delete-launch-template.html
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

from localcloud.aws import ministack, store
from localcloud.aws.ec2.request import (
    Ec2Error,
    Handler,
    Params,
    element,
    filters,
    forget,
    guard,
    matches_tags,
    members,
    replace,
    tag_set,
    text,
    xml,
)
from localcloud.aws.errors import Response

_NAME = re.compile(r"[a-zA-Z0-9().\-/_]{3,128}")
_ID = re.compile(r"lt-[0-9a-f]+")
_HOPS = range(1, 65)
_TOKENS = ("optional", "required")
_MOST_VERSIONS = 200
_FILTERS = {"launch-template-name": "LaunchTemplateName", "create-time": "CreateTime"}


def install() -> None:
    guard("CreateLaunchTemplate", _check_new)
    replace("CreateLaunchTemplateVersion", _numbered(ministack.ec2_actions["CreateLaunchTemplateVersion"]))
    replace("DescribeLaunchTemplates", _describe)
    replace("DescribeLaunchTemplateVersions", _describe_versions)
    replace("ModifyLaunchTemplate", _modify)
    replace("DeleteLaunchTemplate", _delete)
    replace("DeleteLaunchTemplateVersions", _delete_versions)


def _check_new(params: Params) -> None:
    if not _NAME.fullmatch(text(params, "LaunchTemplateName")):
        raise Ec2Error(
            "InvalidLaunchTemplateName.MalformedException",
            "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the "
            "following characters: - ( ) . / _.",
        )
    _check_data(params)


def _check_data(params: Params) -> None:
    if not any(name.startswith("LaunchTemplateData.") for name in params):
        raise Ec2Error("MissingParameter", "The request must contain the parameter LaunchTemplateData")
    prefix = "LaunchTemplateData.MetadataOptions"
    hops = text(params, f"{prefix}.HttpPutResponseHopLimit")
    if hops and (not hops.isdecimal() or int(hops) not in _HOPS):
        raise Ec2Error("InvalidParameterValue", f"Value ({hops}) for parameter HttpPutResponseHopLimit is invalid.")
    tokens = text(params, f"{prefix}.HttpTokens")
    if tokens and tokens not in _TOKENS:
        raise Ec2Error("InvalidParameterValue", f"Value ({tokens}) for parameter HttpTokens is invalid.")


def _named(params: Params) -> store.Record:
    """Return the template that a request identifies by ID or name."""
    identity, name = text(params, "LaunchTemplateId"), text(params, "LaunchTemplateName")
    if identity and name:
        raise Ec2Error(
            "InvalidParameterCombination", "The launch template ID and the launch template name cannot both be given."
        )
    if not identity and not name:
        raise Ec2Error("MissingParameter", "Either a launch template ID or a launch template name must be given.")
    return _by_id(identity) if identity else _by_name(name)


def _by_id(identity: str) -> store.Record:
    if not _ID.fullmatch(identity):
        raise Ec2Error("InvalidLaunchTemplateId.Malformed", f"Invalid launch template ID: {identity}")
    found = store.launch_templates.get(identity)
    if found is None:
        raise Ec2Error(
            "InvalidLaunchTemplateId.NotFound",
            f"The specified launch template, with template ID {identity}, does not exist.",
        )
    return found


def _by_name(name: str) -> store.Record:
    for template in store.launch_templates.values():
        if template["LaunchTemplateName"] == name:
            return template
    raise Ec2Error(
        "InvalidLaunchTemplateName.NotFoundException",
        f"The specified launch template, with template name {name}, does not exist.",
    )


def _version(template: store.Record, asked: str) -> store.Record:
    number = {"$Latest": template["LatestVersionNumber"], "$Default": template["DefaultVersionNumber"]}.get(
        asked, asked
    )
    for version in template["Versions"]:
        if str(version["VersionNumber"]) == str(number):
            return dict(version)
    raise Ec2Error(
        "InvalidLaunchTemplateId.VersionNotFound",
        f"Could not find the specified version {asked} for the launch template with ID {template['LaunchTemplateId']}.",
    )


def _numbered(original: Handler) -> Handler:
    """Number versions so that the number of a deleted version is not reused."""

    def create(params: Params) -> Response:
        template = _named(params)
        source = text(params, "SourceVersion")
        if not source:
            _check_data(params)
        else:
            params = {**params, "SourceVersion": [str(_version(template, source)["VersionNumber"])]}
        # ministack increments the latest version, which may have been deleted.
        template["LatestVersionNumber"] = template.get("_last", template["LatestVersionNumber"])
        answer = original(params)
        template["_last"] = template["LatestVersionNumber"]
        return answer

    return create


def _shown(template: store.Record, tag: str) -> str:
    identity = template["LaunchTemplateId"]
    parts = (
        element("launchTemplateId", identity),
        element("launchTemplateName", template["LaunchTemplateName"]),
        element("createTime", template["CreateTime"]),
        element("createdBy", f"arn:aws:iam::{store.account()}:root"),
        element("defaultVersionNumber", template["DefaultVersionNumber"]),
        element("latestVersionNumber", template["LatestVersionNumber"]),
        tag_set(identity),
    )
    return f"<{tag}>{''.join(parts)}</{tag}>"


def _page(params: Params, items: list[str]) -> tuple[list[str], str]:
    """Return a page of items, and the element with the token of the next page."""
    size = int(text(params, "MaxResults") or len(items) or 1)
    start = int(text(params, "NextToken") or 0)
    end = start + size
    return items[start:end], element("nextToken", str(end) if end < len(items) else None)


def _describe(params: Params) -> Response:
    wanted = filters(params)
    for name in wanted:
        if name not in _FILTERS and not name.startswith("tag:") and name not in ("tag-key", "tag-value"):
            raise Ec2Error("InvalidParameterValue", f"The filter '{name}' is invalid")
    asked = [_by_id(identity) for identity in members(params, "LaunchTemplateId")]
    asked += [_by_name(name) for name in members(params, "LaunchTemplateName")]
    shown = [
        _shown(template, "item")
        for template in asked or store.launch_templates.values()
        if matches_tags(template["LaunchTemplateId"], wanted)
        and all(
            any(fnmatch.fnmatchcase(str(template[member]), pattern) for pattern in wanted.get(name, ["*"]))
            for name, member in _FILTERS.items()
        )
    ]
    items, token = _page(params, shown)
    return xml("DescribeLaunchTemplates", f"<launchTemplates>{''.join(items)}</launchTemplates>{token}")


def _describe_versions(params: Params) -> Response:
    asked = members(params, "LaunchTemplateVersion")
    if not text(params, "LaunchTemplateId") and not text(params, "LaunchTemplateName"):
        if not asked or set(asked) - {"$Latest", "$Default"}:
            raise Ec2Error("MissingParameter", "Without a launch template, the versions are $Latest or $Default.")
        versions: Iterable[store.Record] = [
            _version(template, name) for template in store.launch_templates.values() for name in asked
        ]
    else:
        template = _named(params)
        versions = (
            [_version(template, name) for name in asked]
            if asked
            else sorted(template["Versions"], key=lambda version: -int(version["VersionNumber"]))
        )
    items, token = _page(params, [ministack.launch_template_version(version) for version in versions])
    body = f"<launchTemplateVersionSet>{''.join(items)}</launchTemplateVersionSet>{token}"
    return xml("DescribeLaunchTemplateVersions", body)


def _modify(params: Params) -> Response:
    template, default = _named(params), text(params, "SetDefaultVersion")
    if default:
        template["DefaultVersionNumber"] = _version(template, default)["VersionNumber"]
        for version in template["Versions"]:
            version["DefaultVersion"] = version["VersionNumber"] == template["DefaultVersionNumber"]
    return xml("ModifyLaunchTemplate", _shown(template, "launchTemplate"))


def _delete(params: Params) -> Response:
    template = _named(params)
    body = _shown(template, "launchTemplate")
    forget(store.launch_templates, template["LaunchTemplateId"])
    return xml("DeleteLaunchTemplate", body)


def _delete_versions(params: Params) -> Response:
    template, asked = _named(params), members(params, "LaunchTemplateVersion")
    if not asked:
        raise Ec2Error("MissingParameter", "The request must contain the parameter LaunchTemplateVersion")
    if len(asked) > _MOST_VERSIONS:
        raise Ec2Error("InvalidParameterValue", f"At most {_MOST_VERSIONS} versions can be deleted in one request.")
    there = {str(version["VersionNumber"]) for version in template["Versions"]}
    template["_last"] = template.get("_last", template["LatestVersionNumber"])
    deleted, failed = "", ""
    for number in asked:
        shown = element("launchTemplateId", template["LaunchTemplateId"]) + element(
            "launchTemplateName", template["LaunchTemplateName"]
        )
        shown += element("versionNumber", number)
        if number not in there:
            failed += _failure(shown, "launchTemplateVersionDoesNotExist", "The version does not exist.")
        elif number == str(template["DefaultVersionNumber"]):
            failed += _failure(shown, "unexpectedError", "The default version cannot be deleted.")
        else:
            there.discard(number)
            deleted += f"<item>{shown}</item>"
    template["Versions"] = [version for version in template["Versions"] if str(version["VersionNumber"]) in there]
    template["LatestVersionNumber"] = max(version["VersionNumber"] for version in template["Versions"])
    return xml(
        "DeleteLaunchTemplateVersions",
        f"<successfullyDeletedLaunchTemplateVersionSet>{deleted}</successfullyDeletedLaunchTemplateVersionSet>"
        f"<unsuccessfullyDeletedLaunchTemplateVersionSet>{failed}</unsuccessfullyDeletedLaunchTemplateVersionSet>",
    )


def _failure(shown: str, code: str, message: str) -> str:
    error = element("code", code) + element("message", message)
    return f"<item>{shown}<responseError>{error}</responseError></item>"
