"""An override of an alarm on running clusters: announced and made changes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.integration.site.conftest import Playbook, Run

pytestmark = pytest.mark.integration

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
RULES = "agents/prometheus-rules"


def tuned(overrides: dict[str, Any]) -> tuple[str, str]:
    return "-e", json.dumps({"alarms_overrides": overrides})


def changed(run: Run) -> set[str]:
    """Return the objects that a run has changed or would change, with the host."""
    return {f"{host} {' '.join(detail.split()[:3])}" for host, _task, _item, detail in run.announced}


def rules(kubectl: Kubectl) -> dict[str, dict[str, Any]]:
    shown = kubectl("--namespace", "agents", "get", "configmap", "prometheus-rules", "-o", "json")
    groups = [group for text in json.loads(shown.stdout)["data"].values() for group in yaml.safe_load(text)["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_a_threshold_changes_the_rules_of_the_clusters_and_nothing_else(
    fleet: Run, playbook: Playbook, kubectl: Kubectl
) -> None:
    """Also with the whole site in check mode, where a converged fleet announces nothing else."""
    before = rules(kubectl)
    tune = tuned({"AverageCpuHigh": {"threshold": 85}})
    wanted = {f"{host} patched ConfigMap {RULES}" for host in ("controlplane", "staging")}
    announced = playbook("site.yml", "controlplane staging", "--check", "--diff", *tune)
    assert changed(announced) == wanted
    assert rules(kubectl) == before

    only = ("playbooks/agents.yml", "controlplane staging", "--tags", "prometheus", "--diff")
    assert changed(playbook(*only, *tune)) == wanted
    after = rules(kubectl)
    assert {name for name in after if after[name] != before[name]} == {"AverageCpuHigh"}
    assert after["AverageCpuHigh"]["expr"] == before["AverageCpuHigh"]["expr"].replace("> 80", "> 85")
    assert changed(playbook(*only)) == wanted
    assert rules(kubectl) == before
