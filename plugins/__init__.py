# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends what the collection does not run with in one sentence. It is imported before each plugin."""

from __future__ import annotations

import sys

import ansible


def _refusal(core: str, python: tuple[int, ...]) -> str:
    """Why these versions are refused; empty if they are not."""
    if tuple(int(part) for part in core.split(".")[:2]) >= (2, 20) and python >= (3, 12):
        return ""
    return (
        "The collection dataplatform.fleet needs ansible-core 2.20 or later and Python 3.12 or later. "
        f"This is ansible-core {core} with Python {'.'.join(map(str, python))}, {sys.executable}."
    )


# Ansible would go on after an error of a plugin. Without a version it is a test of Ansible's that imports modules.
if _text := _refusal(getattr(ansible, "__version__", "2.20"), sys.version_info[:3]):
    print(f"ERROR: {_text}", file=sys.stderr)
    sys.exit(1)
