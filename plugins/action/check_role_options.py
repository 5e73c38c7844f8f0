# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse variables that carry a role's prefix but are no option of it.

Ansible validates the options a role declares; a misspelt one is only a variable nobody reads, and its default applies
silently.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


def unknown_options(
    role: str, variables: Iterable[str], options: Iterable[str], siblings: Iterable[str] = ()
) -> dict[str, str | None]:
    """Return each variable with the prefix of ``role`` that is no option, with the nearest option or None.

    Variables of roles whose own name starts with the same prefix (``siblings``) are theirs.
    """
    known = sorted(options)
    foreign = tuple(f"{name}_" for name in siblings if name.startswith(f"{role}_"))
    return {
        name: next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), None)
        for name in sorted(variables)
        if name.startswith(f"{role}_") and name not in known and not (foreign and name.startswith(foreign))
    }


def unknown_keys(entries: Mapping[str, Any], allowed: Iterable[str]) -> dict[str, str | None]:
    """Return ``entry.key`` for each key of a dict of dicts that is not allowed, with the nearest key or None."""
    known = sorted(allowed)
    return {
        f"{entry}.{key}": next(iter(difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)), None)
        for entry, value in entries.items()
        if isinstance(value, Mapping)
        for key in value
        if key not in known
    }


class ActionModule(ActionBase):  # type: ignore[misc]
    """Compare the host's variables with the argument specification of the role that runs the task."""

    _requires_connection = False
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, args = self.validate_argument_spec(
            argument_spec={
                "reserved": {"type": "list", "elements": "str", "default": []},
                "entries": {"type": "dict", "default": {}},
            }
        )
        if self._task._role is None:
            raise AnsibleActionFail("check_role_options works only in the tasks of a role")
        path = Path(self._task._role._role_path)
        specification = path / "meta" / "argument_specs.yml"
        try:
            document = yaml.safe_load(specification.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise AnsibleActionFail(f"cannot read {specification}: {error}") from error
        options = document["argument_specs"]["main"].get("options", {})
        variables = task_vars or {}
        siblings = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]

        unknown = unknown_options(path.name, set(variables) - set(args["reserved"]), options, siblings)
        for option, allowed in args["entries"].items():
            value = self._templar.template(variables.get(option))
            if isinstance(value, Mapping):
                keys = unknown_keys(value, allowed)
                unknown.update({f"{option}.{key}": near for key, near in keys.items()})
        if not unknown:
            return {"changed": False, "unknown": []}
        host = variables.get("inventory_hostname", "this host")
        found = "; ".join(f"{name} (did you mean {near}?)" if near else name for name, near in unknown.items())
        return {
            "failed": True,
            "unknown": sorted(unknown),
            "msg": f"The role {path.name} has no such option: {found}. It is set in the variables of {host}. "
            f"The options are in {specification}.",
        }
