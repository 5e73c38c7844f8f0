# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert values of YAML to text for annotations, labels, tags, settings files and command lines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.module_utils import _texts

Value = Any  # whatever a YAML file holds


def text(value: Value) -> str:
    """Return a scalar as YAML writes it, and a list with commas between its entries.

    Raises AnsibleFilterError for a dictionary, and for a list in a list.
    """
    entries = value if _is_list(value) else [value]
    for entry in entries:
        if isinstance(entry, Mapping) or _is_list(entry):
            raise AnsibleFilterError(f"text: {entry!r} is not text: give a text, a number, a boolean or a list of them")
    return ",".join(_texts.text(entry) for entry in entries)


def texts(values: Value, keep: Collection[str] = ()) -> Value:
    """Return a dictionary or a list with a text for each scalar in it, but for the keys of ``keep``; null is empty."""
    return {} if values is None else _written(values, keep)


def _written(value: Value, keep: Collection[str]) -> Value:
    if isinstance(value, Mapping):
        return {_texts.text(key): part if key in keep else _written(part, keep) for key, part in value.items()}
    return [_written(part, keep) for part in value] if _is_list(value) else _texts.text(value)


def _is_list(value: Value) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"text": text, "texts": texts}
