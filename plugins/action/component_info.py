# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List what runs in a cluster. Documented in the module of the same name."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.environment import in_environment
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection, options
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApplyError, ClusterMissingError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._status.components import table
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._status.read import read


class ActionModule(ActionBase):  # type: ignore[misc]
    """Reads from the controller."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @in_environment
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, args = self.validate_argument_spec(options.cluster_options(), **options.CLUSTER_RULES)
        name = (task_vars or {}).get("inventory_hostname") or args["cluster"] or args["kubeconfig"]
        result["changed"] = False
        try:
            with Client(connection.server_for(args)) as client:
                found = read(client)
        except ClusterMissingError as error:
            return {**result, "exists": False, "components": [], "table": f"{name}: {error}"}
        except ApplyError as error:
            raise AnsibleActionFail(str(error)) from None
        components = [component.public() for component in found]
        return {**result, "exists": True, "components": components, "table": table(str(name), found)}
