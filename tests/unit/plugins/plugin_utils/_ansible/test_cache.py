# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import cache


@pytest.mark.parametrize(
    ("variable", "expected"), [("/var/cache", "/var/cache"), ("", "{home}/.cache"), ("relative", "{home}/.cache")]
)
def test_the_directory_conforms_to_the_xdg_specification(
    monkeypatch: pytest.MonkeyPatch, variable: str, expected: str
) -> None:
    """https://specifications.freedesktop.org/basedir-spec/latest/: relative paths are invalid."""
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    assert cache.folder("apply") == Path(expected.format(home=Path.home())) / "dataplatform.fleet" / "apply"


def test_a_written_folder_is_its_users_alone(tmp_path: Path) -> None:
    cache.write(tmp_path / "a" / "b" / "file", b"content")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"content"
    assert cache.is_own(tmp_path / "a" / "b")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_not_own(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    assert not cache.is_own(tmp_path)


def test_neither_is_another_users_folder_nor_a_missing_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not cache.is_own(tmp_path / "missing")
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert not cache.is_own(tmp_path)


def test_an_error_when_writing_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache.write(tmp_path / "file" / "below", b"")
    (tmp_path / "folder" / "taken").mkdir(parents=True)
    cache.write(tmp_path / "folder" / "taken", b"")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["taken"]
