# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud.host import files
from localcloud.host.files import Book, append_line, flush, locked, write_whole

LONG = "x" * 8192


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """A full disk: the kernel writes a part of the data, then fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def at_once(count: int, work: Callable[[int], object]) -> None:
    barrier = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_writers_at_once_do_not_take_each_others_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for _ in range(20):
        at_once(8, lambda number: write_whole(path, json.dumps([number] * 200)))
        assert len(set(json.loads(path.read_text()))) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    write_whole(tmp_path / "shown", "x")
    write_whole(tmp_path / "private", b"x", 0o600)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("shown", "private")] == [0o644, 0o600]


def test_a_full_disk_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_whole(path, "old")
    with full_disk(100), pytest.raises(OSError, match="File too large"):
        write_whole(path, LONG)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_is_appended_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "log"
    append_line(path, "first")
    with full_disk(100), pytest.raises(OSError, match="File too large"):
        append_line(path, LONG)
    append_line(path, "second")
    assert path.read_text() == "first\nsecond\n"


def test_the_newest_state_is_written_last(tmp_path: Path) -> None:
    clusters: list[int] = []
    book = Book(tmp_path / "book", lambda: json.dumps(clusters))

    def add(number: int) -> None:
        clusters.append(number)
        book.write()

    at_once(8, add)
    assert sorted(json.loads((tmp_path / "book").read_text())) == list(range(8))


def test_a_failed_write_is_logged_once_and_retried(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = "old"
    book = Book(tmp_path / "book", lambda: content)
    book.write()
    content = LONG
    with caplog.at_level(logging.WARNING), full_disk(100):
        book.write()
        book.write()
        book.catch_up()
    assert caplog.text.count("could not be written, and is written later: [Errno 27] File too large") == 1
    assert (tmp_path / "book").read_text() == "old"
    book.catch_up()
    assert (tmp_path / "book").read_text() == LONG


def test_what_is_up_to_date_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Book(tmp_path / "book", lambda: "x")
    book.write()
    monkeypatch.setattr(files, "write_whole", lambda *_: pytest.fail("written again"))
    book.catch_up()


def test_a_failure_of_the_content_is_logged_only(tmp_path: Path) -> None:
    Book(tmp_path / "book", lambda: str(1 // 0)).write()
    assert not (tmp_path / "book").exists()


def test_a_lock_ends_with_a_killed_process(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from localcloud.host.files import locked\n"
        "with locked(Path(sys.argv[1]), lambda: None):\n    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    def taken() -> None:
        said.append("taken")
        holder.kill()

    said: list[str] = []
    with locked(tmp_path / "lock", taken):
        assert said == ["taken"]
    holder.communicate()


def test_a_lock_holds_threads_apart(tmp_path: Path) -> None:
    inside = 0
    most = 0

    def enter(_: int) -> None:
        nonlocal inside, most
        with locked(tmp_path / "lock", lambda: None):
            inside += 1
            most = max(most, inside)
            inside -= 1

    at_once(8, enter)
    assert most == 1


def test_a_directory_is_flushed_with_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "a.jar").write_text("x")
    (tmp_path / "dangling").symlink_to("nowhere")
    flushed: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    flush(tmp_path)
    assert set(flushed) == {tmp_path, tmp_path / "libs", tmp_path / "libs" / "a.jar"}
