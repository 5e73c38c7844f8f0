# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and the schedules of cron, as far as patterns cannot say what they take. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

Value = Any  # whatever a YAML file holds

_SECONDS = {
    "nanos": Decimal("1e-9"),
    "micros": Decimal("1e-6"),
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
    "w": Decimal(604800),
    "M": Decimal(2592000),
    "y": Decimal(31536000),
    "Y": Decimal(31536000),
}


def seconds(text: str) -> Decimal:
    """Return how long a duration such as ``1h30m`` is. What has no number and no unit counts as nothing."""
    parts = re.findall(r"([0-9.]+)(nanos|micros|[mnu]s|[smhdwyMY])", text)
    return sum((Decimal(number) * _SECONDS[unit] for number, unit in parts), Decimal(0))


def lasts(value: Value) -> bool:
    # A hundred years: an int64 of nanoseconds, as Go has it, ends at 292.
    return Decimal(0) < seconds(str(value)) <= 100 * _SECONDS["y"]


# Source: github.com/robfig/cron v3, which Kubernetes uses.
_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MACROS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def cron(value: Value) -> bool:
    """Minutes, hours, day of month, month and day of week, or a word for these, or ``@every`` and a duration."""
    if str(value).startswith("@"):
        every = re.fullmatch(r"@every (([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+)", str(value))
        return str(value) in _MACROS or (every is not None and seconds(every[1]) >= 1)
    fields = str(value).split()
    return len(fields) == len(_FIELDS) and all(
        _cron_field("*" if field == "?" else field, limits, names=names, wraps=False)
        for field, limits, names in zip(fields, _FIELDS, ((), (), (), _MONTHS, _DAYS), strict=True)
    )


def quartz(value: Value) -> bool:
    """Seconds, minutes, hours, day of month, month, day of week and, if wanted, year; one of the days is ``?``."""
    fields = str(value).split()
    ranges = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
    if len(fields) not in (6, 7) or (fields[3] == "?") == (fields[5] == "?"):
        return False
    days = re.compile(rf"(?i)\?|L|L-[0-9]{{1,2}}|LW|[0-9]{{1,2}}W|([1-7]|{'|'.join(_DAYS)})(L|#[1-5])")
    return all(
        (index in (3, 5) and days.fullmatch(field)) or _cron_field(field, ranges[index])
        for index, field in enumerate(fields)
    )


def _cron_field(
    field: str, limits: tuple[int, int], *, names: Sequence[str] = (*_MONTHS, *_DAYS), wraps: bool = True
) -> bool:
    def order(text: str) -> int:
        return names.index(text.upper()) + limits[0] if text.upper() in names else int(text)

    def number(text: str) -> bool:
        return text.upper() in names or (text.isascii() and text.isdigit() and limits[0] <= int(text) <= limits[1])

    for part in field.split(","):
        body, slash, step = part.partition("/")
        if slash and not (step.isdigit() and 0 < int(step) <= limits[1]):
            return False
        first, dash, last = body.partition("-")
        if body != "*" and not (number(first) and (not dash or number(last))):
            return False
        if dash and not wraps and order(first) > order(last):
            return False
    return True
