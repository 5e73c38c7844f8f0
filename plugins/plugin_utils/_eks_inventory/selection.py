# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clusters become hosts, and under which names. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.selection import (
    Cluster,
    SelectionError,
    matches_one,
    name_fault,
)

NAME_FIELDS = ("name", "region", "account_id")


def select(clusters: Iterable[Cluster], names: Sequence[str], tags: Mapping[str, str | Sequence[str]]) -> list[Cluster]:
    """The clusters with one of the names (globs) and all of the tags (globs)."""
    return [
        cluster
        for cluster in clusters
        if (not names or matches_one(cluster["name"], names))
        and all(_has_tag(cluster, key, wanted) for key, wanted in tags.items())
    ]


def host_name(cluster: Cluster, preferences: Sequence[str]) -> str:
    """Return the first preference that gives a name. Raises SelectionError for an invalid preference."""
    for preference in preferences:
        name = _preferred(cluster, preference)
        if name:
            return name
    raise SelectionError(f"None of the hostnames {', '.join(preferences)} gives a name to cluster {cluster['arn']}.")


def ambiguity_text(name: str, clusters: Iterable[Cluster]) -> str:
    """Return the message for a name of several clusters, with a way to distinguish them."""
    which = " and ".join(cluster["arn"] for cluster in clusters)
    return (
        f"The host name {name} would mean {which}. Give them different values of the tag that names them, leave one "
        "out by regions or filters, or tell them apart with hostnames: [name-region] or [name-region-account_id]."
    )


def fault_text(name: str, cluster: Cluster, groups: Collection[str]) -> str:
    """Return why a cluster cannot become a host with this name, with a remedy; or an empty text."""
    why = "" if name == cluster["arn"] and name not in groups else name_fault(name, groups)
    if not why:
        return ""
    return (
        f"The cluster {cluster['arn']} would be the host {name!r}: {why} Correct the tag that names it, choose others "
        "with hostnames, or leave it out by names or tags."
    )


def _preferred(cluster: Cluster, preference: str) -> str:
    if preference.startswith("tag:"):
        return str(cluster["tags"].get(preference.removeprefix("tag:"), ""))
    if preference == "arn":
        return str(cluster["arn"])
    parts = preference.split("-")
    if not set(parts) <= set(NAME_FIELDS):
        raise SelectionError(
            f"hostnames: {preference} is none of tag:KEY, arn, and {', '.join(NAME_FIELDS)} or several joined by -."
        )
    return "-".join(str(cluster[part]) for part in parts)


def _has_tag(cluster: Cluster, key: str, wanted: str | Sequence[str]) -> bool:
    patterns = [wanted] if isinstance(wanted, str) else wanted
    value = cluster["tags"].get(key)
    return value is not None and matches_one(value, patterns)
