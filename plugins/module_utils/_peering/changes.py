# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of this package have in common: the fields that change, and calls that check mode leaves out."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._peering import api


class Changes:
    """``before`` and ``after`` are the fields that change."""

    def __init__(self, module: Any) -> None:  # noqa: ANN401 - AnsibleAWSModule
        self.module = module
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}

    def _do(self, client: Any, operation: str, **arguments: object) -> dict[str, Any]:  # noqa: ANN401
        return {} if self.module.check_mode else api.call(client, operation, **arguments)
