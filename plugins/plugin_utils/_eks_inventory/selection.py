# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clusters become hosts, and under which names. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

Cluster = Mapping[str, Any]
Value = Any  # whatever JSON can hold
NAME_FIELDS = ("name", "region", "account_id")
# A host's name is a part of paths (host_vars/<name>) and of patterns: neither is for a tag to choose.
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_NO_GROUP = re.compile(r"[/\\\x00-\x1f\x7f]|^\.\.?$")


class SelectionError(Exception):
    """An option that cannot be understood, or does not fit the clusters found."""


def select(
    clusters: Iterable[Cluster],
    names: Sequence[str],
    tags: Mapping[str, str | Sequence[str]],
    matches: Callable[[Cluster], bool],
) -> list[Cluster]:
    """The clusters with one of the names (globs), all of the tags (globs) and that match the query."""
    return [
        cluster
        for cluster in clusters
        if (not names or any(fnmatch.fnmatchcase(cluster["name"], name) for name in names))
        and all(_has_tag(cluster, key, wanted) for key, wanted in tags.items())
        and matches(cluster)
    ]


def compile_query(expression: str | None) -> Callable[[Cluster], bool]:
    """A test of one cluster by a JMESPath expression. Raises SelectionError for a bad one."""
    if not expression:
        return lambda _cluster: True
    try:
        import jmespath  # noqa: PLC0415 - only needed with a query
    except ImportError as error:
        raise SelectionError(f"The option query needs the Python package jmespath: {error}") from error
    try:
        compiled = jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        raise SelectionError(f"query is not a JMESPath expression: {error}") from error

    def matches(cluster: Cluster) -> bool:
        try:
            return truthy(compiled.search(cluster))
        except jmespath.exceptions.JMESPathError as error:
            raise SelectionError(f"query cannot be applied to cluster {cluster['arn']}: {error}") from error

    return matches


def truthy(value: Value) -> bool:
    """JMESPath's idea of truth: https://jmespath.org/specification.html#or-expressions

    >>> [truthy(v) for v in (None, False, "", [], {}, 0, "x")]
    [False, False, False, False, False, True, True]
    """
    return value is not None and value is not False and value not in ("", [], {})


def host_name(cluster: Cluster, preferences: Sequence[str]) -> str:
    """The first preference that gives a name. Raises SelectionError for a preference that is none."""
    for preference in preferences:
        name = _preferred(cluster, preference)
        if name:
            return name
    raise SelectionError(f"None of the hostnames {', '.join(preferences)} gives a name to cluster {cluster['arn']}.")


def by_host_name(
    clusters: Iterable[Cluster], preferences: Sequence[str]
) -> tuple[dict[str, Cluster], dict[str, list[Cluster]]]:
    """The clusters by their host names, and the names that more than one cluster has."""
    found: dict[str, list[Cluster]] = {}
    for cluster in clusters:
        found.setdefault(host_name(cluster, preferences), []).append(cluster)
    unique = {name: each[0] for name, each in found.items() if len(each) == 1}
    return unique, {name: each for name, each in found.items() if len(each) > 1}


def ambiguity_text(name: str, clusters: Iterable[Cluster]) -> str:
    """That a name means several clusters, and how to tell them apart."""
    which = " and ".join(cluster["arn"] for cluster in clusters)
    return (
        f"The host name {name} would mean {which}. Give them different values of the tag that names them, leave one "
        "out by regions or filters, or tell them apart with hostnames: [name-region] or [name-region-account_id]."
    )


def name_fault(name: str, cluster: Cluster, groups: Collection[str]) -> str:
    """Why a cluster cannot become a host of this name, or nothing. ``groups`` are names of groups."""
    if name != cluster["arn"] and not _HOST.fullmatch(name):
        why = "a host's name has up to 253 letters, digits, '.', '_' and '-', and begins with a letter or a digit."
    elif name in groups:
        why = "that is the name of a group, and plays on the group would mean the host."
    else:
        return ""
    return (
        f"The cluster {cluster['arn']} would be the host {name!r}: {why} Correct the tag that names it, choose others "
        "with hostnames, or leave it out by names or tags."
    )


def group_fault(name: str, hosts: Collection[str]) -> str:
    """Why a group that discovery made cannot have this name, or nothing."""
    if _NO_GROUP.search(name):
        return f"groups or keyed_groups would make the group {name!r}, which is a path of files beside group_vars."
    if name in hosts:
        return f"groups or keyed_groups would make the group {name!r}, which is the name of a host."
    return ""


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
    return value is not None and any(fnmatch.fnmatchcase(value, str(pattern)) for pattern in patterns)
