# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alarms of an installation: built-in and custom alarms with a cluster's overrides."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.built_in import built_in
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import (
    NAMESPACES,
    Alarm,
    AlarmError,
    Reader,
    Topic,
    Where,
    alarm,
    fields,
    nearest,
    read_boolean,
    read_duration,
    read_namespaces,
    read_number,
    read_severity,
    selected,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.rules import uid
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import load
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.rules import shown

Value = Any  # whatever a YAML file holds
OVERRIDES, EXTRA = "alarms_overrides", "alarms_extra"
OWN = Topic(name="extra", title="The site's own", alarms=())
_FIELDS: Mapping[str, Reader] = {
    "threshold": read_number,
    "hold": read_duration,
    "severity": read_severity,
    "enabled": read_boolean,
    "namespaces": read_namespaces,
    "exclude_namespaces": read_namespaces,
}
_ENDS = (".yml", ".yaml")
# The first characters of a list or a dictionary in a text of one line.
_BEGINS = ("[", "{", "- ")


@dataclass(frozen=True, kw_only=True)
class Override:
    """The overrides of one alarm: for all clusters, and additional ones by cluster."""

    everywhere: Mapping[str, Value]
    clusters: Mapping[str, Mapping[str, Value]]

    def of(self, cluster: str) -> Mapping[str, Value]:
        return {**self.everywhere, **self.clusters.get(cluster, {})}


_NONE = Override(everywhere={}, clusters={})


@dataclass(frozen=True, kw_only=True)
class Site:
    """All alarms with their default values, and the overrides by alarm."""

    topics: tuple[Topic, ...]
    overrides: Mapping[str, Override]

    @functools.cached_property
    def usual(self) -> Mapping[str, Alarm]:
        """The alarms without overrides, by name."""
        return {each.name: each for topic in self.topics for each in topic.alarms}

    @functools.cached_property
    def own(self) -> frozenset[str]:
        """The names of the custom alarms."""
        return frozenset(each.name for topic in self.topics if topic.name == OWN.name for each in topic.alarms)

    def tuned(self, each: Alarm, cluster: str) -> Alarm | None:
        """Return an alarm with a cluster's overrides, or None if it is disabled there."""
        given = dict(self.overrides.get(each.name, _NONE).of(cluster))
        if not given.pop("enabled", True):
            return None
        only, without = given.pop("namespaces", ()), given.pop("exclude_namespaces", ())
        return dataclasses.replace(each, query=selected(each.query, only, without), **given)

    def of(self, cluster: str) -> tuple[Topic, ...]:
        """Return the topics with the enabled alarms of a cluster, with its overrides."""
        found = []
        for topic in self.topics:
            alarms = [self.tuned(each, cluster) for each in topic.alarms]
            found.append(dataclasses.replace(topic, alarms=tuple(each for each in alarms if each is not None)))
        return tuple(found)


def site(overrides: Value, extra: Value, *, folder: str | None = None, clusters: Collection[str] = ()) -> Site:
    """Return the alarms for the options ``alarms_overrides`` and ``alarms_extra``.

    ``folder`` is the base of relative paths, the inventory's directory. ``clusters`` are the members that an
    override may name; without any, it may name all. Raises AlarmError with every fault.
    """
    faults: list[str] = []
    own = _own(extra, folder, faults)
    known = {each.name: each for topic in built_in() for each in topic.alarms}
    faults += _doubles(known, own, clusters)
    topics = (*built_in(), dataclasses.replace(OWN, alarms=tuple(own))) if own else built_in()
    given = _overrides(overrides, known, {each.name: each for each in own}, clusters, faults)
    if faults:
        raise AlarmError(faults)
    return Site(topics=topics, overrides=given)


# --- The site's own alarms ----------------------------------------------------------------------------------------


def _own(extra: Value, folder: str | None, faults: list[str]) -> list[Alarm]:
    try:
        definitions = list(_definitions(_plain(extra), folder))
    except AlarmError as error:
        faults += error.faults
        return []
    found = []
    for place, value in definitions:
        try:
            found.append(alarm(value, place))
        except AlarmError as error:
            faults += error.faults
    return found


def _definitions(extra: Value, folder: str | None) -> Iterator[tuple[str, Value]]:
    """Yield each definition with its place, for messages."""
    value = extra
    if isinstance(extra, str):
        text = extra.strip()
        if text and not text.startswith(_BEGINS) and "\n" not in text:
            for path in _files(Path(text), folder):
                alarms = enumerate(_listed(path), start=1)
                yield from ((f"{EXTRA}: {path}, alarm {index}", each) for index, each in alarms)
            return
        value = _parsed(text, EXTRA)
    if not value:
        return
    if not isinstance(value, list):
        raise AlarmError(
            [f"{EXTRA} is {shown(extra)}, and takes a list of alarms, or a path to a file or a directory."]
        )
    yield from ((f"{EXTRA}[{index}]", each) for index, each in enumerate(value))


def _files(path: Path, folder: str | None) -> list[Path]:
    if not path.is_absolute():
        if not folder:
            raise AlarmError([f"{EXTRA} is the path {path}, and the inventory has no directory: give the whole path."])
        path = Path(folder) / path
    try:
        if path.is_file():
            return [path]
        if path.is_dir():
            found = sorted(each for each in path.iterdir() if each.suffix in _ENDS)
            if not found:
                raise AlarmError([f"{EXTRA} is the directory {path}, in which there is no {' or '.join(_ENDS)} file."])
            return found
    except OSError as error:
        raise AlarmError([f"{EXTRA}: {path} cannot be read: {error}."]) from error
    raise AlarmError(
        [
            f"{EXTRA} is {path}, which is not there: relative paths start at the inventory's directory, and under AWX"
            " this is the job's own. Give the whole path, such as {{ playbook_dir | dirname }}/alarms.yml, or a list"
            " of alarms."
        ]
    )


def _listed(path: Path) -> list[Value]:
    try:
        found = load(path)
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: for an invalid date
        raise AlarmError([f"{EXTRA}: {path} cannot be read: {error}."]) from error
    if not isinstance(found, list):
        raise AlarmError([f"{EXTRA}: {path} is not a list of alarms: begin each alarm with a dash."])
    return found


def _doubles(known: Mapping[str, Alarm], own: Sequence[Alarm], clusters: Collection[str]) -> Iterator[str]:
    for name, count in Counter(each.name for each in own).items():
        if name in known:
            yield f"{EXTRA} has {name}, an alarm of the collection: tune it with {OVERRIDES}, or rename yours."
        elif count > 1:
            yield f"{EXTRA} has {count} alarms of the name {name}: give each another name."
    names: dict[str, str] = {}
    for each in [*known.values(), *own]:
        found = {uid(each, member=member) for member in clusters or [""]} if each.per_member else {uid(each)}
        if each.direct:
            found.add(uid(each, direct=True))
        others = {names.setdefault(identifier, each.name) for identifier in found} - {each.name}
        for other in sorted(others):
            yield (f"{EXTRA}: Grafana would know {each.name} by the same identifier as {other}: give it another name.")


# --- Overrides ----------------------------------------------------------------------------------------------------


def _overrides(
    overrides: Value,
    known: Mapping[str, Alarm],
    own: Mapping[str, Alarm],
    clusters: Collection[str],
    faults: list[str],
) -> dict[str, Override]:
    value = _plain(overrides)
    try:
        value = _parsed(value, OVERRIDES) if isinstance(value, str) else value
    except AlarmError as error:
        faults += error.faults
        return {}
    if not value:
        return {}
    if not isinstance(value, Mapping):
        faults.append(f"{OVERRIDES} is {shown(value)}, and takes a dictionary of alarms by name.")
        return {}
    found = {}
    every = {**known, **own}
    for name, given in value.items():
        place = f"{OVERRIDES}.{name}"
        if name not in every:
            near = nearest(name, every)
            near = near if near.startswith(": did") else ": docs/runbooks lists them."
            faults.append(f"{OVERRIDES} has the unknown alarm {shown(name, plain=True)}{near}")
        elif not isinstance(given, Mapping):
            faults.append(
                f"{place} is {shown(given)}, and takes a dictionary with {', '.join([*_FIELDS, 'clusters'])}."
            )
        else:
            found[name] = _override(given, every[name], place, clusters, faults, own=name in own)
    return found


def _override(
    given: Mapping[str, Value],
    each: Alarm,
    place: str,
    clusters: Collection[str],
    faults: list[str],
    *,
    own: bool,
) -> Override:
    rest = {key: value for key, value in given.items() if key != "clusters"}
    everywhere = fields(rest, _FIELDS, place, faults, others=("clusters",))
    by_cluster = given.get("clusters") or {}
    if not isinstance(by_cluster, Mapping):
        faults.append(f"{place}.clusters is {shown(by_cluster)}, and takes a dictionary of overrides by cluster.")
        by_cluster = {}
    if by_cluster and each.where is not Where.EDGE and not each.per_member:
        faults.append(
            f"{place} has clusters, and Grafana evaluates {each.name} once, on the controlplane: set its fields without"
            " clusters."
        )
        by_cluster = {}
    found = {}
    for cluster, value in by_cluster.items():
        inner = f"{place}.clusters.{cluster}"
        if clusters and cluster not in clusters:
            faults.append(
                f"{place}.clusters has the unknown member {shown(cluster, plain=True)}{nearest(cluster, clusters)}"
            )
        elif not isinstance(value, Mapping):
            faults.append(f"{inner} is {shown(value)}, and takes a dictionary with {', '.join(_FIELDS)}.")
        else:
            found[cluster] = fields(value, _FIELDS, inner, faults)
    faults += _unfit(everywhere, each, place, own=own)
    for cluster, values in found.items():
        faults += _unfit(values, each, f"{place}.clusters.{cluster}", own=own)
    return Override(everywhere=everywhere, clusters=found)


def _unfit(values: Mapping[str, Value], each: Alarm, place: str, *, own: bool) -> Iterator[str]:
    """Yield an error for each field that does not apply to the alarm."""
    if "threshold" in values and not each.op:
        yield f"{place} sets a threshold, and {each.name} has no threshold: remove the override."
    if each.always and not values.get("enabled", True) and not own:
        yield (
            f"{place} disables {each.name}, whose absence means that a cluster is silent: ClusterSilent would fire as"
            " long as it is missing. Leave it enabled."
        )
    for name in ("namespaces", "exclude_namespaces"):
        if name in values and not NAMESPACES.search(each.query):
            yield f"{place} has {name}, and {each.name} is not about namespaces: remove the override."


def _parsed(text: str, name: str) -> Value:
    """Return the value in a text from the command line or a survey."""
    try:
        return _plain(yaml.safe_load(text))
    except RecursionError as error:
        raise AlarmError([f"{name} is not valid YAML: it contains itself."]) from error
    except (ValueError, yaml.YAMLError) as error:  # ValueError: for an invalid date
        raise AlarmError([f"{name} is not valid YAML: {error}."]) from error


def _plain(value: Value) -> Value:
    """Return a value without Ansible's tags, and with text as keys."""

    def keyed(inner: Value) -> Value:
        if isinstance(inner, Mapping):
            return {str(key): keyed(each) for key, each in inner.items()}
        return [keyed(each) for each in inner] if isinstance(inner, list | tuple) else inner

    return json.loads(json.dumps(keyed(value), default=str))
