# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look up the cluster of a request."""

from __future__ import annotations

from localcloud.aws import store
from localcloud.aws.errors import invalid_request, not_found


def cluster(name: str, *, active: bool = False) -> store.Record:
    """Return the cluster's record; raises ResourceNotFoundException, or InvalidRequestException if it is not ACTIVE."""
    record = store.clusters.get(name)
    if record is None:
        raise not_found(f"No cluster found for name: {name}.", clusterName=name)
    if active and record["_status"] not in ("ACTIVE", "UPDATING"):
        raise invalid_request(f"Cluster '{name}' is not in ACTIVE status", clusterName=name)
    return record
