# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All files pin the same versions."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
REQUIRED = yaml.safe_load((ROOT / "collections" / "requirements.yml").read_text())["collections"]


def locked(name: str) -> str:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return next(str(package["version"]) for package in packages if package["name"] == name)


def brought(collection: str) -> str:
    """The version of a collection in the installed package `ansible`."""
    spec = importlib.util.find_spec("ansible")
    assert spec is not None
    assert spec.origin is not None
    manifest = Path(spec.origin).parents[1] / "ansible_collections" / Path(*collection.split(".")) / "MANIFEST.json"
    return str(json.loads(manifest.read_text())["collection_info"]["version"])


def image() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "execution-environment.yml").read_text())
    return content["dependencies"]  # type: ignore[no-any-return]


def test_the_installed_ansible_is_the_locked_one() -> None:
    """The next test compares with the installed version, which must be that of the lock file."""
    assert importlib.metadata.version("ansible") == locked("ansible")


@pytest.mark.parametrize("entry", REQUIRED, ids=lambda entry: entry["name"])
def test_collections_are_those_that_ansible_brings(entry: dict[str, str]) -> None:
    assert entry["version"] == f"=={brought(entry['name'])}"


def test_requirements_hold_all_dependencies_of_the_collection() -> None:
    dependencies = yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]
    versions = {entry["name"]: entry["version"].removeprefix("==") for entry in REQUIRED}
    assert versions.keys() == dependencies.keys()
    for name, wanted in dependencies.items():
        assert versions[name] in SpecifierSet(wanted), name


@pytest.mark.parametrize("key", ["ansible_core", "ansible_runner"])
def test_image_has_the_locked_ansible(key: str) -> None:
    name = key.replace("_", "-")
    assert image()[key]["package_pip"] == f"{name}=={locked(name)}"


def test_packages_that_pip_installs_are_pinned_by_hash() -> None:
    """uv compares each file with uv.lock, and uv itself comes by pip."""
    setup = (ROOT / "tools" / "setup").read_text()
    assert re.findall(r"-m pip install.*", setup) == [
        "-m pip install --quiet --disable-pip-version-check --require-hashes --requirement tools/uv.txt || return"
    ]
    assert 'uv" sync --quiet --frozen' in setup
    requirement = (ROOT / "tools" / "uv.txt").read_text()
    assert re.search(r"^uv==[0-9.]+( \\\n +--hash=sha256:[0-9a-f]{64})+\n\Z", requirement, re.MULTILINE)
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    files = [file for package in packages for file in (*package.get("wheels", ()), package.get("sdist", {})) if file]
    assert len(files) > 1000
    assert [file for file in files if not str(file.get("hash", "")).startswith("sha256:")] == []


def test_renovate_finds_the_image_of_every_role() -> None:
    (manager,) = json.loads((ROOT / "renovate.json").read_text())["customManagers"]
    pattern = re.compile(manager["matchStrings"][0].replace("(?<", "(?P<"))
    for path in sorted(ROOT.glob("roles/*/defaults/main.yml")):
        text = path.read_text()
        options = yaml.safe_load(text) or {}
        images = {name.removesuffix("_image_mirror") for name in options if name.endswith("_image_mirror")}
        declared = {
            (options[f"{one}_image_mirror"], options[f"{one}_image"], options[f"{one}_version"]) for one in images
        }
        found = {(match["mirror"], match["depName"], match["currentValue"]) for match in pattern.finditer(text)}
        assert found == declared, path
