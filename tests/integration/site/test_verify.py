# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/verify.yml, which `make verify` runs, with simulated pods: it ends and verifies nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.hops import PATH

from tests.integration.site.conftest import Playbook, Run
from tests.integration.site.test_secrets import leaked, secrets

pytestmark = pytest.mark.integration
PLAYBOOK = "playbooks/verify.yml"
Kubectl = Callable[..., subprocess.CompletedProcess[str]]
LEFT = ("get", "all,configmaps,serviceaccounts,networkpolicies", "--all-namespaces", "--output", "name")

# The receivers that are searched for a test alarm's message.
RECEIVERS = {
    "verify_alarm_environment": "rehearsal",
    "verify_email_host": "imap.example.com",
    "verify_email_user": "alarm-test@example.com",
    "verify_email_password": "mailbox-password-of-a-test",
    "verify_slack_channel": "C0123456789",
    "verify_slack_token": "slack-token-of-a-test",
}


def left(kubectl: Kubectl) -> list[str]:
    """Return the remaining objects of a canary."""
    return [name for name in kubectl(*LEFT).stdout.split() if "canary" in name]


def test_simulated_hops_are_not_run_and_the_run_is_not_verified(
    fleet: Run, playbook: Playbook, kubectl: Kubectl, local_cloud: Any, tmp_path: Path
) -> None:
    assert fleet.failures == []
    path = tmp_path / "build" / "verify.json"
    options = {"verify_report": str(path), **RECEIVERS}
    run = playbook(PLAYBOOK, "controlplane staging", "-vvv", "-e", json.dumps(options), succeed=False)
    assert run.returncode == 2
    report = json.loads(path.read_text())
    assert (report["verdict"], report["passed"]) == ("not_verified", False)
    assert set(report["clusters"]) == {"controlplane", "staging"}
    for cluster in report["clusters"].values():
        assert [(hop["signal"], hop["hop"]) for hop in cluster["hops"]] == [(hop.signal, hop.name) for hop in PATH]
        assert {hop["status"] for hop in cluster["hops"]} == {"not_run"}
        readiness = cluster["readiness"]
        assert readiness["total"] == readiness["ready"] == readiness["simulated"] > 0
    assert "staging: NOT VERIFIED" in run.output
    assert left(kubectl) == []
    found = secrets(local_cloud)
    assert leaked(found, run.output) == leaked(found, path.read_text()) == []
    given = {name: [RECEIVERS[name]] for name in ("verify_email_password", "verify_slack_token")}
    assert leaked(given, run.output) == leaked(given, path.read_text()) == []


def test_such_a_run_may_be_accepted_and_another_inventory_left_out(
    fleet: Run, playbook: Playbook, tmp_path: Path
) -> None:
    assert fleet.failures == []
    path = tmp_path / "verify.json"
    options = {"verify_report": str(path), "verify_accept_not_run": True}
    playbook("dataplatform.fleet.verify", "staging", "-e", json.dumps(options))
    assert json.loads(path.read_text())["verdict"] == "not_verified"


def test_check_mode_announces_the_canary_and_follows_nothing(
    fleet: Run, playbook: Playbook, kubectl: Kubectl, tmp_path: Path
) -> None:
    assert fleet.failures == []
    run = playbook(PLAYBOOK, "staging", "--check", "--diff", "-e", f"verify_report={tmp_path / 'verify.json'}")
    announced = {detail for _, _, _, detail in run.announced}
    assert any("Deployment node-agents/dataplatform-canary" in detail for detail in announced)
    assert left(kubectl) == []
    assert not (tmp_path / "verify.json").exists()


@pytest.mark.usefixtures("no_testing")
def test_a_cluster_that_does_not_exist_fails(fleet: Run, playbook: Playbook, tmp_path: Path) -> None:
    assert fleet.failures == []
    path = tmp_path / "verify.json"
    run = playbook(PLAYBOOK, "testing", "-e", f"verify_report={path}", succeed=False)
    assert "dataplatform-testing" in run.output
    assert json.loads(path.read_text())["clusters"]["testing"]["verdict"] == "failed"
