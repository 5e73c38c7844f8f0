# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of discovery documents and schemas, which all runs share."""

from __future__ import annotations

import resource
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.discovery import Discovery


@pytest.fixture
def discovery(tmp_path: Path) -> Discovery:
    return Discovery(SimpleNamespace(server=SimpleNamespace(url="https://one", ca="")), tmp_path)


def test_a_full_disk_costs_time_only_and_leaves_nothing(discovery: Discovery, tmp_path: Path) -> None:
    discovery._write("file", {"a": "old"})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        discovery._write("file", {"a": "x" * 8192})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert discovery._read("file") == {"a": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_half_a_file_is_none(discovery: Discovery, tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"a": ')
    assert discovery._read("file") is None


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenShift and AWX run containers with a user id without a name."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}["no such user"])
    nowhere = Discovery(SimpleNamespace(server=SimpleNamespace(url="https://one", ca="")))
    nowhere._write("file", {"a": "b"})
    assert nowhere._read("file") is None
