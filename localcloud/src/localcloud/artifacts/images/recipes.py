# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of each image. A unit test compares references and versions with those of the roles.

Users, entry points, ports and volumes are those of the Dockerfiles of the official images. Default arguments and helper
scripts that no role uses are omitted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from localcloud.artifacts.images.debian import Packages
from localcloud.artifacts.images.oci import Config
from localcloud.artifacts.images.sources import NOBODY, Base, JavaAgent, Kafka, Program, Source, User
from localcloud.artifacts.programs import kafka, release
from localcloud.releases.catalog import CATALOG, image

SANDBOX: Final = "registry.k8s.io/pause:3.10.2"
"""The pause image, whose process holds a pod's namespaces: containerd's ``sandbox_image``."""

_PATH: Final = ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
# Links of Debian, for images without the package base-files.
_MERGED: Final = (("bin", "usr/bin"), ("sbin", "usr/sbin"))
# Names of BusyBox applets.
_APPLETS: Final = (
    "[ awk base64 basename cat chmod cp cut date df dirname du echo env expr false find grep gzip head hostname id kill"
    " ln ls mkdir mktemp mv nc nslookup od pidof printf ps pwd readlink rm rmdir sed seq sh sha256sum sleep sort stat"
    " tail tar tee test timeout touch tr true uname uniq wc wget which xargs"
)
_SHELL: Final = (("usr/bin/sh", "bash"),)
_CURL: Final = "8.22.0"
_STRIMZI: Final = "1.2.0"
_NOT_TO_BE_HAD: Final = "its Go module was not available when the image was built without an image registry"


# The behaviour of these files is not part of a recipe's fields.
_BUILDER: Final = [Path(__file__).with_name(name) for name in ("debian.py", "oci.py", "sources.py")]


@dataclass(frozen=True)
class Recipe:
    """An image under its full reference.

    ``lacks`` maps paths of programs that the official image has, a role starts and this image lacks to the reason: a
    container with such a command does not start.
    """

    reference: str
    sources: tuple[Source, ...]
    config: Config
    lacks: Mapping[str, str] = field(default_factory=dict)

    def key(self, architecture: str) -> str:
        """Return a hash of the inputs of the image, including the source code of this builder."""
        builder = [path.read_bytes() for path in (*_BUILDER, Path(kafka.__file__))]
        parts = [self.reference, architecture, repr(self.config), *(source.identity for source in self.sources)]
        return hashlib.sha256(b"\0".join([*builder, *map(str.encode, parts)])).hexdigest()


UNAVAILABLE: Final[Mapping[str, str]] = {
    "docker.elastic.co/elasticsearch/elasticsearch": "it is published only as an image and as archives",
    "docker.elastic.co/kibana/kibana": "it is published only as an image and as archives",
    "docker.elastic.co/logstash/logstash": "it is published only as an image and as archives",
    "docker.io/fluent/fluent-bit": "it is written in C, and Debian does not package it",
    "docker.io/grafana/grafana": "its web interface is published only as an image and as archives",
    "docker.io/nginx/nginx-ingress": "its NGINX with the required modules is published only as an image",
    "ghcr.io/kuskoman/logstash-exporter": _NOT_TO_BE_HAD,
    "registry.k8s.io/autoscaling/cluster-autoscaler": _NOT_TO_BE_HAD,
}
"""Repositories of images that the roles use and that cannot be built from package registries, with the reason."""


def every_recipe(region: str) -> dict[str, Recipe]:
    """Return all recipes by reference; the images of EKS' add-ons are in a registry of each region."""
    found = (*_static_programs(), *_programs_with_a_shell(), *_coredns(region), _kafka(), _strimzi(), _pause())
    return {recipe.reference: recipe for recipe in found}


def _busybox_links() -> tuple[tuple[str, str], ...]:
    return tuple((f"usr/bin/{name}", "busybox") for name in _APPLETS.split())


def _busybox(folders: tuple[tuple[str, int], ...] = ()) -> tuple[Source, ...]:
    """A base like quay.io/prometheus/busybox, the base image of the Prometheus authors' images."""
    return (
        Base((User("nobody", 65534, 65534, "nobody", "/home"),), folders, (*_MERGED, *_busybox_links())),
        Packages(alone=("busybox-static", "ca-certificates")),
    )


