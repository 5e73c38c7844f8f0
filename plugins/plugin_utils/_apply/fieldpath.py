# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Field paths in options: ``spec.replicas``, ``metadata.annotations['a.b/c']``, ``containers[name=app]``."""

from __future__ import annotations

import re
from typing import Final

from .errors import ApplyError
from .fields import Path, compact

_STEP: Final = re.compile(r"\.?([A-Za-z_$][\w$-]*)|\[(['\"])(.+?)\2\]|\[(\w+=[^\],]+(?:,\w+=[^\],]+)*)\]")


def parse(text: str) -> Path:
    """Return the steps of a path in the format of field sets. Raises ApplyError for an invalid path."""
    steps: list[str] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ApplyError(
                f"ignore_fields: {text!r} is not a field path; write it like spec.replicas or"
                " spec.containers[name=app].image."
            )
        plain, _, quoted, key = match.groups()
        if key:
            pairs = (pair.partition("=") for pair in key.split(","))
            values = {name: _value(value) for name, _, value in sorted(pairs)}
            steps.append("k:" + compact(values))
        else:
            steps.append(f"f:{plain or quoted}")
        position = match.end()
    if not steps:
        raise ApplyError("ignore_fields: a field path is empty.")
    return tuple(steps)


def _value(text: str) -> str | int:
    return int(text) if text.isdigit() else text
