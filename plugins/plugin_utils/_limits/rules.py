# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold values to rules: what an option takes beyond its type. Pure.

A rule is one of

- ``1 .. 100``, a number in this range,
- ``=word``, this word,
- ``boolean``, true or false,
- the name of a kind (``kinds.KINDS``); with ``?`` at its end, empty text too,
- the name of a compound rule in ``COMPOUND``,
- ``anything``, also null inside of it: for what another program reads,
- a list of rules, one of which the value keeps,
- a mapping of keys to rules, for a dictionary. ``<label_key>`` is any key of that kind; other keys are refused.

A rule holds for each entry of a list. Control characters are refused whatever the rule, and null except in
``anything`` and where a kind takes what is written as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from ansible.module_utils.parsing.convert_bool import BOOLEANS, boolean
from ansible.parsing.vault import VaultHelper
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.kinds import KINDS

Value = Any  # whatever a YAML file holds
Rule = Any  # see above
SHOWN = 60
UNSHOWN = "a secret that does not fit"
_PASSWORD = re.compile(r"(?s)(://).*@|(\b[\w.+-]+:)[^/]*@")
# Line feeds, tabs and carriage returns are text; NUL, escape sequences and single surrogates are not.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_AMOUNTS = {"cpu": "cpu", "memory": "memory", "<resource_name>": "some_quantity"}
COMPOUND: Mapping[str, Rule] = {
    "resources": {"requests": _AMOUNTS, "limits": _AMOUNTS},
    "labels": {"<label_key>": "label_value"},
    "tags": {"<tag_key>": "tag_value"},
    "annotations": {"<label_key>": "annotation"},
    "tolerations": {
        "key": "label_key?",
        "operator": ["=Exists", "=Equal", "=Lt", "=Gt"],
        "value": "label_value",
        "effect": ["=", "=NoSchedule", "=PreferNoSchedule", "=NoExecute"],
        "tolerationSeconds": "0 .. 2147483647",
    },
}


def faults(name: str, value: Value, rule: Rule, *, secret: bool = False) -> list[str]:
    """Return a sentence for each part of ``value`` that does not keep ``rule``; of a secret without the value."""
    found = list(unreadable(name, value))
    if not found and rule == "anything":
        entries = {f"{name}[{index}]": part for index, part in enumerate(value)} if isinstance(value, list) else {}
        found = [_null(place) for place, part in {name: value, **entries}.items() if part is None]
    return found or list(_broken(name, value, rule, secret=secret))


def _null(name: str) -> str:
    return f"{name} is null or empty: give it a value, or leave it out."


def unreadable(name: str, value: Value) -> Iterator[str]:
    """Yield a sentence for each control character, and for each key that is null."""
    if isinstance(value, str):
        found = _CONTROL.search(value)
        if found:
            yield f"{name} has the control character U+{ord(found.group()):04X} in it: take it out."
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from [_null(f"A key of {name}")] if key is None else unreadable(f"A key of {name}", key)
            yield from unreadable(f"{name}.{shown(key, plain=True)}", part)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from unreadable(f"{name}[{index}]", part)


def _broken(name: str, value: Value, rule: Rule, *, secret: bool) -> Iterator[str]:
    rule = COMPOUND.get(rule, rule) if isinstance(rule, str) else rule
    if rule == "anything":
        return
    said = UNSHOWN if secret else shown(value)
    if value is None and not keeps(value, rule):
        yield _null(name)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _broken(f"{name}[{index}]", part, rule, secret=secret)
    elif isinstance(rule, Mapping):
        if isinstance(value, Mapping):
            for key, part in value.items():
                yield from _part(name, key, part, rule, secret=secret)
        else:
            yield f"{name} is {said}: it takes a dictionary."
    elif isinstance(value, Mapping) and isinstance(rule, list) and any(isinstance(each, Mapping) for each in rule):
        yield from _broken(name, value, next(each for each in rule if isinstance(each, Mapping)), secret=secret)
    elif not keeps(value, rule):
        number = ", a number without quotes" if isinstance(value, str) and " .. " in str(rule) else ""
        yield f"{name} is {said}: it takes {words(rule)}{number}."


