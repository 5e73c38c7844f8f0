# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse versions of Ansible and Python that the collection does not support. Imported before each plugin."""

from __future__ import annotations

import sys

import ansible


def _refusal(core: str, python: tuple[int, ...]) -> str:
    """Return why these versions are refused, or an empty text."""
    if tuple(int(part) for part in core.split(".")[:2]) >= (2, 20) and python >= (3, 12):
        return ""
    return (
        "The collection dataplatform.fleet needs ansible-core 2.20 or later and Python 3.12 or later. "
        f"This is ansible-core {core} with Python {'.'.join(map(str, python))}, {sys.executable}."
    )


# Ansible would continue after an exception in a plugin. In ansible-test's import test, `ansible` has no version.
if _text := _refusal(getattr(ansible, "__version__", "2.20"), sys.version_info[:3]):
    print(f"ERROR: {_text}", file=sys.stderr)
    sys.exit(1)
