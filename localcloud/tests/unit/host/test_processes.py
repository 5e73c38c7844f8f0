# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localcloud.host import processes
from localcloud.host.processes import (
    ProcessRecord,
    Supervisor,
    end,
    identity,
    read_records,
    resident_bytes,
    tail,
    write_records,
)
from localcloud.model import LocalCloudError
from localcloud.testing import eventually

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


@pytest.fixture
def supervisor(tmp_path: Path):
    supervisor = Supervisor(tmp_path / "processes.json")
    yield supervisor
    supervisor.stop(grace=0)


def test_started_processes_are_recorded_until_they_stop(supervisor: Supervisor, tmp_path: Path) -> None:
    process = supervisor.start("sleeper", SLEEP, tmp_path / "log")
    assert read_records(tmp_path / "processes.json") == [process.record]
    assert identity(process.record.pid) == process.record.identity
    assert eventually(lambda: resident_bytes(process.record.pid) > 0)
    process.stop()
    assert not process.running
    assert read_records(tmp_path / "processes.json") == []
    assert identity(process.record.pid) is None


def test_processes_that_come_and_go_at_once_are_all_recorded(supervisor: Supervisor, tmp_path: Path) -> None:
    names = [str(number) for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        started = list(pool.map(lambda name: supervisor.start(name, SLEEP, tmp_path / name), names))
        assert {record.name for record in read_records(tmp_path / "processes.json")} == set(names)
        list(pool.map(lambda process: process.stop(grace=0), started))
    assert read_records(tmp_path / "processes.json") == []


def test_a_process_that_ignores_sigterm_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    process = supervisor.start("stubborn", STUBBORN, tmp_path / "log")
    assert eventually(lambda: tail(tmp_path / "log") == "up")
    process.stop(grace=0.1)
    assert not process.running


def test_an_ended_process_is_reported_with_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    process = supervisor.start("failing", ["/bin/sh", "-c", "echo address already in use; exit 3"], tmp_path / "log")
    assert eventually(lambda: not process.running)
    with pytest.raises(LocalCloudError, match=r"(?s)failing ended with status 3.*address already in use"):
        process.check()


def test_end_does_not_affect_a_later_process_with_the_same_id(supervisor: Supervisor, tmp_path: Path) -> None:
    process = supervisor.start("sleeper", SLEEP, tmp_path / "log")
    assert end(ProcessRecord("sleeper", process.record.pid, "another start")) is False
    assert process.running


def test_end_stops_what_was_recorded(tmp_path: Path) -> None:
    child = subprocess.Popen(STUBBORN, stdout=subprocess.DEVNULL)
    record = ProcessRecord("stubborn", child.pid, identity(child.pid) or "")
    assert end(record, grace=0.2) is True
    assert child.wait() in (-signal.SIGKILL, -signal.SIGTERM)


@pytest.mark.parametrize(
    "watchdog",
    [
        pytest.param(False, marks=pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it on Linux")),
        True,
    ],
    ids=["kernel", "watchdog"],
)
def test_children_die_with_a_killed_parent(tmp_path: Path, watchdog: bool) -> None:
    record_file, log = tmp_path / "processes.json", tmp_path / "log"
    script = f"""
        import os, signal, threading
        from pathlib import Path
        from localcloud.host.processes import Supervisor
        supervisor = Supervisor(Path({str(record_file)!r}), watchdog={watchdog})
        # As the emulator does: the thread that asks for the process ends long before it.
        thread = threading.Thread(target=supervisor.start, args=("sleeper", {SLEEP!r}, Path({str(log)!r})))
        thread.start()
        thread.join()
        print("started", flush=True)
        signal.pause()
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    assert eventually(lambda: tail(log) == "up")
    (record,) = read_records(record_file)
    assert identity(record.pid) == record.identity
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert eventually(lambda: identity(record.pid) is None)


def test_a_kept_process_is_restarted(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(processes, "KEEPER_INTERVAL", 0.05)
    process = supervisor.start("sleeper", SLEEP, tmp_path / "log")
    process.keep = True
    first = process.record
    os.kill(first.pid, signal.SIGKILL)
    assert eventually(lambda: process.running and process.record != first)
    assert eventually(lambda: read_records(tmp_path / "processes.json") == [process.record])
    assert "sleeper ended unexpectedly and is restarted" in caplog.text
    process.stop(grace=0)
    assert not process.running


def test_other_processes_are_not_restarted(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "KEEPER_INTERVAL", 0.01)
    ended = supervisor.start("short", ["/bin/true"], tmp_path / "log")
    first = ended.record
    assert eventually(lambda: not ended.running)
    kept = supervisor.start("kept", ["/bin/true"], tmp_path / "log")
    second = kept.record
    kept.keep = True
    assert eventually(lambda: kept.record != second)
    assert ended.record == first


def test_nothing_is_started_after_a_stop(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "processes.json")
    supervisor.stop()
    with pytest.raises(LocalCloudError, match="late is not started: the local cloud is stopping"):
        supervisor.start("late", SLEEP, tmp_path / "log")


def test_a_process_that_starts_during_a_stop_is_ended(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case of a list of processes that was read before the start."""
    book = supervisor._book.write
    monkeypatch.setattr(supervisor._book, "write", lambda: (supervisor._stopping.set(), book()))
    started: list[processes.Process] = []
    monkeypatch.setattr(
        processes, "Process", lambda *arguments, own=processes.Process: started.append(own(*arguments)) or started[0]
    )
    with pytest.raises(LocalCloudError, match="late is not started"):
        supervisor.start("late", SLEEP, tmp_path / "log")
    assert not started[0].running


def test_records_that_cannot_be_written_stop_no_process(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "KEEPER_INTERVAL", 0.05)
    record_file = tmp_path / "processes.json"
    record_file.mkdir()
    process = supervisor.start("sleeper", SLEEP, tmp_path / "log")
    assert process.running
    record_file.rmdir()
    assert eventually(lambda: read_records(record_file) == [process.record])


def test_a_failed_restart_is_retried(supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "KEEPER_INTERVAL", 0.05)
    process = supervisor.start("sleeper", SLEEP, tmp_path / "logs" / "log")
    process.keep = True
    first = process.record
    attempts: list[str] = []
    spawn = process.spawn

    def lacking() -> None:
        attempts.append("")
        if len(attempts) < 3:
            raise OSError("Too many open files")
        spawn()

    monkeypatch.setattr(process, "spawn", lacking)
    os.kill(first.pid, signal.SIGKILL)
    assert eventually(lambda: process.running and process.record != first)


def test_records_survive_a_round_trip_and_damage(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    records = [ProcessRecord("a", 1, "x"), ProcessRecord("b", 2, "y")]
    write_records(path, records)
    assert read_records(path) == records
    path.write_text("{half a fi")
    assert read_records(path) == []
    assert read_records(tmp_path / "none") == []


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(str(number) for number in range(10000)))
    assert tail(log, 3) == "9997\n9998\n9999"
    assert tail(tmp_path / "none") == ""
