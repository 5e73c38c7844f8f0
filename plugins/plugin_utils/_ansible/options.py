# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that roles declare in ``meta/argument_specs.yml``, and values converted to the declared types."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.vault import EncryptedString
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import text
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import load, parse

Value = Any  # whatever a YAML file holds
ROLES = Path(__file__).parents[3] / "roles"
# The options of an inventory's fleet.yml.
FLEET: Mapping[str, Mapping[str, Any]] = {
    "fleet_adopt": {"type": "list", "elements": "str"},
    "fleet_alarms_extra": {"type": "raw"},
    "fleet_alarms_overrides": {"type": "dict"},
    "fleet_api_server_cidrs": {"type": "list", "elements": "str"},
    "fleet_ingress_namespaces": {"type": "list", "elements": "str"},
    "fleet_members": {"type": "dict"},
    "fleet_message_max_bytes": {"type": "int"},
    "fleet_tags": {"type": "dict"},
    "fleet_values": {"type": "dict"},
}
# The keys of a module's argument spec; the other keys of a role's specification are documentation.
_USED = ("type", "elements", "choices")


@cache
def specifications(role: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the options of all entry points of the role in the directory ``role``, by name.

    Raises OSError or yaml.YAMLError where the specification cannot be read.
    """
    document = load(role / "meta" / "argument_specs.yml")
    entry_points = document["argument_specs"].values()
    return {name: option for entry in entry_points for name, option in (entry.get("options") or {}).items()}


@cache
def role_of_options() -> Mapping[str, Path]:
    """Return the directory of the role that declares an option, by the option's name."""
    roles = sorted(path.parents[1] for path in ROLES.glob("*/meta/argument_specs.yml"))
    return {name: role for role in roles for name in specifications(role)}


@cache
def all_specifications() -> Mapping[str, Mapping[str, Any]]:
    """Return the options of all roles of the collection, and of the fleet, by name."""
    return {**FLEET, **{name: specifications(role)[name] for name, role in role_of_options().items()}}


def converted(name: str, value: Value, specification: Mapping[str, Any]) -> Value:
    """Return ``value`` converted to the type of the option ``name``, as for a module's option.

    Text for a list may be JSON, one entry a line, or entries with commas between them; empty text is an empty list.
    A template and a vaulted text come back as they are and have their type when they are used. What cannot be converted
    comes back as it is too, and the validation of the role's arguments refuses it.
    """
    kind, result = specification.get("type"), value
    if isinstance(value, str) and kind in ("list", "dict"):
        result = _read(value, kind)
    if result is not None and not _as_it_is(result):
        result = _spelt(result, specification)
        argument = {key: specification[key] for key in _USED if key in specification}
        checked = ArgumentSpecValidator({name: argument}).validate({name: result})
        if checked.error_messages:
            return value
        result = checked.validated_parameters[name]
    parts = specification.get("options") or {}
    if parts and isinstance(result, Mapping):
        return _converted_parts(result, parts)
    if parts and isinstance(result, list):
        return [_converted_parts(entry, parts) if isinstance(entry, Mapping) else entry for entry in result]
    return result


def _spelt(value: Value, specification: Mapping[str, Any]) -> Value:
    """Return a boolean as YAML writes it; Ansible's conversion returns Python's ``True``."""
    if isinstance(value, list) and specification.get("elements") == "str":
        return [text(entry) if isinstance(entry, bool) else entry for entry in value]
    return text(value) if isinstance(value, bool) and specification.get("type") == "str" else value


def _read(given: str, kind: str) -> Value:
    """Text for a list or a dictionary, as far as it is more than what Ansible's own conversion reads."""
    lines = [line.strip() for line in given.splitlines() if line.strip()]
    if not lines:
        return [] if kind == "list" else {}
    if lines[0][0] in "[{" and not _as_it_is(given):
        with contextlib.suppress(yaml.YAMLError):
            return parse(given.encode())  # bytes, because text carries tags
    if kind == "dict" or _as_it_is(given):
        return given
    return lines if len(lines) > 1 else [part.strip() for part in lines[0].split(",")]


def _converted_parts(value: Mapping[str, Value], specifications: Mapping[str, Any]) -> dict[str, Value]:
    return {
        key: converted(key, part, specifications[key]) if key in specifications else part for key, part in value.items()
    }


def _as_it_is(value: Value) -> bool:
    """Whether a value is or contains a template or vaulted text, which is evaluated at its use."""
    if isinstance(value, EncryptedString):
        return True
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(_as_it_is(part) for part in (*value.keys(), *value.values()))
    return isinstance(value, list | tuple) and any(_as_it_is(part) for part in value)
