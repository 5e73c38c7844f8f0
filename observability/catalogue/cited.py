# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Series of programs that cannot run here, extracted from their source code at pinned versions.

Go sources are downloaded from the Go module proxy. The NGINX controller is not on it and is cloned with git.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from localcloud.artifacts.binaries import GO_MOD
from localcloud.artifacts.cache import required_version
from observability.catalogue import CHECKOUT, SCRAPE, Series
from observability.catalogue.exposition import series_of

COREDNS = "1.14.2"  # the newest add-on version of EKS
NGINX_EXPORTER_MODULE = "github.com/nginx/nginx-prometheus-exporter"
INGRESS_REPOSITORY = "https://github.com/nginx/kubernetes-ingress"
INGRESS_MAIN = "cmd/nginx-ingress/main.go"
INGRESS_FILES = ("internal/metrics", INGRESS_MAIN, "go.mod")
# A local clone, in place of a download.
INGRESS_VARIABLE = "CATALOGUE_KUBERNETES_INGRESS"

_OPTIONS = re.compile(r"\b(Counter|Gauge|Histogram|Summary|TimingHistogram)Opts\s*\{")
_FIELD = r"\b{}:\s*([\w.]+|\"[^\"]*\")"
_LABELS = re.compile(r"\A\s*,?\s*(?:\[\]string\{([^}]*)\}|(\w+)\s*[,)])")
_CONSTANT = re.compile(r"^\s*(?:const\s+|var\s+)?(\w+)\s*(?:string\s*)?=\s*\"([^\"]*)\"", re.MULTILINE)
_LIST = re.compile(r"(\w+)\s*=\s*\[\]string\{([^}]*)\}")


