# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse variables that have a role's prefix but are not one of its options, and values that an option cannot have.

Ansible validates the options a role declares. A misspelt one is only a variable that no role reads, and its default
applies silently. An option that is valid as text, such as "false" for a boolean, is used as text.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.vault import EncryptedString
from ansible.plugins.action import ActionBase
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import text
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.options import specifications
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import load
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits import derived
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.fleet import fleet_faults, incomplete
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.options import refusals
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.rules import (
    UNSHOWN,
    masked,
    shown,
    vaulted,
)

Value = Any  # whatever a YAML file holds
_LOOKS_UP = re.compile(r"\b(lookup|query|q)\(")
COLLECTION = Path(__file__).parents[2]
TASK = "dataplatform.fleet.check_role_options"
# Text has another meaning than a value of these types: the text "false" is true, and "10" is less than "9".
NEVER_TEXT = {"bool": "a boolean", "int": "an integer", "float": "a number"}


def unknown_options(
    role: str, variables: Iterable[str], options: Iterable[str], siblings: Iterable[str] = ()
) -> dict[str, str | None]:
    """Return each variable with the prefix of ``role`` that is not an option, with the nearest option or None.

    Variables of roles whose name starts with the same prefix (``siblings``) are left out.
    """
    known = sorted(options)
    foreign = tuple(f"{name}_" for name in siblings if name.startswith(f"{role}_"))
    return {
        name: next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), None)
        for name in sorted(variables)
        if name.startswith(f"{role}_") and name not in known and not (foreign and name.startswith(foreign))
    }


def unknown_keys(entries: Mapping[str, Any], allowed: Iterable[str]) -> dict[str, str | None]:
    """Return ``entry.key`` for each key of a dict of dicts that is not allowed, with the nearest key or None."""
    known = sorted(allowed)
    return {
        f"{entry}.{key}": next(iter(difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)), None)
        for entry, value in entries.items()
        if isinstance(value, Mapping)
        for key in value
        if key not in known
    }


def refused_keys(entries: Mapping[str, Any], allowed: Mapping[str, Any] | Iterable[str]) -> dict[str, str | None]:
    """Return each key of a dict that is not allowed, with the nearest key or None.

    A key that is allowed may end with ``*``. Of a dictionary as ``allowed`` the value says what a key takes: a list of
    words (case is no matter), a range as ``-1 .. 1000``, or a dictionary: its ``pattern`` is a regular expression for
    all of the text, its ``words`` say it. A value that the key does not take is returned with the key.
    """
    begins = [key.removesuffix("*") for key in allowed if key.endswith("*")]
    known = sorted(allowed)
    found: dict[str, str | None] = {}
    for key, value in entries.items():
        if any(str(key).startswith(begin) for begin in begins):
            continue
        if key not in known:
            found[str(key)] = next(iter(difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)), None)
        elif isinstance(allowed, Mapping) and not _takes(allowed[key], value):
            said = value if isinstance(value, str) else json.dumps(value, default=str)
            found[f"{key}: {UNSHOWN if vaulted(value) else masked(said)} (it takes {_words(allowed[key])})"] = None
    return found


def from_vault(value: Value, variables: Mapping[str, Value], seen: frozenset[str] = frozenset()) -> bool:
    """Whether a value is or contains vaulted text, or a template that refers to a variable with vaulted text."""
    if vaulted(value):
        return True
    names = set(re.findall(r"\w+", str(value))) & variables.keys() - seen if "{{" in str(value) else set()
    held = [variables[name] for name in names if isinstance(variables[name], str | dict | list | EncryptedString)]
    return any(from_vault(each, variables, seen | names) for each in held)


def _words(rule: Value) -> str:
    if isinstance(rule, Mapping):
        return str(rule["words"])
    return rule if isinstance(rule, str) else ", ".join(map(str, rule))


def _takes(rule: Value, value: Value) -> bool:
    if not rule:
        return True
    if isinstance(rule, Mapping):
        return not isinstance(value, Mapping | list) and re.fullmatch(rule["pattern"], text(value)) is not None
    if isinstance(rule, str):
        if isinstance(value, bool):
            return False
        least, most = (float(part) for part in rule.split(" .. "))
        try:
            return least <= float(value) <= most
        except (TypeError, ValueError):
            return False
    # YAML reads on and off as booleans.
    spellings = {text(value), {True: "on", False: "off"}.get(value, "")} if isinstance(value, bool) else {str(value)}
    return not {word.lower() for word in spellings}.isdisjoint(str(word).lower() for word in rule)


