# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Concurrent calls of an API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

WORKERS = 8


def at_once[Item, Answer](
    read: Callable[[Item], Answer], items: Iterable[Item], *, workers: int = WORKERS
) -> list[Answer]:
    """Return the result of ``read`` for each item, in order, with up to ``workers`` concurrent calls."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(read, items))
