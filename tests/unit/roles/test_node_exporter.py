# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of node_exporter become objects."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role

from localcloud.artifacts.programs import version
from observability import catalogue


def pod(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = only(render_role("node_exporter", **options), "DaemonSet")["spec"]["template"]
    return found


def args(**options: Any) -> list[str]:
    found: list[str] = pod(**options)["spec"]["containers"][0]["args"]
    return found


def collectors(**options: Any) -> set[str]:
    return {arg.removeprefix("--collector.") for arg in args(**options) if arg.startswith("--collector.")} - {
        "disable-defaults"
    }


def test_the_version_is_the_one_that_tests_run_and_the_catalogue_lists() -> None:
    image = pod()["spec"]["containers"][0]["image"]
    assert image == f"quay.io/prometheus/node-exporter:v{version('node_exporter')}"
    sources = {" ".join(one.source.split()[:2]) for one in catalogue.read("node_exporter")} - {"prometheus"}
    assert sources == {f"node_exporter {version('node_exporter')}"}


def test_the_host_is_mounted_read_only_and_its_network_shared() -> None:
    spec = pod()["spec"]
    assert spec["hostNetwork"] is True
    assert "hostPID" not in spec
    hosts = {volume["name"]: volume["hostPath"]["path"] for volume in spec["volumes"] if "hostPath" in volume}
    assert hosts == {"proc": "/proc", "sys": "/sys", "root": "/"}
    mounts = {mount["name"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    assert all(mounts[name]["readOnly"] is True for name in hosts)
    assert {f"--path.{name}fs={mounts[name]['mountPath']}" for name in ("proc", "sys", "root")} <= set(args())


def test_it_runs_everywhere() -> None:
    assert pod()["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert "nodeSelector" not in pod()["spec"]


def test_collectors_can_be_added_and_left_out() -> None:
    usual = {name for name in collectors() if "=" not in name}
    assert {"cpu", "filesystem", "meminfo", "ethtool"} <= usual
    other = {
        name
        for name in collectors(node_exporter_collectors=["hwmon"], node_exporter_collectors_off=["netclass"])
        if "=" not in name
    }
    assert other == (usual | {"hwmon"}) - {"netclass"}
    without = collectors(node_exporter_ena_allowances=False)
    assert not [name for name in without if name.startswith("ethtool")]


def test_it_serves_tls_on_the_nodes_address() -> None:
    objects = render_role("node_exporter", node_exporter_port=9200)
    spec = only(objects, "DaemonSet")["spec"]["template"]
    assert "--web.listen-address=$(HOST_IP):9200" in spec["spec"]["containers"][0]["args"]
    assert spec["metadata"]["annotations"]["prometheus.io/port"] == "9200"
    assert spec["metadata"]["annotations"]["prometheus.io/scheme"] == "https"
    assert spec["spec"]["containers"][0]["ports"][0]["hostPort"] == 9200
    web = yaml.safe_load(only(objects, "ConfigMap")["data"]["web.yml"])
    assert web["tls_server_config"]["cert_file"] == "/tls/tls.crt"
    (rule,) = only(objects, "NetworkPolicy")["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 9200}]


@pytest.mark.parametrize("namespaces", [[], ["agents", "other"]])
def test_network_policy_of_the_metrics_port(namespaces: list[str]) -> None:
    policy = only(render_role("node_exporter", node_exporter_metrics_namespaces=namespaces), "NetworkPolicy")["spec"]
    found = [
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in policy["ingress"]
        for peer in rule["from"]
    ]
    assert found == namespaces
    assert policy["egress"] == []


def test_a_renewed_certificate_restarts_nothing() -> None:
    before = pod()["metadata"]["annotations"]
    assert pod(node_exporter_tls_certificate="other")["metadata"]["annotations"] == before


def test_the_image_is_pulled_from_the_mirror_by_digest() -> None:
    digest = "sha256:" + "a" * 64
    options = {"node_exporter_image_mirror": "registry.example.com/quay", "node_exporter_image_digest": digest}
    image = pod(**options)["spec"]["containers"][0]["image"]
    assert image.startswith("registry.example.com/quay/prometheus/node-exporter:v")
    assert image.endswith(f"@{digest}")


def test_sizes_and_what_differs_from_them() -> None:
    def resources(**options: Any) -> Any:
        return pod(**options)["spec"]["containers"][0]["resources"]

    assert resources() != resources(node_exporter_size="large")
    other = resources(node_exporter_resources={"limits": {"memory": "1Gi"}})
    assert other["limits"] == resources()["limits"] | {"memory": "1Gi"}
