# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of a row, see __main__.py."""

from __future__ import annotations

from typing import Any


def row(work: str, peer: str, **values: Any) -> dict[str, Any]:
    """A row in which what is not among the values is null."""
    empty = ("ours_s", "peer_s", "ratio", "target", "ours_requests", "peer_requests")
    return {"work": work, "peer": peer, **dict.fromkeys(empty), **values}
