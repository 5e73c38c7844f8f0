# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that replays dead letters, run by bash on files in Logstash's format.

Names, sizes and what the reader and the writer go by: DeadLetterQueueReader.java and DeadLetterQueueWriter.java in
logstash-core/src/main/java/org/logstash/common/io of Logstash 9.5. Logstash itself is not run.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import ROLES

pytestmark = pytest.mark.integration
SCRIPT = ROLES / "logstash" / "files" / "replay.sh"
EMPTY = b"1"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for folder in ("replay/metrics", "replay/logs", "dead_letter_queue/metrics", "dead_letter_queue/metrics-replay"):
        (tmp_path / folder).mkdir(parents=True)
    # Of a pod that never had a dead letter of logs there is no folder.
    return tmp_path


def letters(data: Path, pipeline: str, number: int, text: str) -> Path:
    path = data / "dead_letter_queue" / pipeline / f"{number}.log"
    path.write_bytes(EMPTY + text.encode())
    os.utime(path, (number, number))
    return path


def replay(data: Path, *, path: str = "", patience: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", SCRIPT, data, "metrics", "logs"],
        env={"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "PATIENCE": str(patience)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def given(data: Path) -> dict[int, str]:
    """What the pipeline metrics-replay reads: the text of each segment by its number, in that order."""
    found = sorted((int(path.stem), path) for path in (data / "replay" / "metrics").glob("*.log"))
    # At a start the reader removes what was changed before the segment it was at.
    times = [path.stat().st_mtime_ns for _, path in found]
    assert times == sorted(times)
    return {number: path.read_bytes()[1:].decode() for number, path in found}


def test_letters_go_where_they_are_read_in_their_order(data: Path) -> None:
    for number, text in ((2, "second"), (10, "tenth"), (9, "ninth")):
        letters(data, "metrics", number, text)
    letters(data, "metrics-replay", 1, "refused again")
    head = data / "dead_letter_queue" / "metrics" / "11.log.tmp"
    head.write_bytes(EMPTY)
    done = replay(data)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "metrics: 3 segments with 19 bytes are given to the pipeline metrics-replay",
        "metrics-replay: 1 segments with 14 bytes are given to the pipeline metrics-replay",
        "logs: 0 segments with 0 bytes are given to the pipeline logs-replay",
        "logs-replay: 0 segments with 0 bytes are given to the pipeline logs-replay",
    ]
    assert list(given(data).values()) == ["second", "ninth", "tenth", "refused again"]
    # The writer writes the head segment, and reads its size from the file.
    left = {path.name for path in (data / "dead_letter_queue" / "metrics").iterdir()}
    assert left == {"11.log.tmp", ".deleted_segment"}

    letters(data, "metrics", 11, "later")
    replay(data)
    assert given(data)[5] == "later"
    assert replay(data).stdout.startswith("metrics: 0 segments")


def test_a_segment_that_is_still_being_read_is_followed_even_if_the_clock_went_back(data: Path) -> None:
    read = data / "replay" / "metrics" / "41.log"
    read.write_bytes(EMPTY + b"being read")
    tomorrow = time.time() + 86400
    os.utime(read, (tomorrow, tomorrow))
    letters(data, "metrics", 3, "new")
    replay(data)
    assert given(data) == {41: "being read", 42: "new"}


def test_an_open_segment_is_waited_for(data: Path) -> None:
    head = data / "dead_letter_queue" / "metrics" / "1.log.tmp"
    head.write_bytes(EMPTY + b"a letter")
    timer = threading.Timer(1, lambda: head.rename(head.with_suffix("")))
    timer.start()
    done = replay(data, patience=30)
    timer.join()
    assert done.returncode == 0
    assert given(data) == {1: "a letter"}


@pytest.mark.parametrize("program", ["touch", "ln", "rm", "mv"])
def test_nothing_is_lost_wherever_it_ends(data: Path, tmp_path: Path, program: str) -> None:
    """The script is ended by a signal at the second call of each program, and then run again."""
    folder = tmp_path / "bin"
    folder.mkdir()
    real = next(Path(place) / program for place in ("/usr/bin", "/bin") if (Path(place) / program).exists())
    (folder / program).write_text(
        f"#!/bin/bash\necho >>{tmp_path}/calls\n"
        f"[ $(wc -l <{tmp_path}/calls) -ge 2 ] && kill -9 $PPID && sleep 1\n"
        f'exec {real} "$@"\n'
    )
    (folder / program).chmod(0o755)
    texts = {f"letters {number}" for number in range(1, 4)}
    for number, text in enumerate(sorted(texts), 1):
        letters(data, "metrics", number, text)
    letters(data, "metrics-replay", 1, "refused again")
    replay(data, path=str(folder))
    kept = [path.read_bytes()[1:].decode() for path in data.rglob("*.log")]
    assert texts | {"refused again"} <= set(kept)
    assert replay(data).returncode == 0
    assert set(given(data).values()) == texts | {"refused again"}
    assert not list((data / "dead_letter_queue").rglob("*.log"))


def test_nothing_is_added_to_much_that_is_not_read_yet(data: Path) -> None:
    (data / "replay" / "metrics" / "7.log").write_bytes(EMPTY * (65 << 20))
    path = letters(data, "metrics", 1, "text")
    done = replay(data)
    assert done.returncode == 1
    assert "metrics-replay has not read yet: nothing is added. Run this again when it has." in done.stderr
    assert path.exists()
    assert "logs: 0 segments" in done.stdout


def test_a_pod_without_the_pipelines_keeps_its_letters(data: Path) -> None:
    (data / "replay" / "metrics").rmdir()
    path = letters(data, "metrics", 1, "text")
    done = replay(data)
    assert done.returncode == 1
    assert "has no pipeline metrics-replay. Run --tags logstash first." in done.stderr
    assert path.exists()
