# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from localcloud.artifacts.cache import Cache, required_version
from localcloud.artifacts.programs import HERE, PROGRAMS, go_program, version
from localcloud.model import LocalCloudError

GO = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
while [ "$1" != -o ]; do all="$all $1"; shift; done
echo "$PWD $CGO_ENABLED$all $3" > "$2"
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    go = tmp_path / "path" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    return {"PATH": f"{go.parent}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_it_is_built_once_from_its_own_module(machine: dict[str, str]) -> None:
    said: list[str] = []
    path = go_program("node_exporter", environment=machine, progress=said.append)
    assert path.parent == Path(machine["XDG_CACHE_HOME"]) / "dataplatform-fleet" / "software"
    assert path.name.startswith(f"node_exporter-{version('node_exporter')}-")
    assert path.stat().st_mode & 0o111
    built = path.read_text()
    assert built.startswith(f"{HERE / 'node_exporter'} 0 build -trimpath")
    assert built.rstrip().endswith("github.com/prometheus/node_exporter")
    assert go_program("node_exporter", environment=machine, progress=said.append) == path
    assert len(said) == 1
    assert (Path(machine["PATH"].split(":", maxsplit=1)[0]) / "calls").read_text().count("\n") == 1


def test_tags_are_given_and_part_of_the_name(machine: dict[str, str]) -> None:
    path = go_program("telegraf", environment=machine, progress=lambda _: None)
    assert "-tags custom,inputs.http_listener_v2," in path.read_text()
    assert path.name.count("-") == 4


@pytest.mark.parametrize("name", ["prometheus", "promtool"])
def test_prometheus_is_called_as_its_release(machine: dict[str, str], name: str) -> None:
    assert "version.Version=3." in go_program(name, environment=machine, progress=lambda _: None).read_text()


def test_it_says_what_is_missing(machine: dict[str, str], tmp_path: Path) -> None:
    empty = machine | {"PATH": str(tmp_path)}
    with pytest.raises(LocalCloudError, match=r"telegraf [\d.]+ cannot be built: install Go"):
        go_program("telegraf", environment=empty, progress=lambda _: None)
    with pytest.raises(LocalCloudError, match=r"no program kafka: it is one of prometheus,"):
        go_program("kafka", environment=machine)


def test_what_the_compiler_says_last_is_the_error(machine: dict[str, str]) -> None:
    go = Path(machine["PATH"].split(":", maxsplit=1)[0]) / "go"
    go.write_text("#!/bin/sh\necho noise >&2\necho 'no such package' >&2\nexit 1\n")
    with pytest.raises(LocalCloudError, match="go build of promtool failed: no such package"):
        go_program("promtool", environment=machine, progress=lambda _: None)
    assert [path.name for path in (Path(machine["XDG_CACHE_HOME"]) / "dataplatform-fleet/software").iterdir()] == [
        ".promtool.lock"
    ]


@pytest.mark.parametrize("folder", sorted({program.folder for program in PROGRAMS.values()} - {"logstash_config"}))
def test_each_folder_pins_its_tools(folder: str) -> None:
    text = (HERE / folder / "go.mod").read_text()
    for program in PROGRAMS.values():
        if program.folder == folder:
            assert program.package in text
            assert required_version(HERE / folder / "go.mod", program.module)
    assert (HERE / folder / "go.sum").is_file()


def test_one_makes_while_the_others_wait(tmp_path: Path) -> None:
    said: list[str] = []
    cache = Cache(tmp_path, said.append)
    made: list[Path] = []
    entered, leave = threading.Event(), threading.Event()

    def make(target: Path) -> None:
        made.append(target)
        entered.set()
        leave.wait(10)
        target.write_text("x")

    threads = [threading.Thread(target=cache.get, args=("x", "x-1", make)) for _ in range(2)]
    threads[0].start()
    entered.wait(10)
    threads[1].start()
    while not said and threads[1].is_alive():
        threads[1].join(0.05)
    leave.set()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1
    assert said == ["Waiting for another process that is getting x"]
    assert (tmp_path / "x-1").read_text() == "x"


KILLED = """
import os, signal, sys
from pathlib import Path
from localcloud.artifacts.cache import Cache

def make(target):
    target.write_text("ha")
    os.kill(os.getpid(), signal.SIGKILL)

Cache(Path(sys.argv[1])).get("x", "x-1", make)
"""


def test_a_killed_process_leaves_no_partial_file(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert run.returncode == -signal.SIGKILL
    assert not (tmp_path / "x-1").exists()
    cache = Cache(tmp_path, lambda _: pytest.fail("waited"))
    cache.get("x-2", "another", lambda target: target.write_text("x"))
    assert cache.get("x", "x-1", lambda target: target.write_text("half")).read_text() == "half"
    assert {path.name for path in tmp_path.iterdir()} == {".x.lock", "x-1", ".x-2.lock", "another"}


def test_a_full_disk_leaves_no_partial_file(tmp_path: Path) -> None:
    def make(target: Path) -> None:
        target.write_text("ha")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(LocalCloudError, match=r"Cannot write .*x-1: No space left on device"):
        Cache(tmp_path).get("x", "x-1", make)
    assert [path.name for path in tmp_path.iterdir()] == [".x.lock"]


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalCloudError, match="Cannot create the cache"):
        Cache(tmp_path / "file" / "cache").get("x", "x", lambda _: None)
