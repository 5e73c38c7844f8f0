# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controlplane's run writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.credentials import credential
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.issuers import Issuer
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.plan import Document, Root, Times


def fleet_documents(
    documents: Mapping[str, Mapping[str, Any]],
    root: Root,
    issuers: Sequence[Issuer],
    made: Mapping[str, Mapping[str, str]],
    *,
    times: Times,
    rotate: Collection[str],
) -> list[Document]:
    """Return the documents from those that are there and what was ``made`` of what is due, by member."""
    found: list[Document] = [{"name": "ca", "secret": root.document}]
    for issuer in issuers:
        member, tags = issuer.member, {"dataplatform.fleet/member": issuer.member}
        secret = issuer.written(made.get(member, {}), root.bundle)
        kafka = credential(documents.get(f"{member}/kafka", {}), member, times, rotate)
        found.append({"name": f"{member}/issuer", "secret": secret, "tags": tags})
        found.append({"name": f"{member}/kafka", **kafka, "tags": tags})
    return found
