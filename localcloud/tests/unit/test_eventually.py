# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from localcloud import testing
from localcloud.testing import eventually


class Clock:
    """A fake clock that advances only in pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(testing, "time", clock)
    return clock


def test_the_first_true_value_is_returned(clock: Clock) -> None:
    values = iter(["", None, 0, "found", "later"])
    assert eventually(lambda: next(values)) == "found"
    assert len(clock.pauses) == 3


def test_pauses_increase_to_their_limit(clock: Clock) -> None:
    with pytest.raises(AssertionError):
        eventually(lambda: False, 10, every=0.5)
    assert clock.pauses == sorted(clock.pauses)
    assert (clock.pauses[0], clock.pauses[-1]) == (0.02, 0.5)
    assert 10 < clock.now <= 10.5, "one more call after the end"


def test_the_last_value_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("x" * 5000 + "cannot bind")
    with pytest.raises(AssertionError) as failed:
        eventually(list, 5, what="a node", log=log)
    said = str(failed.value)
    assert "did not happen in 5 s: a node; last seen: []" in said
    assert "server.log:\nxxx" in said
    assert said.endswith("cannot bind")
    assert len(said) < 4200


def test_given_exceptions_are_retried_and_reported() -> None:
    answers = iter([ConnectionRefusedError("refused"), "up"])

    def look() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert eventually(look) == "up"

    def missing() -> bool:
        raise KeyError("status")

    with pytest.raises(KeyError):
        eventually(missing)
    with pytest.raises(AssertionError, match="last seen: KeyError"):
        eventually(missing, 1, retry_on=KeyError)
