# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that roles declare in ``meta/argument_specs.yml``, and values converted to the declared types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

Value = Any  # whatever a YAML file holds
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ROLES = Path(__file__).parents[3] / "roles"
# What a module's argument spec has too; the rest of a role's specification is documentation.
_USED = ("type", "elements", "choices")


@cache
def specifications(role: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the options of all entry points of the role in the directory ``role``, by name.

    Raises OSError or yaml.YAMLError where the specification cannot be read.
    """
    document = yaml.load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"), _LOADER)  # noqa: S506
    entry_points = document["argument_specs"].values()
    return {name: option for entry in entry_points for name, option in (entry.get("options") or {}).items()}


@cache
def all_specifications() -> Mapping[str, Mapping[str, Any]]:
    """Return the options of all roles of the collection, by name."""
    roles = sorted(path.parents[1] for path in ROLES.glob("*/meta/argument_specs.yml"))
    return {name: option for role in roles for name, option in specifications(role).items()}


def converted(name: str, value: Value, specification: Mapping[str, Any]) -> Value:
    """Return ``value`` in the type of the option ``name``, as a module's option of that type would have it.

    A template, and a value that cannot be converted, come back as they are: the first has its type when it is used,
    the second is refused by the validation of the role's arguments.
    """
    if value is None or _has_template(value):
        return value
    argument = {key: specification[key] for key in _USED if key in specification}
    checked = ArgumentSpecValidator({name: argument}).validate({name: value})
    if checked.error_messages:
        return value
    result = checked.validated_parameters[name]
    parts = specification.get("options") or {}
    if not parts:
        return result
    if isinstance(result, Mapping):
        return _parts(result, parts)
    return [_parts(entry, parts) if isinstance(entry, Mapping) else entry for entry in result]


def _parts(value: Mapping[str, Value], specifications: Mapping[str, Any]) -> dict[str, Value]:
    return {
        key: converted(key, part, specifications[key]) if key in specifications else part for key, part in value.items()
    }


def _has_template(value: Value) -> bool:
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(_has_template(part) for part in (*value.keys(), *value.values()))
    return isinstance(value, list | tuple) and any(_has_template(part) for part in value)
