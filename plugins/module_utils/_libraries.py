# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries that Ansible does not require. A missing one is reported with Ansible's own message."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ansible.module_utils.basic import missing_required_lib


@contextlib.contextmanager
def needed(library: str, error: type[Exception]) -> Iterator[None]:
    """Imports of what pip calls *library*. Raises *error* if they fail."""
    try:
        yield
    except ImportError as cause:
        raise error(f"{missing_required_lib(library)} ({cause})") from None
