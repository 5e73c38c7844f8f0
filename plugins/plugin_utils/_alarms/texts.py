# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format thresholds and durations for the texts of alarms."""

from __future__ import annotations

import re

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.model import Unit, number

_NUMBERS = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_WORDS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_SIZES = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def seconds(duration: str) -> float:
    """Return the seconds of a duration of Prometheus, such as 1h30m."""
    return sum(int(amount) * _UNITS[unit] for amount, unit in re.findall(r"(\d+)(ms|[smhdwy])", duration))


def in_words(amount: float) -> str:
    """Return seconds as text: 50 ms, two seconds, ten minutes, 36 hours, seven days."""
    if 0 < amount < 1:
        return f"{number(amount * 1000)} ms"
    # "90 minutes" and "36 hours" instead of "1.5 hours" and "1.5 days"; 60 minutes are "one hour".
    for word, size in _WORDS:
        if amount and amount % size == 0 and (amount >= 2 * 86400 or size < 86400):
            count = int(amount // size)
            said = _NUMBERS[count] if 0 < count < len(_NUMBERS) else str(count)
            return f"{said} {word}{'' if count == 1 else 's'}"
    return f"{number(amount)} seconds"


def duration(value: str) -> str:
    """Return a duration of Prometheus as text: five minutes, one hour."""
    return in_words(seconds(value)) if seconds(value) else "0 minutes"


def threshold(value: float, unit: Unit) -> str:
    """Return a threshold as text: 80 %, 36 hours, 50 MiB, 100000."""
    if unit is Unit.PERCENT:
        return f"{number(value)} %"
    if unit is Unit.SECONDS:
        return in_words(value)
    if unit is Unit.BYTES:
        for word, size in _SIZES:
            if value and value % size == 0:
                return f"{number(value / size)} {word}"
        return f"{number(value)} byte{'' if value == 1 else 's'}"
    return number(value)
