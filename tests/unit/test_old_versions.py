# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors with an ansible-core or Python that is too old. `tools/matrix` tests real versions."""

from __future__ import annotations

import ast
import json
import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from ansible_collections.dataplatform.fleet import plugins

ROOT = Path(__file__).parents[2]
# Ansible's program, with an older version number.
OLD = """
import sys
import ansible.release
ansible.release.__version__ = "2.19.14"
import ansible
ansible.__version__ = "2.19.14"
from ansible.cli.{program} import main
main()
"""
COMMANDS = {
    "playbook": ["play.yml"],
    "doc": ["-t", "lookup", "dataplatform.fleet.fleet_secret"],
    "inventory": ["-i", "fleet.eks.yml", "--list"],
}


@pytest.mark.parametrize(
    ("core", "python", "refused"),
    [
        ("2.16.19", (3, 11, 7), True),
        ("2.19.14", (3, 12, 1), True),
        ("2.20.0", (3, 11, 9), True),
        ("2.20.0b1", (3, 12, 0), False),
        ("2.21.5", (3, 14, 0), False),
        ("3.0.0", (4, 0, 0), False),
    ],
)
def test_versions_that_are_too_old_are_refused(core: str, python: tuple[int, ...], refused: bool) -> None:
    assert bool(plugins._refusal(core, python)) is refused


def test_the_refusal_contains_required_and_available_values() -> None:
    text = plugins._refusal("2.16.19", (3, 11, 7))
    needed = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"].removeprefix(">=")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"ansible-core {needed.removesuffix('.0')} or later" in text
    assert f"Python {project['requires-python'].removeprefix('>=')} or later" in text
    assert "This is ansible-core 2.16.19 with Python 3.11.7" in text


@pytest.mark.parametrize("program", COMMANDS)
def test_an_old_ansible_ends_in_one_sentence(program: str, tmp_path: Path) -> None:
    play = [{"hosts": "localhost", "tasks": [{"dataplatform.fleet.apply": {"name": "a", "namespace": "a"}}]}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    (tmp_path / "fleet.eks.yml").write_text("plugin: dataplatform.fleet.eks\n")
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_DEVEL_WARNING": "false"}
    done = subprocess.run(
        [sys.executable, "-c", OLD.format(program=program), *COMMANDS[program]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert said.count("The collection dataplatform.fleet needs ansible-core 2.20 or later") == 1, said
    assert "Traceback" not in said and "bug" not in said, said


MODULES = [path for path in sorted((ROOT / "plugins" / "modules").glob("*.py")) if "def main" in path.read_text()]
GUARD = ROOT / "plugins" / "module_utils" / "_python.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_each_module_first_looks_at_its_python(path: Path) -> None:
    """And can be read up to there by the oldest Python with which Ansible starts modules."""
    oldest = ast.parse(path.read_text(), feature_version=(3, 9))
    imported = [node for node in oldest.body if isinstance(node, ast.ImportFrom)]
    first = next(node for node in imported if str(node.module).startswith("ansible_collections.dataplatform.fleet."))
    assert first.module == "ansible_collections.dataplatform.fleet.plugins.module_utils"
    assert [alias.name for alias in first.names] == ["_python"]


def test_a_module_with_an_old_python_ends_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ast.parse(GUARD.read_text(), feature_version=(3, 9))
    runpy.run_path(str(GUARD))
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys, "version_info", (3, 11, 7, "final", 0))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(GUARD))
    assert ended.value.code == 1
    said = json.loads(capsys.readouterr().out)
    assert said["failed"] is True
    assert f"This is Python 3.11.7, {sys.executable}, on " in said["msg"]
    assert "Set ansible_python_interpreter of the host" in said["msg"]
