# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kafka becomes: its quorum, its nodes' settings, its topics, and the names that others reach it by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.times import seconds
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.names import is_placeholder

Options = Mapping[str, Any]
Config = dict[str, Any]

BROKERS: Final = "kafka"
CONTROLLERS: Final = "kafka-controller"
BOOTSTRAP: Final = "kafka-bootstrap"
NODES: Final = "kafka-nodes"
"""What the certificates of nodes are called as clients of each other."""
CONTROLLER_IDS: Final = 1000
HOUR: Final = 3_600_000
# Kafka deletes whole segments, by their newest message, and would fill one for up to a week.
SEGMENT: Final = 7 * 24 * HOUR
# Some 114 years, for what is never deleted.
FOREVER_HOURS: Final = 1_000_000
UNKNOWN: Final = "load-balancer-of-this-run"
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True)
class Quorum:
    """Who votes. It never changes after the first start."""

    own_controllers: bool
    voting_brokers: int
    size: int
    first_id: int
    addresses: list[str]
    voters: list[str]
    name: str

    @classmethod
    def of(cls, brokers: int, controllers: int, namespace: str) -> Quorum:
        """Of controllers if there are any; else of the first 3 of 3 brokers or more, or of the first of fewer."""
        own = controllers > 0
        size = controllers if own else 3 if brokers >= 3 else 1
        pod, first = (CONTROLLERS, CONTROLLER_IDS) if own else (BROKERS, 0)
        addresses = [f"{pod}-{number}.{pod}.{namespace}.svc:9093" for number in range(size)]
        return cls(
            own_controllers=own,
            voting_brokers=0 if own else size,
            size=size,
            first_id=first,
            addresses=addresses,
            voters=[f"{first + number}@{address}" for number, address in enumerate(addresses)],
            name=f"{size} {'controllers' if own else 'brokers'}",
        )


@dataclass(frozen=True)
class Topic:
    """A topic as it is to be; ``config`` has numbers where Kafka has numbers."""

    name: str
    partitions: int
    replication: int
    config: Config

    @property
    def kept_hours(self) -> float:
        """How old a message can be that is still there."""
        keep = _number(self.config["retention.ms"])
        if keep < 0:
            return FOREVER_HOURS
        segment = self.config.get("segment.ms")
        return (keep + (SEGMENT if segment is None else _number(segment))) / HOUR


def _number(value: object) -> int:
    """Return a setting's number. What is none counts as 0: the checks name its topic, and Kafka refuses it."""
    try:
        return int(float(str(value)))
    except (ValueError, OverflowError):
        return 0


def plan(wanted: Options) -> dict[str, Any]:
    """Return everything that follows from the options, none of which is secret."""
    brokers = int(wanted["brokers"])
    in_cluster = wanted["mode"] == "cluster"
    quorum = Quorum.of(brokers, int(wanted["controllers"]), wanted["namespace"])
    config = settings(wanted, quorum)
    own = member_topics(wanted["members"])
    found = topics(wanted, own)
    service = f"{BROKERS}.{wanted['namespace']}.svc"
    servers = wanted["bootstrap_servers"]
    records = names(wanted, brokers)
    insync = _insync(wanted)
    largest = int(wanted["message_max_bytes"])
    return {
        "in_cluster": in_cluster,
        "quorum": asdict(quorum),
        "insync": insync,
        "config": config,
        "topics": [vars(topic) for topic in found],
        "oldest_metric_hours": oldest_metric_hours(found),
        "overreplicated": [f"{one.name} ({one.replication})" for one in found if one.replication > brokers],
        "unwritable": [f"{one.name} ({one.replication})" for one in found if one.replication < insync],
        "undersized": [
            f"{one.name} ({one.config['max.message.bytes']})"
            for one in found
            if one.name in own and _number(one.config["max.message.bytes"]) < largest
        ],
        "bootstrap": f"{service}:9092" if in_cluster else servers,
        "admin_bootstrap": f"{service}:9091" if in_cluster else servers,
        "published": f"{BOOTSTRAP}.{wanted['domain']}:9094" if in_cluster else servers,
        "services": records,
        "records": targets(records, wanted["load_balancers"]) if in_cluster else {},
    }


def _insync(wanted: Options) -> int:
    """Return how many replicas must confirm a message: not more than there are brokers."""
    return min(int(wanted["min_insync_replicas"]), int(wanted["brokers"]))


