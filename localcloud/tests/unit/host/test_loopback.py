# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud.artifacts.binaries import Binaries
from localcloud.host import loopback
from localcloud.host.loopback import HOST, Reservations, free_port, reserve
from localcloud.host.processes import Supervisor
from localcloud.kubernetes import etcd
from localcloud.kubernetes.etcd import Etcd
from localcloud.model import LocalCloudError

TAKE = """
import sys
from pathlib import Path
from localcloud.host.loopback import Reservations
print(Reservations(Path(sys.argv[1])).take(int(sys.argv[2])), flush=True)
sys.stdin.read()
"""


@contextmanager
def listening(port: int = 0) -> Iterator[int]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(1)
        yield listener.getsockname()[1]


def test_no_port_is_chosen_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "PORTS", range(20000, 20016))
    chosen: list[int] = []
    with pytest.raises(LocalCloudError, match="No free port between 20000 and 20016"):
        while True:
            chosen.append(free_port())
    assert len(chosen) == len(set(chosen)) > 0


def test_a_port_that_another_process_has_reserved_is_not_chosen(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", TAKE, tmp_path / "ports", "20001"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"
    mine = Reservations(tmp_path / "ports")
    assert not mine.take(20001)
    assert mine.take(20002)
    other.kill()
    other.communicate()
    assert mine.take(20001)


def test_the_oldest_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "_RESERVED", 2)
    mine = Reservations(tmp_path / "ports")
    assert [mine.take(port) for port in (1, 2, 3, 1, 3)] == [True, True, True, True, False]


def test_without_a_lock_file_ports_are_still_chosen(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    mine = Reservations(tmp_path / "file" / "ports")
    assert mine.take(20001)
    assert not mine.take(20001)


def test_a_port_in_use_is_not_reserved() -> None:
    with listening() as port:
        assert not reserve(port)


def test_etcd_uses_other_ports_if_one_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake program prints etcd's error and ends."""
    program = tmp_path / "etcd-program"
    program.write_text("#!/bin/sh\necho address already in use; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(Binaries, "resolve", lambda *_: program)
    monkeypatch.setattr(Etcd, "_healthy", lambda _: False)
    supervisor = Supervisor(tmp_path / "processes.json")
    said: list[str] = []
    with listening() as taken:
        monkeypatch.setattr(etcd, "free_port", lambda: taken)
        with pytest.raises(LocalCloudError, match="address already in use"):
            Etcd(Binaries(), tmp_path / "etcd", supervisor).start(said.append)
        assert len(said) == etcd.ATTEMPTS - 1
    said.clear()
    monkeypatch.setattr(etcd, "free_port", loopback.free_port)
    with pytest.raises(LocalCloudError, match="address already in use"):
        Etcd(Binaries(), tmp_path / "etcd", supervisor).start(said.append)
    assert said == []
    supervisor.stop()
