# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formatting of rows, and counting of samples in a topic."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from localcloud.model import LocalCloudError
from tests.benchmarks import bench_pipeline
from tests.benchmarks.__main__ import Row, cells, table
from tests.benchmarks.bench_pipeline import memory_row
from tests.benchmarks.measured_bridges import Arrived
from tests.benchmarks.rows import row


def made(**values: Any) -> Row:
    return Row(**row("work", "peer", **values))  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"ours_s": 2.0, "peer_s": 5.0, "ratio": 2.5, "target": 2.0}, ("2.00 s", "5.00 s", "2.5×", "2×", "-")),
        (
            {"ours_s": 2.0, "peer_s": 5.0, "ratio": 2.5, "ours_requests": 3, "peer_requests": 400},
            ("2.00 s", "5.00 s", "2.5×", "-", "3 / 400 requests"),
        ),
        (
            {"ours_s": 2.0, "peer_s": 5.0, "ratio": 2.5, "ours_per_s": 5000.0, "peer_per_s": 2000.4},
            ("2.00 s", "5.00 s", "2.5×", "-", "5,000 / 2,000 samples/s"),
        ),
        ({"ours_mb": 569.8, "peer_mb": 213.1, "ratio": 0.374}, ("570 MB", "213 MB", "0.4×", "-", "-")),
        (
            {"ours_lost": 60000, "peer_lost": 0, "ours_doubled": 0, "peer_doubled": 1999},
            ("60,000 lost", "0 lost", "-", "-", "0 / 1,999 doubled"),
        ),
    ],
)
def test_each_side_has_the_unit_of_what_was_measured(values: dict[str, Any], line: tuple[str, ...]) -> None:
    assert cells(made(**values)) == ("work", "peer", *line)


def test_all_lines_of_a_table_are_as_long() -> None:
    rows = [
        made(ours_s=1.0, peer_s=100.0, ratio=100.0),
        made(ours_lost=123456, peer_lost=0, ours_doubled=0, peer_doubled=0),
    ]
    head, *lines = table(rows).splitlines()
    assert head.startswith("work")
    assert {len(line) for line in lines} == {len(head)}


def test_memory_that_a_system_does_not_report_has_no_row() -> None:
    assert memory_row("work", "peer", None, None) == []
    (found,) = memory_row("work", "peer", 100.0, 50.0)
    assert (found["ratio"], found["ours_s"]) == (0.5, None)


def test_missing_samples_are_lost_and_repeated_samples_are_duplicates() -> None:
    arrived = Arrived(Counter([0, 1, 1, 1, 3]), last=0)
    assert arrived.lost(5) == 2
    assert arrived.doubled == 2


def test_without_the_programs_there_are_no_rows_and_the_other_benchmarks_continue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def prepare() -> None:
        raise LocalCloudError("install Maven")

    monkeypatch.setattr(bench_pipeline, "prepare", prepare)
    assert bench_pipeline.rows() == []
    assert "install Maven" in capsys.readouterr().err
