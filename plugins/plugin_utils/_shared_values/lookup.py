# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lookups fleet_secret, fleet_parameter and fleet_members have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from ansible._internal._task import TaskContext  # as in environment.py
from ansible.errors import AnsibleLookupError, AnsibleUndefinedVariable
from ansible.plugins.lookup import LookupBase
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.environment import environment_of_lookup
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.names import (
    Path,
    PathError,
    comes_with_this_run,
    missing,
    pick,
    placeholder,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.reader import ReadError

# The options that take their values from variables.
VARIABLES = {
    "connection": "fleet_connection",
    "fleet": "fleet_name",
    "members": "fleet_members",
    "removed": "remove",
    "values": "fleet_values",
}
# No variable sets it, or a run could install the texts as passwords that everybody knows.
_with_placeholders: ContextVar[bool] = ContextVar("with_placeholders", default=False)


@contextlib.contextmanager
def placeholders() -> Iterator[None]:
    """As long as the context lasts, each value that is not given by hand is a placeholder; AWS is not asked."""
    token = _with_placeholders.set(True)
    try:
        yield
    finally:
        _with_placeholders.reset(token)


def with_placeholders() -> bool:
    return _with_placeholders.get()


def changes_nothing(variables: Mapping[str, Any]) -> bool:
    """Whether the run is in check mode, and the task at hand is not excepted from it."""
    context = TaskContext.current(optional=True)
    return bool(variables.get("ansible_check_mode")) and (context is None or context.task.check_mode is not False)


class SharedLookup(LookupBase):  # type: ignore[misc]
    """Returns one text for each path."""

    kind = ""
    read: Callable[[Mapping[str, Any], str], Any]

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: object) -> list[str]:
        known = variables or {}
        if self.kind and not terms:
            return []
        self.prepare(known, kwargs)
        with environment_of_lookup(self._templar):
            try:
                return self.find(terms, known)
            except (PathError, ReadError) as error:
                raise AnsibleLookupError(str(error)) from error

    def find(self, terms: list[str], known: Mapping[str, Any]) -> list[str]:
        """What is returned for the terms. AWS may be asked. Raises PathError and ReadError."""
        return [self._value(Path(self.get_option("fleet"), str(term), self.kind), known) for term in terms]

    def prepare(self, known: Mapping[str, Any], given: Mapping[str, object]) -> None:
        """Set the options: Ansible gives plugins variables untemplated, and what is omitted still in the arguments.

        A variable is read only where no argument replaces it: the role ``fleet`` defines each as an error that says
        what is missing.
        """
        read = [name for option, name in VARIABLES.items() if option not in given and name in known]
        templated = {}
        for name in read:
            # Values need the members only for the text of an error.
            with contextlib.suppress(*([AnsibleUndefinedVariable] if self.kind and name == "fleet_members" else [])):
                templated[name] = self._templar.template(known[name])
        direct = {name: self._templar.template(value) for name, value in given.items()}
        self.set_options(var_options=templated, direct=direct)

    def _value(self, path: Path, variables: Mapping[str, Any]) -> str:
        values = self.get_option("values") or {}
        if path.text in values:
            return str(values[path.text])
        default = self.get_option("default") if self.has_option("default") else None
        if with_placeholders():
            return placeholder(path) if default is None else str(default)
        connection = self.get_option("connection")
        found = pick(type(self).read(connection, path.name), path.keys)
        if found is not None:
            return found
        if default is not None:
            return str(default)
        groups = self._templar.template(variables.get("groups", {}))
        host = str(variables.get("inventory_hostname", ""))
        if changes_nothing(variables) and comes_with_this_run(path, groups, host):
            return placeholder(path)
        raise AnsibleLookupError(missing(path, str(connection.get("region")), self.get_option("members")))