@functools.cache
def module(name: str, version: str) -> Path:
    """Return the directory of a Go module's source, downloaded into Go's module cache on first use."""
    run = subprocess.run(
        ["go", "mod", "download", "-json", f"{name}@v{version}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tempfile.gettempdir(),
    )
    return Path(json.loads(run.stdout)["Dir"])


@functools.cache
def kubernetes() -> tuple[Path, str]:
    version = required_version(GO_MOD, "k8s.io/kubernetes")
    return module("k8s.io/kubernetes", version), version


def constants(texts: Sequence[str]) -> dict[str, str]:
    return {name: value for text in texts for name, value in _CONSTANT.findall(text)}


def declared(text: str, known: dict[str, str]) -> Iterator[tuple[str, str, frozenset[str], int]]:
    """Yield name, type, labels and line of each metric that Go source declares with an options struct.

    ``known`` are constants of other files of the package.
    """
    known = known | constants([text])
    lists = dict(_LIST.findall(text))

    def value(word: str) -> str:
        return word.strip('"') if word.startswith('"') else known.get(word.rpartition(".")[2], "")

    for found in _OPTIONS.finditer(text):
        end = _closing(text, found.end())
        block = text[found.end() : end]
        parts = [value(m.group(1)) if (m := re.search(_FIELD.format(key), block)) else "" for key in _KEYS]
        if not parts[-1]:
            continue
        after = _LABELS.match(text[end + 1 :])
        words = (
            (after.group(1) if after and after.group(1) is not None else lists.get(after.group(2), "")) if after else ""
        )
        labels = frozenset(filter(None, (value(word.strip()) for word in words.split(","))))
        yield (
            "_".join(filter(None, parts)),
            found.group(1).lower().removeprefix("timing"),
            labels,
            text.count("\n", 0, found.start()) + 1,
        )


_KEYS = ("Namespace", "Subsystem", "Name")


def _closing(text: str, start: int) -> int:
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return position
    return len(text)


def go_files(
    root: Path,
    paths: Sequence[str],
    source: str,
    extra: frozenset[str] = frozenset(),
    known: dict[str, str] | None = None,
) -> Iterator[Series]:
    """Yield the series that the files of a source tree declare."""
    texts = {path: (root / path).read_text(encoding="utf-8") for path in paths}
    shared = (known or {}) | constants(list(texts.values()))
    for path, text in texts.items():
        for family, kind, labels, line in declared(text, shared):
            for name, all_labels in series_of(family, kind, labels | extra):
                yield Series(name, all_labels, f"{source} {path}#L{line}")


def _line(root: Path, path: str, word: str) -> str:
    for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
        if word in line:
            return f"{path}#L{number}"
    raise LookupError(f"{path} has no {word}")


def common(source: str) -> Iterator[Series]:
    """Yield the series of the Go client's default collectors, which all these programs register."""
    for name in (
        "go_goroutines",
        "go_memstats_heap_alloc_bytes",
        "go_memstats_heap_inuse_bytes",
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
    ):
        yield Series(name, frozenset(), source)


def scraped_too(source: str) -> Iterator[Series]:
    for name in SCRAPE:
        yield Series(name, frozenset(), source)


def kubelet() -> Iterator[Series]:
    root, version = kubernetes()
    source = f"kubernetes {version}"
    paths = [
        "pkg/kubelet/metrics/metrics.go",
        "pkg/kubelet/prober/prober_manager.go",
        "pkg/kubelet/server/metrics/metrics.go",
        "pkg/volume/util/metrics.go",
    ]
    yield from go_files(root, paths, source)
    path = "pkg/kubelet/metrics/collectors/volume_stats.go"
    known = constants([(root / "pkg/kubelet/metrics/metrics.go").read_text(encoding="utf-8")])
    text = (root / path).read_text(encoding="utf-8")
    for found in re.finditer(
        r"BuildFQName\(\"\", kubeletmetrics\.(\w+), kubeletmetrics\.(\w+)\),\s*\"[^\"]*\",\s*\[\]string\{([^}]*)\}",
        text,
    ):
        labels = frozenset(word.strip().strip('"') for word in found.group(3).split(","))
        line = text.count("\n", 0, found.start()) + 1
        yield Series(f"{known[found.group(1)]}_{known[found.group(2)]}", labels, f"{source} {path}#L{line}")
    yield from _component_base(version)
    yield from scraped_too("prometheus")


def _component_base(version: str) -> Iterator[Series]:
    version = re.sub(r"^1\.", "0.", version)
    root = module("k8s.io/component-base", version)
    source = f"component-base {version}"
    yield from go_files(root, ["metrics/prometheus/restclient/metrics.go"], source)
    yield from common(f"{source} {_line(root, 'metrics/legacyregistry/registry.go', 'NewProcessCollector')}")


def cadvisor() -> Iterator[Series]:
    root, _ = kubernetes()
    library = required_version(root / "go.mod", "github.com/google/cadvisor/lib")
    folder = module("github.com/google/cadvisor/lib", library)
    source = f"cadvisor {library}"
    # The label function of the kubelet; a missing label is the empty string.
    own = frozenset({"id", "name", "image", "pod", "namespace", "container"})
    included = _included(root)
    path = "metrics/prometheus.go"
    text = (folder / path).read_text(encoding="utf-8")
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.search(r"includedMetrics\.Has\(container\.(\w+)\)", line):
            current = found.group(1)
        if (found := re.search(r'^\s*name:\s*"((?:container|machine)_\w+)"', line)) and current in included | {""}:
            following = "\n".join(text.splitlines()[number : number + 4])
            more = re.search(r"extraLabels:\s*\[\]string\{([^}]*)\}", following)
            extra = frozenset(word.strip().strip('"') for word in more.group(1).split(",")) if more else frozenset()
            yield Series(found.group(1), own | extra, f"{source} {path}#L{number}")
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.search(r'desc :?= prometheus\.NewDesc\("(container_\w+)"', line):
            yield Series(found.group(1), own, f"{source} {path}#L{number}")
    path = "metrics/prometheus_machine.go"
    for name in ("machine_cpu_cores", "machine_memory_bytes"):
        labels = frozenset({"machine_id", "system_uuid", "boot_id"})
        yield Series(name, labels, f"{source} {_line(folder, path, f'"{name}"')}")
    for name in ("container_scrape_error",):
        yield Series(name, frozenset(), f"{source} {_line(folder, 'metrics/prometheus.go', 'scrape_error')}")
    yield from scraped_too("prometheus")


def _included(root: Path) -> set[str]:
    text = (root / "pkg/kubelet/server/server.go").read_text(encoding="utf-8")
    return set(re.findall(r"cadvisormetrics\.(\w+Metrics)\b", text))


def coredns() -> Iterator[Series]:
    root = module("github.com/coredns/coredns", COREDNS)
    source = f"coredns {COREDNS}"
    # The plugins in the add-on's Corefile, and the packages that they use.
    paths = [
        "plugin/metrics/vars/vars.go",
        "plugin/metrics/metrics.go",
        "plugin/cache/metrics.go",
        "plugin/forward/metrics.go",
        "plugin/pkg/proxy/metrics.go",
        "plugin/kubernetes/metrics.go",
        "plugin/kubernetes/object/metrics.go",
        "plugin/health/overloaded.go",
        "plugin/reload/metrics.go",
    ]
    yield from go_files(root, paths, source, known={"Namespace": "coredns"})
    yield from common(f"{source} {_line(root, 'plugin/metrics/metrics.go', 'DefaultRegisterer')}")
    yield from scraped_too("prometheus")


def ingress_nginx() -> Iterator[Series]:
    defaults = yaml.safe_load((CHECKOUT / "roles/ingress_nginx/defaults/main.yml").read_text(encoding="utf-8"))
    version = str(defaults["ingress_nginx_version"])
    source = f"kubernetes-ingress {version}"
    constant = frozenset({"class"})
    with tempfile.TemporaryDirectory() as scratch:
        root = _ingress_sources(version, Path(scratch))
        folder = "internal/metrics/collectors"
        known = constants([(root / folder / "collectors.go").read_text(encoding="utf-8")])
        # The role disables custom resources.
        files = [f"{folder}/{name}.go" for name in ("controller", "manager", "processes", "workqueue")]
        for one in go_files(root, files, source, constant, known):
            if "server_resources" not in one.name and "serverroute_resources" not in one.name:
                yield one
        latency = f"{folder}/latency.go"
        yield from go_files(root, [latency], source, constant | _latency_labels(root, latency), known)
        exporter = required_version(root / "go.mod", NGINX_EXPORTER_MODULE)
        prefix = re.search(
            r'NewNginxCollector\(client, "(\w+)"', (root / "internal/metrics/listener.go").read_text(encoding="utf-8")
        )
        if not prefix:
            raise LookupError("internal/metrics/listener.go no longer contains the prefix of the series of NGINX")
    nginx = module(NGINX_EXPORTER_MODULE, exporter)
    text = (nginx / "collector/nginx.go").read_text(encoding="utf-8")
    for found in re.finditer(r'newGlobalMetric\(namespace, "(\w+)"', text):
        line = text.count("\n", 0, found.start()) + 1
        name = f"{prefix.group(1)}_{found.group(1)}"
        yield Series(name, constant, f"{source}, nginx-prometheus-exporter {exporter} collector/nginx.go#L{line}")
    line_of_up = _line(nginx, "collector/helper.go", '"up"')
    yield Series(f"{prefix.group(1)}_up", constant, f"{source}, nginx-prometheus-exporter {exporter} {line_of_up}")
    yield from scraped_too("prometheus")


def _latency_labels(root: Path, path: str) -> frozenset[str]:
    """Return the labels of latency series: those of the collector, and those that the program passes to it."""
    lists = (
        (path, r"append\(append\(\[\]string\{([^}]*)\}, upstreamServerLabelNames"),
        (INGRESS_MAIN, r"upstreamServerVariableLabels := \[\]string\{([^}]*)\}"),
        (INGRESS_MAIN, r"upstreamServerPeerVariableLabelNames := \[\]string\{([^}]*)\}"),
    )
    found: set[str] = set()
    for file, pattern in lists:
        match = re.search(pattern, (root / file).read_text(encoding="utf-8"))
        if not match:
            raise LookupError(f"{file} no longer contains {pattern}")
        found |= {word.strip().strip('"') for word in match.group(1).split(",")}
    return frozenset(found)


def _ingress_sources(version: str, scratch: Path) -> Path:
    clone = os.environ.get(INGRESS_VARIABLE)
    if not clone:
        clone = str(scratch / "clone")
        command = ["git", "clone", "--quiet", "--bare", "--depth=1", f"--branch=v{version}", INGRESS_REPOSITORY, clone]
        subprocess.run(command, check=True)
    archive = scratch / "source.tar"
    subprocess.run(
        ["git", f"--git-dir={clone}", "archive", f"--output={archive}", f"v{version}", *INGRESS_FILES],
        check=True,
    )
    with tarfile.open(archive) as tar:
        tar.extractall(scratch / "source", filter="data")
    return scratch / "source"
