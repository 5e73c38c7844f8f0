# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads of the tests, with images of the roles: load generators, a reader, clients, probes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

LOAD, READER, CLIENT, PROBE, TARGET = "load", "e2e-reader", "client", "e2e-probe", "e2e-target"
SERIES: Final = "e2e_samples_total"
ARRIVED: Final = "/work/arrived"
PORT: Final = 8080

_PAGE = f"""#!/bin/sh
# A page whose series all have the number of the request as their value.
read -r number < /state/number
number=$((number + 1))
# Whole or not at all: a request whose scrape has timed out may end in the middle, and the next one not wait for it.
echo "$number" > "/state/number.$$"
mv "/state/number.$$" /state/number
printf 'Content-Type: text/plain; version=0.0.4\\r\\n\\r\\n'
cat /config/types
printf '# TYPE {SERIES} counter\\n'
exec awk -v number="$number" -v series="$SERIES" \\
  'BEGIN {{ for (i = 0; i < series; i++) printf "{SERIES}{{series=\\"%d\\"}} %d\\n", i, number }}'
"""
TYPES: Final = """# TYPE e2e_requests_total counter
e2e_requests_total{code="200"} 1234567
# TYPE e2e_temperature_celsius gauge
e2e_temperature_celsius -12.5
# TYPE e2e_latency_seconds histogram
e2e_latency_seconds_bucket{le="0.1"} 3
e2e_latency_seconds_bucket{le="+Inf"} 4
e2e_latency_seconds_sum 0.7
e2e_latency_seconds_count 4
# TYPE e2e_size_bytes summary
e2e_size_bytes{quantile="0.5"} 100
e2e_size_bytes_sum 1000
e2e_size_bytes_count 9
"""
# The time to begin with, so that a new pod of the same name has other numbers.
_SERVE = f"test -e /state/number || date +%s > /state/number; exec busybox httpd -f -p {PORT} -h /www"

# Kafka's consumer as one of the nodes: everything from the topic's beginning on, a short line for each message. By
# partition and offset a message is known that is read twice; of the load's come time, pod, series and value.
_FIELDS = r"^Partition:([0-9]+)\tOffset:([0-9]+)\t"
_SAMPLE = (
    r'\{"@timestamp":([0-9]+),.*"pod":"load-([0-9]+)","series":"([0-9]+)"\},'
    rf'"metrics":\{{"{SERIES}":([0-9]+)\}}\}}$'
)
_READ = rf"""
set -euo pipefail
cat > /run/kafka/client << END
security.protocol=SSL
ssl.keystore.type=PEM
ssl.keystore.location=/etc/kafka/tls/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=/etc/kafka/tls/ca.pem
END
# Begun again it reads all again; the point at the end of a line tells a whole one.
echo >> {ARRIVED}
/opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server kafka.kafka.svc:9091 --topic "$TOPIC" --from-beginning \
  --command-config /run/kafka/client --formatter-property print.partition=true \
  --formatter-property print.offset=true | sed -E \
  -e 's/{_FIELDS}{_SAMPLE}/\1 \2 \3 \4 \5 \6 ./' \
  -e t -e 's/{_FIELDS}.*$/\1 \2 ./' >> {ARRIVED}
"""


class Images(NamedTuple):
    """What the roles run: an image with a web server, one with a shell that opens connections, and Kafka's tools."""

    prometheus: str
    telegraf: str
    kafka: str


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def pod(
    where: str,
    name: str,
    app: str,
    image: str,
    command: list[str],
    *,
    user: int = 65534,
    env: Mapping[str, str] | None = None,
    volumes: Mapping[str, tuple[str, Mapping[str, Any]]] | None = None,
    annotations: Mapping[str, str] | None = None,
    memory: str = "64Mi",
) -> dict[str, Any]:
    """Return a pod that conforms to the Pod Security Standard restricted; volumes by name, with path and source."""
    mounted = dict(volumes or {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": where,
            "labels": {"app.kubernetes.io/name": app, "e2e": name},
            "annotations": dict(annotations or {}),
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": user,
                "runAsGroup": user,
                "fsGroup": user,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "command": command,
                    "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
                    "ports": [{"containerPort": PORT}],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"cpu": "1", "memory": memory},
                    },
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": key, "mountPath": path} for key, (path, _) in mounted.items()],
                }
            ],
            "volumes": [{"name": key, **source} for key, (_, source) in mounted.items()],
        },
    }


def load(images: Images, where: str, generators: int, series: int) -> list[dict[str, Any]]:
    """Generators with so many series each, and the page of every type of sample that is part of theirs."""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": LOAD, "namespace": where},
        "data": {"metrics": _PAGE, "types": TYPES},
    }
    source: dict[str, Any] = {"configMap": {"name": LOAD, "defaultMode": 0o555}}
    volumes: dict[str, tuple[str, dict[str, Any]]] = {
        "config": ("/config", source),
        "page": ("/www/cgi-bin", source),
        "state": ("/state", {"emptyDir": {}}),
    }
    return [
        config,
        *(
            pod(
                where,
                f"{LOAD}-{number}",
                LOAD,
                images.prometheus,
                ["sh", "-c", _SERVE],
                env={"SERIES": str(series)},
                volumes=volumes,
            )
            for number in range(generators)
        ),
    ]


def reader(images: Images, topic: str) -> dict[str, Any]:
    """A reader of a topic in the controlplane, which the reconciler's NetworkPolicy allows."""
    return pod(
        "kafka",
        READER,
        "kafka-reconciler",
        images.kafka,
        ["bash", "-c", _READ],
        user=1000,
        memory="768Mi",
        env={
            "TOPIC": topic,
            "KAFKA_HEAP_OPTS": "-Xmx256m",
            "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
            "LOG_DIR": "/tmp",
        },
        volumes={
            "tls": ("/etc/kafka/tls", {"secret": {"secretName": "kafka-tls", "defaultMode": 0o440}}),
            "run": ("/run/kafka", {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
            "tmp": ("/tmp", {"emptyDir": {}}),
            "work": ("/work", {"emptyDir": {}}),
        },
    )


def client(images: Images, where: str) -> dict[str, Any]:
    """A pod with Kafka's tools, for commands."""
    return pod(
        where,
        CLIENT,
        CLIENT,
        images.kafka,
        ["sleep", "infinity"],
        user=1000,
        memory="512Mi",
        env={
            "KAFKA_HEAP_OPTS": "-Xmx128m",
            "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
            "LOG_DIR": "/tmp",
        },
        volumes={
            "run": ("/run/kafka", {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
            "tmp": ("/tmp", {"emptyDir": {}}),
        },
    )


def probe(images: Images, where: str) -> dict[str, Any]:
    """A pod with a shell that can open connections."""
    return pod(where, PROBE, PROBE, images.telegraf, ["sleep", "infinity"])


def target(images: Images, where: str, app: str) -> dict[str, Any]:
    """A pod that can be connected to."""
    serve = f"mkdir -p /tmp/www; exec busybox httpd -f -p {PORT} -h /tmp/www"
    return pod(where, TARGET, app, images.prometheus, ["sh", "-c", serve])