def _static_programs() -> tuple[Recipe, ...]:
    return (
        Recipe(
            f"quay.io/prometheus/prometheus:v{release('prometheus')}",
            (
                *_busybox((("etc/prometheus", 65534), ("prometheus", 65534))),
                Program("prometheus", "usr/bin/prometheus"),
                Program("promtool", "usr/bin/promtool"),
            ),
            Config(
                entrypoint=("/bin/prometheus",),
                user="nobody",
                environment=(_PATH,),
                working_directory="/prometheus",
                ports=("9090/tcp",),
                volumes=("/prometheus",),
            ),
        ),
        Recipe(
            f"quay.io/prometheus/node-exporter:v{release('node_exporter')}",
            (*_busybox(), Program("node_exporter", "usr/bin/node_exporter")),
            Config(entrypoint=("/bin/node_exporter",), user="nobody", environment=(_PATH,), ports=("9100/tcp",)),
        ),
        Recipe(
            f"quay.io/prometheuscommunity/elasticsearch-exporter:v{release('elasticsearch_exporter')}",
            (*_busybox(), Program("elasticsearch_exporter", "usr/bin/elasticsearch_exporter")),
            Config(
                entrypoint=("/bin/elasticsearch_exporter",), user="nobody", environment=(_PATH,), ports=("7979/tcp",)
            ),
        ),
        Recipe(
            f"registry.k8s.io/kube-state-metrics/kube-state-metrics:v{release('kube-state-metrics')}",
            (
                Base((NOBODY,)),
                Packages(alone=("ca-certificates",)),
                Program("kube-state-metrics", "kube-state-metrics"),
            ),
            Config(
                entrypoint=("/kube-state-metrics", "--port=8080", "--telemetry-port=8081"),
                user="nobody",
                environment=(_PATH,),
                ports=("8080/tcp", "8081/tcp"),
            ),
        ),
    )


def _programs_with_a_shell() -> tuple[Recipe, ...]:
    return (
        Recipe(
            f"docker.io/library/telegraf:{release('telegraf')}",
            (
                Base((NOBODY, User("telegraf", 999, 999, "telegraf", "/etc/telegraf")), links=_SHELL),
                Packages(("bash", "coreutils"), alone=("ca-certificates",)),
                Program("telegraf", "usr/bin/telegraf"),
            ),
            Config(command=("telegraf",), environment=(_PATH,), ports=("8092/udp", "8094/tcp", "8125/udp")),
        ),
        # curl comes from Debian and is older; the role's script needs no newer version.
        Recipe(
            f"docker.io/curlimages/curl:{_CURL}",
            (
                Base((NOBODY, User("curl_user", 100, 101, "curl_group", "/home/curl_user")), links=_busybox_links()),
                Packages(("base-files", "curl"), alone=("busybox-static", "ca-certificates")),
            ),
            Config(command=("curl",), user="curl_user", environment=(_PATH,), working_directory="/home/curl_user"),
        ),
    )


def _coredns(region: str) -> tuple[Recipe, ...]:
    """The add-on's builds of the pinned version."""
    builds = [build for build, _, _ in CATALOG["coredns"].releases if build.startswith(f"v{release('coredns')}-")]
    return tuple(
        Recipe(
            image(region, "eks/coredns", build),
            (Base(), Packages(alone=("ca-certificates",)), Program("coredns", "coredns")),
            Config(entrypoint=("/coredns",), environment=(_PATH,), ports=("53/tcp", "53/udp")),
        )
        for build in builds
    )


def _kafka() -> Recipe:
    folders = ("etc/kafka/secrets", "mnt/shared/config", "opt/kafka", "usr/logs", "var/lib/kafka/data")
    java = ("opt/java/openjdk", "/usr/lib/jvm/java-21-openjdk-{architecture}")
    return Recipe(
        f"docker.io/apache/kafka:{kafka.VERSION}",
        (
            Base(
                (NOBODY, User("appuser", 1000, 1000, "appuser", "/home/appuser", "/bin/bash")),
                tuple((folder, 1000) for folder in (*folders, "home/appuser")),
                (*_SHELL, java),
            ),
            Packages(("bash", "coreutils", "grep", "openjdk-21-jre-headless", "sed")),
            Kafka("opt/kafka", (1000, 1000)),
        ),
        Config(
            user="appuser",
            environment=(
                ("JAVA_HOME", "/opt/java/openjdk"),
                ("LANG", "C.UTF-8"),
                ("PATH", f"/opt/java/openjdk/bin:{_PATH[1]}"),
            ),
            ports=("9092/tcp",),
            volumes=("/etc/kafka/secrets", "/mnt/shared/config", "/var/lib/kafka/data"),
        ),
    )


def _strimzi() -> Recipe:
    """Only the part that the role kafka uses: Kafka's nodes copy the agent from this image."""
    return Recipe(
        f"quay.io/strimzi/kafka:{_STRIMZI}-kafka-{kafka.VERSION}",
        (
            Base((NOBODY, User("kafka", 1001, 0, "root", "/home/kafka")), (("opt/kafka", 0),), _SHELL),
            Packages(("bash", "coreutils")),
            JavaAgent("opt/prometheus-jmx-exporter"),
        ),
        Config(
            user="1001",
            environment=(
                ("KAFKA_EXPORTER_HOME", "/opt/kafka-exporter"),
                ("KAFKA_HOME", "/opt/kafka"),
                ("KAFKA_VERSION", kafka.VERSION),
                _PATH,
                ("STRIMZI_VERSION", _STRIMZI),
            ),
            working_directory="/opt/kafka",
        ),
        {"/opt/kafka-exporter/kafka_exporter": _NOT_TO_BE_HAD},
    )


def _pause() -> Recipe:
    return Recipe(
        SANDBOX,
        (Base(), Packages(alone=("catatonit",))),
        Config(entrypoint=("/usr/bin/catatonit", "-P"), user="65535:65535", environment=(_PATH,)),
    )
