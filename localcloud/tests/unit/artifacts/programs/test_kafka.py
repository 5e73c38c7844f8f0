# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kafka for tests is fetched once; errors name what is missing."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localcloud.artifacts.programs.kafka import VERSION, class_archive, distribution, java_agent
from localcloud.model import LocalCloudError

MAVEN = """#!/bin/sh
mkdir -p libs
echo "$@" > libs/jmx_prometheus_javaagent-1.0.1.jar
echo run >> "$COUNT"
"""
PROGRAMS = {"mvn": MAVEN, "java": "#!/bin/sh\n"}


def test_is_fetched_once_with_the_tools_of_the_role(environment: dict[str, str]) -> None:
    folder = distribution(environment=environment)
    assert distribution(environment=environment) == folder
    assert Path(environment["COUNT"]).read_text() == "run\n"
    assert folder.is_relative_to(environment["XDG_CACHE_HOME"])
    assert os.access(folder / "bin" / "kafka-topics.sh", os.X_OK)
    assert f"<version>{VERSION}</version>" in (folder / "pom.xml").read_text()
    assert distribution("90.1.2", environment) != folder


def test_the_agent_is_one_file(environment: dict[str, str]) -> None:
    assert java_agent(environment=environment).name == "jmx_prometheus_javaagent-1.0.1.jar"


def test_an_archive_of_classes_is_made_once_for_each_java(environment: dict[str, str], tmp_path: Path) -> None:
    made: list[Path] = []

    def make(path: Path) -> None:
        path.write_bytes(b"classes")
        made.append(path)

    first = class_archive(make, environment)
    assert class_archive(make, environment) == first
    assert first.read_bytes() == b"classes"
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\necho 'openjdk version 90' >&2\n")
    assert class_archive(make, environment) != first
    assert len(made) == 2


def test_two_runs_of_maven_do_not_share_its_repository_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin" / "mvn").write_text(
        MAVEN + 'echo begin >> "$COUNT.order"; sleep 0.3; echo end >> "$COUNT.order"\n'
    )
    with ThreadPoolExecutor() as pool:
        for made in (
            pool.submit(distribution, environment=environment),
            pool.submit(java_agent, environment=environment),
        ):
            assert made.result().exists()
    assert (tmp_path / "count.order").read_text().split() == ["begin", "end"] * 2


def test_without_maven_it_says_what_to_install(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with pytest.raises(LocalCloudError, match="needs Maven and Java 17, and mvn and java cannot be found on the PATH"):
        distribution(environment=environment)


def test_mavens_error_is_shown_and_nothing_is_kept(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin" / "mvn").write_text("#!/bin/sh\necho '[ERROR] no such artifact'\nexit 1\n")
    with pytest.raises(LocalCloudError, match=r"did not get kafka-4\.3\.1: .*no such artifact"):
        distribution(environment=environment)
    assert not list((tmp_path / "cache" / "dataplatform-fleet").glob("kafka-*"))
