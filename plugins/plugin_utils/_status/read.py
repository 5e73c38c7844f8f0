# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a cluster's components: one list for each kind, all at once."""

from __future__ import annotations

from typing import Any, Final

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applyset import ID, PART_OF
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._status.components import KINDS, Component, components

_OF_A_SET: Final = {"labelSelector": PART_OF}
_REQUESTS: Final = (
    ("/api/v1/configmaps", {"labelSelector": ID}),
    ("/api/v1/pods", {}),
    ("/api/v1/nodes", {}),
    *((f"/apis/apps/v1/{kind.lower()}s", _OF_A_SET) for kind in KINDS),
)


def read(client: Client) -> list[Component]:
    """The components of the cluster that *client* speaks to."""

    def items(request: tuple[str, dict[str, str]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get(*request).get("items") or []
        return found

    parents, pods, nodes, *lists = client.map(items, _REQUESTS)
    workloads = [{**item, "kind": kind} for kind, part in zip(KINDS, lists, strict=True) for item in part]
    return components(workloads, parents, pods, nodes)
