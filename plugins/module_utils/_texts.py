# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert values of YAML to text for AWS tags and Kubernetes labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text(value: Any) -> str:  # noqa: ANN401 - whatever a YAML file holds
    """Return a scalar as YAML writes it: ``true`` and ``false`` for booleans, nothing for null."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def texts(values: Mapping[Any, Any]) -> dict[str, str]:
    """Return tags or labels with text as keys and values."""
    return {text(key): text(value) for key, value in values.items()}
