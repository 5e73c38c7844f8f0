# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dataplatform.fleet.apply against kubernetes.core.k8s and kubectl, on a real API server on this machine.

All get the same objects. An Ansible task is timed by a callback from its start to its result, so neither side pays for
the play's start-up; kubectl is timed as a command. Runs are interleaved and each first apply has its own namespace.
Caches (discovery, schemas) are warm for everyone.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from localcloud.artifacts.binaries import Binaries
from localcloud.kubernetes.control_plane import ControlPlane
from tests.benchmarks.latency import relay

CHECKOUT = Path(__file__).resolve().parents[2]
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
LATENCY = 0.02

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: measured
      {task}
"""
OURS = """dataplatform.fleet.apply:
        name: bench
        namespace: "{{ namespace }}"
        kubeconfig: "{{ kubeconfig }}"
        templates: ["{{ objects }}"]
        wait: false"""
KUBERNETES_CORE = """kubernetes.core.k8s:
        kubeconfig: "{{ kubeconfig }}"
        namespace: "{{ namespace }}"
        template: "{{ playbook_dir }}/templates/{{ objects }}"
        apply: true
        server_side_apply: {field_manager: bench, force_conflicts: true}"""


@dataclass(frozen=True)
class Timing:
    seconds: float
    changed: bool
    requests: int | None = None


class Bench:
    """A directory with playbooks and objects, and an API server."""

    def __init__(self, directory: Path, plane: ControlPlane) -> None:
        self.directory = directory
        self.plane = plane
        self.kubectl_path = str(Binaries().resolve("kubectl"))
        (directory / "templates").mkdir(parents=True)
        for name, task in (("ours", OURS), ("core", KUBERNETES_CORE)):
            (directory / f"{name}.yml").write_text(PLAYBOOK.format(task=task))
        (directory / "hosts.yml").write_text("all: {hosts: {bench: {ansible_connection: local}}}\n")
        self._namespaces = 0

    def objects(self, name: str, objects: list[dict[str, Any]]) -> None:
        (self.directory / "templates" / name).write_text(yaml.safe_dump_all(objects))

    def namespace(self) -> str:
        self._namespaces += 1
        name = f"bench-{self._namespaces}"
        self._kubectl(["create", "namespace", name])
        return name

    def _kubectl(self, arguments: list[str]) -> str:
        command = [self.kubectl_path, "--kubeconfig", str(self.plane.kubeconfig), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def kubectl(self, namespace: str, objects: str) -> Timing:
        started = time.perf_counter()
        file = str(self.directory / "templates" / objects)
        self._kubectl(["apply", "--server-side", "--force-conflicts", "--namespace", namespace, "--filename", file])
        return Timing(time.perf_counter() - started, changed=True)

    def play(self, playbook: str, namespace: str, objects: str, kubeconfig: Path | None = None) -> Timing:
        with tempfile.NamedTemporaryFile(dir=self.directory) as report:
            values = {
                "namespace": namespace,
                "objects": objects,
                "kubeconfig": str(kubeconfig or self.plane.kubeconfig),
                "ansible_python_interpreter": sys.executable,
            }
            command = [
                str(Path(sys.executable).with_name("ansible-playbook")),
                "--inventory",
                str(self.directory / "hosts.yml"),
                "--extra-vars",
                json.dumps(values),
                str(self.directory / f"{playbook}.yml"),
            ]
            env = {
                **os.environ,
                "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "collections"),
                "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callback_plugins")),
                "ANSIBLE_CALLBACKS_ENABLED": "task_seconds",
                "TASK_SECONDS": report.name,
                "XDG_CACHE_HOME": str(self.directory / "cache"),
            }
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)
            result = json.loads(Path(report.name).read_text().splitlines()[-1])
        return Timing(result["seconds"], result["changed"], result["requests"])

    def requests(self) -> int:
        """Return how many requests for the objects' kinds the server has answered."""
        total = 0
        for line in self._kubectl(["get", "--raw", "/metrics"]).splitlines():
            if line.startswith("apiserver_request_total{") and 'verb="WATCH"' not in line:
                resource = re.search(r'resource="([^"]*)"', line)
                if resource and resource[1] in {"configmaps", "secrets", "services", "serviceaccounts"}:
                    total += int(float(line.rpartition(" ")[2]))
        return total

    def counted(self, call: Callable[[], Timing]) -> int:
        before = self.requests()
        call()
        return self.requests() - before