def settings(wanted: Options, quorum: Quorum) -> Config:
    """Return the nodes' settings; a site's own win."""
    replication = min(3, int(wanted["brokers"]))
    insync = _insync(wanted)
    mapping = f"RULE:^(?:.*,)?CN=kafka(?:,.*)?$/{NODES}/,DEFAULT"
    return {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{wanted['admin']};User:{NODES}",
        "allow.everyone.if.no.acl.found": "false",
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": ",".join(quorum.addresses),
        # Nodes talk to each other by certificate, so that a new password of anybody cannot part them.
        "inter.broker.listener.name": "REPLICATION",
        "listener.security.protocol.map": "INTERNAL:SASL_SSL,EXTERNAL:SASL_SSL,REPLICATION:SSL,CONTROLLER:SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.internal.scram-sha-512.sasl.jaas.config": _SCRAM,
        "listener.name.external.scram-sha-512.sasl.jaas.config": _SCRAM,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": "/etc/kafka/tls/keystore.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/etc/kafka/tls/issuer.pem",
        "ssl.enabled.protocols": "TLSv1.3,TLSv1.2",
        "listener.name.replication.ssl.client.auth": "required",
        "listener.name.replication.ssl.principal.mapping.rules": mapping,
        "listener.name.controller.ssl.client.auth": "required",
        "listener.name.controller.ssl.principal.mapping.rules": mapping,
        # Not the root of the volume, which has a folder of the file system's.
        "log.dirs": "/var/lib/kafka/data/kafka",
        "default.replication.factor": replication,
        "min.insync.replicas": insync,
        "offsets.topic.replication.factor": replication,
        "transaction.state.log.replication.factor": replication,
        "transaction.state.log.min.isr": insync,
        "share.coordinator.state.topic.replication.factor": replication,
        "share.coordinator.state.topic.min.isr": insync,
        "message.max.bytes": wanted["message_max_bytes"],
        "replica.fetch.max.bytes": wanted["message_max_bytes"],
        "num.partitions": wanted["topic_partitions"],
        "log.retention.hours": _milliseconds(wanted["topic_retention"]) // HOUR,
        **wanted["config"],
    }


def member_topics(members: Iterable[str]) -> list[str]:
    """Return the topics that members write."""
    members = list(members)
    return [f"{kind}-{member}" for kind in ("metrics", "logs") for member in members]


def topics(wanted: Options, own: Sequence[str]) -> list[Topic]:
    """Return the members' topics and those of a site, whose values win over the common ones."""
    given: Mapping[str, Any] = wanted["topics"]
    return [
        _topic(name, wanted, given.get(name) or {}, own=name in own)
        for name in sorted({*own, *given}, key=lambda name: (name.lower(), name))
    ]


def _milliseconds(duration: str) -> int:
    return int(seconds(duration) * 1000)


def _topic(name: str, wanted: Options, given: Options, *, own: bool) -> Topic:
    def number(key: str) -> int:
        value = given.get(key)
        return int(wanted[f"topic_{key}"] if value is None else value)

    keep = _milliseconds(given.get("retention") or wanted["topic_retention"])
    config: Config = {
        "retention.ms": keep,
        "retention.bytes": number("retention_bytes"),
        "max.message.bytes": int(wanted["message_max_bytes"]),
    }
    if own:
        config["segment.ms"] = max(keep // 12, HOUR)
    return Topic(
        name=name,
        partitions=number("partitions"),
        replication=number("replication"),
        config={**config, **wanted["topic_config"], **(given.get("config") or {})},
    )


def oldest_metric_hours(found: Iterable[Topic]) -> int:
    """Return how old a metric can be that is still there, in whole hours."""
    return math.ceil(max((topic.kept_hours for topic in found if topic.name.startswith("metrics-")), default=0))


def names(wanted: Options, brokers: int) -> list[dict[str, str]]:
    """Return the names that other clusters use, with the Service whose load balancer each stands for."""
    domain = wanted["domain"]
    return [{"service": BOOTSTRAP, "name": f"{BOOTSTRAP}.{domain}"}] + [
        {"service": f"{BROKERS}-{number}-external", "name": f"{BROKERS}-{number}.{domain}"} for number in range(brokers)
    ]


def targets(records: Iterable[Mapping[str, str]], load_balancers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the host name of each record's load balancer. In check mode one of this run has none yet."""
    hosts = {one["name"]: one.get("hostname") for one in load_balancers}
    return {record["name"]: hosts.get(record["service"]) or UNKNOWN for record in records}


def acls(users: Iterable[str], logstash_group: str) -> str:
    """Return a line for each right: principal, permission, host, operation, type of resource, pattern, name.

    A member's second user, which it has while a credential is rotated, has the first one's rights.
    """
    lines = [
        f"User:{user} ALLOW * {operation} TOPIC LITERAL {kind}-{user.removesuffix('.2')}"
        for user in sorted(users, key=lambda user: (user.lower(), user))
        for kind in ("logs", "metrics")
        for operation in ("DESCRIBE", "WRITE")
    ]
    lines += [
        f"User:logstash ALLOW * {operation} TOPIC PREFIXED {kind}-"
        for kind in ("logs", "metrics")
        for operation in ("DESCRIBE", "READ")
    ]
    lines += [
        f"User:logstash ALLOW * READ GROUP PREFIXED {logstash_group}",
        "User:exporter ALLOW * DESCRIBE CLUSTER LITERAL kafka-cluster",
        "User:exporter ALLOW * DESCRIBE GROUP LITERAL *",
        "User:exporter ALLOW * DESCRIBE TOPIC LITERAL *",
    ]
    return "\n".join(lines) + "\n"


def credentials(members: Iterable[str]) -> list[str]:
    """Return where the members' credentials are, the present ones and those before a rotation: without their keys."""
    return [f"{member}/kafka/{which}" for member in members for which in ("", "previous_")]


def passwords(usernames: Iterable[str], members: Iterable[str]) -> dict[str, str]:
    """Return where each user's password is; ``usernames`` are those at the paths of ``credentials``, in their order.

    Check mode's placeholders name no user: a member has its own name then, and no former one.
    """
    found = {}
    for path, username in zip(credentials(members), usernames, strict=True):
        former = path.endswith("previous_")
        user = ("" if former else path.partition("/")[0]) if is_placeholder(username) else username
        if user:
            found[user] = f"{path}password"
    return found
