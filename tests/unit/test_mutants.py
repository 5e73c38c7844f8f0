# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The input files of `make mutants`."""

from __future__ import annotations

import pytest

from tests.mutants.__main__ import FILES, ROOT, Mutant, changed, explained, function_of


@pytest.mark.parametrize(("file", "tests"), FILES.items())
def test_mutated_files_and_their_tests_exist(file: str, tests: str) -> None:
    assert (ROOT / file).is_file()
    assert (ROOT / "tests/unit" / tests).exists()


@pytest.mark.parametrize("mutant", explained(), ids=lambda mutant: f"{mutant.function}: {mutant.after}"[:60])
def test_an_explained_survivor_is_about_lines_that_are_there(mutant: Mutant) -> None:
    lines = {line.strip() for line in (ROOT / mutant.file).read_text().splitlines()}
    assert set(mutant.before.splitlines()) <= lines
    assert mutant.before != mutant.after
    assert explained()[mutant]


def test_mutants_are_known_by_what_they_change() -> None:
    diff = "# x: survived\n--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n def f():\n-    return 1\n+    return 2\n"
    assert changed(diff) == ("return 1", "return 2")
    assert function_of("a.b.x_is_ours__mutmut_12") == "is_ours"
    assert function_of("a.b.x__inner__mutmut_1") == "_inner"
    assert function_of("a.b.xǁKeyǁpath__mutmut_3") == "Key.path"
