# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of the _info modules, without resources that are deleted between listing and describing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._at_once import at_once
from .._aws.aliases import Client, Document, Value
from .._aws.run import Run, run
from . import api
from .access_module import described_entry
from .addon_module import associations_of, described
from .transformations import result

Documents = list[dict[str, Value]]


def read(
    module: Any,  # noqa: ANN401 - AnsibleAWSModule
    about: str,
    key: str,
    look: Callable[[Mapping[str, Any], Client], Documents],
) -> None:
    """Exit the module with the result of *look* under *key*, or with an error. *about* names what is read."""

    def work(this: Run) -> dict[str, Value]:
        this.about = f"read {about}"
        return {"changed": False, key: look(this.options, this.client("eks"))}

    run(module, about, work)


def clusters(options: Mapping[str, Any], client: Client) -> Documents:
    """Return the clusters of O(names), or all, with the details in O(include)."""
    found = []
    listed = _names(options.get("names"), lambda: api.list_clusters(client))
    for name, cluster in zip(listed, at_once(lambda name: api.describe_cluster(client, name), listed), strict=True):
        if cluster is not None:
            more = {kind: _INCLUDED[kind](client, name) for kind in options["include"]}
            found.append({**result(cluster), **more})
    return found


def nodegroups(options: Mapping[str, Any], client: Client) -> Documents:
    cluster = options["cluster_name"]
    listed = _names(options.get("names"), lambda: api.list_nodegroups(client, cluster))
    return _results(at_once(lambda name: api.describe_nodegroup(client, cluster, name), listed))


def addons(options: Mapping[str, Any], client: Client) -> Documents:
    cluster = options["cluster_name"]
    listed = _names(options.get("names"), lambda: api.list_addons(client, cluster))

    def read(name: str) -> dict[str, Value] | None:
        addon = api.describe_addon(client, cluster, name)
        return None if addon is None else described(addon, associations_of(client, cluster, addon))

    return [addon for addon in at_once(read, listed) if addon is not None]


def access_entries(options: Mapping[str, Any], client: Client) -> Documents:
    cluster = options["cluster_name"]
    listed = _names(options.get("principal_arns"), lambda: api.list_access_entries(client, cluster))

    def read(principal: str) -> dict[str, Value] | None:
        entry = api.describe_access_entry(client, cluster, principal)
        if entry is None:
            return None
        return described_entry(entry, api.list_associated_access_policies(client, cluster, entry["principalArn"]))

    return [entry for entry in at_once(read, listed) if entry is not None]


def associations(options: Mapping[str, Any], client: Client) -> Documents:
    cluster = options["cluster_name"]
    listed = api.list_pod_identity_associations(
        client, cluster, options.get("namespace"), options.get("service_account")
    )
    ids = [one["associationId"] for one in listed]
    return _results(at_once(lambda one: api.describe_pod_identity_association(client, cluster, one), ids))


def insights(client: Client, cluster: str) -> Documents:
    """All insights of a cluster in full."""
    ids = [one["id"] for one in api.list_insights(client, cluster)]
    return _results(at_once(lambda one: api.describe_insight(client, cluster, one), ids))


def updates(client: Client, cluster: str) -> Documents:
    """All updates of a cluster itself, newest first."""
    listed = api.list_updates(client, cluster)
    found = _results(at_once(lambda update: api.describe_update(client, cluster, update), listed))
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
