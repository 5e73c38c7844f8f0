# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common part of the inventory plugins: query or cache, selection, names, errors, hosts."""

from __future__ import annotations

import difflib
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.template import trust_as_template
from ansible.utils.display import Display
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._inventory.selection import (
    Cluster,
    SelectionError,
    by_host_name,
    compile_query,
    group_fault,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.fleet import PURPOSES, RESERVED

# Hosts of this group are declared; a discovered cluster cannot become one of them.
DECLARED = "managed"
# Its children in the inventories, which may be read after this source; and what else no host is called.
DECLARING = frozenset({DECLARED, *(f"purpose_{purpose}" for purpose in PURPOSES)})
Value = Any  # whatever an option can hold

display = Display()


@dataclass(frozen=True)
class Discovery:
    """The clusters in a stable order, and messages about failed queries."""

    clusters: list[dict[str, Any]]
    problems: list[str]


def _readable(value: Value) -> Value:
    """The value with each text marked as trusted that cannot be a template.

    An export of the inventory, which AWX stores, wraps every other text in a dictionary ``__ansible_unsafe``.
    """
    if isinstance(value, str):
        return value if any(mark in value for mark in ("{{", "{%", "{#")) else trust_as_template(value)
    if isinstance(value, Mapping):
        return {key: _readable(each) for key, each in value.items()}
    return [_readable(each) for each in value] if isinstance(value, list) else value


class ClustersPlugin(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    """Each discovered cluster is a host; its data is in one variable."""

    FILE_NAME: re.Pattern[str]
    VARIABLE: str
    ADVICE: str
    """The part that is left out with on_error: warn."""

    @abstractmethod
    def missing(self) -> str:
        """Return a sentence about a missing library, or an empty text."""

    @abstractmethod
    def ask(self, path: str) -> Discovery:
        """Find the clusters."""

    @abstractmethod
    def selected(self, clusters: Sequence[Cluster]) -> list[Cluster]:
        """The clusters that the options other than query leave."""

    @abstractmethod
    def identify(self, cluster: Cluster) -> str:
        """Return the name of a cluster for messages."""

    @abstractmethod
    def host_name(self, cluster: Cluster) -> str:
        """The name of a cluster's host."""

    @abstractmethod
    def name_fault(self, name: str, cluster: Cluster, groups: set[str]) -> str:
        """Return why a cluster cannot become a host with this name, with a remedy; or an empty text."""

    @abstractmethod
    def ambiguity(self, name: str, clusters: Sequence[Cluster]) -> str:
        """Return the message for a name of several clusters, with a way to distinguish them."""

    def verify_file(self, path: str) -> bool:
        """Whether the file may be a source of this plugin."""
        return bool(super().verify_file(path)) and bool(self.FILE_NAME.search(Path(path).name))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: ANN401 - untyped API
        """Read the file and add the clusters it describes."""
        super().parse(inventory, loader, path, cache)
        missing = self.missing()
        if missing:
            raise AnsibleParserError(f"{path}: {missing}")
        self._refuse_unknown_options(self._read_config_data(path), path)
        try:
            matches = compile_query(self.option("query"), self.identify)
            discovery = self._discovery(path, cache)
            clusters = [each for each in self.selected(discovery.clusters) if matches(each)]
            unique, ambiguous = by_host_name(clusters, self.host_name)
        except SelectionError as error:
            raise AnsibleParserError(f"{path}: {error}") from error
        groups = {*self.inventory.groups, *RESERVED, *DECLARING}
        faults = {name: self.name_fault(name, cluster, groups) for name, cluster in unique.items()}
        unique = {name: cluster for name, cluster in unique.items() if not faults[name]}
        problems = [*discovery.problems, *(self.ambiguity(name, each) for name, each in ambiguous.items())]
        problems += filter(None, faults.values())
        self._report(problems, path)
        display.v(f"{path}: found {len(discovery.clusters)} clusters, selected {len(unique)}")
        self._populate(unique, path)

    def option(self, name: str) -> Value:
        """An option's value with its expressions evaluated."""
        return self._evaluated(self.get_option(name))

    def cache_key(self, path: str) -> str:
        """Return the cache key of a query."""
        return str(self.get_cache_key(path))

    def _discovery(self, path: str, cache: bool) -> Discovery:
        """Return the clusters from the cache if allowed, otherwise from the API. Only complete results are cached."""
        key = self.cache_key(path)
        if cache and self.get_option("cache"):
            try:
                return Discovery(self._cache[key], [])
            except KeyError:
                pass  # not there, or expired
        if self.get_option("workers") < 1:
            raise AnsibleParserError(f"{path}: workers must be at least 1.")
        discovery = self.ask(path)
        if self.get_option("cache") and not discovery.problems:
            self._cache[key] = discovery.clusters
        return discovery

    def _report(self, problems: list[str], path: str) -> None:
        if problems and self.get_option("on_error") == "fail":
            advice = f"With on_error: warn, the inventory leaves out {self.ADVICE}."
            raise AnsibleParserError("\n".join([f"{path}:", *(f"  - {each}" for each in problems), f"  {advice}"]))
        for each in problems:
            display.warning(f"{path}: {each}")

    def _populate(self, clusters: Mapping[str, Cluster], path: str) -> None:
        strict = self.get_option("strict")
        declared, groups = self._declared(), set(self.inventory.groups)
        for host, cluster in clusters.items():
            self.inventory.add_host(host)
            self.inventory.set_variable(host, self.VARIABLE, _readable(cluster))
            self._set_composite_vars(self.get_option("compose"), self._host_vars(host), host, strict=strict)
            variables = self._host_vars(host)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
        added = sorted(self._declared() - declared)
        if added:
            for group, host in added:  # Ansible can continue with another plugin
                self.inventory.groups[group].remove_host(self.inventory.get_host(host))
            hosts = ", ".join(dict.fromkeys(host for _, host in added))
            raise AnsibleParserError(
                f"{path}: groups or keyed_groups would put {hosts} into the group {added[0][0]}, which holds "
                "the hosts an inventory declares: a run changes those. Name the group otherwise."
            )
        faults = {group: group_fault(group, self.inventory.hosts) for group in set(self.inventory.groups) - groups}
        for group in sorted(name for name, fault in faults.items() if fault):
            self.inventory.remove_group(self.inventory.groups[group])
            raise AnsibleParserError(f"{path}: {faults[group]} Correct the tag, or name the group otherwise.")

    def _declared(self) -> set[tuple[str, str]]:
        """The groups that hold what an inventory declares, each with each of its hosts."""
        groups = [self.inventory.groups[name] for name in sorted(DECLARING) if name in self.inventory.groups]
        return {(group.name, host.name) for group in groups for host in group.get_hosts()}

    def _host_vars(self, host: str) -> dict[str, Any]:
        variables: dict[str, Any] = self.inventory.get_host(host).get_vars()
        return variables

    def _evaluated(self, value: Value) -> Value:
        if isinstance(value, str):
            return self.templar.template(value) if self.templar.is_template(value) else value
        if isinstance(value, Mapping):
            return {key: self._evaluated(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._evaluated(each) for each in value]
        return value

    def _refuse_unknown_options(self, config: Mapping[str, Any], path: str) -> None:
        definitions = constants.config.get_configuration_definitions("inventory", self._load_name)
        known = {"plugin", *definitions}
        known |= {alias for each in definitions.values() for alias in each.get("aliases") or []}
        for name in sorted(set(config) - known):
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise AnsibleParserError(f"{path}: {name} is not an option of {self.NAME}.{hint}")
