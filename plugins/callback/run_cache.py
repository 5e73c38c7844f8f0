# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do once what Ansible does again in each task and each run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_cache
type: aggregate
short_description: Does once what Ansible does again in each task and each run
version_added: 0.1.0
description:
  - Ansible starts a process for each task and host. Each one loads the plugins that it needs and compiles the templates
    that it evaluates, and each run finds the module utilities that each module needs.
  - This callback loads the plugins and the descriptions of AWS services that most tasks need before the first task.
    There it also compiles the templates in the variables of the inventory. It compiles each other template once in a
    process, and shares the compiled templates of this collection between the tasks of a run.
  - For later runs it keeps the payloads of modules and the compiled templates of this collection, in
    C($XDG_CACHE_HOME/dataplatform.fleet), by default C(~/.cache/dataplatform.fleet). A payload is used again while the
    sources of the module and of its module utilities are unchanged.
  - Templates of inventories and of other collections can contain secrets. They are not written to files.
  - If the folder cannot be written, or if another user can write it, each run does the work again.
  - Nothing is printed.
requirements:
  - V(dataplatform.fleet.run_cache) in the setting C(callbacks_enabled) of C(ansible.cfg), as in the C(ansible.cfg) of
    this project.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

import contextlib
import inspect
from collections.abc import Iterator

from ansible.executor.stats import AggregateStats
from ansible.module_utils._internal import _stack
from ansible.playbook import Playbook
from ansible.playbook.play import Play
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import (
    action_loader,
    connection_loader,
    filter_loader,
    lookup_loader,
    shell_loader,
    test_loader,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import compiled, payloads
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._warm.server import load_model

_MOST_TASKS = (
    (connection_loader, "dataplatform.fleet.warm"),
    (shell_loader, "ansible.builtin.sh"),
    (action_loader, "ansible.builtin.normal"),
    (action_loader, "dataplatform.fleet.apply"),
    (lookup_loader, "dataplatform.fleet.fleet_members"),
    (lookup_loader, "dataplatform.fleet.fleet_parameter"),
    (lookup_loader, "dataplatform.fleet.fleet_secret"),
    (lookup_loader, "dataplatform.fleet.held_lock"),
    # One filter or test brings all of its collection.
    (filter_loader, "ansible.builtin.combine"),
    (filter_loader, "dataplatform.fleet.text"),
    (test_loader, "ansible.builtin.defined"),
)
_MOST_CLIENTS = ("dynamodb", "eks", "secretsmanager", "ssm", "sts")
"""The AWS services that plugins use in the tasks' own processes."""
_HOSTS = 10
"""The hosts whose variables are searched for templates. Most templates stand in variables of groups."""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Load before the first task, and keep after the last."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "dataplatform.fleet.run_cache"
    CALLBACK_NEEDS_ENABLED = True
    _compiled = False

    def v2_playbook_on_start(self, playbook: Playbook) -> None:  # noqa: ARG002 - Ansible's signature
        for loader, name in _MOST_TASKS:
            # A task that uses a plugin which cannot be loaded says why.
            with contextlib.suppress(Exception):
                loader.get(name, class_only=True)
        for service in _MOST_CLIENTS:
            load_model(service)
        _stack.iter_stack = _callers
        compiled.install()
        compiled.load()
        payloads.restore()

    def v2_playbook_on_play_start(self, play: Play) -> None:
        manager = play.get_variable_manager()
        for host in () if self._compiled else manager._inventory.get_hosts()[:_HOSTS]:
            compiled.compile_values(manager.get_vars(host=host))
        self._compiled = True

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:  # noqa: ARG002 - Ansible's signature
        compiled.save()
        payloads.save()


def _callers() -> Iterator[inspect.FrameInfo]:
    """Yield the frames that Ansible attributes a deprecation to, without the source code around each.

    Ansible looks for them in each skipped task, and reads their file names only.
    """
    _skip_stackwalk = True
    for found in inspect.stack(context=0):
        if "_skip_stackwalk" not in found.frame.f_locals:
            yield found
