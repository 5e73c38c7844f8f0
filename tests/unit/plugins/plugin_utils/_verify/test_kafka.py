# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in a broker's pod, with a fake of Kafka's consumer.

A real consumer and broker are in tests/integration/verify.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.kafka import SCRIPT

# Records its arguments, prints the given output, and waits.
CONSUMER = """\
#!/bin/bash
printf '%s\\n' "$@" > "$NOTES/arguments"
env > "$NOTES/environment"
while (($#)); do
  [[ $1 != --command-config ]] || { cat "$2" > "$NOTES/config"; stat -c %a "$2" > "$NOTES/mode"; }
  shift
done
cat "$NOTES/says"
cat "$NOTES/complains" >&2
[[ ! -e $NOTES/fails ]] || exit 1
exec sleep 30
"""


@dataclass
class Broker:
    """A broker's pod: its files, and what its consumer says."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("bin", "run", "notes"):
            (self.folder / name).mkdir()
        program = self.folder / "bin" / "kafka-console-consumer.sh"
        program.write_text(CONSUMER)
        program.chmod(0o755)
        self.says("")

    def says(self, text: str, complains: str = "", *, fails: bool = False) -> None:
        notes = self.folder / "notes"
        (notes / "says").write_text(text)
        (notes / "complains").write_text(complains)
        if fails:
            (notes / "fails").touch()

    def noted(self, name: str) -> list[str]:
        return (self.folder / "notes" / name).read_text().splitlines()

    def run(self, *, wait: str = "20", **environment: str) -> subprocess.CompletedProcess[str]:
        known = {
            "PATH": os.environ["PATH"],
            "NOTES": str(self.folder / "notes"),
            "KAFKA_HOME": str(self.folder),
            "KAFKA_RUN": str(self.folder / "run"),
            "POD_NAME": "kafka-1",
            "KAFKA_SERVICE": "kafka-brokers.kafka",
        }
        command = ["/bin/bash", "-c", SCRIPT, "verify", "metrics-staging", "canary0abc", "160", wait]
        return subprocess.run(command, env=known | environment, capture_output=True, text=True, timeout=20, check=False)


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    return Broker(tmp_path)


FOUND = 'CreateTime:1045000\t{"labels": {"run": "canary0abc"}}'


def test_the_first_message_of_the_run_is_printed_at_once(broker: Broker) -> None:
    broker.says(f"started with canary0abc\nCreateTime:1\tanother\n{FOUND}\nCreateTime:2\tcanary0abc again\n")
    began = time.monotonic()
    done = broker.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{FOUND}\n", "")
    assert time.monotonic() - began < 10, "it does not wait for more"
    assert list((broker.folder / "run").iterdir()) == [], "nothing is left behind"


def test_the_consumer_reads_as_the_broker_itself_from_a_moment_in_the_past_on(broker: Broker) -> None:
    broker.says(FOUND + "\n")
    broker.run(KAFKA_OPTS="-javaagent:x", JMX_PORT="9999", EXTRA_ARGS="-name x", KAFKA_LOG4J_OPTS="-Dx")
    arguments = broker.noted("arguments")
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert options["--bootstrap-server"] == "kafka-1.kafka-brokers.kafka:9091"
    assert options["--topic"] == "metrics-staging"
    assert options["--command-property"] == "auto.offset.reset=by_duration:PT160S"
    assert options["--formatter-property"] == "print.timestamp=true"
    assert "--group" not in options, "the consumer's group is gone with it"
    assert broker.noted("config") == [
        "security.protocol=SSL",
        "ssl.keystore.type=PEM",
        "ssl.keystore.location=/etc/kafka/tls/keystore.pem",
        "ssl.truststore.type=PEM",
        "ssl.truststore.location=/etc/kafka/tls/ca.pem",
    ]
    assert broker.noted("mode") == ["600"]
    environment = dict(line.split("=", 1) for line in broker.noted("environment") if "=" in line)
    assert not {"KAFKA_OPTS", "JMX_PORT", "EXTRA_ARGS", "KAFKA_LOG4J_OPTS"} & environment.keys()
    assert environment["KAFKA_HEAP_OPTS"] == "-Xmx128m", "the broker keeps its memory"


def test_a_late_message_is_not_an_error(broker: Broker) -> None:
    broker.says("CreateTime:1\tanother\n", "a warning\n")
    done = broker.run(wait="1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((broker.folder / "run").iterdir()) == []


def test_a_failed_consumer_is_an_error_with_its_message(broker: Broker) -> None:
    said = "".join(f"line {number}\n" for number in range(100))
    broker.says(f"{said}CreateTime:1\tanother\n", "TimeoutException: no such topic\n", fails=True)
    done = broker.run()
    assert (done.returncode, done.stdout) == (3, "")
    lines = done.stderr.splitlines()
    assert lines[-2:] == ["line 99", "TimeoutException: no such topic"]
    assert len(lines) == 60
    assert list((broker.folder / "run").iterdir()) == []


def test_a_pod_without_room_is_an_error(broker: Broker) -> None:
    assert broker.run(KAFKA_RUN=str(broker.folder / "missing")).returncode == 3
