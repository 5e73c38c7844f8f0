# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recording rules for dashboards, in Prometheus' test runner."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.artifacts.programs import go_program

pytestmark = pytest.mark.integration

RULES = Path(__file__).parents[3] / "roles" / "prometheus" / "files" / "rules" / "recording_dashboards.yml"
INPUT = {
    'node_filesystem_avail_bytes{node="a",mountpoint="/",fstype="xfs",device="x"}': "20x10",
    'node_filesystem_size_bytes{node="a",mountpoint="/",fstype="xfs",device="x"}': "100x10",
    'node_filesystem_avail_bytes{node="a",mountpoint="/tmp",fstype="tmpfs",device="y"}': "0x10",
    'node_filesystem_size_bytes{node="a",mountpoint="/tmp",fstype="tmpfs",device="y"}': "100x10",
    'kube_pod_owner{namespace="n",pod="web-1-a",owner_kind="ReplicaSet",owner_name="web-1",uid="1"}': "1x10",
    'kube_replicaset_owner{namespace="n",replicaset="web-1",owner_kind="Deployment",owner_name="web"}': "1x10",
    'kube_pod_owner{namespace="n",pod="db-0",owner_kind="StatefulSet",owner_name="db",uid="2"}': "1x10",
    'kube_pod_owner{namespace="n",pod="alone",owner_kind="<none>",owner_name="<none>",uid="3"}': "1x10",
    'container_cpu_usage_seconds_total{namespace="n",pod="web-1-a",container="c"}': "0+30x10",
    'container_cpu_usage_seconds_total{namespace="n",pod="web-1-a",container="d"}': "0+30x10",
    'container_memory_working_set_bytes{namespace="n",pod="db-0",container="c"}': "7x10",
    'container_memory_working_set_bytes{namespace="n",pod="alone",container="c"}': "5x10",
    'kube_pod_container_resource_requests{namespace="n",pod="db-0",container="c",resource="cpu"}': "2x10",
    'kube_pod_container_resource_requests{namespace="n",pod="db-0",container="c",resource="memory"}': "9x10",
    'reconciler_drift_objects{instance="old",reconciler="kafka"}': "3x10",
    'reconciler_last_run_timestamp_seconds{instance="old",reconciler="kafka"}': "1000x10",
    'reconciler_drift_objects{instance="new",reconciler="kafka"}': "1x10",
    'reconciler_last_run_timestamp_seconds{instance="new",reconciler="kafka"}': "4600x10",
}
WEB = '{namespace="n",workload="web",workload_type="Deployment"}'
DB = '{namespace="n",workload="db",workload_type="StatefulSet"}'
RECORDED = {
    "node:filesystem_used:max": {'{node="a"}': 0.8},
    "reconciler:drift_objects:last": {'{reconciler="kafka"}': 1},
    "workload:container_cpu_usage:rate5m": {WEB: 1},
    "workload:container_memory_working_set_bytes:sum": {DB: 7},
    "workload:container_cpu_requests:sum": {DB: 2},
    "workload:container_memory_requests:sum": {DB: 9},
}


def expectation(name: str) -> dict[str, Any]:
    samples = [{"labels": name + labels, "value": value} for labels, value in RECORDED[name].items()]
    return {"expr": name, "eval_time": "10m", "exp_samples": samples}


def test_joins_are_done_at_the_edge(tmp_path: Path) -> None:
    case = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in INPUT.items()],
        "promql_expr_test": [expectation(name) for name in RECORDED],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case]}))
    done = subprocess.run([go_program("promtool"), "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_has_an_expectation() -> None:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    names = {rule["record"] for group in groups for rule in group["rules"]}
    assert names - {"workload:pod_owner:info"} == set(RECORDED)
