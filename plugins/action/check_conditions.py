# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fail with the messages of all conditions that do not hold."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import Templar


class ActionModule(ActionBase):  # type: ignore[misc]
    """Evaluate conditions on the controller."""

    _requires_connection = False
    _supports_async = False

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Templar, context: Any) -> Any:  # noqa: ANN401, ARG003 - Ansible's signature
        """Leave the conditions to `run`: most messages are never needed, and a few have a value only when they are."""
        return value

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, args = self.validate_argument_spec(
            argument_spec={
                "conditions": {
                    "type": "list",
                    "elements": "dict",
                    "required": True,
                    "options": {
                        "that": {"type": "raw", "required": True},
                        "fail_msg": {"type": "raw", "required": True},
                    },
                }
            }
        )
        faults: list[str] = []
        for condition in args["conditions"]:
            every = condition["that"] if isinstance(condition["that"], list) else [condition["that"]]
            try:
                if not all(self._templar.evaluate_conditional(each) for each in every):
                    faults.append(str(self._templar.template(condition["fail_msg"])))
            except AnsibleError:
                # The conditions that failed before can be the reason.
                if faults:
                    break
                raise
        if faults:
            return {"failed": True, "faults": faults, "msg": "\n".join(faults)}
        return {"changed": False, "faults": []}
