# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the data path, for tests: the programs that the roles run in a cluster, built once and cached.

Each has a directory with a go.mod that pins it; programs of one module share a directory. A unit test compares the
versions with the defaults of the roles.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.artifacts.cache import Cache, find_go, go_build, required_version, say, system
from localcloud.host.files import home
from localcloud.model import LocalCloudError

__all__ = ["PROGRAMS", "GoProgram", "go_program", "release", "version"]

HERE = Path(__file__).parent
_PROMETHEUS_VERSION = "github.com/prometheus/common/version.Version"


@dataclass(frozen=True)
class GoProgram:
    """The source of a program and its build settings."""

    folder: str
    module: str
    package: str
    tags: tuple[str, ...] = ()
    # The variable that the linker sets to the version; it is empty or "unknown" otherwise.
    version_variable: str = ""


# Service discovery of other clouds is most of its size and build time.
_PROMETHEUS = ("remove_all_sd", "enable_kubernetes_sd")
# Telegraf's build tags for a selection of plugins, see docs/CUSTOMIZATION.md in its repository.
_TELEGRAF = (
    "custom",
    "inputs.http_listener_v2",
    "inputs.internal",
    "inputs.x509_cert",
    "outputs.kafka",
    "outputs.prometheus_client",
    "parsers.prometheusremotewrite",
    "serializers.json",
)

PROGRAMS: Mapping[str, GoProgram] = {
    "prometheus": GoProgram(
        "prometheus",
        "github.com/prometheus/prometheus",
        "github.com/prometheus/prometheus/cmd/prometheus",
        _PROMETHEUS,
        _PROMETHEUS_VERSION,
    ),
    "promtool": GoProgram(
        "prometheus",
        "github.com/prometheus/prometheus",
        "github.com/prometheus/prometheus/cmd/promtool",
        _PROMETHEUS,
        _PROMETHEUS_VERSION,
    ),
    "node_exporter": GoProgram(
        "node_exporter",
        "github.com/prometheus/node_exporter",
        "github.com/prometheus/node_exporter",
        version_variable=_PROMETHEUS_VERSION,
    ),
    "kube-state-metrics": GoProgram(
        "kube_state_metrics",
        "k8s.io/kube-state-metrics/v2",
        "k8s.io/kube-state-metrics/v2",
        version_variable=_PROMETHEUS_VERSION,
    ),
    "telegraf": GoProgram(
        "telegraf",
        "github.com/influxdata/telegraf",
        "github.com/influxdata/telegraf/cmd/telegraf",
        _TELEGRAF,
        "github.com/influxdata/telegraf/internal.Version",
    ),
    "coredns": GoProgram(
        "coredns",
        "github.com/coredns/coredns",
        "github.com/coredns/coredns",
    ),
    "elasticsearch_exporter": GoProgram(
        "elasticsearch_exporter",
        "github.com/prometheus-community/elasticsearch_exporter",
        "github.com/prometheus-community/elasticsearch_exporter",
        version_variable=_PROMETHEUS_VERSION,
    ),
    # Grafana contains a fork of it. 0.35 cannot be built from its module, which lacks the pages that it embeds.
    "alertmanager": GoProgram(
        "alertmanager",
        "github.com/prometheus/alertmanager",
        "github.com/prometheus/alertmanager/cmd/alertmanager",
        version_variable=_PROMETHEUS_VERSION,
    ),
    "mustache": GoProgram(
        "logstash_config",
        "github.com/breml/logstash-config",
        "github.com/breml/logstash-config/cmd/mustache",
    ),
    # A main.go of this project that uses the library.
    "kstatus": GoProgram("kstatus", "sigs.k8s.io/cli-utils", "."),
}


def version(name: str) -> str:
    """Return a program's pinned version, such as ``1.12.1``."""
    program = _program(name)
    return required_version(HERE / program.folder / "go.mod", program.module)


def release(name: str) -> str:
    """Return the release of a program; the module version v0.316.0 of Prometheus is release 3.16.0."""
    found = version(name)
    if PROGRAMS[name].folder == "prometheus":
        _, minor, patch = found.split(".")
        return f"{minor[:-2]}.{int(minor[-2:])}.{patch}"
    return found


def go_program(
    name: str,
    *,
    environment: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = say,
) -> Path:
    """Return the path of a program, built on first use.

    :raises LocalCloudError: the program is unknown, Go is not installed, or the build fails
    """
    environment = os.environ if environment is None else environment
    program = _program(name)
    # Other tags result in another program of the same version.
    tags = hashlib.sha256(",".join(program.tags).encode()).hexdigest()[:8] if program.tags else ""
    stem = "-".join(filter(None, [name, version(name), tags, *system()]))

    def build(target: Path) -> None:
        go = find_go(environment)
        if not go:
            raise LocalCloudError(f"{name} {version(name)} cannot be built: install Go from https://go.dev/dl")
        progress(f"Building {name} {version(name)} (takes some minutes on the first run)")
        go_build(
            name,
            program.package,
            target,
            go=go,
            module=HERE / program.folder,
            environment=environment,
            flags=["-X", f"{program.version_variable}={release(name)}"] if program.version_variable else [],
            tags=program.tags,
        )

    return Cache(home(environment) / "software", progress).get(name, stem, build)


def _program(name: str) -> GoProgram:
    if name not in PROGRAMS:
        raise LocalCloudError(f"There is no program {name}: it is one of {', '.join(PROGRAMS)}")
    return PROGRAMS[name]
