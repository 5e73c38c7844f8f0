# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects for the options of kafka. tests/integration/kafka tests them with a real Kafka."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    CHECKOUT,
    ROLES,
    Objects,
    evaluate,
    only,
    render_role,
    select,
    shared_values,
)

from localcloud.artifacts.programs import kafka as software

PREFIX = "service.beta.kubernetes.io/aws-load-balancer"
MEMBERS = {
    "controlplane": {"purpose": "controlplane", "vpc_cidr": "10.40.0.0/16"},
    "staging": {"purpose": "workload", "vpc_cidr": "10.42.0.0/16"},
}
EXISTING = {"kafka_mode": "external", "kafka_bootstrap_servers": "b-1.example.com:9096,b-2.example.com:9096"}


def render(**options: Any) -> Objects:
    return render_role("kafka", **({"inventory_hostname": "controlplane", "kafka_members": MEMBERS} | options))


def value(expression: str, **options: Any) -> Any:
    return evaluate("kafka", expression, **({"inventory_hostname": "controlplane", "kafka_members": MEMBERS} | options))


def properties(**options: Any) -> dict[str, str]:
    text = only(render(**options), "ConfigMap", "kafka")["data"]["server.properties"]
    return dict(line.split("=", 1) for line in text.splitlines())


def container(objects: Objects, kind: str = "StatefulSet", name: str = "kafka") -> dict[str, Any]:
    found: dict[str, Any] = only(objects, kind, name)["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(objects: Objects, kind: str = "StatefulSet", name: str = "kafka") -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in container(objects, kind, name)["env"]}


def job(objects: Objects) -> dict[str, Any]:
    (found,) = select(objects, "Job")
    return found


def acls(**options: Any) -> list[str]:
    lines: list[str] = only(render(**options), "ConfigMap", "kafka-reconciler")["data"]["acls"].splitlines()
    return lines


# -- the quorum


@pytest.mark.parametrize(
    ("options", "voters", "ids", "quorum"),
    [
        ({}, 3, [0, 1, 2], "3 brokers"),
        ({"kafka_replicas": 5}, 3, [0, 1, 2], "3 brokers"),
        ({"kafka_replicas": 1}, 1, [0], "1 brokers"),
        ({"kafka_replicas": 2}, 1, [0], "1 brokers"),
        ({"kafka_controllers": 3}, 0, [1000, 1001, 1002], "3 controllers"),
    ],
)
def test_the_voters_of_the_quorum(options: dict[str, Any], voters: int, ids: list[int], quorum: str) -> None:
    objects = render(**options)
    assert environment(objects)["KAFKA_VOTERS"] == str(voters)
    pod = "kafka-controller" if "kafka_controllers" in options else "kafka"
    found = only(objects, "Secret", "kafka-bootstrap")["stringData"]["voters"].split(",")
    assert [voter.split("@")[0] for voter in found] == [str(number) for number in ids]
    assert [voter.split("@")[1].split(":")[0] for voter in found] == [
        f"{pod}-{n}.{pod}.kafka.svc" for n in range(len(ids))
    ]
    assert all(re.fullmatch(r"\d+@[^:]+:9093:[\w-]{22}", voter) for voter in found)
    assert only(objects, "StatefulSet", "kafka")["metadata"]["annotations"]["dataplatform.fleet/kafka-quorum"] == quorum


def test_controllers_of_their_own() -> None:
    objects = render(kafka_controllers=3)
    controllers = only(objects, "StatefulSet", "kafka-controller")
    assert controllers["spec"]["serviceName"] == "kafka-controller"
    assert environment(objects, name="kafka-controller")["KAFKA_COMPONENT"] == "controller"
    assert {port["name"] for port in container(objects)["ports"]} == {"internal", "external", "replication", "metrics"}
    assert not select(render(), "StatefulSet", "kafka-controller")


# -- settings


def test_settings_follow_the_number_of_brokers() -> None:
    three, one = properties(), properties(kafka_replicas=1)
    assert (three["default.replication.factor"], three["min.insync.replicas"]) == ("3", "2")
    assert (one["default.replication.factor"], one["min.insync.replicas"]) == ("1", "1")
    assert one["offsets.topic.replication.factor"] == "1"


def test_a_sites_settings_win_and_pods_restart() -> None:
    assert properties(kafka_config={"num.io.threads": 4})["num.io.threads"] == "4"
    assert properties(kafka_config={"min.insync.replicas": 3})["min.insync.replicas"] == "3"

    def checksum(**options: Any) -> str:
        template = only(render(**options), "StatefulSet", "kafka")["spec"]["template"]
        text: str = template["metadata"]["annotations"]["checksum/config"]
        return text

    assert len({checksum(), checksum(kafka_config={"num.io.threads": 4}), checksum(kafka_tls_certificate="other")}) == 3


def test_no_secret_is_in_a_config_map_or_a_pod() -> None:
    objects = render()
    secrets = set(only(objects, "Secret", "kafka-users")["stringData"].values())
    assert len(secrets) == 5
    shown = [str(item) for item in objects if item["kind"] != "Secret"]
    assert not [secret for secret in secrets if any(secret in text for text in shown)]


def test_the_images_are_pinned_and_mirrored() -> None:
    digest = "sha256:" + "a" * 64
    objects = render(
        kafka_version="90.1.2",
        kafka_exporter_version="91.0.0-kafka-90.1.2",
        kafka_image_mirror="registry.example.com/hub",
        kafka_image_digest=digest,
        kafka_exporter_image_mirror="registry.example.com/quay",
    )
    assert container(objects)["image"] == f"registry.example.com/hub/apache/kafka:90.1.2@{digest}"
    for item in (
        container(objects, "Deployment", "kafka-exporter"),
        only(objects, "StatefulSet", "kafka")["spec"]["template"]["spec"]["initContainers"][0],
    ):
        assert item["image"] == "registry.example.com/quay/strimzi/kafka:91.0.0-kafka-90.1.2"


def test_the_tests_run_the_version_that_the_role_runs() -> None:
    assert value("kafka_version") == software.VERSION
    assert value("kafka_exporter_version").endswith(f"-kafka-{software.VERSION}")


# -- topics


def test_topics_of_members_and_what_differs() -> None:
    topics = only(
        render(
            kafka_topic_partitions=4,
            kafka_topic_config={"compression.type": "zstd"},
            kafka_topics={
                "metrics-staging": {"partitions": 12, "retention": "24h"},
                "invoices": {"replication": 2, "config": {"cleanup.policy": "compact,delete"}},
            },
        ),
        "ConfigMap",
        "kafka-topics",
    )["data"]
    assert set(topics) == {f"{kind}-{member}" for kind in ("metrics", "logs") for member in MEMBERS} | {"invoices"}
    assert topics["logs-staging"].split() == [
        "partitions=4",
        "replication=3",
        "compression.type=zstd",
        "max.message.bytes=2097152",
        "retention.bytes=-1",
        "retention.ms=259200000",
        "segment.ms=21600000",
    ]
    assert topics["metrics-staging"].split() == [
        "partitions=12",
        "replication=3",
        "compression.type=zstd",
        "max.message.bytes=2097152",
        "retention.bytes=-1",
        "retention.ms=86400000",
        "segment.ms=7200000",
    ]
    assert "cleanup.policy=compact,delete" in topics["invoices"].split()
    assert "segment.ms" not in topics["invoices"]


@pytest.mark.parametrize(
    ("options", "hours"),
    [
        ({}, 78),
        ({"kafka_topic_retention": "6h"}, 7),
        (
            {"kafka_topics": {"metrics-staging": {"retention": "100h"}, "logs-staging": {"retention": "900h"}}},
            109,
        ),
        ({"kafka_topics": {"metrics-former": {"config": {"retention.ms": -1}}}}, 1000000),
        # One that the role does not make a segment for has Kafka's own, of a week.
        ({"kafka_topics": {"metrics-former": {"retention": "1h"}}}, 169),
    ],
)
def test_how_old_a_metric_can_be(options: dict[str, Any], hours: int) -> None:
    assert value("__kafka_plan.oldest_metric_hours", **options) == hours


@pytest.mark.parametrize(
    ("options", "too_many", "too_few"),
    [
        ({}, [], []),
        ({"kafka_replicas": 1, "kafka_topic_replication": 1}, [], []),
        (
            {"kafka_replicas": 1},
            ["logs-controlplane (3)", "logs-staging (3)", "metrics-controlplane (3)", "metrics-staging (3)"],
            [],
        ),
        ({"kafka_topics": {"a": {"replication": 4}}}, ["a (4)"], []),
        ({"kafka_topics": {"a": {"replication": 1}}}, [], ["a (1)"]),
        ({"kafka_topics": {"a": {"replication": 1}}, "kafka_min_insync_replicas": 1}, [], []),
    ],
)
def test_replicas_that_cannot_be(options: dict[str, Any], too_many: list[str], too_few: list[str]) -> None:
    assert value("__kafka_plan.overreplicated", **options) == too_many
    assert value("__kafka_plan.unwritable", **options) == too_few


# -- users and rights


def test_topic_settings_can_be_lists_and_other_values() -> None:
    """Kafka rejects unknown settings; a check reports the topic with a too small message size."""
    config = {"cleanup.policy": ["compact", "delete"], "max.message.bytes": "10MB", "segment.ms": None}
    options: dict[str, Any] = {"kafka_topics": {"logs-staging": {"config": config}}}
    topics = only(render(**options), "ConfigMap", "kafka-topics")["data"]
    assert "cleanup.policy=compact,delete" in topics["logs-staging"].split()
    assert value("__kafka_plan.undersized", **options) == ["logs-staging (10MB)"]


def test_a_member_can_write_only_its_two_topics() -> None:
    assert [line for line in acls() if line.startswith("User:staging ")] == [
        f"User:staging ALLOW * {operation} TOPIC LITERAL {kind}-staging"
        for kind in ("logs", "metrics")
        for operation in ("DESCRIBE", "WRITE")
    ]
    assert not [
        line for line in acls() if "WRITE" in line and line.split()[0] not in ("User:staging", "User:controlplane")
    ]


def test_a_removed_member_has_no_user_and_no_permissions() -> None:
    left = {"controlplane": MEMBERS["controlplane"]}
    assert "staging" not in "".join(acls(kafka_members=left))
    assert set(only(render(kafka_members=left), "Secret", "kafka-users")["stringData"]) == {
        "admin",
        "logstash",
        "exporter",
        "controlplane",
    }


def test_after_a_rotation_both_credentials_of_a_member_are_valid() -> None:
    rotated = {
        "staging/kafka/username": "staging.2",
        "staging/kafka/password": "new",
        "staging/kafka/previous_username": "staging",
        "staging/kafka/previous_password": "old",
    }
    options = {"fleet_values": shared_values() | rotated}
    users = only(render(**options), "Secret", "kafka-users")["stringData"]
    assert {name: users[name] for name in users if name.startswith("staging")} == {"staging": "old", "staging.2": "new"}
    rights = [line.split(" ", 1) for line in acls(**options)]
    assert [right for user, right in rights if user == "User:staging.2"] == [
        right for user, right in rights if user == "User:staging"
    ]
    assert "metrics-staging" in "".join(right for user, right in rights if user == "User:staging.2")
    assert set(value("__kafka_plan.topics | map(attribute='name')", **options)) == {
        f"{kind}-{member}" for kind in ("metrics", "logs") for member in MEMBERS
    }


def test_check_mode_names_no_user_by_a_placeholder() -> None:
    """A Secret's key could not be called so, and a check of a new member would be refused."""
    placeholders = {
        f"staging/kafka/{key}": f"made-by-this-run:staging/kafka/{key}"
        for key in ("username", "password", "previous_username", "previous_password")
    }
    users = only(render(fleet_values=shared_values() | placeholders), "Secret", "kafka-users")["stringData"]
    assert set(users) == {"admin", "logstash", "exporter", *MEMBERS}


def test_a_change_makes_another_job() -> None:
    names = [
        job(render(**options))["metadata"]["name"]
        for options in (
            {},
            {},
            {"kafka_topic_partitions": 7},
            {"kafka_logstash_password": "other"},
            {"kafka_admin_password": "other"},
            {"kafka_exporter_password": "other"},
            {"kafka_member_passwords": {"controlplane": "other", "staging": "other"}},
            {"kafka_version": "90.1.2"},
            {"kafka_tolerations": [{"operator": "Exists"}]},
            {"kafka_delete_topics": True},
        )
    ]
    assert names[0] == names[1]
    assert len(set(names)) == len(names) - 1
    assert "ttlSecondsAfterFinished" not in job(render())["spec"]


# -- the ways in


@pytest.mark.parametrize("kind", ["builtin", "auto_mode", "controller"])
def test_a_load_balancer_for_each_broker_and_one_to_begin_with(kind: str) -> None:
    objects = render(kafka_load_balancer=kind)
    balanced = {item["metadata"]["name"]: item for item in select(objects, "Service") if "type" in item["spec"]}
    assert set(balanced) == {"kafka-bootstrap", "kafka-0-external", "kafka-1-external", "kafka-2-external"}
    assert balanced["kafka-1-external"]["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == "kafka-1"
    assert "statefulset.kubernetes.io/pod-name" not in balanced["kafka-bootstrap"]["spec"]["selector"]
    for item in balanced.values():
        spec, marks = item["spec"], item["metadata"]["annotations"]
        assert spec["loadBalancerSourceRanges"] == ["10.40.0.0/16", "10.42.0.0/16"]
        assert spec.get("loadBalancerClass") == ("eks.amazonaws.com/nlb" if kind == "auto_mode" else None)
        assert marks["dataplatform.fleet/load-balancer"] == kind
        if kind == "builtin":
            assert (marks[f"{PREFIX}-type"], marks[f"{PREFIX}-internal"]) == ("nlb", "true")
            assert spec["externalTrafficPolicy"] == "Local"
        else:
            assert marks[f"{PREFIX}-scheme"] == "internal"
            assert marks[f"{PREFIX}-target-group-attributes"] == "preserve_client_ip.enabled=true"
            assert marks.get(f"{PREFIX}-type") == ("external" if kind == "controller" else None)


def test_records_are_the_advertised_names() -> None:
    assert [record["name"] for record in value("__kafka_plan.services")] == [
        "kafka-bootstrap.dataplatform.internal",
        *(f"kafka-{n}.dataplatform.internal" for n in range(3)),
    ]
    assert environment(render())["KAFKA_DOMAIN"] == "dataplatform.internal"
    assert value("__kafka_plan.published") == "kafka-bootstrap.dataplatform.internal:9094"


def test_the_zone_is_the_one_that_was_found_or_made() -> None:
    assert value("__kafka_zone_id", __kafka_zone={"private_zone": {"id": "Z4"}}) == "Z4"
    assert value("__kafka_zone_id", __kafka_zone={"private_zone": {"id": ""}}) == ""
    assert value("__kafka_zone_id", __kafka_zone={"skipped": True}) == ""


def test_network_policy_of_the_brokers() -> None:
    policy = only(render(), "NetworkPolicy", "kafka")["spec"]
    admitted: dict[int, list[str]] = {}
    for rule in policy["ingress"]:
        for port in rule["ports"]:
            admitted.setdefault(port["port"], []).extend(str(source) for source in rule["from"])
    assert all(
        "podSelector" in source and "namespaceSelector" not in source for source in admitted[9091] + admitted[9093]
    )
    assert [re.findall(r"10\.\d+\.0\.0/16", source) for source in admitted[9094]] == [
        ["10.40.0.0/16"],
        ["10.42.0.0/16"],
    ]
    assert all("prometheus" in source for source in admitted[9404])


# -- an existing Kafka


def test_an_existing_kafka_gets_topics_and_rights_and_no_cluster() -> None:
    objects = render(**EXISTING, kafka_external_ca="CA", kafka_admin_password='a"b\\c')
    assert not [item for kind in ("StatefulSet", "Service", "PodDisruptionBudget") for item in select(objects, kind)]
    (reconciler,) = select(objects, "Job")
    given = {item["name"]: item["value"] for item in reconciler["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (given["BOOTSTRAP"], given["SCOPE"]) == (EXISTING["kafka_bootstrap_servers"], "metrics- logs-")
    assert given["PASSWORDS"]
    login = only(objects, "Secret", "kafka-reconciler")["stringData"]["client.properties"]
    assert r'password="a\\"b\\\\c";' in login
    assert only(objects, "Secret", "kafka-tls")["stringData"] == {"ca.pem": "CA"}
    assert value("__kafka_plan.published", **EXISTING) == EXISTING["kafka_bootstrap_servers"]
    args = container(objects, "Deployment", "kafka-exporter")["args"]
    assert [arg for arg in args if arg.startswith("--kafka.server=")] == [
        "--kafka.server=b-1.example.com:9096",
        "--kafka.server=b-2.example.com:9096",
    ]


def test_msk_makes_its_users_itself() -> None:
    objects = render(**(EXISTING | {"kafka_mode": "msk"}))
    assert not select(objects, "Secret", "kafka-users")
    (reconciler,) = select(objects, "Job")
    given = {item["name"]: item["value"] for item in reconciler["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert given["PASSWORDS"] == ""


def test_without_an_administrators_password_an_existing_kafka_is_left_alone() -> None:
    objects = render(**EXISTING, kafka_admin_password="")
    assert not select(objects, "Job") + select(objects, "CronJob")
    assert select(objects, "Deployment", "kafka-exporter")


# -- metrics


@pytest.mark.parametrize("name", ["kafka", "kafka_exporter"])
def test_the_list_of_metrics_names_this_version(name: str) -> None:
    text = (CHECKOUT / "observability" / "metrics" / f"{name}.txt").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    assert lines == sorted(lines)
    assert all(len(line) == 3 for line in lines)
    version = value("kafka_version") if name == "kafka" else value("kafka_exporter_version")
    assert all(version in source for _, _, source in lines)


# -- the reconciler, independent of Kafka's responses


def test_a_password_is_not_in_the_reconcilers_output_when_the_tool_shows_it(tmp_path: Path) -> None:
    for name in ("bin", "run", "topics", "passwords"):
        (tmp_path / name).mkdir()
    tool = '#!/bin/bash\ncase "$*" in *--add-config-file*) cat "${@: -1}"; exit 1;; esac\n'
    for name in ("kafka-topics", "kafka-configs", "kafka-acls"):
        (tmp_path / "bin" / f"{name}.sh").write_text(tool)
        (tmp_path / "bin" / f"{name}.sh").chmod(0o755)
    (tmp_path / "acls").write_text("")
    (tmp_path / "passwords" / "staging").write_text("a-[secret]*-0123")
    run = subprocess.run(
        ["bash", ROLES / "kafka" / "files" / "reconcile.sh"],
        env={
            "PATH": os.environ["PATH"],
            "KAFKA_HOME": str(tmp_path),
            "RUN": str(tmp_path / "run"),
            "BOOTSTRAP": "nowhere:1",
            "CLIENT": "none",
            "TOPICS": str(tmp_path / "topics"),
            "ACLS": str(tmp_path / "acls"),
            "PASSWORDS": str(tmp_path / "passwords"),
            "SCOPE": "all",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "password=<redacted>" in run.stdout
    assert "secret" not in run.stdout + run.stderr
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize(
    ("component", "metrics", "ready"),
    [
        ("broker", {"kafka_server_broker_state": 3.0, "kafka_server_replica_fetcher_maxlag": 0.0}, True),
        ("broker", {"kafka_server_broker_state": 3.0}, True),
        ("broker", {"kafka_server_broker_state": 3.0, "kafka_server_replica_fetcher_maxlag": 12.0}, False),
        ("broker", {"kafka_server_broker_state": 2.0, "kafka_server_replica_fetcher_maxlag": 0.0}, False),
        ("controller", {"kafka_controller_activecontrollercount": 0.0}, True),
        ("controller", {}, False),
    ],
)
def test_a_node_has_started_when_it_has_caught_up(component: str, metrics: dict[str, float], ready: bool) -> None:
    script = (ROLES / "kafka" / "files" / "caught-up.sh").read_text()
    page = "".join(f"{name} {value}\n" for name, value in metrics.items()).encode()
    # The agent's port, at an address of the loopback that nothing else has.
    with socket.create_server(("127.94.4.1", 9404)) as server:

        def answer() -> None:
            with server.accept()[0] as asked:
                request = b""
                while not request.endswith(b"\r\n\r\n") and (more := asked.recv(1000)):
                    request += more
                asked.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + page)

        thread = threading.Thread(target=answer)
        thread.start()
        environment = {**os.environ, "METRICS_HOST": "127.94.4.1", "KAFKA_COMPONENT": component}
        done = subprocess.run(["bash", "-c", script], env=environment, check=False, capture_output=True)
        thread.join()
    assert (done.returncode == 0) is ready, done.stderr


def test_the_next_broker_is_updated_when_one_has_caught_up() -> None:
    objects = render()
    assert container(objects)["startupProbe"]["exec"]["command"] == ["/bin/bash", "/etc/kafka/config/caught-up.sh"]
    assert (ROLES / "kafka" / "files" / "caught-up.sh").read_text() == only(objects, "ConfigMap", "kafka")["data"][
        "caught-up.sh"
    ]
    # Kubernetes' default replaces one pod after the other.
    assert "updateStrategy" not in only(objects, "StatefulSet", "kafka")["spec"]