class ActionModule(ActionBase):  # type: ignore[misc]
    """Compare the host's variables with the argument specifications of the running role or of the named roles."""

    _requires_connection = False
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, args = self.validate_argument_spec(
            argument_spec={
                "roles": {"type": "list", "elements": "str", "default": []},
                "complete": {"type": "bool", "default": False},
                "fleet": {"type": "bool", "default": False},
                "names": {"type": "bool", "default": True},
                "reserved": {"type": "list", "elements": "str", "default": []},
                "entries": {"type": "dict", "default": {}},
                "keys": {"type": "dict", "default": {}},
            },
            mutually_exclusive=[("roles", "reserved"), ("roles", "entries"), ("roles", "keys")],
        )
        variables = task_vars or {}
        unknown: list[str] = []
        host = variables.get("inventory_hostname", "this host")
        missing = incomplete(variables, host) if args["complete"] else ""
        if missing:
            return {"failed": True, "unknown": [], "msg": missing}
        findings = self._fleet(variables, names=args["names"]) if args["fleet"] else []
        for path in self._roles(args["roles"]) if args["roles"] or not args["fleet"] else []:
            settings = self._own_settings(path) if args["roles"] else args
            specification = path / "meta" / "argument_specs.yml"
            found = self._unknown(path, _load(specification), settings, variables)
            if found:
                unknown += found
                names = "; ".join(f"{name} (did you mean {near}?)" if near else name for name, near in found.items())
                findings.append(
                    f"The role {path.name} has no such option: {names}. The options are in {specification}."
                )
            text = self._text(path, variables)
            findings += [*text.values(), *self._refused(path, variables, skip=text)]
        if not findings:
            return {"changed": False, "unknown": []}
        return {
            "failed": True,
            "unknown": sorted(unknown),
            "msg": f"{' '.join(findings)} It is set in the variables of {host}.",
        }

    def _roles(self, names: list[str]) -> list[Path]:
        """The directories of the roles to check."""
        roles = COLLECTION / "roles"
        if not names:
            if self._task._role is None:
                raise AnsibleActionFail("check_role_options needs the option roles outside of a role's tasks")
            return [Path(self._task._role._role_path)]
        if names == ["all"]:
            return sorted(path.parents[1] for path in roles.glob("*/meta/argument_specs.yml"))
        for name in names:
            if not (roles / name).is_dir():
                raise AnsibleActionFail(f"dataplatform.fleet has no role {name}: name those in {roles}, or all")
        return [roles / name for name in names]

    def _own_settings(self, path: Path) -> dict[str, Any]:
        """Return the arguments of the role's own task of this module, with the role's constants."""
        for task in _load(path / "tasks" / "main.yml"):
            if TASK in task:
                own = task[TASK] or {}
                constants = path / "vars" / "main.yml"
                known = self._loader.load_from_file(str(constants)) if constants.exists() else {}
                inner = {kind: own.get(kind, {}) for kind in ("entries", "keys")}
                for kind, value in inner.items():
                    if isinstance(value, str):  # "{{ a constant }}"
                        inner[kind] = known[value.strip("{} ")]
                return {"reserved": own.get("reserved", []), **inner}
        return {"reserved": [], "entries": {}, "keys": {}}

    def _unknown(
        self, path: Path, document: Value, settings: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> dict[str, str | None]:
        options = document["argument_specs"]["main"].get("options", {})
        siblings = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
        unknown = unknown_options(path.name, set(variables) - set(settings["reserved"]), options, siblings)
        for kind, look in (("entries", unknown_keys), ("keys", refused_keys)):
            for option, allowed in settings[kind].items():
                value = self._value(variables.get(option))
                if isinstance(value, Mapping):
                    keys = look(value, allowed)
                    unknown.update({f"{option}.{key}": near for key, near in keys.items()})
        return unknown

    def _text(self, path: Path, variables: Mapping[str, Any]) -> dict[str, str]:
        """Return a sentence for each boolean or number of the role that is given as text."""
        findings = {}
        for name, option in specifications(path).items():
            if option.get("type") not in NEVER_TEXT or name not in variables:
                continue
            value = self._value(variables[name])
            if isinstance(value, str):
                said = UNSHOWN if from_vault(variables[name], variables) else shown(value)
                findings[name] = (
                    f"{name} must be {NEVER_TEXT[option['type']]} and is the text {said}: write it without "
                    "quotes, end a template with | bool or | int, or enable the callback "
                    "dataplatform.fleet.option_types."
                )
        return findings

    def _refused(self, path: Path, variables: Mapping[str, Any], skip: Collection[str]) -> list[str]:
        """Return a sentence for each value that an option of the role cannot have. A test checks the defaults."""
        defaults = _load(path / "defaults" / "main.yml") if (path / "defaults" / "main.yml").exists() else {}
        findings = []
        for name, option in specifications(path).items():
            value = variables.get(name)
            if name not in variables or name in skip or (name in (defaults or {}) and value == defaults[name]):
                continue
            # A lookup can need an IAM role that is not assumed yet, and a secret has no grammar.
            if isinstance(value, str) and "{{" in value and (option.get("no_log") or _LOOKS_UP.search(value)):
                continue
            try:
                value = self._templar.template(value)
            except AnsibleError:
                continue  # the validation of the role's arguments says why
            secret = option.get("no_log") or from_vault(variables[name], variables)
            findings += refusals(path, name, value, {**option, "no_log": secret})
        return findings

    def _fleet(self, variables: Mapping[str, Any], *, names: bool) -> list[str]:
        """Return a sentence for each invalid option of the fleet, and for each invalid name that is made of them."""
        try:
            members = self._templar.template(variables.get("fleet_members"))
        except AnsibleError as error:
            return [f"fleet_members cannot be read: {error}."]
        given = {name: self._value(value) for name, value in variables.items() if name.startswith("fleet_")}
        groups = variables.get("groups", {})
        findings = [
            f"The inventory has a host and a group {host}: a play cannot tell them apart. Rename the host."
            for host in sorted(set(groups) & set(groups.get("all", ())))
        ]
        findings += fleet_faults({**given, "fleet_members": members}, groups)
        if findings or not names:
            return findings
        own = {name: self._value(variables[name]) for name in derived.BY_DEFAULT if name in variables}
        return derived.too_long(str(given.get("fleet_name")), members, own, variables.get("inventory_hostname", ""))

    def _value(self, value: Value) -> Value:
        """Return a variable's value; None if it refers to a variable of the role, whose own task checks it."""
        try:
            return self._templar.template(value)
        except AnsibleError:
            if self._task._role is not None:
                raise
            return None


def _load(path: Path) -> Value:
    try:
        return load(path)
    except (OSError, yaml.YAMLError) as error:
        raise AnsibleActionFail(f"cannot read {path}: {error}") from error
