# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's arguments, rights and certificate in a real kube-state-metrics against a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.real import (
    Authority,
    Cluster,
    running,
)
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role

from localcloud.artifacts.programs import go_program
from localcloud.host.loopback import HOST, free_port
from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.testing import eventually
from observability.catalogue.exposition import samples

pytestmark = pytest.mark.integration


class Exporter:
    def __init__(self, folder: Path, authority: Authority) -> None:
        self.log = folder / "kube-state-metrics.log"
        self.port, self.telemetry = free_port(), free_port()
        self._authority = authority

    def page(self, port: int | None = None) -> str:
        return self._authority.read(port or self.port)

    def path(self, path: str, port: int) -> str:
        return self._authority.read(port, path)


@pytest.fixture(scope="module")
def exporter(own_api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder = tmp_path_factory.mktemp("kube-state-metrics")
    authority = Authority(folder)
    authority.issue(folder, "kube-state-metrics")
    objects = render_role("kube_state_metrics")
    cluster = Cluster(own_api_server)
    _, kubeconfig = cluster.account(objects, folder)
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "node-1", "labels": {"dataplatform.fleet/pool": "general", "example.com/other": "x"}},
        }
    )
    web = folder / "web.yml"
    web.write_text(only(objects, "ConfigMap")["data"]["web.yml"].replace("/tls/", f"{folder}/"))
    found = Exporter(folder, authority)
    given = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    moved = {
        "--host=0.0.0.0": f"--host={HOST}",
        "--telemetry-host=0.0.0.0": f"--telemetry-host={HOST}",
        "--port=8443": f"--port={found.port}",
        "--telemetry-port=8444": f"--telemetry-port={found.telemetry}",
        "--tls-config=/etc/kube-state-metrics/web.yml": f"--tls-config={web}",
    }
    command = [go_program("kube-state-metrics"), f"--kubeconfig={kubeconfig}", *(moved.get(arg, arg) for arg in given)]
    with running(command, folder, "kube-state-metrics"):
        eventually(lambda: "kube_node_info{" in found.page(), log=found.log)
        yield found


def test_its_rights_suffice_for_all_that_it_shows(exporter: Exporter) -> None:
    telemetry = eventually(
        lambda: page if "kube_state_metrics_watch_total" in (page := exporter.page(exporter.telemetry)) else ""
    )
    failed = [
        labels
        for name, labels in samples(telemetry)
        if name in ("kube_state_metrics_watch_total", "kube_state_metrics_list_total")
        and labels.get("result") == "error"
    ]
    assert failed == []
    assert "forbidden" not in exporter.log.read_text()


def test_only_the_labels_that_are_asked_for_are_shown(exporter: Exporter) -> None:
    (labels,) = (labels for name, labels in samples(exporter.page()) if name == "kube_node_labels")
    assert labels == {"node": "node-1", "label_dataplatform_fleet_pool": "general"}


def test_denied_resources_are_not_returned(exporter: Exporter) -> None:
    assert "kube_pod_tolerations" not in exporter.page()
    assert "kube_secret_info" not in exporter.page()


def test_the_probes_are_answered(exporter: Exporter) -> None:
    assert exporter.path("/healthz", exporter.port)
    assert exporter.path("/readyz", exporter.telemetry)
