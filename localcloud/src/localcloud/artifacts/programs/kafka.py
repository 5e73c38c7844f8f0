# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apache Kafka with its command line tools, and the JMX exporter's Java agent, from Maven for tests.

Kafka's own archive is not in Maven, but everything in it is. What the archive calls ``bin/*.sh`` is made here, for the
tools that the role kafka uses.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from localcloud.artifacts.cache import Cache
from localcloud.artifacts.programs.maven import Artifact, fetch, pom
from localcloud.host.files import home
from localcloud.model import LocalCloudError

VERSION: Final = "4.3.1"
# 1.x names its metrics alike; newer ones are published outside of Maven only.
AGENT_VERSION: Final = "1.0.1"

_TOOLS: Final[Mapping[str, str]] = {
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-server-start": "kafka.Kafka",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
}
# The variables are those of Kafka's own scripts.
_SCRIPT: Final = """#!/usr/bin/env bash
here=$(cd "$(dirname "${{BASH_SOURCE[0]}}")/.." && pwd)
# shellcheck disable=SC2086 # lists of options
exec java ${{KAFKA_HEAP_OPTS:--Xmx256m}} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \\
  ${{KAFKA_LOG4J_OPTS:--Dlog4j2.level=ERROR}} -cp "$here/libs/*" ${{KAFKA_OPTS:-}} {main} "$@"
"""


def distribution(version: str = VERSION, environment: Mapping[str, str] | None = None) -> Path:
    """Return a folder with ``bin`` and ``libs``, fetched once.

    :raises LocalCloudError: without Maven or Java, or if Maven fails
    """
    wanted = (
        ("org.apache.kafka", "kafka_2.13", version),
        ("org.apache.kafka", "kafka-tools", version),
        ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
    )
    return _fetched(f"kafka-{version}", wanted, os.environ if environment is None else environment)


def java_agent(version: str = AGENT_VERSION, environment: Mapping[str, str] | None = None) -> Path:
    """Return the JMX exporter's jar, fetched once."""
    wanted = (("io.prometheus.jmx", "jmx_prometheus_javaagent", version),)
    folder = _fetched(f"jmx-exporter-{version}", wanted, os.environ if environment is None else environment)
    return folder / "libs" / f"jmx_prometheus_javaagent-{version}.jar"


def class_archive(make: Callable[[Path], None], environment: Mapping[str, str] | None = None) -> Path:
    """Return an archive of classes for ``-XX:SharedArchiveFile``, made once for each version of Kafka and Java.

    :param make: runs a tool with ``-XX:ArchiveClassesAtExit`` and the path that it is given
    """
    environment = os.environ if environment is None else environment
    # A JVM of another build would ignore the archive.
    java = subprocess.run(["java", "-version"], env=dict(environment), capture_output=True, check=True).stderr
    digest = hashlib.sha256(java + distribution(environment=environment).name.encode()).hexdigest()[:8]
    name = f"kafka-classes-{VERSION}"
    return Cache(home(environment)).get(name, f"{name}-{digest}.jsa", make)


def _fetched(name: str, wanted: tuple[Artifact, ...], environment: Mapping[str, str]) -> Path:
    text = pom("kafka", wanted)
    scripts = {tool: _SCRIPT.format(main=main) for tool, main in _TOOLS.items()}
    digest = hashlib.sha256((text + "".join(scripts.values())).encode()).hexdigest()[:8]

    def make(target: Path) -> None:
        fetch(name, text, target, find(environment), environment)
        (target / "bin").mkdir()
        for tool, script in scripts.items():
            path = target / "bin" / f"{tool}.sh"
            path.write_text(script, encoding="utf-8")
            path.chmod(0o755)

    return Cache(home(environment)).get(name, f"{name}-{digest}", make)


def find(environment: Mapping[str, str]) -> str:
    """Return Maven's path. Kafka 4 needs Java 17 besides."""
    missing = [name for name in ("mvn", "java") if not shutil.which(name, path=environment.get("PATH"))]
    if missing:
        raise LocalCloudError(
            f"Kafka for tests needs Maven and Java 17, and {' and '.join(missing)} cannot be found on the PATH."
            " Install them (on Debian: apt-get install maven openjdk-17-jre-headless)."
        )
    return str(shutil.which("mvn", path=environment.get("PATH")))
