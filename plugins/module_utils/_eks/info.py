# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the _info modules return. Resources that vanish between listing and describing are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import api
from .access_module import described_entry
from .addon_module import associations_of, described
from .aliases import Client, Document, Value
from .transformations import result

Documents = list[dict[str, Value]]


def clusters(options: Mapping[str, Any], client: Client) -> Documents:
    """The clusters of O(names), or all, with what O(include) asks for."""
    found = []
    for name in _names(options.get("names"), lambda: api.list_clusters(client)):
        cluster = api.describe_cluster(client, name)
        if cluster is not None:
            more = {kind: _INCLUDED[kind](client, name) for kind in options["include"]}
            found.append({**result(cluster), **more})
    return found


def nodegroups(options: Mapping[str, Any], client: Client) -> Documents:
    cluster = options["cluster_name"]
    listed = _names(options.get("names"), lambda: api.list_nodegroups(client, cluster))
    return _results(api.describe_nodegroup(client, cluster, name) for name in listed)


def addons(options: Mapping[str, Any], client: Client) -> Documents:
    cluster = options["cluster_name"]
    listed = _names(options.get("names"), lambda: api.list_addons(client, cluster))
    found = (api.describe_addon(client, cluster, name) for name in listed)
    return [described(addon, associations_of(client, cluster, addon)) for addon in found if addon is not None]


def access_entries(options: Mapping[str, Any], client: Client) -> Documents:
    cluster = options["cluster_name"]
    listed = _names(options.get("principal_arns"), lambda: api.list_access_entries(client, cluster))
    found = (api.describe_access_entry(client, cluster, principal) for principal in listed)
    return [
        described_entry(entry, api.list_associated_access_policies(client, cluster, entry["principalArn"]))
        for entry in found
        if entry is not None
    ]


def associations(options: Mapping[str, Any], client: Client) -> Documents:
    cluster = options["cluster_name"]
    listed = api.list_pod_identity_associations(
        client, cluster, options.get("namespace"), options.get("service_account")
    )
    return _results(api.describe_pod_identity_association(client, cluster, a["associationId"]) for a in listed)


def insights(client: Client, cluster: str) -> Documents:
    """All insights of a cluster in full."""
    return _results(api.describe_insight(client, cluster, i["id"]) for i in api.list_insights(client, cluster))


def updates(client: Client, cluster: str) -> Documents:
    """All updates of a cluster itself, newest first."""
    found = _results(api.describe_update(client, cluster, update) for update in api.list_updates(client, cluster))
    return sorted(found, key=lambda update: str(update.get("created_at", "")), reverse=True)


_INCLUDED: Mapping[str, Callable[[Client, str], Documents]] = {
    "nodegroups": lambda client, cluster: nodegroups({"cluster_name": cluster}, client),
    "addons": lambda client, cluster: addons({"cluster_name": cluster}, client),
    "access_entries": lambda client, cluster: access_entries({"cluster_name": cluster}, client),
    "pod_identity_associations": lambda client, cluster: associations({"cluster_name": cluster}, client),
    "insights": insights,
    "updates": updates,
}


def _names(given: list[str] | None, listed: Callable[[], list[str]]) -> list[str]:
    return list(dict.fromkeys(given)) if given else sorted(listed())


def _results(documents: Iterable[Document | None]) -> Documents:
    return [result(document) for document in documents if document is not None]
