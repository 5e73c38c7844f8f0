# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes quantities as integers."""

from __future__ import annotations

import re
from fractions import Fraction

_QUANTITY = re.compile(r"([0-9]*\.?[0-9]+)(m|[kMGTPE]i?|Ki|[eE][0-9]+)?")
_UNITS: dict[str, int] = {unit: 1000**power for power, unit in enumerate("kMGTPE", start=1)} | {
    f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", start=1)
}


def parse(quantity: str | float) -> Fraction:
    """Parse a quantity as a number.

    :raises ValueError: it is not a quantity
    """
    match = _QUANTITY.fullmatch(str(quantity))
    if not match:
        raise ValueError(f"{quantity!r} is not a quantity")
    number, unit = Fraction(match.group(1)), match.group(2) or ""
    if unit == "m":
        return number / 1000
    if unit[:1] in ("e", "E") and len(unit) > 1 and unit[1:].isdigit():
        return number * Fraction(f"1e{unit[1:]}")
    return number * Fraction(_UNITS.get(unit, 1))


def bytes_of(quantity: str | float) -> int:
    """Return a quantity of memory or storage in bytes, rounded up."""
    return -int(-parse(quantity) // 1)


def millis_of(quantity: str | float) -> int:
    """Return a quantity of CPU in thousandths of a core, rounded up."""
    return -int(-(parse(quantity) * 1000) // 1)
