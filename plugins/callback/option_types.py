# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert variables to the types that the roles of this collection declare."""

from __future__ import annotations

DOCUMENTATION = r"""
name: option_types
type: aggregate
short_description: Gives variables the types that the roles declare
version_added: 0.1.0
description:
  - Ansible validates the options of a role against its C(meta/argument_specs.yml), and then uses each option as it was
    given. Extra variables of the form C(-e name=value), the answers of an AWX survey and quoted values are text, and
    the text V(false) is true where a condition or a template uses it.
  - At the start of each play, this callback converts each variable that is an option of a role of this collection to
    the declared type, as a module converts its options. Extra variables are replaced; for other variables of a host,
    the converted value becomes a fact of the host. No other variable is changed.
  - In a dictionary or a list, a whole number or a boolean that is given as text is converted where the role takes only
    these, by C(meta/limits.yml).
  - A template has its type when it is used. A value that cannot be converted stays as it is, and the validation of the
    role's arguments refuses it.
  - Nothing is printed.
requirements:
  - V(dataplatform.fleet.option_types) in the setting C(callbacks_enabled) of C(ansible.cfg), as in the C(ansible.cfg)
    of this project. Without it, M(dataplatform.fleet.check_role_options) refuses text for a boolean or a number.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

from collections.abc import Mapping
from typing import Any

from ansible.playbook.play import Play
from ansible.plugins.callback import CallbackBase
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.options import (
    all_specifications,
    converted,
    role_of_options,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.options import typed_parts


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Convert variables at the start of each play."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "dataplatform.fleet.option_types"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_play_start(self, play: Play) -> None:
        variables = play.get_variable_manager()
        variables.extra_vars.update(_changed(variables.extra_vars))
        for host in variables._inventory.get_hosts():
            facts = _changed(variables.get_vars(host=host, include_hostvars=False))
            if facts:
                variables.set_nonpersistent_facts(host.name, facts)


def _changed(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options among the variables whose value does not have the declared type."""
    options, roles = all_specifications(), role_of_options()
    types = {name: converted(name, variables[name], options[name]) for name in variables.keys() & options.keys()}
    types |= {name: typed_parts(roles[name], name, value) for name, value in types.items() if name in roles}
    return {name: value for name, value in types.items() if not _same(value, variables[name])}


def _same(value: Any, other: Any) -> bool:  # noqa: ANN401 - what a variable holds
    """Whether two values are equal in their types too, as 1, "1" and True are not."""
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(_same(value[key], other[key]) for key in value)
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(_same(*pair) for pair in zip(value, other, strict=True))
    return value is other or (isinstance(value, str | bool) == isinstance(other, str | bool) and value == other)
