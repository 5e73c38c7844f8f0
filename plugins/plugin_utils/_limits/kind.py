# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kind of value that an option can take, with the source of its limit."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import text as written

Value = Any  # whatever a YAML file holds


@dataclass(frozen=True)
class Kind:
    """A kind of value: the words that say it, all of its text as a pattern, its length, and what else must hold."""

    words: str
    source: str
    pattern: str = r"[^\r\n]*"
    longest: int = 4096
    holds: Callable[[Value], bool] = lambda _value: True
    text: bool = False  # the roles write any scalar as text, as the filters text and texts do

    def takes(self, value: Value) -> bool:
        if self.text and not isinstance(value, Mapping | list | tuple):
            value = written(value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return False
        text = str(value)
        return len(text) <= self.longest and re.fullmatch(self.pattern, text) is not None and self.holds(value)


def network(value: Value) -> bool:
    try:
        ipaddress.ip_network(value if isinstance(value, str) and "/" in value else "")
    except ValueError:
        return False
    return True
