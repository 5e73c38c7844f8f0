# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: held_lock
short_description: Demand that the run holds the lock on a cluster
version_added: 0.1.0
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - As the C(environment) of a play, it makes each task of the play fail unless this run has taken the lock on the
    cluster, with M(dataplatform.fleet.run_lock), and holds it.
  - It returns the environment variable by which M(dataplatform.fleet.apply) and the modules of this collection demand
    the same again before each of their calls, and by which the process that keeps the lock knows what belongs to the
    run.
  - A lock is held as long as the process that keeps it has renewed it, up to a minute before its time to live is over.
    AWS is not asked.
  - With C(--check) no lock is taken, and none is demanded. Nor is it for the validation of a role's arguments, which
    Ansible does whatever tags are chosen.
  - A worker process that has evaluated it ends with its run, on Linux.
options:
  _terms:
    description: The O(dataplatform.fleet.run_lock#module:name) of the lock.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Change a cluster under its lock
  hosts: managed
  gather_facts: false
  environment: "{{ lookup('dataplatform.fleet.held_lock', fleet_cluster) }}"
  roles:
    - dataplatform.fleet.vpc
"""

RETURN = r"""
_raw:
  description: A dictionary with one environment variable, which is empty in check mode.
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible import context
from ansible._internal._task import TaskContext  # the only way from a lookup to the task that it is evaluated for
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock import held
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.errors import LostError
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.heartbeat import VARIABLE
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import run
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._lock.lock import not_taken_text

display = Display()


class LookupModule(LookupBase):  # type: ignore[misc]
    """Read the files of the process that keeps the lock."""

    def run(
        self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: object
    ) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=kwargs)
        run.end_with_it()
        # Not a variable: it could claim check mode in a run that changes something.
        if context.CLIARGS.get("check") or _validates():
            return [{} for _ in terms]
        try:
            return [{VARIABLE: _held(str(cluster))} for cluster in terms]
        except LostError as error:
            raise AnsibleLookupError(str(error)) from None


def _validates() -> bool:
    current = TaskContext.current(optional=True)
    return current is not None and current.task.action == "ansible.builtin.validate_argument_spec"


def _held(cluster: str) -> str:
    """Return the path of the files of the lock on a cluster. Raises LostError unless this run holds it."""
    for place, memory in held.memories(run.directory()):
        if memory["lock"]["cluster"] == cluster:
            problem = held.demand(place)
            if problem:
                display.warning(
                    f"The lock on cluster {cluster} is not being renewed: {problem}. Unless that ends, the run stops "
                    "before the lock does."
                )
            return place
    raise LostError(not_taken_text(cluster))
