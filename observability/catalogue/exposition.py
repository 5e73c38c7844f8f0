# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A parser of names and labels in the text format of metrics.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}


def samples(page: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each sample's name and labels. Empty labels are left out."""
    for line in page.splitlines():
        name = _NAME.match(line)
        if not name:
            continue
        labels = {}
        position = name.end()
        if line[position : position + 1] == "{":
            position += 1
            while found := _LABEL.match(line, position):
                if found.group(2):
                    labels[found.group(1)] = found.group(2)
                position = found.end()
        yield name.group(), labels


def labels_by_name(page: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name, labels in samples(page):
        found[name] = found.get(name, frozenset()) | labels.keys()
    return found


def types(page: str) -> dict[str, str]:
    """Return each family's type."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))


def series_of(family: str, kind: str, labels: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the series of a family: a histogram has three."""
    for suffix in SUFFIXES.get(kind, ("",)):
        extra = {"_bucket": {"le"}, "": {"quantile"}}.get(suffix, set()) if kind in SUFFIXES else set()
        yield family + suffix, labels | extra
