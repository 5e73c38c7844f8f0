# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of every kind of EKS resource."""

from __future__ import annotations

from typing import Any

from localcloud.aws import store
from localcloud.aws.eks.call import Call, Handlers
from localcloud.aws.errors import AwsError

_MAX_TAGS = 50


def _resource(arn: str) -> store.Record:
    stores: tuple[tuple[store.Store, str], ...] = (
        (store.clusters, "arn"),
        (store.nodegroups_all, "nodegroupArn"),
        (store.addons_all, "addonArn"),
        (store.access_entries_all, "accessEntryArn"),
        (store.pod_identities_all, "associationArn"),
        (store.identity_providers, "arn"),
    )
    for records, member in stores:
        for record in records.values():
            if record.get(member) == arn:
                return record
    if not arn.startswith(f"arn:aws:eks:{store.region()}:{store.account()}:"):
        raise AwsError("BadRequestException", f"Invalid resourceArn: {arn}")
    raise AwsError("NotFoundException", f"No resource found for ARN: {arn}")


def _tag(call: Call) -> dict[str, Any]:
    record = _resource(call["resourceArn"])
    after = {**(record.get("tags") or {}), **call["tags"]}
    if any(key.lower().startswith("aws:") for key in call["tags"]):
        raise AwsError("BadRequestException", "Tag keys must not begin with aws:")
    if len(after) > _MAX_TAGS:
        raise AwsError("BadRequestException", f"A resource cannot have more than {_MAX_TAGS} tags")
    store.set_tags(call["resourceArn"], record, after)
    return {}


def _untag(call: Call) -> dict[str, Any]:
    record = _resource(call["resourceArn"])
    kept = {key: value for key, value in (record.get("tags") or {}).items() if key not in call["tagKeys"]}
    store.set_tags(call["resourceArn"], record, kept)
    return {}


def _list(call: Call) -> dict[str, Any]:
    return {"tags": _resource(call["resourceArn"]).get("tags") or {}}


HANDLERS: Handlers = {"ListTagsForResource": _list, "TagResource": _tag, "UntagResource": _untag}
