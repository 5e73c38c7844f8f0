# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and the schedules of cron, as far as patterns cannot say what they take. Pure."""

from __future__ import annotations

import re
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


_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES = re.compile(r"(?i)\b(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT)\b")


def cron(value: Value) -> bool:
    fields = str(value).split(" ")
    return len(fields) == len(_FIELDS) and all(map(_cron_field, fields, _FIELDS))


def quartz(value: Value) -> bool:
    """Seconds, minutes, hours, day of month, month, day of week and, if wanted, year; one of the days is ``?``."""
    fields = str(value).split(" ")
    ranges = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
    if len(fields) not in (6, 7) or (fields[3] == "?") == (fields[5] == "?"):
        return False
    days = re.compile(r"\?|L|L-[0-9]{1,2}|LW|[0-9]{1,2}W|[1-7]L|[1-7]#[1-5]")
    return all(
        (index in (3, 5) and days.fullmatch(field)) or _cron_field(field, ranges[index])
        for index, field in enumerate(fields)
    )


def _cron_field(field: str, limits: tuple[int, int]) -> bool:
    def number(text: str) -> bool:
        return bool(_NAMES.fullmatch(text)) or (text.isdigit() and limits[0] <= int(text) <= limits[1])

    for part in field.split(","):
        body, slash, step = part.partition("/")
        if slash and not (step.isdigit() and 0 < int(step) <= limits[1]):
            return False
        first, dash, last = body.partition("-")
        if body != "*" and not (number(first) and (not dash or number(last))):
            return False
    return True
