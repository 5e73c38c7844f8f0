# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends what the collection does not run with in one sentence. Python imports it before each plugin and each module."""

from __future__ import annotations

import importlib.util
import json
import sys

import ansible


def _refusal(core: str, python: tuple[int, ...]) -> str:
    """Why these versions are refused; empty if they are not. In a module, *core* is that of the controller."""
    if tuple(int(part) for part in core.split(".")[:2]) >= (2, 20) and python >= (3, 12):
        return ""
    return (
        "The collection dataplatform.fleet needs ansible-core 2.20 or later and Python 3.12 or later. "
        f"This is ansible-core {core} with Python {'.'.join(map(str, python))}, {sys.executable}."
    )


if _text := _refusal(ansible.__version__, sys.version_info[:3]):
    # Of a module, which has no ansible.errors, the output is the answer. Ansible goes on after an error of a plugin.
    _module = importlib.util.find_spec("ansible.errors") is None
    print(
        json.dumps({"failed": True, "msg": _text}) if _module else f"ERROR: {_text}",
        file=None if _module else sys.stderr,
    )
    sys.exit(1)
