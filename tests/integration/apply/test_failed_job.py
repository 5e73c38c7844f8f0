# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failed Job fails its run, and the next run starts the Job again."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import wait
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import WaitError
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import Objects

from .conftest import Actions, Cluster

pytestmark = pytest.mark.integration
JOB: Objects = [
    {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "reconcile"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "main:1"}]}}},
    }
]


def fail(cluster: Cluster, path: str) -> None:
    """Set the status of a failed Job, as the Job controller does."""
    time = "2026-11-25T12:00:00Z"
    said = {
        "status": "True",
        "reason": "BackoffLimitExceeded",
        "message": "Job has reached the specified backoff limit",
    }
    conditions = [{"type": kind, "lastTransitionTime": time, **said} for kind in ("FailureTarget", "Failed")]
    status = {"startTime": time, "failed": 7, "conditions": conditions, "uncountedTerminatedPods": {}}
    cluster.send("PATCH", f"{path}/status", {"status": status})


def test_is_started_again_by_the_next_run(cluster: Cluster, namespace: str, actions: Actions) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/reconcile"
    cluster.apply("s", namespace, JOB)
    first = cluster.client.get(path)["metadata"]["uid"]
    assert not cluster.apply("s", namespace, JOB).changed, "one that runs is left alone"
    fail(cluster, path)

    announced = cluster.apply("s", namespace, JOB, check=True)
    assert actions(announced) == {"Job/reconcile": "replaced"}
    assert cluster.client.get(path)["metadata"]["uid"] == first
    done = cluster.apply("s", namespace, JOB)
    assert (actions(done), done.diff()) == (actions(announced), announced.diff())
    assert done.diff()[0]["before"]["failed"] == "Job has reached the specified backoff limit"
    again = cluster.client.get(path)
    assert again["metadata"]["uid"] != first
    assert "conditions" not in again["status"]
    assert not cluster.apply("s", namespace, JOB).changed


def test_reports_the_path_of_its_log(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/reconcile"
    (job,) = [action for action in cluster.apply("s", namespace, JOB).actions if action.key.kind == "Job"]
    fail(cluster, path)
    target = (job.resource, job.key, cluster.client.get(path))
    with pytest.raises(WaitError, match=f"kubectl --namespace {namespace} logs job/reconcile. The next run starts it"):
        wait.until_ready(cluster.client, [target], selector="", timeout=30, report=print)
