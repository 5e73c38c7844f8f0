# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a lock."""

from __future__ import annotations


class LockError(Exception):
    """An error to be shown as it is."""


class HeldError(LockError):
    """Another run holds the lock."""


class LostError(LockError):
    """This run held the lock, and does not any more."""
