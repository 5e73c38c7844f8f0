# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fakes of programs that install packages, as shell scripts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a module's fakes ``PROGRAMS`` (name → script), which log to ``COUNT``, with its own cache."""
    scripts: Mapping[str, str] = request.module.PROGRAMS
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in scripts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return {
        "PATH": f"{programs}{os.pathsep}{os.defpath}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "COUNT": str(tmp_path / "count"),
    }
