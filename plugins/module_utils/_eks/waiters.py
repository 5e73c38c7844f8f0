# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of EKS resources: in progress, done or failed."""

from __future__ import annotations

from .._aws.aliases import Client, Document
from .._aws.errors import issues_text
from .._aws.waiters import Poller, Probe
from . import api


def resource_probe(document: Document | None) -> Probe:
    """Probe a cluster, node group or add-on until it is ACTIVE.

    DEGRADED is not final: a new add-on is DEGRADED until there are nodes for it.
    """
    if document is None:
        return Probe("absent", failed=True, reason="it was deleted by another run or user")
    status = document.get("status", "UNKNOWN")
    reason = issues_text((document.get("health") or {}).get("issues") or [])
    failed = status in ("FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_FAILED", "DELETING")
    return Probe(status, done=status == "ACTIVE", failed=failed, reason=reason)


def settled_probe(document: Document | None) -> Probe:
    """Like resource_probe, but done in any state in which EKS accepts a new call."""
    if document is None:
        return Probe("absent", done=True)
    status = document.get("status", "UNKNOWN")
    return Probe(status, done=status not in ("CREATING", "UPDATING", "DELETING", "PENDING"))


def gone_probe(document: Document | None) -> Probe:
    """Probe a resource until it is deleted."""
    if document is None:
        return Probe("absent", done=True)
    status = document.get("status", "UNKNOWN")
    reason = issues_text((document.get("health") or {}).get("issues") or [])
    return Probe(status, failed=status in ("DELETE_FAILED", "FAILED"), reason=reason)


def update_probe(update: Document | None) -> Probe:
    """Probe an Update record until it is Successful."""
    if update is None:
        return Probe("InProgress", reason="EKS does not list the update yet")
    status = update.get("status", "InProgress")
    reason = issues_text(update.get("errors") or [])
    return Probe(status, done=status == "Successful", failed=status in ("Failed", "Cancelled"), reason=reason)


def wait_for_update(
    poller: Poller,
    client: Client,
    update_id: str,
    on: str,
    *,
    cluster: str,
    nodegroup: str | None = None,
    addon: str | None = None,
) -> None:
    """Wait until the Update record *update_id* is Successful."""
    poller.until(on, lambda: update_probe(api.describe_update(client, cluster, update_id, nodegroup, addon)))


def running_updates(
    client: Client, cluster: str, nodegroup: str | None = None, addon: str | None = None
) -> list[Document]:
    """The Update records that are in progress now."""
    found = (
        api.describe_update(client, cluster, update_id, nodegroup, addon)
        for update_id in api.list_updates(client, cluster, nodegroup, addon)
    )
    return [update for update in found if update and update.get("status") == "InProgress"]
