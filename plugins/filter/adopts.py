# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which existing resources the options name for adoption by the fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership import tags


def names_to_adopt(given: str | Iterable[str] | None) -> list[str]:
    """Return names as a list; ``given`` is a list or a comma-separated text."""
    entries = given.split(",") if isinstance(given, str) else given or ()
    return [name for entry in entries if (name := str(entry).strip())]


def adopts(given: str | Iterable[str] | None, kind: str, name: str) -> bool:
    """Tell whether the names ``given`` have the resource ``name`` of that kind.

    Raises AnsibleFilterError for an unknown kind.
    """
    if kind not in tags.KINDS:
        raise AnsibleFilterError(
            f"adopts: {kind!r} is not a kind of resource. Kinds are: {', '.join(sorted(tags.KINDS))}."
        )
    return tags.adopts(names_to_adopt(given), kind, name)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"adopts": adopts, "names_to_adopt": names_to_adopt}
