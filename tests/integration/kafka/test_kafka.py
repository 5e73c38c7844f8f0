# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's settings, its reconciler and its metrics on a real Kafka of three nodes.

The tests build on each other: they are one story of a cluster, from its first reconciliation on.
"""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.certificates import Issuer
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import CHECKOUT

from .cluster import MEMBERS, Kafka

pytestmark = pytest.mark.integration

COMMON = {"cluster", "container", "environment", "instance", "job", "namespace", "node", "pod"}
# They come with the first event that they count.
LATE = {
    f"kafka_server_topic_{name}_total" for name in ("bytesrejected", "failedfetchrequests", "failedproducerequests")
}
TOPICS = {f"{kind}-{member}" for kind in ("metrics", "logs") for member in MEMBERS}


def topics(kafka: Kafka) -> dict[str, tuple[int, int]]:
    """Return partitions and replicas of each topic."""
    found = re.findall(
        r"^Topic: (\S+).*PartitionCount: (\d+).*ReplicationFactor: (\d+)",
        kafka.admin("kafka-topics", "--describe"),
        re.M,
    )
    return {name: (int(partitions), int(replicas)) for name, partitions, replicas in found if not name.startswith("__")}


def produce(kafka: Kafka, user: str, password: str, topic: str) -> str:
    """Send a message like Telegraf and Fluent Bit, idempotent and with acks=all; return the errors."""
    client = kafka.client(user, password)
    options = ["--command-config", client, "--topic", topic, "--command-property", "enable.idempotence=true"]
    run = kafka.tool("kafka-console-producer", *options, text="hello\n")
    said = run.stdout + run.stderr
    return "" if run.returncode == 0 and "ERROR" not in said else said


def consume(kafka: Kafka, user: str, password: str, topic: str, group: str) -> str:
    client = kafka.client(user, password)
    options = ["--topic", topic, "--group", group, "--from-beginning", "--max-messages", "1", "--timeout-ms", "15000"]
    run = kafka.tool("kafka-console-consumer", "--command-config", client, *options)
    return run.stdout + run.stderr


def password_of(kafka: Kafka, member: str) -> str:
    found: str = kafka.options["kafka_member_passwords"][member]
    return found


def test_the_first_reconciliation_makes_everything(kafka: Kafka) -> None:
    planned, number = kafka.reconcile("--plan")
    assert number == len(planned) > 0
    assert topics(kafka) == {}
    done, made = kafka.reconcile()
    assert (done, made) == (planned, number)
    assert topics(kafka) == dict.fromkeys(TOPICS, (6, 3))
    users = re.findall(r"user-principal '(\S+)'", kafka.admin("kafka-configs", "--describe", "--entity-type", "users"))
    assert sorted(users) == sorted(["admin", "exporter", "logstash", *MEMBERS])


def test_the_second_changes_nothing(kafka: Kafka) -> None:
    assert kafka.reconcile() == ([], 0)


def test_each_node_votes_and_has_a_rack(kafka: Kafka) -> None:
    quorum = kafka.admin("kafka-metadata-quorum", "describe", "--status")
    voters = re.search(r"CurrentVoters:\s+(.*)", quorum)
    assert voters
    assert len(re.findall(r'"id": \d', voters[1])) == 3
    assert "kafka-2.kafka.kafka.svc:9093" in voters[1]
    config = (kafka.folder / "run-1" / "server.properties").read_text()
    assert "broker.rack=zone-1\n" in config


def test_a_member_writes_its_own_topics_from_outside(kafka: Kafka) -> None:
    for kind in ("metrics", "logs"):
        assert produce(kafka, "staging", password_of(kafka, "staging"), f"{kind}-staging") == ""


def test_a_member_writes_nothing_else_and_reads_nothing(kafka: Kafka) -> None:
    password = password_of(kafka, "staging")
    assert "TopicAuthorizationException" in produce(kafka, "staging", password, "metrics-controlplane")
    assert "TopicAuthorizationException" in produce(kafka, "staging", password, "new")
    assert "AuthorizationException" in consume(kafka, "staging", password, "metrics-staging", "logstash")


def test_a_wrong_password_is_refused(kafka: Kafka) -> None:
    assert "SaslAuthenticationException" in produce(kafka, "staging", "wrong", "metrics-staging")


def test_logstash_reads_every_member(kafka: Kafka) -> None:
    password = kafka.options.get("kafka_logstash_password") or "test-kafka-logstash".ljust(32, "x")
    assert consume(kafka, "logstash", password, "metrics-staging", "logstash").splitlines().count("hello") == 1
    assert "GroupAuthorizationException" in consume(kafka, "logstash", password, "metrics-staging", "other")
    assert "AuthorizationException" in produce(kafka, "logstash", password, "metrics-staging")


def test_the_list_has_exactly_the_metrics(kafka: Kafka) -> None:
    """Metrics of all nodes: only one is the active controller, and some counters exist only after an event."""
    shown: dict[str, set[str]] = {}
    for node in (0, 1, 2):
        for line in kafka.metrics(node).splitlines():
            series = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ", line)
            if series and not line.startswith("#"):
                shown.setdefault(series[1], set()).update(re.findall(r'(\w+)="', series[2] or ""))
    listed = {}
    for line in (CHECKOUT / "observability" / "metrics" / "kafka.txt").read_text().splitlines():
        name, labels, _ = line.split("\t")
        listed[name] = set(labels.split(",")) - COMMON
    (kafka.folder / "shown.txt").write_text(
        "".join(f"{name}\t{','.join(sorted(labels))}\n" for name, labels in sorted(shown.items()))
    )
    assert {name: labels for name, labels in listed.items() if name not in LATE} == {
        name: labels for name, labels in shown.items() if name not in LATE
    }
    assert set(listed) >= LATE


def test_the_admin_logs_in_with_the_password(kafka: Kafka) -> None:
    client = kafka.client("admin", kafka.options["kafka_admin_password"])
    run = kafka.tool("kafka-topics", "--command-config", client, "--list")
    assert set(run.stdout.split()) >= TOPICS, run.stdout + run.stderr


def test_another_members_issuer_makes_no_node(kafka: Kafka) -> None:
    certificate, key = Issuer("staging", by=kafka.ca).issue("kafka", ["kafka.kafka.svc"])
    kafka.mount("forged", {"keystore.pem": key + certificate})
    path = kafka.folder / "forged.properties"
    path.write_text(
        "security.protocol=SSL\nssl.keystore.type=PEM\n"
        f"ssl.keystore.location={kafka.folder / 'forged' / 'keystore.pem'}\n"
        f"ssl.truststore.type=PEM\nssl.truststore.location={kafka.folder / 'tls' / 'ca.pem'}\n"
        "default.api.timeout.ms=10000\nrequest.timeout.ms=5000\n"
    )
    run = kafka.tool("kafka-topics", "--command-config", path, "--list", bootstrap="kafka.kafka.svc:9091")
    assert run.returncode != 0
    assert "SslAuthenticationException" in run.stdout + run.stderr


def test_drift_is_planned_and_repaired(kafka: Kafka) -> None:
    kafka.admin("kafka-topics", "--delete", "--topic", "logs-staging")
    change = ["--delete-config", "retention.ms", "--add-config", "max.message.bytes=1000"]
    kafka.admin("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", "metrics-staging", *change)
    kafka.admin(
        "kafka-configs",
        "--alter",
        "--entity-type",
        "users",
        "--entity-name",
        "staging",
        "--delete-config",
        "SCRAM-SHA-512",
    )
    rule = ["--add", "--topic", "*", "--operation", "Read", "--allow-principal", "User:staging"]
    kafka.admin("kafka-acls", *rule)
    rule = [
        "--remove",
        "--force",
        "--topic",
        "metrics-staging",
        "--operation",
        "Write",
        "--allow-principal",
        "User:staging",
    ]
    kafka.admin("kafka-acls", *rule)
    planned, number = kafka.reconcile("--plan")
    assert [line.split(":")[0] for line in sorted(planned)] == [
        "+ acl User",
        "+ topic logs-staging",
        "+ user staging",
        "- acl User",
        "~ topic metrics-staging",
    ]
    assert kafka.reconcile() == (planned, number)
    assert kafka.reconcile() == ([], 0)
    assert produce(kafka, "staging", password_of(kafka, "staging"), "metrics-staging") == ""


def test_partitions_are_raised_and_never_lowered(kafka: Kafka) -> None:
    kafka.options["kafka_topics"] = {"metrics-staging": {"partitions": 8, "config": {"compression.type": "zstd"}}}
    lines, _ = kafka.reconcile()
    assert lines == ["~ topic metrics-staging: 6 -> 8 partitions", "~ topic metrics-staging: compression.type"]
    assert topics(kafka)["metrics-staging"] == (8, 3)
    lines, number = kafka.reconcile(check=False, kafka_topics={"metrics-staging": {"partitions": 2, "replication": 2}})
    assert kafka.status == 1
    assert number == 3
    assert "! topic metrics-staging has 8 partitions and cannot have 2: Kafka cannot take any away." in lines
    assert topics(kafka)["metrics-staging"] == (8, 3)
    # As the refused reconciliation left it.
    kafka.options["kafka_topics"] = {"metrics-staging": {"partitions": 8}}


def test_a_new_password_is_set_and_never_shown(kafka: Kafka) -> None:
    before, after = password_of(kafka, "staging"), "another-password-9876543210"
    kafka.options["kafka_member_passwords"]["staging"] = after
    run = kafka.start_reconciler()
    seen = set()
    while run.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes())
            except OSError:
                continue
        time.sleep(0.02)
    output = run.communicate()[0].decode()
    assert output.splitlines()[0] == "~ user staging: password"
    secrets = [after, base64.b64encode(after.encode()).decode()]
    assert [line for line in seen if b"--entity-name\0staging" in line]
    assert not [line for line in seen for secret in secrets if secret.encode() in line]
    assert not [secret for secret in secrets if secret in output]
    assert not list((kafka.folder / "run-reconciler").iterdir())
    assert "SaslAuthenticationException" in produce(kafka, "staging", before, "metrics-staging")
    assert produce(kafka, "staging", after, "metrics-staging") == ""


@pytest.mark.exhaustive
def test_after_a_rotation_a_members_both_credentials_are_taken(kafka: Kafka) -> None:
    before, after = password_of(kafka, "staging"), "of-the-other-user-0123456789"
    kafka.options["kafka_member_passwords"]["staging.2"] = after
    lines, _ = kafka.reconcile()
    assert lines[0] == "+ user staging.2"
    assert {line.split()[2] for line in lines[1:]} == {"User:staging.2"}
    for user, password in (("staging", before), ("staging.2", after)):
        assert produce(kafka, user, password, "metrics-staging") == ""
    assert "TopicAuthorizationException" in produce(kafka, "staging.2", after, "metrics-controlplane")
    del kafka.options["kafka_member_passwords"]["staging"]
    lines, _ = kafka.reconcile()
    assert "- user staging" in lines
    assert "SaslAuthenticationException" in produce(kafka, "staging", before, "metrics-staging")
    assert produce(kafka, "staging.2", after, "metrics-staging") == ""
    kafka.options["kafka_member_passwords"] = {**kafka.options["kafka_member_passwords"], "staging": before}
    del kafka.options["kafka_member_passwords"]["staging.2"]
    kafka.reconcile()


def test_a_member_that_is_removed_loses_its_rights_and_keeps_its_topics(kafka: Kafka) -> None:
    password = password_of(kafka, "staging")
    left = {"kafka_members": {"controlplane": MEMBERS["controlplane"]}, "kafka_topics": {}}
    left["kafka_member_passwords"] = {"controlplane": password_of(kafka, "controlplane")}
    lines, _ = kafka.reconcile(**left)
    assert "topic metrics-staging is not declared and stays" in lines
    assert "- user staging" in lines
    assert "SaslAuthenticationException" in produce(kafka, "staging", password, "metrics-staging")
    assert "User:staging" not in kafka.admin("kafka-acls", "--list")
    assert set(topics(kafka)) == TOPICS
    lines, number = kafka.reconcile(**left, kafka_delete_topics=True)
    assert (sorted(lines), number) == (["- topic logs-staging", "- topic metrics-staging"], 2)
    assert set(topics(kafka)) == {"metrics-controlplane", "logs-controlplane"}


def test_in_an_existing_kafka_undeclared_resources_are_kept(kafka: Kafka) -> None:
    kafka.admin("kafka-topics", "--create", "--topic", "theirs", "--partitions", "1")
    rule = ["--add", "--topic", "theirs", "--topic", "logs-staging", "--operation", "Read"]
    kafka.admin("kafka-acls", *rule, "--allow-principal", "User:them")
    environment = {
        "kafka_mode": "external",
        "kafka_bootstrap_servers": "kafka-bootstrap.dataplatform.internal:9094",
        "kafka_external_ca": kafka.ca.pem,
    }
    lines, _ = kafka.reconcile(**environment)
    assert [line for line in lines if "them" in line] == ["- acl User:them ALLOW TOPIC LITERAL logs-staging : READ "]
    assert "theirs" in topics(kafka)
    assert "User:them" in kafka.admin("kafka-acls", "--list")
    lines, number = kafka.reconcile("--plan")
    assert number == 1
    assert lines[0] == "topic theirs is not declared and stays"


def test_a_stopped_node_restarts_without_disk_errors(kafka: Kafka) -> None:
    kafka.stop([2])
    assert produce(kafka, "controlplane", password_of(kafka, "controlplane"), "metrics-controlplane") == ""
    kafka.start([2])
    kafka.wait([2])
    log = (kafka.folder / "node-2.log").read_text(errors="replace")
    assert log.count("Formatting dynamic metadata voter directory") == 1
