# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSearch for tests is compiled once, with a JDK that is new enough; errors name what is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localcloud.artifacts.programs.opensearch import address, command, distribution, jdk
from localcloud.model import LocalCloudError

MAVEN = """#!/bin/sh
mkdir libs
echo run >> "$COUNT"
"""
COMPILER = """#!/bin/sh
test "$1" = -d && mkdir "$2"
"""


def install(home: Path, release: str, *, compiler: bool = True) -> Path:
    (home / "bin").mkdir(parents=True)
    for name, text in (("java", "#!/bin/sh\n"), *([("javac", COMPILER)] if compiler else [])):
        (home / "bin" / name).write_text(text)
        (home / "bin" / name).chmod(0o755)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{release}"\n')
    return home


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "mvn").write_text(MAVEN)
    (programs / "mvn").chmod(0o755)
    return {
        "PATH": f"{programs}{os.pathsep}{os.defpath}",
        "JAVA_HOME": str(install(tmp_path / "jdk", "25.0.3")),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "COUNT": str(tmp_path / "count"),
    }


def test_is_made_once_outside_of_the_checkout(environment: dict[str, str], tmp_path: Path) -> None:
    folder = distribution(environment=environment)
    found = command(tmp_path / "data", environment)
    assert Path(environment["COUNT"]).read_text() == "run\n"
    assert folder.is_relative_to(environment["XDG_CACHE_HOME"])
    assert "<version>3.8.0.0</version>" in (folder / "pom.xml").read_text()
    assert found[0] == f"{environment['JAVA_HOME']}/bin/java"
    assert found[-3:] == [f"{folder}/classes:{folder}/libs/*", "OneNode", str(tmp_path / "data")]
    assert distribution("3.9.0", environment) != folder


def test_the_address_is_known_once_it_listens(tmp_path: Path) -> None:
    assert address(tmp_path) == ""
    (tmp_path / "node_1" / "logs").mkdir(parents=True)
    (tmp_path / "node_1" / "logs" / "http.ports").write_text("127.0.0.1:35021\n")
    assert address(tmp_path) == "127.0.0.1:35021"


def test_a_jdk_that_is_new_enough_is_looked_for(tmp_path: Path) -> None:
    old = install(tmp_path / "old", "17.0.15")
    runtime = install(tmp_path / "jvms" / "a-runtime-25", "25.0.3", compiler=False)
    new = install(tmp_path / "jvms" / "b-jdk-21", "21.0.4")
    assert runtime < new
    environment = {"JAVA_HOME": str(old), "PATH": str(old / "bin")}
    assert jdk(environment, tmp_path / "jvms") == new
    assert jdk({"PATH": str(new / "bin")}, tmp_path / "none") == new
    (new / "release").write_text("")
    with pytest.raises(LocalCloudError, match=r"needs a JDK of Java 21 or newer, and there is none in JAVA_HOME"):
        jdk(environment, tmp_path / "jvms")


def test_without_maven_it_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"opensearch-\S+ for tests needs Maven"):
        distribution(environment=environment | {"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    ("program", "says"),
    [("bin/mvn", r"did not get opensearch-3\.8\.0: .*no such"), ("jdk/bin/javac", "OneNode.java cannot be compiled: ")],
)
def test_an_error_is_shown_and_nothing_is_kept(
    environment: dict[str, str], tmp_path: Path, program: str, says: str
) -> None:
    (tmp_path / program).write_text("#!/bin/sh\necho '[ERROR] no such'\nexit 1\n")
    with pytest.raises(LocalCloudError, match=says):
        distribution(environment=environment)
    assert not list((tmp_path / "cache" / "dataplatform-fleet").glob("opensearch-*"))
