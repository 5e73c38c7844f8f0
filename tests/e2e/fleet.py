# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controlplane and a workload in a local cloud with real nodes, with helpers for queries and faults."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client, Response
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.connection import server_for
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApplyError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.canary import promql
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import ClusterPods, Place, Ran
from ansible_collections.dataplatform.fleet.tests.e2e.workloads import Images

from localcloud import testing
from localcloud.daemon.state import StateDir
from localcloud.host.processes import read_records
from localcloud.model import ADMIN_ACCESS_KEY, SECRET_KEY
from localcloud.testing import LocalCloud

ROOT = Path(__file__).parents[2]
CONTROLPLANE, WORKLOAD = "controlplane", "staging"
NAMESPACE = "e2e"
"""Of what the tests add to a cluster. No NetworkPolicy is in it."""
PROMETHEUS = Place("agents", "prometheus-0", port=9090, name="platform-metrics")
TELEGRAF = Place("agents", "prometheus-0", container="telegraf")
PLURALS = {"ConfigMap": "configmaps", "Namespace": "namespaces", "Pod": "pods"}
_PAGE = "exec 3<>/dev/tcp/127.0.0.1/9273; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; exec cat <&3"


eventually = functools.partial(testing.eventually, every=2, retry_on=ApplyError)


class Member:
    """A cluster of the fleet, with administrator permissions."""

    def __init__(self, name: str, kubeconfig: Path) -> None:
        self.name = name
        options = {"kubeconfig": str(kubeconfig), "context": None, "proxy_url": None, "tls_server_name": None}
        self.client = Client(server_for(options))
        self.pods = ClusterPods(self.client, self.get("agents", "configmaps", "prometheus-ca")["data"]["ca.crt"])

    def get(self, namespace: str, plural: str, name: str = "", selector: str = "") -> dict[str, Any]:
        path = f"/api/v1/namespaces/{namespace}/{plural}{f'/{name}' if name else ''}"
        found: dict[str, Any] = self.client.get(path, {"labelSelector": selector} if selector else None)
        return found

    def apply(self, item: dict[str, Any]) -> Response:
        meta, plural = item["metadata"], PLURALS[item["kind"]]
        place = f"namespaces/{meta['namespace']}/{plural}" if "namespace" in meta else plural
        return self.client.request(
            "PATCH",
            f"/api/v1/{place}/{meta['name']}",
            {"fieldManager": "e2e", "force": "true"},
            body=item,
            content_type="application/apply-patch+yaml",
        )

    def delete(self, namespace: str, plural: str, name: str) -> None:
        path = f"/api/v1/namespaces/{namespace}/{plural}/{name}"
        self.client.request("DELETE", path, {"gracePeriodSeconds": "0"}, allowed=frozenset({404}))

    def scale(self, namespace: str, name: str, replicas: int) -> None:
        """Scale a StatefulSet as kubectl does."""
        self.client.request(
            "PATCH",
            f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}/scale",
            body={"spec": {"replicas": replicas}},
            content_type="application/merge-patch+json",
        )

    def ready(self, namespace: str, selector: str, count: int = 1) -> bool:
        """Whether exactly this number of pods exists, each ready on a real node."""
        items = self.get(namespace, "pods", selector=selector)["items"]
        return len(items) == count and all(map(_ready, items))

    def ask(self, query: str) -> list[dict[str, Any]]:
        """An instant query of its Prometheus."""
        return promql(self.pods, PROMETHEUS, query)

    def number(self, query: str) -> float:
        """The value of a query with one result; 0 without."""
        found = self.ask(query)
        return float(found[0]["value"][1]) if found else 0.0

    def alerts(self) -> dict[str, str]:
        """Prometheus' own alerts by name: pending or firing."""
        found = self.pods.https(PROMETHEUS, "GET", "/api/v1/alerts").json()["data"]["alerts"]
        return {one["labels"]["alertname"]: one["state"] for one in found}

    def telegraf(self) -> dict[str, float]:
        """Return Telegraf's metrics of its output to Kafka by name, at most ten seconds old."""
        ran = self.pods.run(TELEGRAF, ["bash", "-c", _PAGE], 20)
        lines = [
            line for line in ran.out.splitlines() if line.startswith("internal_write_") and 'output="kafka"' in line
        ]
        return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def run(self, namespace: str, pod: str, container: str, command: list[str], seconds: float = 60) -> Ran:
        return self.pods.run(Place(namespace, pod, container=container), command, seconds)

    def kill(self, namespace: str, pod: str, program: str) -> None:
        """Kill a program of a pod from outside with SIGKILL."""
        uid = self.get(namespace, "pods", pod)["metadata"]["uid"]
        marks = (f"pod{uid}", f"pod{uid.replace('-', '_')}")
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "comm").read_text().strip() == program and any(
                    mark in (process / "cgroup").read_text() for mark in marks
                ):
                    found.append(int(process.name))
        assert len(found) == 1, f"{len(found)} processes of {namespace}/{pod} are called {program}"
        os.kill(found[0], 9)

    def images(self, namespace: str, pod: str) -> dict[str, str]:
        """The images of a pod by container."""
        return {one["name"]: one["image"] for one in self.get(namespace, "pods", pod)["spec"]["containers"]}

    def restarts(self, namespace: str, pod: str, container: str) -> int:
        statuses = self.get(namespace, "pods", pod)["status"].get("containerStatuses") or ()
        return sum(int(one["restartCount"]) for one in statuses if one["name"] == container)


