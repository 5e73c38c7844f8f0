# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness of objects, compared with kstatus, for statuses that controllers write.

What the module readiness documents as different is not generated.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from typing import Any, Final

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import key_of
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.readiness import State, state_of

from localcloud.artifacts.programs import go_program

pytestmark = pytest.mark.integration
Json = dict[str, Any]
GENERATION: Final = 3
EACH: Final = 150


def condition(kind: str, status: str, reason: str = "Because") -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": "why"}


def deployment(chooser: random.Random) -> Json:
    wanted, total = chooser.randint(0, 2), chooser.randint(0, 3)
    updated = chooser.randint(0, total)
    ready = chooser.randint(0, total)
    late = chooser.random() < 0.2
    progress = "ProgressDeadlineExceeded" if late else "NewReplicaSetAvailable"
    conditions = [condition("Available", "True"), condition("Progressing", str(not late), progress)]
    counts = {"replicas": total, "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": ready}
    return {
        "spec": {"replicas": wanted, "progressDeadlineSeconds": 600},
        "status": {**counts, "conditions": conditions},
    }


def replica_set(chooser: random.Random) -> Json:
    total = chooser.randint(0, 3)
    ready = chooser.randint(0, total)
    counts = {"replicas": total, "fullyLabeledReplicas": chooser.randint(0, total), "readyReplicas": ready}
    failing = [condition("ReplicaFailure", chooser.choice(["True", "False"]))]
    return {
        "spec": {"replicas": chooser.randint(0, 2)},
        "status": {**counts, "availableReplicas": chooser.randint(0, ready), "conditions": failing},
    }


def stateful_set(chooser: random.Random) -> Json:
    total = chooser.randint(0, 3)
    updated = chooser.randint(0, total)
    done = updated == total
    rolling = {"rollingUpdate": {"partition": chooser.randint(0, 3)}} if chooser.random() < 0.5 else {}
    return {
        "spec": {"replicas": chooser.randint(0, 2), "updateStrategy": {"type": "RollingUpdate", **rolling}},
        "status": {
            "replicas": total,
            "readyReplicas": chooser.randint(0, total),
            "updatedReplicas": updated,
            # The controller calls the latest revision the current one when all pods have it.
            "currentReplicas": total if done else total - updated,
            "currentRevision": "new" if done else "old",
            "updateRevision": "new",
        },
    }


def daemon_set(chooser: random.Random) -> Json:
    wanted = chooser.randint(0, 2)
    current = chooser.randint(0, wanted)
    ready = chooser.randint(0, current)
    counts = {"currentNumberScheduled": current, "numberReady": ready, "numberAvailable": chooser.randint(0, ready)}
    desired = {} if chooser.random() < 0.1 else {"desiredNumberScheduled": wanted}
    return {"spec": {}, "status": {**counts, **desired, "updatedNumberScheduled": chooser.randint(0, current)}}


def job(chooser: random.Random) -> Json:
    ended = condition(chooser.choice(["Complete", "Failed"]), "True")
    return {"spec": {}, "status": {"startTime": "2026-11-25T12:00:00Z", "conditions": [ended]}}


def pod(chooser: random.Random) -> Json:
    phase = chooser.choice(["Pending", "Running", "Succeeded", ""])
    return {"status": {"conditions": [condition("Ready", chooser.choice(["True", "False"]))]} | {"phase": phase}}


def claim(chooser: random.Random) -> Json:
    return {"status": chooser.choice([{}, {"phase": "Pending"}, {"phase": "Bound"}])}


def definition(chooser: random.Random) -> Json:
    names = condition("NamesAccepted", chooser.choice(["True", "False", "Unknown"]))
    reason = chooser.choice(["Installing", "NotAccepted"])
    established = condition("Established", chooser.choice(["True", "False", "Unknown"]), reason)
    return {"status": {"conditions": chooser.choice([[], [names], [names, established], [established]])}}


def plain(chooser: random.Random) -> Json:
    return {"status": chooser.choice([{}, {"phase": "Odd"}, {"conditions": [condition("DisruptionAllowed", "False")]}])}


def service(chooser: random.Random) -> Json:
    return {"spec": {"type": chooser.choice(["ClusterIP", "NodePort", "ExternalName"])}}


def custom(chooser: random.Random) -> Json:
    kinds = ["Ready", "Available", "Healthy", "Succeeded", "Failed", "Progressing", "Synced"]
    found = chooser.sample(kinds, chooser.randint(0, 3))
    return {"status": {"conditions": [condition(kind, chooser.choice(["True", "False", "Unknown"])) for kind in found]}}


KINDS: Final[dict[tuple[str, str], Callable[[random.Random], Json]]] = {
    ("apps/v1", "Deployment"): deployment,
    ("apps/v1", "ReplicaSet"): replica_set,
    ("apps/v1", "StatefulSet"): stateful_set,
    ("apps/v1", "DaemonSet"): daemon_set,
    ("batch/v1", "Job"): job,
    ("batch/v1", "CronJob"): plain,
    ("v1", "Pod"): pod,
    ("v1", "PersistentVolumeClaim"): claim,
    ("v1", "Service"): service,
    ("v1", "ConfigMap"): plain,
    ("policy/v1", "PodDisruptionBudget"): plain,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): definition,
    ("example.com/v1", "Thing"): custom,
}


def objects(api_version: str, kind: str) -> list[Json]:
    found = []
    for seed in range(EACH):
        chooser = random.Random(f"{kind}{seed}")
        made = KINDS[api_version, kind](chooser)
        metadata: Json = {"name": "x", "namespace": "n", "generation": GENERATION}
        if chooser.random() < 0.05:
            metadata["deletionTimestamp"] = "2026-11-25T12:00:00Z"
        status = made.setdefault("status", {})
        if api_version == "apps/v1" or chooser.random() < 0.5:
            status["observedGeneration"] = GENERATION - (chooser.random() < 0.1)
        for name in ("Reconciling", "Stalled"):
            if chooser.random() < 0.1:
                state = chooser.choice(["True", "False"])
                status["conditions"] = [*status.get("conditions", ()), condition(name, state)]
        found.append({"apiVersion": api_version, "kind": kind, "metadata": metadata, **made})
    return found


def verdict(state: State) -> str:
    return "Current" if state.ready else "Failed" if state.failed else "InProgress"


def test_readiness_equals_kstatus() -> None:
    found = [item for api_version, kind in KINDS for item in objects(api_version, kind)]
    text = "".join(json.dumps(item) + "\n" for item in found)
    run = subprocess.run([go_program("kstatus")], input=text, capture_output=True, text=True, check=True)
    said = [line.replace("Terminating", "InProgress") for line in run.stdout.splitlines()]
    assert len(said) == len(found)
    assert set(said) == {"Current", "InProgress", "Failed"}
    different = [
        (theirs, state_of(key_of(item), item), item)
        for item, theirs in zip(found, said, strict=True)
        if verdict(state_of(key_of(item), item)) != theirs
    ]
    assert different == []
