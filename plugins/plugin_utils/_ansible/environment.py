# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task's `environment` for plugins on the controller.

Ansible passes the `environment` of a task, its blocks and its play to modules only. Without it, an action or a lookup
would use other credentials than the modules of the same task list, which could read one account and change another.
Here it is set in the process that Ansible forks for each task. So botocore, proxy settings, fallbacks of options and
child processes use it as a module does.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from ansible._internal._task import TaskContext  # the only way from a lookup to the task that it is evaluated for
from ansible.errors import AnsibleError, AnsibleUndefinedVariable

# Set while an environment is evaluated: lookups in it use the environment of the process.
_asked: ContextVar[bool] = ContextVar("asked", default=False)


def declared(task: Any, templar: Any, *, before_loop: bool = False) -> dict[str, str]:  # noqa: ANN401 - Ansible's are untyped
    """Return the environment of the task, its blocks and its play; the innermost value counts, as for a module.

    ``before_loop``: values that use the item of a loop, which is only being found, are left out.
    Raises AnsibleError if it is not a mapping.
    """
    found: dict[str, str] = {}
    given = task.environment or []
    for item in given if isinstance(given, list) else [given]:
        values = _without_items(item, templar) if before_loop and isinstance(item, Mapping) else templar.template(item)
        if not isinstance(values or {}, Mapping):
            raise AnsibleError(f"The environment of the task {task.get_name()!r} is not a mapping of names to values.")
        found |= {str(name): str(value) for name, value in (values or {}).items()}
    return found


def _without_items(values: Mapping[str, Any], templar: Any) -> dict[str, Any]:  # noqa: ANN401
    found = {}
    for name, value in values.items():
        with contextlib.suppress(AnsibleUndefinedVariable):
            found[name] = templar.template(value)
    return found


@contextlib.contextmanager
def environment_of(task: Any, templar: Any, *, before_loop: bool = False) -> Iterator[None]:  # noqa: ANN401
    """Set the task's environment in this process during the context."""
    if _asked.get():
        yield
        return
    token = _asked.set(True)
    try:
        given = declared(task, templar, before_loop=before_loop)
    finally:
        _asked.reset(token)
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def environment_of_lookup(templar: Any) -> Iterator[None]:  # noqa: ANN401
    """The same for a lookup. Where there is no task, such as for a play's own keywords, there is nothing to give."""
    context = TaskContext.current(optional=True)
    if context is None:
        yield
        return
    task = context.task
    before_loop = bool(task.loop or task.loop_with) and "ansible_loop_var" not in templar.available_variables
    with environment_of(task, templar, before_loop=before_loop):
        yield


def in_environment[**Arguments, Result](run: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Run an action plugin's `run` in its task's environment."""

    @functools.wraps(run)
    def running(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        action: Any = arguments[0]
        with environment_of(action._task, action._templar):
            return run(*arguments, **named)

    return running


def way_to_aws() -> dict[str, str]:
    """Return the variables of AWS and of proxies."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith("AWS_") or name.lower().endswith("_proxy")
    }
