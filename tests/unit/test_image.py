# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container image's definition and its commands."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from ansible_builder.user_definition import UserDefinition

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "execution-environment.yml"
# Parts of other playbooks, and the one that sets AWX up from a checkout's data.
NO_COMMANDS = {"confirm_locks", "controller", "lock", "preflight", "release_locks"}


def test_ansible_builder_accepts_the_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that `tools/image` makes are there when the context is made."""
    monkeypatch.chdir(ROOT)
    definition = UserDefinition(str(DEFINITION))
    made = [each["src"] for each in definition.additional_build_files if each["src"].startswith("build/image/")]
    assert made
    text = DEFINITION.read_text()
    for src in made:
        file = tmp_path / src.replace("*", "1")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        text = text.replace(src, str(tmp_path / src))
    (tmp_path / "definition.yml").write_text(
        re.sub(r"^(\s+(?:- src|galaxy|python): )(?!/)(\S+\.\w+|tools/\S+)$", rf"\1{ROOT}/\2", text, flags=re.MULTILINE)
    )
    UserDefinition(str(tmp_path / "definition.yml")).validate()


def test_each_playbook_is_a_command() -> None:
    (names,) = re.findall(r"for playbook in ([a-z ]+);", DEFINITION.read_text())
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("[a-z]*.yml")}
    assert set(names.split()) == playbooks - NO_COMMANDS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a user's, with the command `site` and a program that prints its arguments as `ansible-playbook`."""
    (tmp_path / "inventories" / "staging").mkdir(parents=True)
    (tmp_path / "my fleet").mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "site").symlink_to(ROOT / "tools" / "fleet-playbook")
    (programs / "ansible-playbook").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (programs / "ansible-playbook").chmod(0o755)
    return tmp_path


def site(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["site", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["staging", "--check", "--diff"], ["-i", "inventories/staging", "--check", "--diff"]),
        (["my fleet", "staging"], ["-i", "my fleet", "-i", "inventories/staging"]),
        (["-i", "staging,", "-e", "a=b c"], ["-i", "staging,", "-e", "a=b c"]),
        ([], []),
    ],
)
def test_arguments_before_the_first_option_are_inventories(
    folder: Path, arguments: list[str], expected: list[str]
) -> None:
    done = site(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["dataplatform.fleet.site", *expected]


def test_a_missing_inventory_is_named(folder: Path) -> None:
    done = site(folder, "prodution", "--check")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no inventory prodution: neither prodution nor inventories/prodution" in done.stderr
    assert "-w /fleet" in done.stderr
