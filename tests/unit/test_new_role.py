# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of ``make new-role``. The tests of every role apply to a new role immediately."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with one other role."""
    for part in ("playbooks", "tools", "roles/node_exporter"):
        shutil.copytree(ROOT / part, tmp_path / part, symlinks=True)
    return tmp_path


def make(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(copy / "tools" / "new-role"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "layer", "removal"),
    [
        (["my_exporter"], "agents", "everywhere"),
        (["my_exporter", "controlplane"], "controlplane", "controlplane"),
        (["my_exporter", "ingress"], "ingress", "everywhere"),
    ],
)
def test_a_role_has_its_files_and_its_place(copy: Path, arguments: list[str], layer: str, removal: str) -> None:
    made = make(copy, *arguments)
    assert made.returncode == 0, made.stderr
    files = [
        path for folder in ("roles", "extensions/molecule") for path in (copy / folder / "my_exporter").rglob("*.*")
    ]
    assert len(files) > 10
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not [word for word in ("NAME", "OBJECT", "PURPOSE") if word in text], path
        assert path.suffix != ".yml" or yaml.safe_load(text) is not None, path
    assert "| `my_exporter_settings` | dict | `{}` |" in (copy / "roles" / "my_exporter" / "README.md").read_text()
    plays = yaml.safe_load((copy / "playbooks" / f"_{layer}.yml").read_text())
    assert "dataplatform.fleet.my_exporter" in str(plays[-1])
    destroy = yaml.safe_load((copy / "playbooks" / "destroy.yml").read_text())
    removed = [play["vars"][f"__layers_{removal}"] for play in destroy if "__layers" in play.get("vars", {})]
    assert [layers[0] for layers in removed] == ["my_exporter"]
    new = [str(path) for path in files if path.suffix == ".yml"]
    lint = subprocess.run(
        ["yamllint", "--strict", "-c", str(ROOT / ".yamllint"), *new], capture_output=True, text=True, check=False
    )
    assert lint.returncode == 0, lint.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Usage: new-role NAME [LAYER]"),
        (["My-Exporter"], "'My-Exporter' is no name of a role"),
        (["node_exporter"], "roles/node_exporter exists."),
        (["my_exporter", "roof"], "There is no layer 'roof': choose one of clusters, ingress, controlplane, agents."),
    ],
)
def test_reports_the_errors_and_writes_nothing(copy: Path, arguments: list[str], words: str) -> None:
    refused = make(copy, *arguments)
    assert refused.returncode == 1
    assert words in refused.stderr
    assert not (copy / "extensions").exists()