def config_maps(count: int) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"bench-{number:03}", "labels": {"app": "bench"}},
            "data": {"key": f"value {number}", "file.conf": f"a = {number}\nb = some text\n"},
        }
        for number in range(count)
    ]


def mixed(count: int) -> list[dict[str, Any]]:
    """ConfigMaps, Secrets, Services and ServiceAccounts in equal parts."""
    found: list[dict[str, Any]] = []
    for number in range(count // 4):
        metadata = {"name": f"bench-{number:03}", "labels": {"app": "bench"}}
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        found += [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": f"value {number}"}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"key": f"value {number}"}},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                "spec": {"ports": ports, "selector": {"a": "b"}},
            },
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        ]
    return found


def row(
    work: str, peer: str, target: float, *, ours: list[Timing], theirs: list[Timing], peer_requests: int | None
) -> dict[str, Any]:
    ours_s, peer_s = median(t.seconds for t in ours), median(t.seconds for t in theirs)
    return {
        "work": work,
        "peer": peer,
        "ours_s": round(ours_s, 3),
        "peer_s": round(peer_s, 3),
        "ratio": round(peer_s / ours_s, 1),
        "target": target,
        "ours_requests": ours[-1].requests,
        "peer_requests": peer_requests,
    }


def rows() -> list[dict[str, Any]]:
    """All measurements."""
    with tempfile.TemporaryDirectory() as scratch, ControlPlane.temporary(Path(scratch) / "plane") as plane:
        bench = Bench(Path(scratch) / "work", plane)
        return [*_config_maps(bench), *_far_away(bench)]


def _config_maps(bench: Bench) -> list[dict[str, Any]]:
    file = "config-maps.yaml"
    bench.objects(file, config_maps(300))
    bench.objects("warm.yaml", config_maps(3))
    warm = bench.namespace()
    for warm_up in (lambda: bench.play("ours", warm, "warm.yaml"), lambda: bench.kubectl(warm, "warm.yaml")):
        warm_up()
    bench.play("core", warm, "warm.yaml")
    first: dict[str, list[Timing]] = {"ours": [], "core": [], "kubectl": []}
    again: dict[str, list[Timing]] = {"ours": [], "core": [], "kubectl": []}
    requests: dict[str, tuple[int, int]] = {}
    for _ in range(RUNS):
        for name, timings in first.items():
            namespace = bench.namespace()

            def run(name: str = name, namespace: str = namespace) -> Timing:
                return bench.kubectl(namespace, file) if name == "kubectl" else bench.play(name, namespace, file)

            before = bench.requests()
            timings.append(run())
            between = bench.requests()
            again[name].append(run())
            requests[name] = (between - before, bench.requests() - between)
    unchanged = [timing.changed for timing in again["ours"]]
    if any(unchanged):
        raise RuntimeError("the second apply changed something: there is nothing to measure")
    peers = {"core": ("kubernetes.core.k8s", 4, 15), "kubectl": ("kubectl apply --server-side", 10, 25)}
    found = []
    for number, (work, timings) in enumerate((("first apply", first), ("unchanged", again))):
        for name, (peer, *targets) in peers.items():
            sent = requests[name][number]
            target = targets[number]
            found.append(
                row(
                    f"300 ConfigMaps, {work}",
                    peer,
                    target,
                    ours=timings["ours"],
                    theirs=timings[name],
                    peer_requests=sent,
                )
            )
    return found


def _far_away(bench: Bench) -> list[dict[str, Any]]:
    """100 unchanged objects of four kinds with 20 ms added to each request."""
    file = "mixed.yaml"
    bench.objects(file, mixed(100))
    config = yaml.safe_load(bench.plane.kubeconfig.read_text())
    port = int(config["clusters"][0]["cluster"]["server"].rpartition(":")[2])
    with relay(port, LATENCY) as far_port:
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{far_port}"
        kubeconfig = bench.directory / "far.kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        namespaces = {name: bench.namespace() for name in ("ours", "core")}
        for name, namespace in namespaces.items():
            bench.play(name, namespace, file, kubeconfig)
        timings: dict[str, list[Timing]] = {"ours": [], "core": []}
        for _ in range(RUNS):
            for name, namespace in namespaces.items():
                timings[name].append(bench.play(name, namespace, file, kubeconfig))
        peer_requests = bench.counted(lambda: bench.play("core", namespaces["core"], file, kubeconfig))
    work = "100 objects unchanged, 20 ms a request"
    ours, theirs = timings["ours"], timings["core"]
    return [row(work, "kubernetes.core.k8s", 15, ours=ours, theirs=theirs, peer_requests=peer_requests)]
