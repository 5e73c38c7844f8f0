# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the built collection, and its metadata for other tools."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "meta", "playbooks", "plugins", "roles", "templates")
FILES = {
    "README.md",
    "CHANGELOG.rst",
    "LICENSE",
    "bindep.txt",
    "requirements.txt",
    "changelogs/changelog.yaml",
    "inventories/fleet.yml",
}
JUNK = (
    "big/model.bin",
    "context/_build/collections/amazon/aws/plugins/modules/a.py",
    "collections/ansible_collections/amazon/aws/galaxy.yml",
    "build/render/staging/kafka/a.yaml",
    "dataplatform-fleet-0.0.9.tar.gz",
    "kubeconfig",
    "secrets.yml",
    ".env",
    ".idea/workspace.xml",
    ".venv/lib/python3.13/site-packages/a.py",
    "docs/.obsidian/app.md",
    "docs/draft.md~",
    "inventories/mine/group_vars/managed/vault.yml",
    "playbooks/.site.yml.swp",
    "playbooks/.vscode/settings.yml",
    "playbooks/site.retry",
    "plugins/.mypy_cache/a.py",
    "plugins/modules/.#apply.py",
    "plugins/modules/__pycache__/apply.cpython-313.pyc",
    "plugins/modules/apply.py.orig",
    "plugins/plugin_utils/_apply/.idea/a.py",
    "roles/.vscode/tasks/a.yml",
    "roles/kafka/tasks/#main.yml#",
    "roles/kafka/tasks/.main.yml.swp",
    "roles/kafka/tasks/main.yml.rej",
    "roles/kafka/tasks/main.yml~",
    "roles/kafka/files/.DS_Store",
    "roles/kafka/files/core.1234",
    "templates/.workloads.j2.swp",
)
# What pip calls the distributions of the imported packages, where another name is usual.
USUAL = {"PyYAML": "pyyaml"}


def tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def of_users(names: set[str]) -> set[str]:
    return {name for name in names if name in FILES or (name.split("/")[0] in FOLDERS and "/" in name)}


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of an artifact that is built in a checkout full of other things, in a path with spaces."""
    scratch = tmp_path_factory.mktemp("artifact")
    checkout = scratch / "the fleet's checkout" / ".of mine"
    for name in sorted(of_users(tracked()) | {"galaxy.yml"}):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    for name in JUNK:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("---\n")
    os.truncate(checkout / "big" / "model.bin", 42_000_000)
    linked = checkout / "collections" / "ansible_collections" / "dataplatform"
    linked.mkdir()
    (linked / "fleet").symlink_to("../../..")
    (checkout / "playbooks" / "collections").symlink_to("../collections")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [galaxy, "collection", "build", "--output-path", scratch],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (artifact,) = scratch.glob("*.tar.gz")
    assert artifact.stat().st_size < 4_000_000
    with tarfile.open(artifact) as archive:
        return {member.name for member in archive if not member.isdir()}


def test_artifact_has_what_users_need_and_nothing_else(members: set[str]) -> None:
    """Every file of the folders that an installed collection uses, whatever its name ends with."""
    assert members - {"MANIFEST.json", "FILES.json"} == of_users(tracked())
    assert members >= FILES


def third_party() -> dict[str, set[str]]:
    """The plugins' imports from outside of Python, Ansible and the collection: by package, the files that import it.

    Jinja2 is a part of Ansible: the plugins take the version that Ansible has.
    """
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            for name in names:
                package = name.split(".")[0]
                if package not in sys.stdlib_module_names | {"ansible", "ansible_collections", "jinja2"}:
                    found.setdefault(package, set()).add(str(path.relative_to(ROOT)))
    return found


def test_requirements_are_what_the_plugins_import() -> None:
    """With the bounds of pyproject.toml, so that an image, a project of AWX and a checkout have the same."""
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    distributions = importlib.metadata.packages_distributions()
    imported = {USUAL.get(name, name) for package in third_party() for name in distributions[package]}
    assert {Requirement(line).name for line in lines} == imported
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(lines) <= set(project)


def test_a_builder_of_images_finds_the_requirements() -> None:
    described = yaml.safe_load((ROOT / "meta" / "execution-environment.yml").read_text())
    assert described["version"] == 1
    assert all((ROOT / name).exists() for name in described["dependencies"].values())
    image = yaml.safe_load((ROOT / "execution-environment.yml").read_text())["dependencies"]
    assert image["python"] == described["dependencies"]["python"] == "requirements.txt"


def test_a_checkout_finds_the_collections_that_galaxy_installed_for_a_user(tmp_path: Path) -> None:
    """Plain ansible-core, an image and AWX have them there, and no package `ansible`."""
    module = tmp_path / ".ansible" / "collections" / "ansible_collections" / "acme" / "tool" / "plugins" / "modules"
    module.mkdir(parents=True)
    (module / "hammer.py").write_text(
        'DOCUMENTATION = "{module: hammer, short_description: Hammer, description: [a]}"\n'
    )
    doc = Path(sys.executable).with_name("ansible-doc")
    environment = {**os.environ, "HOME": str(tmp_path), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(
        [doc, "--json", "acme.tool.hammer", "dataplatform.fleet.apply"],
        env={name: value for name, value in environment.items() if not name.startswith("ANSIBLE_COLL")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["dataplatform.fleet.apply"]["doc"]["filename"].startswith(str(ROOT))
    assert found["acme.tool.hammer"]["doc"]["short_description"] == "Hammer"
