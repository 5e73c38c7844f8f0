# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the values that a fleet shares, their creators, and the message for a missing value. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._documents.plan import PLACEHOLDER

# The documents that a member's own run makes; all others are made by the controlplane's run for every member.
OWN = ("tls", "passwords")
CONTROLPLANE = "controlplane"
# The first document that a member's own run makes, once its cluster is there.
BUILT = "tls"
# The tag of a member's secrets.
MEMBER = "dataplatform.fleet/member"
_PREFIX = f"{PLACEHOLDER}:"


class PathError(Exception):
    """A path that cannot name anything."""


@dataclass(frozen=True)
class Path:
    """``member/document/key/key`` of a secret, or the path of a parameter, which is one text."""

    fleet: str
    text: str
    kind: str  # "secret" or "parameter"

    def __post_init__(self) -> None:
        parts = self.text.split("/")
        if not all(parts) or (self.kind == "secret" and len(parts) < 3):
            form = "<member>/<document>/<key>" if self.kind == "secret" else "<word>/<word>"
            raise PathError(f"{self.text!r} is not a path of a {self.kind}: the form is {form}.")

    @property
    def member(self) -> str:
        """The member it belongs to; parameters are the controlplane's."""
        return self.text.split("/")[0] if self.kind == "secret" else CONTROLPLANE

    @property
    def name(self) -> str:
        """Its name in Secrets Manager or in the parameter store."""
        if self.kind == "secret":
            return "/".join([self.fleet, *self.text.split("/")[:2]])
        return f"/{self.fleet}/{self.text}"

    @property
    def keys(self) -> list[str]:
        """The keys inside the document."""
        return self.text.split("/")[2:] if self.kind == "secret" else []

    @property
    def made_by_its_member(self) -> bool:
        return self.kind == "secret" and self.text.split("/")[1] in OWN


def pick(document: Any, keys: list[str]) -> str | None:  # noqa: ANN401 - what JSON holds
    """Return the text at ``keys``, or None. What is not text is no value: a whole document is never handed out."""
    for key in keys:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document if isinstance(document, str) else None


def comes_with_this_run(path: Path, groups: Mapping[str, Collection[str]], host: str) -> bool:
    """Whether the run at hand, on ``groups['managed']``, makes what ``path`` names."""
    managed = set(groups.get("managed", ()))
    if path.made_by_its_member:
        return path.member == host or path.member in managed
    return bool(managed & set(groups.get("purpose_controlplane", ())))


def missing(path: Path, region: str, members: Collection[str] | None) -> str:
    """Say that ``path`` does not exist, and what to run first."""
    what = f", or its key {'/'.join(path.keys)}," if path.keys else ""
    text = f"The {path.kind} {path.name}{what} does not exist in {region}."
    if members is not None and path.kind == "secret" and path.member not in members:
        return f"{text} {path.member} is not in fleet_members: declare it in inventories/fleet.yml first."
    maker = path.member if path.made_by_its_member else CONTROLPLANE
    whose = f"{path.member}'s own run" if path.made_by_its_member else "The controlplane's run"
    for_whom = f" for the member {path.member}" if path.kind == "secret" and maker != path.member else ""
    return f"{text} {whose} creates it{for_whom}. Run first: ansible-playbook site.yml -i inventories/{maker}"


def placeholder(path: Path) -> str:
    """What check mode shows instead of a value that the run will make."""
    return f"{_PREFIX}{path.text}"


def is_placeholder(value: str) -> bool:
    """Whether a value is such a text."""
    return value.startswith(_PREFIX)
