# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a diff shows a secret value."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

# A random key of this process and its forks: guesses of a password could be tested against a hash without a key.
_KEY: Final = secrets.token_bytes(32)


def mark(value: bytes) -> str:
    """Return 8 digits by which a diff shows whether values are equal; they change with each run."""
    return hmac.digest(_KEY, value, "sha256").hex()[:8]
