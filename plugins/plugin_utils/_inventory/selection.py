# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the clusters found become hosts, and under which names. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._libraries import needed

Cluster = Mapping[str, Any]
Value = Any  # whatever JSON can hold
# A host's name is a part of paths (host_vars/<name>) and of patterns: neither is for what was found to choose.
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_NO_GROUP = re.compile(r"[/\\\x00-\x1f\x7f]|^\.\.?$")


class SelectionError(Exception):
    """An option that cannot be understood, or does not fit the clusters found."""


def compile_query(expression: str | None, identify: Callable[[Cluster], str]) -> Callable[[Cluster], bool]:
    """A test of one cluster by a JMESPath expression. Raises SelectionError for a bad one."""
    if not expression:
        return lambda _cluster: True
    with needed("jmespath", SelectionError):
        import jmespath  # noqa: PLC0415 - only needed with a query
    try:
        compiled = jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        raise SelectionError(f"query is not a JMESPath expression: {error}") from error

    def matches(cluster: Cluster) -> bool:
        try:
            return truthy(compiled.search(cluster))
        except jmespath.exceptions.JMESPathError as error:
            raise SelectionError(f"query cannot be applied to cluster {identify(cluster)}: {error}") from error

    return matches


def truthy(value: Value) -> bool:
    """JMESPath's idea of truth: https://jmespath.org/specification.html#or-expressions

    >>> [truthy(v) for v in (None, False, "", [], {}, 0, "x")]
    [False, False, False, False, False, True, True]
    """
    return value is not None and value is not False and value not in ("", [], {})


def by_host_name(
    clusters: Iterable[Cluster], host_name: Callable[[Cluster], str]
) -> tuple[dict[str, Cluster], dict[str, list[Cluster]]]:
    """The clusters by their host names, and the names that more than one cluster has."""
    found: dict[str, list[Cluster]] = {}
    for cluster in clusters:
        found.setdefault(host_name(cluster), []).append(cluster)
    unique = {name: each[0] for name, each in found.items() if len(each) == 1}
    return unique, {name: each for name, each in found.items() if len(each) > 1}


def matches_one(value: str, patterns: Iterable[object]) -> bool:
    """Whether a value matches one of the patterns, as in a shell."""
    return any(fnmatch.fnmatchcase(value, str(pattern)) for pattern in patterns)


def is_host_name(name: str) -> bool:
    """Whether a host can have the name."""
    return bool(_HOST.fullmatch(name))


def name_fault(name: str, groups: Collection[str]) -> str:
    """Why a cluster cannot become a host of this name, or nothing. ``groups`` are names of groups."""
    if not is_host_name(name):
        return "a host's name has up to 253 letters, digits, '.', '_' and '-', and begins with a letter or a digit."
    if name in groups:
        return "that is the name of a group, and plays on the group would mean the host."
    return ""


def group_fault(name: str, hosts: Collection[str]) -> str:
    """Why a group that discovery made cannot have this name, or nothing."""
    if _NO_GROUP.search(name):
        return f"groups or keyed_groups would make the group {name!r}, which is a path of files beside group_vars."
    if name in hosts:
        return f"groups or keyed_groups would make the group {name!r}, which is the name of a host."
    return ""
