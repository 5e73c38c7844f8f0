# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of locks."""

from __future__ import annotations


class LockError(Exception):
    """An error whose message is shown unchanged."""


class HeldError(LockError):
    """Another run holds the lock."""


class LostError(LockError):
    """This run no longer holds the lock."""
