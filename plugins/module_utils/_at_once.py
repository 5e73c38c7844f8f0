# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several calls of an API at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

WORKERS = 8


def at_once[Item, Answer](
    read: Callable[[Item], Answer], items: Iterable[Item], *, workers: int = WORKERS
) -> list[Answer]:
    """Return what is read of each item, in their order, with up to ``workers`` calls at the same time."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(read, items))
