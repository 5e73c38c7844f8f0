# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read YAML without Ansible's tags, by libyaml if PyYAML has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(text: str | bytes) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return the value of a YAML text. Raises yaml.YAMLError."""
    return yaml.load(text, _LOADER)  # noqa: S506 - a safe loader


def load(path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return the value of a YAML file. Raises OSError or yaml.YAMLError."""
    return parse(path.read_text(encoding="utf-8"))
