# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions of a workload's credential in Kafka, and allowed network connections."""

from __future__ import annotations

import base64
import re
from functools import partial
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.e2e import workloads
from ansible_collections.dataplatform.fleet.tests.e2e.fleet import NAMESPACE, Fleet, Member, eventually
from ansible_collections.dataplatform.fleet.tests.e2e.workloads import CLIENT, PORT, PROBE, TARGET, probe, target
from ansible_collections.dataplatform.fleet.tests.integration.certificates import Issuer

pytestmark = pytest.mark.exhaustive

BOOTSTRAP = "kafka-bootstrap.dataplatform.internal:9094"
LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule"
SETTINGS = """cat > /run/kafka/client << 'END'
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config={login} required username="{user}" password="{password}";
ssl.truststore.type=PEM
ssl.truststore.location=/run/kafka/ca
max.block.ms=20000
request.timeout.ms=15000
default.api.timeout.ms=20000
END
cat > /run/kafka/ca << 'END'
{ca}
END
"""


class Client:
    """Kafka's tools in the workload's cluster, with its credential or another."""

    def __init__(self, member: Member) -> None:
        self._member = member
        data = member.get("agents", "secrets", "prometheus-telegraf")["data"]
        self.user, self.password, self.ca = (
            base64.b64decode(data[key]).decode() for key in ("KAFKA_USERNAME", "KAFKA_PASSWORD", "ca.crt")
        )

    def run(self, command: str, *, password: str = "", ca: str = "") -> str:
        """Return the output of a command that uses the settings in /run/kafka/client."""
        settings = SETTINGS.format(
            login=LOGIN, user=self.user, password=password or self.password, ca=(ca or self.ca).strip()
        )
        tool, _, rest = command.partition(".sh ")
        script = f"export PATH=$PATH:/opt/kafka/bin\n{settings}\n{tool}.sh --bootstrap-server {BOOTSTRAP} {rest} 2>&1"
        ran = self._member.run(NAMESPACE, CLIENT, "main", ["bash", "-c", script], 90)
        return ran.out + ran.err

    def write(self, topic: str, **other: str) -> str:
        command = "kafka-console-producer.sh --topic {} --command-config /run/kafka/client <<< '{{}}'"
        return self.run(command.format(topic), **other)


@pytest.fixture(scope="module")
def client(fleet: Fleet) -> Client:
    fleet.workload.apply(workloads.namespace(NAMESPACE))
    fleet.workload.apply(workloads.client(fleet.images, NAMESPACE))
    eventually(lambda: fleet.workload.ready(NAMESPACE, f"app.kubernetes.io/name={CLIENT}"))
    return Client(fleet.workload)


def messages(fleet: Fleet, topic: str) -> int:
    """Return the number of messages in a topic with few writes, read by a node."""
    command = (
        "/opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server kafka.kafka.svc:9091 --from-beginning"
        f" --topic {topic} --command-config /run/kafka/client --timeout-ms 15000"
    )
    ran = fleet.controlplane.run("kafka", workloads.READER, "main", ["bash", "-c", command], 90)
    found = re.search(r"^Processed a total of (\d+) messages", ran.err, re.MULTILINE)
    assert found, ran.err
    return int(found[1])


def test_its_own_topic_of_logs_can_be_written(fleet: Fleet, reader: Any, client: Client) -> None:
    """The positive case, without which the refusals below would prove nothing."""
    before = messages(fleet, "logs-staging")
    assert "Exception" not in client.write("logs-staging")
    assert messages(fleet, "logs-staging") == before + 1


@pytest.mark.parametrize("topic", ["metrics-production", "metrics-controlplane", "logs-controlplane"])
def test_topics_of_others_cannot_be_written(fleet: Fleet, reader: Any, client: Client, topic: str) -> None:
    assert "Not authorized to access topics: [" + topic in client.write(topic)
    if topic == "metrics-production":
        # No other client writes to it: this cluster does not exist.
        assert messages(fleet, topic) == 0


@pytest.mark.parametrize("topic", ["metrics-staging", "metrics-controlplane"])
def test_nothing_can_be_read(client: Client, topic: str) -> None:
    said = client.run(
        f"kafka-console-consumer.sh --topic {topic} --partition 0 --offset earliest --max-messages 1 --timeout-ms 20000"
        " --command-config /run/kafka/client"
    )
    assert "Not authorized to access topics: [" + topic in said
    assert "@timestamp" not in said


def test_no_topic_can_be_made(client: Client) -> None:
    said = client.run("kafka-topics.sh --create --topic e2e-forbidden --command-config /run/kafka/client")
    assert "AuthorizationException" in said


def test_a_wrong_password_is_refused(client: Client) -> None:
    assert "SaslAuthenticationException" in client.write("logs-staging", password="x" * 32)


def test_brokers_of_another_authority_are_not_trusted(client: Client) -> None:
    said = client.write("logs-staging", ca=Issuer("another").pem)
    assert "SslAuthenticationException" in said or "SSL handshake failed" in said


def _opens(member: Member, where: str, pod: str, address: str, port: int) -> bool:
    command = ["timeout", "5", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}"]
    return member.run(where, pod, "main", command, 30).code == 0


@pytest.mark.parametrize("name", ["workload", "controlplane"])
def test_a_platform_namespace_allows_only_declared_connections(fleet: Fleet, name: str) -> None:
    """A pod without a policy cannot connect to a pod outside, and the reverse; without policies, both work."""
    member: Member = getattr(fleet, name)
    member.apply(workloads.namespace(NAMESPACE))
    tier = {"labelSelector": "dataplatform.fleet/tier=platform"}
    platform = [item["metadata"]["name"] for item in member.client.get("/api/v1/namespaces", tier)["items"]]
    assert {"agents", "node-agents", "ingress-nginx"} <= set(platform)
    everywhere = [NAMESPACE, *platform]
    made = [make for where in everywhere for make in (probe(fleet.images, where), target(fleet.images, where, PROBE))]
    try:
        for item in made:
            member.apply(item)
        for where in everywhere:
            eventually(partial(member.ready, where, f"app.kubernetes.io/name={PROBE}", 2))

        def address(where: str, pod: str) -> str:
            return str(member.get(where, "pods", pod)["status"]["podIP"])

        outside = address(NAMESPACE, TARGET)
        assert _opens(member, NAMESPACE, PROBE, outside, PORT)
        let_out = [where for where in platform if _opens(member, where, PROBE, outside, PORT)]
        let_in = [where for where in platform if _opens(member, NAMESPACE, PROBE, address(where, TARGET), PORT)]
        assert (let_out, let_in) == ([], [])
    finally:
        for item in made:
            member.delete(item["metadata"]["namespace"], "pods", item["metadata"]["name"])