def fill(folder: Path) -> Path:
    """Allocate all free space of a file system, and return the file.

    The space is reserved, not written, so that the host's own disk does not fill up with it.
    """
    filler = folder / "filler"
    with filler.open("ab") as file:
        piece = shutil.disk_usage(folder).free
        while piece >= 4096:
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, piece)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                piece //= 2
    return filler


def _ready(pod: dict[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions") or ()}
    return conditions.get("Ready") == "True" and not pod["metadata"].get("deletionTimestamp")


@dataclass(frozen=True)
class Fleet:
    """Both clusters, and the account that they are in."""

    state: StateDir
    controlplane: Member
    workload: Member

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path) -> Iterator[Fleet]:
        """Create the fleet in a new local cloud, or use that of the state directory in E2E_STATE."""
        given = os.environ.get("E2E_STATE")
        if given:
            yield cls.of(StateDir(Path(given)))
            return
        with LocalCloud.running(folder, nodes="real") as cloud:
            command = ["ansible-playbook", "site.yml"]
            for inventory in (CONTROLPLANE, WORKLOAD, "local"):
                command += ["-i", f"inventories/{inventory}"]
            command += ["-i", "tests/e2e/inventory"]
            log = folder / "site.log"
            with log.open("w") as output:
                done = subprocess.run(
                    command,
                    cwd=ROOT,
                    env={**cloud.env, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
            assert done.returncode == 0, log.read_text()[-5000:]
            yield cls.of(cloud.state)

    @classmethod
    def of(cls, state: StateDir) -> Fleet:
        members = []
        for name in (CONTROLPLANE, WORKLOAD):
            (kubeconfig,) = state.root.glob(f"clusters/*-dataplatform-{name}/admin.kubeconfig")
            members.append(Member(name, kubeconfig))
        return cls(state, *members)

    @functools.cached_property
    def images(self) -> Images:
        """Those that run."""
        telegraf = self.workload.images("agents", "prometheus-0")
        kafka = self.controlplane.images("kafka", "kafka-0")
        return Images(telegraf["prometheus"], telegraf["telegraf"], kafka["kafka"])

    def disk(self, member: Member, namespace: str, claim: str) -> Path:
        """The file system of a claim's volume, as its node sees it."""
        name = member.get(namespace, "persistentvolumeclaims", claim)["spec"]["volumeName"]
        path = member.client.get(f"/api/v1/persistentvolumes/{name}")["spec"]["local"]["path"]
        machines = [one.pid for one in read_records(self.state.processes) if one.name.startswith("machine ")]
        (found,) = (place for pid in machines if (place := Path(f"/proc/{pid}/root{path}")).is_mount())
        return found

    def ec2(self) -> Any:
        daemon = self.state.read()
        assert daemon is not None
        session = boto3.Session(ADMIN_ACCESS_KEY, SECRET_KEY, region_name=daemon.region)
        return session.client("ec2", endpoint_url=daemon.endpoint_url)

    def routes_between(self) -> list[dict[str, str]]:
        """Return the routes of both VPCs over their peering connection, in the format of EC2's create_route."""
        cidrs = self._blocks()
        found: list[dict[str, str]] = []
        for table in self.ec2().describe_route_tables()["RouteTables"]:
            found.extend(
                {
                    "RouteTableId": table["RouteTableId"],
                    "DestinationCidrBlock": route["DestinationCidrBlock"],
                    "VpcPeeringConnectionId": route["VpcPeeringConnectionId"],
                }
                for route in table["Routes"]
                if route.get("VpcPeeringConnectionId") and route.get("DestinationCidrBlock") in cidrs
            )
        return found

    def _blocks(self) -> list[str]:
        vpcs = self.ec2().describe_vpcs(Filters=[{"Name": "tag:dataplatform.fleet/fleet", "Values": ["dataplatform"]}])
        return [vpc["CidrBlock"] for vpc in vpcs["Vpcs"]]