def typed(value: Value, rule: Rule) -> Value:
    """Return ``value`` with a number or a boolean for each text in it where ``rule`` takes these and not the text."""
    rule = COMPOUND.get(rule, rule) if isinstance(rule, str) else rule
    each = rule if isinstance(rule, list) else [rule]
    if isinstance(value, list):
        return [typed(part, rule) for part in value]
    if isinstance(value, Mapping):
        parts: Mapping[str, Rule] = next((one for one in each if isinstance(one, Mapping)), {})
        return {
            key: typed(part, parts[place]) if (place := _place(key, parts)) else part for key, part in value.items()
        }
    if not isinstance(value, str) or rule == "anything" or keeps(value, rule):
        return value
    written = value.strip()
    if any(" .. " in one for one in each) and re.fullmatch("[-+]?[0-9]{1,18}", written):
        return int(written)
    return boolean(written) if "boolean" in each and written.lower() in BOOLEANS else value


def _place(key: Value, rule: Mapping[str, Rule]) -> str | None:
    """Return which key of ``rule`` a key of a dictionary is held to, or None."""
    if key in rule:
        return str(key)
    return next((kind for kind in rule if kind.startswith("<") and keeps(key, kind.strip("<>"))), None)


def _part(name: str, key: Value, part: Value, rule: Mapping[str, Rule], *, secret: bool) -> Iterator[str]:
    place = _place(key, rule)
    if place:
        yield from _broken(f"{name}.{key}", part, rule[place], secret=secret)
    else:
        known = [words(kind.strip("<>")) if kind.startswith("<") else kind for kind in rule]
        yield f"{name} has the key {shown(key)}: its keys are {', '.join(known)}."


def keeps(value: Value, rule: Rule) -> bool:
    """Whether a value that is neither a list nor a dictionary keeps a rule."""
    if isinstance(rule, list):
        return any(keeps(value, each) for each in rule)
    if not isinstance(rule, str):
        return False
    if rule.startswith("="):
        return isinstance(value, str) and value == rule[1:]
    if rule == "boolean":
        return isinstance(value, bool)
    if " .. " in rule:
        return isinstance(value, int | float) and not isinstance(value, bool) and _within(value, rule)
    return (rule.endswith("?") and value == "") or KINDS[rule.removesuffix("?")].takes(value)


def _within(value: float, rule: str) -> bool:
    least, most = (Decimal(part) for part in rule.split(" .. "))
    number = Decimal(str(value))
    return not number.is_nan() and least <= number <= most


def words(rule: Rule) -> str:
    """Say what a rule takes."""
    if isinstance(rule, list):
        return " or ".join(words(each) for each in rule)
    if isinstance(rule, Mapping) or rule in COMPOUND:
        return "a dictionary"
    if rule.startswith("="):
        return repr(rule[1:])
    if rule == "boolean":
        return "true or false"
    if " .. " in rule:
        return "{} to {}".format(*rule.split(" .. "))
    text = KINDS[rule.removesuffix("?")].words
    return f"{text}, or empty text" if rule.endswith("?") else text


def shown(value: Value, *, plain: bool = False) -> str:
    """A value for a message, shortened, with its length where that matters; what was in a vault is not in it."""
    if vaulted(value):
        return UNSHOWN
    text = masked(str(value) if plain else repr(value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(str(value))} characters)"


def masked(text: str) -> str:
    """Text for a message without the name and the password of its URLs."""
    return _PASSWORD.sub(r"\1\2***@", text)


def vaulted(value: Value) -> bool:
    """Whether a value is, or has in it, what came out of a vault or is in one."""
    if isinstance(value, Mapping | list | tuple):
        return any(map(vaulted, value.values() if isinstance(value, Mapping) else value))
    return VaultHelper.get_ciphertext(value, with_tags=False) is not None
