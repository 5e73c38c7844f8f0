# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the hosts of contexts are called. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.selection import (
    Cluster,
    SelectionError,
    is_host_name,
    name_fault,
)

NAME_FIELDS = ("context", "cluster", "user", "infrastructure_name", "slug")
_OTHER = re.compile(r"[^A-Za-z0-9._-]+")


def slug(context: str) -> str:
    """A context's name with a dash for what a host's name cannot have.

    >>> slug("default/api-example-com:6443/kube:admin")
    'default-api-example-com-6443-kube-admin'
    """
    return _OTHER.sub("-", context).strip("-._")


def host_name(cluster: Cluster, preferences: Sequence[str]) -> str:
    """The first preference that gives a host's name, else the context's. Raises SelectionError for one that is none."""
    known = {**cluster, "slug": slug(cluster["context"])}
    for preference in preferences:
        parts = preference.split("+")
        if not set(parts) <= set(NAME_FIELDS):
            raise SelectionError(
                f"hostnames: {preference} is none of {', '.join(NAME_FIELDS)}, or several joined by +."
            )
        name = "-".join(str(known[part]) for part in parts)
        if is_host_name(name):
            return name
    return str(cluster["context"])


def fault_text(name: str, what: str, groups: Collection[str]) -> str:
    """Why a context cannot become a host of this name, and what to do; or nothing."""
    why = name_fault(name, groups)
    if not why:
        return ""
    return (
        f"The context {what} would be the host {name!r}: {why} Rename it (kubectl config rename-context), choose "
        "another name with hostnames, or leave it out by names."
    )


def ambiguity_text(name: str, contexts: Sequence[str]) -> str:
    """That a name means several contexts, and how to tell them apart."""
    return (
        f"The host name {name} would mean the contexts {' and '.join(contexts)}. Rename one of them (kubectl config "
        "rename-context), leave it out by names, or tell them apart with hostnames: [context+cluster]."
    )
