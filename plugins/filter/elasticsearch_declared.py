# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the options of the role elasticsearch to the objects that its reconciler manages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._elasticsearch.declared import declared


def elasticsearch_declared(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, templates, data streams, roles, users, repositories and policies by name."""
    return declared(options)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"elasticsearch_declared": elasticsearch_declared}
