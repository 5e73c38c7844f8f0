# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_members
short_description: The members of the fleet that have been built
version_added: 0.1.0
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - Returns the names of those declared members whose own run has come as far as their certificates, and that were not
    destroyed since. They are told by their secret C(<fleet>/<member>/tls) in AWS Secrets Manager, so that nobody needs
    to reach the members' own accounts.
  - In check mode, members of the run at hand are among them, since it will build them, unless O(planned=false). Where
    O(values) has certificates of members, these are the ones.
  - A process reads the names of the secrets only once.
requirements:
  - botocore
options:
  _terms:
    description: Nothing.
    type: list
    elements: str
  undeclared:
    description:
      - Whether, instead, the members are returned that have been built and are not declared. Those are told by the tag
        C(dataplatform.fleet/member) of the same secret.
    type: bool
    default: false
  planned:
    description: Whether, in check mode, members of the run at hand count as built. What removes them builds none.
    type: bool
    default: true
  removed:
    description:
      - The names of members that leave the fleet, separated by commas, as they were typed. They are not among the
        undeclared ones.
    type: str
    default: ""
    vars:
      - name: remove
extends_documentation_fragment:
  - dataplatform.fleet.shared_values
"""

EXAMPLES = r"""
- name: Show who is there
  ansible.builtin.debug:
    msg: "{{ query('dataplatform.fleet.fleet_members') }}"

- name: Show who is there and in no inventory
  ansible.builtin.debug:
    msg: "{{ query('dataplatform.fleet.fleet_members', undeclared=true) }}"
"""

RETURN = r"""
_raw:
  description: The names, sorted. Where M(dataplatform.fleet.render) renders, those of all declared members.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.lookup import (
    SharedLookup,
    with_placeholders,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.names import BUILT, MEMBER
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.reader import read_tags


class LookupModule(SharedLookup):
    """List the members from Secrets Manager."""

    def find(self, terms: list[str], known: Mapping[str, Any]) -> list[str]:
        declared = set(self.get_option("members") or {})
        if terms:
            raise AnsibleLookupError(f"fleet_members has no terms, but got {', '.join(map(str, terms))}.")
        undeclared = self.get_option("undeclared")
        if with_placeholders():
            return [] if undeclared else sorted(declared)
        by_hand = {path.split("/")[0] for path in self.get_option("values") or {} if path.split("/")[1:2] == [BUILT]}
        if by_hand & declared and not undeclared:
            return sorted(by_hand & declared)
        fleet = self.get_option("fleet")
        names = {f"{fleet}/{member}/{BUILT}": member for member in declared}
        found = read_tags(self.get_option("connection"), f"{fleet}/", f"/{BUILT}", names)
        if undeclared:
            tagged = {
                tags.get(MEMBER, "") for name, tags in found.items() if name == f"{fleet}/{tags.get(MEMBER)}/{BUILT}"
            }
            removed = {name.strip() for name in self.get_option("removed").split(",")}
            return sorted((tagged | by_hand) - declared - removed)
        built = {member for name, member in names.items() if name in found}
        if known.get("ansible_check_mode") and self.get_option("planned"):
            built |= declared & set(self._templar.template(known.get("groups", {})).get("managed", ()))
        return sorted(built)
