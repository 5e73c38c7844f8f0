# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages from npm, for tests: types of other software's APIs, and their checkers.

Each set has a directory here with a package.json and a package-lock.json, which pins each package with its hash.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from localcloud.artifacts.cache import Cache
from localcloud.artifacts.programs import HERE
from localcloud.host.files import home
from localcloud.model import LocalCloudError

_FILES = ("package.json", "package-lock.json")


def packages(name: str, environment: Mapping[str, str] | None = None) -> Path:
    """Return a directory with the ``node_modules`` of ``programs/<name>``, installed once.

    Install scripts are not run.

    :raises LocalCloudError: without Node.js or npm; or with npm's first error
    """
    environment = os.environ if environment is None else environment
    source = HERE / name
    digest = hashlib.sha256(b"".join((source / file).read_bytes() for file in _FILES)).hexdigest()[:8]

    def make(target: Path) -> None:
        _find(name, environment)
        target.mkdir()
        for file in _FILES:
            shutil.copy(source / file, target)
        run = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=target,
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            lines = [line for line in run.stderr.splitlines() if line.startswith(("npm error", "npm ERR!"))]
            raise LocalCloudError(f"npm did not get {name}: {' '.join(lines[:3]) or run.stderr.strip()}")

    return Cache(home(environment) / "npm").get(name, f"{name}-{digest}", make)


def _find(name: str, environment: Mapping[str, str]) -> None:
    missing = [tool for tool in ("node", "npm") if not shutil.which(tool, path=environment.get("PATH"))]
    if missing:
        raise LocalCloudError(
            f"{name} for tests needs Node.js 20 or newer with npm, and {' and '.join(missing)} cannot be found on the"
            " PATH. Install them (on Debian: apt-get install nodejs npm)."
        )
