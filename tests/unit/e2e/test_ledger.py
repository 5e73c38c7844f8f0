# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of the end-to-end tests, which must detect every loss and duplicate."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.fleet.tests.e2e.ledger import Account, Ledger, between

SCRAPES = {0: {1: 1000, 2: 6000}, 1: {1: 2000}}


def lines(*samples: tuple[int, int, int], first: int = 10) -> str:
    """Messages of one partition; a sample is generator, series and value."""
    return "".join(
        f"3 {first + number} {1000 * value} {generator} {series} {value} .\n"
        for number, (generator, series, value) in enumerate(samples)
    )


EVERYTHING = ((0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1), (0, 0, 2), (0, 1, 2))


def test_all_arrived() -> None:
    ledger = Ledger(series=2)
    ledger.add(lines(*EVERYTHING))
    assert ledger.account(SCRAPES) == Account(sent=6, arrived=6, lost=0, duplicated=0)
    assert ledger.newest == {0: 2000, 1: 1000}


@pytest.mark.parametrize("missing", range(6))
def test_each_loss_is_seen(missing: int) -> None:
    ledger = Ledger(series=2)
    ledger.add(lines(*EVERYTHING[:missing], *EVERYTHING[missing + 1 :]))
    assert ledger.account(SCRAPES) == Account(6, 5, 1, 0)


def test_a_scrape_of_which_nothing_arrived_is_lost() -> None:
    ledger = Ledger(series=2)
    ledger.add(lines(*EVERYTHING[:4]))
    assert ledger.account(SCRAPES) == Account(6, 4, 2, 0)


def test_duplicates_are_counted() -> None:
    ledger = Ledger(series=2)
    ledger.add(lines(*EVERYTHING, EVERYTHING[0], EVERYTHING[0]))
    assert ledger.account(SCRAPES) == Account(6, 6, 0, 2)


def test_messages_that_are_read_twice_are_not_duplicates() -> None:
    ledger = Ledger(series=2)
    ledger.add(lines(*EVERYTHING) + lines(*EVERYTHING))
    assert ledger.account(SCRAPES) == Account(6, 6, 0, 0)
    assert ledger.messages == 6


def test_unread_messages_are_not_a_loss() -> None:
    ledger = Ledger(series=2)
    ledger.add(lines(EVERYTHING[0]))
    with pytest.raises(ValueError, match="missed 4 messages of partition 3"):
        ledger.add(lines(EVERYTHING[1], first=15))


def test_lines_come_in_pieces_and_others_count_as_messages_only() -> None:
    ledger = Ledger(series=2)
    for piece in ("3 10 1000 0 ", "0 1 .\n3 1", "1 .\n3 12 1000 0 1 1 .\n"):
        ledger.add(piece)
    assert ledger.messages == 3
    assert ledger.account({0: {1: 1000}}) == Account(2, 2, 0, 0)


def test_a_line_that_was_cut_short_is_none() -> None:
    ledger = Ledger(series=2)
    ledger.add("\n3 10 1000 0 0 1 .\n3 11\n" + lines(*EVERYTHING))
    assert ledger.account(SCRAPES) == Account(6, 6, 0, 0)


def test_scrapes_between_two_times() -> None:
    assert between(SCRAPES, 1.5, 6) == {0: {}, 1: {1: 2000}}
