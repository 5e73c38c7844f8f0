# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.filter.kafka_plan import (
    kafka_acls,
    kafka_credentials,
    kafka_passwords,
    kafka_plan,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._kafka.plan import Quorum

OPTIONS: dict[str, Any] = {
    "mode": "cluster",
    "namespace": "streaming",
    "domain": "example.internal",
    "bootstrap_servers": "",
    "brokers": 3,
    "controllers": 0,
    "admin": "root",
    "members": ["controlplane", "staging"],
    "message_max_bytes": 2000000,
    "min_insync_replicas": 2,
    "config": {},
    "topics": {},
    "topic_config": {},
    "topic_partitions": 6,
    "topic_replication": 3,
    "topic_retention": "72h",
    "topic_retention_bytes": -1,
    "load_balancers": [],
}
EXTERNAL = {"mode": "external", "bootstrap_servers": "b-1.example.com:9096"}


def plan(**options: Any) -> dict[str, Any]:
    return kafka_plan(OPTIONS | options)


def topic(name: str, **options: Any) -> dict[str, Any]:
    (found,) = (one for one in plan(**options)["topics"] if one["name"] == name)
    return dict(found)


# -- the quorum


@pytest.mark.parametrize(
    ("brokers", "controllers", "voters", "name", "voting_brokers"),
    [
        (1, 0, ["0@kafka-0.kafka.x.svc:9093"], "1 brokers", 1),
        (2, 0, ["0@kafka-0.kafka.x.svc:9093"], "1 brokers", 1),
        (3, 0, [f"{n}@kafka-{n}.kafka.x.svc:9093" for n in range(3)], "3 brokers", 3),
        (9, 0, [f"{n}@kafka-{n}.kafka.x.svc:9093" for n in range(3)], "3 brokers", 3),
        (3, 1, ["1000@kafka-controller-0.kafka-controller.x.svc:9093"], "1 controllers", 0),
        (
            9,
            5,
            [f"{1000 + n}@kafka-controller-{n}.kafka-controller.x.svc:9093" for n in range(5)],
            "5 controllers",
            0,
        ),
    ],
)
def test_the_voters_of_the_quorum(
    brokers: int, controllers: int, voters: list[str], name: str, voting_brokers: int
) -> None:
    quorum = Quorum.of(brokers, controllers, "x")
    assert (quorum.voters, quorum.name, quorum.voting_brokers) == (voters, name, voting_brokers)
    assert quorum.addresses == [voter.split("@")[1] for voter in voters]
    assert quorum.own_controllers == (controllers > 0)
    assert quorum.voters[0].startswith(f"{quorum.first_id}@")
    assert quorum.size == len(voters)


# -- settings


@pytest.mark.parametrize(
    ("brokers", "wanted", "replication", "insync"),
    [(1, 2, 1, 1), (2, 2, 2, 2), (3, 2, 3, 2), (5, 3, 3, 3), (5, 1, 3, 1)],
)
def test_replicas_follow_the_number_of_brokers(brokers: int, wanted: int, replication: int, insync: int) -> None:
    found = plan(brokers=brokers, min_insync_replicas=wanted)
    config = found["config"]
    assert {config[name] for name in config if name.endswith("replication.factor")} == {replication}
    assert {config[name] for name in config if name.endswith(("min.isr", "min.insync.replicas"))} == {insync}
    assert found["insync"] == insync


def test_settings_of_the_options() -> None:
    config = plan(brokers=1)["config"]
    assert config["super.users"] == "User:root;User:kafka-nodes"
    assert config["controller.quorum.bootstrap.servers"] == "kafka-0.kafka.streaming.svc:9093"
    assert (config["message.max.bytes"], config["replica.fetch.max.bytes"]) == (2000000, 2000000)
    assert (config["num.partitions"], config["log.retention.hours"]) == (6, 72)


def test_a_sites_settings_win() -> None:
    config = plan(config={"num.partitions": 1, "num.io.threads": 4})["config"]
    assert (config["num.partitions"], config["num.io.threads"]) == (1, 4)


# -- topics


def test_each_member_has_two_topics_and_a_site_may_have_more() -> None:
    found = plan(topics={"Audit": {}, "metrics-staging": {"partitions": 12}})["topics"]
    assert [one["name"] for one in found] == [
        "Audit",
        "logs-controlplane",
        "logs-staging",
        "metrics-controlplane",
        "metrics-staging",
    ]
    assert [one["partitions"] for one in found] == [6, 6, 6, 6, 12]


def test_topics_whose_names_differ_in_case_are_two() -> None:
    assert [one["name"] for one in plan(members=[], topics={"b": {}, "A": {}, "a": None})["topics"]] == ["A", "a", "b"]


def test_settings_of_a_topic_override_the_common_settings() -> None:
    given = {"partitions": "2", "replication": 1, "retention": "1d", "retention_bytes": 5, "config": {"x": 2}}
    found = topic("a", topics={"a": given}, topic_config={"x": 1, "y": 1})
    assert found == {
        "name": "a",
        "partitions": 2,
        "replication": 1,
        "config": {"retention.ms": 86400000, "retention.bytes": 5, "max.message.bytes": 2000000, "x": 2, "y": 1},
    }
    assert topic("a", topics={"a": {"partitions": None, "config": None}})["partitions"] == 6


@pytest.mark.parametrize(
    ("retention", "segment"), [("3d", 21600000), ("72h", 21600000), ("12h", 3600000), ("1h", 3600000)]
)
def test_a_members_segments_end_twelve_times_as_often(retention: str, segment: int) -> None:
    assert topic("logs-staging", topic_retention=retention)["config"]["segment.ms"] == segment
    assert "segment.ms" not in topic("a", topics={"a": {}}, topic_retention=retention)["config"]


