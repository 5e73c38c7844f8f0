# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ownership of resources by the fleet's tags, because a name can be in use already. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import texts

# The tags that mark the owner of a resource. Other tags can change between runs.
MARKS = ("dataplatform.fleet/fleet", "dataplatform.fleet/cluster")
# The tag of resources that a role finds by this tag only.
OWNER = "dataplatform.fleet/owner"

# The names of the kinds in messages.
KINDS = {
    "dns_record": "The record",
    "dynamodb_table": "The DynamoDB table",
    "eks_access_entry": "The access entry",
    "eks_addon": "The add-on",
    "eks_cluster": "The cluster",
    "eks_nodegroup": "The node group",
    "eks_pod_identity_association": "The pod identity association",
    "iam_policy": "The IAM policy",
    "iam_role": "The IAM role",
    "kms_key": "The KMS key",
    "launch_template": "The launch template",
    "log_group": "The log group",
    "private_zone": "The private zone",
    "s3_bucket": "The S3 bucket",
    "secret": "The secret",
    "ssm_parameter": "The SSM parameter",
    "vpc": "The VPC",
    "vpc_peering": "The peering connection",
}

# The tags of an empty resource that AWS tags in a second call: a run may have ended before that call.
UNFINISHED = {"": "unfinished"}


class ForeignError(AwsError):
    """A resource has a name of the fleet without the fleet's tags."""

    def __init__(
        self, kind: str, name: str, live: Mapping[str, str], wanted: Mapping[Any, Any] | None, shown: str = ""
    ) -> None:
        super().__init__(refusal(kind, name, live, wanted or {}, shown))


def refuse_foreign(kind: str, name: str, live: Mapping[str, str], options: Mapping[str, Any], shown: str = "") -> None:
    """Check the tags ``live`` of an existing resource; ``options`` are the module's, with ``tags`` and ``adopt``.

    :raises ForeignError: if the fleet does not own the resource and ``adopt`` does not name it
    """
    if not options["adopt"] and not owned(live, options["tags"]):
        raise ForeignError(kind, name, live, options["tags"], shown)


def marks(tags: Mapping[Any, Any] | None) -> dict[str, str]:
    """Return the ownership tags in ``tags``."""
    given = texts(tags or {})
    return {key: given[key] for key in MARKS if key in given} or {key: given[key] for key in (OWNER,) if key in given}


def owned(live: Mapping[str, str], wanted: Mapping[Any, Any] | None) -> bool:
    """Return whether a resource with the tags ``live`` belongs to the owner in the tags ``wanted``.

    Without ownership tags in ``wanted``, the name decides.
    """
    return live == UNFINISHED or all(live.get(key) == value for key, value in marks(wanted).items())


def tags_of(item: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the tags of a resource whose ``Tags`` are a list of keys and values."""
    return {tag["Key"]: tag["Value"] for tag in (item or {}).get("Tags") or []}


def pairs_of(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as a list of keys and values, sorted by key."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def preferred[Found](
    found: Iterable[Found], wanted: Mapping[Any, Any] | None, read: Callable[[Found], Mapping[str, str]]
) -> list[Found]:
    """Return the resources that belong to the owner in the tags ``wanted``; all, if there are none."""
    everything = list(found)
    return [one for one in everything if owned(read(one), wanted)] or everything


def known(live: Mapping[str, str], wanted: Mapping[Any, Any] | None) -> bool:
    """Return whether the tags ``live`` name the owner in the tags ``wanted``.

    Where these have no marks, any of them does.
    """
    if marks(wanted):
        return owned(live, wanted)
    return any(live.get(key) == value for key, value in texts(wanted or {}).items())


def adopts(adopt: Collection[str], kind: str, name: str) -> bool:
    """Return whether ``adopt`` names the resource as ``kind/name``, or as a name, which matches every kind."""
    return name in adopt or f"{kind}/{name}" in adopt


def refusal(kind: str, name: str, live: Mapping[str, str], wanted: Mapping[Any, Any], shown: str = "") -> str:
    """Return why a resource (``"iam_role"``, ``"one-node"``) is not changed, and what to do.

    ``shown`` replaces its name in the text, for example by the property by which it was found.
    """
    asked = marks(wanted) or texts(wanted)
    has = ", ".join(f"{key}={live[key]}" for key in asked if key in live) or "none of these"
    return (
        f"{shown or f'{KINDS[kind]} {name}'} has a name of this fleet's and not its tags: expected "
        f"{', '.join(f'{key}={value}' for key, value in asked.items())}, found {has}. Nothing was changed. Rename or "
        f"delete it; or, if this fleet is to own it, run with -e fleet_adopt={kind}/{name} (a module: with adopt)."
    )
