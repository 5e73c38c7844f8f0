# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removal of resources whose creation failed, so that the next run of a playbook creates them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from localcloud.aws import ministack, store
from localcloud.aws.eks import clusters, nodegroups
from localcloud.model import ClusterBackend

NODES_SECONDS = 60.0
"""Seconds to wait until the nodes of a node group are deleted."""


def remove_failed(scopes: Iterable[tuple[str, str]], behind: ClusterBackend | None) -> list[str]:
    """Delete FAILED clusters and CREATE_FAILED node groups; return one line for each.

    :param scopes: accounts and regions
    :param behind: the backend of the clusters' control planes
    """
    said = []
    for account, region in sorted(set(scopes)):
        with ministack.request_scope(account, region):
            said += [_line(f"Cluster {record['name']}", "FAILED", record) for record in clusters.remove_failed(behind)]
            groups = nodegroups.remove_failed()
            said += [
                _line(f"Node group {group['clusterName']}/{group['nodegroupName']}", "CREATE_FAILED", group)
                for group in groups
            ]
            deadline = time.monotonic() + NODES_SECONDS
            # A node group cannot be created while it is being deleted.
            while any(group in store.nodegroups_all.values() for group in groups) and time.monotonic() < deadline:
                time.sleep(0.1)
    return said


def _line(what: str, status: str, record: store.Record) -> str:
    reasons = "; ".join(_short(issue["message"]) for issue in record.get("health", {}).get("issues", []))
    return f"{what} was {status} ({reasons or 'no reason given'}): it is deleted, and the next run creates it"


def _short(message: str) -> str:
    """Return the first line, and the last line of a log that follows it."""
    first, *rest = message.splitlines() or [""]
    return " ".join([first, *rest[-1:]])