@pytest.mark.parametrize(
    ("options", "hours"),
    [
        ({}, 78),
        ({"topics": {"metrics-staging": {"retention": "100h"}}}, 109),
        ({"topics": {"logs-staging": {"retention": "100h"}}}, 78),
        ({"topics": {"metrics-more": {"retention": "1h"}}}, 169),
        ({"topics": {"metrics-staging": {"config": {"segment.ms": "1"}}}, "members": ["staging"]}, 73),
        ({"topics": {"metrics-staging": {"config": {"retention.ms": -1}}}}, 1000000),
        ({"members": []}, 0),
    ],
)
def test_the_oldest_metric(options: dict[str, Any], hours: int) -> None:
    assert plan(**options)["oldest_metric_hours"] == hours


def test_topics_that_cannot_be_are_named_with_their_replicas() -> None:
    topics = {"many": {"replication": 4}, "few": {"replication": 1}}
    found = plan(topics=topics, members=[])
    assert (found["overreplicated"], found["unwritable"]) == (["many (4)"], ["few (1)"])
    assert plan(topics=topics, members=[], brokers=4)["overreplicated"] == []
    assert plan(topics=topics, members=[], min_insync_replicas=1)["unwritable"] == []


def test_only_members_topics_must_take_the_largest_message() -> None:
    small = {"config": {"max.message.bytes": 1999999}}
    found = plan(topics={"logs-staging": small, "other": small})
    assert found["undersized"] == ["logs-staging (1999999)"]
    assert plan(message_max_bytes=1999999, topics={"logs-staging": small})["undersized"] == []


# -- the addresses of Kafka


def test_addresses_in_the_cluster_and_of_another_kafka() -> None:
    inside = plan()
    assert inside["in_cluster"]
    assert inside["bootstrap"] == "kafka.streaming.svc:9092"
    assert inside["admin_bootstrap"] == "kafka.streaming.svc:9091"
    assert inside["published"] == "kafka-bootstrap.example.internal:9094"
    outside = plan(**EXTERNAL)
    assert not outside["in_cluster"]
    assert {outside[name] for name in ("bootstrap", "admin_bootstrap", "published")} == {"b-1.example.com:9096"}


def test_each_broker_has_a_name_and_a_record_of_its_load_balancer() -> None:
    balancers = [{"name": "kafka-bootstrap", "hostname": "a"}, {"name": "kafka-0-external", "hostname": "b"}]
    found = plan(brokers=2, load_balancers=balancers)
    assert found["services"] == [
        {"service": "kafka-bootstrap", "name": "kafka-bootstrap.example.internal"},
        {"service": "kafka-0-external", "name": "kafka-0.example.internal"},
        {"service": "kafka-1-external", "name": "kafka-1.example.internal"},
    ]
    assert found["records"] == {
        "kafka-bootstrap.example.internal": "a",
        "kafka-0.example.internal": "b",
        "kafka-1.example.internal": "load-balancer-of-this-run",
    }


@pytest.mark.parametrize("hostname", [{}, {"hostname": ""}, {"hostname": None}])
def test_a_load_balancer_without_a_name_has_a_placeholder(hostname: dict[str, Any]) -> None:
    found = plan(brokers=0, load_balancers=[{"name": "kafka-bootstrap", **hostname}])
    assert found["records"] == {"kafka-bootstrap.example.internal": "load-balancer-of-this-run"}


def test_another_kafka_has_no_records() -> None:
    assert plan(**EXTERNAL)["records"] == {}


# -- users


def test_a_member_writes_its_own_topics_under_both_of_its_names() -> None:
    lines = kafka_acls(["staging.2", "staging", "a.20"], "readers").splitlines()
    assert [line for line in lines if "staging" in line] == [
        f"User:{user} ALLOW * {operation} TOPIC LITERAL {kind}-staging"
        for user in ("staging", "staging.2")
        for kind in ("logs", "metrics")
        for operation in ("DESCRIBE", "WRITE")
    ]
    assert "User:a.20 ALLOW * WRITE TOPIC LITERAL logs-a.20" in lines


def test_logstash_reads_and_the_exporter_looks() -> None:
    text = kafka_acls([], "readers")
    assert text.splitlines() == [
        "User:logstash ALLOW * DESCRIBE TOPIC PREFIXED logs-",
        "User:logstash ALLOW * READ TOPIC PREFIXED logs-",
        "User:logstash ALLOW * DESCRIBE TOPIC PREFIXED metrics-",
        "User:logstash ALLOW * READ TOPIC PREFIXED metrics-",
        "User:logstash ALLOW * READ GROUP PREFIXED readers",
        "User:exporter ALLOW * DESCRIBE CLUSTER LITERAL kafka-cluster",
        "User:exporter ALLOW * DESCRIBE GROUP LITERAL *",
        "User:exporter ALLOW * DESCRIBE TOPIC LITERAL *",
    ]
    assert text.endswith("*\n")


def test_where_credentials_are() -> None:
    assert kafka_credentials(["a", "b"]) == [
        "a/kafka/username",
        "a/kafka/previous_username",
        "b/kafka/username",
        "b/kafka/previous_username",
    ]


@pytest.mark.parametrize(
    ("usernames", "expected"),
    [
        (["a", ""], {"a": "a/kafka/password"}),
        (["a.2", "a"], {"a.2": "a/kafka/password", "a": "a/kafka/previous_password"}),
        (["made-by-this-run:a/kafka/username"] * 2, {"a": "a/kafka/password"}),
        (["", ""], {}),
    ],
)
def test_a_users_password_is_beside_its_name(usernames: list[str], expected: dict[str, str]) -> None:
    assert kafka_passwords(usernames, ["a"]) == expected
