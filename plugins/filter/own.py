# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several resources with the same name belong to the fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import owned, preferred


def own(
    found: Iterable[Mapping[str, Any]], tags: Mapping[str, Any] | None, *, strict: bool = False
) -> list[Mapping[str, Any]]:
    """Return the resources in ``found`` with the ownership ``tags``; if there are none, all, or none if ``strict``."""
    if strict:
        return [one for one in found if owned(one.get("tags") or {}, tags)]
    return preferred(found, tags, lambda one: one.get("tags") or {})


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"own": own}
