# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a resource is: anyone can choose a name, so the fleet's own tags decide. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import texts

# Those of a fleet's tags that say whose a resource is. Other tags may change from run to run.
MARKS = ("dataplatform.fleet/fleet", "dataplatform.fleet/cluster")
# Of what a role knows by its own tag alone.
OWNER = "dataplatform.fleet/owner"

# What the kinds are called.
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

# Stands for the tags of what AWS tags in a second call, before which a run may have ended: nothing is in it yet.
UNFINISHED = {"": "unfinished"}


class ForeignError(AwsError):
    """A resource has a name of the fleet's, and not the fleet's tags."""

    def __init__(
        self, kind: str, name: str, live: Mapping[str, str], wanted: Mapping[Any, Any] | None, shown: str = ""
    ) -> None:
        super().__init__(refusal(kind, name, live, wanted or {}, shown))


def refuse_foreign(kind: str, name: str, live: Mapping[str, str], options: Mapping[str, Any], shown: str = "") -> None:
    """Look at the tags ``live`` of a resource that exists; ``options`` are the module's, with ``tags`` and ``adopt``.

    :raises ForeignError: if the resource is somebody else's, and is not to be adopted
    """
    if not options["adopt"] and not owned(live, options["tags"]):
        raise ForeignError(kind, name, live, options["tags"], shown)


def marks(tags: Mapping[Any, Any] | None) -> dict[str, str]:
    """Return those of ``tags`` that say whose a resource is."""
    given = texts(tags or {})
    return {key: given[key] for key in MARKS if key in given} or {key: given[key] for key in (OWNER,) if key in given}


def owned(live: Mapping[str, str], wanted: Mapping[Any, Any] | None) -> bool:
    """Tell whether a resource with the tags ``live`` belongs to whoever gives the tags ``wanted``.

    Where these have no marks, the name alone decides.
    """
    return live == UNFINISHED or all(live.get(key) == value for key, value in marks(wanted).items())


def tags_of(item: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the tags of a resource that AWS shows with a list ``Tags`` of keys and values."""
    return {tag["Key"]: tag["Value"] for tag in (item or {}).get("Tags") or []}


def pairs_of(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as AWS takes such a list, in the order of their keys."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def preferred[Found](
    found: Iterable[Found], wanted: Mapping[Any, Any] | None, read: Callable[[Found], Mapping[str, str]]
) -> list[Found]:
    """Return those of several resources that belong to whoever gives the tags ``wanted``; all, if none do."""
    everything = list(found)
    return [one for one in everything if owned(read(one), wanted)] or everything


def known(live: Mapping[str, str], wanted: Mapping[Any, Any] | None) -> bool:
    """Tell whether ``live`` says itself that it belongs to whoever gives the tags ``wanted``.

    Where these have no marks, any of them does.
    """
    if marks(wanted):
        return owned(live, wanted)
    return any(live.get(key) == value for key, value in texts(wanted or {}).items())


def adopts(adopt: Collection[str], kind: str, name: str) -> bool:
    """Tell whether ``adopt`` has the resource, as ``kind/name``, or its name alone, which stands for every kind."""
    return name in adopt or f"{kind}/{name}" in adopt


def refusal(kind: str, name: str, live: Mapping[str, str], wanted: Mapping[Any, Any], shown: str = "") -> str:
    """Return why a resource (``"iam_role"``, ``"one-node"``) is not touched, and what to do.

    ``shown`` is what to call it instead, such as a part of it by which it was found.
    """
    asked = marks(wanted) or texts(wanted)
    has = ", ".join(f"{key}={live[key]}" for key in asked if key in live) or "none of these"
    return (
        f"{shown or f'{KINDS[kind]} {name}'} has a name of this fleet's and not its tags: expected "
        f"{', '.join(f'{key}={value}' for key, value in asked.items())}, found {has}. Nothing was changed. Rename or "
        f"delete it; or, if this fleet is to own it, run with -e fleet_adopt={kind}/{name} (a module: with adopt)."
    )
