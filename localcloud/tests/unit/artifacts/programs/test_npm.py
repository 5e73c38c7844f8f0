# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""npm packages for tests are installed once, with verified hashes; errors name what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localcloud.artifacts.programs import HERE
from localcloud.artifacts.programs.npm import packages
from localcloud.model import LocalCloudError

NPM = """#!/bin/sh
echo "$@" >> "$COUNT"
mkdir node_modules
"""
NAME = "elasticsearch_client"
PROGRAMS = {"npm": NPM, "node": "#!/bin/sh\n"}


def test_is_installed_once_from_the_lock_file_without_scripts(environment: dict[str, str]) -> None:
    folder = packages(NAME, environment)
    assert packages(NAME, environment) == folder
    assert Path(environment["COUNT"]).read_text() == "ci --ignore-scripts --no-audit --no-fund\n"
    assert (folder / "node_modules").is_dir()
    assert folder.is_relative_to(environment["XDG_CACHE_HOME"])


def test_without_node_it_says_what_to_install(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with pytest.raises(LocalCloudError, match=r"needs Node\.js 20 .*, and node and npm cannot be found on the PATH"):
        packages(NAME, environment)


def test_npms_error_is_shown_and_nothing_is_kept(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin" / "npm").write_text("#!/bin/sh\necho 'npm error code EINTEGRITY' >&2\nexit 1\n")
    with pytest.raises(LocalCloudError, match=f"npm did not get {NAME}: npm error code EINTEGRITY"):
        packages(NAME, environment)
    assert not list((tmp_path / "cache" / "dataplatform-fleet" / "npm").glob(f"{NAME}-*"))


@pytest.mark.parametrize("path", sorted(HERE.glob("*/package-lock.json")), ids=lambda path: path.parent.name)
def test_each_package_is_held_to_its_hash(path: Path) -> None:
    wanted = json.loads(path.with_name("package.json").read_text())["dependencies"]
    locked = json.loads(path.read_text())["packages"]
    assert locked.pop("")["dependencies"] == wanted
    for name, package in locked.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, "the installing user chooses the host"
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
