# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from localcloud import cli
from localcloud.daemon.state import Daemon, StateDir, environment
from localcloud.host.processes import ProcessRecord, identity, write_records
from localcloud.model import LocalCloudError


def daemon(pid: int, mark: str | None = None) -> Daemon:
    return Daemon(pid=pid, identity=mark or identity(pid) or "", port=4700, endpoint_url="http://127.0.0.1:4700")


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    state = StateDir(tmp_path / "state")
    state.prepare()
    return state


def test_the_record_has_what_others_read(state: StateDir) -> None:
    written = daemon(os.getpid())
    state.write(written, {"one": {"status": "ACTIVE"}})
    assert state.read() == written
    content = json.loads(state.file.read_text())
    assert (content["endpoint_url"], content["port"], content["pid"]) == ("http://127.0.0.1:4700", 4700, os.getpid())
    assert content["clusters"] == {"one": {"status": "ACTIVE"}}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_record_is_no_record(state: StateDir, content: str) -> None:
    state.file.write_text(content)
    assert state.read() is None


def test_a_daemon_is_alive_only_as_itself(state: StateDir) -> None:
    assert daemon(os.getpid()).alive
    assert not daemon(os.getpid(), "another start").alive


def test_cleaning_ends_recorded_processes_and_removes_data(state: StateDir) -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    write_records(state.processes, [ProcessRecord("left", left.pid, identity(left.pid) or "")])
    state.write(daemon(os.getpid(), "another start"))
    state.etcd.mkdir()
    state.aws_calls.write_text("{}\n")
    assert state.clean() == 1
    assert left.wait() != 0
    assert not state.file.exists()
    assert not state.processes.exists()
    assert not state.etcd.exists()
    assert state.aws_calls.exists()


def test_only_one_command_at_a_time(state: StateDir) -> None:
    with state.locked(), pytest.raises(LocalCloudError, match="Another localcloud command uses"), state.locked():
        pass
    with state.locked():
        pass


def test_a_full_disk_is_reported_before_the_start(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 5 << 20))
    with pytest.raises(LocalCloudError, match="has 5 MB of free space, and 1024 MB are needed"):
        state.prepare()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalCloudError, match=r"Cannot write to .*/file/state"):
        StateDir(tmp_path / "file" / "state").prepare()


def test_the_default_directory_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOCALCLOUD_STATE", str(tmp_path))
    assert StateDir.default().root == tmp_path
    monkeypatch.delenv("LOCALCLOUD_STATE")
    assert StateDir.default().root.name == ".localcloud"


def test_loopback_requests_bypass_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet.example,localhost")
    variables = environment(daemon(os.getpid()))
    assert variables["NO_PROXY"] == variables["no_proxy"] == "intranet.example,localhost,127.0.0.1"


def test_the_environment_points_clients_here() -> None:
    variables = environment(daemon(os.getpid()))
    assert variables["AWS_ENDPOINT_URL"] == variables["LOCALCLOUD_ENDPOINT_URL"] == "http://127.0.0.1:4700"
    assert variables["AWS_ACCESS_KEY_ID"]
    assert variables["AWS_REGION"] == "eu-central-1"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["down"], 0, "not running"),
        (["status"], 3, "not running"),
        (["env"], 1, "start it with localcloud up"),
    ],
)
def test_commands_without_a_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert cli.main(["--state-dir", str(tmp_path / "none"), *arguments]) == code
    output = capsys.readouterr()
    assert said in output.out + output.err
    assert "Traceback" not in output.err


def test_status_json_without_a_daemon_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--json", "--state-dir", str(tmp_path)]) == 3
    assert json.loads(capsys.readouterr().out) == {"endpoint_url": None, "clusters": {}}


def test_a_port_in_use_is_one_clear_line(
    state: StateDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "port_is_free", lambda _: False)
    assert cli.main(["up", "--port", "4566", "--state-dir", str(state.root)]) == 1
    assert capsys.readouterr().err == (
        "localcloud: Port 4566 is in use: name another with --port, or none to take a free one\n"
    )


@pytest.mark.parametrize(("answers", "found"), [([False, False, True], True), ([False] * 50, False)])
def test_a_daemon_that_responds_late_is_not_restarted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answers: list[bool], *, found: bool
) -> None:
    left = iter(answers)
    monkeypatch.setattr(cli, "_answers", lambda _: next(left))
    monkeypatch.setattr(cli, "PATIENCE", 1.0)
    assert cli._responds(daemon(os.getpid())) is found
    assert ("has not responded for 1 s and is restarted" in capsys.readouterr().err) is not found


def test_a_daemon_that_is_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_answers", lambda _: pytest.fail("asked"))
    assert not cli._responds(daemon(os.getpid(), "another start"))


def test_two_checkouts_that_start_at_once_have_two_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "reserve", lambda _: False)
    assert cli._port(None) != cli.DEFAULT_PORT
