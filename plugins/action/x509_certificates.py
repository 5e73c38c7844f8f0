# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create private keys and their certificates."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.dataplatform.fleet.plugins.module_utils._libraries import needed
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.signing import Wanted, create


class ActionModule(ActionBase):  # type: ignore[misc]
    """Create them on the controller, in the process of the task: no secret leaves it but in the result."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        names = {"type": "list", "elements": "str", "default": []}
        _result, args = self.validate_argument_spec(
            argument_spec={
                "certificates": {
                    "type": "list",
                    "elements": "dict",
                    "required": True,
                    "options": {
                        "name": {"type": "str", "required": True},
                        "common_name": {"type": "str"},
                        "dns_names": names,
                        "not_after": {"type": "str", "required": True},
                        "path_length": {"type": "int"},
                        "excluded_dns_names": names,
                    },
                },
                "self_signed": {"type": "bool", "default": False},
                "issuer_certificate": {"type": "str"},
                "issuer_private_key": {"type": "str", "no_log": True},
            },
            required_if=[("self_signed", False, ("issuer_certificate", "issuer_private_key"))],
        )
        if self._task.check_mode:
            return {"changed": True, "certificates": {}}
        made = {}
        for one in args["certificates"]:
            wanted = Wanted(
                common_name=one["common_name"] or one["name"],
                not_after=one["not_after"],
                names=one["dns_names"],
                path_length=one["path_length"],
                excluded=one["excluded_dns_names"],
            )
            with needed("cryptography", AnsibleActionFail):
                import cryptography  # noqa: F401, PLC0415
            try:
                made[one["name"]] = create(wanted, args["issuer_certificate"], args["issuer_private_key"] or "")
            except ValueError as error:
                raise AnsibleActionFail(f"Could not create the certificate {one['name']}: {error}") from None
        return {"changed": bool(made), "certificates": made}
