# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs from Maven: their jars and dependencies in one directory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from localcloud.artifacts.cache import say
from localcloud.host.files import home, locked
from localcloud.model import LocalCloudError

Artifact = tuple[str, str, str]  # group, artifact, version

_POM: Final = """<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dataplatform.fleet</groupId>
  <artifactId>{name}-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>{dependencies}
  </dependencies>
  <build>
    <plugins>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-dependency-plugin</artifactId>
        <version>3.8.1</version>
      </plugin>
    </plugins>
  </build>
</project>
"""
_DEPENDENCY: Final = """
    <dependency>
      <groupId>{}</groupId>
      <artifactId>{}</artifactId>
      <version>{}</version>
    </dependency>"""


def pom(name: str, wanted: Iterable[Artifact]) -> str:
    return _POM.format(name=name, dependencies="".join(_DEPENDENCY.format(*artifact) for artifact in wanted))


def fetch(name: str, text: str, target: Path, maven: str, environment: Mapping[str, str]) -> None:
    """Create the directory ``target`` with ``text`` as ``pom.xml`` and the jars in ``libs``.

    :raises LocalCloudError: Maven fails; with its first error
    """
    target.mkdir()
    (target / "pom.xml").write_text(text, encoding="utf-8")
    # All runs share Maven's local repository, which Maven 3.8 does not lock.
    repository = home(environment) / ".maven.lock"
    repository.parent.mkdir(parents=True, exist_ok=True)
    with locked(repository, lambda: say("Waiting for another process that uses Maven")):
        run = subprocess.run(
            [maven, "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=libs"],
            cwd=target,
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode:
        lines = [line for line in run.stdout.splitlines() if line.startswith("[ERROR]")]
        raise LocalCloudError(f"Maven did not get {name}: {lines[0] if lines else run.stderr.strip()}")
